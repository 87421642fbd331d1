"""When tokens were last used: noted without a write, written together, lost by no fault."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from latchkey import origin
from latchkey.store.session import engines
from latchkey.tokens import Token, access, usage
from tests import factories


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
