"""At most one holder of a name, on any database that has transactions and row updates.

How it holds:

1. To acquire is a compare-and-swap of the row on (token, beat, holder); each holder has a new
   token.
2. A thread of the holder moves `beat` every HEARTBEAT seconds, waiting for the database at most
   DATABASE_TIMEOUT each time; where the network drops everything, as long as the settings say.
3. A rival never compares clocks of two hosts: it takes a lease whose (token, beat) it has seen
   unmoved for one whole TIME_TO_LIVE, on its own clock. While it cannot look, it sees nothing: a
   database that was away had kept the holder from beating, too.
4. The holder is sure of it until MARGIN before the time at which a rival could follow, counted from
   when its last good heartbeat was sent. One that is not sure starts nothing. A lease that expired
   and that nobody took is simply renewed by the next heartbeat.
5. Whatever must not be done by a former holder is done in a transaction that calls `fence()` first:
   it locks the row, and raises LeaseLost unless the token is still ours.

The clock is the boot-time clock where there is one: it goes on while the machine sleeps, so that a
process that was suspended knows it.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from django.db import DatabaseError, InterfaceError, connection
from django.db.backends.signals import connection_created
from django.db.models import F
from django.utils import timezone

from scanner.errors import LeaseHeld, LeaseLost
from scanner.models import Lease

logger = logging.getLogger(__name__)

TIME_TO_LIVE = 15.0
HEARTBEAT = 4.0
MARGIN = 3.0
DATABASE_TIMEOUT = 2.0
POLL = 0.5
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def clock() -> float:
    """Give seconds on a clock that goes on while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


def longest_gap(time_to_live: float) -> float:
    """Give the seconds from one look to the next in which a heart's beat cannot escape a rival."""
    return max(time_to_live / 2, 3 * POLL)


class Held:
    """A lease that this process holds, unless `fence` says otherwise."""

    def __init__(self, name: str, token: int, confirmed: float, time_to_live: float) -> None:
        self.name = name
        self.token = token
        self.lost = threading.Event()
        # Set, before `lost`, when it is lost since the thread that moved the beat has ended.
        self.heart_died = threading.Event()
        # How often it was not sure for a while, and is again.
        self.lapses = 0
        self._time_to_live = time_to_live
        self._confirmed = confirmed

    @property
    def is_sure(self) -> bool:
        """Whether no rival can have followed yet, by this process's own clock."""
        expiry = self._confirmed + self._time_to_live - min(MARGIN, self._time_to_live / 4)
        return not self.lost.is_set() and clock() < expiry

    def beat(self) -> bool:
        """Show that this process lives; give whether the lease is still its own."""
        sent = clock()
        if not self._move_beat():
            return False
        if not self.is_sure:
            # First: whoever sees that it is sure again sees that it was not.
            self.lapses += 1
        self._confirmed = max(self._confirmed, sent)
        return True

    def fence(self) -> None:
        """Make sure that we still hold it until the end of the current transaction.

        Raise LeaseLost when another has taken it.
        """
        # Nobody sees this beat before the transaction is committed: it makes us no surer.
        if not self._move_beat():
            raise LeaseLost(
                f"the lease {self.name!r} was taken over while this process held it "
                "(it was suspended, or cut off from the database): nothing more is recorded"
            )

    def release(self) -> None:
        """Let the next one have it at once; where the database is away, it expires instead."""
        try:
            Lease.objects.filter(name=self.name, token=self.token).update(holder="")
        except (DatabaseError, InterfaceError) as error:
            logger.warning("%s: not given back, it will expire: %s", self.name, error)

    def _move_beat(self) -> bool:
        mine = Lease.objects.filter(name=self.name, token=self.token).exclude(holder="")
        if mine.update(beat=F("beat") + 1, beat_at=timezone.now()):
            return True
        self.lost.set()
        return False


class Candidate:
    """A process that would like to hold a lease, and watches it."""

    def __init__(self, name: str, time_to_live: float | None = None) -> None:
        self.name = name
        self._time_to_live = TIME_TO_LIVE if time_to_live is None else time_to_live
        self._seen: tuple[int, int, str] | None = None
        self._seen_at = 0.0
        self._looked_at = 0.0
        self.holder: Lease | None = None
        self.holder_lives = False
        # The lease as it was before this process took it.
        self.before: Lease | None = None

    def attempt(self) -> Held | None:
        """Look at the lease once, and take it when it is free or its holder's heart stood still.

        None means that another has it; `holder` then says who, and `holder_lives` whether its heart
        was seen to beat. Raise DatabaseError when the database does not answer.
        """
        looked_at = clock()
        row, _ = Lease.objects.get_or_create(name=self.name)
        state = (row.token, row.beat, row.holder)
        looked_away = looked_at - self._looked_at > longest_gap(self._time_to_live)
        self._looked_at = looked_at
        if row.holder:
            if state != self._seen:
                self.holder_lives = self._seen is not None
                self._seen, self._seen_at = state, looked_at
            elif looked_away:
                self._seen_at = looked_at
            if looked_at - self._seen_at < self._time_to_live:
                self.holder = row
                return None
            logger.warning(
                "%s: process %s on %s is dead, following it", self.name, row.pid, row.host
            )
        now = timezone.now()
        unchanged = Lease.objects.filter(
            name=self.name, token=row.token, beat=row.beat, holder=row.holder
        )
        taken = unchanged.update(
            token=row.token + 1,
            beat=0,
            holder=uuid4().hex,
            host=socket.gethostname(),
            pid=os.getpid(),
            held_since=now,
            beat_at=now,
        )
        self._seen = None
        if not taken:
            self.holder = row
            return None
        self.holder, self.before = None, row
        return Held(self.name, row.token + 1, looked_at, self._time_to_live)


