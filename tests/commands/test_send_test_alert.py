"""The command that tries the channels."""

from io import StringIO

import pytest
from django.core.management import call_command
from pytest_django import Settings

from scanner.models import Channel
from tests.alerts.rows import builtin, make_channel
from tests.alerts.servers import (  # noqa: F401 - fixtures
    MailServer,
    mail_server_fixture,
    smtp_settings_fixture,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("smtp_settings")]


def run(*arguments: str) -> tuple[int, str]:
    """Give the exit code and what is printed."""
    printed = StringIO()
    try:
        call_command("send_test_alert", *arguments, stdout=printed, stderr=printed)
    except SystemExit as end:
        return int(str(end.code)), printed.getvalue()
    return 0, printed.getvalue()


@pytest.fixture(autouse=True)
def _deposits(deposit_root: object) -> None:
    """Let the check of the settings find the deposit tree."""


def test_each_channel_is_tried_and_told_of(mail_server: MailServer, settings: Settings) -> None:
    settings.ADMIN_EMAIL_RECIPIENTS = ["admin@example.com"]
    make_channel("ops")
    make_channel("off", enabled=False, address="off@example.com")
    code, words = run()
    assert code == 0
    assert words.count("taken") == 2
    assert {mail.recipients for mail in mail_server.mails} == {
        ("admin@example.com",),
        ("ops@example.com",),
    }


def test_a_failure_is_told_with_its_channel_and_the_exit_code(mail_server: MailServer) -> None:
    mail_server.reject("ops@example.com")
    make_channel("ops")
    code, words = run("--channel", "ops")
    assert code == 1
    assert "ops@example.com" in words
    assert "550" in words
    assert Channel.objects.get(name="ops").test_error


def test_nobody_to_tell_is_said(settings: Settings) -> None:
    settings.ADMIN_EMAIL_RECIPIENTS = []
    builtin()
    code, words = run()
    assert code == 0
    assert "ADMIN_EMAIL_RECIPIENTS is not set" in words


def test_a_channel_that_there_is_not_is_told_with_those_that_there_are() -> None:
    make_channel("ops")
    code, words = run("--channel", "nope")
    assert code == 2
    assert "no such channel" in words
    assert "ops" in words
