"""What one user, token or session may have or do at most: each quota is filled, and held when many come at once."""

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import func, select

from latchkey import clients, tokens
from latchkey.accounts import sessions
from latchkey.accounts.limits import QuotaReached
from latchkey.journal import activity, refusals
from latchkey.journal.activity import EventKind
from latchkey.journal.refusals import Refusal
from latchkey.tokens import Token
from oauth.authorize.pending import PendingConsent
from tests import crowd, pages
from tests.api.calls import caller, problem
from tests.factories import CALLBACK, PASSWORD, make_client, make_token
from tests.oauth import dance
from tests.portal.apps import app_pages
from tests.portal.tokens.test_new import GOOD, create

NEW = {"description": "Child", "scopes": ["account:read"]}
APP = {"name": "Fieldnotes", "redirect_uris": [CALLBACK], "scopes": ["account:read"]}


def at_once(app, act, threads=16):
    """What each of many threads was answered, all having begun at the same moment."""
    callers = [app.test_client(use_cookies=False) for _ in range(threads)]
    return crowd.at_once(*(partial(act, caller, number) for number, caller in enumerate(callers)))


@pytest.mark.standard("O-03")
@pytest.mark.settings(quota_tokens=3)
def test_a_user_has_so_many_live_tokens_and_no_more(app, alice, signed_in, clock, db):
    hers = caller(app.test_client(), alice)
    made = [hers.post("/v1/tokens", NEW | {"description": f"Child {number}"}) for number in range(3)]
    page = create(signed_in)

    assert [answer.status_code for answer in made] == [201, 201, 409]
    assert "at most 3 live tokens" in problem(made[2], 409, "quota-reached")["detail"]
    assert page.status_code == 409
    assert "at most 3 live tokens" in page.text
    assert f'value="{GOOD["description"]}"' in page.text, "what was typed is lost"
    assert db.scalar(select(func.count()).select_from(Token)) == 3

    hers.delete(f"/v1/tokens/{made[0].json['id']}")
    assert create(signed_in).status_code == 200


@pytest.mark.settings(quota_tokens=2)
def test_tokens_that_ended_take_no_room(alice, bob, clock):
    make_token(alice, description="One", lifetime=timedelta(days=1))
    tokens.revoke(make_token(alice, description="Two").token)
    make_token(alice, description="Three", lifetime=timedelta(days=1))
    with pytest.raises(QuotaReached):
        make_token(alice, description="Four")
    clock.move(days=2)

    assert make_token(alice, description="Four").token.status == "active"
    assert make_token(bob).token.status == "active"


@pytest.mark.standard("O-03")
@pytest.mark.settings(quota_tokens=5, quota_writes="1000/minute")
def test_many_at_once_get_no_more_tokens(app, alice, db):
    hers = caller(app.test_client(), alice)

    def make(client, number):
        headers = {"Authorization": f"Bearer {hers.plaintext}"}
        return client.post("/v1/tokens", json=NEW | {"description": f"Child {number}"}, headers=headers).status_code

    assert sorted(at_once(app, make)) == [201] * 4 + [409] * 12
    assert db.scalar(select(func.count()).select_from(Token)) == 5


@pytest.mark.standard("O-03")
@pytest.mark.settings(quota_apps=2)
def test_a_user_has_so_many_apps_and_no_more(app, alice, bob, signed_in):
    hers = caller(app.test_client(), alice)
    made = [hers.post("/v1/apps", APP).status_code, app_pages.register(signed_in).status_code]
    refused, page = hers.post("/v1/apps", APP), app_pages.register(signed_in)

    assert made == [201, 200]
    assert "at most 2 apps" in problem(refused, 409, "quota-reached")["detail"]
    assert (page.status_code, "at most 2 apps" in page.text) == (409, True)
    assert f'value="{app_pages.FORM["name"]}"' in page.text, "what was typed is lost"
    assert len(clients.list_for(alice)) == 2
    assert make_client(bob).client.owner_id == bob.id


@pytest.mark.standard("O-03")
@pytest.mark.settings(quota_apps=5, quota_writes="1000/minute")
def test_many_at_once_register_no_more_apps(app, alice):
    hers = caller(app.test_client(), alice)

    def register(client, _):
        return client.post("/v1/apps", json=APP, headers={"Authorization": f"Bearer {hers.plaintext}"}).status_code

    assert sorted(at_once(app, register)) == [201] * 5 + [409] * 11
    assert len(clients.list_for(alice)) == 5


