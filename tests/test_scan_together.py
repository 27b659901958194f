"""Two scans at once, in real processes: one works, the other says who; a late one is fenced."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from scanner.errors import LeaseLost
from scanner.models import Lease, ScanRun
from scanner.scan import scan
from tests.agent import Agent, dump_of, set_time
from tests.process import (
    EACH_DATABASE,
    MANAGE,
    PATIENCE,
    ROOT,
    environment,
    fresh_database,
    manage,
)
from tests.scanning import NOW, by_mtime, make_job, run_scan, verdicts

pytestmark = pytest.mark.django_db(transaction=True)

EARLIER = NOW - timedelta(minutes=30)

PATIENT = """
import sys
import django
django.setup()
from django.core.management import execute_from_command_line
from scanner import examination, lease

measure = examination.measure
lease.HEARTBEAT = 0.1

def wait_and_measure(*arguments, **options):
    print("reading", flush=True)
    sys.stdin.readline()
    return measure(*arguments, **options)

examination.measure = wait_and_measure
execute_from_command_line(["manage.py", "scan_now", "--json"])
"""
"""scan_now, that says when it is about to read a staged file, and does so at a line of input."""

IMPATIENT = """
import django
django.setup()
from django.core.management import execute_from_command_line
from scanner import lease

lease.TIME_TO_LIVE = 1.0
execute_from_command_line(["manage.py", "scan_now", "--json"])
"""
"""scan_now, that follows a holder whose heart stood still for a second in place of fifteen."""


@pytest.fixture(params=EACH_DATABASE)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of an empty database, of either kind."""
    return fresh_database(request, tmp_path)


@pytest.fixture
def agent(deposit_root: Path) -> Agent:
    """Give an agent that has deposited one good backup."""
    agent = Agent(deposit_root)
    agent.deposit("ACME_2025", timezone.now())
    return agent


