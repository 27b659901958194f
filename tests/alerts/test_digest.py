"""The digest: what it counts, whom it tells what, and that it stays short."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from scanner.alerts.noticing import notice
from scanner.alerts.wording import compose_digest
from scanner.models import Incident, ScanRun
from tests.alerts.rows import (
    DAY,
    HOUR,
    builtin,
    judge,
    make_channel,
    make_incident,
    make_jobs,
    make_problem_jobs,
)
from tests.scanning import NOW

pytestmark = pytest.mark.django_db

TO = "ops@example.com"


@pytest.fixture(autouse=True)
def _site(settings: Settings) -> None:
    settings.ADMIN_EMAIL_RECIPIENTS = [TO]


def words_of(text: str) -> str:
    """Give a text as if its lines were endless."""
    return text.replace("\n  ", " ").replace("\n", " ")


def scanned(days_left: float) -> None:
    """Store a scan that measured the vault."""
    ScanRun.objects.create(
        trigger="schedule",
        outcome="complete",
        started_at=NOW,
        finished_at=NOW,
        vault_free_bytes=5 * 2**30,
        vault_days_left=days_left,
    )


def test_it_says_how_all_stands() -> None:
    make_problem_jobs(2, "FAILED", "backup_failed")
    judge(make_jobs(5, database="GOOD"), "SUCCESS")
    judge(make_jobs(1, database="LATE"), "SUCCESS", warnings=["late"])
    make_jobs(1, database="NEVER", schedule="@daily")
    notice(now=NOW)
    scanned(40.0)
    first = Incident.objects.order_by("pk").first()
    assert first is not None
    Incident.objects.filter(pk=first.pk).update(
        acknowledged_at=NOW, acknowledged_by="anna", acknowledged_until=NOW + DAY
    )
    message = compose_digest(builtin(), TO, NOW, now=NOW + HOUR)
    assert message.subject == "Backups: 2 problems, 1 warning, 6 good of 9"
    words = words_of(message.text)
    for told in (
        "1 database never had a good backup",
        "NEVER0: ACME / DOUALA / NEWBELL",
        "Incidents acknowledged: 1",
        "Acknowledged by: anna, until 3 March 2026",
        "the vault holds no copies",
        "5.0\u00a0GB",
        "Full in: 40 days",
    ):
        assert told in words
    assert words.index("DB1 at") < words.index("LATE0 at")
    assert message.data["digest"]["problems"] == 2
    assert not message.is_problem


@pytest.mark.parametrize(
    ("warnings", "count"),
    [
        ([], 0),
        (["opaque"], 0),
        (["no_checksum", "opaque"], 0),
        (["late"], 1),
        (["late", "opaque"], 1),
    ],
)
def test_only_warnings_that_are_told_count(warnings: list[str], count: int) -> None:
    judge(make_jobs(1), "SUCCESS", warnings=warnings)
    message = compose_digest(builtin(), TO, NOW, now=NOW)
    assert (message.data["digest"]["warnings"], message.data["digest"]["good"]) == (count, 1)


def test_an_acknowledgement_that_has_run_out_is_none() -> None:
    make_incident(
        make_problem_jobs(1, "FAILED", "backup_failed"),
        acknowledged_at=NOW - DAY,
        acknowledged_by="anna",
        acknowledged_until=NOW,
    )
    assert "cknowledged" not in compose_digest(builtin(), TO, NOW, now=NOW).text


def test_a_jobs_recipient_gets_the_digest_of_his_jobs_alone() -> None:
    make_problem_jobs(1, "FAILED", "x", notification_recipients="a@example.com, Me@example.com")
    make_problem_jobs(4, "FAILED", "x", database="OTHER")
    make_problem_jobs(2, "FAILED", "x", database="HERS", notification_recipients="some@example.com")
    notice(now=NOW)
    make_incident(kind="scan")
    message = compose_digest(builtin(), "me@example.com", NOW, now=NOW)
    assert message.subject == "Backups: 1 problem, 0 warnings, 0 good of 1"
    for hidden in ("OTHER", "HERS", "The scan has failed", "VAULT"):
        assert hidden not in message.text


def test_a_channel_of_a_city_gets_the_digest_of_its_city() -> None:
    make_problem_jobs(1, "FAILED", "x")
    make_problem_jobs(2, "FAILED", "x", city="PARIS", database="HERE")
    notice(now=NOW)
    for kind, city in (("damaged", "PARIS"), ("absent", "DOUALA")):
        facts = {"count": 1, "places": [["ACME", city, "NEWBELL"]]}
        make_incident(kind="vault", key=f"vault:{kind}", reason=kind, facts=facts)
    message = compose_digest(make_channel("paris", city="paris"), "", NOW, now=NOW)
    assert message.subject.startswith("Backups: 2 problems")
    assert "HERE0 at PARIS" in message.text
    assert "1 copy is damaged" in message.text
    assert "DB0" not in message.text
    assert "is gone" not in message.text


@pytest.mark.parametrize(
    ("days", "words"), [(40.0, "40 days"), (1.5, "1 day"), (0.5, "less than a day")]
)
def test_the_room_of_the_vault_is_told_in_days(days: float, words: str) -> None:
    scanned(days)
    assert f"Full in: {words}\n" in compose_digest(builtin(), TO, NOW, now=NOW).text


def test_two_thousand_incidents_make_a_digest_that_can_be_read() -> None:
    counts = []
    for number in (30, 2000):
        make_problem_jobs(
            number,
            "FAILED",
            "backup_failed",
            agent=f"A_B_{number}",
            good_before=None,
            schedule="@daily",
        )
        notice(now=NOW)
        with CaptureQueriesContext(connection) as queries:
            message = compose_digest(builtin(), TO, NOW, now=NOW)
        counts.append(len(queries))
    assert counts[0] == counts[1] < 15
    assert "There are 2010 more" in words_of(message.text)
    assert "and 2010 more" in message.text
    assert len(message.text) < 20_000
    assert len(message.html) < 100_000


def test_it_has_the_same_id_when_it_is_sent_again() -> None:
    channel = builtin()
    once, again = (compose_digest(channel, TO, NOW, now=NOW + hours * HOUR) for hours in (0, 1))
    assert once.data["id"] == again.data["id"]
    assert once.data["id"] != compose_digest(channel, TO, NOW + DAY, now=NOW).data["id"]
