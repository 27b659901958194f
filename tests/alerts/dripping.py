"""A server that never ends its answer: one byte after the other, each well within a time-out."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tests.process import PATIENCE

PAUSE_SECONDS = 0.05


@dataclass
class Dripping:
    """Such a server: its port, and how often somebody came."""

    port: int
    visits: int = 0


@contextmanager
def dripping(beginning: bytes = b"", byte: bytes = b"2") -> Iterator[Dripping]:
    """Give a server that answers everybody with `beginning` and then with bytes without end.

    With no `byte` it is silent after the beginning.
    """
    ended = threading.Event()
    threads: list[threading.Thread] = []

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.sendall(beginning)
            while not ended.wait(PAUSE_SECONDS):
                connection.sendall(byte)

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            if ended.is_set():
                connection.close()
                return
            server.visits += 1
            threads.append(threading.Thread(target=answer, args=(connection,)))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Dripping(listener.getsockname()[1])
        threads.append(threading.Thread(target=serve))
        threads[0].start()
        try:
            yield server
        finally:
            ended.set()
            socket.create_connection(("127.0.0.1", server.port)).close()
            for thread in threads:
                thread.join(PATIENCE)
                assert not thread.is_alive()
