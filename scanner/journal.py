"""The row and the log lines that tell of one run: begun, and ended one way or another."""

import logging
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import DatabaseError

from scanner import history, vault_board
from scanner.errors import BackupMonitorError
from scanner.models import ScanRun
from scanner.pipeline.text import clean

logger = logging.getLogger(__name__)

Began = Callable[[ScanRun], None]
"""Told of a run as soon as there is a row of it, before anything is looked at."""


@contextmanager
def keep(
    trigger: ScanRun.Trigger,
    agents: Collection[str] | None,
    *,
    now: datetime,
    began: Began | None = None,
) -> Iterator[ScanRun]:
    """Keep the row of a run for the length of the block, and have it tell how the scan ended.

    `began` is called first; what it raises fails the scan. Runs that still seem to go on were
    killed: only the holder of the scan's lease calls this.
    """
    started = time.monotonic()
    run = history.begin_run(trigger, sorted(agents or ()), now=now)
    logger.info("scan %s started by %s", run.pk, trigger.value)
    try:
        if began is not None:
            began(run)
        yield run
    except BaseException as error:
        run.finished_at = now + timedelta(seconds=time.monotonic() - started)
        _tell_failure(run, error)
        raise
    space = vault_board.space(now=now)
    run.vault_free_bytes, run.vault_days_left = space.free_bytes, space.days_left
    outcome = ScanRun.Outcome.INCOMPLETE if run.findings else ScanRun.Outcome.COMPLETE
    run.outcome = outcome.value
    run.finished_at = now + timedelta(seconds=time.monotonic() - started)
    history.end_run(run)
    logger.info(
        "scan %s %s in %.1f s: reports %d accepted, %d rejected, %d known, %d deferred; "
        "verdicts %s; %d bytes verified; %d active jobs in trouble",
        run.pk,
        run.outcome,
        run.seconds or 0,
        run.reports_accepted,
        run.reports_rejected,
        run.reports_known,
        run.reports_deferred,
        ", ".join(f"{count} {status}" for status, count in run.counts.items() if count) or "none",
        run.verified_bytes,
        run.problems or 0,
    )


def _tell_failure(run: ScanRun, error: BaseException) -> None:
    if isinstance(error, BackupMonitorError):
        logger.error("scan %s failed: %s", run.pk, error)
    else:
        # Whoever started the scan gets the error, and tells it with its traceback.
        logger.error("scan %s failed: %s: %s", run.pk, type(error).__name__, error)
    run.outcome = (
        ScanRun.Outcome.FAILED if isinstance(error, Exception) else ScanRun.Outcome.INTERRUPTED
    ).value
    run.error = clean(f"{type(error).__name__}: {error}", 4000)
    try:
        history.end_run(run)
    except DatabaseError:
        logger.exception("scan %s: its end could not be recorded", run.pk)
