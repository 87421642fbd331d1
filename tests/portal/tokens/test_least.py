"""Use and least privilege on a token's and an app's page: shown, cut to what is used, given back."""

import re
from datetime import timedelta

import pytest

from latchkey import clients, tokens
from latchkey import clock as real_clock
from latchkey.journal import activity
from latchkey.journal.activity import EventKind
from latchkey.journal.calls import counting
from latchkey.safety import least
from latchkey.store.session import db
from latchkey.tokens import Token, access
from tests import factories, pages


@pytest.fixture
def watched(alice, clock):
    """A token with a scope that is used, and one that is not, for 31 days."""
    counting.flush()
    minted = factories.make_token(alice, scopes=["account:read", "tokens:read"], lifetime=None)
    clock.move(days=31)
    access.admit(minted.plaintext, ["account:read"], "GET /v1/me")
    counting.flush()
    return minted


@pytest.fixture
def browser(watched, client, alice):
    return pages.sign_in(client, alice)


def stored(minted) -> frozenset[str]:
    return db.get_one(Token, minted.token.id, populate_existing=True).scopes


def page(browser, minted, query="") -> str:
    return browser.get(f"/tokens/{minted.token.id}{query}").get_data(as_text=True)


def csrf(browser, path="/tokens/new"):
    return {"csrf_token": pages.csrf(browser.get(path))}


def drop(browser, minted, *names, **headers):
    data = csrf(browser) | {"scope": list(names) or ["tokens:read"]}
    return browser.post(f"/tokens/{minted.token.id}/scopes/unused", data=data, headers=headers)


def undo(browser, minted):
    return browser.post(f"/tokens/{minted.token.id}/scopes/undo", data=csrf(browser))


def test_the_page_tells_use_in_a_drawing_and_a_table(browser, watched):
    shown = page(browser, watched)

    assert 'role="img" aria-label="Calls a day over 30 days: 1 call answered' in shown
    assert "answers that a guard or gateway remembered" in shown
    assert shown.count('<tr><th scope="row">') >= 30
    assert "1 of 2 scopes was not used in 30 days." in shown


def test_what_was_not_used_is_removed_in_one_click(browser, watched, alice):
    assert drop(browser, watched).status_code == 303

    assert stored(watched) == {"account:read"}
    assert "Removed tokens:read." in page(browser, watched)
    assert activity.list_for(alice)[0].kind == EventKind.TOKEN_CHANGED


def test_a_script_gets_the_table_alone(browser, watched):
    answer = drop(browser, watched, **{"HX-Request": "true", "HX-Request-Type": "partial"})

    assert answer.get_data(as_text=True).lstrip().startswith('<div class="stack" id="scopes">')
    assert "Removed tokens:read." in answer.get_data(as_text=True)


def test_only_what_was_shown_and_still_is_not_used_goes(browser, watched):
    drop(browser, watched, "account:read")
    assert stored(watched) == {"account:read", "tokens:read"}

    access.admit(watched.plaintext, ["tokens:read"], "GET /v1/tokens")
    counting.flush()
    drop(browser, watched)
    assert stored(watched) == {"account:read", "tokens:read"}


def test_nothing_is_unused_before_it_was_watched_for_thirty_days(client, alice, clock):
    young = factories.make_token(alice, scopes=["account:read", "tokens:read"])
    clock.move(days=29)
    browser = pages.sign_in(client, alice)

    assert "not used in 30 days" not in page(browser, young)
    drop(browser, young)

    assert stored(young) == {"account:read", "tokens:read"}


def test_what_its_children_use_is_used(browser, watched, alice):
    child = factories.make_token(
        alice, description="Child", scopes=["tokens:read"], parent=watched.token, lifetime=None
    )
    access.admit(child.plaintext, ["tokens:read"], "GET /v1/tokens")
    counting.flush()

    drop(browser, watched)

    assert stored(watched) == {"account:read", "tokens:read"}


