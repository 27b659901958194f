import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from scanner import board_data
from scanner.management import output
from scanner.management.exits import exit_codes
from scanner.management.shelved import find_reports
from scanner.management.telling import told_afterwards
from scanner.management.verdicts import print_run
from scanner.scan import reprocess


class Command(BaseCommand):
    help = (
        "Judge archived or rejected reports again. Exit codes: 0 they were judged; 2 they could "
        "not be; 3 a scan is running."
    )

    requires_system_checks: tuple[str, ...] = ()  # exit_codes() checks

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "reports",
            nargs="+",
            metavar="REPORT",
            help="a path (absolute, or relative to the deposit root), a file's name, or #N, "
            "its number on record",
        )
        parser.add_argument("--json", action="store_true", help="print the run as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with exit_codes(self), told_afterwards():
            with output.progress(sys.stderr) as progress:
                files = find_reports(options["reports"])
                run = reprocess(files, now=timezone.now(), progress=progress)
            if options["json"]:
                self.stdout.write(json.dumps(board_data.run_as_data(run), ensure_ascii=False))
            else:
                print_run(run, self.stdout)
