"""What acts for a user: what it did, each of its sign-ins, ending one or all, and pausing everything."""

import html
import re
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from latchkey import clock as real_clock
from latchkey import grants, tokens
from latchkey.accounts.users import User
from latchkey.endings import Ending
from latchkey.grants import EndReason, Grant
from latchkey.journal import activity
from latchkey.journal.activity import EventKind
from latchkey.journal.calls import counting, refused_calls
from latchkey.safety import agents
from latchkey.store.session import db
from latchkey.tokens import Token, usage
from tests import factories, pages
from tests.crowd import at_once
from tests.portal.apps.app_pages import LONG_AGO

PAGE = "/authorized-apps"


@pytest.fixture
def ledger(bob):
    return factories.make_client(bob, name="Ledger", scopes=["account:read"])


def issued(user, registered) -> str:
    """An access token of a sign-in of its own."""
    return factories.make_access_token(grants.allow(user, registered.client, ["account:read"]))


def text(answer) -> str:
    """What is read on a page."""
    return " ".join(re.sub(r"<[^>]+>", " ", html.unescape(answer.text)).split())


def call(app, token: str, path: str = "/v1/me"):
    return app.test_client(use_cookies=False).get(path, headers={"Authorization": f"Bearer {token}"})


@pytest.mark.standard("K-05")
def test_the_page_says_what_each_did_from_where_and_how_often(app, signed_in, alice, ledger):
    token = issued(alice, ledger)
    for _ in range(3):
        call(app, token)
    counting.flush()
    usage.flush()

    page = text(signed_in.get(PAGE))

    assert "3 calls in 30 days" in page
    assert "from 127.0.0.1" in page


@pytest.mark.standard("K-05")
def test_calls_from_before_access_was_given_again_are_not_said_to_be_none(app, signed_in, alice, ledger):
    call(app, issued(alice, ledger))
    counting.flush()
    usage.flush()
    grants.withdraw(grants.list_for(alice)[0], EndReason.WITHDRAWN)
    issued(alice, ledger)
    db.commit()

    page = text(signed_in.get(PAGE))

    assert "Not used since then · 1 call in 30 days" in page
    assert "Never used" not in page


@pytest.mark.standard("K-05")
def test_one_sign_in_ends_and_the_others_go_on(app, signed_in, alice, ledger):
    first, second = issued(alice, ledger), issued(alice, ledger)
    one, _ = db.query(Grant).order_by(Grant.id)
    authorization = grants.find_authorization(alice, ledger.client)
    path = f"{PAGE}/{authorization.id}/sign-ins/{one.id}/end"

    for _ in range(2):
        assert pages.submit(signed_in, path, form=PAGE).status_code == 303

    assert call(app, first).json["type"].endswith("#problem-revoked-token")
    assert call(app, second).status_code == 200
    assert len(activity.list_for(alice, kinds=[EventKind.SIGN_IN_ENDED])) == 1


def test_a_stranger_ends_no_sign_in(app, signed_in, alice, bob, ledger):
    theirs = issued(bob, ledger)
    issued(alice, ledger)
    grant = db.query(Grant).filter_by(user_id=bob.id).one()
    hers, his = (grants.find_authorization(user, ledger.client) for user in (alice, bob))

    assert pages.submit(signed_in, f"{PAGE}/{his.id}/sign-ins/{grant.id}/end", form=PAGE).status_code == 404
    pages.submit(signed_in, f"{PAGE}/{hers.id}/sign-ins/{grant.id}/end", form=PAGE)

    assert call(app, theirs).status_code == 200


@pytest.mark.standard("K-05")
def test_nobody_tells_guards_of_what_is_not_theirs_to_end(signed_in, alice, bob, ledger):
    issued(alice, ledger)
    foreign = grants.allow(bob, ledger.client, ["account:read"])
    db.commit()
    known = db.scalar(select(func.count()).select_from(Ending))

    authorization = grants.find_authorization(alice, ledger.client)
    for named in (foreign.id, bob.id, ledger.client.id):
        path = f"{PAGE}/{authorization.id}/sign-ins/{named}/end"
        assert pages.submit(signed_in, path, form=PAGE).status_code == 303

    assert db.scalar(select(func.count()).select_from(Ending)) == known


