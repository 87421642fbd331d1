"""The record of every token, and the verbs that all kinds share."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    LargeBinary,
    Select,
    String,
    Text,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, aliased, mapped_column, relationship

from latchkey import clock, credentials, endings, origin, scopes, settings
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.credentials import Kind
from latchkey.grants import Grant
from latchkey.ids import new_id
from latchkey.store.session import Base, affected, db, stamp
from latchkey.tokens import ranges
from latchkey.tokens.indexes import INDEXES, LISTED

LONGEST_DESCRIPTION = 80
DISUSED = timedelta(days=90)
SOON = timedelta(days=7)
# How long the record of an ended developer token stays visible.
KEPT = timedelta(days=90)
# What made the tokens that were imported: their strings do not have our form.
IMPORTED = "latchkey import"


class Token(Base):
    """The record of one credential. It says what the token may do at most; `access` decides whether it may now."""

    __tablename__ = "token"
    __table_args__ = (
        CheckConstraint(
            "(kind = 'dev' AND grant_id IS NULL AND user_id IS NOT NULL)"
            " OR (kind IN ('oat', 'ort') AND grant_id IS NOT NULL AND parent_id IS NULL)",
            name="kind",
        ),
        *INDEXES,
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("tok"))
    kind: Mapped[str] = mapped_column(String(3))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    last4: Mapped[str] = mapped_column(String(4))
    user_id: Mapped[str | None] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    grant_id: Mapped[str | None] = mapped_column(ForeignKey("grant.id", ondelete="CASCADE"))
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("token.id", ondelete="CASCADE"))
    # The row of its former string, since it was last regenerated.
    replaces_id: Mapped[str | None] = mapped_column(String(40))
    description: Mapped[str | None] = mapped_column(String(LONGEST_DESCRIPTION))
    scope: Mapped[str] = mapped_column(String(4000))
    # The resources that the app asked it for; None: those that its scopes belong to.
    resource: Mapped[str | None] = mapped_column(Text)
    # Since when it has these scopes, from which on calls by scope are counted; None: since it was made.
    counted_since: Mapped[datetime | None]
    # The scopes that were removed because they were not used, and when, so that they can be restored.
    dropped_scope: Mapped[str | None] = mapped_column(String(4000))
    dropped_at: Mapped[datetime | None]
    # The address ranges that it works from; None: any address.
    allowed_addresses: Mapped[str | None] = mapped_column(String(ranges.LONGEST_KEPT))
    form_id: Mapped[str | None] = mapped_column(String(43))
    created_at: Mapped[datetime] = mapped_column(default=stamp)
    created_address: Mapped[str] = mapped_column(String(45))
    created_agent: Mapped[str] = mapped_column(String(200))
    expires_at: Mapped[datetime | None]
    # The lifetime that its owner chose last; None: no end. A token that renews itself gets no longer one.
    term_seconds: Mapped[int | None]
    renewed_at: Mapped[datetime | None]
    # How many days before its end the last reminder was sent, and when a letter said that it is not used.
    reminded_days: Mapped[int | None]
    told_disused_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    # Since when it waits for an administrator, because of one of its scopes; None: it does not.
    waiting_since: Mapped[datetime | None]
    # When a refresh token was used or a former string replaced, and its successor. Where a refresh token has two
    # successors (within the grace period), each names the other here until one is used.
    consumed_at: Mapped[datetime | None]
    successor_id: Mapped[str | None] = mapped_column(String(40))
    last_used_at: Mapped[datetime | None]
    last_used_address: Mapped[str | None] = mapped_column(String(45))
    last_used_agent: Mapped[str | None] = mapped_column(String(200))

    user: Mapped[User | None] = relationship()
    grant: Mapped[Grant | None] = relationship()
    parent: Mapped["Token | None"] = relationship(remote_side="Token.id")
    replaced: Mapped["Token | None"] = relationship(
        primaryjoin="foreign(Token.replaces_id) == remote(Token.id)", viewonly=True
    )

    @property
    def scopes(self) -> frozenset[str]:
        """What it may do at most."""
        return scopes.held(self.scope)

    @property
    def access(self) -> str:
        """`read` if all of its scopes only read, else `write`."""
        return scopes.access(self.scopes)

    @property
    def status(self) -> str:
        """`active`, `waiting` (for an administrator), `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= clock.now():
            return "expired"
        return "active" if self.waiting_since is None else "waiting"

    @property
    def ended(self) -> bool:
        """Whether it has expired or was revoked."""
        return self.status in ("expired", "revoked")

    @property
    def ends_soon(self) -> bool:
        """Whether it works but expires soon."""
        return self.expires_at is not None and self.expires_at - clock.now() < SOON and self.status == "active"

    @property
    def condition(self) -> str:
        """Its status, or `paused` while its user has paused everything."""
        paused = self.status == "active" and self.user is not None and self.user.paused_at is not None
        return "paused" if paused else self.status

    @property
    def replaces(self) -> "Token | None":
        """The record of its former string, while that still works; else None."""
        return self.replaced if self.replaced is not None and self.replaced.status == "active" else None

    @property
    def idle_since(self) -> datetime:
        """When it was last used; if it was not, when it was last renewed or made."""
        return self.last_used_at or self.renewed_at or self.created_at

    @property
    def disused(self) -> bool:
        """Whether it works but was not used for a long time."""
        return self.status == "active" and clock.now() - self.idle_since >= DISUSED

    @property
    def kept_until(self) -> datetime | None:
        """When the record of a developer token will be removed; None if the token has no end."""
        ends = [moment for moment in (self.expires_at, self.revoked_at) if moment is not None]
        return min(ends) + KEPT if ends else None

    @property
    def hint(self) -> str:
        """The part of its string that may be shown; of an imported token only the end."""
        brought = self.created_agent == IMPORTED and self.renewed_at is None
        return f"…{self.last4}" if brought else f"{settings.current().token_prefix}_{self.kind}_…{self.last4}"


def serialized(wanted: Iterable[str]) -> str:
    """Scopes as they are stored. Raises `scopes.NoScopes` if there are none, `scopes.UnknownScope`."""
    return scopes.serialize(scopes.check(wanted))


def columns(plaintext: str, kind: Kind) -> dict[str, object]:
    """The columns of a new token that describe its string, and the request that made it."""
    here = origin.current.get()
    return {
        "kind": kind.value,
        "digest": credentials.digest(plaintext),
        "last4": plaintext[-4:],
        "created_address": here.address,
        "created_agent": here.agent,
    }


def find(plaintext: str, *kinds: Kind) -> Token | None:
    """The token of a plaintext, also an ended one, so that a replay is recognised; of these kinds, if any are given."""
    kind = credentials.kind_of(plaintext)
    wanted = set(kinds or Kind) if credentials.may_be_foreign(plaintext) else {kind} & set(kinds or Kind)
    known = select(Token).where(Token.digest == credentials.digest(plaintext), Token.kind.in_(wanted))
    return db.scalar(known) if wanted else None


def last_issued(client: Client) -> datetime | None:
    """When a client was last issued a token."""
    return db.scalar(select(func.max(Token.created_at)).join(Token.grant).where(Grant.client_id == client.id))


def revoke(token: Token) -> bool:
    """End a token, its former string and what they made, at the next request; safe to repeat.

    Whether it was still to be ended.
    """
    now = clock.now()
    family = select(Token.id).where(Token.id.in_(_family(token.id))).order_by(Token.id)
    db.execute(family.with_for_update(of=Token))
    ended = affected(update(Token).where(Token.id == token.id, Token.revoked_at.is_(None)).values(revoked_at=now))
    if revoke_descendants(token.id, now) or ended:
        endings.note(endings.Kind.TOKEN, token.id)
    return ended == 1


def revoke_many(user_id: str, token_ids: Iterable[str]) -> list[Token]:
    """Revoke those of these developer tokens that are the user's and still work, and all they made. Returns them."""
    ids = list(token_ids)
    live = select(Token).where(Token.id.in_(ids), Token.user_id == user_id, text(LISTED), Token.revoked_at.is_(None))
    ended = [token for token in db.scalars(live.order_by(Token.id)) if not token.ended]
    family = _family(*(token.id for token in ended))
    db.execute(select(Token.id).where(Token.id.in_(family)).order_by(Token.id).with_for_update(of=Token))
    revoked = update(Token).where(Token.id.in_(family), Token.revoked_at.is_(None)).values(revoked_at=clock.now())
    db.execute(revoked.execution_options(synchronize_session=False))
    endings.note(endings.Kind.TOKEN, *(token.id for token in ended))
    return ended


def revoke_descendants(token_id: str, now: datetime) -> int:
    """Revoke all that a token made, directly or not. Returns how many of them still worked."""
    return affected(
        update(Token)
        .where(Token.id.in_(_family(token_id)), Token.id != token_id, Token.revoked_at.is_(None))
        .values(revoked_at=now)
        .execution_options(synchronize_session=False)
    )


def _family(*token_ids: str) -> Select[str]:
    """Some tokens, their former strings, and all that hang on them: a former string of those hangs where they do."""
    former = select(Token.replaces_id).where(Token.id.in_(token_ids))
    family = select(Token.id).where(or_(Token.id.in_(token_ids), Token.id.in_(former))).cte("family", recursive=True)
    child = aliased(Token)
    family = family.union_all(select(child.id).join(family, child.parent_id == family.c.id))
    return select(family.c.id)
