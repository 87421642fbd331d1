"""A server on the database of a test."""

from collections.abc import Iterator

import pytest

from latchkey.settings import Settings
from tests import servers


@pytest.fixture
def server(settings: Settings) -> Iterator[servers.Server]:
    """One worker that is quick to start."""
    with servers.latchkey(
        settings.instance, workers=1, forked=True, LATCHKEY_DATABASE_URL=settings.database_url
    ) as server:
        yield server
