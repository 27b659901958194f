"""The worst verdict of each of a job's last days, and who keeps it up."""

from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from pytest_django import DjangoAssertNumQueries

from scanner import days, history
from scanner.history import ReportRecord
from scanner.models import AgentReport, BackupEntry, ExpectedBackupJob, ScanRun
from scanner.pipeline.verdict import Reason, Status
from tests.scanning import NOW, make_job
from tests.test_history import (
    CORRUPT,
    FAILED,
    GOOD,
    MISSING,
    UNCHANGED,
    begin,
    daily_job,
    judge,
    make_report,
    no_fence,
    record,
)

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
DUE = NOW.replace(hour=2)
TODAY = NOW.date()


def kept(job: ExpectedBackupJob) -> list[tuple[date, str]]:
    """Give a job's days as they are stored."""
    job.refresh_from_db()
    return [(date.fromordinal(day), letter) for day, letter, _ in job.days]


def letters(job: ExpectedBackupJob) -> str:
    return "".join(letter for _, letter in kept(job))


def report_row(number: int) -> AgentReport:
    run = ScanRun.objects.create(trigger="command", started_at=NOW)
    row = make_report(number)
    row.run = run
    row.save()
    return row


def entry(job: ExpectedBackupJob, status: Status = Status.SUCCESS, **fields: Any) -> BackupEntry:
    """Store an entry as it may have been there before days were kept."""
    run = ScanRun.objects.create(trigger="command", started_at=NOW)
    given = {"job": job, "run": run, "agent_id": job.agent_id, "status": status.value}
    return BackupEntry.objects.create(**{**given, "cycle_due": DUE, "recorded_at": NOW, **fields})


def absent(job: ExpectedBackupJob, **fields: Any) -> BackupEntry:
    return entry(job, Status.MISSING, reason=Reason.NO_REPORT.value, **fields)


def kept_up(job: ExpectedBackupJob, *entries: BackupEntry) -> list[list[Any]]:
    """Let the days that entries fall on be worked out, and give them all."""
    days.keep_up(entries or list(job.entries.all()), {job.pk: job})
    found: list[list[Any]] = job.days
    return found


# --- The letter of a verdict ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "warnings", "letter"),
    [
        (Status.SUCCESS, [], "S"),
        (Status.UNCHANGED, [], "U"),
        (Status.SUCCESS, ["late"], "W"),
        (Status.UNCHANGED, ["late", "opaque"], "W"),
        (Status.UNKNOWN, [], "?"),
        (Status.UNKNOWN, ["late"], "?"),
        (Status.MISSING, [], "M"),
        (Status.FAILED, ["late"], "F"),
        (Status.CORRUPT, [], "C"),
    ],
)
def test_each_verdict_has_its_letter(status: Status, warnings: list[str], letter: str) -> None:
    assert days.letter(status.value, has_warnings=bool(warnings)) == letter


def test_a_status_of_another_version_is_unknown() -> None:
    assert days.letter("DREAMT", has_warnings=False) == "?"


# --- Which day ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "zone", "day"),
    [
        ({"cycle_due": NOW - DAY, "operation_end": NOW}, "UTC", TODAY - DAY),
        ({"cycle_due": None, "operation_end": NOW - 2 * DAY}, "UTC", TODAY - 2 * DAY),
        ({"cycle_due": None, "operation_end": None}, "UTC", TODAY),
        ({"cycle_due": NOW.replace(hour=23, minute=30)}, "UTC", TODAY),
        ({"cycle_due": NOW.replace(hour=23, minute=30)}, "Africa/Douala", TODAY + DAY),
        ({"cycle_due": NOW.replace(hour=0, minute=30)}, "America/New_York", TODAY - DAY),
    ],
)
def test_a_day_is_that_of_the_cycle_else_of_the_operation_else_of_the_record(
    fields: dict[str, Any], zone: str, day: date
) -> None:
    one = BackupEntry(**{"recorded_at": NOW, **fields})
    assert days.day_of(one, zone) == day


def test_a_day_is_one_of_the_jobs_own_zone() -> None:
    due = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
    here = make_job("HERE")
    there = make_job("THERE", time_zone="Africa/Douala")
    for job, day in ((here, date(2026, 3, 1)), (there, date(2026, 3, 2))):
        ((ordinal, _, _),) = kept_up(job, entry(job, cycle_due=due))
        assert date.fromordinal(ordinal) == day


# --- The worst of a day ---------------------------------------------------------------------------


