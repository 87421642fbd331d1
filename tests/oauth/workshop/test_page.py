"""“Run the flow”: an app's owner runs it as themselves, breaks it on purpose, and nothing of it works afterwards."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from latchkey import clients, clock, grants
from latchkey.clients import Cause
from latchkey.grants import Authorization, Grant, trials
from latchkey.journal import refusals
from latchkey.mail.outbox import Letter
from latchkey.safety import shutdown
from latchkey.store.session import db as records
from latchkey.tokens import Token
from latchkey.values import Limit
from oauth.workshop import faults
from tests import factories, pages
from tests.oauth import signing
from tests.oauth.conftest import enter
from tests.oauth.signing import Pair

SCOPES = ("account:read", "activity:read")
pytestmark = pytest.mark.standard("K-04")


@pytest.fixture(params=["confidential", "public", "keyed"])
def app_of_alice(request, alice):
    made = factories.make_client(alice, name="Mine", scopes=SCOPES, confidential=request.param != "public")
    return factories.give_keys(made.client, signing.key_set(Pair())) if request.param == "keyed" else made.client


@pytest.fixture
def mine(alice):
    return factories.make_client(alice, name="Mine", scopes=SCOPES).client


def run(browser, client, fault="", scope=SCOPES, **more):
    page = browser.get("/apps")
    form = {
        "csrf_token": pages.csrf(page),
        "redirect": client.redirect_uris[0],
        "fault": fault,
        "scope": list(scope),
    } | more
    return browser.post(f"/apps/{client.id}/run", data=form)


def marks(answer):
    return re.findall(r'<span class="vh">(Done|Refused)</span>', answer.text)


def nothing_is_left():
    live = records.scalar(
        select(func.count())
        .select_from(Token)
        .join(Grant)
        .where(Grant.ended_at.is_(None), Grant.expires_at > clock.now())
    )
    kept = records.scalar(select(func.count()).select_from(Authorization))
    ended = records.scalar(select(func.count()).select_from(Grant).where(Grant.ended_at.is_(None)))
    records.rollback()
    return (live, kept, ended) == (0, 0, 0)


def test_every_step_is_shown_and_nothing_of_it_works_afterwards(signed_in, app_of_alice):
    answer = run(signed_in, app_of_alice)

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert marks(answer) == ["Done"] * 5
    assert "Every step went as it should" in answer.text
    assert re.search(r"access_token[^\n]*lk_oat_•+", answer.text)
    assert "X-Auth-Scope: account:read activity:read" in answer.text
    assert not re.search(r"lk_(oat|ort|sec)_[0-9A-Za-z]", answer.text)
    assert nothing_is_left()
    assert records.scalar(select(func.count()).select_from(Letter)) == 0
    assert "Mine" not in signed_in.get("/authorized-apps").text


REFUSED = {
    "redirect": (0, "An error page of Latchkey", "authorize"),
    "unknown_scope": (0, "error=invalid_scope", "authorize"),
    "foreign_scope": (0, "error=invalid_scope", "authorize"),
    "resource": (0, "error=invalid_target", "authorize"),
    "no_pkce": (0, "error=invalid_request", "authorize"),
    "plain": (0, "error=invalid_request", "authorize"),
    "denied": (1, "The person did not agree.", "authorize"),
    "state": (1, "The state is not the one that was sent", None),
    "proof": (2, "invalid_client", "token"),
    "verifier": (2, "invalid_grant", "token"),
    "other_uri": (2, "invalid_grant", "token"),
    "target": (2, "invalid_target", "token"),
    "twice": (3, "invalid_grant", "token"),
    "narrow": (3, "insufficient_scope", None),
    "wider": (4, "Not granted, or no longer open to the app: account:write.", "token"),
    "refresh": (5, "invalid_grant", "token"),
}


def test_each_fault_is_refused_where_it_should_be_and_explained(signed_in, mine, alice):
    assert set(REFUSED) == set(faults.FAULTS) - {""}
    for fault, (before, answered, logged) in REFUSED.items():
        answer = run(signed_in, mine, fault)

        assert marks(answer) == ["Done"] * before + ["Refused"], (fault, answer.text)
        assert answered in answer.text.replace("&#34;", '"'), fault
        assert faults.FAULTS[fault].told in answer.text.replace("&#39;", "'"), fault
        newest = next(iter(refusals.list_for(mine)), None)
        if logged:
            assert newest.endpoint == logged, fault
        records.rollback()
        assert nothing_is_left(), fault
        assert answer.text.count("Not reached.") == {0: 4, 1: 3, 2: 2, 3: 1 + (fault == "twice"), 4: 0, 5: 0}[before], (
            fault
        )
    # What looks like a theft of one's own run alarms nobody.
    assert records.scalar(select(func.count()).select_from(Letter)) == 0


def test_a_wrong_proof_is_really_tried_whatever_the_app_proves_itself_by(signed_in, app_of_alice):
    answer = run(signed_in, app_of_alice, "proof")

    assert marks(answer) == ["Done", "Done", "Refused"]
    assert "401 Unauthorized" in answer.text
    assert nothing_is_left()


@pytest.mark.standard("J-01")
def test_a_stranger_runs_nothing_of_anothers(app, bob, mine):
    stranger = enter(app.test_client(), bob)

    assert stranger.get(f"/apps/{mine.id}/run").status_code == 404
    assert run(stranger, mine).status_code == 404
    assert records.scalar(select(func.count()).select_from(Grant)) == 0


def test_nobody_signed_out_or_from_another_site_runs_it(client, signed_in, app, mine):
    assert app.test_client().get(f"/apps/{mine.id}/run").status_code == 303
    assert signed_in.post(f"/apps/{mine.id}/run", data={"scope": "account:read"}).status_code == 400
    assert records.scalar(select(func.count()).select_from(Grant)) == 0


@pytest.mark.standard("J-01")
def test_the_domain_lets_nobody_but_the_owner_begin_one(app, bob, mine):
    with pytest.raises(trials.NotYours):
        trials.begin(bob, mine, {"account:read"}, None, factories.CALLBACK)


def test_looking_at_the_page_changes_nothing(signed_in, mine):
    page = signed_in.get(f"/apps/{mine.id}/run?fault=twice&scope=account:read")

    assert page.status_code == 200
    assert marks(page) == []
    assert records.scalar(select(func.count()).select_from(Grant)) == 0


@pytest.mark.parametrize(
    "change",
    [{"redirect": "https://evil.example/"}, {"fault": "x"}, {"fault": "twice\0"}, {"redirect": ""}],
    ids=["redirect", "fault", "nul", "empty"],
)
def test_what_is_not_on_the_form_is_as_if_it_had_been_left(signed_in, mine, change):
    answer = run(signed_in, mine, **change)

    assert marks(answer) == ["Done"] * 5
    assert "evil.example" not in answer.text


def test_a_scope_of_others_cannot_be_had_and_none_at_all_is_refused(signed_in, mine):
    answer = run(signed_in, mine, scope=["account:read", "tokens:write"])
    assert "X-Auth-Scope: account:read\n" in answer.text
    assert "tokens:write" not in answer.text.partition('id="run"')[2]

    nothing = run(signed_in, mine, scope=["tokens:write"])
    assert (nothing.status_code, marks(nothing)) == (422, [])


@pytest.mark.standard("J-05")
def test_a_suspended_app_is_stopped_at_the_first_step(app, signed_in, mine):
    with app.app_context():
        shutdown.suspend(clients.find(mine.id), Cause.ADMINISTRATOR)
        records.commit()

    answer = run(signed_in, mine)

    assert marks(answer) == ["Refused"]
    assert "the app is suspended" in answer.text


def test_what_one_has_agreed_to_before_stays_as_it_is(signed_in, alice, mine):
    grants.allow(alice, mine, {"account:read"})
    records.commit()

    run(signed_in, mine, "twice")

    found = grants.find_authorization(alice, mine)
    assert found.scopes == {"account:read"}
    records.rollback()


def test_it_runs_so_often_and_no_more(signed_in, mine, monkeypatch):
    monkeypatch.setattr("oauth.workshop.page.RUNS", (Limit(1, trials.LIFETIME),))

    assert run(signed_in, mine).status_code == 200
    assert run(signed_in, mine).status_code == 429


def test_two_runs_at_once_end_both(app, alice, mine):
    browsers = [enter(app.test_client(), alice) for _ in range(4)]
    barrier = threading.Barrier(4)

    def act(browser):
        barrier.wait()
        return len(marks(run(browser, mine)))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(act, browsers)) == [5] * 4
    assert nothing_is_left()
