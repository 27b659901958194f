"""`backup_status`: each job's state, for people and for programs."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from scanner import board, board_data, roster, vault_findings
from scanner.models import ExpectedBackupJob, VaultCopy
from tests.agent import Agent
from tests.scanning import NOW, make_job, run_scan

pytestmark = pytest.mark.django_db

KEYS = [
    "agent",
    "company",
    "city",
    "neighborhood",
    "database",
    "active",
    "awaits_adoption",
    "paused",
    "status",
    "reason",
    "since",
    "last_good",
    "next_due",
    "next_deadline",
    "message",
    "last_restored",
    "vault_findings",
]
ENDED = NOW - timedelta(minutes=30)


def make_three(root: Path) -> None:
    """Leave one job in order, one in trouble and a paused one that was in trouble before."""
    agent = Agent(root)
    for minute, name in enumerate(("GOOD_2025", "BAD_2025", "PAUSED_2025")):
        make_job(name, schedule="0 11 * * *", grace_minutes=60, time_zone="Africa/Douala")
        agent.deposit(name, ENDED - timedelta(minutes=60 + minute), arrived=ENDED)
        if name != "GOOD_2025":
            (agent.databases / f"{name.lower()}.sql.gz").unlink()
    run_scan()
    paused = ExpectedBackupJob.objects.get(database_name="PAUSED_2025")
    roster.pause([paused.pk], now=NOW)


def states(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    """Give what `backup_status --json` prints."""
    call_command("backup_status", "--json", *arguments)
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def state(database: str, now: datetime = NOW) -> dict[str, Any]:
    """Give a job's state as data, as of a time."""
    (job,) = (job for job in board.job_states() if job.database_name == database)
    return board_data.job_as_data(job, now=now)


