"""Several `runapscheduler` on one database, which the test's own models then read and write."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import dj_database_url
import psycopg
import pytest
from django.db import OperationalError, connection, connections, transaction

from scanner import agenda
from scanner.grid import PRUNE, SCAN
from scanner.models import Lease, ScheduledTask, SchedulerProcess, TaskRequest, TaskRun
from scanner.scheduling.leadership import LEASE
from tests.postgres import program
from tests.process import (
    EACH_DATABASE,
    MANAGE,
    PATIENCE,
    ROOT,
    environment,
    fresh_database,
)

RUNNER = (sys.executable, "-m", "tests.scheduling.runner")
# No slot comes while a test runs, unless it wants one.
MONTH = 31 * 24 * 60


@pytest.fixture(name="database", params=EACH_DATABASE)
def database_fixture(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of a database with empty tables; the test's models are in it."""
    url = fresh_database(request, tmp_path)
    with models_in(url):
        yield url


@contextmanager
def models_in(url: str) -> Iterator[None]:
    """Have the models, and `environment`, use another database during the block."""
    settings, own = connections.settings["default"], connections["default"]
    there = settings | {"OPTIONS": {}, "CONN_HEALTH_CHECKS": False} | dj_database_url.parse(url)
    if url.startswith("sqlite"):
        there["OPTIONS"] = {"timeout": 20, "transaction_mode": "IMMEDIATE"}
    connections.settings["default"] = there
    connections["default"] = connections.create_connection("default")
    try:
        yield
    finally:
        connection.close()
        connections.settings["default"] = settings
        connections["default"] = own


class Scheduler:
    """A scheduler's process, with what it has logged so far."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self.pid = process.pid
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text()

    def until(self, condition: Callable[[], object]) -> None:
        """Return as soon as the condition holds; fail when it never does."""
        give_up = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < give_up, self.log
            time.sleep(0.05)

    def until_it_says(self, words: str, times: int = 1) -> None:
        self.until(lambda: self.log.count(words) >= times)

    def until_it_leads(self) -> Lease:
        """Return its lease when what it has missed is on its way."""
        self.until_it_says("the scheduler is started")
        return Lease.objects.get(name=LEASE, pid=self.pid)

    def until_it_stands_by(self) -> None:
        self.until_it_says("standing by")
        assert SchedulerProcess.objects.get(pid=self.pid).leads is False

    def said_at(self, words: str) -> datetime:
        """Give when it said it for the last time, as it wrote itself."""
        line = [line for line in self.log.splitlines() if words in line][-1]
        return datetime.fromisoformat(line.split()[0])

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def freeze(self) -> None:
        """Stop it in its tracks, at a moment at which it keeps nobody from the database."""
        while True:
            self.send(signal.SIGSTOP)
            # A signal arrives when it arrives, and at each thread for itself.
            os.waitid(os.P_PID, self.pid, os.WSTOPPED)
            with connection.cursor() as cursor:
                if connection.vendor != "sqlite":
                    return
                cursor.execute("PRAGMA busy_timeout = 200")
                try:
                    with transaction.atomic():
                        return
                except OperationalError:
                    self.send(signal.SIGCONT)
                finally:
                    cursor.execute("PRAGMA busy_timeout = 20000")
            time.sleep(0.05)

    def code(self) -> int:
        """Wait for its end; give its exit code."""
        return self.process.wait(PATIENCE)


class Schedulers:
    """Starts schedulers; what is left of them at the end is killed."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._started = 0

    def start(self, *options: str) -> Scheduler:
        """Start one, in the runner when there are options for it."""
        self._started += 1
        log = self._folder / f"scheduler-{self._started}.log"
        command: Sequence[str] = (*RUNNER, *options) if options else (*MANAGE, "runapscheduler")
        with log.open("ab") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment(), stdout=output, stderr=output
            )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return Scheduler(process, log)


@pytest.fixture(name="schedulers")
def schedulers_fixture(tmp_path: Path, deposit_root: Path) -> Iterator[Schedulers]:
    with ExitStack() as stack:
        yield Schedulers(tmp_path, stack)


class ScanGate:
    """Where the scans of processes started with its options wait while it is shut."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.options = ("--gate", str(folder))

    def shut(self) -> None:
        (self._folder / "shut").touch()

    def open(self) -> None:
        (self._folder / "shut").unlink()

    def until_reached_by(self, scheduler: Scheduler) -> None:
        scheduler.until((self._folder / f"{scheduler.pid}").exists)


@pytest.fixture(name="gate_of_scans")
def gate_of_scans_fixture(tmp_path: Path) -> ScanGate:
    """Give a gate that is shut."""
    gate = ScanGate(tmp_path / "gate")
    gate.shut()
    return gate


def make_scan_task(now: datetime, **fields: Any) -> None:
    """Store the task that scans: once at the start, then not for weeks. Nothing else is done."""
    ScheduledTask.objects.create(name=PRUNE, enabled=False, changed_at=now)
    values = {"interval_minutes": MONTH, "changed_at": now, **fields}
    ScheduledTask.objects.create(name=SCAN, **values)


def change_scan_task(now: datetime, **fields: object) -> None:
    """Change the task as the admin does."""
    task = ScheduledTask.objects.get(name=SCAN)
    for name, value in fields.items():
        setattr(task, name, value)
    assert agenda.save(task, now=now)


def request_scan(now: datetime) -> TaskRequest:
    task = ScheduledTask.objects.get(name=SCAN)
    return agenda.request_run(task.pk, by="somebody", now=now)


def scans() -> list[tuple[str, int, str]]:
    """Give (cause, attempt, outcome) of each run of the scan, in their order."""
    runs = TaskRun.objects.filter(task__name=SCAN).order_by("pk")
    return list(runs.values_list("cause", "attempt", "outcome"))


class Cluster:
    """A PostgreSQL server that can be stopped and started again."""

    def __init__(self, url: str) -> None:
        with psycopg.connect(url) as session:
            row = session.execute("SHOW data_directory").fetchone()
        assert row is not None
        self._data = Path(row[0])
        self._options = shlex.split((self._data / "postmaster.opts").read_text())[1:]
        owner = self._data.stat()
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._as = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}

    def stop(self) -> None:
        """Stop it, and cut off whoever is connected."""
        self._pg_ctl("stop", "-m", "fast")

    def start(self) -> None:
        """Start it on the address that it had."""
        log = str(self._data / "restarted.log")
        self._pg_ctl("start", "-l", log, "-o", shlex.join(self._options[2:]))

    def _pg_ctl(self, *arguments: str) -> None:
        command = [program("pg_ctl"), "-D", str(self._data), "-w", *arguments]
        subprocess.run(command, cwd=self._data, check=True, stdout=subprocess.DEVNULL, **self._as)
