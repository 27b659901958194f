"""A retired job is there no more, but for its history."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from scanner import board, roster
from scanner.alerts import noticing
from scanner.models import AgentReport, BackupEntry, ExpectedBackupJob, Incident
from tests.agent import Agent
from tests.scanning import NOW, make_job, run_scan, verdicts

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def failing(root: Path, name: str = "ACME_2025") -> ExpectedBackupJob:
    """Give a job whose backup is in trouble since the scan at NOW."""
    job = make_job(name, schedule="0 11 * * *", grace_minutes=60, now=NOW - HOUR)
    agent = Agent(root)
    agent.deposit(name, NOW - HOUR, arrived=NOW - HOUR)
    (agent.databases / f"{name.lower()}.sql.gz").unlink()
    run_scan()
    assert verdicts(job) == [("MISSING", "file_absent")]
    return job


def test_a_report_about_it_is_archived_unjudged_and_registers_no_second_job(
    deposit_root: Path, settings: Settings
) -> None:
    settings.AUTO_REGISTER = "active"
    job = make_job(schedule="0 11 * * *", grace_minutes=60)
    roster.retire([job.pk], now=NOW)
    agent = Agent(deposit_root)
    agent.deposit("ACME_2025", NOW + DAY, arrived=NOW + DAY)
    run = run_scan(NOW + DAY + HOUR)
    assert ExpectedBackupJob.objects.count() == 1
    assert (run.jobs_registered, run.databases_unexpected, run.findings) == (0, 0, [])
    assert not BackupEntry.objects.exists()
    assert AgentReport.objects.get().is_complete
    assert list(agent.log.glob("*.json")) == []
    assert len(list((agent.log / "_archive").rglob("*.json"))) == 1


def test_nothing_of_it_is_ever_missing(deposit_root: Path) -> None:
    Agent(deposit_root).log.mkdir(parents=True)
    job = make_job(schedule="0 11 * * *", grace_minutes=60)
    roster.retire([job.pk], now=NOW)
    assert board.overdue(NOW + 5 * DAY) == []
    run_scan(NOW + 5 * DAY)
    assert verdicts() == []


def test_it_is_in_no_count_and_no_list(
    deposit_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = failing(deposit_root)
    assert (board.status_counts()["MISSING"], len(board.job_states())) == (1, 1)
    roster.retire([job.pk], now=NOW)
    assert board.status_counts()["MISSING"] == 0
    assert not board.problem_jobs().exists()
    assert board.job_states() == []
    capsys.readouterr()
    call_command("backup_status", "--json")
    assert json.loads(capsys.readouterr().out) == []
    call_command("backup_status", "--problems")
    assert "No problems." in capsys.readouterr().out
    assert run_scan(NOW + DAY).problems == 0


def test_what_is_open_about_it_ends(deposit_root: Path) -> None:
    job = failing(deposit_root)
    noticing.notice(now=NOW)
    assert Incident.objects.get(kind="job").ended_at is None
    roster.retire([job.pk], now=NOW)
    noticing.notice(now=NOW + HOUR)
    incident = Incident.objects.get(kind="job")
    assert (incident.ended_at, incident.end) == (NOW + HOUR, "paused")


def test_its_history_stays_and_it_goes_on_where_it_was(deposit_root: Path) -> None:
    job = failing(deposit_root)
    roster.retire([job.pk], now=NOW)
    assert BackupEntry.objects.filter(job=job).count() == 1
    roster.resume([job.pk], now=NOW + 10 * DAY)
    job.refresh_from_db()
    assert job.status == "MISSING"
    assert board.status_counts()["MISSING"] == 1
    assert job.deadline_at is not None
    assert job.deadline_at > NOW + 10 * DAY


def test_who_paused_a_job_why_and_until_when_is_told_to_programs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    paused, waiting = make_job("PAUSED"), make_job("WAITING", is_active=False)
    roster.pause([paused.pk], now=NOW, by="ada", reason="moving", until=NOW + DAY)
    ExpectedBackupJob.objects.filter(pk=waiting.pk).update(awaits_adoption=True)
    capsys.readouterr()
    call_command("backup_status", "--json")
    found = {job["database"]: job for job in json.loads(capsys.readouterr().out)}
    assert found["PAUSED"]["paused"] == {
        "at": "2026-03-02T12:00:00Z",
        "by": "ada",
        "reason": "moving",
        "until": "2026-03-03T12:00:00Z",
    }
    assert (found["WAITING"]["paused"], found["WAITING"]["awaits_adoption"]) == (None, True)
    assert found["PAUSED"]["awaits_adoption"] is False
