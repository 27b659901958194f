"""When an operation ended, as far as clocks that are not ours can tell."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

FUTURE_TOLERANCE: Final = timedelta(minutes=5)
PAST_TOLERANCE: Final = timedelta(days=7)

# Instants that every zone's calendar and every database can hold.
_FIRST_YEAR, _LAST_YEAR = 1970, 9998

_DAY, _CLOCK = r"\d{4}-\d\d-\d\d", r"\d\d-\d\d-\d\d"
_TIME_IN_NAME = re.compile(
    rf"(\d{{8}}_\d{{6}}|{_DAY}_{_CLOCK}|{_DAY}T{_CLOCK}Z?)_.*\.json",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class End:
    """When an operation ended (UTC), and whether the clock that said so is to be doubted."""

    at: datetime
    clock_skew: bool


def time_in_name(file_name: str) -> datetime | None:
    """Return the time that a report's file name tells: UTC if it has a Z, else naive.

    None for a name of another form (HORODATAGE_AGENT.json) or with an impossible time.
    """
    match = _TIME_IN_NAME.fullmatch(file_name)
    if match is None:
        return None
    stamp = match[1].upper()
    try:
        moment = datetime.strptime(re.sub(r"\D", "", stamp) + "Z", "%Y%m%d%H%M%S%z")
    except ValueError:
        return None
    return moment if stamp.endswith("Z") else moment.replace(tzinfo=None)


def in_utc(moment: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the instant in UTC; a naive one is read in `zone`, the first of a repeated hour.

    None if it cannot be one of a backup: before 1970, or in a year that calendars end with.
    """
    try:
        instant = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (OverflowError, ValueError):
        return None
    return instant if _FIRST_YEAR <= instant.year <= _LAST_YEAR else None


def resolve_end(
    report_ended: datetime | None,
    name_time: datetime | None,
    *,
    arrived: datetime,
    zone: ZoneInfo,
) -> End:
    """Return when the operation ended: the report's own end, else its name's, else `arrived`.

    `arrived` is aware; a naive time is in `zone`. The clock is doubted when a time is impossible
    (the next source is taken), more than 5 minutes after the arrival (which replaces it), or more
    than 7 days before it.
    """
    arrived = arrived.astimezone(UTC)
    clock_skew = False
    for moment in (report_ended, name_time):
        if moment is None:
            continue
        end = in_utc(moment, zone)
        if end is None:
            clock_skew = True
        elif end - arrived > FUTURE_TOLERANCE:
            return End(arrived, clock_skew=True)
        else:
            return End(end, clock_skew=clock_skew or arrived - end > PAST_TOLERANCE)
    return End(arrived, clock_skew)


def seconds_between(started: datetime | None, ended: datetime | None) -> float | None:
    """Give how long a step took by its agent's clock, or None when it tells no sensible span."""
    if started is None or ended is None:
        return None
    if (started.tzinfo is None) != (ended.tzinfo is None):
        return None
    seconds = (ended - started).total_seconds()
    return seconds if seconds >= 0 else None
