"""The pages of audits, prunes and restore drills."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from scanner.models import RestoreDrill, VaultRun
from tests.admin.rows import LIST
from tests.admin.test_history import found, html, page_of
from tests.admin.vault_rows import make_copy, make_drill, make_vault_run
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

SCRIPT = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 3),
        ("kind__exact=audit", 2),
        ("kind__exact=prune", 1),
        ("outcome__exact=findings", 1),
        ("kind__exact=audit&outcome__exact=ok", 1),
    ],
)
def test_runs_are_filtered(admin_client: Client, query: str, count: int) -> None:
    make_vault_run("audit", outcome="ok")
    make_vault_run("audit", outcome="findings")
    make_vault_run("prune", outcome="refused")
    assert found(admin_client, VaultRun, query) == count


def test_a_run_tells_what_it_looked_at_and_what_it_found(admin_client: Client) -> None:
    run = make_vault_run(
        outcome="findings",
        finished_at=NOW + timedelta(seconds=75),
        copies=1234,
        bytes=5_000_000,
        findings=17,
        covered_since=NOW - timedelta(days=5),
        message=f"words {SCRIPT}",
    )
    for url in (LIST.format(VaultRun), page_of(run)):
        page = html(admin_client, url)
        for text in ("audit", "with findings", "1 min 15 s", "1,234", "4.8\xa0MB", ">17<", "words"):
            assert text in page
        assert "2026-02-25 12:00" in page
        assert SCRIPT not in page


def test_a_run_that_still_goes_on_has_no_duration(admin_client: Client) -> None:
    page = html(admin_client, page_of(make_vault_run()))
    assert "running" in page


def test_a_round_of_drills_leads_to_them(admin_client: Client) -> None:
    copy = make_copy(make_job())
    run = make_vault_run("drill")
    make_drill(copy, run=run)
    make_drill(copy)
    assert f"?run__id__exact={run.pk}" in html(admin_client, page_of(run))
    assert found(admin_client, RestoreDrill, f"run__id__exact={run.pk}") == 1
    assert "run__id__exact" not in html(admin_client, page_of(make_vault_run("prune")))


# --- Restore drills -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 3),
        ("outcome__exact=failed", 1),
        ("outcome__exact=failed&outcome__exact=not_tried", 2),
        ("company_name=NORDIS", 1),
        ("city=DOUALA", 2),
    ],
)
def test_drills_are_filtered(admin_client: Client, query: str, count: int) -> None:
    copy = make_copy(make_job())
    make_drill(copy)
    make_drill(copy, "failed")
    make_drill(make_copy(make_job("crm", "NORDIS_GAROUA_CENTRE")), "not_tried")
    assert found(admin_client, RestoreDrill, query) == count


def test_a_drill_tells_what_it_took_and_gave(admin_client: Client) -> None:
    copy = make_copy(make_job(), made_at=NOW - timedelta(days=3))
    drill = make_drill(
        copy,
        seconds=75.4,
        tables=12,
        rows=3_456_789,
        message=f"words {SCRIPT}",
        target=f"scratch {SCRIPT}",
    )
    for url in (LIST.format(RestoreDrill), page_of(drill)):
        page = html(admin_client, url)
        for text in ("restored", "ACME_2025", "1 min 15 s", ">12<", "3,456,789", "words"):
            assert text in page
        assert page_of(copy) in page
        assert "2026-02-27 12:00" in page
        assert SCRIPT not in page
    page = html(admin_client, page_of(drill))
    assert "scratch &lt;script&gt;" in page
    assert copy.path in page
    assert page_of(drill.run) in page


@pytest.mark.parametrize("model", [VaultRun, RestoreDrill])
def test_the_lists_take_no_more_statements_for_many(
    admin_client: Client, model: type[VaultRun] | type[RestoreDrill]
) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            html(admin_client, LIST.format(model))
        return len(captured.captured_queries)

    make_drill(make_copy(make_job("first")))
    html(admin_client, LIST.format(model))
    few = statements()
    for number in range(29):
        make_drill(make_copy(make_job(f"db_{number}")))
    assert found(admin_client, model, "") == 30
    assert statements() == few
