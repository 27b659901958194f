"""From events to deliveries: who is told of what, at once."""

from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from scanner.alerts.audience import addresses
from scanner.alerts.planning import plan
from scanner.models import Channel, Delivery, ExpectedBackupJob, Incident, IncidentEvent
from tests.alerts.rows import (
    builtin,
    make_channel,
    make_delivery,
    make_event,
    make_incident,
    make_problem_jobs,
)
from tests.scanning import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_admins(settings: Settings) -> None:
    settings.ADMIN_EMAIL_RECIPIENTS = []


def told(event: IncidentEvent) -> list[tuple[str, str]]:
    """Plan one event; give the names of channels and the recipients that are to be told."""
    plan([event], now=NOW)
    rows = Delivery.objects.filter(event=event).order_by("channel__name", "recipient")
    return list(rows.values_list("channel__name", "recipient"))


def incident_of(jobs: Sequence[ExpectedBackupJob] = (), **fields: Any) -> Incident:
    return make_incident(jobs or make_problem_jobs(1, "FAILED", "backup_failed"), **fields)


@pytest.mark.parametrize(
    ("channel", "level", "is_told"),
    [
        ("problem", "problem", True),
        ("problem", "warning", False),
        ("warning", "problem", True),
        ("warning", "warning", True),
    ],
)
def test_a_channel_is_told_of_its_level_and_of_what_is_worse(
    channel: str, level: str, is_told: bool
) -> None:
    make_channel("ops", level=channel)
    event = make_event(incident_of(level=level))
    assert bool(told(event)) is is_told


@pytest.mark.parametrize(
    ("scope", "is_told"),
    [
        ({}, True),
        ({"company": "ACME"}, True),
        ({"company": "acme", "city": "douala"}, True),
        ({"city": "DOUALA", "neighborhood": "NEWBELL"}, True),
        ({"company": "OTHER"}, False),
        ({"company": "ACME", "city": "PARIS"}, False),
        ({"neighborhood": "AKWA"}, False),
    ],
)
def test_a_channel_is_told_of_its_scope(scope: dict[str, str], is_told: bool) -> None:
    make_channel("ops", **scope)
    assert bool(told(make_event(incident_of()))) is is_told


def test_what_has_no_place_is_told_to_those_who_are_told_of_all() -> None:
    make_channel("all")
    make_channel("some", company="ACME", address="b@example.com")
    assert told(make_event(make_incident())) == [("all", "ops@example.com")]


def test_a_companys_incident_reaches_the_channel_of_one_of_its_cities() -> None:
    jobs = make_problem_jobs(3) + make_problem_jobs(3, city="PARIS")
    make_channel("paris", city="PARIS")
    make_channel("lyon", city="LYON", address="b@example.com")
    assert told(make_event(incident_of(jobs))) == [("paris", "ops@example.com")]


def test_a_channel_that_is_off_or_only_told_of_what_lasts_is_not_told_at_once() -> None:
    make_channel("off", enabled=False)
    make_channel("boss", escalate_after_hours=4)
    assert told(make_event(incident_of())) == []


def test_each_address_of_a_channel_gets_its_own_and_other_kinds_one(settings: Settings) -> None:
    make_channel("mail", address="A@example.com, b@example.com;c@example.com")
    make_channel("hook", "webhook")
    make_channel("chat", "apprise")
    assert told(make_event(incident_of())) == [
        ("chat", ""),
        ("hook", ""),
        ("mail", "a@example.com"),
        ("mail", "b@example.com"),
        ("mail", "c@example.com"),
    ]


def test_the_channel_that_is_built_in_tells_the_recipients_of_jobs_and_the_admins(
    settings: Settings,
) -> None:
    settings.ADMIN_EMAIL_RECIPIENTS = ["Admin@example.com"]
    jobs = make_problem_jobs(1, notification_recipients="x@example.com, bad, Y@example.com")
    jobs += make_problem_jobs(2, database="E", notification_recipients="y@example.com")
    name = builtin().name
    assert told(make_event(incident_of(jobs))) == [
        (name, "admin@example.com"),
        (name, "x@example.com"),
        (name, "y@example.com"),
    ]
    assert told(make_event(make_incident())) == [(name, "admin@example.com")]


