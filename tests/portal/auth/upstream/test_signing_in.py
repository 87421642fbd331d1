"""There and back: the way of a sign-in, and who comes in by it."""

import time
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from sqlalchemy import select

from latchkey.accounts import second_factors, sessions, users
from latchkey.accounts.upstream import identities
from latchkey.accounts.upstream.identities import Identity
from latchkey.accounts.users import User
from latchkey.store.session import db
from tests import factories, pages
from tests.factories import PASSWORD
from tests.portal.auth.upstream.conftest import led_to

pytestmark = pytest.mark.standard("L-13")


def test_the_login_page_offers_it_and_asks_nobody(acme, client):
    page = client.get("/login?next=/tokens").text

    assert 'href="/login/oidc?next=/tokens"' in page
    assert "Continue with Acme" in page
    assert not acme.seen


def test_the_browser_is_sent_there_with_all_that_binds_it(acme, person):
    address = person.leave()

    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert address.startswith(f"{acme.issuer}/authorize?")
    assert asked["redirect_uri"] == "http://localhost/login/oidc/callback"
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert asked["scope"] == "openid profile email"
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 43
    assert not {"max_age", "prompt"} & set(asked)


def test_who_has_a_verified_address_gets_an_account_and_comes_back_as_the_same(acme, person, another):
    first = person.sign_in("/login/oidc?next=/tokens/new")
    again = another.sign_in(email="moved@example.com")

    assert (first.status_code, first.location) == (303, "/tokens/new")
    assert again.location == "/"
    [user] = db.scalars(select(User))
    assert (user.email, user.name, user.verified, user.password_hash) == ("ada@example.com", "Ada Lindqvist", True, "")
    assert "Ada Lindqvist" in another.client.get("/settings").text


def test_what_the_id_token_leaves_out_comes_from_userinfo(acme, person):
    acme.userinfo = {"sub": "ada", "email": "ada@example.com", "email_verified": True, "name": "Ada"}

    answer = person.come_back(person.leave(), subject="ada")

    assert answer.location == "/"
    assert users.find_by_email("ada@example.com").name == "Ada"


def test_userinfo_about_somebody_else_is_refused(acme, person):
    acme.userinfo = {"sub": "eve", "email": "ada@example.com", "email_verified": True}

    answer = person.come_back(person.leave(), subject="ada")

    assert answer.status_code == 403
    assert db.scalar(select(User)) is None


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("name", ["", "Latchkey", "Verified ✓", "x" * 300, "a\nb", 7, None])
def test_a_name_that_may_be_none_here_becomes_another(acme, person, name):
    person.sign_in(name=name)

    assert users.find_by_email("ada@example.com").name in ("ada", "New user")


def test_an_app_that_waits_is_come_back_to(acme, person, example_client):
    client_id, callback = example_client.client.id, example_client.client.redirect_uris[0]
    request = f"/oauth/authorize?response_type=code&client_id={client_id}&redirect_uri={callback}"
    way = f"{request}&scope=account:read&state={'s' * 900}&code_challenge={'c' * 43}&code_challenge_method=S256"
    login = person.client.get(way, follow_redirects=False)
    page = person.client.get(login.location).text

    start = page.partition('href="/login/oidc?')[2].partition('"')[0].replace("&amp;", "&")
    answer = person.sign_in(f"/login/oidc?{start}")

    assert "Example" in page
    consent = person.client.get(answer.location, follow_redirects=True)
    assert "Signed in as" in consent.text
    assert "s" * 900 in consent.request.full_path


@pytest.mark.standard("L-10")
@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("way", ["//evil.example", "https://evil.example", "/\\evil.example", "/%2F/evil.example", ""])
def test_no_way_leads_to_another_site(acme, person, way):
    assert person.sign_in(f"/login/oidc?next={way}").location == "/"


def test_who_is_signed_in_already_goes_on(acme, signed_in):
    assert signed_in.get("/login/oidc?next=/tokens").location == "/tokens"
    assert not acme.seen


