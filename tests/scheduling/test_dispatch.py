"""What a stored job does: claim the run, do the task, tell how it ended, whatever happens."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pytest
from apscheduler.events import (
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_SUBMITTED,
    JobExecutionEvent,
    JobSubmissionEvent,
)
from django.db import DataError, InterfaceError, OperationalError
from django.utils import timezone
from django_apscheduler.models import DjangoJob, DjangoJobExecution

from scanner import lease, pruning
from scanner.errors import DepositRootUnavailable, LeaseLost
from scanner.models import ScanRun, ScheduledTask, TaskRequest, TaskRun
from scanner.pipeline import deposit
from scanner.scheduling import dispatch, engine, ledger
from scanner.scheduling.dispatch import note_unbegun
from scanner.scheduling.engine import NOT_BEGUN, ONCE, STORE, JobStore, Scheduler, fired_for
from scanner.scheduling.leadership import Leadership, Order
from scanner.scheduling.slots import Slots
from scanner.scheduling.tasks import TASKS, Began, Result, Task, run_scanner_job
from tests.scanning import make_job
from tests.scheduling.rows import MINUTE, NOW, QUARTER, SECOND, SLOT, depose, make_task, runs
from tests.scheduling.simulation import Simulation
from tests.scheduling.threads import Gate, eventually


def fire(*arguments: Any, at: datetime = SLOT, **named: Any) -> object:
    """Call what a stored job calls, as the library does at that time; give what it gives."""
    token = fired_for.set(at)
    try:
        return dispatch.dispatch(*arguments, **named)
    finally:
        fired_for.reset(token)


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """Let the task `scan` do nothing but tell for which agents; give what it has told."""
    done: list[Sequence[str]] = []
    work(monkeypatch, done.append)
    return done


def work(monkeypatch: pytest.MonkeyPatch, do: Callable[[Sequence[str]], object]) -> None:
    """Let the task `scan` do this; what is not a Result is a good end."""

    def run(agents: Sequence[str], _began: Began) -> Result:
        result = do(agents)
        return result if isinstance(result, Result) else Result()

    task = Task(run, lambda: Slots(31 * 24 * 60))  # none comes while a test runs
    monkeypatch.setitem(TASKS, "scan", task)


def fail(_: object) -> None:
    raise RuntimeError("broken")


# --- Runs -----------------------------------------------------------------------------------------


def test_a_process_that_does_not_lead_begins_nothing(
    done: list[Sequence[str]], caplog: pytest.LogCaptureFixture
) -> None:
    make_task()
    assert fire("scan") is NOT_BEGUN
    assert (done, runs()) == ([], [])
    assert "this process does not lead" in caplog.text


def test_a_run_of_a_slot_is_recorded_from_begin_to_end(
    leadership: Leadership, done: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_task()
    during: list[tuple[str, set[int]]] = []
    work(monkeypatch, lambda _: during.append((runs()[0][3], set(leadership.running))))
    before = timezone.now()
    fire("scan")
    run = TaskRun.objects.get()
    assert during == [("running", {run.pk})]
    assert runs() == [("12:00", 1, "schedule", "ok")]
    assert run.fired_for == SLOT
    assert run.started_at is not None
    assert run.finished_at is not None
    assert before <= run.started_at <= run.finished_at
    assert leadership.running == set()


def test_a_run_beside_the_slots_is_recorded_as_what_it_is(
    leadership: Leadership, done: list[Sequence[str]]
) -> None:
    make_task(retry_at=NOW, retry_attempt=2, retry_slot=SLOT)
    fire("scan", SLOT, "retry", 2, None, at=NOW)
    assert runs() == [("12:00", 2, "retry", "ok")]
    assert TaskRun.objects.get().fired_for == NOW


@pytest.mark.usefixtures("leadership")
def test_a_paused_or_begun_slot_is_not_begun(
    done: list[Sequence[str]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    make_task()
    assert fire("scan") is None
    assert fire("scan") is NOT_BEGUN
    ScheduledTask.objects.update(enabled=False)
    assert fire("scan", at=QUARTER) is NOT_BEGUN
    assert len(done) == 1
    assert caplog.text.count("is not begun: paused, or begun already") == 2


def test_a_former_leader_begins_nothing(leadership: Leadership, done: list[Sequence[str]]) -> None:
    make_task()
    depose()
    with pytest.raises(LeaseLost):
        fire("scan")
    assert (done, runs()) == ([], [])
    assert leadership.held.lost.is_set()


@pytest.mark.usefixtures("leadership")
def test_a_request_and_its_retries_are_for_the_agents_that_were_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Sequence[str]] = []

    def tell_and_fail(agents: Sequence[str]) -> None:
        asked.append(agents)
        fail(agents)

    work(monkeypatch, tell_and_fail)
    request = TaskRequest.objects.create(task=make_task(), requested_at=NOW, agents=["A_B_C"])
    with pytest.raises(RuntimeError):
        fire("scan", NOW, "request", 1, request.pk, at=NOW + SECOND)
    with pytest.raises(RuntimeError):
        fire("scan", NOW, "retry", 2, None, at=NOW + MINUTE)
    with pytest.raises(RuntimeError):
        fire("scan", at=QUARTER)
    assert asked == [["A_B_C"], ["A_B_C"], ()]
    assert [cause for _, _, cause, _ in runs()] == ["request", "retry", "schedule"]


def test_a_failure_is_recorded_with_its_traceback_and_raised(
    leadership: Leadership, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_task()
    work(monkeypatch, fail)
    with pytest.raises(RuntimeError, match="broken"):
        fire("scan")
    run = TaskRun.objects.get()
    assert run.outcome == "failed"
    assert run.finished_at is not None
    assert run.error.startswith("Traceback (most recent call last)")
    assert "in fail" in run.error
    assert run.error.endswith("RuntimeError: broken")
    assert leadership.running == set()
    assert ScheduledTask.objects.get().retry_attempt == 2


@pytest.mark.usefixtures("leadership")
def test_an_order_to_exit_out_of_a_task_is_a_failure_too(monkeypatch: pytest.MonkeyPatch) -> None:
    make_task()

    def leave(_: object) -> None:
        raise SystemExit(3)

    work(monkeypatch, leave)
    with pytest.raises(SystemExit):
        fire("scan")
    assert runs() == [("12:00", 1, "schedule", "failed")]


@pytest.mark.usefixtures("leadership")
def test_a_run_that_left_it_to_another_is_skipped_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_task()
    work(monkeypatch, lambda _: Result(skipped="another one runs"))
    fire("scan")
    run = TaskRun.objects.get()
    assert (run.outcome, run.error) == ("skipped", "another one runs")


@pytest.mark.usefixtures("leadership", "deposit_root")
def test_the_scan_is_recorded_with_its_own_run() -> None:
    make_task()
    fire("scan")
    assert TaskRun.objects.get().scan_run == ScanRun.objects.get()


@pytest.mark.usefixtures("leadership", "deposit_root")
def test_while_a_scan_goes_on_its_task_run_tells_which_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_task()
    during: list[tuple[str, int | None]] = []
    walk = deposit.walk

    def look(*arguments: Any) -> deposit.Deposit:
        run = TaskRun.objects.get()
        during.append((run.outcome, run.scan_run_id))
        return walk(*arguments)

    monkeypatch.setattr(deposit, "walk", look)
    fire("scan")
    assert during == [("running", ScanRun.objects.get().pk)]


@pytest.mark.usefixtures("leadership")
def test_a_scan_that_fails_is_linked_to_its_task_run_too() -> None:
    make_task()
    with pytest.raises(DepositRootUnavailable):  # there is no deposit tree
        fire("scan")
    run = TaskRun.objects.get()
    scan_run = ScanRun.objects.get()
    assert (run.outcome, scan_run.outcome) == ("failed", "failed")
    assert run.scan_run == scan_run


@pytest.mark.usefixtures("leadership", "deposit_root")
def test_a_scan_that_was_asked_for_for_some_agents_is_linked_to_who_asked() -> None:
    make_job()
    request = TaskRequest.objects.create(
        task=make_task(),
        requested_at=NOW,
        requested_by="mia",
        agents=["ACME_DOUALA_NEWBELL"],
    )
    fire("scan", NOW, "request", 1, request.pk, at=NOW + SECOND)
    run = TaskRun.objects.get(request__requested_by="mia")
    assert run.scan_run is not None
    assert run.scan_run.agents == ["ACME_DOUALA_NEWBELL"]


@pytest.mark.usefixtures("leadership", "deposit_root")
def test_while_another_scan_runs_ours_is_skipped(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    make_task()
    with lease.hold("scan", heartbeat=0.05):
        assert "held by process" in run_scanner_job().skipped
        fire("scan")
    run = TaskRun.objects.get()
    assert run.outcome == "skipped"
    assert "held by process" in run.error
    assert "the scheduled scan is skipped" in caplog.text
    assert not ScanRun.objects.exists()


@pytest.mark.usefixtures("leadership")
def test_the_history_is_pruned_as_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    make_task("prune")
    asked: list[datetime] = []
    monkeypatch.setattr(pruning, "prune", lambda *, now: asked.append(now))
    before = timezone.now()
    fire("prune")
    assert before <= asked[0] <= timezone.now()
    assert TaskRun.objects.get().outcome == "ok"


@pytest.mark.usefixtures("leadership")
def test_an_unknown_task_is_an_error_of_its_own_job_only() -> None:
    with pytest.raises(ScheduledTask.DoesNotExist):
        fire("no such task")
    make_task("of a version before")
    with pytest.raises(KeyError):
        fire("of a version before")
    assert TaskRun.objects.get().outcome == "failed"


# --- A database that is away ----------------------------------------------------------------------


def away(
    monkeypatch: pytest.MonkeyPatch, function: str, error: Exception, times: int
) -> list[datetime]:
    """Let a function of the ledger find the database away that often; give when it did."""
    original = getattr(ledger, function)
    failures: list[datetime] = []

    def fail_first(*arguments: Any, **named: Any) -> Any:
        if len(failures) < times:
            failures.append(timezone.now())
            raise error
        return original(*arguments, **named)

    monkeypatch.setattr(ledger, function, fail_first)
    monkeypatch.setattr(engine, "RETRY_SECONDS", 0.0)
    return failures


@pytest.mark.usefixtures("leadership")
@pytest.mark.parametrize("error", [OperationalError("away"), InterfaceError("away")], ids=repr)
def test_a_slot_waits_for_a_database_that_is_away(
    monkeypatch: pytest.MonkeyPatch,
    done: list[Sequence[str]],
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    make_task()
    failures = away(monkeypatch, "claim", error, times=3)
    fire("scan")
    assert (len(failures), len(done)) == (3, 1)
    assert runs() == [("12:00", 1, "schedule", "ok")]
    assert caplog.text.count("waits for the database") == 1


@pytest.mark.usefixtures("leadership")
def test_the_end_of_a_run_waits_for_a_database_that_is_away(
    monkeypatch: pytest.MonkeyPatch, done: list[Sequence[str]]
) -> None:
    make_task()
    outage = away(monkeypatch, "finish", OperationalError("away"), times=3)
    fire("scan")
    run = TaskRun.objects.get()
    assert run.outcome == "ok"
    # It ended before the outage, whenever that could be told.
    assert run.finished_at is not None
    assert run.finished_at < outage[0]


def test_a_run_whose_end_cannot_be_told_is_closed_by_the_next_look(
    leadership: Leadership,
    monkeypatch: pytest.MonkeyPatch,
    done: list[Sequence[str]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    make_task()
    with monkeypatch.context() as broken:
        away(broken, "finish", OperationalError("away"), times=1000)
        leadership.ending.set()
        fire("scan")
    assert len(done) == 1
    assert "the end of run" in caplog.text
    assert TaskRun.objects.get().outcome == "running"
    assert leadership.running == set()
    assert ledger.close_dead((), leadership, now=timezone.now()) == [TaskRun.objects.get()]


def test_an_order_is_known_from_before_its_claim_until_it_is_done(
    leadership: Leadership, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_task()
    known: list[set[Order]] = []
    work(monkeypatch, lambda _: known.append(set(leadership.orders)))
    claim = ledger.claim

    def look_and_claim(*arguments: Any, **named: Any) -> TaskRun | None:
        known.append(set(leadership.orders))
        return claim(*arguments, **named)

    monkeypatch.setattr(ledger, "claim", look_and_claim)
    fire("scan", SLOT, "catch_up", at=NOW)
    assert known == [{Order("scan", SLOT, NOW, TaskRun.Cause.CATCH_UP)}] * 2
    assert leadership.orders == set()
    work(monkeypatch, fail)
    with pytest.raises(RuntimeError):
        fire("scan", at=QUARTER)
    assert leadership.orders == set()


@pytest.mark.parametrize("is_behind", [False, True])
def test_a_slot_that_waits_for_the_database_is_not_skipped_when_it_is_looked_at_again(
    simulation: Simulation,
    monkeypatch: pytest.MonkeyPatch,
    is_behind: bool,
) -> None:
    """Neither by the look itself, nor by the catching up that comes before it."""
    simulation.start()
    gate, claim, update_job = Gate(), ledger.claim, JobStore.update_job
    failures: list[datetime] = []

    def wait_and_claim(*arguments: Any, **named: Any) -> TaskRun | None:
        gate.pass_through()
        return claim(*arguments, **named)

    def fail_once(store: JobStore, job: Any) -> None:
        if not failures:
            failures.append(simulation.now)
            raise OperationalError("away")
        update_job(store, job)

    with monkeypatch.context() as outage:
        outage.setattr(ledger, "claim", wait_and_claim)
        outage.setattr(JobStore, "update_job", fail_once)
        simulation.now = QUARTER
        simulation.look(wait=False)
        gate.wait_until_reached()
        simulation.now += 2 * SECOND
        assert simulation.scheduler.is_behind
        simulation.scheduler.is_behind = is_behind
        simulation.fire(wait=False)
        gate.open()
        eventually(lambda: runs()[1:] == [("12:15", 1, "schedule", "ok")])
    assert failures == [QUARTER]
    eventually(lambda: executions()[1:] == [("12:15", "Executed", None)])
    simulation.now = QUARTER + 15 * MINUTE
    simulation.look(wait=False)
    eventually(lambda: runs()[2:] == [("12:30", 1, "schedule", "ok")])


def test_an_ending_process_waits_for_no_database(
    leadership: Leadership, monkeypatch: pytest.MonkeyPatch, done: list[Sequence[str]]
) -> None:
    make_task()
    failures = away(monkeypatch, "claim", OperationalError("away"), times=1000)
    leadership.ending.set()
    with pytest.raises(OperationalError):
        fire("scan")
    assert (len(failures), done) == (1, [])


@pytest.mark.usefixtures("leadership")
def test_what_is_no_outage_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, done: list[Sequence[str]]
) -> None:
    make_task()
    failures = away(monkeypatch, "claim", DataError("too long"), times=1000)
    with pytest.raises(DataError):
        fire("scan")
    assert len(failures) == 1


def test_a_run_that_another_has_closed_meanwhile_stays_closed(
    leadership: Leadership, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make_task()
    work(monkeypatch, lambda _: TaskRun.objects.update(outcome="interrupted"))
    fire("scan")
    assert runs() == [("12:00", 1, "schedule", "interrupted")]
    assert "closed by another process before it ended" in caplog.text


# --- Slots that the library passes over -----------------------------------------------------------


@pytest.mark.usefixtures("leadership")
def test_a_slot_that_was_passed_over_is_noted_with_the_reason() -> None:
    make_task()
    note_unbegun(JobExecutionEvent(EVENT_JOB_MISSED, "scan", STORE, SLOT))
    note_unbegun(JobSubmissionEvent(EVENT_JOB_MAX_INSTANCES, "scan", STORE, [QUARTER]))
    assert runs() == [("12:00", 1, "schedule", "missed"), ("12:15", 1, "schedule", "skipped")]
    errors = list(TaskRun.objects.order_by("pk").values_list("error", flat=True))
    late, busy = "it could not be begun within its misfire grace", "the run before still goes on"
    assert errors == [late, busy]


@pytest.mark.usefixtures("leadership")
@pytest.mark.parametrize(("name", "store"), [("scan", ONCE), ("of another's", STORE)])
def test_what_is_no_slot_of_a_task_is_not_noted(name: str, store: str) -> None:
    make_task()
    note_unbegun(JobExecutionEvent(EVENT_JOB_MISSED, name, store, SLOT))
    assert runs() == []


def test_a_process_that_does_not_lead_notes_nothing() -> None:
    make_task()
    note_unbegun(JobExecutionEvent(EVENT_JOB_MISSED, "scan", STORE, SLOT))
    assert runs() == []


def executions() -> list[tuple[str, str, str | None]]:
    """Give (run time, status, exception) of the library's rows."""
    rows = DjangoJobExecution.objects.order_by("run_time")
    return [(f"{row.run_time:%H:%M}", row.status, row.exception) for row in rows]


