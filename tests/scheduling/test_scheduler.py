"""The scheduler at work, in threads of the test's process."""

import logging
import pickle
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.schedulers.base import STATE_PAUSED
from django.db import OperationalError, connection
from django.utils import timezone
from django_apscheduler.models import DjangoJob, DjangoJobExecution
from pytest_django import Settings

from scanner import lease
from scanner.errors import LeaseHeld, LeaseLost
from scanner.models import Lease, ScanRun, ScheduledTask, SchedulerProcess, TaskRequest, TaskRun
from scanner.scheduling import engine, scheduler
from scanner.scheduling.engine import STORE, JobStore, Scheduler
from scanner.scheduling.leadership import LEASE, Leadership, Process, Watch
from scanner.scheduling.reconcile import reconcile
from scanner.scheduling.scheduler import (
    catch_up_after_outage,
    is_scheduler_alive,
    shutdown_scheduler,
    start_scheduler,
)
from tests.scheduling.clock import Clock, clock_fixture  # noqa: F401 - the fixture `clock`
from tests.scheduling.rows import QUARTER, SLOT, begin, change, make_task, runs, take_the_lead
from tests.scheduling.threads import Gate, connections_of_threads, eventually, thread_for

pytestmark = pytest.mark.usefixtures("deposit_root", "no_slot_comes")


def the_scheduler() -> Scheduler:
    [(running, _, _)] = scheduler._running
    return running


def statuses() -> list[str]:
    """Give the statuses of the scan's executions in the order in which they were due."""
    rows = DjangoJobExecution.objects.filter(job_id="scan").order_by("run_time")
    return list(rows.values_list("status", flat=True))


def job() -> DjangoJob:
    return DjangoJob.objects.get(pk="scan")


def task() -> ScheduledTask:
    return ScheduledTask.objects.get(name="scan")


def outcomes() -> list[str]:
    return list(ScanRun.objects.order_by("pk").values_list("outcome", flat=True))


def make_due(ago: timedelta = timedelta(0)) -> None:
    """Let the stored job be due since then."""
    the_scheduler().modify_job("scan", STORE, next_run_time=timezone.now() - ago)


def make_due_from_outside(ago: timedelta = timedelta(0)) -> datetime:
    """Change the stored job while its scheduler does not look; give when it is due."""
    due = timezone.now() - ago
    state = pickle.loads(job().job_state) | {"next_run_time": due}
    DjangoJob.objects.filter(pk="scan").update(job_state=pickle.dumps(state), next_run_time=due)
    return due


# --- Start and stop -------------------------------------------------------------------------------


def test_started_it_scans_at_once_and_the_execution_is_recorded() -> None:
    start_scheduler()
    eventually(lambda: statuses() == ["Executed"])
    run = ScanRun.objects.get()
    assert (run.trigger, run.outcome) == ("schedule", "complete")
    execution = DjangoJobExecution.objects.get(job_id="scan")
    assert run.started_at >= execution.run_time
    task_run = TaskRun.objects.get(task__name="scan")
    assert (task_run.cause, task_run.outcome, task_run.scan_run) == ("catch_up", "ok", run)
    assert task_run.fired_for == execution.run_time
    assert is_scheduler_alive()


def test_each_task_is_made_from_its_defaults_and_put_on_the_schedule() -> None:
    start_scheduler()
    assert list(ScheduledTask.objects.values_list("name", "applied_version")) == [
        ("prune", 1),
        ("scan", 1),
    ]
    assert set(DjangoJob.objects.values_list("id", flat=True)) == {"prune", "scan"}
    eventually(lambda: statuses() == ["Executed"])


def test_the_stored_job_runs_when_it_is_due() -> None:
    start_scheduler()
    eventually(lambda: statuses() == ["Executed"])
    before = job().next_run_time
    make_due()
    eventually(lambda: statuses() == ["Executed", "Executed"])
    eventually(lambda: job().next_run_time > timezone.now())
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
    start_scheduler()
    eventually(lambda: statuses() == ["Executed"])
    shutdown_scheduler()
    start_scheduler()
    make_due()
    eventually(lambda: statuses() == ["Executed", "Executed"])
    assert DjangoJob.objects.count() == 2


