"""Client assertions (RFC 7523 as updated): read strictly, judged claim by claim, each used once (D-15)."""

import re
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from latchkey import clock, fetching
from latchkey.clients.keys import record, sets
from latchkey.clients.keys.sets import Jwk
from latchkey.loading import Late

if TYPE_CHECKING:
    from joserfc import jws
else:
    jws = Late("joserfc.jws")

# Characters of an assertion, checked before anything else. A signature with 4096-bit RSA takes 683 of them.
LONGEST = 8 * 1024
LIFETIME = timedelta(minutes=5)
# How far the clock of an app may be off.
SKEW = timedelta(seconds=30)
LATEST = 1e11
LONGEST_JTI = 256
LONGEST_SUBJECT = 500
# Used assertions of one app that have not expired yet.
MOST_USED = 10_000
PARTS = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)
# RFC 7515 §4.1.9, and by the update of RFC 7523 a name of its own.
TYPES = frozenset({"jwt", "client-authentication+jwt"})


class BadAssertion(ValueError):
    """An assertion proves nobody; the message says why, in words for the app's owner."""


class Assertion(NamedTuple):
    """One that was read, and not believed yet."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes

    @property
    def subject(self) -> str:
        """Whose it says to be. Raises `BadAssertion`."""
        found = self.claims.get("sub")
        if not isinstance(found, str) or not 0 < len(found) <= LONGEST_SUBJECT:
            raise BadAssertion("the sub of the assertion is not the app's client_id")
        return found

    @property
    def algorithm(self) -> str:
        """How it says to be signed."""
        return str(self.header["alg"])

    @property
    def kid(self) -> str | None:
        """The key that it names. `jku`, `x5u`, `jwk` and `x5c` are not looked at: whoever signs chooses no key."""
        named = self.header.get("kid")
        return None if named is None else str(named)


def read(text: str) -> Assertion:
    """An assertion in its three parts (RFC 7515 §7.1). Raises `BadAssertion`."""
    found = PARTS.fullmatch(text) if len(text) <= LONGEST else None
    if found is None:
        raise BadAssertion("the assertion is no signed JWT, or too long")
    try:
        header, claims = (fetching.read_object(_decoded(part)) for part in found.groups()[:2])
        signature = _decoded(found[3])
    except ValueError:
        raise BadAssertion("the assertion is no signed JWT: a part of it cannot be read") from None
    _check_header(header)
    return Assertion(header, claims, text.rpartition(".")[0].encode(), signature)


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _check_header(header: Mapping[str, Any]) -> None:
    if not isinstance(header.get("alg"), str) or header["alg"] not in sets.ALGORITHMS:
        raise BadAssertion(f"the alg of the assertion is none of {', '.join(sets.ALGORITHMS)}")
    if "crit" in header:
        raise BadAssertion("the assertion has a crit, and nothing critical is understood here")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in TYPES:
        raise BadAssertion("the typ of the assertion is that of another kind of token")
    kid = header.get("kid")
    if kid is not None and (not isinstance(kid, str) or len(kid) > sets.LONGEST_KID):
        raise BadAssertion("the kid of the assertion is no short text")


def check(assertion: Assertion, client_id: str, issuer: str) -> datetime:
    """When it is over, if it says what it has to. Raises `BadAssertion`."""
    claims = assertion.claims
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        raise BadAssertion("the iss and sub of the assertion are not both the app's client_id")
    # A list may name another server as well, and that could then use the assertion here.
    if claims.get("aud") != issuer:
        raise BadAssertion("the aud of the assertion is not this server's issuer alone, as one text")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_JTI:
        raise BadAssertion(f"the jti of the assertion is no text of 1 to {LONGEST_JTI} characters")
    return _check_times(claims)


def _check_times(claims: Mapping[str, Any]) -> datetime:
    now, skew, most = clock.now().timestamp(), SKEW.total_seconds(), LIFETIME.total_seconds()
    exp, iat, nbf = (_moment(claims, name) for name in ("exp", "iat", "nbf"))
    if exp is None:
        raise BadAssertion("the exp of the assertion is missing")
    if exp <= now - skew:
        raise BadAssertion("the assertion is over: its exp has passed")
    if exp > now + most + skew or (iat is not None and exp - iat > most):
        raise BadAssertion("the assertion lives longer than 5 minutes")
    if any(moment is not None and moment > now + skew for moment in (iat, nbf)):
        raise BadAssertion("the iat or nbf of the assertion lies in the future")
    return datetime.fromtimestamp(exp, UTC) + SKEW


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < LATEST:
        raise BadAssertion(f"the {name} of the assertion is no number of seconds since 1970")
    return value


def verify(assertion: Assertion, key: Jwk) -> None:
    """Whether it was signed by a key of the app, by the algorithm that the key is for. Raises `BadAssertion`."""
    algorithm = jws.JWSRegistry.algorithms[assertion.algorithm]
    if not algorithm.verify(assertion.signed, assertion.signature, sets.public(key)):
        raise BadAssertion("the signature of the assertion is wrong")


def pick(keys: Iterable[Jwk], assertion: Assertion) -> Jwk | None:
    """The key of a set that it names."""
    return sets.pick(keys, assertion.algorithm, assertion.kid)


def spend(client_id: str, assertion: Assertion, until: datetime, *, of: datetime) -> None:
    """Use an assertion up, at once and for good, in every worker. Raises `BadAssertion`, `TooMany`.

    `of` is when the keys that it was checked by became the app's.
    """
    digest = sha256(str(assertion.claims["jti"]).encode("utf-8", "surrogatepass")).digest()
    try:
        fresh = record.use(client_id, digest, until, most=MOST_USED, of=of)
    except record.KeysGone:
        raise BadAssertion("the app was given other keys in this moment") from None
    if not fresh:
        raise BadAssertion("the assertion was used before: each needs a jti of its own")
