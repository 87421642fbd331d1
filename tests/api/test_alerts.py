"""What a secret scanner reports: believed for its signature alone, over the body as it came."""

import base64
import http.server
import json
import threading
from datetime import timedelta
from functools import partial
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from latchkey import credentials, fetching, tokens
from latchkey.credentials import Kind
from latchkey.journal import activity
from latchkey.safety import scanner_keys
from latchkey.store.session import db
from latchkey.tokens import canaries
from tests.api.calls import problem
from tests.crowd import at_once
from tests.factories import find_secret, make_token

KEY, OTHER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
URL = "https://scanner.example/keys"
# Well formed, of an algorithm that nobody knows.
STRANGE = (
    "-----BEGIN PUBLIC KEY-----\n"
    + base64.b64encode(bytes.fromhex("300c3006060453030405030200ff")).decode()
    + "\n-----END PUBLIC KEY-----\n"
)
PLACE = "https://github.com/octocat/Hello-World/blob/1234/foo/bar.txt"


def pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def document(**keys):
    return {
        "public_keys": [{"key_identifier": name, "key": pem(key), "is_current": True} for name, key in keys.items()]
    }


@pytest.fixture
def asked(monkeypatch):
    """The scanner's keys, without a network, and each time that they were asked for."""
    scanner_keys.forget()
    times = []

    def fetch(url, **_):
        times.append(url)
        return json.dumps(document(first=KEY)).encode()

    monkeypatch.setattr(fetching, "fetch", fetch)
    yield times
    scanner_keys.forget()


@pytest.fixture
def send(app, asked):
    def post(items, *, key=KEY, name="first", body=None, signature=None, hashed=SHA256, **headers):
        raw = json.dumps(items).encode() if body is None else body
        signed = base64.b64encode(key.sign(raw, ec.ECDSA(hashed()))).decode() if signature is None else signature
        given = {"Github-Public-Key-Identifier": name, "Github-Public-Key-Signature": signed} | headers
        sent = {name: value for name, value in given.items() if value is not None}
        return app.test_client().post("/v1/credentials/alerts", data=raw, content_type="application/json", headers=sent)

    return post


@pytest.mark.standard("I-11")
@pytest.mark.parametrize("other", ["", "no key", pem(ed25519.Ed25519PrivateKey.generate()), STRANGE, None, 7])
def test_a_key_of_another_kind_beside_it_spoils_no_report(send, alice, monkeypatch, other):
    """A scanner that begins to sign in a new way goes on in the old one for a while."""
    keys = document(first=KEY)
    keys["public_keys"].insert(0, {"key_identifier": "other", "key": other})
    monkeypatch.setattr(fetching, "fetch", lambda *_, **__: json.dumps(keys).encode())

    assert send([match(make_token(alice).plaintext)]).status_code == 200
    assert send([match("x")], name="other").status_code == 403


def match(token, **more):
    return {"token": token, "type": "lk_token", "url": PLACE, "source": "content"} | more


def live(plaintext):
    return tokens.find(plaintext).status == "active"


pytestmark = pytest.mark.settings(scanner_keys_url=URL)


@pytest.mark.standard("I-11")
def test_what_was_found_is_revoked_and_its_owner_told_where(send, alice, mailbox):
    token = make_token(alice).plaintext
    foreign = credentials.generate(Kind.DEVELOPER)

    answer = send([match(token), match(foreign), match("AKIA123")])

    assert answer.status_code == 200
    hashes = [base64.b64encode(sha256(text.encode()).digest()).decode() for text in (token, foreign, "AKIA123")]
    labels = ["true_positive", "false_positive", "false_positive"]
    assert answer.get_json() == [
        {"token_hash": hashed, "token_type": "lk_token", "label": label}
        for hashed, label in zip(hashes, labels, strict=True)
    ]
    assert not live(token)
    assert PLACE in mailbox.last(alice.email).text
    assert activity.list_for(alice)[0].detail["found_at"] == PLACE
    assert token not in answer.text


@pytest.mark.standard("I-11")
def test_a_canary_that_a_scanner_finds_is_one_of_ours(send, alice):
    canaries.taken()
    _, plaintext = canaries.make(alice, "In a repository")
    db.commit()

    assert [verdict["label"] for verdict in send([match(plaintext)]).json] == ["true_positive"]
    assert [use.digest for use in canaries.taken()] == [credentials.digest(plaintext)]


@pytest.mark.standard("I-11")
def test_the_same_alert_again_changes_nothing_and_is_answered_alike(send, alice, mailbox):
    token = make_token(alice).plaintext

    answers = [send([match(token)]).get_json() for _ in range(3)]

    assert answers[0] == answers[1] == answers[2]
    assert len(mailbox.letters(alice.email)) == 1


@pytest.mark.standard("I-11")
def test_client_secrets_are_taken_too(send, bob, example_client):
    assert send([match(example_client.secret)]).get_json()[0]["label"] == "true_positive"

    assert find_secret(example_client.client, example_client.secret) is None


