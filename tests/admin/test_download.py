"""Taking a copy out of the vault: what is sent to whom, and what is kept on record of it."""

import logging
import os
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.signals import request_finished
from django.db import DatabaseError, close_old_connections, connection
from django.http import StreamingHttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from scanner import conf, downloads
from scanner.errors import VaultError
from scanner.models import Download, VaultCopy, VaultFinding
from tests.admin.rows import LIST, staff
from tests.admin.test_history import found, html, page_of
from tests.admin.vault_rows import make_copy, make_finding
from tests.scanning import NOW, make_job
from tests.stocked import content_of, stocked

pytestmark = pytest.mark.django_db

DATABASE = "ACME_2025"
CONTENT = content_of(DATABASE, NOW)
SIZE = len(CONTENT)


@pytest.fixture
def copy() -> VaultCopy:
    """Give a copy whose file stands in the vault."""
    return stocked(make_job(DATABASE), NOW)[0]


@pytest.fixture
def downloader(client: Client) -> Client:
    """Give somebody who may download and see everything of it."""
    rights = ("download_backup", "view_vaultcopy", "view_vaultfinding", "view_download")
    client.force_login(staff(*rights, name="mia"))
    return client


def url_of(copy: VaultCopy) -> str:
    return reverse("admin:scanner_vaultcopy_download", args=[copy.pk])


def file_of(copy: VaultCopy) -> Path:
    return conf.vault_root() / copy.path


def blocks_of(response: Any) -> Iterator[bytes]:
    """Give what is sent, bit by bit, as a web server takes it."""
    assert isinstance(response, StreamingHttpResponse)
    blocks: Iterator[bytes] = iter(response)
    return blocks


def sent(response: Any) -> bytes:
    """Read all that is sent."""
    return b"".join(blocks_of(response))


def go_away(response: Any) -> None:
    """Let the web server close a response, and the test keep its connection to the database."""
    response._iterator.close()  # the test client's, if it has begun
    request_finished.disconnect(close_old_connections)
    try:
        response.close()
    finally:
        request_finished.connect(close_old_connections)


def words(response: Any) -> str:
    """Give a page that says why nothing is sent."""
    assert not response.streaming
    page: str = response.content.decode()
    return page


# --- What is sent ---------------------------------------------------------------------------------


def test_a_copy_is_sent_as_it_is_with_the_headers_of_a_download(
    downloader: Client, copy: VaultCopy
) -> None:
    response = downloader.get(url_of(copy))
    assert response.status_code == 200
    assert sent(response) == CONTENT
    expected = {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(SIZE),
        "Content-Disposition": 'attachment; filename="ACME_2025_20260302_120000.sql.gz"',
        "X-Content-Type-Options": "nosniff",
        "Accept-Ranges": "bytes",
        "ETag": f'"{copy.sha256}"',
    }
    assert expected.items() <= dict(response.headers).items()
    assert "no-store" in response.headers["Cache-Control"]


def test_a_copy_is_never_whole_in_memory(
    downloader: Client, copy: VaultCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "BLOCK", 100)
    response = downloader.get(url_of(copy))
    blocks = list(blocks_of(response))
    assert {len(block) for block in blocks[:-1]} == {100}
    assert len(blocks) == -(-SIZE // 100)


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("é.sql.gz", "attachment; filename*=utf-8''%C3%A9.sql.gz"),
        ('a"b\\c.sql', 'attachment; filename="a\\"b\\\\c.sql"'),
        ("a\r\nSet-Cookie: x.sql", 'attachment; filename="a__Set-Cookie: x.sql"'),
    ],
)
def test_no_name_of_a_file_breaks_the_header(
    downloader: Client, vault_root: Path, name: str, header: str
) -> None:
    copy = make_copy(make_job(), name, size=3)
    file_of(copy).parent.mkdir(parents=True)
    file_of(copy).write_bytes(b"abc")
    response = downloader.get(url_of(copy))
    assert response.headers["Content-Disposition"] == header
    assert "Set-Cookie" not in response.headers
    assert sent(response) == b"abc"


def test_an_empty_copy_is_sent_too(downloader: Client, vault_root: Path) -> None:
    copy = make_copy(make_job(), size=0)
    file_of(copy).parent.mkdir(parents=True)
    file_of(copy).touch()
    response = downloader.get(url_of(copy))
    assert (response.headers["Content-Length"], sent(response)) == ("0", b"")
    assert Download.objects.get().finished_at is not None
    assert downloader.get(url_of(copy), headers={"Range": "bytes=0-"}).status_code == 416


