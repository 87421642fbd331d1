"""Apps that prove themselves by a key of their own (RFC 7523, D-15): every field of what they sign, attacked."""

import contextlib
import hmac
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from urllib.parse import urlsplit

import pytest
from sqlalchemy import func, select

from latchkey import clients, fetching
from latchkey.clients import asking
from latchkey.clients.keys import assertions, changing, proving, sets
from latchkey.clients.keys import record as key_records
from latchkey.clients.keys.record import UsedAssertion
from latchkey.fetching import Answer, NotFetched, bounded
from latchkey.journal import refusals
from latchkey.oversight import apps as oversight
from latchkey.oversight import policies
from latchkey.store.session import db as records
from latchkey.values import Limit
from latchkey.worker import housekeeping
from tests import factories
from tests.oauth import dance, hosts, signing
from tests.oauth.conftest import enter
from tests.oauth.signing import Pair, encoded

pytestmark = pytest.mark.standard("D-15")
GRANT = {"grant_type": "client_credentials"}
DAY = 86_400


@pytest.fixture
def keyed(alice, pair):
    """Alice's app, which has keys in place of a secret."""
    return give(factories.make_client(alice, scopes=["account:read", "apps:read"], device_flow=True), pair)


def give(registered, *pairs):
    client = factories.give_keys(registered.client, signing.key_set(*pairs))
    return registered._replace(client=client, secret=None)


def send(caller, form, path="/oauth/token"):
    return caller.post(path, data=GRANT | form if path == "/oauth/token" else form)


def reason(app):
    found = refusals.list_for(app.client)[0].reason
    records.rollback()
    return found


@pytest.mark.standard("D-03", "G-02")
@pytest.mark.parametrize("algorithm", signing.ALGORITHMS)
def test_each_algorithm_proves_the_app_at_each_endpoint(signed_in, caller, alice, algorithm):
    pair = Pair(algorithm=algorithm)
    app = give(factories.make_client(alice, device_flow=True), pair)
    name = app.client.id

    issued = send(caller, pair.proof(name)).json
    looked = send(caller, pair.proof(name) | {"token": issued["access_token"]}, "/oauth/introspect").json
    begun = send(caller, pair.proof(name), "/oauth/device_authorization").json
    ended = send(caller, pair.proof(name) | {"token": issued["access_token"]}, "/oauth/revoke")

    assert looked["active"] is True
    assert begun["user_code"]
    assert ended.status_code == 200
    assert not dance.works(caller, issued["access_token"])
    metadata = caller.get("/.well-known/oauth-authorization-server").json
    for endpoint in ("token", "revocation", "introspection"):
        assert metadata[f"{endpoint}_endpoint_auth_signing_alg_values_supported"] == list(signing.ALGORITHMS)
        assert "private_key_jwt" in metadata[f"{endpoint}_endpoint_auth_methods_supported"]


def test_the_whole_code_flow_with_keys(signed_in, caller, keyed, pair):
    name = keyed.client.id
    code = dance.code(signed_in, keyed)
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": factories.CALLBACK}
    fields["code_verifier"] = dance.VERIFIER

    issued = caller.post("/oauth/token", data=fields | pair.proof(name)).json
    again = {"grant_type": "refresh_token", "refresh_token": issued["refresh_token"]}
    renewed = caller.post("/oauth/token", data=again | pair.proof(name) | {"client_id": name}).json

    assert dance.works(caller, renewed["access_token"])


HUGE = "x" * 300
CLAIMS = [
    *(("iss", value) for value in (None, "", 7, ["x"], "app_other", HUGE)),
    *(("sub", value) for value in (None, "", 7, ["x"], "app_other", HUGE * 20)),
    *(("aud", value) for value in (None, "", 7, [], {}, "http://localhost/", "https://other.example")),
    *(("jti", value) for value in (None, "", 7, ["x"], HUGE, True)),
    *(("exp", value) for value in (None, "soon", True, [], 0, -1, 1e300, 10**400, "9" * 20)),
    *(("nbf", value) for value in ("x", True, [], -5, 10**400, 1e300)),
    *(("iat", value) for value in ("x", True, [], -(10**400), 10**400)),
]


def test_each_claim_that_is_wrong_proves_nobody_and_says_why_to_the_owner_alone(caller, keyed, pair, monkeypatch):
    monkeypatch.setattr("oauth.protocol.parties.PER_CLIENT", ())
    name, answers = keyed.client.id, set()
    issuer = "http://localhost"
    for claim, value in [*CLAIMS, ("aud", f"{issuer}/oauth/token"), ("aud", [issuer]), ("aud", [issuer, "x"])]:
        answer = send(caller, pair.proof(name, **{claim: value}))
        assert answer.status_code == 401, (claim, value, answer.text)
        answers.add((answer.json["error"], answer.json["error_description"]))
    assert len(answers) == 1
    assert send(caller, pair.proof(name)).status_code == 200


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "change, why",
    [
        ({"aud": "https://other.example"}, "the aud of the assertion is not this server's issuer alone, as one text"),
        ({"exp": 1}, "the assertion is over: its exp has passed"),
        ({"jti": None}, "the jti of the assertion is no text of 1 to 256 characters"),
        ({"header": {"kid": "other"}}, "no key of the app has the kid and alg that the assertion names"),
        ({"signed_with": lambda _: b"x" * 64}, "the signature of the assertion is wrong"),
    ],
)
def test_the_owner_reads_why(caller, keyed, pair, change, why):
    assert send(caller, pair.proof(keyed.client.id, **change)).status_code == 401

    assert reason(keyed) == why


