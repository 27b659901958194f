"""The page of the vault's copies."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from scanner.admin.page import CappedPaginator
from scanner.models import RestoreDrill, VaultCopy, VaultFinding
from tests.admin.rows import LIST, staff
from tests.admin.test_history import found, html, page_of
from tests.admin.vault_rows import make_copy, make_drill, make_finding
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

COPIES = LIST.format(VaultCopy)
SCRIPT = "<script>alert(1)</script>"


def facts(page: str) -> dict[str, str]:
    """Give what the box at the head of the list tells."""
    box = page[page.index('id="vault-state"') :]
    pairs = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", box, re.DOTALL)
    return {name: " ".join(re.sub(r"<[^>]*>", "", value).split()) for name, value in pairs}


def test_the_list_tells_what_is_known_of_each_copy(admin_client: Client) -> None:
    make_copy(
        make_job(),
        state="damaged",
        made_at=NOW - timedelta(days=3),
        audited_at=NOW - timedelta(days=2),
        proven_at=NOW - timedelta(days=1),
    )
    page = html(admin_client, COPIES)
    for text in ("ACME_2025", "ACME, DOUALA, NEWBELL", "damaged", "2.0\xa0KB", "one.sql.gz"):
        assert text in page
    for day in (27, 28):
        assert f"2026-02-{day} 12:00" in page
    assert "2026-03-01 12:00" in page
    assert 'title="ACME/DOUALA/NEWBELL/ACME_2025/one.sql.gz"' in page


@pytest.mark.parametrize(
    ("state", "colour"),
    [
        ("whole", "green"),
        ("damaged", "red"),
        ("absent", "red"),
        ("deleting", "blue"),
        ("deleted", "base"),
    ],
)
def test_each_state_has_its_words_and_its_colour(
    admin_client: Client, state: str, colour: str
) -> None:
    copy = make_copy(make_job(), state=state)
    page = html(admin_client, page_of(copy))
    label = re.search(r"<span[^>]*uppercase[^>]*>\s*" + copy.get_state_display(), page)
    assert label is not None
    assert f"text-{colour}-" in label[0]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 4),
        ("state__exact=damaged", 1),
        ("state__exact=damaged&state__exact=whole", 3),
        ("company_name=ACME", 3),
        ("company_name=ACME&city=YAOUNDE", 1),
        ("q=ledger", 3),
        ("q=ledger+yaounde", 1),
        ("q=nordis", 1),
        ("q=three", 1),
        ("q=LEDGER+three", 1),
        ("q=NORDIS/GAROUA/CENTRE/crm/four.sql", 1),
        ("q=%22acme/douala%22", 2),
        ("q=nothing", 0),
    ],
)
def test_copies_are_filtered_and_searched(admin_client: Client, query: str, count: int) -> None:
    ledger = make_job("ledger", "ACME_DOUALA_NEWBELL")
    make_copy(ledger, "one.sql.gz")
    make_copy(ledger, "two.sql.gz", state="damaged")
    make_copy(make_job("ledger", "ACME_YAOUNDE_BASTOS"), "three.sql.gz")
    make_copy(make_job("crm", "NORDIS_GAROUA_CENTRE"), "four.sql", state="deleted")
    assert found(admin_client, VaultCopy, query) == count


def test_a_search_for_a_job_leaves_the_paths_alone(admin_client: Client) -> None:
    make_copy(make_job("ledger"))
    for words, reads_paths in (("ledger", False), ("20260302", True)):
        with CaptureQueriesContext(connection) as captured:
            html(admin_client, f"{COPIES}?q={words}")
        taken = [query["sql"] for query in captured.captured_queries]
        assert any(re.search(r'"path"\S* LIKE', sql) for sql in taken) is reads_paths


def test_a_copy_shows_its_findings_and_its_drills_with_the_way_to_all(
    admin_client: Client,
) -> None:
    copy, other = make_copy(make_job("one")), make_copy(make_job("two"))
    finding = make_finding(copy, ended_at=NOW, end="repaired")
    make_finding(other, message="of another")
    drill = make_drill(copy, "failed", message=f"cannot {SCRIPT}")
    page = html(admin_client, page_of(copy))
    assert page_of(finding) in page
    assert page_of(drill) in page
    for text in ("its bytes changed", "repaired from the staged file", "damaged copy", "failed"):
        assert text in page
    assert "of another" not in page
    assert SCRIPT not in page
    assert f"copy__id__exact={copy.pk}&amp;standing=all" in page
    assert found(admin_client, VaultFinding, f"copy__id__exact={copy.pk}&standing=all") == 1
    assert found(admin_client, RestoreDrill, f"copy__id__exact={copy.pk}") == 1
    assert page_of(copy.entry) in page
    assert page_of(copy.job) in page


def test_a_copy_with_nothing_to_tell_says_so(admin_client: Client) -> None:
    page = html(admin_client, page_of(make_copy(make_job())))
    assert page.count("None.") == 3  # findings, drills, downloads
    assert "Deletion" not in page


def test_a_copy_that_was_deleted_tells_when_and_why(admin_client: Client) -> None:
    copy = make_copy(
        make_job(), state="deleted", deleted_at=NOW, deleted_because="last 3: not among them"
    )
    page = html(admin_client, page_of(copy))
    assert "Deletion" in page
    assert "last 3: not among them" in page


def test_a_copys_page_takes_no_more_statements_for_a_long_history(admin_client: Client) -> None:
    copy = make_copy(make_job())

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            html(admin_client, page_of(copy))
        return len(captured.captured_queries)

    make_finding(copy, ended_at=NOW)
    make_drill(copy)
    html(admin_client, page_of(copy))
    few = statements()
    for _ in range(30):
        make_finding(copy, ended_at=NOW)
        make_drill(copy)
    assert statements() == few
    page = html(admin_client, page_of(copy))
    assert len(set(re.findall(r"/vaultfinding/(\d+)/", page))) == 20
    assert len(set(re.findall(r"/restoredrill/(\d+)/", page))) == 20


def test_the_list_takes_no_more_statements_for_many_jobs(admin_client: Client) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            html(admin_client, COPIES)
        return len(captured.captured_queries)

    make_copy(make_job("first"))
    html(admin_client, COPIES)
    few = statements()
    for number in range(29):
        make_copy(make_job(f"db_{number}"))
    assert found(admin_client, VaultCopy, "") == 30
    assert statements() == few


# --- The state of the vault -----------------------------------------------------------------------


def test_the_list_opens_below_the_state_of_the_vault(admin_client: Client) -> None:
    job = make_job()
    make_copy(job, "one")
    make_finding(make_copy(job, "two", state="damaged"))
    told = facts(html(admin_client, COPIES))
    assert list(told) == ["Coverage", "Free space", "Full in", "Open findings"]
    assert told["Coverage"].startswith("1 of 2 copies re-read or written in the last")
    assert re.fullmatch(r"[\d.]+ ([KMGTP]B|bytes)", told["Free space"])
    assert told["Full in"] != ""
    assert told["Open findings"] == "1"


def test_an_empty_vault_has_nothing_wrong_and_does_not_grow(admin_client: Client) -> None:
    told = facts(html(admin_client, COPIES))
    assert told["Coverage"] == "the vault holds no copies"
    assert told["Full in"] == "does not grow"
    assert told["Open findings"] == "none"


def test_a_vault_whose_room_cannot_be_told_is_no_error(
    admin_client: Client, settings: Any, tmp_path: Any
) -> None:
    file = tmp_path / "file"
    file.touch()
    settings.VALIDATED_BACKUPS_BASE_PATH = file / "vault"
    told = facts(html(admin_client, COPIES))
    assert told["Free space"] == "cannot be told"
    assert told["Full in"] == "—"


@pytest.mark.parametrize("query", ["p=1", "q=x", "state__exact=whole"])
def test_the_vault_is_not_summed_up_while_one_looks_around_in_the_list(
    admin_client: Client, query: str
) -> None:
    make_copy(make_job())
    with CaptureQueriesContext(connection) as captured:
        page = html(admin_client, f"{COPIES}?{query}")
    assert 'id="vault-state"' not in page
    assert not any("SUM(" in query["sql"] for query in captured.captured_queries)


def test_a_vault_full_of_findings_is_not_counted_to_its_end(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CappedPaginator, "most", 2)
    for number in range(3):
        make_finding(path=f"file {number}")
    assert facts(html(admin_client, COPIES))["Open findings"] == "more than 2"


def test_who_may_see_copies_alone_sees_them(client: Client) -> None:
    client.force_login(staff("view_vaultcopy"))
    copy = make_copy(make_job())
    assert "ACME_2025" in html(client, COPIES)
    html(client, page_of(copy))
    assert client.get(LIST.format(VaultFinding)).status_code == 403


@pytest.mark.parametrize("right", ["add", "change", "delete"])
def test_even_who_has_every_right_on_the_tables_changes_nothing(client: Client, right: str) -> None:
    copy = make_copy(make_job())
    rows = (copy, make_finding(copy), make_drill(copy))
    names = ("vaultcopy", "vaultfinding", "restoredrill", "vaultrun")
    client.force_login(staff(*(f"{verb}_{name}" for verb in ("view", right) for name in names)))
    for row in (*rows, rows[2].run):
        url = LIST.format(type(row))
        for page in (f"{url}add/", f"{url}{row.pk}/change/", f"{url}{row.pk}/delete/"):
            assert client.post(page, {"post": "yes"}).status_code == 403
        assert "_save" not in html(client, f"{url}{row.pk}/change/")
        assert f"{url}add/" not in html(client, url)
