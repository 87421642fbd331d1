"""What happens to an account itself: its addresses, passwords and sign-ins."""

from typing import Any

from latchkey.accounts.sessions import BrowserSession
from latchkey.accounts.users import User
from latchkey.journal import activity
from latchkey.journal.activity import Event, EventKind
from latchkey.mail import outbox
from latchkey.notices import owners
from latchkey.notices.doings import told
from latchkey.notices.wording import here, unlinked


def signed_up(user: User, link: str) -> None:
    """An account was made; `link` proves its address."""
    activity.record(user, EventKind.SIGNED_UP)
    outbox.post(user.email, "verify_email", link=link)


def address_taken(user: User) -> None:
    """Somebody tried to sign up with the address of this account, and was told nothing (L-04)."""
    outbox.post(user.email, "address_taken")


def verification_asked(user: User, link: str) -> None:
    """Another link that proves the address."""
    outbox.post(user.email, "verify_email", link=link)


def email_verified(user: User) -> None:
    activity.record(user, EventKind.EMAIL_VERIFIED)


def email_change_asked(user: User, new_email: str, link: str | None) -> None:
    """Another address is to replace the present one; both hear of it, the new one gets the link (L-08).

    Without a link only the present one does: the other is somebody else's.
    """
    if link is not None:
        outbox.post(new_email, "email_change_link", link=link)
    owners.tell(user, "email_change_asked", new_email=new_email, **here())


def email_changed(user: User, old_email: str) -> None:
    activity.record(user, EventKind.EMAIL_CHANGED, old=old_email, new=user.email)
    outbox.post(old_email, "email_changed", new_email=user.email, **here())


def renamed(user: User) -> None:
    activity.record(user, EventKind.RENAMED)


def sign_in_failed(user: User) -> None:
    """Somebody gave a wrong password, or perhaps the right one of a suspended account."""
    activity.record(user, EventKind.SIGN_IN_FAILED, **({"suspended": 1} if user.disabled_at else {}))


def sign_in_throttled(user: User) -> None:
    """Somebody gave wrong passwords too often."""
    activity.record(user, EventKind.SIGN_IN_THROTTLED)


def signed_out(user: User) -> None:
    activity.record(user, EventKind.SIGNED_OUT)


def session_ended(user: User, session: BrowserSession) -> None:
    """A browser was signed out from another one."""
    activity.record(user, EventKind.SESSION_ENDED, session_id=session.id, of=session.address)


def proved_again(user: User) -> None:
    """Whoever is signed in showed once more that it is them."""
    activity.record(user, EventKind.REAUTHENTICATED)


def password_changed(user: User) -> None:
    """The user chose another password, knowing the old one."""
    activity.record(user, EventKind.PASSWORD_CHANGED)
    owners.tell(user, "password_changed", **here())


def password_reset_asked(user: User, link: str) -> None:
    """Somebody asked for a new password; `link` lets the reader choose it."""
    activity.record(user, EventKind.PASSWORD_RESET_ASKED)
    outbox.post(user.email, "reset_password", email=user.email, link=link)


def password_reset(user: User) -> None:
    """A new password was chosen by a mailed link."""
    activity.record(user, EventKind.PASSWORD_RESET)
    outbox.post(user.email, "password_reset", **here())


def paused(user: User) -> None:
    """Nothing acts for a user until they resume."""
    activity.record(user, EventKind.PAUSED)


def resumed(user: User) -> None:
    """All of it acts again; whoever else is in the account could have done that, so there is a letter."""
    activity.record(user, EventKind.RESUMED)
    if owners.told_enough(user, EventKind.RESUMED):
        return
    owners.tell(user, "resumed", **here())


def account_deleted(user: User) -> None:
    """The account is gone, with the events in it."""
    owners.tell(user, "account_deleted", **here())


def disabled(user: User) -> None:
    activity.record(user, EventKind.USER_DISABLED)
    outbox.post(user.email, "user_disabled", **here())


def enabled(user: User) -> None:
    """The suspension is over."""
    activity.record(user, EventKind.USER_ENABLED)
    outbox.post(user.email, "user_enabled", **here())


def everything_ended(
    user: User, *, report: list[dict[str, Any]], suspended: list[str], removed: list[str], **ended: int
) -> Event:
    """The user ended all that acted for them; the event keeps the report, and the letter brings it."""
    lists = {"suspended": suspended, "removed": removed}
    event = activity.record(user, EventKind.EVERYTHING_ENDED, report=report, **lists, **ended)
    owners.tell(
        user,
        "everything_ended",
        ended=ended,
        **{which: list(map(unlinked, names)) for which, names in lists.items()},
        doings=[doing | {"name": unlinked(doing["name"]), "told": told(doing["did"])} for doing in report],
        day=f"{event.at:%Y-%m-%d}",
        **here(),
    )
    return event


def appointed(user: User) -> None:
    """The user is an administrator now, or not any more."""
    made = user.is_admin
    activity.record(user, EventKind.ADMINISTRATOR_MADE if made else EventKind.ADMINISTRATOR_UNMADE)
    outbox.post(user.email, "administrator_made" if made else "administrator_unmade", **here())


def signed_out_everywhere(user: User, count: int) -> None:
    """An operator ended every session of the user."""
    activity.record(user, EventKind.SIGNED_OUT_EVERYWHERE, count=count)
    outbox.post(user.email, "signed_out", count=count, **here())