def test_asked_for_the_head_only_the_headers_are_sent_and_nothing_is_recorded(
    downloader: Client, copy: VaultCopy
) -> None:
    response = downloader.head(url_of(copy), headers={"Range": "bytes=1-2"})
    assert response.status_code == 200
    assert response.headers["Content-Length"] == str(SIZE)
    assert response.headers["ETag"] == f'"{copy.sha256}"'
    assert not response.streaming
    assert not Download.objects.exists()


def test_other_methods_are_refused(downloader: Client, copy: VaultCopy) -> None:
    response = downloader.put(url_of(copy))
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD, POST"


# --- A part of it ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=10-", 10, SIZE - 1),
        ("bytes=-5", SIZE - 5, SIZE - 1),
        (f"bytes=-{SIZE + 7}", 0, SIZE - 1),
        (f"bytes=10-{SIZE + 7}", 10, SIZE - 1),
        (f"Bytes= {SIZE - 1}-", SIZE - 1, SIZE - 1),
    ],
)
def test_a_part_is_sent_where_a_part_is_asked_for(
    downloader: Client, copy: VaultCopy, header: str, first: int, last: int
) -> None:
    response = downloader.get(url_of(copy), headers={"Range": header})
    assert response.status_code == 206
    assert response.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    assert response.headers["Content-Length"] == str(last - first + 1)
    assert sent(response) == CONTENT[first : last + 1]
    download = Download.objects.get()
    assert (download.first_byte, download.bytes_asked) == (first, last - first + 1)
    assert download.bytes_sent == download.bytes_asked


@pytest.mark.parametrize(
    "header",
    [
        "bytes=0-1,3-4",
        "bytes=5-4",
        "bytes=a-b",
        "bytes=-",
        "lines=1-2",
        "bytes=٣-",
        "x" * 5000,
        f"bytes={'9' * 5000}-",
    ],
)
def test_what_is_no_single_range_is_answered_with_all(
    downloader: Client, copy: VaultCopy, header: str
) -> None:
    response = downloader.get(url_of(copy), HTTP_RANGE=header)
    assert response.status_code == 200
    assert "Content-Range" not in response.headers
    assert sent(response) == CONTENT


@pytest.mark.parametrize("header", [f"bytes={SIZE}-", f"bytes={SIZE + 5}-{SIZE + 9}", "bytes=-0"])
def test_bytes_that_the_copy_has_not_are_not_satisfiable(
    downloader: Client, copy: VaultCopy, header: str
) -> None:
    response = downloader.get(url_of(copy), headers={"Range": header})
    assert response.status_code == 416
    assert response.headers["Content-Range"] == f"bytes */{SIZE}"
    assert not Download.objects.exists()


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_download_goes_on_only_with_the_same_bytes(
    downloader: Client, copy: VaultCopy, *, goes_on: bool
) -> None:
    tag = f'"{copy.sha256}"' if goes_on else f'W/"{copy.sha256}"'
    response = downloader.get(url_of(copy), headers={"Range": "bytes=9-", "If-Range": tag})
    assert response.status_code == (206 if goes_on else 200)
    assert sent(response) == (CONTENT[9:] if goes_on else CONTENT)


# --- What is not sent -----------------------------------------------------------------------------


def test_a_damaged_copy_is_sent_only_to_whoever_says_to_want_it(
    downloader: Client, copy: VaultCopy
) -> None:
    file_of(copy).write_bytes(b"rotten")
    VaultCopy.objects.update(state="damaged")
    make_finding(copy, message="its bytes changed")
    response = downloader.get(url_of(copy), headers={"Range": "bytes=1-"})
    assert response.status_code == 409
    page = words(response)
    for text in ("This copy is damaged", "its bytes changed", "Download the damaged copy"):
        assert text in page
    assert f"copy__id__exact={copy.pk}&amp;standing=all" in page
    assert found(downloader, VaultFinding, f"copy__id__exact={copy.pk}&standing=all") == 1
    assert not Download.objects.exists()
    response = downloader.post(url_of(copy), headers={"Range": "bytes=1-"})
    assert response.status_code == 200
    assert response.headers["Content-Length"] == "6"
    assert "ETag" not in response.headers
    assert "Accept-Ranges" not in response.headers
    assert sent(response) == b"rotten"
    assert Download.objects.get().bytes_asked == 6


