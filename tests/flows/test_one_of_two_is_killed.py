"""Two server processes on one database, one of them killed under load: nothing is lost, and no code is used twice."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests import factories, servers
from tests.factories import CALLBACK
from tests.oauth import dance

CODES, THREADS = 8, 8

pytestmark = pytest.mark.slow("starts two servers")


def family(pid: int) -> list[int]:
    """A process and its children, whose parent ends without a word to them."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in family(int(child)))]


@pytest.mark.standard("C-06")
def test_nothing_is_lost_and_no_code_is_used_twice(settings, signed_in, alice, example_client):
    codes = [dance.code(signed_in, example_client) for _ in range(CODES)]
    maker = factories.make_token(alice, scopes={"tokens:write", "account:read"}).plaintext
    proof = (example_client.client.id, example_client.secret)
    with (
        servers.latchkey(settings.instance, forked=True, LATCHKEY_DATABASE_URL=settings.database_url) as killed,
        servers.latchkey(settings.instance, forked=True, LATCHKEY_DATABASE_URL=settings.database_url) as left,
        ThreadPoolExecutor(THREADS) as pool,
    ):

        def post(server, path, **sent) -> requests.Response | None:
            try:
                return requests.post(f"{server.url}{path}", timeout=60, **sent)
            except requests.RequestException:
                assert server is killed
                return None

        def redeem(job) -> tuple[str, int]:
            code, server = job
            fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
            answer = post(server, "/oauth/token", data=fields | {"code_verifier": dance.VERIFIER}, auth=proof)
            return code, answer.status_code if answer is not None else 0

        def mint(job) -> str:
            number, server = job
            sent = {"description": f"T{number}", "scopes": ["account:read"], "expires_in_days": 1}
            answer = post(server, "/v1/tokens", json=sent, headers={"Authorization": f"Bearer {maker}"})
            assert answer is None or answer.status_code == 201, answer.text
            return answer.json()["token"] if answer is not None else ""

        minting = [pool.submit(mint, (number, (killed, left)[number % 2])) for number in range(24)]
        redeeming = [pool.submit(redeem, (code, server)) for code in codes for server in (killed, left)]
        minting[4].result()
        for pid in family(killed.process._process.pid):
            os.kill(pid, signal.SIGKILL)
        answers = [each.result() for each in redeeming]
        # Whoever got no answer tries again at the one that is left.
        answers += [redeem((code, left)) for code in codes]
        made = [token for token in (each.result() for each in minting) if token]

        bearers = [{"Authorization": f"Bearer {token}"} for token in made]
        seen = [requests.get(f"{left.url}/v1/me", headers=each, timeout=60).status_code for each in bearers]

    assert len(made) >= 12
    assert seen == [200] * len(made)
    assert {status for _, status in answers} <= {200, 400, 0}
    for code in codes:
        assert [told for each, told in answers if each == code].count(200) <= 1
