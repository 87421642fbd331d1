"""What an import knows while it goes on: who and what is already here, how scopes translate, and what it says."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import select

from latchkey import credentials, scopes
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.store.session import db
from latchkey.tokens.imported.record import ForeignRecord

# How a reason is told as it comes up: by the number of its line.
Tell = Callable[[int, str], object]
REMOVED = "it came before, and was removed here since"
# What is shown of a string that was not seen.
UNKNOWN = "····"
KINDS = ("users", "apps", "authorizations", "tokens")


@dataclass
class Counts:
    """How many of one kind came in, were here before, and were left out."""

    new: int = 0
    known: int = 0
    skipped: int = 0


@dataclass
class Desk:
    """One import. Ids of the other system lead to ours."""

    system: str
    # Scopes of there, and what they are called here.
    names: Mapping[str, frozenset[str]]
    # Whose apps are that have no owner; None: they are left out.
    owner: User | None
    # Where the rest of the tokens' proof is.
    signer_id: bytes | None
    tell: Tell
    users: dict[str, str] = field(default_factory=dict)
    # By which address each id was seen, and ids of more than one: whose they are nobody can say.
    claims: dict[str, str] = field(default_factory=dict)
    doubled: set[str] = field(default_factory=set)
    apps: dict[str, str] = field(default_factory=dict)
    # Apps whose tokens are developer tokens.
    personal: set[str] = field(default_factory=set)
    # What the apps of the file ask people for, by all that it has of them; and what tokens lend to those beside them.
    asked: dict[str, set[str]] = field(default_factory=dict)
    lent: dict[str, list[str] | None] = field(default_factory=dict)
    counts: dict[str, Counts] = field(default_factory=lambda: {kind: Counts() for kind in KINDS})
    # Lines that could not be read at all, and tokens that have ended there.
    unread: int = 0
    ended: int = 0

    # What is told of the batch at hand once it is there.
    notes: list[tuple[int, str]] = field(default_factory=list)

    def skip(self, kind: str, line: int, why: str) -> None:
        """Leave something out, and say so."""
        self.counts[kind].skipped += 1
        self.notes.append((line, why))

    def count(self, kind: str, *, new: bool) -> None:
        """One came in, or was here before."""
        self.counts[kind].new += new
        self.counts[kind].known += not new

    def claim(self, id: str, email_key: str) -> None:
        """Somebody of there has this id."""
        if self.claims.setdefault(id, email_key) != email_key:
            self.doubled.add(id)
            self.users.pop(id, None)

    def settle(self) -> None:
        """The batch is there."""
        for note in self.notes:
            self.tell(*note)
        self.notes.clear()

    def key(self, *parts: str) -> bytes:
        """By what a thing of there is known when it comes again."""
        return credentials.digest("\x00".join((self.system, *parts)))

    def scopes(self, there: Iterable[str]) -> frozenset[str]:
        """What scopes of there are here; those that are nothing here are left out."""
        known = scopes.catalogue()
        found: set[str] = set()
        for name in there:
            found |= self.names.get(name, frozenset({name} & known.keys()))
        return frozenset(found)


def before(keys: Iterable[bytes]) -> dict[bytes, str]:
    """What became of those that came before."""
    rows = select(ForeignRecord.key, ForeignRecord.became).where(ForeignRecord.key.in_(list(keys)))
    return {row.key: row.became for row in db.execute(rows)}


def remember(known: dict[bytes, str], key: bytes, became: str) -> None:
    """What this one became is told by `before` when it comes again."""
    if key not in known:
        db.add(ForeignRecord(key=key, became=became))
        known[key] = became


def users_here(ids: Iterable[str]) -> dict[str, User]:
    """Users by id, locked in the order of their ids: what begins for them comes before or after, not beside it."""
    found = select(User).where(User.id.in_(sorted(set(ids)))).order_by(User.id).with_for_update(key_share=True)
    return {user.id: user for user in db.scalars(found.execution_options(populate_existing=True))}


def clients_here(ids: Iterable[str]) -> dict[str, Client]:
    """Apps by id, locked like users, after them."""
    found = select(Client).where(Client.id.in_(sorted(set(ids)))).order_by(Client.id)
    locked = found.with_for_update(of=Client, key_share=True).execution_options(populate_existing=True)
    return {client.id: client for client in db.scalars(locked)}