@pytest.mark.parametrize(("late", "outcome"), [(60, "ok"), (61, "missed")])
def test_a_slot_runs_within_its_misfire_grace_and_else_is_missed(
    simulation: Simulation, late: int, outcome: str
) -> None:
    simulation.start()
    simulation.now = QUARTER + late * SECOND
    simulation.look()
    assert runs()[1:] == [("12:15", 1, "schedule", outcome)]
    assert executions()[-1][1] == {"ok": "Executed", "missed": "Missed!"}[outcome]
    simulation.pass_time(15 * MINUTE)
    assert runs()[2:] == [("12:30", 1, "schedule", "ok")]


def test_a_slot_that_comes_while_the_last_run_goes_on_is_skipped(simulation: Simulation) -> None:
    simulation.start()
    gate = Gate()

    def wait(_: object) -> Result:
        gate.pass_through()
        return Result()

    simulation.work = wait
    simulation.now = QUARTER
    simulation.look(wait=False)
    gate.wait_until_reached()
    # Looked at again it is the same run that goes on.
    simulation.scheduler.modify_job("scan", STORE, next_run_time=QUARTER)
    simulation.look(wait=False)
    assert executions()[1:] == [("12:15", "Started execution", None)]
    simulation.now = QUARTER + 15 * MINUTE
    simulation.look(wait=False)
    gate.open()
    simulation.fire()
    assert runs()[1:] == [("12:15", 1, "schedule", "ok"), ("12:30", 1, "schedule", "skipped")]
    assert [status for _, status, _ in executions()[1:]] == ["Executed", "Max instances!"]


