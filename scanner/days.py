"""The worst verdict of each of a job's last days: what the matrix of the board shows.

A day is that of the awaited cycle (without one: of the operation, else of the record), in the job's
zone. Of a day's entries

1. of a report that was judged again only the last attempt counts,
2. a cycle that was missed no longer counts as missed once something came for it,
3. and of the rest the worst; of equals, the newest.

A job keeps them as `days`: [ordinal of the day, letter, key of the entry], the oldest first. They
are always worked out anew from the entries, so that doing it twice does no harm.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from django.db.models import Q

from scanner.cycle import time_zone
from scanner.models import BackupEntry, ExpectedBackupJob
from scanner.models.batch import batches
from scanner.models.choices import Reason, Status

KEPT = 100
LETTERS = "SU?WMFC"
"""Success, unchanged, unknown, good with warnings, missing, failed, corrupt: the worst last."""
_LETTER_OF = {
    Status.SUCCESS.value: "S",
    Status.UNCHANGED.value: "U",
    Status.UNKNOWN.value: "?",
    Status.MISSING.value: "M",
    Status.FAILED.value: "F",
    Status.CORRUPT.value: "C",
}
_WARNED = frozenset({"S", "U"})
_DAY = timedelta(days=1)


def letter_of(entry: BackupEntry) -> str:
    """Give the letter of a verdict."""
    return letter(entry.status, entry.warnings)


def letter(status: str, warnings: Sequence[str]) -> str:
    """Give the letter of a status with its warnings."""
    found = _LETTER_OF.get(status, "?")
    return "W" if found in _WARNED and warnings else found


def day_of(entry: BackupEntry, zone: str) -> date:
    """Give the day that an entry counts for, in a job's zone."""
    return _moment(entry).astimezone(time_zone(zone)).date()


def worst(entries: Iterable[BackupEntry]) -> BackupEntry | None:
    """Give the entry that a day is known by; None where none counts."""
    newest: dict[object, BackupEntry] = {}
    for entry in sorted(entries, key=lambda one: (one.attempt, one.pk)):
        key = ("report", entry.report_id) if entry.report_id else ("entry", entry.pk)
        newest[key] = entry
    came = {entry.cycle_due for entry in newest.values() if not _is_absence(entry)}
    counted = [one for one in newest.values() if not (_is_absence(one) and one.cycle_due in came)]
    return max(counted, key=lambda one: (LETTERS.index(letter_of(one)), one.pk), default=None)


def of_year(job: ExpectedBackupJob, year: int) -> dict[date, BackupEntry]:
    """Give the entry that each day of a year is known by, in one statement."""
    zone = time_zone(job.zone_name)
    start = datetime(year, 1, 1, tzinfo=zone).astimezone(UTC)
    end = datetime(year + 1, 1, 1, tzinfo=zone).astimezone(UTC)
    of_day: defaultdict[date, list[BackupEntry]] = defaultdict(list)
    for entry in _between([job.pk], start, end):
        of_day[day_of(entry, job.zone_name)].append(entry)
    known_by = {day: worst(entries) for day, entries in of_day.items() if day.year == year}
    return {day: entry for day, entry in known_by.items() if entry is not None}


def keep_up(entries: Sequence[BackupEntry], jobs: Mapping[int, ExpectedBackupJob]) -> None:
    """Work out the days of `jobs` that these stored entries of theirs fall on.

    The jobs are changed, not stored.
    """
    touched: defaultdict[int, set[date]] = defaultdict(set)
    for entry in entries:
        touched[entry.job_id].add(day_of(entry, jobs[entry.job_id].zone_name))
    for some in batches(sorted(touched)):
        moments = [_moment(entry) for entry in entries if entry.job_id in touched]
        found = _between(some, min(moments) - 2 * _DAY, max(moments) + 2 * _DAY)
        of_day: defaultdict[tuple[int, date], list[BackupEntry]] = defaultdict(list)
        for entry in found:
            of_day[entry.job_id, day_of(entry, jobs[entry.job_id].zone_name)].append(entry)
        for key in some:
            job = jobs[key]
            known = {day: [day, worst_of_it, pk] for day, worst_of_it, pk in job.days}
            for day in touched[key]:
                known.pop(day.toordinal(), None)
                if (known_by := worst(of_day[key, day])) is not None:
                    ordinal = day.toordinal()
                    known[ordinal] = [ordinal, letter_of(known_by), known_by.pk]
            last = max(known, default=0)
            job.days = [known[day] for day in sorted(known) if day > last - KEPT]


def _between(jobs: Sequence[int], start: datetime, end: datetime) -> Iterable[BackupEntry]:
    span = (start, end)
    at = (
        Q(cycle_due__range=span)
        | Q(cycle_due=None, operation_end__range=span)
        | Q(cycle_due=None, operation_end=None, recorded_at__range=span)
    )
    entries = BackupEntry.objects.filter(at, job_id__in=jobs).order_by()
    return entries.only(
        "job_id",
        "report_id",
        "attempt",
        "status",
        "reason",
        "warnings",
        "cycle_due",
        "operation_end",
        "recorded_at",
    )


def _moment(entry: BackupEntry) -> datetime:
    return (entry.cycle_due or entry.operation_end or entry.recorded_at).astimezone(UTC)


def _is_absence(entry: BackupEntry) -> bool:
    return entry.reason == Reason.NO_REPORT.value and entry.cycle_due is not None
