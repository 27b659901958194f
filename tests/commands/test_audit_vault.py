"""`audit_vault`: its exit codes, the JSON that scripts depend on, and the table for people."""

import json
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from scanner.models import VaultCopy, VaultRun
from tests.agent import Agent
from tests.commands.rival import lease_held_elsewhere
from tests.scanning import NOW, make_job, run_scan

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _two_copies(deposit_root: Path, settings: Settings) -> None:
    """Let a scan have put two copies into the vault, and let their staged files be gone."""
    settings.VAULT_RESERVE_MIB = 0
    agent = Agent(deposit_root)
    make_job("ONE")
    make_job("TWO")
    claims = {name: agent.claim(name.encode(), NOW, "", f"{name}.bak") for name in ("ONE", "TWO")}
    agent.report(claims, NOW)
    run_scan()
    for staged in agent.databases.iterdir():
        staged.rename(agent.home / staged.name)


def exit_code(*arguments: str) -> int:
    """Give the exit code of the command; one that comes to its end has 0."""
    try:
        call_command("audit_vault", *arguments)
    except SystemExit as exited:
        return int(exited.code or 0)
    return 0


def lose_one(vault: Path) -> VaultCopy:
    copy = VaultCopy.objects.get(job__database_name="ONE")
    (vault / copy.path).unlink()
    return copy


def test_when_nothing_is_wrong_it_exits_0_with_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert exit_code() == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert "copies read: 2 (6 B); findings open: 0; copies put back: 0; 100 % re-read or" in line


def test_findings_exit_1_and_are_a_table(
    vault_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = lose_one(vault_root)
    assert exit_code() == 1
    columns, row, line = capsys.readouterr().out.splitlines()
    assert columns.split() == ["Finding", "Expected", "backup", "Path", "Since", "Message"]
    for words in ("absent copy", str(copy.job), copy.path, "no file has this name"):
        assert words in row
    assert "findings open: 1; copies put back: 0" in line
    assert "1 of 2 copies re-read or written" in line


def test_a_finding_of_an_earlier_audit_exits_1_as_well(
    vault_root: Path, settings: Settings
) -> None:
    lose_one(vault_root)
    assert exit_code() == 1
    assert exit_code() == 1


def test_json_is_one_object(vault_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = lose_one(vault_root)
    assert exit_code("--json") == 1
    told = capsys.readouterr().out
    assert told.count("\n") == 1
    data = json.loads(told)
    keys = ["run", "outcome", "copies", "bytes", "covered_since", "coverage", "findings"]
    assert list(data) == [*keys, "repaired"]
    assert (data["run"], data["outcome"]) == (VaultRun.objects.get().pk, "findings")
    assert (data["copies"], data["repaired"]) == (2, 0)
    assert data["coverage"] == {"copies": 2, "bytes": 6}
    (finding,) = data["findings"]
    assert (finding["kind"], finding["path"], finding["ended_at"]) == ("absent", copy.path, None)


def lose_one_that_can_be_put_back(vault: Path, deposits: Path) -> VaultCopy:
    agent = Agent(deposits)
    (agent.home / "ONE.bak").rename(agent.databases / "ONE.bak")
    return lose_one(vault)


def test_what_was_put_back_is_in_the_table_and_exits_1_once(
    vault_root: Path, deposit_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = lose_one_that_can_be_put_back(vault_root, deposit_root)
    assert exit_code() == 1
    _, row, line = capsys.readouterr().out.splitlines()
    for words in ("absent copy", str(copy.job), copy.path, "put back from the staged file ONE.bak"):
        assert words in row
    assert "findings open: 0; copies put back: 1; 100 %" in line
    assert exit_code() == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_what_was_put_back_is_told_to_programs(
    vault_root: Path, deposit_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lose_one_that_can_be_put_back(vault_root, deposit_root)
    assert exit_code("--json") == 1
    data = json.loads(capsys.readouterr().out)
    assert (data["outcome"], data["repaired"]) == ("findings", 1)
    assert [finding["end"] for finding in data["findings"]] == ["repaired"]


def test_all_reads_each_copy_whatever_the_budget(settings: Settings) -> None:
    settings.VAULT_AUDIT_GIB = 0
    settings.VAULT_AUDIT_MINUTES = 1
    assert exit_code("--all") == 0
    assert VaultRun.objects.get().copies == 2


def test_a_vault_that_is_away_exits_2_and_says_so(
    vault_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vault_root.rename(vault_root.with_name("unmounted"))
    vault_root.mkdir()
    assert exit_code("--json") == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "has none of the copies that it should hold" in told.err


@pytest.mark.django_db(transaction=True)
def test_while_another_works_on_the_vault_it_exits_3(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with lease_held_elsewhere("vault"):
        assert exit_code() == 3
    assert "held by process" in capsys.readouterr().err