def test_a_file_of_another_size_is_refused_with_words(downloader: Client, copy: VaultCopy) -> None:
    file_of(copy).write_bytes(CONTENT + b"x")
    for method in (downloader.get, downloader.post):
        response = method(url_of(copy))
        assert response.status_code == 409
        page = words(response)
        assert f"The file has {SIZE + 1:,} bytes and should have {SIZE:,}" in page
        assert "Download the damaged copy" not in page
    assert not Download.objects.exists()


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({"state": "absent"}, 404, "it is gone from the vault"),
        ({"state": "deleting"}, 410, "is just being deleted"),
        (
            {"state": "deleted", "deleted_at": NOW, "deleted_because": "last 3: <not> among them"},
            410,
            "was deleted at 2026-03-02 12:00:00: last 3: &lt;not&gt; among them",
        ),
    ],
)
def test_what_is_not_there_any_more_is_told_in_words(
    downloader: Client, copy: VaultCopy, fields: dict[str, Any], status: int, text: str
) -> None:
    VaultCopy.objects.update(**fields)
    for method in (downloader.get, downloader.post):
        response = method(url_of(copy))
        assert response.status_code == status
        assert text in words(response)
    assert 'id="copy-download"' not in html(downloader, page_of(copy))


def test_a_file_that_has_vanished_is_told_in_words(downloader: Client, copy: VaultCopy) -> None:
    file_of(copy).unlink()
    response = downloader.get(url_of(copy))
    assert response.status_code == 404
    assert "it is gone from the vault" in words(response)


def link_out(file: Path, outside: Path) -> None:
    file.unlink()
    file.symlink_to(outside)


def link_folder_out(file: Path, outside: Path) -> None:
    folder = file.parent
    folder.rename(outside.parent / "moved")
    folder.symlink_to(outside.parent / "moved")


