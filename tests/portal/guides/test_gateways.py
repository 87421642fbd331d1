"""The guide for guarding one's own API."""

import html
import re

import pytest

from latchkey import gateways, resources
from latchkey.settings import ROOT

pytestmark = pytest.mark.either_database("asks the database nothing")

FOLDER = ROOT / "docs" / "gateways"
FILES = {"nginx.conf", "traefik.yml", "Caddyfile", "envoy.yaml"}


def test_the_guide_is_read_signed_out(client):
    page = client.get("/docs/gateways")

    assert page.status_code == 200
    for word in ("nginx", "Traefik", "Caddy", "Envoy", "/oauth/check", "X-Auth-User-Id"):
        assert word in page.text


@pytest.mark.parametrize("gateway", gateways.GATEWAYS, ids=lambda gateway: gateway.id)
def test_the_files_of_the_checkout_are_those_of_the_example(gateway):
    text = (FOLDER / gateway.file).read_text()

    assert text == gateways.text(gateway, "http://127.0.0.1:5000"), "write it anew: latchkey gateway"


def test_every_gateway_has_its_file_and_no_other_is_there():
    assert {path.name for path in FOLDER.iterdir()} == FILES == {gateway.file for gateway in gateways.GATEWAYS}


@pytest.mark.settings(base_url="https://keys.acme.example:8443")
@pytest.mark.parametrize("gateway", gateways.GATEWAYS, ids=lambda gateway: gateway.id)
def test_the_portal_fills_in_its_own_address(client, gateway):
    answer = client.get(f"/docs/gateways/{gateway.file}")
    page = html.unescape(client.get("/docs/gateways").text)

    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.text == gateways.text(gateway, "https://keys.acme.example:8443")
    assert "keys.acme.example" in answer.text
    assert "8443" in answer.text
    assert "127.0.0.1:5000" not in answer.text
    for line in answer.text.splitlines():
        assert line in page


@pytest.mark.parametrize("gateway", gateways.GATEWAYS, ids=lambda gateway: gateway.id)
@pytest.mark.parametrize(
    "base_url, address",
    [
        ("https://portal.example.com", ("portal.example.com", 443, "portal.example.com")),
        ("http://localhost:5001", ("localhost", 5001, "localhost:5001")),
        ("http://[::1]:5000", ("::1", 5000, "[::1]:5000")),
    ],
)
def test_an_address_without_a_port_gets_the_scheme_s(gateway, base_url, address):
    found = gateways.address_of(base_url)

    assert (found.name, found.port, found.host) == address
    assert ("ca-certificates" in gateways.text(gateway, base_url)) == (found.tls and gateway.id in ("nginx", "envoy"))


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("header", ["user-id", "email", "client-id", "scope", "token-id"])
def test_every_file_takes_care_of_every_identity_header(name, header):
    text = (FOLDER / name).read_text().lower()

    assert f"x-auth-{header}" in text


@pytest.mark.parametrize("name", ["..%2f..%2fapp.py", "other.conf", "..", "nginx.conf%00"])
def test_no_other_file_is_served(client, name):
    assert client.get(f"/docs/gateways/{name}").status_code in (400, 404)


@pytest.mark.standard("H-11")
def test_paths_whose_names_look_alike_keep_their_own_scopes(catalogues):
    scope = '[{!r}]\ntitle = "T"\ndescription = "D"\ngroup = "G"\n'
    catalogues(
        "".join(map(scope.format, ("c:read", "b-c:read", "b_c:read"))),
        '[a-b]\nidentifier = "https://one.example.com"\ntitle = "One"\nscopes = ["c:read"]\n'
        '[a]\nidentifier = "https://two.example.com"\ntitle = "Two"\nscopes = ["b-c:read", "b_c:read"]\n',
    )
    text = gateways.text(gateways.GATEWAYS[0], "https://portal.example.com", resources.operators())

    scopes_of = dict(re.findall(r"map \$request_method \$(\w+) \{[^}]*GET +([^;]+);", text))
    used = dict(re.findall(r"location (/\S+/) \{\s+set \$scope \$(\w+);", text))
    assert {path: scopes_of[name] for path, name in used.items()} == {
        "/c/": "c%3Aread", "/b-c/": "b-c%3Aread", "/b_c/": "b_c%3Aread",
    }  # fmt: skip
