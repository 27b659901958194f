"""What may be run on a schedule: the one place in which a task is added.

A task has a row (`ScheduledTask`) of its own name, made from what stands here when it is missing;
from then on the row is the truth.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django.utils import timezone

from scanner import conf, pruning
from scanner.errors import LeaseHeld
from scanner.models import ScanRun, ScheduledTask
from scanner.scan import scan
from scanner.scheduling.slots import Slots

logger = logging.getLogger(__name__)

SCAN = "scan"
PRUNE = "prune"


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
    SCAN: Task(run_scanner_job, lambda: Slots(conf.scan_interval_minutes())),
    PRUNE: Task(_prune, lambda: Slots(None, "15 4 * * *", conf.display_time_zone())),
}


def slots_of(task: ScheduledTask) -> Slots:
    """Give when a task is due; a blank interval and cron expression mean what stands here."""
    if task.cron:
        return Slots(None, task.cron, task.zone_name)
    if task.interval_minutes is not None:
        return Slots(task.interval_minutes)
    return TASKS[task.name].slots()
