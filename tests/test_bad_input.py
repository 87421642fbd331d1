"""Whatever is sent to whichever route, the answer is never a fault of ours and never half a change (A-06)."""

import json
from collections.abc import Iterator
from urllib.parse import quote_from_bytes

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from latchkey import credentials, grants, tokens
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.store.session import db
from latchkey.tokens import Token
from tests import conftest, factories, pages
from tests.api.calls import caller
from tests.factories import CALLBACK, PASSWORD
from tests.oauth import conftest as browsers
from tests.oauth.dance import CHALLENGE, VERIFIER, basic
from tests.routes import addresses

pytestmark = [
    pytest.mark.slow("sends every kind of nonsense to every address"),
    pytest.mark.settings(require_second_factor="nobody"),
]

# As bytes, since much of it is no text. First what a database may take otherwise than another, which is sent on both.
HOSTILE = [
    b"", b"'", b'"\\%', b"\0", b"a\0b@x.example", b"\xff\xfe", b"\xed\xa0\x80", "a\N{ZERO WIDTH SPACE}b".encode(),
    b"1e999", b"9" * 400, b"\xd9\xa3", b"tok_" + b"f" * 28, b"A" * 5_000, b"a@b@c", b"9999-12-31",
]  # fmt: skip
# Then what is meant for pages, addresses, headers and parsers, which know of no database.
HOSTILE += [] if conftest.POSTGRESQL else [
    b"a\r\nX-Evil: 1", b"../../etc/passwd", "\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe".encode(), b"<script>alert(1)</script>",
    b"{{7*7}}${7*7}%(x)s{0}", b"//evil.example", b"javascript:alert(1)", b"https://[", b"https://a:b:c/", b"[]",
    b'{"a":1}',
]  # fmt: skip
LARGE = b"x" * 1_000_000

