"""The trigger of every stored job: the slots of a `Grid`, which no restart, retry or run moves.

APScheduler's own triggers will not do: its interval begins anew with each run, and its cron counts
weekdays from Monday.

The job store keeps this class by its path: neither the module nor the class may ever be renamed.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Self

from apscheduler.triggers.base import BaseTrigger

from scanner.grid import Grid

_INSTANT = timedelta(microseconds=1)


class Slots(BaseTrigger):  # type: ignore[misc]  # the library has no types
    """When a task is due: every `minutes`, or as `cron` says in `zone`."""

    __slots__ = ("cron", "minutes", "zone")

    def __init__(self, minutes: int | None, cron: str = "", zone: str = "UTC") -> None:
        self.minutes = minutes
        self.cron = cron
        self.zone = zone

    @classmethod
    def of(cls, grid: Grid) -> Self:
        """Give the trigger of a grid."""
        return cls(grid.minutes, grid.cron, grid.zone)

    def after(self, moment: datetime) -> datetime | None:
        """Give the first slot after a moment (both UTC), or None when there is none any more."""
        return self._grid.after(moment)

    def latest(self, moment: datetime) -> datetime | None:
        """Give the last slot that is not after a moment, or None when there was none."""
        return self._grid.latest(moment)

    def get_next_fire_time(
        self, previous_fire_time: datetime | None, now: datetime
    ) -> datetime | None:
        """Give the slot after the last one (APScheduler's question)."""
        if previous_fire_time is not None:
            return self.after(previous_fire_time.astimezone(UTC))
        return self.after(now.astimezone(UTC) - _INSTANT)

    @property
    def _grid(self) -> Grid:
        return Grid(self.minutes, self.cron, self.zone)

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
