"""A hostile provider, and people who take what is another's: nobody comes in, and nothing is made."""

import base64
import contextlib
import hmac
import json
import threading
import time
from datetime import timedelta
from functools import partial
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from joserfc import jwt
from joserfc.jwk import RSAKey
from sqlalchemy import func, select

from latchkey import clock, origin
from latchkey.accounts import limits
from latchkey.accounts.sessions import BrowserSession
from latchkey.accounts.upstream.identities import Identity
from latchkey.accounts.users import User
from latchkey.origin import Origin
from latchkey.store.session import db
from latchkey.upstream import provider as known
from latchkey.values import Limit
from tests import pages
from tests.crowd import at_once
from tests.portal.auth.upstream.conftest import ADA, Person
from tests.portal.auth.upstream.provider import CLIENT_ID, key, unsigned

pytestmark = pytest.mark.standard("L-13")


def nothing_was_made() -> bool:
    return not any(db.scalar(select(func.count()).select_from(record)) for record in (User, Identity, BrowserSession))


def now() -> int:
    return int(clock.now().timestamp())


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "x" * 43},
        {"nonce": ""},
        {"nonce": None},
        {"nonce": 7},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": [CLIENT_ID, "another"]},
        {"aud": [CLIENT_ID, "another"], "azp": "another"},
        {"aud": CLIENT_ID, "azp": "another"},
        {"aud": 7},
        {"aud": []},
        {"exp": 1},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": 1},
        {"iat": 2**40},
        {"iat": 1e400},
        {"iat": None},
        {"nbf": 2**40},
        {"sub": ""},
        {"sub": 7},
        {"sub": None},
        {"sub": "x" * 256},
        {"sub": "a\0b"},
        {"at_hash": "wrong"},
        {"at_hash": ["x"]},
        {"amr": "mfa"},
        {"auth_time": "now"},
        {"events": {}},
    ],
    ids=str,
)
def test_an_id_token_that_is_not_for_this_sign_in(acme, person, claims):
    told = {name: value for name, value in claims.items() if value is not None}
    left_out = claims.keys() - told.keys()
    acme.sign = lambda said: acme.signed({name: value for name, value in said.items() if name not in left_out})

    answer = person.sign_in(**told)

    assert answer.status_code == 403
    assert "does not belong to this sign-in" in answer.text
    assert nothing_was_made()


def test_one_of_a_moment_ago_and_a_clock_that_is_a_little_off_are_taken(acme, person, another):
    assert person.sign_in(exp=now() - 60, iat=now() - 120).status_code == 303
    assert another.sign_in(iat=now() + 60, nbf=now() + 60, auth_time=now() + 60).status_code == 303


FORGED = {
    "no signature": lambda acme, claims: unsigned(claims),
    "the secret that we share": lambda acme, claims: _hmac(claims, "a secret: with % and +"),
    "the public key as a secret": lambda acme, claims: _hmac(claims, key("first").as_pem(private=False).decode()),
    "a key of nobody": lambda acme, claims: jwt.encode({"alg": "RS256", "kid": "first"}, claims, key("thief")),
    "a key that it carries": lambda acme, claims: jwt.encode(
        {"alg": "RS256", "jwk": key("thief").as_dict(private=False)}, claims, key("thief")
    ),
    "another algorithm": lambda acme, claims: jwt.encode(
        {"alg": "RS512", "kid": "first"}, claims, RSAKey.import_key(_bare(key("first"))), algorithms=["RS512"]
    ),
    "something critical": lambda acme, claims: _critical(claims),
    "two dots": lambda acme, claims: "..",
    "an object": lambda acme, claims: {"a": 1},
    "nothing": lambda acme, claims: None,
    "very much": lambda acme, claims: "x" * 200_000,
    "a list": lambda acme, claims: acme.signed(claims).partition(".")[0] + ".W10." + "x" * 342,
}


def _bare(signing: RSAKey) -> dict[str, str]:
    """The key without what it says it is for."""
    return {name: value for name, value in signing.as_dict(private=True).items() if name not in ("alg", "use")}


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def _joined(*parts: object) -> str:
    return ".".join(_encoded(json.dumps(part).encode()) for part in parts)


