"""The scheduler at work, in threads of the test's process."""

import logging
import pickle
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from django.db import OperationalError, connection
from django.utils import timezone
from django_apscheduler.models import DjangoJob, DjangoJobExecution
from pytest_django import Settings

from scanner import lease
from scanner.models import ScanRun
from scanner.scheduling import engine, scheduler, tasks
from scanner.scheduling.engine import JobStore, Scheduler
from scanner.scheduling.jobs import keep_scan_job
from scanner.scheduling.scheduler import (
    is_scheduler_alive,
    run_scanner_job,
    shutdown_scheduler,
    start_scheduler,
)
from tests.scheduling.threads import Gate, connections_of_threads, eventually

pytestmark = pytest.mark.usefixtures("deposit_root")


def the_scheduler() -> Scheduler:
    [running] = scheduler._running
    return running


def statuses() -> list[str]:
    """Give the executions' statuses in the order in which they were due."""
    return list(DjangoJobExecution.objects.order_by("run_time").values_list("status", flat=True))


def outcomes() -> list[str]:
    return list(ScanRun.objects.order_by("pk").values_list("outcome", flat=True))


def make_due(ago: timedelta = timedelta(0)) -> None:
    """Let the stored job be due since then."""
    the_scheduler().modify_job("scan", "default", next_run_time=timezone.now() - ago)


def make_due_from_outside(ago: timedelta = timedelta(0)) -> datetime:
    """Change the stored job while its scheduler does not look; give when it is due."""
    due = timezone.now() - ago
    row = DjangoJob.objects.get()
    state = pickle.loads(row.job_state) | {"next_run_time": due}
    DjangoJob.objects.update(job_state=pickle.dumps(state), next_run_time=due)
    return due


# --- Start and stop -------------------------------------------------------------------------------


def test_started_it_scans_at_once_and_the_execution_is_recorded() -> None:
    start_scheduler()
    eventually(lambda: statuses() == ["Executed"])
    run = ScanRun.objects.get()
    assert (run.trigger, run.outcome) == ("schedule", "complete")
    execution = DjangoJobExecution.objects.get()
    assert execution.job_id == "scan"
    assert run.started_at >= execution.run_time
    assert is_scheduler_alive()


def test_the_stored_job_runs_when_it_is_due() -> None:
    start_scheduler()
    eventually(lambda: statuses() == ["Executed"])
    before = DjangoJob.objects.get().next_run_time
    make_due()
    eventually(lambda: statuses() == ["Executed", "Executed"])
    eventually(lambda: DjangoJob.objects.get().next_run_time > timezone.now())
    assert outcomes() == ["complete", "complete"]
    assert before > timezone.now() - timedelta(minutes=1)


def test_started_twice_it_runs_once_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    start_scheduler()
    first = the_scheduler()
    start_scheduler()
    assert the_scheduler() is first
    assert "it runs already" in caplog.text
    eventually(lambda: statuses() == ["Executed"])


