import hashlib
import hmac
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from scanner.alerts.channels import webhook
from scanner.alerts.message import Message
from scanner.errors import ChannelError
from tests.alerts.servers import WebServer, web_server_fixture  # noqa: F401 - `web_server`
from tests.process import PATIENCE

SECRET = "a secret of a webhook"
MESSAGE = Message(
    subject="MISSING sdmc_2023 é",
    text="Nothing arrived.",
    data={"id": "incident-7", "incidents": [{"count": 3}], "subject": "another"},
    is_problem=True,
)
DOCUMENT = Path(__file__).parents[2] / "docs" / "webhook.md"


@pytest.fixture(autouse=True)
def _private(settings: Settings) -> None:
    settings.ALERT_ALLOW_PRIVATE = True


def refusal(address: str, secret: str = SECRET) -> ChannelError:
    with pytest.raises(ChannelError) as caught:
        webhook.send(address, secret, MESSAGE, seconds=PATIENCE)
    return caught.value


def test_a_message_is_posted_as_json_with_its_words(web_server: WebServer) -> None:
    webhook.send(web_server.url("/hook?of=us"), SECRET, MESSAGE, seconds=PATIENCE)
    (request,) = web_server.requests
    assert (request.method, request.path) == ("POST", "/hook?of=us")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == "backupmonitor"
    assert request.headers["x-backupmonitor-id"] == "incident-7"
    assert request.data == {
        "id": "incident-7",
        "incidents": [{"count": 3}],
        "subject": MESSAGE.subject,
        "text": MESSAGE.text,
    }


def test_the_signature_is_of_the_time_and_of_the_bytes_that_came(web_server: WebServer) -> None:
    before = int(time.time())
    webhook.send(web_server.url(), SECRET, MESSAGE, seconds=PATIENCE)
    (request,) = web_server.requests
    stamp = request.headers["x-backupmonitor-timestamp"]
    assert before <= int(stamp) <= int(time.time())
    signed = f"{stamp}.".encode() + request.body
    digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert request.headers["x-backupmonitor-signature"] == f"sha256={digest}"


def test_the_example_of_the_document_takes_what_is_sent_and_nothing_else(
    web_server: WebServer,
) -> None:
    webhook.send(web_server.url(), SECRET, MESSAGE, seconds=PATIENCE)
    (request,) = web_server.requests
    code = re.search(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert code is not None
    names: dict[str, Any] = {}
    exec(code[1], names)
    verified = names["verified"]
    headers, body, secret = request.headers, request.body, SECRET.encode()
    at = int(headers["x-backupmonitor-timestamp"])
    assert verified(headers, body, secret, now=at + 60) == request.data
    later = str(at + 1)
    moved = headers | {"x-backupmonitor-timestamp": later}
    for refused, now in (
        ((headers, body + b" ", secret), at),
        ((headers, body, b"another secret"), at),
        ((moved, body, secret), at),
        ((headers, body, secret), at + 301),
        ((headers, body, secret), at - 301),
    ):
        with pytest.raises(ValueError, match="webhook"):
            verified(*refused, now=now)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_every_2xx_is_taken(web_server: WebServer, status: int) -> None:
    web_server.answer(status)
    webhook.send(web_server.url(), SECRET, MESSAGE, seconds=PATIENCE)
    assert web_server.paths() == ["/hook"]


@pytest.mark.parametrize("status", [400, 401, 404, 410, 429, 500, 503])
def test_everything_else_is_not_and_the_server_is_not_down(
    web_server: WebServer, status: int
) -> None:
    web_server.answer(status, b"<b>not</b>\r\n\x00\x1b[31m today")
    error = refusal(web_server.url())
    assert not error.is_down
    assert str(error) == f"The server answered {status}: <b>not</b> [31m today"


def test_an_answer_without_words_is_told_by_its_phrase(web_server: WebServer) -> None:
    web_server.answer(502)
    assert str(refusal(web_server.url())) == "The server answered 502: Bad Gateway"


def test_of_a_long_answer_only_the_beginning_is_told(web_server: WebServer) -> None:
    web_server.answer(500, b"no " * 100_000)
    assert len(str(refusal(web_server.url()))) < 400


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure_that_says_so(web_server: WebServer, status: int) -> None:
    web_server.redirect(web_server.url("/elsewhere?token=s3cret"), status)
    words = str(refusal(web_server.url()))
    assert f"The server answered {status} and leads to http://127.0.0.1/…." in words
    assert "s3cret" not in words
    assert web_server.paths() == ["/hook"]


def test_a_server_that_cuts_off_is_down(web_server: WebServer) -> None:
    web_server.cut_off()
    assert refusal(web_server.url()).is_down


def test_a_server_whose_certificate_is_none_is_down(web_server: WebServer) -> None:
    error = refusal(f"https://127.0.0.1:{web_server.port}/hook")
    assert error.is_down
    assert str(error).startswith("The server cannot be reached: ")


def test_no_secret_is_in_an_error(web_server: WebServer) -> None:
    path = "/T0K3N/path?key=va1ue"
    web_server.answer(401, f"user:p4ssw0rd dXNlcjpwNHNzdzByZA== {path} {SECRET}".encode())
    host = f"127.0.0.1:{web_server.port}"
    for error in (
        refusal(f"http://user:p4ssw0rd@{host}{path}"),
        refusal(f"https://user:p4ssw0rd@{host}{path}"),
    ):
        for part in ("p4ssw0rd", "dXNlcjpwNHNzdzByZA", "T0K3N", "va1ue", SECRET):
            assert part not in f"{error} {error!r}"


def test_plain_http_needs_the_leave_to_reach_private_addresses(
    web_server: WebServer, settings: Settings
) -> None:
    settings.ALERT_ALLOW_PRIVATE = False
    assert "https://" in str(refusal(web_server.url()))
    assert not web_server.requests


def test_without_a_secret_nothing_is_sent(web_server: WebServer) -> None:
    assert "no secret" in str(refusal(web_server.url(), secret=""))
    assert not web_server.requests


def test_a_text_that_utf_8_cannot_hold_is_sent_all_the_same(web_server: WebServer) -> None:
    webhook.send(web_server.url(), SECRET, Message("\ud800", "\ud800"), seconds=PATIENCE)
    assert json.loads(web_server.requests[0].body)["text"] == "\ud800"


LONG = "sixteen-or-longer"


@pytest.mark.parametrize(
    ("address", "secret", "private", "fields"),
    [
        ("https://hooks.example.com/backups", LONG, False, set()),
        ("https://hooks.example.com:8443/backups?a=b", LONG, False, set()),
        (" https://hooks.example.com\n", LONG, False, set()),
        ("http://hooks.example.com/backups", LONG, False, {"address"}),
        ("http://hooks.example.com/backups", LONG, True, set()),
        ("hooks.example.com/backups", LONG, False, {"address"}),
        ("ftp://hooks.example.com/backups", LONG, True, {"address"}),
        ("https://", LONG, False, {"address"}),
        ("https://[::1/", LONG, False, {"address"}),
        ("https://hooks.example.com:port/", LONG, False, {"address"}),
        ("", LONG, False, {"address"}),
        ("https://hooks.example.com/backups", "", False, {"secret"}),
        ("https://hooks.example.com/backups", "short", False, {"secret"}),
        ("", "", False, {"address", "secret"}),
    ],
)
def test_an_address_and_a_secret_that_would_not_do_are_named(
    settings: Settings, address: str, secret: str, private: bool, fields: set[str]
) -> None:
    settings.ALERT_ALLOW_PRIVATE = private
    assert set(webhook.problems_of(address, secret)) == fields
