"""What a scan costs: SQL statements by the batch, and each byte read as seldom as can be.

A statement holds up to 500 rows (`models/batch.py`), or fewer where the database bounds the number
of parameters: SQLite of old takes 999, which are some 30 entries.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from io import BufferedReader
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from scanner import copies, examination, roster
from scanner.models import ExpectedBackupJob
from scanner.models.batch import BATCH
from scanner.pipeline.deposit import AgentFolder, open_staged
from tests.agent import Agent, dump_of, set_time
from tests.scanning import NOW, make_job, run_scan, verdicts

# Not in one transaction: a scan of seconds beats its lease's heart over another connection.
pytestmark = pytest.mark.django_db(transaction=True)

AGENTS = 10
ROWS_A_STATEMENT = 8
"""Fewer than any database takes; whoever asks once a row is far below."""

EARLIER = NOW - timedelta(minutes=10)


def add_jobs(numbers: range, agents: int = AGENTS, **fields: Any) -> None:
    """Store a job for each number, spread over `agents` agents, which all have their folders."""
    jobs = [
        ExpectedBackupJob(
            company_name="ACME",
            city="DOUALA",
            neighborhood=f"Q{number % agents}",
            database_name=f"DB{number}",
            agent_id=f"ACME_DOUALA_Q{number % agents}",
            **fields,
        )
        for number in numbers
    ]
    roster.save_all(jobs, now=NOW - timedelta(hours=2))


def agent_of(root: Path, number: int, agents: int = AGENTS) -> Agent:
    agent = Agent(root, f"ACME_DOUALA_Q{number % agents}")
    agent.log.mkdir(parents=True, exist_ok=True)
    return agent


def deliver(root: Path, numbers: range) -> None:
    """Let each agent report good backups of its databases among these, all of one staged file."""
    for first in numbers[:AGENTS]:
        agent = agent_of(root, first)
        claim = agent.claim(dump_of(agent.name, rows=3), EARLIER, file_name="all.sql.gz")
        claims = {f"DB{number}": claim for number in numbers if number % AGENTS == first % AGENTS}
        set_time(agent.report(claims, EARLIER, first=first), EARLIER)
        set_time(agent.databases / "all.sql.gz", EARLIER)


def statements(now: datetime = NOW) -> int:
    """Scan; give the number of SQL statements that it took."""
    with CaptureQueriesContext(connection) as captured:
        run_scan(now)
    return len(captured)


# --- Statements -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"schedule": "0 11 * * *", "grace_minutes": 120}, id="waiting"),
        pytest.param({}, id="without a schedule"),
        pytest.param({"schedule": "0 11 * * *", "is_active": False}, id="paused"),
    ],
)
def test_a_scan_without_work_costs_the_same_for_10_and_1000_jobs(
    deposit_root: Path, fields: dict[str, Any]
) -> None:
    for number in range(AGENTS):
        agent_of(deposit_root, number)
    add_jobs(range(10), **fields)
    run_scan()
    few = statements()
    add_jobs(range(10, 1000), **fields)
    assert statements() == few
    assert verdicts() == []


@pytest.mark.slow
def test_a_scan_costs_the_same_when_10_and_when_1000_jobs_have_delivered(
    deposit_root: Path,
) -> None:
    fields: dict[str, Any] = {"schedule": "0 11 * * *", "grace_minutes": 120}
    add_jobs(range(10), **fields)
    deliver(deposit_root, range(10))
    run_scan()
    few = statements()
    add_jobs(range(10, 1000), **fields)
    deliver(deposit_root, range(10, 1000))
    run_scan()
    assert statements() == few
    assert verdicts() == [("SUCCESS", "")] * 1000


@pytest.mark.slow
def test_a_scan_costs_the_same_while_10_and_while_1000_jobs_are_missing(
    deposit_root: Path,
) -> None:
    for number in range(AGENTS):
        agent_of(deposit_root, number)
    fields: dict[str, Any] = {"schedule": "0 11 * * *", "grace_minutes": 30}
    add_jobs(range(10), **fields)
    idle = statements(NOW - timedelta(hours=1))
    ten = statements()
    few = statements()
    add_jobs(range(10, 1000), **fields)
    thousand = statements()
    assert statements() == few
    assert verdicts() == [("MISSING", "no_report")] * 1000
    assert thousand - ten < 990 / ROWS_A_STATEMENT
    assert ten - idle < 20


def test_a_scan_costs_the_same_for_10_and_400_agents(deposit_root: Path) -> None:
    few, many = 10, 400
    assert many <= BATCH
    for number in range(few):
        agent_of(deposit_root, number, many)
    add_jobs(range(few), many)
    run_scan()
    of_few = statements()
    for number in range(few, many):
        agent_of(deposit_root, number, many)
    add_jobs(range(few, many), many)
    # On older SQLite the agents that were seen go in several statements of 249 rows.
    assert statements() - of_few <= 1


def reports(root: Path, numbers: range, content: Callable[[int], str]) -> None:
    for number in numbers:
        agent = agent_of(root, number)
        set_time(agent.drop(f"{number}.json", content(number)), EARLIER)


def failed(number: int) -> str:
    return json.dumps({"databases": {f"DB{number}": {"BACKUP": {"status": False}}}})


def test_200_reports_cost_a_few_statements_more_than_20(deposit_root: Path) -> None:
    add_jobs(range(220))
    reports(deposit_root, range(20), failed)
    of_few = statements()
    reports(deposit_root, range(20, 220), failed)
    assert statements() - of_few < 180 / ROWS_A_STATEMENT
    assert verdicts() == [("FAILED", "backup_failed")] * 220


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(failed, id="known"),
        pytest.param(lambda number: f"no JSON {number}", id="rejected"),
        pytest.param(lambda number: f'{{"databases": {{"NEW{number}": {{}}}}}}', id="unexpected"),
    ],
)
def test_200_reports_without_a_verdict_cost_a_few_statements_more_than_20(
    deposit_root: Path, content: Callable[[int], str]
) -> None:
    add_jobs(range(220))
    if content is failed:
        reports(deposit_root, range(220), content)
        run_scan()
    count = len(verdicts())
    reports(deposit_root, range(20), content)
    of_few = statements()
    reports(deposit_root, range(20, 220), content)
    assert statements() - of_few < 180 / ROWS_A_STATEMENT
    assert len(verdicts()) == count


def test_one_report_of_1000_databases_costs_batches(deposit_root: Path) -> None:
    add_jobs(range(1010), agents=1)
    agent = agent_of(deposit_root, 0, agents=1)

    def drop(name: str, numbers: range) -> None:
        claims = {f"DB{number}": {"BACKUP": {"status": False}} for number in numbers}
        set_time(agent.drop(name, json.dumps({"databases": claims})), EARLIER)

    drop("few.json", range(10))
    of_few = statements()
    drop("many.json", range(10, 1010))
    assert statements() - of_few < 1000 / ROWS_A_STATEMENT
    assert len(verdicts()) == 1010


# --- Reads ----------------------------------------------------------------------------------------


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the names of the staged files that are opened, in turn; they are opened for real."""
    names: list[str] = []

    @contextmanager
    def noting(folder: AgentFolder, name: str) -> Iterator[BufferedReader]:
        names.append(name)
        with open_staged(folder, name) as stream:
            yield stream

    monkeypatch.setattr(examination, "open_staged", noting)
    monkeypatch.setattr(copies, "open_staged", noting)
    return names


