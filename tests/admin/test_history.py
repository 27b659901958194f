"""The pages of what was recorded: what they filter by and what they tell."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_apscheduler.models import DjangoJob, DjangoJobExecution

from scanner.models import AgentReport, BackupEntry, ExpectedBackupJob, ScanRun, StatusChange
from tests.admin.rows import LIST
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def html(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def found(client: Client, model: type[Model], query: str) -> int:
    """Give how many rows the list shows."""
    return html(client, f"{LIST.format(model)}?{query}").count('class="data-row')


def page_of(row: Model) -> str:
    return f"{LIST.format(type(row))}{row.pk}/change/"


def make_run(**fields: Any) -> ScanRun:
    return ScanRun.objects.create(**{"trigger": "schedule", "started_at": NOW, **fields})


def make_entry(job: ExpectedBackupJob, **fields: Any) -> BackupEntry:
    known = {"job": job, "agent_id": job.agent_id, "recorded_at": NOW, "status": "SUCCESS"}
    return BackupEntry.objects.create(**{"run": make_run(), **known, **fields})


def make_report(**fields: Any) -> AgentReport:
    known = {"sha256": "a" * 64, "size": 1, "arrived_at": NOW, "recorded_at": NOW}
    named = {"agent_id": "ACME_DOUALA_NEWBELL", "file_name": "one.json", "state": "accepted"}
    return AgentReport.objects.create(**{"run": make_run(), **known, **named, **fields})


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 4),
        ("status__exact=SUCCESS", 1),
        ("status__exact=CORRUPT&status__exact=MISSING", 3),
        ("reason=hash_mismatch", 1),
        ("reason=no_report", 1),
        ("company_name=ACME", 3),
        ("company_name=ACME&city=YAOUNDE", 1),
        ("day=2026-03-02", 3),
        ("day=2026-03-01", 1),
        ("day=2026-03-03", 0),
        ("q=ledger", 3),
        ("q=ledger+yaounde", 1),
        ("q=nordis", 1),
        ('q="', 4),
        ("q=nobody", 0),
    ],
)
def test_entries_are_filtered_and_searched(admin_client: Client, query: str, count: int) -> None:
    ledger = make_job("ledger", "ACME_DOUALA_NEWBELL")
    make_entry(ledger)
    make_entry(ledger, status="CORRUPT", reason="hash_mismatch")
    make_entry(make_job("ledger", "ACME_YAOUNDE_BASTOS"), status="MISSING", reason="no_report")
    late = make_job("crm", "NORDIS_GAROUA_CENTRE")
    make_entry(late, status="CORRUPT", reason="empty_dump", recorded_at=NOW - DAY)
    assert found(admin_client, BackupEntry, query) == count


def test_a_day_is_a_day_where_the_reader_lives(admin_client: Client, settings: Any) -> None:
    make_entry(make_job(), recorded_at=NOW.replace(hour=23, minute=30))
    settings.TIME_ZONE = "Africa/Douala"
    assert found(admin_client, BackupEntry, "day=2026-03-03") == 1
    assert found(admin_client, BackupEntry, "day=2026-03-02") == 0


@pytest.mark.parametrize("day", ["yesterday", "2026-02-30", "9999-12-31", "0001-01-01", "%00"])
def test_a_day_that_is_none_is_no_error(admin_client: Client, day: str) -> None:
    response = admin_client.get(f"{LIST.format(BackupEntry)}?day={day}", follow=True)
    assert response.status_code == 200


def test_the_filters_are_on_the_page(admin_client: Client) -> None:
    make_entry(make_job())
    page = html(admin_client, LIST.format(BackupEntry))
    for name in ("status__exact", "reason", "company_name", "city", "day"):
        assert f'name="{name}"' in page
    assert 'type="date"' in page


def test_an_entry_shows_the_claim_beside_the_measurement(admin_client: Client) -> None:
    entry = make_entry(
        make_job(),
        status="CORRUPT",
        reason="hash_mismatch",
        warnings=["late", "no_checksum"],
        message="the agent's SHA-256 is not the file's",
        claimed_size=2048,
        size=2048,
        claimed_sha256="a" * 64,
        sha256="b" * 64,
        claimed_content_size=9000,
    )
    page = html(admin_client, page_of(entry))
    rows = {
        row[0]: [
            " ".join(re.sub(r"<[^>]*>", "", cell).split())
            for cell in re.findall(r"<td>(.*?)</td>", row[1], re.DOTALL)
        ]
        for row in re.findall(r'<th scope="row">(.*?)</th>(.*?)</tr>', page, re.DOTALL)
    }
    assert rows == {
        "Staged file: size": ["2.0 KB", "2.0 KB", "the same"],
        "Staged file: SHA-256": ["a" * 64, "b" * 64, "differs"],
        "Dump: size": ["8.8 KB", "—", ""],
        "Dump: SHA-256": ["—", "—", ""],
    }
    for text in ("checksum mismatch", "late", "no checksum", "the agent&#x27;s SHA-256 is not"):
        assert text in page
    assert f"/admin/scanner/expectedbackupjob/{entry.job_id}/change/" in page
    assert f"/admin/scanner/scanrun/{entry.run_id}/change/" in page


def test_an_entry_tells_where_its_copy_is(admin_client: Client) -> None:
    job = make_job()
    there = make_entry(job, vault_path="acme/douala/newbell/db/db.sql.gz")
    pending = make_entry(job, vault_pending=True)
    assert "acme/douala/newbell/db/db.sql.gz" in html(admin_client, page_of(there))
    assert "still to be copied" in html(admin_client, page_of(pending))


@pytest.mark.parametrize("field", ["job", "run", "report"])
def test_the_entries_of_a_job_a_run_or_a_report_are_listed(
    admin_client: Client, field: str
) -> None:
    job = make_job("one")
    entry = make_entry(job, report=make_report())
    make_entry(make_job("two"))
    key = getattr(entry, f"{field}_id")
    page = html(admin_client, page_of(getattr(entry, field)))
    assert f"?{field}__id__exact={key}" in page
    assert found(admin_client, BackupEntry, f"{field}__id__exact={key}") == 1


def test_reports_are_filtered_by_state_and_tell_why_they_were_rejected(
    admin_client: Client,
) -> None:
    make_report()
    rejected = make_report(state="rejected", file_name="two.json", reason="not JSON: line 1")
    assert found(admin_client, AgentReport, "state__exact=rejected") == 1
    assert found(admin_client, AgentReport, "q=two.json") == 1
    assert found(admin_client, AgentReport, "q=acme") == 2
    assert "not JSON: line 1" in html(admin_client, LIST.format(AgentReport))
    page = html(admin_client, page_of(rejected))
    assert "not JSON: line 1" in page
    assert "report__id__exact" not in page


def test_a_run_tells_what_started_it_what_it_counted_and_what_went_wrong(
    admin_client: Client,
) -> None:
    run = make_run(
        trigger="command",
        outcome="failed",
        finished_at=NOW + timedelta(seconds=75),
        counts={"SUCCESS": 12, "MISSING": 3, "FAILED": 0},
        reports_accepted=41,
        reports_rejected=17,
        findings=["agent X was not looked at"],
        error="DepositRootUnavailable: no disk",
    )
    for url in (LIST.format(ScanRun), page_of(run)):
        page = html(admin_client, url)
        for text in ("command", "failed", "1 min 15 s", "12 Success", "3 Missing", "41", "17"):
            assert text in page
        assert "0 Failed" not in page
    page = html(admin_client, page_of(run))
    assert "agent X was not looked at" in page
    assert "DepositRootUnavailable: no disk" in page


def test_runs_are_filtered(admin_client: Client) -> None:
    make_run(outcome="complete")
    make_run(outcome="failed", trigger="command", started_at=NOW - DAY)
    for query in ("outcome__exact=failed", "trigger__exact=command", "day=2026-03-01"):
        assert found(admin_client, ScanRun, query) == 1


def test_a_run_that_still_goes_on_has_no_duration(admin_client: Client) -> None:
    page = html(admin_client, page_of(make_run()))
    assert "running" in page


def test_status_changes_are_filtered_by_what_a_job_became(admin_client: Client) -> None:
    job = make_job()
    for status in ("MISSING", "SUCCESS"):
        entry = make_entry(job, status=status)
        StatusChange.objects.create(
            job=job, entry=entry, old_status="UNKNOWN", new_status=status, changed_at=NOW
        )
    assert found(admin_client, StatusChange, "new_status__exact=MISSING") == 1
    assert found(admin_client, StatusChange, "company_name=ACME") == 2
    assert found(admin_client, StatusChange, "city=NOWHERE") == 0


def test_the_schedule_tells_when_a_job_runs_next_and_how_it_went_last(
    admin_client: Client,
) -> None:
    job = DjangoJob.objects.create(id="scan", next_run_time=NOW, job_state=b"\x80pickle")
    DjangoJob.objects.create(id="parked", next_run_time=None, job_state=b"")
    for minute, status in enumerate(("Executed", "Error!")):
        at = NOW + timedelta(minutes=minute)
        DjangoJobExecution.objects.create(job=job, status=status, run_time=at)
    page = html(admin_client, LIST.format(DjangoJob))
    assert "2026-03-02 12:00" in page
    assert "2026-03-02 12:01" in page
    assert "error" in page
    assert "paused" in page
    assert "executed" not in page
    assert "pickle" not in html(admin_client, page_of(job))
    assert "run_selected_jobs" not in page


def test_the_schedule_leaves_the_pickled_jobs_where_they_are(admin_client: Client) -> None:
    job = DjangoJob.objects.create(id="scan", next_run_time=NOW, job_state=b"\x80pickle")
    DjangoJobExecution.objects.create(job=job, status="Executed", run_time=NOW)
    for model in (DjangoJob, DjangoJobExecution):
        with CaptureQueriesContext(connection) as captured:
            html(admin_client, LIST.format(model))
        assert not any("job_state" in query["sql"] for query in captured.captured_queries)


def test_executions_are_filtered_by_job_outcome_and_day(admin_client: Client) -> None:
    for name in ("scan", "report"):
        job = DjangoJob.objects.create(id=name, next_run_time=NOW, job_state=b"")
        for number, status in enumerate(("Executed", "Missed!", "Max instances!")):
            at = NOW - number * DAY
            DjangoJobExecution.objects.create(job=job, status=status, run_time=at, duration=1.5)
    assert found(admin_client, DjangoJobExecution, "") == 6
    assert found(admin_client, DjangoJobExecution, "job=scan") == 3
    assert found(admin_client, DjangoJobExecution, "status=Missed!") == 2
    assert found(admin_client, DjangoJobExecution, "day=2026-03-02&job=report") == 1
