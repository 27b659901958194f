"""The history of tasks: each attempt claimed before it begins, and closed however it ends.

1. A run is claimed in a transaction that fences on the leader's lease, and is unique by task, slot
   and attempt: neither a former leader nor a second look at the same slot can begin it.
2. It is closed by a compare-and-swap on "running": whoever comes second changes nothing.
3. What a dead process left running is closed as interrupted by whoever leads.
4. A run that failed or was interrupted is tried again while its task allows it, unless the next
   slot comes first. The last failure, and the first good run after one, are a TaskChange
   (`outcomes`). A run that a newer slot's has overtaken says nothing any more.
"""

import logging
import os
import socket
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django_apscheduler.models import DjangoJobExecution

from scanner import outcomes
from scanner.errors import LeaseLost, ScheduleError
from scanner.models import ScanRun, ScheduledTask, TaskRequest, TaskRun
from scanner.models.task import LONGEST_INTERVAL
from scanner.pipeline.text import clean
from scanner.scheduling.engine import LONGEST_EXCEPTION
from scanner.scheduling.leadership import Leadership, Order
from scanner.scheduling.tasks import TASKS, slots_of

logger = logging.getLogger(__name__)

Outcome = TaskRun.Outcome
Cause = TaskRun.Cause
LONGEST_ERROR = 100_000
SETTLED = timedelta(seconds=30)
_LONGEST_EXPONENT = 20
_BEGUN = DjangoJobExecution.SENT
INTERRUPTED = "interrupted: its process ended while it ran"

_told: set[tuple[int, str]] = set()


def claim(order: Order, leadership: Leadership, *, now: datetime) -> TaskRun | None:
    """Begin a run, or give None when it is not to be: paused, or claimed already.

    Raise LeaseLost when this process does not lead any more.
    """
    run: TaskRun | None = None
    try:
        with transaction.atomic():
            leadership.held.fence()
            task = ScheduledTask.objects.select_for_update().get(name=order.task)
            if not _is_wanted(task, order, now):
                return None
            run = _insert(task, order, leadership.process_id, Outcome.RUNNING, started_at=now)
            if run is not None:
                # Before it can be seen: a run that its leader is not at counts as interrupted.
                leadership.running.add(run.pk)
            if order.cause is Cause.RETRY and run is not None:
                task.retry_at = None
                task.save(update_fields=("retry_at",))
            elif order.cause is Cause.RETRY or (run is not None and order.request is None):
                outcomes.give_up_retry(task, now=now)
    except BaseException:
        if run is not None:
            leadership.running.discard(run.pk)
        raise
    return run


def note(order: Order, outcome: TaskRun.Outcome, words: str, leadership: Leadership) -> None:
    """Record a slot that began no run: missed, or skipped since the last one still runs."""
    with transaction.atomic():
        leadership.held.fence()
        task = ScheduledTask.objects.select_for_update().get(name=order.task)
        if _insert(task, order, leadership.process_id, outcome, error=words) is not None:
            logger.warning("%s: %s %s: %s", order.task, order.scheduled_for, outcome.value, words)


def link(run: TaskRun, scan_run: ScanRun) -> None:
    """Record which scan a run makes, while it counts as running: people may watch it."""
    if TaskRun.objects.filter(pk=run.pk, outcome=Outcome.RUNNING.value).update(scan_run=scan_run):
        run.scan_run = scan_run


def finish(run: TaskRun, outcome: TaskRun.Outcome, *, now: datetime, error: str = "") -> bool:
    """Close a run that still counts as running; give whether it did."""
    with transaction.atomic():
        task = ScheduledTask.objects.select_for_update().get(pk=run.task_id)
        found = {
            "outcome": outcome.value,
            "finished_at": now,
            "error": clean(error, LONGEST_ERROR),
        }
        closed = TaskRun.objects.filter(pk=run.pk, outcome=Outcome.RUNNING.value).update(**found)
        if closed:
            for name, value in found.items():
                setattr(run, name, value)
            _follow_up(task, run, outcome, now)
    return bool(closed)


def close_execution(run: TaskRun, *, now: datetime) -> None:
    """Close the library's row of a run that has ended, if that is still open."""
    failure = run.error if run.outcome in outcomes.FAILURES else ""
    _close_execution(run.task.name, run.fired_for, run.finished_at or now, failure)


def give_up_retry(task: ScheduledTask, leadership: Leadership, *, now: datetime) -> None:
    """Give up the retry of a task as it was found, unless another one waits by now."""
    with transaction.atomic():
        leadership.held.fence()
        stored = ScheduledTask.objects.select_for_update().get(pk=task.pk)
        if stored.retry_at == task.retry_at:
            outcomes.give_up_retry(stored, now=now)


def close_dead(living: Collection[UUID], leadership: Leadership, *, now: datetime) -> list[TaskRun]:
    """Close the runs of processes that died, and those of ours that have ended untold.

    One that cannot be closed keeps none of the others open. Raise LeaseLost when another leads,
    OperationalError or InterfaceError when the database is away.
    """
    closed = []
    for run in TaskRun.objects.filter(outcome=Outcome.RUNNING.value).select_related("task"):
        if run.process_id == leadership.process_id:
            is_at_work = run.pk in leadership.running
        else:
            is_at_work = run.process_id in living
        if is_at_work:
            continue
        try:
            if _close_dead(run, leadership, now):
                closed.append(run)
        except (LeaseLost, OperationalError, InterfaceError):
            raise
        except Exception as error:
            if (run.pk, str(error)) not in _told:
                _told.add((run.pk, str(error)))
                logger.exception("run %s of %s cannot be closed", run.pk, run.task)
    _close_executions(leadership, now)
    return closed


