"""The guides: readable by everybody, true to the product, with no link that leads nowhere."""

import ast
import re
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest

from api.kit import challenges
from latchkey import scopes
from latchkey.settings import ROOT
from tests import factories, pages
from tests.portal.guides.test_markdown import PATHS
from web import problems

GUIDES = (*PATHS, "/docs/search?q=token")


class Links(HTMLParser):
    """The addresses that a page leads to, and the ids that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.hrefs: set[str] = set()
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a" and given.get("href"):
            self.hrefs.add(given["href"])
        if given.get("id"):
            self.ids.add(given["id"])


@pytest.mark.either_database("a guide is read without a statement")
@pytest.mark.parametrize("path", GUIDES)
def test_a_guide_is_readable_signed_out(client, path):
    answer = client.get(path)

    assert answer.status_code == 200
    assert answer.text.count("<h1") == 1


@pytest.mark.either_database("a guide is read without a statement")
@pytest.mark.parametrize("path", GUIDES[:-1])
def test_a_guide_may_be_kept_while_nobody_is_signed_in(client, path):
    first = client.get(path)

    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})

    assert first.headers["Cache-Control"] == "public, max-age=300"
    assert {"Cookie", "Accept-Encoding"} <= set(first.vary)
    assert "Set-Cookie" not in first.headers
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]


@pytest.mark.standard("N-07")
@pytest.mark.parametrize("path", GUIDES)
def test_a_guide_with_a_name_in_it_is_never_kept(signed_in, path):
    answer = signed_in.get(path)

    assert answer.headers["Cache-Control"] == "no-store"
    assert "ETag" not in answer.headers


def test_a_guide_with_a_message_for_one_reader_is_not_kept(client):
    client.get("/docs/search?q=lk_dev_" + "x" * 36)

    answer = client.get("/docs/authentication")

    assert "looks like a token" in answer.text
    assert "public" not in answer.headers["Cache-Control"]


def test_every_link_in_the_guides_leads_to_a_page_and_a_heading_that_exist(signed_in):
    fetched = {}

    def fetch(path):
        if path not in fetched:
            answer = signed_in.get(path, follow_redirects=True)
            assert answer.status_code == 200, path
            fetched[path] = Links(answer.text)
        return fetched[path]

    followed = 0
    for guide in GUIDES:
        for href in fetch(guide).hrefs:
            address, fragment = urldefrag(urljoin(guide, href))
            if urlsplit(address).netloc:
                continue
            target = fetch(address)
            assert not fragment or fragment in target.ids, f"{guide} links to {href}"
            followed += 1
    assert followed > 60


def test_ids_are_unique_on_every_guide(client):
    for guide in GUIDES:
        ids = re.findall(r'\bid="([^"]+)"', client.get(guide).text)
        assert len(ids) == len(set(ids)), guide


def test_the_scopes_guide_is_made_from_the_catalogue_and_the_calls(client):
    text = client.get("/docs/scopes").text

    for scope in scopes.catalogue().values():
        assert scope.name in text
        assert scope.description.replace("'", "&#39;") in text
    assert "GET /v1/me" in text
    assert "DELETE /v1/tokens/" in text


def test_the_scopes_guide_says_that_trust_is_for_scopes_that_make_credentials_alone(client):
    [about] = [line for line in client.get("/docs/scopes").text.splitlines() if "administrator trusts" in line]

    assert set(re.findall(r"[a-z]+:[a-z]+", about)) == scopes.CREDENTIAL


def test_an_operators_scope_appears_in_the_guide(instance, settings):
    (instance / "scopes.toml").write_text(
        '["projects:read"]\ntitle = "See your projects"\ndescription = "List projects."\ngroup = "Projects"\n'
    )
    from app import create_app

    text = create_app(settings).test_client().get("/docs/scopes").text

    assert "projects:read" in text
    assert "See your projects" in text


def test_the_reference_has_every_call_that_the_api_answers(app, client):
    text = client.get("/docs/api").text

    for rule in app.url_map.iter_rules():
        if not rule.endpoint.startswith("api.") or rule.endpoint.endswith("preflight") or rule.rule == "/mcp":
            continue
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            shown = path if path in text else re.sub(r"\{\w+\}", "{id}", path)
            assert f"{method} {shown}" in text, f"{method} {path}"


def kinds_of_problems() -> set[str]:
    """The kinds that the code names."""
    kinds = {kind for kind, *_ in challenges._FAULTS.values()} | {*problems.KINDS.values()}
    for path in (ROOT / "api").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Problem") and len(node.args) > 1:
                kinds |= {node.args[1].value} if isinstance(node.args[1], ast.Constant) else set()
    return kinds - {""}


def test_each_kind_of_problem_has_its_place_in_the_reference(client):
    explained = set(re.findall(r'id="problem-([a-z-]+)"', client.get("/docs/api").text))

    assert explained == kinds_of_problems()
    assert client.get("/v1/me").json["type"] == "http://localhost/docs/api#problem-no-token"


def test_a_signed_in_reader_sees_own_ids_in_the_reference(app, alice, bob):
    minted = factories.make_token(alice)
    client = factories.make_client(alice, name="Harbour").client
    theirs = factories.make_token(bob).token

    text = pages.sign_in(app.test_client(), alice).get("/docs/api").text

    assert f"/v1/tokens/{minted.token.id}" in text
    assert client.id in text
    assert "Harbour" in text
    assert theirs.id not in text
    assert minted.plaintext not in text


def test_the_oauth_guide_uses_the_readers_own_app(signed_in, alice):
    client = factories.make_client(alice, name="Harbour").client

    assert client.id in signed_in.get("/docs/oauth").text


def test_the_published_test_vector_is_well_formed_and_opens_nothing(client):
    vector = re.search(r"lk_dev_TestVector[0-9A-Za-z]+", client.get("/docs/secrets").text)

    assert vector
    answer = client.get("/v1/me", headers={"Authorization": f"Bearer {vector[0]}"})
    assert answer.status_code == 401


def test_search_leads_to_the_section_that_has_all_the_words(client):
    text = client.get("/docs/search?q=Refresh+copied").text

    assert "1 section with" in text
    assert "/docs/oauth#refresh" in text


def test_search_finds_what_stands_in_code_and_shows_sentences_in_whole_words(client):
    text = client.get("/docs/search?q=openssl+challenge").text

    assert "/docs/oauth#authorize" in text
    assert "The code challenge is the verifier&#39;s SHA-256 in base64url without padding." in text
    assert "dgst" not in text


def test_search_shows_nobody_what_another_reader_would_see(app, client, alice):
    mine = factories.make_client(alice).client.id
    personal = pages.sign_in(app.test_client(), alice)

    for _ in range(2):
        assert mine not in client.get("/docs/search?q=client_id").text
        for browser in (client, personal):
            assert f"No section has all of “{mine}”" in browser.get(f"/docs/search?q={mine}").text
            assert "/docs/oauth#authorize" in browser.get("/docs/search?q=YOUR_CLIENT_ID").text


@pytest.mark.either_database("a guide is read without a statement")
@pytest.mark.parametrize("asked", ["", "nosuchword", "<script>alert(1)</script>", "%00", "%ff", "a" * 5000])
def test_search_bears_whatever_is_asked(client, asked):
    answer = client.get(f"/docs/search?q={asked}")

    assert answer.status_code == 200
    assert "<script>alert" not in answer.text


def test_further_reading_and_libraries_lead_to_their_pages_and_say_that_they_lead_out(client):
    page = client.get("/docs/oauth").text
    reading = page[page.index('id="libraries"') :]
    reading = reading[: reading.index('<nav class="nextprev"')]

    links = dict(re.findall(r'<a class="link-out" href="(https://[^"]+)" rel="noopener">([^<]+)</a>', reading))

    named = {"Authlib", "oauth4webapi", "openid-client", "AppAuth", "oauth.net", "RFC 6749", "RFC 9700", "RFC 9728"}
    assert named <= set(links.values())
    assert all(links[f"https://www.rfc-editor.org/rfc/rfc{number}"] == f"RFC {number}" for number in (6749, 7009, 9207))
    assert not re.search(r"(?<!>)RFC \d", reading.replace("\n", " "))


@pytest.mark.either_database("a guide is read without a statement")
@pytest.mark.parametrize("theme, light, dark", [(None, True, True), ("light", True, False), ("dark", False, True)])
def test_pictures_are_small_and_in_the_readers_theme(client, theme, light, dark):
    if theme:
        client.set_cookie("theme", theme)
    page = client.get("/docs/authentication").text
    shown = set(re.findall(r'(?:src|srcset)="(/assets/[^"]+\.webp)"', page))

    assert any("-dark" not in address for address in shown) is light
    assert any("-dark" in address for address in shown) is dark
    assert len(shown) == 2 * (light + dark)
    for address in shown:
        picture = client.get(address)
        assert (picture.status_code, picture.content_type) == (200, "image/webp")
        assert len(picture.data) < 40_000


@pytest.mark.parametrize(
    "path, page, heading",
    [("/docs/tokens", "/docs/authentication", "steps"), ("/docs/errors", "/docs/api", "problems")],
)
def test_what_stands_on_another_guide_has_an_address_that_leads_there(client, path, page, heading):
    answer = client.get(path)

    assert (answer.status_code, answer.location) == (303, f"{page}#{heading}")
    assert f'id="{heading}"' in client.get(page).text
