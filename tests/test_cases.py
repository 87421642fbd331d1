"""Whose lines are not noted runs as fast as where nobody notes any."""

import sys

import pytest
from coverage import Coverage


@pytest.mark.unnoted("looks whether it is")
def test_of_a_test_that_runs_lines_of_others_nothing_is_noted():
    assert Coverage.current() is None
    assert "coverage" not in type(sys.gettrace()).__module__
