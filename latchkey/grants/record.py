"""What a user lets an app do, and each sign-in of an app under it."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, ForeignKey, Index, String, Text, UniqueConstraint, and_, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, joinedload, mapped_column, relationship

from latchkey import clients, clock, endings, scopes
from latchkey.accounts import users
from latchkey.accounts.users import User
from latchkey.clients import Client
from latchkey.grants import choices
from latchkey.grants.reasons import EndReason
from latchkey.ids import new_id
from latchkey.store.session import Base, affected, db, some, stamp

# E-08: a grant ends after half a year, however often it is refreshed.
ABSOLUTE = timedelta(days=180)


class Authorization(Base):
    """The standing record that a user lets an app act, with which scopes."""

    __tablename__ = "authorization"
    __table_args__ = (
        UniqueConstraint("user_id", "client_id"),
        some("ix_authorization_standing", "created_at", where="withdrawn_at IS NULL"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("ath"))
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"), index=True)
    scope: Mapped[str] = mapped_column(String(4000))
    # The optional scopes that the user unticked: they are not asked about again at each sign-in.
    declined_scope: Mapped[str] = mapped_column(String(4000), default="", server_default="")
    # The scopes among them that the app got because it was trusted, without asking the user.
    unasked_scope: Mapped[str] = mapped_column(String(4000), default="", server_default="")
    created_at: Mapped[datetime] = mapped_column(default=stamp)
    updated_at: Mapped[datetime] = mapped_column(default=stamp)
    last_used_at: Mapped[datetime | None]
    last_used_address: Mapped[str | None] = mapped_column(String(45))
    # When the access that the user gave ends by itself; None: until it is withdrawn.
    expires_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]

    user: Mapped[User] = relationship()
    client: Mapped[Client] = relationship(lazy="joined", innerjoin=True)

    @property
    def scopes(self) -> frozenset[str]:
        """What the user lets the app do."""
        return scopes.held(self.scope)

    @property
    def agreed(self) -> frozenset[str]:
        """Of these scopes, those that the user was asked about."""
        return self.scopes - scopes.held(self.unasked_scope)

    @property
    def live(self) -> bool:
        """Whether the app may act."""
        return self.withdrawn_at is None and (self.expires_at is None or self.expires_at > clock.now())


class Grant(Base):
    """One sign-in of an app under an authorization, or an app acting as itself: parent of its code and tokens."""

    __tablename__ = "grant"
    __table_args__ = (
        # The grants of an app that acts as itself have neither, and there is one for each of its tokens.
        some(None, "authorization_id", where="authorization_id IS NOT NULL"),
        some(None, "user_id", where="user_id IS NOT NULL"),
        Index(None, "client_id", "ended_at"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("grt"))
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id", ondelete="CASCADE"))
    user_id: Mapped[str | None] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    authorization_id: Mapped[str | None] = mapped_column(ForeignKey("authorization.id", ondelete="CASCADE"))
    scope: Mapped[str] = mapped_column(String(4000))
    # The resources that the app asked for; None: those that its scopes belong to.
    resource: Mapped[str | None] = mapped_column(Text)
    # The redirect URI of this sign-in. The metadata document of an app may have stopped naming it since.
    redirect_uri: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=stamp)
    expires_at: Mapped[datetime] = mapped_column(default=lambda: clock.now() + ABSOLUTE, index=True)
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None] = mapped_column(String(40))

    user: Mapped[User | None] = relationship()
    client: Mapped[Client] = relationship()

    @property
    def scopes(self) -> frozenset[str]:
        """The most that a token under this grant may do."""
        return scopes.held(self.scope)

    @property
    def live(self) -> bool:
        """Whether tokens under it may work."""
        return self.ended_at is None and self.expires_at > clock.now()


def standing() -> ColumnElement[bool]:
    """The condition that an authorization is live: neither withdrawn nor expired."""
    lasting = or_(Authorization.expires_at.is_(None), Authorization.expires_at > clock.now())
    return and_(Authorization.withdrawn_at.is_(None), lasting)


def find_authorization(user: User, client: Client, *, lock: bool = False) -> Authorization | None:
    """The live authorization of a client by a user; with `lock` it cannot change before the commit."""
    statement = select(Authorization).where(*_between(user, client), standing())
    if lock:
        statement = statement.with_for_update(of=Authorization).execution_options(populate_existing=True)
    return db.scalar(statement)


def _between(user: User, client: Client) -> tuple[ColumnElement[bool], ...]:
    return Authorization.user_id == user.id, Authorization.client_id == client.id


def allows(user: User, client: Client, wanted: frozenset[str]) -> frozenset[str]:
    """With what a client may go on without asking; nothing: it has to ask, as a public or self-described one (K-02).

    What it can do without and the user kept from it before, stays kept from it. What allows it holds until the commit.
    """
    if not client.answered_for:
        return frozenset()
    found = find_authorization(user, client, lock=True)
    if client.trusted:
        return wanted
    if found is None:
        return frozenset()
    left = wanted - (scopes.held(found.declined_scope) & client.optional)
    return left if left <= found.agreed else frozenset()


def allow(
    user: User,
    client: Client,
    wanted: Iterable[str],
    resource: str | None = None,
    *,
    declined: Iterable[str] = (),
    until: datetime | None = None,
    redirect_uri: str | None = None,
    asked: bool = True,
) -> Grant:
    """Let a client act for a user with these scopes, beside those it has already; the grant is this sign-in's.

    None of them lasts longer than `until`; `asked` is whether the user was. What stood before with an end of its own is
    not prolonged by what is new, unless that is all of it. Raises `users.UserGone`, `clients.ClientGone`.
    """
    wanted = frozenset(wanted)
    users.hold(user.id)
    clients.share(client.id)
    found = _standing(user, client)
    if not found.live:
        found.created_at, found.withdrawn_at = clock.now(), None
        found.last_used_at, found.last_used_address = None, None
        found.scope = found.declined_scope = found.unasked_scope = ""
    found.expires_at = until if wanted >= found.scopes else choices.sooner(found.expires_at, until)
    found.declined_scope = scopes.serialize((scopes.held(found.declined_scope) - wanted) | frozenset(declined))
    agreed = found.agreed | (wanted if asked else frozenset())
    found.scope = scopes.serialize(found.scopes | wanted)
    found.unasked_scope = scopes.serialize(found.scopes - agreed)
    found.updated_at = clock.now()
    if found.expires_at is not None:
        _cut(found, found.expires_at)
    ends_at = clock.now() + ABSOLUTE
    grant = Grant(
        client_id=client.id,
        user_id=user.id,
        authorization_id=found.id,
        scope=scopes.serialize(wanted),
        resource=resource,
        redirect_uri=redirect_uri,
        expires_at=choices.sooner(ends_at, until) or ends_at,
    )
    db.add(grant)
    db.flush()
    return grant


def _cut(found: Authorization, ends_at: datetime) -> None:
    """End earlier grants with the authorization's new end: one that outlived it would act without being listed."""
    longer = (Grant.authorization_id == found.id, Grant.ended_at.is_(None), Grant.expires_at > ends_at)
    endings.note(endings.Kind.AUTHORIZATION, found.id)
    db.execute(update(Grant).where(*longer).values(expires_at=ends_at))


