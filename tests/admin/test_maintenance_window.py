"""The page of maintenance windows: whether they lie open now, when next, and over what."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from scanner.models import ExpectedBackupJob, MaintenanceWindow
from tests.admin.fields import told
from tests.admin.rows import LIST, staff
from tests.alerts.rows import DAY, HOUR, make_jobs
from tests.scanning import NOW

pytestmark = pytest.mark.django_db

WINDOWS = LIST.format(MaintenanceWindow)
ONCE = {"starts_at_0": "2040-01-01", "starts_at_1": "10:00", "ends_at_0": "2040-01-02"}


def make_window(**fields: Any) -> MaintenanceWindow:
    now = timezone.now()
    known = {"name": "move", "starts_at": now - HOUR, "ends_at": now + HOUR, "created_at": NOW}
    return MaintenanceWindow.objects.create(**{**known, **fields})


def page_of(window: MaintenanceWindow, what: str = "change") -> str:
    return f"{WINDOWS}{window.pk}/{what}/"


def html(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def cells(page: str, column: str) -> list[str]:
    found = re.findall(rf"<t[dh][^>]*field-{column}[^>]*>(.*?)</t[dh]>", page, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", " ", cell).split()) for cell in found]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "in force until"),
        ({"enabled": False}, "off"),
        ({"starts_at": DAY, "ends_at": 2 * DAY}, "not now"),
        ({"starts_at": -2 * DAY, "ends_at": -DAY}, "over"),
    ],
)
def test_it_says_whether_nobody_is_told_now(
    admin_client: Client, fields: dict[str, Any], words: str
) -> None:
    now = timezone.now()
    moments = {
        name: now + value if isinstance(value, timedelta) else value
        for name, value in fields.items()
    }
    window = make_window(**moments)
    [cell] = cells(html(admin_client, WINDOWS), "now")
    assert cell.startswith(words)
    assert told(html(admin_client, page_of(window)), "Now").startswith(words)


def test_one_that_recurs_tells_its_next_times_in_the_zone_of_the_site(
    admin_client: Client, settings: Settings
) -> None:
    settings.TIME_ZONE = "Africa/Douala"
    again = {"starts_at": None, "ends_at": None, "cron": "0 22 * * 6", "duration_minutes": 120}
    window = make_window(**again, time_zone="UTC")
    times = told(html(admin_client, page_of(window)), "Times")
    pairs = re.findall(r"(\d{4}-\d\d-\d\d) 23:00 → (\d{4}-\d\d-\d\d) 01:00", times)
    assert len(pairs) == 3


def test_one_that_cannot_be_followed_any_more_has_a_page_too(admin_client: Client) -> None:
    window = make_window(starts_at=None, ends_at=None, cron="no cron", duration_minutes=5)
    assert told(html(admin_client, page_of(window)), "Times") == "—"
    assert cells(html(admin_client, WINDOWS), "now") == ["not now"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "everything"),
        ({"company": "ACME", "city": "DOUALA"}, "ACME / DOUALA"),
        ({"agent_id": "ACME_DOUALA_NEWBELL"}, "ACME_DOUALA_NEWBELL"),
        ({"job": None}, "DB0 (ACME, DOUALA, NEWBELL)"),
    ],
)
def test_the_list_tells_over_what_it_lies(
    admin_client: Client, fields: dict[str, Any], words: str
) -> None:
    if "job" in fields:
        fields["job"] = make_jobs(1)[0]
    make_window(**fields)
    assert cells(html(admin_client, WINDOWS), "over") == [words]


def test_the_form_to_add_one_has_no_state(admin_client: Client) -> None:
    page = html(admin_client, f"{WINDOWS}add/")
    assert "field-now" not in page
    assert "field-times" not in page


def hold() -> None:
    """Let a job wait for the end of a window."""
    ExpectedBackupJob.objects.update(alert_check_at=timezone.now() + HOUR)


def save(client: Client, window: MaintenanceWindow) -> Any:
    again = {"name": "move", "cron": "@daily", "duration_minutes": "60"}
    return client.post(page_of(window), {**again, "enabled": ""})


def delete(client: Client, window: MaintenanceWindow) -> Any:
    return client.post(page_of(window, "delete"), {"post": "yes"})


@pytest.mark.parametrize("change", [save, delete])
def test_those_it_held_are_looked_at_again_when_it_changes(
    admin_client: Client, change: Callable[[Client, MaintenanceWindow], Any]
) -> None:
    [job] = make_jobs(1)
    window = make_window(created_by="somebody")
    hold()
    before = timezone.now()
    assert change(admin_client, window).status_code == 302
    job.refresh_from_db()
    assert job.alert_check_at is not None
    assert before <= job.alert_check_at <= timezone.now()
    for kept in MaintenanceWindow.objects.all():
        assert (kept.created_by, kept.created_at, kept.enabled) == ("somebody", NOW, False)


def test_a_refused_form_changes_nothing(admin_client: Client) -> None:
    [job] = make_jobs(1)
    window = make_window()
    hold()
    response = admin_client.post(page_of(window), {"name": "move", **ONCE, "ends_at_1": "x"})
    assert set(response.context["adminform"].form.errors) == {"ends_at"}
    job.refresh_from_db()
    assert job.alert_check_at is not None
    assert job.alert_check_at > timezone.now()


def test_who_may_only_look_sees_it_and_changes_nothing(client: Client) -> None:
    window = make_window()
    client.force_login(staff("view_maintenancewindow"))
    assert "in force" in html(client, WINDOWS)
    page = html(client, page_of(window))
    assert told(page, "Now").startswith("in force")
    assert 'name="_save"' not in page
    assert save(client, window).status_code == 403
    assert delete(client, window).status_code == 403
    assert MaintenanceWindow.objects.exists()


def test_the_list_takes_no_more_statements_for_many(admin_client: Client) -> None:
    def more(count: int, neighborhood: str) -> None:
        for job in make_jobs(count, neighborhood=neighborhood):
            make_window(job=job)

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            html(admin_client, WINDOWS)
        return len(captured.captured_queries)

    more(10, "A")
    html(admin_client, WINDOWS)
    few = statements()
    more(120, "B")
    assert statements() == few
