"""Key sets of apps (RFC 7517): public keys of the kinds that are taken here, and nothing else of them."""

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from latchkey import fetching
from latchkey.loading import Late

if TYPE_CHECKING:
    from joserfc import errors, jwk
else:
    errors, jwk = Late("joserfc.errors"), Late("joserfc.jwk")

# Of bytes: what is pasted or sent, and what an address answers, where certificates may stand beside the keys.
LONGEST, LONGEST_FETCHED = 16 * 1024, 64 * 1024
MOST = 20
LONGEST_KID = 200
# What stands in no public key (RFC 7518 §6); `k` is a symmetric one.
PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
KEPT = ("kid", "alg")
BASE64URL = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
# RSA moduli by their bits, whatever zeros stand before them, and how they are written at most; the exponent that
# everybody uses.
RSA_BITS = range(2048, 4097)
LONGEST_MODULUS = 700
EXPONENT = "AQAB"

Jwk: TypeAlias = dict[str, str]
Key: TypeAlias = "jwk.ECKey | jwk.OKPKey | jwk.RSAKey"

# By the names of RFC 7518 and RFC 8037: of what kind a key has to be. Never `none` or a symmetric one (D-15).
ALGORITHMS = {"ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519"), "PS256": ("RSA", ""), "RS256": ("RSA", "")}


class BadKeys(ValueError):
    """A key set cannot be taken; the message says why."""


def read(body: bytes, *, most: int = LONGEST, none: bool = False) -> list[Jwk]:
    """The keys of a set, or of one key alone; also `none` where that is allowed. Raises `BadKeys`."""
    if len(body) > most:
        raise BadKeys(f"The key set is longer than {most:,} bytes.")
    try:
        return check(fetching.read_object(body), none=none)
    except fetching.NotAnObject:
        raise BadKeys("This is no JSON object, or a name comes twice in it.") from None


def check(document: Mapping[str, Any], *, none: bool = False) -> list[Jwk]:
    """The same of an object that was read. Keys of other kinds are left out (RFC 7517 §5). Raises `BadKeys`."""
    given = document.get("keys", [document] if "kty" in document else None)
    if not isinstance(given, list) or not all(isinstance(key, dict) for key in given):
        raise BadKeys("A key set is an object with a list of keys: {“keys”: […]}.")
    if len(given) > MOST:
        raise BadKeys(f"A key set has at most {MOST} keys.")
    if any(PRIVATE & key.keys() for key in given):
        raise BadKeys("A private or symmetric key is in it. Make a new pair, and give us the public keys alone.")
    keys = [_kept(number, key) for number, key in enumerate(given, 1)]
    usable = [key for key in keys if key]
    if not usable and not none:
        raise BadKeys(
            "No key in it can be used here. We take ES256, EdDSA, PS256 and RS256, RSA from 2048 to 4096 bits."
        )
    named = [key["kid"] for key in usable if "kid" in key]
    if len(named) != len(set(named)):
        raise BadKeys("Two keys have the same kid.")
    return usable


def _kept(number: int, key: Mapping[str, Any]) -> Jwk:
    """What is kept of a key; nothing of one that is not for signing here. Raises `BadKeys`."""
    operations = key.get("key_ops", ["verify"])
    if key.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return {}
    kind, curve = key.get("kty"), key.get("crv", "")
    fitting = [name for name, wanted in ALGORITHMS.items() if wanted == (kind, "" if kind == "RSA" else curve)]
    if not fitting or key.get("alg", fitting[0]) not in fitting:
        return {}
    kid = key.get("kid", "-")
    if not isinstance(kid, str) or not 0 < len(kid) <= LONGEST_KID or not kid.isprintable():
        raise BadKeys(f"The kid of key {number} is no text of at most {LONGEST_KID} characters.")
    members = {"EC": ("crv", "x", "y"), "OKP": ("crv", "x"), "RSA": ("n", "e")}[str(kind)]
    kept = {"kty": str(kind)} | {name: key.get(name) for name in members}
    if not all(isinstance(value, str) and _sized(name, value) for name, value in kept.items()):
        raise BadKeys(f"Key {number} is broken, or not of a size that is taken here.")
    found = {name: str(value) for name, value in kept.items()} | {name: key[name] for name in KEPT if name in key}
    try:
        public(found).get_op_key("verify")
    except (errors.JoseError, ValueError):
        raise BadKeys(f"Key {number} is broken: it is no point of its curve, or no modulus.") from None
    return found


def _sized(name: str, value: str) -> bool:
    if name in ("kty", "crv"):
        return True
    if name == "e":
        return value == EXPONENT
    if len(value) > LONGEST_MODULUS or not BASE64URL.fullmatch(value):
        return False
    return _bits(value) in RSA_BITS if name == "n" else len(value) == 43


def _bits(modulus: str) -> int:
    try:
        return int.from_bytes(urlsafe_b64decode(modulus + "=" * (-len(modulus) % 4))).bit_length()
    except ValueError:
        return 0


def public(key: Jwk) -> Key:
    """A key that was kept, to check signatures with."""
    makers: dict[str, Any] = {"EC": jwk.ECKey, "OKP": jwk.OKPKey, "RSA": jwk.RSAKey}
    made: Key = makers[key["kty"]].import_key({name: value for name, value in key.items() if name not in KEPT})
    return made


def pick(keys: Iterable[Jwk], algorithm: str, kid: str | None) -> Jwk | None:
    """The key that a signature names; where it names none, the only one that fits."""
    fitting = [key for key in keys if _fits(key, algorithm) and (kid is None or key.get("kid") == kid)]
    return fitting[0] if len(fitting) == 1 else None


def _fits(key: Jwk, algorithm: str) -> bool:
    return ALGORITHMS[algorithm] == (key["kty"], key.get("crv", "")) and key.get("alg", algorithm) == algorithm


def algorithm(key: Jwk) -> str:
    """What a key is for; the first of those that fit, where it does not say."""
    return key.get("alg") or next(name for name in ALGORITHMS if _fits(key, name))


def thumbprint(key: Jwk) -> str:
    """What a key is known by, whatever its kid (RFC 7638)."""
    return public(key).thumbprint()


def written(keys: Iterable[Jwk]) -> str:
    """The set as text, as its owner pasted it."""
    return json.dumps({"keys": list(keys)}, indent=2)
