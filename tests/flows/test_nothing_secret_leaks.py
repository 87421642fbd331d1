"""Every secret that a person and an app are handed or type is looked for in all that is left of it (P-01, I-03, E-02).

The server logs as much as it can. Whatever it wrote, kept or answered a second time is searched.
"""

import base64
import html
import json
import re
import zlib
from email import message_from_bytes, policy
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests
import sqlalchemy
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from itsdangerous import base64_decode

from latchkey.store.session import Base, engines
from tests import servers
from tests.factories import CALLBACK
from tests.flows.person import Person

pytestmark = pytest.mark.slow("does everything once on a server and searches all it left")

PASSWORD, SECOND, THIRD = "umbrella-quarry-violet-91", "lantern-orchid-57-gravel", "copper-meadow-timber-38"
WRONG = "a-password-of-somewhere-else-44"
VERIFIER = "verifier-" + "v" * 40
VERBOSE = """
import logging.config, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
logging.getLogger("sqlalchemy").setLevel(logging.DEBUG)
# The server would take the level back.
logging.config.dictConfig = lambda *_, **__: None
"""
TOKEN = re.compile(r"lk_(?:dev|oat|ort|sec)_[0-9A-Za-z]{36}")


@pytest.fixture
def server(settings, tmp_path):
    """As verbose as Python's logging goes, in the server and in its workers."""
    (tmp_path / "verbose").mkdir()
    (tmp_path / "verbose" / "sitecustomize.py").write_text(VERBOSE)
    given = {"LATCHKEY_DATABASE_URL": settings.database_url, "PYTHONPATH": str(tmp_path / "verbose")}
    with servers.latchkey(settings.instance, **given) as running:
        yield running


class Story:
    """What happens, with every answer kept and every secret noted."""

    def __init__(self, server: servers.Server) -> None:
        self.server, self.person = server, Person(server.url)
        self.answers: list[requests.Response] = []
        # Where each may be seen: in so many answers. A link by mail and a password are in none.
        self.secrets: dict[str, tuple[str, int]] = {}
        self.program = requests.Session()
        for session in (self.person.session, self.program):
            session.hooks["response"].append(lambda answer, **_: self.answers.append(answer))

    def note(self, name: str, secret: str, times: int = 0) -> str:
        assert len(secret) >= 20, (name, secret)
        self.secrets[name] = (secret, times)
        return secret

    def form(self, page: str, path: str = "", **fields: str) -> requests.Response:
        shown = self.person.open(page)
        assert shown.status_code == 200, (page, shown.status_code)
        for cookie in self.person.session.cookies:
            self.secrets[f"cookie {len(self.secrets)}"] = (cookie.value, 0)
        hidden = {name: self._hidden(shown.text, name) for name in ("form_id", "newest")}
        sent = {name: value for name, value in hidden.items() if value} | fields
        return self.person.submit(shown, path or page, **sent)

    def _hidden(self, page: str, name: str) -> str:
        field = re.search(rf'<input\b[^>]*\bname="{name}"[^>]*>', page)
        return html.unescape(re.search(r'\bvalue="([^"]*)"', field[0])[1]) if field else ""

    def shown(self, name: str, answer: requests.Response) -> str:
        [found] = set(TOKEN.findall(html.unescape(re.search(r"<textarea[^>]*>([^<]+)<", answer.text)[1])))
        return self.note(name, found, 1)

    def mailed(self, name: str, start: str) -> str:
        """The newest link by mail that begins like this; its last part is the secret."""
        servers.wait_until(lambda: self._links(start) - self._seen(), f"a mail with {start}")
        [path] = self._links(start) - self._seen()
        self.note(name, path.rpartition("/")[2])
        return path

    def _links(self, start: str) -> set[str]:
        return {link for letter in letters(self.server.instance) for link in re.findall(rf"{start}[\w-]+", letter)}

    def _seen(self) -> set[str]:
        known = {secret for secret, _ in self.secrets.values()}
        return {link for link in self._links("/[a-z]+-[a-z]+/") if link.rpartition("/")[2] in known}

    def call(self, method: str, path: str, token: str | None = None, **options: object) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = self.program.request(method, self.server.url + path, headers=headers, allow_redirects=False, **options)
        assert answer.status_code < 500
        return answer