# Each form of the portal with a good value for every field of it.
NAME = {"name": b"Ada Lindqvist"}
TOKEN = {"form_id": b"", "description": b"Backup", "scope": b"account:read", "expires": b"30", "until": b"2027-01-31"}
APP = {
    "form_id": b"", "name": b"Notes", "homepage": b"https://notes.example", "redirect_uris": CALLBACK.encode(),
    "scope": b"account:read", "type": b"confidential", "logo": b"",
}  # fmt: skip
EDIT_APP = {name: APP[name] for name in ("name", "homepage", "scope", "logo")}
EDIT_APP |= {"was_name": b"Notes", "was_homepage": b"", "was_scope": b"account:read", "was_pkce_required": b"y"}
FORMS: dict[str, dict[str, bytes]] = {
    "portal.sign_up": {"name": b"Ada", "email": b"new@example.com", "password": PASSWORD.encode(), "next": b"/tokens"},
    "portal.sign_in": {"email": b"nobody@example.com", "password": b"wrong", "next": b"/tokens"},
    "portal.sign_out": {},
    "portal.ask_second_factor": {"code": b"000000", "next": b"/tokens"},
    "portal.start_over": {"next": b"/tokens"},
    "portal.set_up_authenticator": {"shown": b"x", "code": b"000000"},
    "portal.renew_recovery_codes": {},
    "portal.remove_authenticator": {},
    "portal.sign_in_by_passkey": {"credential": b"{}", "challenge": b"x", "next": b"/tokens"},
    "portal.rename_passkey": {"name": b"Phone"},
    "portal.remove_passkey": {},
    "portal.end_reported": {},
    "portal.sign_in_upstream": {"next": b"/tokens", "kept": b"x"},
    "portal.show_address": {},
    "portal.prove_upstream": {"next": b"/tokens", "kept": b"x"},
    "portal.link_upstream": {},
    "portal.unlink_upstream": {},
    "portal.end_sessions_upstream": {"logout_token": b"x.y.z"},
    "portal.add_passkey": {"name": b"Laptop", "credential": b"{}", "challenge": b"x"},
    "portal.prove": {"password": b"wrong", "next": b"/tokens"},
    "portal.resend_verification": {"email": b"nobody@example.com", "next": b"/tokens"},
    "portal.forgot_password": {"email": b"nobody@example.com"},
    "portal.reset_password": {"password": b"", "revoke": b"y"},
    "portal.explain_request": {"text": b"curl http://localhost/v1/me"},
    "portal.change_profile": NAME,
    "portal.change_theme": {"theme": b"dark"},
    "portal.change_email": {"email": b"new@example.com"},
    "portal.change_password": {"current": b"wrong", "password": b"another-quarry-violet-17"},
    "portal.delete_account": {"email": b"bob@example.com"},
    "portal.end_session": {},
    "portal.end_other_sessions": {},
    "portal.revoke_all_tokens": {"apps": b"y"},
    "portal.confirm_email": {"do": b"sign-out"},
    "portal.verify_email": {"do": b"sign-out"},
    "portal.new_token": TOKEN,
    "portal.find_token": {"token": b"lk_dev_x"},
    "portal.edit_token": {
        "description": b"Backup",
        "scope": b"account:read",
        "password": b"",
        "was_description": b"Old",
        "was_scope": b"account:read",
        "was_allowed_addresses": b"",
    },
    "portal.regenerate_token": {"form_id": b""},
    "portal.revoke_token": {},
    "portal.revoke_tokens": {"token": b"tok_x", "do": b"revoke", "next": b"/tokens"},
    "portal.drop_unused_scopes": {"scope": b"account:read"},
    "portal.give_back_scopes": {"password": b"wrong"},
    "portal.report_token": {},
    "portal.new_app": APP,
    "portal.edit_app": EDIT_APP,
    "portal.add_redirect_uri": {"uri": b"https://notes.example/2"},
    "portal.remove_redirect_uri": {"uri": CALLBACK.encode()},
    "portal.rotate_app_secret": {"newest": b""},
    "portal.end_app_secret": {},
    "portal.give_app_keys": {"jwks": b'{"keys": []}', "jwks_uri": b""},
    "portal.end_app_keys": {},
    "portal.cut_off_app": {},
    "portal.drop_unused_app_scopes": {"scope": b"account:read"},
    "portal.give_back_app_scopes": {"password": b"wrong"},
    "portal.delete_app": {},
    "portal.restore_app": {},
    "portal.revoke_access": {},
    "portal.revoke_all_access": {},
    "portal.pause_everything": {},
    "portal.resume_everything": {},
    "portal.end_app_sign_in": {},
    "portal.end_former_token": {},
    "portal.change_reminders": {"reminders": b"y"},
    "portal.download_data": {},
    "portal.list_canaries": {"description": b"The shared drive"},
    "portal.remove_canary": {},
    "portal.end_everything": {"since": b"date", "since_date": b"2026-01-31"},
    "portal.choose_password": {"password": b"123456"},
    "portal.accept_invitation": {"name": b"Ada", "password": b"123456"},
    "portal.change_user": {"reason": b"Spam"},
    "portal.change_app": {"reason": b"Spam"},
    "portal.end_token": {"reason": b"Spam"},
    "portal.end_authorization": {"reason": b"Spam"},
    "portal.decide": {"do": b"approve", "scope": b"account:read", "reason": b"As agreed"},
    "portal.invite_person": {"email": b"new@example.com", "admin": b"y"},
    "portal.take_invitation_back": {},
    "portal.look_up_credential": {"token": b"lk_dev_x"},
    "portal.save_policies": {
        "token_max_days": b"90",
        "token_default_days": b"30",
        "signup": b"open",
        "require_second_factor": b"nobody",
        "apps": b"everybody",
        "introspection": b"any",
        "approval_scopes": b"account:read",
        "was_signup": b"invite",
    },
    "portal.retry_letters": {},
    "portal.send_test_letter": {},
    "portal.check_chain": {},
    "oauth.decide": {"handle": b"x", "decision": b"allow"},
    "oauth.type_code": {"code": b"BCDF-GHJK"},
    "oauth.run_app": {"redirect": CALLBACK.encode(), "fault": b"twice", "scope": b"account:read"},
    "oauth.decide_device": {"handle": b"x", "decision": b"allow"},
}
PROGRAMS: dict[str, dict[str, bytes]] = {
    "oauth.token": {
        "grant_type": b"authorization_code", "code": b"x" * 43, "redirect_uri": CALLBACK.encode(), "scope": b"",
        "code_verifier": VERIFIER.encode(), "device_code": b"lk_dvc_x", "refresh_token": b"lk_ort_x", "resource": b"http://localhost",
    },
    "oauth.revoke": {"token": b"lk_oat_x", "token_type_hint": b"access_token"},
    "oauth.introspect": {"token": b"lk_oat_x", "token_type_hint": b"access_token"},
    "oauth.check": {"scope": b"account:read"},
    "oauth.endings_by_form": {"after": b"1", "wait": b"1", "guard": b"one"},
    "oauth.device_authorization": {"scope": b"account:read", "resource": b"http://localhost"},
}  # fmt: skip
GRANTS = ("authorization_code", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:device_code")
# What the addresses of pages and calls may carry.
QUERIES: dict[str, list[str]] = {
    "portal.list_tokens": ["q", "status", "sort", "scope", "page"],
    "portal.new_token": ["description", "scopes", "expires_in_days", "token"],
    "portal.list_activity": ["kind", "q", "before", "on"],
    "portal.download_activity_csv": ["q"],
    "portal.search_guides": ["q"],
    "portal.show_app": ["lang"],
    "portal.remove_redirect_uri": ["uri"],
    "portal.sign_in": ["next"],
    "portal.sign_up": ["next"],
    "portal.ask_verification": ["next"],
    "portal.admin_users": ["show", "q", "sort", "cursor"],
    "portal.admin_user": ["tab", "cursor"],
    "portal.admin_apps": ["show", "q", "cursor"],
    "portal.admin_tokens": ["show", "q", "cursor"],
    "portal.admin_authorizations": ["q", "cursor"],
    "portal.admin_mail": ["show", "q", "cursor"],
    "portal.admin_activity": ["show", "q", "cursor"],
    "portal.admin_acts": ["cursor"],
    "portal.admin_invitations": ["cursor"],
    "api.list_tokens": ["status", "limit", "cursor"],
    "api.list_apps": ["limit", "cursor"],
    "api.list_activity": ["group", "limit", "cursor"],
    "api.list_authorizations": ["limit", "cursor"],
}
WORST = [b"\0", b"\xff", b"\xed\xa0\x80", b"9" * 400]
AUTHORIZE = {
    "response_type": b"code", "redirect_uri": CALLBACK.encode(), "scope": b"account:read", "state": b"xyz",
    "code_challenge": CHALLENGE.encode(), "code_challenge_method": b"S256", "prompt": b"consent", "client_id": b"",
    "resource": b"http://localhost", "response_mode": b"query", "request": b"", "request_uri": b"", "seen_at": b"1",
}  # fmt: skip
JSON_BODIES = {
    "api.change_me": {"name": "Ada"},
    "api.create_token": {"description": "Made", "scopes": ["account:read"], "expires_in_days": 7},
    "api.change_token": {"description": "Renamed", "scopes": ["account:read"]},
    "api.register_app": {
        "name": "Notes",
        "homepage": "",
        "redirect_uris": [CALLBACK],
        "scopes": ["account:read"],
        "jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A" * 43, "kid": "one"}]},
    },
    "api.change_app": {
        "name": "Notes",
        "homepage": "",
        "redirect_uris": [CALLBACK],
        "pkce_required": True,
        "jwks_uri": None,
    },
    "api.revoke_credentials": {"credentials": ["hello"]},
    "api.rotate_app_secret": {},
    "oauth.register": {
        "client_name": "Agent",
        "redirect_uris": ["http://127.0.0.1/cb"],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "scope": "account:read",
    },
    "api.regenerate_token": {"expires_in_days": 7, "keep_old_seconds": 60},
    "api.answer_message": {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "show_token", "arguments": {"token_id": "tok_x"}},
    },
    "api.take_alerts": {"token": "lk_dev_x", "type": "latchkey", "url": "https://code.example/1", "source": "content"},
}
HOSTILE_JSON = [
    None, True, 0, -1, 1e308, 10**400, "", " ", "\0", "a\0b", "\ud800", "\udfff\ud800", "\u202ex", "<b>", "'", [],
    [None], [[]], ["\ud800"], ["\0"], {}, {"a": {"b": []}}, "x" * 10_000, ["x"] * 5_000, ["x" * 5_000],
    [0], [{}], [True],
]  # fmt: skip
NOT_JSON = [b"", b"{", b"[]", b"null", b"\xff", b'{"a":NaN}', b'{"a":1,"a":2}', b"[" * 100_000, b'{"name":"\\ud800"}']

