"""What stands between a browser and other sites, on every route: forged changes, frames, script, what is kept (N)."""

import re

import pytest

from latchkey import tokens
from latchkey.accounts import sessions
from latchkey.store.session import db
from tests import factories, pages
from tests.oauth import conftest as browsers
from tests.routes import addresses

MACHINES = (
    "api.",
    "oauth.token",
    "oauth.revoke",
    "oauth.introspect",
    "oauth.check",
    "oauth.register",
    "oauth.device_authorization",
    "oauth.endings_by_form",
    "portal.end_sessions_upstream",
)
# Pages whose policy is their own, and why.
OWN_POLICY = {
    "/dev/mail": "frames the letter",
    "/dev/mail/<id:letter_id>": "frames the letter",
    "/dev/mail/<id:letter_id>/html": "a mail brings its styles",
    "/dev/mail/<id:letter_id>/source": "as the letter",
    "/apps/<id:client_id>/logo": "a picture is no page",
    "/brand/logo": "a picture is no page",
}


# An administrator, whose second factor is another matter: to everybody else, half of the routes are not there.
pytestmark = pytest.mark.settings(require_second_factor="nobody")


@pytest.fixture
def alice(db):
    return factories.make_user("alice@example.com", name="Alice", admin=True)


@pytest.fixture
def ids(alice) -> dict[str, str]:
    own = factories.make_client(alice).client
    return {
        "token_id": factories.make_token(alice).token.id,
        "client_id": own.id,
        "app_id": own.id,
        "authorization_id": "ath_" + "0" * 28,
        "session_id": "ses_" + "0" * 28,
        "secret_id": "sec_" + "0" * 28,
        "letter_id": "ltr_" + "0" * 28,
        "token": "x" * 43,
        "file": "nginx.conf",
        "asked": "x",
        "name": "app.js",
        "user_id": alice.id,
        "canary_id": "cnr_" + "0" * 28,
        "invitation_id": "inv_" + "0" * 28,
        "passkey_id": "pky_" + "0" * 28,
        "identity_id": "idn_" + "0" * 28,
        "grant_id": "grt_" + "0" * 28,
        "request_id": "tok_" + "0" * 28,
        "day": "2026-01-01",
    }


def routes(app, method: str, ids: dict[str, str]) -> list[tuple[str, str]]:
    """Each route for people that takes this method, and an address of it with Alice's ids."""
    return [
        (rule.rule, address)
        for rule in app.url_map.iter_rules()
        if method in rule.methods and not rule.endpoint.startswith(MACHINES)
        for address in addresses(rule, ids)
    ]


@pytest.fixture
def browser(client, alice):
    return browsers.enter(client, alice)


@pytest.mark.either_database("refused or guarded before and after what asks the database")
@pytest.mark.slow("sends every form in sixteen wrong ways")
@pytest.mark.standard("N-01")
def test_no_change_is_made_without_a_forms_token(app, browser, alice, ids):
    bearer = {"Authorization": f"Bearer {factories.make_token(alice, description='All').plaintext}"}
    for rule, path in routes(app, "POST", ids):
        for headers in ({}, {"HX-Request": "true"}, {"Sec-Fetch-Site": "same-origin"}, bearer):
            for form in ({}, {"csrf_token": ""}, {"csrf_token": "x"}, {"csrf_token": "IjAi.aaaaaa.bbbb"}):
                assert browser.post(path, data=form, headers=headers).status_code == 400, rule


@pytest.mark.either_database("refused or guarded before and after what asks the database")
@pytest.mark.standard("N-02")
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": ""},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://localhost:8000"},
        {"Referer": "https://evil.example/http://localhost/"},
        {"Referer": "http://localhost@evil.example/"},
    ],
)
def test_no_change_is_made_for_another_site_even_with_the_token(app, browser, ids, headers):
    token = pages.csrf(browser.get("/settings"))

    for rule, path in routes(app, "POST", ids):
        assert browser.post(path, data={"csrf_token": token}, headers=headers).status_code == 403, rule


@pytest.mark.either_database("refused or guarded before and after what asks the database")
@pytest.mark.standard("N-03")
@pytest.mark.settings(base_url="https://portal.example.com", mode="production")
def test_over_https_a_browser_must_say_where_it_comes_from(app, ids):
    browser = app.test_client()
    options = {"base_url": "https://portal.example.com"}
    token = pages.csrf(browser.get("/login", **options))

    form = {"csrf_token": token, "email": "a@example.com", "password": "x"}
    assert browser.post("/login", data=form, **options).status_code == 403
    ours = {"Origin": "https://portal.example.com"}
    assert browser.post("/login", data=form, headers=ours, **options).status_code == 422


@pytest.mark.standard("N-01")
def test_a_token_of_another_persons_session_is_none_here(app, browser, bob, ids):
    his = pages.csrf(browsers.enter(app.test_client(), bob).get("/settings"))

    for rule, path in routes(app, "POST", ids):
        assert browser.post(path, data={"csrf_token": his}).status_code == 400, rule


@pytest.mark.either_database("refused or guarded before and after what asks the database")
@pytest.mark.standard("A-01")
@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host", "X-Original-Host", "Forwarded", "X-Forwarded-Server"])
def test_a_host_that_a_request_names_stands_in_no_answer_and_no_mail(app, browser, mailbox, ids, header):
    named = {header: "host=evil.example" if header == "Forwarded" else "evil.example"}
    for _, path in routes(app, "GET", ids):
        answer = browser.get(path, headers=named)
        assert "evil.example" not in f"{answer.text}{answer.headers}", path
    stranger = app.test_client()
    for path, fields in (
        ("/signup", {"name": "Ada", "email": "ada@example.com", "password": "lantern-orchid-57-gravel"}),
        ("/forgot-password", {"email": "alice@example.com"}),
        ("/verify-email", {"email": "ada@example.com"}),
    ):
        token = pages.csrf(stranger.get(path, headers=named))
        answer = stranger.post(path, data=fields | {"csrf_token": token}, headers=named)
        assert (answer.status_code, "evil.example" in answer.text) == (200, False)

    received = mailbox.letters()
    assert len(received) == 3
    assert not [letter for letter in received if "evil.example" in letter.message.as_string()]


