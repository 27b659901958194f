"""How late a run begins, beside stock APScheduler in the same run.

    .venv/bin/python bench/scheduler.py [--seconds 45]

Two schedulers fire twice a second for `seconds`, each between the other's slots:

- stock: APScheduler's own, with jobs in memory, that calls the function at once;
- ours: led, on a SQLite file, as `runapscheduler` has it. Before the function is called the run is
  claimed in the database under the leader's lease, and afterwards it is closed there; the control
  loop and the heartbeat are at work beside it.

Lateness is the time from the slot to the first line of the function. Milliseconds are this
machine's and mean little; what counts is the difference. Nothing is left behind. This is no test:
no limit is kept here.
"""

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scanner.scheduling.slots import Slots

STEP = 0.5
PHASE = STEP / 2
TASK = "tick"
FEWEST = 2


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


def _measure(seconds: float) -> tuple[list[float], list[float]]:
    """Give the latenesses of both, in seconds; those of their first second are left out."""
    from apscheduler.schedulers.background import BackgroundScheduler
    from apscheduler.triggers.interval import IntervalTrigger

    from scanner.scheduling import service
    from scanner.scheduling.tasks import TASKS, Result, Task

    stock: list[float] = []
    ours: list[float] = []

    def tick(_agents: object) -> Result:
        ours.append(time.time() % STEP)
        return Result()

    assert isinstance(TASKS, dict)
    TASKS.clear()
    TASKS[TASK] = Task(tick, _slots())
    events = service.Events()
    thread = threading.Thread(target=service.run, args=(events,), name="service")
    theirs = BackgroundScheduler(timezone=UTC)
    begun = datetime.fromtimestamp(int(time.time()) + PHASE, UTC)
    theirs.add_job(
        lambda: stock.append((time.time() - PHASE) % STEP),
        IntervalTrigger(seconds=STEP, start_date=begun, timezone=UTC),
    )
    thread.start()
    theirs.start()
    time.sleep(seconds)
    theirs.shutdown()
    events.put(service.Event.STOP)
    thread.join()
    warm = round(1 / STEP)
    return stock[warm:], ours[warm:]


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


def _show(stock: list[float], ours: list[float]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("what", title="lateness of a fire, in milliseconds")
    for column in ("fires", "p50", "p99", "worst"):
        table.add_column(column, justify="right")
    for what, found in (("stock, in memory", stock), ("ours, claimed on SQLite", ours)):
        if len(found) < FEWEST:
            sys.exit(f"{what}: only {len(found)} fires; give it more --seconds")
        cuts = statistics.quantiles(found, n=100, method="inclusive")
        numbers = (cuts[49], cuts[98], max(found))
        table.add_row(what, str(len(found)), *(f"{1000 * number:.1f}" for number in numbers))
    Console().print(table)


if __name__ == "__main__":
    main()
