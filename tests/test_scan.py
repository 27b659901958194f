"""The main job, end to end on real files: deposit tree in, verdicts out."""

from datetime import timedelta
from pathlib import Path

import pytest

from scanner.errors import DepositRootUnavailable
from scanner.models import BackupEntry, ScanRun, StatusChange
from scanner.scan import scan
from tests.agent import Agent, dump_of
from tests.scanning import NOW, make_job, run_scan, verdicts

pytestmark = pytest.mark.django_db


def test_a_good_backup_is_a_success_with_a_copy_in_the_vault(
    deposit_root: Path, vault_root: Path
) -> None:
    job = make_job(schedule="0 11 * * *", grace_minutes=60)
    agent = Agent(deposit_root)
    ended = NOW - timedelta(minutes=30)
    report = agent.deposit("ACME_2025", ended, arrived=ended + timedelta(minutes=10))
    run = run_scan()
    entry = BackupEntry.objects.get()
    assert (entry.status, entry.reason, entry.warnings) == ("SUCCESS", "", [])
    assert entry.level == "content"
    assert entry.vault_path == "ACME/DOUALA/NEWBELL/ACME_2025/ACME_2025_20260302_113000.sql.gz"
    copy = vault_root / entry.vault_path
    assert copy.read_bytes() == (agent.databases / "acme_2025.sql.gz").read_bytes()
    assert not report.exists()
    assert (agent.log / "_archive" / report.name).exists()
    assert (run.outcome, run.problems, run.reports_accepted) == ("complete", 0, 1)
    job.refresh_from_db()
    assert (job.status, job.last_good_entry) == ("SUCCESS", entry)
    assert StatusChange.objects.count() == 1


def test_a_second_scan_changes_nothing(deposit_root: Path) -> None:
    make_job(schedule="0 11 * * *", grace_minutes=60)
    Agent(deposit_root).deposit("ACME_2025", NOW - timedelta(minutes=30), arrived=NOW)
    run_scan()
    run_scan(NOW + timedelta(minutes=15))
    assert verdicts() == [("SUCCESS", "")]


def test_the_same_content_again_is_unchanged_and_not_copied(
    deposit_root: Path, vault_root: Path
) -> None:
    make_job(schedule="0 11 * * *", grace_minutes=60)
    agent = Agent(deposit_root)
    for at in (NOW, NOW + timedelta(days=1)):
        ended = at - timedelta(minutes=30)
        agent.deposit("ACME_2025", ended, dump=dump_of("same"), arrived=ended)
        run_scan(at)
    first, second = BackupEntry.objects.order_by("pk")
    assert (second.status, second.vault_path) == ("UNCHANGED", first.vault_path)
    assert len([file for file in vault_root.rglob("*") if file.is_file()]) == 1


def test_a_job_that_never_delivers_is_missing_once_a_cycle(deposit_root: Path) -> None:
    make_job(schedule="0 11 * * *", grace_minutes=60, now=NOW - timedelta(days=3))
    Agent(deposit_root).log.mkdir(parents=True)
    for minutes in range(3):
        run_scan(NOW + timedelta(minutes=minutes))
    assert verdicts() == [("MISSING", "no_report")] * 3


def test_whoever_waits_for_it_is_told_of_the_run_before_anything_is_looked_at() -> None:
    told: list[tuple[ScanRun, str]] = []
    with pytest.raises(DepositRootUnavailable):  # there is no deposit tree
        scan(
            now=NOW,
            trigger=ScanRun.Trigger.COMMAND,
            began=lambda run: told.append((run, ScanRun.objects.get().outcome)),
        )
    assert told == [(ScanRun.objects.get(), "running")]


@pytest.mark.usefixtures("deposit_root")
def test_where_the_run_cannot_be_told_the_scan_fails() -> None:
    def refuse(_: ScanRun) -> None:
        raise RuntimeError("nobody listens")

    with pytest.raises(RuntimeError, match="nobody listens"):
        scan(now=NOW, trigger=ScanRun.Trigger.COMMAND, began=refuse)
    run = ScanRun.objects.get()
    assert (run.outcome, run.error) == ("failed", "RuntimeError: nobody listens")
