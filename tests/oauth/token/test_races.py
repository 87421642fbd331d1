"""Sixteen threads behind a barrier, forty rounds: one winner, no fault, a grant that is over after it (C-06, E-06)."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from latchkey import grants
from latchkey.grants import Grant
from latchkey.store.session import db
from latchkey.worker import ended
from tests import factories
from tests.oauth import dance

THREADS, ROUNDS = 16, 40

pytestmark = pytest.mark.slow("many threads meet, round after round")


@pytest.fixture
def together(app):
    """What each of the threads was answered, all having begun at the same moment."""
    with ThreadPoolExecutor(THREADS) as pool:

        def act_at_once(act):
            barrier = threading.Barrier(THREADS)

            def run(number):
                caller = app.test_client(use_cookies=False)
                barrier.wait()
                return act(caller, number)

            return list(pool.map(run, range(THREADS)))

        yield act_at_once


def won(answers, most=1):
    """The winners' answers; everybody else was refused, and nobody met a fault."""
    winners = [answer.json for answer in answers if answer.status_code == 200]
    losers = [answer for answer in answers if answer.status_code != 200]
    assert 1 <= len(winners) <= most, [answer.status for answer in answers]
    assert {(answer.status_code, answer.json["error"]) for answer in losers} == {(400, "invalid_grant")}
    return winners


@pytest.mark.standard("C-06")
def test_one_of_many_redeems_a_code(together, signed_in, caller, example_client):
    for _ in range(ROUNDS):
        code = dance.code(signed_in, example_client)

        (winner,) = won(together(lambda caller, _: dance.redeem(caller, example_client, code)))

        assert not dance.works(caller, winner["access_token"])
        assert dance.refresh(caller, example_client, winner["refresh_token"]).status_code == 400


@pytest.mark.standard("E-06")
def test_one_of_many_refreshes(together, signed_in, caller, example_client):
    for _ in range(ROUNDS):
        old = dance.tokens(signed_in, example_client)["refresh_token"]

        (winner,) = won(together(lambda caller, _: dance.refresh(caller, example_client, old)))

        assert not dance.works(caller, winner["access_token"])
        assert dance.refresh(caller, example_client, winner["refresh_token"]).status_code == 400


