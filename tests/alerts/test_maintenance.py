"""Which maintenance windows lie open at a moment, whom they cover, and until when."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from pytest_django import DjangoAssertNumQueries, Settings

from scanner.alerts import maintenance
from scanner.models import Channel, ExpectedBackupJob, MaintenanceWindow
from tests.alerts.rows import builtin
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def make_window(**fields: Any) -> MaintenanceWindow:
    """Store a window from an hour ago until in an hour, unless told otherwise."""
    once = {"starts_at": NOW - HOUR, "ends_at": NOW + HOUR}
    window = MaintenanceWindow(
        **{"name": "work", "created_at": NOW, **({} if "cron" in fields else once), **fields}
    )
    window.clean()
    window.save()
    return window


def until(job: ExpectedBackupJob, now: datetime = NOW) -> datetime | None:
    return maintenance.read(now=now).until(job)


def everything(now: datetime) -> datetime | None:
    return maintenance.read(now=now).over_everything()


# --- When -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("starts", "ends", "is_open"),
    [
        (-HOUR, HOUR, True),
        (timedelta(), HOUR, True),
        (-HOUR, timedelta(), False),
        (-HOUR, timedelta(microseconds=1), True),
        (timedelta(microseconds=1), HOUR, False),
        (-2 * HOUR, -HOUR, False),
        (HOUR, 2 * HOUR, False),
    ],
)
def test_a_window_is_open_from_its_start_until_right_before_its_end(
    starts: timedelta, ends: timedelta, is_open: bool
) -> None:
    make_window(starts_at=NOW + starts, ends_at=NOW + ends)
    assert everything(NOW) == (NOW + ends if is_open else None)


def utc(month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "zone", "minutes", "now", "ends"),
    [
        # Saturdays at 22:00 in Paris, for four hours: over midnight.
        ("0 22 * * 6", "Europe/Paris", 240, utc(3, 7, 20, 59), None),
        ("0 22 * * 6", "Europe/Paris", 240, utc(3, 7, 21), utc(3, 8, 1)),
        ("0 22 * * 6", "Europe/Paris", 240, utc(3, 8, 0, 59), utc(3, 8, 1)),
        ("0 22 * * 6", "Europe/Paris", 240, utc(3, 8, 1), None),
        # The same when the clocks have gone forward, and in a zone without such.
        ("0 22 * * 6", "Europe/Paris", 240, utc(4, 4, 20), utc(4, 5, 0)),
        ("0 22 * * 6", "Africa/Douala", 240, utc(4, 4, 20, 59), None),
        ("0 22 * * 6", "Africa/Douala", 240, utc(4, 4, 21), utc(4, 5, 1)),
        # The clocks go forward, from 2 to 3: a start that is skipped is when the skip ends.
        ("30 2 * * *", "Europe/Paris", 60, utc(3, 29, 0, 59), None),
        ("30 2 * * *", "Europe/Paris", 60, utc(3, 29, 1), utc(3, 29, 2)),
        # ... and what began before lasts as long as ever.
        ("0 1 * * *", "Europe/Paris", 120, utc(3, 29, 1, 59), utc(3, 29, 2)),
        # The clocks go back, from 3 to 2: one start, the first time that the clock shows it.
        ("30 2 * * *", "Europe/Paris", 60, utc(10, 25, 0, 30), utc(10, 25, 1, 30)),
        ("30 2 * * *", "Europe/Paris", 60, utc(10, 25, 1, 30), None),
        # One that begins again before it is over: the end of the newest beginning.
        ("0 * * * *", "UTC", 90, utc(3, 2, 12, 10), utc(3, 2, 13, 30)),
        ("0 * * * *", "UTC", 90, utc(3, 2, 12, 50), utc(3, 2, 13, 30)),
        ("* * * * *", "UTC", 31 * 24 * 60, utc(3, 2, 12, 0), utc(4, 2, 12, 0)),
        # Far from its last beginning.
        ("0 0 29 2 *", "UTC", 60, utc(3, 2, 12), None),
    ],
)
def test_a_window_recurs_in_its_zone_for_as_long_as_it_says(
    cron: str, zone: str, minutes: int, now: datetime, ends: datetime | None
) -> None:
    make_window(cron=cron, time_zone=zone, duration_minutes=minutes)
    assert everything(now) == ends


def test_a_window_without_a_zone_recurs_in_that_of_the_display(settings: Settings) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    make_window(cron="0 22 * * *", duration_minutes=60)
    assert everything(utc(3, 2, 13)) == utc(3, 2, 14)


def test_a_window_that_is_switched_off_keeps_nobody_silent() -> None:
    make_window(enabled=False)
    make_window(cron="* * * * *", duration_minutes=5, enabled=False)
    assert maintenance.read(now=NOW).active == ()


def test_a_window_that_cannot_be_read_any_more_is_told_and_costs_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    make_window(name="broken")
    MaintenanceWindow.objects.update(cron="every day", duration_minutes=60)
    make_window(ends_at=NOW + 2 * HOUR)
    assert everything(NOW) == NOW + 2 * HOUR
    [told] = caplog.records
    assert "the maintenance window 'broken' keeps nobody silent: " in told.getMessage()


@pytest.mark.parametrize(
    ("fields", "ends"),
    [
        ({}, NOW + HOUR),
        ({"starts_at": NOW + MINUTE}, None),
        ({"ends_at": NOW}, None),
        ({"starts_at": None}, None),
        ({"cron": "0 12 * * *", "time_zone": "UTC", "duration_minutes": 30}, NOW + HOUR / 2),
        ({"cron": "0 12 * * *", "time_zone": "UTC", "duration_minutes": None}, None),
        ({"cron": "0 13 * * *", "time_zone": "UTC", "duration_minutes": 30}, None),
        ({"cron": "every day", "duration_minutes": 30}, None),
        ({"cron": "0 12 * * *", "time_zone": "Mars/Base", "duration_minutes": 30}, None),
    ],
)
def test_the_end_of_a_window_is_told_while_it_is_open(
    fields: dict[str, Any], ends: datetime | None
) -> None:
    once = {"starts_at": NOW - HOUR, "ends_at": NOW + HOUR}
    assert maintenance.end_of(MaintenanceWindow(**once | fields), now=NOW) == ends


# --- Whom -----------------------------------------------------------------------------------------

PLACES = [
    ({}, True),
    ({"company": "Acme"}, True),
    ({"company": "ACME", "city": "douala"}, True),
    ({"company": "ACME", "city": "DOUALA", "neighborhood": "Newbell"}, True),
    ({"agent_id": "acme_douala_newbell"}, True),
    ({"city": "DOUALA"}, True),
    ({"company": "OTHER"}, False),
    ({"company": "ACME", "city": "YAOUNDE"}, False),
    ({"company": "ACME", "neighborhood": "AKWA"}, False),
    ({"company": "ACM"}, False),
    ({"company": "ACME", "agent_id": "ACME_DOUALA_AKWA"}, False),
]


@pytest.mark.parametrize(("place", "is_covered"), PLACES)
def test_a_window_covers_what_is_in_all_that_it_says(
    place: dict[str, str], is_covered: bool
) -> None:
    make_window(**place)
    job = make_job()
    assert until(job) == (NOW + HOUR if is_covered else None)
    assert everything(NOW) == (None if place else NOW + HOUR)


def test_a_window_of_a_job_covers_that_job_alone() -> None:
    job, other = make_job(), make_job("OTHER_2025")
    make_window(job=job)
    assert until(job) == NOW + HOUR
    assert until(other) is None
    assert everything(NOW) is None


def test_a_job_that_left_the_place_of_its_window_is_not_covered() -> None:
    job = make_job()
    make_window(job=job, city="YAOUNDE")
    assert until(job) is None


def test_of_several_windows_the_one_that_ends_last_counts() -> None:
    job = make_job()
    make_window(ends_at=NOW + 2 * HOUR)
    make_window(company="ACME", ends_at=NOW + 3 * HOUR)
    make_window(company="OTHER", ends_at=NOW + 5 * HOUR)
    make_window(cron="0 10 * * *", time_zone="UTC", duration_minutes=180)
    assert until(job) == NOW + 3 * HOUR
    assert everything(NOW) == NOW + 2 * HOUR


# --- Cost and change ------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 20])
def test_windows_are_read_in_one_statement(
    count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    job = make_job()
    for _ in range(count):
        make_window(job=job)
        make_window(cron="0 12 * * *", time_zone="UTC", duration_minutes=60)
    with django_assert_num_queries(1):
        windows = maintenance.read(now=NOW)
        windows.until(job)
        windows.over_everything()
    assert len(windows.active) == 2 * count


def held(job: ExpectedBackupJob, until: datetime | None) -> ExpectedBackupJob:
    ExpectedBackupJob.objects.filter(pk=job.pk).update(alert_check_at=until)
    return job


def test_a_change_has_what_is_held_for_later_looked_at_again_and_nothing_else(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    builtin()
    later = [held(make_job(f"L{number}_2025"), NOW + number * HOUR) for number in (1, 2, 300)]
    due, idle = held(make_job("DUE_2025"), NOW - HOUR), held(make_job("IDLE_2025"), None)
    with transaction.atomic(), django_assert_num_queries(4):
        maintenance.changed(now=NOW)
    marks = dict(ExpectedBackupJob.objects.values_list("pk", "alert_check_at"))
    assert marks == {**{job.pk: NOW for job in later}, due.pk: NOW - HOUR, idle.pk: None}


@pytest.mark.django_db(transaction=True)
def test_a_change_waits_for_whoever_holds_jobs_by_the_windows_of_before() -> None:
    job = make_job()
    builtin()

    def change() -> None:
        maintenance.changed(now=NOW)
        connection.close()

    rival = threading.Thread(target=change)
    with transaction.atomic():
        Channel.objects.select_for_update().get(is_builtin=True)
        rival.start()
        rival.join(0.5)
        held(job, NOW + DAY)
    rival.join()
    job.refresh_from_db()
    assert job.alert_check_at == NOW
