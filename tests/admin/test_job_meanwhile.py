"""The form of a job: what others do while it is open, and what is adopted by it."""

import json
import re
from datetime import timedelta
from functools import partial
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone, translation

from scanner import roster
from scanner.models import ExpectedBackupJob
from scanner.pipeline.deposit import Place
from tests.admin.fields import hidden
from tests.admin.rows import LIST, staff, write
from tests.admin.test_pages import statements
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
JOBS = LIST.format(ExpectedBackupJob)
MAY = ("view_expectedbackupjob", "change_expectedbackupjob")


def page_of(job: ExpectedBackupJob) -> str:
    return f"{JOBS}{job.pk}/change/"


def opened(client: Client, job: ExpectedBackupJob) -> dict[str, str]:
    """Give what the form of a job posts when nothing is changed in it."""
    return filled(client.get(page_of(job)))


def filled(response: Any) -> dict[str, str]:
    """Give what the form on a page posts."""
    form = response.context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    posted = {name: "on" if value is True else value for name, value in values.items() if value}
    return posted | {"seen": hidden(response.content.decode(), "seen")}


def change(client: Client, job: ExpectedBackupJob, form: dict[str, str], **said: str) -> Any:
    return client.post(page_of(job), {**form, **said}, follow=True)


def told(response: Any) -> str:
    return unescape(response.content.decode())


