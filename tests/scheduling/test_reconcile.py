"""The job store follows the tasks, over restarts, pauses, changes and a clock set back."""

import pickle
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django_apscheduler.models import DjangoJob, DjangoJobExecution
from pytest_django import Settings

from scanner.errors import LeaseLost
from scanner.models import ScheduledTask, TaskChange, TaskRequest, TaskRun
from scanner.scheduling import ledger
from scanner.scheduling.engine import ONCE, STORE, Scheduler
from scanner.scheduling.leadership import Leadership
from scanner.scheduling.ledger import Cause, Outcome
from scanner.scheduling.reconcile import make_missing_tasks, reconcile
from scanner.scheduling.slots import Slots
from scanner.scheduling.tasks import Result
from tests.scheduling.rows import (
    MINUTE,
    NOW,
    QUARTER,
    SECOND,
    SLOT,
    begin,
    change,
    depose,
    make_task,
    order,
    runs,
)
from tests.scheduling.simulation import Simulation
from tests.scheduling.threads import Gate


def row(name: str = "scan") -> DjangoJob:
    return DjangoJob.objects.get(pk=name)


def job(scheduler: Scheduler) -> Any:
    return scheduler.get_job("scan", STORE)


def once(scheduler: Scheduler) -> Any:
    """Give the arguments of what is to be run once, beside the stored job; None for nothing."""
    found = scheduler.get_job("scan", ONCE)
    return found and found.args


# --- Tasks ----------------------------------------------------------------------------------------


def test_a_task_without_a_row_gets_one_that_says_as_the_setting_says() -> None:
    make_missing_tasks(now=NOW)
    scan = ScheduledTask.objects.get(name="scan")
    assert ScheduledTask.objects.filter(name="prune", enabled=True).exists()
    assert (scan.enabled, scan.interval_minutes, scan.cron) == (True, None, "")
    assert (scan.misfire_grace_seconds, scan.retries, scan.backoff_seconds) == (None, 2, 60)
    assert (scan.changed_at, scan.version, scan.applied_version) == (NOW, 1, 0)


def test_a_row_that_is_there_is_left_to_people() -> None:
    make_task(enabled=False, interval_minutes=5, retries=0, version=7)
    before = ScheduledTask.objects.filter(name="scan").values().get()
    make_missing_tasks(now=NOW)
    assert ScheduledTask.objects.filter(name="scan").values().get() == before


# --- The stored job -------------------------------------------------------------------------------


def test_a_missing_job_is_added_as_the_settings_say(
    idle_scheduler: Scheduler, leadership: Leadership, settings: Settings
) -> None:
    settings.SCANNER_INTERVAL_MINUTES = 10
    settings.MISFIRE_GRACE_TIME = 45
    make_missing_tasks(now=NOW)
    reconcile(idle_scheduler, leadership, now=NOW)
    stored = job(idle_scheduler)
    assert stored.trigger == Slots(10)
    assert (stored.misfire_grace_time, stored.coalesce, stored.max_instances) == (45, True, 1)
    assert row().next_run_time == SLOT + 10 * MINUTE
    assert job_ids(idle_scheduler) == {"scan", "prune"}
    assert row("prune").next_run_time == datetime(2026, 3, 3, 4, 15, tzinfo=UTC)


def job_ids(scheduler: Scheduler) -> set[str]:
    return {stored.id for stored in scheduler.get_jobs(STORE)}


def test_the_job_is_stored_as_a_call_that_no_renaming_of_ours_breaks(
    idle_scheduler: Scheduler,
    leadership: Leadership,
) -> None:
    make_task()
    reconcile(idle_scheduler, leadership, now=NOW)
    stored = pickle.loads(row().job_state)
    called = (stored["func"], stored["args"])
    assert called == ("scanner.scheduling.dispatch:dispatch", ("scan",))
    kept = pickle.dumps({**stored, "trigger": None})
    assert b"scanner" not in kept.replace(stored["func"].encode(), b"")


def test_a_job_that_is_there_is_left_as_it_is(
    idle_scheduler: Scheduler, leadership: Leadership
) -> None:
    make_task()
    reconcile(idle_scheduler, leadership, now=NOW)
    before = row().job_state
    reconcile(idle_scheduler, leadership, now=NOW + 5 * MINUTE)
    assert row().job_state == before
    assert row().next_run_time == QUARTER


