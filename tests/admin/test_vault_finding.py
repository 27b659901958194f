"""The page of what is wrong with files of the vault."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from scanner.admin.page import CappedPaginator
from scanner.models import VaultFinding
from tests.admin.rows import LIST
from tests.admin.test_history import found, html, page_of
from tests.admin.vault_rows import make_copy, make_finding
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

FINDINGS = LIST.format(VaultFinding)
SCRIPT = "<script>alert(1)</script>"


def standings(page: str) -> list[str]:
    """Give the standings above the list; the chosen one has a star."""
    links = re.findall(r'<a href="(\?[^"]*)"( aria-current="true")?>(.*?)</a>', page, re.DOTALL)
    return [
        " ".join(re.sub(r"<[^>]*>", " ", words).split()) + ("*" if chosen else "")
        for _, chosen, words in links
    ]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 3),
        ("standing=ended", 2),
        ("standing=all", 5),
        ("kind__exact=extra", 1),
        ("kind__exact=extra&standing=all", 2),
        ("kind__exact=damaged&kind__exact=absent", 2),
        ("company_name=ACME", 2),
        ("city=YAOUNDE&standing=all", 1),
        ("q=one.sql", 2),
        ("q=ledger", 2),
        ("q=lost", 1),
        ("q=acme&standing=all", 3),
    ],
)
def test_findings_are_filtered_and_searched(admin_client: Client, query: str, count: int) -> None:
    copy = make_copy(make_job("ledger"))
    make_finding(copy)
    make_finding(copy, "absent")
    make_finding(None, "extra")
    make_finding(None, "extra", ended_at=NOW, end="gone")
    other = make_copy(make_job("crm", "ACME_YAOUNDE_BASTOS"), "two.sql")
    make_finding(other, ended_at=NOW, end="repaired")
    assert found(admin_client, VaultFinding, query) == count


@pytest.mark.parametrize("standing", ["closed", "%00", SCRIPT])
def test_a_standing_that_there_is_not_is_no_error(admin_client: Client, standing: str) -> None:
    make_finding()
    response = admin_client.get(f"{FINDINGS}?standing={standing}", follow=True)
    assert response.status_code == 200
    assert SCRIPT not in response.content.decode()


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", ["2 open*", "ended", "open and ended"]),
        ("?standing=ended", ["2 open", "ended*", "open and ended"]),
        ("?standing=all", ["2 open", "ended", "open and ended*"]),
    ],
)
def test_the_list_says_that_it_shows_the_open_ones(
    admin_client: Client, query: str, told: list[str]
) -> None:
    for number in range(3):
        make_finding(path=str(number), ended_at=None if number else NOW)
    assert standings(html(admin_client, FINDINGS + query))[:3] == told


def test_open_findings_without_number_are_not_counted_to_their_end(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CappedPaginator, "most", 2)
    for number in range(4):
        make_finding(path=str(number))
    assert standings(html(admin_client, FINDINGS))[0] == "more than 2 open*"


def test_the_list_tells_what_was_found_and_how_it_ended(admin_client: Client) -> None:
    job = make_job()
    make_finding(make_copy(job), message=f"expected 2,048 bytes {SCRIPT}")
    make_finding(None, "extra", path=f"some/{SCRIPT}", ended_at=NOW, end="gone")
    page = html(admin_client, f"{FINDINGS}?standing=all")
    for text in (
        *("damaged copy", "ACME_2025", "ACME, DOUALA, NEWBELL", "one.sql.gz", "expected 2,048"),
        *("file of nobody", "not there any more", "open"),
    ):
        assert text in page
    assert SCRIPT not in page


def test_an_open_finding_is_red_and_one_that_ended_is_not(admin_client: Client) -> None:
    for ended, colour in ((None, "red"), (NOW, "base")):
        finding = make_finding(ended_at=ended)
        page = html(admin_client, page_of(finding))
        label = re.search(r"<span[^>]*uppercase[^>]*>\s*damaged copy", page)
        assert label is not None
        assert f"text-{colour}-" in label[0]


def test_the_list_shortens_what_the_page_tells_in_full(admin_client: Client) -> None:
    words = "word " * 100 + "the end"
    finding = make_finding(message=words)
    assert "the end" not in html(admin_client, FINDINGS)
    assert words in html(admin_client, page_of(finding))


def test_a_finding_leads_to_its_copy_and_its_job(admin_client: Client) -> None:
    copy = make_copy(make_job())
    page = html(admin_client, page_of(make_finding(copy)))
    assert page_of(copy) in page
    assert page_of(copy.job) in page
    assert copy.path in page


def test_a_file_of_nobody_has_a_page_too(admin_client: Client) -> None:
    page = html(admin_client, page_of(make_finding(None, "extra")))
    assert "lost/file" in page


@pytest.mark.parametrize("query", ["", "?standing=all"])
def test_the_list_takes_no_more_statements_for_many(admin_client: Client, query: str) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            html(admin_client, FINDINGS + query)
        return len(captured.captured_queries)

    make_finding(make_copy(make_job("first")))
    html(admin_client, FINDINGS)
    few = statements()
    for number in range(29):
        make_finding(make_copy(make_job(f"db_{number}")))
    assert found(admin_client, VaultFinding, "") == 30
    assert statements() == few
