"""The matrix of the board: how the backups of each job went, day by day.

One statement, which reads no entry: a job's own row holds the worst verdicts of its last days, as
`scanner.days` keeps them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from django.db.models import TextField
from django.db.models.functions import Cast

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
)
_PUNCTUATION = str.maketrans("", "", '[]" ')


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
    """Rows in the order of company, city, neighborhood and database; `span` days, until `end`."""

    today: date
    end: date
    span: int
    rows: list[Row]


def read(companies: Companies, *, today: date, span: int) -> Matrix:
    """Give the matrix of what these companies may be shown, in one statement.

    It ends today, or tomorrow where there is a verdict of tomorrow: of a zone that is a day ahead,
    or of a backup that came early. One of a later day waits for its day. Retired jobs are left out.
    """
    tomorrow = today.toordinal() + 1
    jobs = access.visible(ExpectedBackupJob.objects.filter(retired_at=None), companies)
    rows = jobs.order_by(*_COLUMNS[:4], "pk").values_list(*_COLUMNS, Cast("days", TextField()))
    found = [(values, _days(text, tomorrow, span)) for *values, text in rows]
    is_ahead = any(days and int(days[-3]) == tomorrow for _values, days in found)
    end = today + _DAY if is_ahead else today
    start = end.toordinal() - span + 1
    return Matrix(today, end, span, [_row(values, days, start, span) for values, days in found])


def _days(text: str, last: int, span: int) -> list[str]:
    """Give a job's days until `last` as they are stored: day, letter, entry; day, letter, entry ...

    There are enough for `span` days until `last`, and for as many until the day before.

    Ten thousand jobs have a million days: to make lists of them, as JSON, would take seconds.
    """
    flat = text.translate(_PUNCTUATION)
    days = flat.split(",") if flat else []
    while days and int(days[-3]) > last:
        del days[-3:]
    return days[-3 * (span + 1) :]


def _row(values: Sequence[Any], days: list[str], start: int, span: int) -> Row:
    company, city, neighborhood, database, key, status, warnings, active, new, deadline = values
    letters, entries = [NOTHING] * span, []
    for day, its_letter, entry in zip(days[::3], days[1::3], days[2::3], strict=True):
        if 0 <= (at := int(day) - start) < span:
            letters[at] = its_letter
            entries.append(int(entry))
    return Row(
        place=(company, city, neighborhood),
        database=database,
        key=key,
        now=letter(status, has_warnings=bool(warnings)),
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
        "today": matrix.today.isoformat(),
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
