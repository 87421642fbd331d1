"""By which algorithms another system kept a token, and whether a string is the one that was kept.

Those that take long, and all others for which a token has to name its row, run where passwords are hashed.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from latchkey.loading import Late

if TYPE_CHECKING:
    import argon2
    import bcrypt
    from argon2 import exceptions
    from cryptography.hazmat.primitives import serialization
else:
    argon2, exceptions = Late("argon2"), Late("argon2.exceptions")
    bcrypt, serialization = Late("bcrypt"), Late("cryptography.hazmat.primitives.serialization")

HEX_DIGITS = 64
URL_SAFE = str.maketrans("-_", "+/")
LONGEST_KEPT = 500
# The most work that an imported hash may ask for: about a second of a core, and some ten times that of a password.
MOST_ITERATIONS = 2_000_000
MOST_MEMORY_KIB = 1 << 17
MOST_TIME = 10
# The most n * r * p of scrypt, whose memory is 128 bytes for each n * r.
MOST_SCRYPT = 1 << 20
# The cost of bcrypt: each step doubles the time, and 14 takes about a second.
MOST_BCRYPT = 14
# Bytes: bcrypt ignores the rest, so longer keys are not told apart.
LONGEST_BCRYPT = 72
SHORTEST_KEY_BITS, LONGEST_KEY_BITS = 2048, 8192


class BadAlgorithm(Exception):
    """A digest is of no kind that can be looked up or proved here; the text says why."""


def sha256(text: str) -> bytes:
    """A SHA-256 digest as systems write it: hexadecimal or base64. Raises `BadAlgorithm`."""
    try:
        padded = text.translate(URL_SAFE) + "=" * (-len(text) % 4)
        found = bytes.fromhex(text) if len(text) == HEX_DIGITS else base64.b64decode(padded, validate=True)
    except (ValueError, binascii.Error):
        found = b""
    if len(found) != hashlib.sha256().digest_size:
        raise BadAlgorithm("the digest is no SHA-256, in hexadecimal or base64")
    return found


def _pbkdf2(kept: str) -> Callable[[bytes], bool]:
    """As Django keeps it: pbkdf2_sha256$iterations$salt$digest."""
    found = re.fullmatch(r"pbkdf2_sha256\$([1-9]\d{0,8})\$([!-#%-~]{1,200})\$([A-Za-z0-9+/]{43}=)", kept)
    if found is None or int(found[1]) > MOST_ITERATIONS:
        raise BadAlgorithm(f"no pbkdf2_sha256 with at most {MOST_ITERATIONS:,} iterations")
    iterations, salt, digest = int(found[1]), found[2].encode(), base64.b64decode(found[3])
    return lambda key: hmac.compare_digest(hashlib.pbkdf2_hmac("sha256", key, salt, iterations), digest)


def _argon2(kept: str) -> Callable[[bytes], bool]:
    try:
        cost = argon2.extract_parameters(kept)
    except exceptions.InvalidHashError:
        raise BadAlgorithm("the digest is no Argon2 in its usual form") from None
    if cost.memory_cost > MOST_MEMORY_KIB or cost.time_cost > MOST_TIME or cost.parallelism > MOST_TIME:
        raise BadAlgorithm("the digest takes more memory or time than is given here")

    def verify(key: bytes) -> bool:
        try:
            return argon2.PasswordHasher().verify(kept, key)
        except (exceptions.VerificationError, exceptions.InvalidHashError):
            return False

    return verify


def _scrypt(kept: str) -> Callable[[bytes], bool]:
    """As Django keeps it: scrypt$salt$n$r$p$digest."""
    found = re.fullmatch(r"scrypt\$([!-#%-~]{1,200})\$(\d{1,6})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9+/]{86}==)", kept)
    n, r, p = [int(found[part]) for part in (2, 3, 4)] if found else [0, 0, 0]
    power = n > 1 and n & (n - 1) == 0
    if found is None or not power or not 0 < n * r * p <= MOST_SCRYPT:
        raise BadAlgorithm("no scrypt of a size that is given here")
    salt, digest = found[1].encode(), base64.b64decode(found[5])
    size = len(digest)
    return lambda key: hmac.compare_digest(
        hashlib.scrypt(key, salt=salt, n=n, r=r, p=p, maxmem=1 << 28, dklen=size), digest
    )


def _bcrypt(kept: str) -> Callable[[bytes], bool]:
    """As PHP, Ruby and Node keep it: $2y$cost$, salt and digest in one."""
    found = re.fullmatch(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}", kept)
    if found is None or int(found[1]) > MOST_BCRYPT:
        raise BadAlgorithm(f"no bcrypt of a cost of at most {MOST_BCRYPT}")

    def verify(key: bytes) -> bool:
        try:
            return len(key) <= LONGEST_BCRYPT and b"\0" not in key and bool(bcrypt.checkpw(key, kept.encode()))
        except ValueError:
            # A cost or a salt that it does not know.
            return False

    return verify


def _sha256(kept: str) -> Callable[[bytes], bool]:
    """sha256$salt$digest, salt first; the salt may be empty."""
    found = re.fullmatch(r"sha256\$([!-#%-~]{0,200})\$([0-9a-f]{64})", kept)
    if found is None:
        raise BadAlgorithm("no sha256$salt$ with 64 hexadecimal digits")
    salt, digest = found[1].encode(), bytes.fromhex(found[2])
    return lambda key: hmac.compare_digest(hashlib.sha256(salt + key).digest(), digest)


_FORMS: tuple[tuple[str, Callable[[str], Callable[[bytes], bool]]], ...] = (
    ("pbkdf2_sha256$", _pbkdf2),
    ("$argon2", _argon2),
    ("scrypt$", _scrypt),
    ("sha256$", _sha256),
    *((beginning, _bcrypt) for beginning in ("$2a$", "$2b$", "$2y$")),
)


def verifier(kept: str) -> Callable[[bytes], bool]:
    """What tells whether a key is the one that was kept so. Raises `BadAlgorithm`."""
    if len(kept) > LONGEST_KEPT:
        raise BadAlgorithm(f"the digest is longer than {LONGEST_KEPT} characters")
    for beginning, read in _FORMS:
        if kept.startswith(beginning):
            return read(kept)
    raise BadAlgorithm("the algorithm of the digest is not known here")


def public_key(pem: bytes) -> bytes:
    """An RSA key that tokens are signed with, as it is kept. Raises `BadAlgorithm`."""
    try:
        key = serialization.load_pem_public_key(pem)
    except ValueError:
        key = None
    if not isinstance(key, RSAPublicKey) or not SHORTEST_KEY_BITS <= key.key_size <= LONGEST_KEY_BITS:
        raise BadAlgorithm(f"it is no public RSA key of {SHORTEST_KEY_BITS:,} to {LONGEST_KEY_BITS:,} bits")
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def signed(text: str, key: bytes) -> bool:
    """Whether a token was signed with this key (RS256), whatever its header says."""
    body, _, signature = text.rpartition(".")
    loaded: Any = serialization.load_der_public_key(key)
    try:
        given = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
        header = json.loads(base64.urlsafe_b64decode(body.partition(".")[0] + "==="))
        loaded.verify(given, body.encode(), padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return isinstance(header, dict) and header.get("alg") == "RS256"
