import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from scanner.board import moment
from scanner.management import output
from scanner.management.exits import exit_codes
from scanner.management.named_jobs import job_called
from scanner.vault_prune import Decision, Pruned, prune

COLUMNS = ("Agent", "Database", "Backup of", "Size", "Why")
VOUCH = "if it is right, vouch for it with --clock-is-right"


class Command(BaseCommand):
    help = (
        "Delete the copies in the vault that no policy keeps. Exit codes: 0; 1 some that should go "
        "could not be deleted; 2 it could not run, or refused to; 3 others work on the vault."
    )

    requires_system_checks: tuple[str, ...] = ()  # exit_codes() checks

    def add_arguments(self, parser: ArgumentParser) -> None:
        name = "AGENT/DATABASE"
        parser.add_argument(
            "--job", action="append", default=[], metavar=name, help="only this one; repeatable"
        )
        parser.add_argument("--dry-run", action="store_true", help="only print what would go")
        parser.add_argument("--clock-is-right", action="store_true", help="trust it, come what may")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        decisions: list[Decision] = []
        with exit_codes(self):
            pruned = prune(
                now=timezone.now(),
                dry_run=options["dry_run"],
                jobs=[job_called(name).pk for name in options["job"]],
                clock_is_right=options["clock_is_right"],
                tell=decisions.append,
            )
            if pruned.refused:
                raise CommandError(f"Nothing was deleted: {pruned.refused}; {VOUCH}.")
            if options["json"]:
                found = json.dumps(_as_data(pruned, decisions), ensure_ascii=False)
                self.stdout.write(found)
            else:
                self._print(pruned, decisions)
            if pruned.failures:
                sys.exit(1)

    def _print(self, pruned: Pruned, decisions: Iterable[Decision]) -> None:
        if pruned.copies:
            output.print_table(self.stdout, COLUMNS, _rows(decisions))
        for one in decisions:
            for words in filter(None, (one.held_back, *one.failures)):
                output.print_line(self.stdout, f"{one.agent}/{one.database}: {words}")
        done = "Deleted" if pruned.run else "Would delete"
        size = output.bytes_in_words(pruned.bytes)
        output.print_line(self.stdout, f"{done} {pruned.copies} copies, {size}.")


def _rows(decisions: Iterable[Decision]) -> Iterator[tuple[str, ...]]:
    for one in decisions:
        for copy in one.dropped:
            made_at = f"{timezone.localtime(copy.made_at):%Y-%m-%d %H:%M}"
            size = output.bytes_in_words(copy.size)
            yield one.agent, one.database, made_at, size, copy.because


def _as_data(pruned: Pruned, decisions: Iterable[Decision]) -> dict[str, Any]:
    return {
        "run": pruned.run.pk if pruned.run else None,
        "copies": pruned.copies,
        "bytes": pruned.bytes,
        "failures": len(pruned.failures),
        "jobs": [
            asdict(one)
            | {
                "dropped": [
                    asdict(copy) | {"made_at": moment(copy.made_at)} for copy in one.dropped
                ]
            }
            for one in decisions
        ],
    }
