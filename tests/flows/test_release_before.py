"""The version before and this one serve one database beside each other, as while processes are exchanged one by one."""

import html
import json
import re
import time
from base64 import b64encode
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from sqlalchemy import func, select, text

from latchkey import clients
from latchkey.journal import chain
from latchkey.store import migrations
from latchkey.store import session as database
from latchkey.tokens import Token
from tests import factories, pages, releases, servers
from tests.factories import CALLBACK, PASSWORD, Registered
from tests.flows.person import Person
from tests.oauth import dance

SCOPES = ("account:read", "tokens:read", "tokens:write", "apps:read", "authorizations:read", "activity:read")
SHOWN = re.compile(r"<textarea[^>]*>\s*(lk_[a-z]+_[0-9A-Za-z]{36})</textarea>")
LETTER = re.compile(r'href="(/dev/mail/ltr_[0-9a-f]+)"')
ID = re.compile(r"[a-z]{3}_[0-9a-f]{28}|\d+")
# Form tokens are masked now, which versions until 0035 do not undo: they ask for the form once more.
FORMS_GO_BACK = releases.REVISION > "0035"
# In one process, which takes longer to start than it works: commands, and clearing away in a year.
COMMANDS = """
import json, sys
from click.testing import CliRunner
import cli
ran = [CliRunner().invoke(cli.latchkey, told) for told in json.loads(sys.argv[1])]
print(json.dumps([(each.exit_code, each.output) for each in ran]))
"""
CLEARING = """
from datetime import timedelta
import app, oauth
from latchkey import clock, settings
from latchkey.worker import housekeeping
now, later = clock.now, timedelta(days=500)
with app.create_app(settings.load()).app_context():
    clock.now = lambda: now() + later
    housekeeping.clear(oauth.codes.purge, oauth.pending.purge, rest=lambda _seconds: None)
"""

# It compiles its code first, beside all else that the machine does.
START_SECONDS = 300

pytestmark = pytest.mark.slow("starts two servers, one of which compiles what another version is made of")


class Cast(NamedTuple):
    """Who takes part, whichever version made them."""

    person: requests.Session
    email: str
    app: Registered
    service: Registered
    device: Registered


class Side:
    """One of the two servers, as people and programs reach it."""

    def __init__(self, server, cast, *, before):
        self.url, self.cast, self.before = server.url, cast, before
        self.person = Person(server.url)
        self.person.session = cast.person

    def send(self, path, status=200, app=None, **fields):
        app = app or self.cast.app
        proof = (app.client.id, app.secret) if app.secret else None
        named = {} if app.secret else {"client_id": app.client.id}
        answer = requests.post(f"{self.url}{path}", data=named | fields, auth=proof, timeout=60)
        assert answer.status_code == status, (path, answer.status_code, answer.text[:500])
        return answer.json() if answer.text.startswith("{") else {}

    def call(self, path, token, status=200, method="GET", **sent):
        bearer = {"Authorization": f"Bearer {token}"}
        answer = requests.request(method, f"{self.url}{path}", headers=bearer, timeout=60, **sent)
        assert answer.status_code == status, (path, answer.status_code, answer.text[:500])
        return answer.json() if answer.text.startswith("{") else {}

    def works(self, token):
        answer = requests.get(f"{self.url}/oauth/check", headers={"Authorization": f"Bearer {token}"}, timeout=60)
        assert answer.status_code in (200, 401), answer.text
        active = self.send("/oauth/introspect", app=self.cast.service, token=token)["active"]
        assert active is (answer.status_code == 200)
        return active

    def submit(self, form, path=None, **fields):
        """A form that may ask for the password first."""
        page = self.person.open(form)
        held = {name: pages.hidden(page.text, name) for name in ("form_id",) if f'name="{name}"' in page.text}
        answer = self.person.submit(page, path or form, **held, **fields)
        assert answer.status_code < 400, (form, answer.status_code, answer.text[:3000])
        return answer

    def letter(self, to, link):
        """The path of a link in the latest letter to somebody, once it is there."""
        for _ in range(600):
            for path in LETTER.findall(self.person.open("/dev/mail").text):
                page = html.unescape(self.person.open(path).text)
                if to in page and (found := re.search(rf"{link}[\w.~-]+", page)):
                    return found[0]
            time.sleep(0.1)
        raise AssertionError(f"no letter to {to} with {link}")


