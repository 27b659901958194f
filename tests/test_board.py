"""What the database knows, as the faces read it."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from scanner import board, board_data
from scanner.models import Agent, AgentReport, BackupEntry, ExpectedBackupJob, ScanRun
from scanner.models.batch import BATCH
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def make_run(**fields: Any) -> ScanRun:
    return ScanRun.objects.create(trigger=ScanRun.Trigger.COMMAND.value, started_at=NOW, **fields)


def make_entry(job: ExpectedBackupJob, run: ScanRun | None = None, **fields: Any) -> BackupEntry:
    return BackupEntry.objects.create(
        **{
            "job": job,
            "run": run or make_run(),
            "agent_id": job.agent_id,
            "recorded_at": NOW,
            "status": "SUCCESS",
            "operation_end": NOW,
            **fields,
        }
    )


def make_report(run: ScanRun, **fields: Any) -> AgentReport:
    return AgentReport.objects.create(
        **{
            "agent_id": "ACME_DOUALA_NEWBELL",
            "file_name": "a.json",
            "sha256": "a" * 64,
            "size": 1,
            "arrived_at": NOW,
            "operation_end": NOW,
            "recorded_at": NOW,
            "state": AgentReport.State.ACCEPTED.value,
            "run": run,
            **fields,
        }
    )


# --- Agents and jobs ------------------------------------------------------------------------------


def test_an_agent_is_remembered_with_its_log_folder() -> None:
    for name, had_log in (("A_B_C", True), ("D_E_F", False)):
        Agent.objects.create(name=name, first_seen_at=NOW, last_seen_at=NOW, had_log=had_log)
    assert board.seen_agents() == {"A_B_C": True, "D_E_F": False}


def test_the_jobs_of_agents_are_all_of_them_with_their_last_good_entries(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    first, paused = make_job("FIRST"), make_job("PAUSED", is_active=False)
    make_job("OTHER", "ACME_DOUALA_AKWA")
    entry = make_entry(first)
    ExpectedBackupJob.objects.filter(pk=first.pk).update(last_good_entry=entry)
    with django_assert_num_queries(1):
        jobs = board.jobs_of({"ACME_DOUALA_NEWBELL", "NOBODY_A_B"})
        assert [job.last_good_entry for job in jobs] == [entry, None]
    assert jobs == [first, paused]
    assert board.jobs_of([]) == []


def test_the_agents_that_jobs_know_are_told_from_those_they_do_not() -> None:
    make_job("ONE")
    make_job("TWO", is_active=False)
    assert board.job_agents(["ACME_DOUALA_NEWBELL", "X_Y_Z"]) == {"ACME_DOUALA_NEWBELL"}


@pytest.mark.parametrize(
    ("after_deadline", "active", "agents", "is_overdue"),
    [
        (timedelta(seconds=1), True, None, True),
        (timedelta(), True, None, False),
        (-HOUR, True, None, False),
        (HOUR, False, None, False),
        (HOUR, True, frozenset({"ACME_DOUALA_NEWBELL"}), True),
        (HOUR, True, frozenset({"ACME_DOUALA_AKWA"}), False),
    ],
)
def test_a_job_is_overdue_after_its_deadline_and_not_at_it(
    after_deadline: timedelta, agents: frozenset[str] | None, *, active: bool, is_overdue: bool
) -> None:
    job = make_job(schedule="0 2 * * *", grace_minutes=60)
    make_job("UNSCHEDULED")
    assert job.deadline_at is not None
    ExpectedBackupJob.objects.filter(pk=job.pk).update(is_active=active)
    assert board.overdue(job.deadline_at + after_deadline, agents) == ([job] if is_overdue else [])


# --- Cycles ---------------------------------------------------------------------------------------


def test_a_cycle_is_filled_by_any_entry_or_by_any_but_missing() -> None:
    job, other = make_job("ONE"), make_job("TWO")
    for days, status in ((3, "SUCCESS"), (2, "MISSING"), (1, "UNKNOWN"), (0, "FAILED")):
        make_entry(job, status=status, cycle_due=NOW - days * DAY)
    make_entry(job, cycle_due=None)
    make_entry(other, cycle_due=NOW)
    make_entry(make_job("THREE"), cycle_due=NOW)
    keys = [job.pk, other.pk]
    since = NOW - 2 * DAY
    assert board.filled_cycles(keys, since) == {
        job.pk: {NOW - 2 * DAY, NOW - DAY, NOW},
        other.pk: {NOW},
    }
    assert board.filled_cycles(keys, since, but_missing=True) == {
        job.pk: {NOW - DAY, NOW},
        other.pk: {NOW},
    }


# --- Reports --------------------------------------------------------------------------------------


def test_a_report_is_known_by_agent_bytes_and_end_and_only_when_accepted() -> None:
    run = make_run()
    known = make_report(run)
    make_report(run, sha256="b" * 64, state=AgentReport.State.REJECTED.value)
    key = ("ACME_DOUALA_NEWBELL", "a" * 64, NOW)
    strangers = [
        ("ACME_DOUALA_AKWA", "a" * 64, NOW),
        ("ACME_DOUALA_NEWBELL", "a" * 64, NOW + DAY),
        ("ACME_DOUALA_NEWBELL", "b" * 64, NOW),
    ]
    assert board.known_reports([key, *strangers]) == {key: known}


def test_a_job_is_judged_by_an_entry_of_the_reports_present_attempt() -> None:
    run = make_run()
    report = make_report(run, attempt=2)
    once, twice = make_job("ONCE"), make_job("TWICE")
    make_entry(once, report=report, attempt=1)
    make_entry(twice, report=report, attempt=1)
    make_entry(twice, report=report, attempt=2)
    make_entry(twice)
    assert board.judged_jobs([report]) == {report.pk: {twice.pk}}


def test_the_arrivals_of_the_same_bytes_are_told_in_their_order() -> None:
    run = make_run()
    make_report(run, arrived_at=NOW + DAY, operation_end=NOW + DAY)
    make_report(run, arrived_at=NOW)
    make_report(run, sha256="b" * 64)
    make_report(run, agent_id="ACME_DOUALA_AKWA")
    assert board.arrivals("ACME_DOUALA_NEWBELL", "a" * 64) == [NOW, NOW + DAY]


def test_a_staged_name_was_named_last_by_its_agents_latest_operation() -> None:
    job, other = make_job(), make_job("OTHER", "ACME_DOUALA_AKWA")
    make_entry(job, staged_name="x.gz", operation_end=NOW)
    make_entry(job, staged_name="x.gz", operation_end=NOW - DAY)
    make_entry(other, staged_name="x.gz", operation_end=NOW + DAY)
    make_entry(job, staged_name="y.gz", operation_end=None)
    agent = job.agent_id
    assert board.last_named([(agent, "x.gz"), (agent, "y.gz"), (agent, "z.gz")]) == {
        (agent, "x.gz"): NOW
    }


# --- Copies ---------------------------------------------------------------------------------------


def test_a_copy_is_found_by_job_and_digest_in_the_entry_that_made_it() -> None:
    job, other = make_job("ONE"), make_job("TWO")
    digest = "d" * 64
    make_entry(job, sha256=digest, vault_path="old")
    made = make_entry(job, sha256=digest, vault_path="new")
    make_entry(job, sha256=digest, vault_path="new", status="UNCHANGED")
    make_entry(job, sha256=digest, vault_path="")
    make_entry(job, sha256="e" * 64, vault_path="other digest")
    make_entry(other, sha256=digest, vault_path="other job", status="CORRUPT")
    assert board.copies([job.pk, other.pk], [digest]) == {(job.pk, digest): made}


def test_a_pending_copy_is_found_by_its_agent() -> None:
    job, other = make_job("ONE"), make_job("TWO", "ACME_DOUALA_AKWA")
    pending = make_entry(job, vault_pending=True)
    another = make_entry(other, vault_pending=True)
    make_entry(job)
    assert board.pending_copies() == [pending, another]
    assert board.pending_copies({"ACME_DOUALA_NEWBELL"}) == [pending]


# --- States ---------------------------------------------------------------------------------------


def test_problems_are_those_of_active_jobs() -> None:
    statuses = ("SUCCESS", "UNCHANGED", "FAILED", "CORRUPT", "MISSING", "UNKNOWN")
    for status in statuses:
        for active in (True, False):
            job = make_job(f"{status}_{active}", is_active=active)
            ExpectedBackupJob.objects.filter(pk=job.pk).update(status=status)
    names = {job.database_name for job in board.problem_jobs()}
    assert names == {"FAILED_True", "CORRUPT_True", "MISSING_True"}
    assert {job.database_name for job in board.job_states(problems_only=True)} == names
    assert len(board.job_states()) == 12
    assert board.status_counts() == dict.fromkeys(statuses, 1)


def test_without_jobs_each_status_counts_nothing() -> None:
    assert set(board.status_counts().values()) == {0}


def test_states_are_read_with_their_entries_in_one_statement(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(20):
        job = make_job(f"DB{number}")
        entry = make_entry(job)
        ExpectedBackupJob.objects.filter(pk=job.pk).update(
            last_entry=entry, last_good_entry=entry, last_good_at=NOW
        )
    with django_assert_num_queries(1):
        assert len([board_data.job_as_data(job, now=NOW) for job in board.job_states()]) == 20


# --- As data --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (None, None),
        (NOW, "2026-03-02T12:00:00Z"),
        (NOW.replace(microsecond=999999), "2026-03-02T12:00:00Z"),
        (NOW.replace(year=1970, month=1, day=1), "1970-01-01T12:00:00Z"),
    ],
)
def test_a_moment_is_iso_8601_to_the_second(at: datetime | None, text: str | None) -> None:
    assert board.moment(at) == text


def test_a_job_that_nothing_is_known_of_as_data() -> None:
    assert board_data.job_as_data(make_job(), now=NOW) == {
        "agent": "ACME_DOUALA_NEWBELL",
        "company": "ACME",
        "city": "DOUALA",
        "neighborhood": "NEWBELL",
        "database": "ACME_2025",
        "active": True,
        "awaits_adoption": False,
        "paused": None,
        "status": "UNKNOWN",
        "reason": None,
        "since": None,
        "last_good": None,
        "next_due": None,
        "next_deadline": None,
        "message": None,
    }


def test_a_job_in_trouble_as_data_tells_of_its_last_good_backup() -> None:
    job = make_job(schedule="0 2 * * *", grace_minutes=60)
    good = make_entry(job, vault_path="ACME/x.gz", size=7)
    bad = make_entry(job, status="CORRUPT", reason="hash_mismatch", message="torn")
    ExpectedBackupJob.objects.filter(pk=job.pk).update(
        status="CORRUPT",
        reason="hash_mismatch",
        status_since=NOW,
        last_entry=bad,
        last_good_entry=good,
        last_good_at=NOW - DAY,
        last_size=7,
    )
    (stored,) = board.job_states()
    data = board_data.job_as_data(stored, now=NOW)
    assert data["last_good"] == {
        "at": "2026-03-01T12:00:00Z",
        "age_seconds": 86400,
        "size": 7,
        "vault_path": "ACME/x.gz",
    }
    assert (data["status"], data["reason"], data["since"], data["message"]) == (
        "CORRUPT",
        "hash_mismatch",
        "2026-03-02T12:00:00Z",
        "torn",
    )
    assert (data["next_due"], data["next_deadline"]) == (
        "2026-03-03T02:00:00Z",
        "2026-03-03T03:00:00Z",
    )
    assert json.loads(json.dumps(data)) == data


@pytest.mark.parametrize("entry_is_left", [True, False])
def test_a_good_backup_without_a_copy_has_no_vault_path(*, entry_is_left: bool) -> None:
    job = make_job()
    entry = make_entry(job) if entry_is_left else None
    ExpectedBackupJob.objects.filter(pk=job.pk).update(last_good_at=NOW, last_good_entry=entry)
    (stored,) = board.job_states()
    assert board_data.job_as_data(stored, now=NOW)["last_good"]["vault_path"] is None


def test_an_entry_as_data_says_null_for_what_there_is_none_of() -> None:
    job = make_job()
    assert board_data.entry_as_data(make_entry(job, status="MISSING", reason="", message="m")) == {
        "agent": "ACME_DOUALA_NEWBELL",
        "company": "ACME",
        "city": "DOUALA",
        "neighborhood": "NEWBELL",
        "database": "ACME_2025",
        "status": "MISSING",
        "reason": None,
        "warnings": [],
        "level": None,
        "cycle_due": None,
        "size": None,
        "sha256": None,
        "vault_path": None,
        "message": "m",
    }


def test_a_run_as_data_holds_its_own_entries_in_the_order_of_their_recording(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    run = make_run(finished_at=NOW + timedelta(seconds=1.5), problems=3, verified_bytes=5)
    for number in range(10):
        make_entry(make_job(f"DB{9 - number}"), run)
    make_entry(make_job("OTHER"), make_run())
    with django_assert_num_queries(1):
        data = board_data.run_as_data(run)
    assert [entry["database"] for entry in data["entries"]] == [f"DB{9 - n}" for n in range(10)]
    assert (data["seconds"], data["problems"], data["verified_bytes"]) == (1.5, 3, 5)


def test_a_runs_rejected_reports_are_its_own() -> None:
    run = make_run()
    rejected = make_report(run, state=AgentReport.State.REJECTED.value)
    make_report(run)
    make_report(make_run(), state=AgentReport.State.REJECTED.value, sha256="b" * 64)
    assert list(board.rejected_reports(run)) == [rejected]


# --- Cost -----------------------------------------------------------------------------------------


def test_long_lists_are_asked_for_in_batches(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    many = range(1, 2 * BATCH + 2)
    with django_assert_num_queries(3):
        board.filled_cycles(many, NOW)
    with django_assert_num_queries(3):
        board.jobs_of(f"A_B_{number}" for number in many)
    with django_assert_num_queries(3):
        board.known_reports(("A_B_C", f"{number:064}", NOW) for number in many)
    with django_assert_num_queries(3):
        board.last_named(("A_B_C", f"{number}.gz") for number in many)
