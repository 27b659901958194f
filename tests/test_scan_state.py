"""A job's state after scans: it never goes backwards, whenever and however reports come."""

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from scanner.models import (
    AgentReport,
    BackupEntry,
    ExpectedBackupJob,
    StatusChange,
    VaultCopy,
)
from tests.agent import Agent, dump_of, set_time
from tests.scanning import NOW, make_job, run_scan, verdicts

pytestmark = pytest.mark.django_db

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
DUE = NOW - 10 * HOUR  # 02:00, of a job that is due each night
SUCCESS, MISSED = ("SUCCESS", ""), ("MISSING", "no_report")
FAILED = ("FAILED", "transfer_failed")
NO_TRANSFER: dict[str, Any] = {"TRANSFER": {"status": False, "error_message": "no route to host"}}


@pytest.fixture
def agent(deposit_root: Path) -> Agent:
    agent = Agent(deposit_root)
    agent.log.mkdir(parents=True)
    return agent


@pytest.fixture
def job() -> ExpectedBackupJob:
    return make_job(schedule="0 2 * * *", grace_minutes=60, now=DUE - HOUR)


def deliver(
    agent: Agent, ended: datetime, *, arrived: datetime | None = None, **changes: Any
) -> Path:
    """Let a backup, under a name of its own, be staged and reported."""
    name = f"{ended:%d%H%M}.sql.gz"
    claim = agent.claim(dump_of(str(ended)), ended, file_name=name, **changes)
    set_time(agent.databases / name, ended)
    report = agent.report({"ACME_2025": claim}, ended)
    set_time(report, arrived or ended + MINUTE)
    return report


def state(job: ExpectedBackupJob) -> tuple[str, str]:
    job.refresh_from_db()
    return (job.status, job.reason)


def changes(job: ExpectedBackupJob) -> list[tuple[str, str]]:
    return list(job.status_changes.order_by("pk").values_list("old_status", "new_status"))


# --- Reports that come late -----------------------------------------------------------------------


