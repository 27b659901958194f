"""Findings are open once and end; files in the vault that no copy has are found and told."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from scanner import vault_findings
from scanner.models import ExpectedBackupJob, VaultCopy, VaultFinding
from scanner.pipeline.patrol import walk
from scanner.vault_audit import audit
from scanner.vault_findings import End, Finding, Kind, end, end_of_copies, find, find_all
from tests.agent import Agent
from tests.scanning import NOW, make_job, run_scan

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
LATER = NOW + DAY
FOLDER = "ACME/DOUALA/NEWBELL/ONE"


@pytest.fixture
def copy(deposit_root: Path, settings: Settings) -> VaultCopy:
    """Give a copy that a scan put into the vault."""
    settings.VAULT_RESERVE_MIB = 0
    make_job("ONE")
    Agent(deposit_root).deposit("ONE", NOW, arrived=NOW)
    run_scan()
    return VaultCopy.objects.get()


def findings() -> list[tuple[str, str, str]]:
    """Give (kind, path, how it ended) of every finding, in the order in which they were opened."""
    return list(VaultFinding.objects.order_by("pk").values_list("kind", "path", "end"))


def put(vault: Path, path: str, content: bytes = b"whose?") -> Path:
    file = vault / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def day_after(file: Path) -> datetime:
    """Give a time at which this file last changed a little more than a day ago."""
    changed = datetime.fromtimestamp(file.lstat().st_ctime, UTC)
    return changed + DAY + timedelta(seconds=1)


# --- Findings -------------------------------------------------------------------------------------


def test_a_finding_is_opened_once_and_its_words_are_renewed(copy: VaultCopy) -> None:
    assert find(Kind.DAMAGED, "a/b", "first", now=NOW, job=copy.job, copy=copy)
    assert not find(Kind.DAMAGED, "a/b", "second", now=LATER, job=copy.job, copy=copy)
    finding = VaultFinding.objects.get()
    assert (finding.message, finding.found_at) == ("second", NOW)
    assert (finding.job, finding.copy) == (copy.job, copy)


def test_another_kind_or_path_is_another_finding() -> None:
    assert find(Kind.DAMAGED, "a/b", "words", now=NOW)
    assert find(Kind.ABSENT, "a/b", "words", now=NOW)
    assert find(Kind.DAMAGED, "a/c", "words", now=NOW)
    assert end(["a/b"], End.DELETED, now=LATER, kinds=(Kind.ABSENT,)) == 1
    assert end(["a/b", "nothing"], End.DELETED, now=LATER) == 1
    assert findings() == [
        ("damaged", "a/b", "deleted"),
        ("absent", "a/b", "deleted"),
        ("damaged", "a/c", ""),
    ]


def test_one_that_ended_is_opened_anew() -> None:
    find(Kind.EXTRA, "a", "words", now=NOW)
    end(["a"], End.GONE, now=NOW)
    assert find(Kind.EXTRA, "a", "words", now=LATER)
    assert findings() == [("extra", "a", "gone"), ("extra", "a", "")]


def test_many_are_counted_when_they_are_new() -> None:
    find(Kind.EXTRA, "0", "words", now=NOW)
    assert find_all((Finding(Kind.EXTRA, str(n), "words") for n in range(700)), now=LATER) == 699


def test_one_that_ended_at_once_is_history_and_ends_the_open_one() -> None:
    find(Kind.DAMAGED, "a", "words", now=NOW)
    both = (Finding(Kind.DAMAGED, path, "put back") for path in ("a", "b"))
    assert find_all(both, now=LATER, how=End.REPAIRED) == 1
    assert findings() == [("damaged", "a", "repaired"), ("damaged", "b", "repaired")]
    assert set(VaultFinding.objects.values_list("ended_at", flat=True)) == {LATER}


def test_what_is_said_of_one_copy_stays_when_another_of_the_same_path_is_whole(
    copy: VaultCopy,
) -> None:
    find(Kind.DAMAGED, copy.path, "words", now=NOW, copy=copy)
    assert end_of_copies([copy.pk + 1], End.WHOLE, now=LATER) == 0
    assert end_of_copies([copy.pk], End.WHOLE, now=LATER) == 1


# --- Files of nobody ------------------------------------------------------------------------------


def test_a_file_of_nobody_is_told_with_the_job_of_its_folder(
    copy: VaultCopy, vault_root: Path
) -> None:
    file = put(vault_root, f"{FOLDER}/notes.txt")
    now = day_after(file)
    run = audit(now=now)
    assert (run.outcome, run.findings) == ("findings", 1)
    finding = VaultFinding.objects.get()
    assert (finding.kind, finding.path) == ("extra", f"{FOLDER}/notes.txt")
    assert (finding.job, finding.copy, finding.found_at) == (copy.job, None, now)
    assert "6 bytes" in finding.message
    assert audit(now=now + DAY).findings == 1
    assert len(findings()) == 1


def test_a_file_that_changed_within_a_day_is_left_alone(copy: VaultCopy, vault_root: Path) -> None:
    file = put(vault_root, f"{FOLDER}/notes.txt")
    assert audit(now=day_after(file) - timedelta(seconds=2)).outcome == "ok"
    assert findings() == []


def test_a_told_file_that_is_changed_stays_told(copy: VaultCopy, vault_root: Path) -> None:
    file = put(vault_root, "notes.txt")
    audit(now=day_after(file))
    file.write_bytes(b"again")
    now = datetime.fromtimestamp(file.stat().st_ctime, UTC) + timedelta(hours=1)
    assert audit(now=now).findings == 1
    assert findings() == [("extra", "notes.txt", "")]


def test_whose_it_is_stays_open_where_no_job_or_more_than_one_has_the_folder(
    copy: VaultCopy, vault_root: Path
) -> None:
    make_job("ONE", "TWIN_OF_IT", company_name="ACME", city="DOUALA", neighborhood="NEWBELL")
    put(vault_root, "somewhere/else.txt")
    file = put(vault_root, f"{FOLDER}/notes.txt")
    audit(now=day_after(file))
    assert {finding.job for finding in VaultFinding.objects.all()} == {None}
    assert len(findings()) == 2


def test_it_ends_when_the_file_is_gone(copy: VaultCopy, vault_root: Path) -> None:
    file = put(vault_root, "notes.txt")
    now = day_after(file)
    audit(now=now)
    file.unlink()
    assert audit(now=now + DAY).outcome == "ok"
    assert findings() == [("extra", "notes.txt", "gone")]


def test_it_ends_when_a_scan_takes_the_file_in(copy: VaultCopy, vault_root: Path) -> None:
    VaultCopy.objects.all().delete()
    now = day_after(vault_root / copy.path)
    audit(now=now)
    assert findings() == [("extra", copy.path, "")]
    copy.save(force_insert=True)
    audit(now=now + DAY)
    assert findings() == [("extra", copy.path, "gone")]


@pytest.mark.parametrize(("state", "told"), [("deleting", []), ("deleted", ["extra"])])
def test_the_file_of_a_deleted_copy_is_nobodys_and_one_that_is_being_deleted_is_known(
    state: str, told: list[str], copy: VaultCopy, vault_root: Path
) -> None:
    VaultCopy.objects.update(state=state)
    audit(now=day_after(vault_root / copy.path))
    assert [kind for kind, _, _ in findings()] == told


def test_links_and_devices_are_told_with_words(copy: VaultCopy, vault_root: Path) -> None:
    (vault_root / "link").symlink_to(copy.path)
    os.mkfifo(vault_root / "pipe")
    audit(now=LATER)
    words = dict(VaultFinding.objects.values_list("path", "message"))
    assert words.keys() == {"link", "pipe"}
    assert "a link" in words["link"]
    assert "a FIFO" in words["pipe"]


def test_a_link_in_the_place_of_a_copy_is_told_once(
    copy: VaultCopy, vault_root: Path, deposit_root: Path
) -> None:
    (Agent(deposit_root).databases / "one.sql.gz").unlink()
    file = vault_root / copy.path
    file.unlink()
    file.symlink_to("/etc/hostname")
    audit(now=LATER)
    assert findings() == [("unreadable", copy.path, "")]


def test_what_is_below_a_folder_that_cannot_be_looked_into_stays_told(
    copy: VaultCopy, vault_root: Path
) -> None:
    file = put(vault_root, "away/notes.txt")
    now = day_after(file)
    audit(now=now)
    file.parent.rename(vault_root.parent / "elsewhere")
    (vault_root / "away").symlink_to(vault_root.parent / "elsewhere")
    audit(now=now + DAY)
    assert findings() == [("extra", "away/notes.txt", ""), ("extra", "away", "")]


@pytest.mark.parametrize(
    ("name", "shown"),
    [(b"\xff.gz", "\\udcff.gz"), (b"a\x1b[2Jb", "a\\x1b[2Jb"), (b"%s" % (b"x" * 255), "x" * 255)],
)
def test_strange_names_are_told_and_end_like_others(
    name: bytes, shown: str, copy: VaultCopy, vault_root: Path
) -> None:
    file = vault_root / os.fsdecode(name)
    file.touch()
    now = day_after(file)
    audit(now=now)
    audit(now=now + DAY)
    assert findings() == [("extra", shown, "")]
    file.unlink()
    audit(now=now + 2 * DAY)
    assert findings() == [("extra", shown, "gone")]


def test_a_vault_full_of_strangers_opens_only_so_many_findings(
    copy: VaultCopy, vault_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault_findings, "MOST", 2)
    for number in range(5):
        file = put(vault_root, f"{number}.txt")
    run = audit(now=day_after(file))
    assert (len(findings()), run.findings) == (2, 5)
    assert "3 more files of nobody" in run.message
    assert audit(now=day_after(file) + DAY).findings == 5
    assert len(findings()) == 2


# --- Races with a scan ----------------------------------------------------------------------------


def test_a_file_that_a_scan_records_while_the_tree_is_walked_is_known(
    copy: VaultCopy, vault_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    VaultCopy.objects.all().delete()

    def walk_and_record(root: Path) -> Iterator[Any]:
        yield from walk(root)
        copy.save(force_insert=True)

    monkeypatch.setattr(vault_findings, "walk", walk_and_record)
    audit(now=day_after(vault_root / copy.path))
    assert VaultCopy.objects.exists()
    assert findings() == []


def test_a_file_that_a_scan_records_after_it_was_asked_for_is_known(
    copy: VaultCopy, vault_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    VaultCopy.objects.all().delete()
    whose = vault_findings._jobs_by_folder

    def record_first(folders: set[str], now: datetime) -> dict[str, int]:
        assert folders == {FOLDER}
        copy.save(force_insert=True)
        return whose(folders, now)

    monkeypatch.setattr(vault_findings, "_jobs_by_folder", record_first)
    audit(now=day_after(vault_root / copy.path))
    assert findings() == []


def test_a_copy_that_a_scan_writes_while_the_tree_is_walked_is_left_to_it(
    copy: VaultCopy, vault_root: Path, deposit_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def walk_and_write(root: Path) -> Iterator[Any]:
        put(root, f"{FOLDER}/ONE_20260302_130000.sql.gz")
        yield from walk(root)

    monkeypatch.setattr(vault_findings, "walk", walk_and_write)
    now = datetime.fromtimestamp((vault_root / copy.path).stat().st_ctime, UTC)
    audit(now=now + timedelta(minutes=1))
    assert ExpectedBackupJob.objects.count() == 1
    assert findings() == []
