"""Starts and stops the one scheduler of this process."""

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED
from django.db import connections
from django.utils import timezone

from scanner import lease
from scanner.errors import LeaseLost
from scanner.scheduling import dispatch, ledger
from scanner.scheduling.engine import Scheduler, fresh_connections
from scanner.scheduling.leadership import LEASE, Leadership, Process, Watch
from scanner.scheduling.reconcile import make_missing_tasks, reconcile
from scanner.scheduling.tasks import run_scanner_job

__all__ = ["is_scheduler_alive", "run_scanner_job", "shutdown_scheduler", "start_scheduler"]

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5

_lock = threading.Lock()
_running: list[tuple[Scheduler, Leadership, ExitStack]] = []  # at most one


def start_scheduler(leadership: Leadership | None = None, watch: Watch | None = None) -> None:
    """Have threads of this process run the tasks when they are due, and at once what was missed.

    Without a leadership it is taken and looked after here: raise LeaseHeld when another process
    leads. With a watch, the runs of processes that it knows to be dead are closed first. Do nothing
    when it is started already. Raise LeaseLost or DatabaseError, with nothing started, when another
    leads, or the database cannot be read or written.
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
            scheduler = _make_scheduler(leadership)
            # It looks for work only when the job store is in order.
            scheduler.start(paused=True)
            try:
                now = timezone.now()
                make_missing_tasks(now=now)
                if watch is not None:
                    ledger.close_dead(watch.living(), leadership, now=now)
                reconcile(scheduler, leadership, now=now, catch_up=True)
            except BaseException:
                scheduler.shutdown()
                raise
            scheduler.resume()
            _running.append((scheduler, leadership, stack.pop_all()))
    logger.info("the scheduler is started")


def catch_up_after_outage(leadership: Leadership, *, now: datetime) -> None:
    """Run once, of each task, the newest slot that nobody began while nothing could be begun.

    To be called when the lease is sure again or the database answers again, and as often as one
    likes: what was begun, is on its way or is on record is left as it is. The slots before the
    newest one are noted as missed, the last MOST_MISSED of a task at most; where the run before
    still goes on, the newest one is noted as skipped.

    The scheduler's own thread does the same before it looks again after a time in which it could
    not, so that APScheduler does not take the newest slot for a misfire. Raise LeaseLost when
    another leads, DatabaseError when the database is away (again).
    """
    for scheduler, _, _ in _running[:1]:
        _catch_up(scheduler, leadership, now)


def look_after(leadership: Leadership, process: Process, watch: Watch) -> None:
    """Do what a leader does all the time; to be called every LOOK_SECONDS.

    Show that it lives, apply what people changed or asked for, close the runs of the dead. Raise
    LeaseLost when another leads, DatabaseError when the database is away.
    """
    if not leadership.held.is_sure and not leadership.held.beat():
        # It slept, or was cut off, and woke up in the middle of a turn: nothing more is written.
        raise LeaseLost("another process leads since this one did not show that it lives")
    now = timezone.now()
    process.beat(leads=True, now=now)
    for scheduler, _, _ in _running[:1]:
        reconcile(scheduler, leadership, now=now)
    ledger.close_dead(watch.living(), leadership, now=now)
    watch.bury()


def begin_no_more() -> None:
    """Let what runs go on, and nothing more begin."""
    dispatch.lead(None)
    for scheduler, leadership, _ in _running[:1]:
        leadership.ending.set()
        scheduler.pause()


def shutdown_scheduler() -> None:
    """Start no more tasks and wait for those that run, however long; then nothing runs any more.

    Do nothing when it is not started. It would wait for ever for a task that itself calls it.
    """
    with _lock:
        if not _running:
            logger.info("the scheduler is not stopped: it does not run")
            return
        scheduler, leadership, stack = _running.pop()
        leadership.ending.set()
        with stack:
            scheduler.shutdown(wait=True)
    logger.info("the scheduler is stopped")


def is_scheduler_alive() -> bool:
    """Whether a scheduler is started, leads, and has a living thread that starts the tasks."""
    return any(
        scheduler.is_alive and not leadership.held.lost.is_set()
        for scheduler, leadership, _ in _running[:1]
    )


def _catch_up(scheduler: Scheduler, leadership: Leadership, now: datetime) -> None:
    with scheduler.at_rest():
        reconcile(scheduler, leadership, now=now, catch_up=True)


def _make_scheduler(leadership: Leadership) -> Scheduler:
    scheduler = Scheduler(
        may_begin=lambda: leadership.held.is_sure,
        catch_up=lambda: _catch_up(scheduler, leadership, timezone.now()),
    )
    scheduler.add_listener(dispatch.note_unbegun, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)
    return scheduler


@contextmanager
def _led() -> Iterator[Leadership]:
    """Lead for the length of the block, with a thread that looks after the leadership."""
    process, watch, stop = Process(), Watch(), threading.Event()
    with lease.hold(LEASE) as held:
        process.turn(leads=True, now=timezone.now())
        leadership = Leadership(held, process.id)
        thread = threading.Thread(
            target=_keep_looking,
            args=(leadership, process, watch, stop),
            name="scheduler-look",
            daemon=True,
        )
        thread.start()
        try:
            yield leadership
        finally:
            stop.set()
            thread.join()
            process.leave()


def _keep_looking(
    leadership: Leadership, process: Process, watch: Watch, stop: threading.Event
) -> None:
    failures = 0
    with fresh_connections():
        while not stop.wait(LOOK_SECONDS):
            if leadership.held.lost.is_set():
                logger.critical("another process leads now: nothing more is begun")
                begin_no_more()
                return
            try:
                look_after(leadership, process, watch)
            except LeaseLost:
                continue  # told by the next look
            except Exception:
                failures += 1
                if failures == 1:  # an outage may last for hours
                    logger.exception("could not follow the tasks, trying again")
                connections.close_all()
            else:
                failures = 0
