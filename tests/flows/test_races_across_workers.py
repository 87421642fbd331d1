"""Codes and refresh tokens are used once also when the requests meet different worker processes."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import requests

from tests import servers
from tests.factories import CALLBACK
from tests.flows.person import Person
from tests.oauth import dance

THREADS, ROUNDS = 16, 10

pytestmark = pytest.mark.slow("starts a server with two workers")


@pytest.mark.standard("C-06", "E-06", "E-13")
def test_one_winner_and_no_fault(settings, alice, example_client):
    asked = requests.Request("GET", "http://portal/oauth/authorize", params=dance.asked(example_client)).prepare()
    proof = (example_client.client.id, example_client.secret)

    with (
        servers.latchkey(settings.instance, workers=2, LATCHKEY_DATABASE_URL=settings.database_url) as server,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        person = Person(server.url)

        def at_once(**fields):
            barrier = Barrier(THREADS)

            def send(_):
                barrier.wait()
                return requests.post(f"{server.url}/oauth/token", data=fields, auth=proof, timeout=60)

            answers = list(pool.map(send, range(THREADS)))
            statuses = sorted(answer.status_code for answer in answers)
            assert statuses == [200] + [400] * (THREADS - 1)
            return next(answer.json() for answer in answers if answer.status_code == 200)

        def code():
            back = person.agree(asked.path_url, alice)
            return back.partition("code=")[2].partition("&")[0]

        def redeem(plaintext):
            return {
                "grant_type": "authorization_code",
                "code": plaintext,
                "redirect_uri": CALLBACK,
                "code_verifier": dance.VERIFIER,
            }

        for _ in range(ROUNDS):
            over = at_once(**redeem(code()))
            bearer = {"Authorization": f"Bearer {over['access_token']}"}
            assert requests.get(f"{server.url}/oauth/check", headers=bearer, timeout=60).status_code == 401

            fresh = requests.post(f"{server.url}/oauth/token", data=redeem(code()), auth=proof, timeout=60).json()
            over = at_once(grant_type="refresh_token", refresh_token=fresh["refresh_token"])
            bearer = {"Authorization": f"Bearer {over['access_token']}"}
            assert requests.get(f"{server.url}/oauth/check", headers=bearer, timeout=60).status_code == 401
