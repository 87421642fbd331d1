"""Names that people and apps give themselves: one line that can pass neither for the operator nor for its mark."""

from latchkey import settings, texts
from latchkey.naming import lookalikes

# Beside a name they read like the word “Verified”, which is ours to say.
CHECK_MARKS = frozenset("✓✔☑✅🗸🗹⍻🮱√⎷⩗ꪜ")
MARK = "Verified"
UNNAMED = "a developer whose name could pass for ours"


def check(text: object, longest: int, *, ours: bool = False) -> str:
    """A name as it is kept; that of an administrator may be the operator's (`ours`). Raises `texts.BadText`."""
    line = texts.line(text, longest)
    if not ours and _passes_for_us(line):
        raise texts.BadText(f"Leave {settings.current().brand_name} out of the name: it could pass for us.")
    if not CHECK_MARKS.isdisjoint(line):
        raise texts.BadText("Leave out check marks: they could pass for ours.")
    if not ours and lookalikes.reads_like(line, MARK):
        raise texts.BadText(f"Leave out “{MARK}”: we say so beside the names of apps that we looked at.")
    return line


def _passes_for_us(line: str) -> bool:
    return lookalikes.reads_like(line, settings.current().brand_name)


def shown(line: str, *, ours: bool) -> str:
    """A kept name as strangers read it: one from before this rule, or before we were called so, is not shown."""
    bad = _passes_for_us(line) or lookalikes.reads_like(line, MARK) or not CHECK_MARKS.isdisjoint(line)
    return UNNAMED if bad and not ours else line
