"""A task each second in bad company: each slot is run, and none twice.

    .venv/bin/python bench/soak.py [--minutes 10] [--processes 3] [--postgres] [--seed 1]

Some `runapscheduler` work on one database of their own, with the times of real life. At random one
is killed with -9, told to stop, or frozen until another leads; or the database is taken away:
SQLite is locked, PostgreSQL stopped. What ended is started again a second later, as a supervisor
would. The last minute is quiet, so that what was left open can be closed.

The task fails now and then, and is tried again; now and then it takes longer than a second, so that
the next slot is skipped; and it is asked for between its slots. Each attempt appends its slot to a
file, whatever the database says of it. `bench/verdict.py` says what must hold in the end; exit 1
where it does not.
"""

import argparse
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.scheduling.processes import Cluster

ROOT = Path(__file__).resolve().parent.parent
QUIET = 60.0
# Longer than a lease lives.
FROZEN = 20.0
LEADS = "this process leads now"
STARTED = "the scheduler is started"


@dataclass(slots=True)
class Server:
    """One `runapscheduler`; `ended` is when it died, froze or was told to stop."""

    process: "subprocess.Popen[bytes]"
    log: Path
    ended: datetime | None = None

    @property
    def is_well(self) -> bool:
        """Whether nothing was done to it, and it runs."""
        return self.ended is None and self.process.poll() is None

    def end(self, number: signal.Signals) -> None:
        """Note when, and send the signal."""
        self.ended = datetime.now(UTC)
        self.process.send_signal(number)

    def said_at(self, words: str) -> datetime | None:
        """Give when it said it first, as it wrote itself."""
        for line in self.log.read_text().splitlines():
            if words in line:
                return datetime.fromisoformat(line.split()[0])
        return None


@dataclass(slots=True)
class Company:
    """The processes, those that ended included, and what was done to them."""

    folder: Path
    url: str
    servers: list[Server] = field(default_factory=list)
    outages: list[tuple[datetime, datetime]] = field(default_factory=list)
    requests: set[int] = field(default_factory=set)
    done: Counter[str] = field(default_factory=Counter)
    ended: datetime | None = None

    def start(self) -> None:
        """Start one more."""
        log = self.folder / f"{len(self.servers)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", "from bench.tick import serve; serve()"],
                cwd=ROOT,
                stdout=output,
                stderr=output,
            )
        self.servers.append(Server(process, log))

    def leader(self) -> Server | None:
        """Give the one that leads, if it is well."""
        for server in reversed(self.servers):
            if server.is_well and LEADS in server.log.read_text():
                return server
        return None

    def kill(self) -> None:
        """End what is left."""
        for server in self.servers:
            server.process.kill()
            server.process.wait()

    def tend(self, processes: int) -> None:
        """Start again what has ended."""
        for server in self.servers:
            if server.process.poll() is not None and server.ended is None:
                server.ended = datetime.now(UTC)
                self.done[f"left with {server.process.returncode}"] += 1
        for _ in range(processes - sum(one.process.poll() is None for one in self.servers)):
            self.start()


