import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from scanner.job_export import Form, pieces
from scanner.management.exits import exit_codes
from scanner.models import ExpectedBackupJob


class Command(BaseCommand):
    help = "Write all expected backups but the retired ones to a file that import_jobs reads back."

    requires_system_checks: tuple[str, ...] = ()  # exit_codes() checks

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file", nargs="?", type=Path, metavar="FILE", help="without it: print the file"
        )
        parser.add_argument(
            "--format",
            choices=[form.value for form in Form],
            default=Form.CSV.value,
            help="csv, csv with semicolons, or yaml",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with exit_codes(self):
            jobs = ExpectedBackupJob.objects.filter(retired_at=None)
            written = pieces(jobs, Form(options["format"]))
            file: Path | None = options["file"]
            if file is None:
                sys.stdout.reconfigure(newline="")  # type: ignore[union-attr]
                for piece in written:
                    self.stdout.write(piece, ending="")
                return
            try:
                with file.open("w", encoding="utf-8", newline="") as stream:
                    stream.writelines(written)
            except OSError as error:
                raise CommandError(f"{file}: {error.strerror}", returncode=2) from error
