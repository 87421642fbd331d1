"""The company's own words, and who sees the operator's guides."""

import pytest

from latchkey import settings as configured
from latchkey.settings import SettingError
from tests import factories, pages

OPERATORS = (
    "/docs/your-api",
    "/docs/your-api/gateway",
    "/docs/your-api/service",
    "/docs/gateways",
    "/docs/your-api.md",
)
LINKS = (("Terms", "https://example.com/terms"), ("Privacy", "https://example.com/privacy"))


@pytest.mark.settings(
    brand_tagline="Ship to <every> harbour.".replace("<", "").replace(">", ""),
    api_docs_url="https://docs.example.com/api",
    links="Terms=https://example.com/terms, Privacy=https://example.com/privacy",
)
def test_the_tagline_links_and_own_documentation_are_shown(client, mailbox):
    landing, guide, sign_in = (client.get(path).text for path in ("/", "/docs/authentication", "/login"))

    assert "Ship to every harbour." in landing
    assert 'href="https://docs.example.com/api"' in guide
    for page in (landing, sign_in):
        assert all(f'href="{url}"' in page for _, url in LINKS)
    pages.submit(client, "/signup", name="Grace", email="grace@example.com", password=factories.PASSWORD)
    assert all(f"{name}: {url}" in mailbox.last("grace@example.com").text for name, url in LINKS)


@pytest.mark.parametrize(
    "key, value",
    [
        ("links", "Terms"), ("links", "Terms=javascript:alert(1)"), ("links", "=https://example.com"),
        ("links", ",".join(f"L{n}=https://example.com/{n}" for n in range(9))), ("links", "T=http://example.com"),
        ("api_docs_url", "http://example.com"), ("api_docs_url", 'https://example.com/"onclick'),
        ("brand_tagline", "<b>x</b>"), ("brand_tagline", "x" * 161), ("operator_guides", "nobody"),
        ("metrics_token", "short"),
    ],
)  # fmt: skip
def test_what_could_not_be_shown_stops_the_start(tmp_path, key, value):
    with pytest.raises(SettingError, match=f"LATCHKEY_{key.upper()}"):
        configured.load({f"LATCHKEY_{key.upper()}": value}, instance=tmp_path)


def test_in_development_everybody_reads_the_operators_guides(client):
    for path in OPERATORS:
        assert client.get(path).status_code == 200
    assert "/docs/gateways" in client.get("/docs/authentication").text


@pytest.mark.settings(operator_guides="administrators")
def test_elsewhere_only_administrators_do_and_nothing_leads_there(app, client, signed_in):
    admin = pages.sign_in(app.test_client(), factories.make_user("ada@example.com", admin=True))

    for browser in (client, signed_in):
        for path in OPERATORS:
            assert browser.get(path).status_code == 404, path
        for path in ("/docs/authentication", "/docs/api", "/docs/search?q=nginx", "/llms.txt"):
            text = browser.get(path).text
            assert "/docs/your-api" not in text, path
            assert "/docs/gateways" not in text, path
    for path in OPERATORS[:-1]:
        assert admin.get(path).status_code == 200, path


def test_production_keeps_them_to_administrators_by_itself(tmp_path):
    assert configured.load({}, instance=tmp_path).operator_guides == "administrators"
    assert configured.load({}, instance=tmp_path, mode="development").operator_guides == "everybody"
