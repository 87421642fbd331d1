"""Who may call: views declare their scopes here, and one hook lets a call pass or refuses it."""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from flask import Response, current_app, g, request

from api import limits, problems
from api.blueprint import blueprint
from latchkey import access, users
from latchkey.access import Bearer
from latchkey.users import User

View = TypeVar("View", bound=Callable[..., Any])

# A second value behind the comma that joins two headers of one name.
_ANOTHER_VALUE = re.compile(r",\s*[A-Za-z][A-Za-z0-9-]*\s+\S")


def require_scope(*scopes: str) -> Callable[[View], View]:
    """Let a call pass whose token has all of these scopes; none given: any live token. Marks the view `.scopes`."""

    def mark(view: View) -> View:
        view.__dict__["scopes"] = frozenset(scopes)
        return view

    return mark


def public(view: View) -> View:
    """Deliberately open: no token is looked at. Marks the view `.public`."""
    view.__dict__["public"] = True
    return view


def presented(environ: Mapping[str, Any]) -> str | None:
    """What came as a bearer credential (RFC 6750 §2.1 alone), or None. Raises `problems.Problem` for two of them."""
    header: str | None = environ.get("HTTP_AUTHORIZATION")
    if header is None:
        return None
    scheme, _, rest = header.strip().partition(" ")
    is_bearer = scheme.lower() == "bearer"
    if "," in header and (is_bearer or _ANOTHER_VALUE.search(header)):
        raise problems.two_credentials()
    return rest.strip() if is_bearer else None


@blueprint.before_request
def let_pass() -> Response | None:
    """The guard of every view of this door; one that declares nothing is closed to every token (H-05)."""
    if request.method == "OPTIONS":
        return None
    view = current_app.view_functions[request.endpoint or ""]
    if getattr(view, "public", False):
        return None
    environ = request.environ
    plaintext = presented(environ)
    needed: frozenset[str] | None = getattr(view, "scopes", None)
    try:
        caller = access.admit(plaintext, needed or ())
    except access.NoCredential:
        raise problems.no_credential() from None
    except access.InvalidToken as error:
        raise problems.invalid_token(plaintext or "", error) from None
    except access.ScopeTooNarrow as error:
        caller = error.bearer
        _tell(environ, caller)
        limits.count(caller)
        raise problems.scope_missing(error) from None
    _tell(environ, caller)
    limits.count(caller)
    if needed is None:
        raise problems.closed()
    g.bearer = caller
    return None


def _tell(environ: dict[str, Any], caller: Bearer) -> None:
    environ["latchkey.token"] = caller.token_id
    environ["latchkey.user"] = caller.user_id


def bearer() -> Bearer:
    """Who is calling: the facts of token, user and app, as the guard read them."""
    found: Bearer = g.bearer
    return found


def user() -> User:
    """The user for whom the caller acts. Raises `problems.Problem` when an app acts as itself."""
    caller = bearer()
    found = users.find(caller.user_id) if caller.user_id else None
    if found is None:
        raise problems.no_user()
    return found
