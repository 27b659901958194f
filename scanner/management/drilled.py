"""A round of restore drills: which jobs a command line means, and what came of them."""

import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from django.core.management.base import CommandError
from rich.text import Text

from scanner.board import moment
from scanner.management import output
from scanner.management.named_jobs import job_called
from scanner.models import RestoreDrill, VaultCopy, VaultRun
from scanner.pipeline.text import quote

COLUMNS = ("Agent", "Database", "Outcome", "Into", "Seconds", "Tables", "Rows", "Message")
COLOURS = {"restored": "green", "failed": "bold red", "interrupted": "yellow"}
TERMINATED = 128 + signal.SIGTERM


def chosen_jobs(names: Iterable[str]) -> list[int]:
    """Give the keys of the jobs called AGENT/DATABASE.

    Raise CommandError for one that is not expected, or that has nothing in the vault to restore.
    """
    return [_key_of(name) for name in names]


def print_round(run: VaultRun, stream: output.Stream) -> None:
    """Print what came of each copy, and a line that sums it up."""
    drills = _drills(run)
    if drills:
        output.print_table(stream, COLUMNS, (_row(drill) for drill in drills))
    if run.message:
        output.print_line(stream, f"! {run.message}", "yellow")
    restored = sum(drill.outcome == RestoreDrill.Outcome.RESTORED.value for drill in drills)
    output.print_line(
        stream,
        f"Drills {run.pk} {run.outcome}: {restored} restored, {run.findings} failed, "
        f"{len(drills) - restored - run.findings} not tried; "
        f"{output.bytes_in_words(run.bytes)} read",
    )


def round_as_data(run: VaultRun) -> dict[str, Any]:
    """Give a finished round as plain data."""
    return {
        "run": run.pk,
        "outcome": run.outcome,
        "message": run.message,
        "started_at": moment(run.started_at),
        "finished_at": moment(run.finished_at),
        "bytes": run.bytes,
        "findings": run.findings,
        "drills": [
            {
                "agent": drill.job.agent_id,
                "database": drill.job.database_name,
                "vault_path": drill.copy.path,
                "outcome": drill.outcome,
                "target": drill.target or None,
                "seconds": drill.seconds,
                "tables": drill.tables,
                "rows": drill.rows,
                "message": drill.message,
            }
            for drill in _drills(run)
        ],
    }


def was_in_vain(run: VaultRun) -> bool:
    """Tell whether copies had their turn, and not one of them could be tried."""
    drills = _drills(run)
    untried = RestoreDrill.Outcome.NOT_TRIED.value
    return bool(drills) and all(drill.outcome == untried for drill in drills)


@contextmanager
def stop_is_an_exit() -> Iterator[None]:
    """Have SIGTERM end the block as Ctrl-C does: what was begun is ended and cleaned up."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        sys.exit(TERMINATED)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _key_of(name: str) -> int:
    job = job_called(name)
    if not job.copies.filter(state=VaultCopy.State.WHOLE.value).exists():
        raise CommandError(f"{quote(name)} has no whole copy in the vault: nothing can be restored")
    return job.pk


def _drills(run: VaultRun) -> list[RestoreDrill]:
    return list(run.drills.select_related("job", "copy").order_by("pk"))


def _row(drill: RestoreDrill) -> Iterator[str | Text]:
    yield drill.job.agent_id
    yield drill.job.database_name
    yield Text(drill.get_outcome_display(), style=COLOURS.get(drill.outcome, ""))
    yield drill.target
    yield "" if drill.seconds is None else f"{drill.seconds:.1f}"
    yield "" if drill.tables is None else f"{drill.tables:,}"
    yield "" if drill.rows is None else f"{drill.rows:,}"
    yield drill.message