def _standing(user: User, client: Client) -> Authorization:
    statement = select(Authorization).where(*_between(user, client)).with_for_update(of=Authorization)
    found = db.scalar(statement.execution_options(populate_existing=True))
    if found is not None:
        return found
    try:
        with db.begin_nested():
            db.add(fresh := Authorization(user_id=user.id, client_id=client.id, scope=""))
    except IntegrityError:
        return db.scalars(statement).one()
    return fresh


def end(grant_id: str, reason: EndReason) -> bool:
    """End one grant, and with it every token under it, from the next request on. Returns whether it was live."""
    if _end(Grant.id == grant_id, reason) != 1:
        # Its end was noted before. Whoever has a dead token can ask this again and again, and would fill the list.
        return False
    endings.note(endings.Kind.GRANT, grant_id)
    return True


def _end(which: ColumnElement[bool], reason: EndReason) -> int:
    statement = update(Grant).where(which, Grant.ended_at.is_(None))
    return affected(statement.values(ended_at=clock.now(), end_reason=reason))


def withdraw(authorization: Authorization, reason: EndReason = EndReason.WITHDRAWN) -> bool:
    """Withdraw an authorization, which ends all of its grants. Returns whether it was live."""
    statement = update(Authorization).where(Authorization.id == authorization.id, Authorization.withdrawn_at.is_(None))
    withdrawn = affected(statement.values(withdrawn_at=clock.now()))
    if _end(Grant.authorization_id == authorization.id, reason) or withdrawn:
        endings.note(endings.Kind.AUTHORIZATION, authorization.id)
    return withdrawn == 1


def withdraw_all(client: Client, limit: int | None = None) -> list[Authorization]:
    """End every grant and authorization of an app, for all users. Returns the authorizations that were live.

    With `limit` at most so many: a caller with a letter to write for each commits in between and repeats.
    """
    live = list(
        db.scalars(
            select(Authorization)
            .where(Authorization.client_id == client.id, Authorization.withdrawn_at.is_(None))
            .options(joinedload(Authorization.user, innerjoin=True))
            .order_by(Authorization.id)
            .limit(limit)
            .with_for_update(of=Authorization)
        )
    )
    for authorization in live:
        authorization.withdrawn_at = clock.now()
    db.flush()
    _end(Grant.client_id == client.id, EndReason.CUT_OFF)
    endings.note(endings.Kind.CLIENT, client.id)
    return live
