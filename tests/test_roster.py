"""What a change of a job means for the cycle it awaits."""

from datetime import datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from pytest_django import DjangoAssertNumQueries, Settings

from scanner import roster
from scanner.models import ExpectedBackupJob
from scanner.pipeline.deposit import Place
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
TWO = NOW.replace(hour=2)
HOUR = timedelta(hours=1)


def awaited(job: ExpectedBackupJob) -> tuple[datetime | None, datetime | None]:
    job.refresh_from_db()
    return job.due_at, job.deadline_at


def change(job: ExpectedBackupJob, now: datetime = NOW, **fields: object) -> None:
    job = ExpectedBackupJob.objects.get(pk=job.pk)
    for name, value in fields.items():
        setattr(job, name, value)
    roster.save(job, now=now)


def test_a_new_job_awaits_its_first_deadline_after_creation() -> None:
    assert awaited(make_job(schedule="0 2 * * *", grace_minutes=60)) == (
        TWO + DAY,
        TWO + DAY + HOUR,
    )


def test_a_job_made_within_the_grace_of_a_cycle_awaits_that_cycle() -> None:
    job = make_job(schedule="0 2 * * *", grace_minutes=60, now=TWO + HOUR / 2)
    assert awaited(job) == (TWO, TWO + HOUR)


def test_a_job_without_a_schedule_awaits_nothing() -> None:
    assert awaited(make_job()) == (None, None)


def test_a_schedule_is_evaluated_in_the_jobs_zone() -> None:
    job = make_job(schedule="0 2 * * *", time_zone="Africa/Douala", grace_minutes=60)
    assert awaited(job) == (TWO + DAY - HOUR, TWO + DAY)


def test_blank_zone_and_grace_mean_the_settings(settings: Settings) -> None:
    settings.AGENT_TIME_ZONE = "Africa/Douala"
    settings.REPORT_COLLECTION_WINDOW_MINUTES = 90
    assert awaited(make_job(schedule="0 2 * * *")) == (TWO + DAY - HOUR, TWO + DAY + HOUR / 2)


def test_pausing_awaits_nothing_and_resuming_counts_from_then() -> None:
    job = make_job(schedule="0 2 * * *", grace_minutes=60)
    assert roster.pause([job.pk], now=NOW) == 1
    assert awaited(job) == (None, None)
    assert roster.resume([job.pk], now=NOW + 10 * DAY) == 1
    assert awaited(job) == (TWO + 11 * DAY, TWO + 11 * DAY + HOUR)
    assert roster.resume([job.pk], now=NOW + 20 * DAY) == 0
    assert awaited(job) == (TWO + 11 * DAY, TWO + 11 * DAY + HOUR)


def test_a_changed_schedule_holds_for_what_is_not_due_yet() -> None:
    job = make_job(schedule="0 2 * * *", grace_minutes=60)
    change(job, schedule="0 14 * * *")
    assert awaited(job) == (NOW + 2 * HOUR, NOW + 3 * HOUR)


def test_a_cycle_already_due_keeps_its_due_and_takes_the_new_grace() -> None:
    job = make_job(schedule="0 2 * * *", grace_minutes=60, now=TWO - HOUR)
    change(job, now=TWO + HOUR / 2, schedule="0 4 * * *", grace_minutes=120)
    assert awaited(job) == (TWO, TWO + 2 * HOUR)
    job.refresh_from_db()
    cycle = job.calendar.cycle_of(TWO + HOUR / 4)
    assert cycle is not None
    assert cycle.due == TWO


def test_a_changed_grace_moves_the_deadline() -> None:
    job = make_job(schedule="0 2 * * *", grace_minutes=60)
    change(job, grace_minutes=30)
    assert awaited(job) == (TWO + DAY, TWO + DAY + HOUR / 2)


def test_saving_without_a_change_changes_nothing() -> None:
    job = make_job(schedule="0 2 * * *", grace_minutes=60, now=TWO - HOUR)
    change(job, now=TWO + HOUR / 2, notification_recipients="ops@example.org")
    assert awaited(job) == (TWO, TWO + HOUR)
    assert ExpectedBackupJob.objects.get().past_timetables == []


