"""A guard before a running Latchkey of which anything is killed: no ended token passes longer than stated."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import NamedTuple

import psycopg
import pytest

from latchkey import clients, settings, tokens
from latchkey.store import migrations
from latchkey.store import session as database
from latchkey.store.session import db
from tests import factories, servers
from tests.guard.test_guard import latchkey_guard

pytestmark = pytest.mark.slow("starts servers and kills them")


class Stage(NamedTuple):
    """An installation, a marked resource server of it, and a token."""

    url: str
    folder: object
    service: factories.Registered
    minted: tokens.Minted

    def guard(self, server, **options):
        made = latchkey_guard.Guard(
            server.url, client_id=self.service.client.id, client_secret=self.service.secret, **options
        )
        passes(made, self.minted)
        servers.wait_until(lambda: passes(made, self.minted) and remembers(made), "the guard to follow")
        return made

    def serve(self, **options):
        return servers.latchkey(self.folder, forked=True, LATCHKEY_DATABASE_URL=self.url, **options)


@pytest.fixture
def stage(tmp_path, request) -> Iterator[Stage]:
    url = f"sqlite:///{tmp_path / 'latchkey.db'}"
    if request.node.get_closest_marker("postgres"):
        url = request.getfixturevalue("postgres").create("guarded")
    settings.use(settings.load({}, instance=tmp_path, database_url=url))
    database.configure(url)
    migrations.upgrade()
    alice = factories.make_user("alice@example.com")
    service = factories.make_client(alice, name="Service")
    clients.mark_resource_server(service.client, on=True)
    db.commit()
    yield Stage(url, tmp_path, service, factories.make_token(alice))
    database.dispose()


def passes(guard, minted):
    return guard.check(f"Bearer {minted.plaintext}", "account:read").allowed


def remembers(guard):
    """Whether the last ones were answered without a question."""
    return guard.remembered > 0 and latchkey_guard._now() - guard._known_at < latchkey_guard.FRESH_SECONDS


def revoke(minted):
    tokens.revoke(db.merge(minted.token))
    db.commit()
    db.remove()


def until_refused(guard, minted):
    servers.wait_until(lambda: not passes(guard, minted), "the token to be refused", 40)
    # Refused for good: whatever was on its way changes nothing.
    for _ in range(50):
        assert not passes(guard, minted)
        time.sleep(0.01)


def test_a_revoked_token_is_refused_everywhere_without_being_asked_about(stage):
    with stage.serve(workers=2) as server:
        guards = [stage.guard(server) for _ in range(4)]
        asked = [guard.asked for guard in guards]
        assert all(passes(guard, stage.minted) for guard in guards for _ in range(200))
        assert sum(guard.asked for guard in guards) - sum(asked) < 20

        revoke(stage.minted)

        for guard in guards:
            until_refused(guard, stage.minted)
            guard.close()


def test_a_worker_that_is_killed_costs_no_guard_its_way(stage):
    with stage.serve(workers=2) as server:
        guard = stage.guard(server)
        children = subprocess.run(
            ["pgrep", "-P", str(server.process._process.pid)], check=True, capture_output=True, text=True
        ).stdout.split()
        os.kill(int(children[-1]), signal.SIGKILL)
        for _ in range(20):
            passes(guard, stage.minted)
            time.sleep(0.02)

        revoke(stage.minted)

        until_refused(guard, stage.minted)
        guard.close()


def test_what_ended_while_latchkey_was_away_is_refused_when_it_is_back(stage):
    port = servers.free_port()
    with stage.serve(port=port) as server:
        guard, strict = stage.guard(server), stage.guard(server, fail_closed=True)
        server.stop(signal.SIGKILL)

        # Nobody answers: what is remembered goes on for a while, where it may.
        servers.wait_until(lambda: not passes(strict, stage.minted), "the strict guard to refuse", 40)
        assert strict.check(f"Bearer {stage.minted.plaintext}", "account:read").status == 503
        assert passes(guard, stage.minted)
        revoke(stage.minted)
    with stage.serve(port=port):
        until_refused(guard, stage.minted)
        until_refused(strict, stage.minted)
        # A guard that starts anew remembers nothing.
        fresh = latchkey_guard.Guard(
            f"http://127.0.0.1:{port}", client_id=stage.service.client.id, client_secret=stage.service.secret
        )
        assert not passes(fresh, stage.minted)
        for each in (guard, strict, fresh):
            each.close()


def test_when_the_feed_alone_stops_every_call_is_asked_about(stage):
    with stage.serve() as server:
        guard = stage.guard(server)
        clients.suspend(db.merge(stage.service.client))
        db.commit()
        db.remove()
        servers.wait_until(lambda: not remembers(guard), "the feed to be too old", 40)
        before = guard.asked
        assert passes(guard, stage.minted)
        assert passes(guard, stage.minted)
        assert guard.asked == before + 2

        revoke(stage.minted)

        assert not passes(guard, stage.minted)
        guard.close()


@contextlib.contextmanager
def away(cluster, name):
    """A database that nobody can reach."""
    with psycopg.connect(f"host={cluster.folder} user=latchkey dbname=postgres", autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        yield
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


@pytest.mark.postgres
def test_a_database_that_is_away_ends_nothing_and_hides_nothing(stage, postgres):
    with stage.serve() as server:
        guard, strict = stage.guard(server), stage.guard(server, fail_closed=True)
        database.dispose()
        with away(postgres, "guarded"):
            servers.wait_until(lambda: not passes(strict, stage.minted), "the strict guard to refuse", 40)
            assert passes(guard, stage.minted)
        database.configure(stage.url)
        servers.wait_until(lambda: passes(strict, stage.minted), "Latchkey to answer again", 40)

        revoke(stage.minted)

        until_refused(guard, stage.minted)
        until_refused(strict, stage.minted)
        guard.close()
        strict.close()