BROKEN_PART = (
    b'--x\r\nContent-Disposition: form-data; name="logo"; filename="\xff\0\r\n.png"\r\n\r\n\x89PNG\r\n\x1a\n\0\r\n--x--'
)


class Stage:
    """Alice's browser and program, what is hers, and the faults that were met."""

    def __init__(self, app, browser: FlaskClient, program, ids: dict[str, str]) -> None:
        self.app, self.browser, self.program, self.ids = app, browser, program, ids
        self.faults: list[tuple[object, ...]] = []

    def path(self, rule) -> str:
        """The address of a route with ids of Alice's."""
        return addresses(rule, self.ids)[0]

    def send(self, client: FlaskClient, method: str, path: str, *about: object, **options: object) -> int:
        answer = client.open(path, method=method, **options)
        if answer.status_code >= 500 or "Traceback" in answer.text:
            self.faults.append((method, path[:80], *(repr(part)[:60] for part in about), answer.status_code))
        return answer.status_code

    def post(self, client: FlaskClient, path: str, fields: list[tuple[str, bytes]], **options: object) -> int:
        body = "&".join(f"{name}={quote_from_bytes(value)}" for name, value in fields)
        form = "application/x-www-form-urlencoded"
        return self.send(client, "POST", path, fields, data=body, content_type=form, **options)


