"""A scan that is killed at any instant, and the next one: together they do what one would have.

Each scan that is to be killed runs in a process of its own (a fork of the test's), which sends
itself SIGKILL: no `finally`, no `except` and no closing of files softens the blow.
"""

import hashlib
import itertools
import os
import shutil
import signal
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NoReturn

import pytest
from django.db import connections
from pytest_django import Settings

from scanner import copies, examination, history, intake, lease, roster
from scanner.models import (
    Agent,
    AgentReport,
    BackupEntry,
    ExpectedBackupJob,
    ScanRun,
    StatusChange,
    VaultCopy,
)
from scanner.pipeline import deposit, shelves, vault, vault_writing, verification
from tests import agent as field
from tests.agent import dump_of, set_time
from tests.scanning import NOW, make_job, run_scan, verdicts

pytestmark = pytest.mark.django_db(transaction=True)

DAY = timedelta(days=1)
LATER = NOW + timedelta(minutes=5)


@pytest.fixture(autouse=True)
def _short_lived_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait long for a holder that is dead; the living beat before their first pause."""
    monkeypatch.setattr(lease, "TIME_TO_LIVE", 0.02)
    monkeypatch.setattr(lease, "POLL", 0.01)


# --- The world in which the scan is killed --------------------------------------------------------


def build_world(root: Path) -> None:
    """Make a tree and jobs with something to do for each step; yesterday was scanned already."""
    before = NOW - 2 * DAY
    scheduled: dict[str, Any] = {"schedule": "0 11 * * *", "grace_minutes": 30, "now": before}
    for database in ("ACME_2025", "SAME", "BAD", "ABSENT"):
        make_job(database, **scheduled)
    make_job("PENDING", now=before)
    make_job("AKWA_2025", "ACME_DOUALA_AKWA", **scheduled)
    make_job("BALI_2025", "ACME_DOUALA_BALI", **scheduled | {"now": NOW - DAY})
    site, other = field.Agent(root), field.Agent(root, "ACME_DOUALA_AKWA")
    yesterday, today = NOW - DAY - timedelta(minutes=50), NOW - timedelta(minutes=50)
    in_the_way = root.parent / "validated/ACME/DOUALA/NEWBELL/PENDING"
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    in_the_way.touch()
    first = report(site, yesterday, "ACME_2025", "SAME", "BAD", "PENDING")
    report(other, yesterday, "AKWA_2025")
    run_scan(NOW - DAY)
    in_the_way.unlink()

    sent_again = site.log / f"again_{first.name}"
    shutil.copy2(site.log / "_archive" / first.name, sent_again)
    sent_again.rename(first)
    failed = {"TRANSFER": {"status": False, "error_message": "no route to host"}}
    early = today - timedelta(minutes=20)
    set_time(site.report({"ACME_2025": {**failed, "staged_file_name": "x.gz"}}, early), early)
    report(site, today, "ACME_2025", "SAME", "NEW_2024", "BAD")
    (site.databases / "bad.sql.gz").write_bytes(b"\x1f\x8b\x08 torn")
    set_time(site.databases / "bad.sql.gz", today)
    set_time(other.report({}, today, overall_status="failed_globally"), today)
    twice = field.Agent(root, "ACME_DOUALA_BALI")
    report(twice, today, "BALI_2025")
    again = today + timedelta(minutes=10)
    set_time(twice.report({}, again, overall_status="failed_globally"), again)
    set_time(site.drop("no_report.json", "not JSON at all"), today)
    set_time(site.drop("no_report_either.json", "[]"), today)


def report(agent: field.Agent, ended: datetime, *databases: str) -> Path:
    """Let an agent stage databases, and report them all a minute later."""
    claims = {}
    for database in databases:
        content = "the same every day" if database == "SAME" else f"{database} {ended}"
        name = f"{database.lower()}.sql.gz"
        claims[database] = agent.claim(dump_of(content), ended, file_name=name)
        set_time(agent.databases / name, ended)
    file = agent.report(claims, ended)
    set_time(file, ended + timedelta(minutes=1))
    return file


def state_of(root: Path) -> dict[str, Any]:
    """Give all that a scan leaves behind, but for keys and the times of recording."""
    jobs = ExpectedBackupJob.objects.order_by("agent_id", "database_name")
    return {
        "jobs": [
            (
                *(job.agent_id, job.database_name, job.is_active, job.status, job.reason),
                *(job.due_at, job.deadline_at, job.state_cycle, job.state_operation_end),
                *(job.last_good_at, job.last_size),
                *(entry_of(job.last_entry), entry_of(job.last_good_entry)),
                # An alert is made of each of these rows: they are the same, in the same order.
                *job.status_changes.order_by("pk").values_list(
                    "old_status", "old_reason", "new_status", "new_reason"
                ),
            )
            for job in jobs.select_related("last_entry__job", "last_good_entry__job")
        ],
        "entries": sorted(map(repr, map(entry_of, BackupEntry.objects.select_related("job")))),
        "reports": sorted(
            AgentReport.objects.values_list(
                *("agent_id", "file_name", "sha256", "operation_end", "arrived_at"),
                *("state", "reason", "is_complete", "attempt"),
            ),
            key=repr,
        ),
        "agents": list(Agent.objects.order_by("name").values_list("name", "had_log")),
        "vault": files_below(root.parent / "validated"),
        "deposits": files_below(root),
    }


def entry_of(entry: BackupEntry | None) -> tuple[Any, ...] | None:
    if entry is None:
        return None
    return (
        *(entry.agent_id, entry.job.database_name, entry.cycle_due, entry.operation_end),
        *(entry.arrived_at, entry.status, entry.reason, entry.warnings, entry.level),
        *(entry.message, entry.staged_name, entry.sha256, entry.content_sha256),
        *(entry.vault_path, entry.vault_pending, entry.attempt, entry.report_id is None),
    )


def files_below(folder: Path) -> dict[str, str]:
    """Give each file, hidden ones too, with the digest of its content."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


