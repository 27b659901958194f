"""Schedule + grace -> cycles: which backup is due when, and which cycle a report is of.

Words: a *due* is an instant at which the schedule fires (see `scanner.timetable`), its *deadline*
is due + grace, the two are a *cycle*. An *era* is a stretch of time in which one timetable was in
force. There is no clock here: every instant is an argument, must be aware, and comes back in UTC.

1. A schedule's dues are those of each era's timetable in (end of the era before, its own end].
   Hence a due is told by the timetable that was in force when it came; later changes do not move
   it. Grace is added last, in UTC: an hour of grace is an hour, whatever the clocks do.
2. An operation that ended at `t` is of the latest cycle with due - early <= t, where
   gap = due - previous due and early = min(grace, gap/2, max(0, gap - grace)); without a previous
   due, early = grace.
   A backup that ends a little before its due time (started ahead of time, or a fast clock at the
   agent) is of the coming cycle: hence `grace` before the due as after it. One that is late must
   still be of the old cycle: hence never before the old deadline (gap - grace), and not at all
   where grace reaches from one due to the next (0). The two keep early within gap/2; it is named
   because by it the starts of cycles ascend, so that each instant is in one cycle.
3. An era without a schedule means "whenever it comes": once one has begun and the deadline of the
   last cycle before it has passed, an instant is of no cycle until the next one starts.
4. A cycle has elapsed when its deadline is before `now`. Those of a server that was down are told
   from the newest back, so that a year of minutes costs no more than a few hours of them.

The latest dues before an instant are sought in windows that grow backwards (`_LOOK_BACK`): the
cost follows the number of dues asked for, and not the time since the beginning.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from scanner.errors import ScheduleError, gettext_noop
from scanner.timetable import Timetable, dues, time_zone, timetable

__all__ = ["Cycle", "Era", "Schedule", "Timetable", "time_zone", "timetable"]

MAX_GRACE = timedelta(days=366)
_WRONG_GRACE = gettext_noop(
    "the grace is %(grace)s: expected 0 minutes to %(days)d days; correct the job's grace"
)
# No schedule has dues outside this range: arithmetic near the ends of datetime would overflow.
_FIRST = datetime(1900, 1, 1, tzinfo=UTC)
_LAST = datetime(9000, 1, 1, tzinfo=UTC)
_LOOK_BACK = (
    timedelta(hours=3),
    timedelta(days=2),
    timedelta(days=9),
    timedelta(days=40),
    timedelta(days=400),
    timedelta(days=9 * 366),
    _LAST - _FIRST,
)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, order=True)
class Cycle:
    """One occurrence of a schedule; both instants are aware and in UTC."""

    due: datetime
    deadline: datetime


@dataclass(frozen=True, slots=True)
class Era:
    """A timetable and the last instant at which it was in force; None when it still is."""

    timetable: Timetable
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is expected of a job over time: its eras, in order, and the grace it has now.

    Only the last era is still in force. One that ended no later than an era before it (the clock
    was set back between two changes) covers nothing. Raise ScheduleError when the eras are not
    like that, or when grace is negative or over 366 days.
    """

    eras: tuple[Era, ...]
    grace: timedelta

    def __post_init__(self) -> None:
        if not timedelta() <= self.grace <= MAX_GRACE:
            raise ScheduleError(_WRONG_GRACE, grace=self.grace, days=MAX_GRACE.days)
        ends = [era.until for era in self.eras]
        if not ends or ends[-1] is not None or any(e is None or not e.tzinfo for e in ends[:-1]):
            raise ScheduleError(
                "the eras end at %(ends)s: expected an aware time for each but the last, "
                "which is still in force; repair the job's stored past timetables",
                ends=ends,
            )

    def dues(self, after: datetime) -> Iterator[datetime]:
        """Give the dues later than `after`, strictly ascending; take only as many as needed."""
        return _dues_within(self, _utc(after), _LAST)

    def cycle_of(self, t: datetime) -> Cycle | None:
        """Give the cycle that an operation which ended at `t` belongs to; None if to none."""
        return _cycle_of(self, _utc(t))

    def first_due_after(self, t: datetime) -> Cycle | None:
        """Give the first cycle that is due later than `t`, if any."""
        due = _first_due(self, _utc(t))
        return None if due is None else _cycle(self, due)

    def first_ending_after(self, t: datetime) -> Cycle | None:
        """Give the first cycle whose deadline is later than `t`, if any; it may be due already."""
        return self.first_due_after(_utc(t) - self.grace)

    def after(self, cycle_due: datetime) -> Cycle | None:
        """Give the cycle that follows a due, on the grid of today's eras or not, if any."""
        return self.first_due_after(cycle_due)

    def elapsed(
        self, from_due: datetime, now: datetime, limit: int = 31
    ) -> tuple[list[Cycle], Cycle | None]:
        """Give the cycles whose deadline is before `now`, oldest first, and the next to await.

        `from_due` is the first due that is not judged yet. It counts as a cycle even when no era
        has it any more. Of the elapsed cycles only the newest `limit` (at least 1) are given. The
        next is the first whose deadline is `now` or later, None when no era has one.
        """
        if limit < 1:
            raise ValueError(f"limit is {limit}: expected at least 1")
        cycles, awaited = _elapsed(self, _utc(from_due), _utc(now), limit)
        return list(cycles), awaited


