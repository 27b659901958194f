"""The board, the admin's first page."""

import json
import re
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from scanner.admin.index import MOST_INCIDENTS
from scanner.models import ExpectedBackupJob, Incident
from tests.admin.rows import staff, write
from tests.admin.test_pages import html, statements
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

URL = reverse("admin:index")
HOSTILE = "</script><script>alert(1)</script>"
SEES_JOBS = ("view_expectedbackupjob", "view_backupentry")
SEES_ALL = (*SEES_JOBS, "view_incident", "view_scheduledtask", "view_vaultcopy")


def incident(name: str, level: str = "problem", company: str = "ACME", **fields: Any) -> Incident:
    return Incident.objects.create(
        **{
            "kind": "place",
            "key": f"place:{name}",
            "level": level,
            "status": "MISSING",
            "company": company,
            "name": name,
            "facts": {"count": 3, "of": 4},
            "since": NOW,
            "opened_at": NOW,
            **fields,
        }
    )


def shown_to(client: Client, user: User) -> str:
    client.force_login(user)
    return html(client, URL)


def config_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script id="bm-board-config" type="application/json">(.*?)</script>', page)
    assert found is not None
    config: dict[str, Any] = json.loads(found[1])
    return config


def order(page: str) -> list[int]:
    found = re.findall(r'class="bm-incident-words" href="/admin/scanner/incident/(\d+)/', page)
    return [int(pk) for pk in found]


# --- The parts, and for whom ----------------------------------------------------------------------


def test_there_is_neither_a_list_of_apps_nor_of_recent_actions(admin_client: Client) -> None:
    page = html(admin_client, URL)
    assert "Recent actions" not in page
    assert 'class="app-' not in page
    assert "AUTHENTICATION AND AUTHORIZATION" not in page.upper()


def test_the_sidebar_begins_with_the_board(admin_client: Client) -> None:
    page = html(admin_client, URL)
    links = re.findall(r'href="(/admin/[^"]*)"', page[page.index("nav-sidebar") :])
    assert links[0] == URL
    assert "Board" in page


def test_whoever_may_see_everything_sees_all_parts(admin_client: Client) -> None:
    make_job()
    page = html(admin_client, URL)
    for part in ("bm-totals", "bm-states", "bm-incidents", "bm-board-grid"):
        assert part in page


def test_whoever_sees_some_companies_sees_neither_scheduler_nor_vault(client: Client) -> None:
    make_job()
    page = shown_to(client, staff(*SEES_ALL, companies=("ACME",)))
    assert 'class="bm-states"' not in page
    assert "bm-board-grid" in page


def test_whoever_may_not_see_jobs_has_no_matrix(client: Client) -> None:
    make_job()
    page = shown_to(client, staff("view_incident"))
    assert "bm-board-grid" not in page
    assert "bm-totals" not in page
    assert "bm-incidents" in page


def test_whoever_may_see_nothing_is_told_what_to_do(client: Client) -> None:
    page = shown_to(client, staff(companies=("ACME",)))
    assert "There is nothing that you may see." in page


def test_entries_are_linked_to_for_those_who_may_open_them(client: Client) -> None:
    make_job()
    assert config_of(shown_to(client, staff(*SEES_JOBS)))["open"] == {
        "job": "/admin/scanner/expectedbackupjob/KEY/change/",
        "entry": "/admin/scanner/backupentry/KEY/change/",
    }
    page = shown_to(client, staff("view_expectedbackupjob", name="other"))
    assert config_of(page)["open"] is None


def test_without_a_job_the_first_steps_stand_in_the_place_of_the_matrix(
    admin_client: Client,
) -> None:
    page = html(admin_client, URL)
    assert "bm-steps" in page
    assert "bm-board-grid" not in page


def test_a_retired_job_alone_is_none(admin_client: Client) -> None:
    make_job()
    ExpectedBackupJob.objects.update(is_active=False, retired_at=NOW)
    assert "bm-board-grid" not in html(admin_client, URL)


def test_whoever_sees_no_job_for_want_of_a_company_is_told_so(client: Client) -> None:
    make_job()
    page = shown_to(client, staff(*SEES_ALL, companies=("OTHER",)))
    assert "bm-steps" not in page
    assert "Ask an administrator to grant you a company." in page


def test_the_matrix_needs_no_names_in_the_page(admin_client: Client) -> None:
    make_job("SECRET_NAME")
    assert "SECRET_NAME" not in html(admin_client, URL)


def test_nothing_runs_from_within_the_page(admin_client: Client) -> None:
    make_job()
    incident("a")
    page = html(admin_client, URL)
    board = page[page.index('id="bm-live-totals"') : page.index('id="bm-board-none"')]
    scripts = re.findall(r"<script(?![^>]*application/json)(?![^>]*src=)[^>]*>", page)
    assert scripts == []
    assert not re.search(r"\s(on\w+|style)=", board)
    assert "<style" not in page


