"""Where API calls are counted, and what happens when nobody can count there."""

import os
import signal
import time

import pytest
import redis

from latchkey import settings as settings_module
from latchkey.store import rates
from tests import servers


@pytest.fixture(autouse=True)
def forgetful(monkeypatch):
    """Nothing of one test is known to the next."""
    rates._store.cache_clear()
    for name in ("workers", "away_until", "told_at"):
        monkeypatch.setattr(rates._Process, name, getattr(rates._Process, name))
    yield
    rates._store.cache_clear()


def use(settings, **given):
    known = {"instance": settings.instance, "database_url": settings.database_url, "mode": "development"}
    settings_module.use(settings_module.load({}, **known, **given))


@pytest.mark.standard("O-03")
@pytest.mark.parametrize("workers, passing", [(1, 10), (2, 5), (3, 3), (64, 1)])
def test_each_of_several_workers_counts_its_part_of_the_limit(settings, workers, passing):
    use(settings, api_rate_limit="10/hour")
    rates.share(workers)

    assert [rates.count("family").allowed for _ in range(12)].count(True) == passing


def test_a_frozen_store_costs_a_moment_then_nothing_and_is_told_once(settings, tmp_path, caplog):
    with servers.redis(tmp_path) as url:
        use(settings, api_rate_limit="5/hour", rate_limit_url=url)
        rates.share(2)
        assert [rates.count("family").allowed for _ in range(7)] == [True] * 5 + [False] * 2
        assert rates.answers()
        pid = redis.Redis.from_url(url).info()["process_id"]
        os.kill(pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            assert [rates.count("family") for _ in range(200)] == [None] * 200
            # One of them waited a quarter of a second; fifty, if each did.
            assert time.monotonic() - started < 20
            assert not rates.answers()
            rates._Process.away_until = 0
            assert rates.count("family") is None
        finally:
            os.kill(pid, signal.SIGCONT)

        assert caplog.text.count("API calls cannot be counted") == 1
        rates._Process.away_until = 0
        servers.wait_until(lambda: rates.answers(), "Redis")
        assert not rates.count("family").allowed


def test_a_store_that_stopped_lets_calls_pass(settings, caplog):
    use(settings, api_rate_limit="5/hour", rate_limit_url=f"redis://127.0.0.1:{servers.free_port()}/0")

    assert [rates.count("family") for _ in range(20)] == [None] * 20
    assert not rates.answers()
    assert caplog.text.count("API calls cannot be counted") == 1


def test_readiness_knows_the_store_and_stays(settings, app):
    ready = app.test_client().get("/readyz")
    assert (ready.status_code, ready.text) == (200, "ok\n")

    use(settings, api_rate_limit="5/hour", rate_limit_url=f"redis://127.0.0.1:{servers.free_port()}/0")

    ready = app.test_client().get("/readyz")
    assert (ready.status_code, ready.text) == (200, "ok, but API calls are not counted\n")
