"""Messages in French, as French is written; that nothing is missing is in tests/test_french.py."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import translation
from pytest_django import Settings

from scanner.alerts.noticing import notice
from scanner.alerts.wording import compose, compose_digest, test_message, units
from scanner.models import Channel, Delivery, Recipient
from tests.alerts.rows import (
    DAY,
    HOUR,
    builtin,
    judge,
    make_channel,
    make_delivery,
    make_event,
    make_incident,
    make_jobs,
    make_problem_jobs,
)
from tests.scanning import NOW

TO = "ops@example.com"


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (1, "1er mars 2026 à 14:05 (Africa/Douala)"),
        (3, "3 mars 2026 à 14:05 (Africa/Douala)"),
        (11, "11 mars 2026 à 14:05 (Africa/Douala)"),
    ],
)
def test_a_moment_as_french_writes_it(day: int, words: str) -> None:
    channel = Channel(language="fr", time_zone="Africa/Douala")
    with units.speaking_to(channel, ""):
        assert units.moment(datetime(2026, 3, day, 13, 5, tzinfo=UTC)) == words


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(seconds=59), "moins d\u2019une minute"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=59), "59 minutes"),
        (timedelta(hours=6, minutes=20), "6\u00a0h 20\u00a0min"),
        (timedelta(hours=47), "47\u00a0h"),
        (timedelta(days=2), "2 jours"),
        (timedelta(days=30, hours=5), "30 jours 5\u00a0h"),
    ],
)
def test_a_length_of_time_as_french_says_it(span: timedelta, words: str) -> None:
    with translation.override("fr"):
        assert units.length(span) == words


@pytest.mark.django_db
def test_a_dead_site_in_french(settings: Settings) -> None:
    settings.ADMIN_EMAIL_RECIPIENTS = [TO]
    Recipient.objects.create(address=TO, language="fr")
    builtin()
    jobs = make_problem_jobs(14)
    notice(now=NOW)
    message = compose(builtin(), TO, list(Delivery.objects.all()), now=NOW + HOUR)
    assert message.subject == (
        "[PROBLÈME] DOUALA / NEWBELL\u00a0: 14 sauvegardes sur 14 ne sont pas arrivées\u00a0: site "
        "ou liaison en panne\u202f?"
    )
    assert "2 mars 2026 à 12:00 (UTC), soit 1\u00a0h" in message.text.replace("\n  ", " ")
    assert '<html lang="fr">' in message.html
    Delivery.objects.update(state="sent")
    judge(jobs[:13], "SUCCESS", now=NOW + HOUR)
    notice(now=NOW + HOUR)
    waiting = list(Delivery.objects.filter(state="pending"))
    assert compose(builtin(), TO, waiting, now=NOW + HOUR).subject == (
        "[MIEUX] DOUALA / NEWBELL\u00a0: 13 sauvegardes arrivent de nouveau, 1 sur 14 manque encore"
    )


@pytest.mark.django_db
def test_one_that_is_well_again_in_french() -> None:
    incident = make_incident(
        make_problem_jobs(1, "FAILED", "backup_failed"), ended_at=NOW + HOUR, end="recovered"
    )
    told = [make_delivery(make_event(incident, "recovered"))]
    assert compose(make_channel(language="fr"), TO, told, now=NOW + DAY).subject == (
        "[RÉTABLI] DB0 à DOUALA / NEWBELL\u00a0: rétablie après 1\u00a0h (c\u2019était\u00a0: le "
        "dump a échoué sur le site)"
    )


@pytest.mark.django_db
def test_sizes_and_numbers_as_french_writes_them() -> None:
    jobs = make_jobs(1)
    judge(jobs, "CORRUPT", "size_mismatch", claimed_size=2_000_000, size=1500)
    told = [make_delivery(make_event(make_incident(jobs)))]
    message = compose(make_channel(language="fr"), TO, told, now=NOW)
    words = message.text.replace("\n  ", " ").replace("\u202f", " ").replace("\u00a0", " ")
    assert "annoncée 1,9 Mio (2 000 000 octets), mesurée 1,5 Kio (1 500 octets)" in words


@pytest.mark.django_db
def test_a_channel_speaks_its_language_in_its_zone() -> None:
    channel = make_channel("ops", language="fr", time_zone="Africa/Douala", digest="daily")
    make_problem_jobs(1, "FAILED", "backup_failed")
    notice(now=NOW)
    message = compose(channel, TO, list(Delivery.objects.filter(channel=channel)), now=NOW)
    assert "2 mars 2026 à 13:00 (Africa/Douala)" in message.text.replace("\n  ", " ")
    digest = compose_digest(channel, TO, NOW, now=NOW)
    assert digest.subject.startswith("Sauvegardes\u00a0: 1 problème, 0 avertissement, ")
    assert "le coffre ne contient aucune copie" in digest.text
    assert test_message(channel, TO, now=NOW).subject == "[TEST] backupmonitor peut vous joindre"
