"""The matrix of the board: how the backups of each job went, day by day.

One statement, which reads no entry: a job's own row holds the worst verdicts of its last days, as
`scanner.days` keeps them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from scanner import access
from scanner.access import Companies
from scanner.days import letter
from scanner.models import ExpectedBackupJob

SPANS = (30, 90)
"""How many days may be asked for."""
NOTHING = "."
"""Stands for a day without a verdict, where the letters of `scanner.days` stand for the others."""
PAUSED, TO_ADOPT = "paused", "adopt"
_DAY = timedelta(days=1)
_COLUMNS = (
    "company_name",
    "city",
    "neighborhood",
    "database_name",
    "pk",
    "status",
    "warnings",
    "is_active",
    "awaits_adoption",
    "deadline_at",
    "days",
)


@dataclass(frozen=True, slots=True)
class Row:
    """A job: where it is, how it stands now, and a letter for each day, the oldest first.

    `entries` are the keys of the entries behind those letters that are not NOTHING. `standing` is
    PAUSED or TO_ADOPT where nobody expects anything of it now, else empty.
    """

    place: tuple[str, str, str]
    database: str
    key: int
    now: str
    standing: str
    deadline: datetime | None
    letters: str
    entries: list[int]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows in the order of company, city, neighborhood and database; the last of `span` days."""

    end: date
    span: int
    rows: list[Row]


def read(companies: Companies, *, end: date, span: int) -> Matrix:
    """Give the matrix of what these companies may be shown, in one statement.

    It ends on the day `end`, or on the next one where a zone that is ahead has a verdict of it.
    Retired jobs are left out.
    """
    jobs = access.visible(ExpectedBackupJob.objects.filter(retired_at=None), companies)
    found = list(jobs.order_by(*_COLUMNS[:4], "pk").values_list(*_COLUMNS))
    newest = max((days[-1][0] for *_rest, days in found if days), default=0)
    if newest > end.toordinal():
        end += _DAY
    start = end.toordinal() - span + 1
    return Matrix(end, span, [_row(values, start, span) for values in found])


def _row(values: tuple[Any, ...], start: int, span: int) -> Row:
    company, city, neighborhood, database, key, status, warnings, active, new, deadline, days = (
        values
    )
    letters, entries = [NOTHING] * span, []
    for day, its_letter, entry in days:
        if 0 <= day - start < span:
            letters[day - start] = its_letter
            entries.append(entry)
    return Row(
        place=(company, city, neighborhood),
        database=database,
        key=key,
        now=letter(status, warnings),
        standing="" if active else TO_ADOPT if new else PAUSED,
        deadline=deadline if active else None,
        letters="".join(letters),
        entries=entries,
    )


def as_data(matrix: Matrix) -> dict[str, Any]:
    """Give the matrix as the page's script reads it: short, for there may be ten thousand rows.

    A place is [company, city, neighborhood, jobs]; a job is [key, database, letters, entries, how
    it stands now, standing, next deadline in seconds since 1970 or null].
    """
    return {
        "end": matrix.end.isoformat(),
        "span": matrix.span,
        "places": list(_places(matrix.rows)),
    }


def _places(rows: Iterable[Row]) -> Iterator[list[Any]]:
    for place, jobs in groupby(rows, key=lambda row: row.place):
        yield [*place, [_job(row) for row in jobs]]


def _job(row: Row) -> list[Any]:
    deadline = int(row.deadline.timestamp()) if row.deadline else None
    return [
        row.key,
        row.database,
        row.letters,
        row.entries,
        row.now,
        row.standing,
        deadline,
    ]
