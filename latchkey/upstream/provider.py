"""What the upstream says about itself, and its keys: fetched when they are needed, kept for a while, bounded.

Whoever waits for it is one of a few, and after a failure nobody asks again for a moment: an upstream that is away or
slow costs this portal no more than that.
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from latchkey import addresses, fetching, origin, settings
from latchkey.fetching import NotFetched, operators
from latchkey.upstream import key_sets

# Only asymmetric algorithms: their signatures can be made by nobody but the upstream.
ALGORITHMS = ("RS256", "PS256", "ES256", "RS384", "RS512", "PS384", "PS512", "ES384", "ES512")
LONGEST = 256 * 1024
# The time for all requests to the upstream of one sign-in together.
SECONDS = 8.0
# How many requests of a process wait for the upstream at a time: in all, of one network, and of one IPv6 site. So
# strangers cannot keep others from a slow upstream.
MOST_WAITING = 8
MOST_OF_NETWORK, MOST_OF_SITE = 3, 5
FRESH = 3600.0
# How long the upstream is not asked again after a failure, and for an unknown key.
PAUSE = 5.0
KEYS_PAUSE = 30.0
JSON = frozenset({"application/json", "application/jwk-set+json"})


class Away(Exception):
    """The upstream gives no answer that can be used; the message says why, for operators."""


class Provider(NamedTuple):
    """Its discovery document, as far as we use it."""

    issuer: str
    authorization: str
    token: str
    userinfo: str | None
    keys: str
    algorithms: tuple[str, ...]
    # RFC 9207: it names itself in its answers.
    names_itself: bool
    client_authentication: tuple[str, ...]
    scopes: frozenset[str]


class _Kept:
    """What this process remembers of each issuer, a failure included."""

    def __init__(self) -> None:
        self.provider: tuple[Provider, float] | None = None
        self.failed: tuple[str, float] | None = None
        self.keys: tuple[key_sets.KeySet, float] | None = None


_known: dict[str, _Kept] = {}
_places = threading.Lock()
# The networks whose requests wait, once for each request.
_waiting: list[str] = []
_asking = threading.Lock()


@contextlib.contextmanager
def conversation() -> Iterator[float]:
    """One request's turn with the upstream; yields until when. Raises `Away` if too many are waiting already."""
    network = origin.current.get().network
    with _places:
        if len(_waiting) >= MOST_WAITING or (network and _crowded(network)):
            raise Away("others are waiting for it already")
        _waiting.append(network)
    try:
        yield time.monotonic() + SECONDS
    except NotFetched as error:
        raise Away(str(error)) from None
    finally:
        with _places:
            _waiting.remove(network)


def _crowded(network: str) -> bool:
    site = addresses.neighbourhood(network)
    beside = [other for other in _waiting if addresses.neighbourhood(other) == site]
    return beside.count(network) >= MOST_OF_NETWORK or len(beside) >= MOST_OF_SITE


def _here() -> tuple[str, _Kept]:
    issuer = settings.current().oidc_issuer
    if issuer is None:
        raise Away("there is no upstream")
    return issuer, _known.setdefault(issuer, _Kept())


def known(until: float) -> Provider:
    """What the upstream says about itself, asked again after an hour. Raises `Away`."""
    issuer, kept = _here()
    if (found := _provider(kept)) is not None:
        return found
    with _turn(until):
        if (found := _provider(kept)) is not None:
            return found
        try:
            provider = _read(issuer, document(f"{issuer.rstrip('/')}/.well-known/openid-configuration", until))
        except (NotFetched, Away) as error:
            kept.failed = str(error), time.monotonic()
            # The copy from before is used on: addresses seldom change.
            if kept.provider is None:
                raise Away(str(error)) from None
            return kept.provider[0]
        kept.provider, kept.failed = (provider, time.monotonic()), None
        return provider


def _provider(kept: _Kept) -> Provider | None:
    """What need not be asked for now. Raises `Away` where that just failed."""
    now = time.monotonic()
    lately = kept.failed is not None and kept.failed[1] > now - PAUSE
    if kept.provider is not None and (lately or kept.provider[1] > now - FRESH):
        return kept.provider[0]
    if kept.failed is not None and lately:
        raise Away(kept.failed[0])
    return None


