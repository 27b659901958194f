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
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import NamedTuple

from django.db.models import BooleanField, Case, ExpressionWrapper, Q, When
from django.db.models.functions import Coalesce

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
_GRAVITY = {letter: number for number, letter in enumerate(LETTERS)}
_DAY = timedelta(days=1)


class Seen(NamedTuple):
    """What of an entry its day is known by: a year may have tens of thousands.

    It begins with what entries are put in order by. `otherwise` is the moment of one without a
    cycle.
    """

    attempt: int
    pk: int
    job_id: int
    report_id: int | None
    status: str
    reason: str
    has_warnings: bool
    cycle_due: datetime | None
    otherwise: datetime | None

    @property
    def letter(self) -> str:
        """Give the letter of its verdict."""
        return letter(self.status, has_warnings=self.has_warnings)

    def day_in(self, zone: tzinfo) -> date:
        """Give the day that it counts for, in a zone."""
        at = self.cycle_due or self.otherwise
        assert at is not None  # each entry has its record
        return at.astimezone(zone).date()


def letter(status: str, *, has_warnings: bool) -> str:
    """Give the letter of a verdict."""
    found = _LETTER_OF.get(status, "?")
    return "W" if found in _WARNED and has_warnings else found


def day_of(entry: BackupEntry, zone: str) -> date:
    """Give the day that an entry counts for, in a job's zone."""
    return _moment(entry).astimezone(time_zone(zone)).date()


def worst(entries: Iterable[Seen]) -> Seen | None:
    """Give the entry that a day is known by; None where none counts."""
    # By report; one without a report stands for itself.
    newest = {one.report_id or -one.pk: one for one in sorted(entries)}
    counted = list(newest.values())
    if any(_is_absence(one) for one in counted):
        came = {one.cycle_due for one in counted if not _is_absence(one)}
        counted = [one for one in counted if not (_is_absence(one) and one.cycle_due in came)]
    return max(counted, key=lambda one: (_GRAVITY[one.letter], one.pk), default=None)


def of_year(job: ExpectedBackupJob, year: int) -> dict[date, tuple[str, int]]:
    """Give the letter and the key of the entry that each day of a year is known by.

    One statement.
    """
    zone = time_zone(job.zone_name)
    start = datetime(year, 1, 1, tzinfo=zone).astimezone(UTC)
    end = datetime(year + 1, 1, 1, tzinfo=zone).astimezone(UTC)
    of_day: defaultdict[date, list[Seen]] = defaultdict(list)
    for seen in _between([job.pk], start, end):
        of_day[seen.day_in(zone)].append(seen)
    known_by = {day: worst(entries) for day, entries in of_day.items() if day.year == year}
    return {day: (one.letter, one.pk) for day, one in known_by.items() if one is not None}


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
        zones = {key: time_zone(jobs[key].zone_name) for key in some}
        of_day: defaultdict[tuple[int, date], list[Seen]] = defaultdict(list)
        for seen in found:
            of_day[seen.job_id, seen.day_in(zones[seen.job_id])].append(seen)
        for key in some:
            job = jobs[key]
            known = {day: [day, worst_of_it, pk] for day, worst_of_it, pk in job.days}
            for day in touched[key]:
                known.pop(day.toordinal(), None)
                if (known_by := worst(of_day[key, day])) is not None:
                    ordinal = day.toordinal()
                    known[ordinal] = [ordinal, known_by.letter, known_by.pk]
            last = max(known, default=0)
            job.days = [known[day] for day in sorted(known) if day > last - KEPT]


def _between(jobs: Sequence[int], start: datetime, end: datetime) -> Iterable[Seen]:
    span = (start, end)
    at = (
        Q(cycle_due__range=span)
        | Q(cycle_due=None, operation_end__range=span)
        | Q(cycle_due=None, operation_end=None, recorded_at__range=span)
    )
    entries = BackupEntry.objects.filter(at, job_id__in=jobs).order_by()
    # Told by the database: to read the warnings of each takes longer than all the rest.
    entries = entries.annotate(
        has_warnings=ExpressionWrapper(~Q(warnings=[]), output_field=BooleanField()),
        otherwise=Case(When(cycle_due=None, then=Coalesce("operation_end", "recorded_at"))),
    )
    return map(Seen._make, entries.values_list(*Seen._fields))


def _moment(entry: BackupEntry) -> datetime:
    return (entry.cycle_due or entry.operation_end or entry.recorded_at).astimezone(UTC)


def _is_absence(seen: Seen) -> bool:
    return seen.reason == Reason.NO_REPORT.value and seen.cycle_due is not None
