"""Mail by SMTP whose conversation another thread can end, whatever the server is doing.

A time-out of SMTP bounds each read, not the whole: a server that drips one byte after the other
holds a conversation open for hours.
"""

import smtplib
import socket
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import Any, cast

from django.core.mail.backends import smtp


class _Line:
    """A handle of the connection, by which any thread may end it, even in the middle of TLS."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._handle: socket.socket | None = None
        self._is_ended = False

    def hold(self, connection: socket.socket) -> None:
        """Take a handle; raise TimeoutError when the conversation was ended before it began."""
        with self._lock:
            if self._is_ended:
                connection.close()
                raise TimeoutError("ended before it began")
            self._close()
            # A duplicate: TLS takes the descriptor away from the socket that is given here.
            self._handle = connection.dup()

    def end(self) -> None:
        with self._lock:
            self._is_ended = True
            if self._handle is not None:
                with suppress(OSError):
                    self._handle.shutdown(socket.SHUT_RDWR)
            self._close()

    def let_go(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None


class _Smtp(smtplib.SMTP):
    def __init__(self, line: _Line, *arguments: Any, **options: Any) -> None:
        self._line = line
        super().__init__(*arguments, **options)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        # smtplib lets SMTP_SSL put its TLS around what this gives.
        connection: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        self._line.hold(connection)
        return connection


class _SmtpInTls(smtplib.SMTP_SSL, _Smtp):
    """The same, in TLS from the beginning: by its bases' order _Smtp makes the connection."""

    def __init__(self, line: _Line, *arguments: Any, **options: Any) -> None:
        self._line = line
        smtplib.SMTP_SSL.__init__(self, *arguments, **options)


class EmailBackend(smtp.EmailBackend):
    """Django's own, with `abandon`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._line = _Line()

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        """What Django makes a connection with."""
        made = partial(_SmtpInTls if self.use_ssl else _Smtp, self._line)
        return cast("type[smtplib.SMTP]", made)

    def open(self) -> bool | None:
        """Connect as Django does."""
        try:
            return super().open()
        except BaseException:
            self._line.let_go()
            raise

    def close(self) -> None:
        """Say goodbye as Django does."""
        try:
            super().close()
        finally:
            self._line.let_go()

    def abandon(self) -> None:
        """End the conversation now, and never begin another; for any thread."""
        self._line.end()