def test_an_address_of_two_channels_is_told_once() -> None:
    jobs = make_problem_jobs(1, "FAILED", "x", notification_recipients="ops@example.com")
    first = builtin()
    make_channel("ops")
    assert told(make_event(incident_of(jobs))) == [(first.name, "ops@example.com")]


@pytest.mark.parametrize("kind", ["grown", "partly", "recovered"])
def test_what_follows_is_told_to_those_who_were_told_before(kind: str) -> None:
    ops = make_channel("ops")
    incident = incident_of()
    assert told(make_event(incident)) == [("ops", "ops@example.com")]
    Channel.objects.filter(pk=ops.pk).update(address="ops@example.com, new@example.com")
    make_channel("late", address="late@example.com", escalate_after_hours=5)
    found = told(make_event(incident, kind))
    assert ("ops", "ops@example.com") in found or kind == "grown"
    assert (("ops", "new@example.com") in found) is (kind == "grown")


def test_who_is_no_recipient_any_more_is_told_nothing_more() -> None:
    ops = make_channel("ops")
    incident = incident_of()
    told(make_event(incident))
    Channel.objects.filter(pk=ops.pk).update(address="new@example.com")
    assert told(make_event(incident, "recovered")) == []


def test_those_who_were_told_of_a_part_are_told_of_the_whole_and_of_its_end() -> None:
    make_channel("boss", escalate_after_hours=4)
    (job, *others) = make_problem_jobs(3)
    part = make_incident([job])
    make_delivery(make_event(part), Channel.objects.get(name="boss"))
    whole = make_incident(others)
    assert told(make_event(whole, "opened", parts=[part.pk])) == [("boss", "ops@example.com")]
    assert told(make_event(whole, "recovered")) == [("boss", "ops@example.com")]


def test_what_nobody_was_told_of_is_not_told_to_be_over() -> None:
    make_channel("ops")
    incident = incident_of(level="warning")
    assert told(make_event(incident)) == []
    assert told(make_event(incident, "recovered")) == []


def test_the_people_of_a_job_that_joins_are_told() -> None:
    jobs = make_problem_jobs(3, notification_recipients="a@example.com")
    incident = incident_of(jobs)
    name = builtin().name
    assert told(make_event(incident)) == [(name, "a@example.com")]
    (late,) = make_problem_jobs(1, database="L", notification_recipients="b@example.com")
    incident.members.create(job=late, since=NOW, joined_at=NOW)
    assert told(make_event(incident, "joined")) == [(name, "b@example.com")]


def test_acknowledgements_are_told_to_nobody() -> None:
    make_channel("ops")
    incident = incident_of()
    assert told(make_event(incident, "acknowledged")) == []


def test_planning_again_makes_nothing_twice() -> None:
    make_channel("ops")
    event = make_event(incident_of())
    for _ in range(2):
        assert len(told(event)) == 1


def test_statements_do_not_grow_with_incidents() -> None:
    make_channel("ops")
    counts = []
    for number, count in enumerate((5, 60)):
        jobs = make_problem_jobs(count, "FAILED", "x", database=f"D{number}_")
        events = [make_event(make_incident([job])) for job in jobs]
        with CaptureQueriesContext(connection) as queries:
            assert plan(events, now=NOW) == count
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("a@example.com", ["a@example.com"]),
        (" A@Example.com ,\nb@example.com; a@example.com", ["a@example.com", "b@example.com"]),
        ("x, @, a@b, a@example.com\r\nBcc: y", ["a@example.com"]),
        (f"{'x' * 250}@example.com", []),
    ],
)
def test_what_is_no_address_is_left_out(text: str, found: list[str]) -> None:
    assert list(addresses(text)) == found
