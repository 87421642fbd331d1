"""What an operator stops, lets go on and deletes: apps and users, and who hears of it."""

import pytest
from sqlalchemy import select

from latchkey import clients, grants, tokens
from latchkey.accounts import users
from latchkey.clients import Cause
from latchkey.journal.activity import Event
from latchkey.safety import shutdown
from latchkey.store.session import db as session
from tests import factories

REASON = "Asked for more than it needs"


@pytest.fixture
def used(alice, bob, mailbox):
    """Bob's app, which Alice uses."""
    client = factories.make_client(bob).client
    grants.allow(alice, client, {"account:read"})
    session.commit()
    return client


def now(client_id):
    session.expire_all()
    return clients.find(client_id)


def test_an_app_is_suspended_and_everybody_concerned_hears_why(cli, used, db, mailbox):
    said = cli.json("client", "suspend", used.id, "--reason", REASON)

    assert (said["client_id"], said["suspended_for"], said["told"]) == (used.id, ["administrator"], 1)
    assert said["suspension_reason"] == REASON
    for person in ("alice@example.com", "bob@example.com"):
        assert REASON in mailbox.last(person).text
        assert "an operator, by the command line" in mailbox.last(person).text
    event = db.scalars(select(Event).where(Event.kind == "app.suspended")).one()
    assert event.detail["actor"] == {"doer": "command_line", "reason": REASON}


def test_suspending_again_tells_nobody_again(cli, used, mailbox):
    cli.json("client", "suspend", used.id)
    before = len(mailbox.letters())

    assert cli.json("client", "suspend", used.id)["told"] == 0
    assert len(mailbox.letters()) == before


def test_restoring_lets_it_go_on_and_tells_its_owner(cli, used, mailbox):
    cli.json("client", "suspend", used.id)

    assert cli.json("client", "restore", used.id)["suspended_at"] is None
    assert mailbox.last("bob@example.com").subject == "App works again: Example"


def test_an_app_of_a_suspended_owner_is_not_restored_alone(cli, used):
    cli.json("client", "suspend", used.id)
    cli.json("user", "disable", "bob@example.com")

    assert "its owner is suspended" in cli.refused("client", "restore", used.id)
    assert cli.json("user", "enable", "bob@example.com")["apps"] == [used.id]
    assert now(used.id).suspended_at is None


def test_a_suspended_users_apps_stop_and_the_reason_is_the_users_alone(cli, used, mailbox):
    said = cli.json("user", "disable", "bob@example.com", "--reason", "Left the company")

    assert said["apps"] == [used.id]
    letters = {letter.subject: letter for letter in mailbox.letters("bob@example.com")}
    assert "Left the company" in letters["Your account is suspended"].text
    assert "Left the company" not in mailbox.last("alice@example.com").text
    assert "was suspended" in mailbox.last("alice@example.com").subject
    cli.json("user", "enable", "bob@example.com")
    assert "Your account works again" in [letter.subject for letter in mailbox.letters("bob@example.com")]


@pytest.mark.parametrize("command", [("disable",), ("delete", "--yes"), ("admin", "off")])
def test_the_last_administrator_stays(cli, db, command):
    first = factories.make_user("admin@example.com", admin=True)
    verb, *rest = command
    arguments = ("user", verb, "admin@example.com", *rest)

    assert cli.refused(*arguments) == "this is the last administrator"

    factories.make_user("other@example.com", admin=True)
    cli.json(*arguments)
    session.expire_all()
    left = users.find(first.id)
    assert left is None or left.disabled_at or not left.is_admin


def test_a_revoked_token_is_told_with_the_reason(cli, alice, mailbox):
    minted = factories.make_token(alice, description="Nightly backup")

    cli.json("token", "revoke", minted.token.id, "--reason", "Found in a log")

    letter = mailbox.last("alice@example.com")
    assert letter.subject == "Token revoked: Nightly backup"
    assert "Found in a log" in letter.text


def test_apps_are_listed_and_shown(cli, used, alice):
    own = factories.make_client(alice, name="Hers").client

    assert [one["client_id"] for one in cli.json("client", "list")["data"]] == [used.id, own.id]
    assert [one["name"] for one in cli.json("client", "list", "--owner", alice.email)["data"]] == ["Hers"]
    shown = cli.json("client", "show", used.id)
    assert (shown["owner"], shown["authorized_by"], shown["scopes"]) == ("bob@example.com", 1, ["account:read"])
    assert cli.refused("client", "show", "app_" + "0" * 28) == "no app has this id"


def test_users_and_tokens_are_listed_and_shown(cli, used, alice):
    minted = factories.make_token(alice)

    assert [one["email"] for one in cli.json("user", "list")["data"]] == ["alice@example.com", "bob@example.com"]
    assert cli.json("user", "show", "bob@example.com")["apps"] == [used.id]
    assert [one["id"] for one in cli.json("token", "list", "--user", alice.email)["data"]] == [minted.token.id]
    assert minted.plaintext not in cli("token", "list").stdout


def test_trust_is_given_and_taken(cli, used, alice):
    public = factories.make_client(alice, name="Public", confidential=False).client

    assert cli.json("client", "trust", used.id, "on")["trusted"] is True
    assert cli.json("client", "trust", used.id, "off")["trusted"] is False
    assert "confidential" in cli.refused("client", "trust", public.id, "on")


def test_rotating_prints_the_secret_once(cli, used):
    made = cli.json("client", "rotate", used.id, "--yes")

    assert factories.find_secret(now(used.id), made["client_secret"]) is not None
    public = factories.make_client(users.find(used.owner_id), name="P", confidential=False).client
    assert "public app has no secret" in cli.refused("client", "rotate", public.id, "--yes")


@pytest.mark.parametrize("verb", ["delete", "rotate"])
def test_nobody_to_ask_is_wrong_usage(cli, used, verb):
    refused = cli("client", verb, used.id, stdin="y\n")

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "--yes" in refused.stderr
    assert now(used.id) is not None


def test_deleting_an_app_tells_its_users(cli, used, mailbox):
    assert cli.json("client", "delete", used.id, "--yes") == {"client_id": used.id, "deleted": True, "told": 1}

    assert now(used.id) is None
    assert "no longer use your account" in mailbox.last("alice@example.com").subject


def test_deleting_a_user_shuts_their_apps_down_and_tells_the_users(cli, used, alice, mailbox):
    factories.make_token(users.find(used.owner_id))

    cli.json("user", "delete", "bob@example.com", "--yes")

    assert now(used.id) is None
    assert mailbox.last("bob@example.com").subject == "Your account was deleted"
    assert "no longer use your account" in mailbox.last("alice@example.com").subject
    assert tokens.every(None) == []


def test_an_interrupted_deletion_can_begin_again(app, used):
    with app.app_context():
        parts = shutdown.delete(used)
        next(parts)
        session.commit()
        parts.close()
        assert clients.causes(now(used.id)) == {Cause.DELETION}

        for _part in shutdown.delete(now(used.id)):
            session.commit()
        session.commit()
    assert now(used.id) is None


@pytest.mark.parametrize("reason", ["x" * 201, "a\u202eb"])
def test_a_reason_is_one_line_that_can_be_told(cli, used, reason):
    assert cli.refused("client", "suspend", used.id, "--reason", reason).startswith("--reason: ")
    assert now(used.id).suspended_at is None