@lru_cache(maxsize=4096)
def _first_due(schedule: Schedule, after: datetime) -> datetime | None:
    return next(schedule.dues(after), None)


@lru_cache(maxsize=4096)
def _cycle_of(schedule: Schedule, t: datetime) -> Cycle | None:
    coming = _first_due(schedule, t)
    # `_early` is at most the grace, so that the search in it is seldom needed.
    if coming and coming - t <= schedule.grace and coming - t <= _early(schedule, coming):
        return _cycle(schedule, coming)
    latest = _newest_dues(schedule, _FIRST, t, 1)
    if not latest:
        return None
    cycle = _cycle(schedule, latest[0])
    since = _tables_within(schedule, cycle.due, t)
    if cycle.deadline < t and not all(table.expression for table, _, _ in since):
        return None
    return cycle


@lru_cache(maxsize=4096)
def _elapsed(
    schedule: Schedule, from_due: datetime, now: datetime, limit: int
) -> tuple[tuple[Cycle, ...], Cycle | None]:
    first = _cycle(schedule, from_due)
    if now <= first.deadline:
        return (), first
    newest_due = now - schedule.grace - _TICK
    elapsed = [_cycle(schedule, d) for d in _newest_dues(schedule, from_due, newest_due, limit)]
    if len(elapsed) < limit:
        elapsed.insert(0, first)
    return tuple(elapsed), schedule.first_due_after(newest_due)


def _utc(t: datetime) -> datetime:
    if t.tzinfo is None:
        raise ValueError(f"{t} has no time zone: expected an aware datetime")
    return t.astimezone(UTC)


def _cycle(schedule: Schedule, due: datetime) -> Cycle:
    return Cycle(due, due + schedule.grace)


def _early(schedule: Schedule, due: datetime) -> timedelta:
    """Tell how long before a due its cycle starts: point 2 above."""
    grace = schedule.grace
    # A previous due further away than this leaves `early` at grace, like none at all.
    previous = _newest_dues(schedule, due - 2 * grace, due - _TICK, 1)
    if not previous:
        return grace
    gap = due - previous[0]
    return min(grace, gap / 2, max(timedelta(), gap - grace))


def _newest_dues(
    schedule: Schedule, after: datetime, until: datetime, count: int
) -> list[datetime]:
    """Give the newest `count` dues in (after, until], oldest first."""
    after, until = max(after, _FIRST), min(until, _LAST)
    found: list[datetime] = []
    end = until
    for window in _LOOK_BACK:
        if len(found) >= count or end <= after:
            break
        start = until - min(window, until - after)
        found = [*_dues_within(schedule, start, end), *found]
        end = start
    return found[-count:]


def _dues_within(schedule: Schedule, after: datetime, until: datetime) -> Iterator[datetime]:
    bounds = max(after, _FIRST), min(until, _LAST)
    for table, start, end in _tables_within(schedule, *bounds):
        yield from dues(table, start, end)


def _tables_within(
    schedule: Schedule, after: datetime, until: datetime
) -> Iterator[tuple[Timetable, datetime, datetime]]:
    """Cut (after, until] into the parts of each era: timetable, after, until."""
    for era in schedule.eras:
        end = until if era.until is None else min(_utc(era.until), until)
        if after < end:
            yield era.timetable, after, end
            after = end