def test_the_worst_of_a_day_counts_and_of_equals_the_newest() -> None:
    job = make_job()
    order = [Status.SUCCESS, Status.UNCHANGED, Status.UNKNOWN, Status.FAILED, Status.CORRUPT]
    for number, status in enumerate(order):
        newest = entry(job, status, cycle_due=DUE + number * HOUR)
        assert kept_up(job) == [[TODAY.toordinal(), "SU?FC"[number], newest.pk]]
    again = entry(job, Status.CORRUPT, cycle_due=DUE)
    entry(job, Status.SUCCESS, cycle_due=DUE + 9 * HOUR)
    assert kept_up(job) == [[TODAY.toordinal(), "C", again.pk]]


def test_a_good_backup_with_warnings_is_worse_than_an_unknown_one_and_better_than_none() -> None:
    job = make_job()
    entry(job, Status.UNKNOWN)
    warned = entry(job, warnings=["late"], cycle_due=DUE + HOUR)
    assert kept_up(job) == [[TODAY.toordinal(), "W", warned.pk]]
    missed = absent(job, cycle_due=DUE + 2 * HOUR)
    assert kept_up(job) == [[TODAY.toordinal(), "M", missed.pk]]


def test_a_cycle_that_was_missed_counts_no_more_once_something_came_for_it() -> None:
    job = make_job()
    absent(job)
    late = entry(job, warnings=["late"])
    assert kept_up(job) == [[TODAY.toordinal(), "W", late.pk]]


def test_a_missed_cycle_beside_a_good_one_still_counts() -> None:
    job = make_job(schedule="0 2,14 * * *")
    entry(job)
    missed = absent(job, cycle_due=DUE + 12 * HOUR)
    assert kept_up(job) == [[TODAY.toordinal(), "M", missed.pk]]


def test_a_file_that_did_not_come_with_its_report_is_no_missed_cycle() -> None:
    job = make_job()
    gone = entry(job, Status.MISSING, reason=Reason.FILE_ABSENT.value)
    entry(job)
    assert kept_up(job) == [[TODAY.toordinal(), "M", gone.pk]]


def test_of_a_report_that_was_judged_again_only_the_last_attempt_counts() -> None:
    job = make_job()
    report = report_row(1)
    entry(job, Status.CORRUPT, report=report, attempt=1)
    second = entry(job, report=report, attempt=2)
    assert kept_up(job) == [[TODAY.toordinal(), "S", second.pk]]


def test_another_reports_verdict_is_not_replaced_by_one_judged_again() -> None:
    job = make_job()
    first, other = report_row(1), report_row(2)
    entry(job, Status.CORRUPT, report=first, attempt=1)
    failed = entry(job, Status.FAILED, report=other)
    entry(job, report=first, attempt=2)
    assert kept_up(job) == [[TODAY.toordinal(), "F", failed.pk]]


def test_a_day_without_entries_is_known_by_none() -> None:
    assert days.worst([]) is None


# --- Keeping up -----------------------------------------------------------------------------------


def test_working_them_out_twice_does_no_harm() -> None:
    job = make_job()
    for number in range(3):
        entry(job, cycle_due=DUE - number * DAY)
    once = list(kept_up(job))
    assert kept_up(job) == once
    assert [day for day, _, _ in once] == sorted(day for day, _, _ in once)


def test_days_that_no_entry_falls_on_stay_as_they_are() -> None:
    job = make_job()
    job.days = [[(TODAY - 5 * DAY).toordinal(), "F", 1]]
    new = entry(job)
    assert kept_up(job, new) == [
        [(TODAY - 5 * DAY).toordinal(), "F", 1],
        [TODAY.toordinal(), "S", new.pk],
    ]


def test_a_hundred_days_are_kept() -> None:
    job = make_job()
    entries = [entry(job, cycle_due=DUE - number * DAY) for number in range(103)]
    found = kept_up(job, *entries)
    assert len(found) == days.KEPT == 100
    assert found[-1][0] - found[0][0] == 99
    assert found[-1][0] == TODAY.toordinal()


def test_of_a_job_that_is_seldom_due_no_day_is_older_than_a_hundred_days() -> None:
    job = make_job()
    found = kept_up(job, *[entry(job, cycle_due=DUE - number * 30 * DAY) for number in range(6)])
    assert [TODAY.toordinal() - day for day, _, _ in found] == [90, 60, 30, 0]


