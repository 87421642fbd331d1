"""What is cleared away, by whom, and that nobody waits for it: small parts, one process, whatever is killed."""

import os
import re
import signal
import subprocess
import sys
from datetime import timedelta
from itertools import takewhile

import pytest
from sqlalchemy import event, func, insert, select, text
from sqlalchemy.exc import OperationalError

from benchmarks import many
from latchkey import clock, credentials, ids
from latchkey.accounts.sessions import BrowserSession
from latchkey.accounts.throttle import Attempt
from latchkey.credentials import Kind
from latchkey.endings.record import Ending
from latchkey.grants import Grant
from latchkey.journal.activity import Event
from latchkey.settings import ROOT
from latchkey.store import leases
from latchkey.store.leases import Lease
from latchkey.store.session import Base, engines
from latchkey.store.sweeping import AT_A_TIME
from latchkey.tokens import Token, listing
from latchkey.worker import ended, endings, housekeeping
from oauth.authorize import pending
from oauth.token import codes
from tests import factories

PURGES = (*(noun.purge for noun in housekeeping.NOUNS), codes.purge, pending.purge)
# A few rows that operators make, what is walked through in the order of its key, and what goes when work is done.
SMALL = {"invitation", "chain_gap", "lease"}
LONG_AGO = timedelta(days=400)


def dead_tokens(owner, count: int, **facts) -> None:
    """Developer tokens that ended long ago."""
    then = clock.now() - LONG_AGO
    row = {
        "kind": Kind.DEVELOPER.value, "last4": "0000", "user_id": owner.id, "description": "Dead",
        "scope": "account:read", "created_at": then, "created_address": "", "created_agent": "", "expires_at": then,
    }  # fmt: skip
    with engines().write.begin() as connection:
        connection.execute(
            insert(Token),
            [row | facts | {"id": ids.new_id("tok"), "digest": credentials.digest(f"{n}")} for n in range(count)],
        )


def asked(work) -> list[tuple[str, object]]:
    """The statements that some work sends, with their parameters."""
    sent: list[tuple[str, object]] = []

    def note(_connection, _cursor, statement, parameters, *_rest) -> None:
        sent.append((statement, parameters))

    for engine in (engines().read, engines().write):
        event.listen(engine, "before_cursor_execute", note)
    work()
    for engine in (engines().read, engines().write):
        event.remove(engine, "before_cursor_execute", note)
    return sent


@pytest.mark.standard("P-05")
def test_each_part_is_small_and_a_transaction_of_its_own(app, db, alice):
    dead_tokens(alice, 2 * AT_A_TIME + 1)
    commits = []
    event.listen(engines().write, "commit", lambda _connection: commits.append(1))

    left = []
    with app.app_context():
        while ended.purge():
            db.commit()
            left.append(db.scalar(select(func.count()).select_from(Token)))
        db.commit()

    assert left == [AT_A_TIME + 1, 1]
    assert db.scalar(select(func.count()).select_from(Token)) == 0
    assert len(commits) == 3


def test_the_tokens_of_a_sign_in_past_its_end_go_before_it_a_few_at_a_time(app, db, alice, example_client):
    client, then = example_client.client, clock.now() - timedelta(days=1)
    grant = Grant(client_id=client.id, scope="account:read", expires_at=then)
    db.add(grant)
    db.commit()
    dead_tokens(alice, AT_A_TIME + 1, kind="ort", grant_id=grant.id, user_id=None, description=None)

    with app.app_context():
        assert ended.purge()
        db.commit()
        assert db.scalar(select(func.count()).select_from(Token)) == 1
        assert not ended.purge()
        db.commit()

    assert db.scalar(select(func.count()).select_from(Token)) == db.scalar(select(func.count()).select_from(Grant)) == 0


def test_after_each_part_others_may_write_for_longer_than_it_took(app, db, alice):
    dead_tokens(alice, 2 * AT_A_TIME)
    rests = []

    with app.app_context():
        housekeeping.clear(rest=rests.append)

    assert len(rests) == 2
    assert all(seconds > 0 for seconds in rests)
    assert housekeeping.REST >= 1


def test_nothing_to_do_takes_no_write_lock_for_it(app, db):
    """The embedded database has one writer, and every hour of a quiet night would stop it a dozen times."""

    def work() -> None:
        for purge in (*PURGES,):
            if purge.__module__ not in ("latchkey.journal.chain", "latchkey.tokens.issued.device_codes"):
                purge()
        db.commit()

    with app.app_context():
        assert not [statement for statement, _ in asked(work) if re.match("DELETE|UPDATE|INSERT|BEGIN", statement)]


