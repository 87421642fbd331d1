"""An operator follows the page “A service of its own” and has an API that asks by introspection."""

import importlib.metadata
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

import pytest
import requests

from latchkey import credentials, grants, scopes, tokens
from latchkey.accounts.users import User
from latchkey.credentials import Kind
from tests import factories, servers
from tests.flows import snippets
from tests.flows.checkout import Checkout, only_once, program

pytestmark = pytest.mark.slow("follows a guide in a checkout of its own, with servers")

FILE = servers.ROOT / "examples" / "projects" / "service" / "app.py"
READ, WRITE = "projects:read", "projects:write"
HOUR = timedelta(hours=1)


@only_once
def test_an_operator_who_follows_the_page_has_a_guarded_service(client, instance, tmp_path):
    ours, port = Checkout(tmp_path / "latchkey", instance), servers.free_port()
    first = ours.page(client, "/docs/your-api")
    page = ours.page(client, "/docs/your-api/service", **{"127_0_0_1:8080": f"127.0.0.1:{port}"})
    assert page.keys() == {"ex-register", "ex-file", "ex-install", "ex-run", "ex-calls", "ex-revoked"}
    factories.make_user("ada@example.com")
    ours.run(first["ex-scopes"])
    assert (ours.folder / "examples" / "projects" / "service" / "app.py").read_text().strip() == page["ex-file"]
    copying, libraries = page["ex-install"].split("python3 -m venv venv\nvenv/bin/pip install ")
    ours.run(copying)
    there = tmp_path / "projects-service"
    # No test downloads anything: what would be installed is here, in the environment that stands in for the new one.
    assert all(importlib.metadata.version(library) for library in libraries.split())
    (there / "venv").symlink_to(ours.folder / ".venv")

    shown = ours.run(page["ex-register"])
    typed = "".join(f"{text}\n" for text in re.findall(r"^client_(?:id|secret) +(\S+)", shown, re.MULTILINE))
    with ours.served(), program(page["ex-run"].replace("8080", str(port)), there, port, typed=typed):
        answers = ours.run(first["ex-tokens"], page["ex-calls"], page["ex-revoked"])

    assert snippets.statuses(answers) == [401, 200, 403, 201, 200, 401]
    assert answers.count('"name":"Harbour survey"') == 2


class Service(NamedTuple):
    """The running service, and who has tokens for it."""

    url: str
    alice: User
    portal: servers.Server

    def get(self, token: str | None = None, **headers: str) -> requests.Response:
        return self.ask("GET", token, **headers)

    def post(self, token: str | None = None) -> requests.Response:
        return self.ask("POST", token, json={"name": "Harbour survey"})

    def ask(self, method: str, token: str | None, json: object = None, **headers: str) -> requests.Response:
        given = {"Authorization": f"Bearer {token}"} if token is not None else {}
        return requests.request(method, f"{self.url}/projects/", headers=given | headers, json=json, timeout=60)


@pytest.fixture
def own_scopes(instance, settings) -> Iterator[None]:
    catalogue = instance / "scopes.toml"
    catalogue.write_text((FILE.parent.parent / "scopes.toml").read_text())
    scopes.load(catalogue)
    yield
    scopes.load(instance / "nowhere.toml")


@pytest.fixture
def service(own_scopes, live_server, alice, bob, tmp_path) -> Iterator[Service]:
    asking, port = factories.make_client(bob), servers.free_port()
    command = f"PORTAL={live_server.url} {servers.LATCHKEY.parent / 'flask'} --app {FILE} run --port {port}"
    typed = f"export CLIENT_ID={asking.client.id} CLIENT_SECRET={asking.secret}\n"
    with program(f"{typed}env {command}", tmp_path, port):
        yield Service(f"http://127.0.0.1:{port}", alice, live_server)


def developer_token(user: User, *names: str) -> str:
    return factories.make_token(user, description=" ".join(names), scopes=names).plaintext


def access_token(app, user: User, *names: str) -> str:
    """As the token endpoint makes them when the user has agreed."""
    return factories.make_access_token(grants.allow(user, app, frozenset(names)))


@pytest.mark.own_server
def test_the_service_answers_each_kind_of_call_as_rfc_6750_says(service, db, bob):
    app = factories.make_client(bob, name="Fieldnotes", scopes=[READ, WRITE], trusted=True).client
    by_hand, by_app = developer_token(service.alice, READ, WRITE), access_token(app, service.alice, READ, WRITE)
    reading = (developer_token(service.alice, READ), access_token(app, service.alice, READ))
    writing, strange = developer_token(service.alice, WRITE), developer_token(service.alice, "account:read")

    # Nothing came, or no bearer token: a challenge without an error.
    for answer in (service.get(), service.get(Authorization="Basic YTpi"), service.get(Authorization="Bearer")):
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="projects"')

    # It does not work, whatever is wrong with it.
    for wrong in ("nonsense", by_hand[:-1], credentials.generate(Kind.DEVELOPER), credentials.generate(Kind.SECRET)):
        answer = service.get(wrong)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="projects", error="invalid_token"')

    # It works but lacks a scope: all that the call needs are named, and one of them is not enough.
    for token, call, needed in (
        (strange, service.get, READ),
        (writing, service.get, READ),
        (writing, service.post, f"{READ} {WRITE}"),
        (reading[0], service.post, f"{READ} {WRITE}"),
        (reading[1], service.post, f"{READ} {WRITE}"),
    ):
        answer = call(token)
        assert answer.status_code == 403
        assert answer.headers["WWW-Authenticate"] == (
            f'Bearer realm="projects", error="insufficient_scope", scope="{needed}"'
        )

    # Tokens of both kinds are alike.
    for token in (by_hand, by_app):
        assert service.post(token).status_code == 201
    for token in (*reading, by_hand, by_app):
        answer = service.get(token)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert [project["name"] for project in answer.json()["data"]] == ["Harbour survey"] * 2

    # Bound to addresses, from there and from elsewhere.
    for ranges, status in ((["127.0.0.0/8"], 200), (["203.0.113.0/24"], 401)):
        made = factories.make_token(service.alice, description=ranges[0], scopes=[READ], addresses=ranges)
        assert service.get(made.plaintext).status_code == status
        assert service.get(made.plaintext, **{"X-Forwarded-For": "203.0.113.9"}).status_code == status

    # Revoked, and dead at once.
    for token in (by_hand, by_app):
        tokens.revoke(tokens.find(token))
        db.commit()
        assert service.get(token).status_code == 401

    # Nobody is let in while nobody can be asked.
    service.portal.stop()
    assert service.get(reading[0]).status_code == 503
