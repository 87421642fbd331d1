"""Names that people and apps give themselves: one line that can pass neither for the operator nor for its mark."""

from latchkey import lookalikes, settings, texts

# Beside a name they read like the word “Verified”, which is ours to say.
CHECK_MARKS = frozenset("✓✔☑✅🗸🗹⍻🮱")


def check(text: object, longest: int, *, ours: bool = False) -> str:
    """A name as it is kept; that of an administrator may be the operator's (`ours`). Raises `texts.BadText`."""
    line = texts.line(text, longest)
    brand = settings.current().brand_name
    if not ours and lookalikes.reads_like(line, brand):
        raise texts.BadText(f"Leave {brand} out of the name: it could pass for us.")
    if not CHECK_MARKS.isdisjoint(line):
        raise texts.BadText("Leave out check marks: they could pass for ours.")
    return line
