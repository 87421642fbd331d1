"""Whose account it is: by subject, by an address that was shown to be theirs, by an invitation; and who administers."""

from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import func, select

from latchkey import clock
from latchkey.accounts import passwords, second_factors, users
from latchkey.accounts.upstream import identities
from latchkey.accounts.upstream.identities import Identity
from latchkey.accounts.users import User
from latchkey.oversight import invitations
from latchkey.safety import lockdown
from latchkey.store.session import db
from tests import factories, pages
from tests.factories import PASSWORD
from tests.portal.auth.upstream.conftest import ADA, led_to

pytestmark = pytest.mark.standard("L-13")


@pytest.fixture
def ada(db) -> User:
    """Who has an account here by a password."""
    return factories.make_user("ada@example.com", name="Ada")


def appoint(person, *, on: bool) -> None:
    with person.client.application.app_context():
        lockdown.appoint(users.find_by_email("ada@example.com"), on=on)
        db.commit()


def invite(person, *, admin: bool) -> None:
    with person.client.application.app_context():
        invitations.invite("grace@example.com", admin=admin)
        db.commit()


def letter_to(mailbox, email: str = "ada@example.com") -> str:
    """The path of the newest letter's link."""
    return mailbox.last(email).link("/login/oidc/address/")


def test_an_address_alone_takes_no_account_over(acme, person, ada):
    answer = person.sign_in()

    assert answer.status_code == 200
    assert "Check your e-mail" in answer.text
    assert person.client.get("/tokens").status_code == 303
    assert not identities.list_for(ada)


def test_who_reads_its_mail_in_the_same_browser_is_linked_once_and_told(acme, person, another, ada, mailbox):
    person.sign_in("/login/oidc?next=/tokens/new")
    path = letter_to(mailbox)

    page = person.client.get(path)
    answer = pages.submit(person.client, path)

    assert "ada@example.com" in page.text
    assert answer.location == "/tokens/new"
    assert [identity.subject for identity in identities.list_for(ada)] == ["ada"]
    assert "A way to sign in was linked to your account" in [letter.subject for letter in mailbox.letters()]
    assert person.client.get(path).status_code == 410
    assert another.sign_in().location == "/"
    assert passwords.verify(ada.password_hash, PASSWORD)


@pytest.mark.standard("L-11")
@pytest.mark.parametrize("amr", [["mfa"], []])
def test_who_reads_the_mail_alone_is_linked_to_no_account_with_a_second_factor(person, ada, mailbox, amr, clock):
    key = second_factors.new_key()
    second_factors.set_up(users.lock(ada.id), key, pyotp.TOTP(key).at(clock.now() - timedelta(seconds=30)))
    db.commit()
    person.sign_in(amr=amr)
    path = letter_to(mailbox)

    owing = pages.submit(person.client, path)

    assert owing.location.startswith("/login/second-factor")
    assert person.client.get("/tokens").status_code == 303
    assert not identities.list_for(ada)

    shown = pages.submit(person.client, owing.location, code=pyotp.TOTP(key).at(clock.now()))
    assert shown.location == path
    assert pages.submit(person.client, path).location == "/"
    assert [identity.subject for identity in identities.list_for(ada)] == ["ada"]
    assert person.client.get("/tokens").status_code == 200


def test_who_is_signed_in_as_somebody_else_takes_no_second_factor_for_them(acme, person, ada, alice, mailbox):
    key = second_factors.new_key()
    second_factors.set_up(users.lock(ada.id), key, pyotp.TOTP(key).now())
    db.commit()
    person.sign_in()
    path = letter_to(mailbox)
    pages.sign_in(person.client, alice)

    assert pages.submit(person.client, path).location.startswith("/login/second-factor")
    assert not identities.list_for(ada)


def test_the_letter_opens_nothing_in_another_browser_and_by_looking(acme, person, another, ada, mailbox):
    """A thief who can call himself by somebody's address upstream; a mail scanner; the owner, who did not begin it."""
    person.sign_in(subject="thief")
    path = letter_to(mailbox)
    another.sign_in(subject="other")

    assert another.client.get(path).status_code == 410
    person.client.get(path)
    assert person.client.post(path, data={"csrf_token": "x"}).status_code == 400

    assert not identities.list_for(ada)


def test_the_letter_counts_half_an_hour(acme, person, ada, mailbox, clock):
    person.sign_in()
    path = letter_to(mailbox)
    clock.move(minutes=31)

    assert person.client.get(path).status_code == 410


def test_a_copy_of_the_browsers_cookie_does_not_make_it_count_twice(acme, person, ada, mailbox):
    person.sign_in()
    path, cookie = letter_to(mailbox), person.client.get_cookie("upstream-person").value
    pages.submit(person.client, path)
    pages.submit(person.client, "/logout", form="/settings")
    person.client.set_cookie("upstream-person", cookie)

    answer = pages.submit(person.client, path)

    assert answer.status_code == 403