def _close_dead(run: TaskRun, leadership: Leadership, now: datetime) -> bool:
    with transaction.atomic():
        leadership.held.fence()
        was_running = finish(run, Outcome.INTERRUPTED, now=now, error=INTERRUPTED)
    if was_running:
        logger.warning("%s: the run of %s was interrupted", run.task, run.scheduled_for)
        close_execution(run, now=now)
    return was_running


def _is_wanted(task: ScheduledTask, order: Order, now: datetime) -> bool:
    if order.request is not None:
        waiting = TaskRequest.objects.filter(pk=order.request, taken_at=None)
        return bool(waiting.update(taken_at=now))
    if not task.enabled:
        return False
    if order.cause is Cause.RETRY:
        awaited = (task.retry_slot, task.retry_attempt)
        return task.retry_at is not None and awaited == (order.scheduled_for, order.attempt)
    return True


def _insert(
    task: ScheduledTask,
    order: Order,
    process: UUID,
    outcome: TaskRun.Outcome,
    *,
    started_at: datetime | None = None,
    error: str = "",
) -> TaskRun | None:
    run = TaskRun(
        task=task,
        cause=order.cause.value,
        attempt=order.attempt,
        scheduled_for=order.scheduled_for,
        fired_for=order.fired_for,
        started_at=started_at,
        outcome=outcome.value,
        error=error,
        host=socket.gethostname(),
        pid=os.getpid(),
        process_id=process,
        request_id=order.request,
    )
    try:
        with transaction.atomic():
            run.save(force_insert=True)
    except IntegrityError:
        return None  # this attempt at this slot is on record already
    return run


def _follow_up(task: ScheduledTask, run: TaskRun, outcome: TaskRun.Outcome, now: datetime) -> None:
    """Have a failed run tried again, or tell that it failed for good, or goes well again."""
    is_skipped = outcome is Outcome.SKIPPED
    if _is_overtaken(run) or (is_skipped and run.attempt == 1):
        return
    is_good = outcome is Outcome.OK
    if not is_good and (at := _retry_at(task, run, now)) is not None:
        if task.retry_slot != run.scheduled_for:
            outcomes.give_up_retry(task, now=now)
        task.retry_at, task.retry_attempt = at, run.attempt + 1
        task.retry_slot = run.scheduled_for
        task.save(update_fields=("retry_at", "retry_attempt", "retry_slot"))
        logger.info("%s is tried again at %s (attempt %d)", task, at, run.attempt + 1)
    elif is_skipped:
        # This attempt neither failed nor went well: what it was to make good did fail.
        outcomes.settle_failed(task, run.scheduled_for, now=now)
    else:
        outcomes.settle(task, run, now=now)


def _is_overtaken(run: TaskRun) -> bool:
    """Tell whether a newer slot was begun; requests are no slots, whose first attempt tells."""
    newer = TaskRun.objects.filter(task=run.task_id, scheduled_for__gt=run.scheduled_for, attempt=1)
    return newer.exclude(started_at=None).exclude(cause=Cause.REQUEST.value).exists()


def _retry_at(task: ScheduledTask, run: TaskRun, now: datetime) -> datetime | None:
    """Give when a failed run is tried again, or None when it is not."""
    if run.attempt > task.retries or not task.enabled or task.name not in TASKS:
        return None
    doubled = 2 ** min(run.attempt - 1, _LONGEST_EXPONENT)
    at = now + timedelta(minutes=min(task.backoff_seconds * doubled / 60, LONGEST_INTERVAL))
    try:
        coming = slots_of(task).after(now)
    except ScheduleError:
        return None  # told by whoever follows the schedules
    return at if coming is None or at < coming else None


def _close_executions(leadership: Leadership, now: datetime) -> None:
    """Close the library's rows that their runs, or their listeners, have left open.

    What was not open SETTLED ago may be about to begin, or to be closed by whoever is at it. To
    look oftener would find nothing more.
    """
    seen_at = leadership.executions_seen_at
    if seen_at is not None and now < seen_at:  # the clock was set back: begin anew
        leadership.open_executions = frozenset()
    elif seen_at is not None and now < seen_at + SETTLED:
        return
    found = {row.pk: row for row in DjangoJobExecution.objects.filter(status=_BEGUN)}
    at_work = {(order.task, order.fired_for) for order in tuple(leadership.orders)}
    for key in found.keys() & leadership.open_executions:
        if (found[key].job_id, found[key].run_time) not in at_work:
            _close_left_open(found[key], now)
    leadership.open_executions = frozenset(found)
    leadership.executions_seen_at = now


def _close_left_open(execution: DjangoJobExecution, now: datetime) -> None:
    settled = now - SETTLED
    runs = TaskRun.objects.filter(task__name=execution.job_id, fired_for=execution.run_time)
    run = runs.order_by("-pk").first()
    if run is None:
        _close_execution(execution.job_id, execution.run_time, now, INTERRUPTED)
    elif run.outcome != Outcome.RUNNING.value and (run.finished_at or settled) <= settled:
        close_execution(run, now=now)


def _close_execution(name: str, fired_for: datetime, ended: datetime, failure: str) -> None:
    row = DjangoJobExecution.objects.filter(job_id=name, run_time=fired_for, status=_BEGUN)
    row.update(
        status=DjangoJobExecution.ERROR if failure else DjangoJobExecution.SUCCESS,
        exception=clean(failure.strip().rpartition("\n")[2], LONGEST_EXCEPTION) or None,
        finished=ended.timestamp(),
        duration=(ended - fired_for).total_seconds(),
    )
