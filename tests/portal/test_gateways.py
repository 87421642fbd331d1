"""The guide for guarding one's own API."""

import html

import pytest

from tests.servers import ROOT

FILES = {"nginx.conf", "traefik.yml", "Caddyfile", "envoy.yaml"}


def test_the_guide_is_read_signed_out(client):
    page = client.get("/docs/gateways")

    assert page.status_code == 200
    for word in ("nginx", "Traefik", "Caddy", "Envoy", "/oauth/check", "X-Auth-User-Id"):
        assert word in page.text


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_guide_shows_the_very_files_that_are_tested(client, name):
    text = (ROOT / "docs" / "gateways" / name).read_text()

    page = html.unescape(client.get("/docs/gateways").text)

    for line in text.splitlines():
        assert line in page
    answer = client.get(f"/docs/gateways/{name}")
    assert answer.text == text
    assert answer.content_type == "text/plain; charset=utf-8"


def test_every_file_is_shown():
    assert {path.name for path in (ROOT / "docs" / "gateways").iterdir()} == FILES


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("header", ["user-id", "email", "client-id", "scope", "token-id"])
def test_every_file_takes_care_of_every_identity_header(name, header):
    text = (ROOT / "docs" / "gateways" / name).read_text().lower()

    assert f"x-auth-{header}" in text


@pytest.mark.parametrize("name", ["..%2f..%2fapp.py", "other.conf", "..", "nginx.conf%00"])
def test_no_other_file_is_served(client, name):
    assert client.get(f"/docs/gateways/{name}").status_code in (400, 404)