@contextmanager
def hold(
    name: str, *, time_to_live: float | None = None, heartbeat: float | None = None
) -> Iterator[Held]:
    """Hold the lease `name` for the length of the block.

    A holder whose heart has stopped is waited for and followed after `time_to_live` seconds; raise
    LeaseHeld as soon as the holder shows that it lives.
    """
    candidate = Candidate(name, time_to_live)
    while (held := candidate.attempt()) is None:
        if candidate.holder is None or not candidate.holder.holder or candidate.holder_lives:
            raise LeaseHeld(_who_holds(name, candidate.holder))
        time.sleep(POLL)
    with beating(held, heartbeat):
        yield held


@contextmanager
def beating(held: Held, heartbeat: float | None = None) -> Iterator[None]:
    """Keep a lease's heart beating for the length of the block, then release it.

    A heart that cannot go on for another reason than the database tells so: see `Held.heart_died`.
    """
    stop = threading.Event()
    interval = HEARTBEAT if heartbeat is None else heartbeat
    thread = threading.Thread(
        target=_keep_beating, args=(held, stop, interval), name=f"lease-{held.name}", daemon=True
    )
    try:
        thread.start()
        yield
    finally:
        stop.set()
        if thread.is_alive():
            thread.join(DATABASE_TIMEOUT * 2)
        held.release()


@contextmanager
def waiting_at_most(seconds: float) -> Iterator[None]:
    """Have each statement of this thread wait at most so long for a lock, or for its answer.

    It ends with the block for connections that are opened later; those that are open keep it.
    """
    me = threading.get_ident()

    def limit(**_: object) -> None:
        if threading.get_ident() == me:
            limit_waiting(seconds)

    if connection.connection is not None:
        limit_waiting(seconds)
    connection_created.connect(limit, weak=False)
    try:
        yield
    finally:
        connection_created.disconnect(limit)


def limit_waiting(seconds: float) -> None:
    """Have this thread's database connection wait at most this long for a lock or an answer."""
    milliseconds = int(seconds * 1000)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"SET statement_timeout = {milliseconds}")
        elif connection.vendor == "sqlite":
            cursor.execute(f"PRAGMA busy_timeout = {milliseconds}")


def _keep_beating(held: Held, stop: threading.Event, interval: float) -> None:
    """Move the beat until told to stop, or until another has the lease."""
    try:
        with waiting_at_most(DATABASE_TIMEOUT):
            while not stop.wait(interval):
                try:
                    goes_on = held.beat()
                except Exception as error:  # noqa: BLE001 - told there
                    goes_on = _outlives(held, error)
                    _close_connection(held)
                if not goes_on:
                    break
    finally:
        if not stop.is_set():
            _tell_why_it_ends(held)
        _close_connection(held)


def _outlives(held: Held, error: Exception) -> bool:
    """Tell of a beat that failed; give whether to go on."""
    if isinstance(error, (DatabaseError, InterfaceError)):
        logger.warning("%s: no heartbeat, the database says: %s", held.name, error)
        return True
    logger.error("%s: no heartbeat: %s", held.name, error, exc_info=error)
    # Waiting heals a database, and hardly anything else.
    return held.is_sure


def _tell_why_it_ends(held: Held) -> None:
    if held.lost.is_set():
        logger.error("%s: the lease was taken over by another process", held.name)
    else:
        logger.critical("%s: the thread that keeps the lease has ended", held.name)
        held.heart_died.set()
        held.lost.set()


def _close_connection(held: Held) -> None:
    try:
        connection.close()
    except Exception:
        logger.exception("%s: the connection to the database could not be closed", held.name)


def _who_holds(name: str, row: Lease | None) -> str:
    if row is None or not row.holder:
        return f"{name}: another process took the lease at the same moment"
    return (
        f"{name}: held by process {row.pid} on {row.host} since "
        f"{row.held_since:%Y-%m-%d %H:%M:%S} UTC; its last heartbeat is of "
        f"{row.beat_at:%H:%M:%S} UTC"
    )
