"""A copied cookie is worth nothing once its session is over, whatever ended it (M-01, M-02)."""

import pytest

from latchkey.accounts import links, sessions, users
from latchkey.accounts.links import Purpose
from latchkey.store.session import db
from tests import factories, pages
from tests.factories import PASSWORD

NEW = "lantern-orchid-57-gravel"


@pytest.fixture
def browser(app, alice):
    return pages.sign_in(app.test_client(), alice)


def copy(app, browser):
    """Another browser with the same cookie."""
    thief = app.test_client()
    thief.set_cookie("latchkey", browser.get_cookie("latchkey").value)
    return thief


def is_in(browser) -> bool:
    return browser.get("/settings").status_code == 200


def signs_out(app, browser, alice):
    browser.post("/logout", data={"csrf_token": pages.csrf(browser.get("/"))})


def changes_the_password(app, browser, alice):
    pages.submit(browser, "/settings/password", form="/settings", current=PASSWORD, password=NEW)


def resets_the_password(app, browser, alice):
    other, plaintext = app.test_client(), links.issue(alice, Purpose.RESET_PASSWORD)
    db.commit()
    other.get(f"/reset-password/{plaintext}")
    assert pages.submit(other, "/reset-password", password=NEW).status_code == 303


def deletes_the_account(app, browser, alice):
    pages.submit(browser, "/settings/delete", form="/settings", email=alice.email, password=PASSWORD)


def ends_it_from_elsewhere(app, browser, alice):
    other = pages.sign_in(app.test_client(), alice)
    pages.submit(other, "/settings/sessions/end-others", form="/settings")


def is_disabled(app, browser, alice):
    users.disable(users.find_by_email(alice.email))
    db.commit()


def proves_the_password_again(app, browser, alice):
    [here] = sessions.list_live(alice)
    here.authenticated_at -= sessions.RECENT
    db.commit()
    assert pages.submit(browser, "/login/again", password=PASSWORD).status_code == 303


def makes_way_for_a_link_of_somebody_else(app, browser, alice):
    newcomer = factories.make_user("newcomer@example.com", verified=False)
    plaintext = links.issue(newcomer, Purpose.VERIFY_EMAIL)
    db.commit()
    assert pages.submit(browser, f"/verify-email/{plaintext}", do="sign-out").status_code == 303


@pytest.mark.standard("M-01")
@pytest.mark.parametrize(
    "happens",
    [
        signs_out, changes_the_password, resets_the_password, deletes_the_account, ends_it_from_elsewhere, is_disabled,
        proves_the_password_again, makes_way_for_a_link_of_somebody_else,
    ],
)  # fmt: skip
def test_a_copied_cookie_dies_with_its_session(app, browser, alice, happens):
    thief = copy(app, browser)
    assert is_in(thief)

    happens(app, browser, alice)

    assert not is_in(thief)
    # Nor does what the server tells it bring it back in.
    assert not is_in(thief)


def test_a_cookie_from_before_signing_in_is_not_signed_in_after(app, alice):
    victim = app.test_client()
    victim.get("/login")
    planted = copy(app, victim)

    pages.sign_in(victim, alice)

    assert is_in(victim)
    assert not is_in(planted)


def test_two_tabs_share_a_session_and_a_stale_form_comes_back_filled_in(app, browser, alice):
    old = pages.csrf(browser.get("/settings"))
    changes_the_password(app, browser, alice)

    stale = browser.post("/settings/profile", data={"csrf_token": old, "name": "Alicia"})
    page = browser.get("/settings").text
    assert (stale.status_code, 'value="Alicia"' in page) == (303, True)
    assert "This page was open for a while" in page
    assert users.find_by_email(alice.email).name == "Alice"
    assert pages.submit(browser, "/settings/profile", form="/settings", name="Alicia").status_code == 303