def test_a_slot_that_was_not_begun_leaves_no_execution(simulation: Simulation) -> None:
    simulation.start()
    before = executions()
    ScheduledTask.objects.update(enabled=False)  # the job store does not know it yet
    simulation.now = QUARTER
    simulation.fire()
    assert executions() == before


def test_a_slot_that_was_not_begun_leaves_no_execution_whichever_is_told_first(
    idle_scheduler: Scheduler,
) -> None:
    DjangoJob.objects.create(id="scan", job_state=b"")
    ended = JobExecutionEvent(EVENT_JOB_EXECUTED, "scan", STORE, SLOT, retval=NOT_BEGUN)
    submitted = JobSubmissionEvent(EVENT_JOB_SUBMITTED, "scan", STORE, [SLOT])
    assert idle_scheduler.running
    for events in ((submitted, ended), (ended, submitted), (submitted, ended)):
        for event in events:
            idle_scheduler._dispatch_event(event)
        assert executions() == []
    idle_scheduler._dispatch_event(submitted)
    assert executions() == [("12:00", "Started execution", None)]


def test_what_a_former_leader_did_not_begin_is_no_error_on_record(simulation: Simulation) -> None:
    simulation.start()
    depose()
    simulation.now = QUARTER
    simulation.fire()
    assert executions()[1:] == [("12:15", "Started execution", None)]  # the new leader closes it
    assert runs()[1:] == []


