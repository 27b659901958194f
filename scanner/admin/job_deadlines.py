"""When the next backups of a job are due, where it is and where its readers are."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from django.utils import timezone

from scanner.admin import when
from scanner.cycle import Cycle, time_zone
from scanner.errors import ScheduleError
from scanner.models import ExpectedBackupJob

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Reading:
    """What a cycle's due and deadline look like in one zone."""

    zone: str
    due: str
    deadline: str


@dataclass(frozen=True, slots=True)
class Row:
    """A cycle in each of the zones."""

    cycle: Cycle
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The next cycles; `zones` names the job's zone and, if it is another, the site's."""

    zones: tuple[str, ...]
    rows: tuple[Row, ...]


def of(job: ExpectedBackupJob, now: datetime) -> Deadlines:
    """Give the cycle that a job awaits and those after it; none of one that awaits nothing."""
    here, site = time_zone(job.zone_name), timezone.get_current_timezone()
    zones = {job.zone_name: here}
    zones.setdefault(timezone.get_current_timezone_name(), site)
    rows = tuple(
        Row(
            cycle,
            tuple(
                Reading(
                    name,
                    when.reading(cycle.due, zone, now),
                    when.reading(cycle.deadline, zone, now, beside=cycle.due),
                )
                for name, zone in zones.items()
            ),
        )
        for cycle in islice(_cycles(job), SHOWN)
    )
    return Deadlines(tuple(zones), rows)


def _cycles(job: ExpectedBackupJob) -> Iterator[Cycle]:
    if job.due_at is None or job.deadline_at is None:
        return
    cycle: Cycle | None = Cycle(job.due_at, job.deadline_at)
    try:
        calendar = job.calendar
        while cycle is not None:
            yield cycle
            cycle = calendar.after(cycle.due)
    except ScheduleError:  # the machine knows the zone of the schedule no more
        return
