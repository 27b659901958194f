"""The page of expected backups: the list, the switch, the actions, the form."""

import re
from typing import Any

import pytest
from django.db import IntegrityError
from django.test import Client

from scanner import roster
from scanner.models import BackupEntry, ExpectedBackupJob
from tests.admin.fields import seen
from tests.admin.rows import LIST, add_entries, staff, write
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

JOBS = LIST.format(ExpectedBackupJob)
ADD = f"{JOBS}add/"
FIELDS = {
    "company_name": "Acme",
    "city": "Douala",
    "neighborhood": "Newbell",
    "database_name": "acme_2025",
    "agent_id": "acme_douala_newbell",
    "schedule": "30 2 * * *",
    "alert_after": "1",
    "is_active": "on",
}


def page_of(job: ExpectedBackupJob, what: str = "change") -> str:
    return f"{JOBS}{job.pk}/{what}/"


def html(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def names(client: Client, query: str) -> list[str]:
    """Give the databases in the list."""
    page = html(client, f"{JOBS}?{query}")
    found = re.findall(r"field-database_name.*?<a [^>]*>([^<]*)</a>", page, re.DOTALL)
    return [name.strip() for name in found]


# --- The list -------------------------------------------------------------------------------------


def test_the_list_tells_how_each_job_stands(admin_client: Client) -> None:
    write(1)
    page = html(admin_client, JOBS)
    for text in ("db_0000_x", "Company 0 x", "City 0 x", "Corrupt", "checksum mismatch", "late"):
        assert text in page
    assert "4.8\xa0MB" in page
    assert "2026-03-02 12:00" in page


def test_the_list_counts_the_active_jobs_in_each_status(admin_client: Client) -> None:
    write(4)
    ExpectedBackupJob.objects.filter(pk=ExpectedBackupJob.objects.first().pk).update(  # type: ignore[union-attr]
        is_active=False
    )
    page = html(admin_client, JOBS)
    counts = re.findall(r"status__exact=(\w+)\"[^>]*>\s*<strong>(\d+)</strong>", page)
    assert dict(counts)["CORRUPT"] == "3"
    assert dict(counts)["SUCCESS"] == "0"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status__exact=MISSING", ["b"]),
        ("status__exact=MISSING&status__exact=UNKNOWN", ["a", "b", "c"]),
        ("company_name=ACME", ["a", "b"]),
        ("company_name=ACME&city=DOUALA", ["a"]),
        ("neighborhood=CENTRE", ["c"]),
        ("company_name=ACM", []),
        ("is_active__exact=0", ["c"]),
        ("is_active__exact=1", ["a", "b"]),
        ("q=yaounde", ["b"]),
        ("q=acme+douala", ["a"]),
        ("q=NORDIS_GAROUA_CENTRE", ["c"]),
    ],
)
def test_the_list_is_filtered_and_searched(
    admin_client: Client, query: str, found: list[str]
) -> None:
    make_job("a", "ACME_DOUALA_NEWBELL")
    b = make_job("b", "ACME_YAOUNDE_BASTOS")
    make_job("c", "NORDIS_GAROUA_CENTRE", is_active=False)
    ExpectedBackupJob.objects.filter(pk=b.pk).update(status="MISSING", reason="no_report")
    assert names(admin_client, query) == found


@pytest.mark.parametrize("query", ["city=%00", "o=99", "nonsense=1", "status__exact=%3Cscript%3E"])
def test_a_query_that_makes_no_sense_is_no_error(admin_client: Client, query: str) -> None:
    assert admin_client.get(f"{JOBS}?{query}", follow=True).status_code == 200


def places(client: Client, query: str) -> Any:
    response = client.get(f"{JOBS}places/?{query}")
    return response.json() if response.status_code == 200 else response.status_code


