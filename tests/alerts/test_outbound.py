"""Calls by a process of its own: what is reached, what is told of a failure, what stays behind."""

import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from scanner.alerts.channels import guarded, outbound
from scanner.errors import ChannelError
from tests.alerts.dripping import dripping
from tests.alerts.servers import (  # noqa: F401 - `web_server`
    WebServer,
    refusing_port,
    web_server_fixture,
)
from tests.process import PATIENCE

PROGRAM = Path(guarded.__file__)


def order(url: str, **other: Any) -> dict[str, Any]:
    return {"kind": "webhook", "method": "POST", "url": url, "headers": {}, "body": "{}"} | other


def error_of(
    url: str, *, may_be_private: bool | None = True, seconds: float = PATIENCE, **other: Any
) -> ChannelError:
    with pytest.raises(ChannelError) as caught:
        outbound.call(
            order(url, **other), hidden=(url,), seconds=seconds, may_be_private=may_be_private
        )
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return caught.value


def children() -> list[Path]:
    """Give the processes of that program that this one has started."""

    def is_one(process: Path) -> bool:
        try:
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
            return int(parent) == os.getpid() and PROGRAM.name in _words(process / "cmdline")
        except OSError:  # it has just ended
            return False

    return [process for process in Path("/proc").glob("[0-9]*") if is_one(process)]


def _words(file: Path) -> str:
    return file.read_bytes().replace(b"\0", b" ").decode()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        socket.gethostname(),
        "0.0.0.0",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::]",
        "169.254.169.254",
        "10.255.255.1",
        "[fd00::1]",
    ],
)
def test_an_address_that_is_not_public_is_refused_however_it_is_written(
    web_server: WebServer, host: str
) -> None:
    url = f"https://{host}:{web_server.port}/hook"
    error = error_of(url, may_be_private=False)
    assert "not a public one" in str(error)
    assert error.is_down
    assert not web_server.requests


def test_it_may_be_reached_when_the_settings_say_so(
    web_server: WebServer, settings: Settings
) -> None:
    settings.ALERT_ALLOW_PRIVATE = True
    outbound.call(order(web_server.url()), hidden=(), seconds=PATIENCE)
    settings.ALERT_ALLOW_PRIVATE = False
    assert "https://" in str(error_of(web_server.url(), may_be_private=None))
    assert web_server.paths() == ["/hook"]


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECRET_KEY", "DATABASE_URL", "EMAIL_URL"):
        monkeypatch.setenv(name, "s3cret-of-the-server")
    monkeypatch.setenv("HTTPS_PROXY", "http://s3cret-proxy.example.com")


def test_what_it_is_told_and_what_the_server_knows_stands_in_no_list_of_processes(
    web_server: WebServer, secrets: None
) -> None:
    web_server.hang()
    url = web_server.url("/s3cret-path")
    given = order(url, headers={"X-Signature": "s3cret-header"}, body="s3cret-body")
    call = threading.Thread(
        target=outbound.call,
        args=(given,),
        kwargs={"hidden": (url,), "seconds": PATIENCE, "may_be_private": True},
    )
    call.start()
    while not web_server.requests:
        time.sleep(0.01)
    (child,) = children()
    assert "s3cret" not in _words(child / "cmdline")
    environment = _words(child / "environ")
    assert "s3cret-of-the-server" not in environment
    assert f"NETRC={os.devnull}" in environment
    web_server.go_on()
    call.join(PATIENCE)
    assert not call.is_alive()
    assert web_server.requests[0].headers["x-signature"] == "s3cret-header"


def test_a_proxy_is_known_only_where_private_addresses_are_allowed(secrets: None) -> None:
    assert "HTTPS_PROXY" not in outbound._environment(proxies=False)
    assert "HTTPS_PROXY" in outbound._environment(proxies=True)


def test_a_server_that_hangs_is_left_and_no_process_stays(web_server: WebServer) -> None:
    web_server.hang()
    error = error_of(web_server.url(), seconds=2)
    assert error.is_down
    assert "no answer within 2 seconds" in str(error)
    assert not children()


@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 500 No\r\nContent-Length: 4000\r\n\r\n"])
def test_a_server_that_drips_is_left_and_no_process_stays(beginning: bytes) -> None:
    with dripping(beginning) as server:
        error = error_of(f"http://127.0.0.1:{server.port}/", seconds=2)
    assert error.is_down
    assert "no answer within 2 seconds" in str(error)
    assert not children()


def test_an_answer_without_end_does_not_fill_the_memory() -> None:
    endless = b"HTTP/1.1 400 No\r\n\r\n" + b"no" * 10_000
    with dripping(endless, b"no" * 10_000) as server:
        error = error_of(f"http://127.0.0.1:{server.port}/")
    assert "400" in str(error)
    assert len(str(error)) < 400


def test_a_process_that_ends_without_an_answer_is_a_failure() -> None:
    with pytest.raises(ChannelError, match="without an answer"):
        outbound.call({}, hidden=(), seconds=PATIENCE, may_be_private=True)


def test_a_process_that_cannot_be_started_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    error = error_of("https://example.com/")
    assert error.is_down
    assert "could not be started" in str(error)


def test_each_outcome_has_words_of_its_own() -> None:
    outcomes = [outcome for outcome in guarded.OUTCOMES if outcome != "taken"]
    words = {outbound._words(outcome, 500, "detail") for outcome in outcomes}
    assert len(words) == len(outcomes)


@pytest.mark.parametrize(
    ("url", "words", "shown"),
    [
        ("https://h.example.com/T0K3N/x?key=va1ue", "at /T0K3N: key=va1ue", "at /…: key=…"),
        ("https://h.example.com/T0K3N", "h.example.com knows no t0k3n", "h.example.com knows no …"),
        ("https://user:pass%2Fword@h.example.com/", "pass/word, pass%2fword", "…, …"),
        ("slack://T0K3N-a/T0K3N-b/", "slack: T0K3N-a/T0K3N-b", "slack: …/…"),
        ("tgram://123456789:ABC_def/987/", "bot123456789:ABC_def", "bot…:…"),
        ("json://user:s3cret@host.example.com", "Basic dXNlcjpzM2NyZXQ=", "Basic …="),
        ("", "nothing is hidden", "nothing is hidden"),
    ],
)
def test_no_part_of_a_hidden_address_is_shown(url: str, words: str, shown: str) -> None:
    assert outbound.shown(words, [url]) == shown


def test_a_secret_is_taken_out_before_words_are_cut() -> None:
    words = "x" * (outbound.LONGEST_DETAIL - 4) + "s3cret-s3cret"
    assert "s3c" not in outbound.shown(words, ["s3cret-s3cret"])


def test_nobody_there_is_told_without_the_address() -> None:
    with refusing_port() as port:
        error = error_of(f"http://127.0.0.1:{port}/s3cret-path")
    assert error.is_down
    assert str(error) == "The server cannot be reached: Connection refused"
