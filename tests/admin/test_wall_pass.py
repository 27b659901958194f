"""Passes for displays on walls: their token is shown once and kept nowhere."""

import html
import importlib
import re
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.test import Client
from pytest_django import Settings

from scanner import access
from scanner.models import ExpectedBackupJob, WallPass
from tests.admin.rows import LIST, staff
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

PASSES = LIST.format(WallPass)
ADD = f"{PASSES}add/"


@pytest.fixture(autouse=True)
def _two_companies() -> None:
    make_job("A", "ACME_DOUALA_NEWBELL")
    make_job("B", "GLOBEX_PARIS_BERCY")


def add(client: Client, **fields: Any) -> str:
    data = {"name": "Reception", "companies": ["ACME"], **fields}
    response = client.post(ADD, {name: value for name, value in data.items() if value is not None})
    assert response.status_code == 200
    return response.content.decode()


def token_of(page: str) -> str:
    found = re.search(r'value="[^"]*/board/\?pass=([\w-]+)"', html.unescape(page))
    assert found is not None
    return found[1]


def page_of(row: WallPass, what: str = "change") -> str:
    return f"{PASSES}{row.pk}/{what}/"


def test_a_new_pass_shows_the_address_that_opens_the_display(
    admin_client: Client, client: Client, settings: Settings
) -> None:
    settings.SITE_URL = "http://testserver"
    page = add(admin_client)
    assert 'value="http://testserver/board/?pass=' in page
    assert client.get(f"/board/?pass={token_of(page)}", follow=True).status_code == 200
    made = WallPass.objects.get()
    assert made.companies == ["ACME"]
    assert made.created_by == "admin"
    assert made.created_at is not None


def test_the_token_is_kept_nowhere(admin_client: Client) -> None:
    token = token_of(add(admin_client))
    row = WallPass.objects.get()
    assert row.token_sha256 == access.digest_of(token)
    stored = [
        *WallPass.objects.values_list(),
        *LogEntry.objects.values_list(),
        *(session.get_decoded() for session in Session.objects.all()),
        *(morsel.value for morsel in admin_client.cookies.values()),
    ]
    assert LogEntry.objects.count() == 1
    assert not any(token in str(one) for one in stored)
    for url in (PASSES, page_of(row), page_of(row, "history"), "/admin/"):
        assert token not in admin_client.get(url).content.decode()


def test_the_page_that_shows_it_is_kept_by_no_browser(admin_client: Client) -> None:
    response = admin_client.post(ADD, {"name": "Reception", "every_company": "on"})
    assert "no-store" in response["Cache-Control"]
    assert response["Referrer-Policy"] == "no-referrer"


def test_each_pass_has_a_token_of_its_own(admin_client: Client) -> None:
    first, second = add(admin_client), add(admin_client, name="Office")
    assert token_of(first) != token_of(second)
    assert WallPass.objects.values("token_sha256").distinct().count() == 2


def test_that_every_company_is_shown_has_to_be_said(admin_client: Client) -> None:
    assert "Choose some companies, or every one" in add(admin_client, companies=None)
    assert "Choose some companies, or every one" in add(admin_client, every_company="on")
    assert not WallPass.objects.exists()
    add(admin_client, companies=None, every_company="on")
    assert WallPass.objects.get().companies == ["*"]
    assert "every company" in admin_client.get(PASSES).content.decode()


def test_a_pass_of_no_company_is_not_told_as_one_of_all(admin_client: Client) -> None:
    row = WallPass.objects.create(name="Hall", token_sha256="a" * 64, created_at=NOW)
    assert access.companies_of_pass(row) == access.NONE
    assert "every company" not in admin_client.get(PASSES).content.decode()


def test_a_pass_made_when_none_meant_every_one_shows_every_one_after_the_update() -> None:
    before = WallPass.objects.create(name="Hall", token_sha256="a" * 64, created_at=NOW)
    some = WallPass.objects.create(
        name="Office", token_sha256="b" * 64, companies=["ACME"], created_at=NOW
    )
    importlib.import_module("scanner.migrations.0010_wall_passes").say_every_company(apps, None)
    before.refresh_from_db()
    some.refresh_from_db()
    assert access.companies_of_pass(before) is access.EVERY
    assert access.companies_of_pass(some) == frozenset({"ACME"})


def test_what_is_shown_once_is_led_to_by_one_button(admin_client: Client) -> None:
    page = admin_client.get(ADD).content.decode()
    assert re.findall(r'name="(_\w+)"', page) == ["_save"]
    assert "Revoke" not in page


