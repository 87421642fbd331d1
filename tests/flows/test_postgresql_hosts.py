"""PostgreSQL behind a pooler, stopped and started, failing over, and with a replica for the bearer path."""

import os
import socket
import threading
import time
from urllib.parse import quote

import psycopg
import pytest

from app import create_app
from latchkey import clock, tokens
from latchkey import settings as settings_module
from latchkey.accounts import throttle
from latchkey.accounts.throttle import Counter
from latchkey.oversight import doctor
from latchkey.store import migrations, prepared
from latchkey.store import session as store
from latchkey.tokens import access
from latchkey.transfer import restoring, saving, sealed
from latchkey.values import Limit
from tests import factories, servers

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.slow("starts clusters of its own"),
]


@pytest.fixture(scope="module")
def primary():
    with servers.postgres() as cluster:
        cluster.create("latchkey")
        yield cluster


@pytest.fixture(scope="module")
def standby(primary):
    with servers.standby(primary) as cluster:
        yield cluster


@pytest.fixture
def use(tmp_path, monkeypatch):
    """Have this process use a database; an application on it."""
    monkeypatch.setattr(prepared._Replica, "away_until", float("-inf"))

    def use(url, **more):
        given = {"base_url": "http://localhost", "mode": "development", "instance": tmp_path, "database_url": url}
        settings_module.use(settings_module.load({}, **given | more))
        app = create_app(settings_module.current())
        migrations.upgrade()
        return app

    yield use
    store.dispose()


def ask(app, token, path="/v1/me") -> int:
    answer = app.test_client().get(path, headers={"Authorization": f"Bearer {token}"})
    store.db.remove()
    if answer.status_code == 503:
        assert answer.headers["Retry-After"]
    return answer.status_code


def user() -> factories.User:
    return factories.make_user(f"u{time.monotonic_ns()}@example.com")


def in_threads(count, work):
    faults = []

    def run():
        try:
            work()
        except Exception as fault:  # noqa: BLE001 - whatever it is, the test shows it
            faults.append(fault)
        finally:
            store.db.remove()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_everything_works_through_a_pooler_that_hands_transactions_on(primary, use, tmp_path, monkeypatch):
    """With two connections for all: what a session keeps would be another's at once."""
    monkeypatch.setattr(sealed, "COST", 1 << 7)
    with servers.pgbouncer(primary) as through:
        app = use(through("latchkey"))
        alice = user()
        own = [factories.make_token(alice).plaintext for _ in range(3)]

        def work():
            for number in range(8):
                for token in own:
                    assert ask(app, token) == ask(app, token, "/oauth/check") == 200
                assert throttle.hit(Counter(f"x{number}", (Limit(10_000, tokens.renewal.timedelta(hours=1)),))) == 0
                factories.make_token(alice, description=str(number))

        in_threads(6, work)
        saving.save(tmp_path / "backup", "a quiet umbrella")
        assert abs((access.find(own[0]).created_at - clock.now()).total_seconds()) < 600
        primary.create("elsewhere")
        with (tmp_path / "backup").open("rb") as file:
            restored = restoring.restore(
                file,
                "a quiet umbrella",
                {"LATCHKEY_INSTANCE": str(tmp_path / "b"), "LATCHKEY_DATABASE_URL": through("elsewhere")},
            )
        assert restored.rows["token"] == 3 + 6 * 8
        assert doctor.clocks()
        store.dispose()


def test_a_host_that_is_gone_without_a_word_is_given_up_within_half_a_minute(primary, use):
    with servers.pgbouncer(primary) as through:
        opened = [
            through("latchkey"),
            through("latchkey") + "?tcp_user_timeout=7000&keepalives_idle=99&connect_timeout=3",
        ]
        told = []
        for url in opened:
            use(url)
            for engine in (store.engines().read, store.engines().write):
                with engine.connect() as connection:
                    line = connection.connection.dbapi_connection.info
                    told.append([line.get_parameters()[name] for name in ("tcp_user_timeout", "keepalives_idle")])
                    with socket.socket(fileno=os.dup(connection.connection.dbapi_connection.fileno())) as same:
                        assert same.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            store.dispose()

    assert told == [["20000", "20"]] * 2 + [["7000", "99"]] * 2


READ_ONLY = "default_transaction_read_only"


