"""A credential that somebody pasted: which of one's own it is, and how it is kept out of addresses."""

from flask import Response, flash, redirect, request, session, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as BaseResponse

from latchkey import credentials, texts, tokens
from latchkey.credentials import Kind
from latchkey.tokens import Token
from portal.blueprint import blueprint
from portal.guards import this_user

LONGEST = 2_000
NOT_YOURS = "No token of yours. It may belong to somebody else."


def place_of(text: str) -> str | None:
    """The page of what a pasted text is to its reader. A stranger's token is answered like one that never was."""
    looked_at = credentials.spotted(text[:LONGEST])
    token = tokens.find(looked_at[-1], Kind.DEVELOPER, Kind.ACCESS, Kind.REFRESH) if looked_at else None
    if token is None or token.user_id != this_user().id:
        return None
    return _developer_token(token) if token.kind == Kind.DEVELOPER else _of_an_app(token)


def _developer_token(token: Token) -> str:
    if token.successor_id is not None:
        works = "It still works, beside the new one" if token.status == "active" else "It no longer works"
        flash(f"This is what the token was before it was regenerated. {works}.")
    else:
        flash(f"This is your token “{token.description}”.")
    return url_for("portal.show_token", token_id=token.successor_id or token.id)


def _of_an_app(token: Token) -> str:
    what = "an access token" if token.kind == Kind.ACCESS else "a refresh token"
    name = token.grant.client.name if token.grant is not None else "an app"
    flash(f"This is {what} of “{texts.apart(name)}”. Revoke its access to end it.")
    return url_for("portal.list_authorized_apps")


@blueprint.before_request
def keep_out_of_addresses() -> BaseResponse | None:
    """A search for a credential is answered as “find” answers, at an address without it. A script posts it instead."""
    searched = " ".join(request.args.getlist("q"))
    if request.method not in ("GET", "HEAD") or not credentials.spotted(searched):
        return None
    if request.path.startswith("/admin"):
        flash("That looks like a credential, so we did not search for it. Paste it here.")
        place = url_for("portal.find_credential")
    elif not current_user.is_authenticated:
        flash("That looks like a token, so we did not search for it. Sign in to find out which of yours it is.")
        place = request.path
    elif (known := place_of(searched)) is not None:
        place = known
    else:
        session["pasted_unknown"] = True
        place = url_for("portal.list_tokens")
    # A script would follow a redirect by itself and put that page into this one.
    moved = Response(headers={"HX-Redirect": place}) if "HX-Request" in request.headers else redirect(place, 303)
    moved.headers["Cache-Control"] = "no-store"
    return moved
