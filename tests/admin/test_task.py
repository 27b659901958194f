"""The page of tasks: the list, the switch, the form, and running one now."""

import re
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.staticfiles import finders
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import escape
from pytest_django import Settings

from scanner import agenda
from scanner.admin import task_facts
from scanner.admin.task_facts import PURPOSES
from scanner.models import ScheduledTask, TaskRequest, TaskRun
from scanner.scheduling.tasks import TASKS as TASKS_OF_THE_PROGRAM
from tests.admin.rows import LIST, staff
from tests.scanning import NOW
from tests.schedule_rows import (
    MINUTE,
    make_all_well,
    make_run,
    make_scan,
    make_standby,
    make_task,
    run_fields,
)

pytestmark = pytest.mark.django_db

TASKS = LIST.format(ScheduledTask)
SCRIPT = "<script>alert(1)</script>"
FIELDS = {
    "version": "1",
    "enabled": "on",
    "interval_minutes": "",
    "cron": "",
    "time_zone": "",
    "misfire_grace_seconds": "",
    "retries": "2",
    "backoff_seconds": "60",
}


def page_of(task: ScheduledTask, what: str = "change") -> str:
    return f"{TASKS}{task.pk}/{what}/"


def html(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def text(page: str) -> str:
    """Give what stands on a page, each white space one blank."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def cells(page: str, column: str) -> list[str]:
    """Give the texts of a column of the list."""
    found = re.findall(rf"<t[dh][^>]*field-{column}[^>]*>(.*?)</t[dh]>", page, re.DOTALL)
    return [text(cell) for cell in found]


def statements(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        html(client, url)
    return len(captured.captured_queries)


# --- The list -------------------------------------------------------------------------------------


def test_the_list_tells_when_each_task_runs_and_how_it_went(admin_client: Client) -> None:
    task = make_all_well()
    soon = timezone.now() + 15 * MINUTE
    ScheduledTask.objects.update(
        next_run_at=soon,
        last_outcome="ok",
        retry_at=NOW + MINUTE,
        retry_attempt=2,
    )
    make_run(task, NOW - 2 * MINUTE, 10)
    make_run(task, NOW, 20, "failed")
    page = html(admin_client, TASKS)
    assert cells(page, "name") == ["scan"]
    assert cells(page, "schedule") == ["every 15 minutes"]
    assert cells(page, "next_run") == [f"{soon:%Y-%m-%d %H:%M}"]
    assert cells(page, "last_run") == ["2026-03-02 12:00 failed"]
    assert cells(page, "outcome") == []  # while a retry waits it would contradict the last run
    assert cells(page, "mean") == ["15.0 s"]
    assert cells(page, "longest") == ["20.0 s"]
    assert cells(page, "retry") == ["2026-03-02 12:01 (attempt 2)"]


def test_a_task_that_never_ran_has_nothing_to_tell(admin_client: Client) -> None:
    make_task(enabled=False, cron="15 4 * * *")
    page = html(admin_client, TASKS)
    assert cells(page, "schedule") == ["every day at 04:15 (UTC)"]
    assert cells(page, "next_run") == ["paused"]
    for column in ("last_run", "mean", "longest", "retry"):
        assert cells(page, column) == ["—"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"enabled": False}, "paused"),
        ({"version": 2}, "not yet in force"),
        ({}, "overdue since 2026-03-02 12:00"),
    ],
)
def test_a_next_run_that_will_not_be_kept_is_not_promised(
    admin_client: Client, fields: dict[str, Any], told: str
) -> None:
    task = make_task(next_run_at=NOW, **fields)
    assert cells(html(admin_client, TASKS), "next_run") == [told]
    assert f"Next run {told}" in text(part(admin_client, task, "task-state"))


def test_runs_are_shown_to_those_who_may_see_them(client: Client) -> None:
    task = make_task()
    request = TaskRequest.objects.create(task=task, requested_at=NOW, taken_at=NOW)
    make_run(task, outcome="failed", error="no disk", request=request, scan_run=make_scan())
    user = staff("view_scheduledtask", "view_taskrun", "view_scanrun")
    client.force_login(user)

    def seen() -> tuple[bool, ...]:
        listed, page = html(client, TASKS), html(client, page_of(task))
        assert "Asked for at 2026-03-02 12:00 : failed" in text(part(client, task, "task-state"))
        return (
            cells(listed, "last_run") != [],
            "no disk" in page,
            "/taskrun/" in page,
            "/scanrun/" in page,
        )

    assert seen() == (True, True, True, True)
    user.user_permissions.remove(*user.user_permissions.filter(codename="view_scanrun"))
    assert seen() == (True, True, True, False)
    user.user_permissions.remove(*user.user_permissions.filter(codename="view_taskrun"))
    assert seen() == (False, False, False, False)


def test_above_the_list_stands_the_state_of_the_scheduler(admin_client: Client) -> None:
    now = timezone.now()
    make_all_well(now)
    make_standby(now)
    page = html(admin_client, TASKS)
    section = page[page.index('id="scheduler-state"') :]
    state = text(section[: section.index("</section>")])
    assert "healthy" in state
    assert "not healthy" not in state
    assert "Leader process 4711 on host-a" in state
    assert "Leads since 2026-03-02 09:00" in state
    assert f"Last heartbeat {now:%Y-%m-%d %H:%M}" in state
    assert "Standing by process 12 on host-b" in state
    assert f"Last good scan {now:%Y-%m-%d %H:%M}" in state


def test_the_state_says_when_nobody_leads(admin_client: Client) -> None:
    make_scan()
    state = text(html(admin_client, TASKS))
    assert "not healthy" in state
    assert "Leader nobody" in state
    assert "Standing by nobody" in state


def test_the_pages_take_no_more_statements_for_many_rows(admin_client: Client) -> None:
    def more(first: int, end: int) -> None:
        tasks = ScheduledTask.objects.bulk_create(
            ScheduledTask(name=f"task {number}", changed_at=NOW) for number in range(first, end)
        )
        write = partial(run_fields, started=NOW, seconds=1, outcome="ok")
        TaskRun.objects.bulk_create(TaskRun(**write(task)) for task in tasks)
        one = tasks[0]
        start = TaskRun.objects.count()
        TaskRun.objects.bulk_create(
            TaskRun(**write(one, attempt=number)) for number in range(2, start)
        )
        TaskRequest.objects.bulk_create(
            TaskRequest(task=one, requested_at=NOW) for _ in range(end - first)
        )

    more(0, 10)
    pages = (TASKS, page_of(ScheduledTask.objects.earliest("pk")))
    for page in pages:
        html(admin_client, page)  # fills the caches of content types
    few = [statements(admin_client, page) for page in pages]
    more(10, 1000)
    assert [statements(admin_client, page) for page in pages] == few


def test_tasks_are_neither_added_nor_deleted(admin_client: Client) -> None:
    task = make_task()
    for url in (f"{TASKS}add/", page_of(task, "delete")):
        assert admin_client.post(url, {"post": "yes"}).status_code == 403
    assert "delete_selected" not in html(admin_client, TASKS)
    admin_client.post(TASKS, {"action": "delete_selected", "_selected_action": [str(task.pk)]})
    assert ScheduledTask.objects.exists()


# --- The switch -----------------------------------------------------------------------------------


def switch(client: Client, task: ScheduledTask, on: str) -> Any:
    return client.post(page_of(task, "switch"), {"on": on})


def test_the_switch_pauses_a_task_and_lets_it_go_on(admin_client: Client) -> None:
    task = make_task()
    row = re.search(rf'<button[^>]*id="task-{task.pk}"[^>]*>', html(admin_client, TASKS))
    assert row is not None
    assert 'aria-checked="true"' in row[0]
    assert f'formaction="{page_of(task, "switch")}"' in row[0]
    assert 'name="on" value="0"' in row[0]

    response = switch(admin_client, task, "0")
    assert response["Location"] == f"{TASKS}#task-{task.pk}"
    task.refresh_from_db()
    assert (task.enabled, task.version) == (False, 2)
    assert 'aria-checked="false"' in html(admin_client, TASKS)

    switch(admin_client, task, "1")
    task.refresh_from_db()
    assert (task.enabled, task.version) == (True, 3)
    assert [entry.get_change_message() for entry in LogEntry.objects.all()] == [
        "Changed Enabled.",
        "Changed Enabled.",
    ]


def test_a_switch_that_changes_nothing_is_not_on_record(admin_client: Client) -> None:
    switch(admin_client, make_task(), "1")
    assert ScheduledTask.objects.get().version == 1
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("on", ["", "2", "true"])
def test_the_switch_wants_to_know_whereto(admin_client: Client, on: str) -> None:
    assert switch(admin_client, make_task(), on).status_code == 400


# --- The form -------------------------------------------------------------------------------------


def test_a_changed_schedule_is_stored_for_the_scheduler_to_see(admin_client: Client) -> None:
    task = make_task()
    form = {**FIELDS, "cron": "15 4 * * 1-5", "time_zone": "Africa/Douala", "retries": "3"}
    assert admin_client.post(page_of(task), form).status_code == 302
    task.refresh_from_db()
    assert (task.cron, task.time_zone, task.retries) == ("15 4 * * 1-5", "Africa/Douala", 3)
    assert task.version == 2
    assert "not yet: the leading scheduler takes it over" in html(admin_client, page_of(task))
    ScheduledTask.objects.update(applied_version=2)
    assert "not yet" not in html(admin_client, page_of(task))


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("interval_minutes", "0", "expected 1 to"),
        ("interval_minutes", "44641", "expected 1 to"),
        ("interval_minutes", "-1", "greater than or equal to 0"),
        ("interval_minutes", "x", "Enter a whole number."),
        ("cron", "61 * * * *", "cannot be read"),
        ("cron", "every day", "2 field(s)"),
        ("cron", "0 0 30 2 *", "cannot be read"),
        ("cron", "nul\0", "Null characters are not allowed."),
        ("time_zone", "Africa/Atlantis", "is unknown"),
        ("time_zone", "../etc/passwd", "is unknown"),
        ("misfire_grace_seconds", "-1", "greater than or equal to 0"),
        ("misfire_grace_seconds", "2678401", "expected at most 2678400"),
        ("retries", "", "This field is required."),
        ("version", "", "This field is required."),
        ("retries", "21", "expected at most 20"),
        ("backoff_seconds", "86401", "expected at most 86400"),
    ],
)
def test_what_cannot_be_followed_is_said_beside_the_field(
    admin_client: Client, field: str, value: str, error: str
) -> None:
    task = make_task()
    response = admin_client.post(page_of(task), {**FIELDS, field: value})
    assert response.status_code == 200
    said = response.context["adminform"].form.errors
    assert list(said) == [field]
    assert error in said[field][0]
    task.refresh_from_db()
    assert task.version == 1


def test_a_form_that_others_have_overtaken_is_not_saved(admin_client: Client) -> None:
    task = make_task()
    field = re.search(
        r'<input type="hidden" name="version"[^>]*>', html(admin_client, page_of(task))
    )
    assert field is not None
    assert 'value="1"' in field[0]
    switch(admin_client, task, "0")
    response = admin_client.post(page_of(task), {**FIELDS, "retries": "5"})
    [error] = response.context["adminform"].form.non_field_errors()
    assert "was changed meanwhile" in error
    assert "was changed meanwhile" in response.content.decode()
    task.refresh_from_db()
    assert (task.enabled, task.retries, task.version) == (False, 2, 2)
    form = {**FIELDS, "version": "2", "enabled": ""}
    assert admin_client.post(page_of(task), {**form, "retries": "5"}).status_code == 302
    task.refresh_from_db()
    assert (task.enabled, task.retries, task.version) == (False, 5, 3)


def test_the_form_says_what_its_blanks_mean(admin_client: Client, settings: Settings) -> None:
    settings.SCANNER_INTERVAL_MINUTES = 20
    scan = html(admin_client, page_of(make_task()))
    assert "as the setting SCANNER_INTERVAL_MINUTES says, every 20 minutes." in scan
    prune = html(admin_client, page_of(make_task("prune")))
    assert "Blank, without a cron expression: every day at 04:15 (UTC)." in prune
    assert "SCANNER_INTERVAL_MINUTES" not in prune


def test_each_task_says_what_it_does(admin_client: Client) -> None:
    assert PURPOSES.keys() == TASKS_OF_THE_PROGRAM.keys()
    for name, purpose in PURPOSES.items():
        assert escape(str(purpose)) in html(admin_client, page_of(make_task(name)))


def test_what_is_refused_is_not_shown_as_the_state(admin_client: Client) -> None:
    task = make_task(interval_minutes=30)
    form = {**FIELDS, "interval_minutes": "5", "cron": "61 * * * *"}
    page = text(admin_client.post(page_of(task), form).content.decode())
    assert "Schedule every 30 minutes" in page


def test_a_paused_task_has_no_next_slots(admin_client: Client) -> None:
    task = make_task(interval_minutes=24 * 60)
    tomorrow = f"{timezone.now() + timedelta(days=1):%Y-%m-%d} 00:00"
    assert tomorrow in text(html(admin_client, page_of(task)))
    ScheduledTask.objects.update(enabled=False)
    assert tomorrow not in text(html(admin_client, page_of(task)))


@pytest.mark.parametrize(
    ("field", "value"),
    [("misfire_grace_seconds", 2678401), ("retries", 21), ("backoff_seconds", 86401)],
)
def test_the_bounds_hold_for_whoever_changes_a_task(field: str, value: int) -> None:
    task = make_task()
    setattr(task, field, value - 1)
    agenda.save(task, now=NOW)
    setattr(task, field, value)
    with pytest.raises(ValidationError, match="expected at most"):
        agenda.save(task, now=NOW)


def test_an_interval_and_a_cron_expression_exclude_each_other(admin_client: Client) -> None:
    form = {**FIELDS, "cron": "@daily", "interval_minutes": "5"}
    response = admin_client.post(page_of(make_task()), form)
    assert "not both" in response.context["adminform"].form.errors["cron"][0]


def test_the_form_shows_the_next_five_slots(admin_client: Client) -> None:
    task = make_task(interval_minutes=24 * 60)
    page = text(html(admin_client, page_of(task)))
    midnight = timezone.now().replace(hour=0, minute=0)
    slots = [f"{midnight + timedelta(days=day):%Y-%m-%d %H:%M}" for day in range(1, 6)]
    assert " ".join(slots) in page
    assert f"{midnight + timedelta(days=6):%Y-%m-%d %H:%M}" not in page


def test_who_may_only_look_can_change_and_start_nothing(client: Client) -> None:
    task = make_task(cron="15 4 * * 1-5")
    client.force_login(staff("view_scheduledtask"))
    assert 'role="switch"' not in html(client, TASKS)
    page = html(client, page_of(task))
    assert "15 4 * * 1-5" in page
    assert 'name="cron"' not in page
    assert "Run now" not in page
    assert switch(client, task, "0").status_code == 403
    assert client.post(page_of(task, "run")).status_code == 403
    assert client.post(page_of(task), FIELDS).status_code == 403
    task.refresh_from_db()
    assert task.version == 1
    assert not TaskRequest.objects.exists()


def test_who_may_see_nothing_sees_nothing(client: Client) -> None:
    task = make_task()
    client.force_login(staff())
    for url in (TASKS, page_of(task)):
        assert client.get(url).status_code == 403
    assert TASKS not in html(client, "/admin/")


@pytest.mark.parametrize("what", ["switch", "run"])
def test_nothing_happens_by_looking(admin_client: Client, what: str) -> None:
    assert admin_client.get(page_of(make_task(), what)).status_code == 405
    assert ScheduledTask.objects.get().version == 1
    assert not TaskRequest.objects.exists()


@pytest.mark.parametrize("what", ["switch", "run"])
def test_a_task_that_is_not_there_is_not_found(admin_client: Client, what: str) -> None:
    assert admin_client.post(f"{TASKS}99/{what}/", {"on": "0"}).status_code == 404


@pytest.mark.parametrize("what", ["switch", "run"])
def test_other_sites_can_press_no_button(what: str) -> None:
    task = make_task()
    client = Client(enforce_csrf_checks=True)
    client.force_login(staff("view_scheduledtask", "change_scheduledtask"))
    assert client.post(page_of(task, what), {"on": "0"}).status_code == 403
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', html(client, page_of(task)))
    assert token is not None
    form = {"on": "0", "csrfmiddlewaretoken": token[1]}
    assert client.post(page_of(task, what), form).status_code == 302


# --- Run now --------------------------------------------------------------------------------------


def part(client: Client, task: ScheduledTask, identity: str) -> str:
    """Give the tag and the content of a part of the task's page that is looked at again."""
    page = html(client, page_of(task))
    start = page.index(f'id="{identity}"')
    return page[start : page.index("</section>", start)]


def test_run_now_leaves_a_request_and_shows_the_task(admin_client: Client) -> None:
    task = make_task()
    assert "Asked for" not in part(admin_client, task, "task-state")
    response = admin_client.post(page_of(task, "run"))
    assert response.status_code == 302
    assert response["Location"] == page_of(task)
    request = TaskRequest.objects.get()
    assert (request.task, request.requested_by, request.taken_at) == (task, "admin", None)
    assert LogEntry.objects.get().get_change_message() == "Asked for a run now."


def test_the_page_of_a_task_tells_what_becomes_of_the_request(admin_client: Client) -> None:
    task = make_task()
    admin_client.post(page_of(task, "run"))
    request = TaskRequest.objects.get()

    waiting = part(admin_client, task, "task-state")
    assert 'data-live="pending"' in waiting
    assert "by admin: waiting" in text(waiting)

    TaskRequest.objects.update(taken_at=NOW)
    run = make_run(task, outcome="running", cause="request", request=request)
    running = part(admin_client, task, "task-state")
    assert 'data-live="pending"' in running
    assert "by admin: running" in text(running)
    assert f"/admin/scanner/taskrun/{run.pk}/change/" in running

    scan = make_scan()
    TaskRun.objects.update(outcome="ok", finished_at=NOW + 3 * MINUTE, scan_run=scan)
    done = part(admin_client, task, "task-state")
    assert 'data-live="done"' in done
    assert "by admin: ok 3 min 0 s" in text(done)
    assert f"/admin/scanner/taskrun/{run.pk}/change/" in done
    assert f"/admin/scanner/scanrun/{scan.pk}/change/" in done


def test_a_request_is_not_done_while_it_is_tried_again(admin_client: Client) -> None:
    task = make_task()
    request = TaskRequest.objects.create(task=task, requested_at=NOW, taken_at=NOW)
    first = make_run(task, outcome="failed", cause="request", request=request)
    waits = {"retry_at": NOW + MINUTE, "retry_attempt": 2, "retry_slot": first.scheduled_for}
    ScheduledTask.objects.update(**waits)
    state = part(admin_client, task, "task-state")
    assert 'data-live="pending"' in state
    again = "tried again at 2026-03-02 12:01 (attempt 2)"
    assert f"Asked for at 2026-03-02 12:00 : failed 2.0 s {again} the run" in text(state)

    ScheduledTask.objects.update(retry_at=None)
    make_run(task, NOW + MINUTE)  # of the schedule
    second = make_run(
        task, NOW + MINUTE, 9, "ok", scheduled_for=first.scheduled_for, attempt=2, cause="retry"
    )
    state = part(admin_client, task, "task-state")
    assert 'data-live="done"' in state
    assert "Asked for at 2026-03-02 12:00 : ok 9.0 s the run" in text(state)
    assert f"/admin/scanner/taskrun/{second.pk}/change/" in state


@pytest.mark.parametrize(
    ("fields", "live"),
    [
        ({}, "done"),
        ({"version": 2}, "pending"),
        ({"retry_at": NOW, "retry_attempt": 2, "retry_slot": NOW}, "pending"),
        ({"name": "of the past", "interval_minutes": 5, "version": 2}, "done"),
    ],
)
def test_the_page_looks_again_while_something_is_about_to_change(
    admin_client: Client, fields: dict[str, Any], live: str
) -> None:
    task = make_task(**fields)
    for identity in ("task-state", "task-runs"):
        assert f'data-live="{live}"' in part(admin_client, task, identity)


def test_the_state_is_told_by_what_is_looked_at_again(admin_client: Client) -> None:
    soon = timezone.now() + MINUTE
    task = make_task(version=2, next_run_at=soon, last_outcome="ok")
    make_run(task, NOW, 20, "failed")
    before = text(part(admin_client, task, "task-state"))
    assert "In force not yet: the leading scheduler takes it over" in before
    assert "Next run not yet in force" in before
    ScheduledTask.objects.update(applied_version=2)
    after = text(part(admin_client, task, "task-state"))
    assert "Schedule every 15 minutes" in after
    assert "In force yes" in after
    assert f"Next run {soon:%Y-%m-%d %H:%M}" in after
    assert "Last run 2026-03-02 12:00 failed" in after
    assert "Settled outcome (after retries) ok" in after
    assert "Mean duration 20.0 s Longest 20.0 s" in after
    # Nothing of it stands elsewhere on the page, where it would grow old.
    page = html(admin_client, page_of(task))
    assert [page.count(f"<dt>{name}</dt>") for name in ("Next run", "Last run", "In force")] == [
        1
    ] * 3
    assert "field-next_run" not in page


def test_what_the_script_looks_for_is_on_the_page(admin_client: Client) -> None:
    page = html(admin_client, page_of(make_task(version=2)))
    found = finders.find("scanner/look_again.js")
    assert isinstance(found, str)
    script = Path(found).read_text()
    assert """querySelector('[data-live="pending"]')""" in script
    assert 'querySelectorAll("[data-live]")' in script
    assert "getElementById(part.id)" in script
    live = re.findall(r'<\w+ id="([\w-]+)"[^>]*data-live="pending"', page)
    assert live == ["task-state", "task-runs"]
    assert page.count("data-live=") == len(live)
    assert all(page.count(f'id="{identity}"') == 1 for identity in live)
    # Were a form within, what is half filled in would be lost with each look.
    for identity in live:
        start = page.index(f'id="{identity}"')
        assert "<form" not in page[start : page.index("</section>", start)]


def test_a_request_that_began_nothing_is_not_waited_for(admin_client: Client) -> None:
    task = make_task()
    TaskRequest.objects.create(task=task, requested_at=NOW, taken_at=NOW)
    shown = part(admin_client, task, "task-state")
    assert 'data-live="done"' in shown
    assert "not begun" in text(shown)


def test_the_page_looks_again_by_a_script_of_its_own(admin_client: Client) -> None:
    page = html(admin_client, page_of(make_task()))
    assert "scanner/look_again.js" in page


def test_a_task_that_the_program_does_not_know_cannot_be_run(admin_client: Client) -> None:
    task = make_task("of the past", interval_minutes=5)
    assert "Run now" not in html(admin_client, page_of(task))
    assert admin_client.post(page_of(task, "run")).status_code == 404
    assert not TaskRequest.objects.exists()


# --- The last runs --------------------------------------------------------------------------------


def test_the_page_of_a_task_shows_its_last_thirty_runs_with_the_way_to_each(
    admin_client: Client,
) -> None:
    task = make_task()
    for number in range(35):
        make_run(task, NOW + number * MINUTE, number)
    make_run(make_task("prune"))
    runs = part(admin_client, task, "task-runs")
    links = [int(key) for key in re.findall(r"/admin/scanner/taskrun/(\d+)/change/", runs)]
    newest = task.runs.order_by("-pk").values_list("pk", flat=True)[:30]
    assert links == list(newest)
    assert 'taskrun/?task=scan"' in runs


def test_a_chart_tells_how_long_the_runs_took(admin_client: Client) -> None:
    task = make_task()
    make_run(task, NOW, 20)
    make_run(task, NOW + MINUTE, 10, "failed")
    make_run(task, NOW + 2 * MINUTE, None, "missed")
    runs = part(admin_client, task, "task-runs")
    svg = runs[runs.index("<svg") : runs.index("</svg>")]
    assert 'role="img"' in svg
    labels = re.search(r'aria-labelledby="(\S+) (\S+)"', svg)
    assert labels is not None
    assert f'<title id="{labels[1]}">How long the last runs took</title>' in svg
    assert (
        f'<desc id="{labels[2]}">3 runs, the newest on the right; the longest took 20.0 s;' in svg
    )
    bars = re.findall(
        r'<rect class="bm-bar bm-bar-(\w+)" x="(\d+)" y="([\d.]+)" width="\d+" height="([\d.]+)"',
        svg,
    )
    assert [(outcome, float(height)) for outcome, _x, _y, height in bars] == [
        ("ok", 80.0),
        ("failed", 40.0),
        ("missed", 3.0),
    ]
    assert [int(x) for _outcome, x, _y, _height in bars] == [432, 448, 464]
    assert all(float(y) + float(height) == 80 for _outcome, _x, y, height in bars)
    assert "<title>2026-03-02 12:01:00: failed, 10.0 s</title>" in svg
    assert "<title>2026-03-02 12:02:00: missed, not timed</title>" in svg


def test_without_runs_there_is_no_chart(admin_client: Client) -> None:
    assert "<svg" not in part(admin_client, make_task(), "task-runs")


def test_runs_that_took_no_time_are_drawn_too(admin_client: Client) -> None:
    task = make_task()
    make_run(task, NOW, 0)
    assert 'height="3"' in part(admin_client, task, "task-runs")


def test_no_word_of_a_run_becomes_markup(admin_client: Client) -> None:
    task = make_task(f"{SCRIPT}", interval_minutes=5)
    make_run(task, host=SCRIPT, error=f"Traceback\n{SCRIPT}", outcome="failed")
    TaskRequest.objects.create(task=task, requested_at=NOW, requested_by=SCRIPT)
    pages = html(admin_client, TASKS) + html(admin_client, page_of(task))
    assert SCRIPT not in pages
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in pages


def test_a_cron_expression_is_read_aloud_beside_itself() -> None:
    words = task_facts.schedule(ScheduledTask(name="scan", cron="0 5 * * 0", time_zone="UTC"))
    assert words == "every Sunday at 05:00 <small>0 5 * * 0 (UTC)</small>"
