"""What every stored job calls."""

import logging
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from apscheduler.events import EVENT_JOB_MISSED, JobExecutionEvent, JobSubmissionEvent
from django.db import DatabaseError, InterfaceError, OperationalError, connections
from django.utils import timezone

from scanner.models import TaskRequest, TaskRun
from scanner.scheduling import engine, ledger
from scanner.scheduling.engine import NOT_BEGUN, STORE, fired_for, fresh_connections
from scanner.scheduling.leadership import Leadership, Order
from scanner.scheduling.ledger import Outcome
from scanner.scheduling.tasks import TASKS

logger = logging.getLogger(__name__)
T = TypeVar("T")

# Set while this process leads.
_leadership: list[Leadership] = []


def lead(leadership: Leadership | None) -> None:
    """Let runs begin under this leadership; with None, let none begin."""
    _leadership[:] = [] if leadership is None else [leadership]


def dispatch(
    name: str,
    scheduled_for: datetime | None = None,
    cause: str = TaskRun.Cause.SCHEDULE.value,
    attempt: int = 1,
    request: int | None = None,
) -> object:
    """Run a task under the ledger; give NOT_BEGUN when it is not to be, raise what it raises.

    The job store keeps this function by its path: it may never be renamed or moved.
    """
    leadership = next(iter(_leadership), None)
    if leadership is None:
        logger.warning("%s is not begun: this process does not lead", name)
        return NOT_BEGUN
    fired = fired_for.get().astimezone(UTC)
    order = Order(name, scheduled_for or fired, fired, TaskRun.Cause(cause), attempt, request)
    leadership.orders.add(order)
    try:
        return _follow(order, leadership)
    finally:
        leadership.orders.discard(order)


def note_unbegun(event: JobExecutionEvent | JobSubmissionEvent) -> None:
    """Record a slot of a stored job that APScheduler passed over: missed, or still running."""
    leadership = next(iter(_leadership), None)
    if event.jobstore != STORE or leadership is None or event.job_id not in TASKS:
        return
    if event.code == EVENT_JOB_MISSED:
        slot, outcome = event.scheduled_run_time, Outcome.MISSED
        words = "it could not be begun within its misfire grace"
    else:
        slot, outcome = event.scheduled_run_times[0], Outcome.SKIPPED
        words = "the run before still goes on"
    slot = slot.astimezone(UTC)
    with fresh_connections():
        ledger.note(Order(event.job_id, slot, slot), outcome, words, leadership)


def _follow(order: Order, leadership: Leadership) -> object:
    run = _outlast(leadership, lambda: ledger.claim(order, leadership, now=timezone.now()))
    if run is None:
        slot = order.scheduled_for
        logger.info("%s of %s is not begun: paused, or begun already", order.task, slot)
        return NOT_BEGUN
    try:
        _carry_out(run, order.task, leadership)
    finally:
        leadership.running.discard(run.pk)
    return None


def _carry_out(run: TaskRun, name: str, leadership: Leadership) -> None:
    try:
        agents = _outlast(leadership, lambda: _agents_of(run))
        result = TASKS[name].run(agents, lambda scan_run: ledger.link(run, scan_run))
    except BaseException as error:
        words = "".join(traceback.format_exception(error))
        _finish(run, Outcome.FAILED, leadership, error=words)
        raise
    if result.skipped:
        _finish(run, Outcome.SKIPPED, leadership, error=result.skipped)
    else:
        _finish(run, Outcome.OK, leadership)


def _agents_of(run: TaskRun) -> Sequence[str]:
    """Give the agents that were asked for; a retry is for those of the first attempt."""
    asked = TaskRequest.objects.filter(run__task=run.task_id, run__scheduled_for=run.scheduled_for)
    agents: list[str] | None = asked.values_list("agents", flat=True).first()
    return agents or ()


def _finish(run: TaskRun, outcome: Outcome, leadership: Leadership, *, error: str = "") -> None:
    """Close a run; where that cannot be recorded, a leader's next look closes it."""
    ended = timezone.now()
    try:
        if not _outlast(leadership, lambda: ledger.finish(run, outcome, now=ended, error=error)):
            logger.warning("run %s was closed by another process before it ended", run.pk)
    except (DatabaseError, InterfaceError):
        logger.exception("the end of run %s could not be recorded", run.pk)
        connections.close_all()


def _outlast(leadership: Leadership, do: Callable[[], T]) -> T:
    """Do something in the database; while that is away, wait for it for as long as we lead."""
    told = False
    while True:
        try:
            return do()
        except (OperationalError, InterfaceError) as error:
            connections.close_all()
            if not told:
                logger.warning("a run waits for the database, which says: %s", error)
                told = True
            if leadership.ending.wait(engine.RETRY_SECONDS):
                raise
