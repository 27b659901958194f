"""The next times that a schedule brings, and what the clocks do to them."""

from datetime import UTC, datetime, timedelta

import pytest

from scanner.errors import ScheduleError
from scanner.upcoming import Shift, coming
from tests.scanning import NOW

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PARIS = "Europe/Paris"  # forward on 29 March 2026 at 02:00, back on 25 October at 03:00


def utc(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def shifts(expression: str, after: datetime, count: int = 3) -> list[tuple[datetime, Shift | None]]:
    found = coming(expression, PARIS, HOUR, after=after, count=count)
    return [(one.due, one.shift) for one in found]


def test_the_next_five_dues_have_their_deadlines() -> None:
    found = coming("30 2 * * *", "Africa/Douala", HOUR, after=NOW)
    assert [one.due for one in found] == [utc(3, day, 1, 30) for day in range(3, 8)]
    assert [one.deadline - one.due for one in found] == [HOUR] * 5
    assert {one.shift for one in found} == {None}


def test_without_an_expression_nothing_is_due() -> None:
    assert coming("", "UTC", HOUR, after=NOW) == []


@pytest.mark.parametrize(
    ("expression", "zone", "grace"),
    [
        ("every day", "UTC", HOUR),
        ("30 2 * * *", "Mars/Olympus", HOUR),
        ("30 2 * * *", "UTC", 367 * DAY),
    ],
)
def test_what_cannot_be_is_refused(expression: str, zone: str, grace: timedelta) -> None:
    with pytest.raises(ScheduleError):
        coming(expression, zone, grace, after=NOW)


def test_a_time_that_the_clocks_skip_is_told() -> None:
    assert shifts("30 2 * * *", utc(3, 28, 0)) == [
        (utc(3, 28, 1, 30), None),
        (utc(3, 29, 1), Shift.SKIPPED),  # 03:00 there
        (utc(3, 30, 0, 30), None),
    ]


def test_a_time_that_comes_twice_is_told_and_counts_once() -> None:
    assert shifts("30 2 * * *", utc(10, 24, 0)) == [
        (utc(10, 24, 0, 30), None),
        (utc(10, 25, 0, 30), Shift.FIRST_OF_TWO),
        (utc(10, 26, 1, 30), None),
    ]


def test_what_goes_by_the_hour_comes_both_times() -> None:
    assert shifts("30 * * * *", utc(10, 25, 0), count=3) == [
        (utc(10, 25, 0, 30), Shift.FIRST_OF_TWO),
        (utc(10, 25, 1, 30), Shift.SECOND_OF_TWO),
        (utc(10, 25, 2, 30), None),
    ]
    assert {shift for _, shift in shifts("30 * * * *", utc(3, 29, 0))} == {None}


def test_a_schedule_of_leap_days_is_looked_for_far_ahead() -> None:
    found = coming("0 0 29 2 *", "UTC", HOUR, after=NOW, count=2)
    assert [one.due.year for one in found] == [2028, 2032]
