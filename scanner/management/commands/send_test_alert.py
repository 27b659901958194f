import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from scanner.alerts.testing import NOBODY, Tested, send_test
from scanner.management import output
from scanner.management.exits import exit_codes
from scanner.models import Channel
from scanner.pipeline.text import quote

COLUMNS = ("Channel", "Recipient", "Result")


class Command(BaseCommand):
    help = (
        "Send a test through each channel that is enabled. Exit codes: 0 each was taken; 1 one was "
        "not; 2 there is no such channel, or it could not run."
    )

    requires_system_checks: tuple[str, ...] = ()  # exit_codes() checks

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--channel", metavar="NAME", help="only this one, even if it is not enabled"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with exit_codes(self):
            tests = [
                (channel, send_test(channel, now=timezone.now()))
                for channel in _channels(options["channel"])
            ]
            rows = [row for channel, results in tests for row in _rows(channel, results)]
            output.print_table(self.stdout, COLUMNS, rows)
            if any(one.error for _, results in tests for one in results):
                sys.exit(1)


def _channels(name: str | None) -> list[Channel]:
    if name is not None:
        found = list(Channel.objects.filter(name=name))
        if not found:
            names = ", ".join(Channel.objects.values_list("name", flat=True))
            raise CommandError(f"{quote(name)}: there is no such channel; there are: {names}")
        return found
    found = list(Channel.objects.filter(enabled=True))
    if not found:
        raise CommandError("no channel is enabled: enable one in the admin, or name one")
    return found


def _rows(channel: Channel, results: list[Tested]) -> Iterator[tuple[str, str, str]]:
    if not results:
        yield channel.name, "", str(NOBODY)
    for one in results:
        yield channel.name, one.recipient, one.error or "taken"