def _hmac(claims, secret: str) -> str:
    signed = _joined({"alg": "HS256", "kid": "first"}, claims)
    return f"{signed}.{_encoded(hmac.digest(secret.encode(), signed.encode(), 'sha256'))}"


def _critical(claims) -> str:
    """Signed well, with something in its header that must be understood."""
    head = {"alg": "RS256", "kid": "first", "crit": ["zzz"], "zzz": 1}
    signed = _joined(head, claims)
    signature = key("first").private_key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_encoded(signature)}"


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("forged", FORGED)
def test_a_signature_that_is_not_the_upstreams(acme, person, forged):
    acme.sign = lambda claims: FORGED[forged](acme, claims)
    acme.metadata["id_token_signing_alg_values_supported"] = ["RS256", "HS256", "none"]

    assert person.sign_in().status_code == 403
    assert nothing_was_made()


def test_a_code_or_state_that_was_used_opens_nothing_again(acme, person, another):
    back = acme.approve(person.leave(), **ADA)
    cookie = person.client.get_cookie("upstream")
    assert person.client.get(back).status_code == 303

    once_more = person.client.get(back)
    person.client.set_cookie("upstream", cookie.value)
    with_the_cookie = person.client.get(back)

    assert (once_more.status_code, with_the_cookie.status_code) == (400, 403)
    assert db.scalar(select(func.count()).select_from(BrowserSession)) == 1


def test_what_another_browser_began_opens_nothing_here(acme, person, another):
    """Login CSRF: a thief's own answer, in the browser of somebody else."""
    theirs = acme.approve(another.leave(), **ADA)
    person.leave()

    assert person.client.get(theirs).status_code == 400
    assert nothing_was_made()


@pytest.mark.parametrize(
    "change",
    [
        {"state": "x" * 43},
        {"state": ""},
        {"iss": "https://evil.example"},
        {"iss": ""},
        {"iss": None},
        {"code": "another"},
        {"code": "x" * 5_000},
    ],
    ids=str,
)
def test_an_answer_that_is_not_the_one_that_was_asked_for(acme, person, change):
    path, _, query = acme.approve(person.leave(), **ADA).partition("?")
    sent = {name: values[0] for name, values in parse_qs(query).items()} | change

    answer = person.client.get(f"{path}?{urlencode({k: v for k, v in sent.items() if v is not None})}")

    assert answer.status_code in (303, 400, 403)
    assert nothing_was_made()
    if "iss" in change:
        # RFC 9207: the code was taken to nobody.
        assert not acme.asked("/token")


def test_a_parameter_that_comes_twice_counts_for_nothing(acme, person):
    back = acme.approve(person.leave(), **ADA)

    for name in ("state", "code", "iss"):
        person.client.get(f"{back}&{name}={parse_qs(urlsplit(back).query)[name][0]}")

    assert nothing_was_made()


def test_a_sign_in_that_took_too_long_is_none(acme, person, clock):
    address = person.leave()
    clock.move(minutes=11)

    assert person.come_back(address, **ADA).status_code == 400
    assert nothing_was_made()


def test_a_code_without_its_verifier_is_worth_nothing(acme, person, another):
    stolen = parse_qs(urlsplit(acme.approve(another.leave(), **ADA)).query)["code"][0]
    mine = parse_qs(urlsplit(person.leave()).query)["state"][0]

    back = urlencode({"code": stolen, "state": mine, "iss": acme.issuer})

    assert person.client.get(f"/login/oidc/callback?{back}").status_code == 403
    assert nothing_was_made()


@pytest.mark.standard("P-06")
def test_what_the_upstream_says_of_a_fault_stands_in_no_answer(acme, person):
    back = acme.approve(person.leave(), **ADA)
    acme.codes.clear()

    answer = person.client.get(back)

    assert answer.status_code == 403
    assert "secret detail" not in answer.text


SAID = {
    "another issuer": {"issuer": "https://evil.example"},
    "none": {"issuer": None},
    "a slash": {"issuer": "/"},
    "keys elsewhere, by http": {"jwks_uri": "http://192.0.2.1/keys"},
    "a file": {"token_endpoint": "file:///etc/passwd"},
    "a user": {"token_endpoint": "http://a@127.0.0.1/"},
    "no place to go": {"authorization_endpoint": None},
    "no place at all": {"authorization_endpoint": ["x"]},
    "only secrets": {"id_token_signing_alg_values_supported": ["HS256", "none"]},
    "no algorithm": {"id_token_signing_alg_values_supported": "RS256"},
}


