"""Which tokens came from another system, so that none comes twice, and what is still to be learned of their strings."""

from datetime import datetime

from sqlalchemy import LargeBinary, String, bindparam, null, select, update
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import credentials
from latchkey.clients.moved.record import ForeignClient
from latchkey.store.drivers.transactions import transaction
from latchkey.store.prepared import PreparedWrite
from latchkey.store.session import Base, db, some
from latchkey.tokens.record import Token


class ForeignToken(Base):
    """One token of another system. It stays when the token is gone, or the next import would bring it back."""

    __tablename__ = "foreign_token"
    __table_args__ = (
        some("ix_foreign_token_name", "name", where="name IS NOT NULL", unique=True),
        some("ix_foreign_token_placeholder", "placeholder", where="placeholder IS NOT NULL", unique=True),
    )

    # Of the system, its row, and what that row kept of the string.
    key: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    token_id: Mapped[str] = mapped_column(String(40))
    # How a string names the row, what proves it, and the digest that its token has until then: one that no string has.
    # A token that was given another string meanwhile has another digest, and the old one is never learned.
    name: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    placeholder: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    proof: Mapped[str | None] = mapped_column(String(500))
    # Whether the whole string is what was kept, or what comes behind the name of the row.
    whole: Mapped[bool] = mapped_column(default=False)
    signer_id: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    imported_at: Mapped[datetime]


class ForeignSigner(Base):
    """A public key that another system signed its tokens with; its id is its digest."""

    __tablename__ = "foreign_signer"

    id: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary(1200))


class ForeignRecord(Base):
    """A user, an app or a sign-in that came from another system, and what it is here."""

    __tablename__ = "foreign_record"

    key: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    became: Mapped[str] = mapped_column(String(40))


_learned = PreparedWrite(
    update(Token)
    .where(Token.digest == bindparam("placeholder"))
    .values(digest=bindparam("learned"), last4=bindparam("shown"))
)
_forgotten = PreparedWrite(
    update(ForeignToken)
    .where(ForeignToken.placeholder == bindparam("placeholder_was"))
    .values(name=null(), placeholder=null(), proof=null(), signer_id=null())
)


def refresh() -> None:
    """Whether strings of other systems are looked up at all: once some were imported. Every process asks again soon."""
    some_are = (select(column).limit(1) for column in (ForeignToken.imported_at, ForeignClient.client_id))
    credentials.expect_foreign(on=any(db.scalar(one) is not None for one in some_are))


def learn(placeholder: bytes, plaintext: str) -> None:
    """Keep a token as ours from now on: what proved its string is not needed any more. Once, whoever else does."""
    with transaction() as connection:
        _learned.run(
            connection,
            {"placeholder": placeholder, "learned": credentials.digest(plaintext), "shown": plaintext[-4:]},
        )
        _forgotten.run(connection, {"placeholder_was": placeholder})
