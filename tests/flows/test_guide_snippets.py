"""Every piece of code in the guides, run in the order in which a reader comes to it, against the running product."""

import json
import os
import re
import sys
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from latchkey import grants, scopes
from latchkey.clients.keys import record
from latchkey.store.session import db
from latchkey.tokens import Token, access
from tests import factories, pages, servers
from tests.factories import PASSWORD
from tests.flows import gateways, snippets

pytestmark = pytest.mark.slow("runs shells against a server")

# Where the code of each guide is run, or compared with what is run.
RUN_HERE = {
    "/docs/authentication": {"ex-curl", "ex-token", "ex-python", "ex-report"},
    "/docs/oauth": {
        "ex-pkce", "ex-authorize", "ex-callback", "ex-exchange", "ex-tokens", "ex-call", "ex-refresh", "ex-revoke",
        "ex-itself", "ex-pair", "ex-device", "ex-codes", "ex-poll",
    },
    "/docs/gateways": {"check"},
    "/docs/scopes": set(),
    "/docs/secrets": {"ex-scan", "ex-report"},
    "/docs/agents": set(),
    "/docs/search?q=curl": set(),
    "/docs/explain": set(),
}  # fmt: skip
RUN_ELSEWHERE = {
    "/docs/gateways": {f"file-{name.lower()}" for name in gateways.KINDS} | {"file-traefik"},  # test_nginx_guard.py
    "/docs/your-api": {"ex-scopes-file", "ex-scopes", "ex-tokens"},  # test_your_api_….py
    "/docs/your-api/inside": {"ex-file", "ex-add", "ex-calls", "ex-revoked"},
    "/docs/your-api/gateway": {"ex-file", "ex-run", "ex-nginx", "ex-calls", "ex-revoked"},
    # What agents are told: portal/guides/agents/test_pages.py.
    **{f"/docs/agents/{name}": {"ex-add", "ex-app"} for name in ("claude-code", "vs-code", "cursor")},
    **{f"/docs/agents/{name}": {"ex-add"} for name in ("chatgpt", "mcp-inspector")},
    "/docs/your-api/service": {"ex-register", "ex-file", "ex-install", "ex-run", "ex-calls", "ex-revoked"},
}
CALLBACK = "https://app.example.com/callback?from=portal&kind=1"


@pytest.fixture
def browser(live_server, alice) -> requests.Session:
    """Alice's browser on the running product."""
    session = requests.Session()
    form = {"email": alice.email, "password": PASSWORD}
    form["csrf_token"] = pages.csrf(session.get(f"{live_server.url}/login", timeout=60).text)
    answer = session.post(f"{live_server.url}/login", data=form, timeout=60)
    assert "Welcome" in answer.text
    return session


def of(browser: requests.Session, server: servers.Server, path: str) -> dict[str, str]:
    """A page's code blocks, as this reader sees them."""
    answer = browser.get(f"{server.url}{path}", timeout=60)
    assert answer.status_code == 200, answer.text[:500]
    return snippets.of(answer.text)


def test_no_code_in_a_guide_goes_without_a_test(signed_in, app):
    guides = {rule.rule for rule in app.url_map.iter_rules() if re.fullmatch(r"/docs/[a-z/-]+", rule.rule)}
    listed = RUN_HERE.keys() | RUN_ELSEWHERE.keys()
    # Some only lead to a part of another one.
    parts = {path for path in guides if signed_in.get(path).status_code == 303}
    assert guides - parts - {"/docs/api"} == {path.partition("?")[0] for path in listed}

    for path in listed:
        found = set(snippets.of(signed_in.get(path).text))

        assert found == RUN_HERE.get(path, set()) | RUN_ELSEWHERE.get(path, set()), path


@pytest.mark.either_database("about what a guide says to type")
def test_the_guide_to_tokens_works_as_it_is_read(browser, live_server, alice, tmp_path):
    code = of(browser, live_server, "/docs/authentication")
    token = factories.make_token(alice).plaintext

    lines = [code["ex-curl"], "echo", code["ex-token"], "echo", f"{sys.executable} - <<'END'\n{code['ex-python']}\nEND"]
    me, itself, email = snippets.run(*lines, folder=tmp_path, typed=f"{token}\n").strip().splitlines()
    assert json.loads(me)["id"] == alice.id
    assert json.loads(itself)["scopes"] == ["account:read"]
    assert email == alice.email

    assert "THE_TOKEN" in code["ex-report"]
    snippets.run(code["ex-report"].replace("THE_TOKEN", token), folder=tmp_path)
    again = snippets.run(code["ex-curl"].replace("curl", "curl -i"), folder=tmp_path, typed=f"{token}\n")
    assert snippets.statuses(again) == [401]


