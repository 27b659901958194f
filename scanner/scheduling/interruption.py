"""What is recorded when this process has to end while its tasks still run."""

import logging
import os
import socket
from datetime import datetime

from django.db import transaction
from django.db.models import F

from scanner.models import Lease, ScanRun, TaskRun
from scanner.scan import LEASE
from scanner.scheduling import ledger
from scanner.scheduling.leadership import Leadership
from scanner.scheduling.ledger import Outcome

logger = logging.getLogger(__name__)


def interrupt_runs(leadership: Leadership, why: str, *, now: datetime) -> None:
    """Record that what this process runs was interrupted, and let the next scan begin at once.

    A thread cannot be stopped, but from here on a scan records no verdict: its lease is gone.
    Whoever calls this ends the process next. Raise DatabaseError when it cannot be recorded; the
    leader then finds out by itself.
    """
    with transaction.atomic():
        mine = Lease.objects.filter(name=LEASE, host=socket.gethostname(), pid=os.getpid())
        if mine.exclude(holder="").update(token=F("token") + 1, holder=""):
            _interrupt_scan(why, now)
    for run in TaskRun.objects.filter(pk__in=tuple(leadership.running)):
        if ledger.finish(run, Outcome.INTERRUPTED, now=now, error=why):
            ledger.close_execution(run, now=now)


def _interrupt_scan(why: str, now: datetime) -> None:
    for run in ScanRun.objects.filter(outcome=ScanRun.Outcome.RUNNING.value):
        run.outcome = ScanRun.Outcome.INTERRUPTED.value
        run.error = why
        run.finished_at = now
        run.save(update_fields=("outcome", "error", "finished_at"))
        logger.warning("scan %s interrupted: %s", run.pk, why)