def test_a_job_that_is_due_right_now_is_left_to_the_scheduler(
    idle_scheduler: Scheduler, leadership: Leadership
) -> None:
    make_task()
    reconcile(idle_scheduler, leadership, now=NOW)
    reconcile(idle_scheduler, leadership, now=QUARTER + SECOND)
    assert row().next_run_time == QUARTER


def test_a_job_begun_since_we_looked_at_the_clock_is_not_begun_again(
    idle_scheduler: Scheduler,
    leadership: Leadership,
) -> None:
    """The scheduler's thread moved it on while we waited for the database."""
    make_task()
    reconcile(idle_scheduler, leadership, now=QUARTER + SECOND)
    assert row().next_run_time == QUARTER + 15 * MINUTE
    reconcile(idle_scheduler, leadership, now=QUARTER - SECOND)
    assert row().next_run_time == QUARTER + 15 * MINUTE


def test_a_clock_set_back_does_not_stop_the_runs(
    idle_scheduler: Scheduler, leadership: Leadership
) -> None:
    make_task()
    reconcile(idle_scheduler, leadership, now=NOW + timedelta(days=4000))
    reconcile(idle_scheduler, leadership, now=NOW)
    assert row().next_run_time == QUARTER


def test_a_clock_set_back_by_some_slots_does_not_stop_the_runs(
    idle_scheduler: Scheduler, leadership: Leadership
) -> None:
    make_task()
    reconcile(idle_scheduler, leadership, now=NOW + 45 * MINUTE)
    reconcile(idle_scheduler, leadership, now=NOW)
    assert row().next_run_time == QUARTER


def test_what_is_applied_and_when_it_runs_next_is_told(
    idle_scheduler: Scheduler, leadership: Leadership
) -> None:
    task = make_task(version=4)
    reconcile(idle_scheduler, leadership, now=NOW)
    task.refresh_from_db()
    assert (task.applied_version, task.next_run_at) == (4, QUARTER)
    change(task, enabled=False)
    reconcile(idle_scheduler, leadership, now=NOW)
    task.refresh_from_db()
    assert (task.applied_version, task.next_run_at) == (5, None)


def test_a_task_that_this_version_does_not_know_is_left_alone(
    idle_scheduler: Scheduler, leadership: Leadership
) -> None:
    unknown = make_task("of a later version")
    TaskRequest.objects.create(task=unknown, requested_at=NOW)
    reconcile(idle_scheduler, leadership, now=NOW, catch_up=True)
    assert idle_scheduler.get_jobs() == []
    unknown.refresh_from_db()
    assert unknown.applied_version == 0


# --- Changes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "slots", "next_run"),
    [
        ({"interval_minutes": 5}, Slots(5), "12:10"),
        ({"interval_minutes": 60}, Slots(60), "13:00"),
        ({"interval_minutes": 1440}, Slots(1440), "00:00"),
        ({"cron": "30 14 * * *"}, Slots(None, "30 14 * * *", "UTC"), "14:30"),
        (
            {"cron": "30 14 * * *", "time_zone": "Africa/Lagos"},
            Slots(None, "30 14 * * *", "Africa/Lagos"),
            "13:30",
        ),
    ],
    ids=str,
)
def test_a_changed_schedule_moves_the_job_to_its_grid(
    idle_scheduler: Scheduler,
    leadership: Leadership,
    fields: dict[str, Any],
    slots: Slots,
    next_run: str,
) -> None:
    task = make_task()
    reconcile(idle_scheduler, leadership, now=NOW)
    change(task, **fields)
    reconcile(idle_scheduler, leadership, now=NOW)
    assert job(idle_scheduler).trigger == slots
    assert f"{row().next_run_time:%H:%M}" == next_run


def test_a_changed_setting_is_followed_where_the_row_is_blank(
    idle_scheduler: Scheduler, leadership: Leadership, settings: Settings
) -> None:
    make_task()
    reconcile(idle_scheduler, leadership, now=NOW)
    settings.SCANNER_INTERVAL_MINUTES = 5
    reconcile(idle_scheduler, leadership, now=NOW)
    assert row().next_run_time == SLOT + 10 * MINUTE
    assert job(idle_scheduler).trigger == Slots(5)


