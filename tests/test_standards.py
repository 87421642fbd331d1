"""The security checklist: which items there are, where each is done, and that a test shows it."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from latchkey.settings import ROOT

TESTS = ROOT / "tests"
PAPER = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ([A-R]-\d\d) \| T([123]) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)


class Item(NamedTuple):
    """A row of docs/security.md; `shown` are tests, from the folder of tests on."""

    id: str
    tier: int
    what: str
    where: list[str]
    shown: list[str]

    @property
    def done(self) -> bool:
        return self.where != ["—"]


def read(paper: str) -> list[Item]:
    def quoted(cell: str) -> list[str]:
        return re.findall(r"`([^`]+)`", cell)

    return [
        Item(id, int(tier), what, quoted(where) or ["—"], quoted(shown))
        for id, tier, what, where, shown in ROW.findall(paper)
    ]


def named(decorators: list[ast.expr]) -> set[str]:
    """The items in `pytest.mark.standard("A-01", …)` among decorators or values of `pytestmark`."""
    calls = [node for node in decorators if isinstance(node, ast.Call)]
    marks = [call for call in calls if ast.unparse(call.func) == "pytest.mark.standard"]
    return {argument.value for call in marks for argument in call.args if isinstance(argument, ast.Constant)}


def marked(tree: ast.Module) -> Iterator[tuple[str, set[str]]]:
    """Each test and the items that it names, by itself, its class or its module."""

    def of_module() -> list[ast.expr]:
        values = [node.value for node in tree.body if isinstance(node, ast.Assign) and _assigns_marks(node)]
        return [mark for value in values for mark in (value.elts if isinstance(value, ast.List) else [value])]

    def within(body: list[ast.stmt], inherited: set[str]) -> Iterator[tuple[str, set[str]]]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield from within(node.body, inherited | named(node.decorator_list))
            elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield node.name, inherited | named(node.decorator_list)

    yield from within(tree.body, named(of_module()))


def _assigns_marks(node: ast.Assign) -> bool:
    return [ast.unparse(target) for target in node.targets] == ["pytestmark"]


ITEMS = read(PAPER)
MARKS: dict[str, set[str]] = {
    f"{path.relative_to(TESTS)}::{name}": items
    for path in sorted(TESTS.rglob("test_*.py"))
    for name, items in marked(ast.parse(path.read_text(encoding="utf-8")))
}
SHOWN_BY: dict[str, list[str]] = defaultdict(list)
for test, items in MARKS.items():
    for item in items:
        SHOWN_BY[item].append(test)


def test_every_item_stands_in_the_paper_once():
    ids = [item.id for item in ITEMS]

    assert len(ids) == len(set(ids)) == 180
    assert len(re.findall(r"^\| [A-R]-\d\d", PAPER, re.MULTILINE)) == 180, "a row that is not read"


def test_no_test_names_an_item_that_there_is_not():
    assert set(SHOWN_BY) <= {item.id for item in ITEMS}


def test_every_item_of_the_first_tier_is_shown_by_a_test():
    first = [item for item in ITEMS if item.tier == 1]
    shown = [item for item in first if SHOWN_BY[item.id]]

    assert [item.id for item in first if item not in shown] == []
    assert f"**{len(shown)} of {len(first)}** items of tier 1" in PAPER


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.id)
def test_what_the_paper_says_of_an_item_is_so(item):
    assert [place for place in item.where if item.done and not (ROOT / place).exists()] == []
    assert [test for test in item.shown if item.id not in MARKS.get(test, ())] == []
    assert bool(item.shown) == bool(SHOWN_BY[item.id]), f"name one of {SHOWN_BY[item.id]}"


def test_marks_are_found_on_tests_classes_and_modules():
    source = """
pytestmark = [pytest.mark.browser, pytest.mark.standard("A-01")]

@pytest.mark.standard("A-02", "A-03")
def test_one(): ...

@pytest.mark.standard("A-04")
class TestMore:
    def test_two(self): ...
"""
    assert dict(marked(ast.parse(source))) == {"test_one": {"A-01", "A-02", "A-03"}, "test_two": {"A-01", "A-04"}}


def test_only_literals_name_items():
    for path in TESTS.rglob("test_*.py"):
        for call in re.findall(r"mark\.standard\(([^)]*)\)", path.read_text(encoding="utf-8")):
            if Path(__file__) != path:
                assert re.fullmatch(r'\s*("[A-R]-\d\d",?\s*)+', call), f"{path}: {call}"
