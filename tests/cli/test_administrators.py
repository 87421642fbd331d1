"""Who may come in and who administers: invitations, and the last administrator."""

from functools import partial

import pytest
from sqlalchemy import select

from cli import administrators
from latchkey.accounts import users
from latchkey.journal.activity import Event
from latchkey.journal.acts import Act
from latchkey.mail.outbox import Letter
from latchkey.oversight import invitations, people
from latchkey.safety import lockdown
from latchkey.safety.lockdown import LastAdministrator
from latchkey.store import conflicts
from latchkey.store import session as database
from tests import factories
from tests.crowd import at_once


def acts(db) -> list[tuple[str, str, str]]:
    return [(act.kind, act.target, act.doer) for act in db.scalars(select(Act).order_by(Act.id))]


def test_an_invitation_is_a_letter_with_a_link_and_nothing_secret_is_printed(cli, db, mailbox):
    said = cli.json("user", "invite", "Grace@Example.com", "--admin")

    letter = mailbox.last("Grace@example.com")
    link = letter.link("/invitation/")
    assert (said["email"], said["admin"]) == ("Grace@example.com", True)
    assert link.rpartition("/")[2] not in str(said)
    assert "as an administrator" in letter.text
    assert acts(db) == [("user.invited", "Grace@example.com", "command_line")]


@pytest.mark.parametrize("address, says", [("nobody", "e-mail address"), ("alice@example.com", "has this address")])
def test_an_invitation_that_cannot_be_is_refused(cli, alice, mailbox, address, says):
    assert says in cli.refused("user", "invite", address)
    assert mailbox.letters() == []


def test_an_address_that_many_invite_at_once_has_one_invitation_and_nobody_meets_a_fault(app, db):

    def invite():
        with app.app_context():
            return conflicts.again(lambda: administrators.invited("grace@example.com", as_admin=False)).id

    db.remove()
    sent = at_once(*[invite] * 6)

    assert len(set(sent)) == 6
    [left] = db.scalars(select(invitations.Invitation)).all()
    assert left.id in sent
    assert len(acts(db)) == len(db.scalars(select(Letter)).all()) == 6


def test_a_suspension_and_its_end_are_told_once_however_often_they_are_tried(app, db, alice):
    with app.app_context():
        for verb in (people.suspend, people.suspend, people.restore, people.restore):
            verb(users.find(alice.id))
            db.commit()

    assert [kind for kind, *_ in acts(db)] == ["user.suspended", "user.restored"]


def test_who_becomes_an_administrator_hears_of_it_once(cli, db, alice, mailbox):
    for _ in range(2):
        cli.json("user", "admin", "alice@example.com", "on")
    factories.make_user("grace@example.com", admin=True)
    cli.json("user", "admin", "alice@example.com", "off")

    subjects = [letter.subject for letter in mailbox.letters("alice@example.com")]
    assert sorted(subjects) == ["You are an administrator", "You are no administrator any more"]
    kinds = [event.kind for event in db.scalars(select(Event).order_by(Event.id))]
    assert kinds == ["security.administrator_made", "security.administrator_unmade"]
    assert [kind for kind, *_ in acts(db)] == ["user.administrator_made", "user.administrator_unmade"]


@pytest.mark.parametrize("command", [("disable",), ("admin",), ("delete", "--yes")])
def test_the_last_administrator_stays_whatever_is_asked(cli, command):
    factories.make_user("ada@example.com", admin=True)
    state = ("off",) if command[0] == "admin" else ()

    said = cli.refused("user", command[0], "ada@example.com", *state, *command[1:])

    assert said == "this is the last administrator"
    user = users.find_by_email("ada@example.com")
    assert (user.is_admin, user.disabled_at) == (True, None)


def drop(user):
    for _ in people.delete(user):
        database.db.commit()


WAYS = {
    "suspend": people.suspend,
    "unmake": lambda user: people.appoint(user, on=False),
    "delete": drop,
}


@pytest.mark.parametrize("ways", [("suspend", "suspend"), ("unmake", "suspend"), ("delete", "unmake")])
def test_of_two_administrators_that_are_taken_away_at_once_one_stays(app, db, ways):
    ids = [factories.make_user(f"admin{number}@example.com", admin=True).id for number in (1, 2)]
    db.remove()
    refused = []

    def take_away(user_id, way):
        def work():
            with app.test_request_context():
                WAYS[way](users.find(user_id))
                database.db.commit()

        try:
            conflicts.again(work)
        except LastAdministrator:
            refused.append(user_id)

    at_once(*(partial(take_away, *pair) for pair in zip(ids, ways, strict=True)))

    left = [user for user in map(users.find, ids) if user and user.is_admin and user.disabled_at is None]
    assert len(refused) == 1
    assert [user.id for user in left] == refused


def test_who_was_made_an_administrator_meanwhile_is_counted_as_one(app, db):
    """What was read before the lock is not believed."""
    ada, grace = (factories.make_user(f"{name}@example.com", admin=name == "ada") for name in ("ada", "grace"))
    stale = users.find(grace.id)
    assert not stale.is_admin
    with app.test_request_context():
        people.appoint(users.find(grace.id), on=True)
        people.appoint(users.find(ada.id), on=False)
        db.commit()
        db.expunge_all()

        with pytest.raises(LastAdministrator):
            people.suspend(stale)


def test_whoever_is_being_deleted_is_no_administrator_any_more_between_the_parts(app, db):
    """Else both may go at once: the apps of one are gone already when the other turns out to have been the last."""
    ada, grace = (factories.make_user(f"{name}@example.com", admin=True) for name in ("ada", "grace"))
    factories.make_client(ada)
    with app.test_request_context():
        parts = lockdown.delete(ada)
        next(parts)
        db.commit()

        with pytest.raises(LastAdministrator):
            people.appoint(users.find(grace.id), on=False)
        db.rollback()
        database.commit_parts(parts)

    assert users.find(ada.id) is None
    assert users.find(grace.id).is_admin


def test_what_an_operator_does_is_an_act_that_outlives_its_target(cli, db, alice, mailbox):
    client = factories.make_client(alice).client
    token = factories.make_token(alice).token
    cli.json("client", "suspend", client.id, "--reason", "Too curious")
    cli.json("client", "restore", client.id)
    cli.json("client", "trust", client.id, "on")
    cli.json("client", "resource-server", client.id, "on")
    cli.json("client", "rotate", client.id, "--yes")
    cli.json("token", "revoke", token.id)
    cli.json("client", "delete", client.id, "--yes")
    cli.json("user", "disable", alice.email)
    cli.json("user", "enable", alice.email)
    cli.json("user", "delete", alice.email, "--yes")

    assert [kind for kind, *_ in acts(db)] == [
        "app.suspended", "app.restored", "app.trusted", "app.marked", "app.secret_rotated", "token.revoked",
        "app.deleted", "user.suspended", "user.restored", "user.deleted",
    ]  # fmt: skip
    assert db.scalars(select(Act.reason).order_by(Act.id)).first() == "Too curious"
