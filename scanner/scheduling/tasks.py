"""What may be run on a schedule: the one place in which a task is added.

A task has a row (`ScheduledTask`) of its own name, made from what stands here when it is missing;
from then on the row is the truth.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django.utils import timezone

from scanner import pruning
from scanner.errors import LeaseHeld
from scanner.grid import DEFAULTS, PRUNE, SCAN, grid_of
from scanner.models import ScanRun, ScheduledTask
from scanner.scan import scan
from scanner.scheduling.slots import Slots

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a task that did not fail. `skipped` says why it did nothing."""

    scan_run: ScanRun | None = None
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """A task as it is without a row: what it does, for which agents, and when."""

    run: Callable[[Sequence[str]], Result]
    slots: Callable[[], Slots]
    enabled: bool = True


def run_scanner_job(agents: Sequence[str] = ()) -> Result:
    """Scan the deposit tree as of now; when another scan runs, leave it to that one.

    Raise as `scan` does: whoever runs this tells of the failure.
    """
    try:
        run = scan(now=timezone.now(), trigger=ScanRun.Trigger.SCHEDULE, agents=agents)
    except LeaseHeld as held:
        logger.info("the scheduled scan is skipped, as another one runs: %s", held)
        return Result(skipped=str(held))
    return Result(run)


def _prune(_agents: Sequence[str]) -> Result:
    pruning.prune(now=timezone.now())
    return Result()


TASKS: Mapping[str, Task] = {
    SCAN: Task(run_scanner_job, lambda: Slots.of(DEFAULTS[SCAN]())),
    PRUNE: Task(_prune, lambda: Slots.of(DEFAULTS[PRUNE]())),
}


def slots_of(task: ScheduledTask) -> Slots:
    """Give when a task is due; a blank interval and cron expression mean what stands here."""
    stated = grid_of(task) if task.cron or task.interval_minutes is not None else None
    return TASKS[task.name].slots() if stated is None else Slots.of(stated)
