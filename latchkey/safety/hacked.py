"""“I have been hacked”: all that acts for a user ends in one step, and what it did in the last 30 days is told."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from latchkey import clients, clock, grants, notices
from latchkey.accounts import passkeys, passwords, second_factors, sessions, users
from latchkey.accounts.passkeys import Passkey
from latchkey.accounts.sessions import BrowserSession
from latchkey.accounts.upstream import identities
from latchkey.accounts.upstream.identities import Identity
from latchkey.accounts.users import User
from latchkey.clients import Cause, Client
from latchkey.grants import Authorization
from latchkey.journal import activity
from latchkey.journal.activity import Event, EventKind
from latchkey.safety import doings, lockdown, second_factor, shutdown
from latchkey.tokens import listing

# Apps are registered and then given what else they have.
AT_ONCE = timedelta(seconds=5)
MOST_CHANGES = 10


class Standing(NamedTuple):
    """What acts for a user now, and would end."""

    sessions: list[BrowserSession]
    tokens: int
    authorizations: list[Authorization]
    apps: list[Client]

    @property
    def with_secrets(self) -> list[Client]:
        """The user's own apps that have a secret which works."""
        return [client for client in self.apps if any(secret.live for secret in client.secrets)]


def standing(user: User, here: BrowserSession) -> Standing:
    """What would end but for the session `here`."""
    others = [other for other in sessions.list_live(user) if other.id != here.id]
    return Standing(others, listing.number(user.id), grants.list_for(user), clients.owned(user))


class Left(StrEnum):
    """What somebody who was in an account may have left there to come back by."""

    APP = "app"
    CHANGED_APP = "changed app"
    PASSKEY = "passkey"
    SIGN_IN = "sign-in"
    AUTHENTICATOR = "authenticator"
    ADDRESS = "address"


class Late(NamedTuple):
    """One such thing of the last 30 days: what it is, what it is called, and when it was added or changed last."""

    left: Left
    name: str
    at: datetime


def lately(user: User) -> list[Late]:
    """What was added or changed in the last 30 days, the latest first."""
    since = clock.now() - doings.SPAN
    found = [_late_app(client) for client in clients.owned(user)]
    found += [Late(Left.PASSKEY, passkey.name, passkey.created_at) for passkey in passkeys.list_for(user)]
    found += [Late(Left.SIGN_IN, each.email or each.subject, each.created_at) for each in identities.usable(user)]
    if (app := second_factors.find(user)) is not None:
        found.append(Late(Left.AUTHENTICATOR, "", app.created_at))
    for change in activity.list_for(user, kinds=(EventKind.EMAIL_CHANGED,), limit=MOST_CHANGES):
        found.append(Late(Left.ADDRESS, str(change.detail.get("old", "")), change.at))
    return sorted((late for late in found if late.at >= since), key=lambda late: late.at, reverse=True)


def _late_app(client: Client) -> Late:
    new = client.updated_at - client.created_at < AT_ONCE
    return Late(Left.APP if new else Left.CHANGED_APP, client.name, client.updated_at)


def passkeys_that_end(user: User, here: BrowserSession, since: datetime | None = None) -> list[Passkey]:
    """Those that were added since a moment, but for the one that proved `here`.

    In an account without a password, before which no new one stands, whenever they were added: all but the one that
    proved `here`. Where the upstream did, a passkey of anybody's is a way in beside it. Else one stays, or nobody could
    come in. What proved it was used at that very instant: near to it a thief may have used theirs, again and again.
    """
    known, proved = passkeys.list_for(user), here.authenticated_at
    kept = next((passkey for passkey in known if passkey.last_used_at == proved), None)
    if _by_password(user):
        return [each for each in known if each is not kept and since is not None and each.created_at >= since]
    if kept is None and not identities.usable(user):
        kept = next(iter(known), None)
    return [passkey for passkey in known if passkey is not kept]


def identities_that_end(user: User, here: BrowserSession, since: datetime | None) -> list[Identity]:
    """The linked sign-ins that were added since a moment, but for the one that the session `here` rests on.

    In an account without a password all but that one, else but the eldest: a thief's came later.
    """
    known = identities.usable(user)
    if _by_password(user):
        late = [each for each in known if since is not None and each.created_at >= since]
        return [each for each in late if each.id != here.identity_id]
    kept = here.identity_id or next((each.id for each in known), None)
    return [each for each in known if each.id != kept]


def codes_that_end(user: User) -> int:
    """How many recovery codes of such an account end, which nobody can look at and anybody may have copied.

    An authenticator app stays: it opens nothing by itself, and whoever has the upstream's word is asked for it.
    """
    return 0 if _by_password(user) else second_factors.codes_left(user)


def _by_password(user: User) -> bool:
    """Whether a password is asked for, or a new one will be, which nobody has yet."""
    return passwords.usable(user.password_hash) or user.needs_password


def end_everything(user: User, here: BrowserSession, since: datetime | None) -> Event:
    """End every session but this one, every token, authorization and secret of a user's apps, and the password.

    Apps registered or changed since a moment are suspended, and passkeys that were added since then are taken off. The
    event tells what ended and what it had done; the user reads the same by mail. The user is locked, and `here` gets a
    new id. Whoever calls takes off `identities_that_end`, which the event tells of.
    """
    report = doings.of(user)
    # Locked first, in the usual order of locks (conflicts).
    locked = [held for client in clients.owned(user) if (held := clients.lock(client.id)) is not None]
    touched = [client for client in locked if since is not None and client.updated_at >= since]
    suspended = [client for client in touched if shutdown.suspend(client, Cause.HACKED)]
    with_secrets = [client for client in locked if clients.end_secrets(client)]
    for client in with_secrets:
        notices.app_secrets_ended(user, client)
    authorizations = len(grants.list_for(user))
    grants.end_own([client.id for client in locked])
    ended = lockdown.revoke_everything(user)
    others = lockdown.sign_out(user, keep=here)
    removed = [each.email or each.subject for each in identities_that_end(user, here, since)]
    removed += _take_off_passkeys(user, here, since)
    codes = codes_that_end(user)
    if codes:
        second_factors.forget_codes(user)
    if passwords.usable(user.password_hash):
        users.store_password(user, passwords.ENDED)
    sessions.reauthenticate(here)
    return notices.everything_ended(
        user,
        sessions=others,
        tokens=ended.tokens,
        authorizations=authorizations,
        secrets=len(with_secrets),
        codes=codes,
        removed=removed,
        suspended=[client.name for client in (*suspended, *ended.apps)],
        report=[doing._asdict() for doing in report],
    )


def _take_off_passkeys(user: User, here: BrowserSession, since: datetime | None) -> list[str]:
    """Their names; while the password still stands, or the last one could not go."""
    ending = passkeys_that_end(user, here, since)
    for passkey in ending:
        second_factor.remove_passkey(user, passkey)
    return [passkey.name for passkey in ending]