@pytest.mark.standard("I-11")
@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "forged",
    [
        {"signature": ""},
        {"signature": "x"},
        {"signature": "AAAA"},
        {"signature": "é"},
        {"signature": "A" * 5_000},
        {"Github-Public-Key-Signature": None},
        {"Github-Public-Key-Identifier": None},
        {"key": OTHER},
        {"name": "second"},
        {"name": "n" * 5_000},
        {"hashed": SHA384},
    ],
)
def test_without_the_right_signature_nothing_happens(send, alice, forged):
    token = make_token(alice).plaintext

    problem(send([match(token)], **forged), 403, "not-signed")

    assert live(token)
    assert activity.list_for(alice) == []


@pytest.mark.standard("I-11")
def test_one_byte_changed_is_refused(send, alice):
    token = make_token(alice).plaintext
    raw = json.dumps([match(token)]).encode()
    signature = base64.b64encode(KEY.sign(raw, ec.ECDSA(SHA256()))).decode()

    problem(send(None, body=raw + b" ", signature=signature), 403, "not-signed")
    problem(send(None, body=raw.replace(b"content", b"comment"), signature=signature), 403, "not-signed")
    assert live(token)
    assert send(None, body=raw, signature=signature).status_code == 200


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "items",
    [{}, [], "x", None, 7, [None], ["x"], [{}], [{"token": 1, "type": "x"}], [{"token": "x"}], [match("x")] * 1_001],
)
def test_what_is_signed_and_makes_no_sense_is_refused_as_a_whole(send, alice, items):
    problem(send(items), 422, "wrong-fields")


@pytest.mark.parametrize("body", [b"", b"[", b"\xff", b"[" * 50_000])
def test_what_is_no_json_is_refused(send, body):
    problem(send(None, body=body), 400, "not-json")


def test_one_bad_match_keeps_the_others_from_being_taken(send, alice):
    token = make_token(alice).plaintext

    problem(send([match(token), {"token": "x" * 2_000, "type": "t"}]), 422, "wrong-fields")

    assert live(token)


@pytest.mark.parametrize(
    "place", ["", None, "javascript:alert(1)", "http://a\r\nBcc: x", "https://a.example/ x", "Ünï"]
)
def test_an_address_that_no_letter_may_name_is_left_out_of_it(send, alice, mailbox, place):
    token = make_token(alice).plaintext

    assert send([match(token, url=place)]).status_code == 200

    assert "Found at" not in mailbox.last(alice.email).text


@pytest.mark.settings(scanner_keys_url=None)
def test_where_no_keys_are_configured_there_is_no_such_call(send, asked, alice):
    token = make_token(alice).plaintext

    problem(send([match(token)]), 404, "not-found")

    assert live(token)
    assert asked == []


@pytest.mark.standard("J-09", "A-07")
def test_strangers_do_not_make_us_ask_for_keys_again_and_again(send, asked, clock):
    for number in range(60):
        send([], name=f"stranger-{number}")
    send([match("x")])
    clock.move(minutes=6)
    for number in range(60):
        send([], name=f"stranger-{number}")

    assert asked == [URL] * 2


def test_strangers_at_once_make_one_question(send, asked):
    at_once(*(partial(send, [], name=f"stranger-{number}") for number in range(8)))

    assert asked == [URL]


def test_known_keys_count_while_the_scanner_is_away_and_not_for_ever(send, asked, clock, monkeypatch):
    assert send([match("x")]).status_code == 200

    def away(_url, **_):
        raise fetching.NotFetched("away")

    monkeypatch.setattr(fetching, "fetch", away)
    clock.move(hours=23)
    assert send([match("x")]).status_code == 200
    clock.move(hours=2)
    problem(send([match("x")]), 403, "not-signed")


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "answered",
    [
        b"",
        b"[]",
        b"{}",
        b'{"public_keys": 1}',
        b'{"public_keys": [1]}',
        b'{"public_keys": [{"key": "x"}]}',
        b"[" * 60_000,
    ],
)
def test_an_answer_that_holds_no_keys_is_no_fault(send, monkeypatch, answered):
    monkeypatch.setattr(fetching, "fetch", lambda _url, **_: answered)

    problem(send([match("x")]), 403, "not-signed")


def test_keys_of_another_kind_are_passed_over(send, monkeypatch):
    others = {"ed": ed25519.Ed25519PrivateKey.generate(), "big": ec.generate_private_key(ec.SECP384R1()), "first": KEY}
    monkeypatch.setattr(fetching, "fetch", lambda _url, **_: json.dumps(document(**others)).encode())

    assert send([match("x")]).status_code == 200
    problem(send([match("x")], key=others["big"], name="big"), 403, "not-signed")


def test_alerts_are_throttled_by_address(send):
    answers = {send([], signature="x").status_code for _ in range(130)}

    assert answers == {403, 429}


@pytest.mark.settings(scanner_keys_url=None)
def test_it_is_fetched_for_real_from_this_machine_while_developing(app, alice, settings, monkeypatch):
    class Scanner(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(document(first=KEY)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    scanner_keys.forget()
    raw = json.dumps([match("x")]).encode()
    signature = base64.b64encode(KEY.sign(raw, ec.ECDSA(SHA256()))).decode()
    with http.server.HTTPServer(("127.0.0.1", 0), Scanner) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/keys"

        assert scanner_keys.signed(url, "first", signature, raw)
        server.shutdown()
    scanner_keys.forget()


def test_the_longest_known_is_bounded():
    assert timedelta(hours=1) <= scanner_keys.KEPT <= timedelta(days=1)