def test_a_server_that_takes_no_writes_is_told_with_503_and_connections_that_stay_so_are_replaced(primary, use):
    """As one that has become a standby behind a pooler or an address that moves."""
    app, bob = use(primary.url("latchkey")), user()
    own, devices = factories.make_client(bob), factories.make_client(bob, confidential=False, device_flow=True)
    token = factories.make_token(bob).plaintext
    client = {"client_id": own.client.id, "client_secret": own.secret}

    def write() -> set[int]:
        forms = {
            "/oauth/token": {"grant_type": "client_credentials", **client},
            "/oauth/device_authorization": {"client_id": devices.client.id},
        }
        answers = [app.test_client().post(path, data=form) for path, form in forms.items()]
        assert all("Retry-After" in answer.headers for answer in answers if answer.status_code == 503)
        return {answer.status_code for answer in answers}

    def set_all(statement: str) -> None:
        primary.run(f"ALTER SYSTEM {statement}")
        primary.run("SELECT pg_reload_conf()")

    assert write() == {200}
    set_all(f"SET {READ_ONLY} = on")
    servers.wait_until(lambda: write() == {503}, "refusals")
    assert ask(app, token) == 200
    set_all(f"RESET {READ_ONLY}")
    servers.wait_until(lambda: write() == {200}, "answers")

    store.engines().write_once(f"SET {READ_ONLY} = on", {})
    with store.engines().write.connect() as connection:
        connection.exec_driver_sql(f"SET {READ_ONLY} = on")
        connection.commit()
    write()

    assert write() == {200}


def test_a_server_that_is_stopped_and_started_is_told_with_503_and_then_all_recover(primary, use):
    app = use(primary.url("latchkey"))
    token, seen, stop = factories.make_token(user()).plaintext, [], threading.Event()

    def load():
        while not stop.is_set():
            seen.append((ask(app, token), ask(app, token, "/oauth/check")))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    servers.wait_until(lambda: (200, 200) in seen, "calls")
    primary.stop()
    servers.wait_until(lambda: (503, 403) in seen, "refusals")
    primary.start()
    stop.set()
    for thread in threads:
        thread.join()

    # Each thread has a connection of its own that was lost.
    in_threads(4, lambda: [ask(app, token) for _ in range(2)])
    assert [ask(app, token), ask(app, token, "/oauth/check")] == [200, 200]
    assert {status for pair in seen for status in pair} <= {200, 503, 403}
    assert factories.make_token(user())


@pytest.mark.standard("I-09")
def test_a_replica_answers_for_tokens_and_an_end_takes_effect_when_it_has_arrived(primary, standby, use, caplog):
    app = use(primary.url("latchkey"), database_read_url=standby.url("latchkey"))
    alice = user()
    minted = factories.make_token(alice)

    # It may not have arrived there.
    assert ask(app, minted.plaintext) == 200
    standby.run("SELECT pg_wal_replay_pause()")
    try:
        tokens.revoke(store.db.get(tokens.Token, minted.token.id))
        store.db.commit()
        told = [ask(app, minted.plaintext), ask(app, factories.make_token(alice).plaintext)]
    finally:
        standby.run("SELECT pg_wal_replay_resume()")
    arrived = told[0] == 401 or servers.wait_until(lambda: ask(app, minted.plaintext) == 401, "the end") is None

    assert arrived
    assert told[1] == 200
    assert "behind" in doctor.replica()


def test_a_replica_that_is_away_costs_nothing_but_the_primarys_time(primary, standby, use):
    app = use(primary.url("latchkey"), database_read_url=standby.url("latchkey"))
    token = factories.make_token(user()).plaintext
    assert ask(app, token) == 200
    standby.stop()
    try:
        assert [ask(app, token) for _ in range(3)] == [200] * 3
        failed = {each.name for each in doctor.examine(doctor.QUICK) if not each.ok}
        assert "replica" in failed
    finally:
        standby.start()


def test_when_the_first_host_is_lost_the_one_that_was_promoted_is_found(primary, standby, use):
    """The last test of these: the first cluster does not come back as what it was."""
    hosts = "&".join(f"host={quote(str(each.folder), safe='')}" for each in (standby, primary))
    app = use(f"postgresql+psycopg://latchkey@/latchkey?{hosts}&target_session_attrs=read-write")
    token = factories.make_token(user()).plaintext
    assert ask(app, token) == 200
    primary.run("SELECT pg_switch_wal()")
    servers.wait_until(lambda: _knows(standby, primary), "replication")
    primary.stop()
    assert ask(app, token) == 503

    standby.run("SELECT pg_promote()")

    servers.wait_until(lambda: ask(app, token) == 200, "recovery")
    later = factories.make_token(user()).plaintext
    assert ask(app, later) == ask(app, later, "/oauth/check") == 200


def _knows(standby, primary) -> bool:
    def at(cluster, question):
        with psycopg.connect(f"host={cluster.folder} user=latchkey dbname=postgres") as connection:
            return connection.execute(f"SELECT {question}::text").fetchone()[0]

    return at(standby, "pg_last_wal_replay_lsn()") >= at(primary, "pg_current_wal_lsn()")