def test_a_company_without_jobs_cannot_be_chosen(admin_client: Client) -> None:
    assert "not one of the available choices" in add(admin_client, companies=["NOBODY"])
    assert not WallPass.objects.exists()


def test_a_name_is_given_once(admin_client: Client) -> None:
    add(admin_client)
    assert "already exists" in add(admin_client)
    assert WallPass.objects.count() == 1


def test_a_pass_that_there_is_can_be_read_and_not_changed(admin_client: Client) -> None:
    add(admin_client)
    row = WallPass.objects.get()
    page = admin_client.get(page_of(row)).content.decode()
    assert "ACME" in page
    assert 'name="companies"' not in page
    assert admin_client.post(page_of(row), {"name": "x"}).status_code == 403
    row.refresh_from_db()
    assert row.name == "Reception"


def test_a_pass_is_revoked(admin_client: Client) -> None:
    add(admin_client)
    row = WallPass.objects.get()
    revoke = page_of(row, "revoke")
    assert f'action="{revoke}"' in admin_client.get(page_of(row)).content.decode()
    page = admin_client.post(revoke, follow=True).content.decode()
    assert "opens nothing any more" in page
    assert revoke not in page
    row.refresh_from_db()
    assert row.revoked_at is not None
    assert row.revoked_by == "admin"
    assert LogEntry.objects.filter(change_message="Revoked.").count() == 1
    again = admin_client.post(revoke, follow=True).content.decode()
    assert "It was revoked already" in again
    row_at = row.revoked_at
    row.refresh_from_db()
    assert row.revoked_at == row_at


def test_a_pass_is_not_revoked_by_looking(admin_client: Client) -> None:
    add(admin_client)
    row = WallPass.objects.get()
    assert admin_client.get(page_of(row, "revoke")).status_code == 405
    row.refresh_from_db()
    assert row.revoked_at is None


def test_revoking_takes_the_permission_for_it(admin_client: Client, client: Client) -> None:
    add(admin_client)
    row = WallPass.objects.get()
    client.force_login(staff("view_wallpass"))
    assert page_of(row, "revoke") not in client.get(page_of(row)).content.decode()
    assert client.post(page_of(row, "revoke")).status_code == 403
    client.force_login(staff("change_wallpass", name="reviser"))
    assert page_of(row, "revoke") in client.get(page_of(row)).content.decode()
    assert client.post(page_of(row, "revoke")).status_code == 302


def test_making_one_takes_the_permission_for_it(client: Client) -> None:
    client.force_login(staff("view_wallpass", "change_wallpass"))
    assert client.get(ADD).status_code == 403
    assert client.post(ADD, {"name": "x", "every_company": "on"}).status_code == 403
    assert not WallPass.objects.exists()


def test_whoever_sees_some_companies_only_has_nothing_to_do_with_passes(
    admin_client: Client, client: Client
) -> None:
    add(admin_client)
    row = WallPass.objects.get()
    rights = ("view_wallpass", "add_wallpass", "change_wallpass", "delete_wallpass")
    client.force_login(staff(*rights, companies=["ACME"]))
    assert client.get(PASSES).status_code == 403
    assert client.get(page_of(row)).status_code in {302, 403}
    assert client.post(ADD, {"name": "x", "companies": ["ACME"]}).status_code == 403
    assert client.post(page_of(row, "revoke")).status_code in {403, 404}
    assert client.post(page_of(row, "delete"), {"post": "yes"}).status_code in {302, 403}
    row.refresh_from_db()
    assert row.revoked_at is None
    assert WallPass.objects.count() == 1


def test_a_pass_can_be_deleted(admin_client: Client) -> None:
    add(admin_client)
    row = WallPass.objects.get()
    assert admin_client.post(page_of(row, "delete"), {"post": "yes"}).status_code == 302
    assert not WallPass.objects.exists()


def test_an_empty_list_says_what_to_do(admin_client: Client) -> None:
    assert "No display hangs on a wall yet" in admin_client.get(PASSES).content.decode()


def test_companies_are_offered_as_their_jobs_name_them(admin_client: Client) -> None:
    ExpectedBackupJob.objects.filter(company_name="ACME").update(company_name="<b>ACME</b>")
    page = admin_client.get(ADD).content.decode()
    assert "&lt;b&gt;ACME&lt;/b&gt;" in page
    assert "<b>ACME</b>" not in page
    assert "GLOBEX" in page
