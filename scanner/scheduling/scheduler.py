"""Starts and stops the one scheduler of this process."""

import logging
import threading

from django.utils import timezone

from scanner import conf
from scanner.scheduling.engine import Scheduler
from scanner.scheduling.jobs import catch_up, keep_scan_job
from scanner.scheduling.tasks import run_scanner_job

__all__ = ["is_scheduler_alive", "run_scanner_job", "shutdown_scheduler", "start_scheduler"]

logger = logging.getLogger(__name__)

_lock = threading.Lock()
_running: list[Scheduler] = []  # at most one


def start_scheduler() -> None:
    """Have the deposit tree scanned at once, then every SCANNER_INTERVAL_MINUTES, by threads.

    Do nothing when it is started already. Raise DatabaseError, with nothing started, when the job
    store cannot be read or written.
    """
    with _lock:
        if _running:
            logger.warning("the scheduler is not started again: it runs already")
            return
        scheduler = Scheduler(_tend)
        # It looks for work only when the job store is in order.
        scheduler.start(paused=True)
        try:
            now = timezone.now()
            keep_scan_job(scheduler, now=now)
            is_active = catch_up(scheduler, now=now)
        except BaseException:
            scheduler.shutdown()
            raise
        scheduler.resume()
        _running.append(scheduler)
    if is_active:
        logger.info("the scheduler is started: a scan now, then every %s minutes", _minutes())
    else:
        logger.warning("the scheduler is started, but the scan is paused")


def shutdown_scheduler() -> None:
    """Start no more scans and wait for the one that runs, however long; then nothing runs any more.

    Do nothing when it is not started. It would wait for ever for a scan that itself calls it.
    """
    with _lock:
        if not _running:
            logger.info("the scheduler is not stopped: it does not run")
            return
        _running.pop().shutdown(wait=True)
    logger.info("the scheduler is stopped")


def is_scheduler_alive() -> bool:
    """Whether a scheduler is started and the thread that starts the scans runs."""
    return bool(_running) and _running[0].is_alive


def _tend(scheduler: Scheduler) -> None:
    keep_scan_job(scheduler, now=timezone.now())


def _minutes() -> int:
    return conf.scan_interval_minutes()
