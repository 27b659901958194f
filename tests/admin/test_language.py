"""The language of pages: the browser's, unless another was chosen with the switch."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db.models import Model
from django.test import Client
from django.utils import translation
from pytest_django import Settings

from scanner.admin import delivery, shown
from scanner.models import (
    BackupEntry,
    Channel,
    Delivery,
    Incident,
    IncidentEvent,
    StatusChange,
    VaultFinding,
)
from tests.admin.rows import LIST, MODELS, write

pytestmark = pytest.mark.django_db

LOGIN, INDEX = "/admin/login/", "/admin/"
SWITCH = "/i18n/setlang/"
COOKIE = "django_language"
AT = datetime(2026, 3, 2, 13, 0, 5, tzinfo=UTC)
NO_BREAK = "\u00a0"


def language_of(client: Client, url: str, asked: str = "") -> str:
    """Give the language that a page says it is in, when the browser asks for some."""
    response = client.get(url, headers={"accept-language": asked} if asked else {})
    assert response.status_code == 200
    found = re.search(r'<html lang="([^"]*)"', response.content.decode())
    assert found
    return found[1]


def bare(html: str) -> str:
    return re.sub(r"<[^>]*>", "", html)


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [
        ("fr", "fr"),
        ("fr-CA,en;q=0.5", "fr"),
        ("en-GB,fr;q=0.5", "en"),
        ("de,fr;q=0.5", "fr"),
        ("de", "en"),
        ("", "en"),
        ("*", "en"),
        ("../../etc", "en"),
    ],
)
def test_the_browser_decides_the_language(client: Client, asked: str, spoken: str) -> None:
    assert language_of(client, LOGIN, asked) == spoken


def test_a_browser_that_asks_for_none_that_we_have_gets_the_setting(
    client: Client, settings: Settings
) -> None:
    settings.LANGUAGE_CODE = "fr"
    assert language_of(client, LOGIN, "de") == "fr"
    assert language_of(client, LOGIN, "en") == "en"


def test_caches_are_told_that_the_language_matters(client: Client) -> None:
    assert "accept-language" in client.get(LOGIN).headers["vary"].lower()


@pytest.mark.parametrize("url", [LOGIN, INDEX, "/admin/scanner/expectedbackupjob/"])
def test_each_page_has_the_switch_in_the_words_of_each_language(
    admin_client: Client, client: Client, url: str
) -> None:
    one = client if url == LOGIN else admin_client
    if url == LOGIN:
        one.logout()
    page = one.get(url).content.decode()
    form = re.search(r'<form class="bm-languages".*?</form>', page, re.DOTALL)
    assert form
    assert re.search(r'<button[^>]*value="en" lang="en"[^>]*aria-label="English"', form[0])
    assert re.search(r'<button[^>]*value="fr" lang="fr"[^>]*aria-label="Français"', form[0])
    assert re.search(r'value="en"[^>]*aria-current="true"', form[0])
    assert form[0].count("aria-current") == 1


def test_the_switch_works_before_anybody_logs_in_and_stays() -> None:
    client = Client(enforce_csrf_checks=True)
    page = client.get(f"{LOGIN}?next={INDEX}").content.decode()
    form = re.search(r'<form class="bm-languages".*?</form>', page, re.DOTALL)
    assert form
    sent = dict(re.findall(r'name="(csrfmiddlewaretoken|next)" value="([^"]*)"', form[0]))
    response = client.post(SWITCH, {**sent, "language": "fr"})
    assert (response.status_code, response["location"]) == (302, f"{LOGIN}?next={INDEX}")
    assert language_of(client, LOGIN, "en") == "fr"
    client.force_login(User.objects.create_superuser("anna"))
    assert language_of(client, INDEX, "en") == "fr"


def test_without_the_token_nobody_changes_another_ones_language() -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post(SWITCH, {"language": "fr", "next": LOGIN}).status_code == 403


def test_the_switch_leads_to_no_other_site(client: Client) -> None:
    response = client.post(SWITCH, {"language": "fr", "next": "https://example.com/"})
    assert response["location"] == "/"


def test_a_language_that_we_do_not_speak_changes_nothing(client: Client) -> None:
    client.post(SWITCH, {"language": "de", "next": LOGIN})
    assert language_of(client, LOGIN, "fr") == "fr"
    client.post(SWITCH, {"language": "../fr", "next": LOGIN})
    assert language_of(client, LOGIN, "en") == "en"


def test_the_choice_is_guarded_like_the_session(client: Client) -> None:
    client.post(SWITCH, {"language": "fr", "next": LOGIN})
    cookie = client.cookies[COOKIE]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert int(cookie["max-age"]) > 300 * 24 * 60 * 60


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_each_page_opens_in_french(admin_client: Client, model: type[Model]) -> None:
    write(2)
    row = model._default_manager.first()
    assert row is not None
    for url in (LIST.format(model), f"{LIST.format(model)}{row.pk}/change/"):
        page = admin_client.get(url, headers={"accept-language": "fr"}, follow=True)
        assert page.status_code == 200
        html = page.content.decode()
        assert '<html lang="fr"' in html
        # A decimal comma is for people: drawings and times for programs have none.
        for value in re.findall(r'\s(?:x|y|width|height|cx|cy|r|datetime)="([^"]*)"', html):
            assert "," not in value
            assert NO_BREAK not in value


def test_rows_are_named_in_the_words_and_with_the_colon_of_each_language() -> None:
    incident = Incident(pk=7, name="ACME_2025")
    rows = (
        BackupEntry(status="MISSING", reason="no_report"),
        VaultFinding(kind="damaged", path="ACME/a.gz"),
        Delivery(channel=Channel(name="Ops"), recipient="a@example.org"),
        StatusChange(old_status="SUCCESS", new_status="MISSING"),
    )
    told = Delivery(event=IncidentEvent(incident=incident, kind="opened"))
    assert [*map(str, rows)] == [
        "Missing: no report",
        "damaged copy: ACME/a.gz",
        "Ops: a@example.org",
        "Success → Missing",
    ]
    assert ">ACME_2025: opened<" in delivery.about(told)
    with translation.override("fr"):
        assert [*map(str, rows)] == [
            f"Manquante{NO_BREAK}: aucun rapport",
            f"copie endommagée{NO_BREAK}: ACME/a.gz",
            f"Ops{NO_BREAK}: a@example.org",
            "Réussie → Manquante",
        ]
        assert f">ACME_2025{NO_BREAK}: ouverture<" in delivery.about(told)


def test_a_moment_is_as_each_language_writes_it_and_the_same_to_programs() -> None:
    english = shown.moment(AT)
    with translation.override("fr"):
        french = shown.moment(AT)
    assert (bare(english), bare(french)) == ("2026-03-02 13:00", "02/03/2026 13:00")
    assert 'title="2026-03-02 13:00:05 UTC"' in english
    assert 'title="02/03/2026 13:00:05 UTC"' in french
    for html in (english, french):
        assert 'datetime="2026-03-02T13:00:05+00:00"' in html


def test_numbers_are_as_each_language_writes_them() -> None:
    assert shown.number(1_234_567) == "1,234,567"
    with translation.override("fr"):
        assert shown.number(1_234_567) == f"1{NO_BREAK}234{NO_BREAK}567"


@pytest.mark.parametrize(
    ("seconds", "english", "french"),
    [
        (Decimal("1.25"), "1.2 s", f"1,2{NO_BREAK}s"),
        (59.96, "60.0 s", f"60,0{NO_BREAK}s"),
        (61, "1 min 1 s", f"1{NO_BREAK}min 1{NO_BREAK}s"),
        (3600, "1 h 0 min", f"1{NO_BREAK}h 0{NO_BREAK}min"),
    ],
)
def test_a_length_of_time_is_as_each_language_says_it(
    seconds: float | Decimal, english: str, french: str
) -> None:
    assert bare(shown.duration(seconds)) == english
    with translation.override("fr"):
        assert bare(shown.duration(seconds)) == french


def test_a_size_is_as_each_language_says_it() -> None:
    assert bare(shown.size(2_000_000)).replace(NO_BREAK, " ") == "1.9 MB"
    with translation.override("fr"):
        assert bare(shown.size(2_000_000)).replace(NO_BREAK, " ") == "1,9 Mio"
        assert f'title="2{NO_BREAK}000{NO_BREAK}000 octets"' in shown.size(2_000_000)


@pytest.mark.parametrize("command", ["scheduler_status", "backup_status"])
def test_commands_speak_english_whatever_the_language_of_pages(
    settings: Settings, command: str
) -> None:
    def told(*options: str) -> str:
        out = StringIO()
        try:
            call_command(command, *options, stdout=out)
        except SystemExit as end:
            out.write(f"exit {end.code}")
        return out.getvalue()

    write(1)
    english = told()
    settings.LANGUAGE_CODE = "fr"
    with translation.override("fr"):
        assert told() == english
        data = told("--json")
    assert json.loads(data.partition("exit")[0])
    assert not re.search("[éèàê]", data)
