"""Where time counts: which tests run in `make test-fast`, and in which it is noted what lines they run."""

import os
from collections import Counter
from collections.abc import Iterator

import pytest
from coverage import Coverage

# Of a test of pages and calls so many cases take the ways that the others take, too.
FIRST = 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a hurry the first cases of each test will do; `make test` runs all."""
    if os.environ.get("LATCHKEY_TEST_CASES") != "first":
        return
    cases: Counter[object] = Counter()
    chosen, others = [], []
    for item in items:
        test = getattr(item, "function", item)
        cases[test] += 1
        late = "app" in getattr(item, "fixturenames", ()) and cases[test] > FIRST
        (others if late else chosen).append(item)
    config.hook.pytest_deselected(items=others)
    items[:] = chosen


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Noting lines makes a test half as slow again, and slow ones send the same to an app by the hundred: not of those.

    So the share of lines that is demanded is one of fewer tests, and no smaller. Fixtures are left out with them.
    """
    again_and_again = item.get_closest_marker("slow") and "app" in getattr(item, "fixturenames", ())
    watching = Coverage.current() if again_and_again else None
    if watching is None:
        return (yield)
    watching.stop()
    try:
        return (yield)
    finally:
        watching.start()