@contextmanager
def process(code: str, database: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a script in its own process; it is killed if it is still there at the end."""
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment(DATABASE_URL=database, AUTO_REGISTER="active"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            yield started
        finally:
            started.kill()


@contextmanager
def scan_at_work(database: str) -> Iterator["subprocess.Popen[str]"]:
    """Give the process of a scan that is reading a staged file, and goes on when it is told to."""
    with process(PATIENT, database) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "reading\n"
        yield started


def put_to_sleep(started: "subprocess.Popen[str]", database: str) -> None:
    """Stop a process, at a moment at which it holds no lock of the database.

    Its heart beats all the time; whoever sleeps with a lock on the whole database (as SQLite's is)
    is followed by nobody until it wakes.
    """
    give_up = time.monotonic() + PATIENCE
    while True:
        started.send_signal(signal.SIGSTOP)
        _, status = os.waitpid(started.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        if is_writable(database):
            return
        assert time.monotonic() < give_up, "it holds its locks for ever"
        started.send_signal(signal.SIGCONT)
        time.sleep(0.01)


def is_writable(database: str) -> bool:
    """Tell whether nobody holds the lease's row, or the file that it is in."""
    query = "UPDATE scanner_lease SET token = token"
    try:
        if database.startswith("sqlite"):
            file = database.removeprefix("sqlite:///")
            with closing(sqlite3.connect(file, timeout=0)) as session:
                session.execute(query)
                session.rollback()
        else:
            with psycopg.connect(database) as server:
                server.execute("SET lock_timeout = '100ms'")
                server.execute(query)
                server.rollback()
    except (sqlite3.OperationalError, psycopg.errors.LockNotAvailable):
        return False
    return True


def finish(started: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Let a process go on to its end; give its exit code and what it wrote."""
    out, err = started.communicate("\n", timeout=PATIENCE)
    return started.returncode, out, err


def rows(database: str, query: str) -> list[tuple[Any, ...]]:
    """Ask a database that is not the test's own."""
    if database.startswith("sqlite"):
        with closing(sqlite3.connect(database.removeprefix("sqlite:///"))) as session:
            return session.execute(query).fetchall()
    with psycopg.connect(database) as server:
        return server.execute(query.encode()).fetchall()


def statuses(out: str) -> list[tuple[str, str]]:
    return [(entry["database"], entry["status"]) for entry in json.loads(out)["entries"]]


def copies(vault: Path) -> list[Path]:
    """Give every file in the vault, unfinished ones too."""
    return [file for file in vault.rglob("*") if file.is_file()]


RUNS = "SELECT id, outcome FROM scanner_scanrun ORDER BY id"
ENTRIES = "SELECT status, run_id FROM scanner_backupentry ORDER BY id"


# --- Real processes -------------------------------------------------------------------------------


def test_a_second_scan_says_who_holds_the_lease_and_the_first_goes_on(
    agent: Agent, database: str, vault_root: Path
) -> None:
    with scan_at_work(database) as first:
        second = manage("scan_now", "--json", DATABASE_URL=database)
        assert (second.returncode, second.stdout) == (3, "")
        assert f"held by process {first.pid} on " in second.stderr
        code, out, err = finish(first)
    assert code == 0, err
    assert statuses(out) == [("ACME_2025", "SUCCESS")]
    third = manage("scan_now", "--json", DATABASE_URL=database)
    assert (third.returncode, statuses(third.stdout)) == (0, [])
    assert rows(database, RUNS) == [(1, "complete"), (2, "complete")]
    assert len(copies(vault_root)) == 1


def test_two_scans_that_start_together_judge_each_report_once(
    agent: Agent, database: str, vault_root: Path
) -> None:
    agent.deposit("SECOND", timezone.now() + timedelta(seconds=1))
    command = [*MANAGE, "scan_now", "--json"]
    env = environment(DATABASE_URL=database, AUTO_REGISTER="active")
    both = [
        subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    ended = [(one.communicate(timeout=PATIENCE), one.returncode) for one in both]
    codes = sorted(code for _, code in ended)
    assert codes in ([0, 0], [0, 3]), ended
    found = [pair for (out, _), code in ended if code == 0 for pair in statuses(out)]
    assert sorted(found) == [("ACME_2025", "SUCCESS"), ("SECOND", "SUCCESS")]
    assert len(rows(database, ENTRIES)) == 2
    assert len(copies(vault_root)) == 2
    assert list(agent.log.glob("*.json")) == []


def test_a_killed_scan_is_followed_and_its_work_done(
    agent: Agent, database: str, vault_root: Path
) -> None:
    with scan_at_work(database) as killed:
        killed.send_signal(signal.SIGKILL)
        killed.wait(PATIENCE)
        with process(IMPATIENT, database) as follower:
            code, out, err = finish(follower)
    assert code == 0, err
    assert f"process {killed.pid} on " in err
    assert "is dead, following it" in err
    assert statuses(out) == [("ACME_2025", "SUCCESS")]
    assert rows(database, RUNS) == [(1, "interrupted"), (2, "complete")]
    assert len(copies(vault_root)) == 1


def test_a_scan_that_slept_while_another_followed_it_records_nothing(
    agent: Agent, database: str, vault_root: Path
) -> None:
    with scan_at_work(database) as sleeper:
        put_to_sleep(sleeper, database)
        with process(IMPATIENT, database) as follower:
            code, out, err = finish(follower)
        assert code == 0, err
        assert statuses(out) == [("ACME_2025", "SUCCESS")]
        sleeper.send_signal(signal.SIGCONT)
        code, out, err = finish(sleeper)
    assert (code, out) == (2, "")
    assert "was taken over while this process held it" in err
    assert rows(database, RUNS) == [(1, "interrupted"), (2, "complete")]
    assert rows(database, ENTRIES) == [("SUCCESS", 2)]
    assert len(copies(vault_root)) == 1


# --- The rival steps in between two steps of ours -------------------------------------------------


def take_over() -> None:
    """Do what a rival does that followed us, and ended already."""
    Lease.objects.filter(name="scan").update(token=F("token") + 1, holder="")


def lose_the_lease(agent: Agent, when: str) -> None:
    """Scan, and lose the lease the first time that the scan gets to `when`."""
    reports = {file.stat().st_ino for file in agent.log.glob("*.json")}
    passed: list[str] = []

    def at(moment: str) -> None:
        if moment == when and when not in passed:
            take_over()
        passed.append(moment)

    def clock(status: os.stat_result) -> datetime:
        if status.st_ino in reports:
            at("reading reports")
        else:
            at("measuring")
            connection.close()  # each thread of the pool has its own
        return by_mtime(status)

    def progress(done: int, total: int) -> None:
        at("between batches" if done < total else "before rejecting")

    with pytest.raises(LeaseLost):
        scan(now=NOW, trigger=ScanRun.Trigger.COMMAND, clock=clock, progress=progress)


MISSED = ("MISSING", "no_report")
GOOD = ("SUCCESS", "")


@pytest.mark.parametrize(
    ("when", "recorded", "left"),
    [
        ("reading reports", [], 3),
        ("measuring", [MISSED], 3),
        ("between batches", [MISSED, GOOD], 2),
        ("before rejecting", [MISSED, GOOD, GOOD], 1),
    ],
)
def test_a_scan_that_lost_its_lease_records_nothing_more_and_the_next_one_the_rest(
    deposit_root: Path, vault_root: Path, when: str, recorded: list[tuple[str, str]], left: int
) -> None:
    agent = Agent(deposit_root)
    job = make_job(now=NOW - timedelta(days=1))
    overdue = make_job("LATE", schedule="0 11 * * *", grace_minutes=30, now=NOW.replace(hour=10))
    for minutes in (1, 2):  # a job's second report waits for its first: two batches
        ended = EARLIER + timedelta(minutes=minutes)
        claim = agent.claim(dump_of(str(minutes)), ended, file_name=f"{minutes}.sql.gz")
        set_time(agent.databases / f"{minutes}.sql.gz", ended)
        set_time(agent.report({"ACME_2025": claim}, ended), ended)
    set_time(agent.drop("bad.json", "no JSON"), EARLIER)
    lose_the_lease(agent, when)
    assert verdicts() == recorded
    assert len(list(agent.log.glob("*.json"))) == left
    lost = ScanRun.objects.get()
    assert (lost.outcome, lost.error.split(":")[0]) == ("failed", "LeaseLost")
    run = run_scan()
    assert (run.outcome, run.reports_rejected) == ("complete", 1)
    assert verdicts() == [MISSED, GOOD, GOOD]
    assert (verdicts(job), verdicts(overdue)) == ([GOOD, GOOD], [MISSED])
    assert list(agent.log.glob("*.json")) == []
    assert len(copies(vault_root)) == 2
    job.refresh_from_db()
    assert (job.status, job.last_good_at) == ("SUCCESS", EARLIER + timedelta(minutes=2))
