"""What is done to many rows at once takes no more statements than what is done to few."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from scanner.admin.acknowledging import MOST_AT_ONCE
from scanner.admin.job import JobAdmin
from scanner.models import ExpectedBackupJob, Incident, IncidentEvent
from tests.admin.rows import LIST, write
from tests.admin.test_pages import statements

pytestmark = pytest.mark.django_db

JOBS, INCIDENTS = LIST.format(ExpectedBackupJob), LIST.format(Incident)
A_PAGE = JobAdmin.list_per_page
HEADER = "company_name,city,neighborhood,database_name,agent_id,grace_minutes\n"
LINE = "Company 0 x,City 0 x,Neighborhood x,{},AGENT_0_x,{}\n"


def chosen(rows: list[int], **fields: Any) -> dict[str, Any]:
    return {ACTION_CHECKBOX_NAME: [str(key) for key in rows], **fields}


def body(client: Client, url: str, data: dict[str, Any]) -> str:
    response = client.post(url, data)
    assert response.status_code == 200, response
    return response.content.decode()


def jobs(count: int) -> list[int]:
    """Give the newest jobs that are active."""
    rows = ExpectedBackupJob.objects.filter(is_active=True).order_by("-pk")
    return list(rows.values_list("pk", flat=True)[:count])


def incidents(count: int) -> list[int]:
    """Give the newest incidents that nobody has acknowledged by a page yet."""
    rows = Incident.objects.exclude(acknowledged_note="by a page").order_by("-pk")
    return list(rows.values_list("pk", flat=True)[:count])


def file_of(count: int) -> SimpleUploadedFile:
    """Give a file of jobs, all but one of which are new."""
    names = ["db_0000_x", *(f"new{number}" for number in range(count - 1))]
    text = HEADER + "".join(LINE.format(name, 60) for name in names)
    return SimpleUploadedFile("jobs.csv", text.encode())


def questions(client: Client, count: int) -> dict[str, Callable[[], str]]:
    """Give what asks before something is done to so many rows, or shows what would be done."""
    across = {"select_across": "1"}
    return {
        "pause": lambda: body(client, JOBS, chosen(jobs(count), action="pause")),
        "retire": lambda: body(client, JOBS, chosen(jobs(count), action="retire")),
        "pause all": lambda: body(client, JOBS, chosen(jobs(1), action="pause", **across)),
        "retire all": lambda: body(client, JOBS, chosen(jobs(1), action="retire", **across)),
        "acknowledge": lambda: body(
            client, INCIDENTS, chosen(incidents(count), action="acknowledge_selected")
        ),
        "import": lambda: body(client, f"{JOBS}import/", {"file": file_of(count)}),
    }


def do(client: Client, action: str, rows: list[int]) -> None:
    """Do something to jobs, whose names were shown before."""
    page = body(client, JOBS, chosen(rows, action=action))
    found = re.search(r'name="confirmed" value="([^"]+)"', page)
    assert found is not None
    data = chosen(rows, action=action, confirmed=found[1], reason="why")
    assert client.post(JOBS, data).status_code == 302
    assert not ExpectedBackupJob.objects.filter(pk__in=rows, is_active=True).exists()


def acknowledge(client: Client, rows: list[int]) -> None:
    data = chosen(rows, action="acknowledge_selected", hours="", note="by a page")
    assert client.post(INCIDENTS, data).status_code == 302
    assert Incident.objects.filter(pk__in=rows, acknowledged_note="by a page").count() == len(rows)


def taken(visits: dict[str, Callable[[], Any]]) -> dict[str, int]:
    return {name: len(statements(visit)) for name, visit in visits.items()}


def test_what_asks_about_many_rows_takes_no_more_statements(admin_client: Client) -> None:
    write(10)
    taken(questions(admin_client, 10))  # fills the caches of content types
    few = taken(questions(admin_client, 10))
    write(990, first=10)
    assert taken(questions(admin_client, 10)) == few
    assert taken(questions(admin_client, A_PAGE)) == few
    most = questions(admin_client, MOST_AT_ONCE)
    assert len(statements(most["acknowledge"])) == few["acknowledge"]
    assert len(statements(most["import"])) == few["import"]


def test_what_is_done_to_many_rows_takes_no_more_statements(admin_client: Client) -> None:
    write(300)

    def deeds(count: int, incidents_at_once: int) -> dict[str, Callable[[], None]]:
        return {
            "pause": lambda: do(admin_client, "pause", jobs(count)),
            "retire": lambda: do(admin_client, "retire", jobs(count)),
            "acknowledge": lambda: acknowledge(admin_client, incidents(incidents_at_once)),
        }

    taken(deeds(1, 1))  # fills the caches of content types
    many, few = taken(deeds(A_PAGE, MOST_AT_ONCE)), taken(deeds(10, 10))
    # Rows are written some at a time: SQLite takes 999 values in a statement.
    grown = {name: count - few[name] for name, count in many.items()}
    assert max(grown.values()) <= 3, grown


def test_of_many_incidents_those_that_are_over_stay_as_they_are(admin_client: Client) -> None:
    write(3)
    over, first, second = Incident.objects.order_by("pk")
    over.end, over.ended_at = "recovered", over.opened_at
    over.save()
    events = IncidentEvent.objects.count()
    data = chosen([over.pk, first.pk, second.pk], action="acknowledge_selected", hours="4")
    page = admin_client.post(f"{INCIDENTS}?standing=all", {**data, "note": "new"}, follow=True)
    assert "2 incidents acknowledged." in page.content.decode()
    notes = Incident.objects.order_by("pk").values_list("acknowledged_note", flat=True)
    assert list(notes) == ["note x", "new", "new"]
    assert IncidentEvent.objects.count() == events + 2
