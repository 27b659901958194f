import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from scanner.alerts.tell import tell
from scanner.management.exits import exit_codes


class Command(BaseCommand):
    help = (
        "Notice what went wrong or came right, and send what is to be told. Exit codes: 0 all was "
        "sent; 1 a message could not be sent, and is tried again; 2 it could not run."
    )

    requires_system_checks: tuple[str, ...] = ()  # exit_codes() checks

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with exit_codes(self):
            told = tell(now=timezone.now())
            if options["json"]:
                found = {
                    "events": told.noticed.events,
                    "deliveries": told.noticed.deliveries + told.due,
                    "sent": told.sent.messages,
                    "failed": told.sent.failed,
                    "errors": told.sent.errors,
                }
                self.stdout.write(json.dumps(found, ensure_ascii=False))
            else:
                events = told.noticed.events.items()
                news = ", ".join(f"{count} {kind}" for kind, count in events) or "nothing new"
                self.stdout.write(f"Incidents: {news}.")
                self.stdout.write(
                    f"Messages: {told.sent.messages} sent, {told.sent.failed} to be tried again."
                )
                for channel, words in told.sent.errors.items():
                    self.stdout.write(f"  {channel}: {words}")
            if told.sent.failed:
                sys.exit(1)
