from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from scanner.job_import import Imported, Kind, Mentioned, import_deposits, import_file
from scanner.management import output
from scanner.management.exits import exit_codes


class Command(BaseCommand):
    help = (
        "Create and update expected backups from a CSV or YAML file, or from what reports mention. "
        "When anything in the file is wrong, each error is listed with its line, nothing is "
        "written, and the exit code is 2."
    )

    requires_system_checks: tuple[str, ...] = ()  # exit_codes() checks

    def add_arguments(self, parser: ArgumentParser) -> None:
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("file", nargs="?", type=Path, metavar="FILE", help=".csv, .yaml, .yml")
        source.add_argument(
            "--from-deposits",
            action="store_true",
            help="register each database that reports in the deposit tree mention",
        )
        parser.add_argument(
            "--inactive", action="store_true", help="with --from-deposits: register as paused"
        )
        parser.add_argument("--dry-run", action="store_true", help="tell, and write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        now, dry_run = timezone.now(), options["dry_run"]
        if options["inactive"] and not options["from_deposits"]:
            raise CommandError("--inactive goes with --from-deposits only", returncode=2)
        with exit_codes(self):
            if options["from_deposits"]:
                active = not options["inactive"]
                self._tell_mentioned(import_deposits(now=now, active=active, dry_run=dry_run))
            else:
                self._tell_imported(import_file(options["file"], now=now, dry_run=dry_run))
            if dry_run:
                self.stdout.write("Dry run: nothing was written.")

    def _tell_imported(self, done: Imported) -> None:
        for note in done.notes:
            self.stderr.write(note)
        rows = (
            (
                str(one.line),
                one.kind,
                one.job.agent_id,
                one.job.database_name,
                ", ".join(one.fields),
            )
            for one in done.changes
        )
        columns = ("Line", "Job", "Agent", "Database", "Changed")
        output.print_table(self.stdout, columns, rows)
        self.stdout.write(", ".join(f"{done.count(kind)} {kind}" for kind in Kind))

    def _tell_mentioned(self, found: Mentioned) -> None:
        for words in found.skipped:
            self.stderr.write(f"skipped {words}")
        if found.registered:
            rows = ((one.agent, one.database) for one in found.registered)
            output.print_table(self.stdout, ("Agent", "Database"), rows)
        self.stdout.write(
            f"{len(found.registered)} registered, {found.expected} expected already; "
            f"{found.reports} reports read, {len(found.skipped)} skipped"
        )
