"""What is made or changed with a token: while that token stands, not too deep, and known by it afterwards."""

from datetime import datetime, timedelta

import pytest

from latchkey import clients, clock, grants, tokens
from latchkey.accounts import users
from latchkey.clients import Cause
from latchkey.journal.activity import Event
from latchkey.safety import lockdown, shutdown
from latchkey.store.session import db
from latchkey.tokens import Renewal, Token
from tests import factories, pages
from tests.api.apps.test_calls import NEW as NEW_APP
from tests.api.calls import Caller, caller, problem
from tests.oauth import dance

NEW = {"description": "Child", "scopes": ["tokens:write", "account:read"]}


def child(parent, **changes):
    answer = parent.post("/v1/tokens", NEW | changes)
    assert answer.status_code == 201, answer.get_json()
    made = answer.get_json()
    return Caller(parent.client, made["token"], made["id"])


def report(found):
    """Somebody found a token and ends it."""
    answer = found.post("/v1/credentials/revoke", {"credentials": [found.plaintext]}, Authorization="")
    assert answer.status_code == 202


def apps_of(user):
    db.expire_all()
    return {client.name: client for client in clients.list_for(users.find(user.id))}


@pytest.mark.standard("I-06")
def test_a_chain_of_tokens_is_five_deep_and_no_deeper(hers, db):
    youngest = hers
    for _ in range(tokens.DEEPEST):
        youngest = child(youngest)

    problem(youngest.post("/v1/tokens", NEW), 403, "chain-too-long")
    assert db.query(Token).count() == 1 + tokens.DEEPEST


@pytest.mark.standard("F-07", "I-06")
@pytest.mark.parametrize("how", ["shortened", "regenerated"])
def test_it_is_told_to_end_with_the_first_of_those_above_it(hers, alice, bob, how):
    """An API that keeps the answer until then would let it pass for weeks after it ended."""
    youngest = child(child(hers, expires_in_days=20), expires_in_days=10)
    parent, an_hour = db.get(Token, hers.token_id), timedelta(hours=1)
    if how == "shortened":
        tokens.shorten(parent, clock.now() + an_hour)
    else:
        tokens.regenerate(parent, Renewal(keep=an_hour))
    db.commit()
    over = clock.now() + an_hour

    asker = factories.make_client(bob)
    told = dance.post(youngest.client, "/oauth/introspect", asker, token=youngest.plaintext).json
    assert (told["active"], told["exp"]) == (True, pytest.approx(over.timestamp(), abs=60))
    shown = youngest.get("/v1/token").get_json()["expires_at"]
    assert datetime.fromisoformat(shown).timestamp() == pytest.approx(over.timestamp(), abs=60)
    assert youngest.post("/v1/tokens", NEW | {"scopes": ["account:read"]}).status_code == 201, "what is left of it"


@pytest.mark.standard("I-06")
def test_a_parent_that_was_regenerated_meanwhile_makes_nothing(hers, alice):
    mine = db.get(Token, hers.token_id)
    presented = mine.digest
    tokens.regenerate(mine)
    db.commit()

    with pytest.raises(tokens.ParentEnded):
        tokens.hold(hers.token_id, presented)
    db.rollback()
    assert tokens.children(mine) == []


def test_a_repeat_is_not_told_to_a_token_that_has_ended(hers, monkeypatch):
    made = hers.post("/v1/apps", NEW_APP | {"confidential": False}, Idempotency_Key="one")
    assert made.status_code == 201
    tokens.regenerate(db.get(Token, hers.token_id))
    db.commit()

    problem(hers.post("/v1/apps", NEW_APP | {"confidential": False}, Idempotency_Key="one"), 401)


@pytest.mark.standard("I-10")
@pytest.mark.parametrize("end", ["report", "revoke everything", "tick"])
def test_a_leak_suspends_the_apps_that_were_made_or_changed_with_the_token(
    end, *, app, hers, alice, signed_in, mailbox
):
    untouched = factories.make_client(alice, name="Untouched").client
    changed = factories.make_client(alice, name="Changed").client
    rotated = factories.make_client(alice, name="Rotated").client
    hers.post("/v1/apps", NEW_APP | {"name": "Made"})
    hers.patch(f"/v1/apps/{changed.id}", {"homepage": "https://evil.example"})
    child(hers, scopes=["apps:write"]).post(f"/v1/apps/{rotated.id}/secret")

    if end == "report":
        report(hers)
    elif end == "tick":
        answer = pages.submit(signed_in, f"/tokens/{hers.token_id}/revoke", leaked="yes")
        said = signed_in.get(answer.location).text
        assert all(name in said for name in ("Made", "Changed", "Rotated", "Suspended"))
    else:
        with app.app_context():
            lockdown.revoke_everything(users.find(alice.id))
            db.commit()

    apps = apps_of(alice)
    assert {name for name, one in apps.items() if one.suspended_at} == {"Made", "Changed", "Rotated"}
    assert clients.causes(apps["Made"]) == {Cause.LEAK}
    assert untouched.suspended_at is None
    letters = [letter.subject for letter in mailbox.letters("alice@example.com")]
    assert {"App suspended: Made", "App suspended: Changed", "App suspended: Rotated"} <= set(letters)


def test_any_other_end_only_names_the_apps(hers, alice, signed_in):
    hers.post("/v1/apps", NEW_APP | {"name": "Made"})

    page = signed_in.get(f"/tokens/{hers.token_id}")
    assert "Made or changed with this token" in page.text
    answer = pages.submit(signed_in, f"/tokens/{hers.token_id}/revoke")

    assert "It made or changed “Made”" in signed_in.get(answer.location).text
    assert apps_of(alice)["Made"].suspended_at is None


