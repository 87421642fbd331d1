"""What people type as a name or description, made fit to be kept and shown."""

import re
import unicodedata

# Characters that show nothing or reorder what stands beside them; letters of right-to-left scripts are welcome.
# U+FFFD stands where a byte could not be read. Joiners stay: scripts and emoji need them.
HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufeff\uffa0\ufff9-\ufffd\U000e0000-\U000e0fff]"
)
# Cn is not among them: an emoji that is newer than this interpreter is text. What never becomes a character is not.
UNKEPT = frozenset({"Cc", "Cs", "Co", "Zl", "Zp"})
NO_CHARACTERS = re.compile(
    "[\ufdd0-\ufdef"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
    + "]"
)
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
    kinds = {unicodedata.category(character) for character in trimmed}
    if not any(kind[0] in "LNPS" or kind == "Cn" for kind in kinds):
        raise BadText("Write something here.")
    if len(trimmed) > longest:
        raise BadText(f"This is {len(trimmed)} characters long; {longest} are the most.")
    if HIDDEN.search(trimmed) or NO_CHARACTERS.search(trimmed) or not kinds.isdisjoint(UNKEPT):
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


def printable(text: str, longest: int) -> str:
    """What a stranger sent about itself (a User-Agent), cut and without anything that could break a line."""
    return "".join(character for character in text[:longest] if character.isprintable())
