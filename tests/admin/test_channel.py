"""The pages of channels, recipients and maintenance windows."""

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from scanner.models import Channel, ExpectedBackupJob, MaintenanceWindow, Recipient
from tests.admin.rows import LIST, staff
from tests.alerts.rows import HOUR, builtin, make_channel, make_jobs
from tests.alerts.servers import (  # noqa: F401 - fixtures
    MailServer,
    WebServer,
    mail_server_fixture,
    smtp_settings_fixture,
    web_server_fixture,
)
from tests.scanning import NOW

pytestmark = pytest.mark.django_db

CHANNELS, WINDOWS = LIST.format(Channel), LIST.format(MaintenanceWindow)
FORM = {
    "name": "ops",
    "kind": "email",
    "enabled": "on",
    "address": "ops@example.com",
    "level": "problem",
    "escalate_after_hours": "0",
    "reminders": "daily",
    "reminder_hour": "9",
    "digest": "off",
}
HOOK = {
    **FORM,
    "kind": "webhook",
    "address": "https://hooks.example.com/SECRETPATH",
    "secret": "a secret of some length",
}


def html(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def page_of(channel: Channel) -> str:
    return f"{CHANNELS}{channel.pk}/change/"


def add(client: Client, **data: str) -> bytes:
    """Fill in the form; give what is shown when it is refused, else nothing."""
    response = client.post(f"{CHANNELS}add/", {**FORM, **data})
    return b"" if response.status_code == 302 else response.content


def test_a_channel_is_added_and_listed(admin_client: Client) -> None:
    before, ours = timezone.now(), builtin()
    assert add(admin_client) == b""
    channel = Channel.objects.get(name="ops")
    assert channel.created_at >= before
    page = html(admin_client, CHANNELS)
    assert "ops@example.com" in page
    assert ours.name in page


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"address": ""}, "Give at least one e-mail address."),
        ({"address": "a@example.com, b"}, "is not an e-mail address"),
        ({"kind": "apprise", "address": "not a url"}, "Apprise does not understand"),
        ({"kind": "webhook", "address": "http://x.example.com", "secret": "x" * 20}, "https://"),
        ({"kind": "webhook", "address": "https://x.example.com"}, "at least 16 characters"),
        ({"reminder_hour": "24"}, "24: expected 0 to 23."),
        ({"time_zone": "Mars/Olympus"}, "Mars/Olympus"),
    ],
)
def test_what_cannot_work_is_refused_in_words(
    admin_client: Client, data: dict[str, str], words: str
) -> None:
    assert words in add(admin_client, **data).decode()
    assert not Channel.objects.filter(name="ops").exists()


def test_what_opens_a_channel_is_never_shown_again_and_kept_when_left_empty(
    admin_client: Client,
) -> None:
    assert add(admin_client, **HOOK) == b""
    channel = Channel.objects.get(name="ops")
    pages = html(admin_client, CHANNELS) + html(admin_client, page_of(channel))
    assert "https://hooks.example.com/…" in pages
    for secret in ("SECRETPATH", HOOK["secret"]):
        assert secret not in pages
    changed = {**HOOK, "address": "", "secret": "", "level": "warning"}
    assert admin_client.post(page_of(channel), changed).status_code == 302
    channel.refresh_from_db()
    assert (channel.address, channel.secret) == (HOOK["address"], HOOK["secret"])
    assert channel.level == "warning"
    log = " ".join(LogEntry.objects.values_list("change_message", flat=True))
    assert "SECRETPATH" not in log
    assert HOOK["secret"] not in log


def test_a_refused_form_repeats_no_secret_of_the_stored_channel(admin_client: Client) -> None:
    add(admin_client, **HOOK)
    channel = Channel.objects.get(name="ops")
    wrong = {**HOOK, "address": "", "secret": "", "reminder_hour": "99"}
    page = admin_client.post(page_of(channel), wrong).content.decode()
    assert "expected 0 to 23" in page
    assert "SECRETPATH" not in page


def test_who_may_only_look_sees_no_secret(client: Client) -> None:
    channel = make_channel("chat", "apprise", address="slack://TOKENA/TOKENB/TOKENC")
    client.force_login(staff("view_channel"))
    pages = html(client, CHANNELS) + html(client, page_of(channel))
    assert "slack://…" in pages
    assert "TOKEN" not in pages
    assert client.post(f"{CHANNELS}{channel.pk}/test/").status_code == 403
    assert client.post(f"{CHANNELS}{channel.pk}/switch/", {"on": "0"}).status_code == 403


def test_the_one_that_is_built_in_stays_and_has_no_address(admin_client: Client) -> None:
    channel = builtin()
    page = html(admin_client, page_of(channel))
    assert 'name="address"' not in page
    assert 'name="kind"' not in page
    assert admin_client.post(f"{CHANNELS}{channel.pk}/delete/", {"post": "yes"}).status_code == 403
    data = {**FORM, "name": channel.name, "level": "warning"}
    assert admin_client.post(page_of(channel), data).status_code == 302
    channel.refresh_from_db()
    assert (channel.level, channel.address, channel.kind) == ("warning", "", "email")