def test_a_changed_zone_holds_for_what_is_not_due_yet() -> None:
    job = make_job(schedule="0 2 * * *", grace_minutes=60)
    change(job, time_zone="Africa/Douala")
    assert awaited(job) == (TWO + DAY - HOUR, TWO + DAY)


def test_removing_the_schedule_leaves_what_is_due_already() -> None:
    job = make_job(schedule="0 2 * * *", grace_minutes=60, now=TWO - HOUR)
    change(job, now=TWO + HOUR / 2, schedule="")
    assert awaited(job) == (TWO, TWO + HOUR)
    other = make_job("OTHER", schedule="0 2 * * *", grace_minutes=60)
    change(other, schedule="")
    assert awaited(other) == (None, None)


def test_a_first_schedule_counts_from_now() -> None:
    job = make_job()
    change(job, schedule="0 * * * *", grace_minutes=10)
    assert awaited(job) == (NOW + HOUR, NOW + HOUR + timedelta(minutes=10))


def test_a_changed_agent_time_zone_reaches_the_jobs_without_their_own(settings: Settings) -> None:
    job = make_job(schedule="0 2 * * *", grace_minutes=60)
    own = make_job("OWN", schedule="0 2 * * *", grace_minutes=60, time_zone="UTC")
    settings.AGENT_TIME_ZONE = "Africa/Douala"
    assert roster.keep_up(now=NOW) == 1
    assert awaited(job) == (TWO + DAY - HOUR, TWO + DAY)
    assert awaited(own) == (TWO + DAY, TWO + DAY + HOUR)
    assert roster.keep_up(now=NOW) == 0


def test_what_a_scan_found_meanwhile_stands() -> None:
    job = make_job(schedule="0 2 * * *")
    ExpectedBackupJob.objects.filter(pk=job.pk).update(
        status="FAILED", reason="backup_failed", due_at=TWO + 5 * DAY
    )
    job.city = "YAOUNDE"
    roster.save(job, now=NOW)
    job.refresh_from_db()
    assert (job.city, job.status, job.due_at) == ("YAOUNDE", "FAILED", TWO + 5 * DAY)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schedule", "every day"),
        ("schedule", "0 0 30 2 *"),
        ("time_zone", "Mars/Olympus"),
        ("database_name", ""),
        ("company_name", "x" * 101),
    ],
)
def test_a_job_that_cannot_be_is_refused_and_says_which_field(field: str, value: str) -> None:
    job = ExpectedBackupJob(
        company_name="ACME", city="A", neighborhood="B", database_name="C", agent_id="ACME_A_B"
    )
    setattr(job, field, value)
    with pytest.raises(ValidationError) as caught:
        roster.save(job, now=NOW)
    assert field in caught.value.message_dict
    assert not ExpectedBackupJob.objects.exists()


def test_one_database_of_an_agent_is_expected_once() -> None:
    make_job()
    with pytest.raises(ValidationError, match="expected already"):
        make_job(agent_id="acme_douala_newbell")


def test_an_unexpected_database_gets_its_place_from_the_agent_and_its_year_from_its_name() -> None:
    found = roster.Unexpected(
        "ACME_YAOUNDE_ETOA_MEKI", Place("ACME", "YAOUNDE", "ETOA_MEKI"), "X_2025"
    )
    (job,) = roster.register([found], active=False, now=NOW)
    assert (job.company_name, job.city, job.neighborhood) == ("ACME", "YAOUNDE", "ETOA_MEKI")
    assert (job.year, job.agent_id, job.is_active) == (2025, "ACME_YAOUNDE_ETOA_MEKI", False)
    assert job.pk is not None


@pytest.mark.parametrize(
    ("database", "year"),
    [("X_2025", 2025), ("X2025", 2025), ("X_12025", None), ("X_2525", None), ("X", None)],
)
def test_a_year_is_a_four_digit_suffix(database: str, year: int | None) -> None:
    assert roster.year_of(database) == year


def test_many_jobs_cost_as_many_statements_as_few(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(20):
        make_job(f"DB{number}", schedule="0 2 * * *")
    keys = list(ExpectedBackupJob.objects.values_list("pk", flat=True))
    with django_assert_num_queries(5):
        roster.pause(keys[:2], now=NOW)
    with django_assert_num_queries(5):
        roster.pause(keys[2:], now=NOW)
