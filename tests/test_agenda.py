"""What people change of a task, and what they ask for."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError

from scanner import agenda
from scanner.models import ScheduledTask, TaskChange, TaskRequest
from tests.scanning import NOW
from tests.schedule_rows import MINUTE, make_run, make_task

pytestmark = pytest.mark.django_db

BEFORE = NOW - timedelta(days=1)


def stored() -> ScheduledTask:
    return ScheduledTask.objects.get()


@pytest.mark.parametrize(
    ("field", "value", "moves"),
    [
        ("interval_minutes", 30, True),
        ("cron", "15 4 * * *", True),
        ("enabled", False, True),
        ("misfire_grace_seconds", 5, False),
        ("retries", 0, False),
        ("backoff_seconds", 1, False),
    ],
)
def test_each_change_makes_a_new_version_and_one_of_the_schedule_begins_anew(
    field: str, value: object, moves: bool
) -> None:
    task = make_task(changed_at=BEFORE)
    setattr(task, field, value)
    assert agenda.save(task, now=NOW)
    found = stored()
    assert getattr(found, field) == value
    assert found.version == 2
    assert found.changed_at == (NOW if moves else BEFORE)


def test_another_zone_makes_a_new_version() -> None:
    task = make_task(cron="15 4 * * *", changed_at=BEFORE)
    task.time_zone = "Africa/Douala"
    assert agenda.save(task, now=NOW)
    assert (stored().version, stored().changed_at) == (2, NOW)


def test_what_is_saved_unchanged_makes_no_new_version() -> None:
    task = make_task(changed_at=BEFORE)
    assert not agenda.save(task, now=NOW)
    assert (stored().version, stored().changed_at) == (1, BEFORE)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("interval_minutes", 0),
        ("interval_minutes", 10**6),
        ("cron", "61 * * * *"),
        ("time_zone", "Atlantis"),
        ("retries", -1),
        ("cron", "x" * 101),
    ],
)
def test_what_cannot_be_followed_is_refused_by_its_field(field: str, value: object) -> None:
    task = make_task()
    setattr(task, field, value)
    with pytest.raises(ValidationError) as refused:
        agenda.save(task, now=NOW)
    assert field in refused.value.message_dict
    assert stored().version == 1


def test_a_change_leaves_what_the_scheduler_wrote_meanwhile() -> None:
    task = make_task()
    retry = NOW + MINUTE
    ScheduledTask.objects.update(
        version=7, applied_version=7, next_run_at=NOW, retry_at=retry, last_outcome="failed"
    )
    task.retries = 5
    agenda.save(task, now=NOW)
    found = stored()
    assert (found.version, found.applied_version, found.next_run_at) == (8, 7, NOW)
    assert (found.retry_at, found.last_outcome) == (retry, "failed")
    assert (task.version, task.retry_at) == (8, retry)


def test_a_paused_task_is_not_tried_again() -> None:
    task = make_task(retry_at=NOW + MINUTE, retry_attempt=2, retry_slot=NOW)
    assert agenda.switch(task.pk, enabled=False, now=NOW)
    found = stored()
    assert (found.enabled, found.retry_at, found.version, found.changed_at) == (False, None, 2, NOW)


@pytest.mark.parametrize("by", ["switch", "save"])
def test_what_a_paused_task_would_have_tried_again_has_failed_for_good(by: str) -> None:
    task = make_task(last_outcome="ok", retry_at=NOW + MINUTE, retry_attempt=3, retry_slot=NOW)
    make_run(task, outcome="failed", scheduled_for=NOW)
    last = make_run(task, outcome="interrupted", scheduled_for=NOW, attempt=2)
    if by == "switch":
        agenda.switch(task.pk, enabled=False, now=NOW)
    else:
        task.enabled = False
        agenda.save(task, now=NOW)
    assert (stored().retry_at, stored().last_outcome) == (None, "interrupted")
    change = TaskChange.objects.get()
    assert (change.old_outcome, change.new_outcome) == ("ok", "interrupted")
    assert (change.run, change.changed_at) == (last, NOW)
    agenda.switch(task.pk, enabled=True, now=NOW + MINUTE)
    assert TaskChange.objects.count() == 1


def test_a_change_that_pauses_nothing_leaves_what_is_tried_again() -> None:
    task = make_task(retry_at=NOW + MINUTE, retry_attempt=2, retry_slot=NOW)
    task.interval_minutes = 30
    agenda.save(task, now=NOW)
    assert stored().retry_at == NOW + MINUTE


def test_a_task_that_goes_on_has_no_slots_from_before() -> None:
    task = make_task(enabled=False, changed_at=BEFORE)
    assert agenda.switch(task.pk, enabled=True, now=NOW)
    assert (stored().enabled, stored().changed_at) == (True, NOW)


@pytest.mark.parametrize("enabled", [True, False])
def test_switching_to_what_is_so_already_changes_nothing(enabled: bool) -> None:
    task = make_task(enabled=enabled)
    assert not agenda.switch(task.pk, enabled=enabled, now=NOW)
    assert stored().version == 1


def test_a_task_whose_schedule_is_wrong_can_still_be_paused() -> None:
    task = make_task(cron="61 * * * *")
    assert agenda.switch(task.pk, enabled=False, now=NOW)


def test_a_request_says_who_asked_and_when() -> None:
    task = make_task(enabled=False)
    request = agenda.request_run(task.pk, by="ada", now=NOW, agents=["B", "A"])
    found = TaskRequest.objects.get()
    assert found == request
    assert (found.task, found.requested_by, found.requested_at) == (task, "ada", NOW)
    assert (found.agents, found.taken_at) == (["B", "A"], None)
    assert stored().version == 1


def test_what_waits_already_is_not_asked_for_twice() -> None:
    task = make_task()
    other = make_task("prune")
    first = agenda.request_run(task.pk, by="ada", now=NOW)
    assert agenda.request_run(task.pk, by="bob", now=NOW + MINUTE) == first
    assert agenda.request_run(task.pk, by="bob", now=NOW, agents=["A"]) != first
    assert agenda.request_run(other.pk, by="bob", now=NOW) != first
    TaskRequest.objects.update(taken_at=NOW)
    assert agenda.request_run(task.pk, by="bob", now=NOW + 2 * MINUTE) != first