@pytest.mark.standard("A-08")
def test_looking_changes_nothing(app, browser, alice, ids):
    before = sessions.list_live(alice)[0].id, [token.id for token in _tokens(alice)]
    for _, path in routes(app, "GET", ids):
        for method in ("GET", "HEAD"):
            browser.open(path, method=method)

    assert (sessions.list_live(alice)[0].id, [token.id for token in _tokens(alice)]) == before


def _tokens(user):
    db.expire_all()
    return tokens.page(user, status="active").tokens


def directives(answer) -> dict[str, str]:
    named = (part.strip().partition(" ") for part in answer.headers["Content-Security-Policy"].split(";"))
    return {name: sources for name, _, sources in named}


def answers(app, browser, ids):
    """Pages, partials, errors and files: each with what it is."""
    for rule, path in routes(app, "GET", ids):
        yield rule, browser.get(path)
        yield rule, browser.get(path, headers={"HX-Request": "true"})
    stranger = app.test_client()
    for method, path, options in (
        ("GET", "/nowhere", {}),
        ("DELETE", "/login", {}),
        ("POST", "/login", {"data": {}}),
        ("POST", "/login", {"headers": {"Origin": "https://evil.example"}}),
        ("POST", "/login", {"data": b"x" * 300_000}),
        ("GET", "/login?" + "x" * 20_000, {}),
        ("GET", "/tokens", {}),
        ("GET", "/v1/me", {}),
        ("GET", "/v1/nowhere", {}),
        ("POST", "/oauth/token", {}),
        ("GET", "/oauth/check", {}),
        ("GET", "/oauth/authorize", {}),
        ("GET", "/.well-known/oauth-authorization-server", {}),
        ("GET", "/healthz", {}),
    ):
        yield path[:40], stranger.open(path, method=method, **options)


@pytest.mark.either_database("refused or guarded before and after what asks the database")
@pytest.mark.standard("N-04")
def test_every_answer_is_guarded(app, browser, ids):
    for rule, answer in answers(app, browser, ids):
        policy = directives(answer)
        assert policy["default-src"] == "'none'", rule
        assert "frame-ancestors" in policy, rule
        assert policy.get("script-src", "'self'") == "'self'", rule
        assert "unsafe" not in answer.headers["Content-Security-Policy"] or rule in OWN_POLICY, rule
        assert policy["frame-ancestors"] == "'none'" or rule in OWN_POLICY, rule
        if rule not in OWN_POLICY:
            assert policy["base-uri"] == "'none'", rule
        assert answer.headers["X-Content-Type-Options"] == "nosniff", rule
        assert answer.headers["X-Frame-Options"] == "DENY", rule
        assert answer.headers["Referrer-Policy"] == "same-origin", rule
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin", rule
        assert answer.headers["Cross-Origin-Resource-Policy"] in ("same-origin", "cross-origin"), rule
        assert answer.headers["Permissions-Policy"], rule
        kind = answer.headers.get("Content-Type", "")
        assert not kind.startswith("text/") or kind.endswith("charset=utf-8"), rule
        assert answer.status_code not in (301, 302, 307, 308), rule


@pytest.mark.either_database("refused or guarded before and after what asks the database")
@pytest.mark.standard("N-04", "N-07")
def test_no_page_holds_script_style_or_anything_of_another_host(app, browser, ids):
    loaded = re.compile(r"<(?:script|link|img|iframe|source|video)\b[^>]*\b(?:src|href)=\"([^\"]*)\"", re.IGNORECASE)
    for rule, answer in answers(app, browser, ids):
        if answer.mimetype != "text/html" or rule in OWN_POLICY:
            continue
        assert not pages.INLINE.search(re.sub(r"<pre.*?</pre>", "", answer.text, flags=re.DOTALL)), rule
        for address in loaded.findall(answer.text):
            assert address.startswith("/") and not address.startswith("//"), (rule, address)


@pytest.mark.either_database("refused or guarded before and after what asks the database")
@pytest.mark.standard("N-07")
def test_what_is_about_a_person_is_kept_nowhere(app, browser, ids):
    public = ("/docs", "/assets", "/brand", "/.well-known", "/healthz", "/readyz")
    for rule, path in routes(app, "GET", ids):
        answer = browser.get(path)
        if answer.status_code != 200 or path.endswith("/logo") or path.startswith(public):
            continue
        assert answer.headers["Cache-Control"] == "no-store", rule
        assert "Cookie" in answer.headers["Vary"] or rule.startswith("/dev/"), rule


@pytest.mark.either_database("refused or guarded before and after what asks the database")
@pytest.mark.standard("B-14")
def test_no_answer_for_people_opens_itself_to_other_origins(app, browser, ids):
    foreign = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for method in ("GET", "OPTIONS"):
        for rule, path in routes(app, method, ids):
            answer = browser.open(path, method=method, headers=foreign)
            shared = [name for name, _ in answer.headers if name.startswith("Access-Control-")]
            assert not shared or rule.startswith(("/.well-known/", "/oauth/")), rule
            assert not shared or not rule.startswith("/oauth/authorize"), rule
