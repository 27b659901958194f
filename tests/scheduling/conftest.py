"""A scheduler for a test, and never one for the next.

pytest may load this file before Django is set up, so that models are imported inside functions.
"""

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from pytest_django import Settings

from scanner.pipeline import deposit
from scanner.pipeline.deposit import Deposit
from tests.process import PATIENCE
from tests.scheduling.threads import Gate

if TYPE_CHECKING:
    from scanner.scheduling.engine import Scheduler
    from scanner.scheduling.leadership import Leadership
    from tests.scheduling.simulation import Simulation


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


@pytest.fixture(autouse=True)
def _two_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave two of the tasks: how many there are is not what these tests are about."""
    from scanner.grid import PRUNE, SCAN
    from scanner.scheduling.tasks import TASKS

    assert isinstance(TASKS, dict)
    for name in TASKS.keys() - {SCAN, PRUNE}:
        monkeypatch.delitem(TASKS, name)


@pytest.fixture
def no_slot_comes(settings: Settings) -> None:
    """Let no slot of the scan come while a test runs by the clock on the wall."""
    settings.SCANNER_INTERVAL_MINUTES = 31 * 24 * 60


@pytest.fixture
def idle_scheduler() -> "Iterator[Scheduler]":
    """Give a scheduler that starts nothing by itself."""
    from scanner.scheduling.engine import Scheduler

    scheduler = Scheduler()
    scheduler.start(paused=True)
    yield scheduler
    scheduler.shutdown()


@pytest.fixture
def leadership() -> "Iterator[Leadership]":
    """Give a leadership under which runs begin."""
    from scanner.scheduling import dispatch
    from tests.scheduling.rows import take_the_lead

    leadership = take_the_lead()
    dispatch.lead(leadership)
    yield leadership
    leadership.ending.set()
    dispatch.lead(None)


@pytest.fixture
def simulation(monkeypatch: pytest.MonkeyPatch) -> "Iterator[Simulation]":
    """Give a scheduler whose clock stands, until it is moved; it has not been started yet."""
    from tests.scheduling.rows import NOW
    from tests.scheduling.simulation import Simulation

    simulation = Simulation(monkeypatch, NOW)
    yield simulation
    simulation.stop()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Give a gate at which every scan waits, before it looks at the deposit tree."""
    from tests.scheduling.rows import make_task

    make_task("prune", enabled=False)  # it looks at the tree, too
    walk = deposit.walk
    gate = Gate()

    def wait_and_walk(*arguments: object) -> Deposit:
        gate.pass_through()
        return walk(*arguments)  # type: ignore[arg-type]  # whatever they are

    monkeypatch.setattr(deposit, "walk", wait_and_walk)
    yield gate
    gate.open()
