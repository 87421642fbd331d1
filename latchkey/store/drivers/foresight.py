"""What several calls are going to read, read at once before they are begun, each of which then finds it there."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

from sqlalchemy.exc import DBAPIError

from latchkey.store.session import engines


class Statement(Protocol):
    """A prepared one that reads."""

    def given(self, parameters: dict[str, Any]) -> tuple[str, Any]:
        """What the driver is given to run it with these parameters."""


class Wanted(NamedTuple):
    """What a call is going to read: rows that are found by these facts, and how they stand at these moments."""

    statement: Statement
    facts: dict[str, Any]
    moments: dict[str, Any]


class _Handed:
    """What was read for a call before it was begun: it has that once."""

    def __init__(self, wanted: Wanted, records: list[Any]) -> None:
        self._wanted: Wanted | None = wanted
        self._records = records

    def take(self, statement: Statement, parameters: dict[str, Any]) -> list[Any] | None:
        """Its records, if that is what they are; None: ask."""
        wanted = self._wanted
        if wanted is None or wanted.statement is not statement or not parameters.items() >= wanted.facts.items():
            return None
        self._wanted = None
        return self._records


current: ContextVar[_Handed | None] = ContextVar("current", default=None)


def read(wanted: Sequence[Wanted]) -> list[list[Any]]:
    """The records of each of these, read at once; none at all where each has to be asked for by itself."""
    pair = engines()
    try:
        return pair.fetch_each([each.statement.given(each.facts | each.moments) for each in wanted])
    except (pair.read.dialect.loaded_dbapi.Error, DBAPIError):
        # Whatever it was, each meets it by itself.
        return []


@contextmanager
def handed(wanted: Wanted, records: list[Any]) -> Iterator[None]:
    """Let what is done meanwhile have what was read for it; when it waits for more, others go on."""
    mark = current.set(_Handed(wanted, records))
    try:
        yield
    finally:
        current.reset(mark)
