"""When tokens were last used: noted without a write, written together, lost by no fault."""

import os
import threading

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import SQLAlchemyError

from latchkey import grants, origin, tokens
from latchkey.accounts import users
from latchkey.grants import Authorization, Grant
from latchkey.store import conflicts
from latchkey.store.session import db as session
from latchkey.store.session import engines
from latchkey.tokens import Token, access, usage
from tests import factories
from tests.crowd import SECONDS, at_once, until_somebody_waits_for_a_row


@pytest.fixture
def minted(alice):
    usage.flush()
    return factories.make_token(alice)


def rename(old: str, new: str) -> None:
    with engines().write.begin() as connection:
        connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))


def test_a_use_is_written_with_its_address_and_agent(db, minted, clock):
    origin.current.set(origin.Origin("192.0.2.7", "curl/8.14", "abc"))
    access.admit(minted.plaintext)

    assert usage.flush() == 1

    token = db.get_one(Token, minted.token.id, populate_existing=True)
    assert token.last_used_at == clock.now()
    assert token.last_used_address == "192.0.2.7"
    assert token.last_used_agent == "curl/8.14"


def test_a_token_is_noted_once_a_minute_at_most(db, minted, clock):
    access.admit(minted.plaintext)
    usage.flush()

    clock.move(seconds=59)
    access.admit(minted.plaintext)
    assert usage.flush() == 0

    clock.move(seconds=2)
    access.admit(minted.plaintext)
    assert usage.flush() == 1


def test_a_refused_token_leaves_no_use(minted, alice):
    with pytest.raises(access.InvalidToken):
        access.admit(minted.plaintext[:-1] + ("a" if minted.plaintext[-1] != "a" else "b"))

    assert usage.flush() == 0


def test_what_could_not_be_written_is_written_later(db, minted):
    access.admit(minted.plaintext)
    db.remove()
    rename("token", "token_away")
    with pytest.raises(SQLAlchemyError):
        usage.flush()
    rename("token_away", "token")

    assert usage.flush() == 1

    assert db.get_one(Token, minted.token.id).last_used_at is not None


def test_what_nobody_holds_is_written_together_whatever_else_is_missing(db, minted, bob):
    """An app that acts as itself has no authorization, and a token may be gone: neither is waited for by itself."""
    own = [Grant(client=factories.make_client(bob).client, scope="account:read") for _ in range(3)]
    db.add_all(own)
    db.flush()
    apps_own = [factories.make_access_token(grant) for grant in own]
    gone = factories.make_token(bob)
    for plaintext in (*apps_own, minted.plaintext, gone.plaintext):
        access.admit(plaintext)
    db.delete(gone.token)
    db.commit()
    commits, engine = [], engines().write
    event.listen(engine, "commit", lambda _: commits.append(1))

    assert usage.flush() == 5

    # Of authorizations, and of tokens.
    assert len(commits) == 2
    used = db.scalars(select(Token.last_used_at)).all()
    assert len(used) == 4 and all(used)


def test_of_any_number_each_is_written(db, minted):
    """PostgreSQL takes 65,535 values in one statement; whatever could not be written for a while may be more."""
    access.admit(minted.plaintext)
    for _ in range(66_000):
        usage.note(os.urandom(32), None)

    assert usage.flush() == 66_001

    assert db.get_one(Token, minted.token.id, populate_existing=True).last_used_at is not None
    assert usage.flush() == 0


def test_uses_are_written_beside_whoever_holds_what_was_used(app, alice, bob, monkeypatch):
    """In whatever order: neither waits for what the other has."""
    made = [factories.make_token(alice, description=f"t{number}") for number in range(8)]
    grant = grants.allow(alice, factories.make_client(bob).client, {"account:read"})
    app_token = factories.make_access_token(grant)
    usage.flush()
    for plaintext in (app_token, *(each.plaintext for each in made)):
        access.admit(plaintext)
    alice_id, authorization_id, held = alice.id, grant.authorization_id, threading.Event()
    faults, met = [], conflicts.met
    monkeypatch.setattr(conflicts, "met", lambda fault: faults.append(fault) or met(fault))

    def end_all():
        """The caller's token first, as in a call that takes an app's access back; then each of hers."""
        with app.app_context():
            user = users.hold(alice_id)
            tokens.changes.locked(session.get(Token, max(made)))
            held.set()
            until_somebody_waits_for_a_row()
            grants.withdraw(session.get(Authorization, authorization_id))
            tokens.revoke_all(user)
            session.commit()

    def flush():
        with app.app_context():
            assert held.wait(SECONDS)
            return usage.flush()

    made = [each.token.id for each in made]
    session.remove()

    _, written = at_once(end_all, flush)

    assert (written, faults) == (9, [])
    assert all(session.scalars(select(Token.last_used_at).where(Token.id.in_(made))))
    assert session.get(Authorization, authorization_id).last_used_at is not None
