import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone
from rich.text import Text

from scanner.management import output
from scanner.management.exits import exit_codes
from scanner.models import ScheduledTask
from scanner.scheduler_board import (
    NextRun,
    SchedulerState,
    next_run,
    schedule_in_words,
    scheduler_state,
    state_as_data,
)

COLUMNS = ("Task", "Enabled", "Schedule", "Next run", "Outcome (after retries)")


class Command(BaseCommand):
    help = (
        "Show who leads the scheduler, whether scans go well, and the tasks. Exit codes: 0 all is "
        "well; 1 it is not, with the reasons; 2 it could not be told."
    )

    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        # A monitor must not wait for a disk that is away.
        with exit_codes(self, checks=False):
            state = scheduler_state(now=timezone.now())
            if options["json"]:
                self.stdout.write(json.dumps(state_as_data(state), ensure_ascii=False))
            else:
                self.stdout.write("\n".join(_words(state)))
                if state.tasks:
                    rows = (_row(task, state.at) for task in state.tasks)
                    output.print_table(self.stdout, COLUMNS, rows)
            if not state.health.healthy:
                sys.exit(1)


def _words(state: SchedulerState) -> Iterator[str]:
    health = state.health
    # All on one line: a monitor keeps only the first.
    reasons = "; ".join(reason.words.rstrip(".") for reason in health.reasons)
    yield "All is well." if health.healthy else f"Not well: {reasons}"
    if (leader := health.leader) is not None:
        since, heartbeat = _local(leader.since), _local(leader.heartbeat)
        leads = f"process {leader.pid} on {leader.host} since {since}"
        yield f"Leader: {leads}, last heartbeat {heartbeat}"
    standbys = ", ".join(f"process {one.pid} on {one.host}" for one in state.standbys)
    yield f"Standing by: {standbys or 'nobody'}"
    yield f"Last good scan: {_local(health.last_good_scan) or 'none'}"


def _row(task: ScheduledTask, now: datetime) -> Iterator[str | Text]:
    yield task.name
    yield "yes" if task.enabled else "no"
    yield schedule_in_words(task)
    yield _next_run(task, now)
    yield task.last_outcome


def _next_run(task: ScheduledTask, now: datetime) -> str:
    match next_run(task, now):
        case NextRun.PAUSED:
            return "paused"
        case NextRun.NOT_IN_FORCE:
            return "not yet in force"
        case NextRun.OVERDUE:
            return f"overdue since {_local(task.next_run_at)}"
        case NextRun.KNOWN:
            return _local(task.next_run_at)


def _local(at: datetime | None) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}" if at else ""
