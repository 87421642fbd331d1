"""The token endpoint's form, and how clients prove themselves at every endpoint that asks (D)."""

import base64
import json
from datetime import timedelta
from io import BytesIO

import pytest
from sqlalchemy import func, select

from latchkey import clients
from latchkey import clock as time
from latchkey.accounts.throttle import Attempt
from latchkey.store.session import db
from latchkey.values import Limit
from oauth.protocol import parties
from tests import factories
from tests.oauth import dance

ENDPOINTS = ("token", "revoke", "introspect")


def form(endpoint, **more):
    """A good form for each of the endpoints, without the client's credentials."""
    good = {"token": {"grant_type": "client_credentials"}, "revoke": {"token": "x"}, "introspect": {"token": "x"}}
    return good[endpoint] | more


def is_private(answer):
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Pragma"] == "no-cache"
    assert answer.headers["Content-Type"] == "application/json"
    return True


def refused(answer, error, status=400):
    assert (answer.status_code, answer.json["error"]) == (status, error), (answer.status, answer.text)
    assert is_private(answer)
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
    return True


@pytest.fixture
def public(bob):
    return factories.make_client(bob, name="Public", confidential=False)


@pytest.mark.standard("A-07", "D-09")
def test_every_answer_stays_out_of_caches(caller, example_client):
    good = dance.post(caller, "/oauth/token", example_client, grant_type="client_credentials")
    answers = [
        good,
        caller.get("/oauth/token"),
        caller.post("/oauth/token", data="x" * 2_000_000, content_type="application/x-www-form-urlencoded"),
        caller.post("/oauth/token", json={}),
        caller.post("/oauth/token", data={}),
    ]

    assert [answer.status_code for answer in answers] == [200, 405, 413, 415, 400]
    for answer in answers:
        assert is_private(answer)
    assert "POST" in answers[1].headers["Allow"]


@pytest.mark.standard("A-08")
@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_only_posts_are_answered_and_no_slash_is_mended(caller, endpoint):
    assert caller.get(f"/oauth/{endpoint}").status_code == 405
    assert caller.put(f"/oauth/{endpoint}").status_code == 405
    assert caller.post(f"/oauth/{endpoint}/").status_code == 404


@pytest.mark.standard("D-01")
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_only_forms_are_read(caller, example_client, endpoint):
    proof = dance.basic(example_client.client.id, example_client.secret)
    fields = form(endpoint)

    as_json = caller.post(f"/oauth/{endpoint}", data=json.dumps(fields), content_type="application/json", headers=proof)
    as_parts = caller.post(f"/oauth/{endpoint}", data=fields | {"f": (BytesIO(b"x"), "f")}, headers=proof)

    assert refused(as_json, "invalid_request", 415)
    assert "application/x-www-form-urlencoded" in as_json.json["error_description"]
    assert refused(as_parts, "invalid_request", 415)


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.standard("D-01")
@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    "name", ["client_id", "client_secret", "code", "grant_type", "token", "refresh_token", "resource"]
)
def test_no_parameter_belongs_in_the_address(caller, example_client, endpoint, name):
    proof = dance.basic(example_client.client.id, example_client.secret)

    answer = caller.post(f"/oauth/{endpoint}?{name}=x", data=form(endpoint), headers=proof)

    assert refused(answer, "invalid_request")


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.standard("D-02")
@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    "name", ["client_id", "client_secret", "code", "grant_type", "token", "scope", "token_type_hint"]
)
def test_no_parameter_appears_twice(caller, example_client, endpoint, name):
    fields = {name: "y"} | form(endpoint, client_id=example_client.client.id, client_secret=example_client.secret)
    data = [*fields.items(), (name, fields[name])]

    answer = caller.post(
        f"/oauth/{endpoint}",
        data="&".join(f"{key}={value}" for key, value in data),
        content_type="application/x-www-form-urlencoded",
    )

    assert refused(answer, "invalid_request")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
