"""The one place where secrets are made: their form, checksum, digest and comparison."""

import hmac
import re
import secrets
import string
import zlib
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256

from latchkey import settings

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_LENGTH = 30
# Each byte becomes a character; those past the last multiple of 62 are left out, so that all are as likely.
_FAIR = 256 - 256 % 62
_CHARACTER = bytes(ord(BASE62[byte % 62]) for byte in range(256))
_UNFAIR = bytes(range(_FAIR, 256))
CHECKSUM_LENGTH = 6
# Signed tokens of other systems, with a few scopes in them, are some 1,200.
LONGEST_FOREIGN = 4096
# Behind prefix and kind.
_REST = RANDOM_LENGTH + CHECKSUM_LENGTH

# What somebody could take for a credential, of ours or of another installation, whole or cut off, alone or in a text.
LOOKS = re.compile(r"[a-z][a-z0-9]{0,15}_(?:dev|oat|ort|sec|dvc)_[0-9a-z]{16,}", re.ASCII | re.IGNORECASE)

# What people type who read it off a device: consonants alone, so that no code is a word (RFC 8628 §6.1).
USER_CODE = re.compile(r"[BCDFGHJKLMNPQRSTVWXZ]{8}", re.ASCII)
_CONSONANTS = "BCDFGHJKLMNPQRSTVWXZ"

_OPAQUE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)

# A second value behind the comma that joins two headers of one name.
_ANOTHER_VALUE = re.compile(r",\s*[A-Za-z][A-Za-z0-9-]*\s+\S")

# What a digit of a checksum counts for by its place, and the digit that a character is.
_PLACES = [len(BASE62) ** place for place in reversed(range(CHECKSUM_LENGTH))]
_DIGITS = bytes(BASE62.find(chr(byte)) & 0xFF for byte in range(256))


class Kind(StrEnum):
    """What a credential is; the middle part of its text."""

    DEVELOPER = "dev"
    ACCESS = "oat"
    REFRESH = "ort"
    SECRET = "sec"
    DEVICE = "dvc"


def with_checksum(text: str) -> str:
    """A text and, behind it, the checksum that makes it well-formed (I-01)."""
    checksum = zlib.crc32(text.encode())
    return text + "".join([BASE62[checksum // place % len(BASE62)] for place in _PLACES])


def _is_checked(text: bytes) -> bool:
    """Whether letters and digits end with the checksum of what stands before.

    Every bearer call asks. It is read and not made anew: a table of its digits by twos took longer than all the rest,
    since what else a call does leaves no such table in the processor's caches.
    """
    said = 0
    for digit in text[-CHECKSUM_LENGTH:].translate(_DIGITS):
        said = said * len(BASE62) + digit
    return said == zlib.crc32(text[:-CHECKSUM_LENGTH])


def _random() -> str:
    drawn = b""
    while len(drawn) < RANDOM_LENGTH:
        drawn += secrets.token_bytes(RANDOM_LENGTH + 10).translate(_CHARACTER, _UNFAIR)
    return drawn[:RANDOM_LENGTH].decode()


def generate(kind: Kind) -> str:
    """A new credential: prefix, kind, 30 random base62 characters (178 bits), CRC-32 of all before it."""
    return with_checksum(f"{settings.current().token_prefix}_{kind}_{_random()}")


def kind_of(text: str) -> Kind | None:
    """The kind of a well-formed credential of this installation; None when form or checksum is wrong. No database."""
    kind = _beginnings(settings.current().token_prefix).get(text[:-_REST])
    if kind is None or not text.isascii():
        return None
    plain = text.encode()
    return kind if plain[-_REST:].isalnum() and _is_checked(plain) else None


def begins_as(text: str, kind: Kind) -> bool:
    """Whether it begins, and is as long, as ours of a kind: enough where its digest is compared at once."""
    return _beginnings(settings.current().token_prefix).get(text[:-_REST]) is kind


_KINDS = {kind.value: kind for kind in Kind}


@lru_cache(maxsize=8)
def _beginnings(prefix: str) -> dict[str, Kind]:
    """How credentials of each kind begin; what follows is as long in all of them."""
    return {f"{prefix}_{kind}_": kind for kind in Kind}


class _Foreign:
    """Whether strings of another system are looked up at all; a process is told so."""

    expected = False


def expect_foreign(*, on: bool) -> None:
    """From here on strings of another system may be known, or none is."""
    _Foreign.expected = on


def foreign_expected() -> bool:
    """Whether anything of another system was imported."""
    return _Foreign.expected


def may_be_foreign(text: str) -> bool:
    """Whether this could be a token of another system: it does not begin like one of ours. No database."""
    if not _Foreign.expected or not 0 < len(text) <= LONGEST_FOREIGN:
        return False
    prefix, _, rest = text.partition("_")
    return prefix != settings.current().token_prefix or rest[3:4] != "_" or rest[:3] not in _KINDS


class Several(ValueError):
    """More than one credential came in the place of one."""


def borne(header: str | None) -> str | None:
    """What an Authorization header bears (RFC 6750 §2.1); None: nothing, or of another scheme. Raises `Several`."""
    if header is None:
        return None
    if header.startswith("Bearer ") and "," not in header:
        return header[len("Bearer ") :].strip() or None
    scheme, _, rest = header.strip().partition(" ")
    is_bearer = scheme.lower() == "bearer"
    if "," in header and (is_bearer or _ANOTHER_VALUE.search(header)):
        raise Several
    return rest.strip() or None if is_bearer else None


def spotted(text: str) -> list[str]:
    """What looks like a credential in a text, in its order. No database."""
    return LOOKS.findall(text)


def opaque() -> str:
    """A random text of 43 URL-safe characters (256 bits): codes, links, handles, session ids."""
    return secrets.token_urlsafe(32)


def is_opaque(text: str) -> bool:
    """Whether a text has the form of those that `opaque` makes."""
    return bool(_OPAQUE.fullmatch(text))


def user_code() -> str:
    """Eight random letters that a person types; 34 bits, so that guessing them has to be slow."""
    return "".join(secrets.choice(_CONSONANTS) for _ in range(8))


def digest(plaintext: str) -> bytes:
    """SHA-256, 32 bytes: right for random credentials, wrong for passwords."""
    return sha256(plaintext.encode("utf-8", "surrogatepass")).digest()


def matches(plaintext: str, stored: bytes) -> bool:
    """Whether `stored` is the digest of `plaintext`, compared in constant time."""
    return hmac.compare_digest(digest(plaintext), stored)
