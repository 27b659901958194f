"""Runs the scheduler for as long as nobody tells it to stop: leads, or stands by.

The main thread is the control loop; APScheduler's threads only fire. Each second it looks at what
it was told, at its lease, at the tasks that people changed and at the other processes. A database
that is away ends nothing: it is waited for. Another error that does not go away does end the
process, since one that stands by may do better.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from django.db import InterfaceError, OperationalError, connections
from django.utils import timezone

from scanner import lease
from scanner.errors import LeaseLost
from scanner.lease import Candidate, Held
from scanner.scheduling.engine import fresh_connections
from scanner.scheduling.interruption import interrupt_runs
from scanner.scheduling.leadership import LEASE, Leadership, Process, Watch, tell_gap
from scanner.scheduling.scheduler import (
    LOOK_SECONDS,
    begin_no_more,
    catch_up_after_outage,
    is_scheduler_alive,
    look_after,
    shutdown_scheduler,
    start_scheduler,
)

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 25.0
# How long an error that waiting does not heal is put up with.
BROKEN_SECONDS = 60.0


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


class _CannotGoOnError(Exception):
    """Something has failed for BROKEN_SECONDS, and not since the database was away."""


@dataclass(slots=True)
class _Trouble:
    """What has failed each time since it was last done; `broken_since` is of another error."""

    failures: int = 0
    broken_since: float | None = None


class _Service:
    def __init__(self, events: Events, patience: float) -> None:
        self._events = events
        self._patience = patience
        self._process = Process()
        self._watch = Watch()
        self._candidate = Candidate(LEASE)
        self._led_since = timezone.now()
        self._troubles: dict[str, _Trouble] = {}
        self._database_answers = True

    def run(self) -> Ending:
        self._process.turn(leads=False, now=timezone.now())
        # Told to stop, it may not sit in a statement; and what fails is done by the next look.
        with lease.waiting_at_most(lease.DATABASE_TIMEOUT):
            try:
                held = self._stand_by()
                return (
                    Ending(Reason.AS_TOLD, with_threads=False) if held is None else self._lead(held)
                )
            except _CannotGoOnError:
                return Ending(Reason.DIED, with_threads=False)
            finally:
                if self._database_answers:
                    self._try("leave", self._process.leave)

    def _stand_by(self) -> Held | None:
        """Wait for the leadership; give None when told to stop."""
        candidate = self._candidate
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
        self._led_since = timezone.now()
        leadership = Leadership(held, self._process.id)
        logger.info("this process leads now")
        with lease.beating(held):
            try:
                reason = self._start(leadership) or self._look_after(leadership)
            except _CannotGoOnError:
                reason = Reason.DIED
            give_up = lease.clock() + self._patience
            begin_no_more()
        # From here on another may lead, while what runs here comes to its end.
        self._try("tell", lambda: self._process.turn(leads=False, now=timezone.now()))
        if reason is Reason.DEPOSED:
            return Ending(reason, with_threads=True)
        return Ending(reason, with_threads=not self._wait_for_the_end(leadership, give_up))

    def _start(self, leadership: Leadership) -> Reason | None:
        """Start the scheduler; give why not, if it is not to be. A database away is waited for."""

        def start() -> None:
            self._process.turn(leads=True, now=timezone.now())
            start_scheduler(leadership, self._watch)

        while True:
            try:
                if self._try("start the scheduler", start):
                    return None
            except LeaseLost:
                return Reason.DEPOSED
            if (reason := _lost(leadership.held)) is not None:
                return reason
            if _next(self._events, LOOK_SECONDS) is Event.STOP:
                return Reason.AS_TOLD

    def _look_after(self, leadership: Leadership) -> Reason:
        what, lapses, told = "follow the tasks", 0, False

        def look() -> None:
            nonlocal lapses
            seen = leadership.held.lapses
            if seen != lapses or what in self._troubles:
                catch_up_after_outage(leadership, now=timezone.now())
                lapses = seen
            look_after(leadership, self._process, self._watch)

        def tell() -> None:
            tell_gap(self._candidate.before, until=self._led_since)

        while True:
            if (reason := _lost(leadership.held)) is not None:
                return reason
            if not is_scheduler_alive():
                logger.critical("the scheduler's thread has died")
                return Reason.DIED
            try:
                self._try(what, look)
            except LeaseLost:
                continue  # told by the next look
            told = told or self._try("tell that nobody led", tell)
            if _next(self._events, LOOK_SECONDS) is Event.STOP:
                return Reason.AS_TOLD

    def _wait_for_the_end(self, leadership: Leadership, give_up: float) -> bool:
        """Wait for what runs; give whether it ended. Else it is recorded as interrupted."""

        def stop() -> None:
            try:
                shutdown_scheduler()
            finally:
                self._events.put(Event.STOPPED)

        threading.Thread(target=stop, name="scheduler-stop", daemon=True).start()
        logger.info("stopping: what runs has %g seconds to end", self._patience)
        while (left := give_up - lease.clock()) > 0:
            event = _next(self._events, min(left, LOOK_SECONDS))
            if event is Event.STOPPED:
                return True
            if event is Event.STOP:
                break
            if self._database_answers:
                self._try("beat", lambda: self._process.beat(leads=False, now=timezone.now()))
        why = "the scheduler was stopped and did not wait for it"
        self._try(
            "record what is interrupted",
            lambda: interrupt_runs(leadership, why, now=timezone.now()),
        )
        return False

    def _try(self, what: str, do: Callable[[], object]) -> bool:
        """Do something that needs the database; give whether it was done.

        While it is away, tell it once. Raise _CannotGoOnError when something else is wrong for
        BROKEN_SECONDS.
        """
        try:
            do()
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001 - told there
            self._bear(what, error)
            return False
        self._database_answers = True
        if trouble := self._troubles.pop(what, None):
            logger.warning("could %s again after %d attempts", what, trouble.failures)
        return True

    def _bear(self, what: str, error: Exception) -> None:
        trouble = self._troubles.setdefault(what, _Trouble())
        trouble.failures += 1
        is_away = isinstance(error, (OperationalError, InterfaceError))
        self._database_answers = not is_away
        if trouble.failures == 1 or (not is_away and trouble.broken_since is None):
            told = None if is_away else error
            logger.error("could not %s, trying again: %s", what, error, exc_info=told)
        if is_away:
            trouble.broken_since = None
        elif trouble.broken_since is None:
            trouble.broken_since = time.monotonic()
        elif (seconds := time.monotonic() - trouble.broken_since) > BROKEN_SECONDS:
            logger.critical("could not %s for %d seconds: %s", what, seconds, error, exc_info=error)
            raise _CannotGoOnError from error
        try:
            connections.close_all()
        except Exception:
            logger.exception("the connection to the database could not be closed")


def _lost(held: Held) -> Reason | None:
    """Give how a process ends whose lease is lost, or None while it is not."""
    if held.heart_died.is_set():
        logger.critical("this process cannot keep the lease")
        return Reason.DIED
    if held.lost.is_set():
        logger.critical("another process leads now, this one was too late with its heart")
        return Reason.DEPOSED
    return None


def _next(events: Events, seconds: float) -> Event | None:
    try:
        return events.get(timeout=seconds)
    except queue.Empty:
        return None
