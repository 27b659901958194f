"""What a message says, and that it stays short whatever happened."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from scanner.alerts.message import Message
from scanner.alerts.noticing import notice
from scanner.alerts.standing import ONLY_COPY_IS_STAGED, TOLD
from scanner.alerts.wording import advice, compose, compose_digest, headlines, test_message
from scanner.alerts.wording.composing import LONGEST_SUBJECT
from scanner.models import Channel, Delivery, Incident, Recipient, ScanRun, VaultFinding
from scanner.pipeline.verdict import Reason
from tests.alerts.rows import (
    DAY,
    HOUR,
    builtin,
    judge,
    make_channel,
    make_delivery,
    make_event,
    make_incident,
    make_jobs,
    make_problem_jobs,
)
from tests.scanning import NOW

pytestmark = pytest.mark.django_db

TO = "ops@example.com"


@pytest.fixture(autouse=True)
def _site(settings: Settings) -> None:
    settings.SITE_URL = "https://backups.example.com"
    settings.ADMIN_EMAIL_RECIPIENTS = [TO]
    settings.LANGUAGE_CODE = "en"
    settings.TIME_ZONE = "UTC"
    Channel.objects.filter(pk=builtin().pk).update(level="warning")


def told(now: object = NOW) -> Message:
    """Compose all that waits for the recipient."""
    waiting = Delivery.objects.filter(recipient=TO, state="pending").order_by("pk")
    message = compose(builtin(), TO, list(waiting), now=now)  # type: ignore[arg-type]
    waiting.update(state="sent")
    return message


def test_a_corrupt_backup_is_told_with_all_that_is_known_of_it() -> None:
    jobs = make_jobs(1, database="ACME_2025")
    judge(jobs, "SUCCESS", now=NOW - DAY)
    judge(
        jobs,
        "CORRUPT",
        "hash_mismatch",
        message="the file's SHA-256 is not the one that was sent",
        claimed_size=2000,
        size=1500,
        claimed_sha256="a" * 64,
        sha256="b" * 64,
    )
    notice(now=NOW)
    message = told(NOW + 6 * HOUR + timedelta(minutes=20))
    assert message.subject == "[PROBLEM] ACME_20250 at DOUALA / NEWBELL: its checksum differs"
    for words in (
        "ACME / DOUALA / NEWBELL, agent ACME_DOUALA_NEWBELL",
        "2 March 2026, 12:00 (UTC), for 6 h 20 min",
        "1 March 2026, 12:00 (UTC), 30 h 20 min old",
        "the file's SHA-256 is not the one that was sent",
        "claimed 2.0\u00a0kB (2000 B), measured 1.5\u00a0kB (1500 B)",
        "claimed aaaaaaaaaaaa…, measured bbbbbbbbbbbb…",
        "What to try first",
        "acknowledge it",
    ):
        assert words in " ".join(message.text.split(" ")).replace("\n  ", " ").replace("\n", " ")
    incident = Incident.objects.get()
    url = f"https://backups.example.com/admin/scanner/incident/{incident.pk}/change/"
    assert url in message.text
    assert f'href="{url}"' in message.html
    assert message.is_problem


def test_lines_are_short_enough_for_a_phone() -> None:
    make_problem_jobs(30, message="word " * 200)
    notice(now=NOW)
    for line in told().text.splitlines():
        assert len(line) <= 66 or line.startswith("https://")


def test_a_dead_site_is_one_line_with_its_databases_and_what_to_try() -> None:
    make_problem_jobs(25)
    notice(now=NOW)
    message = told()
    assert message.subject == (
        "[PROBLEM] DOUALA / NEWBELL: 25 of 25 backups did not arrive: site or link down?"
    )
    assert message.text.count("- DB") == 20
    assert "and 5 more" in message.text
    assert "Is the site's" in message.text


def test_the_worst_comes_first_and_the_rest_is_counted() -> None:
    late = make_jobs(1, database="LATE")
    judge(late, "SUCCESS", warnings=["late"])
    make_problem_jobs(2, "FAILED", "backup_failed", database="FAILED")
    notice(now=NOW)
    message = told()
    assert message.subject.startswith("[PROBLEM] FAILED")
    assert message.subject.endswith("(+ 1 more problem, 1 warning)")
    assert message.text.index("FAILED0") < message.text.index("LATE0")


def test_a_recovery_says_how_long_it_lasted() -> None:
    jobs = make_problem_jobs(1, "FAILED", "backup_failed")
    notice(now=NOW)
    told()
    judge(jobs, "SUCCESS", now=NOW + 3 * HOUR)
    notice(now=NOW + 3 * HOUR)
    message = told(NOW + 4 * HOUR)
    assert message.subject == (
        "[OK] DB0 at DOUALA / NEWBELL: well again after 3 h (it was: the dump failed at the site)"
    )
    assert not message.is_problem
    assert "What to try first" not in message.text


def test_what_was_over_before_it_could_be_told_is_told_as_over() -> None:
    jobs = make_problem_jobs(1, "FAILED", "backup_failed")
    notice(now=NOW)
    judge(jobs, "SUCCESS", now=NOW + HOUR)
    notice(now=NOW + HOUR)
    message = told(NOW + HOUR)
    assert message.subject.startswith("[OK]")
    assert message.text.count("[OK]") == 1


def test_half_of_a_site_and_then_all_of_it_came_again() -> None:
    jobs = make_problem_jobs(20)
    notice(now=NOW)
    told()
    judge(jobs[:11], "SUCCESS", now=NOW + HOUR)
    notice(now=NOW + HOUR)
    assert told().subject == (
        "[BETTER] DOUALA / NEWBELL: 9 of 20 backups did not arrive: site or link down? "
        "(11 came again)"
    )
    judge(jobs[11:], "SUCCESS", now=NOW + 2 * HOUR)
    notice(now=NOW + 2 * HOUR)
    assert told().subject == (
        "[OK] DOUALA / NEWBELL: backups arrive again after 2 h (20 were missing)"
    )


def test_a_reminder_says_for_how_long() -> None:
    incident = make_incident(make_problem_jobs(1, "FAILED", "backup_failed"))
    make_delivery(make_event(incident, "reminder"))
    assert told(NOW + 2 * DAY).subject == (
        "[REMINDER] DB0 at DOUALA / NEWBELL: the dump failed at the site (for 2 days)"
    )


def test_two_thousand_failing_jobs_make_one_message_that_can_be_read() -> None:
    make_problem_jobs(2000, "FAILED", "backup_failed", message="x" * 1000)
    notice(now=NOW)
    with CaptureQueriesContext(connection) as queries:
        message = told()
    assert "(+ 1999 more problems)" in message.subject
    assert "And 1870 more." in message.text
    assert len(message.text) < 60_000
    assert len(message.html) < 200_000
    assert len(queries) < 15
    assert message.data["more"] == 1870


def test_strangers_words_are_shown_as_they_are_and_break_nothing() -> None:
    nasty = "<script>alert(1)</script>\r\nBcc: all@example.com\0"
    make_problem_jobs(1, "FAILED", "backup_failed", database=nasty, message=nasty * 50)
    notice(now=NOW)
    message = told()
    assert "<script>" not in message.html
    assert "&lt;script&gt;" in message.html
    assert not re.search(r"[\r\n\0]", message.subject)
    assert len(message.subject) <= LONGEST_SUBJECT


def test_programs_get_the_machines_words() -> None:
    make_problem_jobs(1, "FAILED", "backup_failed", message="no disk")
    notice(now=NOW)
    waiting = list(Delivery.objects.all())
    Recipient.objects.create(address=TO, language="fr")
    message = compose(builtin(), TO, waiting, now=NOW)
    (found,) = message.data["incidents"]
    incident = Incident.objects.get()
    assert found["url"].endswith(f"/incident/{incident.pk}/change/")
    assert {key: found[key] for key in ("event", "kind", "level", "status", "reason")} == {
        "event": "opened",
        "kind": "job",
        "level": "problem",
        "status": "FAILED",
        "reason": "backup_failed",
    }
    assert (found["message"], found["since"]) == ("no disk", "2026-03-02T12:00:00Z")
    again = compose(builtin(), TO, waiting, now=NOW + HOUR)
    assert again.data["id"] == message.data["id"]


@pytest.mark.parametrize("reason", [*(one.value for one in Reason), *TOLD, ONLY_COPY_IS_STAGED])
def test_each_reason_and_warning_is_worded_and_says_what_to_try(reason: str) -> None:
    assert headlines.OF_REASON[reason]
    assert advice.for_reason(reason)


@pytest.mark.parametrize("kind", [*(one.value for one in VaultFinding.Kind), "room"])
def test_each_trouble_of_the_vault_is_worded(kind: str) -> None:
    incident = make_incident(
        kind="vault", key=f"vault:{kind}", reason=kind, facts={"count": 2, "days": 3}
    )
    assert headlines.headline(incident, {}).startswith("Vault: ")
    assert advice.for_reason(kind)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        *(("scan", reason) for reason in ("failed", "interrupted", "incomplete", "deposit_root")),
        *(("task", reason) for reason in ("failed", "interrupted")),
        ("scheduler", "nobody_led"),
        ("channel", "failing"),
    ],
)
def test_each_trouble_of_the_server_is_worded(kind: str, reason: str) -> None:
    incident = make_incident(kind=kind, key=kind, reason=reason, name="prune", facts={"error": "e"})
    make_delivery(make_event(incident))
    message = told()
    assert message.subject.startswith("[PROBLEM] ")
    assert "What to try first" in message.text


def test_a_test_says_that_nothing_is_wrong() -> None:
    message = test_message(make_channel("chat", "apprise"), "", now=NOW)
    assert message.subject == "[TEST] backupmonitor can reach you"
    assert "Nothing is wrong" in message.text.replace("\n", " ")
    assert message.data["test"] is True


def test_the_digest_says_how_all_stands(settings: Settings) -> None:
    make_problem_jobs(2, "FAILED", "backup_failed")
    good = make_jobs(5, database="GOOD")
    judge(good, "SUCCESS")
    late = make_jobs(1, database="LATE")
    judge(late, "SUCCESS", warnings=["late"])
    make_jobs(1, database="NEVER", schedule="@daily")
    notice(now=NOW)
    Incident.objects.filter(name="FAILED0").update()
    Incident.objects.order_by("pk").first()
    ScanRun.objects.create(
        trigger="schedule",
        outcome="complete",
        started_at=NOW,
        finished_at=NOW,
        vault_free_bytes=5_000_000_000,
        vault_days_left=40.0,
    )
    first = Incident.objects.order_by("pk").first()
    assert first is not None
    Incident.objects.filter(pk=first.pk).update(
        acknowledged_at=NOW, acknowledged_by="anna", acknowledged_until=NOW + DAY
    )
    with CaptureQueriesContext(connection) as queries:
        message = compose_digest(builtin(), TO, NOW, now=NOW + HOUR)
    assert len(queries) < 15
    assert message.subject == "Backups: 2 problems, 1 warning, 6 good of 9"
    words = message.text.replace("\n  ", " ").replace("\n", " ")
    for told in (
        "1 database never had a good backup",
        "NEVER0",
        "Acknowledged by: anna, until 3 March 2026",
        "the vault holds no copies",
        "5.0\u00a0GB",
        "40 days",
    ):
        assert told in words
    assert message.data["digest"]["problems"] == 2


def test_a_jobs_recipient_gets_the_digest_of_his_jobs_alone() -> None:
    make_problem_jobs(1, "FAILED", "x", notification_recipients="me@example.com")
    make_problem_jobs(4, "FAILED", "x", database="OTHER")
    notice(now=NOW)
    message = compose_digest(builtin(), "me@example.com", NOW, now=NOW)
    assert message.subject == "Backups: 1 problem, 0 warnings, 0 good of 1"
    assert "OTHER" not in message.text


def test_a_channel_of_a_city_gets_the_digest_of_its_city() -> None:
    make_problem_jobs(1, "FAILED", "x")
    make_problem_jobs(2, "FAILED", "x", city="PARIS")
    channel = make_channel("paris", city="paris")
    assert compose_digest(channel, "", NOW, now=NOW).subject.startswith("Backups: 2 problems")
