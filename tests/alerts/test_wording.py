"""What a message says, and that it stays short whatever happened."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from scanner.alerts.message import Message
from scanner.alerts.noticing import leaderless, notice
from scanner.alerts.wording import compose, test_message
from scanner.alerts.wording.composing import LONGEST_SUBJECT
from scanner.models import Channel, Delivery, Incident, Recipient
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
        "Database: ACME_20250",
        "claimed 2.0\u00a0KB (2,000 bytes), measured 1.5\u00a0KB (1,500 bytes)",
        "claimed aaaaaaaaaaaa…, measured bbbbbbbbbbbb…",
        "What to try first",
        "acknowledge it",
    ):
        assert words in " ".join(message.text.split(" ")).replace("\n  ", " ").replace("\n", " ")
    incident = Incident.objects.get()
    url = f"https://backups.example.com/admin/scanner/incident/{incident.pk}/change/"
    assert url in message.text
    assert f'href="{url}"' in message.html
    job = f"https://backups.example.com/admin/scanner/expectedbackupjob/{jobs[0].pk}/change/"
    assert job in message.text
    assert f'href="{job}"' in message.html
    assert message.is_problem


def test_lines_are_short_enough_for_a_phone() -> None:
    make_problem_jobs(30, message="word " * 200)
    notice(now=NOW)
    for line in told().text.splitlines():
        assert len(line) <= 66 or "https://" in line


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
        "[BETTER] DOUALA / NEWBELL: 11 backups arrive again, 9 of 20 are still missing"
    )
    judge(jobs[11:], "SUCCESS", now=NOW + 2 * HOUR)
    notice(now=NOW + 2 * HOUR)
    assert told().subject == (
        "[OK] DOUALA / NEWBELL: backups arrive again after 2 h (20 were missing)"
    )


def test_a_reminder_says_for_how_long() -> None:
    incident = make_incident(make_problem_jobs(1, "FAILED", "backup_failed"))
    make_delivery(make_event(incident, "reminder"))
    message = told(NOW + 2 * DAY)
    assert message.subject == (
        "[REMINDER] DB0 at DOUALA / NEWBELL: the dump failed at the site (for 2 days)"
    )
    assert not message.is_problem  # nothing new


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
    nasty = "<script>alert(1)</script>\r\nBcc: all@example.com\x07\u2028\u202e"
    make_problem_jobs(1, "FAILED", "backup_failed", database=nasty, message=nasty * 50)
    notice(now=NOW)
    message = told()
    assert "<script>" not in message.html
    assert "&lt;script&gt;" in message.html
    assert message.subject.splitlines() == [message.subject]
    assert not re.search("[\x07\u202e]", message.subject + message.text + message.html)
    assert len(message.subject) <= LONGEST_SUBJECT


def test_a_long_name_leaves_room_for_what_is_wrong() -> None:
    make_problem_jobs(2, "FAILED", "backup_failed", database="D" * 190, neighborhood="N" * 90)
    notice(now=NOW)
    message = told()
    assert len(message.subject) <= LONGEST_SUBJECT
    assert message.subject.endswith(" (+ 1 more problem)")
    line = message.text.split("\n\n", maxsplit=1)[0].replace("\n", " ")
    assert "the dump failed at the site" in line
    assert f"{'D' * 190}0" in message.text


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


def test_a_test_says_that_nothing_is_wrong() -> None:
    message = test_message(make_channel("chat", "apprise"), "", now=NOW)
    assert message.subject == "[TEST] backupmonitor can reach you"
    assert "Nothing is wrong" in message.text.replace("\n", " ")
    assert message.data["test"] is True


def test_what_became_part_of_a_wider_incident_says_so_and_comes_last() -> None:
    jobs = make_jobs(4, schedule="@daily")
    judge(jobs[:1], "MISSING", "no_report")
    notice(now=NOW)
    judge(jobs[1:], "MISSING", "no_report", now=NOW + HOUR)
    notice(now=NOW + HOUR)
    message = told(NOW + HOUR)
    assert message.subject == (
        "[PROBLEM] DOUALA / NEWBELL: 4 of 4 backups did not arrive: site or link down?"
    )
    last = message.text.replace("\n", " ").index("(part of a wider incident by now)")
    assert last > message.text.index("- DB3")


def test_what_ended_while_an_older_message_waited_is_not_told_as_a_problem() -> None:
    jobs = make_problem_jobs(1, "FAILED", "backup_failed")
    notice(now=NOW)
    judge(jobs, "SUCCESS", now=NOW + HOUR)
    notice(now=NOW + HOUR)
    Delivery.objects.filter(event__kind="recovered").update(state="sent")  # a rival was quicker
    message = told(NOW + HOUR)
    assert message.subject.startswith("[OK] DB0")
    assert not message.is_problem


def test_a_paused_job_is_not_called_well() -> None:
    incident = make_incident(
        make_problem_jobs(1, "FAILED", "backup_failed"), ended_at=NOW + HOUR, end="paused"
    )
    make_delivery(make_event(incident, "recovered", at=NOW + HOUR, how="paused"))
    assert told(NOW + HOUR).subject == (
        "[PAUSED] DB0 at DOUALA / NEWBELL: paused, and not watched any more"
    )


def test_a_dead_site_comes_before_one_bad_backup_and_a_dead_disk_before_both() -> None:
    make_problem_jobs(1, "CORRUPT", "hash_mismatch", neighborhood="AKWA", database="BAD")
    make_problem_jobs(14)
    notice(now=NOW)
    assert told().subject.startswith("[PROBLEM] DOUALA / NEWBELL: 14 of 14")
    events = [make_event(one) for one in Incident.objects.order_by("pk")]
    events.append(make_event(make_incident(reason="deposit_root")))
    for event in events:
        make_delivery(event)
    assert told().subject == (
        "[PROBLEM] Nothing is checked: the deposit tree is away (+ 2 more problems)"
    )


def test_the_members_of_a_city_are_told_with_their_place() -> None:
    for neighborhood in ("AKWA", "NEWBELL"):
        make_problem_jobs(3, neighborhood=neighborhood)
    make_jobs(30, city="PARIS")
    notice(now=NOW)
    message = told()
    assert message.subject.startswith("[PROBLEM] ACME / DOUALA: 6 of 6")
    for words in ("- AKWA / DB0: last good copy 24 h old", "- NEWBELL / DB2: last good copy"):
        assert words in message.text


def test_what_follows_says_what_is_new() -> None:
    jobs = make_problem_jobs(1, "FAILED", "backup_failed")
    notice(now=NOW)
    told()
    judge(jobs, "FAILED", "transfer_failed", now=NOW + HOUR)
    notice(now=NOW + HOUR)
    message = told(NOW + HOUR)
    assert message.subject == "[PROBLEM] DB0 at DOUALA / NEWBELL: the transfer failed"
    assert "News: It is another trouble than before" in message.text
    incident = Incident.objects.get()
    make_delivery(make_event(incident, "grown", joined=9))
    assert "It has grown: 9 more" in told().text.replace("\n  ", " ")


@pytest.mark.parametrize(("hours", "is_known"), [(1, True), (-1, False)])
def test_an_acknowledgement_is_told_while_it_counts(hours: int, *, is_known: bool) -> None:
    incident = make_incident(
        make_problem_jobs(1, "FAILED", "backup_failed"),
        acknowledged_at=NOW - DAY,
        acknowledged_by="anna",
        acknowledged_note="the link is\nbeing mended",
        acknowledged_until=NOW + hours * HOUR,
    )
    make_delivery(make_event(incident, "changed"))
    message = told()
    words = message.text.replace("\n  ", " ")
    assert ("Acknowledged by: anna, until 2 March 2026, 13:00 (UTC)" in words) is is_known
    assert ("“the link is being mended”" in words) is is_known
    assert ("acknowledge it" in words) is not is_known
    assert message.data["incidents"][0]["acknowledged_by"] == ("anna" if is_known else None)


def test_a_last_good_backup_without_a_copy_in_the_vault_says_so() -> None:
    jobs = make_jobs(2)
    judge(jobs[:1], "SUCCESS", now=NOW - DAY, vault_path="ACME/a.gz")
    judge(jobs[1:], "SUCCESS", now=NOW - DAY)
    judge(jobs, "FAILED", "backup_failed")
    notice(now=NOW)
    kept, lost = told().text.replace("\n  ", " ").split("[PROBLEM]")[1:]
    assert "2.0\u00a0KB" in kept
    assert "not in the vault" not in kept
    assert "2.0\u00a0KB; not in the vault" in lost


def test_statements_do_not_grow_with_what_is_told() -> None:
    counts = []
    for number in (2, 60):
        make_problem_jobs(number, "FAILED", "backup_failed", agent=f"ACME_DOUALA_N{number}")
        make_problem_jobs(number + 2, neighborhood=f"S{number}")
        notice(now=NOW)
        with CaptureQueriesContext(connection) as queries:
            told()
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_message_of_the_day_is_short_enough_for_mail_readers_that_clip() -> None:
    make_problem_jobs(60, "FAILED", "backup_failed", message="connection refused")
    notice(now=NOW)
    assert len(told().html.encode()) < 100_000


def test_a_time_without_a_scheduler_says_how_long_it_was() -> None:
    leaderless(since=NOW - 3 * HOUR, until=NOW, by_host="b", by_pid=7, now=NOW)
    message = told()
    assert message.subject == "[PROBLEM] No scheduler led for 3 h: nothing was checked by itself"
    assert "process 7 on b" in message.text
    assert message.is_problem
