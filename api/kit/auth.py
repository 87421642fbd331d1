"""Who may call: a view declares the scopes that a token needs, and is reached by no other token."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache, wraps
from typing import Any, NamedTuple, TypeVar

from flask import Response, request

from api.kit import challenges, limits
from api.kit.blueprint import Door
from api.kit.problems import Problem
from latchkey import origin, tokens
from latchkey.accounts import users
from latchkey.accounts.users import User
from latchkey.journal.refusals import Reason
from latchkey.origin import Actor, Doer
from latchkey.tokens import Token, access
from latchkey.tokens.access import Bearer

View = TypeVar("View", bound=Callable[..., Response])

READING = frozenset({"GET", "HEAD", "OPTIONS"})
# A second value behind the comma that joins two headers of one name.
_ANOTHER_VALUE = re.compile(r",\s*[A-Za-z][A-Za-z0-9-]*\s+\S")
_ID = re.compile(r"(?<=/)[a-z]{3}_[^/]*")


def require_scope(*scopes: str) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """Let a call pass whose token has all of these scopes; none given: any live token.

    The view is called with the `Bearer` first and marked `.scopes`; enforcement, OpenAPI and the reference read that.
    """
    scopes_needed = frozenset(scopes)

    def guard(view: Callable[..., Response]) -> Callable[..., Response]:
        @wraps(view)
        def call(**ids: str) -> Response:
            caller = let_pass(request.environ, scopes_needed)
            return view(caller, **ids)

        call.__dict__["scopes"] = scopes_needed
        return call

    return guard


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
        raise challenges.two_credentials()
    return rest.strip() if is_bearer else None


def needed(view: Callable[..., Any]) -> frozenset[str]:
    """The scopes that a guarded view declares."""
    found: frozenset[str] = view.__dict__["scopes"]
    return found


@lru_cache(maxsize=256)
def _named(method: str, path: str) -> str:
    """What a call is counted as: the ids of things are left out."""
    return f"{method} {_ID.sub('…', path)}"


def let_pass(environ: dict[str, Any], scopes: frozenset[str]) -> Bearer:
    """The caller, if the token that a request came with has these scopes. Raises `problems.Problem`."""
    plaintext, refusal = presented(environ), None
    named = _named(environ["REQUEST_METHOD"], environ["PATH_INFO"])
    try:
        caller = access.admit(plaintext, scopes, named)
    except access.NoCredential:
        raise challenges.no_credential() from None
    except access.InvalidToken as error:
        raise challenges.invalid_token(plaintext or "", error) from None
    except access.ScopeTooNarrow as error:
        caller, refusal = error.bearer, error
    environ["latchkey.token"], environ["latchkey.user"] = caller.token_id, caller.user_id
    try:
        limits.count(environ, caller)
        if refusal is None and environ["REQUEST_METHOD"] not in READING:
            limits.count_write(environ, caller)
    except Problem:
        if refusal is None:
            access.turn_away(caller, scopes, named, Reason.TOO_MANY)
        raise
    if refusal is not None:
        raise challenges.scope_missing(refusal)
    return caller


def user_of(caller: Bearer) -> User:
    """The user for whom the caller acts. Raises `problems.Problem` when an app acts as itself."""
    found = users.find(caller.user_id) if caller.user_id else None
    if found is None:
        raise challenges.no_user()
    return found


class Writer(NamedTuple):
    """For whom a call writes, and the token that it came with under those above it, the eldest first."""

    user: User
    lineage: list[Token]


def writer(caller: Bearer) -> Writer:
    """Whoever writes: user and token are locked, and both stand, until the commit. Raises `problems.Problem`.

    What the guard let pass may have ended since: then the call begins again and is refused there. Events and letters
    name who did it.
    """
    user_of(caller)
    lineage = tokens.hold(caller.token_id, caller.digest)
    user = user_of(caller)
    if caller.client_id is None:
        origin.act(Actor(Doer.TOKEN, caller.token_id, caller.description or ""))
    else:
        origin.act(Actor(Doer.APP, caller.client_id, caller.client_name or ""))
    return Writer(user, lineage)


@require_scope()
def closed(_caller: Bearer, **_ids: str) -> Response:
    """What is reached instead of a view that declares nothing (H-05)."""
    raise challenges.closed()


Door.closed = staticmethod(closed)
