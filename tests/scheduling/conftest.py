"""A scheduler for a test, and never one for the next.

pytest may load this file before Django is set up, so that models are imported inside functions.
"""

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from scanner.pipeline import deposit
from scanner.pipeline.deposit import Deposit
from tests.process import PATIENCE
from tests.scheduling.threads import Gate

if TYPE_CHECKING:
    from scanner.scheduling.engine import Scheduler


def _threads() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith(("APScheduler", "scheduler"))]


@pytest.fixture(autouse=True)
def _no_scheduler_is_left(transactional_db: None) -> Iterator[None]:
    """Stop what the test started, before its database is emptied."""
    from scanner.scheduling.scheduler import shutdown_scheduler

    assert _threads() == []
    yield
    shutdown_scheduler()
    for thread in threading.enumerate():
        if thread.name == "scheduler-stop":
            thread.join(PATIENCE)
    assert _threads() == []


@pytest.fixture
def idle_scheduler() -> "Iterator[Scheduler]":
    """Give a scheduler that starts nothing by itself."""
    from scanner.scheduling.engine import Scheduler

    scheduler = Scheduler(tend=lambda _: None)
    scheduler.start(paused=True)
    yield scheduler
    scheduler.shutdown()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Give a gate at which every scan waits, before it looks at the deposit tree."""
    walk = deposit.walk
    gate = Gate()

    def wait_and_walk(*arguments: object) -> Deposit:
        gate.pass_through()
        return walk(*arguments)  # type: ignore[arg-type]  # whatever they are

    monkeypatch.setattr(deposit, "walk", wait_and_walk)
    yield gate
    gate.open()
