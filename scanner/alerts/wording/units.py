"""Times, ages and sizes in words, in the language that is active."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.template.defaultfilters import filesizeformat
from django.utils import timezone, translation
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from scanner import conf
from scanner.models import Channel, Recipient

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_HOURS_UP_TO = 2 * _DAY


@contextmanager
def speaking_to(channel: Channel, recipient: str) -> Iterator[None]:
    """Let words be in a recipient's language and times in the channel's zone, for the block."""
    own = Recipient.objects.filter(address=recipient).first() if recipient else None
    language = (own.language if own else "") or channel.language or conf.language()
    with (
        translation.override(language),
        timezone.override(ZoneInfo(channel.zone_name)),
    ):
        yield


def moment(at: datetime) -> str:
    """Give a time in the zone that is active, with the zone's name."""
    local = timezone.localtime(at)
    # Translators: Django's date format of a moment in a message, e.g. 3 March 2026, 14:05
    form = _("j F Y, H:i")
    if local.day == 1:
        form = pgettext("the first day of a month", "j F Y, H:i")
    return f"{date_format(local, form)} ({timezone.get_current_timezone_name()})"


def length(span: timedelta) -> str:
    """Give a length of time: minutes, then hours, then days, each with what is left."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < _MINUTE:
        return _("less than a minute")
    if seconds < _HOUR:
        minutes = seconds // _MINUTE
        return ngettext("%(count)d minute", "%(count)d minutes", minutes) % {"count": minutes}
    if seconds < _HOURS_UP_TO:
        hours, minutes = seconds // _HOUR, seconds % _HOUR // _MINUTE
        if minutes:
            return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}
        return _("%(hours)d h") % {"hours": hours}
    days, hours = seconds // _DAY, seconds % _DAY // _HOUR
    words = ngettext("%(count)d day", "%(count)d days", days) % {"count": days}
    return _("%(days)s %(hours)d h") % {"days": words, "hours": hours} if hours else words


def size(count: int) -> str:
    """Give a number of bytes as people say it, and as the admin shows it."""
    return filesizeformat(count)


def exactly(count: int) -> str:
    """Give a number with its thousands apart."""
    return str(number_format(count, force_grouping=True))