@pytest.mark.standard("I-10")
def test_an_app_is_found_by_its_maker_after_the_child_that_made_it_is_gone(hers, alice):
    youngest = child(hers, scopes=["apps:write"])
    youngest.post("/v1/apps", NEW_APP | {"name": "Made"})
    db.delete(db.get(Token, youngest.token_id))
    db.flush()
    tokens.traces.purge()
    db.commit()

    report(hers)

    assert apps_of(alice)["Made"].suspended_at is not None


def test_the_owner_lets_an_app_go_on_after_looking(hers, alice, signed_in):
    made = hers.post("/v1/apps", NEW_APP | {"name": "Made"}).get_json()
    report(hers)
    page = f"/apps/{made['id']}/restore"
    assert "Start app again" in signed_in.get(f"/apps/{made['id']}").text

    assert NEW_APP["redirect_uris"][0] in signed_in.get(page).text
    assert pages.submit(signed_in, page).status_code == 303
    assert apps_of(alice)["Made"].suspended_at is None
    assert signed_in.post(page).status_code in (303, 400)


def test_a_stranger_cannot_let_it_go_on(app, hers, bob):
    made = hers.post("/v1/apps", NEW_APP).get_json()
    his = pages.sign_in(app.test_client(), bob)

    assert his.get(f"/apps/{made['id']}/restore").status_code == 404


@pytest.mark.standard("J-06", "K-02")
@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "change",
    [
        {"name": "Other"},
        {"redirect_uris": ["https://evil.example/cb"]},
        {"pkce_required": False},
        {"name": "Other", "homepage": "https://other.example"},
    ],
)
def test_what_a_trusted_app_is_changes_only_by_an_administrator(hers, alice, change):
    trusted = factories.make_client(alice, name="Trusted", trusted=True).client
    path = f"/v1/apps/{trusted.id}"
    before = hers.get(path).get_json()

    problem(hers.patch(path, change), 403, "trusted-app")
    problem(hers.post(f"{path}/secret"), 403, "trusted-app")

    assert hers.get(path).get_json() == before
    assert hers.patch(path, {"homepage": "https://new.example"}).status_code == 200


def test_an_administrator_changes_it_and_the_mark_falls_with_a_new_name(app, hers):
    admin = factories.make_user("admin@example.com", admin=True)
    trusted = factories.make_client(admin, name="Trusted", trusted=True).client
    theirs = caller(app.test_client(), admin)
    path = f"/v1/apps/{trusted.id}"

    moved = theirs.patch(path, {"redirect_uris": ["https://new.example/cb"]}).get_json()
    assert (moved["redirect_uris"], moved["trusted"]) == (["https://new.example/cb"], True)
    assert theirs.patch(path, {"name": "Renamed"}).get_json()["trusted"] is False


def test_events_and_letters_name_the_token_that_did_it(hers, alice, signed_in, mailbox):
    hers.post("/v1/apps", NEW_APP)

    event = db.query(Event).filter(Event.kind == "app.registered").one()
    assert event.detail["actor"] == {"doer": "token", "id": hers.token_id, "name": "Everything"}
    assert "Your token “Everything” registered the app" in signed_in.get("/activity").text.replace("&#34;", '"')
    assert "your token “Everything”" in mailbox.last("alice@example.com").text


def test_deleting_an_app_with_many_users_holds_the_lock_for_a_part_at_a_time(hers, alice, monkeypatch):
    crowded = factories.make_client(alice, name="Crowded").client
    for number in range(7):
        grants.allow(factories.make_user(f"user{number}@example.com"), crowded, {"account:read"})
    db.commit()
    monkeypatch.setattr(shutdown, "PART", 3)
    commits = []
    real = db.commit
    monkeypatch.setattr(type(db), "commit", lambda self: (commits.append(1), real())[1], raising=False)

    assert hers.delete(f"/v1/apps/{crowded.id}").status_code == 204

    assert len(commits) > 3
    assert clients.find(crowded.id) is None


@pytest.mark.standard("I-10")
@pytest.mark.parametrize("end", ["by itself", "expired"])
def test_a_token_that_has_ended_is_still_reported_by_its_owner(hers, alice, *, bob, app, signed_in, clock, end):
    hers.post("/v1/apps", NEW_APP | {"name": "Made"})
    if end == "expired":
        db.get(Token, hers.token_id).expires_at = clock.now()
        db.commit()
    else:
        hers.delete(f"/v1/tokens/{hers.token_id}")
    page = f"/tokens/{hers.token_id}"
    assert f"{page}/leaked" in signed_in.get(page).text
    assert pages.sign_in(app.test_client(), bob).get(f"{page}/leaked").status_code == 404

    asked = signed_in.get(f"{page}/leaked")
    assert signed_in.post(f"{page}/leaked").status_code == 400
    assert apps_of(alice)["Made"].suspended_at is None
    answer = signed_in.post(f"{page}/leaked", data={"csrf_token": pages.csrf(asked)})

    assert "Suspended: “Made”" in signed_in.get(answer.location).text
    assert clients.causes(apps_of(alice)["Made"]) == {Cause.LEAK}


def test_a_live_token_is_reported_where_it_is_revoked(hers, signed_in):
    page = f"/tokens/{hers.token_id}"

    assert f"{page}/leaked" not in signed_in.get(page).text
    assert signed_in.get(f"{page}/leaked").location == f"{page}/revoke"