def errors(response: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = response.context["adminform"].form.errors
    return found


def stored(job: ExpectedBackupJob) -> ExpectedBackupJob:
    return ExpectedBackupJob.objects.get(pk=job.pk)


def changed_by(job: ExpectedBackupJob) -> list[tuple[str, dict[str, Any]]]:
    """Give who changed what of a job, the oldest first."""
    return list(
        job.changes.filter(action="changed").order_by("pk").values_list("changed_by", "changes")
    )


@pytest.fixture
def bob(admin_user: User) -> Client:
    client = Client()
    client.force_login(staff(*MAY, name="bob"))
    return client


# --- Two at once ----------------------------------------------------------------------------------


def test_what_another_changed_while_the_form_was_open_stays(
    admin_client: Client, bob: Client
) -> None:
    now = timezone.now()
    # A cycle that is being waited for would stay the next one.
    before, after = (f"30 {(now + hours * HOUR).hour} * * *" for hours in (6, 9))
    job = make_job(schedule=before, now=now)
    mine, theirs = opened(admin_client, job), opened(bob, job)
    change(bob, job, theirs, schedule=after)
    done = change(admin_client, job, mine, notification_recipients="a@example.org")
    assert "Others changed this meanwhile, and it stays as they said: schedule." in told(done)
    both = stored(job)
    assert (both.schedule, both.notification_recipients) == (after, "a@example.org")
    assert both.due_at is not None
    assert both.due_at.hour == (now + 9 * HOUR).hour
    assert changed_by(job) == [
        ("bob", {"schedule": [before, after]}),
        ("admin", {"notification_recipients": ["", "a@example.org"]}),
    ]


@pytest.mark.parametrize(
    ("field", "theirs", "mine"),
    [
        ("schedule", "0 5 * * *", "0 3 * * *"),
        ("schedule", "", "0 3 * * *"),
        ("grace_minutes", "30", ""),
        ("notification_recipients", "b@example.org", "a@example.org"),
        ("city", "<b>Limbe</b>", "KRIBI"),
    ],
)
def test_what_both_change_is_refused_to_the_second_with_who_was_first(
    admin_client: Client, bob: Client, field: str, theirs: str, mine: str
) -> None:
    job = make_job(schedule="30 2 * * *", grace_minutes=60)
    form, other = opened(admin_client, job), opened(bob, job)
    change(bob, job, other, **{field: theirs})
    before = stored(job)
    refused = change(admin_client, job, form, year="2025", **{field: mine})
    [words] = errors(refused).pop(field)
    value = f"“{theirs}”" if theirs else "blank"
    assert words.startswith(f"bob has changed this meanwhile, to: {value}. Save once")
    assert words in told(refused)
    assert "<b>Limbe</b>" not in refused.content.decode()
    assert (getattr(stored(job), field), stored(job).year) == (getattr(before, field), None)

    again = filled(refused)  # with the values that were refused
    change(admin_client, job, again)
    assert str(getattr(stored(job), field) or "") == mine
    assert stored(job).year == 2025
    assert [who for who, _ in changed_by(job)] == ["bob", "admin"]


def test_what_both_change_alike_is_no_conflict(admin_client: Client, bob: Client) -> None:
    job = make_job(schedule="30 2 * * *")
    mine, theirs = opened(admin_client, job), opened(bob, job)
    change(bob, job, theirs, schedule="0 5 * * *")
    change(admin_client, job, mine, schedule="0 5 * * *", year="2025")
    assert changed_by(job)[-1] == ("admin", {"year": [None, 2025]})


def test_a_box_and_a_text_of_several_lines_are_compared_too(
    admin_client: Client, bob: Client
) -> None:
    job = make_job(notification_recipients="a@example.org\nb@example.org")
    mine, theirs = opened(admin_client, job), opened(bob, job)
    del theirs["has_trailer"]
    change(bob, job, theirs)
    lines = "a@example.org\r\nb@example.org"  # as browsers send them
    change(admin_client, job, mine, notification_recipients=lines, first_missing_is_warning="on")
    both = stored(job)
    assert (both.has_trailer, both.first_missing_is_warning) == (False, True)
    assert changed_by(job)[-1] == ("admin", {"first_missing_is_warning": [False, True]})


def test_a_form_that_is_refused_for_another_reason_shows_what_others_made(
    admin_client: Client, bob: Client
) -> None:
    job = make_job(schedule="30 2 * * *")
    mine, theirs = opened(admin_client, job), opened(bob, job)
    change(bob, job, theirs, schedule="0 5 * * *")
    refused = change(admin_client, job, mine, year="MMXXV")
    assert list(errors(refused)) == ["year"]
    assert filled(refused)["schedule"] == "0 5 * * *"
    change(admin_client, job, filled(refused), year="2025")
    assert (stored(job).schedule, stored(job).year) == ("0 5 * * *", 2025)


def test_a_pause_and_an_adoption_made_meanwhile_stand(admin_client: Client) -> None:
    job, waiting = make_job(schedule="30 2 * * *"), waits()
    form, other = opened(admin_client, job), opened(admin_client, waiting)
    roster.pause([job.pk], now=NOW, by="bob", reason="moving")
    roster.adopt([waiting.pk], schedule="0 5 * * *", now=NOW, by="bob")
    change(admin_client, job, form, year="2025")
    change(admin_client, waiting, other, year="2025")
    assert (stored(job).is_active, stored(job).pause_reason) == (False, "moving")
    adopted = stored(waiting)
    assert (adopted.is_active, adopted.schedule, adopted.year) == (True, "0 5 * * *", 2025)


def test_who_is_quicker_between_the_look_and_the_saving_is_not_undone(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(schedule="30 2 * * *")
    form, real, rivals = opened(admin_client, job), roster.save, ["0 5 * * *"]

    def save(mine: ExpectedBackupJob, **arguments: Any) -> None:
        if rivals:
            theirs = stored(job)
            theirs.schedule = rivals.pop()
            real(theirs, now=NOW, by="bob")
        real(mine, **arguments)

    monkeypatch.setattr(roster, "save", save)
    done = change(admin_client, job, form, year="2025")
    assert done.redirect_chain
    assert (stored(job).schedule, stored(job).year) == ("0 5 * * *", 2025)


@pytest.mark.parametrize("seen", [None, "", "{", "[]", "7", "[" * 100_000])
def test_a_form_that_does_not_say_what_it_showed_changes_nothing(
    admin_client: Client, seen: str | None
) -> None:
    job = make_job(schedule="30 2 * * *")
    form = {**opened(admin_client, job), "schedule": "0 5 * * *", "seen": seen}
    said = {name: value for name, value in form.items() if value is not None}
    refused = admin_client.post(page_of(job), said)
    assert "does not say what it showed" in told(refused)
    assert stored(job).schedule == "30 2 * * *"


def test_a_field_that_was_not_shown_is_left(admin_client: Client) -> None:
    job = make_job(schedule="30 2 * * *")
    form = {**opened(admin_client, job), "schedule": "", "year": "2025"}
    form["seen"] = json.dumps({"year": None, "nonsense": 1})
    assert change(admin_client, job, form).redirect_chain
    assert (stored(job).schedule, stored(job).year) == ("30 2 * * *", 2025)


def test_the_refusal_is_said_in_french(admin_client: Client, bob: Client) -> None:
    job = make_job(schedule="30 2 * * *")
    form, other = opened(admin_client, job), opened(bob, job)
    change(bob, job, other, schedule="")
    with translation.override("fr"):
        refused = admin_client.post(
            page_of(job), {**form, "schedule": "0 3 * * *"}, headers={"accept-language": "fr"}
        )
        [words] = errors(refused)["schedule"]
    assert "bob" in words
    assert "changed" not in words


def test_saving_takes_no_more_statements_for_many_jobs(admin_client: Client, bob: Client) -> None:
    def taken() -> list[int]:
        job = ExpectedBackupJob.objects.order_by("pk")[0]
        counts = []
        for theirs in ({}, {"year": "2024"}, {"schedule": "0 5 * * *"}):
            form, other = opened(admin_client, job), opened(bob, job)
            change(bob, job, other, **theirs)
            said = {**form, "schedule": "0 3 * * *", "alert_after": str(job.changes.count() + 2)}
            post = partial(admin_client.post, page_of(job), said)
            counts.append(len(statements(post)))
            ExpectedBackupJob.objects.filter(pk=job.pk).update(year=None, schedule="30 2 * * *")
        return counts

    write(10)
    taken()  # what is read once in a process
    few = taken()
    write(990, first=10)
    assert taken() == few


# --- What waits to be adopted ---------------------------------------------------------------------


def waits(*, active: bool = False) -> ExpectedBackupJob:
    """Give a database that a report mentions, as a scan registers it."""
    found = roster.Unexpected("ACME_DOUALA_AKWA", Place("ACME", "DOUALA", "AKWA"), "X")
    (job,) = roster.register([found], active=active, now=NOW)
    return job


def standing(job: ExpectedBackupJob) -> tuple[bool, bool, str]:
    found = stored(job)
    return found.is_active, found.awaits_adoption, found.schedule


def is_ticked(client: Client, job: ExpectedBackupJob) -> bool:
    page = client.get(page_of(job)).content.decode()
    found = re.search(r'<input[^>]*name="is_active"[^>]*>', page)
    assert found is not None
    return re.search(r"\schecked[\s>]", found[0]) is not None


@pytest.mark.parametrize("active", [True, False])
def test_the_form_of_what_waits_adopts_it_only_when_it_is_said(
    admin_client: Client, active: bool
) -> None:
    job = waits(active=active)
    assert is_ticked(admin_client, job) is active
    form = opened(admin_client, job)
    change(admin_client, job, form, notification_recipients="a@example.org")
    assert standing(job) == (active, True, "")
    assert stored(job).notification_recipients == "a@example.org"


@pytest.mark.parametrize("active", [True, False])
def test_with_a_schedule_and_active_it_is_adopted(admin_client: Client, active: bool) -> None:
    job = waits(active=active)
    form = opened(admin_client, job)
    assert change(admin_client, job, form, schedule="@daily", is_active="on").redirect_chain
    assert standing(job) == (True, False, "@daily")
    assert stored(job).due_at is not None


def test_it_is_not_switched_on_without_a_schedule(admin_client: Client) -> None:
    job = waits()
    form = opened(admin_client, job)
    refused = change(admin_client, job, form, schedule=" ", is_active="on")
    [words] = errors(refused)["schedule"]
    assert words.startswith("Say when its backups are due")
    assert words in told(refused)
    assert standing(job) == (False, True, "")


def test_it_is_not_paused_by_giving_it_a_schedule_alone(admin_client: Client) -> None:
    job = waits()
    refused = change(admin_client, job, opened(admin_client, job), schedule="@daily")
    [words] = errors(refused)["is_active"]
    assert words.startswith("With a schedule it is adopted")
    assert words in told(refused)
    assert standing(job) == (False, True, "")


def test_a_job_that_does_not_wait_needs_no_schedule(admin_client: Client) -> None:
    job = make_job(schedule="30 2 * * *")
    change(admin_client, job, opened(admin_client, job), schedule="")
    assert standing(job) == (True, False, "")
