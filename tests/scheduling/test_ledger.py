"""Each attempt is claimed once, by the leader, and closed once, however it ends."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError
from django_apscheduler.models import DjangoJob, DjangoJobExecution
from pytest_django import DjangoAssertNumQueries

from scanner.errors import LeaseLost
from scanner.models import ScanRun, ScheduledTask, TaskChange, TaskRequest, TaskRun
from scanner.scheduling import ledger
from scanner.scheduling.leadership import Leadership
from scanner.scheduling.ledger import Cause, Outcome
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

# --- Claiming -------------------------------------------------------------------------------------


def test_a_run_that_begins_is_told_with_all_that_is_known_of_it(leadership: Leadership) -> None:
    task = make_task()
    run = ledger.claim(order(fired_for=SLOT + SECOND), leadership, now=NOW)
    assert run is not None
    stored = TaskRun.objects.get()
    assert stored == run
    assert (stored.task, stored.cause, stored.attempt) == (task, "schedule", 1)
    assert (stored.scheduled_for, stored.fired_for) == (SLOT, SLOT + SECOND)
    assert (stored.started_at, stored.finished_at, stored.outcome) == (NOW, None, "running")
    assert stored.process_id == leadership.process_id
    assert leadership.running == {run.pk}


def test_an_attempt_at_a_slot_is_begun_once(leadership: Leadership) -> None:
    make_task()
    run = begin(leadership)
    ledger.finish(run, Outcome.OK, now=NOW)
    leadership.running.clear()
    assert ledger.claim(order(), leadership, now=NOW) is None
    assert ledger.claim(order(cause=Cause.CATCH_UP), leadership, now=NOW) is None
    assert leadership.running == set()
    assert begin(leadership, QUARTER) != run


def test_a_former_leader_begins_nothing(leadership: Leadership) -> None:
    make_task()
    depose()
    with pytest.raises(LeaseLost):
        ledger.claim(order(), leadership, now=NOW)
    assert runs() == []
    assert leadership.running == set()
    assert leadership.held.lost.is_set()


def test_a_paused_task_is_not_begun_but_on_request(leadership: Leadership) -> None:
    task = make_task(enabled=False)
    assert ledger.claim(order(), leadership, now=NOW) is None
    assert ledger.claim(order(cause=Cause.CATCH_UP), leadership, now=NOW) is None
    assert runs() == []
    request = TaskRequest.objects.create(task=task, requested_at=NOW)
    begin(leadership, NOW, cause=Cause.REQUEST, request=request.pk)
    assert runs() == [("12:07", 1, "request", "running")]


def test_a_request_is_taken_once(leadership: Leadership) -> None:
    request = TaskRequest.objects.create(task=make_task(), requested_at=NOW)
    asked = order(NOW, cause=Cause.REQUEST, request=request.pk)
    run = ledger.claim(asked, leadership, now=NOW + SECOND)
    request.refresh_from_db()
    assert request.taken_at == NOW + SECOND
    assert request.run == run
    again = order(NOW + MINUTE, cause=Cause.REQUEST, request=request.pk)
    assert ledger.claim(again, leadership, now=NOW + MINUTE) is None
    assert TaskRun.objects.count() == 1


def test_a_retry_is_begun_only_if_it_is_the_one_that_is_awaited(leadership: Leadership) -> None:
    task = make_task(retry_at=NOW, retry_attempt=2, retry_slot=SLOT)
    for slot, attempt in ((SLOT, 3), (QUARTER, 2)):
        other = order(slot, cause=Cause.RETRY, attempt=attempt)
        assert ledger.claim(other, leadership, now=NOW) is None
    begin(leadership, SLOT, cause=Cause.RETRY, attempt=2)
    task.refresh_from_db()
    assert task.retry_at is None
    late = order(SLOT, cause=Cause.RETRY, attempt=2)
    assert ledger.claim(late, leadership, now=NOW) is None


def test_the_next_slot_takes_the_place_of_a_retry_whose_failure_is_final(
    leadership: Leadership,
) -> None:
    task = make_task(last_outcome="ok")
    failed = begin(leadership)
    ledger.finish(failed, Outcome.FAILED, now=NOW)
    run = begin(leadership, QUARTER)
    task.refresh_from_db()
    assert (task.retry_at, task.last_outcome) == (None, "failed")
    assert TaskChange.objects.get().run == failed
    ledger.finish(run, Outcome.OK, now=QUARTER + SECOND)
    assert changes() == [("ok", "failed"), ("failed", "ok")]


def test_a_request_leaves_the_retry_as_it_is(leadership: Leadership) -> None:
    task = make_task(last_outcome="ok")
    ledger.finish(begin(leadership), Outcome.FAILED, now=SLOT + SECOND)
    request = TaskRequest.objects.create(task=task, requested_at=NOW, agents=["A_B_C"])
    run = begin(leadership, NOW, cause=Cause.REQUEST, request=request.pk)
    ledger.finish(run, Outcome.OK, now=NOW)
    task.refresh_from_db()
    assert (task.retry_at, task.retry_slot) == (SLOT + SECOND + MINUTE, SLOT)
    assert changes() == []
    ledger.finish(begin(leadership, cause=Cause.RETRY, attempt=2), Outcome.OK, now=NOW)
    assert changes() == []


def test_a_request_that_fails_is_tried_again_instead_of_the_slot_that_failed_for_good(
    leadership: Leadership,
) -> None:
    task = make_task(last_outcome="ok")
    failed = begin(leadership)
    ledger.finish(failed, Outcome.FAILED, now=SLOT + SECOND)
    request = TaskRequest.objects.create(task=task, requested_at=NOW)
    run = begin(leadership, NOW, cause=Cause.REQUEST, request=request.pk)
    ledger.finish(run, Outcome.FAILED, now=NOW)
    task.refresh_from_db()
    assert (task.retry_at, task.retry_slot) == (NOW + MINUTE, NOW)
    assert (changes(), TaskChange.objects.get().run) == ([("ok", "failed")], failed)


def test_a_retry_that_is_on_record_already_is_given_up(leadership: Leadership) -> None:
    task = make_task(last_outcome="ok")
    ledger.finish(begin(leadership), Outcome.FAILED, now=NOW)
    ledger.note(order(attempt=2), Outcome.MISSED, "late", leadership)
    assert ledger.claim(order(attempt=2, cause=Cause.RETRY), leadership, now=NOW) is None
    task.refresh_from_db()
    assert (task.retry_at, task.last_outcome) == (None, "failed")


def test_a_retry_is_given_up_by_the_leader_if_it_is_still_the_one_that_was_found(
    leadership: Leadership,
) -> None:
    task = make_task(last_outcome="ok")
    ledger.finish(begin(leadership), Outcome.FAILED, now=NOW)
    found = ScheduledTask.objects.get()
    ScheduledTask.objects.update(retry_at=NOW + 5 * MINUTE)
    ledger.give_up_retry(found, leadership, now=NOW)
    assert changes() == []
    found.refresh_from_db()
    ledger.give_up_retry(found, leadership, now=NOW)
    task.refresh_from_db()
    assert (task.retry_at, changes()) == (None, [("ok", "failed")])
    ScheduledTask.objects.update(retry_at=NOW)
    found.refresh_from_db()
    depose()
    with pytest.raises(LeaseLost):
        ledger.give_up_retry(found, leadership, now=NOW)
    assert ScheduledTask.objects.get().retry_at == NOW


def test_a_slot_that_was_begun_before_leaves_the_retry_as_it_is(leadership: Leadership) -> None:
    task = make_task()
    ledger.finish(begin(leadership), Outcome.FAILED, now=NOW)
    assert ledger.claim(order(), leadership, now=NOW) is None
    task.refresh_from_db()
    assert task.retry_at is not None


def test_a_run_counts_as_at_work_before_anybody_can_see_it(
    leadership: Leadership, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control loop may look as soon as the claim is committed."""
    make_task(retry_at=NOW, retry_attempt=2, retry_slot=SLOT)
    at_work: list[set[int]] = []
    save = ScheduledTask.save

    def look_and_save(task: ScheduledTask, **named: Any) -> None:
        at_work.append(set(leadership.running))
        save(task, **named)

    monkeypatch.setattr(ScheduledTask, "save", look_and_save)
    run = begin(leadership, QUARTER)
    assert at_work == [{run.pk}]