@pytest.mark.either_database("about what a guide says to type")
def test_the_guide_to_secrets_works_as_it_is_read(browser, live_server, alice, tmp_path):
    code, token = of(browser, live_server, "/docs/secrets"), factories.make_token(alice).plaintext
    (tmp_path / "notes.txt").write_text(f"do not lose {token}\n")
    path = f"{servers.LATCHKEY.parent}:{os.environ['PATH']}"

    found = snippets.run(f"{code['ex-scan']} || echo exit $?", folder=tmp_path, PATH=path)
    vector = re.search(r'"(lk_dev_\w+)"', code["ex-report"])[1]
    told = snippets.run(code["ex-report"].replace("curl", "curl -i").replace(vector, token), folder=tmp_path)

    assert "notes.txt" in found
    assert found.endswith("exit 1\n")
    assert token not in found
    assert snippets.statuses(told) == [202]
    assert (
        requests.get(f"{live_server.url}/v1/me", headers={"Authorization": f"Bearer {token}"}, timeout=60).status_code
        == 401
    )


def agree(browser: requests.Session, address: str) -> str:
    """Where the app is led back to, after Authorize."""
    screen = browser.get(address, timeout=60)
    assert "Authorize" in screen.text, screen.text[:1000]
    form = {"csrf_token": pages.csrf(screen.text), "decision": "allow"}
    form["handle"] = re.search(r'name="handle" value="([^"]+)"', screen.text)[1]
    answer = browser.post(address.partition("?")[0], data=form, allow_redirects=False, timeout=60)
    assert answer.status_code == 303
    return answer.headers["Location"]


def query(address: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(address).query, strict_parsing=True)


@pytest.mark.either_database("about what a guide says to type")
@pytest.mark.parametrize("confidential", [True, False], ids=["confidential", "public"])
def test_the_guide_to_oauth_works_as_it_is_read(browser, live_server, alice, tmp_path, confidential):
    app, secret = factories.make_client(
        alice, redirect_uris=[CALLBACK], scopes=["activity:read", "account:read"], confidential=confidential
    )
    code = of(browser, live_server, "/docs/oauth")
    assert app.id in code["ex-exchange"]
    kept = {"CLIENT_SECRET": secret or ""}

    def run(*lines: str, **more: str) -> str:
        return snippets.run(*lines, folder=tmp_path, **kept, **more)

    # Lead the browser there; it comes back with what the guide says.
    state, verifier, address = run(code["ex-pkce"], 'echo "$STATE $VERIFIER"', code["ex-authorize"]).split()
    back = agree(browser, address)
    shown = code["ex-callback"].replace("$STATE", state)
    assert back.startswith(CALLBACK)
    assert query(shown) == query(back) | {"code": ["$CODE"]}

    # Exchange, call, refresh.
    kept |= {"CODE": query(back)["code"][0], "VERIFIER": verifier}
    answer = json.loads(run(code["ex-exchange"]))
    assert_alike(json.loads(code["ex-tokens"]), answer)
    kept |= {"ACCESS_TOKEN": answer["access_token"], "REFRESH_TOKEN": answer["refresh_token"]}
    assert json.loads(run(code["ex-call"]))["email"] == alice.email
    renewed = json.loads(run(code["ex-refresh"]))
    assert_alike(json.loads(code["ex-tokens"]), renewed)
    kept |= {"ACCESS_TOKEN": renewed["access_token"], "REFRESH_TOKEN": renewed["refresh_token"]}
    assert json.loads(run(code["ex-call"]))["email"] == alice.email

    # Let go.
    run(code["ex-revoke"])
    assert snippets.statuses(run(code["ex-call"].replace("curl", "curl -i"))) == [401]

    # As itself: for apps that can prove who they are. It has no person to ask about.
    if confidential:
        kept["ACCESS_TOKEN"] = json.loads(run(code["ex-itself"]))["access_token"]
        assert snippets.statuses(run(code["ex-call"].replace("curl", "curl -i"))) == [403]