def test_many_jobs_cost_as_many_statements_as_few(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    jobs = {job.pk: job for job in (make_job(f"DB{number}") for number in range(20))}
    entries = [entry(job) for job in jobs.values()]
    for some in (entries[:2], entries):
        with django_assert_num_queries(1):
            days.keep_up(some, jobs)
    assert all(job.days for job in jobs.values())


# --- A year ---------------------------------------------------------------------------------------


def test_a_year_has_the_days_of_the_jobs_zone() -> None:
    job = make_job(time_zone="Africa/Douala")
    new_year = datetime(2025, 12, 31, 23, 30, tzinfo=UTC)  # 00:30 there
    first, last = entry(job, cycle_due=new_year), entry(job, cycle_due=new_year + 364 * DAY)
    entry(job, cycle_due=new_year - HOUR)
    entry(job, cycle_due=new_year + 365 * DAY)
    found = days.of_year(job, 2026)
    assert found == {date(2026, 1, 1): ("S", first.pk), date(2026, 12, 31): ("S", last.pk)}


# --- By history -----------------------------------------------------------------------------------


def test_each_verdict_that_is_recorded_is_kept_in_its_day() -> None:
    job = daily_job()
    for number, decision in enumerate((GOOD, UNCHANGED, FAILED, MISSING, CORRUPT)):
        due = DUE + number * DAY
        ended = None if decision is MISSING else due
        record(job, decision, due=due, ended=ended, number=number)
    assert kept(job) == [(TODAY + number * DAY, "SUFMC"[number]) for number in range(5)]
    assert [pk for _, _, pk in job.days] == list(
        job.entries.order_by("cycle_due").values_list("pk", flat=True)
    )


def test_a_report_that_comes_after_its_deadline_takes_the_place_of_the_absence() -> None:
    job = daily_job()
    record(job, MISSING, due=DUE, ended=None)
    assert letters(job) == "M"
    record(job, GOOD, due=DUE, ended=DUE + 10 * HOUR)
    assert letters(job) == "S"


def test_an_older_report_changes_its_own_day_and_no_other() -> None:
    job = daily_job()
    record(job, GOOD, due=DUE + DAY, ended=DUE + DAY)
    record(job, FAILED, due=DUE, ended=DUE, number=2)
    assert kept(job) == [(TODAY, "F"), (TODAY + DAY, "S")]


def test_a_report_judged_again_is_kept_as_it_is_judged_last() -> None:
    job = daily_job()
    judged = judge(job, CORRUPT, due=DUE, ended=DUE)
    report = make_report(1)
    history.record(begin(), [ReportRecord(report, [judged])], now=NOW, fence=no_fence)
    assert letters(job) == "C"
    report.attempt = 2
    better = judge(job, GOOD, due=DUE, ended=DUE)
    history.record(begin(), [ReportRecord(report, [better])], now=NOW, fence=no_fence)
    assert letters(job) == "S"


def test_a_warning_that_is_over_when_the_copy_is_written_is_no_longer_in_its_day() -> None:
    job = daily_job()
    (one,) = record(job, GOOD, due=DUE, ended=DUE)
    one.warnings, one.vault_pending = ["not_in_vault"], True
    history.record_copies([one], now=NOW, fence=no_fence)
    assert letters(job) == "W"
    one.warnings, one.vault_pending, one.vault_path = [], False, "A/B.gz"
    history.record_copies([one], now=NOW, fence=no_fence)
    assert letters(job) == "S"


# --- By the migration -----------------------------------------------------------------------------


def _migrated() -> None:
    import_module("scanner.migrations.0008_fill_pages").fill_days(apps, None)


def test_what_was_there_before_has_the_days_that_would_have_been_kept() -> None:
    jobs = [
        make_job("DAILY"),
        make_job("TWICE", time_zone="Africa/Douala"),
        make_job("SELDOM", time_zone="America/New_York"),
        make_job("NEVER"),
    ]
    daily, twice, seldom, _never = jobs
    again, other = report_row(1), report_row(2)
    for number in range(5):
        entry(daily, list(Status)[number], cycle_due=DUE - number * DAY, warnings=["late"])
    absent(daily, cycle_due=DUE - 6 * DAY)
    entry(daily, cycle_due=DUE - 6 * DAY)
    absent(twice, cycle_due=DUE + 21 * HOUR + HOUR / 2)
    entry(twice, cycle_due=DUE)
    entry(twice, Status.CORRUPT, cycle_due=DUE - DAY, report=again, attempt=1)
    entry(twice, Status.FAILED, cycle_due=DUE - DAY, report=other)
    entry(twice, Status.FAILED, cycle_due=DUE - DAY, report=again, attempt=2)
    entry(seldom, cycle_due=None, operation_end=NOW - 110 * DAY)
    entry(seldom, cycle_due=None, operation_end=None)
    entry(seldom, Status.FAILED, cycle_due=None, operation_end=NOW - 20 * DAY)
    _migrated()
    for job in jobs:
        job.refresh_from_db()
        migrated, job.days = job.days, []
        expected = kept_up(job) if job.entries.exists() else []
        assert migrated == expected, job
    assert [len(job.days) for job in jobs] == [6, 3, 2, 0]


def test_without_a_history_the_migration_does_nothing() -> None:
    job = make_job()
    _migrated()
    assert kept(job) == []
