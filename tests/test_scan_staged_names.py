"""Staged names are reused: what is judged when the file is another than the one reported."""

import gzip
import shutil
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from scanner.models import BackupEntry, ExpectedBackupJob
from tests.agent import PACK, Agent, dump_of, set_time, sha256
from tests.scanning import NOW, make_job, run_scan, verdicts

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
SUCCESS, UNCHANGED = ("SUCCESS", ""), ("UNCHANGED", "")
SUPERSEDED, TORN = ("UNKNOWN", "superseded"), ("CORRUPT", "size_mismatch")
MISSED = ("MISSING", "no_report")
NO_CHECKSUM: dict[str, Any] = {"COMPRESS": {"status": True}}
FIRST, SECOND, THIRD = NOW - 2 * DAY, NOW - DAY, NOW - timedelta(hours=1)
"""Three operations, each before the scan of its day and after the one of the day before."""


@pytest.fixture
def agent(deposit_root: Path) -> Agent:
    return Agent(deposit_root)


@pytest.fixture
def job() -> ExpectedBackupJob:
    return make_job(schedule="0 10 * * *", grace_minutes=120, now=FIRST - timedelta(hours=3))


def deliver(agent: Agent, ended: datetime, content: str = "", **changes: Any) -> Path:
    """Stage a backup over the one before, and report it a minute later; give the report."""
    dump = dump_of(content or f"of {ended}")
    return agent.deposit("ACME_2025", ended, dump=dump, arrived=ended + MINUTE, **changes)


def replace_staged(agent: Agent, at: datetime, content: bytes = b"torn") -> None:
    """Let other bytes stand under the staged name, without any report."""
    set_time(agent.stage("acme_2025.sql.gz", content), at)


def forget_recorded(agent: Agent, report: Path) -> Path:
    """Take a report out of the log folder, to put it back when a later one has been recorded."""
    return Path(shutil.move(report, agent.root.parent / report.name))


# --- Several unread reports name one file ---------------------------------------------------------


