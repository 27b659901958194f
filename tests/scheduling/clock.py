"""The clock of leases, in a test's hand."""

import pytest

from scanner import lease


class Clock:
    """A boot-time clock that stands until a test moves it."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture(name="clock")
def clock_fixture(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Give the clock by which this process tells how long a heart has stood still."""
    clock = Clock()
    monkeypatch.setattr(lease, "clock", clock)
    return clock