def test_a_changed_misfire_grace_moves_nothing(
    idle_scheduler: Scheduler, leadership: Leadership, settings: Settings
) -> None:
    task = make_task()
    reconcile(idle_scheduler, leadership, now=NOW)
    settings.MISFIRE_GRACE_TIME = 300
    reconcile(idle_scheduler, leadership, now=QUARTER + MINUTE)
    assert job(idle_scheduler).misfire_grace_time == 300
    change(task, misfire_grace_seconds=0)
    reconcile(idle_scheduler, leadership, now=QUARTER + MINUTE)
    # The library knows no grace of 0.
    assert job(idle_scheduler).misfire_grace_time == 1
    assert row().next_run_time == QUARTER


def test_a_paused_task_stays_paused_and_goes_on_with_its_grid(
    idle_scheduler: Scheduler, leadership: Leadership
) -> None:
    task = make_task()
    reconcile(idle_scheduler, leadership, now=NOW)
    change(task, enabled=False)
    reconcile(idle_scheduler, leadership, now=NOW)
    assert row().next_run_time is None
    change(task, interval_minutes=5)
    reconcile(idle_scheduler, leadership, now=NOW + 60 * MINUTE, catch_up=True)
    assert (row().next_run_time, once(idle_scheduler)) == (None, None)
    change(task, enabled=True)
    reconcile(idle_scheduler, leadership, now=NOW + 60 * MINUTE)
    assert row().next_run_time == SLOT + 70 * MINUTE


def test_a_task_that_is_paused_from_the_beginning_is_stored_paused(
    idle_scheduler: Scheduler,
    leadership: Leadership,
) -> None:
    make_task(enabled=False)
    reconcile(idle_scheduler, leadership, now=NOW, catch_up=True)
    assert (row().next_run_time, once(idle_scheduler)) == (None, None)


def test_a_job_that_was_deleted_is_put_back(
    idle_scheduler: Scheduler, leadership: Leadership
) -> None:
    make_task()
    reconcile(idle_scheduler, leadership, now=NOW)
    DjangoJob.objects.all().delete()
    reconcile(idle_scheduler, leadership, now=NOW + MINUTE)
    assert row().next_run_time == QUARTER


def test_a_job_that_cannot_be_restored_is_replaced_and_keeps_its_history(
    idle_scheduler: Scheduler, leadership: Leadership, caplog: pytest.LogCaptureFixture
) -> None:
    make_task()
    reconcile(idle_scheduler, leadership, now=NOW)
    DjangoJobExecution.objects.create(job_id="scan", run_time=NOW, status="Executed")
    DjangoJob.objects.update(job_state=b"of a version that is gone")
    reconcile(idle_scheduler, leadership, now=NOW)
    assert job(idle_scheduler).trigger == Slots(15)
    assert row().next_run_time == QUARTER
    assert DjangoJobExecution.objects.count() == 1
    assert "job 'scan' cannot be restored" in caplog.text


def test_a_stranger_that_cannot_be_restored_is_parked_not_deleted(
    idle_scheduler: Scheduler,
) -> None:
    DjangoJob.objects.create(id="stranger", next_run_time=NOW, job_state=b"nonsense")
    assert idle_scheduler.get_jobs(STORE) == []
    assert row("stranger").next_run_time is None


# --- Catching up ----------------------------------------------------------------------------------


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=30), 20 * MINUTE, 400 * MINUTE])
def test_slots_missed_while_nobody_led_are_caught_up_by_one_run(
    idle_scheduler: Scheduler, leadership: Leadership, late: timedelta
) -> None:
    make_task()
    begin(leadership, SLOT)
    reconcile(idle_scheduler, leadership, now=NOW)
    now = QUARTER + late
    reconcile(idle_scheduler, leadership, now=now, catch_up=True)
    newest = Slots(15).latest(now)
    assert once(idle_scheduler) == ("scan", newest, "catch_up", 1, None)
    assert idle_scheduler.get_job("scan", ONCE).misfire_grace_time is None
    # The slot itself does not run besides.
    assert now < row().next_run_time <= now + 15 * MINUTE


