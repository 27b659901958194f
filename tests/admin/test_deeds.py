"""What people did, in the histories of the admin: kept in English, shown as whoever looks reads."""

import json
from html import unescape

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import translation

from scanner.admin.deeds import SWITCHED, Deed, translated
from scanner.models import Channel, ExpectedBackupJob
from tests.admin.rows import LIST
from tests.alerts.rows import make_channel
from tests.scanning import make_job

JOBS, CHANNELS = LIST.format(ExpectedBackupJob), LIST.format(Channel)


def history(client: Client, url: str, language: str) -> str:
    page = client.get(f"{url}history/", headers={"accept-language": language})
    assert page.status_code == 200
    return unescape(page.content.decode())


@pytest.mark.django_db
def test_the_history_of_a_job_is_in_the_language_of_whoever_looks(admin_client: Client) -> None:
    job = make_job()
    url = f"{JOBS}{job.pk}/"
    admin_client.post(f"{url}retire/", {"confirmed": "1"}, headers={"accept-language": "fr"})
    assert LogEntry.objects.get().change_message == "Retired."
    assert "Retired." in history(admin_client, url, "en")
    french = history(admin_client, url, "fr")
    assert "Retirée du suivi." in french
    assert "Retired." not in french


@pytest.mark.django_db
def test_what_was_kept_before_is_translated_too_and_other_words_stay(admin_client: Client) -> None:
    job = make_job()
    somebody = User.objects.get()
    for message in ("Paused.", "Moved by hand.", "[not json", ""):
        LogEntry.objects.log_actions(somebody.pk, [job], CHANGE, message)
    french = history(admin_client, f"{JOBS}{job.pk}/", "fr")
    for words in ("Mise en pause.", "Moved by hand.", "[not json"):
        assert words in french
    assert "POT-Creation-Date" not in french
    assert "Content-Type: text/plain" not in french


@pytest.mark.django_db
def test_fields_that_were_changed_have_their_french_names(admin_client: Client) -> None:
    channel = make_channel()
    url = f"{CHANNELS}{channel.pk}/"
    admin_client.post(f"{url}switch/", {"on": "0"})
    assert "Changed Enabled." in history(admin_client, url, "en")
    assert "Modification de En service." in history(admin_client, url, "fr")


def test_every_deed_has_its_french() -> None:
    with translation.override("fr"):
        said = {deed: translated(deed.value) for deed in Deed}
    assert all(words and words != deed.value for deed, words in said.items())
    assert [translated(deed.value) for deed in Deed] == [deed.value for deed in Deed]


def test_what_django_translates_itself_is_left_to_it() -> None:
    kept = [{"added": {}}, {"deleted": {"name": "user", "object": "Ann"}}, *SWITCHED]
    assert json.loads(translated(json.dumps(kept))) == kept


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("url", "data", "english", "french"),
    [
        ("channel", {"on": "x"}, "on: expected one of 0, 1", "on\u00a0: l\u2019une de"),
        ("export", {"format": "x"}, "expected one of csv, semicolons", "attendue\u00a0: csv,"),
        ("from-deposits", {"how": "x"}, "how: expected one of adopt, paused", "how\u00a0: l"),
        ("from-deposits", {"how": "adopt", "database": "x"}, "one that this page", "une base que"),
    ],
)
def test_a_choice_that_no_page_offers_is_refused_in_words(
    admin_client: Client, url: str, data: dict[str, str], english: str, french: str
) -> None:
    whole = f"{CHANNELS}{make_channel().pk}/switch/" if url == "channel" else f"{JOBS}{url}/"
    for language, words in (("en", english), ("fr", french)):
        headers = {"accept-language": language}
        ask = admin_client.get if url == "export" else admin_client.post
        refused = ask(whole, data, headers=headers)
        assert refused.status_code == 400
        assert words in refused.content.decode()