# --- Incidents ------------------------------------------------------------------------------------


def test_the_worst_and_newest_incidents_come_first(admin_client: Client) -> None:
    warning, old, new = incident("w", "warning"), incident("a"), incident("b")
    later = incident("v", "warning")
    assert order(html(admin_client, URL)) == [new.pk, old.pk, later.pk, warning.pk]


def test_those_that_nobody_knows_of_come_before_those_that_somebody_sees_to(
    admin_client: Client,
) -> None:
    unseen = incident("a", "warning")
    known = incident("b", acknowledged_at=NOW, acknowledged_by="paul")
    forgotten = incident("c", acknowledged_at=NOW, acknowledged_until=NOW - timedelta(days=1))
    assert order(html(admin_client, URL)) == [forgotten.pk, unseen.pk, known.pk]


def test_what_is_over_is_not_shown(admin_client: Client) -> None:
    incident("over", ended_at=NOW, end="recovered")
    assert "No incident is open." in html(admin_client, URL)


def test_some_are_shown_and_all_are_counted_and_linked_to(admin_client: Client) -> None:
    for number in range(MOST_INCIDENTS + 3):
        incident(f"{number}")
    page = html(admin_client, URL)
    assert len(order(page)) == MOST_INCIDENTS
    assert f'<span class="bm-incidents-count">{MOST_INCIDENTS + 3}</span>' in page
    assert 'href="/admin/scanner/incident/"' in page


def test_an_incident_of_another_company_or_of_the_server_is_not_shown(client: Client) -> None:
    incident("theirs", company="OTHER")
    incident("vault", kind="vault", company="", status="", reason="damaged")
    mine = incident("mine")
    page = shown_to(client, staff(*SEES_ALL, "change_incident", companies=("ACME",)))
    assert order(page) == [mine.pk]
    assert '<span class="bm-incidents-count">1</span>' in page


def test_whoever_may_acknowledges_from_the_board_and_is_there_again(client: Client) -> None:
    one = incident("mine")
    client.force_login(staff("view_incident", "change_incident", companies=("ACME",)))
    page = html(client, URL)
    action = reverse("admin:scanner_incident_acknowledge", args=[one.pk])
    assert f'action="{action}"' in page
    assert "csrfmiddlewaretoken" in page
    posted = client.post(action, {"note": "on it", "hours": "24", "from_board": "1"})
    assert (posted.status_code, posted["Location"]) == (302, URL)
    one.refresh_from_db()
    assert (one.acknowledged_by, one.acknowledged_note) == ("staff", "on it")
    page = html(client, URL)
    assert f'action="{action}"' not in page
    assert "acknowledged by staff" in page


def test_an_incident_of_another_company_cannot_be_acknowledged(client: Client) -> None:
    theirs = incident("theirs", company="OTHER")
    client.force_login(staff("view_incident", "change_incident", companies=("ACME",)))
    action = reverse("admin:scanner_incident_acknowledge", args=[theirs.pk])
    assert client.post(action, {"hours": "", "from_board": "1"}).status_code == 404
    theirs.refresh_from_db()
    assert theirs.acknowledged_at is None


def test_whoever_may_only_look_has_no_button(client: Client) -> None:
    incident("mine")
    page = shown_to(client, staff("view_incident"))
    assert "bm-incident-words" in page
    assert "/acknowledge/" not in page


def test_an_acknowledgement_that_has_run_out_is_none(admin_client: Client) -> None:
    one = incident("mine", acknowledged_at=NOW, acknowledged_by="somebody", acknowledged_until=NOW)
    page = html(admin_client, URL)
    assert reverse("admin:scanner_incident_acknowledge", args=[one.pk]) in page
    assert "acknowledged by" not in page


def test_names_of_strangers_are_text(admin_client: Client) -> None:
    make_job()
    incident(HOSTILE, acknowledged_at=NOW, acknowledged_by=HOSTILE, company=HOSTILE, city=HOSTILE)
    page = html(admin_client, URL)
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


# --- Cost -----------------------------------------------------------------------------------------


def test_it_takes_no_more_statements_for_many_jobs() -> None:
    visitors = {}
    for companies in (("*",), ("Company 1 x", "Company 2 x")):
        visitors[companies] = Client()
        visitors[companies].force_login(
            staff(*SEES_ALL, "change_incident", name=companies[0], companies=companies)
        )

    def taken() -> dict[tuple[str, ...], list[str]]:
        return {who: statements(partial(html, one, URL)) for who, one in visitors.items()}

    write(10)
    taken()
    few = taken()
    write(990, first=10)
    for who, many in taken().items():
        assert len(many) == len(few[who]), "\n".join(many)
        assert not any("scanner_backupentry" in sql or "scanner_vaultcopy" in sql for sql in many)
