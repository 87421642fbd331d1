"""Libraries that are loaded at their first use, also where several threads come at once and from several ends."""

import sys

from latchkey.loading import Late, loaded
from tests import crowd

FIRST = "import time, late_second\ntime.sleep(0.05)\nvalue = 1\n"
SECOND = "import time\ntime.sleep(0.05)\nimport late_first\nvalue = 2\n"


def test_threads_that_come_from_several_ends_get_whole_modules(tmp_path, monkeypatch):
    (tmp_path / "late_first.py").write_text(FIRST)
    (tmp_path / "late_second.py").write_text(SECOND)
    monkeypatch.syspath_prepend(tmp_path)
    first, second = Late("late_first"), Late("late_second")

    found = crowd.at_once(*[lambda: first.value, lambda: second.value] * 4)
    for name in ("late_first", "late_second"):
        monkeypatch.delitem(sys.modules, name)

    assert found == [1, 2] * 4


def test_what_nobody_asked_for_is_not_loaded(tmp_path, monkeypatch):
    (tmp_path / "late_third.py").write_text("value = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    third = Late("late_third")

    assert not loaded("late_third")
    assert third.value == 3
    assert loaded("late_third")

    monkeypatch.delitem(sys.modules, "late_third")
