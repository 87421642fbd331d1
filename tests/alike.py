"""Whether cases that are shown on one database alone ask it what those ask that are shown on both.

`either_database(why, after=1)` says so of the second and later cases of a test. Where a later one comes to send another
statement, it has to be shown on both: it fails in `make test-alike`. In other runs nobody listens, since what a case
asks may hang on the moment at which it runs.
"""

import os
import re
import sqlite3
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Dialect, Engine, event

from tests.connections import POSTGRESQL

LISTENS = os.environ.get("TEST_ALIKE") == "1" and not POSTGRESQL
# What is asked, without how many values it is asked for at once; of transactions and connections there may be more.
VALUES = re.compile(r"\(\s*\?(?:, \?)*\s*\)(?:, \(\s*\?(?:, \?)*\s*\))*")
ASKING = re.compile(r"\s*(?:SELECT|WITH|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
# As much of a statement as tells which it is.
LONGEST = 500
# Which case of its test an item is, beginning with 1; 0 where the first one was not chosen to run.
NUMBER = pytest.StashKey[int]()
# By test, what each of its first cases asked in this process.
asked: defaultdict[object, dict[int, set[str]]] = defaultdict(dict)


class Listener:
    """Whom a thread tells what it asks, if anybody listens."""

    near = False
    thread = 0
    told: set[str] | None = None


class Cursor(sqlite3.Cursor):
    """SQLite's own, which tells what is asked by it."""

    def execute(self, text: str, *given: Any) -> sqlite3.Cursor:
        _tell(text)
        return super().execute(text, *given)

    def executemany(self, text: str, *given: Any) -> sqlite3.Cursor:
        _tell(text)
        return super().executemany(text, *given)


class Connection(sqlite3.Connection):
    """SQLite's own with such cursors, also where it makes one by itself."""

    def cursor(self, factory: Any = Cursor) -> Any:
        return super().cursor(factory)

    def execute(self, text: str, *given: Any) -> sqlite3.Cursor:
        return self.cursor().execute(text, *given)  # type: ignore[no-any-return] # as above

    def executemany(self, text: str, *given: Any) -> sqlite3.Cursor:
        return self.cursor().executemany(text, *given)  # type: ignore[no-any-return] # as above


def _tell(text: str) -> None:
    if Listener.told is not None and threading.get_ident() == Listener.thread and ASKING.match(text):
        Listener.told.add(VALUES.sub("(?)", " ".join(text.split())))


@event.listens_for(Engine, "do_connect")
def _opened(dialect: Dialect, _record: object, _given: object, named: dict[str, Any]) -> None:
    if Listener.near and dialect.name == "sqlite":
        named["factory"] = Connection


def after(item: pytest.Item) -> int:
    """How many cases of its test are shown on both databases, where the others are said to ask the same; else 0."""
    return max((mark.kwargs.get("after", 0) for mark in item.iter_markers("either_database")), default=0)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Number the cases of each test."""
    cases, cut = Counter[object](), set[object]()
    for item in items:
        test, chosen = getattr(item, "function", item), getattr(item, "callspec", None)
        cases[test] += 1
        if cases[test] == 1 and chosen is not None and any(chosen.indices.values()):
            cut.add(test)
        item.stash[NUMBER] = 0 if test in cut else cases[test]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[object]:
    Listener.near = LISTENS and after(item) > 0
    try:
        return (yield)
    finally:
        Listener.near = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[object]:
    if not Listener.near:
        return (yield)
    test, told = getattr(item, "function", item), set[str]()
    Listener.told, Listener.thread = told, threading.get_ident()
    try:
        result = yield
    finally:
        Listener.told = None
    compare(test, item.stash[NUMBER], after(item), told)
    return result


def compare(test: object, number: int, most: int, told: set[str]) -> None:
    """Keep what the first cases of a test asked; a later one fails that asked something else.

    They run one after the other in a process. One that began in the midst of a test has nothing to compare with.
    """
    if 0 < number <= most:
        asked[test][number] = told
    elif number and len(asked[test]) == most and (other := told.difference(*asked[test].values())):
        asks = "; ".join(text[:LONGEST] for text in sorted(other))
        pytest.fail(f"asks what the cases do not that run on both databases: {asks}", pytrace=False)
