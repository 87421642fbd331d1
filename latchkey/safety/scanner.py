"""Finds credentials of this installation's form in files, offline: by pattern and checksum (I-01)."""

import codecs
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from latchkey import credentials, settings
from latchkey.credentials import Kind

CHUNK = 1 << 20
# Binary files are recognised as git does it; UTF-16 by its byte order mark.
SNIFFED = 8000
WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
BODY_LENGTH = credentials.RANDOM_LENGTH + credentials.CHECKSUM_LENGTH
# Device codes are credentials too (contract §4), though none is kept as a token.
KINDS = "|".join(sorted(Kind))


class Found(NamedTuple):
    """One credential; never its text."""

    path: str
    line: int
    kind: str
    last4: str


def search(given: Path, unread: list[str]) -> Iterator[Found]:
    """What a file holds, or all files below a folder; links that it meets there are not followed.

    What cannot be read is added to `unread`.
    """
    folders = [given] if given.is_dir() else []
    if not folders:
        yield from _read_file(given, 0, unread)
    while folders:
        folder = folders.pop()
        try:
            entries = sorted(folder.iterdir())
            modes = [(entry, entry.lstat().st_mode) for entry in entries]
        except OSError:
            unread.append(masked(folder))
            continue
        folders += reversed([entry for entry, mode in modes if stat.S_ISDIR(mode)])
        for entry, mode in modes:
            if stat.S_ISREG(mode):
                # The file may have been replaced since it was listed.
                yield from _read_file(entry, os.O_NOFOLLOW | os.O_NONBLOCK, unread)


def _read_file(path: Path, flags: int, unread: list[str]) -> Iterator[Found]:
    name = masked(path)
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | flags), "rb") as file:
            if not flags or stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                yield from read(file, name)
    except OSError:
        unread.append(name)


def read(stream: BinaryIO, name: str) -> Iterator[Found]:
    """What a text holds, in its order; a binary file is passed over. Takes memory for one chunk, however long it is."""
    chunk = stream.read(CHUNK)
    wide = chunk.startswith(WIDE)
    if not wide and b"\0" in chunk[:SNIFFED]:
        return
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    pattern, line, kept = _pattern(), 1, b""
    # The longest part of a credential that may stand at the end of a chunk: one that is whole is never seen twice.
    overlap = len(f"{settings.current().token_prefix}_dev_") + BODY_LENGTH - 1
    while chunk:
        text = kept + (decoder.decode(chunk).encode() if wide else chunk)
        counted = 0
        for candidate in pattern.finditer(text):
            last4 = _last4(candidate)
            if last4 is not None:
                line += text.count(b"\n", counted, candidate.start())
                counted = candidate.start()
                yield Found(name, line, candidate[1].decode(), last4)
        done = max(counted, len(text) - overlap)
        line += text.count(b"\n", counted, done)
        kept, chunk = text[done:], stream.read(CHUNK)


def _pattern() -> re.Pattern[bytes]:
    """Only the head is consumed, so that nothing in front of a credential can swallow its beginning."""
    head = f"{settings.current().token_prefix}_({KINDS})_"
    return re.compile(f"{head}(?=([0-9A-Za-z]{{{BODY_LENGTH}}}))".encode())


def _last4(candidate: re.Match[bytes]) -> str | None:
    """The last characters of what has the right checksum; None for anything else."""
    whole = (candidate[0] + candidate[2]).decode()
    return whole[-4:] if credentials.with_checksum(whole[: -credentials.CHECKSUM_LENGTH]) == whole else None


def masked(path: Path) -> str:
    """A path as it may be printed: a credential in a file's name is one too, and a terminal obeys some characters."""
    shown = os.fsencode(path).decode(errors="replace")
    shown = credentials.LOOKS.sub(lambda found: f"…{found[0][-4:]}", shown)
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in shown)
