"""The public keys of the secret scanner, kept for a while, and whether a report was signed with one of them.

Strangers can ask for keys that do not exist: what they send makes this process ask the scanner at most once in a while.
"""

import base64
import binascii
import contextlib
import json
import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from latchkey import clock, fetching
from latchkey.loading import Late

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import serialization
else:
    serialization = Late("cryptography.hazmat.primitives.serialization")

LONGEST_IDENTIFIER = 128
LONGEST_SIGNATURE = 256
LONGEST_KEYS = 64 * 1024
MOST_KEYS = 50
KINDS = frozenset({"application/json", "text/json"})
# Asked again after this long, for a key that is not known and for those that are.
PAUSE = timedelta(minutes=5)
FRESH = timedelta(hours=1)
# So long the last known ones count while the scanner does not answer.
KEPT = timedelta(hours=24)


class Keys(NamedTuple):
    """The keys by their identifiers, from where, and since when."""

    url: str
    known: dict[str, ec.EllipticCurvePublicKey]
    at: datetime


_kept: list[Keys] = []
_tried: dict[str, datetime] = {}
_guard = threading.Lock()


def signed(url: str, identifier: str | None, signature: str | None, body: bytes) -> bool:
    """Whether a body was signed (ECDSA, P-256, SHA-256) with the key that it names."""
    if not identifier or not signature or len(identifier) > LONGEST_IDENTIFIER or len(signature) > LONGEST_SIGNATURE:
        return False
    try:
        decoded = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    key = _find(url, identifier)
    if key is None:
        return False
    try:
        key.verify(decoded, body, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _find(url: str, identifier: str) -> ec.EllipticCurvePublicKey | None:
    keys = _present(url)
    if keys is None or identifier not in keys.known or keys.at < clock.now() - FRESH:
        keys = _renewed(url) or keys
    return keys.known.get(identifier) if keys is not None else None


def _present(url: str) -> Keys | None:
    keys = _kept[0] if _kept else None
    return keys if keys is not None and keys.url == url and keys.at > clock.now() - KEPT else None


def _renewed(url: str) -> Keys | None:
    """Ask the scanner, unless somebody did a moment ago; whoever comes meanwhile goes on with what is known."""
    if not _guard.acquire(blocking=False):
        return None
    try:
        if _tried.get(url, clock.now() - PAUSE) > clock.now() - PAUSE:
            return None
        _tried.clear()
        _tried[url] = clock.now()
        keys = Keys(url, _read(fetching.fetch(url, most=LONGEST_KEYS, kinds=KINDS)), clock.now())
    except (fetching.NotFetched, ValueError, TypeError, KeyError, RecursionError):
        return None
    else:
        _kept[:] = [keys]
        return keys
    finally:
        _guard.release()


def _read(body: bytes) -> dict[str, ec.EllipticCurvePublicKey]:
    """Those that we can use: one of another kind beside them spoils nothing."""
    found = {}
    for entry in json.loads(body)["public_keys"][:MOST_KEYS]:
        with contextlib.suppress(ValueError, TypeError, AttributeError, UnsupportedAlgorithm):
            key = serialization.load_pem_public_key(entry["key"].encode())
            if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
                found[str(entry["key_identifier"])] = key
    return found


def forget() -> None:
    """Begin as a process that has asked nobody yet."""
    _kept.clear()
    _tried.clear()
