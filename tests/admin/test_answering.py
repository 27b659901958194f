"""Whatever stands in an address is answered, with what there is or with words."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import Group, User
from django.db import DataError
from django.db.models import DateTimeField, Model
from django.test import Client, RequestFactory

from scanner.admin.page import UncountedList
from scanner.models import (
    Channel,
    ExpectedBackupJob,
    Incident,
    MaintenanceWindow,
    Recipient,
    VaultCopy,
    WallPass,
)
from tests.admin.rows import LIST, write

# No transaction around a request, as on a server: an error of PostgreSQL would spoil it.
pytestmark = pytest.mark.django_db(transaction=True)

NUL, HUGE, DAY = "\0", "9" * 23, "9999-12-31"
GARBAGE = ("abc", NUL, HUGE, "-1", "(")
JOBS, COPIES = LIST.format(ExpectedBackupJob), LIST.format(VaultCopy)
MODELS = sorted(admin.site._registry, key=lambda model: model.__name__)
MADE_BY_HAND = (ExpectedBackupJob, Channel, MaintenanceWindow, Recipient, WallPass, User, Group)
each_garbage = pytest.mark.parametrize("garbage", GARBAGE, ids=lambda value: repr(value[:12]))


@pytest.fixture
def client(admin_user: User) -> Client:
    """Give a client that is shown an error's page, as a browser is."""
    client = Client(raise_request_exception=False)
    client.force_login(admin_user)
    return client


def failed(client: Client, addresses: Iterator[str]) -> list[tuple[int, str]]:
    answers = ((client.get(address).status_code, address) for address in addresses)
    return [(status, address) for status, address in answers if status >= 500]


def filters_of(model: type[Model], user: User) -> set[str]:
    """Give the names in the address of all that a list can be filtered by."""
    request = RequestFactory().get("/")
    request.user = user
    found = admin.site.get_model_admin(model).get_changelist_instance(request)
    return {name for spec in found.filter_specs for name in spec.expected_parameters() if name}


def lists(model: type[Model], user: User) -> Iterator[str]:
    """Give the addresses of a list with garbage in each place."""
    asked = [
        *(("p", garbage) for garbage in GARBAGE),
        *((name, "abc") for name in ("o", "page", "all", "e", "nothing", "pk__gt")),
        *(
            ("o", f"{HUGE}.-1"),
            ("q", NUL),
            ("pk", HUGE),
            ("pk__in", f"1,{HUGE}"),
            ("pk__regex", "("),
        ),
    ]
    asked += (
        (name, garbage) for name in filters_of(model, user) for garbage in (*GARBAGE[:3], DAY)
    )
    for field in model._meta.concrete_fields:
        is_time = isinstance(field, DateTimeField)
        asked.append((f"{field.name}__year", HUGE) if is_time else (field.name, NUL))
    return (f"{LIST.format(model)}?{urlencode([one])}" for one in asked)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_list_answers_whatever_it_is_asked_for(
    client: Client, admin_user: User, model: type[Model]
) -> None:
    write(2)
    assert failed(client, lists(model, admin_user)) == []


def test_the_pages_of_a_row_that_cannot_be_say_that_there_is_none(client: Client) -> None:
    pages = (
        f"{LIST.format(model)}{quote(garbage, safe='')}/{what}"
        for model in MODELS
        for garbage in GARBAGE
        for what in ("change/", "history/", "delete/", "")
    )
    assert failed(client, pages) == []


@each_garbage
def test_the_form_of_a_new_row_takes_no_garbage_from_the_address(
    client: Client, garbage: str
) -> None:
    def asked(model: type[Model]) -> str:
        fields = (*model._meta.concrete_fields, *model._meta.many_to_many)
        names = (*(field.name for field in fields), "_to_field", "_popup", "_changelist_filters")
        return urlencode(dict.fromkeys(names, garbage))

    pages = (f"{LIST.format(model)}add/?{asked(model)}" for model in MADE_BY_HAND)
    assert failed(client, pages) == []