def test_undo_asks_for_fresh_proof_and_restores_only_what_was_removed(browser, watched, clock):
    drop(browser, watched)

    clock.move(minutes=16)
    asked = undo(browser, watched)
    assert pages.asks_for_proof(asked)
    assert stored(watched) == {"account:read"}
    pages.prove(browser, asked)
    assert stored(watched) == {"account:read"}

    assert undo(browser, watched).status_code == 303
    assert stored(watched) == {"account:read", "tokens:read"}
    assert undo(browser, watched).status_code == 303
    assert stored(watched) == {"account:read", "tokens:read"}


def test_undo_ends_after_seven_days(app, browser, watched, alice, clock):
    drop(browser, watched)
    clock.move(days=7)

    undo(pages.sign_in(app.test_client(), alice), watched)

    assert stored(watched) == {"account:read"}


def test_undo_gives_no_more_than_the_parent_has_now(alice, db, clock):
    parent = factories.make_token(alice, description="Parent", scopes=["account:read", "tokens:read"], lifetime=None)
    child = factories.make_token(alice, scopes=["account:read", "tokens:read"], parent=parent.token, lifetime=None)
    clock.move(days=31)
    access.admit(child.plaintext, ["account:read"], "GET /v1/me")
    counting.flush()
    assert least.drop(alice, child.token, frozenset({"tokens:read"})) == {"tokens:read"}
    tokens.narrow(parent.token, ["account:read"])
    db.commit()

    assert least.give_back(alice, child.token) == frozenset()
    assert child.token.scopes == {"account:read"}


def test_a_dry_run_names_the_calls_that_would_have_failed(browser, watched):
    shown = page(browser, watched, "?without=account:read")

    assert "1 call would have been refused" in shown
    assert re.search(r"GET /v1/me</code> 1 time, for <code class=\"small\">account:read", shown)
    assert "No counted call would have been refused." in page(browser, watched, "?without=tokens:read")


def test_a_strangers_token_is_no_page(app, watched, bob):
    his = pages.sign_in(app.test_client(), bob)

    assert his.get(f"/tokens/{watched.token.id}/scopes/undo").status_code == 404
    data = csrf(his) | {"scope": "tokens:read"}
    assert his.post(f"/tokens/{watched.token.id}/scopes/unused", data=data).status_code == 404


def test_a_get_changes_nothing(browser, watched):
    assert browser.get(f"/tokens/{watched.token.id}/scopes/unused").status_code == 405
    drop(browser, watched)
    assert "Give scopes back" in browser.get(f"/tokens/{watched.token.id}/scopes/undo").get_data(as_text=True)
    assert stored(watched) == {"account:read"}


def test_an_apps_ceiling_is_cut_and_given_back_in_the_same_way(alice, client, clock):
    app = factories.make_client(alice, scopes=["account:read", "activity:read"]).client
    clock.move(days=31)
    signed_in = pages.sign_in(client, alice)
    caller = access.Bearer(*[None] * len(access.Bearer._fields))._replace(
        client_id=app.id, token_id="t", user_id=alice.id
    )
    counting.count(caller, 200, "GET /v1/me", frozenset({"account:read"}), real_clock.now())
    counting.flush()
    shown = signed_in.get(f"/apps/{app.id}?without=account:read").get_data(as_text=True)
    assert "1 of 2 scopes was not used in 30 days." in shown
    assert "1 call would have been refused" in shown
    assert alice.id in shown

    form = csrf(signed_in)
    signed_in.post(f"/apps/{app.id}/scopes/unused", data=form | {"scope": "activity:read"})
    assert clients.find(app.id).scopes == {"account:read"}

    path = f"/apps/{app.id}/scopes/undo"
    assert signed_in.post(path, data=form).status_code == 303
    assert clients.find(app.id).scopes == {"account:read", "activity:read"}


def test_an_expired_token_tells_how_often_it_was_called_with_since(client, alice, clock):
    counting.flush()
    minted = factories.make_token(alice, scopes=["account:read"], lifetime=timedelta(days=1))
    clock.move(days=2)
    pages.sign_in(client, alice)
    assert "Nothing has called with it since." in page(client, minted)

    for _ in range(3):
        with pytest.raises(access.InvalidToken):
            access.admit(minted.plaintext, ["account:read"], "GET /v1/me")
    counting.flush()

    shown = page(client, minted)
    assert "Since then 3 calls came with it and were refused, the last one " in shown
    assert "Something still needs it: regenerate it and update your code." in shown
