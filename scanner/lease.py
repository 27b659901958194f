"""At most one holder of a name, on any database that has transactions and row updates.

How it holds:

1. To acquire is a compare-and-swap of the row on (token, beat); each holder has a new token.
2. A thread of the holder moves `beat` every `heartbeat` seconds.
3. A rival never compares clocks of two hosts: it takes a lease whose (token, beat) it has seen
   unmoved for one whole time to live, on its own clock.
4. Whatever must not be done by a former holder is done in a transaction that calls `fence()`
   first: it locks the row, and raises LeaseLost unless the token is still ours. That a heartbeat
   failed does not end the holding by itself: nobody may have noticed.

The clock is the boot-time clock where there is one: it goes on while the machine sleeps.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

from django.db import DatabaseError, connection
from django.db.models import F
from django.utils import timezone

from scanner.errors import LeaseHeld, LeaseLost
from scanner.models import Lease

logger = logging.getLogger(__name__)

TIME_TO_LIVE = 15.0
HEARTBEAT = 4.0
POLL = 0.5
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@dataclass(frozen=True, slots=True)
class Held:
    """A lease that this process holds, unless `fence` says otherwise."""

    name: str
    token: int

    def fence(self) -> None:
        """Make sure that we still hold it until the end of the current transaction.

        Raise LeaseLost when another has taken it.
        """
        if not self.beat():
            raise LeaseLost(
                f"the lease {self.name!r} was taken over while this process held it "
                "(it was suspended, or cut off from the database): nothing more is recorded"
            )

    def beat(self) -> bool:
        """Show that this process lives; give whether the lease is still its own."""
        mine = Lease.objects.filter(name=self.name, token=self.token)
        return bool(mine.update(beat=F("beat") + 1, beat_at=timezone.now()))


@contextmanager
def hold(
    name: str, *, time_to_live: float = TIME_TO_LIVE, heartbeat: float = HEARTBEAT
) -> Iterator[Held]:
    """Hold the lease `name` for the length of the block.

    A holder whose heart has stopped is waited for and followed after `time_to_live` seconds; raise
    LeaseHeld as soon as the holder shows that it lives.
    """
    held = _acquire(name, time_to_live)
    stop = threading.Event()
    thread = threading.Thread(
        target=_keep_beating, args=(held, stop, heartbeat), name=f"lease-{name}", daemon=True
    )
    thread.start()
    try:
        yield held
    finally:
        stop.set()
        thread.join()
        Lease.objects.filter(name=name, token=held.token).update(holder="")


def _acquire(name: str, time_to_live: float) -> Held:
    row, _ = Lease.objects.get_or_create(name=name)
    seen = (row.token, row.beat)
    seen_at = time.clock_gettime(_CLOCK)
    while row.holder:
        if (row.token, row.beat) != seen:
            raise LeaseHeld(
                f"{name}: held by process {row.pid} on {row.host} since "
                f"{row.held_since:%Y-%m-%d %H:%M:%S} UTC; its last heartbeat is of "
                f"{row.beat_at:%H:%M:%S} UTC"
            )
        if time.clock_gettime(_CLOCK) - seen_at >= time_to_live:
            logger.warning("%s: process %s on %s is dead, following it", name, row.pid, row.host)
            break
        time.sleep(POLL)
        row = Lease.objects.get(name=name)
    now = timezone.now()
    taken = Lease.objects.filter(
        name=name, token=row.token, beat=row.beat, holder=row.holder
    ).update(
        token=row.token + 1,
        beat=0,
        holder=uuid4().hex,
        host=socket.gethostname(),
        pid=os.getpid(),
        held_since=now,
        beat_at=now,
    )
    if not taken:
        raise LeaseHeld(f"{name}: another process took the lease at the same moment")
    return Held(name, row.token + 1)


def _keep_beating(held: Held, stop: threading.Event, heartbeat: float) -> None:
    try:
        while not stop.wait(heartbeat):
            try:
                if not held.beat():
                    logger.error("%s: the lease was taken over by another process", held.name)
                    return
            except DatabaseError as error:
                logger.warning("%s: no heartbeat, the database says: %s", held.name, error)
                connection.close()
    finally:
        connection.close()
