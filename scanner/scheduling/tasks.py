"""What may be run on a schedule: the one place in which a task is added.

A task has a row (`ScheduledTask`) of its own name, made from what stands here when it is missing;
from then on the row is the truth.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec

from django.utils import timezone

from scanner import agenda, pruning, vault_audit, vault_prune
from scanner.alerts import heartbeat
from scanner.alerts.tell import tell
from scanner.drills.conductor import drill
from scanner.errors import LeaseHeld, VaultError
from scanner.grid import (
    AUDIT_VAULT,
    DEFAULTS,
    PRUNE,
    PRUNE_VAULT,
    RESTORE_DRILL,
    SCAN,
    SEND_ALERTS,
    grid_of,
)
from scanner.models import ScanRun, ScheduledTask, VaultRun
from scanner.scan import scan
from scanner.scheduling.slots import Slots

logger = logging.getLogger(__name__)
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a task that did not fail. `skipped` says why it did nothing."""

    skipped: str = ""


Began = Callable[[ScanRun], None]
"""Told of the scan that a task makes, as soon as that has begun."""

Run = Callable[[Sequence[str], Began], Result]
"""Does a task for these agents; for all where none are given."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task as it is without a row: what it does, for which agents, and when."""

    run: Run
    slots: Callable[[], Slots]
    enabled: bool = True


def _unless_held(what: str) -> Callable[[Callable[P, Result]], Callable[P, Result]]:
    """Leave the work to whoever is at it already, by hand perhaps."""

    def leaving(run: Callable[P, Result]) -> Callable[P, Result]:
        @wraps(run)
        def run_or_skip(*args: P.args, **kwargs: P.kwargs) -> Result:
            try:
                return run(*args, **kwargs)
            except LeaseHeld as held:
                logger.info("%s is skipped, as another one runs: %s", what, held)
                return Result(skipped=str(held))

        return run_or_skip

    return leaving


@_unless_held("the scheduled scan")
def run_scanner_job(agents: Sequence[str] = (), began: Began | None = None) -> Result:
    """Scan the deposit tree as of now; when another scan runs, leave it to that one.

    `began` is called with the scan's own run. What came of it is to be told at once, by a task of
    its own: no channel holds up a scan. Raise as `scan` does: whoever runs this tells of the
    failure.
    """
    with heartbeat.after(whole=not agents):
        scan(now=timezone.now(), trigger=ScanRun.Trigger.SCHEDULE, agents=agents, began=began)
    if (task := ScheduledTask.objects.filter(name=SEND_ALERTS, enabled=True).first()) is not None:
        agenda.request_run(task.pk, by=SCAN, now=timezone.now())
    return Result()


def _prune(_agents: Sequence[str], _began: Began) -> Result:
    pruning.prune(now=timezone.now())
    return Result()


@_unless_held("the scheduled prune of the vault")
def _prune_vault(_agents: Sequence[str], _began: Began) -> Result:
    pruned = vault_prune.prune(now=timezone.now())
    if pruned.refused:
        raise VaultError(pruned.refused)
    return Result()


@_unless_held("the scheduled audit of the vault")
def _audit_vault(_agents: Sequence[str], _began: Began) -> Result:
    vault_audit.audit(now=timezone.now())
    return Result()


@_unless_held("the scheduled restore drill")
def _restore_drill(_agents: Sequence[str], _began: Began) -> Result:
    run = drill(now=timezone.now())
    if run.outcome == VaultRun.Outcome.REFUSED.value:
        raise VaultError(run.message)
    return Result()


def _send_alerts(_agents: Sequence[str], _began: Began) -> Result:
    tell(now=timezone.now())
    return Result()


def _task(name: str, run: Run, *, enabled: bool = True) -> Task:
    return Task(run, lambda: Slots.of(DEFAULTS[name]()), enabled)


TASKS: Mapping[str, Task] = {
    SCAN: _task(SCAN, run_scanner_job),
    PRUNE: _task(PRUNE, _prune),
    PRUNE_VAULT: _task(PRUNE_VAULT, _prune_vault),
    AUDIT_VAULT: _task(AUDIT_VAULT, _audit_vault),
    RESTORE_DRILL: _task(RESTORE_DRILL, _restore_drill, enabled=False),
    SEND_ALERTS: _task(SEND_ALERTS, _send_alerts),
}


def slots_of(task: ScheduledTask) -> Slots:
    """Give when a task is due; a blank interval and cron expression mean what stands here."""
    stated = grid_of(task) if task.cron or task.interval_minutes is not None else None
    return TASKS[task.name].slots() if stated is None else Slots.of(stated)
