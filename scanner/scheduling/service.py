"""Runs the scheduler for as long as nobody tells it to stop: leads, or stands by.

The main thread is the control loop; APScheduler's threads only fire. Each second it looks at what
it was told, at its lease, at the tasks that people changed and at the other processes. A database
that is away ends nothing: it is waited for.
"""

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from django.db import DatabaseError, connections
from django.utils import timezone

from scanner import lease
from scanner.errors import LeaseLost
from scanner.lease import Candidate, Held
from scanner.scheduling.engine import fresh_connections
from scanner.scheduling.interruption import interrupt_runs
from scanner.scheduling.leadership import LEASE, Leadership, Process, Watch
from scanner.scheduling.scheduler import (
    LOOK_SECONDS,
    begin_no_more,
    is_scheduler_alive,
    look_after,
    shutdown_scheduler,
    start_scheduler,
)

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 25.0


class Event(Enum):
    """What the service is told while it runs."""

    STOP = auto()
    STOPPED = auto()


# Unlike threading's Event and Queue, it may be written to by a signal's handler at any instant.
Events = queue.SimpleQueue[Event]


class Reason(Enum):
    """Why the service ended, with the exit code that tells it."""

    AS_TOLD = 0
    DIED = 1
    DEPOSED = 75  # EX_TEMPFAIL: another leads now; start me again


@dataclass(frozen=True, slots=True)
class Ending:
    """How the service has ended.

    `with_threads`: the thread of a task goes on, and only os._exit ends the process without
    waiting for it.
    """

    reason: Reason
    with_threads: bool


def run(events: Events, *, patience: float = PATIENCE_SECONDS) -> Ending:
    """Lead or stand by until STOP comes, or until this process cannot go on.

    What runs then is waited for, at most `patience` seconds or until another STOP, and else
    recorded as interrupted. Raise DatabaseError when the database cannot be used at the start.
    """
    with fresh_connections():
        return _Service(events, patience).run()


class _Service:
    def __init__(self, events: Events, patience: float) -> None:
        self._events = events
        self._patience = patience
        self._process = Process()
        self._watch = Watch()
        self._outages: dict[str, int] = {}

    def run(self) -> Ending:
        self._process.turn(leads=False, now=timezone.now())
        try:
            held = self._stand_by()
            return Ending(Reason.AS_TOLD, with_threads=False) if held is None else self._lead(held)
        finally:
            self._try("leave", self._process.leave)

    def _stand_by(self) -> Held | None:
        """Wait for the leadership; give None when told to stop."""
        candidate = Candidate(LEASE)
        told: int | None = None
        held: list[Held] = []

        def look() -> None:
            self._process.beat(leads=False, now=timezone.now())
            self._watch.living()
            if (won := candidate.attempt()) is not None:
                held.append(won)

        while True:
            self._try("look for the leader", look)
            if held:
                return held[0]
            leader = candidate.holder
            if leader is not None and leader.token != told:
                logger.info("standing by: process %s on %s leads", leader.pid, leader.host)
                told = leader.token
            if _next(self._events, LOOK_SECONDS) is Event.STOP:
                return None

    def _lead(self, held: Held) -> Ending:
        leadership = Leadership(held, self._process.id)
        logger.info("this process leads now")
        with lease.beating(held):
            reason = self._start(leadership) or self._look_after(leadership)
            begin_no_more()
        # From here on another may lead, while what runs here comes to its end.
        self._try("tell", lambda: self._process.turn(leads=False, now=timezone.now()))
        if reason is Reason.DEPOSED:
            return Ending(reason, with_threads=True)
        return Ending(reason, with_threads=not self._wait_for_the_end(leadership))

    def _start(self, leadership: Leadership) -> Reason | None:
        """Start the scheduler; give why not, if it is not to be. A database away is waited for."""
        started = False

        def start() -> None:
            nonlocal started
            self._process.turn(leads=True, now=timezone.now())
            start_scheduler(leadership)
            started = True

        while True:
            try:
                self._try("start the scheduler", start)
            except LeaseLost:
                return Reason.DEPOSED
            if started:
                return None
            if leadership.held.lost.is_set():
                return Reason.DEPOSED
            if _next(self._events, LOOK_SECONDS) is Event.STOP:
                return Reason.AS_TOLD

    def _look_after(self, leadership: Leadership) -> Reason:
        def look() -> None:
            look_after(leadership, self._process, self._watch)

        while True:
            if leadership.held.lost.is_set():
                logger.critical("another process leads now, this one was too late with its heart")
                return Reason.DEPOSED
            if not is_scheduler_alive():
                logger.critical("the scheduler's thread has died")
                return Reason.DIED
            try:
                self._try("follow the tasks", look)
            except LeaseLost:
                continue  # told by the next look
            if _next(self._events, LOOK_SECONDS) is Event.STOP:
                return Reason.AS_TOLD

    def _wait_for_the_end(self, leadership: Leadership) -> bool:
        """Wait for what runs; give whether it ended. Else it is recorded as interrupted."""

        def stop() -> None:
            try:
                shutdown_scheduler()
            finally:
                self._events.put(Event.STOPPED)

        threading.Thread(target=stop, name="scheduler-stop", daemon=True).start()
        logger.info("stopping: what runs has %g seconds to end", self._patience)
        give_up = lease.clock() + self._patience
        while (left := give_up - lease.clock()) > 0:
            event = _next(self._events, min(left, LOOK_SECONDS))
            if event is Event.STOPPED:
                return True
            if event is Event.STOP:
                break
            self._try("beat", lambda: self._process.beat(leads=False, now=timezone.now()))
        why = "the scheduler was stopped and did not wait for it"
        self._try(
            "record what is interrupted",
            lambda: interrupt_runs(leadership, why, now=timezone.now()),
        )
        return False

    def _try(self, what: str, do: Callable[[], object]) -> None:
        """Do something that needs the database; while that is away, tell it once."""
        try:
            do()
        except LeaseLost:
            raise
        except Exception as error:
            failures = self._outages[what] = self._outages.get(what, 0) + 1
            if failures == 1:
                told = None if isinstance(error, DatabaseError) else error
                logger.error(  # noqa: TRY400
                    "could not %s, trying again: %s", what, error, exc_info=told
                )
            connections.close_all()
            return
        if failures := self._outages.pop(what, 0):
            logger.warning("could %s again after %d attempts", what, failures)


def _next(events: Events, seconds: float) -> Event | None:
    try:
        return events.get(timeout=seconds)
    except queue.Empty:
        return None
