"""What opens a channel is in no page, no log and no report of an error."""

import re
import sys
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.signals import got_request_exception
from django.db import connection
from django.db.models.signals import pre_save
from django.http import HttpRequest
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape
from django.views.debug import ExceptionReporter

from scanner.models import Channel, Delivery
from tests.admin.rows import LIST, staff
from tests.alerts.rows import builtin, make_channel, make_delivery, make_event, make_incident
from tests.scanning import NOW

pytestmark = pytest.mark.django_db

CHANNELS = LIST.format(Channel)
ADDRESS, SECRET = "https://hooks.example.com/PATHTOKEN", "SECRETTOKEN-of-some-length"
CHAT = "slack://TOKENA12345/TOKENB67890/TOKENCabcdefghijklmnopqrstuvwx"
FORM = {
    "name": "ops",
    "kind": "webhook",
    "enabled": "on",
    "address": ADDRESS,
    "secret": SECRET,
    "level": "problem",
    "escalate_after_hours": "0",
    "reminders": "daily",
    "reminder_hour": "9",
    "digest": "off",
}


def page_of(channel: Channel, what: str = "change") -> str:
    return f"{CHANNELS}{channel.pk}/{what}/"


def html(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def errors(response: Any) -> dict[str, list[str]]:
    """Give what is said beside the fields of a form that is refused."""
    assert response.status_code == 200
    found: dict[str, list[str]] = response.context["adminform"].form.errors
    return found


@pytest.fixture
def hook() -> Channel:
    return make_channel("ops", "webhook", address=ADDRESS, secret=SECRET)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"reminder_hour": "99"},
        {"address": "http://PATHTOKEN"},
        {"secret": "TOKEN"},
        {"kind": "email", "secret": ""},
        {"kind": "apprise", "address": "nosuchservice://PATHTOKEN"},
        {"kind": "email", "address": CHAT},
        {"kind": "carrier pigeon"},
    ],
    ids=str,
)
@pytest.mark.parametrize("is_stored", [False, True], ids=["new", "stored"])
def test_a_refused_form_comes_back_without_what_was_filled_in(
    admin_client: Client, wrong: dict[str, str], is_stored: bool
) -> None:
    url = page_of(make_channel("ops", "email")) if is_stored else f"{CHANNELS}add/"
    response = admin_client.post(url, {**FORM, **wrong})
    assert errors(response)
    assert "TOKEN" not in response.content.decode()


def test_what_has_to_be_filled_in_once_more_is_said(admin_client: Client, hook: Channel) -> None:
    new = {**FORM, "address": "https://other.example.com/PATHTOKEN", "reminder_hour": "99"}
    said = errors(admin_client.post(page_of(hook), new))
    assert set(said) == {"address", "secret", "reminder_hour"}
    for name in ("address", "secret"):
        assert said[name] == ["It is not shown again: fill it in once more."]
    said = errors(admin_client.post(page_of(hook), {**new, "address": "", "secret": ""}))
    assert set(said) == {"reminder_hour"}
    hook.refresh_from_db()
    assert (hook.address, hook.secret) == (ADDRESS, SECRET)


def test_a_refused_mail_address_can_be_mended_where_it_stands(admin_client: Client) -> None:
    mail = {**FORM, "kind": "email", "secret": "", "address": "ops@example.com, x"}
    response = admin_client.post(f"{CHANNELS}add/", mail)
    assert set(errors(response)) == {"address"}
    assert "ops@example.com, x</textarea>" in response.content.decode()


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"address": "", "secret": ""}, (ADDRESS, SECRET)),
        ({"address": ADDRESS + "/2", "secret": ""}, (ADDRESS + "/2", SECRET)),
        ({"address": "", "secret": SECRET + "2"}, (ADDRESS, SECRET + "2")),
        ({"kind": "apprise", "address": CHAT, "secret": ""}, (CHAT, "")),
        ({"kind": "apprise", "address": CHAT, "secret": SECRET}, (CHAT, "")),
        ({"kind": "email", "address": "a@example.com", "secret": ""}, ("a@example.com", "")),
    ],
    ids=str,
)
def test_what_is_left_empty_is_kept_while_the_kind_stays(
    admin_client: Client, hook: Channel, change: dict[str, str], kept: tuple[str, str]
) -> None:
    assert admin_client.post(page_of(hook), {**FORM, **change}).status_code == 302
    hook.refresh_from_db()
    assert (hook.address, hook.secret) == kept


@pytest.mark.parametrize("kind", ["email", "apprise"])
def test_another_kind_needs_an_address_of_its_own(
    admin_client: Client, hook: Channel, kind: str
) -> None:
    emptied = {**FORM, "kind": kind, "address": "", "secret": ""}
    assert set(errors(admin_client.post(page_of(hook), emptied))) == {"address"}
    hook.refresh_from_db()
    assert (hook.kind, hook.address) == ("webhook", ADDRESS)


