"""`latchkey client`: apps that an operator registers."""

import json

import pytest
from sqlalchemy import select

from latchkey import clients
from latchkey.journal import activity
from latchkey.journal.activity import Event
from tests import factories
from tests.factories import CALLBACK
from tests.oauth import signing
from tests.oauth.signing import Pair

CREATE = ("client", "create", "--owner", "alice@example.com", "--name", "Example")
WHERE = ("--redirect-uri", CALLBACK, "--scope", "account:read")


def test_a_confidential_app_gets_its_secret_once(cli, alice, db):
    made = cli.json(
        *CREATE, *WHERE, "--redirect-uri", "http://127.0.0.1/cb", "--scope", "tokens:read",
        "--homepage", "https://app.example.com",
    )  # fmt: skip

    client = clients.find(made["client_id"])
    assert factories.find_secret(client, made["client_secret"]) is not None
    assert client.redirect_uris == [CALLBACK, "http://127.0.0.1/cb"]
    assert client.scopes == {"account:read", "tokens:read"}
    assert (client.owner_id, client.homepage, client.trusted) == (alice.id, "https://app.example.com", False)
    assert db.scalars(select(Event)).one().kind == "app.registered"


def test_a_public_app_has_no_secret(cli, alice):
    made = cli.json(*CREATE, *WHERE, "--public")

    assert made["client_secret"] is None
    assert not clients.find(made["client_id"]).confidential


def test_an_operator_can_trust_an_app(cli, alice):
    made = cli.json(*CREATE, "--redirect-uri", CALLBACK, "--scope", "tokens:write", "--trusted")

    assert clients.find(made["client_id"]).trusted


@pytest.mark.standard("K-02")
def test_people_are_asked_about_a_public_app_whatever_an_operator_says(cli, alice):
    result = cli(*CREATE, *WHERE, "--public", "--trusted", "--json")

    client = clients.find(json.loads(result.stdout)["client_id"])
    assert (result.exit_code, client.confidential, client.trusted) == (0, False, False)
    assert result.stderr.startswith("latchkey: --trusted: people are asked all the same")


def test_people_read_both_parts(cli, alice):
    result = cli(*CREATE, *WHERE)

    assert "client_id      app_" in result.stdout
    assert "client_secret  lk_sec_" in result.stdout


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "options, says",
    [
        (("--redirect-uri", "http://evil.example/cb", "--scope", "account:read"), "--redirect-uri: "),
        (("--redirect-uri", "https://app.example.com/*", "--scope", "account:read"), "wildcard"),
        (("--redirect-uri", CALLBACK, "--scope", "no:such"), "--scope: "),
        (("--redirect-uri", CALLBACK, "--scope", "tokens:write"), "administrator trusts"),
        (("--redirect-uri", CALLBACK, "--scope", "tokens:write", "--public", "--trusted"), "administrator trusts"),
        ((*WHERE, "--homepage", "http://app.example.com"), "--homepage: "),
    ],
)
def test_what_cannot_be_an_app_is_refused(cli, alice, options, says):
    assert says in cli.refused(*CREATE, *options)
    assert clients.list_for(alice) == []


def test_the_owner_must_exist_and_be_verified(cli):
    assert cli.refused(*CREATE, *WHERE) == "no user has this address"

    factories.make_user("alice@example.com", verified=False)
    assert "verify" in cli.refused(*CREATE, *WHERE)


@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("missing", ["--owner", "--name", "--redirect-uri", "--scope"])
def test_what_an_app_needs_must_be_given(cli, missing):
    command = [*CREATE, *WHERE]
    at = command.index(missing)

    result = cli(*command[:at], *command[at + 2 :])

    assert result.exit_code == 2
    assert missing in result.stderr


@pytest.mark.standard("F-06")
def test_an_operator_marks_an_app_as_a_resource_server(cli, example_client, bob):
    app = example_client.client
    public = factories.make_client(bob, name="Public", confidential=False).client

    assert cli.json("client", "resource-server", app.id, "on") == {"id": app.id, "resource_server": True}
    assert cli.json("client", "resource-server", app.id, "on") == {"id": app.id, "resource_server": True}
    told = [event.detail["changes"] for event in activity.list_for(bob) if event.kind == "app.changed"]
    assert told == [["resource_server"]], "once, and the owner reads of it"
    assert cli.json("client", "resource-server", app.id, "off") == {"id": app.id, "resource_server": False}
    assert "only a confidential app" in cli.refused("client", "resource-server", public.id, "on").lower()
    assert "no app has this id" in cli.refused("client", "resource-server", "app_0", "on")


def test_scopes_that_people_may_untick_are_named_beside_the_others(cli, create_user):
    create_user()
    more = ("--redirect-uri", "https://app.example/cb", "--scope", "account:read", "--scope", "activity:read")

    made = cli.json(*CREATE, *more, "--optional-scope", "activity:read")
    assert cli.json("client", "show", made["client_id"])["optional_scopes"] == ["activity:read"]
    line = cli.refused(*CREATE, *more, "--optional-scope", "tokens:read")
    assert line.startswith("--optional-scope: people can only untick what the app asks for")


@pytest.mark.standard("D-15")
def test_an_app_is_given_keys_and_goes_back_to_a_secret(cli, alice, tmp_path, mailbox):
    made = cli.json(*CREATE, *WHERE)
    text = signing.key_set(Pair())
    (tmp_path / "jwks.json").write_text(text)

    given = cli.json("client", "keys", made["client_id"], "--jwks", str(tmp_path / "jwks.json"))

    assert (given["keyed"], given["keys"]) == (True, 1)
    assert "Keys changed" in mailbox.last(alice.email).message["Subject"]
    assert factories.find_secret(clients.find(made["client_id"]), made["client_secret"]) is None
    assert "has no secret" in cli.refused("client", "rotate", made["client_id"], "--yes")
    assert cli.json("client", "keys", made["client_id"], "--none")["keyed"] is False
    assert cli.json("client", "rotate", made["client_id"], "--yes")["client_secret"]


@pytest.mark.standard("D-15", "I-03")
def test_an_app_that_is_registered_with_keys_never_has_a_secret(cli, alice, tmp_path):
    (tmp_path / "jwks.json").write_text(signing.key_set(Pair()))

    made = cli.json(*CREATE, *WHERE, "--jwks", str(tmp_path / "jwks.json"))

    client = clients.find(made["client_id"])
    assert (made["client_secret"], client.keyed, clients.live_secrets(client)) == (None, True, [])
    assert cli.refused(*CREATE, *WHERE, "--jwks", "-").startswith("--jwks: ")
    public = cli.refused(*CREATE, *WHERE, "--public", "--jwks", str(tmp_path / "jwks.json"))
    assert public == "--jwks: a public app proves itself by nothing"
    assert len(clients.list_for(alice)) == 1


@pytest.mark.parametrize("options", [(), ("--none", "--jwks-uri", "https://app.example.com/jwks")])
def test_keys_come_from_one_place(cli, alice, options):
    made = cli.json(*CREATE, *WHERE)

    assert cli("client", "keys", made["client_id"], *options).exit_code == 2


@pytest.mark.parametrize("options", [("--jwks", "-"), ("--jwks-uri", "https://127.0.0.1/jwks")])
def test_keys_that_cannot_be_change_nothing(cli, alice, options):
    made = cli.json(*CREATE, *WHERE)

    assert cli.refused("client", "keys", made["client_id"], *options)
    assert not clients.find(made["client_id"]).keyed
