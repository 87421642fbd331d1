"""How somebody signs in: browsers, second factors, and what goes wrong with them."""

from latchkey import settings
from latchkey.accounts.passkeys import Passkey
from latchkey.accounts.sessions import BrowserSession
from latchkey.accounts.upstream.identities import Identity
from latchkey.accounts.users import User
from latchkey.journal import activity
from latchkey.journal.activity import EventKind
from latchkey.mail import outbox
from latchkey.notices import owners
from latchkey.notices.wording import here, signed_in_by, unlinked


def signed_in(user: User, session: BrowserSession) -> None:
    activity.record(user, EventKind.SIGNED_IN, how=session.how)


def new_device(user: User, session: BrowserSession, link: str) -> None:
    """A browser was signed in that the account does not know; by the link the session is ended."""
    if owners.told_enough(user, EventKind.SIGNED_IN):
        return
    owners.tell(user, "new_device", how=signed_in_by(session), link=link, **here())


def code_failed(user: User) -> None:
    """Somebody who had the password gave a wrong code."""
    activity.record(user, EventKind.CODE_FAILED)


def second_factor_on(user: User) -> None:
    """An authenticator app was set up."""
    activity.record(user, EventKind.SECOND_FACTOR_ON)
    outbox.post(user.email, "second_factor_on", **here())


def second_factor_off(user: User) -> None:
    """Two-factor sign-in was turned off, by the user or by an operator."""
    activity.record(user, EventKind.SECOND_FACTOR_OFF)
    outbox.post(user.email, "second_factor_off", **here())


def recovery_codes_made(user: User) -> None:
    """There are new recovery codes, and those before stopped working."""
    activity.record(user, EventKind.RECOVERY_CODES_MADE)
    outbox.post(user.email, "recovery_codes_made", **here())


def recovery_code_used(user: User, left: int) -> None:
    """A recovery code was given instead of a code of the app."""
    activity.record(user, EventKind.RECOVERY_CODE_USED, left=left)
    outbox.post(user.email, "recovery_code_used", left=left, **here())


def authenticator_removed(user: User) -> None:
    activity.record(user, EventKind.AUTHENTICATOR_REMOVED)
    outbox.post(user.email, "authenticator_removed", **here())


def passkey_added(user: User, passkey: Passkey) -> None:
    activity.record(user, EventKind.PASSKEY_ADDED, name=passkey.name)
    outbox.post(user.email, "passkey_added", name=unlinked(passkey.name), **here())


def passkey_removed(user: User, passkey: Passkey) -> None:
    activity.record(user, EventKind.PASSKEY_REMOVED, name=passkey.name)
    outbox.post(user.email, "passkey_removed", name=unlinked(passkey.name), **here())


def passkey_cloned(user: User, passkey: Passkey) -> None:
    """A passkey counted no further than before, as only a copy of it does; it was refused."""
    activity.record(user, EventKind.PASSKEY_CLONED, name=passkey.name)
    if owners.told_enough(user, EventKind.PASSKEY_CLONED):
        return
    outbox.post(user.email, "passkey_cloned", name=unlinked(passkey.name), **here())


def address_to_prove(email: str, link: str) -> None:
    """Somebody came in upstream by this address; the link shows that it is theirs, in the browser where they did."""
    outbox.post(email, "sign_in_address", link=link, upstream=_upstream())


def identity_linked(user: User, identity: Identity) -> None:
    """There is another way in: the upstream."""
    activity.record(user, EventKind.IDENTITY_LINKED, name=_upstream(), identity=identity.email or identity.subject)
    named = unlinked(identity.subject) if identity.email is None else identity.email
    outbox.post(user.email, "sign_in_linked", upstream=_upstream(), named=named, **here())


def identity_unlinked(user: User, identity: Identity) -> None:
    """A way in was taken off."""
    activity.record(user, EventKind.IDENTITY_UNLINKED, name=_upstream(), identity=identity.email or identity.subject)
    outbox.post(user.email, "sign_in_unlinked", upstream=_upstream(), **here())


def signed_out_upstream(user: User, count: int) -> None:
    """The upstream ended sessions that rested on its word."""
    activity.record(user, EventKind.SIGNED_OUT_UPSTREAM, name=_upstream(), count=count)


def _upstream() -> str:
    return settings.current().upstream or "an earlier upstream"