@pytest.mark.parametrize(
    "moments, taken",
    [
        ((60, 0, 0), True),
        ((300, 0, None), True),
        ((329, None, None), True),
        ((340, None, None), False),
        ((301, 0, None), False),
        ((-29, -60, None), True),
        ((-31, -60, None), False),
        ((60, 29, None), True),
        ((60, 35, None), False),
        ((60, None, 29), True),
        ((60, None, 35), False),
        ((10, -DAY, None), False),
        ((60.5, 0.25, 0), True),
    ],
)
def test_it_lives_for_5_minutes_at_most_and_clocks_are_off_by_30_seconds_at_most(
    caller, keyed, pair, *, moments, taken, clock
):
    now = clock.now().timestamp()
    stated = dict(zip(("exp", "iat", "nbf"), moments, strict=True))
    claims = {name: None if value is None else now + value for name, value in stated.items()}

    assert (send(caller, pair.proof(keyed.client.id, **claims)).status_code == 200) is taken


HEADERS = [
    *({"alg": value} for value in ("none", "None", "", "HS256", "HS512", "ES384", "RS512", "ES256K", "Ed448", "es256")),
    *({"alg": value} for value in (None, 7, ["ES256"], {}, "x" * 300, "RS256", "PS256", "EdDSA")),
    *({"crit": value} for value in (["exp"], [], "b64", ["b64"])),
    *({"typ": value} for value in ("at+jwt", "logout+jwt", "JOSE", 7, "")),
    *({"kid": value} for value in (7, ["one"], "x" * 300, "", "two")),
]


def test_no_other_algorithm_and_nothing_critical_is_taken(caller, keyed, pair, monkeypatch):
    monkeypatch.setattr("oauth.protocol.parties.PER_CLIENT", ())
    for header in HEADERS:
        assert send(caller, pair.proof(keyed.client.id, header=header)).status_code == 401, header


@pytest.mark.parametrize("kind", ["jwt", "client-authentication+jwt", "application/JWT", None])
def test_these_types_are_taken(caller, keyed, pair, kind):
    assert send(caller, pair.proof(keyed.client.id, header={"typ": kind})).status_code == 200


def test_a_public_key_is_no_secret_to_sign_with(caller, alice):
    """The attack on libraries that let the header choose: HMAC by the text of a key that everybody knows."""
    pair = Pair(algorithm="RS256")
    app = give(factories.make_client(alice), pair)
    texts = (pair.key.as_pem(private=False), json.dumps(pair.public).encode(), pair.public["n"].encode())
    for text in texts:
        mac = partial(hmac.digest, text, digest="sha256")
        for algorithm in ("HS256", "RS256"):
            proof = pair.proof(app.client.id, header={"alg": algorithm}, signed_with=mac)
            assert send(caller, proof).status_code == 401


def test_keys_that_come_with_it_are_not_looked_at(caller, keyed, pair, host):
    mallory = Pair(kid="one")
    address = f"http://127.0.0.1:{host.port}/keys.json"
    host.document = json.loads(signing.key_set(mallory))
    for header in ({"jwk": mallory.public}, {"jku": address}, {"x5u": address}, {"x5c": ["MIIB"]}):
        assert send(caller, mallory.proof(keyed.client.id, header=header)).status_code == 401
        # Nor do they hinder whoever signs with the right one.
        assert send(caller, pair.proof(keyed.client.id, header=header)).status_code == 200
    assert host.asked == []


def test_what_is_no_signed_token_proves_nobody(caller, keyed, pair):
    name = keyed.client.id
    good = pair.assertion(name)
    head, body, signature = good.split(".")
    twice = encoded(f'{{"alg":"ES256","kid":"one","sub":"{name}","sub":"{name}"}}'.encode())
    texts = [
        *(
            "x",
            ".",
            "..",
            "...",
            f"{head}.{body}.",
            f"{head}.{body}",
            f".{body}.{signature}",
            f"{good}.x.y",
            f"{good}=",
        ),
        *(f" {good}", f"{good}\n", good.replace(".", ".\u00e9"), "x" * 9_000, "x." * 20_000),
        *(pair.signed(encoded([1]), body), pair.signed(head, encoded("x")), pair.signed(head, encoded(b"\xff"))),
        *(pair.signed(twice, body), pair.signed(head, twice), pair.signed(head, encoded(b"[" * 5_000))),
        *(pair.signed(head, encoded(b'{"exp": NaN}')), pair.signed(head, encoded(b'{"exp": ' + b"9" * 5_000 + b"}"))),
        f"{head}.{body}.{signature[:-4]}AAAA",
    ]
    for text in texts:
        form = {"client_assertion_type": signing.JWT_BEARER, "client_assertion": text}
        assert send(caller, form | {"client_id": name}).status_code in (400, 401), text[:60]
        assert send(caller, form).status_code in (400, 401)
    assert send(caller, {"client_assertion_type": signing.JWT_BEARER, "client_assertion": good}).status_code == 200


