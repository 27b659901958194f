"""What all our commands have in common when they cannot work, or nobody reads what they print."""

import json
import os
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from scanner.management.exits import CANNOT_RUN, READER_GONE
from tests.agent import Agent
from tests.process import MANAGE, PATIENCE, ROOT, environment, fresh_sqlite, manage
from tests.scanning import NOW

COMMANDS = {
    "audit_vault": ("--json",),
    "backup_status": ("--json",),
    "demo": (),
    "export_jobs": (),
    "import_jobs": ("--from-deposits",),
    "make_groups": (),
    "prune_vault": ("--dry-run",),
    "reprocess": ("report.json",),
    "restore_drill": ("--json",),
    "runapscheduler": (),
    "scan_now": ("--json",),
    "scheduler_status": ("--json",),
    "send_alerts": ("--json",),
    "send_test_alert": (),
    "serve": ("--bind", "127.0.0.1:0"),
}


def test_these_are_all_our_commands() -> None:
    folder = ROOT / "scanner/management/commands"
    assert set(COMMANDS) == {path.stem for path in folder.glob("*.py")} - {"__init__"}


@pytest.mark.parametrize("command", COMMANDS)
def test_without_tables_every_command_says_what_to_do(
    command: str, tmp_path: Path, deposit_root: Path
) -> None:
    empty = f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    done = manage(command, *COMMANDS[command], DATABASE_URL=empty)
    assert (done.returncode, done.stdout) == (CANNOT_RUN, "")
    assert "run manage.py migrate" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - {"scheduler_status"}))
def test_a_wrong_setting_is_named_by_every_command(
    command: str, tmp_path: Path, deposit_root: Path
) -> None:
    done = manage(
        command, *COMMANDS[command], DATABASE_URL=fresh_sqlite(tmp_path), SCAN_WORKERS="0"
    )
    assert (done.returncode, done.stdout) == (CANNOT_RUN, "")
    assert "SCAN_WORKERS: found 0" in done.stderr
    assert "Traceback" not in done.stderr


def closed_pipe() -> int:
    """Give the writing end of a pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.parametrize(
    "arguments",
    [
        ("scan_now", "--json", "--fail-on-problems"),
        ("scan_now",),
        ("backup_status",),
        ("backup_status", "--json"),
        ("backup_status", "--problems"),
        ("export_jobs",),
        ("import_jobs", "--from-deposits"),
        ("import_jobs", "--dry-run", "docs/jobs.example.csv"),
        ("serve", "--bind", "127.0.0.1:0"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("also_errors", [False, True], ids=["output", "output and errors"])
def test_whoever_stops_reading_hears_nothing_more(
    arguments: tuple[str, ...], also_errors: bool, tmp_path: Path, deposit_root: Path
) -> None:
    Agent(deposit_root).report({"ACME_2025": {}}, NOW)
    database = fresh_sqlite(tmp_path)
    with closing(os.fdopen(closed_pipe(), "wb")) as nobody:
        done = subprocess.run(
            [*MANAGE, *arguments],
            cwd=ROOT,
            env=environment(
                DATABASE_URL=database,
                LOG_LEVEL="INFO" if also_errors else "ERROR",
                PYTHONUNBUFFERED="",  # what is printed is written at the end
            ),
            stdout=nobody,
            stderr=subprocess.STDOUT if also_errors else subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )
    assert (done.returncode, done.stderr or b"") == (READER_GONE, b"")


def test_a_log_that_nobody_reads_changes_nothing(tmp_path: Path, deposit_root: Path) -> None:
    with closing(os.fdopen(closed_pipe(), "wb")) as nobody:
        done = subprocess.run(
            [*MANAGE, "scan_now", "--json"],
            env=environment(DATABASE_URL=fresh_sqlite(tmp_path)),
            stdout=subprocess.PIPE,
            stderr=nobody,
            timeout=PATIENCE,
            check=False,
        )
    assert (done.returncode, json.loads(done.stdout)["run"]) == (0, 1)


def test_what_is_lost_is_only_the_output(tmp_path: Path, deposit_root: Path) -> None:
    database = fresh_sqlite(tmp_path)
    Agent(deposit_root).report({"ACME_2025": {}}, NOW)
    with closing(os.fdopen(closed_pipe(), "wb")) as nobody:
        subprocess.run(
            [*MANAGE, "scan_now"],
            env=environment(DATABASE_URL=database),
            stdout=nobody,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )
    assert '"ACME_2025"' in manage("backup_status", "--json", DATABASE_URL=database).stdout
