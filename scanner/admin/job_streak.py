"""For how long a job's backups have been good and on time, as far as that is known without a gap.

The last trouble ends the row, and so does whatever nobody judged: a pause, another schedule, a due
that no entry tells of (of a long outage only the newest cycles are judged).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import TextField
from django.db.models.functions import Cast

from scanner.admin import when
from scanner.admin.job_charts import GOOD
from scanner.cycle import Schedule, time_zone
from scanner.errors import ScheduleError
from scanner.models import ExpectedBackupJob
from scanner.models.job import PROBLEM_STATUSES

MOST = 400
"""So many of the last entries are looked at: of one a day, those of more than a year."""


@dataclass(frozen=True, slots=True)
class Streak:
    """So many good backups in a row, the first of them of `since`.

    `is_daily` tells that there is one for each day, in the job's zone, until the one that it
    awaits; `is_longer` that no more were looked at, so that there may be others before.
    """

    count: int = 0
    since: datetime | None = None
    is_daily: bool = False
    is_longer: bool = False


def of(job: ExpectedBackupJob) -> Streak:
    """Give the row of good backups that ends with the job's newest entry, in two statements."""
    good, is_longer = _good(job)
    floor = _floor(job)
    row = [at for at in good if floor is None or at > floor]
    is_daily = False
    if job.schedule:
        try:
            row = _after_the_last_gap(row, job.calendar)
            awaited = [job.due_at] if job.due_at else []
            is_daily = when.is_daily([*row, *awaited], time_zone(job.zone_name))
        except ScheduleError:  # the machine knows the zone of the schedule no more
            row = []
    if not row:
        return Streak()
    return Streak(len(row), row[0], is_daily, is_longer and len(row) == len(good))


def _good(job: ExpectedBackupJob) -> tuple[list[datetime], bool]:
    """Give of when the good backups since the last trouble are, and whether there may be more."""
    entries = job.entries.annotate(words=Cast("warnings", TextField())).order_by("-pk")
    columns = ("status", "words", "cycle_due", "operation_end", "recorded_at")
    found = set()
    looked_at = 0
    for status, words, due, ended, recorded in entries.values_list(*columns)[:MOST]:
        if status in PROBLEM_STATUSES or '"late"' in words:
            break
        looked_at += 1
        at = due if job.schedule else due or ended or recorded
        if status in GOOD and at is not None:
            found.add(at)
    return sorted(found), looked_at == MOST


def _floor(job: ExpectedBackupJob) -> datetime | None:
    """Give since when the job is watched as it is: without a pause, and by the same timetable."""
    switched = job.changes.filter(changes__has_key="is_active").order_by("-pk")
    moments = list(switched.values_list("changed_at", flat=True)[:1])
    moments += [datetime.fromisoformat(era["until"]) for era in job.past_timetables[-1:]]
    return max(moments, default=None)


def _after_the_last_gap(dues: Sequence[datetime], schedule: Schedule) -> list[datetime]:
    """Give the newest of some dues, in order, between which the schedule has no others."""
    first = 0
    expected = schedule.dues(dues[0]) if dues else iter(())
    for number, due in enumerate(dues[1:], start=1):
        if next(expected, None) != due:
            first, expected = number, schedule.dues(due)
    return list(dues[first:])