def main() -> None:
    """Soak as the command line says, print the table and exit 1 where it does not hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--postgres", action="store_true", help="in place of SQLite")
    parser.add_argument("--seed", type=int, default=random.randrange(1000), help="of what befalls")  # noqa: S311
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        url = stack.enter_context(_database(folder, postgres=options.postgres))
        _prepare_django(folder, url)
        company = Company(folder, url)
        stack.callback(company.kill)
        _soak(company, options.minutes * 60, options.processes, random.Random(options.seed))  # noqa: S311
        from bench.verdict import tell

        is_well = tell(company, options.seed)
    sys.exit(0 if is_well else 1)


# --- What befalls it ------------------------------------------------------------------------------


@contextmanager
def _database(folder: Path, *, postgres: bool) -> Iterator[str]:
    if not postgres:
        yield f"sqlite:///{folder / 'db.sqlite3'}"
        return
    sys.path.insert(0, str(ROOT))
    from tests.postgres import throwaway_cluster

    with throwaway_cluster() as url:
        try:
            yield url
        finally:
            _cluster(url).stop()


def _cluster(url: str) -> "Cluster":
    from tests.scheduling.processes import Cluster

    return Cluster(url)


def _prepare_django(folder: Path, url: str) -> None:
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "backupmonitor.settings",
        "ENV_FILE": os.devnull,
        "SECRET_KEY": "only for a benchmark",
        "DATABASE_URL": url,
        "LOG_LEVEL": "INFO",
        "SOAK_FILE": str(folder / "slots"),
    }
    sys.path.insert(0, str(ROOT))
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from django.db import connection
    from django.utils import timezone

    from bench.tick import TASK
    from scanner.models import ScheduledTask

    ScheduledTask.objects.create(name=TASK, retries=1, backoff_seconds=0, changed_at=timezone.now())
    connection.close()


def _soak(company: Company, seconds: float, processes: int, chance: random.Random) -> None:
    misfortunes: list[Callable[[Company, random.Random], None]] = [
        _kill_leader,
        _kill_leader,
        _kill_any,
        _stop_leader,
        _freeze_leader,
        _take_database_away,
        _take_database_away,
        _ask_for_a_run,
        _ask_for_a_run,
    ]
    end = time.monotonic() + seconds
    quiet = end - min(QUIET, seconds / 2)
    company.tend(processes)
    next_one = time.monotonic() + 10
    while (now := time.monotonic()) < end:
        if next_one <= now < quiet:
            chance.choice(misfortunes)(company, chance)
            next_one = time.monotonic() + chance.uniform(2, 15)
        time.sleep(1)
        company.tend(processes)
    company.ended = datetime.now(UTC)
    for server in company.servers:
        if server.is_well:
            server.end(signal.SIGTERM)
    for server in company.servers:
        server.process.wait()


def _kill_leader(company: Company, _: random.Random) -> None:
    if (leader := company.leader()) is not None:
        leader.end(signal.SIGKILL)
        company.done["leader killed"] += 1


def _kill_any(company: Company, chance: random.Random) -> None:
    chance.choice([one for one in company.servers if one.is_well]).end(signal.SIGKILL)
    company.done["any killed"] += 1


def _stop_leader(company: Company, _: random.Random) -> None:
    if (leader := company.leader()) is not None:
        leader.end(signal.SIGTERM)
        company.done["leader stopped"] += 1


def _freeze_leader(company: Company, _: random.Random) -> None:
    if (leader := company.leader()) is not None:
        leader.end(signal.SIGSTOP)
        time.sleep(FROZEN)
        leader.process.send_signal(signal.SIGCONT)
        company.done["leader frozen"] += 1


def _ask_for_a_run(company: Company, _: random.Random) -> None:
    from django.db import connection
    from django.utils import timezone

    from bench.tick import TASK
    from scanner import agenda
    from scanner.models import ScheduledTask

    task = ScheduledTask.objects.get(name=TASK)
    company.requests.add(agenda.request_run(task.pk, by="soak", now=timezone.now()).pk)
    connection.close()
    company.done["asked for a run"] += 1


def _take_database_away(company: Company, chance: random.Random) -> None:
    start, seconds = datetime.now(UTC), chance.uniform(1, 25)
    if company.url.startswith("sqlite"):
        with closing(sqlite3.connect(company.url.removeprefix("sqlite:///"), timeout=60)) as file:
            file.execute("BEGIN EXCLUSIVE")
            time.sleep(seconds)
    else:
        cluster = _cluster(company.url)
        cluster.stop()
        time.sleep(seconds)
        cluster.start()
    company.outages.append((start, datetime.now(UTC)))
    company.done["database away"] += 1


if __name__ == "__main__":
    main()