def test_a_place_filter_offers_what_the_other_parts_leave(admin_client: Client) -> None:
    for agent in ("ACME_DOUALA_NEWBELL", "ACME_DOUALA_AKWA", "ACME_YAOUNDE_BASTOS", "B_KRIBI_X"):
        make_job("one", agent)

    def offered(query: str) -> list[str]:
        return [result["id"] for result in places(admin_client, query)["results"]]

    assert offered("part=company_name") == ["ACME", "B"]
    assert offered("part=city&company_name=ACME") == ["DOUALA", "YAOUNDE"]
    assert offered("part=neighborhood&company_name=ACME&city=DOUALA") == ["AKWA", "NEWBELL"]
    assert offered("part=city&term=kri") == ["KRIBI"]
    page = html(admin_client, f"{JOBS}?company_name=ACME")
    assert f"{JOBS}places/?part=city&amp;company_name=ACME" in page
    assert "KRIBI" not in re.search(r"<select.*name=\"city\".*?</select>", page, re.DOTALL)[0]  # type: ignore[index]


def test_a_place_filter_gives_thousands_of_values_by_pages(admin_client: Client) -> None:
    for number in range(25):
        make_job("one", f"ACME_CITY{number:02}_X")
    first, second = (places(admin_client, f"part=city&page={page}") for page in (1, 2))
    assert len(first["results"]) == 20
    assert first["pagination"]["more"]
    assert len(second["results"]) == 5
    assert not second["pagination"]["more"]


@pytest.mark.parametrize("query", ["part=agent_id", "", "part=city&page=x", "part=city&page=-1"])
def test_a_place_filter_answers_nothing_else(admin_client: Client, query: str) -> None:
    assert places(admin_client, query) == 400


def test_who_may_see_nothing_is_told_no_places(client: Client) -> None:
    client.force_login(staff())
    assert places(client, "part=city") == 403


def test_jobs_are_not_deleted_by_the_dozen(admin_client: Client) -> None:
    make_job()
    assert "delete_selected" not in html(admin_client, JOBS)


# --- The form -------------------------------------------------------------------------------------


def test_a_new_job_awaits_its_next_cycle(admin_client: Client) -> None:
    response = admin_client.post(ADD, FIELDS)
    assert response.status_code == 302
    job = ExpectedBackupJob.objects.get()
    assert job.agent_id == "ACME_DOUALA_NEWBELL"
    awaited = job.calendar.first_ending_after(job.created_at)
    assert awaited is not None
    assert (job.due_at, job.deadline_at) == (awaited.due, awaited.deadline)


def test_a_changed_job_keeps_what_scans_found(admin_client: Client) -> None:
    job = make_job(schedule="30 2 * * *")
    add_entries(job, 1)
    entry = BackupEntry.objects.get()
    ExpectedBackupJob.objects.filter(pk=job.pk).update(status="SUCCESS", last_entry=entry)
    said = {"database_name": job.database_name, "grace_minutes": "5"}
    data = {**FIELDS, **said, **seen(admin_client, page_of(job))}
    assert admin_client.post(page_of(job), data).status_code == 302
    job.refresh_from_db()
    assert job.grace_minutes == 5
    assert job.due_at is not None
    assert job.deadline_at == job.due_at + job.grace
    assert job.status == "SUCCESS"
    assert job.last_entry == entry


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("schedule", "99 2 * * *", "cannot be read"),
        ("schedule", "0 0 30 2 *", "cannot be read"),
        ("schedule", "every day", "2 field(s)"),
        ("time_zone", "Africa/Atlantis", "is unknown"),
        ("time_zone", "../etc/passwd", "is unknown"),
        ("grace_minutes", "600000", "expected 0 minutes to 366 days"),
        ("grace_minutes", "-1", "greater than or equal to 0"),
        ("grace_minutes", "9" * 40, "expected 0 minutes to 366 days"),
        ("database_name", "", "This field is required."),
        ("database_name", "x" * 201, "at most 200 characters"),
        ("company_name", "nul\0", "Null characters are not allowed."),
        ("year", "MMXXV", "Enter a whole number."),
    ],
)
@pytest.mark.parametrize("exists", [False, True])
def test_what_the_roster_refuses_is_said_beside_the_field(
    admin_client: Client, exists: bool, field: str, value: str, error: str
) -> None:
    url = page_of(make_job("OTHER")) if exists else ADD
    shown = seen(admin_client, url) if exists else {}
    response = admin_client.post(url, {**FIELDS, **shown, field: value})
    assert response.status_code == 200
    [said] = response.context["adminform"].form.errors[field]
    assert error in said
    assert not ExpectedBackupJob.objects.exclude(database_name="OTHER").exists()


