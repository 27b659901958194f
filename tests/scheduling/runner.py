"""`runapscheduler` with what a test changes: `python -m tests.scheduling.runner OPTION...`."""

import argparse
import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import django
from django.core.management import call_command


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a lease lives 3 seconds")
    parser.add_argument("--patience", type=float, help="how long a stop waits for what runs")
    parser.add_argument("--gate", type=Path, help="scans wait while there is a file `shut` in it")
    parser.add_argument("--each-second", action="store_true", help="a scan each second")
    parser.add_argument("--hasty", action="store_true", help="SQLite waits a second for a lock")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backupmonitor.settings")
    django.setup()
    if options.quick:
        hurry()
    if options.hasty:
        be_hasty()
    if options.patience is not None:
        be_patient(options.patience)
    if options.gate is not None:
        put_up(options.gate)
    if options.each_second:
        scan_each_second()
    call_command("runapscheduler")


def hurry() -> None:
    from scanner import lease
    from scanner.scheduling import ledger

    lease.TIME_TO_LIVE = 3.0
    lease.HEARTBEAT = 0.5
    lease.MARGIN = 0.75
    lease.DATABASE_TIMEOUT = 0.5
    ledger.SETTLED = ledger.SETTLED / 10


def be_hasty() -> None:
    from django.db import connection

    from scanner import checks

    connection.settings_dict["OPTIONS"]["timeout"] = checks.SQLITE_LEAST_TIMEOUT_SECONDS = 1


def be_patient(seconds: float) -> None:
    from scanner.scheduling import service

    service.run = partial(service.run, patience=seconds)


def put_up(gate: Path) -> None:
    from scanner.pipeline import deposit

    walk = deposit.walk

    def wait_and_walk(root: Path, only: frozenset[str] | None = None) -> deposit.Deposit:
        (gate / f"{os.getpid()}").touch()
        while (gate / "shut").exists():
            time.sleep(0.02)
        return walk(root, only)

    deposit.walk = wait_and_walk


def scan_each_second() -> None:
    from scanner.grid import SCAN
    from scanner.scheduling.tasks import TASKS
    from tests.scheduling.seconds import EverySecond

    assert isinstance(TASKS, dict)
    TASKS[SCAN] = replace(TASKS[SCAN], slots=EverySecond)


if __name__ == "__main__":
    main()
