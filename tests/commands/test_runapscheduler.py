"""`runapscheduler` as a process of its own, on each database."""

import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.agent import Agent
from tests.process import (
    EACH_DATABASE,
    MANAGE,
    PATIENCE,
    environment,
    fresh_database,
    fresh_sqlite,
    manage,
)

EXECUTIONS = (
    "SELECT status FROM django_apscheduler_djangojobexecution WHERE job_id = 'scan' "
    "ORDER BY run_time"
)
JOBS = "SELECT id, next_run_time FROM django_apscheduler_djangojob ORDER BY id"
TASK_RUNS = (
    "SELECT cause, outcome FROM scanner_taskrun JOIN scanner_scheduledtask "
    "ON scanner_scheduledtask.id = task_id WHERE name = 'scan' ORDER BY scanner_taskrun.id"
)
RUNS = "SELECT trigger, outcome FROM scanner_scanrun ORDER BY id"
# One whose next run comes in days, mostly.
TASK_OF_A_MONTH = (
    "INSERT INTO scanner_scheduledtask (name, enabled, interval_minutes, cron, time_zone, retries, "
    "backoff_seconds, version, applied_version, changed_at, retry_attempt, last_outcome) "
    "VALUES ('scan', TRUE, 44640, '', '', 2, 60, 1, 0, CURRENT_TIMESTAMP, 0, '')"
)


@pytest.fixture(params=EACH_DATABASE)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of a database with empty tables."""
    return fresh_database(request, tmp_path)


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=20)) as session:
            return session.execute(query).fetchall()
    with psycopg.connect(url) as session:
        return session.execute(query.encode()).fetchall()


def execute(url: str, statement: str) -> None:
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=20)) as session:
            session.execute(statement)
            session.commit()
    else:
        with psycopg.connect(url) as session:
            session.execute(statement.encode())


class Running:
    """A scheduler's process, with what it has logged so far."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path, url: str) -> None:
        self.process = process
        self.url = url
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text()

    def wait_for(self, query: str, expected: list[tuple[Any, ...]]) -> None:
        give_up = time.monotonic() + PATIENCE
        while (found := rows(self.url, query)) != expected:
            assert self.process.poll() is None, self.log
            assert time.monotonic() < give_up, f"{found}\n{self.log}"
            time.sleep(0.05)

    def wait_for_words(self, words: str, times: int = 1) -> None:
        give_up = time.monotonic() + PATIENCE
        while self.log.count(words) < times:
            assert time.monotonic() < give_up, self.log
            time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextmanager
def scheduler(url: str, folder: Path, **variables: str) -> Iterator[Running]:
    """Run the command during the block; whatever is left of it then is killed."""
    log = folder / "scheduler.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*MANAGE, "runapscheduler"],
            env=environment(DATABASE_URL=url, **variables),
            stdout=output,
            stderr=output,
        )
    try:
        yield Running(process, log, url)
    finally:
        process.kill()
        process.wait()


def test_it_scans_at_once_and_stops_when_told(
    database_url: str, deposit_root: Path, tmp_path: Path
) -> None:
    with scheduler(database_url, tmp_path) as running:
        running.wait_for(EXECUTIONS, [("Executed",)])
        assert running.stop() == 0
        assert rows(database_url, RUNS) == [("schedule", "complete")]
        assert rows(database_url, TASK_RUNS) == [("catch_up", "ok")]
        assert "the scheduler is stopped" in running.log
        assert "Traceback" not in running.log


def test_ctrl_c_stops_it_too(deposit_root: Path, tmp_path: Path) -> None:
    with scheduler(fresh_sqlite(tmp_path), tmp_path) as running:
        running.wait_for(EXECUTIONS, [("Executed",)])
        assert running.stop(signal.SIGINT) == 0


def test_a_scan_that_cannot_run_does_not_end_it(
    database_url: str, deposit_root: Path, tmp_path: Path
) -> None:
    deposit_root.rmdir()
    with scheduler(database_url, tmp_path) as running:
        running.wait_for(EXECUTIONS, [("Error!",)])
        assert rows(database_url, RUNS) == [("schedule", "failed")]
        assert rows(database_url, TASK_RUNS) == [("catch_up", "failed")]
        assert running.stop() == 0


def test_a_restart_neither_moves_the_next_run_nor_adds_a_job_nor_scans_again(
    database_url: str, deposit_root: Path, tmp_path: Path
) -> None:
    execute(database_url, TASK_OF_A_MONTH)
    jobs = []
    for starts in range(1, 4):
        with scheduler(database_url, tmp_path) as running:
            running.wait_for_words("the scheduler is started", times=starts)
            running.wait_for(EXECUTIONS, [("Executed",)])
            assert running.stop() == 0
        jobs.append([row for row in rows(database_url, JOBS) if row[0] == "scan"])
    assert len(jobs[0]) == 1
    assert jobs[0] == jobs[1] == jobs[2]
    assert rows(database_url, TASK_RUNS) == [("catch_up", "ok")]


def test_told_twice_it_waits_for_no_scan_and_says_so_in_the_history(
    database_url: str, deposit_root: Path, tmp_path: Path
) -> None:
    ended = datetime.now(UTC)
    agent = Agent(deposit_root)
    # A file of nothing but holes takes no room, and long to read.
    with agent.stage("acme_2025.sql", b"").open("wb") as file:
        file.truncate(size := 1 << 40)
    claim = agent.claim(b"", ended, "", "small.sql", staged_file_name="acme_2025.sql")
    claim["BACKUP"]["size"] = claim["COMPRESS"]["size"] = size
    agent.report({"ACME_2025": claim}, ended)
    with scheduler(database_url, tmp_path, AUTO_REGISTER="active") as running:
        running.wait_for("SELECT COUNT(*) FROM scanner_expectedbackupjob", [(1,)])
        running.process.send_signal(signal.SIGTERM)
        # Two signals at once may be one.
        running.wait_for_words("what runs has 25 seconds to end")
        assert running.stop() == 0
        assert rows(database_url, RUNS) == [("schedule", "interrupted")]
        assert rows(database_url, TASK_RUNS) == [("catch_up", "interrupted")]
        assert rows(database_url, EXECUTIONS) == [("Error!",)]
        assert rows(database_url, "SELECT DISTINCT holder FROM scanner_lease") == [("",)]


def test_a_wrong_setting_is_told_in_words(tmp_path: Path) -> None:
    url = fresh_sqlite(tmp_path)
    done = manage("runapscheduler", DATABASE_URL=url, SCANNER_INTERVAL_MINUTES="0")
    assert done.returncode == 2
    assert "SCANNER_INTERVAL_MINUTES: found 0; expected a whole number from 1" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_without_its_tables_is_told_in_words(tmp_path: Path) -> None:
    done = manage("runapscheduler", DATABASE_URL=f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    assert done.returncode == 2
    assert "run manage.py migrate" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_is_away_is_told_in_words() -> None:
    done = manage("runapscheduler", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert done.returncode == 2
    assert "refused" in done.stderr
    assert "Traceback" not in done.stderr