@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("said", SAID)
def test_a_document_that_is_not_the_upstreams_leads_nowhere(acme, person, said):
    acme.metadata |= SAID[said]

    answer = person.client.get("/login/oidc?next=/tokens")

    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert "Nothing was done, and nothing is lost" in answer.text
    assert 'href="/login/oidc?next=/tokens"' in answer.text


BODIES = {
    "no JSON": (200, "application/json", b"<html>"),
    "a page": (200, "text/html", b"{}"),
    "a list": (200, "application/json", b"[]"),
    "twice": (200, "application/json", b'{"issuer": "a", "issuer": "b"}'),
    "deep": (200, "application/json", b'{"a":' * 5_000),
    "large": (200, "application/json", b'{"a": "' + b"x" * 300_000 + b'"}'),
    "led on": (302, "application/json", b"{}"),
    "broken": (500, "text/plain", b"oops"),
}


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("path", ["/keys", "/userinfo", "/token", "/.well-known/openid-configuration"])
@pytest.mark.parametrize("body", BODIES)
def test_an_answer_that_cannot_be_read_is_told_as_one(acme, person, path, body):
    acme.instead[path] = lambda _: BODIES[body]

    answer = person.client.get("/login/oidc")
    if answer.status_code == 303:
        answer = person.client.get(acme.approve(answer.location, subject="ada"))

    assert answer.status_code in (403, 503)
    assert nothing_was_made()


def test_one_that_is_away_is_told_at_once_and_the_others_do_not_wait_for_it(acme, client, monkeypatch):
    monkeypatch.setattr(known, "SECONDS", 0.4)
    monkeypatch.setattr(known, "PAUSE", 600.0)
    acme.instead["/.well-known/openid-configuration"] = lambda _: time.sleep(1)

    answers = [client.get("/login/oidc").status_code for _ in range(4)]

    assert answers == [503] * 4
    assert acme.asked("/.well-known/openid-configuration") == 1
    assert client.get("/login").status_code == 200


def test_bytes_that_drip_in_end_at_the_deadline(acme, client, monkeypatch):
    monkeypatch.setattr(known, "SECONDS", 0.4)

    def drip(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.end_headers()
        for _ in range(1000):
            handler.wfile.write(b" ")
            time.sleep(0.05)

    acme.instead["/.well-known/openid-configuration"] = drip

    began = time.monotonic()
    assert client.get("/login/oidc").status_code == 503
    assert time.monotonic() - began < 20


@pytest.mark.standard("L-05")
def test_one_site_of_ipv6_takes_no_place_of_others(acme, app):
    def come(address: str) -> bool:
        origin.current.set(Origin(address, "", ""))
        with contextlib.suppress(known.Away):
            places.enter_context(known.conversation())
            return True
        return False

    before = origin.current.get()
    with contextlib.ExitStack() as places:
        places.callback(origin.current.set, before)
        site = [come(f"2001:db8:1:{number}::7") for number in range(known.MOST_WAITING)]
        beside = come("2001:db8:2::7")

    assert sum(site) == known.MOST_OF_SITE
    assert beside


@pytest.mark.standard("L-05")
def test_no_more_than_a_few_wait_for_it_and_of_one_network_fewer(acme, app, monkeypatch):
    monkeypatch.setattr(known, "SECONDS", 60.0)
    hold, waiting = threading.Event(), threading.Semaphore(0)

    def slow(_):
        waiting.release()
        hold.wait(60)

    acme.instead["/.well-known/openid-configuration"] = slow
    threads = []

    def come(number: int, network: int) -> None:
        for _ in range(number):
            there = {"environ_base": {"REMOTE_ADDR": f"198.51.{network}.7"}}
            threads.append(threading.Thread(target=app.test_client().get, args=("/login/oidc",), kwargs=there))
            threads[-1].start()
        until = time.monotonic() + 60
        while len(known._waiting) < len(threads):
            assert time.monotonic() < until
            time.sleep(0.01)

    come(known.MOST_OF_NETWORK, 1)
    waiting.acquire(timeout=60)
    refused = [app.test_client().get("/login/oidc", environ_base={"REMOTE_ADDR": "198.51.1.7"})]
    # Somebody else waits beside them, until there are too many of all.
    come(known.MOST_OF_NETWORK, 2)
    come(known.MOST_WAITING - 2 * known.MOST_OF_NETWORK, 3)
    refused.append(app.test_client().get("/login/oidc", environ_base={"REMOTE_ADDR": "198.51.9.7"}))

    hold.set()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in refused] == [503, 503]
    assert known._waiting == []


