"""What is recorded when this process has to end while its scan still runs."""

import logging
import os
import socket
from datetime import datetime

from django.db import transaction
from django.db.models import F
from django_apscheduler.models import DjangoJobExecution

from scanner.models import Lease, ScanRun
from scanner.scan import LEASE
from scanner.scheduling.tasks import SCAN

logger = logging.getLogger(__name__)


def interrupt_scan(why: str, *, now: datetime) -> None:
    """Record that the scan of this process was interrupted, and let the next one begin at once.

    The scan's thread cannot be stopped, but from here on it records no verdict: its lease is gone.
    Whoever calls this ends the process next. Raise DatabaseError when it cannot be recorded; the
    next scan then finds out by itself.
    """
    with transaction.atomic():
        mine = Lease.objects.filter(name=LEASE, host=socket.gethostname(), pid=os.getpid())
        if mine.exclude(holder="").update(token=F("token") + 1, holder=""):
            _interrupt_run(why, now)
        _interrupt_executions(why, now)


def _interrupt_run(why: str, now: datetime) -> None:
    for run in ScanRun.objects.filter(outcome=ScanRun.Outcome.RUNNING.value):
        run.outcome = ScanRun.Outcome.INTERRUPTED.value
        run.error = why
        run.finished_at = now
        run.save(update_fields=("outcome", "error", "finished_at"))
        logger.warning("scan %s interrupted: %s", run.pk, why)


def _interrupt_executions(why: str, now: datetime) -> None:
    begun = DjangoJobExecution.objects.filter(job_id=SCAN, status=DjangoJobExecution.SENT)
    for execution in begun:
        execution.status = DjangoJobExecution.ERROR
        execution.exception = why
        execution.finished = now.timestamp()
        execution.duration = (now - execution.run_time).total_seconds()
        execution.save()
