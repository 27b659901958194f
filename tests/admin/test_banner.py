"""The alarm at the top of every page when the scheduler does not do its work."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from scanner.models import ExpectedBackupJob, Lease, ScanRun, ScheduledTask
from tests.admin.rows import LIST, MODELS, staff, write
from tests.schedule_rows import make_all_well, make_scan, make_task

pytestmark = pytest.mark.django_db

ALARM = 'id="scheduler-alarm"'
TASKS = LIST.format(ScheduledTask)


def html(client: Client, url: str) -> str:
    response = client.get(url, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def alarm(page: str) -> str:
    found = re.search(r'<div id="scheduler-alarm".*?</ul>', page, re.DOTALL)
    assert found is not None
    return found[0]


def pages() -> list[str]:
    write(1)
    job, user = ExpectedBackupJob.objects.get(), User.objects.get()
    jobs = LIST.format(ExpectedBackupJob)
    return [
        "/admin/",
        "/admin/scanner/",
        "/admin/password_change/",
        f"{jobs}add/",
        f"{jobs}{job.pk}/change/",
        f"{jobs}{job.pk}/history/",
        f"/admin/auth/user/{user.pk}/password/",
        "/admin/auth/user/",
        TASKS,
        *(LIST.format(model) for model in MODELS),
    ]


def test_every_page_says_that_nobody_leads_and_what_to_do(admin_client: Client) -> None:
    make_all_well(timezone.now())
    Lease.objects.update(holder="")
    for url in pages():
        page = html(admin_client, url)
        assert page.count(ALARM) == 1, url
        shown = alarm(page)
        assert 'role="alert"' in shown
        assert "No scheduler leads" in shown
        assert "manage.py runapscheduler" in shown
        assert f'href="{TASKS}"' in shown


def test_no_page_says_anything_while_all_is_well(admin_client: Client) -> None:
    make_all_well(timezone.now())
    for url in pages():
        assert ALARM not in html(admin_client, url), url


def test_the_alarm_tells_of_a_leader_that_was_not_heard_of(admin_client: Client) -> None:
    make_all_well(timezone.now())
    Lease.objects.update(beat_at=timezone.now() - timedelta(seconds=46))
    assert "process 4711 on host-a was last heard of" in alarm(html(admin_client, "/admin/"))


def test_the_alarm_tells_of_an_old_scan(admin_client: Client) -> None:
    make_all_well(timezone.now())
    ScanRun.objects.update(finished_at=timezone.now() - timedelta(hours=1))
    shown = alarm(html(admin_client, "/admin/"))
    assert "more than two intervals ago" in shown
    assert "No scheduler leads" not in shown


def test_the_alarm_tells_that_the_scan_is_paused(admin_client: Client) -> None:
    make_all_well(timezone.now())
    ScheduledTask.objects.update(enabled=False)
    ScanRun.objects.update(finished_at=timezone.now() - timedelta(hours=1))
    shown = alarm(html(admin_client, "/admin/"))
    assert "is paused" in shown
    assert "two intervals" not in shown


def test_what_the_alarm_says_is_no_markup(admin_client: Client) -> None:
    make_all_well(timezone.now())
    Lease.objects.update(host="<b>x</b>", beat_at=timezone.now() - timedelta(hours=1))
    assert "&lt;b&gt;x&lt;/b&gt;" in alarm(html(admin_client, "/admin/"))


def test_who_is_not_logged_in_is_told_nothing_and_asks_nothing_of_the_database(
    client: Client,
) -> None:
    with CaptureQueriesContext(connection) as captured:
        page = html(client, "/admin/login/")
    assert ALARM not in page
    assert captured.captured_queries == []


def test_who_may_see_no_task_is_told_without_the_way_to_them(client: Client) -> None:
    client.force_login(staff())
    page = html(client, "/admin/")
    assert ALARM in page
    assert TASKS not in page


def test_each_reason_leads_to_where_more_of_it_is_seen(client: Client) -> None:
    now = timezone.now()
    make_all_well(now)
    Lease.objects.update(holder="")
    prune = make_task("prune", last_outcome="failed")
    for _ in range(2):
        scan = make_scan(now - timedelta(hours=1), outcome="incomplete", findings=["<i>unread</i>"])
    runs = LIST.format(ScanRun)
    ways = [
        ("No scheduler leads", TASKS, "The list of tasks"),
        ("more than two intervals ago", runs, "The list of runs"),
        ("&lt;i&gt;unread&lt;/i&gt;", f"{runs}{scan.pk}/change/", "The run"),
        ("“prune” has failed", f"{TASKS}{prune.pk}/change/", "The task"),
    ]
    user = staff("view_scheduledtask", "view_scanrun")
    client.force_login(user)
    shown = re.findall(r"<li>(.*?)</li>", alarm(html(client, "/admin/")), re.DOTALL)
    for (words, url, place), reason in zip(ways, shown, strict=True):
        assert words in reason
        assert f'<a href="{url}">{place}</a>' in reason
    user.user_permissions.remove(*user.user_permissions.filter(codename="view_scanrun"))
    shown = re.findall(r"<li>(.*?)</li>", alarm(html(client, "/admin/")), re.DOTALL)
    assert ["<a " in reason for reason in shown] == [True, False, False, True]


def test_the_alarm_costs_a_page_three_statements(admin_client: Client) -> None:
    make_all_well(timezone.now())
    page = "/admin/password_change/"
    html(admin_client, page)
    with CaptureQueriesContext(connection) as captured:
        html(admin_client, page)
    own = ('"scanner_lease"', '"scanner_scanrun"', '"scanner_scheduledtask"')
    taken = [query["sql"] for query in captured.captured_queries]
    assert [sum(table in sql for sql in taken) for table in own] == [1, 1, 1]