@pytest.mark.standard("D-02", "D-04")
def test_the_fields_around_it(caller, keyed, pair, alice):
    name, other = keyed.client.id, factories.make_client(alice, name="Other")
    proof = pair.proof(name)
    refused = [
        ({"client_id": other.client.id}, 400, "invalid_request"),
        ({"client_secret": other.secret}, 400, "invalid_request"),
        ({"client_assertion_type": ""}, 401, "invalid_client"),
        ({"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}, 401, "invalid_client"),
        ({"client_assertion": ""}, 401, "invalid_client"),
    ]
    for change, status, error in refused:
        answer = send(caller, proof | change)
        assert (answer.status_code, answer.json["error"]) == (status, error), change
    basic = dance.basic(other.client.id, other.secret)
    assert caller.post("/oauth/token", data=GRANT | proof, headers=basic).status_code == 400
    doubled = "&".join(f"{k}={v}" for k, v in [*GRANT.items(), *proof.items(), *proof.items()]).replace(":", "%3A")
    form = "application/x-www-form-urlencoded"
    assert caller.post("/oauth/token", data=doubled, content_type=form).status_code == 400
    hidden = "&".join(f"{k}={v}" for k, v in [*GRANT.items(), *proof.items()]).replace(
        "client_assertion=", "client%5Fassertion="
    )
    answer = caller.post("/oauth/token", data=hidden, content_type=form)
    assert answer.json["error_description"] == "Write the name client_assertion without escapes."
    # None of all these used it up.
    assert send(caller, proof).status_code == 200


@pytest.mark.standard("D-03")
def test_each_app_by_its_own_way_and_no_other(caller, keyed, pair, alice):
    secret = factories.make_client(alice, name="With a secret")
    public = factories.make_client(alice, name="Public", confidential=False)
    name = keyed.client.id

    for app in (secret, public):
        assert send(caller, pair.proof(app.client.id)).status_code == 401
    for headers, fields in (
        (dance.basic(name, secret.secret), {}),
        ({}, {"client_id": name}),
        ({}, {"client_id": name, "client_secret": secret.secret}),
    ):
        for path in ("/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/device_authorization"):
            form = GRANT | fields | {"token": "x"}
            assert caller.post(path, data=form, headers=headers).status_code == 401, path
    assert reason(keyed) == "no client_assertion was sent, and the app proves itself by its keys"


def used():
    found = records.scalar(select(func.count()).select_from(UsedAssertion))
    records.rollback()
    return found


def test_each_is_used_once_and_forgotten_when_it_would_not_be_taken_any_more(caller, keyed, pair, clock, app):
    proof = pair.proof(keyed.client.id)

    assert send(caller, proof).status_code == 200
    assert send(caller, proof).status_code == 401
    assert reason(keyed) == "the assertion was used before: each needs a jti of its own"
    assert send(caller, pair.proof(keyed.client.id, jti="x")).status_code == 200
    assert send(caller, pair.proof(keyed.client.id, jti="x", exp=int(clock.now().timestamp()) + 61)).status_code == 401
    assert used() == 2
    with app.app_context():
        housekeeping.clear()
    assert used() == 2
    clock.move(seconds=120)
    with app.app_context():
        housekeeping.clear()
    assert used() == 0
    assert send(caller, proof).status_code == 401


def test_what_strangers_sign_uses_nothing_up_and_another_app_may_use_the_same_name(caller, keyed, pair, alice):
    other = Pair(kid="one")
    second = give(factories.make_client(alice, name="Other"), other)

    assert send(caller, other.proof(keyed.client.id, jti="same")).status_code == 401
    assert used() == 0
    assert send(caller, other.proof(second.client.id, jti="same")).status_code == 200
    assert send(caller, pair.proof(keyed.client.id, jti="same")).status_code == 200


def test_of_two_at_once_one_is_taken(app, keyed, pair):
    proof, barrier = pair.proof(keyed.client.id), threading.Barrier(8)

    def act(_):
        caller = app.test_client(use_cookies=False)
        barrier.wait()
        return send(caller, proof).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(act, range(8)))

    assert answers == [200, *[401] * 7]
    assert used() == 1


def test_an_app_has_so_many_assertions_that_are_not_over(caller, keyed, pair, monkeypatch, clock):
    monkeypatch.setattr(assertions, "MOST_USED", 3)
    for _ in range(3):
        assert send(caller, pair.proof(keyed.client.id)).status_code == 200

    answer = send(caller, pair.proof(keyed.client.id))

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")
    clock.move(seconds=100)
    assert send(caller, pair.proof(keyed.client.id)).status_code == 200
    assert used() == 1


@pytest.mark.standard("D-08")
def test_wrong_ones_are_counted_and_the_right_one_always_passes(caller, keyed, pair):
    wrong = [send(caller, Pair().proof(keyed.client.id)).status_code for _ in range(22)]

    assert wrong == [401] * 20 + [429] * 2
    assert send(caller, pair.proof(keyed.client.id)).status_code == 200


def test_a_key_that_was_rotated_out_opens_nothing_from_the_next_call_on(caller, keyed, pair):
    new = Pair(kid="two")
    give(keyed, pair, new)
    assert send(caller, pair.proof(keyed.client.id)).status_code == 200
    assert send(caller, new.proof(keyed.client.id)).status_code == 200

    give(keyed, new)

    assert send(caller, pair.proof(keyed.client.id)).status_code == 401
    assert send(caller, pair.proof(keyed.client.id, header={"kid": "two"})).status_code == 401
    assert send(caller, new.proof(keyed.client.id)).status_code == 200


def test_without_a_kid_the_only_key_that_fits_is_meant(caller, keyed, pair):
    assert send(caller, pair.proof(keyed.client.id, header={"kid": None})).status_code == 200
    give(keyed, pair, Pair(kid="two"))
    assert send(caller, pair.proof(keyed.client.id, header={"kid": None})).status_code == 401
    give(keyed, pair, Pair(kid="two", algorithm="EdDSA"))
    assert send(caller, pair.proof(keyed.client.id, header={"kid": None})).status_code == 200


def test_a_key_is_for_the_algorithm_that_it_names(caller, alice):
    pair = Pair(algorithm="PS256")
    app = give(factories.make_client(alice), pair)
    pair.algorithm = "RS256"

    assert send(caller, pair.proof(app.client.id)).status_code == 401


PRIVATE = Pair().key.as_dict(private=True)
GOOD = Pair().public
SETS = [
    ("", "no JSON object"),
    ("[]", "no JSON object"),
    ('{"keys": [], "keys": []}', "a name comes twice"),
    ("{}", "an object with a list"),
    ('{"keys": "x"}', "an object with a list"),
    ('{"keys": ["x"]}', "an object with a list"),
    ('{"keys": []}', "No key in it can be used"),
    (json.dumps({"keys": [PRIVATE]}), "private or symmetric"),
    (json.dumps({"keys": [GOOD, {"kty": "oct", "k": "AAAA"}]}), "private or symmetric"),
    (json.dumps(PRIVATE), "private or symmetric"),
    (json.dumps({"keys": [GOOD] * 2}), "the same kid"),
    (json.dumps({"keys": [GOOD] * 21}), "at most 20"),
    (json.dumps({"keys": [GOOD | {"use": "enc"}]}), "No key in it can be used"),
    (json.dumps({"keys": [GOOD | {"key_ops": ["sign"]}]}), "No key in it can be used"),
    (json.dumps({"keys": [GOOD | {"alg": "RS256"}]}), "No key in it can be used"),
    (json.dumps({"keys": [GOOD | {"crv": "P-384"}]}), "No key in it can be used"),
    (json.dumps({"keys": [GOOD | {"kty": ["EC"]}]}), "No key in it can be used"),
    (json.dumps({"keys": [GOOD | {"kid": 7}]}), "The kid of key 1"),
    (json.dumps({"keys": [GOOD | {"kid": "x" * 201}]}), "The kid of key 1"),
    (json.dumps({"keys": [GOOD | {"kid": "a\u0000"}]}), "The kid of key 1"),
    (json.dumps({"keys": [GOOD | {"x": GOOD["y"], "y": GOOD["y"]}]}), "no point of its curve"),
    (json.dumps({"keys": [GOOD | {"x": "A"}]}), "Key 1 is broken"),
    (json.dumps({"keys": [GOOD | {"x": 7}]}), "Key 1 is broken"),
    (json.dumps({"keys": [GOOD | {"x": None}]}), "Key 1 is broken"),
    (json.dumps({"keys": [{"kty": "RSA", "n": "A" * 171, "e": "AQAB"}]}), "Key 1 is broken"),
    (json.dumps({"keys": [{"kty": "RSA", "n": "x" * 342, "e": "Aw"}]}), "Key 1 is broken"),
    (json.dumps({"keys": [{"kty": "RSA", "n": "A" * 342, "e": "AQAB"}]}), "Key 1 is broken"),
    ("x" * 17_000, "longer than 16,384 bytes"),
    ('{"keys": ' + "[" * 5_000, "no JSON object"),
]


@pytest.mark.parametrize("text, why", SETS, ids=range(len(SETS)))
def test_a_key_set_that_cannot_be_is_refused(text, why):
    with pytest.raises(clients.BadClient, match=why):
        changing.pasted(text)


def test_of_a_key_nothing_is_kept_but_what_it_needs():
    kept = sets.read(json.dumps(GOOD | {"x5c": ["MIIB"], "extra": "x" * 1_000}).encode())

    assert kept == [{name: GOOD[name] for name in ("kty", "crv", "x", "y", "kid", "alg")}]


@pytest.fixture
def addressed(alice, host, pair):
    """Alice's app, whose keys stand at an address."""
    host.document = json.loads(signing.key_set(pair))
    registered = factories.make_client(alice)
    wanted = changing.at(f"http://127.0.0.1:{host.port}/keys.json", alice.id)
    client = clients.lock(registered.client.id)
    changing.give(client, wanted, by=None)
    records.commit()
    host.asked.clear()
    return registered._replace(client=client, secret=None)


@pytest.mark.standard("J-09")
def test_an_unknown_kid_asks_the_address_once_in_5_minutes(caller, addressed, host, pair, clock):
    name, new = addressed.client.id, Pair(kid="two")
    host.document = json.loads(signing.key_set(pair, new))
    clock.move(minutes=6)
    assert send(caller, pair.proof(name)).status_code == 200
    assert host.asked == []

    assert send(caller, new.proof(name)).status_code == 200
    assert len(host.asked) == 1
    for _ in range(5):
        assert send(caller, Pair(kid="three").proof(name)).status_code == 401
    assert len(host.asked) == 1
    clock.move(minutes=5)
    assert send(caller, Pair(kid="three").proof(name)).status_code == 401
    assert len(host.asked) == 2
    assert not {"Cookie", "Authorization"} & set(host.asked[0])


@pytest.mark.standard("J-09")
def test_at_once_the_address_is_asked_once(app, addressed, host, clock):
    clock.move(minutes=6)
    host.wait, barrier = 0.2, threading.Barrier(6)
    stranger = Pair(kid="two").proof(addressed.client.id)

    def act(_):
        caller = app.test_client(use_cookies=False)
        barrier.wait()
        return send(caller, stranger).status_code

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(act, range(6))) == {401}
    assert len(host.asked) == 1