@pytest.mark.parametrize("minutes", [1, 20])
def test_the_letter_brings_no_link_back_that_its_owner_took_off(person, ada, mailbox, clock, minutes):
    person.sign_in()
    path, cookie = letter_to(mailbox), person.client.get_cookie("upstream-person").value
    pages.submit(person.client, path)
    identities.remove(identities.list_for(ada)[0])
    db.commit()
    pages.submit(person.client, "/logout", form="/settings")
    person.client.set_cookie("upstream-person", cookie)
    clock.move(minutes=minutes)

    assert pages.submit(person.client, path).status_code == 403
    assert not identities.list_for(ada)


@pytest.mark.standard("L-08")
@pytest.mark.parametrize("told", [{"email_verified": False}, {"email_verified": "true"}, {"email_verified": 1}])
def test_an_address_that_the_upstream_did_not_verify_is_verified_here(acme, person, mailbox, told):
    answer = person.sign_in(**told)

    assert "Check your e-mail" in answer.text
    assert db.scalar(select(User)) is None
    assert pages.submit(person.client, letter_to(mailbox)).status_code == 303
    assert users.find_by_email("ada@example.com").verified


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("email", [None, "", "no address", "a@b@c", 7, ["ada@example.com"], "x" * 300 + "@example.com"])
def test_without_an_address_there_is_no_account(acme, person, email):
    acme.userinfo = {"sub": "ada"}

    answer = person.sign_in(email=email)

    assert answer.status_code == 403
    assert db.scalar(select(User)) is None


def test_an_account_that_a_stranger_made_with_ones_address_is_theirs_no_more(acme, person, app, mailbox):
    """Somebody signs up with the address first, and waits for its owner to confirm it."""
    squatter = app.test_client()
    pages.submit(squatter, "/signup", name="Thief", email="ada@example.com", password=PASSWORD)
    pages.sign_in(squatter, users.find_by_email("ada@example.com"))
    person.sign_in()

    pages.submit(person.client, letter_to(mailbox))

    user = users.find_by_email("ada@example.com")
    db.refresh(user)
    assert (user.verified, user.password_hash, user.name) == (True, "", "Ada Lindqvist")
    assert squatter.get("/tokens").status_code == 303


def test_an_address_that_was_given_to_somebody_else_takes_nothing_of_whoever_had_it(acme, person, another, mailbox):
    person.sign_in()

    another.sign_in(subject="successor")
    answer = pages.submit(another.client, letter_to(mailbox))

    assert answer.status_code == 403
    assert "belongs to somebody else at Acme" in answer.text


def test_a_subject_of_another_issuer_is_somebody_else(acme, person, ada):
    identities.add(users.lock(ada.id), "https://earlier.example", "bob", None)
    db.commit()

    person.sign_in(subject="bob", email="bob@example.com")

    assert db.scalar(select(func.count()).select_from(User)) == 2
    assert users.find_by_email("bob@example.com").id != ada.id


def test_who_is_suspended_here_does_not_come_in(app, person, another, ada, mailbox):
    person.sign_in(subject="s", email="s@example.com")
    with app.app_context():
        for email in ("s@example.com", "ada@example.com"):
            lockdown.suspend(users.find_by_email(email))
        db.commit()

    linked = another.sign_in(subject="s", email="s@example.com")
    another.sign_in()
    by_letter = pages.submit(another.client, letter_to(mailbox))

    for answer in (linked, by_letter):
        assert answer.status_code == 403
        assert "suspended" in answer.text


def test_who_deleted_the_account_begins_anew(acme, person, another):
    person.sign_in(auth_time=int(clock.now().timestamp()))
    former = users.find_by_email("ada@example.com").id
    pages.submit(person.client, "/settings/delete", form="/settings", email="ada@example.com")
    assert db.scalar(select(Identity)) is None

    another.sign_in()

    assert users.find_by_email("ada@example.com").id != former


@pytest.mark.settings(signup="invite")
class TestInvitation:
    def test_nobody_comes_in_without_one(self, acme, person):
        answer = person.sign_in()

        assert answer.status_code == 403
        assert "made by an administrator" in answer.text
        assert db.scalar(select(User)) is None

    def test_who_has_one_goes_on_upstream_as_the_person_who_was_invited(self, acme, person, mailbox):
        invite(person, admin=True)
        path = mailbox.last("grace@example.com").link("/invitation/")

        answer = person.come_back(led_to(pages.submit(person.client, path, do="upstream")), **ADA)

        assert answer.location == "/"
        user = users.find_by_email("grace@example.com")
        assert (user.name, user.is_admin, user.verified) == ("Ada Lindqvist", True, True)
        assert invitations.waiting("grace@example.com") is None
        assert [identity.subject for identity in identities.list_for(user)] == ["ada"]

    def test_one_that_was_taken_back_meanwhile_opens_nothing(self, acme, person, mailbox):
        invite(person, admin=False)
        path = mailbox.last("grace@example.com").link("/invitation/")
        address = led_to(pages.submit(person.client, path, do="upstream"))
        invitations.take_back(invitations.waiting("grace@example.com"))
        db.commit()

        assert person.come_back(address, **ADA).status_code == 410
        assert db.scalar(select(User)) is None


