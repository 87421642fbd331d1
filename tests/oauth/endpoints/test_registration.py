"""Apps that register themselves: strangers, who get no more than an id, which goes when nobody uses it (J-07, J-08)."""

import html
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from sqlalchemy import func, select

from latchkey import clients, grants
from latchkey.clients import Client
from latchkey.grants import Authorization, EndReason, Grant, self_registered
from latchkey.safety import shutdown
from latchkey.worker import housekeeping
from tests.factories import CALLBACK, make_client, make_user
from tests.oauth import dance
from tests.oauth.conftest import enter

OPEN = pytest.mark.settings(client_registration="open")
LOOPBACK = "http://127.0.0.1:33418/callback"
GOOD = {"client_name": "Fieldnotes", "redirect_uris": [CALLBACK]}
HUGE = "x" * 3_000


def post(caller, body, mimetype="application/json"):
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return caller.post("/oauth/register", data=sent, content_type=mimetype)


def registered(caller, **changes):
    answer = post(caller, GOOD | changes)
    assert answer.status_code == 201, answer.text
    return SimpleNamespace(client=SimpleNamespace(id=answer.json["client_id"]), secret=None)


def count(db):
    found = db.scalar(select(func.count()).select_from(Client))
    db.rollback()
    return found


@pytest.mark.standard("J-07")
def test_nobody_registers_unless_it_is_switched_on(caller, db):
    assert post(caller, GOOD).status_code == 404
    assert caller.options("/oauth/register").status_code == 404
    assert "registration_endpoint" not in caller.get("/.well-known/oauth-authorization-server").json
    assert count(db) == 0


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
def test_the_address_is_none_unless_it_is_switched_on(caller, method):
    assert caller.open("/oauth/register", method=method).status_code == 404


@OPEN
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
def test_a_client_registers_by_post_alone(caller, method):
    answer = caller.open("/oauth/register", method=method)

    assert (answer.status_code, answer.headers["Allow"]) == (405, "OPTIONS, POST")
    assert answer.json["error"] == "invalid_request"


@OPEN
@pytest.mark.standard("J-08", "G-02")
def test_the_answer_names_the_values_that_hold(caller):
    asked = GOOD | {
        "client_uri": "https://fieldnotes.example",
        "grant_types": ["authorization_code", "implicit", "client_credentials"],
        "response_types": ["code", "token"],
        "token_endpoint_auth_method": "client_secret_basic",
        "scope": "account:read tokens:write nobody:knows offline_access",
        "tos_uri": "https://fieldnotes.example/terms",
        "something": {"of": "a later standard"},
    }

    answer = post(caller, asked)

    assert answer.status_code == 201
    assert (answer.headers["Cache-Control"], answer.headers["Pragma"]) == ("no-store", "no-cache")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    body = answer.json
    assert body.pop("client_id").startswith("app_")
    assert isinstance(body.pop("client_id_issued_at"), int)
    assert body == {
        "client_name": "Fieldnotes",
        "client_uri": "https://fieldnotes.example",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "scope": "account:read",
    }
    assert (
        caller.get("/.well-known/oauth-authorization-server").json["registration_endpoint"].endswith("/oauth/register")
    )
    assert caller.options("/oauth/register").headers["Access-Control-Allow-Headers"] == "*"


@OPEN
@pytest.mark.standard("J-08", "J-03")
@pytest.mark.parametrize("method", ["none", "client_secret_basic", "client_secret_post"])
def test_nobody_gets_a_secret(caller, db, method):
    answer = post(caller, GOOD | {"token_endpoint_auth_method": method})

    assert "client_secret" not in answer.json
    client = clients.find(answer.json["client_id"])
    assert (client.confidential, client.pkce_required, client.trusted, client.owner_id) == (False, True, False, None)
    assert clients.live_secrets(client) == []


@OPEN
def test_what_says_nothing_of_itself_gets_the_default_scopes_and_a_plain_name(caller):
    answers = [
        post(caller, {"redirect_uris": [LOOPBACK], "scope": scope}).json for scope in ("", " ", "offline_access")
    ] + [post(caller, {"redirect_uris": ["https://app.example.com/cb"]}).json]

    offered = caller.get("/.well-known/oauth-protected-resource").json["scopes_supported"]
    assert {tuple(answer["scope"].split()) for answer in answers} == {tuple(offered)}
    assert [answer["client_name"] for answer in answers][2:] == ["App on your device", "App of app.example.com"]