def test_a_slot_that_is_looked_at_twice_keeps_how_its_run_has_ended(simulation: Simulation) -> None:
    """The job store could not be written after the run was begun."""
    simulation.start()
    simulation.work = fail  # type: ignore[assignment]  # it never returns
    simulation.now = QUARTER
    simulation.look()
    assert executions()[1:] == [("12:15", "Error!", "RuntimeError: broken")]
    simulation.work = lambda _: Result()
    for later in (SECOND, 2 * MINUTE):
        simulation.now = QUARTER + later
        simulation.scheduler.modify_job("scan", STORE, next_run_time=QUARTER)
        simulation.fire()
    assert executions()[1:] == [("12:15", "Error!", "RuntimeError: broken")]
    assert runs()[1:] == [("12:15", 1, "schedule", "failed")]


def test_no_retry_runs_past_the_next_slot(simulation: Simulation) -> None:
    attempts: list[datetime] = []

    def tell_and_fail(_: object) -> Result:
        attempts.append(simulation.now)
        raise RuntimeError("broken")

    simulation.work = tell_and_fail
    simulation.now = SLOT - SECOND
    simulation.start()
    del attempts[:]
    ScheduledTask.objects.update(retries=9, backoff_seconds=120)
    simulation.now = SLOT
    simulation.look()
    simulation.pass_time(15 * MINUTE, step=30 * SECOND)
    minutes = [(at - SLOT) / MINUTE for at in attempts]
    # 0 + 2, + 4; 8 more would be 14, 16 more are too many.
    assert minutes == [0, 2, 6, 14, 15]
    assert [number for _, number, *_ in runs()[1:]] == [1, 2, 3, 4, 1]