@pytest.fixture
def alice(db):
    """An administrator, so that every form is hers to send."""
    return factories.make_user("alice@example.com", name="Alice", admin=True)


@pytest.fixture
def stage(app, client, alice, example_client) -> Stage:
    made, own = factories.make_token(alice, description="Old"), factories.make_client(alice, name="Hers")
    grant = grants.allow(alice, example_client.client, {"account:read"})
    db.commit()
    ids = {
        "token_id": made.token.id, "client_id": own.client.id, "app_id": own.client.id, "secret_id": "sec_" + "0" * 28,
        "authorization_id": grant.authorization_id, "session_id": "ses_" + "0" * 28, "passkey_id": "pky_" + "0" * 28,
        "identity_id": "idn_" + "0" * 28,
        "letter_id": "ltr_" + "0" * 28,
        "token": "x" * 43, "file": "nginx.conf", "asked": "x", "name": "app.js",
        "grant_id": grant.id, "user_id": alice.id, "canary_id": "cnr_" + "0" * 28, "request_id": made.token.id,
        "invitation_id": "inv_" + "0" * 28, "day": "2026-01-01",
    }  # fmt: skip
    program = caller(app.test_client(use_cookies=False), alice, description="Everything")
    return Stage(app, browsers.enter(client, alice), program, ids)


def rules(stage: Stage, method: str, door: str = "") -> list:
    return [
        rule for rule in stage.app.url_map.iter_rules() if method in rule.methods and rule.endpoint.startswith(door)
    ]


def variants(good: dict[str, bytes]) -> Iterator[list[tuple[str, bytes]]]:
    """The form with each field hostile in turn, missing, twice, or as an array; and all of it hostile at once."""
    for name in good:
        for value in HOSTILE:
            yield [*(good | {name: value}).items()]
        yield [(other, value) for other, value in good.items() if other != name]
        yield [*good.items(), (name, b"second")]
        yield [(f"{other}[]" if other == name else other, value) for other, value in good.items()]
    # Of none nothing is left to fill, and of one it was all of it before.
    for value in HOSTILE if len(good) > 1 else [] if good else HOSTILE[:1]:
        yield [(name, value) for name in good]


