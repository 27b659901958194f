"""The row and the log lines of one piece of work on the vault: an audit, a prune, drills."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import DatabaseError, transaction

from scanner.models import VaultRun
from scanner.pipeline.text import clean

logger = logging.getLogger(__name__)


@contextmanager
def keep(kind: VaultRun.Kind, *, now: datetime) -> Iterator[VaultRun]:
    """Keep the row of a run for the length of the block, and have it tell how the work ended.

    Whoever works counts on the row, and sets `outcome` only where it is not to be told from
    `findings`. Runs of this kind that still seem to go on were killed: only the holder of the
    kind's lease calls this.
    """
    started = time.monotonic()
    killed = VaultRun.objects.filter(kind=kind.value, outcome=VaultRun.Outcome.RUNNING.value)
    killed.update(outcome=VaultRun.Outcome.INTERRUPTED.value, message="killed before its end")
    run = VaultRun.objects.create(kind=kind.value, started_at=now)
    try:
        yield run
    except BaseException as error:
        outcome = (
            VaultRun.Outcome.FAILED
            if isinstance(error, Exception)
            else VaultRun.Outcome.INTERRUPTED
        )
        run.message = clean(f"{type(error).__name__}: {error}", 4000)
        # Whoever started the work gets the error, and tells it.
        logger.info("%s %s ended: %s", kind.value, run.pk, run.message)
        try:
            _end(run, outcome, now + timedelta(seconds=time.monotonic() - started))
        except DatabaseError:
            logger.exception("%s %s: its end could not be recorded", kind.value, run.pk)
        raise
    outcome = VaultRun.Outcome(run.outcome)
    if outcome is VaultRun.Outcome.RUNNING:
        outcome = VaultRun.Outcome.FINDINGS if run.findings else VaultRun.Outcome.OK
    _end(run, outcome, now + timedelta(seconds=time.monotonic() - started))
    logger.info(
        "%s %s %s: %d copies, %d bytes, %d findings",
        kind.value,
        run.pk,
        run.outcome,
        run.copies,
        run.bytes,
        run.findings,
    )


def _end(run: VaultRun, outcome: VaultRun.Outcome, at: datetime) -> None:
    run.outcome = outcome.value
    run.finished_at = at
    running = VaultRun.objects.filter(pk=run.pk, outcome=VaultRun.Outcome.RUNNING.value)
    with transaction.atomic():
        if running.select_for_update().first() is not None:
            run.save()
