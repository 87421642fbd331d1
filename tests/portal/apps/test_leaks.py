"""What a leak leaves: a secret that can be replaced, the former token's last use, a trusted app that stays as it is."""

import pytest

from latchkey import clients, tokens
from latchkey.clients import Cause
from latchkey.safety import shutdown
from latchkey.store.session import db
from latchkey.tokens import access, usage
from portal.apps import detail, end
from tests import factories, pages
from tests.portal.apps import app_pages


def fresh(client):
    db.expire_all()
    return clients.find(client.id)


@pytest.mark.standard("I-10", "D-12")
def test_the_secret_is_rotated_again_after_the_last_one_was_reported(client, signed_in, alice):
    mine, secret = factories.make_client(alice, name="Mine")
    client.post("/v1/credentials/revoke", json={"credentials": [secret]})
    assert clients.live_secrets(fresh(mine)) == []
    shown = signed_in.get(f"/apps/{mine.id}").text
    assert "no secret that works" in shown
    assert f"/apps/{mine.id}/secret/rotate" in shown

    form = signed_in.get(f"/apps/{mine.id}/secret/rotate")
    fields = {"csrf_token": pages.csrf(form), "newest": ""}
    made = signed_in.post(f"/apps/{mine.id}/secret/rotate", data=fields)

    assert factories.find_secret(fresh(mine), app_pages.secret_of(made)) is not None
    again = signed_in.post(f"/apps/{mine.id}/secret/rotate", data=fields)
    assert again.status_code == 303, "sent twice, it rotates once"
    assert len(clients.live_secrets(fresh(mine))) == 1


@pytest.mark.parametrize("noted", ["before", "after"])
def test_regenerating_keeps_the_last_use_as_the_former_tokens(app, signed_in, alice, noted):
    minted = factories.make_token(alice, description="Nightly backup")
    app.test_client().get(
        "/v1/me",
        headers={"Authorization": f"Bearer {minted.plaintext}", "User-Agent": "curl/8.11.0"},
        environ_overrides={"REMOTE_ADDR": "203.0.113.77"},
    )
    if noted == "before":
        usage.flush()
    pages.submit(signed_in, f"/tokens/{minted.token.id}/regenerate", form_id="f" * 43)
    usage.flush()

    page = signed_in.get(f"/tokens/{minted.token.id}").text

    assert "The former token was last used" in page
    assert "203.0.113.77, curl" in page
    assert "No call came with it yet" in page
    db.expire_all()
    assert tokens.get_for(alice, minted.token.id).last_used_at is None
    assert tokens.former(tokens.get_for(alice, minted.token.id)).last4 == minted.plaintext[-4:]
    with pytest.raises(access.InvalidToken):
        access.find(minted.plaintext)


@pytest.mark.standard("K-02")
def test_the_owner_of_a_trusted_app_cannot_change_what_it_is(signed_in, alice):
    trusted, secret = factories.make_client(alice, name="Trusted", trusted=True)
    page = f"/apps/{trusted.id}"
    kept = {"name": "Trusted", "homepage": trusted.homepage, "scope": ["account:read"], "pkce_required": "y"}
    before = (trusted.name, list(trusted.redirect_uris), trusted.pkce_required)

    assert pages.submit(signed_in, f"{page}/edit", **kept | {"name": "Other"}).status_code == 422
    assert pages.submit(signed_in, f"{page}/edit", **{**kept, "pkce_required": ""}).status_code == 422
    added = pages.submit(signed_in, f"{page}/redirect-uris", form=f"{page}/edit", uri="https://evil.example/cb")
    assert added.status_code == 422
    pages.submit(signed_in, f"{page}/secret/rotate", newest=clients.live_secrets(trusted)[0].id)

    now = fresh(trusted)
    assert (now.name, now.redirect_uris, now.pkce_required) == before
    assert factories.find_secret(now, secret) is clients.live_secrets(now)[0]
    assert pages.submit(signed_in, f"{page}/edit", **kept | {"homepage": "https://new.example"}).status_code == 303


def test_its_owner_still_reports_its_leaked_secret(client, alice):
    trusted, secret = factories.make_client(alice, name="Trusted", trusted=True)

    client.post("/v1/credentials/revoke", json={"credentials": [secret]})

    assert clients.live_secrets(fresh(trusted)) == []


def test_an_administrator_renames_a_trusted_app_and_the_mark_falls(app):
    admin = factories.make_user("admin@example.com", admin=True)
    trusted = factories.make_client(admin, name="Trusted", trusted=True).client
    theirs = pages.sign_in(app.test_client(), admin)
    kept = {"homepage": trusted.homepage, "scope": ["account:read"], "pkce_required": "y"}

    assert "no longer trusted" in theirs.get(f"/apps/{trusted.id}/edit").text
    assert pages.submit(theirs, f"/apps/{trusted.id}/edit", name="Renamed", **kept).status_code == 303

    assert (fresh(trusted).name, fresh(trusted).trusted) == ("Renamed", False)


def trusted_meanwhile(monkeypatch, view, client):
    """While the form of a view is looked at, an administrator trusts the app."""
    look = view.require_proof

    def trust_and_look():
        clients.trust(clients.lock(client.id), on=True)
        db.commit()
        look()

    monkeypatch.setattr(view, "require_proof", trust_and_look)


@pytest.mark.standard("K-02")
def test_an_app_that_is_trusted_while_its_owner_changes_it_stays_as_it_is(signed_in, alice, monkeypatch):
    mine = factories.make_client(alice, name="Mine").client
    trusted_meanwhile(monkeypatch, detail, mine)
    wanted = {"name": "Other", "homepage": "", "scope": ["account:read"], "pkce_required": "y"}

    answer = pages.submit(signed_in, f"/apps/{mine.id}/edit", **wanted)

    assert answer.status_code == 422
    assert "only an administrator can change this" in answer.text
    assert (fresh(mine).name, fresh(mine).trusted) == ("Mine", True)


@pytest.mark.standard("K-02")
def test_an_app_that_is_trusted_while_its_owner_restores_it_stays_suspended(app, signed_in, alice, monkeypatch):
    mine = factories.make_client(alice, name="Mine").client
    with app.app_context():
        shutdown.suspend(clients.find(mine.id), Cause.LEAK)
        db.commit()
    trusted_meanwhile(monkeypatch, end, mine)

    assert pages.submit(signed_in, f"/apps/{mine.id}/restore").status_code == 404
    assert fresh(mine).suspended_at is not None
