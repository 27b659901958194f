"""A task each second in bad company: each slot is run, and none twice.

    .venv/bin/python bench/soak.py [--minutes 10] [--processes 3] [--postgres] [--seed 1]

Some `runapscheduler` work on one database of their own, with the times of real life. At random one
is killed with -9, told to stop, or frozen until another leads; or the database is taken away:
SQLite is locked, PostgreSQL stopped. What ended is started again a second later, as a supervisor
would. The last minute is quiet, so that what was left open can be closed.

Each run appends its slot to a file, whatever the database says of it. In the end each slot is

- run once, or run twice: the latter must not be;
- told: not run, and on record as skipped or missed;
- without a database, or without a leader (dead, frozen, told to stop, not yet in place): of those
  that were due meanwhile the next leader catches up the newest;
- lost, if it is nothing of these: this must not be.

Exit 1 when a slot was run twice or lost, when a leader caught up more than once, or when a run or
an execution is left open.
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
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.scheduling.processes import Cluster

ROOT = Path(__file__).resolve().parent.parent
TASK = "tick"
SECOND = timedelta(seconds=1)
QUIET = 60.0
# Longer than a lease lives.
FROZEN = 20.0
# The schedule is looked at again so long after an outage.
AFTERMATH = timedelta(seconds=4)
FATES = ("run once", "run twice", "told", "no database", "no leader", "lost")
LEADS = "this process leads now"


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when something was so."""

    start: datetime
    end: datetime

    def touches(self, slot: datetime) -> bool:
        """Tell whether it was so during any of the slot's second."""
        return self.start < slot + SECOND and slot < self.end

    def covers(self, slot: datetime) -> bool:
        """Tell whether it was so during all of the slot's second."""
        return self.start <= slot and slot + SECOND <= self.end


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

    def reign(self, until: datetime) -> Span | None:
        """Give from when to when it led, as it wrote itself and as we know of its end."""
        for line in self.log.read_text().splitlines():
            if LEADS in line:
                return Span(datetime.fromisoformat(line.split()[0]), self.ended or until)
        return None


@dataclass(slots=True)
class Company:
    """The processes, those that ended included, and what was done to them."""

    folder: Path
    url: str
    servers: list[Server] = field(default_factory=list)
    outages: list[Span] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    ended: datetime | None = None

    def start(self) -> None:
        """Start one more."""
        log = self.folder / f"{len(self.servers)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", "from bench.soak import serve; serve()"],
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
        is_well = _tell(company, options.seed)
    sys.exit(0 if is_well else 1)


# --- What a process does --------------------------------------------------------------------------

_slot: ContextVar[datetime] = ContextVar("_slot")


def serve() -> None:
    """Run the scheduler with one task, which writes down its slot."""
    import django
    from django.core.management import call_command

    django.setup()
    from scanner.models import TaskRun
    from scanner.scheduling import ledger
    from scanner.scheduling.leadership import Leadership
    from scanner.scheduling.tasks import TASKS, Result, Task
    from tests.scheduling.seconds import EverySecond

    claim = ledger.claim

    def noted(order: ledger.Order, leadership: Leadership, *, now: datetime) -> TaskRun | None:
        _slot.set(order.scheduled_for)
        return claim(order, leadership, now=now)

    def tick(_agents: object) -> Result:
        line = f"{_slot.get().isoformat()}\n".encode()
        file = os.open(os.environ["SOAK_FILE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, line)
        os.close(file)
        return Result()

    ledger.claim = noted
    assert isinstance(TASKS, dict)
    TASKS.clear()
    TASKS[TASK] = Task(tick, EverySecond)
    call_command("runapscheduler")


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

    from scanner.models import ScheduledTask

    ScheduledTask.objects.create(name=TASK, retries=0, changed_at=timezone.now())
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
    company.outages.append(Span(start, datetime.now(UTC) + AFTERMATH))
    company.done["database away"] += 1


# --- What became of it ----------------------------------------------------------------------------


def _tell(company: Company, seed: int) -> bool:
    from django_apscheduler.models import DjangoJobExecution
    from rich.console import Console
    from rich.table import Table

    from scanner.models import TaskRun

    runs = Counter(
        datetime.fromisoformat(line)
        for line in Path(os.environ["SOAK_FILE"]).read_text().splitlines()
    )
    now = datetime.now(UTC)
    reigns = [reign for one in company.servers if (reign := one.reign(now)) is not None]
    told = TaskRun.objects.filter(outcome__in=("skipped", "missed"))
    on_record = set(told.values_list("scheduled_for", flat=True))
    assert company.ended is not None
    first = min(runs)
    slots = [first + SECOND * number for number in range((company.ended - first) // SECOND)]
    fates = {slot: _fate(slot, runs[slot], on_record, reigns, company.outages) for slot in slots}
    found = Counter(fates.values())
    catch_ups = Counter(
        TaskRun.objects.filter(cause="catch_up").values_list("process_id", flat=True)
    )
    counts = {
        "due": len(slots),
        **{fate: found[fate] for fate in FATES},
        "leaders": len(reigns),
        "caught up": catch_ups.total(),
        "runs left open": TaskRun.objects.filter(outcome="running").count(),
        "executions left open": DjangoJobExecution.objects.filter(
            status=DjangoJobExecution.SENT
        ).count(),
        **company.done,
    }
    table = Table("what", "count", title=f"{company.url.partition(':')[0]}, seed {seed}")
    for what, count in counts.items():
        table.add_row(what, f"{count:,}")
    console = Console()
    console.print(table)
    for slot, fate in fates.items():
        if fate in {"run twice", "lost"}:
            console.print(f"{fate}: {slot:%H:%M:%S}")
    return not (
        counts["run twice"]
        or counts["lost"]
        or counts["runs left open"]
        or counts["executions left open"]
        or max(catch_ups.values(), default=0) > 1
    )


def _fate(
    slot: datetime, runs: int, on_record: set[datetime], reigns: list[Span], outages: list[Span]
) -> str:
    if runs:
        return "run once" if runs == 1 else "run twice"
    if slot in on_record:
        return "told"
    if any(outage.touches(slot) for outage in outages):
        return "no database"
    if not any(reign.covers(slot) for reign in reigns):
        return "no leader"
    return "lost"


if __name__ == "__main__":
    main()