@pytest.mark.standard("J-09")
def test_a_set_at_an_address_holds_for_an_hour_and_what_left_it_is_over(caller, addressed, host, pair, clock):
    name, new = addressed.client.id, Pair(kid="two")
    host.document = json.loads(signing.key_set(new))
    clock.move(minutes=59)
    assert send(caller, pair.proof(name)).status_code == 200
    clock.move(minutes=2)

    assert send(caller, pair.proof(name)).status_code == 401
    assert send(caller, new.proof(name)).status_code == 200
    assert len(host.asked) == 1


@pytest.mark.standard("J-09")
def test_while_its_host_is_away_a_set_holds_for_a_day(caller, addressed, host, pair, clock):
    name = addressed.client.id
    for status, body in ((500, None), (200, b"x"), (200, json.dumps({"keys": [PRIVATE]}).encode())):
        host.status, host.body = status, body
        clock.move(hours=5)
        assert send(caller, pair.proof(name)).status_code == 200
    clock.move(hours=10)
    assert send(caller, pair.proof(name)).status_code == 401
    assert len(host.asked) == 4
    host.status, host.body = 200, None
    clock.move(minutes=6)
    assert send(caller, pair.proof(name)).status_code == 200


@pytest.mark.standard("J-09")
def test_nobody_is_asked_for_what_would_be_refused_anyway(caller, addressed, host, clock):
    clock.move(hours=2)
    name = addressed.client.id
    for change in ({"aud": "x"}, {"exp": 1}, {"jti": None}, {"header": {"alg": "none"}}, {"iss": "x"}):
        assert send(caller, Pair(kid="two").proof(name, **change)).status_code == 401
    assert send(caller, Pair(kid="two").proof("app_" + "0" * 28)).status_code == 401
    assert host.asked == []


