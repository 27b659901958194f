"""Another holder of a lease, at work while a command wants it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from scanner import lease

PATIENCE = 60.0


@contextmanager
def lease_held_elsewhere(name: str = "scan") -> Iterator[None]:
    """Have another thread, on its own connection, hold a lease for the length of the block."""
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with lease.hold(name, heartbeat=0.05):
                held.set()
                done.wait(PATIENCE)
        finally:
            connection.close()

    rival = threading.Thread(target=hold)
    rival.start()
    try:
        assert held.wait(PATIENCE)
        yield
    finally:
        done.set()
        rival.join()
