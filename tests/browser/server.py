"""The site, served by threads of this process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pytest_django.live_server_helper import LiveServer

PATIENCE = 30.0


@contextmanager
def served() -> Iterator[str]:
    """Serve the site during the block; give its address."""
    before = set(threading.enumerate())
    server = LiveServer("127.0.0.1")
    yield server.url
    server.stop()
    # A request that is still answered would meet the tables while they are emptied.
    for thread in set(threading.enumerate()) - before:
        if "process_request_thread" in thread.name:
            thread.join(PATIENCE)