def test_a_claim_that_is_not_committed_leaves_nothing(
    leadership: Leadership, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_task(retry_at=NOW, retry_attempt=2, retry_slot=SLOT)

    def away(*_: object, **__: object) -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr(ScheduledTask, "save", away)
    with pytest.raises(OperationalError):
        begin(leadership, QUARTER)
    assert leadership.running == set()
    assert runs() == []


# --- Closing --------------------------------------------------------------------------------------


def test_a_run_that_ends_is_told_with_what_it_did(leadership: Leadership) -> None:
    task = make_task()
    run = begin(leadership)
    scan_run = ScanRun.objects.create(trigger="schedule", started_at=SLOT)
    ledger.link(run, scan_run)
    assert TaskRun.objects.get().scan_run == scan_run  # while it still runs
    assert ledger.finish(run, Outcome.OK, now=SLOT + MINUTE)
    stored = TaskRun.objects.get()
    assert (stored.outcome, stored.error, stored.scan_run) == ("ok", "", scan_run)
    assert (stored.finished_at, stored.seconds) == (SLOT + MINUTE, 60.0)
    task.refresh_from_db()
    assert (task.last_outcome, task.retry_at) == ("ok", None)
    assert not TaskChange.objects.exists()


def test_a_run_that_was_closed_is_linked_to_no_scan(leadership: Leadership) -> None:
    make_task()
    run = begin(leadership)
    ledger.finish(run, Outcome.INTERRUPTED, now=NOW)
    ledger.link(run, ScanRun.objects.create(trigger="schedule", started_at=SLOT))
    assert TaskRun.objects.get().scan_run is None
    assert run.scan_run is None


def test_whoever_closes_a_run_second_changes_nothing(leadership: Leadership) -> None:
    make_task()
    run = begin(leadership)
    assert ledger.finish(run, Outcome.INTERRUPTED, now=NOW, error="gone")
    before = TaskRun.objects.values().get(), ScheduledTask.objects.values().get()
    assert not ledger.finish(run, Outcome.OK, now=NOW + MINUTE)
    assert (TaskRun.objects.values().get(), ScheduledTask.objects.values().get()) == before


def test_an_error_that_no_column_takes_is_cut_and_cleaned(leadership: Leadership) -> None:
    make_task()
    error = "Traceback\0 \ud800 " + "x" * 200_000
    ledger.finish(begin(leadership), Outcome.FAILED, now=NOW, error=error)
    stored = TaskRun.objects.get().error
    assert stored.startswith("Traceback \N{REPLACEMENT CHARACTER} x")
    assert len(stored) == ledger.LONGEST_ERROR


def test_a_slot_that_began_no_run_is_noted_once(
    leadership: Leadership, caplog: pytest.LogCaptureFixture
) -> None:
    make_task()
    for _ in range(2):
        ledger.note(order(), Outcome.MISSED, "it came too late", leadership)
    run = TaskRun.objects.get()
    assert (run.outcome, run.error) == ("missed", "it came too late")
    assert (run.started_at, run.finished_at, run.seconds) == (None, None, None)
    assert caplog.text.count("it came too late") == 1


def test_a_slot_that_was_begun_is_not_noted_as_passed_over(leadership: Leadership) -> None:
    make_task()
    begin(leadership)
    ledger.note(order(), Outcome.SKIPPED, "the run before still goes on", leadership)
    assert runs() == [("12:00", 1, "schedule", "running")]


def test_a_former_leader_notes_nothing(leadership: Leadership) -> None:
    make_task()
    depose()
    with pytest.raises(LeaseLost):
        ledger.note(order(), Outcome.MISSED, "late", leadership)
    assert runs() == []


# --- What the dead have left ----------------------------------------------------------------------


def test_the_run_of_a_dead_process_is_closed(
    leadership: Leadership, caplog: pytest.LogCaptureFixture
) -> None:
    make_task()
    run = begin(Leadership(leadership.held, uuid4()))
    assert ledger.close_dead({uuid4()}, leadership, now=NOW) == [run]
    stored = TaskRun.objects.get()
    assert (stored.outcome, stored.finished_at) == ("interrupted", NOW)
    assert "its process ended while it ran" in stored.error
    assert "was interrupted" in caplog.text
    assert ledger.close_dead((), leadership, now=NOW) == []


def test_the_run_of_another_process_that_lives_is_left(leadership: Leadership) -> None:
    make_task()
    other = Leadership(leadership.held, uuid4())
    begin(other)
    assert ledger.close_dead({other.process_id}, leadership, now=NOW) == []
    assert TaskRun.objects.get().outcome == "running"


def test_of_our_own_runs_those_that_ended_untold_are_closed(leadership: Leadership) -> None:
    make_task()
    at_work, untold = begin(leadership, SLOT), begin(leadership, QUARTER)
    leadership.running.discard(untold.pk)
    living = {leadership.process_id}
    assert ledger.close_dead(living, leadership, now=NOW) == [untold]
    at_work.refresh_from_db()
    assert at_work.outcome == "running"


def test_a_former_leader_closes_nothing(leadership: Leadership) -> None:
    make_task()
    begin(Leadership(leadership.held, uuid4()))
    depose()
    with pytest.raises(LeaseLost):
        ledger.close_dead((), leadership, now=NOW)
    assert TaskRun.objects.get().outcome == "running"


@pytest.mark.parametrize("retries", [0, 2])
def test_the_run_of_a_dead_process_that_a_newer_one_has_overtaken_says_nothing_any_more(
    leadership: Leadership, retries: int
) -> None:
    make_task(retries=retries)
    old = begin(Leadership(leadership.held, uuid4()))
    ledger.finish(begin(leadership, QUARTER), Outcome.OK, now=QUARTER + SECOND)
    leadership.running.clear()
    assert ledger.close_dead((), leadership, now=QUARTER + 5 * SECOND) == [old]
    assert runs() == [("12:00", 1, "schedule", "interrupted"), ("12:15", 1, "schedule", "ok")]
    task = ScheduledTask.objects.get()
    assert (task.retry_at, task.last_outcome, changes()) == (None, "ok", [])


def test_neither_a_request_nor_a_slot_that_began_no_run_overtakes_one(
    leadership: Leadership,
) -> None:
    task = make_task()
    begin(Leadership(leadership.held, uuid4()))
    request = TaskRequest.objects.create(task=task, requested_at=NOW)
    run = begin(leadership, NOW, cause=Cause.REQUEST, request=request.pk)
    ledger.finish(run, Outcome.FAILED, now=NOW)
    begin(leadership, NOW, cause=Cause.RETRY, attempt=2)
    ledger.note(order(QUARTER), Outcome.SKIPPED, "the run before still goes on", leadership)
    ledger.close_dead((), leadership, now=QUARTER + SECOND)
    task.refresh_from_db()
    assert (task.retry_slot, task.retry_attempt) == (SLOT, 2)


def test_a_run_that_cannot_be_closed_keeps_no_other_open(
    leadership: Leadership, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make_task()
    make_task("prune")
    dead = Leadership(leadership.held, uuid4())
    begin(dead)
    other = begin(dead, task="prune")
    finish = ledger.finish

    def fail_for_scans(run: TaskRun, *arguments: Any, **named: Any) -> bool:
        if run.task.name == "scan":
            raise RuntimeError("broken")
        return finish(run, *arguments, **named)

    monkeypatch.setattr(ledger, "finish", fail_for_scans)
    assert ledger.close_dead((), leadership, now=NOW) == [other]
    assert ledger.close_dead((), leadership, now=NOW) == []
    assert caplog.text.count("cannot be closed") == 1


def test_a_database_that_is_away_is_no_matter_of_one_run(
    leadership: Leadership, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_task()
    begin(Leadership(leadership.held, uuid4()))

    def away(*_: object, **__: object) -> bool:
        raise OperationalError("the database is away")

    monkeypatch.setattr(ledger, "finish", away)
    with pytest.raises(OperationalError):
        ledger.close_dead((), leadership, now=NOW)


def execution(run_time: datetime = SLOT, status: str = "Started execution") -> DjangoJobExecution:
    """Store the library's row of a run; give it."""
    stored, _ = DjangoJob.objects.get_or_create(id="scan", defaults={"job_state": b""})
    return DjangoJobExecution.objects.create(job=stored, run_time=run_time, status=status)


def told(row: DjangoJobExecution) -> tuple[str | float | None, ...]:
    """Give (status, exception, duration, finished) of the row as it is now."""
    row.refresh_from_db()
    numbers = [None if one is None else float(one) for one in (row.duration, row.finished)]
    return row.status, row.exception, *numbers


def test_the_librarys_row_of_an_interrupted_run_is_closed_with_it(leadership: Leadership) -> None:
    make_task()
    row, other = execution(), execution(QUARTER)
    begin(Leadership(leadership.held, uuid4()))
    now = SLOT + 5 * SECOND
    ledger.close_dead((), leadership, now=now)
    assert told(row) == ("Error!", ledger.INTERRUPTED, 5.0, now.timestamp())
    assert told(other) == ("Started execution", None, None, None)


def test_the_librarys_row_of_a_run_that_goes_on_is_left(leadership: Leadership) -> None:
    make_task()
    row = execution()
    begin(leadership)
    ledger.close_dead((), leadership, now=SLOT + timedelta(days=1))
    assert told(row)[0] == "Started execution"


@pytest.mark.parametrize(
    ("outcome", "error", "status", "exception"),
    [
        (Outcome.OK, "", "Executed", None),
        (Outcome.SKIPPED, "another scan runs", "Executed", None),
        (Outcome.FAILED, "Traceback\n  File\nOSError: away\n", "Error!", "OSError: away"),
        (Outcome.FAILED, "E" * 1001, "Error!", "E" * 999 + "…"),
    ],
)
def test_a_row_that_its_listener_left_open_is_closed_as_its_run(
    leadership: Leadership, outcome: Outcome, error: str, status: str, exception: str | None
) -> None:
    make_task()
    row = execution()
    ended = SLOT + MINUTE
    ledger.finish(begin(leadership), outcome, now=ended, error=error)
    # It may be just about to be closed, however long it was open.
    for second in (-31, -1, 29):
        ledger.close_dead((), leadership, now=ended + second * SECOND)
        assert told(row)[0] == "Started execution"
    ledger.close_dead((), leadership, now=ended + 59 * SECOND)
    assert told(row) == (status, exception, 60.0, ended.timestamp())


def test_a_row_without_a_run_is_closed_when_none_can_come_any_more(leadership: Leadership) -> None:
    """However old its slot is: what was submitted may wait for the database for hours."""
    row = execution()
    for second in (0, 1, 29):
        ledger.close_dead((), leadership, now=NOW + second * SECOND)
        assert told(row)[0] == "Started execution"
    ledger.close_dead((), leadership, now=NOW + 30 * SECOND)
    assert told(row)[:2] == ("Error!", ledger.INTERRUPTED)


def test_a_row_whose_run_is_still_to_be_claimed_is_left(leadership: Leadership) -> None:
    make_task()
    row, other = execution(), execution(QUARTER)
    leadership.orders.add(order())
    for minutes in range(3):
        ledger.close_dead((), leadership, now=QUARTER + minutes * MINUTE)
    assert (told(row)[0], told(other)[0]) == ("Started execution", "Error!")
    ledger.finish(begin(leadership), Outcome.OK, now=NOW)
    leadership.orders.clear()
    ledger.close_dead((), leadership, now=QUARTER + 3 * MINUTE)
    assert told(row)[0] == "Executed"


def test_the_executions_are_not_read_twice_within_the_time_in_which_none_is_closed(
    leadership: Leadership, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    row = execution()
    ledger.close_dead((), leadership, now=NOW)
    with django_assert_num_queries(1):  # the runs
        ledger.close_dead((), leadership, now=NOW + 29 * SECOND)
    # A clock that was set back keeps nothing open.
    with django_assert_num_queries(2):
        ledger.close_dead((), leadership, now=NOW - timedelta(days=1))
    ledger.close_dead((), leadership, now=NOW - timedelta(days=1) + 30 * SECOND)
    assert told(row)[0] == "Error!"


def test_a_row_that_is_closed_stays_as_it_is(leadership: Leadership) -> None:
    row = execution(status="Executed")
    ledger.close_dead((), leadership, now=SLOT + 60 * MINUTE)
    assert told(row) == ("Executed", None, None, None)


# --- Trying again ---------------------------------------------------------------------------------


def attempt(leadership: Leadership, number: int, outcome: Outcome, now: datetime) -> ScheduledTask:
    """Make an attempt at a slot that ends at `now`; give the task as it is then."""
    cause = Cause.SCHEDULE if number == 1 else Cause.RETRY
    run = begin(leadership, cause=cause, attempt=number)
    assert ledger.finish(run, outcome, now=now, error="broken")
    return ScheduledTask.objects.get()


def test_failed_runs_are_tried_again_with_a_wait_that_doubles(leadership: Leadership) -> None:
    make_task(retries=3, backoff_seconds=60)
    for number, wait in ((1, 60), (2, 120), (3, 240)):
        task = attempt(leadership, number, Outcome.FAILED, SLOT + SECOND)
        assert task.retry_at == SLOT + SECOND + wait * SECOND
        assert (task.retry_attempt, task.retry_slot) == (number + 1, SLOT)
        assert task.last_outcome == ""
    task = attempt(leadership, 4, Outcome.FAILED, SLOT + SECOND)
    assert (task.retry_at, task.last_outcome) == (None, "failed")
    assert [(slot, number) for slot, number, *_ in runs()] == [("12:00", n) for n in range(1, 5)]


def test_an_interrupted_run_is_tried_again(leadership: Leadership) -> None:
    make_task()
    task = attempt(leadership, 1, Outcome.INTERRUPTED, NOW)
    assert (task.retry_at, task.retry_attempt) == (NOW + MINUTE, 2)


def test_a_wait_of_no_time_is_one(leadership: Leadership) -> None:
    make_task(backoff_seconds=0)
    assert attempt(leadership, 1, Outcome.FAILED, NOW).retry_at == NOW


def test_a_wait_that_has_doubled_beyond_all_measure_is_cut(leadership: Leadership) -> None:
    make_task(retries=32_767, backoff_seconds=2**31 - 1, cron="0 0 29 2 *")
    ScheduledTask.objects.update(retry_at=NOW, retry_attempt=2000, retry_slot=SLOT)
    task = attempt(leadership, 2000, Outcome.FAILED, NOW)
    assert task.retry_at == NOW + timedelta(days=31)


@pytest.mark.parametrize(("ended", "is_tried"), [(-1, True), (0, False), (1, False)])
def test_no_retry_is_put_at_the_next_slot_or_later(
    leadership: Leadership, ended: int, is_tried: bool
) -> None:
    make_task()
    task = attempt(leadership, 1, Outcome.FAILED, QUARTER - MINUTE + ended * SECOND)
    assert (task.retry_at is not None) is is_tried
    assert (task.last_outcome == "failed") is not is_tried
    assert TaskChange.objects.exists() is not is_tried


def test_a_run_that_outlasts_its_slot_may_be_tried_before_the_one_that_follows(
    leadership: Leadership,
) -> None:
    make_task()
    ended = QUARTER + 5 * MINUTE
    assert attempt(leadership, 1, Outcome.FAILED, ended).retry_at == ended + MINUTE


def test_a_task_that_is_paused_or_wants_no_retries_has_none(leadership: Leadership) -> None:
    task = make_task(retries=0)
    assert attempt(leadership, 1, Outcome.FAILED, NOW).retry_at is None
    run = begin(leadership, QUARTER)
    change(task, retries=5, enabled=False)
    ledger.finish(run, Outcome.FAILED, now=QUARTER)
    assert ScheduledTask.objects.get().retry_at is None


def test_a_schedule_that_cannot_be_read_lets_a_run_end_without_a_retry(
    leadership: Leadership,
) -> None:
    make_task(cron="at dawn")
    begin(Leadership(leadership.held, uuid4()))
    ledger.close_dead((), leadership, now=NOW)
    task = ScheduledTask.objects.get()
    assert (runs()[0][3], task.retry_at, task.last_outcome) == ("interrupted", None, "interrupted")


def test_a_retry_that_was_skipped_is_made_up_for_while_there_are_any(
    leadership: Leadership,
) -> None:
    make_task(last_outcome="ok", retries=2)
    failed = begin(leadership)
    ledger.finish(failed, Outcome.FAILED, now=SLOT + SECOND)
    task = attempt(leadership, 2, Outcome.SKIPPED, SLOT + 2 * MINUTE)
    assert (task.retry_at, task.retry_attempt) == (SLOT + 4 * MINUTE, 3)
    assert changes() == []
    task = attempt(leadership, 3, Outcome.SKIPPED, SLOT + 5 * MINUTE)
    assert (task.retry_at, task.last_outcome) == (None, "failed")
    assert (changes(), TaskChange.objects.get().run) == ([("ok", "failed")], failed)


def test_a_run_that_was_skipped_is_neither_good_nor_bad(leadership: Leadership) -> None:
    make_task(last_outcome="failed")
    task = attempt(leadership, 1, Outcome.SKIPPED, NOW)
    assert (task.last_outcome, task.retry_at) == ("failed", None)
    assert not TaskChange.objects.exists()


# --- What alerts read -----------------------------------------------------------------------------


def changes() -> list[tuple[str, str]]:
    rows = TaskChange.objects.order_by("pk")
    return list(rows.values_list("old_outcome", "new_outcome"))


def test_only_the_last_failure_and_the_first_good_run_after_it_are_changes(
    leadership: Leadership,
) -> None:
    make_task(retries=1)
    slots = (SLOT + number * 15 * MINUTE for number in range(20))

    def run_at_next_slot(*outcomes: Outcome) -> TaskRun:
        slot = next(slots)
        for number, outcome in enumerate(outcomes, start=1):
            cause = Cause.SCHEDULE if number == 1 else Cause.RETRY
            run = begin(leadership, slot, cause=cause, attempt=number)
            ledger.finish(run, outcome, now=slot + number * SECOND)
        return run

    run_at_next_slot(Outcome.OK)
    run_at_next_slot(Outcome.FAILED, Outcome.OK)
    assert changes() == []
    last = run_at_next_slot(Outcome.FAILED, Outcome.FAILED)
    assert changes() == [("ok", "failed")]
    change = TaskChange.objects.get()
    assert (change.run, change.changed_at) == (last, last.finished_at)
    run_at_next_slot(Outcome.FAILED, Outcome.FAILED)
    assert len(changes()) == 1
    run_at_next_slot(Outcome.FAILED, Outcome.OK)
    assert changes() == [("ok", "failed"), ("failed", "ok")]
    run_at_next_slot(Outcome.OK)
    run_at_next_slot(Outcome.INTERRUPTED, Outcome.INTERRUPTED)
    assert changes()[2:] == [("ok", "interrupted")]


def test_a_first_run_that_fails_is_a_change_and_one_that_goes_well_is_none(
    leadership: Leadership,
) -> None:
    make_task(retries=0)
    make_task("prune", retries=0)
    ledger.finish(begin(leadership), Outcome.FAILED, now=NOW)
    ledger.finish(begin(leadership, task="prune"), Outcome.OK, now=NOW)
    assert changes() == [("", "failed")]
    assert TaskChange.objects.get().task.name == "scan"


def test_when_the_change_cannot_be_recorded_the_run_is_not_closed_either(
    leadership: Leadership, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_task(retries=0)
    run = begin(leadership)

    def away(**_: object) -> None:
        raise OperationalError("the database is away")

    with monkeypatch.context() as broken:
        broken.setattr(TaskChange.objects, "create", away)
        with pytest.raises(OperationalError):
            ledger.finish(run, Outcome.FAILED, now=NOW)
    assert TaskRun.objects.get().outcome == "running"
    assert ledger.finish(run, Outcome.FAILED, now=NOW)
    assert changes() == [("", "failed")]