class TestProof:
    """Each method of each kind of client at each endpoint (D-03)."""

    @pytest.mark.standard("D-03")
    def test_a_confidential_client_by_header_or_form(self, caller, example_client, endpoint):
        client_id, secret = example_client.client.id, example_client.secret

        by_header = caller.post(f"/oauth/{endpoint}", data=form(endpoint), headers=dance.basic(client_id, secret))
        by_form = caller.post(f"/oauth/{endpoint}", data=form(endpoint, client_id=client_id, client_secret=secret))
        both_ids = caller.post(
            f"/oauth/{endpoint}", data=form(endpoint, client_id=client_id), headers=dance.basic(client_id, secret)
        )

        assert [by_header.status_code, by_form.status_code, both_ids.status_code] == [200, 200, 200]

    @pytest.mark.standard("D-03", "F-01")
    def test_a_confidential_client_never_without_its_secret(self, caller, example_client, endpoint):
        client_id = example_client.client.id

        assert refused(
            caller.post(f"/oauth/{endpoint}", data=form(endpoint, client_id=client_id)), "invalid_client", 401
        )
        empty = form(endpoint, client_id=client_id, client_secret="")
        assert refused(caller.post(f"/oauth/{endpoint}", data=empty), "invalid_client", 401)
        assert refused(
            caller.post(f"/oauth/{endpoint}", data=form(endpoint), headers=dance.basic(client_id, "")),
            "invalid_client",
            401,
        )

    @pytest.mark.standard("D-03", "F-06")
    def test_a_public_client_by_its_id_alone(self, caller, public, endpoint):
        client_id = public.client.id

        answer = caller.post(f"/oauth/{endpoint}", data=form(endpoint, client_id=client_id))

        expected = {"token": (400, "unauthorized_client"), "introspect": (401, "invalid_client")}
        if endpoint == "revoke":
            assert answer.status_code == 200
        else:
            assert (answer.status_code, answer.json["error"]) == expected[endpoint]

    @pytest.mark.standard("D-03", "D-07")
    def test_a_public_client_has_no_secret(self, caller, public, example_client, endpoint):
        for secret in (example_client.secret, "x", ""):
            by_header = caller.post(
                f"/oauth/{endpoint}", data=form(endpoint), headers=dance.basic(public.client.id, secret)
            )
            assert refused(by_header, "invalid_client", 401)
        by_form = form(endpoint, client_id=public.client.id, client_secret=example_client.secret)
        assert refused(caller.post(f"/oauth/{endpoint}", data=by_form), "invalid_client", 401)

    @pytest.mark.standard("D-04")
    def test_one_method_a_request(self, caller, example_client, endpoint):
        client_id, secret = example_client.client.id, example_client.secret
        header = dance.basic(client_id, secret)
        other = form(endpoint, client_id="app_00000000000000000000000000ff")

        assert refused(
            caller.post(f"/oauth/{endpoint}", data=form(endpoint, client_secret=secret), headers=header),
            "invalid_request",
        )
        assert refused(caller.post(f"/oauth/{endpoint}", data=other, headers=header), "invalid_request")
        assertion = form(endpoint, client_id=client_id, client_secret=secret, client_assertion="x")
        assert refused(caller.post(f"/oauth/{endpoint}", data=assertion), "invalid_request")
        assert refused(
            caller.post(f"/oauth/{endpoint}", data=form(endpoint, client_assertion="x")), "invalid_client", 401
        )

    @pytest.mark.either_database("none of them asks the database anything", after=1)
    def test_nothing_at_all(self, caller, endpoint):
        assert refused(caller.post(f"/oauth/{endpoint}", data=form(endpoint)), "invalid_client", 401)

    @pytest.mark.standard("D-05")
    @pytest.mark.parametrize(
        "header",
        [
            "Basic",
            "Basic ",
            "Basic !!!",
            "Basic " + base64.b64encode(b"no colon").decode(),
            "Basic " + base64.b64encode(b"%ff:x").decode(),
            "Basic " + base64.b64encode(b"%zz:x").decode(),
            "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
            "Basic " + base64.b64encode("é:ü".encode()).decode(),
            "Basic " + base64.b64encode(b"a%00b:c%00d").decode(),
            "Basic " + base64.b64encode(b":").decode(),
            "Basic " + base64.b64encode(b"x" * 6000 + b":y").decode(),
            "Basic é",
            "Bearer x",
            "Digest username=x",
            "x",
        ],
    )
    def test_a_header_that_makes_no_sense(self, caller, endpoint, header):
        answer = caller.post(
            f"/oauth/{endpoint}",
            data=form(endpoint),
            headers={"Authorization": header.encode("utf-8").decode("latin-1")},
        )

        assert refused(answer, "invalid_client", 401)

    @pytest.mark.standard("D-06")
    def test_unknown_client_and_wrong_secret_look_the_same(self, caller, example_client, endpoint):
        client_id, secret = example_client.client.id, example_client.secret
        wrong = secret[:-7] + ("x" if secret[-7] != "x" else "y") + secret[-6:]
        tries = [
            dance.basic("app_00000000000000000000000000ff", secret),
            dance.basic("nobody", secret),
            dance.basic(client_id, wrong),
            dance.basic(client_id, "x"),
            dance.basic(client_id, ""),
        ]

        answers = [caller.post(f"/oauth/{endpoint}", data=form(endpoint), headers=header) for header in tries]

        for answer in answers:
            assert refused(answer, "invalid_client", 401)
        assert len({answer.data for answer in answers}) == 1
        assert len({tuple((k, v) for k, v in answer.headers if k != "X-Request-Id") for answer in answers}) == 1


