"""Starts and stops the one scheduler of this process."""

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED
from django.utils import timezone

from scanner import lease
from scanner.errors import LeaseHeld
from scanner.scheduling import dispatch, ledger
from scanner.scheduling.engine import Scheduler
from scanner.scheduling.leadership import LEASE, Leadership, Process
from scanner.scheduling.reconcile import make_missing_tasks, reconcile
from scanner.scheduling.tasks import run_scanner_job

__all__ = ["is_scheduler_alive", "run_scanner_job", "shutdown_scheduler", "start_scheduler"]

logger = logging.getLogger(__name__)

_lock = threading.Lock()
_running: list[tuple[Scheduler, ExitStack]] = []  # at most one


def start_scheduler(leadership: Leadership | None = None) -> None:
    """Have the tasks run when they are due, by threads of this process, and what was missed at once.

    Without a leadership it is taken here: raise LeaseHeld when another process leads. Do nothing
    when it is started already. Raise DatabaseError, with nothing started, when the database cannot
    be read or written.
    """
    with _lock:
        if _running:
            logger.warning("the scheduler is not started again: it runs already")
            return
        with ExitStack() as stack:
            if leadership is None:
                leadership = stack.enter_context(_led())
            dispatch.lead(leadership)
            stack.callback(dispatch.lead, None)
            scheduler = Scheduler()
            scheduler.add_listener(
                dispatch.note_unbegun, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES
            )
            # It looks for work only when the job store is in order.
            scheduler.start(paused=True)
            try:
                now = timezone.now()
                make_missing_tasks(now=now)
                reconcile(scheduler, now=now, catch_up=True)
            except BaseException:
                scheduler.shutdown()
                raise
            scheduler.resume()
            _running.append((scheduler, stack.pop_all()))
    logger.info("the scheduler is started")


def follow_changes() -> None:
    """Apply what people changed or asked for since the last look. Raise DatabaseError."""
    if _running:
        reconcile(_running[0][0], now=timezone.now())


def begin_no_more() -> None:
    """Let what runs go on, and nothing more begin."""
    dispatch.lead(None)
    if _running:
        _running[0][0].pause()


def shutdown_scheduler() -> None:
    """Start no more tasks and wait for those that run, however long; then nothing runs any more.

    Do nothing when it is not started. It would wait for ever for a task that itself calls it.
    """
    with _lock:
        if not _running:
            logger.info("the scheduler is not stopped: it does not run")
            return
        scheduler, stack = _running.pop()
        with stack:
            scheduler.shutdown(wait=True)
    logger.info("the scheduler is stopped")


def is_scheduler_alive() -> bool:
    """Whether a scheduler is started and the thread that starts the tasks runs."""
    return bool(_running) and _running[0][0].is_alive


@contextmanager
def _led() -> Iterator[Leadership]:
    process = Process()
    with lease.hold(LEASE) as held:
        process.turn(leads=True, now=timezone.now())
        leadership = Leadership(held, process.id)
        ledger.close_dead(set(), leadership, now=timezone.now())
        try:
            yield leadership
        finally:
            process.leave()
