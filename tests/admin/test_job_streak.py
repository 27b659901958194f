"""For how long a job's backups have been good and on time: no day counts that nobody judged."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from scanner import roster
from scanner.admin import job_streak
from scanner.admin.job_streak import Streak
from scanner.models import BackupEntry, ExpectedBackupJob, JobChange
from tests.admin.rows import add_entries
from tests.admin.test_history import make_entry
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TODAY = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday; it is noon
OLD = TODAY - 200 * DAY


def daily(*, schedule: str = "@daily", **fields: Any) -> ExpectedBackupJob:
    return make_job(schedule=schedule, now=OLD, **{"time_zone": "UTC", **fields})


def good(job: ExpectedBackupJob, *ago: int, **fields: Any) -> None:
    """Record good backups of these days before today, in the order in which they are told."""
    for days in ago:
        make_entry(job, cycle_due=TODAY - days * DAY, **fields)


def streak(job: ExpectedBackupJob, awaited: datetime | None = TODAY + DAY) -> Streak:
    ExpectedBackupJob.objects.filter(pk=job.pk).update(due_at=awaited)
    job.refresh_from_db()
    return job_streak.of(job)


def back(*spans: range) -> Iterable[int]:
    return [days for span in spans for days in span]


def test_each_day_counts_back_to_the_first_backup() -> None:
    job = daily()
    good(job, *range(9, -1, -1))
    assert streak(job) == Streak(10, TODAY - 9 * DAY, is_daily=True)


def test_without_an_entry_there_is_no_row() -> None:
    assert streak(daily()) == Streak()
    assert streak(make_job("ANY")) == Streak()


@pytest.mark.parametrize(
    "trouble",
    [
        {"status": "MISSING", "reason": "no_report"},
        {"status": "CORRUPT", "reason": "hash_mismatch"},
        {"status": "FAILED", "reason": "backup_failed"},
        {"warnings": ["opaque", "late"]},
    ],
)
def test_the_last_trouble_ends_it(trouble: dict[str, Any]) -> None:
    job = daily()
    good(job, 5, 4)
    good(job, 3, **trouble)
    assert streak(job) == Streak()
    good(job, 2, 1, 0, warnings=["opaque"])
    assert streak(job) == Streak(3, TODAY - 2 * DAY, is_daily=True)


def test_days_without_an_entry_do_not_count_as_good() -> None:
    job = daily()
    good(job, *back(range(50, 46, -1), range(3, 0, -1)))
    assert streak(job, TODAY) == Streak(3, TODAY - 3 * DAY, is_daily=True)


def test_a_cycle_that_can_no_longer_be_judged_is_a_gap() -> None:
    job = daily()
    good(job, 4, 3)
    good(job, 2, status="UNKNOWN", reason="superseded")
    good(job, 1, 0)
    assert streak(job) == Streak(2, TODAY - DAY, is_daily=True)


def test_one_cycle_without_an_entry_is_a_gap_on_a_day_that_has_others() -> None:
    job = daily(schedule="0 * * * *")
    for hour in (0, 1, 2, 4, 5):
        make_entry(job, cycle_due=TODAY + hour * HOUR)
    assert streak(job, TODAY + 6 * HOUR) == Streak(2, TODAY + 4 * HOUR)


def test_a_backup_that_is_judged_after_later_ones_closes_the_gap() -> None:
    job = daily()
    good(job, 3, 1, 0)
    assert streak(job).count == 2
    good(job, 2, 2)
    assert streak(job) == Streak(4, TODAY - 3 * DAY, is_daily=True)


def test_entries_of_every_week_do_not_speak_for_every_day() -> None:
    job = daily()
    good(job, *range(42, -1, -7))
    assert streak(job) == Streak(1, TODAY, is_daily=True)
    job = daily(database="WEEKLY", schedule="0 0 * * 1")
    good(job, *range(42, -1, -7))
    assert streak(job, TODAY + 7 * DAY) == Streak(7, TODAY - 42 * DAY)


def test_it_begins_with_the_schedule_and_the_zone_that_are_in_force() -> None:
    job = daily(schedule="0 0 * * 1")
    good(job, 21, 14, 7)
    job.schedule = "@daily"
    roster.save(job, now=TODAY - 5 * DAY - HOUR)
    good(job, *range(5, -1, -1))
    assert streak(job) == Streak(6, TODAY - 5 * DAY, is_daily=True)
    job.time_zone = "Africa/Douala"
    roster.save(job, now=TODAY + HOUR)
    assert streak(job) == Streak()
    make_entry(job, cycle_due=TODAY + 23 * HOUR)
    assert streak(job, TODAY + 47 * HOUR) == Streak(1, TODAY + 23 * HOUR, is_daily=True)


def test_another_zone_of_the_agents_ends_it_too(settings: Any) -> None:
    job = daily(time_zone="")
    good(job, 3, 2, 1, 0)
    settings.AGENT_TIME_ZONE = "Africa/Douala"
    roster.keep_up(now=TODAY + HOUR)
    assert streak(job) == Streak()


def test_it_begins_with_the_end_of_a_pause() -> None:
    job = daily()
    good(job, 6, 5, 4)
    roster.pause([job.pk], now=TODAY - 4 * DAY + HOUR)
    roster.resume([job.pk], now=TODAY - 3 * DAY - HOUR)
    good(job, 3, 2, 1, 0)
    assert streak(job) == Streak(4, TODAY - 3 * DAY, is_daily=True)


@pytest.mark.parametrize("by_form", [True, False])
def test_a_pause_ends_the_row_of_what_has_no_schedule_too(by_form: bool) -> None:
    job = make_job(now=OLD)
    make_entry(job, operation_end=TODAY - 6 * DAY)
    if by_form:
        for is_active, ago in ((False, 5), (True, 3)):
            job.is_active = is_active
            roster.save(job, now=TODAY - ago * DAY)
    else:
        roster.retire([job.pk], now=TODAY - 5 * DAY)
        roster.resume([job.pk], now=TODAY - 3 * DAY)
    make_entry(job, operation_end=TODAY - 2 * DAY)
    make_entry(job, recorded_at=TODAY)
    assert streak(job, None) == Streak(2, TODAY - 2 * DAY)


def test_what_has_no_schedule_may_come_whenever_it_comes() -> None:
    job = make_job(now=OLD)
    for ago in (90, 30, 29, 3):
        make_entry(job, operation_end=TODAY - ago * DAY)
    assert streak(job, None) == Streak(4, TODAY - 90 * DAY)


def test_a_backup_for_each_day_is_one_until_the_day_that_is_awaited() -> None:
    job = daily()
    good(job, 3, 2, 1)
    assert streak(job, TODAY).is_daily  # due today, and not here yet
    workdays = daily(database="WORKDAYS", schedule="0 0 * * 1-5")
    good(workdays, *range(7, 2, -1))
    assert streak(workdays, TODAY) == Streak(5, TODAY - 7 * DAY)
    twice = daily(database="TWICE", schedule="0 0,12 * * *")
    for half_days in range(4, -1, -1):
        make_entry(twice, cycle_due=TODAY - half_days * 12 * HOUR)
    assert streak(twice, TODAY + 12 * HOUR) == Streak(5, TODAY - 2 * DAY)


def test_a_day_is_one_where_the_job_is() -> None:
    job = daily(schedule="30 23 * * *", time_zone="Europe/Paris")
    first = datetime(2026, 3, 27, 22, 30, tzinfo=UTC)
    dues = [first, first + DAY, first + 2 * DAY - HOUR, first + 3 * DAY - HOUR]
    for due in dues[:-1]:
        make_entry(job, cycle_due=due)
    assert streak(job, dues[-1]) == Streak(3, first, is_daily=True)


def test_no_more_than_some_hundred_are_looked_at() -> None:
    job = daily(schedule="0 * * * *")
    add_entries(job, 450)
    keys = BackupEntry.objects.filter(job=job).order_by("pk").values_list("pk", flat=True)
    entries = [
        BackupEntry(pk=pk, cycle_due=TODAY - (449 - number) * HOUR)
        for number, pk in enumerate(keys)
    ]
    BackupEntry.objects.bulk_update(entries, ["cycle_due"], batch_size=100)
    since = TODAY - 399 * HOUR
    assert streak(job, TODAY + HOUR) == Streak(400, since, is_longer=True)
    BackupEntry.objects.filter(pk=entries[200].pk).update(status="UNKNOWN")
    assert streak(job, TODAY + HOUR) == Streak(249, TODAY - 248 * HOUR)


def test_a_zone_that_is_known_no_more_leaves_nothing_to_tell() -> None:
    job = daily()
    good(job, 1, 0)
    ExpectedBackupJob.objects.filter(pk=job.pk).update(time_zone="Mars/Olympus")
    assert streak(job) == Streak()


def test_it_takes_two_statements_for_any_history(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    job = daily()
    for count in (1, 500):
        add_entries(job, count)
        JobChange.objects.bulk_create(
            JobChange(job=job, action="changed", changed_at=NOW, changes={"schedule": ["", "x"]})
            for _ in range(count)
        )
        with django_assert_num_queries(2):
            job_streak.of(job)
