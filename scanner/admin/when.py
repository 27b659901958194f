"""Days and times in words, in the language and the zone that are active."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta, tzinfo
from itertools import pairwise

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

_WEEK = 7


def day(on: date) -> str:
    """Give a day with its year."""
    # Translators: Django's date format of a day, e.g. 3 March 2026
    form = pgettext("the first day of a month", "j F Y") if on.day == 1 else _("j F Y")
    return date_format(on, form)


def near_day(on: date, today: date) -> str:
    """Give a day, with its year where that is not this one."""
    if on.year != today.year:
        return day(on)
    # Translators: Django's date format of a day of this year, e.g. 3 March
    return date_format(on, pgettext("the first day of a month", "j F") if on.day == 1 else _("j F"))


def local_day(at: datetime) -> date:
    """Give the day of a moment in the zone that is active."""
    return timezone.localtime(at).date()


def since(at: datetime, now: datetime) -> str:
    """Give what stands after “since”: a time of today, yesterday, a weekday, a day."""
    local, today = timezone.localtime(at), timezone.localtime(now).date()
    age = (today - local.date()).days
    if age == 0:
        return date_format(local, _("H:i"))
    if age == 1:
        return _("yesterday")
    if 0 < age < _WEEK:
        return date_format(local, "l")
    return pgettext("after “since”", "%(day)s") % {"day": near_day(local.date(), today)}


def moment(at: datetime, now: datetime) -> str:
    """Give a day and a time of it."""
    local, today = timezone.localtime(at), timezone.localtime(now).date()
    words = {"day": near_day(local.date(), today), "time": date_format(local, _("H:i"))}
    # Translators: a day, and a time of it
    return _("%(day)s, %(time)s") % words


def reading(at: datetime, zone: tzinfo, now: datetime, beside: datetime | None = None) -> str:
    """Give what calendar and clock show in a zone; of the day that is `beside` it, the clock.

    The year is told where it is not this one.
    """
    local = at.astimezone(zone)
    if beside is not None and beside.astimezone(zone).date() == local.date():
        return date_format(local, _("H:i"))
    is_first = local.day == 1
    if local.year != now.astimezone(zone).year:
        # Translators: Django's date format of a weekday and time, e.g. Tue 3 Mar 2026, 02:30
        form = (
            pgettext("the first day of a month", "D j M Y, H:i") if is_first else _("D j M Y, H:i")
        )
        return date_format(local, form)
    # Translators: Django's date format of a weekday and time, e.g. Tue 3 Mar, 02:30
    form = pgettext("the first day of a month", "D j M, H:i") if is_first else _("D j M, H:i")
    return date_format(local, form)


def is_daily(dues: Sequence[datetime], zone: tzinfo) -> bool:
    """Tell whether each of these is on the day after the one before, in a zone."""
    days = [due.astimezone(zone).date() for due in dues]
    steps = {later - earlier for earlier, later in pairwise(days)}
    return steps == {timedelta(days=1)}
