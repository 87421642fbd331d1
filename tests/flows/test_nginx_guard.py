"""An API behind each gateway of the guide. Envoy is only to be had for Linux; the others every run of the tests has."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import pytest

from latchkey import scopes, settings, tokens
from latchkey.accounts.users import User
from latchkey.store import migrations
from latchkey.store import session as database
from tests import factories, servers
from tests.flows import gateways, tls
from tests.flows.gateways import Gateway

IDENTITY = ("X-Auth-User-Id", "X-Auth-Email", "X-Auth-Client-Id", "X-Auth-Scope", "X-Auth-Token-Id")
SPOOFED = [
    *((name, "admin") for name in IDENTITY),
    ("x-auth-user-id", "admin"),
    ("X_Auth_User_Id", "admin"),
    ("X-Auth_User-Id", "admin"),
    ("X_AUTH_EMAIL", "admin"),
]
pytestmark = pytest.mark.slow("starts a server and four gateways")
OWN_SCOPES = """
["projects:read"]
title = "See your projects"
description = "List projects."
group = "Projects"

["projects:write"]
title = "Change your projects"
description = "Change projects."
group = "Projects"
"""


# Hundreds of long names: what a header of a token with all of them takes is more than gateways expect.
MANY = [f"warehouse-{number:03}.consignments.of.goods:write" for number in range(250)]
OWN_SCOPES += "".join(f'["{name}"]\ntitle = "x"\ndescription = "x"\ngroup = "Goods"\n' for name in MANY)


class Stage(NamedTuple):
    """A running Latchkey whose operator has scopes of an own API, and tokens of two people."""

    server: servers.Server
    alice: User
    reader: tokens.Minted
    writer: tokens.Minted
    strange: tokens.Minted
    broad: tokens.Minted
    bound: tokens.Minted
    bound_elsewhere: tokens.Minted

    def revoke(self, minted: tokens.Minted) -> None:
        command = [str(servers.LATCHKEY), "token", "revoke", minted.token.id]
        subprocess.run(command, check=True, capture_output=True, env={"LATCHKEY_INSTANCE": str(self.server.instance)})


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "scopes.toml").write_text(OWN_SCOPES)
    ours = settings.load({}, instance=folder, database_url=f"sqlite:///{folder / 'latchkey.db'}")
    settings.use(ours)
    database.configure(ours.database_url)
    migrations.upgrade()
    scopes.load(folder / "scopes.toml")
    alice = factories.make_user("alice@example.com")
    # Nobody can sign up like this; the gateway must not depend on it.
    strange = factories.make_user("é\r\nX-Evil: y@example.com", name="é\r\nX: y")
    read, write = ("projects:read",), ("projects:write",)
    minted = [
        factories.make_token(user, description=str(number), scopes=names)
        for number, (user, names) in enumerate(
            [(alice, read), (alice, write), (strange, read), (alice, scopes.catalogue())]
        )
    ]
    minted += [
        factories.make_token(alice, description=ranges, scopes=read, addresses=[ranges])
        for ranges in ("127.0.0.0/8", "203.0.113.0/24")
    ]
    database.dispose()
    with servers.latchkey(folder, LATCHKEY_TRUSTED_PROXIES="1") as server:
        yield Stage(server, alice, *minted)
    scopes.load(Path("nowhere"))


@pytest.fixture(scope="module", params=list(gateways.KINDS))
def gateway(
    request: pytest.FixtureRequest, stage: Stage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    name = request.param
    if name == "Envoy" and sys.platform != "linux":
        pytest.skip("no package brings Envoy to this platform")
    with (
        gateways.api() as behind,
        gateways.run(name, stage.server.url, behind, tmp_path_factory.mktemp(name)) as running,
    ):
        yield running


def test_a_call_with_the_scope_of_the_path_reaches_the_api_with_who_calls(gateway, stage):
    answer = gateway.call("/projects/1", token=stage.reader.plaintext)

    assert answer.status == 200
    assert answer.saw("X-Auth-User-Id") == [stage.alice.id]
    assert answer.saw("X-Auth-Email") == ["alice@example.com"]
    assert answer.saw("X-Auth-Scope") == ["projects:read"]
    assert answer.saw("X-Auth-Token-Id") == [stage.reader.token.id]
    assert answer.saw("X-Auth-Client-Id") in ([], [""])
    assert answer.saw("Authorization") in ([], [""]), "the token stays at the gateway"


def test_reading_and_writing_take_different_scopes(gateway, stage):
    assert gateway.call("/projects/1", token=stage.writer.plaintext).status == 403
    assert gateway.call("/projects/1", method="DELETE", token=stage.reader.plaintext).status == 403
    assert gateway.call("/projects/1", method="DELETE", token=stage.writer.plaintext).status == 200
    assert gateway.call("/projects/1", method="HEAD", token=stage.reader.plaintext).status == 200


@pytest.mark.standard("H-11")
def test_the_caller_sees_which_scope_is_missing(gateway, stage):
    answer = gateway.call("/projects/1", method="POST", token=stage.reader.plaintext)

    assert answer.status == 403
    assert answer.reached is None
    [challenge] = answer.challenges
    assert challenge.startswith("Bearer ")
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="projects:write"' in challenge


def test_a_call_without_a_token_is_challenged_without_an_error(gateway):
    answer = gateway.call("/projects/1")

    assert answer.status == 401
    assert answer.reached is None
    [challenge] = answer.challenges
    assert challenge.startswith("Bearer ")
    assert "error=" not in challenge
    assert "resource_metadata=" in challenge


@pytest.mark.parametrize("authorization", ["Bearer lk_dev_nonsense", "Bearer", "Basic YTpi", "Bearer a, Bearer b"])
def test_what_is_no_token_is_refused(gateway, authorization):
    answer = gateway.call("/projects/1", ("Authorization", authorization))

    assert answer.status == 401
    assert answer.reached is None
    assert len(answer.challenges) == 1


@pytest.mark.standard("H-11")
def test_names_that_a_caller_sends_never_reach_the_api_beside_a_valid_token(gateway, stage):
    answer = gateway.call("/projects/1", *SPOOFED, token=stage.reader.plaintext)

    assert answer.status == 200
    assert answer.saw("X-Auth-User-Id") == [stage.alice.id]
    assert not any("admin" in value for _, value in answer.reached)


@pytest.mark.standard("H-11")
def test_names_that_a_caller_sends_never_reach_the_api_on_an_open_path(gateway, stage):
    for token in (None, stage.reader.plaintext):
        answer = gateway.call("/public/hello", *SPOOFED, token=token)

        assert answer.status == 200
        assert not any("admin" in value for _, value in answer.reached)
        for name in IDENTITY:
            assert answer.saw(name) in ([], [""])


def test_names_that_a_caller_sends_open_nothing_without_a_token(gateway):
    answer = gateway.call("/projects/1", *SPOOFED)

    assert answer.status == 401
    assert answer.reached is None


def test_a_token_with_every_scope_passes(gateway, stage):
    answer = gateway.call("/projects/1", token=stage.broad.plaintext)

    assert answer.status == 200
    [named] = answer.saw("X-Auth-Scope")
    assert len(named) > 10_000
    assert set(MANY) < set(named.split())


@pytest.mark.parametrize("path", ["/public/hello", "/projects/1"])
def test_the_token_stays_at_the_gateway(gateway, stage, path):
    answer = gateway.call(path, token=stage.reader.plaintext)

    assert answer.status == 200
    assert answer.saw("Authorization") in ([], [""])


PREFLIGHT = (("Origin", "https://app.example.com"), ("Access-Control-Request-Method", "DELETE"))


@pytest.mark.parametrize("token", [None, "lk_dev_nonsense"])
def test_a_preflight_reaches_the_api_and_says_nobodys_name(gateway, token):
    answer = gateway.call("/projects/1", *PREFLIGHT, *SPOOFED, method="OPTIONS", token=token)

    assert answer.status == 200
    assert answer.saw("Origin") == ["https://app.example.com"]
    assert not any("admin" in value for _, value in answer.reached)
    for name in (*IDENTITY, "Authorization"):
        assert answer.saw(name) in ([], [""])


@pytest.mark.parametrize(
    "method, headers",
    [
        ("OPTIONS", ()),
        ("OPTIONS", PREFLIGHT[:1]),
        ("OPTIONS", PREFLIGHT[1:]),
        ("GET", PREFLIGHT),
        ("DELETE", PREFLIGHT),
    ],
)
def test_what_is_no_preflight_takes_a_token(gateway, method, headers):
    answer = gateway.call("/projects/1", *headers, method=method)

    assert answer.status == 401
    assert answer.reached is None


def test_a_preflight_opens_no_path_that_nobody_named(gateway):
    for path in ("/admin", "/_latchkey", "/"):
        answer = gateway.call(path, *PREFLIGHT, method="OPTIONS")

        assert answer.status in (403, 404)
        assert answer.reached is None


@pytest.mark.standard("H-11")
def test_a_user_whose_address_would_break_a_header_adds_none(gateway, stage):
    answer = gateway.call("/projects/1", token=stage.strange.plaintext)

    assert answer.status == 200
    [email] = answer.saw("X-Auth-Email")
    assert email.isascii()
    assert "%0D%0A" in email
    assert not answer.saw("X-Evil")
    assert not answer.saw("X")


@pytest.mark.parametrize(
    "path",
    [
        "/projects/1?scope=account:read",
        "/projects/1?scope=moon:land",
        "/projects/1&scope=moon:land",
        "/projects/1?scope=",
    ],
)
def test_a_caller_cannot_ask_for_less_than_the_path_takes(gateway, stage, path):
    assert gateway.call(path, token=stage.writer.plaintext).status == 403


@pytest.mark.parametrize(
    "path",
    [
        "/public/../projects/1",
        "/public/%2e%2e/projects/1",
        "/public/%2E%2E%2Fprojects/1",
        "/public/..%2fprojects/1",
        "/public//../projects/1",
        "//projects/1",
        # To whoever resolves it as a reference, as the `URL` of Node does, this names a host.
        "//public/projects/1",
        "http://api.example.com//public/projects/1",
        "/PROJECTS/1",
        "/projects/../public/1",
        "/projects/1/../../public/1",
        "/projects/1/%2e%2E/%2e./public/1",
        "/projects/1/..%2f..%2Fpublic/1",
        "/projects/..//public/1",
        "/projects/1%2f..%2f..%2fpublic%2f1",
        "/projects/./../public/1",
        "/public/..;/projects/1",
        "/public/%2e%2E;a=b/projects/1",
        "/public/..%3B/projects/1",
        "/public/..\\projects/1",
        "/public/..%5cprojects/1",
        "/public/%2e%2e%5Cprojects/1",
    ],
)
def test_no_spelling_of_a_path_leads_round_the_guard(gateway, path):
    seen = gateway.call(path).path

    assert seen is None or (seen.startswith("/public/") and ".." not in unquote(seen))


def test_paths_that_nobody_named_are_closed(gateway, stage):
    assert gateway.call("/admin", token=stage.reader.plaintext).status in (403, 404)
    assert gateway.call("/_latchkey", token=stage.reader.plaintext).status in (403, 404)


def test_what_the_api_itself_forbids_is_passed_on_as_it_is(gateway, stage):
    answer = gateway.call("/projects/forbidden", token=stage.reader.plaintext)

    assert answer.status == 403
    assert answer.reached is not None
    assert answer.challenges == []


@pytest.mark.standard("I-12")
def test_a_token_that_is_bound_to_addresses_passes_from_there_whatever_the_caller_says(gateway, stage):
    said = ("X-Forwarded-For", "203.0.113.9")

    assert gateway.call("/projects/1", token=stage.bound.plaintext).status == 200
    assert gateway.call("/projects/1", said, token=stage.bound.plaintext).status == 200
    for headers in ((), (said,)):
        answer = gateway.call("/projects/1", *headers, token=stage.bound_elsewhere.plaintext)
        assert answer.status == 401
        assert "The token is unknown." in answer.challenges[0]


def test_cookies_open_nothing(gateway):
    assert gateway.call("/projects/1", ("Cookie", "latchkey=x; session=y")).status == 401


def test_a_revoked_token_is_refused_at_the_next_call(gateway, stage):
    database.configure(f"sqlite:///{stage.server.instance / 'latchkey.db'}")
    minted = factories.make_token(stage.alice, description="to be revoked", scopes=("projects:read",))
    database.dispose()
    assert gateway.call("/projects/1", token=minted.plaintext).status == 200

    stage.revoke(minted)

    answer = gateway.call("/projects/1", token=minted.plaintext)
    assert answer.status == 401
    assert 'error="invalid_token"' in answer.challenges[0]


@pytest.mark.parametrize("name", list(gateways.KINDS))
def test_an_installation_behind_tls_is_asked_by_its_own_name(stage, name, tmp_path):
    if name == "Envoy" and sys.platform != "linux":
        pytest.skip("no package brings Envoy to this platform")
    pem = tls.certificate(tmp_path)
    with (
        gateways.api() as behind,
        tls.front(stage.server.url.removeprefix("http://"), pem) as portal,
        gateways.run(name, portal, behind, tmp_path, pem) as gateway,
    ):
        assert gateway.call("/projects/1").status == 401
        assert gateway.call("/projects/1", token=stage.reader.plaintext).saw("X-Auth-User-Id") == [stage.alice.id]
        assert gateway.call("/projects/1", method="DELETE", token=stage.reader.plaintext).status == 403
