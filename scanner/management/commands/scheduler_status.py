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
    SchedulerState,
    schedule_in_words,
    scheduler_state,
    state_as_data,
)

COLUMNS = ("Task", "Enabled", "Schedule", "Next run", "Last outcome")


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
                    output.print_table(self.stdout, COLUMNS, map(_row, state.tasks))
            if not state.health.healthy:
                sys.exit(1)


def _words(state: SchedulerState) -> Iterator[str]:
    health = state.health
    yield "All is well." if health.healthy else "Not well:"
    yield from (f"- {reason}" for reason in health.reasons)
    if (leader := health.leader) is not None:
        since, heartbeat = _local(leader.since), _local(leader.heartbeat)
        leads = f"process {leader.pid} on {leader.host} since {since}"
        yield f"Leader: {leads}, last heartbeat {heartbeat}"
    standbys = ", ".join(f"process {one.pid} on {one.host}" for one in state.standbys)
    yield f"Standing by: {standbys or 'nobody'}"
    yield f"Last good scan: {_local(health.last_good_scan) or 'none'}"


def _row(task: ScheduledTask) -> Iterator[str | Text]:
    yield task.name
    yield "yes" if task.enabled else "no"
    yield schedule_in_words(task)
    yield _local(task.next_run_at)
    yield task.last_outcome


def _local(at: datetime | None) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}" if at else ""
