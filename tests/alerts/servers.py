"""A mail server and an HTTP server of the test: real ones, that behave as badly as they are told.

Tests import the fixtures that they use:

    from tests.alerts.servers import MailServer, mail_server_fixture  # noqa: F401 - `mail_server`
"""

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import django
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from pytest_django import Settings

from backupmonitor.mail import SMTP_BACKEND, mailer
from tests.process import PATIENCE

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as a server has taken it: who it was to, by its envelope, and what it was."""

    recipients: tuple[str, ...]
    message: EmailMessage

    @property
    def subject(self) -> str:
        return str(self.message["Subject"]).strip()

    @property
    def message_id(self) -> str:
        return str(self.message["Message-ID"])

    def body(self, kind: str = "plain") -> str:
        """Give its text, or with "html" that part of it."""
        part = self.message.get_body((kind,))
        assert part is not None
        return str(part.get_content())


class MailServer:
    """A server that takes mail until it is told otherwise; a thread of its own works for it."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        # The answers to RCPT TO other than a good one, by the address in lower case.
        self.answers: dict[str, str] = {}
        # The answer to DATA other than a good one; what is so answered is not taken.
        self.answer_to_data = ""
        # Whether a mail is taken and the client is cut off before it hears so.
        self.cuts_off = False
        self.sessions = 0
        self.port = 0
        self._clients: set[_Client] = set()
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="mail")
        self._thread.start()
        assert self._started.wait(PATIENCE)

    def reject(self, *addresses: str) -> None:
        """Refuse these recipients for good, from now on."""
        self.answers |= {address.lower(): "550 5.1.1 No such user here" for address in addresses}

    def hang(self) -> None:
        """Answer nothing to who connects from now on, nor to those who are connected."""
        self._on_loop(self._set_hanging(hanging=True))

    def go_on(self) -> None:
        """Answer again, also those who are still waiting."""
        self._on_loop(self._set_hanging(hanging=False))

    def refuse_connections(self) -> None:
        """Close the door; the port stays the same for `accept_connections`."""
        self._on_loop(self._close_door())

    def accept_connections(self) -> None:
        self._on_loop(self._open_door())

    def close(self) -> None:
        """Cut everybody off, and wait for the end of the thread."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def message_ids(self) -> list[str]:
        """Give the Message-IDs of what it has taken, in that order."""
        return [mail.message_id for mail in tuple(self.mails)]

    def to(self, address: str) -> list[Mail]:
        """Give the mails that this address got."""
        return [mail for mail in tuple(self.mails) if address in mail.recipients]

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended, self._going = asyncio.Event(), asyncio.Event()
        self._going.set()
        await self._open_door()
        self._started.set()
        await self._ended.wait()
        await self._close_door()
        for client in tuple(self._clients):
            client.cut_off()
        while self._clients:  # noqa: ASYNC110 - each goes by itself, in its own turn
            await asyncio.sleep(0)

    async def _open_door(self) -> None:
        self._door = await self._loop.create_server(lambda: _Client(self), HOST, self.port)
        self.port = self._door.sockets[0].getsockname()[1]

    async def _close_door(self) -> None:
        self._door.close()

    async def _set_hanging(self, *, hanging: bool) -> None:
        if hanging:
            self._going.clear()
        else:
            self._going.set()

    def _on_loop(self, work: Awaitable[None]) -> None:
        async def done() -> None:
            await work

        asyncio.run_coroutine_threadsafe(done(), self._loop).result(PATIENCE)

    # What aiosmtpd calls for each thing that a client says.

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self,
        server: SMTP,  # noqa: ARG002
        session: Session,
        envelope: Envelope,  # noqa: ARG002
        hostname: str,
        answers: list[str],
    ) -> list[str]:
        await self._going.wait()
        self.sessions += 1
        session.host_name = hostname
        return answers

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self,
        server: SMTP,  # noqa: ARG002
        session: Session,  # noqa: ARG002
        envelope: Envelope,
        address: str,
        options: list[str],  # noqa: ARG002
    ) -> str:
        await self._going.wait()
        if refusal := self.answers.get(address.lower()):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self,
        server: SMTP,
        session: Session,  # noqa: ARG002
        envelope: Envelope,
    ) -> str:
        await self._going.wait()
        if self.answer_to_data:
            return self.answer_to_data
        content = envelope.content
        assert isinstance(content, bytes)
        message = message_from_bytes(content, policy=policy.default)
        self.mails.append(Mail(tuple(envelope.rcpt_tos), message))
        if self.cuts_off:
            cast(_Client, server).cut_off()
        return "250 OK"


class _Client(SMTP):
    """One connection to the mail server."""

    def __init__(self, server: MailServer) -> None:
        self._of = server
        super().__init__(server, hostname="mail.test", loop=server._loop)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._of._clients.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._of._clients.discard(self)
        super().connection_lost(error)

    def cut_off(self) -> None:
        if self.transport is not None:
            cast(asyncio.Transport, self.transport).abort()


@dataclass(frozen=True, slots=True)
class Request:
    """One request as a server has read it; the names of `headers` are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        """Give the body as JSON tells it."""
        return json.loads(self.body)


