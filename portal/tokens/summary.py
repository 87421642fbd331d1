"""The one answer that ever shows a token, and where a form leads that was sent before."""

from flask import Response, redirect, session, url_for
from werkzeug.wrappers import Response as BaseResponse

from latchkey import resources, scopes
from latchkey.store.conflicts import Gone
from latchkey.store.session import db
from latchkey.tokens import Token, access
from latchkey.tokens.access import Bearer, Fault, InvalidToken
from web import htmx


def shown_once(token: Token, plaintext: str, *, again: bool = False) -> Response:
    """The token, in the only answer that ever holds it (I-03)."""
    bearer, fault = _seen(plaintext)
    held = bearer.scopes
    response = htmx.render(
        "portal/tokens/created.html",
        "portal/tokens/_created.html",
        token=token,
        plaintext=plaintext,
        again=again,
        swapped=htmx.wants_partial(),
        detected=[scope for name, scope in scopes.catalogue().items() if name in held],
        call=_try(bearer),
        fault=fault,
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _seen(plaintext: str) -> tuple[Bearer, Fault | None]:
    """What the API sees; of one that waits, or is paused with everything, what it will see, and why not yet."""
    try:
        return access.find(plaintext, bound=False), None
    except InvalidToken as refused:
        if refused.bearer is None:
            # It was deleted, or regenerated, since it was made.
            raise Gone from None
        return refused.bearer, refused.fault


def _try(bearer: Bearer) -> str:
    """A call that works with it, also if it is for other APIs alone; those know their own paths."""
    if not bearer.is_for(resources.account()):
        return "/oauth/check"
    return "/v1/me" if "account:read" in bearer.scopes else "/v1/token"


def shown_before(token: Token) -> BaseResponse:
    """A form that was sent before leads to what it made, without the string."""
    db.rollback()
    session["token_shown_before"] = token.id
    address = url_for("portal.show_token", token_id=token.id)
    if htmx.wants_partial():
        # A script follows a redirect by itself and would put that page into this one.
        return Response(status=409, headers={"HX-Redirect": address})
    return redirect(address, 303)