def test_the_secret_is_typed_unseen_and_never_remembered_by_a_browser(
    admin_client: Client, hook: Channel
) -> None:
    page = html(admin_client, page_of(hook))
    field = re.search(r'<input[^>]*name="secret"[^>]*>', page)
    assert field is not None
    assert 'type="password"' in field[0]
    assert 'autocomplete="new-password"' in field[0]
    assert "Stored: https://hooks.example.com/…. It is not shown again" in page
    assert "TOKEN" not in page


@pytest.mark.parametrize("permission", ["view_channel", "change_channel"])
def test_no_page_shows_it_whoever_looks(client: Client, permission: str) -> None:
    channels = [
        make_channel("hook", "webhook", address=ADDRESS, secret=SECRET),
        make_channel("chat", "apprise", address=CHAT),
        builtin(),
    ]
    client.force_login(staff(permission))
    for url in (CHANNELS, *map(page_of, channels), *(page_of(one, "history") for one in channels)):
        assert "TOKEN" not in html(client, url)


def test_the_log_tells_which_fields_changed_and_not_to_what(
    admin_client: Client, hook: Channel
) -> None:
    admin_client.post(page_of(hook), {**FORM, "address": ADDRESS + "2", "secret": SECRET + "2"})
    entry = LogEntry.objects.get()
    assert entry.get_change_message() == "Changed Address and Secret."
    assert "TOKEN" not in f"{entry.change_message} {entry.object_repr}"
    admin_client.post(page_of(hook), {**FORM, "address": "", "secret": "", "level": "warning"})
    assert LogEntry.objects.latest("pk").get_change_message() == "Changed Told of."


def test_no_report_of_an_error_tells_what_was_filled_in(
    admin_client: Client, hook: Channel
) -> None:
    reports = []

    def fail(**_: Any) -> None:
        raise RuntimeError("the disk is gone")

    def report(request: HttpRequest, **_: Any) -> None:
        reporter = ExceptionReporter(request, *sys.exc_info())
        reports.append(reporter.get_traceback_html() + reporter.get_traceback_text())

    admin_client.raise_request_exception = False
    pre_save.connect(fail, sender=Channel)
    got_request_exception.connect(report)
    try:
        new = {**FORM, "address": ADDRESS + "2", "secret": SECRET + "2"}
        assert admin_client.post(page_of(hook), new).status_code == 500
    finally:
        got_request_exception.disconnect(report)
        pre_save.disconnect(fail, sender=Channel)
    [words] = reports
    assert "the disk is gone" in words
    assert "PATHTOKEN" not in words
    assert "SECRETTOKEN" not in words


def test_a_channel_is_deleted_with_its_deliveries_which_are_counted_not_named(
    admin_client: Client, hook: Channel
) -> None:
    event = make_event(make_incident())
    for number in range(3):
        make_delivery(event, hook, f"{number}@example.com")
    kept = make_delivery(event, None, "0@example.com")
    page = html(admin_client, page_of(hook, "delete"))
    assert re.search(r"Deliveries\W+3\b", re.sub(r"<[^>]*>", " ", page))
    assert "2@example.com" not in page
    assert "TOKEN" not in page
    assert admin_client.post(page_of(hook, "delete"), {"post": "yes"}).status_code == 302
    assert not Channel.objects.filter(pk=hook.pk).exists()
    assert list(Delivery.objects.all()) == [kept]


@pytest.mark.parametrize("url", ["list", "page"])
def test_pages_take_no_more_statements_for_many_channels(
    admin_client: Client, hook: Channel, url: str
) -> None:
    visited = CHANNELS if url == "list" else page_of(hook)

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            html(admin_client, visited)
        return len(captured.captured_queries)

    for number in range(10):
        make_channel(f"few {number}", "webhook")
    html(admin_client, visited)
    few = statements()
    Channel.objects.bulk_create(
        Channel(name=f"many {number}", kind="email", created_at=NOW) for number in range(120)
    )
    assert statements() == few


def test_who_may_only_look_gets_no_button_and_no_field(client: Client, hook: Channel) -> None:
    client.force_login(staff("view_channel"))
    page = html(client, page_of(hook))
    for name in ("address", "secret", "_save"):
        assert f'name="{name}"' not in page
    assert "Send a test" not in page
    assert "https://hooks.example.com/…" in page
    for what in ("change", "delete", "switch", "test"):
        assert client.post(page_of(hook, what), {**FORM, "on": "0"}).status_code == 403
    hook.refresh_from_db()
    assert hook.enabled


def test_a_failing_channel_says_since_when_and_why(admin_client: Client, hook: Channel) -> None:
    words = "refused <script>alert(1)</script>"
    Channel.objects.filter(pk=hook.pk).update(
        failing_since=NOW, last_error=words, tested_at=NOW, test_error=words
    )
    for url, count in ((CHANNELS, 1), (page_of(hook), 2)):
        page = html(admin_client, url)
        assert "failing since" in page.lower()
        assert page.count(escape(words)) == count
        assert words not in page
