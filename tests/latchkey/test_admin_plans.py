"""The administrators' lists are read along an index, so that a page costs the same among 100,000 rows."""

import pytest
from sqlalchemy import event, text

from latchkey.accounts.users import User
from latchkey.oversight import listing
from latchkey.store.session import engines
from tests import factories

LISTS = {
    "administrators": lambda: listing.users(show="administrators"),
    "suspended users": lambda: listing.users(show="suspended"),
    "users not verified": lambda: listing.users(show="unverified"),
    "all users": lambda: listing.users(),
    "users by address": lambda: listing.users(sort="address"),
    "suspended apps": lambda: listing.apps(show="suspended"),
    "trusted apps": lambda: listing.apps(show="trusted"),
    "resource servers": lambda: listing.apps(show="resource-servers"),
    "tokens": lambda: listing.tokens(),
}


@pytest.fixture
def many(db):
    """Enough users that a database reads them by an index where one serves."""
    password = factories.make_user("ada@example.com", admin=True).password_hash
    emails = [f"someone{number}@example.com" for number in range(2_000)]
    db.add_all(User(email=email, email_key=email, name="Some", password_hash=password) for email in emails)
    db.commit()
    with engines().write.begin() as connection:
        connection.execute(text("ANALYZE"))


@pytest.mark.parametrize("name", LISTS)
def test_a_page_of_a_list_is_read_along_an_index(db, many, name):
    asked = []

    def note(_connection, _cursor, statement, parameters, *_rest) -> None:
        if " LIMIT " in statement.replace("\n", " "):
            asked.append((statement, parameters))

    event.listen(engines().read, "before_cursor_execute", note)
    event.listen(engines().write, "before_cursor_execute", note)
    LISTS[name]()
    event.remove(engines().read, "before_cursor_execute", note)
    event.remove(engines().write, "before_cursor_execute", note)

    assert asked
    with engines().write.connect() as connection:
        sqlite = connection.dialect.name == "sqlite"
        if not sqlite:
            # Few rows are read faster as they lie: told that this is dear, the database says whether an index serves.
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(("EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN ") + statement, parameters)
            told = "\n".join(str(row[-1]) for row in plan)
            assert "INDEX" in told.upper()
            assert "Seq Scan" not in told
            assert not any(line.startswith("SCAN") and "INDEX" not in line for line in told.splitlines()), told
            assert "TEMP B-TREE" not in told, told
