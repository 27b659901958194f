"""Adopting databases that nobody expected, many at once."""

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from scanner import roster
from scanner.admin import adopting
from scanner.models import AgentReport, ExpectedBackupJob, JobChange, ScanRun
from scanner.pipeline.deposit import Place
from tests.admin.rows import LIST, staff, write
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

JOBS = LIST.format(ExpectedBackupJob)
PAGE = f"{JOBS}adopt/"
MAY = ("view_expectedbackupjob", "change_expectedbackupjob")
DAILY = {"schedule": "30 2 * * *", "time_zone": "", "grace_minutes": ""}


def waiting(*databases: str, agent: str = "ACME_DOUALA_AKWA") -> list[ExpectedBackupJob]:
    """Give databases that reports mention, as a scan registers them."""
    place = Place(*agent.split("_", 2))
    found = [roster.Unexpected(agent, place, database) for database in databases]
    return roster.register(found, active=False, now=NOW)


def html(client: Client, url: str = PAGE) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return unescape(response.content.decode())


def post(client: Client, jobs: list[ExpectedBackupJob], do: str = "adopt", **said: str) -> Any:
    data = {"job": [str(job.pk) for job in jobs], "do": do, **DAILY, **said}
    return client.post(PAGE, data, follow=True)


def standing(job: ExpectedBackupJob) -> tuple[bool, bool, str]:
    job.refresh_from_db()
    return job.is_active, job.awaits_adoption, job.schedule


# --- What waits -----------------------------------------------------------------------------------


def test_what_waits_is_shown_by_agent_with_what_reports_said(admin_client: Client) -> None:
    waiting("A1", "A2")
    waiting("B1", agent="NORDIS_GAROUA_CENTRE")
    make_job("EXPECTED")
    run = ScanRun.objects.create(trigger="command", started_at=NOW)
    for number in range(2):
        AgentReport.objects.create(
            agent_id="ACME_DOUALA_AKWA",
            file_name=f"{number}.json",
            sha256=f"{number:064}",
            size=1,
            arrived_at=NOW,
            recorded_at=NOW,
            operation_end=NOW,
            state="accepted",
            run=run,
        )
    page = html(admin_client)
    agents = re.findall(r"<legend>([^<]*)</legend>", page)
    assert agents == ["ACME_DOUALA_AKWA", "NORDIS_GAROUA_CENTRE"]
    assert re.findall(r"<strong>([AB]\d)</strong>", page) == ["A1", "A2", "B1"]
    assert "EXPECTED" not in page
    assert "2 reports of this agent, the last at" in page
    assert "No report of this agent is known any more." in page
    assert re.search(r"first mentioned <time[^>]*>2026-03-02 12:00", page)


def test_what_strangers_wrote_is_shown_as_text(admin_client: Client) -> None:
    waiting("<script>alert(1)</script>")
    assert "<script>alert(1)" not in admin_client.get(PAGE).content.decode()


def test_where_nothing_waits_the_page_says_so(admin_client: Client) -> None:
    make_job()
    page = html(admin_client)
    assert "Nothing waits" in page
    assert 'name="do"' not in page


def test_the_list_leads_to_what_waits(admin_client: Client) -> None:
    make_job()
    assert "nobody expected" not in html(admin_client, JOBS)
    (job,) = waiting("A")
    page = html(admin_client, JOBS)
    assert "1 database that nobody expected waits to be adopted." in page
    assert f'href="{PAGE}"' in page
    assert f'<a id="job-{job.pk}" class="text-link" href="{PAGE}?job={job.pk}">' in page


def test_the_action_of_the_list_chooses_what_it_was_about(admin_client: Client) -> None:
    first, second, third = waiting("A1", "A2", "A3")
    expected = make_job()
    chosen = [str(job.pk) for job in (first, third, expected)]
    data = {"action": "adopt", "_selected_action": chosen}
    response = admin_client.post(JOBS, data)
    assert response["Location"] == f"{PAGE}?job={first.pk}&job={third.pk}"
    page = html(admin_client, response["Location"])
    assert re.findall(r'name="job" value="(\d+)"[^>]* checked', page) == [
        str(first.pk),
        str(third.pk),
    ]
    assert ">A2<" not in page
    assert f'href="{PAGE}"' in page
    assert standing(second) == (False, True, "")


