"""Writers wait for each other and let go, however their request ends."""

import sqlite3
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import abort
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError, OperationalError

from latchkey.accounts import throttle, users
from latchkey.store.drivers.transactions import transaction
from latchkey.store.session import configure, dispose, engines
from latchkey.store.session import db as records
from latchkey.values import Limit
from tests import conftest
from tests.factories import make_user

ONE = throttle.Counter("stage", (Limit(1_000, timedelta(minutes=1)),))


@pytest.fixture
def app(app, alice):
    """Views that write and then end in different ways, none by a commit."""

    def write():
        users.rename(users.find_by_email(alice.email), "Half a change")
        records.flush()

    @app.get("/stage/raises")
    def raises():
        write()
        raise RuntimeError("between flush and commit")

    @app.get("/stage/aborts")
    def aborts():
        write()
        abort(404)

    @app.get("/stage/forgets")
    def forgets():
        write()
        return "no commit"

    @app.get("/stage/breaks-a-rule")
    def breaks_a_rule():
        write()
        records.add(users.User(email="x", email_key=alice.email_key, name="x", password_hash="x"))
        records.flush()

    @app.get("/stage/streams")
    def streams():
        write()
        return (part for part in ("a", "b"))

    @app.get("/stage/counts")
    def counts():
        return str(throttle.hit(ONE))

    return app


def in_time(act, seconds=25):
    """What it gives, from a thread of its own: a queue that does not move shows as a failure and not as a hang."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(act).result(seconds)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("how", ["raises", "aborts", "forgets", "breaks-a-rule", "streams"])
def test_a_request_that_does_not_commit_changes_nothing_and_lets_the_next_writer_go_on(app, alice, how):
    app.testing = False
    for _ in range(3):
        in_time(lambda: app.test_client().get(f"/stage/{how}").status_code)

    started = time.monotonic()
    assert in_time(lambda: app.test_client().get("/stage/counts").text) == "0"
    # Whoever waits for a turn that is never given back is told so after 30.
    assert time.monotonic() - started < 20
    records.expire_all()
    assert users.find_by_email("alice@example.com").name == "Alice"


def test_a_reader_that_leaves_before_the_end_of_the_answer_holds_nobody_up(app):
    answer = app.test_client().get("/stage/streams", buffered=False)
    answer.close()

    assert in_time(lambda: app.test_client().get("/stage/counts").text) == "0"


def test_writers_come_one_after_the_other_and_all_get_through(app):
    barrier, statuses = threading.Barrier(12), []

    def write(_):
        barrier.wait()
        paths = ("raises", "counts", "forgets", "counts")
        statuses.extend(app.test_client().get(f"/stage/{path}").status_code for path in paths)

    app.testing = False
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(write, range(12)))

    assert {status for status in statuses if status != 500} == {200}
    assert statuses.count(500) == 12


@pytest.mark.parametrize("engine", ["read", "write"])
def test_a_connection_that_comes_back_after_the_engines_were_disposed_of_is_closed(settings, engine):
    out = getattr(engines(), engine).connect()
    driver, fault = out.connection.dbapi_connection, out.dialect.loaded_dbapi.Error

    configure(settings.database_url)
    out.close()

    with pytest.raises(fault, match="closed"):
        driver.execute("SELECT 1")


def test_who_reads_after_the_engines_were_disposed_of_leaves_no_connection_open(settings):
    late, left = threading.Event(), engines()
    opened = []
    event.listen(left.read, "connect", lambda driver, _record: opened.append(driver))

    def come():
        assert late.wait(60)
        return left.fetch("SELECT 1", ())

    with ThreadPoolExecutor() as pool:
        coming = pool.submit(come)
        dispose()
        late.set()
        assert [tuple(row) for row in coming.result()] == [(1,)]
    configure(settings.database_url)

    with pytest.raises(left.read.dialect.loaded_dbapi.Error, match="closed"):
        opened[-1].execute("SELECT 1")


def test_threads_hold_no_connection_that_they_do_not_read_by(settings):
    configure(settings.database_url)
    opened = []
    event.listen(engines().read, "connect", lambda driver, _record: opened.append(driver))

    for _ in range(20):
        reading = threading.Thread(target=engines().fetch, args=("SELECT 1", ()))
        reading.start()
        reading.join()

    assert len(opened) == 1


@pytest.mark.skipif(conftest.POSTGRESQL, reason="is about the file of SQLite")
def test_a_new_database_is_its_owners_alone(settings, tmp_path):
    configure(f"sqlite:///{tmp_path / 'fresh.db'}")
    with engines().write.begin() as connection:
        connection.execute(text("CREATE TABLE t (x)"))

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("fresh.db*")}
    assert modes == dict.fromkeys(("fresh.db", "fresh.db-wal", "fresh.db-shm"), 0o600)


def test_a_rule_of_the_database_is_kept_whatever_the_code_forgets(db, alice):
    with pytest.raises(IntegrityError) as broken:
        make_user("ALICE@example.com")
    db.rollback()

    assert make_user("bob@example.com").id
    # Logs hold what faults say.
    assert "$argon2id$" not in str(broken.value)


@pytest.fixture
def embedded(settings):
    if not engines().embedded:
        pytest.skip("about SQLite alone")


def test_connections_that_met_a_read_only_file_are_made_anew(embedded, alice):
    """What a file system does that is read-only for a moment: the same error, kept by the connection."""
    with engines().write_lock() as held:
        held.execute("PRAGMA query_only=ON")
    with engines().write.connect() as pooled:
        pooled.exec_driver_sql("PRAGMA query_only=ON")

    with pytest.raises(sqlite3.OperationalError, match="readonly"), transaction() as connection:
        connection.execute("UPDATE user SET name = 'x'")
    with pytest.raises(OperationalError, match="readonly"), engines().write.begin() as connection:
        connection.execute(text("UPDATE user SET name = 'x'"))

    with transaction() as connection:
        connection.execute("UPDATE user SET name = 'y'")
    with engines().write.begin() as connection:
        connection.execute(text("UPDATE user SET name = 'z'"))
    throttle.hit(ONE)
