"""The scan's job in the job store, over restarts, pauses and changed settings."""

import pickle
from datetime import UTC, datetime, timedelta

import pytest
from django_apscheduler.models import DjangoJob, DjangoJobExecution
from pytest_django import Settings

from scanner.scheduling.engine import Scheduler
from scanner.scheduling.jobs import catch_up, keep_scan_job

NOW = datetime(2026, 3, 2, 12, 7, 30, tzinfo=UTC)
QUARTER = datetime(2026, 3, 2, 12, 15, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def row() -> DjangoJob:
    return DjangoJob.objects.get()


def restart(scheduler: Scheduler, *, now: datetime) -> bool:
    """Do what a start does; give whether a run was made to catch up."""
    scheduler.remove_all_jobs("once")
    keep_scan_job(scheduler, now=now)
    return catch_up(scheduler, now=now) and scheduler.get_job("scan", "once") is not None


def test_a_missing_job_is_added_as_the_settings_say(
    idle_scheduler: Scheduler, settings: Settings
) -> None:
    settings.SCANNER_INTERVAL_MINUTES = 10
    settings.MISFIRE_GRACE_TIME = 45
    keep_scan_job(idle_scheduler, now=NOW)
    job = idle_scheduler.get_job("scan", "default")
    assert job.trigger.interval == timedelta(minutes=10)
    assert (job.misfire_grace_time, job.coalesce, job.max_instances) == (45, True, 1)
    assert row().next_run_time == datetime(2026, 3, 2, 12, 10, tzinfo=UTC)


def test_the_job_is_stored_as_a_call_that_no_renaming_of_ours_breaks(
    idle_scheduler: Scheduler,
) -> None:
    keep_scan_job(idle_scheduler, now=NOW)
    stored = pickle.loads(row().job_state)
    assert (stored["func"], stored["args"]) == ("scanner.scheduling.tasks:dispatch", ("scan",))
    assert b"scanner" not in pickle.dumps(stored).replace(stored["func"].encode(), b"")


def test_a_job_that_is_there_is_left_as_it_is(idle_scheduler: Scheduler) -> None:
    keep_scan_job(idle_scheduler, now=NOW)
    before = row().job_state
    keep_scan_job(idle_scheduler, now=NOW + 5 * MINUTE)
    assert row().job_state == before
    assert row().next_run_time == QUARTER


def test_restarted_every_ten_minutes_it_keeps_its_slots(idle_scheduler: Scheduler) -> None:
    slots = set()
    for restarts in range(12):
        assert restart(idle_scheduler, now=NOW + restarts * 10 * MINUTE)
        slots.add(row().next_run_time)
    assert slots == {QUARTER + quarters * 15 * MINUTE for quarters in range(8)}


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=30), 20 * MINUTE, 400 * MINUTE])
def test_slots_missed_while_nothing_ran_are_caught_up_by_one_run(
    idle_scheduler: Scheduler, late: timedelta
) -> None:
    restart(idle_scheduler, now=NOW)
    now = QUARTER + late
    assert restart(idle_scheduler, now=now)
    # The slot itself does not run besides.
    assert now < row().next_run_time <= now + 15 * MINUTE
    assert (row().next_run_time - QUARTER) % (15 * MINUTE) == timedelta(0)
    assert idle_scheduler.get_job("scan", "once").misfire_grace_time is None


def test_a_paused_job_stays_paused(idle_scheduler: Scheduler, settings: Settings) -> None:
    keep_scan_job(idle_scheduler, now=NOW)
    idle_scheduler.pause_job("scan", "default")
    assert not restart(idle_scheduler, now=NOW + 60 * MINUTE)
    settings.SCANNER_INTERVAL_MINUTES = 5
    assert not restart(idle_scheduler, now=NOW + 60 * MINUTE)
    assert row().next_run_time is None
    idle_scheduler.resume_job("scan", "default")
    assert idle_scheduler.get_job("scan", "default").trigger.interval == 5 * MINUTE


@pytest.mark.parametrize(("minutes", "next_run"), [(5, "12:10"), (60, "13:00"), (1440, "00:00")])
def test_a_changed_interval_moves_the_job_to_its_grid(
    idle_scheduler: Scheduler, settings: Settings, minutes: int, next_run: str
) -> None:
    keep_scan_job(idle_scheduler, now=NOW)
    settings.SCANNER_INTERVAL_MINUTES = minutes
    keep_scan_job(idle_scheduler, now=NOW)
    assert row().next_run_time.strftime("%H:%M") == next_run
    job = idle_scheduler.get_job("scan", "default")
    assert job.trigger.interval == minutes * MINUTE
    following = job.trigger.get_next_fire_time(job.next_run_time, job.next_run_time)
    assert following - job.next_run_time == minutes * MINUTE


def test_a_changed_misfire_grace_moves_nothing(
    idle_scheduler: Scheduler, settings: Settings
) -> None:
    keep_scan_job(idle_scheduler, now=NOW)
    settings.MISFIRE_GRACE_TIME = 300
    keep_scan_job(idle_scheduler, now=QUARTER + MINUTE)
    assert idle_scheduler.get_job("scan", "default").misfire_grace_time == 300
    assert row().next_run_time == QUARTER


def test_a_clock_set_back_does_not_stop_the_scans(idle_scheduler: Scheduler) -> None:
    keep_scan_job(idle_scheduler, now=NOW + timedelta(days=4000))
    keep_scan_job(idle_scheduler, now=NOW)
    assert row().next_run_time == QUARTER


def test_a_job_that_cannot_be_restored_is_replaced_and_keeps_its_history(
    idle_scheduler: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    keep_scan_job(idle_scheduler, now=NOW)
    DjangoJobExecution.objects.create(job_id="scan", run_time=NOW, status="Executed")
    DjangoJob.objects.update(job_state=b"of a version that is gone")
    keep_scan_job(idle_scheduler, now=NOW)
    assert idle_scheduler.get_job("scan", "default").trigger.interval == 15 * MINUTE
    assert row().next_run_time == QUARTER
    assert DjangoJobExecution.objects.count() == 1
    assert "job 'scan' cannot be restored" in caplog.text


def test_a_stranger_that_cannot_be_restored_is_parked_not_deleted(
    idle_scheduler: Scheduler,
) -> None:
    DjangoJob.objects.create(id="stranger", next_run_time=NOW, job_state=b"nonsense")
    assert idle_scheduler.get_jobs("default") == []
    assert row().next_run_time is None
