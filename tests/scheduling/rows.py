"""Tasks, a leadership and orders for tests, at a time of the test's choosing."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from scanner.lease import Candidate
from scanner.models import ScheduledTask, TaskRun
from scanner.scheduling import ledger
from scanner.scheduling.leadership import LEASE, Leadership, Order

SLOT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NOW = SLOT + timedelta(minutes=7, seconds=30)
QUARTER = SLOT + timedelta(minutes=15)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def take_the_lead() -> Leadership:
    """Take the leadership, whose heart does not beat."""
    held = Candidate(LEASE).attempt()
    assert held is not None
    return Leadership(held, uuid4())


def depose() -> None:
    """Let another process take the leadership."""
    leader = Candidate(LEASE, time_to_live=-1.0).attempt()
    assert leader is not None


def make_task(name: str = "scan", **fields: Any) -> ScheduledTask:
    values = {"changed_at": SLOT - timedelta(days=30), **fields}
    return ScheduledTask.objects.create(name=name, **values)


def change(task: ScheduledTask, **fields: Any) -> None:
    """Change a task as people do."""
    task.refresh_from_db()
    for name, value in fields.items():
        setattr(task, name, value)
    task.version += 1
    task.save()


def order(slot: datetime = SLOT, **fields: Any) -> Order:
    """Give an attempt at a task, begun by the library at its slot."""
    return Order(**{"task": "scan", "scheduled_for": slot, "fired_for": slot, **fields})


def begin(leadership: Leadership, slot: datetime = SLOT, **fields: Any) -> TaskRun:
    """Begin a run at its slot."""
    run = ledger.claim(order(slot, **fields), leadership, now=slot)
    assert run is not None
    return run


def runs() -> list[tuple[str, int, str, str]]:
    """Give (slot, attempt, cause, outcome) of each run, in their order."""
    rows = TaskRun.objects.order_by("pk")
    return [(f"{one.scheduled_for:%H:%M}", one.attempt, one.cause, one.outcome) for one in rows]