def test_all_of_them_end_after_a_question(app, signed_in, alice, bob, ledger):
    other = factories.make_client(bob, name="Notes", scopes=["account:read"])
    tokens = [issued(alice, ledger), issued(alice, other)]
    asked = text(signed_in.get(f"{PAGE}/revoke-all"))
    assert "Ledger" in asked and "Notes" in asked
    assert all(call(app, token).status_code == 200 for token in tokens)

    pages.submit(signed_in, f"{PAGE}/revoke-all")

    assert all(call(app, token).status_code == 401 for token in tokens)
    assert grants.list_for(alice) == []


def test_nobody_is_asked_to_end_the_access_of_no_app(signed_in):
    asked = signed_in.get(f"{PAGE}/revoke-all")
    assert (asked.status_code, asked.headers["Location"]) == (303, PAGE)
    again = pages.submit(signed_in, f"{PAGE}/revoke-all", form=PAGE)
    assert (again.status_code, again.headers["Location"]) == (303, PAGE)
    assert "can no longer act" not in signed_in.get(PAGE).text


class TestPause:
    @pytest.mark.standard("K-05", "H-07")
    def test_what_is_paused_is_refused_at_the_next_call_and_works_again_when_resumed(
        self, app, signed_in, alice, ledger
    ):
        kinds = [issued(alice, ledger), factories.make_token(alice).plaintext]
        assert all(call(app, token).status_code == 200 for token in kinds)

        pages.submit(signed_in, f"{PAGE}/pause", form=PAGE)

        for token in kinds:
            refused = call(app, token)
            assert refused.status_code == 401
            assert refused.json["type"].endswith("#problem-token-paused")
            assert refused.json["fix_url"].endswith(PAGE)
            assert call(app, token, "/oauth/check").status_code == 401
        page = text(signed_in.get(PAGE))
        assert "Everything that acts for you is paused" in page and "Paused" in page

        pages.submit(signed_in, f"{PAGE}/resume", form=PAGE)
        assert all(call(app, token).status_code == 200 for token in kinds)

    def test_a_resource_server_hears_of_nothing_that_is_paused(self, app, signed_in, alice, ledger):
        token = factories.make_token(alice).plaintext
        pages.submit(signed_in, f"{PAGE}/pause", form=PAGE)

        told = app.test_client(use_cookies=False).post(
            "/oauth/introspect",
            data={"token": token, "client_id": ledger.client.id, "client_secret": ledger.secret},
        )
        assert told.json == {"active": False}

    def test_nobody_else_is_paused(self, app, signed_in, alice, bob):
        token = factories.make_token(bob).plaintext
        pages.submit(signed_in, f"{PAGE}/pause", form=PAGE)

        assert call(app, token).status_code == 200

    def test_the_pages_of_tokens_say_that_all_is_paused(self, signed_in, alice):
        token = factories.make_token(alice).token
        assert "Paused" not in signed_in.get("/tokens").text
        pages.submit(signed_in, f"{PAGE}/pause", form=PAGE)

        for page in ("/tokens", f"/tokens/{token.id}"):
            shown = signed_in.get(page).text
            assert "Everything that acts for you is paused" in shown, page
            assert "Paused</span>" in shown, page

    def test_a_token_that_ended_is_not_called_paused(self, app, signed_in, alice):
        minted = factories.make_token(alice)
        pages.submit(signed_in, f"{PAGE}/pause", form=PAGE)
        db.get(Token, minted.token.id).revoked_at = real_clock.now()
        db.commit()

        assert call(app, minted.plaintext).json["type"].endswith("#problem-revoked-token")

    def test_pausing_takes_no_proof_and_resuming_does(self, clock, signed_in, alice):
        clock.move(**LONG_AGO)
        assert pages.submit(signed_in, f"{PAGE}/pause", form=PAGE).headers["Location"].endswith(PAGE)

        pages.submit(signed_in, f"{PAGE}/resume", form=PAGE)

        assert db.get(User, alice.id).paused_at is not None

    def test_it_is_told_once_each_and_resuming_is_worth_a_letter(self, signed_in, alice, mailbox):
        for path in ("pause", "pause", "resume", "resume"):
            pages.submit(signed_in, f"{PAGE}/{path}", form=PAGE)

        kinds = [event.kind for event in activity.list_for(alice)]
        assert kinds.count(EventKind.PAUSED) == kinds.count(EventKind.RESUMED) == 1
        assert [letter.subject for letter in mailbox.letters()] == ["Everything acts for you again"]

    def test_looking_changes_nothing(self, signed_in, alice):
        for path in ("pause", "resume"):
            assert signed_in.get(f"{PAGE}/{path}").status_code == 405
        assert db.get(User, alice.id).paused_at is None

    def test_many_at_once_pause_once(self, app, alice):
        user_id = alice.id

        def pause() -> bool:
            with app.app_context():
                new = agents.pause(db.get(User, user_id))
                db.commit()
                return new

        assert sorted(at_once(*[pause] * 8)) == [False] * 7 + [True]


