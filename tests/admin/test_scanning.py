"""Asking for a scan, and watching what becomes of it."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from scanner import scan_requests
from scanner.models import (
    Agent,
    BackupEntry,
    ExpectedBackupJob,
    Lease,
    ScanRun,
    ScheduledTask,
    TaskRequest,
    TaskRun,
)
from scanner.scheduling import dispatch
from scanner.scheduling.engine import fired_for
from tests import agent as agents
from tests.admin.rows import LIST, staff
from tests.admin.test_history import html, page_of
from tests.scanning import NOW, make_job
from tests.scheduling.rows import take_the_lead

pytestmark = pytest.mark.django_db

ASK = reverse("admin:scanner_scanrun_now")
NEWBELL, BASTOS, CENTRE = "ACME_DOUALA_NEWBELL", "ACME_YAOUNDE_BASTOS", "NORDIS_GAROUA_CENTRE"
SECOND = timedelta(seconds=1)


@pytest.fixture
def fleet() -> None:
    """Let two companies have agents; one of the three was never seen by a scan."""
    for name in (NEWBELL, BASTOS, CENTRE):
        make_job(f"DB_{name}", name)
    for name in (NEWBELL, CENTRE):
        Agent.objects.create(name=name, first_seen_at=NOW, last_seen_at=NOW)


@pytest.fixture
def asker(client: Client) -> Client:
    """Give somebody who may ask for scans, and sees what comes of them."""
    rights = ("request_scan", "view_scanrun", "view_agent", "view_backupentry")
    client.force_login(staff(*rights, "view_expectedbackupjob", name="mia"))
    return client


def ask(client: Client, **given: Any) -> TaskRequest:
    """Ask, and give the request that the browser is led to."""
    response = client.post(ASK, given or {"which": "all"})
    assert response.status_code == 302
    found = re.fullmatch(r"/admin/scanner/scanrun/requests/(\d+)/", response.headers["Location"])
    assert found, response.headers["Location"]
    return TaskRequest.objects.get(pk=found[1])


def progress_of(request: TaskRequest) -> str:
    return reverse("admin:scanner_scanrun_progress", args=[request.pk])


def data(client: Client, request: TaskRequest) -> dict[str, Any]:
    """Give what the page asks for each second."""
    url = reverse("admin:scanner_scanrun_progress_data", args=[request.pk])
    response = client.get(url)
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


def told(client: Client, request: TaskRequest) -> tuple[str, str]:
    """Give the headline and the explanation; they are the same with and without the script."""
    found = data(client, request)
    page = html(client, progress_of(request))
    over = re.search(r'data-over="(\w+)"', page)
    assert over is not None
    assert (over[1] == "yes") is found["is_over"]
    return found["headline"], found["explanation"]


def lead() -> None:
    """Let a scheduler lead, as far as the database knows."""
    at = timezone.now()
    Lease.objects.create(
        name="scheduler", holder="x", token=1, host="h", pid=1, held_since=at, beat_at=at
    )


def begin(asked: TaskRequest, scan: ScanRun | None = None, **fields: Any) -> TaskRun:
    """Let the scheduler have taken a request."""
    TaskRequest.objects.filter(pk=asked.pk).update(taken_at=NOW)
    known = {
        "task": asked.task,
        "cause": "request",
        "scheduled_for": asked.requested_at,
        "fired_for": NOW,
        "started_at": NOW,
        "outcome": "running",
        "host": "h",
        "pid": 1,
        "process_id": "0" * 32,
        "request": asked,
        "scan_run": scan,
    }
    return TaskRun.objects.create(**{**known, **fields})


def make_scan(**fields: Any) -> ScanRun:
    known = {"trigger": "schedule", "started_at": timezone.now(), "outcome": "running"}
    return ScanRun.objects.create(**{**known, **fields})


def add_entries(scan: ScanRun, job: ExpectedBackupJob, *statuses: str) -> None:
    BackupEntry.objects.bulk_create(
        BackupEntry(job=job, run=scan, agent_id=job.agent_id, recorded_at=NOW, status=status)
        for status in statuses
    )


# --- Asking ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("fleet")
def test_a_scan_of_all_is_asked_for_and_left_to_the_scheduler(asker: Client) -> None:
    request = ask(asker)
    assert (request.task.name, request.agents, request.requested_by) == ("scan", [], "mia")
    assert request.taken_at is None
    assert not ScanRun.objects.exists()  # no web request scans
    [logged] = LogEntry.objects.all()
    assert logged.get_change_message() == "Asked for a scan."


@pytest.mark.usefixtures("fleet")
def test_a_scan_of_some_agents_is_asked_for(asker: Client) -> None:
    assert ask(asker, which="some", agent=[CENTRE, BASTOS]).agents == [BASTOS, CENTRE]
    page = html(asker, f"{ASK}?agent={NEWBELL}")
    for name in (NEWBELL, BASTOS, CENTRE):  # Bastos was never seen, but is expected
        assert f'value="{name}"' in page
    assert re.findall(r'value="(\S+)" checked', page) == ["some", NEWBELL]
    assert re.findall(r'value="(\S+)" checked', html(asker, ASK)) == ["all"]


@pytest.mark.usefixtures("fleet")
def test_who_asks_twice_gets_the_request_that_waits(asker: Client) -> None:
    first = ask(asker, which="some", agent=[CENTRE, BASTOS])
    assert ask(asker, which="some", agent=[BASTOS, CENTRE]) == first
    assert ask(asker) != first


@pytest.mark.usefixtures("fleet")
def test_to_ask_for_all_it_does_not_matter_which_were_chosen(asker: Client) -> None:
    assert ask(asker, which="all", agent=[CENTRE]).agents == []


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"which": "some"}, "Choose an agent"),
        ({"which": "some", "agent": ["<b>NOBODY</b>"]}, "no agent &lt;b&gt;NOBODY&lt;/b&gt;"),
    ],
)
def test_what_cannot_be_scanned_is_told(asker: Client, given: dict[str, Any], words: str) -> None:
    response = asker.post(ASK, given)
    assert response.status_code == 200
    page = response.content.decode()
    assert words in page
    assert re.findall(r'value="(some|all)" checked', page) == ["some"]
    assert not TaskRequest.objects.exists()


def test_where_no_scheduler_ever_ran_and_no_agent_is_known_a_scan_can_be_asked_for(
    asker: Client,
) -> None:
    assert not ScheduledTask.objects.exists()
    assert "No agent is known yet" in html(asker, ASK)
    assert ask(asker).task.enabled


@pytest.mark.usefixtures("fleet")
def test_agents_that_are_selected_in_their_list_are_scanned(asker: Client) -> None:
    keys = [Agent.objects.get(name=name).pk for name in (CENTRE, NEWBELL)]
    chosen = {"action": "scan_now", "_selected_action": keys}
    response = asker.post(LIST.format(Agent), chosen)
    request = TaskRequest.objects.get()
    assert request.agents == [NEWBELL, CENTRE]
    assert response.headers["Location"] == progress_of(request)


@pytest.mark.usefixtures("fleet")
def test_the_lists_of_runs_and_of_agents_have_the_button_for_those_who_may(
    asker: Client, client: Client
) -> None:
    for model in (ScanRun, Agent):
        assert f'href="{ASK}"' in html(asker, LIST.format(model))
    client.force_login(staff("view_scanrun", "view_agent", name="ben"))
    for model in (ScanRun, Agent):
        page = html(client, LIST.format(model))
        assert ASK not in page
        assert 'value="scan_now"' not in page


@pytest.mark.usefixtures("fleet")
def test_who_may_not_ask_does_not(client: Client) -> None:
    client.force_login(staff("view_scanrun", "view_agent", "change_scanrun", "change_agent"))
    assert client.get(ASK).status_code == 403
    assert client.post(ASK, {"which": "all"}).status_code == 403
    chosen = {"action": "scan_now", "_selected_action": [Agent.objects.all()[0].pk]}
    client.post(LIST.format(Agent), chosen)
    assert not TaskRequest.objects.exists()


def test_other_methods_are_refused(asker: Client) -> None:
    assert asker.put(ASK).status_code == 405


# --- Whoever sees some companies only -------------------------------------------------------------


@pytest.fixture
def limited(client: Client) -> Client:
    """Give somebody who looks after one company."""
    client.force_login(staff("request_scan", "view_agent", companies=["ACME"], name="lea"))
    return client


@pytest.mark.usefixtures("fleet")
def test_all_are_all_of_ones_own(limited: Client) -> None:
    page = html(limited, ASK)
    assert "All 2 agents whose backups you look after" in page
    assert CENTRE not in page
    assert ask(limited).agents == [NEWBELL, BASTOS]


@pytest.mark.usefixtures("fleet")
def test_an_agent_of_two_companies_is_nobodys_of_one(limited: Client) -> None:
    make_job("SHARED", NEWBELL, company_name="NORDIS")
    assert ask(limited).agents == [BASTOS]


@pytest.mark.usefixtures("fleet")
def test_an_agent_of_another_company_is_as_good_as_none(limited: Client) -> None:
    for name in (CENTRE, "NOBODY"):
        response = limited.post(ASK, {"which": "some", "agent": [NEWBELL, name]})
        assert f"There is no agent {name} whose backups" in response.content.decode()
    key = Agent.objects.get(name=CENTRE).pk
    limited.post(LIST.format(Agent), {"action": "scan_now", "_selected_action": [key]})
    assert not TaskRequest.objects.exists()


@pytest.mark.usefixtures("fleet")
def test_agents_that_are_selected_and_gone_by_now_are_not_all_agents(asker: Client) -> None:
    asker.post(LIST.format(Agent), {"action": "scan_now", "_selected_action": [12345]})
    assert not TaskRequest.objects.exists()


def test_who_looks_after_no_agent_is_told_so(limited: Client) -> None:
    make_job("DB", CENTRE)
    response = limited.post(ASK, {"which": "all"})
    assert "nothing is to be scanned" in response.content.decode()
    assert not TaskRequest.objects.exists()


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(
    ("asked_for", "is_seen"),
    [([NEWBELL], True), ([NEWBELL, BASTOS], True), ([NEWBELL, CENTRE], False), ([], False)],
)
def test_only_what_becomes_of_ones_own_agents_is_shown(
    limited: Client, asked_for: list[str], *, is_seen: bool
) -> None:
    task = ScheduledTask.objects.create(name="scan", changed_at=NOW)
    request = TaskRequest.objects.create(task=task, agents=asked_for, requested_at=NOW)
    for name in ("scanner_scanrun_progress", "scanner_scanrun_progress_data"):
        url = reverse(f"admin:{name}", args=[request.pk])
        assert limited.get(url).status_code == (200 if is_seen else 404)


@pytest.mark.usefixtures("fleet")
def test_of_a_scan_only_ones_own_verdicts_are_counted_and_shown(limited: Client) -> None:
    request = ask(limited)
    scan = make_scan(outcome="failed", error="x")
    for job in ExpectedBackupJob.objects.all():
        add_entries(scan, job, "SUCCESS")
    begin(request, scan, outcome="failed", error="Traceback\nOSError: /srv/secret")
    found = data(limited, request)
    assert "DB_ACME_DOUALA_NEWBELL" in found["results"]
    assert "NORDIS" not in found["results"]
    assert "<strong>2</strong>" in found["results"]
    assert "href" not in found["results"]  # lea may see neither entries, jobs nor runs
    assert "secret" not in found["explanation"]
    assert "Whoever looks after the server" in found["explanation"]


def test_the_request_of_another_task_is_no_scan(asker: Client) -> None:
    task = ScheduledTask.objects.create(name="prune", changed_at=NOW)
    request = TaskRequest.objects.create(task=task, requested_at=NOW)
    assert asker.get(progress_of(request)).status_code == 404
    assert asker.get(progress_of(TaskRequest(pk=12345))).status_code == 404


def test_who_may_neither_ask_nor_see_runs_watches_none(asker: Client, client: Client) -> None:
    request = ask(asker)
    client.force_login(staff("view_backupentry", name="ben"))
    assert client.get(progress_of(request)).status_code == 403
    client.force_login(staff("view_scanrun", name="eva"))
    assert ASK not in html(client, progress_of(request))


# --- Watching -------------------------------------------------------------------------------------


def test_without_a_scheduler_it_is_told_what_to_do(asker: Client) -> None:
    headline, explanation = told(asker, ask(asker))
    assert headline == "Waiting for a scheduler"
    assert "manage.py runapscheduler" in explanation
    assert "manage.py scan_now" in explanation


def test_with_a_scheduler_it_waits_its_turn(asker: Client) -> None:
    lead()
    first, second = ask(asker), ask(asker, which="all")
    assert first == second
    assert told(asker, first) == ("Waiting", "The scheduler takes it up within a few seconds.")
    other = TaskRequest.objects.create(task=first.task, agents=["X"], requested_at=NOW)
    begin(other)
    assert "Another scan goes on" in told(asker, first)[1]


def test_while_it_goes_on_it_is_told_how_far_it_has_come(asker: Client) -> None:
    request = ask(asker)
    run = begin(request)
    assert told(asker, request)[0] == "The scan begins"
    scan = make_scan()
    TaskRun.objects.filter(pk=run.pk).update(scan_run=scan)
    found = data(asker, request)
    assert (found["headline"], found["done"]) == ("The reports are read", None)
    assert re.match(r"It has been going on for [\d.]+ s\.", found["explanation"])
    ScanRun.objects.update(claims_total=1200, claims_done=300)
    add_entries(scan, make_job(), "SUCCESS", "SUCCESS", "CORRUPT")
    found = data(asker, request)
    assert (found["headline"], found["done"], found["total"]) == (
        "The backups are verified",
        300,
        1200,
    )
    assert found["counted"] == "300 of 1,200 backups judged"
    assert not found["is_over"]
    assert re.findall(r"<strong>(\d+)</strong>", found["results"]) == ["2", "1"]
    page = html(asker, progress_of(request))
    assert re.search(r'<progress [^>]*max="1200" value="300"', page)
    assert 'role="status" aria-live="polite"' in page
    assert ">Look again</a>" in page


def test_in_the_end_it_is_told_what_came_of_it_with_the_way_to_it(asker: Client) -> None:
    request = ask(asker)
    job = make_job()
    scan = make_scan(outcome="complete", claims_total=3, claims_done=3)
    add_entries(scan, job, "SUCCESS", "CORRUPT", "SUCCESS")
    begin(request, scan, outcome="ok")
    assert told(asker, request) == ("The scan is complete", "3 new verdicts.")
    results = data(asker, request)["results"]
    assert f"?run__id__exact={scan.pk}&amp;status__exact=CORRUPT" in results
    listed = re.findall(r"/backupentry/(\d+)/", results)
    keys = BackupEntry.objects.order_by("pk").values_list("pk", flat=True)
    assert listed == [str(keys[1]), str(keys[2]), str(keys[0])]  # the problem first
    assert page_of(job) in results
    assert page_of(scan) in results
    assert (
        html(asker, f"{LIST.format(BackupEntry)}?run__id__exact={scan.pk}").count("data-row") == 3
    )


@pytest.mark.parametrize(
    ("fields", "scan", "headline", "words"),
    [
        ({"outcome": "ok"}, {"outcome": "complete"}, "complete", "nothing new to judge"),
        ({"outcome": "ok"}, {"findings": ["a", "b"]}, "incomplete", "2 things could not be"),
        ({"outcome": "failed", "error": "T\nx.OSError: <b>"}, {}, "failed", "OSError: <b>"),
        ({"outcome": "failed", "error": "T\nKeyError: 1"}, None, "failed", "KeyError: 1"),
        ({"outcome": "interrupted"}, {}, "interrupted", "is left to the next"),
        ({"outcome": "skipped"}, None, "was not made", "Another one"),
    ],
)
def test_however_it_ends_it_is_told_in_words(
    asker: Client,
    fields: dict[str, Any],
    scan: dict[str, Any] | None,
    headline: str,
    words: str,
) -> None:
    request = ask(asker)
    begin(request, None if scan is None else make_scan(**scan), **fields)
    found = told(asker, request)
    assert headline in found[0]
    assert words in found[1]
    assert data(asker, request)["is_over"]
    assert "<b>" not in html(asker, progress_of(request))


def test_a_failed_scan_that_is_tried_again_is_not_over(asker: Client) -> None:
    request = ask(asker)
    begin(request, make_scan(outcome="failed"), outcome="failed", error="OSError: away")
    slot, at = request.requested_at, timezone.now()
    ScheduledTask.objects.update(retry_at=at, retry_slot=slot, retry_attempt=2)
    headline, explanation = told(asker, request)
    assert headline == "The scan failed"
    assert "It is tried again at" in explanation
    assert "OSError: away" in explanation
    assert not data(asker, request)["is_over"]
    scan = make_scan(outcome="complete")
    begin(request, scan, request=None, cause="retry", attempt=2, outcome="ok")
    ScheduledTask.objects.update(retry_at=None)
    assert told(asker, request)[0] == "The scan is complete"


def test_a_request_that_was_taken_and_not_begun_is_told(asker: Client) -> None:
    request = ask(asker)
    TaskRequest.objects.update(taken_at=NOW)
    assert told(asker, request)[0] == "The scan was not begun"


def test_nothing_that_agents_said_becomes_markup(asker: Client) -> None:
    request = ask(asker)
    job = make_job("<script>x</script>")
    scan = make_scan(outcome="complete")
    add_entries(scan, job, "SUCCESS")
    begin(request, scan, outcome="ok")
    for text in (data(asker, request)["results"], html(asker, progress_of(request))):
        assert "<script>x" not in text
        assert "&lt;script&gt;x" in text


@pytest.mark.usefixtures("_own_trees")
@pytest.mark.django_db(transaction=True)
def test_from_asking_to_the_new_verdict(asker: Client, deposit_root: Path) -> None:
    job = make_job("ACME_2025", NEWBELL)
    site = agents.Agent(deposit_root, NEWBELL)
    at = timezone.now() - timedelta(minutes=10)
    file = site.report({"ACME_2025": site.claim(agents.dump_of("a"), at, file_name="a.gz")}, at)
    agents.set_time(file, at)
    request = ask(asker, which="some", agent=[NEWBELL])
    dispatch.lead(take_the_lead())
    token = fired_for.set(NOW)
    try:
        dispatch.dispatch("scan", request.requested_at, "request", 1, request.pk)
    finally:
        fired_for.reset(token)
        dispatch.lead(None)
    assert told(asker, request) == ("The scan is complete", "1 new verdict.")
    found = data(asker, request)
    assert (found["done"], found["total"]) == (1, 1)
    entry = BackupEntry.objects.get(job=job)
    assert entry.status == "SUCCESS"
    assert page_of(entry) in found["results"]
    page = html(asker, LIST.format(ScanRun))
    assert "asked for by mia" in page
    assert "asked for by mia" in html(asker, page_of(ScanRun.objects.get()))


def test_a_run_that_nobody_asked_for_tells_what_started_it(asker: Client) -> None:
    make_scan(trigger="command")
    page = html(asker, LIST.format(ScanRun))
    assert "command" in page
    assert "asked for" not in page


# --- What it costs --------------------------------------------------------------------------------


def statements(client: Client, url: str) -> int:
    html(client, url)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


def add_fleet(start: int, end: int, scan: ScanRun | None = None) -> None:
    jobs = ExpectedBackupJob.objects.bulk_create(
        ExpectedBackupJob(
            company_name="ACME",
            city="DOUALA",
            neighborhood=f"Q{number}",
            database_name="DB",
            agent_id=f"ACME_DOUALA_Q{number}",
            created_at=NOW,
        )
        for number in range(start, end)
    )
    Agent.objects.bulk_create(
        Agent(name=job.agent_id, first_seen_at=NOW, last_seen_at=NOW) for job in jobs
    )
    if scan is not None:
        BackupEntry.objects.bulk_create(
            BackupEntry(job=job, run=scan, agent_id=job.agent_id, recorded_at=NOW, status="CORRUPT")
            for job in jobs
        )


@pytest.mark.parametrize("companies", [["*"], ["ACME"]])
def test_asking_takes_no_more_statements_for_1000_agents_than_for_10(
    client: Client, companies: list[str]
) -> None:
    client.force_login(staff("request_scan", companies=companies))
    add_fleet(0, 10)
    few = statements(client, ASK)
    add_fleet(10, 1000)
    assert statements(client, ASK) == few
    assert len(scan_requests.agents(frozenset(companies) if "ACME" in companies else None)) == 1000


@pytest.mark.parametrize("companies", [["*"], ["ACME"]])
def test_watching_takes_no_more_statements_for_1000_verdicts_than_for_10(
    client: Client, companies: list[str]
) -> None:
    rights = ("request_scan", "view_backupentry", "view_expectedbackupjob", "view_scanrun")
    client.force_login(staff(*rights, companies=companies))
    scan = make_scan()
    add_fleet(0, 10, scan)
    task = ScheduledTask.objects.create(name="scan", changed_at=NOW)
    asked_for = ["ACME_DOUALA_Q1"]
    request = TaskRequest.objects.create(task=task, agents=asked_for, requested_at=NOW)
    begin(request, scan)
    url = reverse("admin:scanner_scanrun_progress_data", args=[request.pk])
    few = statements(client, url)
    add_fleet(10, 1000, scan)
    assert statements(client, url) == few
    assert few < 16
