"""Two drawings of a job's last backups: how large they were, and how long they took to make.

What is out of the ordinary is marked by its shape. Whoever does not see them reads the same numbers
in a table.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from scanner.admin import shown, when
from scanner.admin.unfolded import Words
from scanner.models import BackupEntry
from scanner.models.choices import Reason, Status
from scanner.models.job import PROBLEM_STATUSES

MOST = 90
"""So many good backups, and at most so many problems among them."""
GOOD = (Status.SUCCESS.value, Status.UNCHANGED.value)
WIDTH, HEIGHT = 320, 120
_TOP, _LEFT, _RIGHT = 10, 60, 6
_FLOOR = HEIGHT - 10
_FEWEST = 2
_COLUMNS = (
    "status",
    "reason",
    "warnings",
    "size",
    "dump_seconds",
    "cycle_due",
    "operation_end",
    "recorded_at",
)


@dataclass(frozen=True, slots=True)
class Mark:
    """A backup in a drawing, in its units; `kind` is fine, unusual or problem."""

    x: str
    y: str
    kind: str
    words: str
    url: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing, and what it shows in words. `ticks` are the heights of the lines, with names."""

    key: str
    title: Words
    text: str
    line: str
    marks: tuple[Mark, ...]
    ticks: tuple[tuple[str, str], ...]
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class _Measure:
    key: str
    title: Words
    warning: str
    value: Callable[[BackupEntry], float | None]
    show: Callable[[Any], str]


def _size(count: float) -> str:
    return strip_tags(shown.size(round(count)))


def _duration(seconds: float) -> str:
    return strip_tags(shown.duration(seconds))


_MEASURES = (
    _Measure(
        "size", gettext_lazy("Size of the backup"), "size_anomaly", lambda one: one.size, _size
    ),
    _Measure(
        "duration",
        gettext_lazy("How long the dump took"),
        "duration_anomaly",
        lambda one: one.dump_seconds,
        _duration,
    ),
)


def recent(entries: QuerySet[BackupEntry]) -> list[BackupEntry]:
    """Give the last good ones of a job's entries and the problems since, the oldest first.

    Two statements.
    """
    newest = entries.order_by("-pk").only(*_COLUMNS)
    good = list(newest.filter(status__in=GOOD)[:MOST])
    problems = newest.filter(status__in=PROBLEM_STATUSES)
    if good:
        problems = problems.filter(pk__gt=good[-1].pk)
    return sorted([*good, *problems[:MOST]], key=lambda entry: entry.pk)


def charts(entries: Sequence[BackupEntry], now: datetime) -> list[Chart]:
    """Draw entries, the oldest first; a measure that fewer than two have is left out."""
    drawn = []
    for measure in _MEASURES:
        values = [_value(measure, entry) for entry in entries]
        if sum(value is not None for value in values) >= _FEWEST:
            drawn.append(_draw(measure, entries, values, now))
    return drawn


def table(entries: Sequence[BackupEntry]) -> list[dict[str, Any]]:
    """Give what the drawings show as rows, the newest first."""
    return [
        {
            "when": shown.link_to(BackupEntry, entry.pk, shown.moment(_moment(entry))),
            "status": shown.status(entry.status),
            "size": shown.size(entry.size),
            "duration": shown.duration(entry.dump_seconds),
            "remarks": shown.warnings(entry.warnings) if entry.warnings else _why(entry),
        }
        for entry in reversed(entries)
    ]


def _draw(
    measure: _Measure,
    entries: Sequence[BackupEntry],
    values: Sequence[float | None],
    now: datetime,
) -> Chart:
    known = [value for value in values if value is not None]
    top = max(known) or 1
    step = (WIDTH - _LEFT - _RIGHT) / (len(entries) - 1)
    places = [
        (_LEFT + step * number, _FLOOR - (_FLOOR - _TOP) * (value or 0) / top)
        for number, value in enumerate(values)
    ]
    marks = tuple(
        Mark(
            _unit(x),
            _unit(y),
            _kind(measure, entry),
            _words(measure, entry, value, now),
            _url(entry),
        )
        for entry, value, (x, y) in zip(entries, values, places, strict=True)
        if value is not None or entry.status in PROBLEM_STATUSES
    )
    line = " ".join(
        f"{_unit(x)},{_unit(y)}"
        for value, (x, y) in zip(values, places, strict=True)
        if value is not None
    )
    ticks = tuple(
        (_unit(_FLOOR - (_FLOOR - _TOP) * part), measure.show(top * part)) for part in (1, 0.5)
    )
    first, last = (_day(entry) for entry in (entries[0], entries[-1]))
    text = _text(measure, known, marks, first, last)
    return Chart(measure.key, measure.title, text, line, marks, ticks, first, last)


def _text(
    measure: _Measure, known: Sequence[float], marks: Iterable[Mark], first: str, last: str
) -> str:
    kinds = [mark.kind for mark in marks]
    words = {
        "count": len(known),
        "first": first,
        "last": last,
        "least": measure.show(min(known)),
        "most": measure.show(max(known)),
        "newest": measure.show(known[-1]),
        "unusual": kinds.count("unusual"),
        "problems": kinds.count("problem"),
    }
    return (
        ngettext(
            "%(count)d good backup, from %(first)s to %(last)s: %(least)s to %(most)s, the last "
            "one %(newest)s. Unusual: %(unusual)d. Problems in between: %(problems)d.",
            "%(count)d good backups, from %(first)s to %(last)s: %(least)s to %(most)s, the last "
            "one %(newest)s. Unusual: %(unusual)d. Problems in between: %(problems)d.",
            len(known),
        )
        % words
    )


def _value(measure: _Measure, entry: BackupEntry) -> float | None:
    return measure.value(entry) if entry.status in GOOD else None


def _kind(measure: _Measure, entry: BackupEntry) -> str:
    if entry.status in PROBLEM_STATUSES:
        return "problem"
    return "unusual" if measure.warning in entry.warnings else "fine"


def _words(measure: _Measure, entry: BackupEntry, value: float | None, now: datetime) -> str:
    at = {"when": when.reading(_moment(entry), timezone.get_current_timezone(), now)}
    if value is None:
        why = _why(entry)
        words = at | {"status": entry.get_status_display(), "reason": why}
        if why:
            return _("%(when)s: %(status)s, %(reason)s") % words
        return _("%(when)s: %(status)s") % words
    at["value"] = measure.show(value)
    if measure.warning in entry.warnings:
        return _("%(when)s: %(value)s, unusual") % at
    return _("%(when)s: %(value)s") % at


def _why(entry: BackupEntry) -> str:
    if not entry.reason:
        return ""
    return str(dict(Reason.choices).get(entry.reason, entry.reason))


def _moment(entry: BackupEntry) -> datetime:
    return entry.cycle_due or entry.operation_end or entry.recorded_at


def _day(entry: BackupEntry) -> str:
    return when.day(when.local_day(_moment(entry)))


def _url(entry: BackupEntry) -> str:
    return reverse("admin:scanner_backupentry_change", args=[entry.pk])


def _unit(value: float) -> str:
    return f"{value:.1f}"