def pause(browser, act: str = "pause") -> None:
    form = {"csrf_token": pages.csrf(browser.get(PAGE))}
    assert browser.post(f"{PAGE}/{act}", data=form).status_code == 303


def test_a_pause_tells_what_it_kept_from_which_token(app, signed_in, alice, bob):
    made = [factories.make_token(alice, description=name) for name in ("Laptop", "Nightly", "Board", "Spare")]
    call(app, made[0].plaintext)
    pause(signed_in)
    pause(bobs := pages.sign_in(app.test_client(), bob))
    assert "in the meantime" not in text(signed_in.get(PAGE))
    for minted, times in zip(made, (4, 3, 2, 1), strict=True):
        for _ in range(times):
            assert call(app, minted.plaintext).status_code == 401
    counting.flush()

    page = signed_in.get(PAGE)

    told = "10 calls with your tokens were refused in the meantime: Laptop 4 times, Nightly 3 times, Board 2 times"
    assert told in text(page)
    assert "and 1 other token" in text(page)
    assert f'href="/tokens/{made[0].token.id}#calls-refused-h"' in page.text
    own = text(signed_in.get(f"/tokens/{made[1].token.id}"))
    assert "3 calls with this one were refused in the meantime." in own
    assert " Paused " in own and " Active " not in own
    assert "in the meantime" not in text(bobs.get(PAGE))


def test_calls_of_an_earlier_pause_of_the_day_are_not_counted_again(app, signed_in, alice):
    minted = factories.make_token(alice, description="Laptop")
    for times in (3, 1):
        pause(signed_in)
        for _ in range(times):
            call(app, minted.plaintext)
        counting.flush()
        page = text(signed_in.get(PAGE))
        pause(signed_in, "resume")

    assert "1 call with your tokens was refused in the meantime: Laptop 1 time" in page
    counting.flush()
    assert sum(one.times for one in refused_calls.latest_of(token_id=minted.token.id)) == 4


def test_calls_with_a_former_string_are_told_of_its_token(app, signed_in, alice):
    minted = factories.make_token(alice, description="Laptop")
    renewed = tokens.regenerate(minted.token, tokens.Renewal(keep=timedelta(days=1)))
    db.commit()
    pause(signed_in)
    for plaintext in (minted.plaintext, renewed):
        call(app, plaintext)
    counting.flush()

    assert "2 calls with your tokens were refused in the meantime: Laptop 2 times" in text(signed_in.get(PAGE))
