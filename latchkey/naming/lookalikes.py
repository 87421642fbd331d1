"""What readers take a text for: the skeleton of UTS 39 without case and without what hardly shows."""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

# Unicode's confusables.txt, shortened by tools/lookalikes.py; its first lines say which version.
TABLE = Path(__file__).with_suffix(".txt")
# Characters that show nothing, or change only how the one before them shows: joiners, variation selectors, marks.
UNSEEN = frozenset({"Cf", "Cc", "Mn", "Mc", "Me"})
BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800")
# A letter whose name ends in that of a plain one reads like it: small capitals, script, circled, squared, closed.
PLAIN = re.compile(r"(?:.*LATIN .*|.*SYMBOL LETTER )\b([A-Z])")
# What Unicode's names or its table take for another letter than readers do.
EXCEPTIONS = {"ĸ": "k", "Ʌ": "a", "ʌ": "a", "Λ": "a", "ʍ": "m", "Ɯ": "w", "ɯ": "w", "Լ": "l", "լ": "l"}
# What Latin words are drawn with where “fancy text” is made: other scripts, currency signs, lines.
DRAWN = (
    "aѦѧԱ₳∆△ᗩคムⲀⲁ卂 b฿乃ᗷ c₵©⊂☾ᑕㄈ匚ς dᗪ刀 e€∈ЄєⲈⲉ乇モヨ f₣千ᖴ hђᕼん卄 i工 k₭Ҝ长 l₤ʅꛚᥣ❘⎸▏丨ᒪㄥしレ乚ⳑ n₦几ᑎ o口ㄖ "
    "p₱卩ᑭ r尺ᖇ s丂ᔕ t†┬⊤₮ㄒ丅ՇƬ uㄩᑌ vᐯ√ w₩山ᗯ x乂 yЧчⲸⲹㄚ¥ץ z乙"
)
EXCEPTIONS |= {sign: group[0] for group in DRAWN.split() for sign in group[1:]}
# These may stand for a letter or between two.
SIGNS = {"+": "t", "(": "c", "[": "c", "{": "c", "<": "c", "#": "h", "^": "a"}
# One of a kind: Bashkir ka, straight u, Ukrainian ie.
ADJECTIVES = re.compile(r"((?:CYRILLIC|GREEK|ARMENIAN) (?:SMALL|CAPITAL) LETTER )(?:[A-Z-]+ )+([A-Z]+)")
# Digits and signs that are read as letters, and letters that hardly differ from others or from two of them.
READ_AS = str.maketrans(dict(zip("i0134578$@!|9", "loleastbsallg", strict=True)) | {"m": "rn", "w": "vv"})
WORD = re.compile(r"[^\W_]+")
# With fewer letters a name is found in too many others, so that it counts as a whole word alone.
SHORTEST_PART = 4


@cache
def _table() -> dict[str, str]:
    found: dict[str, str] = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            prototype, _, sources = line.partition(": ")
            text = "".join(chr(int(code, 16)) for code in prototype.split())
            found |= {chr(int(code, 16)): text for code in sources.split()}
    return found


def _seen(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text)
    return "".join(sign for sign in apart if unicodedata.category(sign) not in UNSEEN and sign not in BLANK)


def _plain(sign: str) -> str:
    if sign.isascii() or sign in EXCEPTIONS:
        return EXCEPTIONS.get(sign, sign)
    found = PLAIN.fullmatch(unicodedata.name(sign, ""))
    return found[1] if found else sign


def _shapes(sign: str) -> Iterator[str]:
    """A character, its two cases, and the letter that it was before it got a stroke, tail or descender."""
    yield from (sign, sign.lower(), sign.upper())
    name = unicodedata.name(sign, "").partition(" WITH ")[0]
    for bare in (name, ADJECTIVES.sub(r"\1\2", name)):
        try:
            base = unicodedata.lookup(bare)
        except KeyError:
            continue
        yield from (base, base.lower(), base.upper())


@lru_cache(maxsize=4096)
def _read(sign: str) -> str:
    """What one character is read as: Latin letters if any of its shapes looks like them."""
    if sign in EXCEPTIONS:
        return EXCEPTIONS[sign].translate(READ_AS)
    for shape in _shapes(sign):
        looks = "".join(map(_plain, _seen("".join(_table().get(each, each) for each in shape)))).lower()
        if looks and looks.isascii():
            return looks.translate(READ_AS)
    return _table().get(sign.lower(), sign.lower())


def skeleton(text: str) -> str:
    """What a text of bounded length is read as; two texts with one skeleton look alike."""
    return "".join(map(_read, _seen(text)))


def reads_like(text: str, name: str) -> bool:
    """Whether a name could be read in a text, spaces and signs between its letters or not."""
    read, sought = skeleton(text), "".join(WORD.findall(skeleton(name)))
    if len(sought) < SHORTEST_PART:
        return bool(sought) and sought in WORD.findall(read)
    return _found(sought, read)


def _found(sought: str, read: str) -> bool:
    """Whether letters stand in a text one after the other; how many of them do so far is known at each place."""
    reached = {0}
    for sign in read:
        further = {count + 1 for count in reached if sought[count] in (sign, SIGNS.get(sign))}
        if len(sought) in further:
            return True
        reached = further | {0} | (reached if not WORD.match(sign) else set())
    return False
