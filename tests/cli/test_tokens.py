"""`latchkey token`: made, shown and revoked, and never printed but once."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from latchkey import credentials, grants, tokens
from latchkey.accounts import users
from latchkey.credentials import Kind
from latchkey.journal.activity import Event
from latchkey.oversight import keys
from latchkey.safety import lockdown
from latchkey.store.session import commit_parts, db
from latchkey.tokens import access
from tests import factories
from tests.crowd import at_once

CREATE = (
    "token",
    "create",
    "--user",
    "alice@example.com",
    "--description",
    "Nightly backup",
    "--scope",
    "account:read",
)


def days(token) -> int | None:
    return token.expires_at and round((token.expires_at - token.created_at) / timedelta(days=1))


def test_a_token_is_made_and_works(cli, alice, db):
    made = cli.json(*CREATE, "--scope", "tokens:read", "--expires-in-days", "7")

    bearer = access.admit(made["token"], ["account:read", "tokens:read"])
    assert (bearer.token_id, bearer.user_id) == (made["id"], alice.id)
    assert days(tokens.get_for(alice, made["id"])) == 7
    assert db.scalars(select(Event)).one().kind == "token.created"


@pytest.mark.parametrize("verb", ["mint", "revoke"])
def test_an_account_that_is_deleted_meanwhile_is_told_in_a_line(cli, app, alice, monkeypatch, verb):
    """Before the token is made, and after it was ended."""
    token_id, alice_id = factories.make_token(alice).token.id, alice.id
    done = getattr(tokens if verb == "mint" else keys, verb)

    def delete():
        with app.app_context():
            commit_parts(lockdown.delete(users.find(alice_id)))

    def meanwhile(*given, **named):
        if verb == "mint":
            at_once(delete)
            return done(*given, **named)
        done(*given, **named)
        db.commit()
        at_once(delete)
        return True

    monkeypatch.setattr(tokens if verb == "mint" else keys, verb, meanwhile)

    said = cli.refused(*(CREATE if verb == "mint" else ("token", "revoke", token_id)))

    assert said == "what this is about was changed or deleted in this very moment; look again"


def test_the_owner_hears_of_it(cli, alice, mailbox):
    made = cli.json(*CREATE)

    letter = mailbox.last("alice@example.com")
    assert "Nightly backup" in letter.text
    assert made["token"] not in letter.message.as_string()


def test_left_to_itself_it_lives_for_90_days(cli, alice):
    assert days(tokens.get_for(alice, cli.json(*CREATE)["id"])) == 90
    assert days(tokens.get_for(alice, cli.json(*CREATE, "--no-expiry")["id"])) is None
    assert days(tokens.get_for(alice, cli.json(*CREATE, token_max_days="30")["id"])) == 30


def test_people_get_the_token_alone_so_that_it_can_be_piped(cli, alice):
    result = cli(*CREATE)

    assert credentials.kind_of(result.stdout.strip()) is Kind.DEVELOPER


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "options, given, says",
    [
        (("--scope", "no:such"), {}, "--scope: known are account:read "),
        (("--description", "\x1b[31mred"), {}, "--description: "),
        (("--description", "x" * 81), {}, "--description: "),
        (("--expires-in-days", "31"), {"token_max_days": "30"}, "30 days"),
        (("--no-expiry",), {"token_max_days": "30"}, "30 days"),
        (("--user", "bob@example.com"), {}, "no user has this address"),
        (("--user", "new@example.com"), {}, "verify"),
    ],
)
@pytest.mark.usefixtures("alice")
def test_what_cannot_be_a_token_is_refused(cli, db, options, given, says):
    factories.make_user("new@example.com", verified=False)

    assert says in cli.refused(*CREATE, *options, **given)
    assert db.scalar(select(tokens.Token)) is None


@pytest.mark.parametrize("value", ["0", "-1", "x", "99999999"])
def test_days_that_are_none_are_a_matter_of_usage(cli, value):
    assert cli(*CREATE, "--expires-in-days", value).exit_code == 2


def test_a_token_is_shown_by_itself_or_its_id_and_never_repeated(cli, alice):
    minted = factories.make_token(alice, description="Nightly backup")

    shown = cli.json("token", "show", minted.token.id)

    assert (shown["id"], shown["kind"], shown["status"]) == (minted.token.id, "dev", "active")
    assert (shown["user"], shown["description"]) == ("alice@example.com", "Nightly backup")
    assert shown["scopes"] == ["account:read"]
    assert shown["created_at"].endswith("Z")
    assert cli.json("token", "show", minted.plaintext) == shown
    assert cli.json("token", "show", stdin=f"{minted.plaintext}\n") == shown
    assert cli.json("token", "show", "-", stdin=minted.plaintext) == shown
    assert minted.plaintext not in str(shown)
    assert minted.plaintext not in cli("token", "show", minted.plaintext).output


def test_a_token_of_an_app_is_shown_with_its_app(cli, alice, example_client):
    grant = grants.allow(alice, example_client.client, ["account:read"])
    plaintext = factories.make_access_token(grant)

    shown = cli.json("token", "show", stdin=plaintext)
    assert (shown["kind"], shown["client_id"], shown["status"]) == ("oat", example_client.client.id, "active")

    grants.end(grant.id, grants.EndReason.WITHDRAWN)
    db.commit()
    assert cli.json("token", "show", stdin=plaintext)["status"] == "revoked"


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("given", ["tok_" + "0" * 28, "lk_dev_" + "x" * 36, "nonsense", "töken", "x" * 3000])
@pytest.mark.parametrize("command", ["show", "revoke"])
def test_nothing_is_known_of_what_is_no_token(cli, command, given):
    assert cli.refused("token", command, given) == "no token is known by this"


def test_a_revoked_token_is_dead_at_once_and_stays_so(cli, alice, db):
    minted = factories.make_token(alice)

    assert cli.json("token", "revoke", minted.token.id)["status"] == "revoked"
    assert cli.json("token", "revoke", minted.token.id)["status"] == "revoked"

    with pytest.raises(access.InvalidToken):
        access.admit(minted.plaintext)
    assert [event.kind for event in db.scalars(select(Event))] == ["token.revoked"]


@pytest.mark.standard("I-12")
def test_a_token_is_bound_to_addresses(cli, alice):
    ranges = ["203.0.113.0/24", "2001:db8::/48"]
    given = [word for each in ranges for word in ("--allow", each)]
    made = cli.json(*CREATE_BOUND, *given)

    assert cli.json("token", "show", made["id"])["allowed_addresses"] == ranges
    refused = cli(*CREATE_BOUND, "--allow", "203.0.113.9/24")
    assert refused.exit_code == 1
    assert "--allow: 203.0.113.9/24 is no range. Its network is 203.0.113.0/24." in refused.stderr


CREATE_BOUND = ("token", "create", "--user", "alice@example.com", "--description", "Bound", "--scope", "account:read")
