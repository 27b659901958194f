"""The scheduler as a service: it leads or stands by, and told to stop it ends in time."""

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from apscheduler.schedulers.base import STATE_PAUSED
from django.db import OperationalError, connections
from django.utils import timezone
from django_apscheduler.models import DjangoJobExecution

from scanner import lease, scan
from scanner.alerts import noticing
from scanner.lease import Candidate, Held
from scanner.models import (
    BackupEntry,
    Incident,
    Lease,
    ScanRun,
    ScheduledTask,
    SchedulerProcess,
    TaskChange,
    TaskRun,
)
from scanner.scheduling import scheduler, service
from scanner.scheduling.engine import Scheduler
from scanner.scheduling.interruption import interrupt_runs
from scanner.scheduling.leadership import LEASE, Leadership, tell_gap
from scanner.scheduling.reconcile import reconcile
from scanner.scheduling.scheduler import is_scheduler_alive
from scanner.scheduling.service import Ending, Event, Events, Reason, run
from tests.agent import Agent
from tests.alerts.rows import builtin
from tests.process import PATIENCE
from tests.scanning import make_job
from tests.scheduling.clock import Clock, clock_fixture  # noqa: F401 - the fixture `clock`
from tests.scheduling.rows import MINUTE, NOW, QUARTER, begin, change, make_task, runs
from tests.scheduling.simulation import Simulation
from tests.scheduling.threads import Gate, connections_of_threads, eventually

pytestmark = pytest.mark.usefixtures("deposit_root", "no_slot_comes")

TOLD = Ending(Reason.AS_TOLD, with_threads=False)


@contextmanager
def served(events: Events, patience: float = PATIENCE) -> Iterator[list[Ending]]:
    """Run the service in a thread during the block; give the list that its ending is put into."""
    endings: list[Ending] = []

    def serve() -> None:
        try:
            endings.append(run(events, patience=patience))
        finally:
            connections.close_all()

    thread = threading.Thread(target=serve, name="service")
    thread.start()
    try:
        yield endings
    finally:
        events.put(Event.STOP)
        thread.join(PATIENCE)


def executions() -> list[str]:
    rows = DjangoJobExecution.objects.filter(job_id="scan").order_by("run_time")
    return list(rows.values_list("status", flat=True))


def task_run() -> TaskRun:
    return TaskRun.objects.get(task__name="scan")


def leader() -> Lease:
    return Lease.objects.get(name=LEASE)


def wait_until_scanning(gate: Gate) -> None:
    gate.wait_until_reached()
    eventually(lambda: executions() == ["Started execution"])


# --- Leading and standing by ----------------------------------------------------------------------


def test_alone_it_leads_and_scans() -> None:
    with served(Events()) as endings:
        eventually(lambda: executions() == ["Executed"])
        process = SchedulerProcess.objects.get()
        assert process.leads
        assert task_run().process_id == process.pk
        assert leader().holder
    assert endings == [TOLD]
    assert ScanRun.objects.get().outcome == "complete"
    assert not SchedulerProcess.objects.exists()
    assert not leader().holder


