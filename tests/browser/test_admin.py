"""The administrators' place in Chromium: every page on a desktop and a phone, light and dark, and a story by name."""

import re

import pyotp
import pytest
from playwright.sync_api import Page, expect

from benchmarks import many
from latchkey import clients, grants
from latchkey.accounts import second_factors, users
from latchkey.accounts.users import User
from latchkey.journal import activity
from latchkey.journal.activity import EventKind
from latchkey.mail import outbox
from latchkey.oversight import invitations
from tests.browser.conftest import assert_accessible, assert_fits
from tests.factories import PASSWORD, make_client, make_token, make_user

KEY = "JBSWY3DPEHPK3PXPKR2GS3TFJBSWY3DP"
LISTS = ("users", "apps", "tokens", "authorizations", "mail", "activity")
PAGES = (
    "", "/approvals", "/invitations", "/find", "/policies", "/policies/theme?accent=%23aa3366",
    "/resources", "/activity/administrators",
    *(f"/{name}" for name in LISTS),
)  # fmt: skip
LONG = "Wolfeschlegelsteinhausenbergerdorff" * 3
REASON = "It is used from unknown addresses"


@pytest.fixture
def ada(db) -> User:
    """Who administers, with a second factor."""
    return make_user("ada@example.com", name="Ada", admin=True)


@pytest.fixture
def admin(page: Page, ada, db) -> Page:
    """A window in which she is signed in."""
    users.lock(ada.id)
    assert second_factors.set_up(ada, KEY, pyotp.TOTP(KEY).now())
    code = second_factors.make_codes(ada)[0]
    db.commit()
    page.goto("/login?next=/admin")
    page.get_by_label("Email").fill(ada.email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("link", name="Use a recovery code").click()
    page.get_by_label("Recovery code").fill(code)
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    return page


@pytest.fixture
def there(app, db, alice) -> list[str]:
    """A long list of everything; the addresses of what has a page of its own."""
    wide = make_user(f"{'x' * 60}@{'y' * 60}.example.com", name=LONG[:80])
    db.add_all(
        User(email=email, email_key=email, name="Somebody", password_hash=wide.password_hash)
        for email in (f"someone{number}@example.com" for number in range(60))
    )
    made = make_client(alice, name=LONG[:60], homepage="https://example.com/" + "long" * 40)
    grants.allow(wide, made.client, {"account:read"})
    make_token(wide, description=LONG[:80])
    with app.test_request_context():
        for kind in (EventKind.SIGNED_IN, EventKind.SIGN_IN_FAILED):
            activity.record(wide, kind)
        invitations.invite(f"{'z' * 60}@example.com", admin=True)
        letter = outbox.post(wide.email, "address_taken")
        letter.last_error, letter.next_attempt_at = "550 5.1.1 no such mailbox " + "x" * 120, None
        clients.lock(made.client.id).waiting_since = letter.created_at
        made.client.waiting_scope = "account:write"
        db.commit()
    user, client = f"/users/{wide.id}", f"/apps/{made.client.id}"
    tabs = ("authorizations", "activity")
    return [user, f"{user}/suspend", *(f"{user}?tab={tab}" for tab in tabs), client, f"{client}/suspend"]


# Some twenty pages, each looked at by axe twice.
def test_every_page_is_read_on_a_desktop_and_a_phone_by_day_and_by_night(admin, there):
    for path in (*PAGES, *there):
        admin.goto(f"/admin{path}")
        for width, scheme in ((1280, "light"), (390, "dark")):
            admin.set_viewport_size({"width": width, "height": 844})
            admin.emulate_media(color_scheme=scheme)
            assert_fits(admin)
            assert_accessible(admin)
        admin.set_viewport_size({"width": 320, "height": 844})
        assert_fits(admin)


def test_somebody_is_found_suspended_with_a_reason_and_restored(admin, there, alice, db):
    admin.get_by_role("link", name="Users", exact=True).click()
    expect(admin.get_by_role("link", name="Next page")).to_be_visible()
    admin.get_by_role("searchbox", name="Search users").fill(alice.email)
    expect(admin.get_by_role("link", name="Somebody")).to_have_count(0)
    admin.get_by_role("link", name="Alice").click()
    admin.get_by_role("link", name="Suspend").click()
    admin.get_by_role("button", name="Suspend").click()
    expect(admin.get_by_text("Write why.")).to_be_visible()
    admin.get_by_role("textbox", name="Reason").fill(REASON)
    admin.get_by_role("button", name="Suspend").click()
    expect(admin.get_by_text("Suspended Alice.")).to_be_visible()
    expect(admin.get_by_text(f"“{REASON}”")).to_be_visible()

    admin.get_by_role("link", name="Restore").click()
    admin.get_by_role("button", name="Restore").click()
    expect(admin.get_by_text("Restored Alice.")).to_be_visible()
    admin.get_by_role("navigation", name="Administration").get_by_role("link", name="Overview").click()
    expect(admin.get_by_text(re.compile("You restored the user"))).to_be_visible()
    db.expire_all()
    assert users.find(alice.id).disabled_at is None


# Two seconds of it make the users.
def test_a_hundred_thousand_users_are_sorted_paged_and_searched_on_a_desktop_and_a_phone(admin, db):
    many.people(100_000)
    many.settle()

    for width in (1280, 390):
        admin.set_viewport_size({"width": width, "height": 844})
        admin.goto("/admin/users?sort=address")
        admin.get_by_role("link", name="Next page").click()
        expect(admin.get_by_role("link", name="First page")).to_be_visible()
        expect(admin.get_by_role("link", name="Somebody 100000060")).to_be_visible()
        admin.get_by_role("searchbox", name="Search users").fill("Somebody 100050000")
        expect(admin.get_by_role("link", name="Somebody 100050000")).to_be_visible()
        expect(admin.get_by_role("link", name="Somebody 100000060")).to_have_count(0)
        assert_fits(admin)
        assert_accessible(admin)
