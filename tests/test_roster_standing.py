"""Pausing, resuming, retiring and adopting jobs, and the rows that keep who did it."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from scanner import roster
from scanner.models import ExpectedBackupJob, JobChange
from scanner.pipeline.deposit import Place
from tests.scanning import NOW, make_job, run_scan

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
TWO = NOW.replace(hour=2)


def stored(job: ExpectedBackupJob) -> ExpectedBackupJob:
    return ExpectedBackupJob.objects.get(pk=job.pk)


def registered(count: int = 1) -> list[ExpectedBackupJob]:
    """Give databases that nobody expected, as a scan registers them."""
    found = [
        roster.Unexpected("ACME_DOUALA_AKWA", Place("ACME", "DOUALA", "AKWA"), f"X{number}")
        for number in range(count)
    ]
    return roster.register(found, active=False, now=NOW)


def rows(job: ExpectedBackupJob) -> list[tuple[str, str, str]]:
    """Give what was done to a job, by whom, and what they said of it; the oldest first."""
    kept = job.changes.order_by("pk").values_list("action", "changed_by", "note")
    return list(kept)


def last_changes(job: ExpectedBackupJob) -> dict[str, Any]:
    change = job.changes.first()
    assert change is not None
    found: dict[str, Any] = change.changes
    return found


# --- Pausing and resuming -------------------------------------------------------------------------


def test_a_pause_has_a_reason_an_end_and_somebody_who_made_it() -> None:
    job = make_job(schedule="0 2 * * *")
    assert roster.pause([job.pk], now=NOW, by="ada", reason=" moving ", until=NOW + DAY) == 1
    paused = stored(job)
    assert (paused.is_active, paused.paused_at, paused.paused_by) == (False, NOW, "ada")
    assert (paused.pause_reason, paused.paused_until) == ("moving", NOW + DAY)
    assert (paused.due_at, paused.alert_check_at) == (None, NOW)
    assert rows(job)[-1] == ("paused", "ada", "moving")
    assert last_changes(job) == {
        "is_active": [True, False],
        "paused_until": [None, (NOW + DAY).isoformat()],
    }


def test_a_pause_is_changed_without_beginning_anew() -> None:
    job = make_job()
    roster.pause([job.pk], now=NOW, by="ada", reason="moving", until=NOW + DAY)
    assert roster.pause([job.pk], now=NOW + HOUR, by="bob", reason="still") == 1
    paused = stored(job)
    assert (paused.paused_at, paused.paused_by, paused.pause_reason) == (NOW, "bob", "still")
    assert paused.paused_until is None
    assert rows(job)[-1] == ("paused", "bob", "still")


def test_the_same_pause_again_is_no_change() -> None:
    job = make_job()
    for _ in range(2):
        roster.pause([job.pk], now=NOW, reason="moving", until=NOW + DAY)
    assert roster.pause([job.pk], now=NOW, reason="moving", until=NOW + DAY) == 0
    assert [action for action, _, _ in rows(job)] == ["added", "paused"]


def test_a_reason_is_kept_as_far_as_it_fits_and_without_what_no_database_takes() -> None:
    job = make_job()
    roster.pause([job.pk], now=NOW, reason="a\0b" + "x" * 600, by="u" * 200)
    paused = stored(job)
    assert paused.pause_reason.startswith("abx")
    assert (len(paused.pause_reason), len(paused.paused_by)) == (500, 150)


def test_a_retired_job_is_not_paused() -> None:
    job = make_job()
    roster.retire([job.pk], now=NOW)
    assert roster.pause([job.pk], now=NOW, reason="moving") == 0


def test_resuming_ends_the_pause_and_keeps_who_did_it() -> None:
    job = make_job(schedule="0 2 * * *", grace_minutes=60)
    roster.pause([job.pk], now=NOW, by="ada", reason="moving", until=NOW + DAY)
    assert roster.resume([job.pk], now=NOW + HOUR, by="bob") == 1
    resumed = stored(job)
    assert (resumed.is_active, resumed.due_at) == (True, TWO + DAY)
    assert (resumed.paused_at, resumed.paused_by) == (None, "")
    assert (resumed.pause_reason, resumed.paused_until) == ("", None)
    assert rows(job)[-1] == ("resumed", "bob", "")
    assert roster.resume([job.pk], now=NOW + HOUR, by="bob") == 0
    assert len(rows(job)) == 3


def test_a_paused_job_is_resumed_when_its_end_has_come() -> None:
    job = make_job(schedule="0 2 * * *")
    open_ended = make_job("OPEN", schedule="0 2 * * *")
    roster.pause([job.pk], now=NOW, by="ada", until=NOW + DAY)
    roster.pause([open_ended.pk], now=NOW, by="ada")
    assert roster.keep_up(now=NOW + DAY - timedelta(seconds=1)) == 0
    assert not stored(job).is_active
    assert roster.keep_up(now=NOW + DAY) == 1
    assert stored(job).is_active
    assert stored(job).due_at == TWO + 2 * DAY
    assert rows(job)[-1] == ("resumed", "", "")
    assert not stored(open_ended).is_active
    assert roster.keep_up(now=NOW + 30 * DAY) == 0


def test_a_pause_made_longer_while_its_end_is_carried_out_goes_on() -> None:
    job = make_job()
    roster.pause([job.pk], now=NOW, by="ada", until=NOW + HOUR)
    later = NOW + DAY

    def lengthen(execute: Any, sql: str, *rest: Any) -> Any:
        found = execute(sql, *rest)
        if sql.startswith("SELECT") and "paused_until" in sql:  # the look that takes no lock
            ExpectedBackupJob.objects.filter(pk=job.pk).update(paused_until=later + DAY)
        return found

    with connection.execute_wrapper(lengthen):
        roster.keep_up(now=later)
    assert not stored(job).is_active


def test_what_is_judged_while_it_waits_to_be_adopted_still_waits_after_a_pause() -> None:
    found = roster.Unexpected("A_B_C", Place("A", "B", "C"), "DB")
    (job,) = roster.register([found], active=True, now=NOW)
    roster.pause([job.pk], now=NOW, by="ada", until=NOW + HOUR)
    roster.keep_up(now=NOW + DAY)
    assert (stored(job).is_active, stored(job).awaits_adoption) == (True, True)


def test_a_scan_resumes_what_is_due_to_be(deposit_root: object) -> None:
    job = make_job(schedule="0 2 * * *")
    roster.pause([job.pk], now=NOW, until=NOW + DAY)
    run_scan(NOW + 2 * DAY)
    assert stored(job).is_active


def test_keeping_up_with_nothing_to_do_takes_no_lock(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    job = make_job()
    roster.pause([job.pk], now=NOW, until=NOW + DAY)
    with django_assert_num_queries(2):
        roster.keep_up(now=NOW)


# --- Retiring -------------------------------------------------------------------------------------


def test_a_retired_job_is_expected_no_more_and_can_be_brought_back() -> None:
    job = make_job(schedule="0 2 * * *")
    roster.pause([job.pk], now=NOW, by="ada", reason="moving", until=NOW + DAY)
    assert roster.retire([job.pk], now=NOW + HOUR, by="bob", reason="sold") == 1
    retired = stored(job)
    assert (retired.is_active, retired.retired_at, retired.due_at) == (False, NOW + HOUR, None)
    assert (retired.paused_at, retired.paused_until) == (None, None)
    assert rows(job)[-1] == ("retired", "bob", "sold")
    assert roster.keep_up(now=NOW + 2 * DAY) == 0
    assert roster.retire([job.pk], now=NOW + DAY) == 0

    assert roster.resume([job.pk], now=NOW + 2 * DAY, by="ada") == 1
    back = stored(job)
    assert (back.is_active, back.retired_at) == (True, None)
    assert back.due_at == TWO + 3 * DAY
    assert rows(job)[-1] == ("resumed", "ada", "")


def test_a_database_that_waits_to_be_adopted_can_be_retired_instead() -> None:
    (job,) = registered()
    roster.retire([job.pk], now=NOW)
    assert (stored(job).awaits_adoption, stored(job).retired_at) == (False, NOW)


# --- Adopting -------------------------------------------------------------------------------------


def test_adopting_says_when_the_backups_are_due() -> None:
    jobs = registered(2)
    count = roster.adopt(
        [job.pk for job in jobs],
        schedule="0 2 * * *",
        time_zone="Africa/Douala",
        grace_minutes=30,
        now=NOW,
        by="ada",
    )
    assert count == 2
    for job in map(stored, jobs):
        assert (job.is_active, job.awaits_adoption) == (True, False)
        assert (job.schedule, job.time_zone, job.grace_minutes) == (
            "0 2 * * *",
            "Africa/Douala",
            30,
        )
        assert job.due_at == TWO + DAY - HOUR
        assert rows(job) == [("registered", "", ""), ("adopted", "ada", "")]
        assert last_changes(job) == {
            "schedule": ["", "0 2 * * *"],
            "time_zone": ["", "Africa/Douala"],
            "grace_minutes": [None, 30],
            "is_active": [False, True],
        }


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"schedule": "every day"}, "schedule"),
        ({"schedule": "0 2 * * *", "time_zone": "Mars/Olympus"}, "time_zone"),
        ({"schedule": "0 2 * * *", "grace_minutes": 10**6}, "grace_minutes"),
    ],
)
def test_what_cannot_be_adopts_none(said: dict[str, Any], field: str) -> None:
    jobs = registered(2)
    with pytest.raises(ValidationError) as caught:
        roster.adopt([job.pk for job in jobs], now=NOW, **said)
    assert field in caught.value.message_dict
    for job in map(stored, jobs):
        assert (job.awaits_adoption, job.is_active, job.schedule) == (True, False, "")
    assert not JobChange.objects.filter(action="adopted").exists()


def test_only_what_waits_is_adopted() -> None:
    job = make_job(schedule="0 4 * * *")
    (waiting,) = registered()
    roster.retire([waiting.pk], now=NOW)
    assert roster.adopt([job.pk, waiting.pk], schedule="0 2 * * *", now=NOW) == 0
    assert stored(job).schedule == "0 4 * * *"


def test_a_database_that_reports_mention_waits_and_one_that_somebody_names_does_not() -> None:
    (job,) = registered()
    assert stored(job).awaits_adoption
    named = roster.Unexpected("ACME_DOUALA_AKWA", Place("ACME", "DOUALA", "AKWA"), "Y")
    (other,) = roster.register([named], active=True, now=NOW, by="ada")
    assert not stored(other).awaits_adoption
    assert rows(other) == [("registered", "ada", "")]


# --- What a form or a file says -------------------------------------------------------------------


def save(job: ExpectedBackupJob, now: datetime = NOW, by: str = "ada", **fields: Any) -> None:
    changed = stored(job)
    for name, value in fields.items():
        setattr(changed, name, value)
    roster.save(changed, now=now, by=by)


def test_a_new_job_and_its_changes_are_on_record() -> None:
    job = make_job(schedule="0 2 * * *")
    save(job, schedule="0 3 * * *", notification_recipients="a@example.org")
    assert rows(job) == [("added", "", ""), ("changed", "ada", "")]
    assert last_changes(job) == {
        "schedule": ["0 2 * * *", "0 3 * * *"],
        "notification_recipients": ["", "a@example.org"],
    }


def test_saving_what_is_so_already_leaves_no_row() -> None:
    job = make_job(schedule="0 2 * * *")
    save(job)
    assert rows(job) == [("added", "", "")]


def test_many_saved_at_once_leave_a_row_for_each_that_changed() -> None:
    same, changed = make_job("SAME"), make_job("CHANGED")
    new = ExpectedBackupJob(
        company_name="A", city="B", neighborhood="C", database_name="NEW", agent_id="A_B_C"
    )
    loaded = stored(changed)
    loaded.schedule = "0 2 * * *"
    roster.save_all([stored(same), loaded, new], now=NOW, by="ada")
    assert rows(same) == [("added", "", "")]
    assert rows(changed)[1:] == [("changed", "ada", "")]
    assert rows(new) == [("added", "ada", "")]


def test_switching_off_by_a_form_or_a_file_is_a_pause_and_on_its_end() -> None:
    job = make_job()
    save(job, is_active=False)
    paused = stored(job)
    assert (paused.paused_at, paused.paused_by) == (NOW, "ada")
    save(job, now=NOW + HOUR, is_active=True)
    assert (stored(job).paused_at, stored(job).paused_by) == (None, "")


def test_saving_a_form_that_was_opened_before_a_pause_keeps_why_it_was_paused() -> None:
    job = make_job()
    roster.pause([job.pk], now=NOW, by="ada", reason="moving", until=NOW + DAY)
    save(job, city="YAOUNDE")
    paused = stored(job)
    assert (paused.city, paused.pause_reason, paused.paused_until) == (
        "YAOUNDE",
        "moving",
        NOW + DAY,
    )


def test_each_verb_costs_as_many_statements_for_many_as_for_few(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    keys = [make_job(f"DB{number}", schedule="0 2 * * *").pk for number in range(20)]
    for some in (keys[:2], keys[2:]):
        with django_assert_num_queries(5):
            roster.pause(some, now=NOW, reason="moving")
        with django_assert_num_queries(5):
            roster.resume(some, now=NOW)
        with django_assert_num_queries(5):
            roster.retire(some, now=NOW)
    waiting = [job.pk for job in registered(20)]
    for some in (waiting[:2], waiting[2:]):
        with django_assert_num_queries(5):
            roster.adopt(some, schedule="0 2 * * *", now=NOW)


def test_what_somebody_did_not_change_is_left_as_others_have_made_it_meanwhile() -> None:
    job = make_job(schedule="0 2 * * *")
    mine = stored(job)
    save(job, by="bob", schedule="0 5 * * *", grace_minutes=30)
    roster.pause([job.pk], now=NOW, by="bob", reason="moving")
    mine.city, mine.grace_minutes = "YAOUNDE", 30
    roster.save(mine, now=NOW, by="ada", seen={"city": "DOUALA", "grace_minutes": None})
    back = stored(job)
    assert (back.city, back.schedule, back.grace_minutes) == ("YAOUNDE", "0 5 * * *", 30)
    assert (back.is_active, back.pause_reason) == (False, "moving")
    assert rows(job)[-1] == ("changed", "ada", "")
    assert last_changes(job) == {"city": ["DOUALA", "YAOUNDE"]}


def test_what_two_change_to_different_values_is_refused_to_the_second() -> None:
    job = make_job(schedule="0 2 * * *")
    mine = stored(job)
    save(job, by="bob", schedule="0 5 * * *")
    mine.schedule, mine.city = "0 3 * * *", "YAOUNDE"
    with pytest.raises(ValidationError) as caught:
        roster.save(mine, now=NOW, by="ada", seen={"city": "DOUALA", "schedule": "0 2 * * *"})
    assert list(caught.value.message_dict) == ["schedule"]
    assert (stored(job).city, stored(job).schedule) == ("DOUALA", "0 5 * * *")
    assert rows(job)[-1] == ("changed", "bob", "")


@pytest.mark.parametrize("active", [True, False])
def test_what_waits_to_be_adopted_waits_until_it_has_a_schedule(active: bool) -> None:
    (job,) = registered()
    save(job, is_active=True)
    save(job, is_active=active, city="YAOUNDE")
    assert (stored(job).is_active, stored(job).awaits_adoption) == (active, True)
    save(job, is_active=active, schedule="0 2 * * *")
    assert not stored(job).awaits_adoption
