from typing import Any

from django.core.management.base import BaseCommand

from scanner.groups import make_groups
from scanner.management.exits import exit_codes


class Command(BaseCommand):
    help = (
        "Make the groups viewer, operator and administrator where they are missing, and give them "
        "the permissions that they lack; nothing is taken from them."
    )

    requires_system_checks: tuple[str, ...] = ()  # exit_codes() checks

    def handle(self, *args: Any, **options: Any) -> None:
        with exit_codes(self):
            for name, count in make_groups().items():
                self.stdout.write(f"{name}: {count} permissions added")
