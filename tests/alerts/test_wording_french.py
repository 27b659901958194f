"""Messages in French: complete, and as French is written."""

import re
from pathlib import Path

import pytest
from pytest_django import Settings

from scanner.alerts.noticing import notice
from scanner.alerts.wording import compose, compose_digest
from scanner.models import Delivery, Recipient
from tests.alerts.rows import HOUR, builtin, make_channel, make_problem_jobs
from tests.scanning import NOW

ROOT = Path(__file__).resolve().parent.parent.parent
CATALOGUE = ROOT / "scanner/locale/fr/LC_MESSAGES/django.po"
WORDS = re.compile(
    r'^(msgid|msgid_plural|msgstr(?:\[\d\])?) ((?:"(?:[^"\\]|\\.)*"\n?)+)', re.MULTILINE
)
PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]")
TO = "ops@example.com"


def entries() -> list[tuple[str, dict[str, str]]]:
    """Give each entry: its comment lines, and its words by their keyword."""
    found = []
    for entry in CATALOGUE.read_text().split("\n\n")[1:]:
        words = {
            name: "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', quoted))
            for name, quoted in WORDS.findall(entry)
        }
        if words.get("msgid"):
            found.append((entry, words))
    return found


def test_each_string_is_translated_and_none_is_fuzzy() -> None:
    assert len(entries()) > 150
    for entry, words in entries():
        assert "fuzzy" not in entry
        for name, text in words.items():
            assert text, f"{words['msgid']}: {name} is empty"


def test_each_translation_has_the_placeholders_of_its_string() -> None:
    for _, words in entries():
        wanted = set(PLACEHOLDER.findall(words["msgid"] + words.get("msgid_plural", "")))
        for name, text in words.items():
            if name.startswith("msgstr"):
                assert set(PLACEHOLDER.findall(text)) == wanted, words["msgid"]


def test_each_string_of_the_alerts_is_in_the_catalogue() -> None:
    known = {words["msgid"] for _, words in entries()}
    call = re.compile(
        r'\b(?:_|gettext|gettext_lazy|ngettext)\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)', re.MULTILINE
    )
    files = sorted((ROOT / "scanner/alerts").rglob("*.py"))
    found = 0
    for file in files:
        for quoted in call.findall(file.read_text()):
            text = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', quoted))
            assert text in known, f"{file.name}: {text}"
            found += 1
    assert found > 100


def test_what_stands_before_a_colon_or_a_question_mark_does_not_break() -> None:
    for _, words in entries():
        for name, text in words.items():
            if name.startswith("msgstr"):
                assert not re.search(r" [:;?!»]|« ", text), text


@pytest.mark.django_db
def test_a_dead_site_in_french(settings: Settings) -> None:
    settings.ADMIN_EMAIL_RECIPIENTS = [TO]
    Recipient.objects.create(address=TO, language="fr")
    builtin()
    make_problem_jobs(14)
    notice(now=NOW)
    message = compose(builtin(), TO, list(Delivery.objects.all()), now=NOW + HOUR)
    assert message.subject == (
        "[PROBLÈME] DOUALA / NEWBELL\u00a0: 14 sauvegardes sur 14 ne sont pas arrivées\u00a0: site "
        "ou liaison en panne\u202f?"
    )
    assert "2 mars 2026 à 12:00 (UTC)" in message.text.replace("\n  ", " ")
    assert '<html lang="fr">' in message.html


@pytest.mark.django_db
def test_a_channel_speaks_its_language_in_its_zone() -> None:
    channel = make_channel("ops", language="fr", time_zone="Africa/Douala", digest="daily")
    make_problem_jobs(1, "FAILED", "backup_failed")
    notice(now=NOW)
    message = compose(channel, TO, list(Delivery.objects.filter(channel=channel)), now=NOW)
    assert "2 mars 2026 à 13:00 (Africa/Douala)" in message.text.replace("\n  ", " ")
    digest = compose_digest(channel, TO, NOW, now=NOW)
    assert digest.subject.startswith("Sauvegardes\u00a0: 1 problème, 0 avertissement, ")
