"""Who calls the API in tests."""

import pytest
from flask import Flask

from latchkey.accounts.users import User
from tests.api.calls import Caller, caller


@pytest.fixture
def hers(app: Flask, alice: User) -> Caller:
    """Alice's program, which may do everything."""
    return caller(app.test_client(), alice, description="Everything")


@pytest.fixture
def his(app: Flask, bob: User) -> Caller:
    """Bob's program, which may do everything for Bob."""
    return caller(app.test_client(), bob, description="Everything")


@pytest.fixture
def nobody(app: Flask) -> Caller:
    """A program without a token."""
    return Caller(app.test_client(), None)
