"""The administrators' lists are read along an index, so that a page costs the same among 100,000 rows."""

import re

import pytest
from sqlalchemy import event

from benchmarks import many
from latchkey.journal import acts
from latchkey.mail import outbox
from latchkey.oversight import approval, gauges, invitations, listing, overview
from latchkey.store.session import db as session
from latchkey.store.session import engines
from tests import factories

COUNT = 10_000
LAST = f"{'0' * 19}{many.FIRST + 5_000}"
# The constraint's own, as each database calls it.
BY_ADDRESS = r"uq_user_email_key|sqlite_autoindex_user_2"
# Where no app has a token both hold the same, and PostgreSQL takes either.
BY_END = "ix_token_ending|ix_token_expires_at"
# Each page of a list, and the index that it is read along where there is one for it alone.
LISTS = {
    "all users": (lambda: listing.users(), ""),
    "the next users": (lambda: listing.users(cursor=f"usr_{LAST}"), ""),
    "administrators": (lambda: listing.users(show="administrators"), "ix_user_admins"),
    "suspended users": (lambda: listing.users(show="suspended"), "ix_user_suspended"),
    "users not verified": (lambda: listing.users(show="unverified"), "ix_user_unverified"),
    "users by address": (lambda: listing.users(sort="address"), BY_ADDRESS),
    "the next by address": (lambda: listing.users(sort="address", cursor=f"usr_{LAST}"), BY_ADDRESS),
    "users that are searched": (lambda: listing.users(search="zebra"), ""),
    "a user's address": (lambda: listing.users(search="nobody@example.com"), BY_ADDRESS),
    "administrators that are searched": (lambda: listing.users(show="administrators", search="zebra"), ""),
    "apps": (lambda: listing.apps(), ""),
    "suspended apps": (lambda: listing.apps(show="suspended"), "ix_client_suspended"),
    "trusted apps": (lambda: listing.apps(show="trusted"), "ix_client_trusted"),
    "resource servers": (lambda: listing.apps(show="resource-servers"), "ix_client_resource_servers"),
    "apps that are searched": (lambda: listing.apps(search="zebra"), ""),
    "tokens": (lambda: listing.tokens(), ""),
    "tokens that end soon": (lambda: listing.tokens(show="ending"), BY_END),
    "the next that end soon": (lambda: listing.tokens(show="ending", cursor=f"tok_{LAST}"), BY_END),
    "ended tokens": (lambda: listing.tokens(show="ended"), ""),
    "tokens that are searched": (lambda: listing.tokens(search="zebra"), ""),
    "authorizations": (lambda: listing.authorizations(), ""),
    "authorizations that are searched": (lambda: listing.authorizations(search="zebra"), ""),
    "letters that failed": (lambda: listing.letters(), "ix_letter_failed"),
    "letters that wait": (lambda: listing.letters(show="waiting"), "ix_letter_waiting"),
    "letters that were sent": (lambda: listing.letters(show="sent"), ""),
    "letters that are searched": (lambda: listing.letters(show="sent", search="zebra"), ""),
    "events": (lambda: listing.events(), ""),
    "events of a group": (lambda: listing.events(group="security"), ""),
    "events that are searched": (lambda: listing.events(search="zebra"), ""),
    "acts": (lambda: acts.page(), ""),
    "invitations": (lambda: invitations.page(), ""),
}
# Administrators are few; of apps that match at most fifty are looked at.
SORTED = {"administrators", "administrators that are searched", "authorizations that are searched"}
# What is counted and not listed: by an index, but a page of it cannot stop at the fiftieth.
COUNTS = {
    "what needs attention": (overview.attention, ("ix_letter_failed", BY_END, "ix_user_fallen_together")),
    "how much there is": (overview.figures, ("ix_authorization_standing",)),
    "the outbox": (outbox.standing, ("ix_letter_failed",)),
    "what waits, up to a hundred": (lambda: approval.count(100), ("ix_token_waiting",)),
    "gauges": (lambda: list(gauges.read()), ()),
}
# A few rows however long a portal runs: what waits or ends soon, what operators wrote, one row each.
FEW = {
    "client_secret",
    "alembic_version",
    "act",
    "invitation",
    "policy",
    "chain_head",
    "refusal",
    "browser_session",
    "client_origin",
}


@pytest.fixture
def plans(app, db):
    """How the database reads what some work asks for, among many rows."""
    factories.make_user("ada@example.com", admin=True)
    many.people(COUNT)
    many.belongings(COUNT, 3_000)
    many.settle()

    def of(work, *, by_index=False) -> list[str]:
        asked = []

        def note(_connection, _cursor, statement, parameters, *_rest) -> None:
            if statement.startswith(("SELECT", "WITH")) and " FROM " in statement.replace("\n", " "):
                asked.append((statement, parameters))

        for engine in (engines().read, engines().write):
            event.listen(engine, "before_cursor_execute", note)
        work()
        for engine in (engines().read, engines().write):
            event.remove(engine, "before_cursor_execute", note)
        session.remove()
        with engines().read.connect() as connection:
            explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
            by_index = by_index and connection.dialect.name == "postgresql"
            if by_index:
                connection.exec_driver_sql("SET enable_seqscan = off")
            told = [
                "\n".join(str(row[-1]) for row in connection.exec_driver_sql(explain + statement, parameters))
                for statement, parameters in asked
            ]
            if by_index:
                connection.exec_driver_sql("RESET enable_seqscan")
            return told

    return of


def whole(plan: str) -> list[str]:
    """The lines of a plan that read a long table from its beginning to its end."""
    lines = [line.strip().removeprefix("->").strip() for line in plan.splitlines()]
    if engines().read.dialect.name == "sqlite":
        return [
            line for line in lines if line.startswith("SCAN") and "INDEX" not in line and line.split()[1] not in FEW
        ]
    return [line for line in lines if line.startswith("Seq Scan") and line.split()[3].strip('"') not in FEW]


@pytest.mark.slow("makes 10,000 of everything, once for all lists")
def test_every_page_of_a_list_is_read_along_an_index(db, plans):
    wrong = {}
    for name, (work, index) in LISTS.items():
        read = plans(work)
        assert read, name
        if index and not any(re.search(index, plan) for plan in read):
            wrong[name] = f"not along {index}: {read}"
        if bad := [line for plan in read for line in whole(plan)]:
            wrong[name] = bad
        # Sorting would read all that matches before it shows the first fifty.
        if engines().read.dialect.name == "sqlite" and name not in SORTED and "TEMP B-TREE" in read[0]:
            wrong[name] = read

    for name, (work, indexes) in COUNTS.items():
        # Where nearly all count, PostgreSQL finds it cheaper to read everything, by what it has seen of the table.
        told = "\n".join(plans(work, by_index=True))
        assert "(next_attempt_at=?)" not in told, told
        # Neither what was revoked while it waited, nor what has expired.
        assert "SCAN token USING INDEX ix_token_waiting" not in told, told
        if missed := [index for index in indexes if not re.search(index, told)]:
            wrong[name] = f"not along {missed}: {told}"

    assert not wrong, "\n".join(f"{name}: {told}" for name, told in wrong.items())
