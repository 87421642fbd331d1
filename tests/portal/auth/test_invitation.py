"""The link of an invitation: a GET changes nothing, the form makes one account, once."""

from functools import partial

import pytest
from sqlalchemy import func, select

from latchkey import origin
from latchkey.accounts import users
from latchkey.accounts.users import User
from latchkey.origin import Actor, Doer
from latchkey.oversight import invitations
from latchkey.safety import lockdown
from latchkey.store.session import commit_parts
from tests import factories, pages
from tests.crowd import at_once

EMAIL = "grace@example.com"


@pytest.fixture
def link(app, db, mailbox):
    """Invite somebody; the path of the link."""

    def invite(email: str = EMAIL, *, admin: bool = False, by: User | None = None) -> str:
        with app.test_request_context():
            if by is not None:
                origin.act(Actor(Doer.ADMINISTRATOR, by.id, by.name))
            invitations.invite(email, admin=admin)
            db.commit()
        return mailbox.last(email).link("/invitation/")

    return invite


def accept(client, path, **fields):
    return pages.submit(client, path, **{"name": "Grace", "password": factories.PASSWORD, **fields})


@pytest.mark.settings(signup="invite")
def test_the_link_makes_an_account_with_a_proved_address_and_signs_in(client, db, link):
    path = link()
    for _ in range(2):
        assert client.get(path).status_code == 200
    assert users.find_by_email(EMAIL) is None

    assert accept(client, path).status_code == 303

    user = users.find_by_email(EMAIL)
    assert (user.name, user.verified, user.is_admin) == ("Grace", True, False)
    assert client.get("/tokens").status_code == 200


def test_a_link_works_once_and_a_newer_one_replaces_it(app, client, db, link):
    first, second = link(), link()
    assert client.get(first).status_code == 410
    accept(client, second)

    assert app.test_client().get(second).status_code == 410


def test_a_link_ends_after_a_week(client, clock, link):
    path = link()
    clock.move(days=7, seconds=1)

    assert client.get(path).status_code == 410


@pytest.mark.standard("L-02")
def test_a_password_that_is_the_invited_address_is_refused_beside_its_field(client, link):
    path = link("xqwzvkplmtrf@example.com")

    answer = accept(client, path, password="xqwzvkplmtrf")

    assert answer.status_code == 422
    assert "too easy to guess" in answer.text
    assert accept(client, path).status_code == 303


@pytest.mark.parametrize("fields", [{"name": ""}, {"password": "short"}, {"name": "\u202ex"}, {"password": ""}])
def test_what_cannot_be_is_said_beside_its_field_and_uses_up_nothing(client, link, fields):
    path = link()

    assert accept(client, path, **fields).status_code == 422
    assert accept(client, path).status_code == 303


def test_a_role_is_as_good_as_whoever_gave_it(client, app, db, link):
    admin = factories.make_user("ada@example.com", admin=True)
    path = link(admin=True, by=admin)
    users.find(admin.id).is_admin = False
    db.commit()

    assert accept(client, path).status_code == 410
    assert users.find_by_email(EMAIL) is None

    users.find(admin.id).is_admin = True
    db.commit()
    accept(client, path)
    assert users.find_by_email(EMAIL).is_admin


def test_an_address_that_got_an_account_meanwhile_is_led_to_sign_in(client, link):
    path = link()
    factories.make_user(EMAIL)

    answer = accept(client, path)

    assert (answer.status_code, answer.location) == (303, "/login")


def test_whoever_is_signed_in_is_not_replaced(signed_in, link):
    path = link()

    page = signed_in.get(path)
    assert "another account" in page.text
    assert signed_in.post(path, data={"csrf_token": pages.csrf(page)}).status_code == 409
    assert users.find_by_email(EMAIL) is None


def test_a_link_pressed_at_once_in_many_browsers_makes_one_account(app, db, link):
    path = link()
    browsers = [app.test_client() for _ in range(8)]
    tokens = [pages.csrf(browser.get(path)) for browser in browsers]

    def press(browser, token):
        data = {"csrf_token": token, "name": "Grace", "password": factories.PASSWORD}
        return browser.post(path, data=data).status_code

    answers = at_once(*(partial(press, *pair) for pair in zip(browsers, tokens, strict=True)))

    assert sorted(answers) == [303] + [410] * 7
    assert db.scalar(select(func.count()).select_from(User)) == 1


@pytest.mark.standard("L-12")
def test_a_stranger_who_signs_up_with_the_address_and_goes_takes_no_invitation_along(app, db, mailbox, clock):
    """The letter may wait for long where the mail server is slow or away."""
    with app.test_request_context():
        invitations.invite(EMAIL, admin=False)
        db.commit()
        clock.move(minutes=1)
        stranger = users.sign_up(email=EMAIL, name="Nobody", password=factories.PASSWORD)
        db.commit()
        commit_parts(lockdown.delete(stranger))

    link = mailbox.last(EMAIL).link("/invitation/")

    assert app.test_client().get(link).status_code == 200
