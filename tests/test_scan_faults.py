"""What goes wrong on this server's side costs as little as it can."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scanner import intake, reckoning, roster
from scanner.models import AgentReport, BackupEntry, ExpectedBackupJob
from tests.agent import Agent, set_time
from tests.scanning import NOW, make_job, run_scan, verdicts

pytestmark = pytest.mark.django_db

ENDED = NOW - timedelta(minutes=30)
QUARTER = timedelta(minutes=15)


def test_a_vault_that_cannot_be_looked_at_costs_no_verdict(
    deposit_root: Path, vault_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_job()
    agent = Agent(deposit_root)
    agent.deposit("ACME_2025", ENDED, arrived=ENDED)
    run_scan()

    real = os.stat

    def refuse(path: Any, *_: Any, **options: Any) -> os.stat_result:
        if "dir_fd" in options and str(path).endswith(".sql.gz"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *_, **options)

    agent.deposit("ACME_2025", ENDED + QUARTER, arrived=ENDED + QUARTER)
    with monkeypatch.context() as broken:
        broken.setattr(os, "stat", refuse)
        run = run_scan(NOW + QUARTER)
    assert run.outcome == "complete"
    assert verdicts() == [("SUCCESS", "")] * 2
    assert BackupEntry.objects.latest("pk").warnings == ["not_in_vault"]


def test_reports_of_several_nights_that_arrive_together_are_not_corrupt(
    deposit_root: Path,
) -> None:
    make_job()
    agent = Agent(deposit_root)
    day = timedelta(days=1)
    for nights in (2, 1, 0):
        agent.deposit("ACME_2025", ENDED - nights * day)
    staged = agent.databases / "acme_2025.sql.gz"
    set_time(staged, ENDED)
    for report in agent.reported:
        set_time(report, ENDED + timedelta(minutes=1))
    run_scan()
    assert verdicts() == [("UNKNOWN", "superseded")] * 2 + [("SUCCESS", "")]


def test_a_report_that_cannot_be_archived_stays_known_when_its_zone_changes(
    deposit_root: Path,
) -> None:
    job = make_job()
    agent = Agent(deposit_root)
    naive = {"operation_end_time": f"{ENDED:%Y-%m-%d %H:%M:%S}"}
    claim = agent.claim(b"-- a dump\n", ENDED, file_name="acme.sql.gz")
    set_time(agent.report({"ACME_2025": claim}, ENDED, **naive), ENDED)
    (agent.log / "_archive").write_text("in the way")
    assert run_scan().outcome == "incomplete"
    job.time_zone = "Africa/Douala"
    roster.save(job, now=NOW)
    assert run_scan(NOW + QUARTER).reports_known == 1
    assert BackupEntry.objects.count() == AgentReport.objects.count() == 1


def test_a_report_that_makes_the_server_fail_costs_no_other_its_verdict(
    deposit_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_job()
    agent = Agent(deposit_root)
    agent.deposit("ACME_2025", ENDED, arrived=ENDED)
    bad = agent.drop("bad.json", "{}")
    accept = intake.accept

    def fail_on_bad(content: bytes, agent: str) -> object:
        if content == b"{}":
            raise OverflowError("beyond everything")
        return accept(content, agent)

    monkeypatch.setattr(intake, "accept", fail_on_bad)
    run = run_scan()
    assert verdicts() == [("SUCCESS", "")]
    assert (run.outcome, run.reports_deferred) == ("incomplete", 1)
    assert "OverflowError" in run.findings[0]
    assert bad.exists()


def test_a_job_whose_schedule_cannot_be_read_costs_no_other_its_verdict(
    deposit_root: Path,
) -> None:
    broken = make_job("BROKEN", schedule="0 * * * *")
    make_job(schedule="0 11 * * *")
    ExpectedBackupJob.objects.filter(pk=broken.pk).update(schedule="at dawn", deadline_at=ENDED)
    agent = Agent(deposit_root)
    agent.deposit("ACME_2025", ENDED, arrived=ENDED)
    agent.deposit("BROKEN", ENDED + QUARTER, arrived=ENDED + QUARTER)
    run = run_scan()
    assert verdicts() == [("SUCCESS", "")]
    (finding,) = run.findings
    assert "BROKEN" in finding
    assert "at dawn" in finding


def test_what_people_change_while_a_job_is_switched_stands() -> None:
    job = make_job(schedule="0 10 * * *")
    stale = ExpectedBackupJob.objects.get()
    stale.schedule = "0 22 * * *"
    roster.save(stale, now=NOW)
    roster.pause([job.pk], now=NOW)
    job.refresh_from_db()
    assert (job.schedule, job.is_active) == ("0 22 * * *", False)


def test_switching_writes_nothing_that_people_say_but_the_switch(
    django_assert_num_queries: object,
) -> None:
    job = make_job(schedule="0 10 * * *")
    rival = "UPDATE scanner_expectedbackupjob SET notification_recipients = 'a@x.example'"
    reckon = reckoning.reckon

    def rival_first(*arguments: object) -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(rival)
        reckon(*arguments)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(roster, "reckon", rival_first)
        roster.pause([job.pk], now=NOW)
    job.refresh_from_db()
    assert (job.notification_recipients, job.is_active) == ("a@x.example", False)


def test_a_failed_operation_is_told_in_the_agents_words(deposit_root: Path) -> None:
    make_job(schedule="0 11 * * *")
    agent = Agent(deposit_root)
    failed = {"overall_status": "failed_globally", "logs_summary": "disk full", "databases": []}
    set_time(agent.report({}, ENDED, **failed), ENDED)
    run_scan()
    message = "the agent says that the whole operation failed: disk full"
    assert BackupEntry.objects.get().message == message


def test_a_scan_that_is_given_up_reads_no_file_to_its_end(
    deposit_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_job()
    agent = Agent(deposit_root)
    agent.deposit("ACME_2025", ENDED, dump=os.urandom(2**20), extension="", arrived=ENDED)
    with (agent.databases / "acme_2025.sql").open("r+b") as staged:
        staged.truncate(64 * 2**30)  # a hole: hours to read, no room on the disk
    script = """
import signal, threading, time
import django; django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from tests.scanning import make_job
make_job()
main = threading.main_thread().ident
threading.Timer(5, lambda: signal.pthread_kill(main, signal.SIGINT)).start()
call_command("scan_now")
"""
    environment = os.environ | {
        "DATABASE_URL": f"sqlite:///{deposit_root.parent / 'own.sqlite3'}",
        "BACKUP_STORAGE_ROOT": str(deposit_root),
        "VALIDATED_BACKUPS_BASE_PATH": str(deposit_root.parent / "vault"),
    }
    done = subprocess.run([sys.executable, "-c", script], env=environment, check=False, timeout=60)
    assert done.returncode != 0
