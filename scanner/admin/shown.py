"""How a value looks, on every page alike. What comes from an agent is escaped here.

Each function gives HTML that is safe to place into a page.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Model
from django.template.defaultfilters import filesizeformat
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from scanner.admin.unfolded import Words
from scanner.models import BackupEntry, ExpectedBackupJob
from scanner.models.choices import Reason, Status

NOTHING = mark_safe("—")
# The kinds of label that unfold knows; "" is the neutral one.
STATUS_KINDS = {
    Status.SUCCESS.value: "success",
    Status.UNCHANGED.value: "info",
    Status.FAILED.value: "danger",
    Status.CORRUPT.value: "danger",
    Status.MISSING.value: "warning",
    Status.UNKNOWN.value: "",
}
WARNINGS: Mapping[str, Words] = {
    "late": _("late"),
    "clock_skew": _("clock skew"),
    "no_checksum": _("no checksum"),
    "opaque": _("opaque"),
    "not_in_vault": _("not in the vault"),
    "size_anomaly": _("unusual size"),
    "duration_anomaly": _("unusual duration"),
    "stale_content": _("stale content"),
    "same_as_other_job": _("same as another job"),
}
_STATUSES: Mapping[str, Words] = dict(Status.choices)
_REASONS: Mapping[str, Words] = dict(Reason.choices)
_MINUTE = 60
_HOUR = 60 * _MINUTE
_MONTH = 30  # days
_YEAR = 365
_SOON, _VERY_SOON = _MONTH, 7
_MOST_YEARS = 100
_SHORT = 120  # characters


def label(words: Words, kind: str = "", *, small: bool = False) -> SafeString:
    """Give a coloured label; `kind` is success, info, warning, danger, or "" for neutral."""
    context = {"text": words, "type": kind, "size": "md" if small else ""}
    return render_to_string("unfold/helpers/label.html", context)


def status(value: str) -> SafeString:
    """Give a status as its coloured label; one that is unknown here as it stands, in neutral."""
    return label(_STATUSES.get(value, value), STATUS_KINDS.get(value, ""))


def reason(value: str) -> SafeString:
    """Give a reason in words."""
    return format_html("{}", _REASONS.get(value, value)) if value else NOTHING


def warnings(values: Iterable[str]) -> SafeString:
    """Give an entry's warnings as small labels."""
    labels = [(label(WARNINGS.get(one, one), "warning", small=True),) for one in values]
    return format_html_join(" ", "{}", labels) or NOTHING


def tally(counts: Mapping[str, int]) -> SafeString:
    """Give how many verdicts there are of each status, those that there are."""
    labels = [
        (label(f"{counts[value]} {words}", STATUS_KINDS[value], small=True),)
        for value, words in _STATUSES.items()
        if counts.get(value)
    ]
    return format_html_join(" ", "{}", labels) or NOTHING


def moment(at: datetime | None) -> SafeString:
    """Give a time to the minute, in the zone of the site; pointed at, to the second, with zone."""
    if at is None:
        return NOTHING
    local = timezone.localtime(at)
    # Translators: Django's date format of a moment in a table, e.g. 2026-03-02 13:00
    form = gettext("Y-m-d H:i")
    return format_html(
        '<time class="whitespace-nowrap" datetime="{}" title="{}">{}</time>',
        at.astimezone(UTC).isoformat(timespec="seconds"),
        f"{to_the_second(at)} {local:%Z}",
        date_format(local, form),
    )


def to_the_second(at: datetime) -> str:
    """Give a time to the second, in the zone of the site."""
    # Translators: Django's date format of a moment to the second, e.g. 2026-03-02 13:00:05
    return date_format(timezone.localtime(at), gettext("Y-m-d H:i:s"))


def size(count: int | None) -> SafeString:
    """Give a number of bytes as people read it; pointed at, exactly."""
    if count is None:
        return NOTHING
    exactly = ngettext("%(count)s byte", "%(count)s bytes", count) % {"count": digits(count)}
    return format_html(
        '<span class="whitespace-nowrap" title="{}">{}</span>', exactly, filesizeformat(count)
    )


def number(count: int | None) -> SafeString:
    """Give a number with its thousands apart."""
    return NOTHING if count is None else format_html("{}", digits(count))


def digits(count: int) -> str:
    """Give a number with its thousands apart, to be put into words."""
    return str(number_format(count, force_grouping=True))


def duration(seconds: float | Decimal | None) -> SafeString:
    """Give a length of time in its two greatest units."""
    if seconds is None:
        return NOTHING
    return format_html('<span class="whitespace-nowrap">{}</span>', span(seconds))


