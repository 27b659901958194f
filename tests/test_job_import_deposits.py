"""Jobs for what reports in the deposit tree mention and nobody expects."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from scanner.errors import DepositRootUnavailable
from scanner.job_import import Mentioned, import_deposits
from scanner.models import AgentReport, BackupEntry, ExpectedBackupJob, ScanRun
from tests.agent import Agent
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db


def mention(
    root: Path,
    *databases: str,
    agent: str = "ACME_DOUALA_NEWBELL",
    name: str = "20260302_110000_A.json",
    shelf: str = "",
    speaker: str | None = None,
) -> Path:
    """Drop a report about these databases into `log/`, or onto a shelf below it."""
    content: dict[str, Any] = {
        "agent_id": speaker,
        "databases": {database: {} for database in databases},
    }
    file = Agent(root, agent).drop(name, json.dumps(content))
    if shelf:
        (file.parent / shelf).mkdir(exist_ok=True)
        file = file.rename(file.parent / shelf / name)
    return file


def imported() -> Mentioned:
    return import_deposits(now=NOW)


def registered(found: Mentioned) -> list[tuple[str, str]]:
    return [(one.agent, one.database) for one in found.registered]


def databases() -> Iterable[str]:
    return ExpectedBackupJob.objects.order_by("pk").values_list("database_name", flat=True)


def test_a_mentioned_database_becomes_a_job_with_its_place_and_year(deposit_root: Path) -> None:
    mention(deposit_root, "OTHER_CORP_2025", agent="acme_yaounde_ETOA_MEKI")
    found = imported()
    assert registered(found) == [("ACME_YAOUNDE_ETOA_MEKI", "OTHER_CORP_2025")]
    job = ExpectedBackupJob.objects.get()
    assert (job.company_name, job.city, job.neighborhood) == ("acme", "yaounde", "ETOA_MEKI")
    assert (job.database_name, job.year, job.agent_id) == (
        "OTHER_CORP_2025",
        2025,
        "ACME_YAOUNDE_ETOA_MEKI",
    )
    assert (job.schedule, job.is_active, job.status, job.due_at) == ("", True, "UNKNOWN", None)


def test_archived_reports_count_and_rejected_ones_do_not(deposit_root: Path) -> None:
    mention(deposit_root, "A", "B", name="old.json", shelf="_archive")
    mention(deposit_root, "B", "C", name="new.json")
    mention(deposit_root, "D", name="bad.json", shelf="_rejected")
    found = imported()
    assert registered(found) == [("ACME_DOUALA_NEWBELL", name) for name in ("A", "B", "C")]
    assert (found.reports, found.expected, found.skipped) == (2, 0, [])


def test_nothing_but_jobs_is_written_and_no_file_is_moved(deposit_root: Path) -> None:
    file = mention(deposit_root, "A")
    imported()
    assert file.exists()
    assert not any(model.objects.exists() for model in (AgentReport, BackupEntry, ScanRun))


def test_what_is_expected_already_is_not_touched(deposit_root: Path) -> None:
    make_job("PAUSED_2025", is_active=False, schedule="0 4 * * *")
    make_job("CASE_2025")
    make_job("UNMENTIONED_2025")
    before = list(ExpectedBackupJob.objects.order_by("pk").values())
    mention(deposit_root, "PAUSED_2025", "case_2025", "NEW")
    found = imported()
    assert registered(found) == [("ACME_DOUALA_NEWBELL", "NEW")]
    assert found.expected == 2
    assert list(ExpectedBackupJob.objects.exclude(database_name="NEW").order_by("pk").values()) == (
        before
    )


def test_a_second_import_registers_nothing(deposit_root: Path) -> None:
    mention(deposit_root, "A", "a")
    assert len(imported().registered) == 2
    again = imported()
    assert (again.registered, again.expected) == ([], 2)


def test_the_same_name_from_two_agents_is_two_jobs(deposit_root: Path) -> None:
    for agent in ("ACME_DOUALA_AKWA", "ACME_DOUALA_PORT"):
        mention(deposit_root, "A", agent=agent)
    assert len(imported().registered) == 2


def test_a_name_in_another_case_in_a_later_report_is_the_same_database(deposit_root: Path) -> None:
    mention(deposit_root, "Sales", name="1.json", shelf="_archive")
    mention(deposit_root, "SALES", name="2.json")
    assert registered(imported()) == [("ACME_DOUALA_NEWBELL", "Sales")]


def test_names_that_differ_in_case_within_a_report_are_two_databases(deposit_root: Path) -> None:
    mention(deposit_root, "Sales", "SALES", name="1.json")
    mention(deposit_root, "Sales", "SALES", name="2.json")
    assert len(imported().registered) == 2


def test_inactive_jobs_are_paused(deposit_root: Path) -> None:
    mention(deposit_root, "A")
    import_deposits(now=NOW, active=False)
    assert not ExpectedBackupJob.objects.get().is_active


def test_a_dry_run_writes_nothing(deposit_root: Path) -> None:
    mention(deposit_root, "A")
    found = import_deposits(now=NOW, dry_run=True)
    assert registered(found) == [("ACME_DOUALA_NEWBELL", "A")]
    assert not ExpectedBackupJob.objects.exists()


def test_reports_that_cannot_be_read_are_named_and_cost_no_other(deposit_root: Path) -> None:
    mention(deposit_root, "A", name="good.json")
    Agent(deposit_root).drop("broken.json", '{"databases": {"B"')
    mention(deposit_root, "C", name="foreign.json", speaker="OTHER_DOUALA_AKWA")
    archived = mention(deposit_root, "D", name="empty.json", shelf="_archive")
    archived.write_text("{}")
    found = imported()
    assert list(databases()) == ["A"]
    assert [words.partition(": ")[0] for words in found.skipped] == [
        "'ACME_DOUALA_NEWBELL/log/_archive/empty.json'",
        "'ACME_DOUALA_NEWBELL/log/broken.json'",
        "'ACME_DOUALA_NEWBELL/log/foreign.json'",
    ]
    assert "an agent can speak for itself only" in found.skipped[2]


def test_a_speaker_in_another_letter_case_is_the_agent(deposit_root: Path) -> None:
    mention(deposit_root, "A", speaker="acme_douala_newbell")
    assert imported().skipped == []


def test_an_agents_log_or_shelf_that_is_a_link_is_named_and_costs_no_other(
    deposit_root: Path,
) -> None:
    elsewhere = deposit_root.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x.json").write_text('{"databases": {"STOLEN": {}}}')
    mention(deposit_root, "A", agent="ACME_DOUALA_AKWA")
    (deposit_root / "ACME_DOUALA_AKWA/log/_archive").symlink_to(elsewhere)
    (deposit_root / "ACME_DOUALA_PORT").mkdir()
    (deposit_root / "ACME_DOUALA_PORT/log").symlink_to(elsewhere)
    mention(deposit_root, "B", agent="ACME_DOUALA_NEWBELL")
    found = imported()
    assert list(databases()) == ["A", "B"]
    assert len(found.skipped) == 2
    assert all("is a link or a file, not a folder" in words for words in found.skipped)


def test_what_lies_beside_reports_is_not_read(deposit_root: Path) -> None:
    file = mention(deposit_root, "A")
    (file.parent / ".hidden.json").write_text('{"databases": {"B": {}}}')
    (file.parent / "link.json").symlink_to(file)
    (file.parent / "folder.json").mkdir()
    (deposit_root / "lost+found").mkdir()
    found = imported()
    assert (found.reports, found.skipped) == (1, [])


def test_hostile_names_become_names_that_can_be_stored(deposit_root: Path) -> None:
    mention(deposit_root, "A\0B", "\ud800", "x" * 5000, "[red]")
    assert len(imported().registered) == 4
    assert all(len(name) <= 200 and "\0" not in name for name in databases())


def test_hostile_file_names_are_told_on_one_printable_line(deposit_root: Path) -> None:
    for name in (b"\x1b[2J\n.json", b"\xff.json"):
        Agent(deposit_root).drop(os.fsdecode(name), "{}")
    assert all(words.isprintable() for words in imported().skipped)
    assert len(imported().skipped) == 2


def test_without_a_root_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(DepositRootUnavailable):
        imported()


@pytest.mark.parametrize("count", [1, 60])
def test_statements_do_not_grow_with_reports(deposit_root: Path, count: int) -> None:
    for number in range(count):
        mention(deposit_root, "A", name=f"{number}.json", shelf="_archive" if number % 2 else "")
    with CaptureQueriesContext(connection) as asked:
        imported()
    assert len(asked) < 8