def test_no_is_an_answer(acme, person):
    state = parse_qs(urlsplit(person.leave("/login/oidc?next=/tokens")).query)["state"][0]

    answer = person.client.get(f"/login/oidc/callback?error=access_denied&error_description=<b>x</b>&state={state}")

    assert answer.location == "/login?next=/tokens"
    page = person.client.get(answer.location).text
    assert "Acme did not sign you in." in page
    assert "<b>x" not in page


def test_the_second_factor_is_owed_unless_the_upstream_asked_for_one(acme, person, another, app, alice):
    link(acme, pages.sign_in(app.test_client(), alice))
    key = second_factors.new_key()
    totp = pyotp.TOTP(key)
    user = users.lock(alice.id)
    second_factors.set_up(user, key, totp.now())
    db.commit()

    owing = person.sign_in(subject="alice")
    whole = another.sign_in(subject="alice", amr=["pwd", "mfa"])

    assert owing.location.startswith("/login/second-factor")
    assert person.client.get("/tokens").status_code == 303
    assert whole.location == "/"
    assert another.client.get("/tokens").status_code == 200


@pytest.mark.settings(require_second_factor="everybody")
def test_a_second_factor_there_is_one(acme, person, another):
    assert person.sign_in().location == "/"
    assert person.client.get("/tokens").location.startswith("/settings/security")
    another.sign_in(amr=["mfa"])
    assert another.client.get("/tokens").status_code == 200


def link(acme, browser, subject: str = "alice"):
    """Link whoever is signed in."""
    page = pages.submit(browser, "/settings/security/sign-ins", form="/settings/security")
    address = led_to(page)
    return browser.get(acme.approve(address, subject=subject))


@pytest.mark.standard("L-09")
def test_linking_takes_fresh_proof_and_is_told(acme, signed_in, alice, mailbox, clock):
    clock.move(minutes=16)
    asked = pages.submit(signed_in, "/settings/security/sign-ins", form="/settings/security")
    assert pages.asks_for_proof(asked)
    pages.prove(signed_in, asked)

    answer = link(acme, signed_in)

    assert answer.location == "/settings/security"
    [identity] = identities.list_for(alice)
    assert (identity.issuer, identity.subject) == (acme.issuer, "alice")
    assert "A way to sign in was linked to your account" in [letter.subject for letter in mailbox.letters()]
    assert "You can sign in with Acme now" in signed_in.get("/activity").text


def test_who_is_linked_already_cannot_be_linked_elsewhere(acme, signed_in, another):
    another.sign_in(subject="alice", email="other@example.com")

    answer = link(acme, signed_in)

    assert answer.status_code == 403
    assert "is linked to another account here" in answer.text


def test_a_link_that_began_in_another_session_links_nothing(acme, signed_in, alice):
    page = pages.submit(signed_in, "/settings/security/sign-ins", form="/settings/security")
    address = led_to(page)
    pages.submit(signed_in, "/logout", form="/settings")
    pages.sign_in(signed_in, alice)

    answer = signed_in.get(acme.approve(address, subject="eve"))

    assert answer.status_code == 403
    assert not identities.list_for(alice)


