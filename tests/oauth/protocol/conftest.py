"""What tests of apps with keys and documents of their own have in common."""

import pytest

from tests.oauth import hosts
from tests.oauth.signing import Pair


@pytest.fixture
def host():
    """A host on which an app's document and keys stand."""
    with hosts.serving() as running:
        yield running


@pytest.fixture
def pair():
    """A pair of keys by which an app signs."""
    return Pair()