def test_a_report_for_a_cycle_already_missing_makes_it_good_with_a_warning(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    run_scan(DUE + 2 * HOUR)
    assert state(job) == MISSED
    deliver(agent, DUE + 30 * MINUTE, arrived=DUE + 3 * HOUR)
    run_scan(DUE + 3 * HOUR + MINUTE)
    assert verdicts() == [MISSED, SUCCESS]
    assert state(job) == SUCCESS
    assert BackupEntry.objects.latest("pk").warnings == ["late"]
    assert changes(job) == [("UNKNOWN", "MISSING"), ("MISSING", "SUCCESS")]
    assert job.due_at == DUE + DAY


def test_it_is_the_arrival_that_is_late_and_not_the_scan(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    deliver(agent, DUE + 30 * MINUTE, arrived=DUE + 60 * MINUTE)
    run_scan(DUE + 9 * HOUR)
    assert BackupEntry.objects.get().warnings == []
    assert verdicts() == [SUCCESS]


def test_a_report_of_an_older_cycle_is_recorded_and_changes_nothing(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    deliver(agent, DUE + DAY + 30 * MINUTE, **NO_TRANSFER)
    run_scan(DUE + DAY + HOUR)
    old = deliver(agent, DUE + 30 * MINUTE, arrived=DUE + DAY + 2 * HOUR)
    run_scan(DUE + DAY + 3 * HOUR)
    assert not old.exists()
    assert verdicts() == [FAILED, MISSED, SUCCESS]
    assert state(job) == FAILED
    assert job.last_good_at == DUE + 30 * MINUTE
    assert changes(job) == [("UNKNOWN", "FAILED")]


def test_an_older_good_backup_does_not_become_the_last_good_one(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    deliver(agent, DUE + DAY + 30 * MINUTE)
    run_scan(DUE + DAY + HOUR)
    deliver(agent, DUE + 30 * MINUTE, arrived=DUE + DAY + 2 * HOUR)
    run_scan(DUE + DAY + 3 * HOUR)
    newest = BackupEntry.objects.order_by("pk")[0]
    assert state(job) == SUCCESS
    assert (job.last_good_entry, job.last_entry) == (newest, newest)
    assert job.last_good_at == DUE + DAY + 30 * MINUTE


def test_a_report_of_an_older_cycle_does_not_take_a_missing_back(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    run_scan(DUE + DAY + 2 * HOUR)
    assert verdicts() == [MISSED, MISSED]
    deliver(agent, DUE + 30 * MINUTE, arrived=DUE + DAY + 3 * HOUR)
    run_scan(DUE + DAY + 4 * HOUR)
    assert verdicts() == [MISSED, MISSED, SUCCESS]
    assert state(job) == MISSED
    assert job.last_good_at == DUE + 30 * MINUTE


def test_a_cycle_missed_before_one_that_is_good_is_recorded_after_it(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    # Of a job with a claim nothing is called absent before that claim has its verdict.
    deliver(agent, DUE + DAY + 30 * MINUTE)
    run_scan(DUE + DAY + HOUR)
    assert verdicts() == [SUCCESS, MISSED]
    assert BackupEntry.objects.latest("pk").cycle_due == DUE
    assert state(job) == SUCCESS
    assert changes(job) == [("UNKNOWN", "SUCCESS")]


# --- Several reports of one cycle -----------------------------------------------------------------


@pytest.mark.parametrize("scans", [1, 2])
def test_a_failed_backup_that_is_run_again_in_its_cycle_is_good(
    agent: Agent, job: ExpectedBackupJob, scans: int
) -> None:
    deliver(agent, DUE + 10 * MINUTE, **NO_TRANSFER)
    if scans == 2:
        run_scan(DUE + 15 * MINUTE)
    deliver(agent, DUE + 30 * MINUTE)
    run_scan(DUE + 40 * MINUTE)
    assert verdicts() == [FAILED, SUCCESS]
    assert state(job) == SUCCESS
    assert changes(job) == [("UNKNOWN", "FAILED"), ("FAILED", "SUCCESS")]
    assert set(BackupEntry.objects.values_list("cycle_due", flat=True)) == {DUE}


def test_of_two_reports_of_a_cycle_the_later_operation_tells_the_state(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    deliver(agent, DUE + 30 * MINUTE)
    run_scan(DUE + 35 * MINUTE)
    deliver(agent, DUE + 10 * MINUTE, arrived=DUE + 40 * MINUTE, **NO_TRANSFER)
    run_scan(DUE + 45 * MINUTE)
    assert verdicts() == [SUCCESS, FAILED]
    assert state(job) == SUCCESS
    assert changes(job) == [("UNKNOWN", "SUCCESS")]


def test_reports_are_judged_in_the_order_of_their_operations_and_not_of_their_names(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    later = deliver(agent, DUE + 30 * MINUTE)
    later.rename(agent.log / "0.json")
    earlier = deliver(agent, DUE + 10 * MINUTE, arrived=DUE + 35 * MINUTE, **NO_TRANSFER)
    earlier.rename(agent.log / "1.json")
    run_scan(DUE + 45 * MINUTE)
    assert verdicts() == [FAILED, SUCCESS]
    assert state(job) == SUCCESS


def test_a_later_failure_in_the_same_cycle_is_the_state(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    deliver(agent, DUE + 10 * MINUTE)
    deliver(agent, DUE + 30 * MINUTE, **NO_TRANSFER)
    run_scan(DUE + 40 * MINUTE)
    assert verdicts() == [SUCCESS, FAILED]
    assert state(job) == FAILED


# --- How often the scan runs makes no difference --------------------------------------------------


def good(agent: Agent, ended: datetime) -> None:
    deliver(agent, ended)


def failing(agent: Agent, ended: datetime) -> None:
    deliver(agent, ended, **NO_TRANSFER)


def absent(agent: Agent, ended: datetime) -> None:
    deliver(agent, ended, staged_file_name="nothing.gz")


def failing_globally(agent: Agent, ended: datetime) -> None:
    set_time(agent.report({}, ended, overall_status="failed_globally"), ended + MINUTE)


HAPPENINGS = [good, failing, absent, failing_globally]


def facts(job: ExpectedBackupJob) -> list[Any]:
    """Give all about a job that must not depend on when scans ran."""
    job.refresh_from_db()
    fields = ("status", "reason", "cycle_due", "operation_end", "warnings")
    return [
        list(BackupEntry.objects.order_by("operation_end").values_list(*fields)),
        (job.status, job.reason, job.due_at, job.state_cycle, job.state_operation_end),
        (job.last_good_at, job.last_size, job.status_since),
        changes(job),
    ]


@pytest.mark.parametrize("gap", [20 * MINUTE, DAY], ids=["in one cycle", "in two cycles"])
@pytest.mark.parametrize("first", HAPPENINGS)
@pytest.mark.parametrize("second", HAPPENINGS)
def test_one_scan_of_two_operations_finds_what_two_scans_find(
    agent: Agent,
    job: ExpectedBackupJob,
    first: Callable[[Agent, datetime], None],
    second: Callable[[Agent, datetime], None],
    gap: timedelta,
) -> None:
    found = []
    for minutes in (0, 1):
        job = make_job(schedule="0 2 * * *", grace_minutes=60, now=DUE - HOUR) if minutes else job
        start = DUE + 10 * MINUTE
        first(agent, start)
        if minutes:
            run_scan(start + 5 * MINUTE)
        second(agent, start + gap)
        run_scan(start + gap + 5 * MINUTE)
        found.append(facts(job))
        start_anew(agent)
    assert found[0] == found[1]


def start_anew(agent: Agent) -> None:
    """Forget all reports, entries and jobs."""
    ExpectedBackupJob.objects.update(last_entry=None, last_good_entry=None)
    StatusChange.objects.all().delete()
    VaultCopy.objects.all().delete()
    BackupEntry.objects.all().delete()
    ExpectedBackupJob.objects.all().delete()
    AgentReport.objects.all().delete()
    shutil.rmtree(agent.log / "_archive")


# --- Jobs without a schedule ----------------------------------------------------------------------


def test_without_a_schedule_the_end_of_the_operation_is_the_order(agent: Agent) -> None:
    job = make_job()
    deliver(agent, DUE)
    run_scan(DUE + 2 * MINUTE)
    deliver(agent, DUE - HOUR, arrived=DUE + 3 * MINUTE, **NO_TRANSFER)
    run_scan(DUE + 4 * MINUTE)
    assert verdicts() == [SUCCESS, FAILED]
    assert state(job) == SUCCESS
    assert set(BackupEntry.objects.values_list("cycle_due", flat=True)) == {None}


def test_without_a_schedule_nothing_is_ever_missing_or_late(agent: Agent) -> None:
    job = make_job(now=NOW - 300 * DAY)
    deliver(agent, NOW - 90 * DAY)
    run_scan()
    assert (state(job), verdicts()) == (SUCCESS, [SUCCESS])
    run_scan(NOW + 300 * DAY)
    assert verdicts() == [SUCCESS]


def test_the_same_problem_again_is_no_change(agent: Agent, job: ExpectedBackupJob) -> None:
    for days in range(3):
        deliver(agent, DUE + days * DAY, **NO_TRANSFER)
        run_scan(DUE + days * DAY + HOUR)
    assert state(job) == FAILED
    assert job.status_since == DUE
    assert changes(job) == [("UNKNOWN", "FAILED")]


def test_a_state_costs_no_statement_of_its_own(agent: Agent) -> None:
    counts = []
    for number in (2, 12):  # not so many that they take two statements of SQLite
        jobs = [f"DB{number}_{one}" for one in range(number)]
        for database in jobs:
            make_job(database)
        ended = NOW + number * MINUTE
        claim = agent.claim(dump_of(str(number)), ended, file_name="all.sql.gz")
        set_time(agent.databases / "all.sql.gz", ended)
        set_time(agent.report(dict.fromkeys(jobs, claim), ended), ended)
        run_scan(ended + MINUTE)
        failed = {database: {"BACKUP": {"status": "KO"}} for database in jobs}
        set_time(agent.report(failed, ended + 5 * MINUTE), ended + 6 * MINUTE)
        with CaptureQueriesContext(connection) as captured:
            run_scan(ended + 7 * MINUTE)
        counts.append(len(captured))
        assert BackupEntry.objects.filter(reason="backup_failed").count() >= number
    assert counts[0] == counts[1]
