"""When a task is due: slots on a grid that no run, retry or restart moves.

An interval's slots are counted from the epoch; a cron expression's are those of `timetable`, so
that a task reads it as a job does.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.utils.translation import gettext, ngettext

from scanner import conf
from scanner.cycle import Era, Schedule, timetable
from scanner.errors import ScheduleError, gettext_noop
from scanner.models import ScheduledTask

SCAN = "scan"
PRUNE = "prune"
PRUNE_VAULT = "prune_vault"
AUDIT_VAULT = "audit_vault"
RESTORE_DRILL = "restore_drill"
SEND_ALERTS = "send_alerts"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WRONG_INTERVAL = gettext_noop(
    "the interval is %(minutes)d minutes: expected at least 1; correct it"
)
_HOUR = 60
_DAY = 24 * _HOUR
_DAILY = re.compile(r"(\d+)\s+(\d+)\s+\*\s+\*\s+\*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Grid:
    """Every `minutes` or, without them, as `cron` says in `zone`.

    Raise ScheduleError when there are none such.
    """

    minutes: int | None = None
    cron: str = ""
    zone: str = "UTC"

    def __post_init__(self) -> None:
        if self.minutes is None:
            timetable(self.cron, self.zone)
        elif self.minutes < 1:
            raise ScheduleError(_WRONG_INTERVAL, minutes=self.minutes)

    def after(self, moment: datetime) -> datetime | None:
        """Give the first slot after a moment (both UTC), or None when there is none any more."""
        if self.minutes is not None:
            step = timedelta(minutes=self.minutes)
            return _EPOCH + ((moment - _EPOCH) // step + 1) * step
        cycle = self._schedule.first_due_after(moment)
        return cycle.due if cycle else None

    def latest(self, moment: datetime) -> datetime | None:
        """Give the last slot that is not after a moment, or None when there was none."""
        if self.minutes is not None:
            step = timedelta(minutes=self.minutes)
            return _EPOCH + (moment - _EPOCH) // step * step
        cycle = self._schedule.cycle_of(moment)
        return cycle.due if cycle else None

    def coming(self, moment: datetime, count: int) -> list[datetime]:
        """Give the next slots after a moment, `count` of them if there are as many."""
        slots: list[datetime] = []
        slot = self.after(moment)
        while slot is not None and len(slots) < count:
            slots.append(slot)
            slot = self.after(slot)
        return slots

    def words(self) -> str:
        """Say it to people, in the language that is active."""
        if self.minutes is not None:
            return _every(self.minutes)
        if daily := _DAILY.fullmatch(self.cron.strip()):
            at = f"{int(daily[2]):02}:{int(daily[1]):02}"
            return gettext("every day at %(time)s (%(zone)s)") % {"time": at, "zone": self.zone}
        return f"{self.cron} ({self.zone})"

    @property
    def _schedule(self) -> Schedule:
        return Schedule((Era(timetable(self.cron, self.zone), None),), timedelta())


# What a task's blank interval and blank cron expression mean.
DEFAULTS: Mapping[str, Callable[[], Grid]] = {
    SCAN: lambda: Grid(conf.scan_interval_minutes()),
    PRUNE: lambda: Grid(cron="15 4 * * *", zone=conf.display_time_zone()),
    PRUNE_VAULT: lambda: Grid(cron="30 3 * * *", zone=conf.display_time_zone()),
    AUDIT_VAULT: lambda: Grid(6 * _HOUR),
    RESTORE_DRILL: lambda: Grid(cron="0 5 * * 0", zone=conf.display_time_zone()),
    SEND_ALERTS: lambda: Grid(1),
}


def grid_of(task: ScheduledTask) -> Grid | None:
    """Give when a task is due; None when neither its row nor a default of that name says it.

    Raise ScheduleError when what the row says cannot be followed.
    """
    if task.cron:
        return Grid(cron=task.cron, zone=task.zone_name)
    if task.interval_minutes is not None:
        return Grid(task.interval_minutes)
    default = DEFAULTS.get(task.name)
    return default() if default else None


def _every(minutes: int) -> str:
    if minutes % _DAY == 0:
        days = minutes // _DAY
        return ngettext("every day", "every %(count)d days", days) % {"count": days}
    if minutes % _HOUR == 0:
        hours = minutes // _HOUR
        return ngettext("every hour", "every %(count)d hours", hours) % {"count": hours}
    return ngettext("every minute", "every %(count)d minutes", minutes) % {"count": minutes}