@dataclass
class _Behaviour:
    status: int = 200
    location: str = ""
    body: bytes = b"ok"
    cuts_off: bool = False
    going: threading.Event = field(default_factory=threading.Event)


class WebServer:
    """A server that notes each request and answers 200 until it is told otherwise."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._behaviour = _Behaviour()
        self._behaviour.going.set()
        self._open: set[socket.socket] = set()
        self._server = _Listener((HOST, 0), self)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, name="web"
        )
        self._thread.start()

    def url(self, path: str = "/hook", host: str = HOST) -> str:
        return f"http://{host}:{self.port}{path}"

    def answer(self, status: int, body: bytes = b"") -> None:
        """Answer so from now on."""
        self._behaviour.status, self._behaviour.body = status, body
        self._behaviour.location = ""

    def redirect(self, location: str, status: int = 302) -> None:
        """Send everybody to another address from now on."""
        self.answer(status)
        self._behaviour.location = location

    def hang(self) -> None:
        """Read and note each request, and answer nothing."""
        self._behaviour.going.clear()

    def go_on(self) -> None:
        """Answer again, also those who are still waiting."""
        self._behaviour.going.set()

    def cut_off(self) -> None:
        """Note each request, and close the connection before the answer."""
        self._behaviour.cuts_off = True

    def close(self) -> None:
        """Let go of everybody, and wait for the end of all threads."""
        self._server.shutdown()
        self._thread.join(PATIENCE)
        self.go_on()
        for connection in tuple(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        assert not self._thread.is_alive()

    def paths(self) -> list[str]:
        """Give the paths of all requests, in their order."""
        return [request.path for request in tuple(self.requests)]

    def take(self, request: Request) -> _Behaviour:
        """Note a request; give how to answer it."""
        self.requests.append(request)
        behaviour = self._behaviour
        assert behaviour.going.wait(PATIENCE)
        return behaviour


class _Listener(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for each of them
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], of: WebServer) -> None:
        self.of = of
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.of._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.of._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet: a client that went away is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    timeout = PATIENCE

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(length)
        if len(body) < length:
            return  # who sent it was killed on the way
        behaviour = self.server.of.take(Request(self.command, self.path, headers, body))
        if behaviour.cuts_off:
            return
        self.send_response(behaviour.status)
        if behaviour.location:
            self.send_header("Location", behaviour.location)
        self.send_header("Content-Length", str(len(behaviour.body)))
        self.end_headers()
        self.wfile.write(behaviour.body)

    do_GET = do_POST = do_PUT = _answer  # noqa: N815 - their names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        """Say nothing."""


@contextmanager
def mail_servers(count: int = 1) -> Iterator[list[MailServer]]:
    """Give so many mail servers for the length of the block."""
    servers = [MailServer() for _ in range(count)]
    try:
        yield servers
    finally:
        _close(servers)


@contextmanager
def web_servers(count: int = 1) -> Iterator[list[WebServer]]:
    """Give so many HTTP servers for the length of the block."""
    servers = [WebServer() for _ in range(count)]
    try:
        yield servers
    finally:
        _close(servers)


def _close(servers: Iterable[MailServer | WebServer]) -> None:
    for server in servers:
        server.close()


@contextmanager
def refusing_port() -> Iterator[int]:
    """Give a port of this machine at which every connection is refused."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        yield taken.getsockname()[1]


def send_mail_to(settings: Settings, port: int, *, timeout: float = 10.0) -> None:
    """Let Django's mail leave by the server at this port, in the settings of whichever Django."""
    options: dict[str, Any] = {
        "EMAIL_BACKEND": SMTP_BACKEND,
        "EMAIL_HOST": HOST,
        "EMAIL_PORT": port,
        "EMAIL_HOST_USER": "",
        "EMAIL_HOST_PASSWORD": "",
        "EMAIL_USE_TLS": False,
        "EMAIL_USE_SSL": False,
        "EMAIL_TIMEOUT": timeout,
    }
    send_mail_by(settings, options)


def send_mail_by(settings: Settings, options: dict[str, Any]) -> None:
    """Put these EMAIL_* settings in force, in whichever Django."""
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": mailer(options)}
        return
    for name, value in options.items():
        setattr(settings, name, value)


@pytest.fixture(name="mail_server")
def mail_server_fixture() -> Iterator[MailServer]:
    """Give a mail server that nothing is sent to yet."""
    with mail_servers() as servers:
        yield servers[0]


@pytest.fixture(name="smtp_settings")
def smtp_settings_fixture(mail_server: MailServer, settings: Settings) -> Settings:
    """Give the settings, in which mail leaves by `mail_server` (its fixture is needed, too)."""
    send_mail_to(settings, mail_server.port)
    return settings


@pytest.fixture(name="web_server")
def web_server_fixture() -> Iterator[WebServer]:
    """Give an HTTP server; channels reach it only when ALERT_ALLOW_PRIVATE is set."""
    with web_servers() as servers:
        yield servers[0]
