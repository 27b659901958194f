import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone
from rich.text import Text

from scanner import board
from scanner.demo.play import Played, play
from scanner.management import output
from scanner.management.exits import exit_codes
from scanner.models import ExpectedBackupJob

COLUMNS = ("Place", "Database", "Status", "Reason, warnings", "Last good", "Size", "Next deadline")


class Command(BaseCommand):
    help = (
        "Play a month of a made-up fleet of agents through the real pipeline, or let the demo that "
        "is here live on until now, and show each expected backup's verdict. Exit codes: 0 it is "
        "there; 2 this installation is not the demo's, or cannot scan; 3 a scan is running."
    )

    requires_system_checks: tuple[str, ...] = ()  # exit_codes() checks

    def handle(self, *args: Any, **options: Any) -> None:
        with exit_codes(self):
            with output.progress(sys.stderr) as progress:
                played = play(now=timezone.now(), progress=progress)
            self._tell(played)

    def _tell(self, played: Played) -> None:
        jobs = board.job_states()
        output.print_table(self.stdout, COLUMNS, map(_row, jobs))
        counts = ", ".join(f"{n} {status}" for status, n in board.status_counts().items() if n)
        self.stdout.write(
            f"\n{'The demo was here already' if played.was_there else 'The demo is set up'}: "
            f"{played.scans} scans; {sum(job.is_active for job in jobs)} active expected backups: "
            f"{counts}.\nNext: `make serve` shows it in the admin."
        )


def _row(job: ExpectedBackupJob) -> Iterator[str | Text]:
    remarks = [job.reason, *(job.last_entry.warnings if job.last_entry else ())]
    yield f"{job.company_name} / {job.city} / {job.neighborhood}"
    yield job.database_name
    yield output.coloured(job.status)
    yield ", ".join(filter(None, (*remarks, "" if job.is_active else "paused")))
    yield _local(job.last_good_at)
    yield output.bytes_in_words(job.last_size)
    yield _local(job.deadline_at)


def _local(at: datetime | None) -> str:
    return f"{timezone.localtime(at):%d %b %H:%M}" if at else ""