def test_a_scan_that_has_never_run_is_run_at_once(
    idle_scheduler: Scheduler, leadership: Leadership
) -> None:
    make_task(changed_at=NOW)
    reconcile(idle_scheduler, leadership, now=NOW, catch_up=True)
    assert once(idle_scheduler) == ("scan", SLOT, "catch_up", 1, None)


@pytest.mark.parametrize(("changed_at", "is_caught_up"), [(SLOT, True), (SLOT + SECOND, False)])
def test_a_prune_that_has_never_run_waits_for_its_first_slot(
    idle_scheduler: Scheduler, leadership: Leadership, changed_at: datetime, is_caught_up: bool
) -> None:
    make_task("prune", changed_at=changed_at, interval_minutes=15)
    reconcile(idle_scheduler, leadership, now=NOW, catch_up=True)
    assert (idle_scheduler.get_job("prune", ONCE) is not None) is is_caught_up


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.FAILED, Outcome.INTERRUPTED])
def test_a_newest_slot_that_was_begun_is_not_caught_up(
    idle_scheduler: Scheduler, leadership: Leadership, outcome: Outcome
) -> None:
    make_task(retries=0)
    reconcile(idle_scheduler, leadership, now=NOW)
    ledger.finish(begin(leadership, QUARTER), outcome, now=QUARTER)
    reconcile(idle_scheduler, leadership, now=QUARTER + MINUTE, catch_up=True)
    assert once(idle_scheduler) is None
    # Its process was killed before it moved the job on.
    assert row().next_run_time == QUARTER + 15 * MINUTE


def test_a_slot_that_is_on_record_as_missed_is_not_caught_up(
    idle_scheduler: Scheduler, leadership: Leadership
) -> None:
    make_task()
    ledger.note(order(SLOT), Outcome.MISSED, "late", leadership)
    reconcile(idle_scheduler, leadership, now=NOW, catch_up=True)
    assert once(idle_scheduler) is None


@pytest.mark.parametrize(("ago", "is_caught_up"), [(-SECOND, False), (timedelta(0), True)])
def test_slots_before_a_change_of_the_schedule_belong_to_what_was_said_before(
    idle_scheduler: Scheduler, leadership: Leadership, ago: timedelta, is_caught_up: bool
) -> None:
    make_task(changed_at=QUARTER - ago)
    begin(leadership, SLOT)
    reconcile(idle_scheduler, leadership, now=QUARTER + MINUTE, catch_up=True)
    assert (once(idle_scheduler) is not None) is is_caught_up


def test_of_slots_that_are_caught_up_by_one_run_the_others_are_noted_as_missed(
    idle_scheduler: Scheduler, leadership: Leadership
) -> None:
    make_task()
    ledger.finish(begin(leadership, SLOT), Outcome.OK, now=SLOT)
    for _ in range(2):
        reconcile(idle_scheduler, leadership, now=SLOT + 50 * MINUTE, catch_up=True)
    assert runs()[1:] == [(slot, 1, "schedule", "missed") for slot in ("12:15", "12:30")]
    assert once(idle_scheduler) == ("scan", SLOT + 45 * MINUTE, "catch_up", 1, None)


def test_after_a_very_long_time_only_the_last_slots_are_noted_as_missed(
    idle_scheduler: Scheduler, leadership: Leadership
) -> None:
    make_task()
    ledger.finish(begin(leadership, SLOT), Outcome.OK, now=SLOT)
    now = SLOT + timedelta(days=365)
    reconcile(idle_scheduler, leadership, now=now, catch_up=True)
    missed = TaskRun.objects.filter(outcome="missed").order_by("pk")
    before = [now - number * 15 * MINUTE for number in range(20, 0, -1)]
    assert list(missed.values_list("scheduled_for", flat=True)) == before
    assert once(idle_scheduler)[1] == now


def test_no_slot_from_before_a_change_of_the_schedule_is_noted_as_missed(
    idle_scheduler: Scheduler, leadership: Leadership
) -> None:
    make_task(changed_at=QUARTER + MINUTE)
    ledger.finish(begin(leadership, SLOT), Outcome.OK, now=SLOT)
    reconcile(idle_scheduler, leadership, now=SLOT + 50 * MINUTE, catch_up=True)
    assert runs()[1:] == [("12:30", 1, "schedule", "missed")]


