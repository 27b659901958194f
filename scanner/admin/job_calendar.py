"""A year of a job in months of days, each with the worst verdict of its cycle's day."""

import calendar
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from django.urls import reverse
from django.utils.dates import WEEKDAYS, WEEKDAYS_ABBR
from django.utils.formats import date_format, get_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from scanner import days
from scanner.admin import when
from scanner.admin.unfolded import Words
from scanner.cycle import time_zone
from scanner.models import ExpectedBackupJob

FIRST_YEAR, LAST_YEAR = 1970, 9000
WORDS: Mapping[str, Words] = {
    "S": gettext_lazy("good"),
    "U": gettext_lazy("good, content unchanged"),
    "W": gettext_lazy("good, with warnings"),
    "M": gettext_lazy("missing"),
    "F": gettext_lazy("failed"),
    "C": gettext_lazy("corrupt"),
    "?": gettext_lazy("unknown"),
}
"""What the letter of a day means; the same words as on the board."""
_MARKS = {"?": "unknown"}


@dataclass(frozen=True, slots=True)
class Day:
    """A day; without a verdict `mark`, `words` and `url` are empty, without a link `url` is."""

    number: int
    mark: str = ""
    words: str = ""
    url: str = ""
    is_today: bool = False


@dataclass(frozen=True, slots=True)
class Month:
    """A month; where a week begins before it or ends after it, there is None."""

    name: str
    weeks: tuple[tuple[Day | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Year:
    """A year; `before` and `after` are the years that one may turn to, else None."""

    number: int
    weekdays: tuple[tuple[str, str], ...]
    months: tuple[Month, ...]
    legend: tuple[tuple[str, Words], ...]
    zone: str
    before: int | None
    after: int | None


def year_asked(value: str | None, job: ExpectedBackupJob, now: datetime) -> int:
    """Give the year that somebody asks for; this one, where the job is, when that is none."""
    this = now.astimezone(time_zone(job.zone_name)).year
    try:
        asked = int(value or this)
    except ValueError:
        return this
    return asked if FIRST_YEAR <= asked <= LAST_YEAR else this


def of_year(job: ExpectedBackupJob, year: int, now: datetime, *, with_links: bool = True) -> Year:
    """Give the calendar of a year, in one statement; `with_links` to the entries behind it."""
    today = now.astimezone(time_zone(job.zone_name)).date()
    known_by = days.of_year(job, year)
    first = (int(get_format("FIRST_DAY_OF_WEEK")) - 1) % 7  # Python's weeks begin on Monday: 0
    weeks = calendar.Calendar(first)
    order = list(weeks.iterweekdays())
    return Year(
        number=year,
        weekdays=tuple((str(WEEKDAYS_ABBR[day]), str(WEEKDAYS[day])) for day in order),
        months=tuple(
            Month(
                date_format(date(year, month, 1), "F"),
                tuple(
                    tuple(_day(on, month, known_by, today, with_links=with_links) for on in week)
                    for week in weeks.monthdatescalendar(year, month)
                ),
            )
            for month in range(1, 13)
        ),
        legend=tuple(_legend()),
        zone=job.zone_name,
        before=year - 1 if year > FIRST_YEAR else None,
        after=year + 1 if year < today.year else None,
    )


def _day(
    on: date,
    month: int,
    known_by: Mapping[date, tuple[str, int]],
    today: date,
    *,
    with_links: bool,
) -> Day | None:
    if on.month != month:
        return None
    if on not in known_by:
        return Day(on.day, is_today=on == today)
    letter, entry = known_by[on]
    return Day(
        number=on.day,
        mark=_MARKS.get(letter, letter),
        words=_("%(day)s: %(verdict)s") % {"day": when.day(on), "verdict": WORDS[letter]},
        url=reverse("admin:scanner_backupentry_change", args=[entry]) if with_links else "",
        is_today=on == today,
    )


def _legend() -> Iterator[tuple[str, Words]]:
    return ((_MARKS.get(letter, letter), words) for letter, words in WORDS.items())
