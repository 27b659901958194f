import logging

import pytest
from django.core import mail as django_mail
from pytest_django import Settings

from scanner.alerts.channels import hand_over, masked_address, problems_of
from scanner.alerts.message import Message
from scanner.errors import ChannelError
from scanner.models import Channel
from tests.alerts.servers import WebServer, web_server_fixture  # noqa: F401 - `web_server`

SECRET = "a secret of a webhook"
MESSAGE = Message("A subject", "A text", "<p>A text</p>", {"id": "7"})


def channel(kind: str, address: str = "", *, secret: str = "", is_builtin: bool = False) -> Channel:
    return Channel(
        name="site", kind=kind, address=address, secret=secret, is_builtin=is_builtin, pk=1
    )


def test_mail_goes_to_the_recipient_and_not_to_the_channel_s_whole_address() -> None:
    mail = channel("email", "ops@example.com, dba@example.com")
    hand_over(mail, "dba@example.com", MESSAGE)
    assert [sent.to for sent in django_mail.outbox] == [["dba@example.com"]]


def test_the_channel_that_is_built_in_sends_mail() -> None:
    hand_over(channel("email", is_builtin=True), "dba@example.com", MESSAGE)
    assert [sent.subject for sent in django_mail.outbox] == ["A subject"]


def test_a_webhook_and_apprise_go_to_the_channel_s_address(
    web_server: WebServer, settings: Settings
) -> None:
    settings.ALERT_ALLOW_PRIVATE = True
    hand_over(channel("webhook", web_server.url("/hook"), secret=SECRET), "", MESSAGE)
    hand_over(channel("apprise", f"json://127.0.0.1:{web_server.port}/apprise"), "", MESSAGE)
    assert web_server.paths() == ["/hook", "/apprise"]


@pytest.mark.parametrize(
    ("kind", "address"),
    [("webhook", "https://localhost:1/T0K3N"), ("apprise", "json://user:T0K3N@localhost:1/")],
)
def test_private_addresses_are_refused_unless_the_settings_allow_them(
    kind: str, address: str
) -> None:
    with pytest.raises(ChannelError, match="not a public one") as caught:
        hand_over(channel(kind, address, secret=SECRET), "", MESSAGE)
    assert "T0K3N" not in repr(caught.value)


@pytest.mark.parametrize("kind", ["webhook", "apprise"])
def test_a_channel_that_hangs_is_left_when_its_time_is_over(
    kind: str, web_server: WebServer, settings: Settings
) -> None:
    settings.ALERT_ALLOW_PRIVATE = True
    web_server.hang()
    scheme = {"webhook": "http", "apprise": "json"}[kind]
    one = channel(kind, f"{scheme}://127.0.0.1:{web_server.port}/", secret=SECRET)
    with pytest.raises(ChannelError, match="within") as caught:
        hand_over(one, "", MESSAGE, seconds=1)
    assert caught.value.is_down


def test_nothing_is_logged_of_an_address_or_a_secret(
    web_server: WebServer, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.ALERT_ALLOW_PRIVATE = True
    web_server.answer(500, b"T0K3N")
    caplog.set_level(logging.DEBUG)
    for one in (
        channel("webhook", web_server.url("/T0K3N"), secret=SECRET),
        channel("apprise", f"json://user:T0K3N@127.0.0.1:{web_server.port}/T0K3N"),
    ):
        with pytest.raises(ChannelError):
            hand_over(one, "", MESSAGE)
        assert "T0K3N" not in f"{one} {one!r}"
    assert len(web_server.requests) == 2
    assert "T0K3N" not in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("kind", "address", "fields"),
    [
        ("email", "ops@example.com", set()),
        ("email", "ops@example.com, dba@example.com;\n night@example.com", set()),
        ("email", "", {"address"}),
        ("email", " , ", {"address"}),
        ("email", "ops@example.com, dba", {"address"}),
        ("email", f"{'o' * 60}@{'.'.join(['example' * 5] * 6)}.com", {"address"}),
        ("apprise", "ntfy://topic", set()),
        ("apprise", "syslog://", {"address"}),
        ("webhook", "https://hooks.example.com/", {"secret"}),
    ],
)
def test_what_is_wrong_with_a_channel_is_told_by_field(
    kind: str, address: str, fields: set[str]
) -> None:
    assert set(problems_of(channel(kind, address))) == fields


def test_the_channel_that_is_built_in_needs_no_address() -> None:
    assert problems_of(channel("email", is_builtin=True)) == {}


@pytest.mark.parametrize(
    ("kind", "address", "masked"),
    [
        ("email", "ops@example.com, dba@example.com", "ops@example.com, dba@example.com"),
        ("email", "", ""),
        ("webhook", "https://hooks.example.com/T0K3N?key=va1ue", "https://hooks.example.com/…"),
        ("webhook", "https://user:T0K3N@hooks.example.com:8443/", "https://hooks.example.com/…"),
        ("webhook", "https://[::1", "https://…"),
        ("webhook", "T0K3N", "…"),
        ("webhook", "", ""),
        ("apprise", "slack://T0K3N/T0K3N/T0K3N", "slack://…"),
        ("apprise", " TGRAM://123:T0K3N/1", "TGRAM://…"),
        ("apprise", "https://hooks.slack.com/services/T0K3N", "https://…"),
        ("apprise", "T0K3N:T0K3N", "…"),
        ("apprise", "not a scheme://T0K3N", "…"),
    ],
)
def test_a_masked_address_shows_where_to_and_not_how(kind: str, address: str, masked: str) -> None:
    assert masked_address(channel(kind, address)) == masked
