"""Things that tell many people, carried out part by part."""

from collections.abc import Iterator

from latchkey.store.session import db


def carry_out(parts: Iterator[int]) -> int:
    """Commit each part; how many people it told."""
    told = 0
    for part in parts:
        db.commit()
        told += part
    db.commit()
    return told
