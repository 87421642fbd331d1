"""Forms that come too late: their session ended, or another tab signed in or out meanwhile. Nothing typed is lost."""

from typing import cast

from flask import Response, current_app, flash, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, logout_user
from flask_wtf.csrf import CSRFError
from werkzeug.wrappers import Response as BaseResponse

from latchkey.accounts import sessions
from latchkey.accounts.sessions import SessionEnded
from latchkey.store.session import db
from portal import drafts
from portal.auth import signin
from portal.blueprint import blueprint
from portal.guards import this_session, this_user

# Their views show a form again whose token is not good, with a fresh one; whoever is signed in goes on.
SHOWN_AGAIN = frozenset({"portal.sign_in", "portal.sign_up"})
# Programs post there what they have signed.
WITHOUT_FORM = frozenset({"portal.end_sessions_upstream"})
SHOWN_TO_STRANGERS = SHOWN_AGAIN | {"portal.forgot_password", "portal.resend_verification"}


@blueprint.before_request
def protect() -> ResponseReturnValue | None:
    """Every change on a page needs a CSRF token (N-01). One of ours that is old tells whose page the form was on."""
    if request.endpoint in WITHOUT_FORM:
        return None
    try:
        current_app.extensions["csrf"].protect()
    except CSRFError as error:
        return _late(error, drafts.whose(request.form.get("csrf_token", "")))
    if request.method == "POST" and drafts.forget():
        db.commit()
    return None


def _late(error: CSRFError, account: str | None) -> ResponseReturnValue | None:
    """What becomes of a form whose token is not good now, by whose page it was on."""
    signed_in = bool(current_user.is_authenticated)
    if account is None or (account and signed_in and account != this_user().id):
        raise error
    if request.endpoint in (SHOWN_AGAIN if signed_in else SHOWN_TO_STRANGERS):
        return None
    if not account:
        raise error
    return _fill_in_again(account) if signed_in else sign_in_first(SessionEnded())


def _fill_in_again(account: str) -> BaseResponse:
    """Signed in again in another tab: back to the page of the form, with what was typed."""
    sealed = drafts.seal(account)
    sessions.keep(this_session(), sealed)
    db.commit()
    if sealed is not None:
        flash("This page was open for a while. Look over what you typed, and send it again.")
    else:
        flash("This page was open for a while, and what you typed was too much to keep. Send it again.")
    back = page_of(sealed)
    if "HX-Request" in request.headers:
        return Response(status=409, headers={"HX-Redirect": back})
    return redirect(back, 303)


def page_of(sealed: str | None) -> str:
    """Where a form that was kept can be filled in again."""
    form = drafts.unseal(sealed)
    if form is not None and form.back:
        return form.back
    rule = request.url_rule
    return request.path if rule is not None and "GET" in (rule.methods or ()) else url_for("portal.welcome")


@blueprint.app_errorhandler(SessionEnded)
def sign_in_first(_error: SessionEnded) -> ResponseReturnValue:
    """Nothing was done. A form is kept, inside the sign-in form that answers it; a page is come back to."""
    db.rollback()
    account = drafts.whose(request.form.get("csrf_token", "")) if request.method == "POST" else None
    if "_user_id" in session:
        # What a browser keeps that was not signed in stays: a reset link that is open, the tokens of other tabs' forms.
        logout_user()
        session.clear()
        g.pop("csrf_token", None)
    if not account or request.blueprint != blueprint.name:
        return cast("BaseResponse", current_app.login_manager.unauthorized())  # type: ignore[attr-defined] # Flask-Login's
    if "HX-Request" in request.headers:
        # The script sends the form once more as a browser does by itself: its answer is a whole page.
        return Response(status=401, headers={"HX-Reswap": "none", "HX-Trigger": "send-as-page"})
    sealed = drafts.seal(account)
    return signin.show_for(sealed, page_of(sealed))
