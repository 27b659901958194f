"""Sending a test through a channel, to real servers."""

import pytest
from pytest_django import Settings

from scanner.alerts import testing
from scanner.models import Channel
from tests.alerts.rows import builtin, make_channel
from tests.alerts.servers import (  # noqa: F401 - fixtures
    MailServer,
    mail_server_fixture,
    refusing_port,
    send_mail_to,
    smtp_settings_fixture,
)
from tests.scanning import NOW

pytestmark = pytest.mark.django_db

THREE = "a@example.com, b@example.com, c@example.com"


@pytest.mark.usefixtures("smtp_settings")
def test_each_recipient_is_sent_one_of_his_own(mail_server: MailServer) -> None:
    channel = make_channel(address=THREE)
    results = testing.send_test(channel, now=NOW)
    assert [(one.recipient, one.error) for one in results] == [
        ("a@example.com", ""),
        ("b@example.com", ""),
        ("c@example.com", ""),
    ]
    assert [len(mail.recipients) for mail in mail_server.mails] == [1, 1, 1]
    stored = Channel.objects.get(pk=channel.pk)
    assert (stored.tested_at, stored.test_error) == (NOW, "")


@pytest.mark.usefixtures("smtp_settings")
def test_one_that_is_refused_keeps_none_of_the_others_from_getting_theirs(
    mail_server: MailServer,
) -> None:
    mail_server.reject("a@example.com")
    channel = make_channel(address=THREE)
    results = testing.send_test(channel, now=NOW)
    assert [bool(one.error) for one in results] == [True, False, False]
    stored = Channel.objects.get(pk=channel.pk)
    assert stored.test_error.startswith("a@example.com: ")
    assert "550" in stored.test_error


def test_a_server_that_cannot_be_reached_is_tried_once(settings: Settings) -> None:
    channel = make_channel(address=THREE)
    with refusing_port() as port:
        send_mail_to(settings, port)
        first, *others = testing.send_test(channel, now=NOW)
    assert first.error
    assert {one.error for one in others} == {"It was not tried, as the channel cannot be reached."}
    assert Channel.objects.get(pk=channel.pk).test_error.count("\n") == 2


@pytest.mark.usefixtures("smtp_settings")
def test_the_one_that_is_built_in_is_not_proven_by_reaching_nobody(settings: Settings) -> None:
    settings.ADMIN_EMAIL_RECIPIENTS = []
    assert testing.send_test(builtin(), now=NOW) == []
    assert "ADMIN_EMAIL_RECIPIENTS" in builtin().test_error
    settings.ADMIN_EMAIL_RECIPIENTS = ["Admin@example.com"]
    assert [one.recipient for one in testing.send_test(builtin(), now=NOW)] == ["admin@example.com"]
    assert builtin().test_error == ""


def test_what_a_test_meets_tells_nothing_of_what_opens_the_channel() -> None:
    hook = make_channel("hook", "webhook", address="https://127.0.0.1:9/PATHTOKEN", secret="k" * 20)
    chat = make_channel("chat", "apprise", address="json://127.0.0.1:9/PATHTOKEN")
    for channel in (hook, chat):
        [result] = testing.send_test(channel, now=NOW)
        assert result.error
        assert "TOKEN" not in result.error
        assert "TOKEN" not in Channel.objects.get(pk=channel.pk).test_error
