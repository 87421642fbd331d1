"""What connections to a file keep of it is given back while nobody uses them."""

from contextlib import closing

import pytest

from latchkey.store.engines import Engines
from latchkey.store.session import engines

READ = "SELECT name FROM sqlite_master"


@pytest.fixture
def told(db):
    """What the connections of each kind that were used last are told from now on; nothing where there is no file."""
    if not engines().embedded:
        yield None
        return
    found = []
    # It takes its connection out of the pool of those that read.
    engines().fetch(READ, ())
    used = [engines()._readers._idle[-1].connection]
    for engine in (engines().read, engines().write):
        with closing(engine.raw_connection()) as lent:
            used.append(lent.dbapi_connection)
    for connection in used:
        connection.set_trace_callback(found.append)
    yield found
    for connection in used:
        connection.set_trace_callback(None)


def test_connections_that_nobody_uses_give_back_what_they_keep_of_a_file(told):
    engines().shrink()

    if told is not None:
        assert told == ["PRAGMA shrink_memory"] * 3
        assert engines().fetch(READ, ())
        assert told[3:] == [READ]


def test_none_is_opened_to_give_back_what_it_does_not_keep(settings):
    opened = Engines(settings.database_url)
    try:
        opened.shrink()

        assert [opened.read.pool.checkedin(), opened.write.pool.checkedin(), opened._readers._idle] == [0, 0, []]
    finally:
        opened.dispose()
