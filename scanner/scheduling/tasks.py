"""What may be run on a schedule: the one place in which a task is added.

A task has a row (`ScheduledTask`) of its own name, made from what stands here when it is missing;
from then on the row is the truth.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django.utils import timezone

from scanner import pruning, vault_audit, vault_prune
from scanner.drills.conductor import drill
from scanner.errors import LeaseHeld, VaultError
from scanner.grid import (
    AUDIT_VAULT,
    DEFAULTS,
    PRUNE,
    PRUNE_VAULT,
    RESTORE_DRILL,
    SCAN,
    grid_of,
)
from scanner.models import ScanRun, ScheduledTask, VaultRun
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


def _prune_vault(_agents: Sequence[str]) -> Result:
    pruned = vault_prune.prune(now=timezone.now())
    if pruned.refused:
        raise VaultError(pruned.refused)
    return Result()


def _audit_vault(_agents: Sequence[str]) -> Result:
    vault_audit.audit(now=timezone.now())
    return Result()


def _restore_drill(_agents: Sequence[str]) -> Result:
    run = drill(now=timezone.now())
    if run.outcome == VaultRun.Outcome.REFUSED.value:
        raise VaultError(run.message)
    return Result()


def _unless_held(run: Callable[[Sequence[str]], Result]) -> Callable[[Sequence[str]], Result]:
    """Leave the work to whoever is at it already, by hand perhaps."""

    def run_or_skip(agents: Sequence[str]) -> Result:
        try:
            return run(agents)
        except LeaseHeld as held:
            logger.info("skipped: %s", held)
            return Result(skipped=str(held))

    return run_or_skip


TASKS: Mapping[str, Task] = {
    SCAN: Task(run_scanner_job, lambda: Slots.of(DEFAULTS[SCAN]())),
    PRUNE: Task(_prune, lambda: Slots.of(DEFAULTS[PRUNE]())),
    PRUNE_VAULT: Task(_unless_held(_prune_vault), lambda: Slots.of(DEFAULTS[PRUNE_VAULT]())),
    AUDIT_VAULT: Task(_unless_held(_audit_vault), lambda: Slots.of(DEFAULTS[AUDIT_VAULT]())),
    RESTORE_DRILL: Task(
        _unless_held(_restore_drill), lambda: Slots.of(DEFAULTS[RESTORE_DRILL]()), enabled=False
    ),
}


def slots_of(task: ScheduledTask) -> Slots:
    """Give when a task is due; a blank interval and cron expression mean what stands here."""
    stated = grid_of(task) if task.cron or task.interval_minutes is not None else None
    return TASKS[task.name].slots() if stated is None else Slots.of(stated)
