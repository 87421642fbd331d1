"""Another person's ids are no page and no record, on every route that takes one (H-06, J-01)."""

import re

import pytest

from latchkey import clients, grants, tokens
from latchkey.accounts import passkeys, sessions
from latchkey.accounts.passkeys import Passkey
from latchkey.accounts.upstream import identities
from latchkey.mail import outbox
from latchkey.store.session import db
from latchkey.tokens import canaries
from tests import factories, pages
from tests.oauth import conftest as browsers

# Consent shows an app's logo to everybody.
FOR_EVERYBODY = {"portal.show_app_logo"}


@pytest.fixture
def hers(app, alice, bob, example_client) -> dict[str, str]:
    """The ids of all that Alice has."""
    own = factories.make_client(alice, name="Hers").client
    clients.rotate_secret(own, newest=clients.live_secrets(own)[0].id, by=None)
    grant = grants.allow(alice, example_client.client, {"account:read"})
    db.commit()
    with app.test_request_context():
        letter = outbox.post(alice.email, "address_taken")
        db.commit()
    opened = sessions.open(alice)
    passkey = Passkey(user_id=alice.id, credential_id=b"x", public_key=b"x", sign_count=0, name="Hers")
    db.add(passkey)
    identity = identities.add(alice, "https://login.example.com", "alice", None)
    db.commit()
    return {
        "token_id": factories.make_token(alice, description="Hers").token.id,
        "client_id": own.id,
        "secret_id": clients.live_secrets(own)[-1].id,
        "authorization_id": grant.authorization_id,
        "grant_id": grant.id,
        "session_id": opened.id,
        "canary_id": canaries.make(alice, "In a drawer")[0].id,
        "passkey_id": passkey.id,
        "identity_id": identity.id,
        "letter_id": letter.id,
    }


def by_id(app) -> list:
    return [
        rule
        for rule in app.url_map.iter_rules()
        if "<id:" in rule.rule
        and rule.endpoint.startswith("portal.")
        and rule.endpoint not in FOR_EVERYBODY
        # Held by a test of its own (portal/admin/test_index.py).
        and not rule.rule.startswith("/admin")
    ]


def test_a_stranger_finds_nothing_and_changes_nothing(app, alice, bob, hers):
    db.commit()
    his = browsers.enter(app.test_client(), bob)
    token = pages.csrf(his.get("/settings"))
    form = {
        "csrf_token": token, "password": factories.PASSWORD, "name": "Mine", "homepage": "", "scope": "account:read",
        "description": "Mine", "uri": "https://evil.example/cb", "form_id": "x" * 43, "newest": hers["secret_id"],
    }  # fmt: skip

    for rule in by_id(app):
        path = re.sub(r"<id:(\w+)>", lambda found: hers[found[1]], rule.rule)
        for headers in ({}, {"HX-Request": "true"}):
            if "GET" in rule.methods:
                assert his.get(path, headers=headers).status_code == 404, rule
            if "POST" in rule.methods:
                assert his.post(path, data=form, headers=headers).status_code == 404, rule

    db.expire_all()
    assert [token.description for token in tokens.page(alice, status="active").tokens] == ["Hers"]
    [own] = clients.list_for(alice)
    assert (own.name, own.redirect_uris, len(clients.live_secrets(own))) == ("Hers", [factories.CALLBACK], 2)
    assert len(grants.list_for(alice)) == len(sessions.list_live(alice)) == 1
    assert db.get(grants.Grant, hers["grant_id"]).live
    assert [canary.id for canary in canaries.list_for(alice)] == [hers["canary_id"]]
    assert [passkey.name for passkey in passkeys.list_for(alice)] == ["Hers"]


@pytest.mark.slow("sends ids of every kind to every address")
def test_an_id_of_another_kind_is_no_page(app, alice, hers):
    """An own id in the place of another: nothing takes a token for an app."""
    browser = browsers.enter(app.test_client(), alice)
    for rule in by_id(app):
        for other in hers.values():
            path = re.sub(r"<id:(\w+)>", lambda found, other=other: other, rule.rule)
            if other not in [hers[name] for name in rule.arguments] and "GET" in rule.methods:
                assert browser.get(path).status_code == 404, (rule, other)


def test_whoever_is_signed_out_learns_nothing_of_an_id(app, hers):
    nobody = app.test_client()
    for rule in by_id(app):
        if "GET" not in rule.methods or rule.rule.startswith("/dev/"):
            continue
        seen = set()
        for ids in (hers, dict.fromkeys(hers, "tok_" + "0" * 28)):
            path = re.sub(r"<id:(\w+)>", lambda found, ids=ids: ids[found[1]], rule.rule)
            answer = nobody.get(path)
            seen.add((answer.status_code, answer.headers["Location"].partition("?")[0]))
        assert seen == {(303, "/login")}, rule
