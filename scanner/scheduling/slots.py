"""The trigger of every stored job: slots on a grid that no restart, retry or run moves.

An interval's slots are counted from the epoch; a cron expression's are those of `timetable`, so
that a task reads it as a job does. APScheduler's own triggers do neither: its interval begins anew
with each run, and its cron counts weekdays from Monday.

The job store keeps this class by its path: neither the module nor the class may ever be renamed.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.triggers.base import BaseTrigger

from scanner.cycle import Era, Schedule, timetable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = timedelta(microseconds=1)


class Slots(BaseTrigger):  # type: ignore[misc]  # the library has no types
    """When a task is due: every `minutes`, or as `cron` says in `zone`."""

    __slots__ = ("cron", "minutes", "zone")

    def __init__(self, minutes: int | None, cron: str = "", zone: str = "UTC") -> None:
        self.minutes = minutes
        self.cron = cron
        self.zone = zone

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

    def get_next_fire_time(
        self, previous_fire_time: datetime | None, now: datetime
    ) -> datetime | None:
        """Give the slot after the last one (APScheduler's question)."""
        if previous_fire_time is not None:
            return self.after(previous_fire_time.astimezone(UTC))
        return self.after(now.astimezone(UTC) - _INSTANT)

    @property
    def _schedule(self) -> Schedule:
        return Schedule((Era(timetable(self.cron, self.zone), None),), timedelta())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Slots) and self.__getstate__() == other.__getstate__()

    def __hash__(self) -> int:
        return hash((self.minutes, self.cron, self.zone))

    def __getstate__(self) -> dict[str, Any]:
        return {"version": 1, "minutes": self.minutes, "cron": self.cron, "zone": self.zone}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.minutes, self.cron, self.zone = state["minutes"], state["cron"], state["zone"]

    def __str__(self) -> str:
        return f"every {self.minutes} minutes" if self.minutes else f"{self.cron} ({self.zone})"