def letters(instance: Path) -> list[str]:
    found = []
    for file in (instance / "mail").glob("*.eml"):
        message = message_from_bytes(file.read_bytes(), policy=policy.default)
        parts = (part.get_content() for part in message.walk() if not part.is_multipart())
        found.append("\n".join([str(message.items()), *parts]))
    return found


def account(story: Story) -> None:
    """Signs up, forgets, mistypes, changes: each password and link is noted."""
    story.note("first password", PASSWORD)
    story.note("password typed by mistake", WRONG)
    story.form("/signup", name="Ada", email="ada@example.com", password=PASSWORD)
    story.form(story.mailed("verification link", "/verify-email/"))
    story.form("/", "/logout")
    story.form("/login", email="ada@example.com", password=WRONG)
    story.form("/forgot-password", email="ada@example.com")
    story.person.open(story.mailed("reset link", "/reset-password/"))
    story.form("/reset-password", password=story.note("second password", SECOND))
    story.form("/login?next=/settings", email="ada@example.com", password=SECOND)
    story.form("/settings", "/settings/password", current=SECOND, password=story.note("third password", THIRD))
    story.form("/settings", "/settings/email", email="ada@new.example.com", password=THIRD)
    story.form(story.mailed("link for another address", "/confirm-email/"))


def keys(story: Story) -> None:
    """Makes, regenerates, pastes and loses developer tokens, in the portal and by the API."""
    wanted = {"description": "Backup", "expires": "30", "scope": ["account:read", "tokens:write", "tokens:read"]}
    first = story.shown("developer token", story.form("/tokens/new", **wanted))
    address = story.call("GET", "/v1/token", first).json()["id"]
    second = story.shown("regenerated token", story.form(f"/tokens/{address}/regenerate"))
    made = story.call("POST", "/v1/tokens", second, json={"description": "Child", "scopes": ["account:read"]}).json()
    child = story.note("token made by a token", made["token"], 1)
    for page in ("/tokens", "/tokens/new", f"/tokens/{address}", f"/tokens/{address}/edit", "/activity", "/"):
        story.person.open(page)
    story.form("/tokens", "/tokens/find", token=second)
    story.form("/tokens", "/tokens/find", token=first)
    story.form("/docs/explain", text=f"curl -H 'Authorization: Bearer {child}' {story.server.url}/v1/me")
    # As people get it wrong: in the address, in the body, as a cookie, cut off, at the wrong place.
    story.call("GET", f"/v1/me?access_token={child}")
    story.call("GET", f"/{child}")
    story.call("POST", "/v1/tokens", second, json={"description": child, "scopes": [child]})
    story.call("PATCH", f"/v1/tokens/{child}", second, json={"scopes": ["account:read"]})
    story.call("POST", "/login", data={"token": child})
    story.call("GET", "/v1/me", child[:-1])
    story.call("GET", "/oauth/check", child)
    story.call("POST", "/v1/credentials/revoke", json={"credentials": [child]})


def app(story: Story) -> None:
    """An app is registered and agreed to; it exchanges, refreshes, introspects and revokes, also wrongly."""
    fields = {"name": "Notes", "redirect_uris": CALLBACK, "scope": "account:read", "type": "confidential"}
    registered = story.form("/apps/new", **fields)
    old = story.shown("client secret", registered)
    client_id = re.search(r"app_[0-9a-f]{28}", registered.text)[0]
    secret = story.shown("rotated secret", story.form(f"/apps/{client_id}/secret/rotate"))
    challenge = create_s256_code_challenge(story.note("verifier", VERIFIER))
    asked = (
        f"response_type=code&client_id={client_id}&redirect_uri={quote(CALLBACK, safe='')}&code_challenge={challenge}"
    )
    page = story.person.open(f"/oauth/authorize?{asked}&code_challenge_method=S256&state=s")
    story.note("handle", re.search(r'name="handle" value="([^"]+)"', page.text)[1], 1)
    back = story.person.submit(page, "/oauth/authorize", decision="allow").headers["Location"]
    code = story.note("code", parse_qs(urlsplit(back).query)["code"][0], 1)
    redeem = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    story.call("POST", "/oauth/token", data=redeem | {"code_verifier": "w" * 43}, auth=(client_id, secret))
    story.call("POST", "/oauth/token", data=redeem | {"client_id": client_id, "client_secret": old[:-1]})
    redeem["code_verifier"] = VERIFIER
    issued = story.call("POST", "/oauth/token", data=redeem, auth=(client_id, secret)).json()
    refresh = {"grant_type": "refresh_token", "refresh_token": issued["refresh_token"]}
    newer = story.call("POST", "/oauth/token", data=refresh, auth=(client_id, old)).json()
    for name, found in (("first", issued), ("second", newer)):
        story.note(f"{name} access token", found["access_token"], 1)
        story.note(f"{name} refresh token", found["refresh_token"], 1)
    story.call("GET", "/v1/me", newer["access_token"])
    story.call("POST", "/oauth/introspect", data={"token": newer["access_token"]}, auth=(client_id, secret))
    story.call("POST", f"/oauth/revoke?token={newer['refresh_token']}", auth=(client_id, secret))
    story.call("POST", "/oauth/token", data=refresh, auth=(client_id, secret))
    story.call("POST", "/oauth/revoke", data={"token": newer["refresh_token"]}, auth=(client_id, secret))
    own = f"/apps/{client_id}"
    for path in ("/apps", own, f"{own}/edit", "/authorized-apps", "/activity", "/activity.json"):
        story.person.open(path)


