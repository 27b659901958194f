"""A cron expression read aloud: "Monday to Friday at 22:00", in the language that is active.

What is read is what the expression comes down to, and not how it is written: "*/15", "0-59/15" and
"0,15,30,45" are the same sentence. So a reading is never wrong, only longer where nobody has a
short word for it ("at the minutes 0, 7 and 9 of the hours 1-3 and 5"). In this order:

1. what the clock has to show: every so many minutes or hours, a few times of the day, or else the
   minutes and the hours one by one;
2. the days: of the month, of the week, or both; where both are restricted cron takes a day that is
   either, unless one of the two begins with a star;
3. the months, where not all of them; one month alone is said with its days, where they are days
   of the month and nothing else: "on the 1st of January".
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from cronsim import CronSim
from django.utils.dates import MONTHS, WEEKDAYS
from django.utils.text import get_text_list
from django.utils.translation import gettext, ngettext, pgettext

from scanner.cron_numbers import FEWEST_OF_A_RUN, even_step_of, is_run, is_series, runs, step_of
from scanner.timetable import fields

_HOUR = 60
_DAY = 24
_MOST_TIMES, _FEW_TIMES = 6, 3
_SUNDAY = 6  # as Django and Python count; cron's Sunday is 0, and 7
_EVERY_DAY_OF_THE_MONTH = frozenset(range(1, 32))
_EVERY_DAY_OF_THE_WEEK = frozenset(range(7))
_EVERY_MONTH = frozenset(range(1, 13))
_TEENS = range(11, 14)
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)


def reading(expression: str) -> str:
    """Give in words when a cron expression fires; blank: that nothing is ever due.

    Raise ScheduleError where `timetable` would.
    """
    parts = fields(expression)
    if not parts:
        return gettext("at any time")
    cron = CronSim(" ".join(parts), _ANY_TIME)
    times = _Times(cron.minutes, cron.hours)
    dates = _dates(cron)
    if dates:
        return times.together_with(dates)
    in_some_months = set(cron.months) != _EVERY_MONTH
    days = _days(cron, in_some_months=in_some_months)
    said = times.together_with(days)
    if in_some_months:
        words = {"when": said, "months": _months(sorted(cron.months))}
        return gettext("%(when)s, %(months)s") % words
    return said


class _Times:
    """What a clock has to show."""

    def __init__(self, minutes: set[int], hours: set[int]) -> None:
        self.minutes, self.hours = sorted(minutes), sorted(hours)
        self.is_always = len(self.hours) == _DAY

    def together_with(self, days: str) -> str:
        """Say them with the days, which are empty where it is every day."""
        often = self._often()
        if often:
            return (
                gettext("%(times)s, %(days)s") % {"times": often, "days": days} if days else often
            )
        words = {"days": days or pgettext("days", "every day"), "times": self._named()}
        return gettext("%(days)s %(times)s") % words

    def _often(self) -> str:
        """Say what comes back at even distances; nothing where it does not."""
        if len(self.minutes) * len(self.hours) <= _FEW_TIMES:
            return ""
        step = even_step_of(self.minutes, _HOUR)
        if step and (self.is_always or is_run(self.hours)):
            return self._every_minutes(step)
        if len(self.minutes) > 1:
            return ""
        if self.is_always:
            return _each_hour(self.minutes[0])
        step = step_of(self.hours)
        if step and len(self.hours) >= FEWEST_OF_A_RUN:
            words = ngettext("every hour", "every %(count)d hours", step) % {"count": step}
            return self._between(words)
        return ""

    def _every_minutes(self, step: int) -> str:
        words = ngettext("every minute", "every %(count)d minutes", step) % {"count": step}
        if not self.is_always:
            return self._between(words)
        if not self.minutes[0]:
            return words
        told = {"often": words, "minute": self.minutes[0]}
        return gettext("%(often)s, from minute %(minute)d of each hour on") % told

    def _between(self, words: str) -> str:
        first = _clock(self.hours[0], self.minutes[0])
        last = _clock(self.hours[-1], self.minutes[-1])
        told = {"often": words, "first": first, "last": last}
        return gettext("%(often)s from %(first)s to %(last)s") % told

    def _named(self) -> str:
        if len(self.minutes) * len(self.hours) <= _MOST_TIMES:
            times = [_clock(hour, minute) for hour in self.hours for minute in self.minutes]
            return gettext("at %(times)s") % {"times": _list(times)}
        count = len(self.minutes)
        told = {"minutes": _numbers(self.minutes), "hours": _numbers(self.hours)}
        if self.is_always:
            words = ngettext(
                "at minute %(minutes)s of every hour",
                "at the minutes %(minutes)s of every hour",
                count,
            )
        elif len(self.hours) == 1:
            words = gettext("at the minutes %(minutes)s of the hour %(hours)s")
        else:
            words = ngettext(
                "at minute %(minutes)s of the hours %(hours)s",
                "at the minutes %(minutes)s of the hours %(hours)s",
                count,
            )
        return words % told


# --- Days and months ------------------------------------------------------------------------------


def _dates(cron: CronSim) -> str:
    """Say days of the one month in which it is; empty where that is not all there is to say."""
    numbers = sorted(day for day in cron.days if day > 0)
    has_names = len(numbers) < len(cron.days)
    is_any = set(numbers) >= _EVERY_DAY_OF_THE_MONTH
    if len(cron.months) > 1 or has_names or is_any or is_series(numbers):
        return ""
    if _any_of_week(cron) and cron.day_and:
        [month] = cron.months
        told = {
            "days": _list([_range_of_days(run) for run in runs(numbers)]),
            "month": MONTHS[month],
        }
        return pgettext("days of one month", "on %(days)s of %(month)s") % told
    return ""


def _any_of_week(cron: CronSim) -> bool:
    plain = {_weekday(day) for day in cron.weekdays if isinstance(day, int)}
    return plain >= _EVERY_DAY_OF_THE_WEEK


def _days(cron: CronSim, *, in_some_months: bool) -> str:
    """Say on which days; empty where it is every day."""
    of_month = set(cron.days)
    of_week = cron.weekdays
    plain = {_weekday(day) for day in of_week if isinstance(day, int)}
    nth = {(place, _weekday(day)) for day, place in (d for d in of_week if isinstance(d, tuple))}
    any_of_month = of_month >= _EVERY_DAY_OF_THE_MONTH
    any_of_week = _any_of_week(cron)
    if any_of_month and any_of_week:
        return ""
    if (any_of_month or any_of_week) and not cron.day_and:
        return ""
    month_words = "" if any_of_month else _of_month(of_month, in_some_months=in_some_months)
    if any_of_week:
        return month_words
    only = bool(month_words) and cron.day_and
    week_words = _of_week(plain, nth, in_some_months=in_some_months, only=only)
    if not month_words:
        return week_words
    both = {"of_month": month_words, "of_week": week_words}
    if only:
        return gettext("%(of_month)s, but only %(of_week)s,") % both
    return gettext("%(of_month)s, and also %(of_week)s,") % both


def _of_month(days: set[int], *, in_some_months: bool) -> str:
    numbers = sorted(day for day in days if day > 0)
    if is_series(numbers) and len(numbers) == len(days):
        step = step_of(numbers)
        ends = {"first": _ordinal(numbers[0]), "last": _ordinal(numbers[-1]), "count": step}
        if in_some_months:
            return gettext("every %(count)d days from the %(first)s to the %(last)s") % ends
        words = gettext("every %(count)d days from the %(first)s to the %(last)s of each month")
        return words % ends
    named = [_range_of_days(run) for run in runs(numbers)]
    if CronSim.LAST_WEEKDAY in days:
        named.append(gettext("the last day from Monday to Friday"))
    if CronSim.LAST in days:
        named.append(pgettext("day of the month", "the last day"))
    told = {"days": _list(named)}
    if in_some_months:
        return pgettext("days of the month", "on %(days)s") % told
    return gettext("on %(days)s of each month") % told


def _range_of_days(run: Sequence[int]) -> str:
    if len(run) == 1:
        return pgettext("day of the month", "the %(day)s") % {"day": _ordinal(run[0])}
    told = {"first": _ordinal(run[0]), "last": _ordinal(run[-1])}
    return pgettext("days of the month", "the %(first)s to the %(last)s") % told


def _ordinal(day: int) -> str:
    if day == 1:
        return pgettext("day of the month", "1st")
    last = 0 if day in _TEENS else day % 10
    words = {
        1: pgettext("day of the month", "%(day)dst"),
        2: pgettext("day of the month", "%(day)dnd"),
        3: pgettext("day of the month", "%(day)drd"),
    }.get(last, pgettext("day of the month", "%(day)dth"))
    return words % {"day": day}


def _of_week(
    plain: set[int], nth: set[tuple[int, int]], *, in_some_months: bool, only: bool
) -> str:
    said = [_weekdays(sorted(plain), only=only)] if plain else []
    places = [(place if place > 0 else 99, day) for place, day in nth if day not in plain]
    if places:
        named = [_nth(place, day) for place, day in sorted(places)]
        words = (
            pgettext("weekdays of the month", "on %(days)s")
            if in_some_months
            else gettext("on %(days)s of each month")
        )
        said.append(words % {"days": _list(named)})
    return _list(said)


def _weekdays(days: list[int], *, only: bool) -> str:
    if len(days) == 1 and not only:
        return pgettext("weekday", "every %(day)s") % {"day": WEEKDAYS[days[0]]}
    from_sunday = sorted((day + 1) % 7 for day in days)
    for run, first in ((days, 0), (from_sunday, _SUNDAY)):
        if len(run) >= FEWEST_OF_A_RUN and is_run(run):
            ends = {
                "first": WEEKDAYS[(run[0] + first) % 7],
                "last": WEEKDAYS[(run[-1] + first) % 7],
            }
            return pgettext("weekdays", "%(first)s to %(last)s") % ends
    # In French each has an article of its own.
    named = [
        pgettext("one of several weekdays", "%(day)s") % {"day": WEEKDAYS[day]} for day in days
    ]
    return pgettext("weekdays", "on %(days)s") % {"days": _list(named)}


def _nth(place: int, day: int) -> str:
    words = {
        1: gettext("the first %(day)s"),
        2: gettext("the second %(day)s"),
        3: gettext("the third %(day)s"),
        4: gettext("the fourth %(day)s"),
        5: gettext("the fifth %(day)s"),
    }.get(place, gettext("the last %(day)s"))
    return words % {"day": WEEKDAYS[day]}


def _months(months: list[int]) -> str:
    if len(months) >= FEWEST_OF_A_RUN and is_run(months):
        ends = {"first": MONTHS[months[0]], "last": MONTHS[months[-1]]}
        return pgettext("months", "from %(first)s to %(last)s") % ends
    named = [str(MONTHS[month]) for month in months]
    return pgettext("months", "in %(months)s") % {"months": _list(named)}


def _weekday(cron_day: int) -> int:
    return (cron_day - 1) % 7


# --- Numbers --------------------------------------------------------------------------------------


def _each_hour(minute: int) -> str:
    if not minute:
        return gettext("every hour, on the hour")
    return gettext("every hour at minute %(minute)d") % {"minute": minute}


def _clock(hour: int, minute: int) -> str:
    return f"{hour:02}:{minute:02}"


def _list(words: Sequence[str]) -> str:
    return get_text_list(list(words), gettext("and"))


def _numbers(numbers: Sequence[int]) -> str:
    """Say numbers, those that follow each other by the first and the last."""
    return _list([str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs(numbers)])