WRONG = (
    [
        ("redirect_uris", value)
        for value in (
            *(None, [], {}, "", CALLBACK, 7, [7], [None], [[]], [""], [CALLBACK + "#x"], ["http://app.example.com/cb"]),
            *(
                ["javascript:alert(1)"],
                ["https://a@b.example/"],
                ["https://*.example.com/"],
                ["https://x.example/a/../b"],
            ),
            *(
                [CALLBACK] * 21,
                [f"https://app.example.com/{number}" for number in range(21)],
                ["https://x.example/" + HUGE],
            ),
        )
    ]
    + [("client_name", value) for value in (None, 7, [], {}, "", "x" * 61, HUGE, "a\0b", "Latchkey", "a\u202eb")]
    + [("client_uri", value) for value in (None, 7, "http://x.example", "javascript:alert(1)", "https://" + "x" * 600)]
    + [("scope", value) for value in (None, 7, ["account:read"], "nobody:knows", "tokens:write", HUGE)]
    + [("grant_types", value) for value in (None, 7, "authorization_code", [], ["password"], [7], ["x"] * 30)]
    + [("response_types", value) for value in (None, 7, "code", [], ["token"], [None])]
    + [("token_endpoint_auth_method", value) for value in (None, 7, "", "private_key_jwt", "tls_client_auth", HUGE)]
    + [
        *(("jwks", "x"), ("jwks", []), ("jwks_uri", 7), ("contacts", "x"), ("contacts", [7]), ("logo_uri", {})),
        *(("software_id", 7), ("software_statement", []), ("tos_uri", HUGE), ("policy_uri", None)),
    ]
)


@OPEN
@pytest.mark.standard("J-08", "J-02", "A-06")
def test_what_cannot_be_is_refused_without_effect(caller, db):
    for field, value in WRONG:
        answer = post(caller, GOOD | {field: value})

        expected = "invalid_redirect_uri" if field == "redirect_uris" else "invalid_client_metadata"
        assert (answer.status_code, answer.json["error"]) == (400, expected), (field, value)
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.json["error_description"].startswith(f"{field}: "), (field, value)
    assert post(caller, {"client_name": "Fieldnotes"}).json["error"] == "invalid_redirect_uri"
    assert count(db) == 0


@OPEN
@pytest.mark.standard("J-08", "A-06")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"7",
        b"{",
        b"\xff",
        b"[" * 10_000,
        b'{"redirect_uris": ["https://a.example/"], "redirect_uris": ["https://b.example/"]}',
        b'{"redirect_uris": ["https://a.example/"], "x": NaN}',
        b'{"redirect_uris": ["https://a.example/"], "x": "' + b"x" * 17_000 + b'"}',
    ],
)
def test_a_body_that_is_no_description_is_refused(caller, db, body):
    answer = post(caller, body)

    assert (answer.status_code, answer.json["error"]) == (400, "invalid_client_metadata")
    assert post(caller, GOOD, "application/x-www-form-urlencoded").status_code == 400
    assert count(db) == 0


@OPEN
@pytest.mark.standard("J-07", "J-11", "K-02")
def test_the_whole_way_of_a_stranger(signed_in, caller):
    stranger = registered(caller, redirect_uris=[LOOPBACK], client_uri="https://fieldnotes.example")
    answers = [dance.authorize(signed_in, stranger, redirect_uri="http://127.0.0.1:9/callback") for _ in range(2)]

    for page in answers:
        shown = html.unescape(page.text)
        assert "It registered itself: nobody here knows who made it." in shown
        assert "It says that it is from fieldnotes.example." in shown
        assert "Any program on this device can say that it is Fieldnotes" in shown
        assert "Not verified" in shown
        assert 'href="https://fieldnotes.example' not in shown
        code = dance.back(dance.decide(signed_in, page)).parameters["code"]
        issued = dance.redeem(caller, stranger, code, redirect_uri="http://127.0.0.1:9/callback").json
        assert dance.works(caller, issued["access_token"])
    assert (
        signed_in.get("/authorized-apps").text.count("Registered itself, for <b>a program on your own device</b>") == 1
    )


@OPEN
@pytest.mark.standard("J-11")
def test_consent_names_the_hosts_and_warns_only_of_programs_on_the_device(signed_in, caller):
    page = dance.authorize(signed_in, registered(caller)).text

    assert "It leads back to <b>app.example.com</b>" in page
    assert "Any program on this device" not in page


@OPEN
@pytest.mark.standard("J-07")
def test_it_is_among_nobodys_own_apps(signed_in, caller, alice):
    stranger = registered(caller)

    assert "Fieldnotes" not in signed_in.get("/apps").text
    assert signed_in.get(f"/apps/{stranger.client.id}").status_code == 404
    assert clients.list_for(alice) == []