@contextlib.contextmanager
def taken(sort):
    """Others have all places of one sort."""
    with contextlib.ExitStack() as held:
        for _ in range(proving.AT_ONCE):
            held.enter_context(proving._place(proving._places[sort]))
        yield


@pytest.mark.standard("J-09")
def test_hosts_are_asked_within_budgets_however_many_apps_name_them(caller, addressed, host, clock, monkeypatch):
    monkeypatch.setattr("latchkey.clients.asking.OF_HOST", ())
    monkeypatch.setattr("latchkey.clients.asking.IN_ALL", ())
    clock.move(minutes=6)
    with taken(asking.Sort.KEYS):
        assert send(caller, Pair(kid="two").proof(addressed.client.id)).status_code == 401
    assert host.asked == []


@pytest.mark.standard("J-09", "A-07")
def test_people_who_wait_for_addresses_hold_few_threads_and_no_app_up(caller, addressed, host, pair, clock):
    """One account made twenty hosts be asked at once, each for five seconds of a thread that forms wait for."""
    url, sort = f"http://127.0.0.1:{host.port}/keys.json", asking.Sort.KEYS
    host.document = json.loads(signing.key_set(new := Pair(kid="two")))
    with contextlib.ExitStack() as held:
        for _ in range(asking.AT_ONCE):
            held.enter_context(asking._place(sort))
        with pytest.raises(clients.BadClient, match="too many addresses are being asked"):
            changing.at(url, "usr_somebody")
        assert host.asked == []
        clock.move(hours=2)
        assert send(caller, new.proof(addressed.client.id)).status_code == 200

    assert changing.at(url, "usr_somebody").keys[0]["kid"] == "two"


