"""Keeps the scan's job in the job store as the settings want it, whatever befell it meanwhile.

- It is added only where it is missing: to replace it at each start would begin its interval anew,
  so that a process restarted more often than that never scans, and would undo a pause.
- Its slots lie on a grid that is counted from the epoch, so that no restart moves them.
- A paused job (one without a next run) stays paused.
"""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.interval import IntervalTrigger

from scanner import conf
from scanner.scheduling.engine import ONCE, STORE
from scanner.scheduling.tasks import SCAN

logger = logging.getLogger(__name__)

# As a text, so that it stays what it is: see `dispatch`.
_DISPATCH = "scanner.scheduling.tasks:dispatch"
_GRID_START = datetime(1970, 1, 1, tzinfo=UTC)
# Less than any interval, more than the rounding of the trigger's arithmetic.
_NEXT = timedelta(milliseconds=1)


def keep_scan_job(scheduler: BaseScheduler, *, now: datetime) -> None:
    """Add the scan's job if it is missing or cannot be restored; else only change what must be.

    The interval and the misfire grace are those of the settings. The next run stands, unless the
    interval was changed, or it lies further ahead than any slot (the clock was set back).
    """
    interval = timedelta(minutes=conf.scan_interval_minutes())
    trigger = IntervalTrigger(
        minutes=conf.scan_interval_minutes(), start_date=_GRID_START, timezone=UTC
    )
    grace = conf.misfire_grace_seconds()
    job = scheduler.get_job(SCAN, STORE)
    if job is None:
        scheduler.add_job(
            _DISPATCH,
            trigger,
            args=(SCAN,),
            id=SCAN,
            name=SCAN,
            jobstore=STORE,
            next_run_time=_slot_after(trigger, now),
            misfire_grace_time=grace,
            coalesce=True,
            max_instances=1,
            # What stands there could not be restored; its history hangs on its row.
            replace_existing=True,
        )
        logger.info("the scan is put on the schedule, every %s", interval)
        return
    changes: dict[str, Any] = {}
    if not _are_same(job.trigger, trigger):
        changes["trigger"] = trigger
    if job.misfire_grace_time != grace:
        changes["misfire_grace_time"] = grace
    if job.next_run_time is not None and (
        "trigger" in changes or job.next_run_time > now + interval
    ):
        changes["next_run_time"] = _slot_after(trigger, now)
    if changes:
        scheduler.modify_job(SCAN, STORE, **changes)
        logger.info(
            "the schedule of the scan is changed: %s",
            ", ".join(f"{name} = {value}" for name, value in changes.items()),
        )


def catch_up(scheduler: BaseScheduler, *, now: datetime) -> bool:
    """Run the scan at once, in place of any slots that were missed; give whether it is not paused.

    It runs beside the stored job, under the same name: the grid stays as it is, and the two never
    run at the same time.
    """
    job = scheduler.get_job(SCAN, STORE)
    if job is None or job.next_run_time is None:
        return False
    if job.next_run_time <= now:
        scheduler.modify_job(SCAN, STORE, next_run_time=_slot_after(job.trigger, now))
    scheduler.add_job(
        _DISPATCH,
        args=(SCAN,),
        id=SCAN,
        name=SCAN,
        jobstore=ONCE,
        misfire_grace_time=None,
        max_instances=1,
    )
    return True


def _slot_after(trigger: IntervalTrigger, now: datetime) -> datetime:
    slot: datetime = trigger.get_next_fire_time(None, now + _NEXT)
    return slot


def _are_same(trigger: Any, other: IntervalTrigger) -> bool:
    return type(trigger) is type(other) and trigger.__getstate__() == other.__getstate__()