@pytest.mark.standard("D-05")
def test_basic_credentials_are_form_decoded(caller, example_client):
    client_id = "".join(f"%{ord(sign):02x}" for sign in example_client.client.id)
    joined = base64.b64encode(f"{client_id}:{example_client.secret}".encode()).decode()

    answer = caller.post("/oauth/token", data=form("token"), headers={"Authorization": f"basic  {joined}"})

    assert answer.status_code == 200


@pytest.mark.standard("D-11")
@pytest.mark.parametrize(
    "fields, error",
    [
        ({}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password", "username": "alice@example.com", "password": "x"}, "unsupported_grant_type"),
        ({"grant_type": "implicit"}, "unsupported_grant_type"),
        ({"grant_type": 'x"\u00e9'}, "unsupported_grant_type"),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": ""}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": "é\u2028"}, "invalid_grant"),
        ({"grant_type": "authorization_code", "code": "x"}, "invalid_grant"),
        ({"grant_type": "client_credentials", "scope": "bogus"}, "invalid_scope"),
        ({"grant_type": "client_credentials", "scope": "account:write"}, "invalid_scope"),
        ({"grant_type": "client_credentials", "scope": "\x00"}, "invalid_request"),
        ({"grant_type": "client_credentials", "resource": "https://other.example"}, "invalid_target"),
        ({"grant_type": "client_credentials", "nul": "\x00"}, "invalid_request"),
    ],
)
def test_error_codes(caller, example_client, fields, error):
    answer = dance.post(caller, "/oauth/token", example_client, **fields)

    assert refused(answer, error)
    assert 'x"' not in answer.text


@pytest.mark.standard("A-06")
def test_broken_forms_are_no_fault(caller, example_client):
    proof = dance.basic(example_client.client.id, example_client.secret)
    for body in (
        b"%",
        b"%ff=%ff",
        b"grant_type=%ff",
        b"=&=&;",
        b"grant_type[]=x",
        b"\x00\xff",
        b"grant_type=client_credentials&scope=%ff",
    ):
        for endpoint in ENDPOINTS:
            answer = caller.post(
                f"/oauth/{endpoint}", data=body, content_type="application/x-www-form-urlencoded", headers=proof
            )
            assert 400 <= answer.status_code < 500, (body, answer.status)