@pytest.mark.either_database("about what a guide says to type")
@pytest.mark.parametrize("confidential", [True, False], ids=["confidential", "public"])
def test_the_guide_to_devices_works_as_it_is_read(browser, live_server, alice, tmp_path, confidential):
    app, secret = factories.make_client(
        alice, scopes=["activity:read", "account:read"], confidential=confidential, device_flow=True
    )
    code, kept = of(browser, live_server, "/docs/oauth"), {"CLIENT_SECRET": secret or ""}

    asked = json.loads(snippets.run(code["ex-device"], folder=tmp_path, **kept))
    shown = json.loads(code["ex-codes"].replace("BCDF-GHJK", asked["user_code"]))
    assert_alike(shown, asked)
    assert app.id in code["ex-poll"]
    kept["DEVICE_CODE"] = asked["device_code"]
    assert json.loads(snippets.run(code["ex-poll"], folder=tmp_path, **kept))["error"] == "authorization_pending"

    form = {"csrf_token": pages.csrf(browser.get(shown["verification_uri"], timeout=60).text)}
    screen = browser.post(shown["verification_uri"], data=form | {"code": asked["user_code"]}, timeout=60).text
    form |= {"decision": "allow", "handle": re.search(r'name="handle" value="([^"]+)"', screen)[1]}
    decide = re.search(r'<form class="panel panel--wide" method="post" action="([^"]+)"', screen)[1]
    assert "Your device is signed in" in browser.post(f"{live_server.url}{decide}", data=form, timeout=60).text

    answer = json.loads(snippets.run("sleep 5", code["ex-poll"], folder=tmp_path, **kept))
    assert_alike(json.loads(code["ex-tokens"]), answer)


@pytest.mark.standard("D-15")
def test_the_pair_of_keys_that_the_guide_makes_can_be_given_to_an_app(signed_in, alice, tmp_path):
    app, _ = factories.make_client(alice)
    code = snippets.of(signed_in.get("/docs/oauth").text)["ex-pair"]

    public = snippets.run(f"{sys.executable} - <<'END'\n{code}\nEND", folder=tmp_path)

    form = {"csrf_token": pages.csrf(signed_in.get(f"/apps/{app.id}/keys")), "jwks": public, "jwks_uri": ""}
    assert signed_in.post(f"/apps/{app.id}/keys", data=form).status_code == 303
    assert [key["kid"] for key in record.find(app.id).keys] == ["first"]
    private = tmp_path / "private-key.json"
    assert "d" in json.loads(private.read_text())
    assert private.stat().st_mode & 0o077 == 0


def assert_alike(shown: dict[str, object], answered: dict[str, object]) -> None:
    """The answer in the guide and the real one say the same, but for the random part of tokens."""
    assert shown.keys() == answered.keys()
    for name, value in shown.items():
        if isinstance(value, str) and value.endswith("…"):
            assert str(answered[name]).startswith(value[:-1])
        else:
            assert answered[name] == value


@pytest.mark.either_database("about what a guide says to type")
def test_the_guide_to_gateways_checks_by_hand(browser, live_server, alice, tmp_path):
    code = of(browser, live_server, "/docs/gateways")

    answer = snippets.run(code["check"], folder=tmp_path, TOKEN=factories.make_token(alice).plaintext)

    assert snippets.statuses(answer) == [200]
    assert f"x-auth-user-id: {alice.id}" in answer.lower()


def test_every_call_of_the_reference_works_as_it_is_shown_to_its_reader(browser, live_server, alice, bob, tmp_path):
    token = factories.make_token(alice, description="All", scopes=list(scopes.catalogue()), lifetime=None).plaintext
    asker = access.admit(token).token_id
    reads = ["account:read", "tokens:read"]
    factories.make_token(alice, description="Newest", scopes=reads, parent=db.get(Token, asker))
    factories.make_client(alice, name="Ada's notes")
    grants.allow(alice, factories.make_client(bob).client, frozenset({"account:read"}))
    db.commit()
    document = requests.get(f"{live_server.url}/v1/openapi.json", timeout=60).json()
    expected = {
        operation["operationId"]: int(min(operation["responses"]))
        for operations in document["paths"].values()
        for operation in operations.values()
        if "operationId" in operation
    }
    # Without the keys of a scanner it takes no alerts.
    expected["take_alerts"] = 404
    code = of(browser, live_server, "/docs/api")
    assert {name.removesuffix("-curl") for name in code} == expected.keys()

    for name in sorted(code, key=lambda name: "-X DELETE" in code[name]):
        answer = snippets.run(code[name].replace("curl", "curl -i", 1), folder=tmp_path, TOKEN=token)

        assert snippets.statuses(answer) == [expected[name.removesuffix("-curl")]], f"{code[name]}\n{answer}"