def test_the_form_of_a_new_row_takes_what_its_fields_take(client: Client) -> None:
    write(1)
    job = ExpectedBackupJob.objects.get()
    query = f"name=Move&job={job.pk}&starts_at=2026-03-02+12:00&ends_at=soon&entries=1&nothing=1"
    page = client.get(f"{LIST.format(MaintenanceWindow)}add/?{query}").content.decode()
    assert 'value="Move"' in page
    assert f'<option value="{job.pk}" selected' in page
    assert 'value="2026-03-02"' in page
    assert 'value="soon"' not in page


def others(garbage: str) -> Iterator[str]:
    """Give the addresses that belong to no list and to no row."""
    asked: tuple[tuple[str, dict[str, str], tuple[str, ...]], ...] = (
        ("/admin/", {}, ("p",)),
        ("/admin/search/", {"s": "job"}, ("s", "page")),
        ("/admin/search/", {"s": "job", "extended": "1"}, ("s", "page")),
        (f"{JOBS}places/", {"part": "city"}, ("part", "term", "page", "company_name")),
        (f"{JOBS}schedule-preview/", {}, ("schedule", "time_zone", "grace_minutes", "of")),
        (f"{JOBS}adopt/", {}, ("page", "job")),
        (f"{JOBS}export/", {}, ("format", "q", "p", "o", "company_name", "is_active__exact")),
        (f"{JOBS}from-deposits/", {}, ("page", "agent")),
        ("/admin/scanner/scanrun/now/", {}, ("agent", "which")),
        ("/board/", {}, ("pass", "theme", "lang")),
        ("/board/state.json", {}, ("pass", "lang")),
        ("/board/matrix.json", {}, ("days",)),
        (
            "/admin/autocomplete/",
            {"app_label": "scanner", "model_name": "maintenancewindow", "field_name": "job"},
            ("app_label", "model_name", "field_name", "term", "page"),
        ),
    )
    for address, given, names in asked:
        for name in names:
            yield f"{address}?{urlencode({**given, name: garbage})}"
    name = quote(garbage, safe="")
    yield f"{COPIES}{name}/download/"
    yield f"/admin/scanner/scanrun/requests/{name}/"
    yield f"/admin/scanner/scanrun/requests/{name}/data/"
    for verb in ("pause", "resume", "retire"):
        yield f"{JOBS}{name}/{verb}/"


@each_garbage
def test_what_is_no_list_answers_too(client: Client, garbage: str) -> None:
    write(2)
    job = ExpectedBackupJob.objects.first()
    assert job is not None
    year = f"{JOBS}{job.pk}/change/?{urlencode({'year': garbage})}"
    assert failed(client, iter((year, *others(garbage)))) == []


@pytest.mark.parametrize("page", ["abc", "0", "7", ""])
def test_a_page_of_the_search_that_is_none_is_not_found(client: Client, page: str) -> None:
    answer = client.get(f"/admin/search/?s=job&page={page}")
    assert answer.status_code == 404


def test_the_search_finds_pages(client: Client) -> None:
    answer = client.get("/admin/search/?s=incident")
    assert answer.status_code == 200
    assert LIST.format(Incident) in answer.content.decode()


@pytest.mark.parametrize("key", ["abc", HUGE, NUL, ""])
def test_an_action_on_what_cannot_be_a_row_is_refused(client: Client, key: str) -> None:
    data = {"action": "pause", ACTION_CHECKBOX_NAME: [key]}
    assert client.post(JOBS, data).status_code == 400


def test_a_pattern_in_an_address_is_refused(client: Client) -> None:
    assert client.get(f"{JOBS}?database_name__iregex=(a%2B)%2B%24").status_code == 400


def test_a_list_that_fails_without_a_filter_hides_no_fault(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Any, request: Any) -> None:
        raise DataError

    monkeypatch.setattr(UncountedList, "get_results", fails)
    assert client.get(LIST.format(Incident)).status_code == 500
    assert client.get(f"{LIST.format(Incident)}?q=x")["Location"].endswith("?e=1")
    assert client.get(f"{LIST.format(Incident)}?e=1").status_code == 500


def test_no_rows_are_found_by_a_nul(client: Client) -> None:
    write(1)
    query = "app_label=scanner&model_name=maintenancewindow&field_name=job&term=db%00_"
    assert len(client.get(f"/admin/autocomplete/?{query}").json()["results"]) == 1
    assert MaintenanceWindow.objects.count() == 1