def test_a_small_modulus_is_small_whatever_zeros_stand_before_it():
    """It would be found by anybody with an evening to spend, and the key with it."""
    small = encoded(((1 << 1023) + 1).to_bytes(128))
    whole = Pair(algorithm="RS256").public["n"]
    for modulus in (small, "A" * (342 - len(small)) + small, "A" * (683 - len(small)) + small, "A" * 342, whole[:-1]):
        with pytest.raises(sets.BadKeys, match="not of a size"):
            sets.check({"kty": "RSA", "n": modulus, "e": "AQAB"})
    assert sets.check({"kty": "RSA", "n": whole, "e": "AQAB"})


@pytest.mark.standard("J-09")
def test_a_host_has_one_budget_for_all_its_ports(app, monkeypatch):
    monkeypatch.setattr(asking, "OF_HOST", (Limit(2, timedelta(minutes=1)),))
    monkeypatch.setattr(fetching, "ask", lambda url, **_: Answer(url.encode(), ""))
    for port in ("", ":443"):
        assert proving.ask(f"https://app.example.com{port}/keys").body

    for port in (":8443", ":65535", ":443", ""):
        with pytest.raises(NotFetched):
            proving.ask(f"https://app.example.com{port}/keys")
    assert proving.ask("https://other.example.com/keys").body
    # Another sort of thing has a budget of its own.
    assert asking.ask("https://app.example.com/", asking.Sort.DOCUMENTS, most=9, kinds=frozenset()).body


@pytest.mark.standard("J-09")
def test_names_that_answer_slowly_hold_up_no_names_of_another_sort(monkeypatch):
    hold, real = threading.Event(), socket.getaddrinfo

    def resolve(name, *more, **rest):
        return hold.wait(60) if name == "slow" else real(name, *more, **rest)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    slow = [bounded._resolvers("documents").submit(socket.getaddrinfo, "slow", 1) for _ in range(8)]
    try:
        assert bounded.resolve(urlsplit("http://127.0.0.1/"), time.monotonic() + 60, "keys") == ["127.0.0.1"]
    finally:
        hold.set()
    assert all(each.result(60) for each in slow)


@pytest.mark.standard("D-15", "J-09")
@pytest.mark.parametrize("change", ["other_keys", "other_address", "a_secret", "a_break_in"])
@pytest.mark.parametrize("away", [True, False], ids=["its host is away", "its host answers"])
def test_keys_that_are_changed_while_their_address_is_asked_prove_nobody(
    caller, addressed, pair, *, clock, monkeypatch, change, away
):
    """The address may be in the hands of somebody else, who answers slowly: that is why its owner changes the keys."""
    name, mallory = addressed.client.id, pair if away else Pair(kid="mallory")
    clock.move(hours=2)

    def slow(url, **_):
        with caller.application.app_context():
            client = clients.lock(name)
            if change == "other_keys":
                changing.give(client, changing.pasted(signing.key_set(Pair(kid="new"))), by=None)
            elif change == "other_address":
                changing.give(client, changing.Wanted([Pair(kid="new").public], "https://new.example/keys"), by=None)
            elif change == "a_secret":
                changing.take(client, by=None)
                clients.rotate_secret(client, by=None)
            else:
                clients.end_secrets(client)
            records.commit()
        if away:
            raise NotFetched("no usable answer")
        return Answer(signing.key_set(mallory).encode(), "")

    monkeypatch.setattr(proving, "ask", slow)

    assert send(caller, mallory.proof(name)).status_code == 401
    assert used() == 0


ADDRESSES = [
    *("", "x", "ftp://app.example.com/keys", "http://app.example.com/keys", "https://", "https://app.example.com/#x"),
    *("https://user@app.example.com/keys", "https://app.example.com/" + "x" * 500, "https://*.example.com/keys"),
    *(
        "javascript:alert(1)",
        "com.example.app:/keys",
        "https://app.example.com/a/../keys",
        "https://app.example.com/k y",
    ),
]


