"""Ways in by the upstream, taken off by their user; and sessions that the upstream ends."""

from latchkey import clock, notices, origin
from latchkey.accounts import challenges, passkeys, passwords, sessions, steps, users
from latchkey.accounts.sessions import BrowserSession
from latchkey.accounts.upstream import confirmed, identities
from latchkey.accounts.upstream.identities import Identity
from latchkey.accounts.users import User
from latchkey.upstream import arrivals, provider, tokens
from latchkey.upstream.tokens import Refused


def only_way(user: User, identity: Identity) -> bool:
    """Whether a user would be locked out without an identity."""
    by_password = passwords.usable(user.password_hash) or user.needs_password
    if not identity.usable or by_password or passkeys.any_of(user):
        return False
    return all(other.id == identity.id for other in identities.usable(user))


def unlink(user: User, identity: Identity, here: BrowserSession) -> None:
    """Take it off: what rests on it ends, but for the session `here`. The user is locked.

    Raises `identities.LastWayIn`.
    """
    if only_way(user, identity):
        raise identities.LastWayIn
    confirmed.end(user, identity.id, keep=here)
    steps.cancel(user)
    arrivals.appoint(user, identity, administers=False)
    if identities.remove(identity):
        notices.identity_unlinked(user, identity)


def sign_out(logout_token: object) -> int:
    """End the sessions that a logout token of the upstream is about; how many. Raises `Refused`, `provider.Away`."""
    with provider.conversation() as until:
        said = provider.known(until)
        word = tokens.signed_out(logout_token, said, until)
    if not challenges.spend(f"logout {said.issuer} {word.id}".encode()):
        raise Refused("this logout token was used already")
    with origin.elsewhere():
        return sum(_end(identity, word) for identity in confirmed.of(said.issuer, word.subject, word.sid))


def _end(identity: Identity, word: tokens.SignedOut) -> int:
    user = users.lock(identity.user_id)
    if user is None:
        return 0
    # Ends sign-ins under way as well, and passkeys alone open nothing until the upstream names the user again.
    identity.signed_out_at = max(identity.signed_out_at or word.at, word.at)
    identity.confirmed_at = min(identity.confirmed_at, clock.now() - sessions.CONFIRMED)
    steps.cancel(user)
    ended = confirmed.end(user, identity.id, sid=word.sid)
    if ended:
        notices.signed_out_upstream(user, ended)
    return ended
