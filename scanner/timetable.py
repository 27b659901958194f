"""Cron expression + time zone -> dues: the instants at which a schedule fires.

There is no clock here: every instant is an argument, and comes back aware and in UTC.

1. cronsim finds the *wall-clock readings* that match, on naive time, always forwards. Zones are
   applied here and not by cronsim, whose answers depend on where it starts when a zone skips
   midnight ("0 */6 25 4 *" in Africa/Cairo), and which may repeat a due or step back.
2. When minute and hour name fixed values (neither starts with "*"), a reading becomes a due the
   first time that the clock shows it; a reading that the clock skips is due when the skip ends.
   So "30 2 * * *" fires once on each day of the year. Several readings in one skip are one due.
3. Otherwise the schedule goes by elapsed time, and each instant whose reading matches is a due:
   readings that are skipped never fire, readings that come twice fire twice.

Points 2 and 3 are what Debian's cron does, and cronsim after it.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from scanner.errors import ScheduleError, gettext_noop

_ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
# Each whole, as it is translated.
_NOT_FIVE_FIELDS = gettext_noop(
    "the schedule %(schedule)s has %(count)d field(s): expected five fields (minute, hour, day, "
    'month, weekday) like "30 2 * * *", or one of %(aliases)s; correct it, or leave it blank for '
    "no schedule"
)
_UNREADABLE = gettext_noop(
    "the schedule %(schedule)s cannot be read (%(why)s): expected five fields (minute, hour, day, "
    'month, weekday) like "30 2 * * *", or one of %(aliases)s; correct it, or leave it blank for '
    "no schedule"
)
_NEVER = gettext_noop(
    "the schedule %(schedule)s never comes: expected five fields (minute, hour, day, month, "
    'weekday) like "30 2 * * *", or one of %(aliases)s; correct it, or leave it blank for no '
    "schedule"
)
_UNKNOWN_ZONE = gettext_noop(
    "the time zone %(zone)s is unknown: expected an IANA name like Africa/Douala, Europe/Paris or "
    "UTC; correct it"
)
_FIELDS = 5
_SHOWN = 80  # characters of somebody's text in a message
# From here on each date meets each weekday within 28 years, and cronsim looks 50 years ahead: what
# has not fired by then never will.
_CALENDAR = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Timetable:
    """A cron expression ("" for none) and the zone that it is read in, as `timetable` gives it."""

    expression: str
    zone: str


@lru_cache(maxsize=4096)
def timetable(expression: str, zone: str) -> Timetable:
    """Give the timetable of a cron expression, an alias like @daily, or "" for no schedule.

    Letter case and white space are made uniform. Raise ScheduleError for an expression that cannot
    be read, counts seconds or never fires, and for an unknown zone.
    """
    zone = time_zone(zone).key
    words = expression.split()
    if not words:
        return Timetable("", zone)
    told = {"schedule": _shown(expression), "aliases": " ".join(_ALIASES)}
    if len(words) == 1 and words[0].lower() in _ALIASES:
        return Timetable(words[0].lower(), zone)
    if len(words) != _FIELDS:
        raise ScheduleError(_NOT_FIVE_FIELDS, count=len(words), **told)
    expression = " ".join(words).upper()
    try:
        first = next(CronSim(expression, _CALENDAR), None)
    except (CronSimError, ValueError) as error:  # ValueError: a number of thousands of digits
        raise ScheduleError(_UNREADABLE, why=error, **told) from error
    if first is None:
        raise ScheduleError(_NEVER, **told)
    return Timetable(expression, zone)


def fields(expression: str) -> tuple[str, ...]:
    """Give the five fields of a cron expression, an alias written out; none for no schedule.

    Raise ScheduleError as `timetable` does.
    """
    found = timetable(expression, "UTC").expression
    return tuple(_ALIASES.get(found, found).split())


@lru_cache(maxsize=1024)
def time_zone(name: str) -> ZoneInfo:
    """Give the time zone of an IANA name, in any letter case; raise ScheduleError if unknown."""
    # Looked up among the known names, so that no name from outside becomes a path.
    known = _zone_names().get(name.strip().casefold())
    if known is None:
        raise ScheduleError(_UNKNOWN_ZONE, zone=_shown(name))
    return ZoneInfo(known)


def dues(timetable: Timetable, after: datetime, until: datetime) -> Iterator[datetime]:
    """Give the dues of a timetable in (after, until], strictly ascending, in UTC.

    Both bounds are in UTC and between the years 2 and 9900.
    """
    if not timetable.expression:
        return
    zone = time_zone(timetable.zone)
    _, minute, hour, *_ = _cron(timetable.expression).parts
    if minute.startswith("*") or hour.startswith("*"):
        candidates = _each_time_shown(timetable.expression, zone, after, until)
    else:
        candidates = _once_each(timetable.expression, zone, after)
    newest = after
    for due in candidates:
        if due > until:
            return
        if due > newest:
            newest = due
            yield due


@lru_cache(maxsize=1)
def _zone_names() -> dict[str, str]:
    # These two name no place: one is whatever this machine is set to, the other "not set yet".
    return {name.casefold(): name for name in available_timezones() - {"localtime", "Factory"}}


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


@lru_cache(maxsize=4096)
def _cron(expression: str) -> CronSim:
    return CronSim(_ALIASES.get(expression, expression), _CALENDAR)


def _readings(expression: str, after: datetime) -> Iterator[datetime]:
    """Give the naive wall-clock readings later than `after` that match, ascending."""
    cron = copy.copy(_cron(expression))  # parsing costs more than most searches
    cron.dt = after.replace(microsecond=0)
    return cron


def _once_each(expression: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    for reading in _readings(expression, after.astimezone(zone).replace(tzinfo=None)):
        yield _first_shown(reading, zone)


def _first_shown(reading: datetime, zone: ZoneInfo) -> datetime:
    """Give the instant at which a clock first shows a reading or, if it is skipped, a later one."""
    while True:
        instant = reading.replace(tzinfo=zone, fold=0).astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) == reading:
            return instant
        reading += timedelta(minutes=1)


def _each_time_shown(
    expression: str, zone: ZoneInfo, after: datetime, until: datetime
) -> Iterator[datetime]:
    """Walk through the stretches in which the clock runs evenly."""
    start = after
    while start <= until:
        offset = _offset(zone, start)
        new_year = datetime(start.year + 1, 1, 1, tzinfo=UTC)
        end = next((jump for jump in _jumps(zone, start.year) if jump > start), new_year)
        # A second earlier, for `start` itself may be a due.
        reading = (start + offset - timedelta(seconds=1)).replace(tzinfo=None)
        for found in _readings(expression, reading):
            due = found.replace(tzinfo=UTC) - offset
            if due >= end:
                break
            yield due
        start = end


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()


@lru_cache(maxsize=4096)
def _jumps(zone: ZoneInfo, year: int) -> tuple[datetime, ...]:
    """Give the instants of a year (UTC) at which a zone's clocks are set forward or back."""
    jumps = []
    day = timedelta(days=1)
    midnight = datetime(year, 1, 1, tzinfo=UTC)
    while midnight.year == year:
        before, at = midnight, midnight + day
        if _offset(zone, before) != _offset(zone, at):
            while at - before > timedelta(seconds=1):
                middle = (before + (at - before) / 2).replace(microsecond=0)
                if _offset(zone, middle) == _offset(zone, before):
                    before = middle
                else:
                    at = middle
            jumps.append(at)
        midnight += day
    return tuple(jumps)