@pytest.mark.standard("J-09")
@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("url", ADDRESSES)
def test_an_address_that_cannot_be_is_refused_and_not_asked(alice, url, monkeypatch):
    monkeypatch.setattr("latchkey.fetching.ask", lambda *_, **__: pytest.fail("asked"))

    with pytest.raises(clients.BadClient):
        changing.at(url, alice.id)


@pytest.mark.standard("J-09")
@pytest.mark.parametrize("url", ["https://127.0.0.1/keys", "https://[::1]/keys", "https://169.254.169.254/latest"])
def test_an_address_within_is_refused(alice, url):
    with pytest.raises(clients.BadClient, match="the host is not public"):
        changing.at(url, alice.id)


@pytest.mark.standard("L-12")
def test_a_break_in_ends_the_keys_too(caller, keyed, pair):
    client = clients.lock(keyed.client.id)
    assert clients.end_secrets(client)
    records.commit()

    assert send(caller, pair.proof(keyed.client.id)).status_code == 401
    assert key_records.find(keyed.client.id).keys == []


OPEN = pytest.mark.settings(client_documents="open")


def described(host, **more):
    host.document |= {"token_endpoint_auth_method": "private_key_jwt"} | more
    return host.app


def redeem(caller, app, pair, code):
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": factories.CALLBACK}
    return caller.post("/oauth/token", data=fields | {"code_verifier": dance.VERIFIER} | pair.proof(app.client.id))


@OPEN
@pytest.mark.standard("J-10", "J-11", "K-02")
def test_an_app_of_a_document_proves_itself_and_is_asked_about_each_time(signed_in, caller, host, pair):
    app = described(host, jwks=json.loads(signing.key_set(pair)))

    issued = redeem(caller, app, pair, dance.code(signed_in, app)).json
    again = dance.authorize(signed_in, app)
    as_itself = send(caller, pair.proof(app.client.id))
    others = send(caller, pair.proof(app.client.id) | {"token": issued["access_token"]}, "/oauth/introspect")

    assert dance.works(caller, issued["access_token"])
    assert again.status_code == 200
    assert as_itself.json["error"] == "unauthorized_client"
    assert others.json == {"active": False}
    assert redeem(caller, app, Pair(), dance.code(signed_in, app)).status_code == 401
    assert dance.redeem(caller, app, dance.code(signed_in, app)).status_code == 401


@OPEN
@pytest.mark.standard("J-10")
def test_an_operator_gives_an_app_of_a_document_neither_keys_nor_a_secret(signed_in, host, pair):
    """Pinned, it would keep a shared secret, and nobody who reads the document would know."""
    app = described(host, jwks=json.loads(signing.key_set(pair)))
    dance.authorize(signed_in, app)
    for wanted in (None, changing.pasted(signing.key_set(Pair(kid="other")))):
        client = clients.lock(clients.find(app.client.id).id)
        with pytest.raises(clients.BadClient):
            oversight.give_keys(client, wanted)
        with pytest.raises(clients.BadClient):
            oversight.rotate(client)
        records.rollback()
    found = clients.find(app.client.id)
    assert found.keyed
    assert key_records.find(found.id).keys[0]["kid"] == "one"


@OPEN
@pytest.mark.standard("J-10", "J-11")
def test_other_keys_in_a_document_ask_again_and_end_the_old_ones(signed_in, caller, host, pair, clock):
    host.headers["Cache-Control"] = "max-age=60"
    app = described(host, jwks=json.loads(signing.key_set(pair)))
    page = dance.authorize(signed_in, app)
    new = Pair(kid="two")
    described(host, jwks=json.loads(signing.key_set(new)))
    clock.move(minutes=2)
    dance.authorize(signed_in, app)

    again = dance.decide(signed_in, page)

    assert again.status_code == 200
    assert "This app was changed while the page was open" in again.text
    code = dance.back(dance.decide(signed_in, again)).parameters["code"]
    assert redeem(caller, app, pair, code).status_code == 401
    assert redeem(caller, app, new, code).status_code == 200


@OPEN
@pytest.mark.standard("J-09", "J-10")
def test_the_keys_of_a_document_at_an_address_are_asked_for_when_they_are_needed(signed_in, caller, host, pair, alice):
    with hosts.serving() as keys:
        keys.document = json.loads(signing.key_set(pair))
        app = described(host, jwks_uri=f"http://127.0.0.1:{keys.port}/keys.json")
        code = dance.code(signed_in, app)
        assert keys.asked == []

        assert redeem(caller, app, pair, code).status_code == 200
        assert len(keys.asked) == 1
        # Read once more, the document leaves what its address said.
        enter(signed_in, alice)
        assert redeem(caller, app, pair, dance.code(signed_in, app)).status_code == 200
        assert len(keys.asked) == 1


