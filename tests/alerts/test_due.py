"""What is due by the time alone: the table of reminders and escalations, and digests."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from scanner.alerts import planning
from scanner.alerts.due import latest_slot, plan_due
from scanner.models import (
    Channel,
    Delivery,
    Incident,
    IncidentEvent,
    MaintenanceWindow,
    Recipient,
)
from tests.alerts.rows import (
    DAY,
    HOUR,
    MINUTE,
    builtin,
    make_channel,
    make_event,
    make_incident,
    make_problem_jobs,
)
from tests.scanning import NOW

pytestmark = pytest.mark.django_db

# NOW is noon in UTC; channels speak at 9 in UTC unless a test says otherwise.
NINE = NOW.replace(hour=9)


@pytest.fixture(autouse=True)
def _no_admins(settings: Settings) -> None:
    settings.ADMIN_EMAIL_RECIPIENTS = []
    settings.TIME_ZONE = "UTC"


def open_incident(at: datetime = NOW, **fields: Any) -> Incident:
    """Open an incident of a job at a time, and tell of it what is told at once."""
    job = make_problem_jobs(1, "FAILED", "x", database=f"D{Incident.objects.count()}_", now=at)
    incident = make_incident(job, now=at, **fields)
    planning.plan([make_event(incident, at=at)], now=at)
    return incident


def due(at: datetime) -> list[tuple[str, str]]:
    """Plan what is due; give the channels and kinds of events of what is new."""
    last = Delivery.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    plan_due(now=at)
    rows = Delivery.objects.filter(pk__gt=last).order_by("pk")
    return [(row.channel.name, row.event.kind if row.event else "digest") for row in rows]


# --- The table: level x acknowledged x maintenance x escalation x reminder

LEVELS = ("problem", "warning")
ACKNOWLEDGED = ("no", "for ever", "until later", "run out")
MAINTENANCE = ("none", "of the job", "of another", "of everything")
ESCALATION = ("at once", "not yet", "due")
REMINDERS = ("never", "hourly", "daily")


@pytest.mark.parametrize(
    ("level", "acknowledged", "maintenance", "escalation", "reminders"),
    list(product(LEVELS, ACKNOWLEDGED, MAINTENANCE, ESCALATION, REMINDERS)),
)
def test_the_table(
    level: str, acknowledged: str, maintenance: str, escalation: str, reminders: str
) -> None:
    """An incident of the day before yesterday, and a channel that is told of problems."""
    hours = {"at once": 0, "not yet": 72, "due": 24}[escalation]
    make_channel("ops", reminders=reminders, escalate_after_hours=hours)
    opened = NINE - 2 * DAY
    incident = open_incident(opened, level=level)
    if acknowledged != "no":
        until = {"for ever": None, "until later": NOW + DAY, "run out": NOW - MINUTE}[acknowledged]
        Incident.objects.update(acknowledged_at=opened, acknowledged_until=until)
    if maintenance != "none":
        over: dict[str, dict[str, Any]] = {
            "of the job": {"job": incident.job},
            "of another": {"city": "PARIS"},
        }
        MaintenanceWindow.objects.create(
            name="w",
            starts_at=NOW - HOUR,
            ends_at=NOW + HOUR,
            created_at=NOW,
            **over.get(maintenance, {}),
        )
    silent = (
        level == "warning"
        or acknowledged in ("for ever", "until later")
        or maintenance in ("of the job", "of everything")
    )
    if silent or escalation == "not yet":
        expected = []
    elif escalation == "due":
        expected = [("ops", "opened")]  # told now for the first time, and so not reminded
    else:
        expected = [] if reminders == "never" else [("ops", "reminder")]
    assert due(NOW) == expected
    assert due(NOW) == []  # once is enough


# --- Reminders


@pytest.mark.parametrize(
    ("opened", "first"),
    [
        (NINE, NINE + DAY),  # just 24 hours
        (NINE + MINUTE, NINE + 2 * DAY),
        (NINE - MINUTE, NINE + DAY),
    ],
)
def test_the_first_daily_reminder_is_a_day_after_the_incident(
    opened: datetime, first: datetime
) -> None:
    make_channel("ops")
    open_incident(opened)
    at = opened
    while at < first:
        assert due(at) == []
        at += HOUR / 2
    assert due(first - MINUTE) == []
    assert due(first) == [("ops", "reminder")]
    assert due(first + 23 * HOUR) == []
    assert due(first + DAY) == [("ops", "reminder")]


def test_hourly_reminders_come_an_hour_apart() -> None:
    make_channel("ops", reminders="hourly")
    open_incident(NOW)
    assert due(NOW + 59 * MINUTE) == []
    assert due(NOW + HOUR) == [("ops", "reminder")]
    assert due(NOW + 2 * HOUR - MINUTE) == []
    assert due(NOW + 2 * HOUR) == [("ops", "reminder")]


def test_the_hour_is_that_of_the_channels_zone_whatever_the_clocks_do() -> None:
    paris = ZoneInfo("Europe/Paris")
    channel = make_channel("ops", time_zone="Europe/Paris", reminder_hour=2)
    # On 29 March 2026 the clocks leave out the hour from 2 to 3; on 25 October they show it twice.
    spring = datetime(2026, 3, 29, 12, tzinfo=UTC)
    assert latest_slot(channel, spring) == datetime(2026, 3, 29, 1, tzinfo=UTC)
    autumn = datetime(2026, 10, 25, 12, tzinfo=UTC)
    assert latest_slot(channel, autumn) == datetime(2026, 10, 25, 0, tzinfo=UTC)
    summer = datetime(2026, 7, 1, 1, 30, tzinfo=paris).astimezone(UTC)
    assert latest_slot(channel, summer) == datetime(2026, 6, 30, 0, tzinfo=UTC)


def test_one_event_reminds_all_who_were_told_and_who_is_new_is_told_what_is_open() -> None:
    make_channel("ops", reminders="hourly")
    make_channel("chat", "apprise", reminders="hourly")
    open_incident(NOW)
    make_channel("new", address="new@example.com", reminders="hourly")
    assert sorted(due(NOW + HOUR)) == [
        ("chat", "reminder"),
        ("new", "opened"),
        ("ops", "reminder"),
    ]
    assert IncidentEvent.objects.filter(kind="reminder").count() == 1


def test_news_put_a_reminder_off() -> None:
    make_channel("ops", reminders="hourly")
    incident = open_incident(NOW)
    later = NOW + 50 * MINUTE
    planning.plan([make_event(incident, "changed", at=later)], now=later)
    assert due(NOW + HOUR) == []
    assert due(later + HOUR) == [("ops", "reminder")]


def test_what_is_over_is_not_reminded_of() -> None:
    make_channel("ops", reminders="hourly")
    open_incident(NOW, ended_at=NOW)
    assert due(NOW + DAY) == []


# --- Escalation


def test_what_lasts_is_escalated_once_and_the_channel_is_told_of_the_end() -> None:
    make_channel("boss", escalate_after_hours=4)
    incident = open_incident(NOW)
    assert due(NOW + 4 * HOUR - MINUTE) == []
    assert due(NOW + 4 * HOUR) == [("boss", "opened")]
    assert due(NOW + 5 * HOUR) == []
    event = make_event(incident, "recovered", at=NOW + 6 * HOUR)
    assert planning.plan([event], now=NOW + 6 * HOUR) == 1


def test_the_newest_news_is_what_is_escalated() -> None:
    make_channel("boss", escalate_after_hours=4)
    incident = open_incident(NOW)
    make_event(incident, "changed", at=NOW + HOUR)
    make_event(incident, "partly", at=NOW + 2 * HOUR)
    assert due(NOW + 4 * HOUR) == [("boss", "changed")]


# --- Digests


def test_a_daily_digest_is_due_at_its_hour_once() -> None:
    make_channel("ops", digest="daily", created_at=NINE - DAY)
    assert due(NINE - MINUTE) == [("ops", "digest")]  # yesterday's, of a server that was down
    assert due(NINE) == [("ops", "digest")]
    assert due(NINE + HOUR) == []
    assert due(NINE + DAY) == [("ops", "digest")]


def test_a_weekly_digest_is_due_on_mondays() -> None:
    assert NOW.weekday() == 0
    make_channel("ops", digest="weekly", created_at=NINE - DAY)
    assert due(NINE - MINUTE) == []
    assert due(NINE) == [("ops", "digest")]
    for day in range(1, 7):
        assert due(NINE + day * DAY) == []
    assert due(NINE + 7 * DAY) == [("ops", "digest")]


def test_a_channel_that_was_just_made_has_no_digest_of_before() -> None:
    make_channel("ops", digest="daily", created_at=NOW)
    assert due(NOW) == []


def test_after_days_without_a_server_one_digest_is_due() -> None:
    make_channel("ops", digest="daily")
    assert due(NINE) == [("ops", "digest")]
    assert due(NOW + 9 * DAY) == [("ops", "digest")]
    assert due(NOW + 9 * DAY) == []


def test_a_recipient_may_want_a_digest_or_none() -> None:
    make_channel("ops", digest="daily", address="a@example.com, b@example.com")
    make_channel("quiet", address="c@example.com")
    Recipient.objects.create(address="a@example.com", digest="off")
    Recipient.objects.create(address="c@example.com", digest="daily")
    due(NINE)
    found = Delivery.objects.order_by("recipient").values_list("recipient", flat=True)
    assert list(found) == ["b@example.com", "c@example.com"]


def test_the_channel_that_is_built_in_digests_for_the_recipients_of_jobs(
    settings: Settings,
) -> None:
    settings.ADMIN_EMAIL_RECIPIENTS = ["admin@example.com"]
    make_problem_jobs(2, notification_recipients="a@example.com")
    Channel.objects.filter(pk=builtin().pk).update(digest="daily", created_at=NOW - 9 * DAY)
    due(NINE)
    found = Delivery.objects.order_by("recipient").values_list("recipient", flat=True)
    assert list(found) == ["a@example.com", "admin@example.com"]


def test_statements_do_not_grow_with_incidents() -> None:
    builtin()
    make_channel("ops", reminders="hourly")
    make_channel("boss", escalate_after_hours=1, address="boss@example.com")
    counts = []
    for number, count in enumerate((3, 40)):
        at = NOW + number * DAY
        Incident.objects.update(ended_at=at)
        for _ in range(count):
            open_incident(at)
        with CaptureQueriesContext(connection) as queries:
            assert plan_due(now=at + timedelta(hours=2)) == 2 * count
        counts.append(len(queries))
    assert counts[0] == counts[1]