def test_a_paused_scan_is_not_run_by_a_start() -> None:
    make_task("prune")  # since ever, so that one of its slots was missed
    make_task(enabled=False)
    start_scheduler()
    eventually(lambda: TaskRun.objects.filter(task__name="prune", outcome="ok").exists())
    shutdown_scheduler()
    assert statuses() == []
    assert job().next_run_time is None


def test_stop_waits_for_the_running_scan(gate: Gate) -> None:
    start_scheduler()
    gate.wait_until_reached()
    stopping = thread_for(shutdown_scheduler)
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
    stopping = thread_for(shutdown_scheduler)
    stopping.start()
    eventually(lambda: not stopped.running)
    due = make_due_from_outside()
    stopped.wakeup()
    gate.open()
    stopping.join()
    assert statuses() == ["Executed"]
    assert "Error submitting job" not in caplog.text
    # It is left to the next start.
    assert job().next_run_time == due


def test_stopped_while_it_begins_a_scan_it_lets_it_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stopping = thread_for(shutdown_scheduler)
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
    execution = DjangoJobExecution.objects.get(job_id="scan")
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
    DjangoJob.objects.create(id="scan", job_state=b"")
    error = ValueError("\0\ud800 is " + "very " * 1000 + "wrong")
    JobStore.handle_error_event(
        JobExecutionEvent(EVENT_JOB_ERROR, "scan", "default", due, exception=error, traceback="\0")
    )
    exception = DjangoJobExecution.objects.get().exception or ""
    assert exception.startswith("ValueError: \N{REPLACEMENT CHARACTER} is very ")
    assert len(exception) == 1000


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


# --- Leading --------------------------------------------------------------------------------------


def leader() -> Lease:
    return Lease.objects.get(name=LEASE)


def test_where_another_process_leads_nothing_is_started() -> None:
    with lease.hold(LEASE, heartbeat=0.05), pytest.raises(LeaseHeld):
        start_scheduler()
    assert not is_scheduler_alive()
    assert not DjangoJob.objects.exists()
    assert not SchedulerProcess.objects.exists()
    start_scheduler()
    assert is_scheduler_alive()


def test_the_leadership_lasts_from_start_to_stop() -> None:
    start_scheduler()
    assert leader().holder
    assert SchedulerProcess.objects.get().leads
    shutdown_scheduler()
    assert not leader().holder
    assert not SchedulerProcess.objects.exists()


def test_a_leadership_that_was_given_is_not_given_back() -> None:
    leadership = take_the_lead()
    start_scheduler(leadership)
    eventually(lambda: statuses() == ["Executed"])
    shutdown_scheduler()
    assert leader().holder
    assert TaskRun.objects.get(task__name="scan").process_id == leadership.process_id


def test_when_another_leads_nothing_more_is_begun(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lease, "HEARTBEAT", 0.02)
    start_scheduler()
    eventually(lambda: statuses() == ["Executed"])
    assert is_scheduler_alive()
    Lease.objects.filter(name=LEASE).update(token=99, holder="another")
    eventually(lambda: not is_scheduler_alive())
    eventually(lambda: "another process leads now" in caplog.text)
    # What waits for the database does not any more, either.
    eventually(lambda: the_scheduler().state == STATE_PAUSED)
    assert scheduler._running[0][1].ending.is_set()
    make_due()
    the_scheduler().wakeup()
    shutdown_scheduler()
    assert statuses() == ["Executed"]
    assert leader().holder == "another"


def test_whoever_wakes_up_when_another_leads_writes_nothing(clock: Clock) -> None:
    leadership = take_the_lead()
    start_scheduler(leadership)
    eventually(lambda: statuses() == ["Executed"])
    change(task(), interval_minutes=7)
    clock.seconds += 60
    Lease.objects.filter(name=LEASE).update(token=leadership.held.token + 1)
    stored, row = job().job_state, task()
    with pytest.raises(LeaseLost):
        scheduler.look_after(leadership, Process(), Watch())
    assert job().job_state == stored
    assert (task().next_run_at, task().applied_version) == (row.next_run_at, row.applied_version)


def test_while_it_is_not_sure_to_lead_it_leaves_the_job_store_alone(clock: Clock) -> None:
    leadership = take_the_lead()
    start_scheduler(leadership)
    eventually(lambda: statuses() == ["Executed"])
    clock.seconds += lease.TIME_TO_LIVE
    due = make_due_from_outside()
    assert the_scheduler()._process_jobs() == engine.RETRY_SECONDS
    assert job().next_run_time == due
    assert leadership.held.beat()
    the_scheduler().wakeup()
    eventually(lambda: statuses() == ["Executed", "Executed"])