def test_a_former_leader_notes_nothing_as_missed(
    idle_scheduler: Scheduler, leadership: Leadership
) -> None:
    make_task()
    ledger.finish(begin(leadership, SLOT), Outcome.OK, now=SLOT)
    depose()
    with pytest.raises(LeaseLost):
        reconcile(idle_scheduler, leadership, now=SLOT + 50 * MINUTE, catch_up=True)
    assert len(runs()) == 1


def test_a_request_is_no_slot_that_was_begun(
    idle_scheduler: Scheduler, leadership: Leadership
) -> None:
    task = make_task()
    ledger.finish(begin(leadership, SLOT), Outcome.OK, now=SLOT)
    now = QUARTER + 5 * MINUTE
    request = TaskRequest.objects.create(task=task, requested_at=now)
    run = begin(leadership, now, cause=Cause.REQUEST, request=request.pk)
    ledger.finish(run, Outcome.FAILED, now=now)
    begin(leadership, now, cause=Cause.RETRY, attempt=2)
    reconcile(idle_scheduler, leadership, now=now, catch_up=True)
    assert once(idle_scheduler) == ("scan", QUARTER, "catch_up", 1, None)


def test_slots_on_their_way_are_neither_missed_nor_caught_up(
    idle_scheduler: Scheduler, leadership: Leadership
) -> None:
    """Their runs wait for the database, before they are claimed."""
    make_task()
    ledger.finish(begin(leadership, SLOT), Outcome.OK, now=SLOT)
    leadership.orders |= {order(QUARTER), order(QUARTER + 30 * MINUTE)}
    leadership.orders |= {order(QUARTER + 15 * MINUTE, task="prune")}
    reconcile(idle_scheduler, leadership, now=SLOT + 50 * MINUTE, catch_up=True)
    assert runs()[1:] == [("12:30", 1, "schedule", "missed")]
    assert once(idle_scheduler) is None


def test_a_request_that_waits_to_be_begun_makes_way_for_a_slot_and_is_begun_after_it(
    idle_scheduler: Scheduler, leadership: Leadership
) -> None:
    task = make_task()
    ledger.finish(begin(leadership, SLOT), Outcome.OK, now=SLOT)
    request = TaskRequest.objects.create(task=task, requested_at=NOW)
    reconcile(idle_scheduler, leadership, now=NOW)
    assert once(idle_scheduler) == ("scan", NOW, "request", 1, request.pk)
    reconcile(idle_scheduler, leadership, now=QUARTER, catch_up=True)
    assert once(idle_scheduler) == ("scan", QUARTER, "catch_up", 1, None)
    idle_scheduler.remove_job("scan", ONCE)
    reconcile(idle_scheduler, leadership, now=QUARTER)
    assert once(idle_scheduler) == ("scan", NOW, "request", 1, request.pk)


def test_without_being_told_to_nothing_is_caught_up(
    idle_scheduler: Scheduler, leadership: Leadership
) -> None:
    make_task()
    reconcile(idle_scheduler, leadership, now=NOW)
    assert once(idle_scheduler) is None


# --- What is run once -----------------------------------------------------------------------------


def test_a_retry_begins_when_its_time_has_come(
    idle_scheduler: Scheduler, leadership: Leadership
) -> None:
    make_task(retry_at=NOW, retry_attempt=2, retry_slot=SLOT)
    reconcile(idle_scheduler, leadership, now=NOW - SECOND)
    assert once(idle_scheduler) is None
    reconcile(idle_scheduler, leadership, now=NOW)
    assert once(idle_scheduler) == ("scan", SLOT, "retry", 2, None)


@pytest.mark.parametrize(
    ("fields", "now"),
    [({"enabled": False}, NOW), ({}, QUARTER)],
    ids=["paused", "the next slot has come"],
)
def test_a_retry_that_something_else_came_before_is_given_up(
    idle_scheduler: Scheduler, leadership: Leadership, fields: dict[str, Any], now: datetime
) -> None:
    task = make_task(last_outcome="ok")
    run = begin(leadership)
    ledger.finish(run, Outcome.FAILED, now=NOW - MINUTE)
    ScheduledTask.objects.update(**fields)
    reconcile(idle_scheduler, leadership, now=now)
    assert once(idle_scheduler) is None
    task.refresh_from_db()
    assert (task.retry_at, task.last_outcome) == (None, "failed")
    assert TaskChange.objects.get().run == run


