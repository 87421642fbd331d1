"""What people type as a name or description, made fit to be kept and shown."""

import re
import unicodedata

# Characters that show nothing or reorder what stands beside them; letters of right-to-left scripts are welcome.
# U+FFFD stands where a byte could not be read. Joiners stay: scripts and emoji need them.
HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufeff\uffa0\ufff9-\ufffd\U000e0000-\U000e0fff]"
)
UNKEPT = frozenset({"Cc", "Cs", "Cn", "Co", "Zl", "Zp"})


class BadText(Exception):
    """A text cannot be kept; the message says why in words for the person who typed it."""


def line(text: object, longest: int) -> str:
    """One line of 1 to `longest` characters, composed (NFC) and trimmed. Raises `BadText`."""
    if not isinstance(text, str):
        raise BadText("Write a text here.")
    trimmed = unicodedata.normalize("NFC", text).strip()
    if not trimmed or not any(unicodedata.category(character)[0] in "LNPS" for character in trimmed):
        raise BadText("Write something here.")
    if len(trimmed) > longest:
        raise BadText(f"Use at most {longest} characters.")
    if HIDDEN.search(trimmed) or any(unicodedata.category(character) in UNKEPT for character in trimmed):
        raise BadText("Leave out control characters and characters that cannot be seen.")
    return trimmed


def printable(text: str, longest: int) -> str:
    """What a stranger sent about itself (a User-Agent), cut and without anything that could break a line."""
    return "".join(character for character in text[:longest] if character.isprintable())