def count(kind: type) -> int:
    return db.scalar(select(func.count()).select_from(kind)) or 0


def test_the_tables_have_every_form_and_every_body(stage):
    posts = {rule.endpoint for rule in rules(stage, "POST")}
    changes = {rule.endpoint for method in ("POST", "PATCH") for rule in rules(stage, method, "api.")}

    assert posts | changes == {*FORMS, *PROGRAMS, *JSON_BODIES}


@pytest.mark.standard("A-06")
@pytest.mark.parametrize("endpoint", FORMS)
def test_a_hostile_form_is_no_fault_of_ours(stage, alice, endpoint):
    [rule] = [rule for rule in rules(stage, "POST") if rule.endpoint == endpoint]
    signed_out = endpoint in ("portal.sign_up", "portal.sign_in", "portal.forgot_password", "portal.reset_password")
    browser = stage.app.test_client() if signed_out else stage.browser
    page = browser.get("/login" if signed_out else "/settings")
    secret, good = pages.csrf(page).encode(), dict(FORMS[endpoint])
    path = stage.path(rule)

    for fields in variants(good):
        # A new number each time, so that what is good about the rest is looked at.
        numbered = [(name, credentials.opaque().encode() if (name, value) == ("form_id", b"") else value)
                    for name, value in fields]  # fmt: skip
        stage.post(browser, path, [("csrf_token", secret), *numbered])
    for value in HOSTILE:
        stage.post(browser, path, [("csrf_token", value)])
    assert stage.post(browser, path, [("csrf_token", secret), ("name", LARGE * 3)]) == 413

    assert not stage.faults
    # Nobody got through by it, and nothing of Alice's changed hands.
    assert db.get(User, alice.id, populate_existing=True).email == "alice@example.com"


@pytest.mark.either_database("nothing of what is no form comes as far as a statement")
@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=x", "application/json", "text/x"]
)
@pytest.mark.parametrize("body", [b"", b"--x", b"--x\r\n\r\n", b"\xff" * 100, BROKEN_PART])
def test_a_body_that_is_no_form_is_no_fault_of_ours(stage, kind, body):
    for rule in rules(stage, "POST"):
        for client in (stage.browser, stage.program.client):
            bearer = {"Authorization": f"Bearer {stage.program.plaintext}"}
            stage.send(client, "POST", stage.path(rule), body, data=body, content_type=kind, headers=bearer)

    assert not stage.faults


def test_a_hostile_path_is_no_fault_of_ours(stage):
    for rule in rules(stage, "GET"):
        if "<" not in rule.rule:
            continue
        before, after = rule.rule.partition("<")[0].encode(), rule.rule.rpartition(">")[2].encode()
        for value in HOSTILE:
            raw = before + value + after
            stage.send(stage.browser, "GET", "/", raw, environ_overrides={"PATH_INFO": raw.decode("latin-1")})

    assert not stage.faults


def test_a_hostile_query_is_no_fault_of_ours_on_any_page(stage):
    names = sorted({name for names in QUERIES.values() for name in names} | {"scope", "v", "access_token", "a[]"})
    for rule in rules(stage, "GET"):
        for value in WORST:
            query = "&".join(f"{name}={quote_from_bytes(value)}" for name in names)
            for browser in (stage.browser, stage.app.test_client(use_cookies=False)):
                stage.send(browser, "GET", stage.path(rule), value, query_string=query)

    assert not stage.faults


@pytest.mark.standard("A-06")
@pytest.mark.parametrize("endpoint", QUERIES)
def test_a_hostile_parameter_is_no_fault_of_ours(stage, endpoint):
    [rule] = [rule for rule in rules(stage, "GET") if rule.endpoint == endpoint]
    headers = {"Authorization": f"Bearer {stage.program.plaintext}", "HX-Request": "true"}
    browser = stage.app.test_client() if endpoint in ("portal.sign_in", "portal.sign_up") else stage.browser
    for name in QUERIES[endpoint]:
        for value in HOSTILE:
            query = f"{name}={quote_from_bytes(value)}"
            stage.send(browser, "GET", stage.path(rule), value, query_string=query, headers=headers)
        stage.send(
            browser, "GET", stage.path(rule), name, query_string=f"{name}=a&{name}=b&{name}[]=c&{name}", headers=headers
        )

    assert not stage.faults


