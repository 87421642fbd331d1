"""Sealing and signing under the installation's secret key. What an earlier key sealed or signed still opens (A-09)."""

import base64
import secrets
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import shake_256
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from itsdangerous import SignatureExpired, TimestampSigner, URLSafeTimedSerializer

from latchkey import settings

# How far the clocks of several hosts may be apart.
SKEW = timedelta(minutes=5)


def keys() -> list[str]:
    """Every key that opens, the one that signs at the end, as itsdangerous wants them."""
    ours = settings.current()
    return [*ours.secret_key_fallbacks, ours.secret_key]


@lru_cache(maxsize=4)
def _box(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_derived(key))) for key in keys])


def _derived(secret: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"latchkey vault").derive(secret.encode())


def seal(text: str) -> str:
    """Encrypt and authenticate `text`, so that a database dump alone opens nothing."""
    return _box(tuple(reversed(keys()))).encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """The text that was sealed. Raises `cryptography.fernet.InvalidToken` when no key of ours sealed it."""
    return _box(tuple(reversed(keys()))).decrypt(sealed.encode()).decode()


def seal_as(what: str, text: str) -> str:
    """Seal a text that says what it is, since things of many kinds are sealed under one key."""
    return seal(f"{what}:{text}")


def unseal_as(what: str, sealed: str) -> str | None:
    """The text, if it was sealed as this; None for anything else, whoever hands it in."""
    try:
        text = unseal(sealed)
    except (InvalidToken, UnicodeError):
        return None
    return text.removeprefix(f"{what}:") if text.startswith(f"{what}:") else None


def resealed(sealed: str) -> str:
    """The same, sealed under the present key, so that an earlier one can be given up."""
    box = _box(tuple(reversed(keys())))
    try:
        Fernet(base64.urlsafe_b64encode(_derived(keys()[-1]))).decrypt(sealed.encode())
    except InvalidToken:
        return box.rotate(sealed.encode()).decode()
    return sealed


class Signer(TimestampSigner):
    """A signature with its moment, also of a host whose clock runs ahead."""

    def unsign(self, signed_value: str | bytes, max_age: int | None = None, return_timestamp: bool = False) -> Any:  # noqa: FBT001, FBT002 - the library's signature
        """The value, signed at most `max_age` seconds ago. Raises `itsdangerous.BadSignature`."""
        value, signed_at = super().unsign(signed_value, return_timestamp=True)
        if max_age is not None:
            age = datetime.fromtimestamp(self.get_timestamp(), UTC) - signed_at
            if not -SKEW <= age <= timedelta(seconds=max_age):
                raise SignatureExpired("signed too long ago, or in the future", payload=value, date_signed=signed_at)
        return (value, signed_at) if return_timestamp else value


def signer(salt: str) -> URLSafeTimedSerializer:
    """What signs values for one purpose, and reads those that were."""
    return _signer(salt, *keys())


@lru_cache(maxsize=64)
def _signer(salt: str, *keys: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(keys, salt=salt, signer=Signer)


MASK_BYTES = 16
LONGEST_MASKED = 1_000


def masked(text: str) -> str:
    """A text written in another way each time, so that nothing beside it tells by its length what it is (BREACH)."""
    mask = secrets.token_bytes(MASK_BYTES)
    return base64.urlsafe_b64encode(mask + _under(mask, text.encode())).decode()


def unmasked(text: str) -> str:
    """What was masked; empty if nothing was.

    A signed text is taken as versions before wrote it: their pages are still open when this one begins to serve.
    """
    if len(text) > LONGEST_MASKED:
        return ""
    # What is masked has no dot.
    if "." in text:
        return text
    try:
        kept = base64.b64decode(text.encode(), altchars=b"-_", validate=True)
        return _under(kept[:MASK_BYTES], kept[MASK_BYTES:]).decode()
    except ValueError:
        return ""


def _under(mask: bytes, text: bytes) -> bytes:
    stream = int.from_bytes(shake_256(mask).digest(len(text)))
    return (int.from_bytes(text) ^ stream).to_bytes(len(text))