def test_a_new_backup_is_read_once_and_once_more_to_copy_it(
    deposit_root: Path, opened: list[str]
) -> None:
    for minute, name in enumerate(("ONE", "TWO")):
        at = EARLIER + timedelta(minutes=minute)
        make_job(name)
        Agent(deposit_root).deposit(name, at, arrived=at)
    run = run_scan()
    assert Counter(opened) == {"one.sql.gz": 2, "two.sql.gz": 2}
    sizes = [file.stat().st_size for file in Agent(deposit_root).databases.iterdir()]
    assert run.verified_bytes == sum(sizes)
    run_scan()
    assert len(opened) == 4


def test_an_unchanged_backup_is_read_once(deposit_root: Path, opened: list[str]) -> None:
    make_job()
    agent = Agent(deposit_root)
    for at in (EARLIER, NOW):
        opened.clear()
        agent.deposit("ACME_2025", at, dump=dump_of("same"), arrived=at)
        run_scan()
    assert verdicts() == [("SUCCESS", ""), ("UNCHANGED", "")]
    assert Counter(opened) == {"acme_2025.sql.gz": 1}


def test_a_bad_backup_is_read_once_and_a_failed_one_not_at_all(
    deposit_root: Path, opened: list[str]
) -> None:
    make_job("BAD")
    make_job("FAILED")
    agent = Agent(deposit_root)
    agent.deposit("BAD", EARLIER, arrived=EARLIER, COMPRESS={"size": 1})
    agent.deposit("FAILED", NOW, arrived=NOW, TRANSFER={"status": "KO"})
    run_scan()
    assert Counter(verdicts()) == {
        ("CORRUPT", "size_mismatch"): 1,
        ("FAILED", "transfer_failed"): 1,
    }
    assert Counter(opened) == {"bad.sql.gz": 1}


def test_a_file_that_several_reports_name_is_read_once(
    deposit_root: Path, opened: list[str]
) -> None:
    make_job()
    agent = Agent(deposit_root)
    for minutes in range(4):
        at = EARLIER + timedelta(minutes=minutes)
        agent.deposit("ACME_2025", at, dump=dump_of("same"), arrived=at)
    run = run_scan()
    assert verdicts() == [("SUCCESS", "")] + [("UNCHANGED", "")] * 3
    assert Counter(opened) == {"acme_2025.sql.gz": 2}
    assert run.verified_bytes == (agent.databases / "acme_2025.sql.gz").stat().st_size


def test_a_file_that_several_databases_name_is_verified_once_and_copied_for_each(
    deposit_root: Path, opened: list[str]
) -> None:
    make_job("ONE")
    make_job("TWO")
    agent = Agent(deposit_root)
    claim = agent.claim(dump_of("both"), EARLIER, file_name="both.sql.gz")
    set_time(agent.report({"ONE": claim, "TWO": claim}, EARLIER), EARLIER)
    run = run_scan()
    assert verdicts() == [("SUCCESS", "")] * 2
    assert Counter(opened) == {"both.sql.gz": 1 + 2}
    assert run.verified_bytes == (agent.databases / "both.sql.gz").stat().st_size
