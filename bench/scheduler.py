"""How late a run begins, beside stock APScheduler in the same run.

    .venv/bin/python bench/scheduler.py [--seconds 45]

Two schedulers fire twice a second for `seconds`, each between the other's slots:

- stock: APScheduler's own, with jobs in memory, that calls the function at once;
- ours: led, on a SQLite file, as `runapscheduler` has it. Before the function is called the run is
  claimed in the database under the leader's lease, and afterwards it is closed there; the control
  loop and the heartbeat are at work beside it.

Lateness is the time from the slot that the scheduler says it fires for to the first line of the
function; a slot that was due and not fired has none, and is missing from `fired`. Milliseconds are
this machine's and mean little; what counts is the difference. Nothing is left behind. This is no
test: no limit is kept here.
"""

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scanner.scheduling.slots import Slots

STEP = 0.5
PHASE = STEP / 2
TASK = "tick"
FEWEST = 2
WARM = timedelta(seconds=1)


def main() -> None:
    """Measure for as long as the command line says and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=45)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="backupmonitor-bench-") as folder:
        _prepare_django(Path(folder))
        stock, ours = _measure(options.seconds)
        _show(stock, ours)


def _prepare_django(folder: Path) -> None:
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "backupmonitor.settings",
        "ENV_FILE": os.devnull,
        "SECRET_KEY": "only for a benchmark",
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "LOG_LEVEL": "WARNING",
    }
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


@dataclass(frozen=True, slots=True)
class Fires:
    """What a scheduler did until `end`: slots in order, with when the function was called."""

    called_at: dict[datetime, datetime]
    end: datetime

    def due(self) -> int:
        """Give how many slots came since the first one, but for those of the first second."""
        return (self.end - self._begin()) // timedelta(seconds=STEP) + 1

    def latenesses(self) -> list[float]:
        """Give those of the slots that were fired, in seconds, from the same on."""
        begin = self._begin()
        return [
            (called_at - slot).total_seconds()
            for slot, called_at in self.called_at.items()
            if begin <= slot <= self.end
        ]

    def _begin(self) -> datetime:
        return min(self.called_at) + WARM


def _measure(seconds: float) -> tuple[Fires, Fires]:
    """Fire with both for some seconds; give what stock did, and what ours did."""
    from apscheduler.events import EVENT_JOB_EXECUTED, JobExecutionEvent
    from apscheduler.schedulers.background import BackgroundScheduler
    from apscheduler.triggers.interval import IntervalTrigger

    from scanner.scheduling import engine, service
    from scanner.scheduling.tasks import TASKS, Result, Task

    stock: dict[datetime, datetime] = {}
    ours: dict[datetime, datetime] = {}

    def tick(_agents: object, _began: object) -> Result:
        now = datetime.now(UTC)
        slot = engine.fired_for.get()
        if slot.timestamp() % STEP == 0:  # the catch-up at the start has none
            ours[slot] = now
        return Result()

    def note(event: JobExecutionEvent) -> None:
        stock[event.scheduled_run_time] = event.retval

    assert isinstance(TASKS, dict)
    TASKS.clear()
    TASKS[TASK] = Task(tick, _slots())
    events = service.Events()
    thread = threading.Thread(target=service.run, args=(events,), name="service")
    theirs = BackgroundScheduler(timezone=UTC)
    theirs.add_listener(note, EVENT_JOB_EXECUTED)
    begun = datetime.fromtimestamp(int(time.time()) + PHASE, UTC)
    theirs.add_job(
        lambda: datetime.now(UTC),
        IntervalTrigger(seconds=STEP, start_date=begun, timezone=UTC),
    )
    thread.start()
    theirs.start()
    time.sleep(seconds)
    # What is due right now is nobody's fault.
    end = datetime.now(UTC) - WARM
    theirs.shutdown()
    events.put(service.Event.STOP)
    thread.join()
    return Fires(stock, end), Fires(ours, end)


def _slots() -> Callable[[], "Slots"]:
    """Give a grid with a slot each STEP, of a class that the job store can restore."""
    from scanner.scheduling.slots import Slots

    class EveryStep(Slots):
        def __init__(self) -> None:
            super().__init__(None)

        def after(self, moment: datetime) -> datetime:
            return datetime.fromtimestamp((moment.timestamp() // STEP + 1) * STEP, UTC)

        def latest(self, moment: datetime) -> datetime:
            return datetime.fromtimestamp(moment.timestamp() // STEP * STEP, UTC)

    EveryStep.__qualname__ = EveryStep.__name__
    globals()[EveryStep.__name__] = EveryStep
    return EveryStep


def _show(stock: Fires, ours: Fires) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("what", title="lateness of a fire, in milliseconds")
    for column in ("due", "fired", "p50", "p99", "worst"):
        table.add_column(column, justify="right")
    for what, fires in (("stock, in memory", stock), ("ours, claimed on SQLite", ours)):
        found = fires.latenesses() if fires.called_at else []
        if len(found) < FEWEST:
            sys.exit(f"{what}: only {len(found)} fires; give it more --seconds")
        cuts = statistics.quantiles(found, n=100, method="inclusive")
        numbers = (f"{1000 * number:.1f}" for number in (cuts[49], cuts[98], max(found)))
        table.add_row(what, str(fires.due()), str(len(found)), *numbers)
    Console().print(table)


if __name__ == "__main__":
    main()
