"""“I have been hacked”: all that acts for a user ends in one step, and what it did in the last 30 days is told."""

from datetime import datetime
from typing import NamedTuple

from latchkey import clients, grants, notices
from latchkey.accounts import passkeys, passwords, second_factors, sessions, users
from latchkey.accounts.passkeys import Passkey
from latchkey.accounts.sessions import BrowserSession
from latchkey.accounts.upstream import identities
from latchkey.accounts.users import User
from latchkey.clients import Cause, Client
from latchkey.grants import Authorization
from latchkey.journal.activity import Event
from latchkey.safety import doings, lockdown, second_factor, shutdown
from latchkey.tokens import listing


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


def passkeys_that_end(user: User, here: BrowserSession) -> list[Passkey]:
    """Those of an account without a password, before which no new one stands: all but the one that proved `here`.

    Where the upstream did, a passkey of anybody's is a way in beside it. Else one stays, or nobody could come in.
    What proved it was used at that very instant: near to it a thief may have used theirs, again and again.
    """
    if _by_password(user):
        return []
    known, proved = passkeys.list_for(user), here.authenticated_at
    kept = next((passkey for passkey in known if passkey.last_used_at == proved), None)
    if kept is None and not identities.usable(user):
        kept = next(iter(known), None)
    return [passkey for passkey in known if passkey is not kept]


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

    Apps registered since a moment are suspended. The event tells what ended and what it had done; the user reads the
    same by mail. The user is locked, and `here` gets a new id.
    """
    report = doings.of(user)
    # Locked in their order, before what comes after them (conflicts).
    locked = [held for client in clients.owned(user) if (held := clients.lock(client.id)) is not None]
    new = [client for client in locked if since is not None and client.created_at >= since]
    suspended = [client for client in new if shutdown.suspend(client, Cause.HACKED)]
    with_secrets = [client for client in locked if clients.end_secrets(client)]
    for client in with_secrets:
        notices.app_secrets_ended(user, client)
    authorizations = len(grants.list_for(user))
    grants.end_own([client.id for client in locked])
    ended = lockdown.revoke_everything(user)
    others = lockdown.sign_out(user, keep=here)
    if passwords.usable(user.password_hash):
        users.store_password(user, passwords.ENDED)
    codes = codes_that_end(user)
    for passkey in passkeys_that_end(user, here):
        second_factor.remove_passkey(user, passkey)
    if codes:
        second_factors.forget_codes(user)
    sessions.reauthenticate(here)
    return notices.everything_ended(
        user,
        sessions=others,
        tokens=ended.tokens,
        authorizations=authorizations,
        secrets=len(with_secrets),
        codes=codes,
        suspended=[client.name for client in (*suspended, *ended.apps)],
        report=[doing._asdict() for doing in report],
    )