def test_a_request_is_begun_beside_the_stored_job_even_of_a_paused_task(
    idle_scheduler: Scheduler,
    leadership: Leadership,
) -> None:
    request = TaskRequest.objects.create(task=make_task(enabled=False), requested_at=NOW)
    reconcile(idle_scheduler, leadership, now=NOW + SECOND)
    assert once(idle_scheduler) == ("scan", NOW, "request", 1, request.pk)
    assert row().next_run_time is None


def test_a_request_that_is_taken_is_not_begun_again(
    idle_scheduler: Scheduler, leadership: Leadership
) -> None:
    TaskRequest.objects.create(task=make_task(), requested_at=NOW, taken_at=NOW)
    reconcile(idle_scheduler, leadership, now=NOW + SECOND)
    assert once(idle_scheduler) is None


def test_while_a_task_runs_its_requests_and_retries_wait(
    idle_scheduler: Scheduler, leadership: Leadership
) -> None:
    task = make_task()
    run = begin(leadership, SLOT)
    ScheduledTask.objects.update(retry_at=NOW, retry_attempt=2, retry_slot=SLOT)
    TaskRequest.objects.create(task=task, requested_at=NOW)
    reconcile(idle_scheduler, leadership, now=NOW)
    assert once(idle_scheduler) is None
    TaskRun.objects.filter(pk=run.pk).update(outcome="failed")
    reconcile(idle_scheduler, leadership, now=NOW)
    assert once(idle_scheduler) is not None


def test_of_two_things_to_run_once_the_second_waits(
    idle_scheduler: Scheduler, leadership: Leadership
) -> None:
    task = make_task()
    first = TaskRequest.objects.create(task=task, requested_at=NOW)
    TaskRequest.objects.create(task=task, requested_at=NOW + SECOND)
    for _ in range(2):
        reconcile(idle_scheduler, leadership, now=NOW + MINUTE)
        assert once(idle_scheduler) == ("scan", NOW, "request", 1, first.pk)


# --- A scheduler that is stopped and started all the time -----------------------------------------


@pytest.mark.parametrize("down", [0, 3], ids=["at once", "after three minutes"])
def test_restarted_every_ten_minutes_it_runs_four_times_an_hour(
    simulation: Simulation, down: int
) -> None:
    """Some restarts are right at a slot, and with a pause some slots come while nobody leads."""
    simulation.now = SLOT - 5 * MINUTE
    simulation.start()
    while simulation.now < SLOT + 180 * MINUTE:
        simulation.pass_time((10 - down) * MINUTE, step=2.5 * MINUTE)
        simulation.stop()
        simulation.now += down * MINUTE
        simulation.start()
    begun = Counter(TaskRun.objects.values_list("scheduled_for", flat=True))
    quarters = [SLOT + number * 15 * MINUTE for number in range(12)]
    assert [begun[slot] for slot in quarters] == [1] * 12
    assert set(TaskRun.objects.values_list("outcome", flat=True)) == {"ok"}
    # Besides those only the slot before the first start and the one at the end.
    assert set(begun) - set(quarters) == {SLOT - 15 * MINUTE, SLOT + 180 * MINUTE}


@pytest.mark.parametrize("after", [timedelta(0), 20 * SECOND, 59 * SECOND])
def test_one_restart_within_a_slots_grace_runs_it_once(
    simulation: Simulation, after: timedelta
) -> None:
    simulation.start()
    simulation.stop()
    simulation.now = QUARTER + after
    simulation.start()
    simulation.pass_time(10 * MINUTE)
    assert [slot for slot, *_ in runs()] == ["12:00", "12:15"]


def test_after_an_outage_under_one_leader_the_newest_slot_is_run_once_and_no_other_lost(
    simulation: Simulation,
) -> None:
    simulation.start()
    simulation.is_away = True
    simulation.pass_time(50 * MINUTE)
    assert len(runs()) == 1
    simulation.is_away = False
    for _ in range(3):
        simulation.look()
    missed = [(slot, 1, "schedule", "missed") for slot in ("12:15", "12:30")]
    assert runs()[1:] == [*missed, ("12:45", 1, "catch_up", "ok")]
    simulation.pass_time(5 * MINUTE)
    assert runs()[4:] == [("13:00", 1, "schedule", "ok")]


