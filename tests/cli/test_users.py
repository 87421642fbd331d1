"""`latchkey user`: accounts made, suspended and deleted by an operator."""

import pyotp
import pytest
from sqlalchemy import select

from latchkey import grants
from latchkey.accounts import second_factors, sessions, users
from latchkey.accounts.users import User
from latchkey.journal import activity, acts
from latchkey.journal.activity import Event, EventKind
from latchkey.mail.outbox import Letter
from latchkey.store import session as database
from latchkey.store.session import db
from latchkey.tokens import access
from tests import factories, pages
from tests.factories import PASSWORD

CREATE = ("user", "create", "--email", "alice@example.com", "--name", "Alice")


def test_an_account_is_made_with_a_password_from_standard_input(cli, db):
    made = cli.json(*CREATE, "--password-stdin", stdin=f"{PASSWORD}\n")

    user = users.authenticate(users.find_by_email("alice@example.com"), PASSWORD)
    assert made == {"id": user.id, "email": "alice@example.com"}
    assert user.verified
    assert not user.is_admin
    assert [(event.kind, event.agent) for event in db.scalars(select(Event))] == [("account.signed_up", "command line")]


def test_flags_make_an_administrator_or_leave_the_address_to_be_verified(create_user):
    create_user("admin@example.com", "--admin")
    create_user("new@example.com", "--unverified")

    assert users.find_by_email("admin@example.com").is_admin
    assert not users.find_by_email("new@example.com").verified
    made = [(act.kind, act.target, act.doer) for act in acts.page()]
    assert made == [("user.administrator_made", "admin@example.com", "command_line")]


def test_people_read_a_sentence(cli):
    result = cli(*CREATE, "--password-stdin", stdin=PASSWORD)

    assert result.exit_code == 0
    assert result.stdout.startswith("Created alice@example.com (usr_")


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "change, stdin, says",
    [
        ({"--email": "nobody"}, PASSWORD, "e-mail address"),
        ({"--email": "alice@example.com\nBcc: x@example.com"}, PASSWORD, "e-mail address"),
        ({"--name": " "}, PASSWORD, "--name: "),
        ({"--name": "A\u202eB"}, PASSWORD, "--name: "),
        ({"--name": "x" * 81}, PASSWORD, "80 are the most"),
        ({}, "short", "12 characters"),
        ({}, "password1234", "easy to guess"),
        ({}, "x" * 5000, "the password and nothing else"),
        ({}, "", "the password and nothing else"),
        ({}, f"{PASSWORD}\nand more\n", "the password and nothing else"),
        ({}, b"\xff\xfe-not-utf-8", "not UTF-8"),
    ],
)
def test_what_cannot_be_an_account_is_refused_in_one_line(cli, db, change, stdin, says):
    given = {"--email": "alice@example.com", "--name": "Alice"} | change
    options = [part for option in given.items() for part in option]

    assert says in cli.refused("user", "create", *options, "--password-stdin", stdin=stdin)
    assert db.scalar(select(users.User)) is None


def test_an_address_is_taken_however_it_is_spelt(cli, create_user):
    create_user()

    line = cli.refused(
        "user", "create", "--email", "ALICE@example.com", "--name", "A", "--password-stdin", stdin=PASSWORD
    )

    assert line == "another user has this address"


def test_no_password_is_a_matter_of_usage(cli):
    result = cli(*CREATE, stdin=PASSWORD)

    assert result.exit_code == 2
    assert "--password-stdin" in result.stderr


def test_an_operator_makes_accounts_where_nobody_may_sign_up(cli):
    made = cli.json(*CREATE, "--password-stdin", stdin=PASSWORD, signup="invite")

    assert made["email"] == "alice@example.com"


@pytest.mark.standard("I-08")
def test_a_disabled_user_is_refused_until_enabled(cli, alice, example_client):
    plaintext = factories.make_token(alice).plaintext
    grants.allow(alice, example_client.client, {"account:read"})
    opened = sessions.open(alice).plaintext
    db.commit()

    assert cli.json("user", "disable", "alice@example.com")["disabled"]
    with pytest.raises(access.InvalidToken):
        access.admit(plaintext)
    assert cli.refused("token", "create", "--user", "alice@example.com", "--description", "x", "--scope", "a:b")

    assert not cli.json("user", "enable", "alice@example.com")["disabled"]
    db.expire_all()
    assert users.authenticate(users.find_by_email("alice@example.com"), factories.PASSWORD).id == alice.id
    # Whoever has it by then gets nothing back: what was handed out before stays ended (I-08).
    with pytest.raises(access.InvalidToken):
        access.admit(plaintext)
    assert sessions.find(opened) is None
    assert not grants.list_for(users.find_by_email("alice@example.com"))


def test_deleting_asks_first(cli, alice):
    refused = cli("user", "delete", "alice@example.com", stdin="y\n")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "--yes" in refused.stderr
    assert users.find_by_email("alice@example.com")

    assert cli.json("user", "delete", "alice@example.com", "--yes")["email"] == "alice@example.com"
    assert users.find_by_email("alice@example.com") is None


@pytest.mark.parametrize("command", ["disable", "enable"])
def test_nobody_has_this_address(cli, command):
    assert cli.refused("user", command, "nobody@example.com") == "no user has this address"


@pytest.mark.standard("A-05")
def test_a_fresh_installation_has_no_account_and_opens_to_nobody(cli, app, db, settings):
    cli.json("init")
    database.configure(settings.database_url)

    assert db.scalars(select(User)).all() == []
    for email, password in (("admin@example.com", "admin"), ("admin@localhost", "latchkey"), ("root@localhost", "")):
        answer = pages.submit(app.test_client(), "/login", email=email, password=password)
        assert answer.status_code == 422


@pytest.mark.standard("L-11")
def test_an_operator_resets_the_second_factor_of_somebody_locked_out(cli, alice):
    key = second_factors.new_key()
    second_factors.set_up(users.lock(alice.id), key, pyotp.TOTP(key).now())
    db.commit()

    assert cli.json("user", "reset-second-factor", "alice@example.com")["reset"]
    assert not cli.json("user", "reset-second-factor", "alice@example.com")["reset"]

    assert second_factors.find(alice) is None
    told = activity.list_for(alice, kinds=[EventKind.SECOND_FACTOR_OFF])
    assert [event.detail["actor"]["doer"] for event in told] == ["command_line"]
    assert len(db.scalars(select(Letter)).all()) == 1
