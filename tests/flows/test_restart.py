"""What was used up or ended is still so when the server was stopped and started again."""

from urllib.parse import parse_qs

import pytest
import requests

from latchkey.journal.calls import use
from tests import factories, servers
from tests.factories import CALLBACK
from tests.flows.person import Person
from tests.oauth import dance

CALLS = 7

pytestmark = pytest.mark.slow("starts the server twice")


@pytest.mark.standard("E-13")
def test_what_was_used_or_ended_stays_so_after_a_restart(settings, alice, example_client):
    port, counted = servers.free_port(), factories.make_token(alice)
    proof = (example_client.client.id, example_client.secret)
    asked = requests.Request("GET", "http://portal/oauth/authorize", params=dance.asked(example_client)).prepare()

    def started():
        given = {"forked": True, "LATCHKEY_DATABASE_URL": settings.database_url}
        return servers.latchkey(settings.instance, port=port, **given)

    def send(server, path, **fields):
        return requests.post(f"{server.url}{path}", data=fields, auth=proof, timeout=60)

    def redeem(server, code):
        fields = {"code": code, "redirect_uri": CALLBACK, "code_verifier": dance.VERIFIER}
        return send(server, "/oauth/token", grant_type="authorization_code", **fields)

    def refresh(server, token):
        return send(server, "/oauth/token", grant_type="refresh_token", refresh_token=token)

    def works(server, token):
        bearer = {"Authorization": f"Bearer {token}"}
        return requests.get(f"{server.url}/oauth/check", headers=bearer, timeout=60).status_code == 200

    with started() as server:
        person = Person(server.url)
        codes = [parse_qs(person.agree(asked.path_url, alice).partition("?")[2])["code"][0] for _ in range(3)]
        redeemed, rotated, revoked = (redeem(server, code).json() for code in codes)
        successor = refresh(server, rotated["refresh_token"]).json()
        assert send(server, "/oauth/revoke", token=revoked["access_token"]).status_code == 200
        assert works(server, redeemed["access_token"])
        assert works(server, successor["access_token"])
        assert all(works(server, counted.plaintext) for _ in range(CALLS))

    assert use.of(counted.token.id).days[-1].answered == CALLS, "what was counted is written before the server ends"
    with started() as server:
        assert not works(server, revoked["access_token"])
        assert refresh(server, revoked["refresh_token"]).json()["error"] == "invalid_grant"
        assert refresh(server, rotated["refresh_token"]).json()["error"] == "invalid_grant"
        assert not works(server, successor["access_token"]), "the replay ended the grant"
        assert redeem(server, codes[0]).json()["error"] == "invalid_grant"
        assert not works(server, redeemed["access_token"]), "the replay ended the grant"
