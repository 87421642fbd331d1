"""Ada, who administers, and her browser."""

import pytest
from flask.testing import FlaskClient

from latchkey.accounts.users import User
from tests import factories, pages


@pytest.fixture
def ada(db) -> User:
    return factories.make_user("ada@example.com", name="Ada", admin=True)


@pytest.fixture
def admin(app, ada: User) -> FlaskClient:
    return pages.sign_in(app.test_client(), ada)