def test_while_another_leads_it_stands_by_and_follows(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    events = Events()
    with lease.hold(LEASE, heartbeat=0.05), served(events) as endings:
        eventually(lambda: f"standing by: process {os.getpid()}" in caplog.text)
        assert not SchedulerProcess.objects.get().leads
        assert not is_scheduler_alive()
        events.put(Event.STOP)
        eventually(lambda: endings == [TOLD])
    assert not TaskRun.objects.exists()
    assert not SchedulerProcess.objects.exists()
    assert caplog.text.count("standing by") == 1


def test_it_leads_as_soon_as_the_leader_gives_it_up(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with lease.hold(LEASE, heartbeat=0.05) as held, served(Events()):
        eventually(lambda: "standing by" in caplog.text)
        held.release()
        eventually(lambda: executions() == ["Executed"])
        assert SchedulerProcess.objects.get().leads


def test_what_people_change_is_followed() -> None:
    with served(Events()):
        eventually(lambda: executions() == ["Executed"])
        change(ScheduledTask.objects.get(name="scan"), enabled=False)
        eventually(lambda: ScheduledTask.objects.get(name="scan").applied_version == 2)


def test_what_a_dead_leader_left_is_closed_by_who_follows(leadership: Leadership) -> None:
    make_task(retries=0)
    left = begin(leadership)
    leadership.held.release()
    with served(Events()):
        eventually(lambda: TaskRun.objects.get(pk=left.pk).outcome == "interrupted")
    assert TaskChange.objects.filter(run=left, new_outcome="interrupted").exists()


def test_when_another_leads_it_ends_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lease, "HEARTBEAT", 0.02)
    with served(Events()) as endings:
        eventually(lambda: executions() == ["Executed"])
        Lease.objects.filter(name=LEASE).update(token=99, holder="another")
        eventually(lambda: endings == [Ending(Reason.DEPOSED, with_threads=True)])
    assert Reason.DEPOSED.value == 75
    assert "another process leads now" in caplog.text
    assert leader().holder == "another"
    assert not SchedulerProcess.objects.exists()


def leave_the_lease(ago: timedelta) -> Lease:
    """Let somebody have led until so long ago."""
    return Lease.objects.create(name=LEASE, token=3, beat_at=timezone.now() - ago)


@pytest.mark.parametrize("hours", [1, 0])
def test_one_that_leads_after_long_without_a_leader_has_people_told(hours: int) -> None:
    builtin()
    before = leave_the_lease(timedelta(hours=hours))
    with served(Events()) as endings:
        eventually(lambda: executions() == ["Executed"])
    assert endings == [TOLD]
    gaps = Incident.objects.filter(kind="scheduler").values_list("since", flat=True)
    assert list(gaps) == [before.beat_at] * hours


def test_that_nobody_led_is_told_as_soon_as_the_database_answers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(service, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(service, "BROKEN_SECONDS", -1.0)  # of an outage it is not counted
    builtin()
    leave_the_lease(timedelta(hours=1))
    failures = iter([OperationalError("away")] * 2)

    def fail_first(*arguments: Any, **named: Any) -> None:
        if (error := next(failures, None)) is not None:
            raise error
        tell_gap(*arguments, **named)

    monkeypatch.setattr(service, "tell_gap", fail_first)
    with served(Events()) as endings:
        eventually(lambda: Incident.objects.filter(kind="scheduler").exists())
        eventually(lambda: executions() == ["Executed"])
    assert endings == [TOLD]
    assert "could tell that nobody led again after 2 attempts" in caplog.text


def test_a_gap_that_cannot_be_told_hinders_no_leader(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(**_: object) -> None:
        raise ValueError("a mistake of ours")

    monkeypatch.setattr(noticing, "leaderless", break_down)
    leave_the_lease(timedelta(hours=1))
    with served(Events()) as endings:
        eventually(lambda: executions() == ["Executed"])
    assert endings == [TOLD]
    assert caplog.text.count("that nobody led cannot be told") == 1


def test_a_dead_scheduler_ends_the_service(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Scheduler, "_main_loop", lambda _: None)
    assert run(Events()) == Ending(Reason.DIED, with_threads=False)
    assert Reason.DIED.value == 1
    assert "the scheduler's thread has died" in caplog.text
    assert not leader().holder


def test_an_outage_is_told_once_and_outlived(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failures: list[str] = []
    monkeypatch.setattr(service, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(service, "BROKEN_SECONDS", -1.0)  # of an outage it is not counted

    def fail_first(*arguments: Any, **named: Any) -> None:
        if not named.get("catch_up") and len(failures) < 3:
            failures.append("away")
            raise OperationalError("the database is away")
        reconcile(*arguments, **named)

    monkeypatch.setattr(scheduler, "reconcile", fail_first)
    with served(Events()) as endings:
        eventually(lambda: "could follow the tasks again after 3 attempts" in caplog.text)
        assert endings == []
    assert caplog.text.count("could not follow the tasks, trying again") == 1


class _Fault:
    """What fails with any error, as often as the test has it."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = iter(errors)

    def __call__(self, *_: object, **__: object) -> None:
        if (error := next(self._errors, None)) is not None:
            raise error


@pytest.mark.parametrize(
    ("place", "name", "what"),
    [
        (Candidate, "attempt", "look for the leader"),
        (service, "start_scheduler", "start the scheduler"),
        (service, "look_after", "follow the tasks"),
    ],
    ids=["while it stands by", "at its start", "while it leads"],
)
def test_an_error_that_does_not_go_away_ends_the_service(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    place: object,
    name: str,
    what: str,
) -> None:
    """Whoever stands by may lead, then."""
    monkeypatch.setattr(service, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(service, "BROKEN_SECONDS", 0.1)
    monkeypatch.setattr(place, name, _Fault(*[RuntimeError("any kind")] * 1000))
    assert run(Events()) == Ending(Reason.DIED, with_threads=False)
    assert f"could not {what}, trying again" in caplog.text
    [critical] = [one for one in caplog.records if one.levelno == logging.CRITICAL]
    assert critical.getMessage() == f"could not {what} for 0 seconds: any kind"
    assert critical.exc_info is not None
    assert not Lease.objects.filter(name=LEASE).exclude(holder="").exists()
    assert not SchedulerProcess.objects.exists()


def test_an_error_that_goes_away_is_forgotten(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It counts from the first time in a row; in between the database may have been away."""
    monkeypatch.setattr(service, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(service, "BROKEN_SECONDS", -1.0)
    away, other = OperationalError("away"), RuntimeError("any kind")
    monkeypatch.setattr(service, "look_after", _Fault(other, away, other, away))
    with served(Events()) as endings:
        eventually(lambda: "could follow the tasks again after 4 attempts" in caplog.text)
        assert endings == []
    assert endings == [TOLD]


def test_a_heart_that_died_ends_the_service(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lease, "HEARTBEAT", 0.02)
    monkeypatch.setattr(lease, "TIME_TO_LIVE", 1.0)
    monkeypatch.setattr(Held, "beat", _Fault(*[RuntimeError("any kind")] * 1000))
    assert run(Events()) == Ending(Reason.DIED, with_threads=False)
    assert "this process cannot keep the lease" in caplog.text
    assert not leader().holder


def test_a_slot_that_came_in_an_outage_is_caught_up_before_it_is_too_late_for_it(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    simulation: Simulation,
    clock: Clock,
) -> None:
    """The leader stays the same, and the outage is longer than the misfire grace."""
    monkeypatch.setattr(lease, "HEARTBEAT", 0.02)
    monkeypatch.setattr(service, "LOOK_SECONDS", 0.01)
    begun = [("12:00", 1, "catch_up", "ok")]
    with served(Events()), monkeypatch.context() as outage:
        eventually(lambda: runs() == begun)
        beat = Held.beat
        outage.setattr(Held, "beat", _Fault(*[OperationalError("away")] * 100_000))
        eventually(lambda: "no heartbeat" in caplog.text)
        clock.seconds += 13
        simulation.now = QUARTER + 5 * MINUTE
        outage.setattr(Held, "beat", beat)
        eventually(lambda: runs() == [*begun, ("12:15", 1, "catch_up", "ok")])


def test_when_the_control_loop_could_not_look_it_catches_up_what_came_meanwhile(
    monkeypatch: pytest.MonkeyPatch, simulation: Simulation
) -> None:
    monkeypatch.setattr(service, "LOOK_SECONDS", 0.01)
    begun = [("12:00", 1, "catch_up", "ok")]
    failures: list[int] = []
    look_after = scheduler.look_after

    def fail_until_the_slot_came(*arguments: Any) -> None:
        if simulation.now == NOW and runs() == begun:
            failures.append(1)
            if len(failures) == 3:
                simulation.now = QUARTER + 5 * MINUTE
            raise OperationalError("away")
        look_after(*arguments)

    monkeypatch.setattr(service, "look_after", fail_until_the_slot_came)
    with served(Events()):
        eventually(lambda: runs() == [*begun, ("12:15", 1, "catch_up", "ok")])


def test_one_that_cannot_use_the_database_at_the_start_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(**_: object) -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr(SchedulerProcess.objects, "create", away)
    with pytest.raises(OperationalError):
        run(Events())


def test_the_waiting_thread_keeps_no_connection() -> None:
    with connections_of_threads() as opened, served(Events()):
        eventually(lambda: executions() == ["Executed"])
        assert {"service", "APScheduler"} <= {name for name, _ in opened}
    assert all(one.connection is None for _, one in opened)


# --- Told to stop ---------------------------------------------------------------------------------


def test_a_running_scan_is_waited_for_while_another_may_lead(gate: Gate) -> None:
    events = Events()
    with served(events) as endings:
        wait_until_scanning(gate)
        events.put(Event.STOP)
        eventually(lambda: not leader().holder)
        eventually(lambda: not SchedulerProcess.objects.get().leads)
        assert task_run().outcome == "running"
        assert endings == []
        gate.open()
        eventually(lambda: bool(endings))
    assert endings == [TOLD]
    assert ScanRun.objects.get().outcome == "complete"
    assert (task_run().outcome, executions()) == ("ok", ["Executed"])


def test_nothing_more_is_begun_by_the_time_at_which_another_may_lead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    states: list[int] = []
    release = Held.release

    def note_and_release(held: Held) -> None:
        if held.name == LEASE:
            states.append(scheduler._running[0][0].state)
            assert scheduler._running[0][1].ending.is_set()
        release(held)

    monkeypatch.setattr(Held, "release", note_and_release)
    with served(Events()):
        eventually(lambda: executions() == ["Executed"])
    assert states == [STATE_PAUSED]


@pytest.mark.parametrize(
    ("stops", "patience"), [(1, 0.05), (2, PATIENCE)], ids=["it takes too long", "told twice"]
)
def test_a_scan_that_is_not_waited_for_is_recorded_as_interrupted(
    gate: Gate, stops: int, patience: float
) -> None:
    make_task()
    events = Events()
    with served(events, patience) as endings:
        wait_until_scanning(gate)
        for _ in range(stops):
            events.put(Event.STOP)
        eventually(lambda: bool(endings))
        assert endings == [Ending(Reason.AS_TOLD, with_threads=True)]
        scan_run = ScanRun.objects.get()
        assert scan_run.outcome == "interrupted"
        assert "did not wait" in scan_run.error
        assert scan_run.finished_at is not None
        assert (task_run().outcome, task_run().error) == ("interrupted", scan_run.error)
        execution = DjangoJobExecution.objects.get(job_id="scan")
        assert (execution.status, execution.exception) == ("Error!", scan_run.error)
        assert execution.duration is not None
        # Whoever leads next tries it again, and need not wait until a lease expires.
        assert ScheduledTask.objects.get(name="scan").retry_attempt == 2
        assert set(Lease.objects.values_list("holder", flat=True)) == {""}


def test_an_interrupted_scan_records_no_verdict_any_more(gate: Gate, deposit_root: Path) -> None:
    make_job(now=timezone.now())
    Agent(deposit_root).deposit("ACME_2025", timezone.now() - timedelta(minutes=5))
    with served(Events(), patience=0.05) as endings:
        wait_until_scanning(gate)
    assert endings[0].with_threads
    gate.open()
    eventually(lambda: not any(one.name == "scheduler-stop" for one in threading.enumerate()))
    assert not BackupEntry.objects.exists()
    # What it says at its end comes too late.
    assert (task_run().outcome, executions()) == ("interrupted", ["Error!"])


def test_where_the_database_is_away_it_ends_all_the_same(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr(service, "interrupt_runs", away)
    with served(Events(), patience=0.05) as endings:
        wait_until_scanning(gate)
    assert endings == [Ending(Reason.AS_TOLD, with_threads=True)]
    assert "could not record what is interrupted" in caplog.text
    assert "the database is away" in caplog.text


@pytest.mark.parametrize(
    ("host", "process"),
    [("elsewhere", os.getpid()), (socket.gethostname(), os.getppid())],
    ids=["on another host", "on this host"],
)
def test_what_another_process_runs_is_not_ours_to_interrupt(
    leadership: Leadership, host: str, process: int
) -> None:
    now = timezone.now()
    Lease.objects.create(name=scan.LEASE, token=7, holder="x", host=host, pid=process)
    ScanRun.objects.create(trigger="command", started_at=now)
    make_task()
    other = begin(leadership)
    leadership.running.clear()
    interrupt_runs(leadership, "because", now=now)
    assert ScanRun.objects.get().outcome == "running"
    held = Lease.objects.get(name=scan.LEASE)
    assert (held.token, held.holder) == (7, "x")
    assert TaskRun.objects.get() == other
    assert TaskRun.objects.get().outcome == "running"
