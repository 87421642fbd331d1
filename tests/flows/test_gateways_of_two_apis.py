"""Two APIs on two hosts behind each gateway, from the files that the portal writes for this installation."""

import json
import sys
import time

import pytest

from latchkey import resources, tokens
from latchkey.store.session import db
from tests import apis, factories, servers
from tests.flows import gateways
from tests.flows.test_nginx_guard import IDENTITY, SPOOFED

pytestmark = pytest.mark.slow("starts a server and four gateways")
BILLING = "billing.example.com"
METADATA = "/.well-known/oauth-protected-resource"


@pytest.fixture
def stage(two_apis, settings, alice):
    """A running Latchkey in front of two APIs, and tokens for each."""
    made = {
        name: factories.make_token(alice, description=name, scopes=names)
        for name, names in {
            "projects": ["projects:read"],
            "billing": ["billing:read"],
            "both": ["projects:read", "billing:refund", "account:read"],
        }.items()
    }
    with servers.latchkey(
        settings.instance,
        forked=True,
        LATCHKEY_DATABASE_URL=settings.database_url,
        LATCHKEY_TRUSTED_PROXIES="1",
    ) as server:
        yield server, made


@pytest.mark.either_database("about gateways, whose questions ask as all do")
@pytest.mark.standard("H-10", "H-11", "G-04")
@pytest.mark.parametrize("name", gateways.KINDS)
def test_each_host_asks_for_its_own_api(name, stage, tmp_path):
    if name == "Envoy" and sys.platform != "linux":
        pytest.skip("no package brings Envoy to this platform")
    server, made = stage
    with (
        gateways.api() as behind,
        gateways.run(name, server.url, behind, tmp_path, apis=resources.operators()) as gateway,
    ):
        # First, since the use of a token is noted once a minute.
        _latchkey_hears_who_called(gateway, made["projects"].token.id, made["projects"].plaintext)
        _each_token_opens_its_own_api(gateway, made)
        _refusals_lead_to_the_metadata_of_that_host(gateway, server)
        _nobody_names_themselves(gateway, made)


def _each_token_opens_its_own_api(gateway, made):
    invoices, projects = "/v2/billing/7", "/projects/7"
    assert gateway.call(projects, token=made["projects"].plaintext).status == 200
    assert gateway.call(invoices, token=made["billing"].plaintext, host=BILLING).status == 200
    assert gateway.call(projects, token=made["billing"].plaintext).status == 401
    assert gateway.call(invoices, token=made["projects"].plaintext, host=BILLING).status == 401
    # Where the paths of one API are closed on the host of the other, whoever calls.
    assert gateway.call(invoices, token=made["both"].plaintext).status in (401, 403, 404)
    assert gateway.call("/public/x", token=made["both"].plaintext).status in (401, 403, 404)
    paid_back = gateway.call(invoices, method="POST", token=made["both"].plaintext, host=BILLING)
    assert paid_back.status == 200
    assert paid_back.saw("X-Auth-Scope") == ["billing:refund"]
    assert paid_back.saw("Authorization") in ([], [""])
    assert gateway.call(projects, method="DELETE", token=made["both"].plaintext).status == 403


def _refusals_lead_to_the_metadata_of_that_host(gateway, server):
    for host, name, path, identifier in (
        ("api.example.com", "projects", METADATA, "HTTPS://API.example.com:443"),
        (BILLING, "billing", f"{METADATA}/v2", apis.BILLING),
    ):
        refused = gateway.call("/v2/billing/" if host == BILLING else "/projects/", host=host)
        assert refused.status == 401
        assert f'{METADATA}/{name}"' in refused.challenges[0]
        document = gateway.call(path, ("Cookie", "session=x"), token="x", host=host)
        assert document.status == 200, document
        assert json.loads(document.body)["resource"] == identifier
        assert json.loads(document.body)["authorization_servers"] == [server.url]


def _nobody_names_themselves(gateway, made):
    answer = gateway.call("/projects/1", *SPOOFED, token=made["projects"].plaintext)
    assert answer.status == 200
    for header in IDENTITY:
        assert "admin" not in answer.saw(header)


def _latchkey_hears_who_called(gateway, token_id, plaintext):
    forged = ("X-Forwarded-For", "198.51.100.7")
    # Another one than that of the gateway itself.
    caller = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
    assert gateway.call("/projects/1", forged, token=plaintext, source=caller).status == 200
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        db.rollback()
        token = db.get(tokens.Token, token_id, populate_existing=True)
        if token.last_used_address:
            break
        time.sleep(0.05)
    assert token.last_used_address == caller
