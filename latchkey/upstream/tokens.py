"""ID tokens and logout tokens of the upstream: whose signature, for whom, when; by algorithms that are named."""

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from latchkey import clock, settings
from latchkey.accounts.sessions import LONGEST_SID
from latchkey.accounts.upstream.identities import LONGEST_SUBJECT
from latchkey.loading import Late
from latchkey.upstream import provider
from latchkey.upstream.provider import Provider

if TYPE_CHECKING:
    from authlib.oidc import core
    from joserfc import errors, jws, jwt
else:
    core = Late("authlib.oidc.core")
    errors, jws, jwt = Late("joserfc.errors"), Late("joserfc.jws"), Late("joserfc.jwt")

# How far the upstream's clock and ours may be apart.
SKEW = timedelta(minutes=2)
# Older ones are replays; a logout token's id is kept for longer than this and twice the skew.
OLDEST = timedelta(minutes=5)
LONGEST = 32 * 1024
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


class Refused(Exception):
    """What came is not what the upstream says to us now; the message says why, for operators."""


class SignedOut(NamedTuple):
    """What a logout token says: who was signed out, everywhere or in one session, and when; and its own id."""

    subject: str | None
    sid: str | None
    at: datetime
    id: str


def identity(
    text: object, said: Provider, until: float, *, nonce: str, access_token: str, since: datetime | None = None
) -> Mapping[str, Any]:
    """The claims of an ID token (OpenID Connect Core §3.1.3.7), from a sign-in after `since` if that is given.

    Raises `Refused`, `provider.Away`.
    """
    header, claims = _signed(text, said, until)
    if "events" in claims:
        raise Refused("a logout token is no ID token")
    client_id = settings.current().oidc_client_id
    options = {"iss": {"essential": True, "value": said.issuer}, "aud": {"essential": True, "value": client_id}}
    params = {"client_id": client_id, "nonce": nonce, "access_token": access_token}
    token = core.CodeIDToken(claims, header, options, params)
    try:
        token.validate(now=int(clock.now().timestamp()), leeway=int(SKEW.total_seconds()))
    except (errors.JoseError, ValueError, TypeError, AttributeError) as error:
        raise Refused(f"the ID token: {type(error).__name__} {error}") from None
    if not isinstance(claims["nonce"], str) or not hmac.compare_digest(claims["nonce"].encode(), nonce.encode()):
        raise Refused("the ID token is for another sign-in")
    _subject(claims.get("sub"))
    _lately(claims)
    if since is not None and _moment(claims.get("auth_time"), "auth_time") < since - SKEW:
        raise Refused("it was not asked anew who this is")
    return claims


def signed_out(text: object, said: Provider, until: float) -> SignedOut:
    """What a logout token says (OpenID Connect Back-Channel Logout §2.6). Raises `Refused`, `provider.Away`."""
    header, claims = _signed(text, said, until)
    kind = str(header.get("typ") or "JWT").lower()
    audience = claims.get("aud")
    ours = settings.current().oidc_client_id
    if kind.removeprefix("application/") not in ("logout+jwt", "jwt"):
        raise Refused("the logout token is of another type")
    if claims.get("iss") != said.issuer or audience not in (ours, [ours]):
        raise Refused("the logout token is from or for somebody else")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT), dict) or "nonce" in claims:
        raise Refused("it is no logout token")
    # Tokens that never expire are of the specification's drafts.
    if "exp" in claims and _moment(claims["exp"], "exp") <= clock.now() - SKEW:
        raise Refused("the logout token has expired")
    token_id, subject, sid = claims.get("jti"), claims.get("sub"), claims.get("sid")
    if not isinstance(token_id, str) or not token_id or (subject is None and sid is None):
        raise Refused("the logout token names nobody, or not itself")
    if sid is not None and session_id(claims) is None:
        raise Refused("the logout token's sid cannot be ours")
    return SignedOut(None if subject is None else _subject(subject), session_id(claims), _lately(claims), token_id)


def session_id(claims: Mapping[str, Any]) -> str | None:
    """The upstream's session, if it says so."""
    sid = claims.get("sid")
    return sid if isinstance(sid, str) and 0 < len(sid) <= LONGEST_SID and sid.isprintable() else None


def authenticated_at(claims: Mapping[str, Any]) -> datetime | None:
    """When the upstream asked the person for proof, if it says so."""
    return min(_moment(claims["auth_time"], "auth_time"), clock.now()) if "auth_time" in claims else None


def issued_at(claims: Mapping[str, Any]) -> datetime:
    """When it said so, by its own clock."""
    return _moment(claims.get("iat"), "iat")


def _signed(text: object, said: Provider, until: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token whose signature is the upstream's."""
    if not isinstance(text, str) or len(text) > LONGEST or not text.isascii():
        raise Refused("there is no token")
    # An explicit list: never `none`, a symmetric algorithm with a public key, or one that the upstream does not use.
    registry = jws.JWSRegistry(algorithms=said.algorithms, strict_check_header=False)
    try:
        head = jws.extract_compact(text.encode()).headers()
        if head.get("alg") not in said.algorithms:
            raise Refused("the token is signed by an algorithm that is not taken")
        token = jwt.decode(text, provider.keys(said, until, head.get("kid")), registry=registry)
    except (errors.JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise Refused(f"the token: {type(error).__name__}") from None
    return dict(token.header), dict(token.claims)


def _subject(subject: object) -> str:
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
        raise Refused("the subject cannot be kept")
    return subject


def _lately(claims: Mapping[str, Any]) -> datetime:
    """When a token was issued, which was a moment ago."""
    at = issued_at(claims)
    if not clock.now() - OLDEST - SKEW < at <= clock.now() + SKEW:
        raise Refused("the token was not issued just now")
    return at


def _moment(value: object, name: str) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused(f"{name} is no moment")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise Refused(f"{name} is no moment") from None