@pytest.fixture
def story(server) -> Story:
    told = Story(server)
    account(told)
    keys(told)
    app(told)
    # What the workers do beside the requests has been done.
    servers.wait_until(lambda: len(letters(server.instance)) >= 10, "the mail")
    server.stop()
    return told


def forms(secret: str) -> set[str]:
    """How a secret might be written down."""
    raw = secret.encode()
    return {
        secret,
        quote(secret, safe=""),
        raw.hex(),
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        json.dumps(secret)[1:-1],
    }


def dump() -> str:
    """Every column of every row, whatever the database; bytes as they are and as hex."""
    found = []
    with engines().read.connect() as connection:
        for table in Base.metadata.sorted_tables:
            for row in connection.execute(sqlalchemy.select(table)):
                found += [value.hex() + repr(value) if isinstance(value, bytes) else str(value) for value in row]
    return "\n".join(found)


def unpacked(cookie: str) -> str:
    """What a signed cookie holds."""
    body = cookie.removeprefix(".").partition(".")[0]
    try:
        data = base64_decode(body)
        return (zlib.decompress(data) if cookie.startswith(".") else data).decode("utf-8", "replace")
    except Exception:  # noqa: BLE001 - no signed cookie of ours
        return ""


@pytest.mark.standard("P-01")
def test_no_secret_is_found_where_it_does_not_belong(story):
    log = story.server.log.read_text()
    kept = {
        "log": log,
        "database": dump(),
        "files": "".join(path.read_text(errors="replace") for path in story.server.instance.glob("*.toml")),
    }
    mail = "\n".join(letters(story.server.instance))
    answered = [(answer, f"{answer.text}\n{answer.headers}") for answer in story.answers]
    cookies = [unpacked(cookie) for name, (cookie, _) in story.secrets.items() if name.startswith("cookie")]

    # The log is the most verbose one, and of these very requests.
    assert "DEBUG" in log
    assert '"route":"/oauth/token"' in log
    assert len(story.secrets) > 25
    assert "SELECT" in log
    assert "Backup" in kept["database"]

    for name, (secret, times) in story.secrets.items():
        for place, text in kept.items():
            assert not any(form in text for form in forms(secret)), f"{name} in the {place}"
        seen = [answer.url for answer, text in answered if secret in text or html.escape(secret) in text]
        if name.startswith("cookie"):
            continue
        assert (secret in mail) == name.endswith(("link", "address")), f"{name} in the mail"
        if name.endswith(("link", "address")):
            # The form that confirms an address posts back to where it came from, and a reset is led to a clean address.
            assert len(seen) <= 1, f"{name} in {seen}"
        else:
            assert len(seen) == times, f"{name} in {seen}"
        if name != "reset link":
            assert not any(secret in cookie for cookie in cookies), f"{name} in a cookie"


def test_what_a_browser_holds_opens_nothing_that_is_written_down(story):
    """The id in a session's cookie is no id that pages and events show, and only its digest is kept."""
    held = {json.loads(text)["_user_id"] for name, (cookie, _) in story.secrets.items() if name.startswith("cookie")
            and "_user_id" in (text := unpacked(cookie))}  # fmt: skip

    assert len(held) >= 3
    everywhere = dump() + story.server.log.read_text() + "".join(answer.text for answer in story.answers)
    assert not [plaintext for plaintext in held if any(form in everywhere for form in forms(plaintext))]