@contextlib.contextmanager
def _turn(until: float) -> Iterator[None]:
    """One asks; those who wait for it meanwhile go on with what it found. Raises `Away`."""
    if not _asking.acquire(timeout=max(0.0, until - time.monotonic())):
        raise Away("another request waits for it too long")
    try:
        yield
    finally:
        _asking.release()


def document(url: str, until: float) -> dict[str, Any]:
    """A JSON object of the upstream's. Raises `Away`, `NotFetched`."""
    return parsed(operators.get(url, most=LONGEST, until=until), url)


def parsed(reply: operators.Reply, what: str) -> dict[str, Any]:
    """The JSON object of an answer. Raises `Away`."""
    if reply.status != 200 or reply.kind not in JSON:
        raise Away(f"{what} is answered by {reply.status} {reply.kind}")
    try:
        return fetching.read_object(reply.body)
    except fetching.NotAnObject:
        raise Away(f"{what} is no JSON object") from None


def _read(issuer: str, said: dict[str, Any]) -> Provider:
    # OpenID Connect Discovery §4.3: exactly equal, or it is somebody else's document.
    if said.get("issuer") != issuer:
        raise Away(f"it calls itself {str(said.get('issuer'))[:200]!r}: write LATCHKEY_OIDC_ISSUER just so")
    endpoints = {name: said.get(f"{name}_endpoint") for name in ("authorization", "token", "userinfo")}
    endpoints["keys"] = said.get("jwks_uri")
    if endpoints["userinfo"] is None:
        del endpoints["userinfo"]
    for name, url in endpoints.items():
        # An issuer with https must not name endpoints without it.
        if not operators.may_be_asked(url) or (issuer.startswith("https:") and not str(url).startswith("https:")):
            raise Away(f"its address for {name} cannot be asked")
    algorithms = tuple(name for name in ALGORITHMS if name in _texts(said, "id_token_signing_alg_values_supported"))
    if not algorithms:
        raise Away("it signs by no algorithm that we take")
    return Provider(
        issuer,
        str(endpoints["authorization"]),
        str(endpoints["token"]),
        str(endpoints["userinfo"]) if "userinfo" in endpoints else None,
        str(endpoints["keys"]),
        algorithms,
        said.get("authorization_response_iss_parameter_supported") is True,
        tuple(_texts(said, "token_endpoint_auth_methods_supported")) or ("client_secret_basic",),
        frozenset(_texts(said, "scopes_supported")),
    )


def _texts(said: dict[str, Any], name: str) -> list[str]:
    found = said.get(name)
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def keys(provider: Provider, until: float, kid: object = None) -> "key_sets.KeySet":
    """Its keys, asked again after an hour and for a key that is not among them; that once in a while. Raises `Away`."""
    _, kept = _here()
    if (found := _key_set(kept, kid)) is not None:
        return found
    with _turn(until):
        if (found := _key_set(kept, kid)) is not None:
            return found
        try:
            kept.keys = _usable(document(provider.keys, until)), time.monotonic()
        except (NotFetched, Away) as error:
            if kept.keys is None:
                raise Away(str(error)) from None
            # The known keys are used on, and the upstream is not asked again at once.
            kept.keys = kept.keys[0], time.monotonic()
        return kept.keys[0]


def _key_set(kept: _Kept, kid: object) -> "key_sets.KeySet | None":
    """What need not be asked for now."""
    if kept.keys is None:
        return None
    found, at = kept.keys
    missing = kid is not None and kid not in {key.kid for key in found.keys}
    return found if at > time.monotonic() - (KEYS_PAUSE if missing else FRESH) else None


def _usable(said: dict[str, Any]) -> "key_sets.KeySet":
    found = key_sets.usable(said)
    if found is None:
        raise Away("its key set holds no keys")
    return found


def examined() -> str:
    """What an operator should know of it. Raises `Away`, also for what would let nobody in."""
    with conversation() as until:
        said = known(until)
        held = len(keys(said, until).keys)
    secret = settings.current().oidc_client_secret is not None
    if not held:
        raise Away("its key set holds no key that we can use")
    if not ({"client_secret_basic", "client_secret_post"} if secret else {"none"}) & set(said.client_authentication):
        raise Away(
            "it takes no client " + ("with a secret" if secret else "without a secret: LATCHKEY_OIDC_CLIENT_SECRET")
        )
    return f"{said.issuer} answers, with {held} keys; register {settings.current().base_url}/login/oidc/callback there"


def forget() -> None:
    """Begin as a process that has asked nobody yet."""
    _known.clear()
