"""Who may call: a view declares the scopes that a token needs, and is reached by no other token."""

import re
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, NamedTuple

from api.kit import challenges, limits, problems
from api.kit.blueprint import ApiBlueprint
from api.kit.problems import Problem
from latchkey import credentials, origin, resources, tokens
from latchkey.accounts import users
from latchkey.accounts.throttle import TooMany
from latchkey.accounts.users import User
from latchkey.journal.calls.refused_calls import Reason
from latchkey.origin import Actor, Doer
from latchkey.resources import Resource
from latchkey.tokens import Token, access, ranges
from latchkey.tokens.access import Bearer
from web import calls
from web.calls import Call, Reply

READING = frozenset({"GET", "HEAD", "OPTIONS"})
_ID = re.compile(r"<[^>]*>")


class Asked(NamedTuple):
    """What a call is counted as, the scopes it takes, whether it changes something, and the API that it is made at."""

    named: str
    scopes: frozenset[str]
    changes: bool
    at: Resource
    # Up to which field the bearer is read (`access.admit`).
    last: str = access.ALL


def require_scope(*scopes: str, last: str = access.ALL) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a call pass whose token has all of these scopes; none given: any live token.

    A view of a `Call` finds the `Bearer` on it; one that wants Flask is called with the `Bearer` first. The mark
    `.scopes` is what enforcement, OpenAPI and the reference read. A view that is asked often has the `Bearer` read up
    to the `last` field that it tells; the others are as if there were nothing.
    """
    scopes_needed = frozenset(scopes)
    # By the methods and rules that lead to the view.
    kept: dict[tuple[str, str], Asked] = {}

    def asked(call: Call) -> Asked:
        of, at = (call.method, call.rule), resources.account()
        known = kept.get(of)
        if known is not None and known.at is at:
            return known
        known = Asked(_named(*of), scopes_needed, call.method not in READING, at, last)
        # Where any method leads here, whoever calls makes some up.
        if call.method in calls.EVERY_METHOD:
            kept[of] = known
        return known

    def guard(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def admitted(call: Call, **ids: str) -> Any:
            call.bearer = let_pass(call, asked(call))
            return view(call, **ids)

        @wraps(view)
        def through_flask(**ids: str) -> Any:
            call = calls.current.get()
            return view(let_pass(call, asked(call)), **ids)

        guarded = admitted if calls.wants_call(view) else through_flask
        guarded.__dict__["scopes"] = scopes_needed
        return guarded

    return guard


def public(view: Callable[..., Any]) -> Callable[..., Any]:
    """Deliberately open: no token is looked at. Marks the view `.public`."""
    view.__dict__["public"] = True
    return view


def guards_itself(view: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a view that lets a call pass by `let_pass` once it has read what is asked; no call of the reference."""
    view.__dict__["scopes"], view.__dict__["undescribed"] = frozenset(), True
    return view


def presented(call: Call, at: Resource) -> str | None:
    """What came as a bearer credential, or None. Raises `problems.Problem` for two of them (H-01)."""
    try:
        return credentials.borne(call.environ.get("HTTP_AUTHORIZATION"))
    except credentials.Several:
        raise challenges.two_credentials(at) from None


@lru_cache(maxsize=256)
def _named(method: str, rule: str) -> str:
    """What a call is counted as: the ids of things are left out."""
    return f"{method} {_ID.sub('…', rule)}"


def let_pass(call: Call, asked: Asked) -> Bearer:
    """The caller, if the token that a request came with has these scopes. Raises `problems.Problem`."""
    plaintext, refusal = presented(call, asked.at), None
    try:
        caller = access.admit(plaintext, asked.scopes, asked.named, (asked.at,), last=asked.last)
    except access.NoCredential:
        raise challenges.no_credential(asked.at) from None
    except access.InvalidToken as error:
        raise challenges.invalid_token(plaintext or "", error, asked.at) from None
    except TooMany as many:
        raise problems.too_often(many.wait) from None
    except access.ScopeTooNarrow as error:
        caller, refusal = error.bearer, error
    call.admitted(caller.token_id, caller.user_id)
    try:
        limits.count(call, caller)
        if refusal is None and asked.changes:
            limits.count_write(call, caller)
    except Problem:
        if refusal is None:
            access.turn_away(caller, asked.scopes, asked.named, Reason.TOO_MANY)
        raise
    if refusal is not None:
        raise challenges.scope_missing(refusal, asked.at)
    return caller


def user_of(caller: Bearer) -> User:
    """The user for whom the caller acts. Raises `problems.Problem` when an app acts as itself.

    Raises `users.UserGone` for one who was deleted since the guard let the call pass: it begins again (`conflicts`).
    """
    if caller.user_id is None:
        raise challenges.no_user()
    found = users.find(caller.user_id)
    if found is None:
        raise users.UserGone
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
    here = access.caller()
    if not all(caller.scopes <= held.scopes and ranges.allows(held.allowed_addresses, here) for held in lineage):
        # Narrowed since: whether it may do this still, and from here, the guard says.
        raise tokens.ParentEnded
    user = user_of(caller)
    if caller.client_id is None:
        origin.act(Actor(Doer.TOKEN, caller.token_id, caller.description or ""))
    else:
        origin.act(Actor(Doer.APP, caller.client_id, caller.client_name or ""))
    return Writer(user, lineage)


@require_scope()
def closed(_call: Call, **_ids: str) -> Reply:
    """What is reached instead of a view that declares nothing (H-05)."""
    raise challenges.closed()


closed.__dict__["closed"] = True
ApiBlueprint.closed = staticmethod(closed)
