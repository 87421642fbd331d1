"""Where time counts: which tests run in `make test-fast` and on PostgreSQL, and in which lines are noted."""

import os
import sys
from collections import Counter
from collections.abc import Iterator

import pytest
from coverage import Coverage

from tests.alike import NUMBER
from tests.connections import POSTGRESQL

# Of a test of pages and calls so many cases take the ways that the others take, too.
FIRST = 1
# Of any other test so many, in a hurry.
FEW = 3
# Fixtures whose lines were noted, and sets of them.
NOTED: set[str] = set()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a hurry the first cases of each test will do, and on the second database what may differ there."""
    hurry, cases = os.environ.get("TEST_CASES") == "first", Counter[object]()
    chosen, others = [], []
    for item in items:
        test = getattr(item, "function", item)
        cases[test] += 1
        late = cases[test] > (FIRST if "app" in getattr(item, "fixturenames", ()) else FEW)
        left_out = (late and hurry) or (POSTGRESQL and not _may_differ(item, cases[test]))
        (others if left_out else chosen).append(item)
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = chosen


def _may_differ(item: pytest.Item, case: int) -> bool:
    """Whether it reaches a database of the run, and is not marked: all else did the same on the first."""
    reaching = {"database", "empty_database"}.intersection(getattr(item, "fixturenames", ()))
    same = any(case > mark.kwargs.get("after", 0) for mark in item.iter_markers("either_database"))
    return bool(reaching) and not same


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Noting lines makes a test two thirds slower: not of those that run what others run, fixtures included.

    So the share of lines that is demanded is one of fewer tests, and no smaller.
    """
    if not _runs_lines_of_others(item):
        return (yield)
    watching = []
    # A worker has two: one that a plugin starts as in a process of its own goes on where the other one stops.
    while (coverage := Coverage.current()) is not None:
        coverage.stop()
        watching.append(coverage)
    try:
        return (yield)
    finally:
        for coverage in reversed(watching):
            coverage.start()


def _runs_lines_of_others(item: pytest.Item) -> bool:
    """Slow tests send the same to an app by the hundred; of any other a mark says so, or of all cases but the first."""
    if item.get_closest_marker("slow") and "app" in getattr(item, "fixturenames", ()):
        return True
    return any(item.stash[NUMBER] > mark.kwargs.get("after", 0) for mark in item.iter_markers("unnoted"))


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest) -> Iterator[object]:
    """A fixture does the same each time, by the same settings: its lines are noted once."""
    settings = [mark.kwargs for mark in request.node.iter_markers("settings")]
    return (yield from _once(fixturedef.argname, fixturedef.baseid, getattr(request, "param", None), settings))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[object]:
    """What is taken down after a test is the same after each that had the same."""
    return (yield from _once(*sorted(getattr(item, "fixturenames", ()))))


def _once(*made: object) -> Iterator[object]:
    """What is yielded to is watched the first time; only this thread is not after that."""
    watcher = sys.gettrace() if Coverage.current() else None
    if watcher is None:
        return (yield)
    if (what := repr(made)) not in NOTED:
        NOTED.add(what)
        return (yield)
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(watcher)
        # It is at work from the next call on, and would miss that this one returns.
        _called()


def _called() -> None: ...
