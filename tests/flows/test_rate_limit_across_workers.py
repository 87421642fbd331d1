"""A limit for API calls is one limit, however many processes count it, when Redis keeps the count."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
import requests

from tests import factories, servers

pytestmark = pytest.mark.slow("starts two workers and a Redis")

LIMIT, CALLS = 20, 60


@pytest.mark.either_database("counted in Redis")
@pytest.mark.standard("O-03")
def test_exactly_as_many_calls_pass_as_the_limit_allows_across_two_workers(settings, alice, tmp_path):
    plaintext = factories.make_token(alice).plaintext
    number = count()

    def call(url: str) -> requests.Response:
        # A connection of its own: which worker answers is the kernel's choice.
        return requests.get(
            f"{url}/v1/me?call={next(number)}", headers={"Authorization": f"Bearer {plaintext}"}, timeout=60
        )

    with (
        servers.redis(tmp_path) as redis_url,
        servers.latchkey(
            settings.instance,
            workers=2,
            LATCHKEY_DATABASE_URL=settings.database_url,
            LATCHKEY_API_RATE_LIMIT=f"{LIMIT}/hour",
            LATCHKEY_RATE_LIMIT_URL=redis_url,
        ) as server,
        ThreadPoolExecutor(16) as threads,
    ):
        answers = list(threads.map(lambda _: call(server.url), range(CALLS)))

    statuses = [answer.status_code for answer in answers]
    assert not set(statuses) - {200, 429}, sorted(set(statuses))
    assert statuses.count(200) == LIMIT
    assert statuses.count(429) == CALLS - LIMIT
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["Retry-After"]) > 0
    assert "RateLimit-Policy" in refused.headers
