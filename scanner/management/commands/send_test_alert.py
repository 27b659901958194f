import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _

from scanner.alerts.testing import send_test
from scanner.management import output
from scanner.management.exits import exit_codes
from scanner.models import Channel


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
            name = options["channel"]
            found = (
                Channel.objects.filter(name=name) if name else Channel.objects.filter(enabled=True)
            )
            channels = list(found)
            if not channels:
                names = ", ".join(Channel.objects.values_list("name", flat=True))
                raise CommandError(f"no such channel; there are: {names}")
            rows, failed = [], False
            for channel in channels:
                results = send_test(channel, now=timezone.now())
                if not results:
                    rows.append((channel.name, "", _("nobody: ADMIN_EMAIL_RECIPIENTS is not set")))
                for one in results:
                    failed |= bool(one.error)
                    rows.append((channel.name, one.recipient, one.error or _("taken")))
            output.print_table(self.stdout, ("channel", "recipient", "result"), rows)
            if failed:
                sys.exit(1)