def signing_up(first, second):
    person = first.cast.person
    person.cookies.clear()
    email = f"new-{urlsplit(first.url).port}@example.com"
    assert "Check your e-mail" in first.submit("/signup", name="New", email=email, password=PASSWORD).text
    link = second.letter(email, "/verify-email/")
    assert "Welcome, New" in second.submit(link).text
    assert "Welcome, New" in first.person.open("/").text
    first.person.submit(first.person.open("/"), "/logout")
    assert second.person.open("/tokens").url.startswith(f"{second.url}/login")
    second.submit("/forgot-password", email=email)
    first.person.open(second.letter(email, "/reset-password/"))
    second.submit("/reset-password", password="lantern-orchid-57-gravel")
    signing_in(first, second, email, "lantern-orchid-57-gravel")
    second.submit("/settings", "/settings/delete", email=email, password="lantern-orchid-57-gravel")
    assert first.person.open("/tokens").url.startswith(f"{first.url}/login")


def signing_in(first, second, email=None, password=PASSWORD):
    first.submit("/login", email=email or first.cast.email, password=password)
    assert second.person.open("/tokens").status_code == 200


def making_tokens(first, second):
    made = first.submit("/tokens/new", description=f"By {first.url}", scope=list(SCOPES), expires="30")
    token = SHOWN.search(made.text)[1]
    assert second.call("/v1/me", token)["email"] == first.cast.email
    known = second.call("/v1/token", token)
    page = f"/tokens/{known['id']}"
    assert second.works(token)
    second.submit(f"{page}/edit", description=f"Changed by {second.url}", scope=list(SCOPES))
    assert f"Changed by {second.url}" in first.person.open("/tokens").text
    child = second.call(
        "/v1/tokens",
        token,
        201,
        "POST",
        json={"description": first.url, "scopes": ["account:read"], "expires_in_days": 1},
    )
    assert first.works(child["token"])
    former, regenerated = token, first.submit(f"{page}/regenerate", expires="30", keep="3600")
    token = SHOWN.search(regenerated.text)[1]
    assert second.works(token)
    assert second.works(former)
    second.submit(page, f"{page}/former/end")
    assert not first.works(former)
    for listed in ("/v1/tokens", "/v1/apps", "/v1/authorizations", "/v1/activity", f"/v1/tokens/{known['id']}/usage"):
        for side in (first, second):
            side.call(listed, token)
    first.submit(f"{page}/revoke")
    assert "revoked" in second.call("/v1/me", token, 401)["detail"]
    assert not second.works(child["token"])


def redeem(side, code, status=200):
    fields = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": dance.VERIFIER}
    return side.send("/oauth/token", status, code=code, **fields)


def refresh(side, token, status=200):
    return side.send("/oauth/token", status, grant_type="refresh_token", refresh_token=token)


def answering(first, second):
    """Where a form of one is sent."""
    return second if FORMS_GO_BACK or not second.before else first


def agreed(first, second):
    """A code: asked for at one, answered at the other."""
    asked = requests.Request("GET", "http://portal/oauth/authorize", params=dance.asked(first.cast.app)).prepare()
    page = first.person.open(asked.path_url)
    if page.status_code == 200:
        page = answering(first, second).person.submit(page, "/oauth/authorize", decision="allow")
    assert page.is_redirect, (page.status_code, re.sub(r"<[^>]*>|\s+", " ", page.text)[:3000])
    return parse_qs(urlsplit(page.headers["Location"]).query)["code"][0]