@pytest.mark.standard("O-03", "O-04")
@pytest.mark.settings(quota_writes="4/minute")
def test_a_token_changes_so_much_in_a_minute_and_reads_on(app, alice, clock):
    hers = caller(app.test_client(), alice)
    statuses = [hers.patch("/v1/me", {"name": f"Alice {number}"}).status_code for number in range(3)]
    child = hers.post("/v1/tokens", NEW | {"scopes": ["account:read", "account:write"]}).json
    refused = hers.delete(f"/v1/tokens/{child['id']}")
    childs = caller(app.test_client(), alice, description="x")
    childs.plaintext = child["token"]

    assert statuses == [200] * 3
    said = problem(refused, 429)
    assert said["violated-policies"] == ["writes"]
    assert refused.headers["Retry-After"] == "60"
    assert refused.headers["RateLimit-Policy"] == '"writes";q=4;w=60'
    assert refused.headers["RateLimit"] == '"writes";r=0;t=60'
    # A token that it made is counted with it; what only reads is not.
    problem(childs.patch("/v1/me", {"name": "Al"}), 429)
    assert hers.get("/v1/me").status_code == 200
    assert caller(app.test_client(), alice, description="Another").patch("/v1/me", {"name": "Al"}).status_code == 200
    clock.move(minutes=1)
    assert hers.patch("/v1/me", {"name": "Al"}).status_code == 200


@pytest.mark.standard("O-03")
@pytest.mark.settings(quota_writes="5/minute")
def test_many_at_once_change_no_more(app, alice):
    hers = caller(app.test_client(), alice)

    def change(client, number):
        headers = {"Authorization": f"Bearer {hers.plaintext}"}
        return client.patch("/v1/me", json={"name": f"Alice {number}"}, headers=headers).status_code

    assert sorted(at_once(app, change)) == [200] * 5 + [429] * 11


@pytest.mark.settings(quota_pending=3)
def test_a_session_keeps_so_many_questions_open_and_the_oldest_goes(signed_in, example_client, db):
    asked = [dance.authorize(signed_in, example_client) for _ in range(4)]

    assert db.scalar(select(func.count()).select_from(PendingConsent)) == 3
    assert dance.decide(signed_in, asked[0]).status_code == 400
    assert dance.decide(signed_in, asked[1]).status_code == 303


@pytest.mark.settings(quota_pending=3)
def test_many_questions_at_once_are_no_more(app, signed_in, example_client, db):
    cookie = signed_in.get_cookie("latchkey").value

    def ask(client, _):
        client = app.test_client()
        client.set_cookie("latchkey", cookie)
        return dance.authorize(client, example_client).status_code

    assert at_once(app, ask) == [200] * 16
    assert db.scalar(select(func.count()).select_from(PendingConsent)) == 3


@pytest.mark.settings(quota_pending=3)
def test_questions_of_another_session_are_not_the_oldest(app, signed_in, bob, example_client):
    asked = dance.authorize(signed_in, example_client)
    other = pages.sign_in(app.test_client(), bob, PASSWORD)
    for _ in range(5):
        dance.authorize(other, example_client)

    assert dance.decide(signed_in, asked).status_code == 303


def test_a_question_before_sign_in_costs_no_row(client, example_client, db):
    for _ in range(5):
        dance.authorize(client, example_client)

    assert db.scalar(select(func.count()).select_from(PendingConsent)) == 0


def test_a_user_has_so_many_sessions_and_the_oldest_goes(app, alice, db, monkeypatch):
    monkeypatch.setattr(sessions, "MOST", 3)
    browsers = [pages.sign_in(app.test_client(), alice) for _ in range(5)]

    assert [browser.get("/settings").status_code for browser in browsers] == [303, 303, 200, 200, 200]
    assert db.scalar(select(func.count()).select_from(sessions.BrowserSession)) == 3


def test_one_kind_of_event_without_end_buries_no_other(alice, db, monkeypatch):
    monkeypatch.setattr(activity, "MOST_KEPT", 4)
    activity.record(alice, EventKind.PASSWORD_CHANGED)
    kept = [activity.record(alice, EventKind.SIGNED_IN).id for _ in range(9)][5:]

    activity.purge()
    db.commit()

    found = activity.list_for(alice)
    assert [event.id for event in found if event.kind == "sign_in.succeeded"] == kept[::-1]
    assert [event.kind for event in found].count("security.password_changed") == 1


def test_refusals_of_an_app_that_are_alike_have_an_end_and_push_out_no_other(example_client, db, clock, monkeypatch):
    monkeypatch.setattr(refusals, "ALIKE_KEPT", 4)
    refusals.record(example_client.client.id, "token", "invalid_grant", "The refresh token was used before.")
    for _ in range(9):
        clock.move(minutes=1)
        refusals.record(example_client.client.id, "token", "invalid_grant", "unknown")

    assert refusals.purge() is False
    db.commit()

    reasons = [refusal.reason for refusal in db.query(Refusal).order_by(Refusal.id.desc())]
    assert reasons == [*4 * ["unknown"], "The refresh token was used before."]