def test_one_database_of_an_agent_is_expected_once(admin_client: Client) -> None:
    make_job("acme_2025")
    response = admin_client.post(ADD, FIELDS)
    assert response.status_code == 200
    assert "This agent&#x27;s database is expected already." in response.content.decode()


@pytest.mark.parametrize("refusal", [IntegrityError, "validation"])
def test_a_rival_who_was_quicker_makes_no_error(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, refusal: Any
) -> None:
    rivals = [ExpectedBackupJob(**{**FIELDS, "agent_id": "ACME_DOUALA_NEWBELL", "is_active": True})]
    real = roster.save

    def save(job: ExpectedBackupJob, **arguments: Any) -> None:
        """Let the rival come between the form's look and the saving, once."""
        if rivals:
            rival = rivals.pop()
            if refusal is IntegrityError:
                raise IntegrityError("UNIQUE constraint failed")
            real(rival, **arguments)
        real(job, **arguments)

    monkeypatch.setattr(roster, "save", save)
    # The rival's row goes with the transaction that it spoils, so that the second try succeeds.
    assert admin_client.post(ADD, FIELDS).status_code == 302
    assert ExpectedBackupJob.objects.count() == 1


def test_a_job_is_saved_although_entries_came_meanwhile(admin_client: Client) -> None:
    job = make_job()
    add_entries(job, 3)
    shown = seen(admin_client, page_of(job))
    add_entries(job, 30)
    data = {**FIELDS, "database_name": job.database_name, "year": "2025", **shown}
    assert admin_client.post(page_of(job), data).status_code == 302


def test_who_may_only_look_sees_the_form_without_one(client: Client) -> None:
    job = make_job(schedule="30 2 * * *")
    client.force_login(staff("view_expectedbackupjob"))
    page = html(client, page_of(job))
    assert "30 2 * * *" in page
    assert 'name="schedule"' not in page
    assert client.post(page_of(job), FIELDS).status_code == 403


# --- Deleting -------------------------------------------------------------------------------------


def test_a_job_without_a_history_can_be_deleted(admin_client: Client) -> None:
    job = make_job()
    assert page_of(job, "delete") in html(admin_client, page_of(job))
    html(admin_client, page_of(job, "delete"))
    assert admin_client.post(page_of(job, "delete"), {"post": "yes"}).status_code == 302
    assert not ExpectedBackupJob.objects.exists()


def test_of_a_job_with_a_history_the_page_says_to_retire_it_instead(admin_client: Client) -> None:
    job = make_job("<script>alert(1)</script>")
    add_entries(job, 1)
    assert page_of(job, "delete") not in html(admin_client, page_of(job))
    for ask in (admin_client.get, admin_client.post):
        response = ask(page_of(job, "delete"), {"post": "yes"}, follow=True)
        page = response.content.decode()
        assert "has a history, which is kept: it cannot be deleted." in page
        assert f'href="{page_of(job, "retire")}">Retire it instead</a>' in page
        assert "<script>alert(1)</script>" not in page
    assert ExpectedBackupJob.objects.exists()


def test_of_a_retired_job_with_a_history_the_page_offers_nothing_else(admin_client: Client) -> None:
    job = make_job()
    add_entries(job, 1)
    roster.retire([job.pk], now=NOW)
    page = admin_client.get(page_of(job, "delete"), follow=True).content.decode()
    assert "has a history, which is kept: it cannot be deleted." in page
    assert "Retire it instead" not in page


def test_who_may_not_delete_cannot(client: Client) -> None:
    job = make_job()
    client.force_login(staff("view_expectedbackupjob", "change_expectedbackupjob"))
    assert client.post(page_of(job, "delete"), {"post": "yes"}).status_code == 403
    assert ExpectedBackupJob.objects.exists()
