"""The page of the runs of tasks."""

import re
from functools import partial

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from scanner.admin.task_run import last_line
from scanner.models import TaskRequest, TaskRun
from tests.admin.rows import LIST, staff
from tests.scanning import NOW
from tests.schedule_rows import make_run, make_scan, make_task, run_fields

pytestmark = pytest.mark.django_db

RUNS = LIST.format(TaskRun)
SCRIPT = "<script>alert(1)</script>"
TRACEBACK = (
    "Traceback (most recent call last):\n"
    + '  File "scan.py", line 1, in scan\n' * 40
    + f"scanner.errors.DepositRootUnavailable: no disk {SCRIPT}\n"
)


def page_of(run: TaskRun, what: str = "change") -> str:
    return f"{RUNS}{run.pk}/{what}/"


def html(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def statements(client: Client, url: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        html(client, url)
    return [query["sql"] for query in captured.captured_queries]


def test_the_list_is_filtered_by_task_and_outcome(admin_client: Client) -> None:
    scan, prune = make_task(), make_task("prune")
    make_run(scan)
    make_run(scan, outcome="failed", attempt=2)
    make_run(prune, outcome="failed")

    def found(query: str) -> int:
        return html(admin_client, f"{RUNS}?{query}").count('class="data-row')

    assert found("") == 3
    assert found("task=scan") == 2
    assert found("task=nothing") == 0
    assert found("outcome__exact=failed") == 2
    assert found("outcome__exact=failed&task=scan") == 1


@pytest.mark.parametrize("query", ["task=%00", "outcome__exact=%3Cscript%3E", "p=99", "nonsense=1"])
def test_a_query_that_makes_no_sense_is_no_error(admin_client: Client, query: str) -> None:
    assert admin_client.get(f"{RUNS}?{query}", follow=True).status_code == 200


def test_the_list_tells_the_line_of_an_error_that_says_what_it_is(admin_client: Client) -> None:
    make_run(make_task(), outcome="failed", error=TRACEBACK)
    page = html(admin_client, RUNS)
    assert "DepositRootUnavailable: no disk &lt;script&gt;" in page
    assert "scanner.errors" not in page
    assert "Traceback" not in page
    assert SCRIPT not in page


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("Traceback\nscanner.errors.VaultFull: no space\n", "VaultFull: no space"),
        ("ValueError: a.b.C: what it is", "ValueError: a.b.C: what it is"),
        ("django.db.utils.OperationalError", "django.db.utils.OperationalError"),
        ("the run before still goes on", "the run before still goes on"),
        ("a.B: " + "x" * 297, "B: " + "x" * 297),
        ("a.B: " + "x" * 298, "B: " + "x" * 296 + "…"),
        ("", ""),
    ],
)
def test_the_line_is_short_and_still_says_what_to_do(error: str, line: str) -> None:
    assert last_line(error) == line


def test_a_run_is_called_after_its_task_and_its_time_here(
    admin_client: Client, settings: Settings
) -> None:
    settings.TIME_ZONE = "Africa/Douala"
    run = make_run(make_task())
    assert str(run) == f"#{run.pk} scan 2026-03-02 13:00"
    assert str(run) in html(admin_client, page_of(run))


def test_the_scan_of_a_run_is_shown_to_those_who_may_see_scans(client: Client) -> None:
    run = make_run(make_task(), scan_run=make_scan())
    user = staff("view_taskrun", "view_scanrun")
    client.force_login(user)
    assert "/scanrun/" in html(client, page_of(run))
    user.user_permissions.remove(*user.user_permissions.filter(codename="view_scanrun"))
    page = html(client, page_of(run))
    assert "/scanrun/" not in page
    assert "host-a" in page


def test_one_run_tells_all_of_it(admin_client: Client) -> None:
    task, scan = make_task(), make_scan()
    request = TaskRequest.objects.create(task=task, requested_at=NOW, requested_by="ada")
    run = make_run(
        task,
        seconds=75,
        outcome="failed",
        error=TRACEBACK,
        request=request,
        cause="request",
        attempt=3,
        scan_run=scan,
    )
    page = html(admin_client, page_of(run))
    for words in ("1 min 15 s", "host-a", "77", "ada", "Traceback (most recent call last):"):
        assert words in page
    assert page.count("line 1, in scan") == 40
    assert f"/admin/scanner/scanrun/{scan.pk}/change/" in page
    assert f"/admin/scanner/scheduledtask/{task.pk}/change/" in page
    assert SCRIPT not in page


def test_a_run_that_never_began_is_listed_by_its_slot(admin_client: Client) -> None:
    run = make_run(make_task(), NOW, None, "missed", error="it could not be begun")
    page = html(admin_client, RUNS)
    assert "2026-03-02 12:00" in page
    assert "missed" in page
    html(admin_client, page_of(run))


def test_runs_are_neither_added_changed_nor_deleted(admin_client: Client) -> None:
    run = make_run(make_task())
    for url in (f"{RUNS}add/", page_of(run), page_of(run, "delete")):
        assert admin_client.post(url, {"post": "yes"}).status_code == 403
    assert TaskRun.objects.get().outcome == "ok"


def test_the_pages_take_no_more_statements_for_many_rows_and_count_no_table(
    admin_client: Client,
) -> None:
    task = make_task()
    write = partial(run_fields, task, NOW, 1, "failed", error=TRACEBACK)

    def more(first: int, end: int) -> None:
        TaskRun.objects.bulk_create(
            TaskRun(**write(attempt=number)) for number in range(first, end)
        )

    more(1, 11)
    run = TaskRun.objects.earliest("pk")
    pages = (RUNS, f"{RUNS}?task=scan&outcome__exact=failed", page_of(run))
    for page in pages:
        html(admin_client, page)  # fills the caches of content types
    few = [len(statements(admin_client, page)) for page in pages]
    more(11, 1001)
    taken = [statements(admin_client, page) for page in pages]
    assert [len(those) for those in taken] == few
    table = f'"{TaskRun._meta.db_table}"'
    counts = [sql for those in taken for sql in those if "COUNT(" in sql and table in sql]
    assert counts
    assert all("LIMIT" in sql for sql in counts)


def test_the_list_reads_no_whole_traceback(admin_client: Client) -> None:
    make_run(make_task(), outcome="failed", error=TRACEBACK)
    taken = statements(admin_client, RUNS)
    selects = [sql for sql in taken if re.search(r'"error_end".*ORDER BY', sql)]
    assert len(selects) == 1
    # In brackets it is what the end is cut from.
    assert not re.search(r'(?<!\()"scanner_taskrun"."error"', selects[0])


def test_who_may_see_nothing_sees_nothing(client: Client) -> None:
    run = make_run(make_task())
    client.force_login(staff())
    for url in (RUNS, page_of(run)):
        assert client.get(url).status_code == 403