@pytest.mark.parametrize("name", AUTHORIZE)
def test_a_hostile_authorization_request_is_no_fault_of_ours(stage, example_client, name):
    good = AUTHORIZE | {"client_id": example_client.client.id.encode()}
    good = {key: value for key, value in good.items() if value}
    signed_out = stage.app.test_client()
    for value in (*HOSTILE, b"x" * 14_000):
        for fields in ([*(good | {name: value}).items()], [*good.items(), (name, value)], [(name, value)]):
            query = "&".join(f"{key}={quote_from_bytes(given)}" for key, given in fields)
            for browser in (stage.browser, signed_out):
                stage.send(browser, "GET", "/oauth/authorize", value, query_string=query)

    assert not stage.faults


@pytest.mark.parametrize("endpoint", PROGRAMS)
def test_a_hostile_request_of_a_program_is_no_fault_of_ours(stage, clock, example_client, endpoint):
    [rule] = [rule for rule in rules(stage, "POST") if rule.endpoint == endpoint]
    client, header = stage.app.test_client(use_cookies=False), basic(example_client.client.id, example_client.secret)
    for fields in variants(PROGRAMS[endpoint]):
        for grant in GRANTS if endpoint == "oauth.token" and ("grant_type", b"authorization_code") in fields else ("",):
            sent = [(name, grant.encode() if name == "grant_type" and grant else value) for name, value in fields]
            stage.post(client, rule.rule, sent, headers=header)
    for value in HOSTILE:
        clock.move(minutes=11)
        stage.post(client, rule.rule, [("client_id", value), ("client_secret", value), ("token", b"x")])
        for authorization in (b"Basic " + value, b"Basic OjpA/w==", b"Bearer " + value, value):
            given = {"HTTP_AUTHORIZATION": authorization.replace(b"\r\n", b" ").decode("latin-1")}
            stage.post(client, rule.rule, [("grant_type", b"x")], environ_overrides=given)
    stage.post(client, rule.rule, [("token", LARGE)], headers=header)

    assert not stage.faults


@pytest.mark.standard("A-06")
@pytest.mark.parametrize("endpoint", JSON_BODIES)
def test_a_hostile_body_of_the_api_is_no_fault_of_ours(stage, endpoint):
    [rule] = [
        rule
        for rule in stage.app.url_map.iter_rules()
        if rule.endpoint == endpoint and {"POST", "PATCH"} & rule.methods
    ]
    # Where any method is answered, the one that registers.
    method = "POST" if "POST" in rule.methods else "PATCH"
    path, good = stage.path(rule), JSON_BODIES[endpoint]
    client, headers = stage.program.client, {"Authorization": f"Bearer {stage.program.plaintext}"}

    def send(body: bytes) -> None:
        stage.send(client, method, path, body, data=body, content_type="application/json", headers=headers)

    for name in good:
        for value in HOSTILE_JSON:
            send(json.dumps(good | {name: value}).encode())
    for body in (*NOT_JSON, LARGE):
        send(body)
    for value in HOSTILE:
        key = {"HTTP_IDEMPOTENCY_KEY": value.decode("latin-1")}
        body = json.dumps(good).encode()
        stage.send(client, method, path, value, data=body, content_type="application/json", headers=headers,
                   environ_overrides=key)  # fmt: skip

    assert not stage.faults


def test_a_hostile_id_is_nothing_in_every_place_of_the_api(stage):
    headers = {"Authorization": f"Bearer {stage.program.plaintext}"}
    for rule in stage.app.url_map.iter_rules():
        if not rule.rule.startswith("/v1/") or "<" not in rule.rule:
            continue
        for method in rule.methods - {"OPTIONS", "HEAD"}:
            for value in (*HOSTILE, b"x" * 10_000):
                raw = rule.rule.partition("<")[0].encode() + value + rule.rule.rpartition(">")[2].encode()
                options = {"json": {}} if method in ("POST", "PATCH") else {}
                there = {"PATH_INFO": raw.decode("latin-1")}
                stage.send(stage.program.client, method, "/", raw, headers=headers, environ_overrides=there, **options)

    assert not stage.faults


