import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone
from django.utils.timesince import timesince
from rich.text import Text

from scanner import board, board_data, vault_board
from scanner.management import output
from scanner.management.exits import exit_codes
from scanner.models import ExpectedBackupJob

COLUMNS = (
    "Place",
    "Agent",
    "Database",
    "Status",
    "Reason",
    "Since",
    "Last good",
    "Age",
    "Next deadline",
)


class Command(BaseCommand):
    help = (
        "Show each expected backup's state. Exit codes: 0; 1 with --problems, an active one is "
        "in a problem status; 2 it could not be told."
    )

    requires_system_checks: tuple[str, ...] = ()  # exit_codes() checks

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--problems", action="store_true", help="only those in trouble")
        parser.add_argument("--json", action="store_true", help="print a JSON array of objects")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        with exit_codes(self):
            only_problems = options["problems"]
            jobs = board.job_states(problems_only=only_problems)
            if options["json"]:
                facts = vault_board.facts_of_jobs()
                states = [
                    board_data.job_as_data(job, now=now) | facts.as_data(job.pk) for job in jobs
                ]
                self.stdout.write(json.dumps(states, ensure_ascii=False))
            elif jobs:
                columns = (*COLUMNS, "Message") if only_problems else COLUMNS
                rows = (_row(job, now, with_message=only_problems) for job in jobs)
                output.print_table(self.stdout, columns, rows)
            else:
                self.stdout.write("No problems." if only_problems else "No expected backups yet.")
            if not options["json"] and vault_board.coverage().copies:
                output.print_line(self.stdout, _vault(now))
            if only_problems and jobs:
                sys.exit(1)


def _row(job: ExpectedBackupJob, now: datetime, *, with_message: bool) -> Iterator[str | Text]:
    good = job.last_good_at
    yield f"{job.company_name} / {job.city} / {job.neighborhood}"
    yield job.agent_id
    yield job.database_name
    yield output.coloured(job.status).append("" if job.is_active else " (paused)", style="dim")
    yield job.reason
    yield _local(job.status_since)
    yield _local(good)
    yield timesince(good, now, depth=1).replace("\xa0", " ") if good else ""
    yield _local(job.deadline_at)
    if with_message:
        yield job.last_entry.message if job.last_entry else ""


def _vault(now: datetime) -> str:
    space = vault_board.space(now=now)
    free, days = space.free_bytes, space.days_left
    words = [
        vault_board.coverage_words(now=now),
        "free space cannot be told" if free is None else f"{output.bytes_in_words(free)} free",
        *([] if days is None else [f"days until full: {days:,.0f}"]),
        f"open findings: {vault_board.open_findings().count()}",
    ]
    return f"Vault: {'; '.join(words)}"


def _local(at: datetime | None) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}" if at else ""