_UNDISTURBED: list[dict[str, Any]] = []


@pytest.fixture
def undisturbed(tmp_path: Path, settings: Settings, deposit_root: Path) -> dict[str, Any]:
    """Give what two scans leave of which none is killed; the database is empty again after it."""
    if not _UNDISTURBED:
        root = tmp_path / "undisturbed" / "deposits"
        root.mkdir(parents=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(settings, "BACKUP_STORAGE_ROOT", root)
            patch.setattr(settings, "VALIDATED_BACKUPS_BASE_PATH", root.parent / "validated")
            patch.setattr(settings, "AUTO_REGISTER", "active")
            build_world(root)
            run_scan(NOW)
            run_scan(LATER)
            _UNDISTURBED.append(state_of(root))
        ExpectedBackupJob.objects.update(last_entry=None, last_good_entry=None)
        for model in (
            StatusChange,
            VaultCopy,
            BackupEntry,
            AgentReport,
            ScanRun,
            ExpectedBackupJob,
            Agent,
        ):
            model.objects.all().delete()
        settings.BACKUP_STORAGE_ROOT = deposit_root
        settings.VALIDATED_BACKUPS_BASE_PATH = deposit_root.parent / "validated"
    return _UNDISTURBED[0]


def test_the_world_has_something_to_do_for_each_step(
    undisturbed: dict[str, Any], deposit_root: Path, settings: Settings
) -> None:
    settings.AUTO_REGISTER = "active"
    build_world(deposit_root)
    before = len(verdicts())
    run = run_scan()
    assert sorted(verdicts()[before:]) == [
        ("CORRUPT", "size_mismatch"),
        ("FAILED", "operation_failed"),
        ("FAILED", "transfer_failed"),
        ("MISSING", "no_report"),
        ("SUCCESS", ""),
        ("SUCCESS", ""),
        ("SUCCESS", ""),
        ("UNCHANGED", ""),
    ]
    assert (run.reports_accepted, run.reports_rejected, run.reports_known) == (5, 2, 1)
    assert (run.jobs_registered, run.outcome) == (1, "complete")
    assert not BackupEntry.objects.filter(vault_pending=True).exists()
    run_scan(LATER)
    assert state_of(deposit_root) == undisturbed


# --- The kill -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Moment:
    """Right before or right after a function is called for the `count`th time."""

    when: Literal["before", "after"]
    owner: Any
    function: str
    count: int = 1

    def __str__(self) -> str:
        owner = self.owner.__name__.rpartition(".")[2]
        return f"{self.when} {owner}.{self.function} {self.count}"

    def arm(self) -> None:
        """Have this process killed then."""
        real: Callable[..., Any] = getattr(self.owner, self.function)
        calls = itertools.count(1)  # threads of the pool call too

        def call(*arguments: Any, **options: Any) -> Any:
            is_last = next(calls) == self.count
            if is_last and self.when == "before":
                kill_me()
            given = real(*arguments, **options)
            if is_last and self.when == "after":
                kill_me()
            return given

        setattr(self.owner, self.function, call)


def kill_me() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("killed, and alive")


def scan_killed(moment: Moment, now: datetime) -> None:
    """Scan in a process that is killed at that moment."""
    connections.close_all()
    with warnings.catch_warnings():
        # Newer Pythons warn of forks beside threads; this one forks, works, and is killed.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        try:
            moment.arm()
            vault_writing.KERNEL_BLOCK = 64  # several calls for one small file
            run_scan(now)
        except BaseException:  # noqa: BLE001 - nothing of this process may get back into pytest
            traceback.print_exc()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, f"{moment} never came"


MOMENTS = [
    Moment("after", lease, "hold"),
    Moment("after", history, "begin_run"),
    Moment("after", deposit, "walk"),
    Moment("after", intake, "read"),
    Moment("before", roster, "register"),
    Moment("after", roster, "register"),
    Moment("before", history, "record_absences"),
    Moment("after", history, "_record_entries", 1),
    Moment("after", history, "record_absences"),
    Moment("before", examination, "measure"),
    Moment("before", verification, "_check_unchanged"),
    Moment("after", examination, "measure"),
    Moment("after", vault, "make_folder"),
    Moment("after", os, "copy_file_range", 1),
    Moment("after", os, "copy_file_range", 3),
    Moment("before", vault_writing, "_rename"),
    Moment("after", vault_writing, "_rename", 1),
    Moment("after", vault_writing, "_rename", 2),
    Moment("after", vault, "promote", 1),
    Moment("after", vault, "promote", 2),
    Moment("before", history, "record", 1),
    Moment("before", history, "record", 2),
    # The absences are the first call, each batch of reports is another.
    Moment("before", history, "_record_entries", 2),
    Moment("after", history, "_record_entries", 2),
    Moment("after", history, "_record_entries", 3),
    Moment("before", history, "apply", 3),
    Moment("after", history, "record", 1),
    Moment("after", history, "record", 2),
    Moment("after", shelves, "_reserve", 1),
    Moment("before", intake, "archive_report", 1),
    Moment("after", intake, "archive_report", 1),
    Moment("after", intake, "archive_report", 2),
    Moment("after", intake, "archive_report", 3),
    Moment("after", intake, "archive_report", 4),
    Moment("after", intake, "archive_report", 6),
    Moment("before", history, "record_rejected"),
    Moment("after", history, "record_rejected"),
    Moment("before", intake, "reject_report", 1),
    Moment("before", shelves, "_write_reason", 1),
    Moment("after", shelves, "_write_reason", 1),
    Moment("after", intake, "reject_report", 1),
    Moment("after", shelves, "_write_reason", 2),
    Moment("before", copies, "retry"),
    Moment("before", history, "record_copies"),
    Moment("after", history, "record_copies"),
    Moment("before", history, "record_agents"),
    Moment("after", history, "record_agents"),
    Moment("before", history, "end_run"),
    Moment("after", history, "end_run"),
]


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_a_kill_costs_nothing(
    moment: Moment,
    undisturbed: dict[str, Any],
    deposit_root: Path,
    vault_root: Path,
    settings: Settings,
) -> None:
    settings.AUTO_REGISTER = "active"
    build_world(deposit_root)
    scan_killed(moment, NOW)
    whole = set(undisturbed["vault"].values())
    left = files_below(vault_root).items()
    assert {name for name, digest in left if digest not in whole} <= {
        name for name, _ in left if name.startswith(vault.INCOMING)
    }
    run = run_scan(LATER)
    assert run.outcome == "complete"
    assert state_of(deposit_root) == undisturbed
    assert not ScanRun.objects.filter(outcome="running").exists()


def test_a_copy_that_a_kill_left_without_an_entry_is_evidence_for_a_file_that_was_replaced(
    deposit_root: Path, vault_root: Path
) -> None:
    make_job()
    agent = field.Agent(deposit_root)
    ended = NOW - timedelta(minutes=50)
    report(agent, ended, "ACME_2025")
    content = (agent.databases / "acme_2025.sql.gz").read_bytes()
    scan_killed(Moment("before", history, "record"), NOW)
    set_time(agent.stage("acme_2025.sql.gz", b"of the next backup, half sent"), NOW)
    run_scan(LATER)
    entry = BackupEntry.objects.get()
    assert (entry.status, entry.size, entry.operation_end) == ("SUCCESS", len(content), ended)
    assert files_below(vault_root) == {entry.vault_path: hashlib.sha256(content).hexdigest()}


def test_a_run_that_was_killed_says_so(deposit_root: Path) -> None:
    make_job()
    field.Agent(deposit_root).deposit("ACME_2025", NOW, arrived=NOW)
    scan_killed(Moment("after", history, "record"), NOW)
    run_scan(LATER)
    killed, clean = ScanRun.objects.order_by("pk")
    assert (killed.outcome, killed.error, killed.finished_at) == (
        "interrupted",
        "killed before its end",
        None,
    )
    assert (clean.outcome, clean.reports_known, clean.reports_accepted) == ("complete", 1, 0)