def signing_in_to_an_app(first, second):
    code = agreed(first, second)
    pair = redeem(second, code)
    assert first.works(pair["access_token"])
    assert first.call("/v1/me", pair["access_token"])["email"] == first.cast.email
    successor = refresh(first, pair["refresh_token"])
    assert second.works(successor["access_token"])
    latest = refresh(second, successor["refresh_token"])
    refresh(first, pair["refresh_token"], 400)
    assert not second.works(latest["access_token"]), "the replay ended the grant"
    replayed = agreed(second, first)
    pair = redeem(first, replayed)
    redeem(second, replayed, 400)
    assert not first.works(pair["access_token"]), "the replay ended the grant"
    pair = redeem(second, agreed(first, first))
    first.send("/oauth/revoke", token=pair["refresh_token"])
    assert not second.works(pair["access_token"])
    pair = redeem(second, agreed(second, first))
    authorization = re.search(r"/authorized-apps/([a-z]+_[0-9a-f]+)/revoke", first.person.open("/authorized-apps").text)
    second.submit(authorization[0])
    assert not first.works(pair["access_token"])


def acting_as_an_app(first, second):
    token = first.send("/oauth/token", app=first.cast.service, grant_type="client_credentials")["access_token"]
    assert second.works(token)
    second.send("/oauth/revoke", app=first.cast.service, token=token)
    assert not first.works(token)


def signing_a_device_in(first, second):
    device = first.cast.device
    begun = first.send("/oauth/device_authorization", app=device)
    page = second.person.submit(second.person.open("/device"), "/device", code=begun["user_code"])
    done = answering(second, first).person.submit(page, "/device/decision", handle=dance.handle(page), decision="allow")
    assert "Your device is signed in" in done.text
    fields = {"grant_type": dance.DEVICE, "device_code": begun["device_code"]}
    pair = first.send("/oauth/token", app=device, **fields)
    assert second.works(pair["access_token"])


def registering_apps(first, second):
    fields = {"name": f"App {urlsplit(first.url).port}", "homepage": "https://app.example.com", "scope": "account:read"}
    made = first.submit("/apps/new", redirect_uris=CALLBACK, type="confidential", **fields)
    secret, client_id = SHOWN.search(made.text)[1], re.search(r"app_[0-9a-f]{28}", made.text)[0]
    app = Registered(clients.find(client_id), secret)
    second.send("/oauth/token", app=app, grant_type="client_credentials")
    rotated = second.submit(f"/apps/{client_id}/secret/rotate")
    for each in (secret, SHOWN.search(rotated.text)[1]):
        first.send("/oauth/token", app=Registered(app.client, each), grant_type="client_credentials")
    first.submit(f"/apps/{client_id}/edit", **fields)
    first.submit(f"/apps/{client_id}", f"/apps/{client_id}/redirect-uris", uri=f"{CALLBACK}/2")
    assert f"{CALLBACK}/2" in second.person.open(f"/apps/{client_id}").text
    second.submit(f"/apps/{client_id}/delete", name=fields["name"])
    first.send("/oauth/token", 401, app=app, grant_type="client_credentials")


