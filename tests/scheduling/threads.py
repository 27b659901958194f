"""What other threads do: waited for as such, never for a time."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections
from django.db.backends.signals import connection_created

from tests.process import PATIENCE


def eventually(condition: Callable[[], bool]) -> None:
    """Return as soon as the condition holds; fail when it never does."""
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up, "it never came about"
        time.sleep(0.01)


def thread_for(work: Callable[[], object]) -> threading.Thread:
    """Give a thread, not started yet, that does something and keeps no connection after it."""

    def body() -> None:
        try:
            work()
        finally:
            connections.close_all()

    return threading.Thread(target=body)


class Gate:
    """Where another thread waits until it is let through."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._open = threading.Event()

    def pass_through(self) -> None:
        self._reached.set()
        assert self._open.wait(PATIENCE)

    def wait_until_reached(self) -> None:
        assert self._reached.wait(PATIENCE)

    def open(self) -> None:
        self._open.set()


@contextmanager
def connections_of_threads() -> Iterator[list[tuple[str, Any]]]:
    """Collect the connections that other threads open, each with the name of its thread."""
    opened: list[tuple[str, Any]] = []
    me = threading.current_thread()

    def note(connection: Any, **_: object) -> None:
        if threading.current_thread() is not me:
            opened.append((threading.current_thread().name, connection))

    connection_created.connect(note, weak=False)
    try:
        yield opened
    finally:
        connection_created.disconnect(note)
