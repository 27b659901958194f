import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from scanner import vault_board
from scanner.management import output
from scanner.management.exits import exit_codes
from scanner.models import VaultFinding, VaultRun
from scanner.vault_audit import audit

COLUMNS = ("Finding", "Expected backup", "Path", "Since", "Message")


class Command(BaseCommand):
    help = (
        "Read copies in the vault again, and look for files of nobody. Exit codes: 0 nothing is "
        "wrong; 1 findings are open, or this run had some that it put right at once; 2 it could "
        "not run; 3 another audit or a prune is running."
    )

    requires_system_checks: tuple[str, ...] = ()  # a wrong setting is "could not run": exit 2

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--all", action="store_true", help="each copy, whatever the budget")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with exit_codes(self):
            with output.progress(sys.stderr) as progress:
                run = audit(now=timezone.now(), everything=options["all"], progress=progress)
            still_open = list(vault_board.open_findings())
            repaired = list(vault_board.repaired_by(run))
            if options["json"]:
                data = vault_board.audit_as_data(run)
                self.stdout.write(json.dumps(data, ensure_ascii=False))
            else:
                if found := [*repaired, *still_open]:
                    output.print_table(self.stdout, COLUMNS, map(_row, found))
                output.print_line(self.stdout, _summary(run, len(still_open), len(repaired)))
            if run.findings or still_open:
                sys.exit(1)


def _row(finding: VaultFinding) -> Iterator[str]:
    yield finding.get_kind_display()
    yield str(finding.job or "")
    yield finding.path
    yield f"{timezone.localtime(finding.found_at):%Y-%m-%d %H:%M}"
    yield finding.message


def _summary(run: VaultRun, still_open: int, repaired: int) -> str:
    return (
        f"Audit {run.pk}: copies read: {run.copies} ({output.bytes_in_words(run.bytes)}); "
        f"findings open: {still_open}; copies put back: {repaired}; {run.message}"
    )
