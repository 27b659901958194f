"""`restore_drill`: its exit codes, what it prints, and what is left when it is ended by force."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from pytest_django import Settings

from scanner import lease
from scanner.drills.conductor import LEASE, drill
from scanner.models import RestoreDrill
from tests.commands.rival import lease_held_elsewhere
from tests.drills.scratch import databases_of, name_in, scratch_postgres
from tests.drills.vaulted import BROKEN, sqlite_dump, vaulted
from tests.process import MANAGE, PATIENCE, environment, manage
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

SHORT = timedelta(seconds=2)
UNKNOWN = b"nobody's words\n"
SLOW = (
    b"--\n-- PostgreSQL database dump\n--\n\nCREATE TABLE t (a int);\nSELECT pg_sleep(3600);\n"
    b"--\n-- PostgreSQL database dump complete\n--\n\n"
)


def exit_code(*arguments: str) -> int:
    """Give the exit code of the command; one that comes to its end has 0."""
    try:
        call_command("restore_drill", *arguments)
    except SystemExit as exited:
        return int(exited.code or 0)
    return 0


@pytest.mark.parametrize(
    ("dumps", "code"),
    [
        ([], 0),
        ([sqlite_dump()], 0),
        ([sqlite_dump(), UNKNOWN], 0),
        ([UNKNOWN], 2),
        ([BROKEN], 1),
        ([sqlite_dump(), BROKEN, UNKNOWN], 1),
    ],
    ids=["nothing", "good", "good and untried", "untried", "broken", "all three"],
)
def test_the_exit_code_tells_what_came_of_it(
    vault_root: Path, dumps: list[bytes], code: int
) -> None:
    vault_root.mkdir()
    for number, dump in enumerate(dumps):
        vaulted(make_job(f"DB{number}"), dump)
    assert exit_code() == code


def test_without_a_vault_it_could_not_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code() == 2
    assert "the vault" in capsys.readouterr().err


@pytest.mark.django_db(transaction=True)
def test_while_others_drill_it_says_who() -> None:
    with lease_held_elsewhere(LEASE):
        assert exit_code() == 3


def test_the_table_tells_what_was_restored_and_what_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for database, dump in {"GOOD": sqlite_dump(rows=1234), "BAD": BROKEN, "ODD": UNKNOWN}.items():
        vaulted(make_job(database), dump)
    exit_code()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1:3] for line in lines[1:4]] == [
        ["GOOD", "restored"],
        ["BAD", "failed"],
        ["ODD", "not"],
    ]
    assert "1,234" in lines[1]
    assert "no such table: absent" in lines[2]
    assert "1 restored, 1 failed, 1 not tried" in lines[-1]


def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    copy = vaulted(make_job(), sqlite_dump(rows=3))
    exit_code("--json")
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    (found,) = printed.pop("drills")
    assert found.pop("seconds") > 0
    assert found == {
        "agent": "ACME_DOUALA_NEWBELL",
        "database": "ACME_2025",
        "vault_path": copy.path,
        "outcome": "restored",
        "target": "SQLite",
        "tables": 1,
        "rows": 3,
        "message": "",
    }
    assert printed.keys() == {
        "run",
        "outcome",
        "message",
        "started_at",
        "finished_at",
        "bytes",
        "findings",
    }
    assert (printed["outcome"], printed["findings"]) == ("ok", 0)


def test_only_the_jobs_that_are_named_are_drilled() -> None:
    for database in ("A", "B", "C/D"):
        vaulted(make_job(database), sqlite_dump())
    agent = "acme_douala_newbell"
    assert exit_code("--job", f"{agent}/A", "--job", f"{agent}/C/D") == 0
    drilled = RestoreDrill.objects.values_list("job__database_name", flat=True)
    assert sorted(drilled) == ["A", "C/D"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ACME_DOUALA_NEWBELL/OTHER", "is no expected backup"),
        ("ACME_2025", "is no expected backup"),
        ("ACME_DOUALA_NEWBELL/EMPTY", "has no whole copy in the vault"),
    ],
)
def test_a_job_that_cannot_be_drilled_is_told(
    name: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    vaulted(make_job(), sqlite_dump())
    make_job("EMPTY")
    assert exit_code("--job", name) == 2
    assert words in capsys.readouterr().err
    assert not RestoreDrill.objects.exists()


def test_the_budget_bounds_it() -> None:
    for database in ("A", "B"):
        vaulted(make_job(database), sqlite_dump())
    assert exit_code("--budget", "0") == 0
    assert RestoreDrill.objects.count() == 1


# --- Ended by force -------------------------------------------------------------------------------


def wait_for(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def sleeping_sessions(server: str, role: str) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND query ~ '^SELECT pg_sle'"
    with psycopg.connect(server) as admin:
        row = admin.execute(query, (role,)).fetchone()
    return int(row[0]) if row else 0


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_whatever_ends_it_nothing_stays_for_long(
    how: signal.Signals,
    postgres_url: str,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    copy = vaulted(make_job(), SLOW)
    with scratch_postgres(postgres_url) as url:
        role = name_in(url)
        variables = environment(RESTORE_DRILL_POSTGRES_URL=url, TMPDIR=str(temporary))
        with subprocess.Popen(
            [*MANAGE, "restore_drill"],
            env=variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                wait_for(lambda: sleeping_sessions(postgres_url, role) == 1)
                process.send_signal(how)
                process.wait(PATIENCE)
            finally:
                process.kill()
        found = RestoreDrill.objects.get()
        if how is signal.SIGKILL:
            assert found.outcome == "running"
            assert len(databases_of(postgres_url, role)) == 2
            assert len(list(temporary.iterdir())) == 1
        else:
            assert found.outcome == "interrupted"
            assert databases_of(postgres_url, role) == [role]
            assert list(temporary.iterdir()) == []
        # The next one, which looks for the same server, cleans up; here it is given no time.
        monkeypatch.setattr(lease, "TIME_TO_LIVE", 1.0)
        monkeypatch.setattr("tempfile.tempdir", str(temporary))
        settings.RESTORE_DRILL_POSTGRES_URL = url
        monkeypatch.setattr("scanner.conf.drill_timeout", lambda: SHORT)
        drill(now=NOW)
        found.refresh_from_db()
        assert found.outcome == "interrupted"
        assert RestoreDrill.objects.get(outcome="failed").copy == copy
        assert databases_of(postgres_url, role) == [role]
        assert sleeping_sessions(postgres_url, role) == 0
        assert list(temporary.iterdir()) == []


@pytest.mark.django_db(transaction=True)
def test_it_runs_as_a_process(vault_root: Path) -> None:
    vaulted(make_job(), sqlite_dump())
    done = manage("restore_drill", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["drills"][0]["outcome"] == "restored"