@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize("purge", PURGES, ids=lambda purge: purge.__module__.rpartition(".")[2])
def test_what_is_to_be_removed_is_found_by_an_index(app, db, alice, purge):
    if engines().read.dialect.name != "sqlite":
        pytest.skip("PostgreSQL reads small tables whole, and rightly so: the next test is about it")
    with app.app_context():
        sent = [each for each in asked(purge) if each[0].startswith("SELECT") and "PRAGMA" not in each[0]]
    with engines().read.connect() as connection:
        plans = [
            row.detail
            for statement, parameters in sent
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]

    whole = [plan for plan in plans if plan.startswith("SCAN") and "INDEX" not in plan]
    assert not [plan for plan in whole if plan.split()[1] in set(Base.metadata.tables) - SMALL - ORDERED], plans


# Of the first, what is known of each row has to be looked at; the second is the chain's one row.
ORDERED = {"client_trace", "chain_head"}
# Who has too many of one kind is counted along an index that has no more than it needs.
COUNTED = {("latchkey.journal.activity", "event"), ("latchkey.journal.refusals", "refusal")}
SCAN = re.compile(r'(?:Seq Scan on "?(\w+)|Scan(?: Backward)? (?:using|on) (\w+))')
INDEXES = "SELECT indexname, tablename, indexdef LIKE '%% WHERE %%' FROM pg_indexes WHERE schemaname = 'public'"


def read_whole(plan: list[str], indexes: dict[str, tuple[str, bool]]) -> set[str]:
    """The tables of which a plan of PostgreSQL reads all, or all of an index that is not about some rows alone."""
    found = set()
    for number, line in enumerate(plan):
        table, index = scanned.groups() if (scanned := SCAN.search(line)) else (None, None)
        under = takewhile(lambda below: "->" not in below, plan[number + 1 :])
        if index in indexes and not indexes[index][1] and not any("Index Cond" in below for below in under):
            table = indexes[index][0]
        found |= {table} if table else set()
    return found


@pytest.mark.postgres
@pytest.mark.slow("makes thousands of rows, once for all that is cleared away")
def test_what_is_to_be_removed_is_found_by_an_index_of_postgresql_too(app, db, alice):
    if engines().read.dialect.name == "sqlite":
        pytest.skip("about PostgreSQL")
    many.people(2_000)
    many.belongings(2_000, 500)
    begun = {"scope": "account:read", "created_at": clock.now(), "expires_at": clock.now() + LONG_AGO}
    under = {"id": lambda n: many.id_of("grt", n), "client_id": lambda n: many.id_of("app", 1 + n % 500)}
    many.copies(Grant, begun, 2_000, **under)
    many.copies(Ending, {"kind": "token"}, 2_000, seq=lambda n: n, target_id=lambda n: many.id_of("tok", n))
    many.settle()
    wrong = {}
    for purge in (endings.remind, endings.end_disused, *PURGES):
        with app.app_context():
            sent = [each for each in asked(purge) if each[0].lstrip().startswith(("SELECT", "WITH", "DELETE"))]
            db.remove()
        with engines().write.begin() as connection:
            # However few rows a table has here, it says by which index it would go among many.
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            indexes = {name: (table, part) for name, table, part in connection.exec_driver_sql(INDEXES)}
            for statement, parameters in sent:
                plan = [row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)]
                of_itself = {table for module, table in COUNTED if module == purge.__module__}
                if read_whole(plan, indexes) - SMALL - ORDERED - of_itself:
                    wrong[statement] = plan
    assert not wrong, "\n".join("\n".join([statement, *plan]) for statement, plan in wrong.items())


def test_everything_that_has_an_end_is_cleared_away_or_said_to_stay():
    page = (ROOT / "docs/operate/housekeeping.md").read_text()
    told = set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE))
    ends = {"expires_at", "at", "last_at", "day", "ended_at", "next_attempt_at", "until"}

    with_an_end = {table.name for table in Base.metadata.sorted_tables if ends & set(table.columns.keys())}

    assert with_an_end <= told, with_an_end - told
    assert told <= {table.name for table in Base.metadata.sorted_tables}
    for purge in PURGES:
        assert purge.__module__.replace(".", "/") + ".py" in page, purge.__module__


def test_one_process_at_a_time_and_none_for_an_hour_after_it(app, db, monkeypatch):
    def other_process(name: str) -> None:
        monkeypatch.setattr(housekeeping.processes, "name", lambda: name)

    turns = []
    with app.app_context():
        other_process("host-a:1")
        assert housekeeping.take_turn(lambda: turns.append(within()))
        other_process("host-b:1")
        assert not housekeeping.take_turn(lambda: turns.append("twice"))
        assert turns == ["refused"]


def within() -> str:
    """What another process hears while this one is at it."""
    return "begun" if leases.take(housekeeping.LEASE, "host-c:1", housekeeping.HELD) else "refused"