@pytest.mark.standard("E-07")
@pytest.mark.settings(refresh_grace_seconds=10)
def test_two_within_the_grace(together, signed_in, example_client):
    for _ in range(ROUNDS // 4):
        old = dance.tokens(signed_in, example_client)["refresh_token"]

        winners = won(together(lambda caller, _: dance.refresh(caller, example_client, old)), most=2)

        assert len({winner["refresh_token"] for winner in winners}) == len(winners)


@pytest.mark.standard("E-06")
@pytest.mark.settings(refresh_grace_seconds=10)
def test_one_of_two_branches_goes_on(together, signed_in, caller, example_client):
    for _ in range(ROUNDS // 4):
        old = dance.tokens(signed_in, example_client)["refresh_token"]
        pair = [dance.refresh(caller, example_client, old).json["refresh_token"] for _ in range(2)]

        answers = together(lambda caller, number: dance.refresh(caller, example_client, pair[number % 2]))

        # Whatever came of it, both branches were used, so the grant is over.
        for winner in won(answers, most=2):
            assert not dance.works(caller, winner["access_token"])


@pytest.mark.settings(refresh_grace_seconds=10)
def test_a_retry_beside_the_use_of_the_first_successor_leaves_one_branch(together, signed_in, caller, example_client):
    for _ in range(ROUNDS // 4):
        old = dance.tokens(signed_in, example_client)["refresh_token"]
        new = dance.refresh(caller, example_client, old).json["refresh_token"]

        answers = together(
            lambda caller, number: (
                dance.refresh(caller, example_client, (old, new)[number]) if number < 2 else caller.get("/healthz")
            )
        )

        issued = [answer.json["refresh_token"] for answer in answers[:2] if answer.status_code == 200]
        assert {answer.status_code for answer in answers} <= {200, 400}
        assert [dance.refresh(caller, example_client, token).status_code for token in issued].count(200) <= 1


def test_replays_beside_refreshes_and_uses_do_not_block_each_other(together, signed_in, caller, example_client):
    for _ in range(ROUNDS // 2):
        first = dance.tokens(signed_in, example_client)
        second = dance.refresh(caller, example_client, first["refresh_token"]).json

        def act(caller, number):
            if number % 4 == 0:
                return dance.refresh(caller, example_client, second["refresh_token"])
            if number % 4 == 1:
                return dance.post(caller, "/oauth/revoke", example_client, token=second["access_token"])
            if number % 4 == 2:
                return dance.post(caller, "/oauth/introspect", example_client, token=second["access_token"])
            return dance.refresh(caller, example_client, first["refresh_token"])

        answers = together(act)

        assert {answer.status_code for answer in answers} <= {200, 400}
        assert not dance.works(caller, second["access_token"])


@pytest.mark.standard("E-11")
def test_what_a_withdrawal_meets_on_its_way_is_dead(together, signed_in, *, app, caller, alice, example_client):
    for _ in range(ROUNDS // 8):
        chain = [dance.tokens(signed_in, example_client)["refresh_token"] for _ in range(THREADS - 1)]

        def act(caller, number):
            if number < THREADS - 1:
                return dance.refresh(caller, example_client, chain[number])
            with app.app_context():
                standing = grants.find_authorization(alice, example_client.client)
                grants.withdraw(standing)
                db.commit()
            return caller.get("/healthz")

        answers = together(act)

        assert {answer.status_code for answer in answers} <= {200, 400}
        for answer in answers:
            issued = (answer.json or {}).get("access_token")
            assert issued is None or not dance.works(caller, issued)


@pytest.mark.standard("B-13")
def test_one_handle_gives_one_grant(together, signed_in, example_client):
    for _ in range(ROUNDS // 4):
        page = dance.authorize(signed_in, example_client, prompt="consent")
        cookie = signed_in.get_cookie("latchkey").value
        before = db.query(Grant).count()
        db.rollback()
        fields = {"csrf_token": dance.pages.csrf(page), "handle": dance.handle(page), "decision": "allow"}

        answers = together(
            lambda caller, _: caller.post(
                "/oauth/authorize",
                data=fields,
                headers={"Cookie": f"latchkey={cookie}"},
            ),
        )

        assert {answer.status_code for answer in answers} == {303}
        assert len({answer.headers["Location"] for answer in answers}) == 1
        assert db.query(Grant).count() == before + 1
        db.rollback()


def test_first_consents_of_one_user_at_once_make_one_authorization(together, alice, bob, signed_in):
    for number in range(ROUNDS // 4):
        trusted = factories.make_client(bob, name=f"Trusted {number}", trusted=True)
        cookie = signed_in.get_cookie("latchkey").value
        query = "&".join(f"{k}={v}" for k, v in dance.asked(trusted).items())

        answers = together(
            lambda caller, _: caller.get(f"/oauth/authorize?{query}", headers={"Cookie": f"latchkey={cookie}"}),
        )

        assert {answer.status_code for answer in answers} == {303}
        assert all("code=" in answer.headers["Location"] for answer in answers)
        assert grants.count_for(trusted.client) == 1


@pytest.mark.standard("E-14")
def test_retired_tokens_stay_recognisable_until_their_grant_ends(signed_in, caller, example_client, clock):
    first = dance.tokens(signed_in, example_client)
    second = dance.refresh(caller, example_client, first["refresh_token"]).json
    clock.move(days=29)
    while ended.purge():
        db.commit()
    db.commit()

    assert dance.refresh(caller, example_client, first["refresh_token"]).json["error"] == "invalid_grant"
    assert dance.refresh(caller, example_client, second["refresh_token"]).json["error"] == "invalid_grant"