def make_pipe(file: Path, outside: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def make_folder(file: Path, outside: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("replace", [link_out, link_folder_out, make_pipe, make_folder])
def test_what_is_no_file_of_the_vault_is_not_followed(
    downloader: Client, copy: VaultCopy, tmp_path: Path, replace: Any
) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(CONTENT)
    replace(file_of(copy), outside)
    response = downloader.get(url_of(copy))
    assert response.status_code == 409
    assert "is not followed" in words(response)
    assert not Download.objects.exists()


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a/../../outside", ".incoming/x"])
def test_no_path_leads_out_of_the_vault(downloader: Client, copy: VaultCopy, path: str) -> None:
    (conf.vault_root().parent / "outside").write_bytes(CONTENT)
    VaultCopy.objects.update(path=path)
    assert downloader.get(url_of(copy)).status_code in (404, 409, 503)


def test_a_vault_that_is_away_is_told_in_words(
    downloader: Client, copy: VaultCopy, settings: Settings, tmp_path: Path
) -> None:
    settings.VALIDATED_BACKUPS_BASE_PATH = tmp_path / "not-mounted"
    response = downloader.get(url_of(copy))
    assert response.status_code == 503
    assert "Is its disk mounted" in words(response)


# --- Who may --------------------------------------------------------------------------------------


def test_whoever_is_not_logged_in_has_to(client: Client, copy: VaultCopy) -> None:
    response = client.get(url_of(copy))
    assert response.status_code == 302
    assert "/login/" in response.headers["Location"]


def test_to_see_copies_is_not_to_take_them(client: Client, copy: VaultCopy) -> None:
    client.force_login(staff("view_vaultcopy", "change_vaultcopy", "view_vaultfinding"))
    for method in (client.get, client.head, client.post):
        assert method(url_of(copy)).status_code == 403
    for page in (html(client, LIST.format(VaultCopy)), html(client, page_of(copy))):
        assert "/download/" not in page


def test_to_take_copies_it_needs_no_more_than_that_right(client: Client, copy: VaultCopy) -> None:
    client.force_login(staff("download_backup"))
    assert sent(client.get(url_of(copy))) == CONTENT
    VaultCopy.objects.update(state="damaged")
    make_finding(copy)
    page = words(client.get(url_of(copy)))
    assert "its bytes changed" not in page  # findings are for those who may see them
    assert page_of(copy) not in page


@pytest.mark.parametrize("state", ["whole", "damaged", "absent", "deleted"])
def test_the_copies_of_another_company_do_not_exist(
    client: Client, copy: VaultCopy, state: str
) -> None:
    VaultCopy.objects.update(state=state)
    rights = ("download_backup", "view_vaultcopy", "view_download")
    client.force_login(staff(*rights, companies=["NORDIS"]))
    for method in (client.get, client.head, client.post):
        assert method(url_of(copy)).status_code == 404
    assert not Download.objects.exists()
    assert found(client, Download, "") == 0


def test_somebody_of_the_company_takes_its_copies_and_sees_who_did(
    client: Client, copy: VaultCopy
) -> None:
    other = make_copy(make_job("crm", "NORDIS_GAROUA_CENTRE"))
    Download.objects.create(copy=other, downloaded_by="x", started_at=NOW, bytes_asked=1)
    rights = ("download_backup", "view_vaultcopy", "view_download")
    client.force_login(staff(*rights, companies=["ACME"], name="mia"))
    assert sent(client.get(url_of(copy))) == CONTENT
    assert found(client, Download, "") == 1
    assert client.get(page_of(Download.objects.get(copy=other))).status_code == 302
    assert "mia" in html(client, page_of(copy))


def test_a_copy_that_never_was_is_not_found(downloader: Client) -> None:
    url = reverse("admin:scanner_vaultcopy_download", args=[12345])
    assert downloader.get(url).status_code == 404


# --- On record ------------------------------------------------------------------------------------


def test_who_takes_a_copy_is_on_record_before_the_first_byte_and_at_the_end(
    downloader: Client, copy: VaultCopy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    response = downloader.get(url_of(copy), REMOTE_ADDR="203.0.113.9")
    download = Download.objects.get()
    assert (download.copy, download.downloaded_by, download.address) == (
        copy,
        "mia",
        "203.0.113.9",
    )
    assert (download.first_byte, download.bytes_asked, download.bytes_sent) == (0, SIZE, 0)
    assert download.finished_at is None
    sent(response)
    ended = Download.objects.get()
    assert (ended.bytes_sent, ended.error) == (SIZE, "")
    assert ended.finished_at is not None
    assert ended.finished_at >= ended.started_at
    [logged] = LogEntry.objects.all()
    assert (logged.user.get_username(), logged.object_id) == ("mia", str(copy.pk))
    assert logged.get_change_message() == "Downloaded."
    assert f"by mia from 203.0.113.9: {SIZE} bytes of {copy.path}" in caplog.text
    assert f"ends after {SIZE} of {SIZE} bytes: sent whole" in caplog.text


def test_behind_a_trusted_proxy_the_visitors_own_address_is_on_record(
    downloader: Client, copy: VaultCopy, settings: Settings
) -> None:
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    sent(downloader.get(url_of(copy), headers={"X-Forwarded-For": "6.6.6.6, 203.0.113.9"}))
    assert Download.objects.get().address == "203.0.113.9"


def test_a_reader_who_goes_away_leaves_on_record_what_was_sent(
    downloader: Client,
    copy: VaultCopy,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(downloads, "BLOCK", 100)
    response = downloader.get(url_of(copy))
    blocks = blocks_of(response)
    for _ in range(2):
        next(blocks)
    go_away(response)
    download = Download.objects.get()
    assert download.bytes_sent == 100  # of the second it is not known
    assert download.finished_at is None
    assert download.error == ""
    assert "ends after 100 of" in caplog.text
    assert "the reader went away" in caplog.text
    page = html(downloader, LIST.format(Download))
    assert "broken off" in page


def test_a_reader_who_goes_away_at_once_lets_go_of_the_file(
    downloader: Client, copy: VaultCopy
) -> None:
    response = downloader.get(url_of(copy))
    go_away(response)
    go_away(response)
    download = Download.objects.get()
    assert (download.bytes_sent, download.finished_at) == (0, None)


def test_a_file_that_becomes_shorter_is_never_taken_for_whole(
    downloader: Client, vault_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "BLOCK", 10_000)
    copy = make_copy(make_job(), size=100_000)
    file_of(copy).parent.mkdir(parents=True)
    file_of(copy).write_bytes(bytes(100_000))
    response = downloader.get(url_of(copy))
    blocks = blocks_of(response)
    next(blocks)
    os.truncate(file_of(copy), 30_000)
    with pytest.raises(VaultError, match="the copy ends 70000 bytes too early"):
        list(blocks)
    download = Download.objects.get()
    assert download.finished_at is None
    assert download.error == "the copy ends 70000 bytes too early"
    assert download.bytes_sent == 30_000
    assert "failed" in html(downloader, LIST.format(Download))


def test_a_disk_that_cannot_be_read_on_is_told(
    downloader: Client, copy: VaultCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(BytesIO):
        def read(self, _size: int | None = None, /) -> bytes:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(downloads, "open_file", lambda _: (Broken(CONTENT), SIZE))
    response = downloader.get(url_of(copy))
    blocks = blocks_of(response)
    with pytest.raises(VaultError, match="Input/output error"):
        next(blocks)
    go_away(response)
    assert "Input/output error" in Download.objects.get().error


def test_what_cannot_be_put_on_record_is_not_sent(
    downloader: Client, copy: VaultCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    original = downloads.open_file

    def open_file(of: VaultCopy) -> Any:
        opened.append(original(of))
        return opened[0]

    def away(*_: object, **__: object) -> None:
        raise DatabaseError("away")

    monkeypatch.setattr(downloads, "open_file", open_file)
    monkeypatch.setattr(downloads, "begin", away)
    with pytest.raises(DatabaseError):
        downloader.get(url_of(copy))
    assert opened[0][0].closed


def test_an_end_that_cannot_be_put_on_record_is_logged(
    downloader: Client,
    copy: VaultCopy,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    response = downloader.get(url_of(copy))

    def away(*_: object, **__: object) -> None:
        raise DatabaseError("away")

    monkeypatch.setattr(type(Download.objects.all()), "update", away)
    assert sent(response) == CONTENT
    assert "could not be recorded" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_no_connection_to_the_database_is_held_while_a_copy_is_sent(
    downloader: Client, copy: VaultCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "BLOCK", 100)
    response = downloader.get(url_of(copy))
    blocks = blocks_of(response)
    for _ in range(-(-SIZE // 100)):
        next(blocks)
        assert connection.connection is None
    assert list(blocks) == []
    assert Download.objects.get().finished_at is not None


# --- The pages ------------------------------------------------------------------------------------


def test_the_page_of_a_copy_offers_the_download_with_its_digest(
    downloader: Client, copy: VaultCopy
) -> None:
    page = html(downloader, page_of(copy))
    box = page[page.index('id="copy-download"') :]
    assert url_of(copy) in box
    assert copy.sha256 in box
    assert "sha256sum ACME_2025_20260302_120000.sql.gz" in box


def test_the_list_of_copies_leads_to_each_file(downloader: Client, copy: VaultCopy) -> None:
    gone = make_copy(copy.job, "gone.sql", state="deleted")
    page = html(downloader, LIST.format(VaultCopy))
    assert f'href="{url_of(copy)}"' in page
    assert 'aria-label="Download ACME_2025_20260302_120000.sql.gz"' in page
    assert url_of(gone) not in page


def test_the_page_of_a_copy_tells_who_took_it_to_those_who_may_know(
    downloader: Client, client: Client, copy: VaultCopy
) -> None:
    sent(downloader.get(url_of(copy)))
    page = html(downloader, page_of(copy))
    assert "mia" in page[page.index("Downloads") :]
    assert found(downloader, Download, f"copy__id__exact={copy.pk}") == 1
    client.force_login(staff("view_vaultcopy", name="ben"))
    assert not re.search(r"\bmia\b", html(client, page_of(copy)))


@pytest.mark.parametrize(
    ("query", "count"),
    [("q=mia", 1), ("q=203.0.113", 1), ("q=one.sql", 2), ("q=nobody", 0), ("day=2026-03-02", 2)],
)
def test_downloads_are_searched_and_filtered(admin_client: Client, query: str, count: int) -> None:
    copy = make_copy(make_job())
    for name, address in (("mia", "203.0.113.9"), ("ben", "198.51.100.7")):
        Download.objects.create(
            copy=copy, downloaded_by=name, address=address, started_at=NOW, bytes_asked=1
        )
    assert found(admin_client, Download, query) == count


def test_a_download_takes_the_same_statements_however_many_there_were(
    downloader: Client, copy: VaultCopy
) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            sent(downloader.get(url_of(copy)))
        return len(captured)

    statements()
    few = statements()
    Download.objects.bulk_create(
        Download(copy=copy, downloaded_by="x", started_at=NOW, bytes_asked=1) for _ in range(1000)
    )
    assert statements() == few
