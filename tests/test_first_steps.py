"""What a new install is told to do, until it is done."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from backupmonitor.mail import LOG_BACKEND
from scanner import first_steps
from scanner.first_steps import Step
from scanner.models import (
    Agent,
    Channel,
    Delivery,
    ExpectedBackupJob,
    Incident,
    IncidentEvent,
    Lease,
)
from scanner.scheduler_board import scheduler_health
from tests.admin.rows import LIST, staff, write
from tests.alerts.servers import send_mail_by
from tests.scanning import NOW, make_job
from tests.schedule_rows import make_leader, make_scan

pytestmark = pytest.mark.django_db

JOBS = LIST.format(ExpectedBackupJob)
PERMISSIONS = (
    "add_expectedbackupjob",
    "view_channel",
    "view_scanrun",
)


@pytest.fixture(autouse=True)
def _mail_leaves(settings: Settings) -> None:
    send_mail_by(settings, {"EMAIL_BACKEND": "django.core.mail.backends.locmem.EmailBackend"})


def steps() -> tuple[Step, Step, Step]:
    deposits, jobs, by_itself = first_steps.steps(scheduler_health(now=NOW))
    return deposits, jobs, by_itself


def left(step: Step) -> str:
    return " ".join(step.left)


def pages(step: Step) -> set[str]:
    return {way.page for way in step.ways}


def see_an_agent() -> None:
    Agent.objects.create(name="ACME_DOUALA_NEWBELL", first_seen_at=NOW, last_seen_at=NOW)


def test_a_new_install_has_three_steps_before_it(deposit_root: Path) -> None:
    deposits, jobs, by_itself = steps()
    assert not any(step.is_done for step in (deposits, jobs, by_itself))
    assert str(deposit_root) in left(deposits)
    assert deposits.commands == ("manage.py scan_now",)
    assert jobs.commands == ()
    names = ("add", "import", "from_deposits")
    assert pages(jobs) == {f"scanner_expectedbackupjob_{name}" for name in names}
    assert by_itself.commands == ("manage.py runapscheduler", "manage.py send_test_alert")


def test_the_first_step_is_done_when_a_scan_has_seen_an_agent() -> None:
    see_an_agent()
    assert steps()[0] == Step("The deposits are seen", is_done=True)


def test_a_scan_that_failed_says_why_in_the_first_step() -> None:
    make_scan(outcome="failed", error="permission denied")
    assert "permission denied" in left(steps()[0])
    assert pages(steps()[0]) == {"scanner_scanrun_changelist"}


def test_a_scan_that_saw_nobody_says_what_an_agents_folder_is_like() -> None:
    make_scan()
    assert "COMPANY_CITY_NEIGHBORHOOD" in left(steps()[0])


def test_the_second_step_is_done_when_a_job_is_expected() -> None:
    make_job()
    assert steps()[1].is_done


def test_databases_that_wait_for_adoption_are_no_jobs_yet() -> None:
    make_job()
    ExpectedBackupJob.objects.update(awaits_adoption=True, is_active=False)
    step = steps()[1]
    assert not step.is_done
    assert "1 database" in left(step)
    assert step.ways[0].page == "scanner_expectedbackupjob_adopt"


def test_retired_jobs_are_no_jobs() -> None:
    make_job()
    ExpectedBackupJob.objects.update(retired_at=NOW, is_active=False)
    assert not steps()[1].is_done


def make_all_reach() -> None:
    make_leader()
    Channel.objects.update(tested_at=NOW, test_error="")


def test_the_third_step_is_done_when_somebody_leads_and_a_test_was_taken() -> None:
    make_all_reach()
    assert steps()[2].is_done


def test_a_message_that_was_taken_does_instead_of_a_test() -> None:
    make_leader()
    incident = Incident.objects.create(
        kind="scan", key="scan", level="problem", since=NOW, opened_at=NOW
    )
    event = IncidentEvent.objects.create(incident=incident, kind="opened", at=NOW)
    Delivery.objects.create(
        event=event,
        channel=Channel.objects.get(),
        state="sent",
        next_try_at=NOW,
        created_at=NOW,
        sent_at=NOW,
    )
    assert steps()[2].is_done


@pytest.mark.parametrize(
    "trouble",
    [
        {"tested_at": None},
        {"test_error": "refused"},
        {"enabled": False},
        {"failing_since": NOW},
    ],
)
def test_a_channel_in_trouble_reaches_nobody(trouble: dict[str, object]) -> None:
    make_all_reach()
    Channel.objects.update(**trouble)
    step = steps()[2]
    assert not step.is_done
    assert step.commands == ("manage.py send_test_alert",)
    assert "Send a test" in left(step)


def test_mail_into_the_log_reaches_nobody(settings: Settings) -> None:
    make_all_reach()
    send_mail_by(settings, {"EMAIL_BACKEND": LOG_BACKEND})
    assert "EMAIL_URL" in left(steps()[2])
    Channel.objects.create(name="hook", kind="webhook", created_at=NOW, tested_at=NOW)
    assert steps()[2].is_done


def test_a_leader_that_is_gone_leaves_the_third_step_undone() -> None:
    make_all_reach()
    Lease.objects.update(beat_at=NOW - timedelta(hours=1))
    assert steps()[2].commands == ("manage.py runapscheduler",)


def test_the_steps_take_as_many_statements_for_many_jobs() -> None:
    def taken() -> int:
        health = scheduler_health(now=NOW)
        with CaptureQueriesContext(connection) as captured:
            first_steps.steps(health)
        return len(captured.captured_queries)

    write(10)
    few = taken()
    write(990, first=10)
    assert taken() == few
    assert few <= 4


# --- As the board shows them ----------------------------------------------------------------------


def shown(client: Client, *permissions: str, companies: tuple[str, ...] = ("*",)) -> str:
    """Give the first steps on the board of somebody; empty where it shows none."""
    client.force_login(staff("view_expectedbackupjob", *permissions, companies=companies))
    page = client.get("/admin/").content.decode()
    found = re.search(r'<section class="bm-steps"[^>]*>.*?</section>', page, re.DOTALL)
    return found[0] if found else ""


def test_all_three_are_shown_while_there_are_no_jobs(client: Client) -> None:
    html = shown(client, *PERMISSIONS)
    assert html.count('class="bm-step"') == 3
    assert f'href="{JOBS}add/"' in html


def test_the_next_one_is_shown_in_short_once_there_are_jobs(client: Client) -> None:
    make_job()
    html = shown(client, *PERMISSIONS)
    assert html.count('class="bm-step"') == 1
    assert "1 of 3 done" in html
    assert "The deposits are seen" in html


def test_nothing_is_shown_when_all_is_done(client: Client) -> None:
    make_job()
    see_an_agent()
    make_all_reach()
    Lease.objects.update(beat_at=timezone.now())
    assert shown(client, *PERMISSIONS) == ""


def test_whoever_sees_some_companies_is_shown_nothing_of_the_server(client: Client) -> None:
    assert shown(client, *PERMISSIONS, companies=("ACME",)) == ""


def test_pages_that_may_not_be_opened_are_not_linked(client: Client) -> None:
    html = shown(client)
    assert html.count('class="bm-step"') == 3
    assert "<a " not in html


def test_an_error_of_a_scan_is_no_markup(client: Client) -> None:
    make_scan(outcome="failed", error="<script>alert(1)</script>")
    assert "<script>" not in shown(client)


def test_whoever_may_do_nothing_about_it_is_not_told_of_the_step_that_is_left(
    client: Client,
) -> None:
    make_job()
    see_an_agent()
    assert shown(client) == ""
