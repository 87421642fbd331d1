"""How a database writes moments and bytes is its operator's choice, and how ours are read is not."""

import pytest
from sqlalchemy import text

from latchkey.store.engines import Engines

pytestmark = pytest.mark.postgres
SELECT = r"SELECT CAST('2026-02-01 03:04:05+00' AS timestamptz) AS at, CAST('\x00ff27' AS bytea) AS digest"


@pytest.fixture
def pair(postgres):
    url = postgres.create("styled")
    postgres.run("ALTER DATABASE styled SET datestyle = 'SQL, DMY'")
    postgres.run("ALTER DATABASE styled SET bytea_output = 'escape'")
    pair = Engines(url)
    yield pair
    pair.dispose()
    postgres.drop("styled")


def test_moments_and_bytes_are_read_whatever_the_database_is_set_to(pair):
    found = [tuple(row) for row in pair.fetch(SELECT, {})]
    for engine in (pair.read, pair.write):
        with engine.connect() as connection:
            found += [tuple(row) for row in connection.execute(text(SELECT))]

    assert {(at.isoformat(), digest) for at, digest in found} == {("2026-02-01T03:04:05+00:00", b"\x00\xff'")}