@pytest.mark.settings(signup="example.org")
def test_only_addresses_at_the_operators_domains_get_an_account(acme, person, another):
    assert person.sign_in().status_code == 403
    assert another.sign_in(subject="grace", email="grace@example.org").status_code == 303


@pytest.mark.settings(oidc_groups_claim="groups", oidc_admin_groups="ops, admins")
class TestGroups:
    def admin(self) -> bool:
        user = users.find_by_email("ada@example.com")
        db.refresh(user)
        return user.is_admin

    def test_the_scope_of_the_claim_is_asked_for(self, acme, person):
        assert "scope=openid+profile+email+groups" in person.leave()

    def test_who_is_in_one_administers_and_who_leaves_it_does_not(self, acme, person, another, mailbox):
        person.sign_in(groups=["staff", "ops"])
        assert self.admin()
        assert person.client.get("/admin").status_code == 200

        another.sign_in(groups=["staff"])

        assert not self.admin()
        assert person.client.get("/admin").status_code == 404
        subjects = [letter.subject for letter in mailbox.letters()]
        assert len([subject for subject in subjects if "administrator" in subject]) == 2

    @pytest.mark.either_database("each asks the database as the first does", after=1)
    @pytest.mark.parametrize("groups", [[], "operations", ["OPS"], ["ops "], {"ops": 1}, 7, [["ops"]], None])
    def test_what_is_no_such_group_makes_nobody_one(self, acme, person, groups):
        acme.userinfo = {"sub": "ada", "groups": groups}

        person.sign_in()

        assert not self.admin()

    def test_who_was_made_one_here_stays_one(self, acme, person, another):
        person.sign_in(groups=[])
        appoint(person, on=True)

        another.sign_in(groups=[])

        assert self.admin()

    def test_an_operators_no_holds_until_the_group_says_so_again(self, acme, person, another):
        person.sign_in(groups=["ops"])
        factories.make_user("root@example.com", admin=True)
        appoint(person, on=False)
        assert not self.admin()

        another.sign_in(groups=["ops"])

        assert self.admin()

    def test_with_a_password_beside_it_they_still_come_by_the_upstream_every_twelve_hours(
        self, acme, person, app, clock
    ):
        """A removed person must not keep the right by a way in of their own."""
        person.sign_in(groups=["ops"])
        user = users.find_by_email("ada@example.com")
        factories.set_password(users.lock(user.id), PASSWORD)
        db.commit()
        clock.move(hours=11)
        by_password = pages.sign_in(app.test_client(), user)
        assert by_password.get("/admin").status_code == 200

        clock.move(hours=1)

        assert by_password.get("/tokens").status_code == 303
        refused = pages.submit(app.test_client(), "/login", email=user.email, password=PASSWORD)
        assert refused.location == "/login"

    def test_a_session_from_before_the_right_rests_on_the_upstream_from_then_on(self, acme, person, app, clock):
        person.sign_in(groups=[])
        user = users.find_by_email("ada@example.com")
        factories.set_password(users.lock(user.id), PASSWORD)
        db.commit()
        by_password = pages.sign_in(app.test_client(), user)
        person.client.post("/logout", data={"csrf_token": pages.csrf(person.client.get("/settings"))})
        person.sign_in(groups=["ops"])

        clock.move(hours=6)
        assert by_password.get("/admin").status_code == 200
        clock.move(hours=6)

        assert by_password.get("/tokens").status_code == 303

    def test_another_sign_in_of_theirs_says_nothing_of_a_group(self, acme, person, another, clock):
        """Who is removed there must not go on by an account of their own at the same upstream."""
        person.sign_in(groups=["ops"], auth_time=int(clock.now().timestamp()))
        asked = pages.submit(person.client, "/settings/security/sign-ins", form="/settings/security")
        person.come_back(led_to(asked), **ADA | {"subject": "private"})
        clock.move(hours=6)
        another.sign_in(subject="private")
        assert another.client.get("/admin").status_code == 200
        clock.move(hours=6)

        assert another.client.get("/admin").status_code == 404
        another.client.post("/logout", data={"csrf_token": pages.csrf(another.client.get("/settings"))})
        another.sign_in(subject="private")
        assert another.client.get("/admin").status_code == 404


@pytest.mark.standard("P-04")
def test_what_a_thief_linked_opens_nothing_before_the_new_password_and_is_shown(acme, app, another, ada, mailbox):
    identities.add(users.lock(ada.id), acme.issuer, "thief", "thief@example.com")
    db.commit()
    owner = pages.sign_in(app.test_client(), ada)

    report = owner.get(pages.submit(owner, "/hacked", since="none").location).text

    assert "thief@example.com" in report
    assert "linked sign-ins" in report
    refused = another.sign_in(subject="thief", email="thief@example.com", amr=["mfa"])
    assert (refused.status_code, another.client.get("/tokens").status_code) == (403, 303)
    assert "Choose a new one first" in refused.text
