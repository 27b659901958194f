"""A grid that is too fine for people, and right for whoever waits for runs."""

from datetime import datetime, timedelta

from scanner.scheduling.slots import Slots

_SECOND = timedelta(seconds=1)


class EverySecond(Slots):
    """A slot each second. The job store keeps this class by its path."""

    def __init__(self) -> None:
        super().__init__(None)

    def after(self, moment: datetime) -> datetime:
        return moment.replace(microsecond=0) + _SECOND

    def latest(self, moment: datetime) -> datetime:
        return moment.replace(microsecond=0)

    def __str__(self) -> str:
        return "every second"
