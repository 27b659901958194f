"""`scan_now`: its exit codes, the JSON that scripts depend on, and the table for people."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from pytest_django import Settings

from scanner.models import AgentReport, ScanRun
from tests.agent import Agent
from tests.commands.rival import lease_held_elsewhere
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

RUN_KEYS = [
    "run",
    "started_at",
    "finished_at",
    "seconds",
    "reports",
    "verified_bytes",
    "counts",
    "entries",
    "problems",
]
ENTRY_KEYS = [
    "agent",
    "company",
    "city",
    "neighborhood",
    "database",
    "status",
    "reason",
    "warnings",
    "level",
    "cycle_due",
    "size",
    "sha256",
    "vault_path",
    "message",
]


def exit_code(*arguments: str) -> int:
    """Give the exit code of a command; one that comes to its end has 0."""
    try:
        call_command("scan_now", *arguments)
    except SystemExit as exited:
        return int(exited.code or 0)
    return 0


def deposit_one_bad(root: Path) -> None:
    """Deposit a good backup and one whose file is not there."""
    agent = Agent(root)
    make_job("GOOD_2025")
    make_job("BAD_2025")
    agent.deposit("GOOD_2025", NOW)
    agent.deposit("BAD_2025", NOW + timedelta(minutes=1))
    (agent.databases / "bad_2025.sql.gz").unlink()


def test_a_scan_that_ran_exits_0_whatever_it_found(deposit_root: Path) -> None:
    deposit_one_bad(deposit_root)
    assert exit_code() == 0


@pytest.mark.parametrize("again", [False, True], ids=["found now", "left from before"])
def test_with_fail_on_problems_a_job_in_trouble_exits_1(deposit_root: Path, again: bool) -> None:
    deposit_one_bad(deposit_root)
    if again:
        assert exit_code() == 0
    assert exit_code("--fail-on-problems") == 1


def test_with_fail_on_problems_none_in_trouble_exits_0(deposit_root: Path) -> None:
    make_job("GOOD_2025")
    Agent(deposit_root).deposit("GOOD_2025", NOW)
    assert exit_code("--fail-on-problems") == 0


def test_a_paused_job_is_no_problem(deposit_root: Path) -> None:
    make_job("BAD_2025", is_active=False)
    agent = Agent(deposit_root)
    agent.deposit("BAD_2025", NOW)
    (agent.databases / "bad_2025.sql.gz").unlink()
    assert exit_code("--fail-on-problems") == 0


def test_a_missing_root_exits_2_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--json") == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "BACKUP_STORAGE_ROOT" in told.err
    run = ScanRun.objects.get()
    assert (run.outcome, run.counts) == ("failed", {})


def test_an_agent_that_nobody_knows_exits_2(
    deposit_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Agent(deposit_root).log.mkdir(parents=True)
    assert exit_code("--agent", "acme_douala_newbell") == 0
    assert exit_code("--agent", "ACME_DOUALA_NOWHERE") == 2
    assert "ACME_DOUALA_NOWHERE" in capsys.readouterr().err


def test_a_wrong_setting_exits_2_and_names_it(
    deposit_root: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.VALIDATED_BACKUPS_BASE_PATH = deposit_root / "inside"
    assert exit_code() == 2
    assert "VALIDATED_BACKUPS_BASE_PATH" in capsys.readouterr().err
    assert not ScanRun.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_while_another_scan_runs_it_exits_3_and_says_who_holds_the_lease(
    deposit_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with lease_held_elsewhere():
        assert exit_code("--json") == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert "held by process" in told.err
    assert not ScanRun.objects.exists()
    assert exit_code() == 0


def test_json_is_the_only_thing_on_stdout_and_the_log_goes_to_stderr(
    deposit_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deposit_one_bad(deposit_root)
    call_command("scan_now", "--json")
    told = capsys.readouterr()
    assert told.out.count("\n") == 1
    assert isinstance(json.loads(told.out), dict)
    assert "scanner.journal: scan" in told.err


def test_json_has_the_promised_keys_in_the_promised_order(
    deposit_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deposit_one_bad(deposit_root)
    Agent(deposit_root, "ACME_DOUALA_AKWA").drop("empty.json", "{}")
    call_command("scan_now", "--json")
    run: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert list(run) == RUN_KEYS
    assert run["run"] == ScanRun.objects.get().pk
    assert run["reports"] == {"accepted": 2, "rejected": 1, "known": 0, "deferred": 0}
    assert run["counts"] == {
        "SUCCESS": 1,
        "UNCHANGED": 0,
        "FAILED": 0,
        "CORRUPT": 0,
        "MISSING": 1,
        "UNKNOWN": 0,
    }
    assert run["problems"] == 1
    entries = {entry["database"]: entry for entry in run["entries"]}
    assert all(list(entry) == ENTRY_KEYS for entry in entries.values())
    good, bad = entries["GOOD_2025"], entries["BAD_2025"]
    assert (good["status"], good["reason"], good["level"]) == ("SUCCESS", None, "content")
    assert run["verified_bytes"] == good["size"]
    assert (bad["status"], bad["reason"], bad["level"]) == ("MISSING", "file_absent", None)
    assert (bad["size"], bad["sha256"], bad["vault_path"]) == (None, None, None)


def test_without_json_there_is_a_table_with_a_line_that_sums_up(
    deposit_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deposit_one_bad(deposit_root)
    call_command("scan_now")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0][:4] == ["Place", "Database", "Status", "Reason"]
    good = next(line for line in lines if "GOOD_2025" in line)
    assert good[:5] == ["ACME", "/", "DOUALA", "/", "NEWBELL"]
    assert good[5:7] == ["GOOD_2025", "SUCCESS"]
    assert " ".join(lines[-1]).startswith(f"Scan {ScanRun.objects.get().pk} complete in ")
    assert "1 SUCCESS, 1 MISSING" in " ".join(lines[-1])


def test_what_was_rejected_is_named_with_its_reason(
    deposit_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Agent(deposit_root).drop("empty.json", "{}")
    Agent(deposit_root, "ACME_DOUALA_AKWA").drop("[b]x[b]:bomb:.json", '{"agent_id": "X_Y_Z"}')
    call_command("scan_now")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert {line.partition(".json: ")[0] for line in lines[:2]} == {
        "! rejected ACME_DOUALA_NEWBELL/empty",
        "! rejected ACME_DOUALA_AKWA/[b]x[b]:bomb:",
    }
    reasons = AgentReport.objects.values_list("reason", flat=True)
    assert {line.partition(".json: ")[2] for line in lines[:2]} == set(reasons)
    assert "" not in reasons


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("off", "2 databases nobody expects, 0 registered; "),
        ("inactive", "2 databases nobody expects, 2 registered; "),
    ],
)
def test_databases_that_nobody_expects_are_counted(
    deposit_root: Path,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
    how: str,
    words: str,
) -> None:
    settings.AUTO_REGISTER = how
    make_job("GOOD_2025")
    agent = Agent(deposit_root)
    agent.report({"NEW_2025": {}, "OTHER_2025": {}}, NOW)
    call_command("scan_now")
    assert words in capsys.readouterr().out
    agent.deposit("GOOD_2025", NOW + timedelta(minutes=1))
    call_command("scan_now")
    assert "nobody expects" not in capsys.readouterr().out


def test_a_scan_of_nothing_prints_the_sum_alone(
    deposit_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("scan_now")
    (line,) = capsys.readouterr().out.splitlines()
    assert "no new verdicts" in line


def test_an_error_that_nobody_foresaw_is_no_exit_code_of_problems(
    deposit_root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError("bad\0 luck")

    monkeypatch.setattr("scanner.pipeline.deposit.walk", break_down)
    with pytest.raises(SystemExit) as caught:
        call_command("scan_now")
    assert caught.value.code == 2
    assert caplog.text.count("Traceback (most recent call last)") == 1
    run = ScanRun.objects.get()
    assert (run.outcome, run.error) == ("failed", "RuntimeError: bad luck")
