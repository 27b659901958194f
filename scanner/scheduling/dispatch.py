"""What every stored job calls."""

import logging
import traceback
from datetime import UTC, datetime

from apscheduler.events import EVENT_JOB_MISSED, JobExecutionEvent, JobSubmissionEvent
from django.db import DatabaseError, connections
from django.utils import timezone

from scanner.models import TaskRun
from scanner.scheduling import ledger
from scanner.scheduling.engine import STORE, fired_for, fresh_connections
from scanner.scheduling.leadership import Leadership
from scanner.scheduling.ledger import Order, Outcome
from scanner.scheduling.tasks import TASKS

logger = logging.getLogger(__name__)

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
) -> None:
    """Run a task under the ledger; raise what it raises.

    The job store keeps this function by its path: it may never be renamed or moved.
    """
    if not _leadership:
        logger.warning("%s is not begun: this process does not lead", name)
        return
    leadership = _leadership[0]
    fired = fired_for.get().astimezone(UTC)
    order = Order(name, scheduled_for or fired, fired, TaskRun.Cause(cause), attempt, request)
    run = ledger.claim(order, leadership, now=timezone.now())
    if run is None:
        logger.info("%s of %s is not begun: paused, or begun already", name, order.scheduled_for)
        return
    try:
        _carry_out(run, name)
    finally:
        leadership.running.discard(run.pk)


def note_unbegun(event: JobExecutionEvent | JobSubmissionEvent) -> None:
    """Record a slot of a stored job that APScheduler passed over: missed, or still running."""
    if event.jobstore != STORE or not _leadership or event.job_id not in TASKS:
        return
    if event.code == EVENT_JOB_MISSED:
        slot, outcome = event.scheduled_run_time, Outcome.MISSED
        words = "it could not be begun within its misfire grace"
    else:
        slot, outcome = event.scheduled_run_times[0], Outcome.SKIPPED
        words = "the run before still goes on"
    slot = slot.astimezone(UTC)
    with fresh_connections():
        ledger.note(Order(event.job_id, slot, slot), outcome, words, _leadership[0])


def _carry_out(run: TaskRun, name: str) -> None:
    agents = run.request.agents if run.request is not None else ()
    try:
        result = TASKS[name].run(agents)
    except BaseException as error:
        words = "".join(traceback.format_exception(error))
        _finish(run, Outcome.FAILED, error=words)
        raise
    if result.skipped:
        _finish(run, Outcome.SKIPPED, error=result.skipped)
    else:
        _finish(run, Outcome.OK, scan_run=result.scan_run)


def _finish(run: TaskRun, outcome: Outcome, **found: object) -> None:
    """Close a run; where the database is away, the leader's next look closes it."""
    try:
        if not ledger.finish(run, outcome, now=timezone.now(), **found):  # type: ignore[arg-type]
            logger.warning("run %s was closed by another process before it ended", run.pk)
    except DatabaseError:
        logger.exception("the end of run %s could not be recorded", run.pk)
        connections.close_all()
