"""Tasks, their runs, and who leads, as a scheduler would have left them."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from scanner.models import Lease, ScanRun, ScheduledTask, SchedulerProcess, TaskRun
from scanner.scheduler_board import LEASE
from tests.scanning import NOW

MINUTE = timedelta(minutes=1)


def make_task(name: str = "scan", **fields: Any) -> ScheduledTask:
    return ScheduledTask.objects.create(
        **{"name": name, "changed_at": NOW - timedelta(days=30), "applied_version": 1, **fields}
    )


def make_run(
    task: ScheduledTask,
    started: datetime = NOW,
    seconds: float | None = 2,
    outcome: str = "ok",
    **fields: Any,
) -> TaskRun:
    """Make a run; without `seconds` it never began."""
    return TaskRun.objects.create(**run_fields(task, started, seconds, outcome, **fields))


def run_fields(
    task: ScheduledTask, started: datetime, seconds: float | None, outcome: str, **fields: Any
) -> dict[str, Any]:
    began = {} if seconds is None else {"started_at": started}
    if seconds is not None and outcome != "running":
        began["finished_at"] = started + timedelta(seconds=seconds)
    return {
        "task": task,
        "cause": "schedule",
        "scheduled_for": started,
        "fired_for": started,
        "outcome": outcome,
        "host": "host-a",
        "pid": 77,
        "process_id": uuid4(),
        **began,
        **fields,
    }


def make_leader(heartbeat: datetime = NOW, **fields: Any) -> Lease:
    return Lease.objects.create(
        **{
            "name": LEASE,
            "token": 3,
            "holder": "somebody",
            "host": "host-a",
            "pid": 4711,
            "held_since": NOW - timedelta(hours=3),
            "beat_at": heartbeat,
            **fields,
        }
    )


def make_standby(heartbeat: datetime = NOW, **fields: Any) -> SchedulerProcess:
    return SchedulerProcess.objects.create(
        **{
            "id": uuid4(),
            "host": "host-b",
            "pid": 12,
            "started_at": NOW - timedelta(hours=1),
            "beat_at": heartbeat,
            **fields,
        }
    )


def make_scan(finished: datetime = NOW, **fields: Any) -> ScanRun:
    return ScanRun.objects.create(
        **{
            "trigger": "schedule",
            "outcome": "complete",
            "started_at": finished - MINUTE,
            "finished_at": finished,
            **fields,
        }
    )


def make_all_well(now: datetime = NOW) -> ScheduledTask:
    """Have somebody lead and a scan just gone well; give the scan's task."""
    make_leader(now)
    make_scan(now)
    return make_task()
