"""The client_id by which an app was known in another system, and what that system kept of its secret."""

import re

from sqlalchemy import ForeignKey, LargeBinary, ScalarSelect, String, select
from sqlalchemy.orm import Mapped, mapped_column

from latchkey import credentials, ids
from latchkey.store.session import Base, db

# Printable ASCII (RFC 6749 §2.2), and nothing that could be the address of a metadata document.
FORM = re.compile(r"(?![A-Za-z][A-Za-z0-9+.-]*://)[ -~]{1,200}")
# A shorter secret was made up by somebody, and can be guessed.
SHORTEST_SECRET = 20


class ForeignClient(Base):
    """One client_id of another system, by its digest."""

    __tablename__ = "foreign_client"

    name: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"), index=True)


class ForeignSecret(Base):
    """What proves a secret whose string was not seen yet; until then its digest is one that no string has."""

    __tablename__ = "foreign_secret"

    secret_id: Mapped[str] = mapped_column(ForeignKey("client_secret.id", ondelete="CASCADE"), primary_key=True)
    proof: Mapped[str] = mapped_column(String(500))


def can_be_kept(client_id: str) -> bool:
    """Whether an app can go on by this client_id; false for what is one of ours or leads to a document."""
    return bool(FORM.fullmatch(client_id)) and not ids.is_id(client_id, "app")


def name(client_id: str) -> bytes | None:
    """What is kept of a client_id of another system; None for what is none, and until the first import."""
    return credentials.digest(client_id) if credentials.foreign_expected() and can_be_kept(client_id) else None


def named(kept: object) -> ScalarSelect[str]:
    """Our id of the app that is kept under this name."""
    return select(ForeignClient.client_id).where(ForeignClient.name == kept).scalar_subquery()


def ours(client_id: str) -> str | None:
    """Our id of the app that has this client_id, whoever gave it."""
    if ids.is_id(client_id, "app"):
        return client_id
    kept = name(client_id)
    return db.scalar(select(ForeignClient.client_id).where(ForeignClient.name == kept)) if kept is not None else None


def may_be_secret(text: str) -> bool:
    """Whether this could be a secret that another system made."""
    return len(text) >= SHORTEST_SECRET and credentials.may_be_foreign(text)
