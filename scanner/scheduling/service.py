"""Runs the scheduler until somebody tells it to stop."""

import logging
import queue
import threading
from dataclasses import dataclass
from enum import Enum, auto

from django.db import DatabaseError
from django.utils import timezone

from scanner.scheduling.engine import fresh_connections
from scanner.scheduling.interruption import interrupt_scan
from scanner.scheduling.scheduler import is_scheduler_alive, shutdown_scheduler, start_scheduler

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 25.0
_LOOK_SECONDS = 1.0


class Event(Enum):
    """What the service is told while it runs."""

    STOP = auto()
    STOPPED = auto()


# Unlike threading's Event and Queue, it may be written to by a signal's handler at any instant.
Events = queue.SimpleQueue[Event]


@dataclass(frozen=True, slots=True)
class Ending:
    """How the service has ended.

    `as_told`: because it was told to, not because it cannot go on. `with_threads`: the thread of a
    scan goes on, and only os._exit ends the process without waiting for it.
    """

    as_told: bool
    with_threads: bool


def run(events: Events, *, patience: float = PATIENCE_SECONDS) -> Ending:
    """Run the scheduler until STOP comes, or until it is found dead.

    A scan that runs then is waited for, at most `patience` seconds or until another STOP, and else
    recorded as interrupted. Raise DatabaseError when the scheduler cannot be started.
    """
    with fresh_connections():
        start_scheduler()
    as_told = _watch(events)

    def stop() -> None:
        try:
            shutdown_scheduler()
        finally:
            events.put(Event.STOPPED)

    threading.Thread(target=stop, name="scheduler-stop", daemon=True).start()
    logger.info("stopping: a running scan has %g seconds to end", patience)
    if _next(events, patience) is Event.STOPPED:
        return Ending(as_told, with_threads=False)
    try:
        interrupt_scan("the scheduler was stopped and did not wait for it", now=timezone.now())
    except DatabaseError as error:
        logger.error("that a scan is interrupted could not be recorded: %s", error)  # noqa: TRY400
    return Ending(as_told, with_threads=True)


def _watch(events: Events) -> bool:
    """Give true as soon as STOP comes, false when the scheduler has died."""
    while _next(events, _LOOK_SECONDS) is None:
        if not is_scheduler_alive():
            logger.critical("the scheduler's thread has died")
            return False
    return True


def _next(events: Events, seconds: float) -> Event | None:
    try:
        return events.get(timeout=seconds)
    except queue.Empty:
        return None
