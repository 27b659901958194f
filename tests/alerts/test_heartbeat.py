import logging

import pytest
from pytest_django import Settings

from scanner.alerts import heartbeat
from scanner.errors import DepositRootUnavailable, LeaseHeld
from tests.alerts.dripping import dripping
from tests.alerts.servers import (  # noqa: F401 - `web_server`
    WebServer,
    refusing_port,
    web_server_fixture,
)
from tests.process import PATIENCE

SECONDS = 2 * PATIENCE


@pytest.fixture
def beaten(web_server: WebServer, settings: Settings) -> WebServer:
    """Give a server that HEARTBEAT_URL names, with a path that is a secret."""
    settings.HEARTBEAT_URL = web_server.url("/t0k3n")
    return web_server


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == heartbeat.__name__ and record.levelno >= logging.WARNING
    ]


@pytest.mark.parametrize(
    ("path", "good", "called"),
    [
        ("/ping/t0k3n", True, "/ping/t0k3n"),
        ("/ping/t0k3n", False, "/ping/t0k3n/fail"),
        ("/ping/t0k3n/", True, "/ping/t0k3n/"),
        ("/ping/t0k3n/", False, "/ping/t0k3n/fail"),
        ("", False, "/fail"),
        ("/ping?key=t0k3n&a=b", True, "/ping?key=t0k3n&a=b"),
        ("/ping?key=t0k3n&a=b", False, "/ping/fail?key=t0k3n&a=b"),
    ],
)
def test_the_address_is_called_with_its_query(
    web_server: WebServer, settings: Settings, path: str, good: bool, called: str
) -> None:
    settings.HEARTBEAT_URL = web_server.url(path)
    heartbeat.ping(good=good, seconds=SECONDS)
    (request,) = web_server.requests
    assert (request.method, request.path, request.body) == ("GET", called, b"")


def test_it_may_be_a_private_address_for_it_is_the_operator_s_own(
    beaten: WebServer, settings: Settings
) -> None:
    settings.ALERT_ALLOW_PRIVATE = False
    heartbeat.ping(good=True, seconds=SECONDS)
    assert beaten.paths() == ["/t0k3n"]


def test_without_an_address_nothing_happens(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.HEARTBEAT_URL = ""
    heartbeat.ping(good=True)
    assert not warnings(caplog)


def test_it_is_tried_twice_and_then_logged_without_what_is_secret(
    beaten: WebServer, caplog: pytest.LogCaptureFixture
) -> None:
    beaten.answer(500, b"no t0k3n")
    heartbeat.ping(good=False, seconds=SECONDS)
    assert beaten.paths() == ["/t0k3n/fail", "/t0k3n/fail"]
    first, second = warnings(caplog)
    assert "127.0.0.1" in first
    assert "500" in second
    assert "t0k3n" not in caplog.text


def test_a_second_try_that_succeeds_is_the_last(
    beaten: WebServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    beaten.answer(503)
    monkeypatch.setattr(heartbeat, "sleep", lambda _: beaten.answer(200))
    heartbeat.ping(good=True, seconds=SECONDS)
    assert beaten.paths() == ["/t0k3n", "/t0k3n"]
    assert len(warnings(caplog)) == 1


def test_a_server_that_hangs_is_left(beaten: WebServer, caplog: pytest.LogCaptureFixture) -> None:
    beaten.hang()
    heartbeat.ping(good=True, seconds=3)
    assert len(warnings(caplog)) == heartbeat.TRIES
    assert "t0k3n" not in caplog.text


def test_a_server_that_drips_is_left(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    with dripping() as server:
        settings.HEARTBEAT_URL = f"http://127.0.0.1:{server.port}/t0k3n"
        heartbeat.ping(good=True, seconds=3)
    assert len(warnings(caplog)) == heartbeat.TRIES


@pytest.mark.parametrize("address", ["http://127.0.0.1:{port}/", "http://[/t0k3n", "t0k3n"])
def test_nothing_is_ever_raised(
    settings: Settings, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    with refusing_port() as port:
        settings.HEARTBEAT_URL = address.format(port=port)
        heartbeat.ping(good=False, seconds=SECONDS)
    assert warnings(caplog)
    assert "t0k3n" not in caplog.text


def scan(*, whole: bool, error: Exception | None = None) -> None:
    with heartbeat.after(whole=whole):
        if error is not None:
            raise error


def test_a_good_scan_of_all_agents_is_told(beaten: WebServer) -> None:
    scan(whole=True)
    assert beaten.paths() == ["/t0k3n"]


def test_a_scan_of_some_agents_says_nothing_of_the_whole(beaten: WebServer) -> None:
    scan(whole=False)
    with pytest.raises(DepositRootUnavailable):
        scan(whole=False, error=DepositRootUnavailable("away"))
    assert not beaten.requests


def test_a_failed_scan_is_told_and_fails_as_before(beaten: WebServer) -> None:
    with pytest.raises(DepositRootUnavailable):
        scan(whole=True, error=DepositRootUnavailable("away"))
    assert beaten.paths() == ["/t0k3n/fail"]


def test_a_scan_that_another_one_kept_from_running_says_nothing(beaten: WebServer) -> None:
    with pytest.raises(LeaseHeld):
        scan(whole=True, error=LeaseHeld("another scan runs"))
    assert not beaten.requests