class TestKeys:
    def test_a_new_key_is_found_and_asked_for_once_in_a_while(self, acme, person, another, monkeypatch):
        assert person.sign_in().status_code == 303
        acme.kid, acme.listed = "second", ["first", "second"]
        monkeypatch.setattr(known, "KEYS_PAUSE", 0.0)

        assert another.sign_in().status_code == 303
        assert acme.asked("/keys") == 2

    def test_made_up_names_of_keys_make_us_ask_nobody(self, acme, app):
        Person(app.test_client(), acme).sign_in()
        for number in range(3):
            acme.sign = lambda claims, kid=f"made-up-{number}": acme.signed(claims, kid=kid)
            assert Person(app.test_client(), acme).sign_in().status_code == 403

        assert acme.asked("/keys") == 1

    @pytest.mark.parametrize("listed", [[], ["thief"]])
    def test_a_key_that_was_taken_away_signs_nothing(self, acme, person, another, monkeypatch, listed):
        person.sign_in()
        acme.listed = listed
        monkeypatch.setattr(known, "FRESH", 0.0)

        assert another.sign_in().status_code == 403


def test_one_state_sent_sixteen_times_at_once_opens_one_session(acme, person, app, monkeypatch):
    back = acme.approve(person.leave(), **ADA)
    cookie = person.client.get_cookie("upstream").value
    for most in ("MOST_WAITING", "MOST_OF_NETWORK", "MOST_OF_SITE"):
        monkeypatch.setattr(known, most, 16)

    def send():
        browser = app.test_client()
        browser.set_cookie("upstream", cookie)
        return browser.get(back).status_code

    statuses = at_once(*[send] * 16)

    assert sorted(set(statuses)) == [303, 403]
    assert statuses.count(303) == 1
    assert db.scalar(select(func.count()).select_from(BrowserSession)) == 1


def test_two_tabs_of_somebody_new_make_one_account(acme, app, monkeypatch):
    backs = []
    for _ in range(8):
        someone = Person(app.test_client(), acme)
        backs.append((someone.client, acme.approve(someone.leave(), **ADA)))
    for most in ("MOST_WAITING", "MOST_OF_NETWORK", "MOST_OF_SITE"):
        monkeypatch.setattr(known, most, 16)

    answers = at_once(*(partial(browser.get, back) for browser, back in backs))

    assert [answer.status_code for answer in answers] == [303] * 8
    assert db.scalar(select(func.count()).select_from(User)) == 1


@pytest.mark.standard("L-05")
def test_made_up_codes_do_not_have_the_upstream_shut_this_portal_out(acme, person, another, monkeypatch):
    monkeypatch.setattr(limits, "NETWORK", (Limit(2, timedelta(minutes=1)),))
    state = parse_qs(urlsplit(person.leave()).query)["state"][0]
    made_up = urlencode({"code": "made up", "state": state, "iss": acme.issuer})
    asked = acme.asked("/token")

    answers = [person.client.get(f"/login/oidc/callback?{made_up}").status_code for _ in range(4)]

    assert (answers, acme.asked("/token") - asked) == ([403, 403, 429, 429], 2)
    elsewhere = {"REMOTE_ADDR": "198.51.100.7"}
    for _ in range(3):
        back = acme.approve(another.leave(), **ADA)
        assert another.client.get(back, environ_overrides=elsewhere).location == "/"
        pages.submit(another.client, "/logout", form="/settings")


@pytest.mark.standard("L-05")
def test_an_upstream_that_is_away_uses_up_nobodys_tries(acme, person, monkeypatch):
    monkeypatch.setattr(limits, "NETWORK", (Limit(1, timedelta(minutes=1)),))
    acme.instead["/token"] = lambda _asked: (502, "text/plain", b"")

    for _ in range(2):
        assert person.sign_in().status_code == 503
    acme.instead.clear()

    assert person.sign_in().location == "/"