class TestGuessing:
    @pytest.mark.standard("D-08", "F-06")
    def test_thirty_wrong_secrets_are_too_many(self, caller, bob, example_client):
        other = factories.make_client(bob, name="Other")
        wrong = dance.basic(example_client.client.id, "lk_sec_guess")

        answers = [caller.post("/oauth/token", data=form("token"), headers=wrong) for _ in range(30)]

        assert answers[0].status_code == 401
        assert answers[-1].status_code == 429
        assert is_private(answers[-1])
        assert 0 < int(answers[-1].headers["Retry-After"]) <= 600
        assert dance.post(caller, "/oauth/token", other, grant_type="client_credentials").status_code == 200

    @pytest.mark.standard("D-08")
    def test_strangers_cannot_lock_an_app_out(self, caller, example_client):
        wrong = dance.basic(example_client.client.id, "lk_sec_guess")
        for _ in range(25):
            caller.post("/oauth/introspect", data=form("introspect"), headers=wrong)

        assert dance.post(caller, "/oauth/token", example_client, grant_type="client_credentials").status_code == 200

    @pytest.mark.standard("D-08", "A-07")
    @pytest.mark.settings(trusted_proxies=1)
    @pytest.mark.parametrize("network, most", [("203.0.113.{}", 3), ("2001:db8:7:{}::1", 30)])
    def test_clients_that_do_not_exist_fill_no_table(self, caller, monkeypatch, network, most):
        """Whoever makes up ids is counted by where they are, an IPv6 site with all its networks as ten of them."""
        monkeypatch.setattr(parties, "PER_ADDRESS", (Limit(3, timedelta(minutes=10)),))
        places = [network.format(number if ":" in network else 9) for number in range(40)]

        answers = [
            caller.post(
                "/oauth/token",
                data=form("token") | {"client_id": f"made-up-{number}", "client_secret": "x"},
                headers={"X-Forwarded-For": place},
            )
            for number, place in enumerate(places)
        ]

        assert [answer.status_code for answer in answers] == [401] * most + [429] * (40 - most)
        kept = db.scalar(select(func.count()).select_from(Attempt))
        # Each that was heard by its id and its network; and what they all are counted by.
        assert kept <= 2 * most + 1


class TestSecrets:
    @pytest.mark.standard("D-12")
    def test_two_live_side_by_side(self, caller, example_client, clock):
        newer = example_client._replace(secret=clients.rotate_secret(clients.find(example_client.client.id), by=None))
        db.commit()

        for registered in (example_client, newer):
            assert dance.post(caller, "/oauth/token", registered, grant_type="client_credentials").status_code == 200
        clock.move(hours=24, seconds=1)
        assert refused(
            dance.post(caller, "/oauth/token", example_client, grant_type="client_credentials"), "invalid_client", 401
        )
        assert dance.post(caller, "/oauth/token", newer, grant_type="client_credentials").status_code == 200

    def test_its_last_use_shows(self, caller, example_client, clock):
        dance.post(caller, "/oauth/token", example_client, grant_type="client_credentials")
        db.expire_all()
        (secret,) = clients.live_secrets(example_client.client)
        first = secret.last_used_at
        assert first == time.now()

        clock.move(seconds=30)
        dance.post(caller, "/oauth/introspect", example_client, token="x")
        clients.flush_secret_uses()
        db.expire_all()
        assert clients.live_secrets(example_client.client)[0].last_used_at == first

        clock.move(seconds=31)
        dance.post(caller, "/oauth/introspect", example_client, token="x")
        clients.flush_secret_uses()
        db.expire_all()
        assert clients.live_secrets(example_client.client)[0].last_used_at == first + timedelta(seconds=61)


class TestAsItself:
    """RFC 6749 §4.4, D-13."""

    @pytest.mark.standard("D-10", "D-13")
    def test_the_app_is_the_subject(self, caller, example_client):
        answer = dance.post(caller, "/oauth/token", example_client, grant_type="client_credentials")

        assert set(answer.json) == {"access_token", "token_type", "expires_in", "scope"}
        assert answer.json["expires_in"] == 3600
        told = dance.post(caller, "/oauth/introspect", example_client, token=answer.json["access_token"]).json
        assert told["sub"] == told["client_id"] == example_client.client.id

    def test_it_may_ask_for_less(self, caller, bob):
        wide = factories.make_client(bob, scopes=("account:read", "activity:read"))

        answer = dance.post(caller, "/oauth/token", wide, grant_type="client_credentials", scope="activity:read")

        assert answer.json["scope"] == "activity:read"

    @pytest.mark.standard("D-13")
    def test_a_public_app_cannot(self, caller, public):
        assert refused(
            dance.post(caller, "/oauth/token", public, grant_type="client_credentials"), "unauthorized_client"
        )

    @pytest.mark.standard("E-03")
    def test_it_ends_after_an_hour(self, caller, example_client, clock):
        token = dance.post(caller, "/oauth/token", example_client, grant_type="client_credentials").json["access_token"]
        clock.move(minutes=59)
        assert dance.works(caller, token)
        clock.move(minutes=2)
        assert not dance.works(caller, token)


@pytest.mark.standard("H-08", "N-01")
def test_cookies_mean_nothing_here(signed_in, example_client):
    assert refused(signed_in.post("/oauth/token", data=form("token")), "invalid_client", 401)
