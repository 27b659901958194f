import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from scanner import board_data
from scanner.alerts import heartbeat
from scanner.management import output
from scanner.management.exits import exit_codes
from scanner.management.telling import told_afterwards
from scanner.management.verdicts import print_run
from scanner.models import ScanRun
from scanner.scan import scan


class Command(BaseCommand):
    help = (
        "Scan the deposit tree now. Exit codes: 0 the scan ran; 1 with --fail-on-problems, an "
        "active job is in a problem status; 2 the scan could not run; 3 another one is running."
    )

    requires_system_checks: tuple[str, ...] = ()  # a wrong setting is "could not run": exit 2

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--agent", action="append", default=[], metavar="NAME", help="only this one; repeatable"
        )
        parser.add_argument("--json", action="store_true", help="print the run as one JSON object")
        parser.add_argument("--fail-on-problems", action="store_true", help="exit 1 on problems")

    def handle(self, *args: Any, **options: Any) -> None:
        with exit_codes(self), told_afterwards():
            with (
                output.progress(sys.stderr) as progress,
                heartbeat.after(whole=not options["agent"]),
            ):
                run = scan(
                    now=timezone.now(),
                    trigger=ScanRun.Trigger.COMMAND,
                    agents=options["agent"],
                    progress=progress,
                )
            if options["json"]:
                self.stdout.write(json.dumps(board_data.run_as_data(run), ensure_ascii=False))
            else:
                print_run(run, self.stdout)
            if options["fail_on_problems"] and run.problems:
                sys.exit(1)
