"""A process that is told to stop while it scans, and one that starts after it."""

import signal
from pathlib import Path

import pytest
from django.utils import timezone
from django_apscheduler.models import DjangoJobExecution

from scanner.models import ScanRun, ScheduledTask, TaskRun
from tests.scheduling.processes import (
    ScanGate,
    Schedulers,
    database_fixture,  # noqa: F401 - the fixture `database`
    gate_of_scans_fixture,  # noqa: F401 - the fixture `gate_of_scans`
    make_scan_task,
    scans,
    schedulers_fixture,  # noqa: F401 - the fixture `schedulers`
)

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.slow]


def test_a_scan_that_ends_in_time_is_recorded_as_good(
    schedulers: Schedulers, gate_of_scans: ScanGate
) -> None:
    make_scan_task(timezone.now())
    scheduler = schedulers.start(*gate_of_scans.options)
    gate_of_scans.until_reached_by(scheduler)
    scheduler.send(signal.SIGTERM)
    scheduler.until_it_says("stopping:")
    assert scans() == [("catch_up", 1, "running")]
    gate_of_scans.open()
    assert scheduler.code() == 0
    assert scans() == [("catch_up", 1, "ok")]
    assert ScanRun.objects.get().outcome == "complete"
    assert DjangoJobExecution.objects.get(job_id="scan").status == "Executed"


def test_a_scan_that_takes_too_long_is_recorded_as_interrupted(
    schedulers: Schedulers, gate_of_scans: ScanGate
) -> None:
    make_scan_task(timezone.now())
    scheduler = schedulers.start("--patience", "0.5", *gate_of_scans.options)
    gate_of_scans.until_reached_by(scheduler)
    scheduler.send(signal.SIGTERM)
    assert scheduler.code() == 0
    assert scans() == [("catch_up", 1, "interrupted")]
    assert "did not wait" in TaskRun.objects.get(task__name="scan").error
    assert ScanRun.objects.get().outcome == "interrupted"
    assert DjangoJobExecution.objects.get(job_id="scan").status == "Error!"


def test_the_retry_of_a_failed_run_is_kept_over_a_restart(
    schedulers: Schedulers, deposit_root: Path
) -> None:
    make_scan_task(timezone.now(), backoff_seconds=3)
    deposit_root.rmdir()
    scheduler = schedulers.start()
    scheduler.until(lambda: scans() == [("catch_up", 1, "failed")])
    scheduler.send(signal.SIGTERM)
    assert scheduler.code() == 0
    retry_at = ScheduledTask.objects.get(name="scan").retry_at
    assert retry_at is not None
    deposit_root.mkdir()
    scheduler = schedulers.start()
    scheduler.until(lambda: scans() == [("catch_up", 1, "failed"), ("retry", 2, "ok")])
    first, second = TaskRun.objects.filter(task__name="scan").order_by("pk")
    assert second.started_at is not None
    assert second.started_at >= retry_at
    assert second.scheduled_for == first.scheduled_for
    assert second.pid == scheduler.pid
