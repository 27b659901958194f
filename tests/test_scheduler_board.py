"""Who leads, whether scans go well, and what the tasks' runs tell."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from scanner import scheduler_board
from scanner.models import Lease, ScanRun, ScheduledTask, TaskRun
from scanner.scheduler_board import (
    NextRun,
    next_run,
    scheduler_health,
    scheduler_state,
    tasks_with_history,
)
from scanner.scheduling import leadership
from tests.scanning import NOW
from tests.schedule_rows import (
    MINUTE,
    make_all_well,
    make_leader,
    make_run,
    make_scan,
    make_standby,
    make_task,
    run_fields,
)

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


def reasons(now: datetime = NOW) -> list[str]:
    return [reason.words for reason in scheduler_health(now=now).reasons]


def test_the_lease_is_the_one_that_leaders_hold() -> None:
    assert scheduler_board.LEASE == leadership.LEASE


# --- Who leads ------------------------------------------------------------------------------------


def test_all_is_well_while_somebody_leads_and_scans_go_well() -> None:
    make_all_well()
    health = scheduler_health(now=NOW + MINUTE / 2)
    assert health.healthy
    assert health.reasons == ()
    assert health.last_good_scan == NOW
    assert health.leader is not None
    assert (health.leader.host, health.leader.pid) == ("host-a", 4711)
    assert (health.leader.since, health.leader.heartbeat) == (NOW - timedelta(hours=3), NOW)


@pytest.mark.parametrize("row", ["none", "released"])
def test_nobody_leads_where_nobody_holds_the_lease(row: str) -> None:
    make_all_well()
    if row == "none":
        Lease.objects.all().delete()
    else:
        Lease.objects.update(holder="")
    health = scheduler_health(now=NOW)
    assert not health.healthy
    assert health.leader is None
    [reason] = reasons()
    assert "No scheduler leads" in reason
    assert "manage.py runapscheduler" in reason


def test_a_leader_that_is_not_heard_of_for_45_seconds_leads_no_more(settings: Settings) -> None:
    settings.TIME_ZONE = "Africa/Douala"
    make_all_well()
    assert scheduler_health(now=NOW + 45 * SECOND).healthy
    health = scheduler_health(now=NOW + 46 * SECOND)
    assert health.leader is None
    [reason] = reasons(NOW + 46 * SECOND)
    assert "process 4711 on host-a was last heard of at 2026-03-02 13:00:00" in reason
    assert "manage.py runapscheduler" in reason


def test_those_who_stand_by_are_the_ones_heard_of_lately() -> None:
    make_all_well()
    living = make_standby()
    make_standby(NOW - MINUTE)
    make_standby(leads=True)
    assert scheduler_state(now=NOW).standbys == (living,)


# --- The last good scan ---------------------------------------------------------------------------


def test_before_the_first_good_scan_all_is_not_well() -> None:
    make_leader()
    make_task()
    [reason] = reasons()
    assert "No scan of all agents has gone well yet" in reason


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        ({}, True),
        ({"outcome": "incomplete"}, True),
        ({"trigger": "command"}, True),
        ({"outcome": "failed"}, False),
        ({"outcome": "interrupted"}, False),
        ({"outcome": "running", "finished_at": None}, False),
        ({"agents": ["ACME_DOUALA_NEWBELL"]}, False),
        ({"trigger": "reprocess", "agents": ["ACME_DOUALA_NEWBELL"]}, False),
        ({"trigger": "demo"}, False),
    ],
)
def test_a_good_scan_looked_at_all_agents_and_came_to_an_end(
    fields: dict[str, Any], counts: bool
) -> None:
    old = NOW - timedelta(hours=1)
    make_scan(old)
    make_scan(NOW, **fields)
    assert scheduler_health(now=NOW).last_good_scan == (NOW if counts else old)


def test_a_good_scan_may_be_two_intervals_old(settings: Settings) -> None:
    settings.SCANNER_INTERVAL_MINUTES = 15
    task = make_all_well()
    at = NOW + 7 * MINUTE + 13 * SECOND
    ScanRun.objects.update(finished_at=at)

    def is_well(now: datetime) -> bool:
        Lease.objects.update(beat_at=now)
        return scheduler_health(now=now).healthy

    assert is_well(at + 30 * MINUTE)
    assert not is_well(at + 30 * MINUTE + SECOND)
    ScheduledTask.objects.filter(pk=task.pk).update(interval_minutes=60)
    assert is_well(at + 120 * MINUTE)
    assert not is_well(at + 120 * MINUTE + SECOND)
    [reason] = reasons(at + 120 * MINUTE + SECOND)
    assert "2026-03-02 12:07:13" in reason
    assert "every 2 hours" not in reason
    assert "every hour" in reason


def test_over_a_weekend_a_scan_of_working_days_is_not_missed() -> None:
    make_leader()
    make_task(cron="0 4 * * 1-5")
    friday = datetime(2026, 3, 6, 4, 5, tzinfo=UTC)
    make_scan(friday)

    def is_well(now: datetime) -> bool:
        Lease.objects.update(beat_at=now)
        return scheduler_health(now=now).healthy

    tuesday = datetime(2026, 3, 10, 4, 5, tzinfo=UTC)
    assert is_well(tuesday)
    assert not is_well(tuesday + SECOND)


def test_while_the_scan_is_paused_that_is_what_is_wrong() -> None:
    make_all_well()
    ScheduledTask.objects.update(enabled=False)
    ScanRun.objects.update(finished_at=NOW - timedelta(days=9))
    [reason] = reasons()
    assert "paused" in reason


def test_a_schedule_that_cannot_be_followed_is_what_is_wrong() -> None:
    make_all_well()
    ScheduledTask.objects.update(cron="61 * * * *")
    [reason] = reasons()
    assert "61 * * * *" in reason


def test_where_no_scheduler_was_ever_started_both_are_wrong() -> None:
    assert len(reasons()) == 2


@pytest.mark.parametrize("count", [1, 50])
def test_health_and_state_are_told_in_a_few_statements(
    count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_all_well()
    for number in range(count):
        make_scan(NOW - MINUTE)
        make_standby()
        make_run(make_task(f"task {number}"))
    with django_assert_num_queries(3):
        scheduler_health(now=NOW)
    with django_assert_num_queries(4):
        scheduler_state(now=NOW)


# --- What scans and tasks could not do -----------------------------------------------------------


def test_what_two_scans_in_a_row_could_not_look_at_is_what_is_wrong() -> None:
    make_all_well()
    unread = "agent ACME_DOUALA_NEWBELL was not looked at: Permission denied"
    make_scan(outcome="incomplete", findings=["a report is still being written"])
    assert reasons() == []
    make_scan(outcome="incomplete", findings=[unread])
    assert reasons() == []
    scan = make_scan(outcome="incomplete", findings=[unread, "something else"])
    [reason] = scheduler_health(now=NOW).reasons
    assert "incomplete, up to 2026-03-02 12:00:00" in reason.words
    assert unread in reason.words
    assert "something else" not in reason.words
    assert (reason.about, reason.key) == (ScanRun, scan.pk)
    make_scan(outcome="failed")
    make_scan(outcome="complete", agents=["ACME_DOUALA_NEWBELL"])
    assert len(reasons()) == 1
    make_scan()
    assert reasons() == []


def test_no_finding_is_so_long_that_it_hides_the_rest() -> None:
    make_all_well()
    make_scan(outcome="incomplete", findings=["x" * 100_000])
    make_scan(outcome="incomplete", findings=["x" * 100_000])
    [reason] = reasons()
    assert len(reason) < 500
    assert reason.endswith("x…")


@pytest.mark.parametrize(
    ("outcome", "said"), [("failed", "has failed"), ("interrupted", "was interrupted")]
)
@pytest.mark.parametrize("name", ["scan", "prune"])
def test_a_task_that_failed_for_good_is_what_is_wrong(name: str, outcome: str, said: str) -> None:
    make_all_well()
    make_task("prune")
    ScheduledTask.objects.filter(name=name).update(last_outcome=outcome)
    [reason] = scheduler_health(now=NOW).reasons
    assert f"The task “{name}” {said}" in reason.words
    assert (reason.about, reason.key) == (ScheduledTask, ScheduledTask.objects.get(name=name).pk)
    ScheduledTask.objects.update(last_outcome="ok")
    assert reasons() == []


@pytest.mark.parametrize(
    "fields", [{"enabled": False, "last_outcome": "failed"}, {"last_outcome": "missed"}]
)
def test_a_task_that_is_paused_or_was_missed_once_has_not_failed(fields: dict[str, Any]) -> None:
    make_all_well()
    make_task("prune", **fields)
    assert reasons() == []


def test_while_a_failed_run_is_tried_again_nothing_is_wrong() -> None:
    task = make_all_well()
    make_run(task, outcome="failed")
    ScheduledTask.objects.update(last_outcome="ok", retry_at=NOW + MINUTE, retry_attempt=2)
    assert reasons() == []


def test_of_a_wrong_setting_its_name_is_said(settings: Settings) -> None:
    make_all_well()
    settings.SCANNER_INTERVAL_MINUTES = 0
    [reason] = reasons()
    assert reason.startswith("SCANNER_INTERVAL_MINUTES: the interval is 0 minutes")


# --- The next run ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"next_run_at": NOW + MINUTE}, NextRun.KNOWN),
        ({"next_run_at": None}, NextRun.KNOWN),
        ({"next_run_at": NOW - 5 * SECOND}, NextRun.KNOWN),
        ({"next_run_at": NOW - 6 * SECOND}, NextRun.OVERDUE),
        ({"next_run_at": NOW + MINUTE, "version": 2}, NextRun.NOT_IN_FORCE),
        ({"next_run_at": NOW - MINUTE, "version": 2}, NextRun.NOT_IN_FORCE),
        ({"next_run_at": NOW + MINUTE, "version": 2, "enabled": False}, NextRun.PAUSED),
    ],
)
def test_a_next_run_is_told_only_where_it_will_be_kept(
    fields: dict[str, Any], told: NextRun
) -> None:
    assert next_run(make_task(**fields), NOW) is told


# --- The runs of the tasks ------------------------------------------------------------------------


def history(task: ScheduledTask) -> Any:
    return tasks_with_history().get(pk=task.pk)


def test_a_task_without_runs_has_no_history() -> None:
    found = history(make_task())
    assert (found.last_run_id, found.last_run_at, found.last_run_outcome) == (None, None, None)
    assert (found.mean_duration, found.longest_duration) == (None, None)


def test_the_last_run_is_the_newest_whatever_became_of_it() -> None:
    task = make_task()
    make_run(task, NOW - MINUTE)
    missed = make_run(task, NOW, None, "missed")
    make_run(make_task("prune"), NOW + MINUTE)
    found = history(task)
    assert (found.last_run_id, found.last_run_at) == (missed.pk, NOW)
    assert found.last_run_outcome == "missed"


def test_the_durations_are_of_runs_that_came_to_their_own_end() -> None:
    task = make_task()
    make_run(make_task("prune"), NOW, 999)
    for number, (seconds, outcome) in enumerate(
        [(1, "ok"), (5, "failed"), (0.01, "skipped"), (500, "interrupted"), (None, "missed")]
    ):
        make_run(task, NOW + number * MINUTE, seconds, outcome)
    make_run(task, NOW + 9 * MINUTE, 0, "running")
    found = history(task)
    assert found.mean_duration == timedelta(seconds=3)
    assert found.longest_duration == timedelta(seconds=5)


def test_the_durations_are_of_the_last_hundred_runs() -> None:
    task = make_task()
    write = partial(run_fields, task, outcome="ok")
    starts = [NOW + number * MINUTE for number in range(101)]
    TaskRun.objects.bulk_create(TaskRun(**write(at, 10)) for at in starts)
    first = TaskRun.objects.earliest("pk")
    TaskRun.objects.filter(pk=first.pk).update(finished_at=NOW + timedelta(seconds=700))
    assert history(task).longest_duration == timedelta(seconds=10)
    second = TaskRun.objects.exclude(pk=first.pk).earliest("pk")
    TaskRun.objects.filter(pk=second.pk).update(finished_at=NOW + timedelta(seconds=60 + 1010))
    found = history(task)
    assert found.longest_duration == timedelta(seconds=1010)
    assert found.mean_duration == timedelta(seconds=20)


@pytest.mark.parametrize("count", [2, 40])
def test_the_history_of_all_tasks_is_one_statement(
    count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(count):
        make_run(make_task(f"task {number}"))
    with django_assert_num_queries(1):
        assert len(tasks_with_history()) == count
