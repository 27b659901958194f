"""A report as the agent sent it, on its page."""

import hashlib
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from scanner.admin import report_text
from scanner.models import AgentReport
from tests.admin.rows import staff
from tests.admin.test_history import html, make_report, page_of
from tests.scanning import make_job

pytestmark = pytest.mark.django_db

AGENT = "ACME_DOUALA_NEWBELL"
CONTENT = b'{\r\n\t"database":   "<b>caisse</b>", "odd": "\x07"}\n'
PLACES = ("log", "log/_archive", "log/_rejected")


def lay(root: Path, content: bytes, where: str = "log/_archive/one.json") -> Path:
    path = root / AGENT / where
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def report_of(content: bytes, **fields: Any) -> AgentReport:
    digest = hashlib.sha256(content).hexdigest()
    return make_report(**{"size": len(content), "sha256": digest, **fields})


def shown(client: Client, report: AgentReport) -> str | None:
    """Give what the page shows of the file, None where it says why there is nothing."""
    page = html(client, page_of(report))
    _, there, rest = page.partition('<pre class="bm-received"')
    return unescape(rest[rest.index(">") + 1 : rest.index("</pre>")]) if there else None


@pytest.mark.parametrize("place", PLACES)
def test_a_report_is_shown_as_it_came(admin_client: Client, deposit_root: Path, place: str) -> None:
    lay(deposit_root, CONTENT, f"{place}/one.json")
    report = report_of(CONTENT)
    assert shown(admin_client, report) == ('{\n\t"database":   "<b>caisse</b>", "odd": "\\x07"}\n')
    assert "<b>caisse" not in html(admin_client, page_of(report))


@pytest.mark.parametrize("name", ["one.1.json", "one.23.json", f"one.{'0a' * 16}.json"])
def test_a_report_that_was_given_a_number_is_found(
    admin_client: Client, deposit_root: Path, name: str
) -> None:
    lay(deposit_root, CONTENT.replace(b"odd", b"ood"))
    lay(deposit_root, CONTENT, f"log/_archive/{name}")
    assert "odd" in (shown(admin_client, report_of(CONTENT)) or "")


def test_a_folder_may_stand_there_in_any_letter_case(
    admin_client: Client, deposit_root: Path
) -> None:
    lay(deposit_root, CONTENT)
    (deposit_root / AGENT).rename(deposit_root / AGENT.lower())
    assert shown(admin_client, report_of(CONTENT)) is not None


@pytest.mark.parametrize("other", [CONTENT.replace(b"caisse", b"paie--"), CONTENT + b" ", b""])
def test_another_file_of_the_name_is_not_shown(
    admin_client: Client, deposit_root: Path, other: bytes
) -> None:
    lay(deposit_root, other)
    report = report_of(CONTENT)
    assert shown(admin_client, report) is None
    assert "not in the agent&#x27;s folder any more" in html(admin_client, page_of(report))


def test_a_file_of_another_name_or_agent_is_not_shown(
    admin_client: Client, deposit_root: Path
) -> None:
    lay(deposit_root, CONTENT, "log/_archive/two.json")
    lay(deposit_root, CONTENT, "log/_archive/oneX1.json")
    lay(deposit_root, CONTENT, "../ACME_DOUALA_AKWA/log/_archive/one.json")
    assert shown(admin_client, report_of(CONTENT)) is None


def test_no_link_is_followed(admin_client: Client, deposit_root: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_bytes(CONTENT)
    link = lay(deposit_root, b"")
    link.unlink()
    link.symlink_to(secret)
    assert shown(admin_client, report_of(CONTENT)) is None
    name = "../../../../secret.json"
    assert shown(admin_client, report_of(CONTENT, file_name=name, attempt=2)) is None


def test_of_a_long_report_the_beginning_is_shown(admin_client: Client, deposit_root: Path) -> None:
    content = b"a" * (report_text.SHOWN - 1) + "é".encode() + b"b" * 1000
    lay(deposit_root, content)
    report = report_of(content)
    assert shown(admin_client, report) == "a" * (report_text.SHOWN - 1)
    assert "The beginning: the first 256.0\xa0KB." in html(admin_client, page_of(report))


def test_bytes_that_are_no_text_are_no_error(admin_client: Client, deposit_root: Path) -> None:
    content = b"\xff\xfe{\x00}\x00\x00\xd8"
    lay(deposit_root, content)
    assert (shown(admin_client, report_of(content)) or "").startswith("{}")


def test_a_deposit_that_is_away_is_told(admin_client: Client, settings: Any) -> None:
    report = report_of(CONTENT)
    page = html(admin_client, page_of(report))
    assert "The deposit tree cannot be read now" in page
    assert str(settings.BACKUP_STORAGE_ROOT) not in page


def test_a_report_is_kept_from_who_does_not_see_all_its_companies(
    client: Client, deposit_root: Path
) -> None:
    lay(deposit_root, CONTENT)
    report = report_of(CONTENT)
    make_job()
    viewer = staff("view_agentreport", companies=("ACME",), name="acme")
    client.force_login(viewer)
    assert shown(client, report) is not None
    make_job("theirs", company_name="GLOBEX")
    assert "caisse" not in client.get(page_of(report), follow=True).content.decode()
