"""What holds for every page of the admin."""

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.translation import override
from django_apscheduler.models import DjangoJobExecution

from scanner.admin import navigation, shown
from scanner.admin.page import CappedPaginator
from scanner.models import Agent, BackupEntry, ExpectedBackupJob, Lease, ScanRun
from scanner.models.choices import Status
from scanner.pipeline import verdict
from tests.admin.rows import HISTORY, LIST, MODELS, add_entries, staff, write
from tests.scanning import NOW

pytestmark = pytest.mark.django_db

SCRIPT = "<script>alert(1)</script>"
each_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
each_history = pytest.mark.parametrize("model", HISTORY, ids=lambda model: model.__name__)


def page_of(row: Model, what: str = "change") -> str:
    return f"{LIST.format(type(row))}{admin.utils.quote(row.pk)}/{what}/"


def a_row(model: type[Model]) -> Model:
    row = model._default_manager.first()
    assert row is not None
    return row


def html(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200, (url, response.status_code)
    return response.content.decode()


def statements(visit: Callable[[], object]) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        visit()
    return [query["sql"] for query in captured.captured_queries]


@each_model
def test_a_list_opens_when_it_is_empty(admin_client: Client, model: type[Model]) -> None:
    html(admin_client, LIST.format(model))


@each_model
def test_a_list_and_each_of_its_rows_open(admin_client: Client, model: type[Model]) -> None:
    write(3)
    assert html(admin_client, LIST.format(model)).count('class="data-row') == 3
    html(admin_client, page_of(a_row(model)))


@each_model
def test_nothing_that_an_agent_says_becomes_markup(
    admin_client: Client, model: type[Model]
) -> None:
    write(2, text=SCRIPT)
    pages = html(admin_client, LIST.format(model)) + html(admin_client, page_of(a_row(model)))
    assert SCRIPT not in pages
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in pages


def test_no_page_takes_more_statements_for_many_rows(admin_client: Client) -> None:
    write(10)
    pages = [
        page
        for model in MODELS
        for page in (LIST.format(model), LIST.format(model) + "?q=x&all=", page_of(a_row(model)))
    ]

    def taken() -> dict[str, int]:
        return {page: len(statements(partial(html, admin_client, page))) for page in pages}

    taken()  # fills the caches of content types
    few = taken()
    write(990, first=10)
    assert taken() == few


def test_a_jobs_form_takes_no_more_statements_for_a_long_history(admin_client: Client) -> None:
    write(1)
    job = ExpectedBackupJob.objects.get()
    html(admin_client, page_of(job))
    few = statements(lambda: html(admin_client, page_of(job)))
    add_entries(job, 500)
    assert len(statements(lambda: html(admin_client, page_of(job)))) == len(few)


@pytest.mark.parametrize("model", [User, Group])
def test_the_pages_of_people_take_no_more_statements_for_many(
    admin_client: Client, model: type[Model]
) -> None:
    def more(start: int, end: int) -> None:
        User.objects.bulk_create(User(username=f"u{n}", email="") for n in range(start, end))
        Group.objects.bulk_create(Group(name=f"g{n}") for n in range(start, end))

    url = LIST.format(model)
    more(0, 10)
    html(admin_client, url)
    few = statements(lambda: html(admin_client, url))
    more(10, 500)
    assert len(statements(lambda: html(admin_client, url))) == len(few)


@each_history
@pytest.mark.parametrize("query", ["", "?q=x", "?status__exact=CORRUPT", "?company_name=x", "?p=2"])
def test_no_list_of_history_counts_all_its_rows(
    admin_client: Client, model: type[Model], query: str
) -> None:
    write(60)
    taken = statements(lambda: admin_client.get(LIST.format(model) + query, follow=True))
    table = f'"{model._meta.db_table}"'
    counts = [sql for sql in taken if "COUNT(" in sql.upper() and table in sql]
    if not query:
        # What the vault holds is summed up above the list of copies, as it opens.
        counts = [sql for sql in counts if "SUM(" not in sql.upper()]
    assert all("LIMIT" in sql.upper() for sql in counts)


def test_a_list_that_is_too_long_says_so(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(120)
    url = LIST.format(BackupEntry)
    assert "There are more" not in html(admin_client, url)
    monkeypatch.setattr(CappedPaginator, "most", 100)
    page = html(admin_client, url)
    assert "There are more" in page
    assert re.search(r"100\s+backup entries", page)
    assert html(admin_client, f"{url}?p=2").count('class="data-row') == 50
    assert admin_client.get(f"{url}?p=3").status_code == 302


@each_history
def test_history_cannot_be_added_to_changed_or_deleted(
    admin_client: Client, model: type[Model]
) -> None:
    write(1)
    row = a_row(model)
    for url in (f"{LIST.format(model)}add/", page_of(row), page_of(row, "delete")):
        assert admin_client.post(url, {"post": "yes"}).status_code == 403
    admin_client.post(
        LIST.format(model),
        {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"},
    )
    assert a_row(model) == row


@each_model
def test_who_may_see_nothing_sees_nothing(client: Client, model: type[Model]) -> None:
    write(1)
    client.force_login(staff())
    assert client.get(LIST.format(model)).status_code == 403
    assert client.get(page_of(a_row(model))).status_code == 403
    assert LIST.format(model) not in html(client, "/admin/")


@each_model
def test_who_is_not_logged_in_is_sent_to_the_login(client: Client, model: type[Model]) -> None:
    response = client.get(LIST.format(model))
    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")


def test_the_sidebar_leads_through_the_product_in_order(admin_client: Client) -> None:
    page = html(admin_client, "/admin/")
    links = [
        LIST.format(model) for _title, items in navigation.SIDEBAR for _words, _icon, model in items
    ]
    places = [page.index(f'href="{link}"') for link in links]
    assert places == sorted(places)
    assert set(MODELS) <= {model for _t, items in navigation.SIDEBAR for _w, _i, model in items}


def test_the_sidebar_shows_what_one_may_see(client: Client) -> None:
    client.force_login(staff("view_backupentry"))
    page = html(client, "/admin/")
    assert LIST.format(BackupEntry) in page
    assert LIST.format(ScanRun) not in page


def test_leases_are_not_shown() -> None:
    assert not admin.site.is_registered(Lease)


def test_pages_fetch_nothing_from_elsewhere(admin_client: Client) -> None:
    write(1)
    for url in ("/admin/", *(LIST.format(model) for model in MODELS)):
        sources = re.findall(r'(?:src|<link[^>]* href)="([^"]*)"', html(admin_client, url))
        assert sources
        assert [source for source in sources if re.match(r"(\w+:)?//", source)] == []


def test_the_title_is_the_products(admin_client: Client) -> None:
    assert re.search(r"<title>[^<]*\| backupmonitor</title>", html(admin_client, "/admin/"))


@pytest.mark.parametrize("status", Status.values)
def test_each_status_has_its_words_and_its_colour(status: str) -> None:
    colour = {
        "SUCCESS": "green",
        "UNCHANGED": "blue",
        "FAILED": "red",
        "CORRUPT": "red",
        "MISSING": "orange",
        "UNKNOWN": "base",
    }[status]
    label = shown.status(status)
    assert f"text-{colour}-" in label
    assert f"dark:text-{colour}-" in label
    assert str(Status(status).label) in label


@pytest.mark.parametrize("warning", [one.value for one in verdict.Warning])
def test_each_warning_has_its_words(warning: str) -> None:
    assert warning in shown.WARNINGS


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (59.9, "59.9 s"),
        (60, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (90_061, "25 h 1 min"),
    ],
)
def test_a_duration_is_told_in_its_two_greatest_units(seconds: float, words: str) -> None:
    assert f">{words}<" in shown.duration(seconds)


def test_a_time_is_shown_in_the_zone_of_the_site(settings: pytest.FixtureRequest) -> None:
    settings.TIME_ZONE = "Africa/Douala"  # type: ignore[attr-defined]
    with override("en"):
        shown_time = shown.moment(NOW + timedelta(seconds=7))
    assert ">2026-03-02 13:00<" in shown_time
    assert 'title="2026-03-02 13:00:07 WAT"' in shown_time
    assert 'datetime="2026-03-02T12:00:07+00:00"' in shown_time


def test_an_execution_with_an_unknown_status_is_shown_as_it_stands(admin_client: Client) -> None:
    write(1, text="never heard of")
    assert not DjangoJobExecution.objects.filter(status="Executed").exists()
    assert "status never heard of" in html(admin_client, LIST.format(DjangoJobExecution))


def test_an_agent_is_found_by_its_name(admin_client: Client) -> None:
    write(3)
    assert html(admin_client, LIST.format(Agent) + "?q=agent_2").count('class="data-row') == 1