def test_a_channel_is_switched_off_in_the_list(admin_client: Client) -> None:
    channel = make_channel()
    assert admin_client.post(f"{CHANNELS}{channel.pk}/switch/", {"on": "0"}).status_code == 302
    channel.refresh_from_db()
    assert not channel.enabled
    assert admin_client.post(f"{CHANNELS}{channel.pk}/switch/", {"on": "x"}).status_code == 400
    assert admin_client.get(f"{CHANNELS}{channel.pk}/switch/").status_code == 405


@pytest.mark.usefixtures("smtp_settings")
def test_a_test_is_sent_and_its_result_is_shown(
    admin_client: Client, mail_server: MailServer
) -> None:
    mail_server.reject("bad@example.com")
    channel = make_channel("ops", address="good@example.com, bad@example.com")
    response = admin_client.post(f"{CHANNELS}{channel.pk}/test/", follow=True)
    page = response.content.decode()
    assert "The test to good@example.com was taken." in page
    assert "The test to bad@example.com failed: " in page
    assert [mail.subject for mail in mail_server.mails] == ["[TEST] backupmonitor can reach you"]
    channel.refresh_from_db()
    assert channel.tested_at is not None
    assert "bad@example.com" in channel.test_error


def test_a_test_of_the_one_that_is_built_in_needs_somebody(
    admin_client: Client, settings: Settings
) -> None:
    settings.ADMIN_EMAIL_RECIPIENTS = []
    response = admin_client.post(f"{CHANNELS}{builtin().pk}/test/", follow=True)
    assert "ADMIN_EMAIL_RECIPIENTS is not set" in response.content.decode()


def test_a_webhook_is_tested_for_real(
    admin_client: Client, web_server: WebServer, settings: Settings
) -> None:
    settings.ALERT_ALLOW_PRIVATE = True
    channel = make_channel("hook", "webhook", address=web_server.url(), secret="k" * 20)
    response = admin_client.post(f"{CHANNELS}{channel.pk}/test/", follow=True)
    assert "was taken" in response.content.decode()
    assert web_server.requests[0].data["test"] is True


def test_a_window_is_added_and_the_jobs_it_held_are_looked_at_again(
    admin_client: Client,
) -> None:
    (job,) = make_jobs(1)
    ExpectedBackupJob.objects.update(alert_check_at=timezone.now() + HOUR)
    data = {
        "name": "move",
        "enabled": "on",
        "city": "DOUALA",
        "cron": "0 22 * * 6",
        "duration_minutes": "120",
    }
    assert admin_client.post(f"{WINDOWS}add/", data).status_code == 302
    window = MaintenanceWindow.objects.get()
    assert (window.created_by, window.name) == ("admin", "move")
    job.refresh_from_db()
    assert job.alert_check_at is not None
    assert job.alert_check_at <= timezone.now()
    assert "DOUALA" in html(admin_client, WINDOWS)
    assert html(admin_client, f"{WINDOWS}{window.pk}/change/").count("<time") >= 6
    ExpectedBackupJob.objects.update(alert_check_at=timezone.now() + HOUR)
    admin_client.post(f"{WINDOWS}{window.pk}/delete/", {"post": "yes"})
    job.refresh_from_db()
    assert job.alert_check_at is not None
    assert job.alert_check_at <= timezone.now()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "Give a start and an end, or a cron expression."),
        ({"cron": "0 22 * * 6"}, "expected 1 to"),
        ({"cron": "x", "duration_minutes": "5"}, "cron"),
        ({"cron": "@daily", "duration_minutes": "5", "time_zone": "Mars"}, "Mars"),
    ],
)
def test_a_window_that_is_never_is_refused(
    admin_client: Client, data: dict[str, str], words: str
) -> None:
    response = admin_client.post(f"{WINDOWS}add/", {"name": "w", "enabled": "on", **data})
    assert response.status_code == 200
    assert words in response.content.decode()
    assert not MaintenanceWindow.objects.exists()


def test_a_window_that_is_open_says_so(admin_client: Client) -> None:
    now = timezone.now()
    MaintenanceWindow.objects.create(
        name="w", starts_at=now - HOUR, ends_at=now + HOUR, created_at=NOW
    )
    page = html(admin_client, WINDOWS)
    assert "in force" in page
    assert "everything" in page


def test_a_recipient_is_kept_in_lower_case(admin_client: Client) -> None:
    url = f"{LIST.format(Recipient)}add/"
    data = {"address": "Anna@Example.com", "language": "fr", "digest": "weekly"}
    assert admin_client.post(url, data).status_code == 302
    assert Recipient.objects.get().address == "anna@example.com"
