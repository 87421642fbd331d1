"""Alice's browser without the half second that a password takes; the sign-in form has tests of its own."""

import pytest
from flask.testing import FlaskClient

from latchkey.accounts import sessions, users
from latchkey.accounts.users import User
from latchkey.store.session import db as records


def enter(browser: FlaskClient, user: User) -> FlaskClient:
    """The same browser, with a session of this user."""
    opened = sessions.open(users.hold(user.id))
    records.commit()
    with browser.session_transaction() as cookie:
        cookie["_user_id"] = opened.plaintext
        cookie["_fresh"] = True
        cookie["csrf_token"] = f"{user.id}:{opened.id}"
        cookie.accessed = True
    return browser


@pytest.fixture
def signed_in(client: FlaskClient, alice: User) -> FlaskClient:
    return enter(client, alice)


@pytest.fixture
def bobs_browser(app, bob: User) -> FlaskClient:
    return enter(app.test_client(), bob)


@pytest.fixture
def caller(app) -> FlaskClient:
    """A program: no cookies."""
    return app.test_client(use_cookies=False)
