"""Moments on the bearer path are written and told as everywhere else, whatever their second."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from latchkey import clock

NOON = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)


def test_moments_of_one_second_and_of_others_are_written_alike():
    writer = clock.Writer()
    steps = [timedelta(), timedelta(microseconds=1), timedelta(seconds=1), timedelta(seconds=-1), timedelta(days=-400)]

    for step in (*steps, *reversed(steps)):
        for second in (NOON, NOON.replace(microsecond=0), NOON.replace(microsecond=999_999)):
            moment = second + step
            assert writer.text(moment) == moment.isoformat(" ", "microseconds")[:26]
            assert clock.text(moment) == moment.isoformat(" ", "microseconds")[:26]


def test_a_moment_of_another_zone_is_written_in_utc():
    there = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))

    assert clock.Writer().text(there) == clock.text(there) == "2026-11-23 12:00:00.123456"


@pytest.mark.parametrize("microsecond", [0, 1, 100_000, 999_999])
def test_what_is_kept_is_read_and_told_as_the_moment_it_is(microsecond):
    moment = NOON.replace(microsecond=microsecond)
    there = moment.astimezone(timezone(timedelta(hours=-7)))

    for kept in (clock.Writer().text(moment), moment, there):
        assert clock.read(kept) == moment
        assert clock.read(kept).tzinfo is UTC
        assert clock.told(kept) == clock.rfc3339(moment, "auto")
