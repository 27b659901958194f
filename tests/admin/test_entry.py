"""What an entry tells of its dump and of what became of its copy."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from scanner.models import BackupEntry
from tests.admin.fields import told
from tests.admin.rows import LIST, staff
from tests.admin.test_history import html, make_entry, page_of
from tests.admin.vault_rows import make_copy
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db


def test_an_entry_tells_the_kind_of_its_dump_and_its_stable_digest(admin_client: Client) -> None:
    entry = make_entry(make_job(), dump_kind="pg_dump-custom", stable_sha256="d" * 64)
    page = html(admin_client, page_of(entry))
    assert told(page, "Kind of dump") == "pg_dump-custom"
    assert told(page, "Stable SHA-256") == "d" * 64


@pytest.mark.parametrize(
    ("level", "seconds", "words"),
    [
        ("content", 75.0, "content; read and verified in 1 min 15 s"),
        ("restored", 2.5, "restored; read and verified in 2.5 s"),
        ("present", None, "present"),
        ("", None, "—"),
    ],
)
def test_an_entry_tells_how_far_it_was_verified_and_how_long_that_took(
    admin_client: Client, level: str, seconds: float | None, words: str
) -> None:
    entry = make_entry(make_job(), level=level, verify_seconds=seconds)
    assert told(html(admin_client, page_of(entry)), "Verified to") == words


def test_an_entry_leads_to_its_copy(admin_client: Client) -> None:
    job = make_job()
    copy = make_copy(job)
    make_copy(make_job("other"), path=copy.path)
    unchanged = make_entry(job, status="UNCHANGED", vault_path=copy.path)
    for entry in (copy.entry, unchanged):
        page = html(admin_client, page_of(entry))
        assert f'href="{page_of(copy)}"' in page
        assert copy.path in page


def test_an_entry_whose_copy_has_no_row_tells_the_path_alone(admin_client: Client) -> None:
    page = html(admin_client, page_of(make_entry(make_job(), vault_path="a/<b>/c")))
    assert "a/&lt;b&gt;/c" in page
    assert "/vaultcopy/1" not in page


def test_an_entry_tells_when_its_copy_was_deleted_and_why(admin_client: Client) -> None:
    entry = make_entry(
        make_job(), copy_deleted_at=NOW, copy_deleted_because="daily 7: <not> among them"
    )
    page = html(admin_client, page_of(entry))
    assert told(page, "Copy deleted") == "2026-03-02 12:00"
    assert told(page, "Why the copy was deleted") == "daily 7: <not> among them"
    assert "<not>" not in page


def test_the_list_looks_for_no_copies(admin_client: Client) -> None:
    make_copy(make_job())
    with CaptureQueriesContext(connection) as captured:
        html(admin_client, LIST.format(BackupEntry))
    assert not any("scanner_vaultcopy" in query["sql"] for query in captured.captured_queries)


def test_an_entry_leads_to_its_job_and_to_the_entries_around_it(client: Client) -> None:
    job = make_job()
    first, second = make_entry(job), make_entry(job)
    make_entry(make_job("other"))
    third = make_entry(job)
    client.force_login(staff("view_backupentry", "view_expectedbackupjob"))
    page = html(client, page_of(second))
    way = page[page.index('class="bm-way"') :]
    way = way[: way.index("</nav>")]
    assert re.findall(r'href="([^"]*)"', way) == [page_of(one) for one in (job, first, third)]
    assert 'rel="prev"' not in html(client, page_of(first))
    assert 'rel="next"' not in html(client, page_of(third))


def test_a_job_that_one_may_not_open_is_named_without_a_link(client: Client) -> None:
    entry = make_entry(make_job())
    client.force_login(staff("view_backupentry"))
    page = html(client, page_of(entry))
    assert f"<span>{entry.job}</span>" in page
