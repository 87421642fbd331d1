"""LATCHKEY_PASSWORDS=off: passkeys and the upstream are the ways in, and the upstream says who is still there."""

import json

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from cli import latchkey
from latchkey.accounts import passkeys, passwords, sessions, users
from latchkey.accounts.sessions import How
from latchkey.accounts.upstream import identities
from latchkey.accounts.upstream.identities import UpstreamFirst
from latchkey.oversight.invitations import Invitation
from latchkey.safety import second_factor, signin
from latchkey.store.session import db
from tests import factories, pages
from tests.factories import PASSWORD

pytestmark = [pytest.mark.standard("L-13"), pytest.mark.settings(passwords="off")]


@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize(
    "path", ["/signup", "/forgot-password", "/reset-password/x", "/reset-password", "/.well-known/change-password"]
)
def test_pages_about_passwords_are_not_there(acme, client, path):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    "path", ["/", "/login", "/docs/authentication", "/hacked", "/settings", "/settings/security", "/login/again"]
)
def test_no_page_leads_to_one_or_asks_for_a_password(acme, person, path):
    person.sign_in()
    for browser in (person.client, person.client.application.test_client()):
        page = browser.get(path, follow_redirects=True).text

        assert 'type="password"' not in page
        for gone in ("/signup", "/forgot-password", "/settings/password"):
            assert f'"{gone}' not in page, gone


def test_a_right_password_opens_nothing_by_any_form(acme, client, alice):
    assert not passwords.verify(alice.password_hash, PASSWORD)
    sent = {"csrf_token": _token(client), "email": alice.email, "password": PASSWORD}

    assert client.post("/login", data=sent).status_code == 404
    assert client.get("/tokens").status_code == 303


def _token(client) -> str:
    """One that counts, from a form that every page for strangers has."""
    return pages.csrf(client.get("/verify-email"))


def test_the_password_of_before_is_no_fresh_proof(acme, person):
    person.sign_in()
    user = users.find_by_email("ada@example.com")
    factories.set_password(users.lock(user.id), PASSWORD)
    db.commit()
    asked = pages.submit(person.client, "/settings/email", form="/settings", email="new@example.com")
    assert pages.asks_for_proof(asked)

    assert pages.prove(person.client, asked).status_code == 422


@pytest.fixture
def ada(acme, person):
    person.sign_in()
    return users.find_by_email("ada@example.com")


def test_a_passkey_stands_in_for_the_upstream_for_twelve_hours(acme, ada, clock):
    """Who was removed there keeps no way in here."""
    clock.move(hours=11)
    opened = signin.opened(users.lock(ada.id), How.PASSKEY)
    db.commit()
    assert sessions.find(opened.plaintext) is not None

    clock.move(hours=1)

    assert sessions.find(opened.plaintext) is None
    with pytest.raises(UpstreamFirst):
        signin.opened(users.lock(ada.id), How.PASSKEY)


def test_after_a_logout_there_a_passkey_opens_nothing(acme, ada, app):
    app.test_client().post("/login/oidc/logout", data={"logout_token": acme.logout_token(sub="ada")})

    with pytest.raises(UpstreamFirst):
        signin.opened(users.lock(ada.id), How.PASSKEY)


def test_without_the_upstream_a_passkey_is_a_way_of_its_own(acme, alice):
    """Somebody who is linked to nobody there, such as the operator."""
    assert signin.opened(users.lock(alice.id), How.PASSKEY).confirmed_at is None


def test_the_last_passkey_of_whoever_has_no_other_way_stays(acme, alice):
    passkey = passkeys.Passkey(user_id=alice.id, credential_id=b"x", public_key=b"x", sign_count=0, name="Phone")
    db.add(passkey)
    db.commit()

    with pytest.raises(identities.LastWayIn):
        second_factor.remove_passkey(users.lock(alice.id), passkey)


def test_everything_ends_for_whoever_has_no_password(acme, person, clock):
    person.sign_in(auth_time=int(clock.now().timestamp()))

    answer = pages.submit(person.client, "/hacked", since="none")

    assert answer.location.startswith("/hacked/report/")
    assert 'type="password"' not in person.client.get(answer.location).text
    assert person.client.get("/tokens").status_code == 200


@pytest.mark.standard("P-04")
def test_what_a_thief_linked_to_an_account_without_a_password_is_ended_with_everything(acme, person, another, clock):
    person.sign_in(auth_time=int(clock.now().timestamp()))
    mine = users.find_by_email("ada@example.com")
    identities.add(users.lock(mine.id), acme.issuer, "thief", "thief@example.com")
    db.commit()

    pages.submit(person.client, "/hacked", since="none")

    assert [identity.email for identity in identities.usable(mine)] == ["ada@example.com"]
    another.sign_in(subject="thief", email="thief@example.com", amr=["mfa"])
    assert mine.email not in another.client.get("/settings").text


def test_an_invited_person_goes_on_upstream_alone(acme, person, app, settings):

    environment = {
        "LATCHKEY_INSTANCE": str(settings.instance),
        "LATCHKEY_DATABASE_URL": settings.database_url,
        "LATCHKEY_MODE": "development",
        "LATCHKEY_TEST_DATABASE": None,
        "LATCHKEY_OIDC_ISSUER": acme.issuer,
        "LATCHKEY_OIDC_CLIENT_ID": "portal",
        "LATCHKEY_PASSWORDS": "off",
    }
    create = ["user", "create", "--email", "grace@example.com", "--name", "Grace", "--json"]
    made = CliRunner().invoke(latchkey, create, env=environment)
    with_password = CliRunner().invoke(latchkey, [*create, "--password-stdin"], env=environment, input=PASSWORD)

    assert (made.exit_code, with_password.exit_code) == (0, 2)
    told = json.loads(made.stdout)
    invitation = db.scalar(select(Invitation))
    assert told == {"id": invitation.id, "email": "grace@example.com"}
