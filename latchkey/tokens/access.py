"""The one decision about a bearer credential; API, gateway check and introspection only translate it."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, TypeAlias

from latchkey import clock, credentials, origin, resources, scopes, settings
from latchkey.credentials import Kind
from latchkey.journal.calls import counting
from latchkey.journal.calls.refused_calls import Reason
from latchkey.journal.refusals import LONGEST_DETAIL
from latchkey.resources import Resource
from latchkey.store.drivers.foresight import Wanted
from latchkey.tokens import canaries, ranges, usage
from latchkey.tokens.bearer import Bearer, Fault, InvalidToken, NoCredential, ScopeTooNarrow
from latchkey.tokens.bearer.reading import ALL, PERSON, WHO, ancestors, moments, read_to
from latchkey.tokens.imported import lookup

__all__ = [
    "ALL",
    "BEARERS",
    "PERSON",
    "WHO",
    "Bearer",
    "Fault",
    "InvalidToken",
    "NoCredential",
    "ScopeTooNarrow",
    "admit",
    "caller",
    "find",
    "forwarded",
    "turn_away",
    "wanted",
]

BEARERS = (Kind.DEVELOPER, Kind.ACCESS)


# The reason that the owner of a refused token reads. A known token is told as unknown when it is bound to addresses.
_REASONS = {
    Fault.EXPIRED: Reason.EXPIRED,
    Fault.REVOKED: Reason.REVOKED,
    Fault.PAUSED: Reason.PAUSED,
    Fault.WAITING: Reason.WAITING,
    Fault.ELSEWHERE: Reason.RESOURCE,
    Fault.UNKNOWN: Reason.ADDRESS,
}


def caller() -> str:
    """The address of the caller; empty if proxies are trusted and none of them named it."""
    here = origin.current.get()
    return here.forwarded if settings.current().trusted_proxies else here.address


def forwarded() -> str:
    """The address of the caller that a gateway asks about, which only trusted proxies name; empty if none did."""
    return origin.current.get().forwarded if settings.current().trusted_proxies else ""


def find(plaintext: str, address: str | None = None, *, bound: bool = True) -> Bearer:
    """Who a live developer or access token stands for. One statement, two for a token made by a token.

    `address` is the caller's, empty if that is not known; left out: of this very request. Whoever calls from outside
    the ranges of a token is told that it is unknown, whatever else is wrong with it. Its owner, who only looks at it,
    is not `bound` by them. Raises `InvalidToken`.
    """
    return _found(plaintext, clock.now(), address, bound=bound)


# The digest that was looked for (empty if the string cannot be a canary), and the token that was found.
Read: TypeAlias = tuple[bytes, Bearer | None]


def wanted(plaintext: str, last: str = ALL) -> Wanted | None:
    """What to read ahead for a credential, up to the `last` field; None if it does not have the form of ours."""
    if credentials.kind_of(plaintext) not in BEARERS:
        return None
    return Wanted(read_to[last][0], {"digest": credentials.digest(plaintext)}, moments(clock.now()))


def _read(plaintext: str, now: datetime, last: str) -> Read:
    if credentials.kind_of(plaintext) in BEARERS:
        digest = credentials.digest(plaintext)
        reading, rest = read_to[last]
        row = reading.one(digest=digest, now=now, lately=now - usage.NOTED_EVERY)
        return digest, None if row is None else tuple.__new__(Bearer, (digest, *row, *rest))
    if credentials.may_be_foreign(plaintext):
        # Strings of other systems are no canaries: those have the form of our own tokens.
        return b"", lookup.find(plaintext, now, now - usage.NOTED_EVERY)
    return b"", None


def _found(
    plaintext: str,
    now: datetime,
    address: str | None,
    *,
    bound: bool = True,
    known: Read | None = None,
    last: str = ALL,
) -> Bearer:
    digest, bearer = known or _read(plaintext, now, last)
    if bearer is None:
        if bound and digest:
            canaries.look(digest, caller() if address is None else address)
        raise InvalidToken(Fault.UNKNOWN)
    above = ancestors.all(parent_id=bearer.parent_id, now=now) if bearer.parent_id else ()
    if bound and not (_may_call(bearer, address) and (not above or all(_may_call(each, address) for each in above))):
        if not above:
            # The same number of statements as for an unknown token, so that timing does not tell them apart.
            canaries.look(digest, "")
        raise InvalidToken(Fault.UNKNOWN, bearer)
    if bearer.fault:
        raise InvalidToken(Fault(bearer.fault), bearer)
    if above:
        bearer = bearer.under(above)
    return bearer if bearer.resource is None else _within(bearer, bearer.resource)


def _may_call(bearer: Any, address: str | None) -> bool:
    ranged: str | None = bearer.allowed_addresses
    return ranged is None or ranges.allows(ranged, caller() if address is None else address)


def _within(bearer: Bearer, resource: str) -> Bearer:
    """The token, with those of its scopes that belong to the resources that were named for it and still exist."""
    named = resources.held(resource)
    if not named:
        raise InvalidToken(Fault.ELSEWHERE, bearer)
    return bearer._replace(scope=scopes.serialize(resources.within(bearer.scopes, named)))


def admit(
    plaintext: str | None,
    needed: Iterable[str] = (),
    call: str = "",
    at: Collection[Resource] = (),
    *,
    address: str | None = None,
    known: Read | None = None,
    last: str = ALL,
) -> Bearer:
    """Let a call pass whose token is for all these APIs and has all the scopes that it needs; `call` names it.

    It is counted, or why it was refused. `address` is the caller's as in `find`; `known` is what was just read. One of
    ours is read up to the field that is `last`: `WHO` it is, the `PERSON`, or `ALL`.
    Raises `NoCredential`, `InvalidToken`, `ScopeTooNarrow`.
    """
    if plaintext is None:
        raise NoCredential
    now, wanted = clock.now(), frozenset(needed)
    try:
        bearer = _found(plaintext, now, address, known=known, last=last)
        for resource in at:
            if not bearer.is_for(resource):
                raise InvalidToken(Fault.ELSEWHERE, bearer)  # noqa: TRY301 - counted like what else is wrong with it
    except InvalidToken as error:
        if error.bearer is not None:
            counting.refuse(error.bearer, call, _REASONS[error.fault], now, _detail(error.fault, error.bearer))
        raise
    if not bearer.used_lately:
        usage.note(bearer.digest, bearer.grant_id)
        # In a process without the thread that gathers counts, uses are never written either, so every call passes here.
        counting.limit()
    if not (wanted <= bearer.scopes and _cover(at, wanted)):
        counting.refuse(bearer, call, Reason.SCOPE, now, scopes.serialize(wanted - bearer.scopes or wanted))
        raise ScopeTooNarrow(wanted, bearer)
    counting.note((bearer.client_id, bearer.token_id, bearer.user_id, call, wanted, now, origin.current.get()))
    return bearer


def _cover(at: Collection[Resource], wanted: frozenset[str]) -> bool:
    """Whether the scopes mean something at each resource. A loop, since every call asks this, and mostly of one."""
    for resource in at:  # noqa: SIM110 - a generator costs more than what it asks
        if not resource.covers(wanted):
            return False
    return True


def _detail(fault: Fault, bearer: Bearer) -> str:
    if fault is not Fault.ELSEWHERE:
        return ""
    return (
        ", ".join(resource.title for resource in bearer.resources)[:LONGEST_DETAIL] or "one that is not here any more"
    )


def turn_away(bearer: Bearer, needed: Iterable[str], call: str, reason: Reason) -> None:
    """Count a call that was let pass as refused after all, such as one that exceeds a rate limit."""
    counting.turn_away(bearer, call, frozenset(needed), reason, clock.now())
