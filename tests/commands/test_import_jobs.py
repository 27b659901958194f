"""`import_jobs`: what it prints, and its exit codes."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from scanner.models import ExpectedBackupJob
from tests.agent import Agent
from tests.process import fresh_sqlite, manage
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

HEADER = "company_name,city,neighborhood,database_name,agent_id,schedule"
ROW = "ACME,DOUALA,NEWBELL,{},ACME_DOUALA_NEWBELL,{}"


def write(folder: Path, *rows: str) -> Path:
    file = folder / "jobs.csv"
    file.write_text("\n".join([HEADER, *rows]))
    return file


def told(*arguments: Any) -> list[list[str]]:
    """Run the command; give the words of each line that it printed."""
    out = io.StringIO()
    call_command("import_jobs", *arguments, stdout=out)
    return [line.split() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("dry_run", [False, True])
def test_it_prints_what_was_created_updated_and_unchanged(tmp_path: Path, dry_run: bool) -> None:
    make_job("SAME_2025", schedule="0 4 * * *")
    make_job("OTHER_2025", schedule="0 4 * * *")
    rows = (
        ROW.format(name, hour)
        for name, hour in (
            ("NEW_2025", "0 3 * * *"),
            ("SAME_2025", "0 4 * * *"),
            ("OTHER_2025", "0 5 * * *"),
        )
    )
    lines = told(write(tmp_path, *rows), *(["--dry-run"] if dry_run else []))
    agent = "ACME_DOUALA_NEWBELL"
    assert lines[:5] == [
        ["Line", "Job", "Agent", "Database", "Changed"],
        ["2", "created", agent, "NEW_2025"],
        ["3", "unchanged", agent, "SAME_2025"],
        ["4", "updated", agent, "OTHER_2025", "schedule"],
        ["1", "created,", "1", "updated,", "1", "unchanged"],
    ]
    assert (lines[5:] == [["Dry", "run:", "nothing", "was", "written."]]) is dry_run
    assert ExpectedBackupJob.objects.filter(database_name="NEW_2025").exists() is not dry_run
    schedule = ExpectedBackupJob.objects.get(database_name="OTHER_2025").schedule
    assert schedule == ("0 4 * * *" if dry_run else "0 5 * * *")


@pytest.mark.parametrize("dry_run", [False, True])
def test_errors_are_listed_on_stderr_with_exit_code_2_and_nothing_is_written(
    tmp_path: Path, dry_run: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = (ROW.format("NEW_2025", ""), ROW.format("", "0 4 * *"), ROW.format("X", "daily"))
    file = write(tmp_path, *rows)
    with pytest.raises(SystemExit) as exited:
        call_command("import_jobs", file, *(["--dry-run"] if dry_run else []))
    assert exited.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = [line for line in printed.err.splitlines() if line.startswith("line ")]
    assert [line.split(": ")[0] for line in lines] == ["line 3", "line 3", "line 4"]
    assert not ExpectedBackupJob.objects.exists()


def test_a_file_that_had_to_be_read_as_windows_1252_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "jobs.csv"
    file.write_bytes(f"{HEADER}\nACME,Yaoundé,NEWBELL,X,A_B_C,".encode("cp1252"))
    call_command("import_jobs", file)
    printed = capsys.readouterr()
    assert "read as Windows-1252" in printed.err
    assert "1 created" in printed.out


def test_from_deposits_says_what_was_registered_and_skipped(
    deposit_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = Agent(deposit_root)
    make_job("KNOWN_2025")
    agent.report({"NEW_2025": {}, "KNOWN_2025": {}}, NOW)
    agent.drop("bad.json", "{}")
    call_command("import_jobs", "--from-deposits")
    printed = capsys.readouterr()
    assert "ACME_DOUALA_NEWBELL  NEW_2025" in printed.out
    assert "1 registered, 1 expected already; 1 reports read, 1 skipped" in printed.out
    assert "skipped 'ACME_DOUALA_NEWBELL/log/bad.json': " in printed.err
    assert ExpectedBackupJob.objects.get(database_name="NEW_2025").is_active


@pytest.mark.parametrize("option", ["--inactive", "--dry-run"])
def test_from_deposits_registers_paused_jobs_or_none(deposit_root: Path, option: str) -> None:
    Agent(deposit_root).report({"NEW_2025": {}}, NOW)
    told("--from-deposits", option)
    active = list(ExpectedBackupJob.objects.values_list("is_active", flat=True))
    assert active == ([False] if option == "--inactive" else [])


def test_from_deposits_without_a_root_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        call_command("import_jobs", "--from-deposits")
    assert exited.value.code == 2
    assert "BACKUP_STORAGE_ROOT" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["jobs.csv", "--from-deposits"], ["jobs.csv", "--inactive"]]
)
def test_arguments_that_make_no_sense_are_refused(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("import_jobs", *arguments)


def test_as_a_process_it_exits_0_and_2(tmp_path: Path) -> None:
    database = fresh_sqlite(tmp_path)
    good = write(tmp_path, ROW.format("X", "0 4 * * *"))
    assert manage("import_jobs", str(good), DATABASE_URL=database).returncode == 0
    bad = manage("import_jobs", str(tmp_path / "absent.csv"), DATABASE_URL=database)
    assert (bad.returncode, bad.stdout) == (2, "")
    assert "No such file" in bad.stderr
    assert "Traceback" not in bad.stderr
    both = manage("import_jobs", str(good), "--inactive", DATABASE_URL=database)
    assert both.returncode == 2