def test_the_action_of_the_list_says_when_none_waits(admin_client: Client) -> None:
    data = {"action": "adopt", "_selected_action": [str(make_job().pk)]}
    page = admin_client.post(JOBS, data, follow=True).content.decode()
    assert "None of these waits to be adopted." in page


def test_more_than_a_page_is_adopted_a_page_at_a_time(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adopting, "A_PAGE", 3)
    jobs = waiting(*(f"A{number}" for number in range(5)))
    first, second = html(admin_client), html(admin_client, f"{PAGE}?page=2")
    assert [page.count('name="job"') for page in (first, second)] == [3, 2]
    assert 'href="?page=2"' in first
    assert 'href="?page=1"' in second
    data = {"action": "adopt", "_selected_action": [str(job.pk) for job in jobs]}
    page = unescape(admin_client.post(JOBS, data, follow=True).content.decode())
    assert "These are more than 3" in page
    assert page.count('name="job"') == 3


@pytest.mark.parametrize("query", ["job=x", "job=-1", f"job={10**30}", "job=%00", "page=x"])
def test_a_query_that_makes_no_sense_is_no_error(admin_client: Client, query: str) -> None:
    waiting("A")
    assert 'name="job"' in html(admin_client, f"{PAGE}?{query}")


# --- Adopting -------------------------------------------------------------------------------------


def test_those_chosen_are_adopted_with_what_is_said_for_all(admin_client: Client) -> None:
    first, second, third = waiting("A1", "A2", "A3")
    response = post(admin_client, [first, second], time_zone="Africa/Douala", grace_minutes="30")
    assert response.redirect_chain[0][0] == PAGE  # one still waits
    assert "2 jobs adopted." in response.content.decode()
    for job in (first, second):
        assert standing(job) == (True, False, "30 2 * * *")
        assert (job.time_zone, job.grace_minutes) == ("Africa/Douala", 30)
        assert job.deadline_at is not None
        assert job.changes.get(action="adopted").changed_by == "admin"
    assert standing(third) == (False, True, "")
    assert LogEntry.objects.count() == 2


def test_after_the_last_one_the_list_is_shown(admin_client: Client) -> None:
    response = post(admin_client, waiting("A"))
    assert response.redirect_chain[0][0] == JOBS
    assert ExpectedBackupJob.objects.get().grace_minutes is None


@pytest.mark.parametrize(
    ("said", "field", "words"),
    [
        ({"schedule": ""}, "schedule", "Say when their backups are due."),
        ({"schedule": "every day"}, "schedule", "2 field(s)"),
        ({"schedule": "0 0 30 2 *"}, "schedule", "cannot be read"),
        ({"schedule": "x" * 101}, "schedule", "at most 100 characters"),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "is unknown"),
        ({"grace_minutes": "soon"}, "grace_minutes", "Expected 0 to 527040 minutes"),
        ({"grace_minutes": "-1"}, "grace_minutes", "Expected 0 to 527040 minutes"),
        ({"grace_minutes": "527041"}, "grace_minutes", "Expected 0 to 527040 minutes"),
        ({"grace_minutes": "9" * 40}, "grace_minutes", "at most 10 characters"),
    ],
)
def test_what_cannot_be_is_said_beside_its_field_and_adopts_none(
    admin_client: Client, said: dict[str, str], field: str, words: str
) -> None:
    jobs = waiting("A1", "A2")
    page = unescape(post(admin_client, jobs, **said).content.decode())
    error = re.search(rf'<p id="{field}-error"[^>]*>([^<]*)</p>', page)
    assert error is not None
    assert words in error[1]
    assert page.count(" checked>") == 3  # what was chosen is not lost, nor the box of its agent
    for job in jobs:
        assert standing(job) == (False, True, "")