def following_ends(first, second):
    service = first.cast.service

    def told(side, **asked):
        proof = {"Authorization": "Basic " + b64encode(f"{service.client.id}:{service.secret}".encode()).decode()}
        answer = requests.get(f"{side.url}/oauth/endings", params=asked, headers=proof, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    begun = told(second)["next"]
    made = SHOWN.search(first.submit("/tokens/new", description="Ends", scope="account:read", expires="7").text)[1]
    known = first.call("/v1/token", made)
    first.submit(f"/tokens/{known['id']}/revoke")
    servers.wait_until(
        lambda: known["id"] in [each["id"] for each in told(second, after=begun, wait=1)["endings"]], "what ended"
    )


def looking_round(sides):
    """Every page that links lead to, one of a kind."""
    for side in sides:
        seen, waiting = set(), ["/", "/admin", "/activity.csv", "/llms.txt", "/v1/openapi.json"]
        while waiting:
            path = waiting.pop()
            kind = ID.sub("*", path.partition("?")[0])
            if kind in seen or kind.startswith(("/assets", "/docs", "/brand")):
                continue
            answer = side.person.open(path)
            # What is gone is still told of.
            assert answer.status_code in (200, 404), (side.url, path, answer.status_code)
            if answer.status_code == 404:
                continue
            seen.add(kind)
            if "html" in answer.headers.get("Content-Type", ""):
                waiting += [html.unescape(each) for each in re.findall(r'href="(/[^"#]*)"', answer.text)]
        assert len(seen) > 40, seen


JOBS = (
    signing_up, signing_in, making_tokens, signing_in_to_an_app, acting_as_an_app, signing_a_device_in,
    registering_apps, following_ends,
)  # fmt: skip


@pytest.fixture
def cast(settings, alice, bob):
    alice.is_admin = True
    device = factories.make_client(bob, name="Device", confidential=False, device_flow=True)
    service = factories.make_client(bob, name="Service")
    clients.mark_resource_server(service.client, on=True)
    database.db.commit()
    return Cast(requests.Session(), alice.email, factories.make_client(bob), service, device)


def ready(side):
    return requests.get(f"{side.url}/readyz", timeout=60).status_code


def stand_at(revision):
    with database.engines().write.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def told(checkout, given, *commands):
    """What the version before says at its command line: status and text of each."""
    said = releases.run(checkout, COMMANDS, json.dumps([command.split() for command in commands]), **given)
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout.splitlines()[-1])


def looking_after_it(checkout, given):
    """The version before leaves the schema alone, and clears away what the newer one made."""
    head, listed = migrations.head(), ("user list --json", "client list --json", "token list --json")

    (_, checked), initialised, *lists = told(checkout, given, "doctor", "init --json", *listed)
    cleared = releases.run(checkout, CLEARING, **given)

    assert f"at {head}" + (f", ahead of this version's {releases.REVISION}" * (head != releases.REVISION)) in checked
    assert (initialised[0], migrations.revision()) == (0, head)
    assert [status for status, _ in lists] == [0, 0, 0]
    assert all("data" in json.loads(text) for _, text in lists)
    assert (cleared.returncode, "failed" in cleared.stderr) == (0, False), cleared.stderr
    assert database.db.scalar(select(func.count()).where(Token.kind != "dev")) == 0
    assert chain.check().broken is None


def saying_when_it_cannot(sides, checkout, given):
    """A schema of the next series: both versions stand aside, and say what to do."""
    head = migrations.head()
    stand_at("1000")
    assert [ready(side) for side in sides] == [503, 503]
    for status, text_ in told(checkout, given, "doctor", "init"):
        assert (status, "pgrade Latchkey" in text_) == (1, True), text_
    stand_at(head)
    assert [ready(side) for side in sides] == [200, 200]


@pytest.mark.standard("E-14")
@pytest.mark.timeout(900)
def test_the_version_before_does_all_it_did_on_the_schema_of_this_one_and_beside_it(settings, cast, tmp_path):
    checkout = releases.unpack(tmp_path / "before")
    given = {
        "LATCHKEY_DATABASE_URL": settings.database_url,
        "LATCHKEY_REQUIRE_SECOND_FACTOR": "nobody",
        "LATCHKEY_BASE_URL": "http://127.0.0.1:5000",
    }
    kept = {"command": releases.COMMAND, "checkout": checkout, "seconds": START_SECONDS}
    with (
        servers.latchkey(settings.instance, **kept, **given) as before,
        servers.latchkey(settings.instance, forked=True, **given) as now,
    ):
        sides = Side(before, cast, before=True), Side(now, cast, before=False)
        for first, second in (sides, sides[::-1]):
            for job in JOBS:
                job(first, second)
        looking_round(sides)
        given |= {"LATCHKEY_INSTANCE": str(settings.instance), "LATCHKEY_MODE": "development"}
        looking_after_it(checkout, given)
        saying_when_it_cannot(sides, checkout, given)
