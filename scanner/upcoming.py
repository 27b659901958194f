"""When the next backups would be due by a schedule, and what the clocks do to them.

Nothing is stored here: this is what people are shown while they write a schedule.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from zoneinfo import ZoneInfo

from scanner.cycle import Era, Schedule, time_zone, timetable
from scanner.timetable import dues

SHOWN = 5
_MINUTE = timedelta(minutes=1)


class Shift(StrEnum):
    """What happens to a due on a day on which the clocks are changed."""

    SKIPPED = "skipped"
    """The clock does not show the time that the schedule names: it is due when the skip ends."""
    FIRST_OF_TWO = "first of two"
    """The clock shows that time twice; this is the first."""
    SECOND_OF_TWO = "second of two"


@dataclass(frozen=True, slots=True)
class Coming:
    """A due that is still to come, and its deadline; both in UTC."""

    due: datetime
    deadline: datetime
    shift: Shift | None


def coming(
    expression: str, zone: str, grace: timedelta, *, after: datetime, count: int = SHOWN
) -> list[Coming]:
    """Give the next dues of a cron expression in a zone, none without an expression.

    Raise ScheduleError when the expression, the zone or the grace cannot be.
    """
    schedule = Schedule((Era(timetable(expression, zone), None),), grace)
    here = time_zone(zone)
    return [
        Coming(due, due + grace, _shift(expression, due, here))
        for due in islice(schedule.dues(after), count)
    ]


def _shift(expression: str, due: datetime, zone: ZoneInfo) -> Shift | None:
    shown = due.astimezone(zone)
    reading = shown.replace(tzinfo=due.tzinfo, fold=0)
    # In UTC, whose clocks are never changed, the dues are what the schedule names.
    named = dues(timetable(expression, "UTC"), reading - _MINUTE, reading)
    if next(named, None) != reading:
        return Shift.SKIPPED
    other = shown.replace(fold=1 - shown.fold)
    if other.utcoffset() == shown.utcoffset():
        return None
    return Shift.SECOND_OF_TWO if shown.fold else Shift.FIRST_OF_TWO
