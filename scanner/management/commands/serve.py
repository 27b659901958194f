import secrets
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand

from scanner import conf
from scanner.management.exits import exit_codes
from scanner.management.processes import run_together

ROOT = Path(__file__).resolve().parents[3]
# The scheduler itself waits up to 25 seconds for a scan that runs.
PATIENCE_SECONDS = 30.0


class Command(BaseCommand):
    help = (
        "Serve the admin and run the scheduler until Ctrl-C, for a trial on this machine. Exit "
        "codes: 0 stopped as asked; 1 one of the two ended by itself, or had to be killed; 2 they "
        "could not be started."
    )

    requires_system_checks: tuple[str, ...] = ()  # exit_codes() checks

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--bind", default="127.0.0.1:8000", metavar="HOST:PORT", help="where to listen"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with exit_codes(self):
            sys.exit(self._serve(options["bind"]))

    def _serve(self, bind: str) -> int:
        if conf.collected_static_root() is not None:
            # Each time: what an update brought would otherwise be missing, and every page fail.
            call_command("collectstatic", interactive=False, verbosity=0)
        self.stdout.write(f"The admin: http://{bind}/admin/ - {self.way_in()}\nCtrl-C stops.")
        self.stdout.flush()
        web = ("--bind", bind, "--workers", "2", "--threads", "4", "--graceful-timeout", "5")
        programs = {
            "gunicorn": (sys.executable, "-m", "gunicorn", "backupmonitor.wsgi", *web),
            "the scheduler": (sys.executable, "manage.py", "runapscheduler"),
        }
        return run_together(
            programs, folder=ROOT, patience=PATIENCE_SECONDS, tell=self.stderr.write
        )

    def way_in(self) -> str:
        """Say how to log in; where nobody can administer, make somebody who can."""
        known = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
        if known is not None:
            name = known.get_username()
            return (
                f"log in as {name}; is the password lost, then set another with: "
                f"manage.py changepassword {name}"
            )
        if User.objects.filter(username="admin").exists():
            return "there is no superuser: make one with: manage.py createsuperuser"
        password = secrets.token_urlsafe(12)
        User.objects.create_superuser("admin", password=password)
        return f"log in as admin with the password {password} (shown this once)"
