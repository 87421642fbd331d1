"""What people type as a name or description, made fit to be kept and shown."""

import re
import unicodedata

# Characters that show nothing or reorder what stands beside them; letters of right-to-left scripts are welcome.
# U+FFFD stands where a byte could not be read. Joiners stay: scripts and emoji need them.
_HIDDEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufeff\uffa0\ufff9-\ufffd"
)
# Control characters, private use, and what never becomes a character. A code point that is not assigned yet is not
# among them: an emoji that is newer than this interpreter is text.
_NO_TEXT = "\x00-\x1f\x7f-\x9f\ufdd0-\ufdef" + "".join(
    f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0xE0000, 0x10000)
)
# Private use, and the plane of tags.
_NO_PLANES = "\ue000-\uf8ff\U000e0000-\U0010ffff"
# Spaces and other signs that are drawn empty, joiners, and marks that show nothing without a letter.
_BLANK = (
    "\u2800\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a"
    " \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u200c\u200d\ufe00-\ufe0f\u180b-\u180d\u180f"
    "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
)
UNKEPT = re.compile(f"[{_HIDDEN}{_NO_TEXT}{_NO_PLANES}\ud800-\udfff]")
VISIBLE = re.compile(f"[^{_BLANK}]")
# What `line` takes, but for its length, as programs are told it (ECMA-262); JSON has no halves of a character.
_KEPT = f"[^{_HIDDEN}{_NO_TEXT}]*"
PATTERN = f"^(?!.*[{_NO_PLANES}]){_KEPT}[^{_BLANK}{_HIDDEN}{_NO_TEXT}]{_KEPT}$"
# Letters that are written from right to left. Digits and marks beside them are drawn as if they belonged to them.
LEFTWARD = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]").search
_ISOLATE, _END = "\u2068", "\u2069"
# One character can be typed as up to four (NFD), and be trimmed.
EXPANSION = 4
# More marks on one letter are no writing; normalising sorts a run of them in the square of its length.
MOST_MARKS = 10
MARKS = frozenset({"Mn", "Mc", "Me"})


class BadText(Exception):
    """A text cannot be kept; the message says why in words for the person who typed it."""


def line(text: object, longest: int) -> str:
    """One line of 1 to `longest` characters, composed (NFC) and trimmed. Raises `BadText`."""
    if not isinstance(text, str):
        raise BadText("Write a text here.")
    if len(text) > EXPANSION * longest:
        raise BadText(f"Use at most {longest} characters.")
    trimmed = _composed(text.strip())
    if not VISIBLE.search(trimmed):
        raise BadText("Write something here.")
    if len(trimmed) > longest:
        raise BadText(f"This is {len(trimmed)} characters long; {longest} are the most.")
    if UNKEPT.search(trimmed):
        raise BadText("Leave out control characters and characters that cannot be seen.")
    return trimmed


def _composed(text: str) -> str:
    if text.isascii():
        return text
    run = 0
    for character in text:
        run = run + 1 if unicodedata.category(character) in MARKS else 0
        if run > MOST_MARKS:
            raise BadText(f"Use at most {MOST_MARKS} accents on one letter.")
    return unicodedata.normalize("NFC", text)


def apart(name: str) -> str:
    """A name that somebody chose, to stand within a sentence of ours, which it cannot turn round."""
    return f"{_ISOLATE}{name}{_END}" if LEFTWARD(name) else name


def printable(text: str, longest: int) -> str:
    """What a stranger sent about itself (a User-Agent), cut and without anything that could break a line."""
    return "".join(character for character in text[:longest] if character.isprintable())
