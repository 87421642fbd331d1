"""What comes in from any system, in one form: users, apps, authorizations, tokens."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias


@dataclass(frozen=True)
class UserRecord:
    """A person, by the id that the other system gave."""

    id: str
    email: str
    name: str = ""
    # Why nothing of theirs comes in, if so.
    left_out: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True)
class AppRecord:
    """An app, by the id by which tokens refer to it and the client_id that it had."""

    id: str
    client_id: str
    name: str
    owner: str = ""
    homepage: str = ""
    redirect_uris: list[str] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)
    optional: list[str] = field(default_factory=list)
    confidential: bool = True
    pkce_required: bool = True
    left_out: str = ""
    # Passport's client of personal access tokens: what it has are developer tokens.
    personal: bool = False
    # SHA-256 of secrets, and when each ends; or what proves the one whose string is not known.
    secrets: list[tuple[bytes, str, datetime | None]] = field(default_factory=list)
    proof: str = ""
    # What its owner has to do about it here.
    note: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True)
class AuthorizationRecord:
    """What a user let an app do."""

    user: str
    app: str
    scopes: list[str]
    created_at: datetime | None = None
    expires_at: datetime | None = None
    # Of them, what nobody was asked about, since the app was trusted there.
    unasked: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Kept:
    """What a system kept of a token's string: its SHA-256, or how a string names its row and what proves it then."""

    digest: bytes | None = None
    how: str = "id"
    row: str = ""
    # Of `proofs.verifier`; empty: the string is signed with the key that was given.
    proof: str = ""
    whole: bool = False
    # Whether only the old check knows the string.
    asked: bool = False

    @property
    def identity(self) -> str:
        """What tells this string from others of the same row."""
        return self.digest.hex() if self.digest is not None else f"{self.how}:{self.row}:{self.proof}"


@dataclass(frozen=True)
class SignIn:
    """The sign-in of an app that tokens belong to together, and when it ends."""

    id: str
    expires_at: datetime | None


@dataclass(frozen=True)
class TokenRecord:
    """A token, by its row in the other system."""

    id: str
    kept: Kept
    user: str = ""
    # The app that has it; empty: a developer token.
    app: str = ""
    kind: str = ""
    description: str = ""
    scopes: list[str] = field(default_factory=list)
    resource: str = ""
    addresses: str = ""
    last4: str = ""
    created_at: datetime | None = None
    expires_at: datetime | None = None
    # Whether it has ended there.
    ended: bool = False
    sign_in: SignIn | None = None
    left_out: str = ""
    # The row of the token that has its scopes and its sign-in, where a refresh token's own row has none.
    beside: str = ""


Record: TypeAlias = UserRecord | AppRecord | AuthorizationRecord | TokenRecord
# In the order in which they refer to each other.
STAGES: tuple[type[Record], ...] = (UserRecord, AppRecord, AuthorizationRecord, TokenRecord)
