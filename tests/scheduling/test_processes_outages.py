"""A database that is away for longer than a lease lives ends nothing, and nothing is told wrong."""

import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone
from django_apscheduler.models import DjangoJobExecution

from scanner.models import Lease, TaskRun
from tests.postgres import throwaway_cluster
from tests.process import fresh_postgres, fresh_sqlite
from tests.scheduling.processes import (
    Cluster,
    Scheduler,
    Schedulers,
    make_scan_task,
    models_in,
    request_scan,
    schedulers_fixture,  # noqa: F401 - the fixture `schedulers`
)

pytestmark = pytest.mark.slow

QUICK = ("--quick", "--each-second")
# What a statement waits for a lock when it has not been told to wait less.
SQLITE_TIMEOUT = 20.0


def scans() -> list[TaskRun]:
    return list(TaskRun.objects.filter(task__name="scan").order_by("pk"))


def good_scans() -> int:
    return sum(run.outcome == "ok" for run in scans())


def wait_until_it_is_well(scheduler: Scheduler) -> None:
    """Wait for new scans, and for the end of all that the outage left open."""
    before = good_scans()
    scheduler.until(lambda: good_scans() >= before + 2)
    request = request_scan(timezone.now())
    scheduler.until(lambda: TaskRun.objects.filter(request=request, outcome="ok").exists())
    since = request.requested_at
    scheduler.until(
        lambda: (
            not TaskRun.objects.filter(outcome="running", started_at__lt=since).exists()
            and not DjangoJobExecution.objects.filter(
                status=DjangoJobExecution.SENT, run_time__lt=since
            ).exists()
        )
    )
    assert scheduler.process.poll() is None
    assert Lease.objects.get(name="scheduler").token == 1


def end(scheduler: Scheduler) -> None:
    """Stop it, so that no run is on its way."""
    scheduler.send(signal.SIGTERM)
    assert scheduler.code() == 0


def assert_both_histories_tell_the_same() -> None:
    executions = DjangoJobExecution.objects.filter(job_id="scan")
    statuses = dict(executions.values_list("run_time", "status"))
    told = {run.fired_for: (run.outcome, statuses.get(run.fired_for)) for run in scans()}
    good = {fired_for for fired_for, (outcome, _) in told.items() if outcome == "ok"}
    executed = {run_time for run_time, status in statuses.items() if status == "Executed"}
    assert good == executed, told
    assert "running" not in {outcome for outcome, _ in told.values()}, told
    assert DjangoJobExecution.SENT not in statuses.values(), statuses


def assert_what_was_skipped_had_a_run_in_its_way() -> None:
    """Another was begun by the library before the slot was over, and ended after it had come."""
    runs = scans()
    for skipped in (run for run in runs if run.outcome == "skipped"):
        slot = skipped.scheduled_for
        assert any(
            run.finished_at is not None
            and run.pk != skipped.pk
            and run.fired_for < slot + timedelta(seconds=1)
            and run.finished_at >= slot
            for run in runs
        ), [(run.scheduled_for, run.outcome, run.fired_for, run.finished_at) for run in runs]


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Let nobody write into a SQLite database during the block."""
    session = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=SQLITE_TIMEOUT)
    try:
        session.execute("BEGIN EXCLUSIVE")
        yield
        session.rollback()
    finally:
        session.close()


@pytest.mark.sqlite
def test_a_sqlite_file_that_is_locked_for_longer_than_anybody_waits(
    schedulers: Schedulers, tmp_path: Path
) -> None:
    url = fresh_sqlite(tmp_path)
    with models_in(url):
        make_scan_task(timezone.now(), interval_minutes=None)
        scheduler = schedulers.start("--hasty", *QUICK)
        scheduler.until(lambda: good_scans() >= 2)
        with locked(url):
            # What else meets the lock before the lease is over is a matter of luck. Each beat takes
            # the lease's own timeout and the wait for the next.
            scheduler.until_it_says("no heartbeat", times=5)
        wait_until_it_is_well(scheduler)
        end(scheduler)
        assert_both_histories_tell_the_same()
        assert_what_was_skipped_had_a_run_in_its_way()


@pytest.mark.sqlite
def test_told_to_stop_while_sqlite_is_locked_it_sits_in_no_statement(
    schedulers: Schedulers, tmp_path: Path
) -> None:
    """Whatever its threads are at then: each waits for the database, or for another's lock."""
    url = fresh_sqlite(tmp_path)
    with models_in(url):
        make_scan_task(timezone.now(), interval_minutes=None)
        scheduler = schedulers.start(*QUICK, "--patience", "2")
        scheduler.until(lambda: good_scans() >= 2)
        with locked(url):
            time.sleep(2)
            told_at = time.monotonic()
            scheduler.send(signal.SIGTERM)
            assert scheduler.code() == 0
            # A single statement of its own would take longer.
            assert time.monotonic() - told_at < SQLITE_TIMEOUT * 0.75


@pytest.mark.postgres
def test_a_postgres_that_is_stopped_and_started(schedulers: Schedulers) -> None:
    with throwaway_cluster() as server:
        cluster = Cluster(server)
        with models_in(fresh_postgres(server)):
            make_scan_task(timezone.now(), interval_minutes=None)
            scheduler = schedulers.start(*QUICK)
            scheduler.until(lambda: good_scans() >= 2)
            connection.close()
            cluster.stop()
            scheduler.until_it_says("no heartbeat", times=7)
            cluster.start()
            try:
                wait_until_it_is_well(scheduler)
                end(scheduler)
                assert_both_histories_tell_the_same()
                assert_what_was_skipped_had_a_run_in_its_way()
            finally:
                connection.close()
                cluster.stop()