def test_whoever_was_killed_holds_up_the_next_for_minutes_only(app, db, clock):
    with app.app_context():
        assert leases.take(housekeeping.LEASE, "killed:1", housekeeping.HELD)
        clock.move(minutes=4)
        assert not housekeeping.take_turn()
        clock.move(minutes=2)
        assert housekeeping.take_turn()
        clock.move(minutes=50)
        assert not housekeeping.take_turn()
        clock.move(minutes=10)
        assert housekeeping.take_turn()


def test_who_stood_still_and_lost_the_turn_stops(app, db, alice, clock):
    dead_tokens(alice, AT_A_TIME)
    calls = []

    def slow() -> bool:
        calls.append(1)
        clock.move(minutes=6)
        assert leases.take(housekeeping.LEASE, "another:1", housekeeping.HELD) or len(calls) > 1
        return True

    with app.app_context():
        assert housekeeping.take_turn(slow)

    assert len(calls) == 1
    assert db.scalar(select(Lease.holder)) == "another:1"


def test_a_purge_that_fails_keeps_no_other_from_its_work(app, db, caplog):
    def broken() -> bool:
        raise OperationalError("DELETE", {}, ValueError("disk"))

    done = []
    with app.app_context():
        housekeeping.clear(broken, lambda: done.append(1))

    assert done == [1]
    assert "clearing away failed" in caplog.text


KILLED = """
import os, sys
from sqlalchemy import event
from latchkey import settings
from latchkey.store import session as db
from latchkey.worker import ended
settings.use(settings.load())
db.configure(settings.current().database_url)
deletes = []
def note(connection, cursor, statement, *rest):
    if statement.startswith("DELETE"):
        deletes.append(1)
        if len(deletes) == 2:
            os.kill(os.getpid(), 9)
event.listen(db.engines().write, "after_cursor_execute", note)
while ended.purge():
    db.db.commit()
"""


@pytest.mark.standard("E-14")
@pytest.mark.slow("starts a process to kill it")
def test_killed_in_the_middle_of_a_part_nothing_is_lost_and_the_next_goes_on(app, settings, db, alice):
    live = factories.make_token(alice)
    dead_tokens(alice, 3 * AT_A_TIME)
    db.remove()
    given = {"LATCHKEY_INSTANCE": str(settings.instance), "LATCHKEY_DATABASE_URL": settings.database_url}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LATCHKEY_")} | given

    ran = subprocess.run(
        [sys.executable, "-c", KILLED], env=environment | {"LATCHKEY_MODE": "development"}, cwd=ROOT, check=False
    )

    assert ran.returncode == -signal.SIGKILL
    assert db.scalar(select(func.count()).select_from(Token)) == 2 * AT_A_TIME + 1
    with app.app_context():
        while ended.purge():
            db.commit()
        db.commit()
    assert db.scalars(select(Token.id)).all() == [live.token.id]


def test_what_is_live_stays(app, db, alice):
    live = factories.make_token(alice)
    now = clock.now()
    db.add(Attempt(key="live", started_at=now, count=1, expires_at=now + timedelta(minutes=1)))
    db.add(Attempt(key="dead", started_at=now, count=1, expires_at=now - timedelta(minutes=1)))
    db.commit()
    before = {record: db.scalar(select(func.count()).select_from(record)) for record in (BrowserSession, Event)}

    with app.app_context():
        housekeeping.clear(codes.purge, pending.purge, rest=lambda _seconds: None)

    assert db.scalars(select(Token.id)).all() == [live.token.id]
    assert db.scalars(select(Attempt.key)).all() == ["live"]
    assert before == {record: db.scalar(select(func.count()).select_from(record)) for record in before}


@pytest.mark.postgres
def test_postgresql_looks_after_the_busy_tables_early(db):
    if engines().read.dialect.name == "sqlite":
        pytest.skip("about PostgreSQL")
    set_for = "SELECT relname, array_to_string(reloptions, ' ') FROM pg_class WHERE reloptions IS NOT NULL"
    options = dict(db.execute(text(set_for)).all())

    for table in ("token", "grant", "event", "attempt", "call_count", "letter"):
        assert "autovacuum_vacuum_scale_factor=0.02" in options[table]


def test_whoever_has_many_dead_tokens_counts_only_the_live_ones(db, alice):
    """Counting happens under the one write lock of the embedded database: nobody may make it long for the others."""
    dead_tokens(alice, 300)
    live = [factories.make_token(alice, lifetime=lifetime) for lifetime in (None, timedelta(days=1))]
    many.settle()

    sent = asked(lambda: listing.number(alice.id))

    assert listing.number(alice.id) == len(live)
    with engines().read.connect() as connection:
        explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
        for statement, parameters in sent:
            plan = "\n".join(str(row[-1]) for row in connection.exec_driver_sql(explain + statement, parameters))
            assert "ix_token_unrevoked" in plan, plan
            assert re.search(r"expires_at[=>]|expires_at IS NULL|expires_at > ", plan), plan
