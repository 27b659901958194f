import json
import sys
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from scanner.drills.conductor import drill
from scanner.management import output
from scanner.management.drilled import (
    chosen_jobs,
    print_round,
    round_as_data,
    stop_is_an_exit,
    was_in_vain,
)
from scanner.management.exits import CANNOT_RUN, exit_codes


class Command(BaseCommand):
    help = (
        "Restore copies of the vault into scratch databases. Exit codes: 0 all that were tried "
        "were restored; 1 a restore failed; 2 none could be tried; 3 other drills are running."
    )

    requires_system_checks: tuple[str, ...] = ()  # a wrong setting is "could not run": exit 2

    def add_arguments(self, parser: ArgumentParser) -> None:
        name = "AGENT/DATABASE"
        parser.add_argument(
            "--job", action="append", default=[], metavar=name, help="only this one; repeatable"
        )
        words = "begin no further restore after so many"
        parser.add_argument("--budget", type=int, metavar="MINUTES", help=words)
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        minutes = options["budget"]
        budget = None if minutes is None else timedelta(minutes=max(0, minutes))
        with exit_codes(self), stop_is_an_exit():
            jobs = chosen_jobs(options["job"])
            with output.progress(sys.stderr) as progress:
                run = drill(now=timezone.now(), jobs=jobs, budget=budget, progress=progress)
            if options["json"]:
                self.stdout.write(json.dumps(round_as_data(run), ensure_ascii=False))
            else:
                print_round(run, self.stdout)
            if run.findings:
                sys.exit(1)
            if was_in_vain(run):
                sys.exit(CANNOT_RUN)