def test_what_the_roster_refuses_after_all_is_said_too(admin_client: Client) -> None:
    first, second = waiting("A1", "A2")
    ExpectedBackupJob.objects.filter(pk=second.pk).update(agent_id="nameless")
    page = post(admin_client, [first, second]).content.decode()
    assert "expected COMPANY_CITY_NEIGHBORHOOD" in page
    assert standing(first) == (False, True, "")
    assert not LogEntry.objects.exists()


def test_the_preview_shows_the_next_five_and_adopts_none(admin_client: Client) -> None:
    jobs = waiting("A1", "A2")
    page = unescape(post(admin_client, jobs[:1], "preview").content.decode())
    assert "Every day at 02:30 (UTC)" in page
    table = re.search(r"<tbody>(.*?)</tbody>", page, re.DOTALL)
    assert table is not None
    assert table[1].count("<tr>") == 5
    assert page.count(" checked>") == 1
    assert standing(jobs[0]) == (False, True, "")


def test_those_that_should_not_be_watched_are_retired(admin_client: Client) -> None:
    first, second = waiting("A1", "A2")
    page = post(admin_client, [first], "retire", schedule="").content.decode()
    assert "1 job retired." in page
    first.refresh_from_db()
    assert (first.awaits_adoption, first.retired_at is not None) == (False, True)
    assert standing(second) == (False, True, "")


@pytest.mark.parametrize("do", ["adopt", "retire"])
def test_somebody_has_to_be_chosen(admin_client: Client, do: str) -> None:
    waiting("A")
    assert "Choose at least one that waits." in post(admin_client, [], do).content.decode()


@pytest.mark.parametrize("do", ["adopt", "retire"])
def test_what_waits_no_more_is_left_as_it_is(admin_client: Client, do: str) -> None:
    expected = make_job(schedule="0 4 * * *")
    assert "Choose at least one" in post(admin_client, [expected], do).content.decode()
    assert standing(expected) == (True, False, "0 4 * * *")


# --- Who may --------------------------------------------------------------------------------------


def test_who_may_only_look_neither_sees_nor_uses_the_page(client: Client) -> None:
    (job,) = waiting("A")
    client.force_login(staff("view_expectedbackupjob"))
    assert client.get(PAGE).status_code == 403
    assert post(client, [job]).status_code == 403
    assert "nobody expected" not in html(client, JOBS)


def test_what_waits_at_another_company_is_neither_shown_nor_adopted(client: Client) -> None:
    (own,) = waiting("OWN")
    (other,) = waiting("OTHER", agent="NORDIS_GAROUA_CENTRE")
    client.force_login(staff(*MAY, companies=("ACME",), name="acme"))
    assert "1 database that nobody expected" in html(client, JOBS)
    for url in (PAGE, f"{PAGE}?job={other.pk}"):
        assert "OTHER" not in html(client, url)
    for do in ("adopt", "retire"):
        post(client, [other], do)
    assert standing(other) == (False, True, "")
    post(client, [own, other])
    assert standing(own) == (True, False, "30 2 * * *")
    assert standing(other) == (False, True, "")
    assert JobChange.objects.filter(job=other).count() == 1


def test_the_page_is_safe_from_other_sites() -> None:
    jobs = waiting("A1", "A2")
    client = Client(enforce_csrf_checks=True)
    client.force_login(staff(*MAY))
    assert post(client, jobs).status_code == 403
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', html(client))
    assert token is not None
    page = post(client, jobs, csrfmiddlewaretoken=token[1]).content.decode()
    assert "2 jobs adopted." in page


# --- Cost -----------------------------------------------------------------------------------------


def _count(client: Client, url: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        html(client, url)
    return len(queries)


def test_the_list_and_the_page_cost_the_same_for_ten_and_a_thousand(admin_client: Client) -> None:
    def taken() -> list[int]:
        ExpectedBackupJob.objects.update(awaits_adoption=True, is_active=False)
        return [_count(admin_client, url) for url in (JOBS, PAGE)]

    write(10)
    taken()  # what is read once in a process
    few = taken()
    write(990, first=10)
    assert taken() == few