def test_what_people_change_is_followed() -> None:
    start_scheduler()
    eventually(lambda: statuses() == ["Executed"])
    change(task(), enabled=False)
    eventually(lambda: task().applied_version == 2)
    assert job().next_run_time is None
    TaskRequest.objects.create(task=task(), requested_at=timezone.now())
    eventually(lambda: statuses() == ["Executed", "Executed"])
    assert TaskRun.objects.get(task__name="scan", cause="request").outcome == "ok"


def test_a_failed_scan_is_tried_again(deposit_root: Path) -> None:
    make_task(backoff_seconds=0)
    deposit_root.rmdir()
    start_scheduler()
    eventually(lambda: task().last_outcome == "failed")
    attempts = TaskRun.objects.filter(task__name="scan").order_by("pk")
    assert list(attempts.values_list("attempt", "cause", "outcome")) == [
        (1, "catch_up", "failed"),
        (2, "retry", "failed"),
        (3, "retry", "failed"),
    ]
    eventually(lambda: statuses() == ["Error!"] * 3)


def test_what_a_dead_process_left_running_is_closed_and_tried_again() -> None:
    dead = make_task(backoff_seconds=0)
    TaskRun.objects.create(
        task=dead,
        cause="schedule",
        scheduled_for=timezone.now(),
        fired_for=timezone.now(),
        started_at=timezone.now(),
        outcome="running",
        host="gone",
        pid=1,
        process_id=uuid4(),
    )
    start_scheduler()
    eventually(lambda: task().last_outcome == "ok")
    assert [run[1:] for run in runs() if run[2] != "catch_up"] == [
        (1, "schedule", "interrupted"),
        (2, "retry", "ok"),
    ]


def test_what_a_dead_process_left_running_is_closed_before_a_slot_is_caught_up(
    clock: Clock,
) -> None:
    dead = SchedulerProcess.objects.create(
        id=uuid4(), host="gone", pid=1, started_at=timezone.now(), beat_at=timezone.now()
    )
    watch = Watch()
    watch.living()
    for _ in range(4):
        clock.seconds += 5
        watch.living()
    leadership = take_the_lead()
    run = begin(Leadership(leadership.held, dead.pk), task=make_task().name)
    assert run.task.name == "scan"
    start_scheduler(leadership, watch)
    eventually(lambda: task().last_outcome == "ok")
    found = [row[2:] for row in runs() if row[3] != "missed"]
    assert found == [("schedule", "interrupted"), ("catch_up", "ok")]
    run.refresh_from_db()
    caught_up = TaskRun.objects.get(cause="catch_up")
    assert run.finished_at is not None
    assert caught_up.started_at is not None
    assert run.finished_at <= caught_up.started_at


def slots_missed_since_the_start() -> None:
    """Let all slots since some days have come while nothing could be begun."""
    ScheduledTask.objects.filter(name="scan").update(
        cron="0 0 * * *", changed_at=timezone.now() - timedelta(days=4)
    )
    TaskRun.objects.filter(task__name="scan").update(
        scheduled_for=timezone.now() - timedelta(days=3, hours=1)
    )


def test_after_an_outage_the_newest_slot_is_caught_up_once() -> None:
    leadership = take_the_lead()
    start_scheduler(leadership)
    eventually(lambda: statuses() == ["Executed"])
    slots_missed_since_the_start()
    for _ in range(2):
        catch_up_after_outage(leadership, now=timezone.now())
        eventually(lambda: statuses() == ["Executed", "Executed"])
    found = Counter((cause, outcome) for *_, cause, outcome in runs())
    assert found[("catch_up", "ok")] == 2
    assert found[("schedule", "missed")] in {2, 3}
    assert len(found) == 2


def test_what_came_while_it_was_not_sure_to_lead_is_caught_up_by_the_scheduler_itself(
    clock: Clock,
) -> None:
    leadership = take_the_lead()
    start_scheduler(leadership)
    eventually(lambda: statuses() == ["Executed"])
    clock.seconds += lease.TIME_TO_LIVE
    assert the_scheduler()._process_jobs() == engine.RETRY_SECONDS
    slots_missed_since_the_start()
    the_scheduler()._process_jobs()
    assert statuses() == ["Executed"]
    assert leadership.held.beat()
    the_scheduler()._process_jobs()
    eventually(lambda: statuses() == ["Executed", "Executed"])
    assert runs()[-1][2:] == ("catch_up", "ok")
    assert not the_scheduler().is_behind