@OPEN
@pytest.mark.standard("J-09", "J-10")
def test_a_pinned_copy_holds_its_keys_and_their_host_is_asked_no_more(signed_in, caller, host, pair, clock):
    def pin(*, on=True):
        oversight.pin(clients.lock(clients.find(host.url).id), on=on)
        records.commit()

    with hosts.serving() as keys:
        keys.document = json.loads(signing.key_set(pair))
        app = described(host, jwks_uri=f"http://127.0.0.1:{keys.port}/keys.json")
        code = dance.code(signed_in, app)
        with pytest.raises(clients.BadClient, match="never read"):
            pin()
        records.rollback()
        issued = redeem(caller, app, pair, code).json
        pin()
        thief = Pair(kid="two")
        keys.document = json.loads(signing.key_set(thief))
        # Asked for before, and answered now.
        kept = key_records.find(clients.find(host.url).id)
        key_records.keep(kept.client_id, kept.url, sets.read(signing.key_set(thief).encode()), timedelta(hours=1))
        records.rollback()
        clock.move(hours=30)
        renewed = {"grant_type": "refresh_token", "refresh_token": issued["refresh_token"]}

        assert send(caller, renewed | thief.proof(app.client.id)).status_code == 401
        assert send(caller, renewed | pair.proof(app.client.id)).status_code == 200
        assert (len(keys.asked), len(host.asked)) == (1, 1)
        pin(on=False)
        assert send(caller, renewed | thief.proof(app.client.id)).json["error"] == "invalid_grant"
        assert len(keys.asked) == 2


def verified(browser, host):
    """Whether people read so, and whether it is kept so."""
    told = "Not verified" not in dance.authorize(browser, host.app).text
    assert clients.find(host.url).trusted is told
    return told


def trusted(browser, host, pair):
    """An app of a document that an administrator has looked at."""
    host.headers["Cache-Control"] = "max-age=60"
    dance.authorize(browser, described(host, jwks=json.loads(signing.key_set(pair))))
    oversight.trust(clients.lock(clients.find(host.url).id), on=True)
    records.commit()
    assert verified(browser, host)


@OPEN
@pytest.mark.standard("J-04", "J-10")
@pytest.mark.parametrize(
    "other",
    [
        {"client_name": "Your Bank"},
        {"redirect_uris": [factories.CALLBACK, "https://evil.example/"]},
        {"jwks": json.loads(signing.key_set(Pair(kid="other")))},
    ],
)
def test_what_nobody_has_looked_at_is_not_verified(signed_in, host, pair, clock, other):
    """Whoever has the host would be called verified by whatever name, and wherever it leads back to."""
    trusted(signed_in, host, pair)
    described(host, **other)
    clock.move(minutes=2)

    assert not verified(signed_in, host)


@OPEN
def test_what_is_read_once_more_and_is_the_same_stays_verified(signed_in, host, pair, clock):
    trusted(signed_in, host, pair)
    described(host, client_uri="https://fieldnotes.example/new")
    clock.move(minutes=2)

    assert verified(signed_in, host)
    assert len(host.asked) == 2


@OPEN
@pytest.mark.standard("J-10")
def test_an_app_of_a_document_that_has_keys_no_more_is_public_again(signed_in, caller, host, pair, clock):
    host.headers["Cache-Control"] = "no-store"
    app = described(host, jwks=json.loads(signing.key_set(pair)))
    dance.authorize(signed_in, app)
    host.document |= {"token_endpoint_auth_method": "none"}
    clock.move(minutes=2)

    code = dance.code(signed_in, app)

    assert redeem(caller, app, pair, code).status_code == 401
    assert dance.redeem(caller, app, code).status_code == 200
    client = clients.find(host.url)
    assert (client.keyed, client.confidential) == (False, False)


@OPEN
@pytest.mark.standard("J-10")
@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"jwks": {"keys": []}},
        {"jwks": {"keys": [PRIVATE]}},
        {"jwks": "x"},
        {"jwks_uri": "http://app.example.com/keys"},
        {"jwks_uri": 7},
        {"jwks_uri": ""},
        {"jwks_uri": "https://app.example.com/keys", "jwks": {"keys": [GOOD]}},
    ],
    ids=range(8),
)
def test_a_document_with_keys_that_cannot_be_is_refused(signed_in, host, fields):
    app = described(host, **fields)

    page = dance.authorize(signed_in, app)

    assert (page.status_code, "We stopped this request" in page.text) == (400, True)
    assert clients.find(host.url) is None


@pytest.mark.settings(client_documents="listed")
@pytest.mark.standard("J-10")
def test_a_host_that_is_not_listed_any_more_proves_nobody(signed_in, app, caller, host, pair):
    one = described(host, jwks=json.loads(signing.key_set(pair)))
    for listed, status in ((f"127.0.0.1:{host.port}", 200), ("", 401)):
        with app.app_context():
            policies.save({policies.HOSTS: listed})
            records.commit()
            policies.refresh()
        code = dance.code(signed_in, one) if listed else "x"
        assert redeem(caller, one, pair, code).status_code == status