@pytest.mark.standard("L-09")
class TestFreshProof:
    def asked(self, person, acme, **claims):
        """Ask for what takes proof, and go there for it."""
        asked = pages.submit(person.client, "/settings/email", form="/settings", email="new@example.com")
        assert pages.asks_for_proof(asked)
        form = {name: pages.hidden(asked, name) for name in ("next", "kept")} | {"csrf_token": pages.csrf(asked)}
        address = led_to(person.client.post("/login/oidc/again", data=form))
        return address, person.come_back(address, **{"subject": "ada"} | claims)

    def test_it_is_a_new_sign_in_there_and_the_form_is_filled_in(self, acme, person):
        person.sign_in()
        before = person.client.get_cookie("latchkey").value

        address, answer = self.asked(person, acme, auth_time=int(time.time()))

        assert "max_age=0" in address and "prompt=login" in address
        assert answer.status_code == 303
        page = person.client.get("/settings").text
        assert 'value="new@example.com"' in page
        assert '<p class="toast">Thank you. Look it over, and send it once more.</p>' in page
        assert person.client.get_cookie("latchkey").value != before
        assert (
            pages.submit(person.client, "/settings/email", form="/settings", email="n@example.com").status_code == 303
        )

    @pytest.mark.parametrize(
        "claims", [{}, {"auth_time": 1}, {"auth_time": "now"}, {"subject": "eve", "auth_time": 2**33}]
    )
    def test_an_old_sign_in_or_somebody_elses_is_none(self, acme, person, claims):
        person.sign_in()

        _, answer = self.asked(person, acme, **claims)

        assert answer.status_code == 403
        asked = pages.submit(person.client, "/settings/email", form="/settings", email="new@example.com")
        assert pages.asks_for_proof(asked)

    def test_a_single_sign_on_from_hours_ago_is_no_fresh_proof(self, acme, person):
        now = int(time.time())
        person.sign_in(auth_time=now - 3600)
        asked = pages.submit(person.client, "/settings/email", form="/settings", email="new@example.com")
        assert pages.asks_for_proof(asked)

    def test_one_of_a_moment_ago_is(self, acme, person):
        person.sign_in(auth_time=int(time.time()))
        sent = pages.submit(person.client, "/settings/email", form="/settings", email="new@example.com")
        assert sent.status_code == 303


def test_a_form_that_met_an_ended_session_is_filled_in_again(acme, person):
    person.sign_in()
    token = pages.csrf(person.client.get("/tokens/new"))
    sessions.end(db.scalar(select(sessions.BrowserSession)))
    db.commit()
    form = {"csrf_token": token, "description": "The nightly backup", "scope": "account:read", "expires": "30"}

    page = person.client.post("/tokens/new", data=form, headers={"Referer": "http://localhost/tokens/new"})
    start = {"csrf_token": pages.csrf(page), "next": "/tokens/new", "kept": pages.hidden(page, "kept")}
    leaving = person.client.post("/login/oidc", data=start)
    address = led_to(leaving)
    answer = person.come_back(address, subject="ada")

    assert answer.location == "/tokens/new"
    assert "The nightly backup" in person.client.get("/tokens/new").text


def test_a_session_is_asked_about_again_after_twelve_hours(acme, person, clock):
    person.sign_in()
    for _ in range(11):
        clock.move(hours=1)
        assert person.client.get("/tokens").status_code == 200

    clock.move(hours=1)

    assert person.client.get("/tokens").location.startswith("/login")


def test_a_password_is_a_way_of_its_own_beside_it(acme, signed_in, app, alice, clock):
    link(acme, signed_in)
    clock.move(hours=13)

    other = pages.sign_in(app.test_client(), alice, PASSWORD)

    assert other.get("/tokens").status_code == 200


@pytest.mark.parametrize("both", [False, True])
def test_the_last_way_in_stays(acme, person, both, clock):
    person.sign_in(auth_time=int(clock.now().timestamp()))
    [identity] = db.scalars(select(Identity))
    user = users.lock(identity.user_id)
    if both:
        factories.set_password(user, PASSWORD)
    db.commit()

    answer = pages.submit(person.client, f"/settings/security/sign-ins/{identity.id}/remove")

    assert answer.status_code == (303 if both else 422)
    assert len(db.scalars(select(Identity)).all()) == (0 if both else 1)


def test_unlinking_ends_what_came_in_by_it(acme, person, another, mailbox):
    person.sign_in(auth_time=int(time.time()))
    another.sign_in()
    [identity] = db.scalars(select(Identity))
    factories.set_password(users.lock(identity.user_id), PASSWORD)
    db.commit()

    pages.submit(person.client, f"/settings/security/sign-ins/{identity.id}/remove")

    assert person.client.get("/tokens").status_code == 200
    assert another.client.get("/tokens").status_code == 303
    assert "A way to sign in was unlinked from your account" in [letter.subject for letter in mailbox.letters()]


def test_nobody_unlinks_what_is_anothers(acme, another, signed_in):
    another.sign_in()
    [identity] = db.scalars(select(Identity))

    assert signed_in.get(f"/settings/security/sign-ins/{identity.id}/remove").status_code == 404