def test_of_two_reports_that_name_one_file_the_older_is_superseded(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    deliver(agent, FIRST)
    deliver(agent, SECOND)
    run_scan(SECOND + 2 * MINUTE)
    assert verdicts() == [SUPERSEDED, SUCCESS]
    job.refresh_from_db()
    assert (job.status, job.last_good_at) == ("SUCCESS", SECOND)
    superseded = BackupEntry.objects.get(reason="superseded")
    assert (superseded.size, superseded.vault_path, superseded.level) == (None, "", "")


def test_a_superseded_entry_fills_its_cycle(agent: Agent, job: ExpectedBackupJob) -> None:
    deliver(agent, FIRST)
    deliver(agent, SECOND)
    for minutes in range(3):
        run_scan(SECOND + timedelta(hours=5, minutes=minutes))
    assert verdicts() == [SUPERSEDED, SUCCESS]


def test_a_superseded_entry_leaves_a_problem_of_before_as_it_was(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    deliver(agent, FIRST, TRANSFER={"status": False})
    run_scan(FIRST + 2 * MINUTE)
    deliver(agent, SECOND)
    deliver(agent, THIRD, TRANSFER={"status": False})
    replace_staged(agent, THIRD)
    run_scan(NOW)
    assert verdicts() == [("FAILED", "transfer_failed"), SUPERSEDED, ("FAILED", "transfer_failed")]
    job.refresh_from_db()
    assert job.status_changes.count() == 1


def test_three_reports_leave_the_newest_to_be_judged(agent: Agent, job: ExpectedBackupJob) -> None:
    for ended in (FIRST, SECOND, THIRD):
        deliver(agent, ended)
    run_scan()
    assert verdicts() == [SUPERSEDED, SUPERSEDED, SUCCESS]


def test_a_torn_newest_file_is_corrupt_and_does_not_make_the_older_corrupt(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    deliver(agent, FIRST)
    deliver(agent, SECOND)
    (agent.databases / "acme_2025.sql.gz").write_bytes(b"torn")
    set_time(agent.databases / "acme_2025.sql.gz", SECOND)
    run_scan(SECOND + 2 * MINUTE)
    assert verdicts() == [SUPERSEDED, TORN]


def test_an_older_report_that_tells_no_checksum_is_superseded(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    deliver(agent, FIRST, **NO_CHECKSUM)
    deliver(agent, SECOND)
    run_scan(SECOND + 2 * MINUTE)
    assert verdicts() == [SUPERSEDED, SUCCESS]


def test_an_older_report_without_a_checksum_is_superseded_by_one_of_an_earlier_scan(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    kept = forget_recorded(agent, deliver(agent, FIRST, **NO_CHECKSUM))
    deliver(agent, SECOND)
    run_scan(SECOND + 2 * MINUTE)
    shutil.move(kept, agent.log)
    run_scan(SECOND + 17 * MINUTE)
    assert verdicts() == [SUCCESS, MISSED, SUPERSEDED]


def test_the_newest_report_without_a_checksum_is_judged_by_the_file_that_is_there(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    deliver(agent, FIRST, **NO_CHECKSUM)
    replace_staged(agent, FIRST + 2 * MINUTE, gzip.compress(dump_of("touched")))
    run_scan(FIRST + 3 * MINUTE)
    entry = BackupEntry.objects.get()
    # Its dump's digest is still compared: that one the report does tell.
    assert (entry.status, entry.reason) == ("CORRUPT", "content_mismatch")


def test_two_reports_of_the_same_bytes_are_a_success_and_an_unchanged(
    agent: Agent, vault_root: Path, job: ExpectedBackupJob
) -> None:
    for ended in (FIRST, SECOND):
        deliver(agent, ended, "the same")
    run_scan(SECOND + 2 * MINUTE)
    assert verdicts() == [SUCCESS, UNCHANGED]
    assert len([file for file in vault_root.rglob("*") if file.is_file()]) == 1


def test_a_later_operation_that_failed_names_the_file_too(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    # Its transfer broke off in the middle of the file, which was whole before.
    deliver(agent, FIRST)
    deliver(agent, SECOND, TRANSFER={"status": False, "error_message": "connection lost"})
    replace_staged(agent, SECOND)
    run_scan(SECOND + 2 * MINUTE)
    assert verdicts() == [SUPERSEDED, ("FAILED", "transfer_failed")]


def test_a_claim_is_not_held_against_the_dump_size_that_another_report_claims(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    deliver(agent, FIRST, "the same", BACKUP={"status": True})
    deliver(agent, SECOND, "the same", BACKUP={"status": True, "size": 10})
    run_scan(SECOND + 2 * MINUTE)
    assert verdicts() == [SUCCESS, ("CORRUPT", "content_mismatch")]


def test_a_claim_of_a_smaller_dump_is_not_held_against_one_of_the_right_size(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    deliver(agent, FIRST, "the same")
    deliver(agent, SECOND, "the same", BACKUP={"status": True, "size": 10})
    run_scan(SECOND + 2 * MINUTE)
    assert verdicts() == [SUCCESS, ("CORRUPT", "content_mismatch")]


def test_one_file_may_be_the_backup_of_two_databases(agent: Agent) -> None:
    jobs = [make_job("ACME_2025"), make_job("ACME_2024")]
    claim = agent.claim(dump_of("both"), FIRST, file_name="all.sql.gz")
    set_time(agent.databases / "all.sql.gz", FIRST)
    set_time(agent.report({"ACME_2025": claim, "ACME_2024": claim}, FIRST), FIRST + MINUTE)
    run_scan(FIRST + 2 * MINUTE)
    assert [verdicts(job) for job in jobs] == [[SUCCESS], [SUCCESS]]
    assert len(set(BackupEntry.objects.values_list("vault_path", flat=True))) == 2


def test_the_same_name_of_another_agent_is_another_file(agent: Agent, deposit_root: Path) -> None:
    make_job(agent="ACME_DOUALA_AKWA")
    job = make_job()
    deliver(agent, FIRST)
    deliver(Agent(deposit_root, "ACME_DOUALA_AKWA"), SECOND)
    run_scan(SECOND + 2 * MINUTE)
    assert verdicts() == [SUCCESS, SUCCESS]
    assert verdicts(job) == [SUCCESS]


# --- The file changed after its report came -------------------------------------------------------


def test_a_replaced_file_that_no_report_explains_is_corrupt(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    deliver(agent, FIRST)
    replace_staged(agent, FIRST + 5 * MINUTE)
    run_scan(FIRST + 6 * MINUTE)
    assert verdicts() == [TORN]
    assert BackupEntry.objects.get().size == 4


def test_a_file_that_was_bad_before_its_report_came_is_corrupt_whatever_comes_later(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    deliver(agent, FIRST)
    deliver(agent, SECOND)
    replace_staged(agent, FIRST)
    run_scan(SECOND + 2 * MINUTE)
    assert verdicts() == [TORN, TORN]


def test_a_report_found_after_a_later_one_was_recorded_is_superseded(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    kept = forget_recorded(agent, deliver(agent, FIRST))
    deliver(agent, SECOND)
    run_scan(SECOND + 2 * MINUTE)
    shutil.move(kept, agent.log)
    run_scan(SECOND + 17 * MINUTE)
    assert verdicts() == [SUCCESS, MISSED, SUPERSEDED]
    job.refresh_from_db()
    assert (job.status, job.last_good_at) == ("SUCCESS", SECOND)


def test_a_report_recorded_before_does_not_supersede_a_later_one(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    deliver(agent, FIRST)
    run_scan(FIRST + 2 * MINUTE)
    deliver(agent, SECOND)
    replace_staged(agent, SECOND + 5 * MINUTE)
    run_scan(SECOND + 6 * MINUTE)
    assert verdicts() == [SUCCESS, TORN]


def test_a_replaced_file_is_judged_by_the_copy_that_the_vault_has_of_it(
    agent: Agent, vault_root: Path, job: ExpectedBackupJob
) -> None:
    deliver(agent, FIRST, "A")
    run_scan(FIRST + 2 * MINUTE)
    deliver(agent, SECOND, "B")
    run_scan(SECOND + 2 * MINUTE)
    deliver(agent, THIRD, "A")  # a restored database, say
    replace_staged(agent, THIRD + 5 * MINUTE)
    run_scan(NOW)
    first, _, third = BackupEntry.objects.order_by("pk")
    assert (third.status, third.vault_path, third.sha256) == (
        "SUCCESS",
        first.vault_path,
        first.sha256,
    )
    assert third.level == "content"
    assert len([file for file in vault_root.rglob("*") if file.is_file()]) == 2


def test_a_replaced_file_with_the_content_of_the_last_good_one_is_unchanged(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    deliver(agent, FIRST, "A")
    run_scan(FIRST + 2 * MINUTE)
    deliver(agent, SECOND, "A")
    replace_staged(agent, SECOND + 5 * MINUTE)
    run_scan(SECOND + 6 * MINUTE)
    assert verdicts() == [SUCCESS, UNCHANGED]


def test_evidence_from_the_vault_comes_before_a_later_report(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    deliver(agent, FIRST, "A")
    run_scan(FIRST + 2 * MINUTE)
    deliver(agent, SECOND, "A")
    deliver(agent, THIRD, "B")
    run_scan()
    assert verdicts() == [SUCCESS, UNCHANGED, SUCCESS]


@pytest.mark.parametrize("damage", ["gone", "rotten"])
def test_a_copy_that_is_not_what_it_was_is_no_evidence(
    agent: Agent, vault_root: Path, job: ExpectedBackupJob, damage: str
) -> None:
    deliver(agent, FIRST, "A")
    run_scan(FIRST + 2 * MINUTE)
    copy = vault_root / BackupEntry.objects.get().vault_path
    if damage == "gone":
        copy.unlink()
    else:
        copy.write_bytes(b"rotten")
    deliver(agent, SECOND, "A")
    replace_staged(agent, SECOND + 5 * MINUTE)
    run_scan(SECOND + 6 * MINUTE)
    assert verdicts() == [SUCCESS, TORN]


def test_a_copy_of_another_database_is_no_evidence(agent: Agent, job: ExpectedBackupJob) -> None:
    make_job("OTHER")
    agent.deposit("OTHER", FIRST, dump=dump_of("A"), arrived=FIRST + MINUTE)
    run_scan(FIRST + 2 * MINUTE)
    deliver(agent, SECOND, "A")
    replace_staged(agent, SECOND + 5 * MINUTE)
    run_scan(SECOND + 6 * MINUTE)
    assert verdicts(job)[1:] == [TORN]


def test_a_torn_transfer_that_was_sent_again_before_the_scan_is_good(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    deliver(agent, FIRST)
    whole = (agent.databases / "acme_2025.sql.gz").read_bytes()
    replace_staged(agent, FIRST)
    replace_staged(agent, FIRST + 5 * MINUTE, whole)
    run_scan(FIRST + 6 * MINUTE)
    assert verdicts() == [SUCCESS]


def test_a_staged_file_that_went_is_missing(agent: Agent, job: ExpectedBackupJob) -> None:
    deliver(agent, FIRST)
    (agent.databases / "acme_2025.sql.gz").unlink()
    run_scan(FIRST + 2 * MINUTE)
    assert verdicts() == [("MISSING", "file_absent")]


def test_an_older_agent_stages_in_its_database_folder(agent: Agent, job: ExpectedBackupJob) -> None:
    deliver(agent, FIRST)
    agent.databases.rename(agent.home / "database")
    run_scan(FIRST + 2 * MINUTE)
    assert verdicts() == [SUCCESS]


def test_the_staged_file_stays_where_it_is(agent: Agent, job: ExpectedBackupJob) -> None:
    deliver(agent, FIRST)
    deliver(agent, SECOND, TRANSFER={"status": False})
    file = agent.databases / "acme_2025.sql.gz"
    before = (file.read_bytes(), file.stat().st_mtime_ns, file.stat().st_ino)
    run_scan(SECOND + 2 * MINUTE)
    assert (file.read_bytes(), file.stat().st_mtime_ns, file.stat().st_ino) == before


# --- The same content again -----------------------------------------------------------------------


def test_the_same_content_packed_anew_is_unchanged_every_day(
    agent: Agent, vault_root: Path, job: ExpectedBackupJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = set()
    for day, ended in enumerate((FIRST, SECOND, THIRD)):
        monkeypatch.setitem(PACK, ".gz", partial(gzip.compress, mtime=day))
        deliver(agent, ended, "the same")
        packed.add(sha256((agent.databases / "acme_2025.sql.gz").read_bytes()))
        run_scan(ended + 2 * MINUTE)
    assert len(packed) == 3
    assert verdicts() == [SUCCESS, UNCHANGED, UNCHANGED]
    entries = BackupEntry.objects.order_by("pk")
    assert len({entry.vault_path for entry in entries}) == 1
    assert {entry.sha256 for entry in entries} == packed
    assert len([file for file in vault_root.rglob("*") if file.is_file()]) == 1


def test_without_content_digests_the_staged_ones_are_compared(
    agent: Agent, job: ExpectedBackupJob, settings: Settings
) -> None:
    settings.VERIFY_LEVEL = "digest"
    for ended in (FIRST, SECOND):
        deliver(agent, ended, "the same")
        run_scan(ended + 2 * MINUTE)
    agent.deposit(
        "ACME_2025", THIRD, dump=dump_of("the same"), extension=".xz", arrived=THIRD + MINUTE
    )
    run_scan()
    assert verdicts() == [SUCCESS, UNCHANGED, SUCCESS]


def test_the_same_content_whose_copy_was_deleted_is_a_success_and_copied_again(
    agent: Agent, vault_root: Path, job: ExpectedBackupJob
) -> None:
    for ended in (FIRST, SECOND):
        deliver(agent, ended, "the same")
        run_scan(ended + 2 * MINUTE)
    first, second = BackupEntry.objects.order_by("pk")
    (vault_root / first.vault_path).unlink()
    deliver(agent, THIRD, "the same")
    run_scan()
    third = BackupEntry.objects.latest("pk")
    assert [first.status, second.status, third.status] == ["SUCCESS", "UNCHANGED", "SUCCESS"]
    assert third.vault_path != first.vault_path
    assert (vault_root / third.vault_path).is_file()


def test_unchanged_is_told_by_the_last_good_backup_and_not_by_any_before(
    agent: Agent, vault_root: Path, job: ExpectedBackupJob
) -> None:
    for ended, content in ((FIRST, "A"), (SECOND, "B"), (THIRD, "A")):
        deliver(agent, ended, content)
        run_scan(ended + 2 * MINUTE)
    assert verdicts() == [SUCCESS, SUCCESS, SUCCESS]
    assert len([file for file in vault_root.rglob("*") if file.is_file()]) == 3


def test_a_bad_backup_in_between_does_not_hide_that_nothing_changed(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    deliver(agent, FIRST, "A")
    run_scan(FIRST + 2 * MINUTE)
    deliver(agent, SECOND, "A")
    replace_staged(agent, SECOND)
    run_scan(SECOND + 2 * MINUTE)
    deliver(agent, THIRD, "A")
    run_scan()
    assert verdicts() == [SUCCESS, TORN, UNCHANGED]
