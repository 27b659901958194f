"""Who leads: one process of all that run the scheduler; the others stand by.

Each process has a row of its own, whose `beat` it moves. Whether another lives is judged as with a
lease: by seeing its beat move, on our own clock.
"""

import logging
import os
import socket
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db import InterfaceError, OperationalError
from django.db.models import F

from scanner import lease, scheduler_board
from scanner.alerts import noticing
from scanner.lease import Held
from scanner.models import Lease, SchedulerProcess, TaskRun

logger = logging.getLogger(__name__)

LEASE = scheduler_board.LEASE
LEADERLESS = timedelta(minutes=5)
"""For how long nobody may lead before people are told of it: a restart takes less."""


@dataclass(frozen=True, slots=True)
class Order:
    """One attempt at a task. `fired_for` is the run time of the library's execution row."""

    task: str
    scheduled_for: datetime
    fired_for: datetime
    cause: TaskRun.Cause = TaskRun.Cause.SCHEDULE
    attempt: int = 1
    request: int | None = None


@dataclass(slots=True)
class Leadership:
    """This process leads, as long as `held` says so.

    `running` are the task runs it is at; `orders` what its threads are at, from before the run is
    claimed, which may wait for a database that is away. `ending` is set when nothing more is to
    begin, and nothing to wait for a database. `open_executions` are the library's rows that it
    found open when it looked last, at `executions_seen_at`.
    """

    held: Held
    process_id: UUID
    running: set[int] = field(default_factory=set)
    orders: set[Order] = field(default_factory=set)
    ending: threading.Event = field(default_factory=threading.Event)
    open_executions: frozenset[int] = frozenset()
    executions_seen_at: datetime | None = None


def tell_gap(before: Lease | None, *, until: datetime) -> None:
    """Have people told when nobody led for longer than LEADERLESS before this process does.

    `before` is the lease as it was until this process took it, at `until`: only one that waited for
    it, or started, and has it now, can know that. Raise OperationalError or InterfaceError when the
    database is away, so that it is told later; what else goes wrong is logged, and hinders nobody.
    """
    since = before.beat_at if before is not None and before.token else None
    if since is None or until - since <= LEADERLESS:
        return
    try:
        noticing.leaderless(
            since=since, until=until, by_host=socket.gethostname(), by_pid=os.getpid(), now=until
        )
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        logger.exception("that nobody led cannot be told")
    else:
        logger.warning("no scheduler led from %s to %s", since, until)


class Process:
    """This process among those that run the scheduler."""

    def __init__(self) -> None:
        self.id = uuid4()
        self._beat_at = float("-inf")
        self._lock = threading.Lock()

    def beat(self, *, leads: bool, now: datetime) -> None:
        """Show that this process lives, every HEARTBEAT seconds at most."""
        with self._lock:
            if lease.clock() - self._beat_at < lease.HEARTBEAT:
                return
            mine = SchedulerProcess.objects.filter(pk=self.id)
            if not mine.update(beat=F("beat") + 1, beat_at=now, leads=leads):
                SchedulerProcess.objects.create(
                    id=self.id,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    started_at=now,
                    beat_at=now,
                    leads=leads,
                )
            self._beat_at = lease.clock()

    def turn(self, *, leads: bool, now: datetime) -> None:
        """Tell at once that this process leads now, or does not any more."""
        self._beat_at = float("-inf")
        self.beat(leads=leads, now=now)

    def leave(self) -> None:
        """Take this process off the list."""
        SchedulerProcess.objects.filter(pk=self.id).delete()


class Watch:
    """Sees which of the other processes live."""

    def __init__(self) -> None:
        self._seen: dict[UUID, tuple[int, float]] = {}
        self._looked_at = 0.0
        self.dead: set[UUID] = set()

    def living(self) -> set[UUID]:
        """Look once; give the processes whose heart is not known to have stood still."""
        now = lease.clock()
        beats = dict(SchedulerProcess.objects.values_list("pk", "beat"))
        looked_away = now - self._looked_at > lease.longest_gap(lease.TIME_TO_LIVE)
        self._looked_at = now
        for process, beat in beats.items():
            if looked_away or self._seen.get(process, (None, 0.0))[0] != beat:
                self._seen[process] = (beat, now)
        self._seen = {process: seen for process, seen in self._seen.items() if process in beats}
        living = {
            process
            for process, (_, since) in self._seen.items()
            if now - since < lease.TIME_TO_LIVE
        }
        self.dead = self._seen.keys() - living
        return living

    def bury(self) -> None:
        """Take those off the list that the last look found dead; one that lives comes back."""
        if self.dead:
            SchedulerProcess.objects.filter(pk__in=self.dead).delete()
            self.dead = set()