def test_after_an_outage_in_which_no_slot_came_none_is_run(simulation: Simulation) -> None:
    simulation.start()
    simulation.is_away = True
    simulation.pass_time(5 * MINUTE)
    simulation.is_away = False
    simulation.pass_time(MINUTE)
    assert len(runs()) == 1


def test_after_an_outage_through_which_a_run_went_on_the_newest_slot_is_skipped(
    simulation: Simulation,
) -> None:
    simulation.start()
    gate = Gate()

    def wait(_: object) -> Result:
        gate.pass_through()
        return Result()

    simulation.work = wait
    simulation.now = QUARTER
    simulation.look(wait=False)
    gate.wait_until_reached()
    simulation.is_away = True
    simulation.now = SLOT + 50 * MINUTE
    simulation.look(wait=False)
    simulation.is_away = False
    simulation.look(wait=False)
    gate.open()
    simulation.fire()
    assert runs()[1:] == [
        ("12:15", 1, "schedule", "ok"),
        ("12:30", 1, "schedule", "missed"),
        ("12:45", 1, "schedule", "skipped"),
    ]


def test_a_slot_that_was_begun_is_not_begun_again_by_a_restart_in_its_grace(
    simulation: Simulation,
) -> None:
    simulation.start()
    simulation.now = QUARTER
    simulation.look()
    simulation.stop()
    # Killed before it moved the job on.
    stored = pickle.loads(row().job_state) | {"next_run_time": QUARTER}
    DjangoJob.objects.update(job_state=pickle.dumps(stored), next_run_time=QUARTER)
    simulation.now += 5 * SECOND
    simulation.start()
    simulation.pass_time(MINUTE, step=10 * SECOND)
    assert [slot for slot, *_ in runs()] == ["12:00", "12:15"]
    assert job(simulation.scheduler).next_run_time == QUARTER + 15 * MINUTE


def test_a_pause_survives_a_restart(simulation: Simulation) -> None:
    simulation.start()
    change(ScheduledTask.objects.get(), enabled=False)
    simulation.look()
    simulation.stop()
    simulation.now += 60 * MINUTE
    simulation.start()
    simulation.pass_time(60 * MINUTE, step=5 * MINUTE)
    assert [slot for slot, *_ in runs()] == ["12:00"]


def test_a_retry_survives_a_restart(simulation: Simulation) -> None:
    def fail(_: object) -> Any:
        raise RuntimeError("broken")

    work, simulation.work = simulation.work, fail
    simulation.start()
    assert runs() == [("12:00", 1, "catch_up", "failed")]
    simulation.stop()
    simulation.work = work
    simulation.now += 50 * SECOND
    simulation.start()
    assert len(runs()) == 1
    simulation.pass_time(11 * SECOND, step=SECOND)
    assert runs()[1:] == [("12:00", 2, "retry", "ok")]


def test_a_task_run_on_request_keeps_its_slots(simulation: Simulation) -> None:
    simulation.start()
    TaskRequest.objects.create(
        task=ScheduledTask.objects.get(), requested_at=simulation.now, agents=["A_B_C"]
    )
    asked: list[object] = []

    def tell(agents: object) -> Result:
        asked.append(agents)
        return Result()

    simulation.work = tell
    simulation.pass_time(10 * MINUTE)
    assert runs() == [
        ("12:00", 1, "catch_up", "ok"),
        ("12:07", 1, "request", "ok"),
        ("12:15", 1, "schedule", "ok"),
    ]
    assert asked == [["A_B_C"], ()]
    assert TaskRequest.objects.get().taken_at is not None


def test_a_schedule_that_cannot_be_read_stops_no_other_task(
    idle_scheduler: Scheduler, leadership: Leadership, caplog: pytest.LogCaptureFixture
) -> None:
    make_missing_tasks(now=NOW)
    ScheduledTask.objects.filter(name="prune").update(cron="at dawn")
    for _ in range(2):
        reconcile(idle_scheduler, leadership, now=NOW)
    assert idle_scheduler.get_job("scan", STORE) is not None
    assert idle_scheduler.get_job("prune", STORE) is None
    assert caplog.text.count("the schedule of prune cannot be followed") == 1