def test_json_has_one_object_for_each_job_with_the_same_keys(
    deposit_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_three(deposit_root)
    make_job("NEVER_2025")
    found = states(capsys)
    assert {one["database"] for one in found} == {
        "GOOD_2025",
        "BAD_2025",
        "PAUSED_2025",
        "NEVER_2025",
    }
    assert all(list(one) == KEYS for one in found)


def test_a_good_job_tells_its_last_copy_and_its_age(deposit_root: Path, vault_root: Path) -> None:
    make_three(deposit_root)
    found = state("GOOD_2025", NOW + timedelta(hours=2))
    copy = vault_root / found["last_good"]["vault_path"]
    assert found == {
        "agent": "ACME_DOUALA_NEWBELL",
        "company": "ACME",
        "city": "DOUALA",
        "neighborhood": "NEWBELL",
        "database": "GOOD_2025",
        "active": True,
        "awaits_adoption": False,
        "paused": None,
        "status": "SUCCESS",
        "reason": None,
        "since": "2026-03-02T10:30:00Z",
        "last_good": {
            "at": "2026-03-02T10:30:00Z",
            "age_seconds": 3 * 3600 + 1800,
            "size": copy.stat().st_size,
            "vault_path": "ACME/DOUALA/NEWBELL/GOOD_2025/GOOD_2025_20260302_103000.sql.gz",
        },
        "next_due": "2026-03-03T10:00:00Z",
        "next_deadline": "2026-03-03T11:00:00Z",
        "message": found["message"],
    }


def test_a_job_in_trouble_keeps_its_last_good_copy_and_says_what_is_wrong(
    deposit_root: Path,
) -> None:
    make_three(deposit_root)
    agent = Agent(deposit_root)
    day = timedelta(days=1)
    agent.deposit("GOOD_2025", ENDED + day, arrived=ENDED + day)
    (agent.databases / "good_2025.sql.gz").unlink()
    run_scan(NOW + day)
    found = state("GOOD_2025", NOW + day)
    assert (found["status"], found["reason"]) == ("MISSING", "file_absent")
    assert found["last_good"]["at"] == "2026-03-02T10:30:00Z"
    assert "good_2025.sql.gz" in found["message"]


def test_a_job_that_was_never_judged_has_no_past(deposit_root: Path) -> None:
    make_job("NEVER_2025")
    found = state("NEVER_2025")
    assert (found["status"], found["reason"], found["since"]) == ("UNKNOWN", None, None)
    assert (found["last_good"], found["message"]) == (None, None)
    assert (found["next_due"], found["next_deadline"]) == (None, None)


def test_a_copy_that_was_not_made_has_no_path(deposit_root: Path, vault_root: Path) -> None:
    vault_root.write_text("a file where a folder should be")
    make_three(deposit_root)
    found = state("GOOD_2025")
    assert found["last_good"]["at"] == "2026-03-02T10:30:00Z"
    assert found["last_good"]["vault_path"] is None


def test_only_active_jobs_in_trouble_are_problems_and_they_exit_1(
    deposit_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_three(deposit_root)
    with pytest.raises(SystemExit) as exited:
        call_command("backup_status", "--problems", "--json")
    assert exited.value.code == 1
    assert [one["database"] for one in json.loads(capsys.readouterr().out)] == ["BAD_2025"]


def test_no_problems_exit_0(deposit_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_job("NEVER_2025")
    call_command("backup_status", "--problems")
    assert capsys.readouterr().out == "No problems.\n"
    assert states(capsys, "--problems") == []


def test_problems_without_the_option_exit_0(deposit_root: Path) -> None:
    make_three(deposit_root)
    call_command("backup_status")


def test_the_table_marks_paused_jobs_and_shows_local_times(
    deposit_root: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    make_three(deposit_root)
    settings.TIME_ZONE = "Africa/Douala"
    call_command("backup_status")
    lines = capsys.readouterr().out.splitlines()
    by_name = {name: line for line in lines for name in line.split() if name.endswith("_2025")}
    assert "(paused)" in by_name["PAUSED_2025"]
    assert "(paused)" not in by_name["GOOD_2025"]
    assert "ACME / DOUALA / NEWBELL" in by_name["GOOD_2025"]
    assert "2026-03-02 11:30" in by_name["GOOD_2025"]
    assert "2026-03-03 12:00" in by_name["GOOD_2025"]
    assert "file_absent" in by_name["BAD_2025"]


def test_the_table_names_the_agent_and_with_problems_tells_what_is_wrong(
    deposit_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_three(deposit_root)
    message = ExpectedBackupJob.objects.get(database_name="BAD_2025").last_entry
    assert message is not None
    call_command("backup_status")
    everything = capsys.readouterr().out
    assert everything.count("  ACME_DOUALA_NEWBELL  ") == 3
    assert message.message not in everything
    with pytest.raises(SystemExit):
        call_command("backup_status", "--problems")
    header, line, vault = capsys.readouterr().out.splitlines()
    assert vault.startswith("Vault: ")
    assert header.endswith("  Message")
    assert "  ACME_DOUALA_NEWBELL  " in line
    assert line.endswith(f"  {message.message}")


def test_the_vault_is_told_in_a_closing_line(
    deposit_root: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.VAULT_RESERVE_MIB = 0
    make_three(deposit_root)
    (copy,) = VaultCopy.objects.all()
    vault_findings.find(vault_findings.Kind.EXTRA, "x", "whose?", now=NOW)
    VaultCopy.objects.update(stored_at=timezone.now(), size=10**30 // 10**14)
    call_command("backup_status")
    line = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(
        r"Vault: 100 % re-read or written in the last \d+ days; [\d.]+ [KMGT]iB free; "
        r"days until full: 0; open findings: 1",
        line,
    )
    VaultCopy.objects.filter(pk=copy.pk).update(state="deleted")
    call_command("backup_status")
    assert "Vault: " not in capsys.readouterr().out


def test_a_vault_that_is_away_has_no_free_space_to_tell(
    deposit_root: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    make_three(deposit_root)
    settings.VALIDATED_BACKUPS_BASE_PATH = deposit_root.with_name("x" * 300)  # no disk has it
    call_command("backup_status")
    assert "; free space cannot be told; open findings: 0\n" in capsys.readouterr().out


def test_json_tells_of_each_job_what_is_wrong_in_the_vault(
    deposit_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_three(deposit_root)
    (copy,) = VaultCopy.objects.all()
    vault_findings.find(vault_findings.Kind.DAMAGED, copy.path, "rot", now=NOW, job=copy.job)
    told = {one["database"]: one for one in states(capsys)}
    assert told["GOOD_2025"]["vault_findings"] == 1
    assert told["BAD_2025"]["vault_findings"] == 0
    assert told["GOOD_2025"]["last_restored"] is None


def test_without_jobs_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("backup_status")
    assert capsys.readouterr().out == "No expected backups yet.\n"


def test_markup_in_a_name_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    make_job("[bold]X[/bold]")
    call_command("backup_status")
    assert "[bold]X[/bold]" in capsys.readouterr().out


@pytest.mark.parametrize("count", [1, 40])
def test_many_jobs_cost_as_many_statements_as_one(
    count: int,
    deposit_root: Path,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    agent = Agent(deposit_root)
    for number in range(count):
        make_job(f"DB_{number}")
        agent.deposit(f"DB_{number}", ENDED - timedelta(seconds=number), arrived=ENDED)
    run_scan()
    with django_assert_num_queries(5):  # two of them look whether the tables are there
        call_command("backup_status", "--json")