def test_stopped_when_it_is_stopped_it_says_so(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    shutdown_scheduler()
    assert "it does not run" in caplog.text
    start_scheduler()
    shutdown_scheduler()
    assert not is_scheduler_alive()
    caplog.clear()
    shutdown_scheduler()
    assert "it does not run" in caplog.text


def test_stopped_it_can_be_started_again() -> None:
    for starts in range(1, 3):
        start_scheduler()
        eventually(lambda starts=starts: len(statuses()) == starts)  # type: ignore[misc]
        shutdown_scheduler()
    assert statuses() == ["Executed", "Executed"]
    assert DjangoJob.objects.count() == 1


def test_a_paused_scan_is_not_run_by_a_start(caplog: pytest.LogCaptureFixture) -> None:
    start_scheduler()
    eventually(lambda: statuses() == ["Executed"])
    the_scheduler().pause_job("scan", "default")
    shutdown_scheduler()
    start_scheduler()
    assert "the scan is paused" in caplog.text
    shutdown_scheduler()
    assert statuses() == ["Executed"]
    assert DjangoJob.objects.get().next_run_time is None


def test_stop_waits_for_the_running_scan(gate: Gate) -> None:
    start_scheduler()
    gate.wait_until_reached()
    stopping = threading.Thread(target=shutdown_scheduler)
    stopping.start()
    eventually(lambda: not is_scheduler_alive())
    assert stopping.is_alive()
    assert outcomes() == ["running"]
    gate.open()
    stopping.join()
    assert outcomes() == ["complete"]
    assert statuses() == ["Executed"]


def test_nothing_is_begun_while_it_stops(gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    start_scheduler()
    gate.wait_until_reached()
    stopped = the_scheduler()
    stopping = threading.Thread(target=shutdown_scheduler)
    stopping.start()
    eventually(lambda: not stopped.running)
    due = make_due_from_outside()
    stopped.wakeup()
    gate.open()
    stopping.join()
    assert statuses() == ["Executed"]
    assert "Error submitting job" not in caplog.text
    # It is left to the next start.
    assert DjangoJob.objects.get().next_run_time == due


def test_a_restart_within_the_misfire_grace_of_a_slot_scans_once() -> None:
    start_scheduler()
    eventually(lambda: statuses() == ["Executed"])
    shutdown_scheduler()
    make_due_from_outside(timedelta(seconds=5))
    start_scheduler()
    eventually(lambda: len(statuses()) > 1)
    shutdown_scheduler()
    assert statuses() == ["Executed", "Executed"]
    assert outcomes() == ["complete", "complete"]


def test_stopped_while_it_begins_a_scan_it_lets_it_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stopping = threading.Thread(target=shutdown_scheduler)
    get_due_jobs = JobStore.get_due_jobs

    def stop_meanwhile(store: JobStore, now: datetime) -> Any:
        stopping.start()
        stopping.join(0.2)  # it cannot end before us, but has the time to do harm
        return get_due_jobs(store, now)

    monkeypatch.setattr(JobStore, "get_due_jobs", stop_meanwhile)
    start_scheduler()
    eventually(lambda: stopping.ident is not None)
    stopping.join()
    assert statuses() == ["Executed"]
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


def test_when_the_job_store_cannot_be_read_nothing_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("the database is away")

    with monkeypatch.context() as broken:
        broken.setattr(JobStore, "_get_jobs", away)
        with pytest.raises(OperationalError):
            start_scheduler()
    assert not is_scheduler_alive()
    start_scheduler()
    eventually(lambda: statuses() == ["Executed"])


# --- Scans that fail, are late or are in the way --------------------------------------------------


def test_a_failing_scan_is_told_with_its_traceback_and_the_next_one_runs(
    deposit_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deposit_root.rmdir()
    start_scheduler()
    eventually(lambda: statuses() == ["Error!"])
    execution = DjangoJobExecution.objects.get()
    assert execution.exception is not None
    assert execution.exception.startswith("scanner.errors.DepositRootUnavailable: ")
    assert "scan.py" in (execution.traceback or "")
    run = ScanRun.objects.get()
    assert run.outcome == "failed"
    assert "DepositRootUnavailable" in run.error
    assert "Traceback (most recent call last)" in caplog.text
    deposit_root.mkdir()
    make_due()
    eventually(lambda: statuses() == ["Error!", "Executed"])
    assert outcomes() == ["failed", "complete"]


def test_an_error_that_no_column_takes_is_cut_and_cleaned(idle_scheduler: Scheduler) -> None:
    due = timezone.now()
    keep_scan_job(idle_scheduler, now=due)
    error = ValueError("\0\ud800 is " + "very " * 1000 + "wrong")
    JobStore.handle_error_event(
        JobExecutionEvent(EVENT_JOB_ERROR, "scan", "default", due, exception=error, traceback="\0")
    )
    exception = DjangoJobExecution.objects.get().exception or ""
    assert exception.startswith("ValueError: \N{REPLACEMENT CHARACTER} is very ")
    assert len(exception) == 1000


def test_while_another_scan_runs_ours_is_skipped(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with lease.hold("scan", heartbeat=0.05):
        run_scanner_job()
    assert "the scheduled scan is skipped" in caplog.text
    assert outcomes() == []


def test_a_slot_that_comes_while_the_last_scan_runs_is_recorded_and_passed_over(
    gate: Gate,
) -> None:
    start_scheduler()
    gate.wait_until_reached()
    make_due()
    eventually(lambda: statuses() == ["Started execution", "Max instances!"])
    gate.open()
    eventually(lambda: statuses() == ["Executed", "Max instances!"])
    assert outcomes() == ["complete"]


def test_a_slot_late_by_more_than_the_misfire_grace_is_recorded_as_missed() -> None:
    start_scheduler()
    eventually(lambda: statuses() == ["Executed"])
    make_due(timedelta(minutes=65))  # the last of these slots was 5 minutes ago
    eventually(lambda: "Missed!" in statuses())
    assert outcomes() == ["complete"]
    assert is_scheduler_alive()


def test_an_unknown_task_is_an_error_of_its_own_job_only() -> None:
    with pytest.raises(KeyError):
        tasks.dispatch("no such task")


# --- The database ---------------------------------------------------------------------------------


def test_no_thread_keeps_a_connection_when_it_has_done_its_work() -> None:
    with connections_of_threads() as opened:
        start_scheduler()
        eventually(lambda: statuses() == ["Executed"])
        make_due()
        eventually(lambda: statuses() == ["Executed", "Executed"])
        names = {name for name, _ in opened}
        assert {"APScheduler", "scheduler_0"} <= names
        eventually(lambda: all(one.connection is None for _, one in opened))


def interpose(
    monkeypatch: pytest.MonkeyPatch, method: str, rival: Callable[[], object], times: int = 1
) -> list[str]:
    """Let something happen right before the scheduler's thread asks the job store."""
    original = getattr(JobStore, method)
    happened: list[str] = []

    def rival_first(store: JobStore, *arguments: Any) -> Any:
        if threading.current_thread().name == "APScheduler" and len(happened) < times:
            happened.append(method)
            rival()
        return original(store, *arguments)

    monkeypatch.setattr(JobStore, method, rival_first)
    monkeypatch.setattr(engine, "RETRY_SECONDS", 0.05)
    return happened


def test_a_job_deleted_meanwhile_is_put_back_and_the_scheduler_lives(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    start_scheduler()
    eventually(lambda: statuses() == ["Executed"])
    happened = interpose(monkeypatch, "update_job", lambda: DjangoJob.objects.all().delete())
    make_due()
    eventually(lambda: "the schedule is followed again" in caplog.text)
    assert happened == ["update_job"]
    assert "the schedule could not be followed" in caplog.text
    assert DjangoJob.objects.exists()
    assert is_scheduler_alive()
    runs = len(outcomes())
    make_due()
    eventually(lambda: len(outcomes()) > runs and outcomes()[-1] == "complete")


def test_a_job_deleted_while_nothing_is_due_is_put_back() -> None:
    start_scheduler()
    eventually(lambda: statuses() == ["Executed"])
    DjangoJob.objects.all().delete()
    the_scheduler().wakeup()  # as it does by itself after a while
    eventually(DjangoJob.objects.exists)


@pytest.mark.parametrize(
    "method", ["lookup_job", "get_due_jobs", "update_job", "get_next_run_time"]
)
@pytest.mark.parametrize("error", [OperationalError, RuntimeError])
def test_an_outage_is_outlived_whatever_it_hits(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    method: str,
    error: type[Exception],
) -> None:
    def fail() -> None:
        connection.close()
        raise error("the database is away")

    start_scheduler()
    eventually(lambda: statuses() == ["Executed"])
    the_scheduler().jobstore_retry_interval = 0.05
    happened = interpose(monkeypatch, method, fail, times=3)
    make_due()
    eventually(lambda: len(happened) == 3)
    eventually(lambda: outcomes()[-1] == "complete" and len(outcomes()) > 1)
    assert is_scheduler_alive()
    tracebacks = [one for one in caplog.records if one.exc_info and "engine" in one.name]
    assert len(tracebacks) <= 1


def test_a_worker_keeps_no_connection_whatever_it_ran() -> None:
    executor = engine.Executor()
    executor._pool.submit(lambda: connection.ensure_connection()).result()  # noqa: PLW0108
    assert executor._pool.submit(lambda: connection.connection).result() is None
    executor.shutdown()


@pytest.mark.parametrize("is_paused", [False, True])
def test_it_never_waits_longer_than_a_change_from_outside_may_take(
    settings: Settings, is_paused: bool
) -> None:
    settings.SCANNER_INTERVAL_MINUTES = 24 * 60
    start_scheduler()
    eventually(lambda: statuses() == ["Executed"])
    if is_paused:
        the_scheduler().pause_job("scan", "default")
    assert the_scheduler()._process_jobs() <= engine.LONGEST_WAIT_SECONDS
