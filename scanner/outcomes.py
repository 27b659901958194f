"""What a run of a task makes of its task: the last outcome, and the change that alerts read.

A run that is to be tried again makes nothing of it yet. Wherever the retry is given up instead, its
last failure counts, so that none disappears. The caller holds the lock of the task's row.
"""

from datetime import datetime

from scanner.models import ScheduledTask, TaskChange, TaskRun

FAILURES = frozenset({TaskRun.Outcome.FAILED.value, TaskRun.Outcome.INTERRUPTED.value})


def settle(task: ScheduledTask, run: TaskRun, *, now: datetime) -> None:
    """Let a run that has ended count for its task; store a TaskChange when it ended otherwise."""
    if task.last_outcome != run.outcome and (task.last_outcome or run.outcome in FAILURES):
        TaskChange.objects.create(
            task=task,
            run=run,
            old_outcome=task.last_outcome,
            new_outcome=run.outcome,
            changed_at=now,
        )
    task.last_outcome = run.outcome
    task.save(update_fields=("last_outcome",))


def settle_failed(task: ScheduledTask, slot: datetime, *, now: datetime) -> None:
    """Let the last failure at a slot count for its task, if there was one."""
    failures = task.runs.filter(scheduled_for=slot, outcome__in=FAILURES)
    if (last := failures.order_by("attempt").last()) is not None:
        settle(task, last, now=now)


def give_up_retry(task: ScheduledTask, *, now: datetime) -> None:
    """Do not try again what the task waits to try again, if anything: it has failed for good."""
    if task.retry_at is None:
        return
    task.retry_at = None
    task.save(update_fields=("retry_at",))
    if task.retry_slot is not None:
        settle_failed(task, task.retry_slot, now=now)
