"""The preview of a schedule: in the forms, and as a program asks for it."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone, translation
from pytest_django import Settings

from scanner.admin.schedule_preview import ADOPTED, TASK, preview
from scanner.models import ExpectedBackupJob, ScheduledTask
from tests.admin.fields import seen
from tests.admin.rows import LIST, staff
from tests.scanning import NOW, make_job
from tests.schedule_rows import make_task

pytestmark = pytest.mark.django_db

JOBS = LIST.format(ExpectedBackupJob)
PREVIEW = f"{JOBS}schedule-preview/"


def ask(client: Client, **said: str) -> Any:
    response = client.get(PREVIEW, said)
    return response.json() if response.status_code == 200 else response.status_code


def test_a_schedule_is_told_in_words_and_with_its_next_times() -> None:
    told = preview("30 2 * * 1-5", "Africa/Douala", "30", now=NOW)
    assert told["reading"] == "Monday to Friday at 02:30 (Africa/Douala)"
    assert told["heads"] == ["Due (Africa/Douala)", "Deadline", "Due (UTC)", "Deadline"]
    assert told["rows"][:2] == [
        ["Tue 3 Mar, 02:30", "03:00", "Tue 3 Mar, 01:30", "02:00"],
        ["Wed 4 Mar, 02:30", "03:00", "Wed 4 Mar, 01:30", "02:00"],
    ]
    assert len(told["rows"]) == 5
    assert (told["errors"], told["notes"]) == ([], [])


def test_where_both_zones_show_the_same_there_is_one() -> None:
    told = preview("30 2 * * *", "", "", now=NOW)
    assert told["reading"] == "Every day at 02:30 (UTC)"
    assert told["heads"] == ["Due (UTC)", "Deadline"]
    assert told["rows"][0] == ["Tue 3 Mar, 02:30", "03:30"]


def test_a_deadline_of_another_day_says_which() -> None:
    assert preview("30 23 * * *", "", "60", now=NOW)["rows"][0] == [
        "Mon 2 Mar, 23:30",
        "Tue 3 Mar, 00:30",
    ]


def test_the_year_is_said_where_it_is_not_this_one() -> None:
    rows = preview("0 0 1,31 1,12 *", "", "", now=NOW)["rows"]
    assert [due for due, _ in rows[:4]] == [
        "Tue 1 Dec, 00:00",
        "Thu 31 Dec, 00:00",
        "Fri 1 Jan 2027, 00:00",
        "Sun 31 Jan 2027, 00:00",
    ]
    with translation.override("fr"):
        rows = preview("0 0 1,31 1,12 *", "", "", now=NOW)["rows"]
    assert [due for due, _ in rows[1:4]] == [
        "jeu 31 déc, 00:00",
        "ven 1er jan 2027, 00:00",
        "dim 31 jan 2027, 00:00",
    ]


def test_a_year_is_one_of_the_zone_that_is_told() -> None:
    new_year = datetime(2026, 12, 31, 22, 50, tzinfo=UTC)
    told = preview("* * * * *", "Africa/Douala", "0", now=new_year)
    assert told["rows"][0][0] == "Thu 31 Dec, 23:51"
    assert told["rows"][0][2] == "Thu 31 Dec, 22:51"
    told = preview("55 23,0 * * *", "Africa/Douala", "20", now=new_year)
    assert told["rows"][0] == [
        "Thu 31 Dec, 23:55",
        "Fri 1 Jan 2027, 00:15",
        "Thu 31 Dec, 22:55",
        "23:15",
    ]


@pytest.mark.parametrize(
    ("after", "schedule", "note"),
    [
        (
            datetime(2026, 3, 28, tzinfo=UTC),
            "30 2 * * *",
            "Sun 29 Mar, 03:00: The clocks are set forward",
        ),
        (
            datetime(2026, 10, 24, tzinfo=UTC),
            "30 2 * * *",
            "Sun 25 Oct, 02:30: The clocks are set back: this time comes twice, and this is",
        ),
    ],
)
def test_what_the_clocks_do_is_noted(after: datetime, schedule: str, note: str) -> None:
    (noted,) = preview(schedule, "Europe/Paris", "", now=after)["notes"]
    assert noted.startswith(note)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (("every day", "", ""), ["2 field(s)"]),
        (("0 0 30 2 *", "", ""), ["cannot be read"]),
        (("0 2 * * *", "Mars/Olympus", ""), ["is unknown"]),
        (("0 2 * * *", "../etc/passwd", ""), ["is unknown"]),
        (("0 2 * * *", "", "x"), ["Expected 0 to 527040 minutes"]),
        (("0 2 * * *", "", "-5"), ["Expected 0 to 527040 minutes"]),
        (("0 2 * * *", "", "9" * 5000), ["Expected 0 to 527040 minutes"]),
        (("x", "y", "z"), ["1 field(s)", "is unknown", "Expected 0 to"]),
        (("\0" * 500, "\0" * 500, "\0"), ["cannot be read", "is unknown", "Expected 0 to"]),
    ],
)
def test_what_cannot_be_is_said(said: tuple[str, str, str], words: list[str]) -> None:
    told = preview(*said, now=NOW)
    assert (told["reading"], told["rows"]) == ("", [])
    assert len(told["errors"]) == len(words)


@pytest.mark.parametrize(
    ("of", "words"), [("", "At any time"), (TASK, "As the interval says"), (ADOPTED, "Write a")]
)
def test_a_blank_schedule_means_something_to_each(of: str, words: str) -> None:
    told = preview(" ", "", "", now=NOW, of=of)
    assert told["reading"].startswith(words)
    assert told["rows"] == []


def test_blank_means_what_it_means_to_a_job_or_a_task(settings: Settings) -> None:
    settings.AGENT_TIME_ZONE = "Africa/Douala"
    settings.REPORT_COLLECTION_WINDOW_MINUTES = 90
    of_job = preview("0 2 * * *", "", "", now=NOW)
    assert of_job["rows"][0][:2] == ["Tue 3 Mar, 02:00", "03:30"]
    assert "Africa/Douala" in of_job["reading"]
    of_task = preview("0 2 * * *", "", "", now=NOW, of=TASK)
    assert of_task["heads"] == ["Due (UTC)"]
    assert of_task["rows"][0] == ["Tue 3 Mar, 02:00"]


def test_days_are_named_in_the_language_that_is_active() -> None:
    with translation.override("fr"):
        assert "mar" in preview("30 2 * * *", "", "", now=NOW)["rows"][0][0].lower()


# --- As a program asks ----------------------------------------------------------------------------


def test_the_preview_answers_as_of_now(admin_client: Client) -> None:
    told = ask(admin_client, schedule="* * * * *", time_zone="UTC", grace_minutes="5")
    assert told["reading"] == "Every minute (UTC)"
    soon = timezone.now() + timedelta(minutes=1)
    assert f"{soon:%H:%M}" in " ".join(told["rows"][0] + told["rows"][1])


@pytest.mark.parametrize(
    ("permission", "status"),
    [
        ("view_expectedbackupjob", 200),
        ("add_expectedbackupjob", 200),
        ("change_expectedbackupjob", 200),
        ("view_scheduledtask", 200),
        ("change_scheduledtask", 200),
        ("view_backupentry", 403),
    ],
)
def test_whoever_sees_a_form_with_a_schedule_may_ask(
    client: Client, permission: str, status: int
) -> None:
    client.force_login(staff(permission))
    assert client.get(PREVIEW, {"schedule": "@daily"}).status_code == status


def test_who_is_not_logged_in_is_told_nothing(client: Client) -> None:
    assert client.get(PREVIEW, {"schedule": "@daily"}).status_code == 302


# --- In the forms ---------------------------------------------------------------------------------


def part_of(client: Client, url: str) -> str:
    page = unescape(client.get(url).content.decode())
    found = re.search(r'<div class="bm-preview".*?</ul>', page, re.DOTALL)
    assert found is not None
    assert "scanner/schedule.js" in page
    return found[0]


def test_the_form_of_a_job_shows_what_its_schedule_means(admin_client: Client) -> None:
    job = make_job(schedule="30 2 * * *", time_zone="Africa/Douala", grace_minutes=5)
    found = part_of(admin_client, f"{JOBS}{job.pk}/change/")
    assert "Every day at 02:30 (Africa/Douala)" in found
    assert found.count("<tr>") == 6
    assert f'data-schedule-preview="{PREVIEW}"' in found
    for field in ("schedule", "time_zone", "grace_minutes"):
        assert f'data-{field}="id_{field}"' in found
    assert 'aria-live="polite"' in found


def test_the_form_of_a_new_job_has_a_preview_too(admin_client: Client) -> None:
    assert "At any time: it is never missing." in part_of(admin_client, f"{JOBS}add/")


def test_the_form_of_a_task_shows_what_its_cron_expression_means(admin_client: Client) -> None:
    task = make_task("scan", cron="0 */6 * * *", time_zone="Africa/Douala")
    found = part_of(admin_client, f"{LIST.format(ScheduledTask)}{task.pk}/change/")
    assert "Every 6 hours from 00:00 to 18:00 (Africa/Douala)" in found
    assert 'data-schedule="id_cron"' in found
    assert 'data-of="task"' in found
    assert "Deadline" not in found


# --- Whether a job is watched is not asked in its form --------------------------------------------


def test_a_new_job_is_active_from_now_on_unless_it_is_said_otherwise(admin_client: Client) -> None:
    page = admin_client.get(f"{JOBS}add/").content.decode()
    box = re.search(r'<input[^>]*name="is_active"[^>]*>', page)
    assert box is not None
    assert re.search(r"\schecked[\s>]", box[0])


def test_the_form_of_a_job_neither_pauses_nor_resumes_it(admin_client: Client) -> None:
    job = make_job()
    url = f"{JOBS}{job.pk}/change/"
    assert 'name="is_active"' not in admin_client.get(url).content.decode()
    fields = {
        "company_name": job.company_name,
        "city": "YAOUNDE",
        "neighborhood": job.neighborhood,
        "database_name": job.database_name,
        "agent_id": job.agent_id,
        "alert_after": "1",
        **seen(admin_client, url),
    }
    assert admin_client.post(url, fields).status_code == 302
    job.refresh_from_db()
    assert (job.city, job.is_active) == ("YAOUNDE", True)
