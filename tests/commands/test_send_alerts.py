"""The command that tells people what there is to tell."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone
from pytest_django import Settings

from scanner.alerts import noticing
from scanner.models import Incident, ScanRun
from scanner.scan import scan
from tests.alerts.rows import (
    make_channel,
    make_delivery,
    make_event,
    make_incident,
    make_problem_jobs,
)
from tests.alerts.servers import (  # noqa: F401 - fixtures
    MailServer,
    WebServer,
    mail_server_fixture,
    smtp_settings_fixture,
    web_server_fixture,
)
from tests.scanning import NOW, make_job

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("smtp_settings", "deposit_root")]


def run(*arguments: str, command: str = "send_alerts") -> tuple[int, str]:
    """Give the exit code and what is printed."""
    printed = StringIO()
    try:
        call_command(command, *arguments, stdout=printed, stderr=printed)
    except SystemExit as end:
        return int(str(end.code)), printed.getvalue()
    return 0, printed.getvalue()


def test_it_notices_and_sends_and_says_so(mail_server: MailServer) -> None:
    make_channel()
    make_problem_jobs(2, "FAILED", "backup_failed")
    assert run() == (0, "Incidents: 2 opened.\nMessages: 1 sent, 0 to be tried again.\n")
    assert len(mail_server.mails) == 1
    assert run() == (0, "Incidents: nothing new.\nMessages: 0 sent, 0 to be tried again.\n")


def test_what_could_not_be_sent_is_told_with_its_channel_and_the_exit_code(
    mail_server: MailServer,
) -> None:
    mail_server.reject("ops@example.com")
    make_channel("ops")
    make_problem_jobs(1, "FAILED", "backup_failed")
    code, words = run("--json")
    assert code == 1
    found = json.loads(words)
    assert (found["events"], found["sent"], found["failed"]) == ({"opened": 1}, 0, 1)
    assert "550" in found["errors"]["ops"]


def test_with_json_one_object_is_printed(mail_server: MailServer) -> None:
    make_channel()
    make_problem_jobs(2, "FAILED", "backup_failed")
    code, words = run("--json")
    assert code == 0
    assert json.loads(words) == {
        "events": {"opened": 2},
        "deliveries": 2,
        "sent": 1,
        "failed": 0,
        "errors": {},
    }


def test_the_words_name_the_channel_that_failed_and_why(mail_server: MailServer) -> None:
    mail_server.reject("ops@example.com")
    make_channel("ops")
    make_problem_jobs(1, "FAILED", "backup_failed")
    code, words = run()
    assert code == 1
    incidents, messages, why = words.splitlines()
    assert incidents == "Incidents: 1 opened."
    assert messages == "Messages: 0 sent, 1 to be tried again."
    assert why.startswith("  ops: The mail server refuses this recipient: 550 ")


def test_a_mistake_of_ours_is_exit_code_2_and_what_waits_is_sent(
    mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(**_: object) -> None:
        raise ValueError("a mistake of ours")

    make_delivery(make_event(make_incident()), make_channel(), now=timezone.now())
    monkeypatch.setattr(noticing, "notice", break_down)
    code, words = run("--json")
    assert (code, words) == (2, "")
    assert len(mail_server.mails) == 1


def test_a_scan_by_hand_tells_what_it_found_also_when_it_failed(
    mail_server: MailServer, settings: Settings
) -> None:
    make_channel()
    settings.BACKUP_STORAGE_ROOT = settings.BACKUP_STORAGE_ROOT / "away"
    code, _ = run(command="scan_now")
    assert code == 2
    (mail,) = mail_server.mails
    assert mail.subject == "[PROBLEM] Nothing is checked: the deposit tree is away"
    settings.BACKUP_STORAGE_ROOT = settings.BACKUP_STORAGE_ROOT.parent
    code, _ = run(command="scan_now")
    assert code == 0
    assert mail_server.mails[-1].subject.startswith("[OK] ")


def test_a_missing_backup_is_found_by_a_scan_and_told(mail_server: MailServer) -> None:
    make_channel()
    make_job("ACME_2025", schedule="0 2 * * *", now=NOW)
    scan(now=NOW, trigger=ScanRun.Trigger.COMMAND)
    code, _ = run(command="scan_now")
    assert code == 0
    assert Incident.objects.filter(reason="no_report").exists()
    assert "ACME_2025 at DOUALA / NEWBELL: no backup arrived" in mail_server.mails[-1].subject


def test_each_good_scan_of_all_calls_the_heartbeat(
    web_server: WebServer, settings: Settings
) -> None:
    settings.HEARTBEAT_URL = web_server.url("/ping/1?a=b")
    run(command="scan_now")
    assert web_server.paths() == ["/ping/1?a=b"]
    settings.BACKUP_STORAGE_ROOT = settings.BACKUP_STORAGE_ROOT / "away"
    run(command="scan_now")
    assert web_server.paths()[1:] == ["/ping/1/fail?a=b"]
