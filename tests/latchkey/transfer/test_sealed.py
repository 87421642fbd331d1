"""The sealed file: whatever happened to it, it opens as it was written or not at all."""

import io

import pytest

from latchkey.transfer import sealed
from latchkey.transfer.sealed import MAGIC, PART, SALT, TAG, NotOpened

PASSPHRASE = "a quiet umbrella"
HEAD = len(MAGIC) + SALT + TAG
CONTENT = bytes(range(256)) * (PART * 3 // 256 + 1)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """What the derivation takes in earnest is not looked at here."""
    monkeypatch.setattr(sealed, "COST", 2)


def seal(content: bytes = CONTENT) -> bytes:
    file = io.BytesIO()
    writer = sealed.Writer(file, PASSPHRASE)
    for start in range(0, len(content), 1000):
        writer.write(content[start : start + 1000])
    writer.finish()
    return file.getvalue()


def parts(whole: bytes) -> list[bytes]:
    return [whole[start : start + PART + TAG] for start in range(HEAD, len(whole), PART + TAG)]


def opened(data: bytes, passphrase: str = PASSPHRASE) -> bytes:
    return b"".join(sealed.opened(io.BytesIO(data), passphrase))


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 2 * PART, len(CONTENT)])
def test_what_was_sealed_opens(size):
    assert opened(seal(CONTENT[:size])) == CONTENT[:size]


def test_two_of_the_same_have_nothing_in_common():
    assert not set(parts(seal())) & set(parts(seal()))


def test_letters_may_be_composed_otherwise():
    file = io.BytesIO()
    sealed.Writer(file, "Schlu\u0308ssel und Tu\u0308r").finish()

    assert opened(file.getvalue(), "Schl\u00fcssel und T\u00fcr") == b""


def test_another_passphrase_is_told_from_damage():
    with pytest.raises(NotOpened, match="passphrase"):
        opened(seal(), "a loud umbrella")


@pytest.mark.parametrize(
    "cut", [0, 5, len(MAGIC), HEAD - 1, HEAD, HEAD + 1, HEAD + PART + TAG, HEAD + 3 * (PART + TAG), -1]
)
def test_what_was_cut_off_does_not_open(cut):
    with pytest.raises(NotOpened):
        opened(seal()[:cut])


@pytest.mark.parametrize("place", [0, len(MAGIC), HEAD - 1, HEAD, HEAD + PART, HEAD + PART + TAG, -1])
def test_a_bit_that_was_turned_is_found(place):
    data = bytearray(seal())
    data[place] ^= 1

    with pytest.raises(NotOpened):
        opened(bytes(data))


def test_parts_vouch_for_their_place_and_for_the_end():
    whole, other = seal(), seal()
    first, second, third, last = parts(whole)
    head = whole[:HEAD]

    for changed in (
        [second, first, third, last],
        [first, third, last],
        [first, second, third],
        [first, second, third, last, last],
        [first, second, third, last, b"x"],
        [parts(other)[0], second, third, last],
        [last],
    ):
        with pytest.raises(NotOpened):
            opened(head + b"".join(changed))


@pytest.mark.parametrize("data", [b"", b"SQLite format 3\x00" + bytes(200), b"\xff" * 5000])
def test_another_file_is_no_backup(data):
    with pytest.raises(NotOpened, match="no backup"):
        opened(data)


def test_one_of_a_later_form_says_so():
    with pytest.raises(NotOpened, match="newer"):
        opened(b"latchkey backup 2\n" + bytes(500))