@pytest.mark.settings(client_registration="open", require_second_factor="nobody")
@pytest.mark.standard("J-05")
def test_an_administrator_sees_suspends_and_deletes_it(app, caller, signed_in, db):
    stranger = registered(caller)
    issued = dance.tokens(signed_in, stranger)
    browser = enter(app.test_client(), make_user("ada@example.com", admin=True))
    for path in ("", f"/{stranger.client.id}", f"/{stranger.client.id}/suspend"):
        assert "Fieldnotes" in browser.get(f"/admin/apps{path}").text

    with app.app_context():
        shutdown.suspend(clients.find(stranger.client.id), clients.Cause.ADMINISTRATOR)
        db.commit()
    assert not dance.works(caller, issued["access_token"])
    with app.app_context():
        shutdown.restore(clients.find(stranger.client.id), clients.Cause.ADMINISTRATOR)
        db.commit()
    assert dance.works(caller, issued["access_token"])
    with app.app_context():
        for _ in shutdown.delete(clients.find(stranger.client.id)):
            db.commit()
        db.commit()

    assert clients.find(stranger.client.id) is None
    assert not dance.works(caller, issued["access_token"])


@OPEN
@pytest.mark.standard("J-07")
def test_a_network_that_registers_too_often_has_to_wait(app, caller, clock, db):
    for _ in range(30):
        registered(caller)

    answer = post(caller, GOOD)

    assert (answer.status_code, answer.json["error"]) == (429, "temporarily_unavailable")
    assert 0 < int(answer.headers["Retry-After"]) <= 600
    assert count(db) == 30
    clock.move(minutes=11)
    assert post(caller, GOOD).status_code == 201


@OPEN
@pytest.mark.standard("J-07")
def test_what_nobody_uses_goes_and_what_somebody_uses_stays(caller, signed_in, alice, clock, db):
    unused, used, ended = registered(caller), registered(caller), registered(caller)
    owned = make_client(alice, confidential=False).client.id
    dance.tokens(signed_in, used)
    dance.tokens(signed_in, ended)
    left = db.scalar(select(Grant.id).where(Grant.client_id == ended.client.id))
    grants.end(left, EndReason.SIGNED_OUT)
    db.commit()

    def there():
        housekeeping.clear()
        found = set(db.scalars(select(Client.id)))
        db.rollback()
        return found

    clock.move(hours=23)
    assert there() == {unused.client.id, used.client.id, ended.client.id, owned}
    clock.move(hours=2)
    assert there() == {used.client.id, ended.client.id, owned}
    clock.move(days=31)
    assert there() == {used.client.id, owned}
    clock.move(days=160)
    assert there() == {owned}
    assert db.scalar(select(func.count()).select_from(Authorization)) == 0


@OPEN
@pytest.mark.standard("J-07", "D-06")
def test_one_that_was_removed_is_no_client_and_people_read_how_to_connect_again(caller, signed_in, clock):
    gone = registered(caller)
    clock.move(days=2)
    housekeeping.clear()

    answer = dance.post(caller, "/oauth/token", gone, grant_type="refresh_token", refresh_token="x")
    page = dance.authorize(signed_in, gone)

    assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")
    assert page.status_code == 400
    assert "connect again" in page.text
    assert "<code>invalid_client</code>" in page.text
    assert "connect again" not in signed_in.get("/oauth/authorize?client_id=x").text


@OPEN
@pytest.mark.standard("J-07")
def test_the_oldest_unused_give_way_when_there_are_too_many(caller, signed_in, monkeypatch, clock, db):
    used = registered(caller)
    dance.tokens(signed_in, used)
    monkeypatch.setattr(self_registered, "MOST_UNUSED", 3)

    made = []
    for _ in range(5):
        made.append(registered(caller).client.id)
        clock.move(seconds=1)

    assert set(db.scalars(select(Client.id))) == {used.client.id, *made[2:]}


@OPEN
@pytest.mark.standard("J-07")
def test_many_register_at_once_within_the_ceiling(app, caller, monkeypatch, db):
    monkeypatch.setattr(self_registered, "MOST_UNUSED", 5)
    barrier = threading.Barrier(16)

    def act(_):
        own = app.test_client(use_cookies=False)
        barrier.wait()
        return post(own, GOOD).status_code

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(act, range(16))) == [201] * 16
    assert count(db) <= 5 + 15
    registered(caller)

    assert count(db) <= 5


@OPEN
@pytest.mark.standard("J-07")
@pytest.mark.unnoted("others run the same lines")
def test_one_that_somebody_agrees_to_in_this_moment_is_not_removed(app, caller, alice, clock, db):
    stranger = registered(caller)
    clock.move(days=2)
    browsers = [enter(app.test_client(), alice) for _ in range(8)]
    barrier = threading.Barrier(16)

    def act(number):
        if number >= 8:
            barrier.wait()
            with app.app_context():
                self_registered.purge()
                db.commit()
                db.remove()
            return None
        page = dance.authorize(browsers[number], stranger)
        barrier.wait()
        return dance.decide(browsers[number], page)

    with ThreadPoolExecutor(16) as pool:
        answers = [answer for answer in pool.map(act, range(16)) if answer is not None]
    led = [answer for answer in answers if answer.status_code == 303 and "code=" in answer.headers["Location"]]

    assert all(answer.status_code < 500 for answer in answers)
    assert (clients.find(stranger.client.id) is not None) is bool(led)
