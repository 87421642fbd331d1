"""Who may go on: signed in, e-mail address verified, password given lately; and where one may be sent to."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from flask import Response, abort, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_user, logout_user
from werkzeug.wrappers import Response as BaseResponse

from latchkey import credentials, notices, settings
from latchkey.accounts import second_factors, sessions, waybacks
from latchkey.accounts.links import Link, Purpose
from latchkey.accounts.sessions import BrowserSession
from latchkey.accounts.users import User
from latchkey.safety import mailed, signin
from latchkey.store.session import db
from portal import devices

# A scheme-less, host-less path with single slashes, then any query. No % before the query: nothing hides in it (L-10).
LOCAL = re.compile(r"/(?:[A-Za-z0-9._~-]+(?:/[A-Za-z0-9._~-]+)*/?)?(?:\?[!-~]*)?", re.ASCII)


# What is open to whoever ended their password and has not chosen another one yet.
WITHOUT_PASSWORD = frozenset({"portal.show_report", "portal.choose_password"})

# What stands open to whoever has to set up a second factor first.
TO_SET_UP = frozenset(
    {
        "portal.security",
        "portal.set_up_authenticator",
        "portal.add_passkey",
        "portal.renew_recovery_codes",
        "portal.show_proof",
        "portal.prove",
        "portal.prove_upstream",
    }
)

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


def this_session() -> BrowserSession:
    """The session of the browser that asks."""
    return cast("BrowserSession", current_user._get_current_object())  # noqa: SLF001 - the proxy's own way out


def this_user() -> User:
    """The person who is signed in."""
    return this_session().user


def acting_user() -> User:
    """The person who is signed in, locked until the commit; begins whatever makes or changes a credential.

    Raises `sessions.SessionEnded` if the session or the account ended since the request came.
    """
    return sessions.hold(this_session())


def local_path(text: str | None) -> str | None:
    """A path of ours to go to next; None for anything that a browser could take for another site (L-10)."""
    if text is None or len(text) > waybacks.LONGEST or not LOCAL.fullmatch(text):
        return None
    return text


def asked_next() -> str | None:
    """Where this request says that it should lead in the end."""
    return local_path(request.form.get("next") or request.args.get("next"))


def absolute(endpoint: str, **values: Any) -> str:
    """The address of a page as a mail names it; the host is the configured one (A-01)."""
    return settings.current().base_url + url_for(endpoint, **values)


def mail_link(purpose: Purpose, email: str, endpoint: str, next_path: str | None = None) -> None:
    """Mail a link to the page of an endpoint; alike for every address (L-04). Commits. 429 after too many."""
    asker = devices.asker(email)
    mailed.ask(purpose, email, lambda plaintext: absolute(endpoint, token=plaintext), asker=asker, next_path=next_path)
    db.commit()


def by_password(view: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
    """The view is about passwords: 404 where there are none (LATCHKEY_PASSWORDS)."""

    @wraps(view)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        return view(*args, **kwargs) if settings.current().passwords == "on" else abort(404)

    return guarded


def signed_in(view: Callable[Arguments, Answer]) -> Callable[Arguments, Answer | BaseResponse]:
    """The view is for people who are signed in; others are sent to do so and come back.

    Whoever ended their password chooses another one before all else; then whoever must have a second factor sets it up.
    """

    @wraps(view)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer | BaseResponse:
        if not current_user.is_authenticated:
            raise sessions.SessionEnded
        if this_user().needs_password:
            if request.endpoint not in WITHOUT_PASSWORD:
                return redirect(url_for("portal.end_everything"), 303)
        elif request.endpoint not in TO_SET_UP and owes_setup():
            return to_set_up()
        return view(*args, **kwargs)

    return guarded


def verified(view: Callable[Arguments, Answer]) -> Callable[Arguments, Answer | BaseResponse]:
    """The view is for people who are signed in and whose address is verified (L-08)."""

    @wraps(view)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer | BaseResponse:
        return view(*args, **kwargs) if this_user().verified else to_verification()

    return signed_in(guarded)


def to_verification() -> BaseResponse:
    """Lead somebody to prove their address, and from there back here."""
    return _first("portal.ask_verification")


def to_set_up() -> BaseResponse:
    """Lead somebody who owes a second factor to set it up, and from there back here."""
    return _first("portal.security")


def owes_setup(*, to_administer: bool = False) -> bool:
    """Whether the person who is signed in has to set up a second factor first."""
    return second_factors.owes_setup(this_user(), how=this_session().how, to_administer=to_administer)


def _first(endpoint: str) -> BaseResponse:
    back = waybacks.carried(request.full_path.rstrip("?")) if request.method in ("GET", "HEAD") else None
    address = url_for(endpoint, next=local_path(back))
    if "HX-Request" in request.headers:
        return Response(status=403, headers={"HX-Redirect": address})
    return redirect(address, 303)


class ProofAsked(Exception):
    """What was asked takes fresh proof of who asks (L-09); nothing was done yet."""


def require_proof() -> None:
    """Go on only if whoever is signed in has shown within the last 15 minutes that it is them.

    Raises `ProofAsked`, in answer to which they show it, and come back with the form filled in. Comes before anything
    that makes, widens, renews or shows a credential, or changes how one signs in.
    """
    if not sessions.recently_authenticated(this_session()):
        raise ProofAsked


def password_is_right(password: str) -> bool:
    """Whether this is the password of the person who is signed in. Tries are counted; 429 after too many."""
    right = signin.confirm(this_session(), password)
    if not right:
        db.commit()
    return right


def leave() -> None:
    """Sign this browser out, on the server and in its cookie (M-06). Commits."""
    if current_user.is_authenticated:
        notices.signed_out(this_user())
        sessions.end(this_session())
        db.commit()
    logout_user()
    session.clear()
    g.pop("csrf_token", None)


def belongs_to_another(link: Link) -> bool:
    """Whether somebody else is signed in here than the user of a mailed link: it does not replace their session."""
    return bool(current_user.is_authenticated) and this_user().id != link.user_id


def other_account(does: str) -> ResponseReturnValue:
    """The page that says so; by its button the person signs out and comes back to the link."""
    if request.method == "POST" and request.form.get("do") == "sign-out":
        leave()
        return redirect(request.path, 303)
    return render_template("portal/verification/other.html", does=does), 409 if request.method == "POST" else 200


def enter(opened: BrowserSession) -> None:
    """Give the browser the cookie of a session; what its cookie held before is dropped (M-02).

    But for when an app's request was first seen: the app may have asked for this very sign-in.
    """
    moments = session.get(waybacks.MOMENTS)
    session.clear()
    if moments is not None:
        session[waybacks.MOMENTS] = moments
    g.pop("csrf_token", None)
    # Forms tell by it whose page they were on, also when it is not good any more.
    session["csrf_token"] = f"{opened.user_id}:{credentials.opaque()}"
    login_user(opened)
