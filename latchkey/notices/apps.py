"""What happens to OAuth apps, and between users and apps."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Concatenate, ParamSpec

from latchkey import origin
from latchkey.accounts.users import User
from latchkey.clients import Cause, Client
from latchkey.journal import activity
from latchkey.journal.activity import EventKind
from latchkey.mail import outbox
from latchkey.notices.approvals import approval_asked
from latchkey.notices.wording import here, listed, unlinked, web_address

ASK = "Write to the people who run this portal if you think that it is a mistake."
BECAUSE = {
    Cause.ADMINISTRATOR: "An app that you registered was suspended.",
    Cause.OWNER: "An app that you registered was suspended with your account.",
    Cause.LEAK: "An app that you registered was suspended: a token that made or changed it has leaked.",
    Cause.HACKED: "An app that was registered in your name is suspended, as you asked by “I have been hacked”.",
}
LOOK = "Look at its redirect URIs, scopes and secrets. If all is as you want it, start the app again there."
REMEDY = {Cause.LEAK: LOOK, Cause.HACKED: LOOK}

What = ParamSpec("What")


def _if_owned(tell: Callable[Concatenate[User, What], None]) -> Callable[Concatenate[User | None, What], None]:
    """An app that registered itself has no owner: nobody is told."""

    @wraps(tell)
    def told(owner: User | None, /, *args: What.args, **named: What.kwargs) -> None:
        if owner is not None:
            tell(owner, *args, **named)

    return told


def _about(client: Client) -> dict[str, str]:
    return {"client_id": client.id, "app": client.name}


def _letter(user: User, client: Client, letter: str, **more: object) -> None:
    outbox.post(user.email, letter, app=unlinked(client.name), client_id=client.id, **here(), **more)


def app_registered(owner: User, client: Client) -> None:
    """An app was registered, perhaps by a token; its owner hears of a new key in their name (I-06)."""
    activity.record(owner, EventKind.APP_REGISTERED, **_about(client))
    _letter(owner, client, "app_registered", scopes=listed(client.scopes))
    if client.waiting_scope:
        approval_asked(owner, client.name, client.waiting_scopes)


@_if_owned
def app_changed(owner: User, client: Client, changes: list[str]) -> None:
    """An app has other settings; `changes` are the names of the fields. New redirect URIs are worth a letter."""
    activity.record(owner, EventKind.APP_CHANGED, changes=changes, **_about(client))
    if "waiting_scope" in changes and client.waiting_scope:
        approval_asked(owner, client.name, client.waiting_scopes)
    if "redirect_uris" in changes:
        _letter(owner, client, "app_redirects_changed")


@_if_owned
def app_secret_rotated(owner: User, client: Client) -> None:
    activity.record(owner, EventKind.APP_SECRET_ROTATED, **_about(client))
    _letter(owner, client, "app_secret_rotated")


@_if_owned
def app_keys_changed(owner: User, client: Client) -> None:
    """An app proves itself by other keys, or by keys in place of its secret."""
    activity.record(owner, EventKind.APP_KEYS_CHANGED, **_about(client))
    _letter(owner, client, "app_keys_changed")


@_if_owned
def app_secret_removed(owner: User, client: Client, place: str = "") -> None:
    """An old secret of an app was ended before its time; `place` is where somebody found it."""
    found = {"found_at": place} if place else {}
    activity.record(owner, EventKind.APP_SECRET_REMOVED, **found, **_about(client))
    _letter(owner, client, "app_secret_removed", found_at=web_address(place))


def app_secrets_ended(owner: User, client: Client) -> None:
    """Every secret of an app was ended with all else; the report tells of it."""
    activity.record(owner, EventKind.APP_SECRET_REMOVED, **_about(client))


@_if_owned
def app_suspended(owner: User, client: Client, cause: Cause) -> None:
    """An app is stopped, for everybody."""
    activity.record(owner, EventKind.APP_SUSPENDED, cause=cause, **_about(client))
    _letter(owner, client, "app_suspended", because=BECAUSE[cause], remedy=REMEDY.get(cause, ASK))


@_if_owned
def app_restored(owner: User, client: Client) -> None:
    activity.record(owner, EventKind.APP_RESTORED, **_about(client))
    _letter(owner, client, "app_restored")


def app_stopped(user: User, client: Client) -> None:
    """An app that acts for a user is suspended; it happened to them by somebody else's doing."""
    activity.record(user, EventKind.AUTHORIZATION_STOPPED, **_about(client))
    _letter(user, client, "app_stopped")


@_if_owned
def app_deleted(owner: User, client: Client) -> None:
    activity.record(owner, EventKind.APP_DELETED, **_about(client))


def app_cut_off(owner: User, client: Client, count: int) -> None:
    """The owner ended the access of everybody who used an app; how many they were."""
    activity.record(owner, EventKind.APP_CUT_OFF, count=count, **_about(client))


def authorized(user: User, client: Client, scopes: Iterable[str], *, first: bool) -> None:
    """A user lets an app act; the first time is worth a letter."""
    chosen = frozenset(scopes)
    activity.record(user, EventKind.AUTHORIZED, scopes=sorted(chosen), **_about(client))
    if first:
        _letter(user, client, "authorized", scopes=listed(chosen))


def authorization_denied(user: User, client: Client) -> None:
    activity.record(user, EventKind.AUTHORIZATION_DENIED, **_about(client))


def authorization_withdrawn(user: User, client: Client, *, by_user: bool) -> None:
    """An app may no longer act for a user; they hear of it when somebody else ended it."""
    operator = origin.current.get().actor.doer in origin.OPERATORS
    who = "user" if by_user else "operator" if operator else "app"
    activity.record(user, EventKind.AUTHORIZATION_WITHDRAWN, by=who, **_about(client))
    if not by_user:
        _letter(user, client, "authorization_ended", operator=operator)


def sign_in_ended(user: User, client: Client) -> None:
    """One sign-in of an app was ended by its user; the others go on."""
    activity.record(user, EventKind.SIGN_IN_ENDED, **_about(client))


def code_replayed(user: User, client: Client) -> None:
    """An authorization code was redeemed twice, so the grant ended (RFC 6749 §4.1.2)."""
    activity.record(user, EventKind.CODE_REPLAYED, **_about(client))
    _letter(user, client, "key_replayed")


def refresh_replayed(user: User, client: Client) -> None:
    """A refresh token was used twice, so the grant ended (RFC 9700 §4.14.2)."""
    activity.record(user, EventKind.REFRESH_REPLAYED, **_about(client))
    _letter(user, client, "key_replayed")


def refreshed_without_end(user: User, client: Client) -> None:
    """A sign-in was refreshed too often for its used tokens to be kept, so it ended before any was forgotten (E-05)."""
    activity.record(user, EventKind.REFRESHED_WITHOUT_END, **_about(client))
    _letter(user, client, "refreshed_without_end")