def test_a_job_store_that_cannot_be_read_leaves_the_scheduler_behind_until_it_has_caught_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start_scheduler(take_the_lead())
    eventually(lambda: statuses() == ["Executed"])

    def away(*_: object, **__: object) -> None:
        raise OperationalError("the database is away")

    with monkeypatch.context() as broken:
        broken.setattr(JobStore, "_get_jobs", away)
        the_scheduler()._process_jobs()
        assert the_scheduler().is_behind
        the_scheduler()._process_jobs()  # it cannot catch up, either
        assert the_scheduler().is_behind
    the_scheduler()._process_jobs()
    assert not the_scheduler().is_behind


def test_nothing_is_caught_up_where_no_scheduler_runs() -> None:
    make_task()
    catch_up_after_outage(take_the_lead(), now=timezone.now())
    assert (runs(), DjangoJob.objects.count()) == ([], 0)


def test_a_control_loop_that_fails_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    start_scheduler()
    failures: list[str] = []

    def fail_first(*arguments: Any, **named: Any) -> None:
        if len(failures) < 3:
            failures.append("away")
            raise OperationalError("the database is away")
        reconcile(*arguments, **named)

    monkeypatch.setattr(scheduler, "reconcile", fail_first)
    change(task(), enabled=False)
    eventually(lambda: task().applied_version == 2)
    assert len(failures) == 3
    assert caplog.text.count("could not follow the tasks") == 1


# --- The database ---------------------------------------------------------------------------------


def test_no_thread_keeps_a_connection_when_it_has_done_its_work() -> None:
    with connections_of_threads() as opened:
        start_scheduler()
        eventually(lambda: statuses() == ["Executed"])
        make_due()
        eventually(lambda: statuses() == ["Executed", "Executed"])
        names = {name for name, _ in opened}
        assert {"APScheduler", "scheduler_0"} <= names
        # The thread that looks after the schedule is at work until the scheduler stops.
        done = [one for name, one in opened if name != "scheduler-look"]
        eventually(lambda: all(one.connection is None for one in done))
        shutdown_scheduler()
        assert all(one.connection is None for _, one in opened)


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
    eventually(lambda: DjangoJob.objects.count() == 2)
    assert is_scheduler_alive()
    eventually(lambda: not the_scheduler().is_at("scan"))
    runs = len(outcomes())
    make_due()
    eventually(lambda: len(outcomes()) > runs and outcomes()[-1] == "complete")


def test_a_job_deleted_while_nothing_is_due_is_put_back() -> None:
    start_scheduler()
    eventually(lambda: statuses() == ["Executed"])
    DjangoJob.objects.all().delete()
    eventually(lambda: DjangoJob.objects.count() == 2)


@pytest.mark.parametrize("method", ["get_due_jobs", "update_job", "get_next_run_time"])
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


def test_a_worker_keeps_no_connection_and_knows_when_its_run_was_due() -> None:
    executor = engine.Executor()

    def submit(work: Callable[[], object], due: datetime) -> object:
        return executor._pool.submit(lambda *_: work(), None, STORE, [due]).result()

    submit(connection.ensure_connection, SLOT)
    assert submit(lambda: connection.connection, SLOT) is None
    assert [submit(engine.fired_for.get, due) for due in (SLOT, QUARTER)] == [SLOT, QUARTER]
    executor.shutdown()


@pytest.mark.parametrize("is_paused", [False, True])
def test_it_never_waits_longer_than_a_change_from_outside_may_take(
    settings: Settings, is_paused: bool
) -> None:
    settings.SCANNER_INTERVAL_MINUTES = 24 * 60
    start_scheduler()
    eventually(lambda: statuses() == ["Executed"])
    if is_paused:
        ScheduledTask.objects.update(enabled=False)
        eventually(lambda: not DjangoJob.objects.exclude(next_run_time=None).exists())
    assert the_scheduler()._process_jobs() <= engine.LONGEST_WAIT_SECONDS