PLACES = [
    ("GET", "/"), ("GET", "/tokens"), ("POST", "/logout"), ("GET", "/brand.css"), ("GET", "/v1/me"),
    ("POST", "/v1/tokens"), ("POST", "/oauth/token"), ("GET", "/oauth/check"),
    ("GET", "/oauth/authorize"), ("GET", "/nowhere"),
]  # fmt: skip
PREFIXES = {"AUTHORIZATION": b"Bearer ", "COOKIE": b"latchkey=", "RANGE": b"bytes=", "CONTENT_TYPE": b"text/html; x="}
HEADERS = [*PREFIXES, "USER_AGENT", "ACCEPT_ENCODING", "ORIGIN", "REFERER", "SEC_FETCH_SITE", "HX_REQUEST",
           "HX_CURRENT_URL", "IF_NONE_MATCH", "IF_MODIFIED_SINCE", "X_FORWARDED_FOR", "X_FORWARDED_PROTO", "HOST",
           "CONTENT_LENGTH", "ACCEPT_LANGUAGE"]  # fmt: skip


@pytest.mark.standard("A-06")
@pytest.mark.parametrize("name", HEADERS)
def test_a_hostile_header_is_no_fault_of_ours(stage, name):
    key = name if name.startswith("CONTENT") else f"HTTP_{name}"
    client = stage.app.test_client(use_cookies=False)
    for value in HOSTILE:
        for method, path in PLACES:
            prefix = PREFIXES.get(name, b"")
            given = {key: (prefix + value).replace(b"\r\n", b" ").decode("latin-1")}
            stage.send(client, method, path, value, environ_overrides=given)

    assert not stage.faults


def test_nothing_was_made_of_what_was_refused(stage, alice):
    """Half a change would show as a record that nobody was told of."""
    before = count(Token), count(Client)
    page = stage.browser.get("/tokens/new")
    secret = pages.csrf(page).encode()
    for value in (b"\0", b"", "a\N{ZERO WIDTH SPACE}b".encode(), b"x" * 5_000):
        number = credentials.opaque().encode()
        for fields in (TOKEN | {"description": value}, TOKEN | {"scope": value}, TOKEN | {"expires": value}):
            stage.post(stage.browser, "/tokens/new", [("csrf_token", secret), *(fields | {"form_id": number}).items()])
        for fields in (
            APP | {"name": value},
            APP | {"redirect_uris": value},
            APP | {"type": value},
            APP | {"scope": value},
        ):
            stage.post(stage.browser, "/apps/new", [("csrf_token", secret), *(fields | {"form_id": number}).items()])

    assert (count(Token), count(Client)) == before
    assert not stage.faults
    assert tokens.page(alice, status="all").tokens


# A library raises for each of them.
HALVES = ["http://[", "https://[::1", "http://[1.2.3]/", "http://[v1.x]/"]


@pytest.mark.standard("A-06")
@pytest.mark.parametrize("half", HALVES)
def test_half_an_address_of_version_six_is_no_fault_of_ours(app, signed_in, half):
    stranger = app.test_client()
    form = {"csrf_token": pages.csrf(stranger.get("/login"))}
    swapped = stranger.get("/settings", headers={"HX-Request": "true", "HX-Current-URL": half})
    came = stranger.post("/settings/profile", data=form, headers={"Referer": half, "Sec-Fetch-Site": "same-origin"})
    texts = (f"curl {half}", f'HTTP/1.1 401\nWWW-Authenticate: Bearer resource_metadata="{half}"')
    explained = [pages.submit(signed_in, "/docs/explain", text=text).status_code for text in texts]

    assert (swapped.status_code, explained) == (401, [200, 200])
    assert came.status_code in (303, 400)