def span(seconds: float | Decimal) -> str:
    """Give a length of time in its two greatest units, to be put into words."""
    if seconds < _MINUTE:
        return gettext("%(seconds)s s") % {"seconds": number_format(f"{seconds:.1f}")}
    if seconds < _HOUR:
        minutes, rest = divmod(round(seconds), _MINUTE)
        return gettext("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": rest}
    hours, rest = divmod(round(seconds / _MINUTE), _MINUTE)
    return gettext("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": rest}


def time_left(free: int | None, days: float | None) -> SafeString:
    """Give after how many days `free` bytes are used up, coloured when that is soon.

    No days: the room does not get less. `free` is None where nobody could tell how much it is.
    """
    if free is None:
        return NOTHING
    if days is None:
        return format_html("{}", gettext("does not grow"))
    if days < 1:
        words = gettext("less than a day")
    elif days < 2 * _MONTH:
        words = ngettext("%(count)d day", "%(count)d days", int(days)) % {"count": int(days)}
    elif days < 2 * _YEAR:
        words = gettext("about %(count)d months") % {"count": round(days / _MONTH)}
    else:
        years = round(days / _YEAR)
        words = gettext("about %(count)d years") % {"count": years}
        if years > _MOST_YEARS:
            words = gettext("more than %(count)d years") % {"count": _MOST_YEARS}
    if days < _SOON:
        return label(words, "danger" if days < _VERY_SOON else "warning", small=True)
    return format_html("{}", words)


def place(job: ExpectedBackupJob) -> SafeString:
    """Give where a backup comes from: the company, and below it city and neighborhood."""
    return format_html(
        '<span class="bm-place">{}<small class="text-subtle">{}, {}</small></span>',
        job.company_name,
        job.city,
        job.neighborhood,
    )


def job(of: ExpectedBackupJob | None) -> SafeString:
    """Give an expected backup: the database, and below it where it is."""
    if of is None:
        return NOTHING
    return format_html(
        '<span class="bm-place">{}<small class="text-subtle">{}, {}, {}</small></span>',
        of.database_name,
        of.company_name,
        of.city,
        of.neighborhood,
    )


def file_name(path: str) -> SafeString:
    """Give the name of a file of the vault; pointed at, where it stands."""
    name = path.rpartition("/")[2]
    return format_html('<span class="bm-file" title="{}">{}</span>', path, digest(name))


def shortened(value: str) -> SafeString:
    """Give the beginning of a text; the whole of it stands on the page of its row."""
    beginning = Truncator(value).chars(_SHORT)
    return format_html('<span class="bm-short">{}</span>', beginning) if value else NOTHING


def digest(value: str) -> SafeString:
    """Give a SHA-256 or a path so that it can be compared with the eye."""
    return format_html("<code>{}</code>", value) if value else NOTHING


def prose(value: str | None) -> SafeString:
    """Give a text of several lines as it stands."""
    return format_html('<span class="bm-prose">{}</span>', value) if value else NOTHING


def listed(values: Iterable[str]) -> SafeString:
    """Give texts as a list."""
    lines = format_html_join("", "<li>{}</li>", ((value,) for value in values))
    return format_html('<ul class="bm-list">{}</ul>', lines) if lines else NOTHING


def link_to(model: type[Model], key: int | None, words: Words = "") -> SafeString:
    """Give a link to the page of a row that need not have been read."""
    if key is None:
        return NOTHING
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[key])
    return format_html('<a class="text-link" href="{}">{}</a>', url, words or f"#{key}")


def link_to_list(model: type[Model], words: Words, **query: object) -> SafeString:
    """Give a link to the list of rows that a query narrows down."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return format_html('<a class="text-link" href="{}?{}">{}</a>', url, urlencode(query), words)


def link_to_entries(field: str, key: int, words: Words) -> SafeString:
    """Give a link to the list of the entries of a job, a run or a report."""
    return link_to_list(BackupEntry, words, **{f"{field}__id__exact": key})


def computed(
    description: Words, show: Callable[[Any], Any], *, ordering: str | None = None
) -> Callable[[object, Any], Any]:
    """Give a page's method that shows what `show` makes of a row."""

    @admin.display(description=description, ordering=ordering)
    def shown(_page: object, row: Any) -> Any:
        return show(row)

    return shown


def column(
    model: type[Model], field: str, show: Callable[[Any], Any], *, sortable: bool = False
) -> Callable[[object, Any], Any]:
    """Give a page's method that shows a field under its own name."""
    return computed(
        name_of(model, field),
        lambda row: show(getattr(row, field)),
        ordering=field if sortable else None,
    )


def name_of(model: type[Model], field: str) -> Words:
    """Give the name of a field for people."""
    words: Words = getattr(model._meta.get_field(field), "verbose_name", field)
    return words
