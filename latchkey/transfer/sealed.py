"""A file sealed with a passphrase, in parts of which each vouches for its place and the last one for the end.

The construction is STREAM, as age uses it: ChaCha20-Poly1305 under a key of this file alone, whose nonce is the number
of the part and whether it is the last. What was changed, cut off, put in another order or appended does not open.
"""

import secrets
import unicodedata
from collections.abc import Iterator
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

MAGIC = b"latchkey backup 1\n"
SALT, TAG = 16, 16
PART = 1 << 16
# The cost of deriving the key: a third of a second and 128 MiB, also for every guess.
COST, BLOCK, LANES = 1 << 17, 8, 1
MORE, LAST, HEAD = b"\x00", b"\x01", b"\x02"


class NotOpened(Exception):
    """A file cannot be opened; the text says why in one line."""


class Writer:
    """Seals what it is given into a file. Without `finish` the file does not open."""

    def __init__(self, file: BinaryIO, passphrase: str) -> None:
        self._file, self._waiting, self._count = file, bytearray(), 0
        self._head = MAGIC + secrets.token_bytes(SALT)
        self._cipher = _cipher(passphrase, self._head)
        file.write(self._head + self._cipher.encrypt(_nonce(0, HEAD), b"", self._head))

    def write(self, data: bytes) -> None:
        self._waiting += data
        while len(self._waiting) > PART:
            self._part(bytes(self._waiting[:PART]), MORE)
            del self._waiting[:PART]

    def finish(self) -> None:
        """Seal what is left as the last part."""
        self._part(bytes(self._waiting), LAST)

    def _part(self, data: bytes, mark: bytes) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._count, mark), data, self._head))
        self._count += 1


def opened(file: BinaryIO, passphrase: str) -> Iterator[bytes]:
    """The parts of a sealed file, from its beginning. Raises `NotOpened`, at its end at the latest."""
    file.seek(0)
    head, tag = file.read(len(MAGIC) + SALT), file.read(TAG)
    if not head.startswith(MAGIC):
        later = head.startswith(MAGIC[:-2])
        raise NotOpened("it was made by a newer version" if later else "it is no backup of Latchkey")
    if len(tag) < TAG:
        raise NotOpened("it is not whole")
    cipher = _cipher(passphrase, head)
    try:
        cipher.decrypt(_nonce(0, HEAD), tag, head)
    except InvalidTag:
        raise NotOpened("the passphrase is not the one that it was made with") from None
    return _parts(file, cipher, head)


def _parts(file: BinaryIO, cipher: ChaCha20Poly1305, head: bytes) -> Iterator[bytes]:
    count, part = 0, file.read(PART + TAG)
    while True:
        following = file.read(PART + TAG)
        try:
            yield cipher.decrypt(_nonce(count, MORE if following else LAST), part, head)
        except InvalidTag:
            raise NotOpened("it is not whole, or was changed") from None
        if not following:
            return
        count, part = count + 1, following


def _cipher(passphrase: str, head: bytes) -> ChaCha20Poly1305:
    # Keyboards differ in how they compose letters.
    text = unicodedata.normalize("NFC", passphrase).encode()
    return ChaCha20Poly1305(Scrypt(salt=head[-SALT:], length=32, n=COST, r=BLOCK, p=LANES).derive(text))


def _nonce(count: int, mark: bytes) -> bytes:
    return count.to_bytes(11, "big") + mark
