"""A database that is away for longer than a lease lives ends nothing."""

import sqlite3
from contextlib import closing
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


def good_scans() -> int:
    return TaskRun.objects.filter(task__name="scan", outcome="ok").count()


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


def test_a_sqlite_file_that_is_locked_for_seconds(schedulers: Schedulers, tmp_path: Path) -> None:
    url = fresh_sqlite(tmp_path)
    with models_in(url):
        make_scan_task(timezone.now(), interval_minutes=None)
        scheduler = schedulers.start(*QUICK)
        scheduler.until(lambda: good_scans() >= 2)
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=20)) as session:
            session.execute("BEGIN EXCLUSIVE")
            # Each takes the lease's own timeout and the wait for the next beat.
            scheduler.until_it_says("no heartbeat", times=5)
            session.rollback()
        wait_until_it_is_well(scheduler)


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
            finally:
                connection.close()
                cluster.stop()
