"""What people change or ask for reaches a running scheduler, and outlives it."""

import signal
from datetime import timedelta

import pytest
from django.utils import timezone
from django_apscheduler.models import DjangoJob

from scanner.models import ScheduledTask
from scanner.scheduling.slots import Slots
from tests.scheduling.processes import (
    MONTH,
    Scheduler,
    Schedulers,
    change_scan_task,
    database_fixture,  # noqa: F401 - the fixture `database`
    make_scan_task,
    request_scan,
    scans,
    schedulers_fixture,  # noqa: F401 - the fixture `schedulers`
)

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.slow]

SOON = timedelta(seconds=5)


def change_and_wait(scheduler: Scheduler, said: str, **fields: object) -> timedelta:
    """Change the task; give how long it took the scheduler to say that it follows."""
    before = scheduler.log.count(said)
    change_scan_task(changed_at := timezone.now(), **fields)
    scheduler.until_it_says(said, before + 1)
    scheduler.until(lambda: task().applied_version == task().version)
    return scheduler.said_at(said) - changed_at


def task() -> ScheduledTask:
    return ScheduledTask.objects.get(name="scan")


def test_a_pause_a_new_interval_and_a_request_take_effect_within_5_seconds(
    schedulers: Schedulers,
) -> None:
    make_scan_task(timezone.now())
    scheduler = schedulers.start()
    scheduler.until(lambda: scans() == [("catch_up", 1, "ok")])
    assert change_and_wait(scheduler, "scan is changed: paused", enabled=False) < SOON
    assert DjangoJob.objects.get(id="scan").next_run_time is None

    request = request_scan(timezone.now())
    scheduler.until(lambda: scans()[1:] == [("request", 1, "ok")])
    run = request.run
    assert run.started_at is not None
    assert run.started_at - request.requested_at < SOON
    assert DjangoJob.objects.get(id="scan").next_run_time is None

    every = "scan is changed: every"
    assert change_and_wait(scheduler, every, enabled=True) < SOON
    due = Slots(MONTH).after(timezone.now())
    assert DjangoJob.objects.get(id="scan").next_run_time == due
    assert change_and_wait(scheduler, every, interval_minutes=MONTH // 2) < SOON
    due = Slots(MONTH // 2).after(timezone.now())
    assert DjangoJob.objects.get(id="scan").next_run_time == due
    assert task().next_run_at == due
    assert len(scans()) == 2


def test_a_pause_outlives_the_process(schedulers: Schedulers) -> None:
    make_scan_task(timezone.now())
    scheduler = schedulers.start()
    scheduler.until(lambda: scans() == [("catch_up", 1, "ok")])
    change_and_wait(scheduler, "scan is changed: paused", enabled=False)
    scheduler.send(signal.SIGTERM)
    assert scheduler.code() == 0
    scheduler = schedulers.start()
    scheduler.until_it_leads()
    # Served one after the other: had a run been on its way, it would be there too.
    request_scan(timezone.now())
    scheduler.until(lambda: scans()[-1] == ("request", 1, "ok"))
    assert scans() == [("catch_up", 1, "ok"), ("request", 1, "ok")]
    assert DjangoJob.objects.get(id="scan").next_run_time is None
