"""Has the job store follow the tasks that people edit; only the leader does this.

- A job is added where it is missing: to replace it at each start would undo its next run.
- Its trigger is a grid (`slots`), so that no restart and no change of something else moves a slot.
- What is run once (a catch-up, a retry, a request) goes beside the stored job, under the same name
  but in a store in memory: grid and pause stay as they are, and the two never run at the same time.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apscheduler.schedulers.base import BaseScheduler

from scanner.errors import ScheduleError
from scanner.models import ScheduledTask, TaskRequest, TaskRun
from scanner.scheduling.engine import ONCE, STORE
from scanner.scheduling.slots import Slots
from scanner.scheduling.tasks import TASKS, slots_of

logger = logging.getLogger(__name__)

# As a text, so that it stays what it is: see `dispatch`.
_told: set[tuple[str, str]] = set()
_DISPATCH = "scanner.scheduling.dispatch:dispatch"


def make_missing_tasks(*, now: datetime) -> None:
    """Make the rows of tasks that have none yet."""
    there = set(ScheduledTask.objects.values_list("name", flat=True))
    for name, task in TASKS.items():
        if name not in there:
            ScheduledTask.objects.get_or_create(
                name=name, defaults={"enabled": task.enabled, "changed_at": now}
            )


def reconcile(scheduler: BaseScheduler, *, now: datetime, catch_up: bool = False) -> None:
    """Apply what was changed; with `catch_up`, also run what was missed while nobody led."""
    tasks = [task for task in ScheduledTask.objects.all() if task.name in TASKS]
    followed = []
    for task in tasks:
        try:
            _keep_job(scheduler, task, now)
            if catch_up and task.enabled:
                _catch_up(scheduler, task, now)
        except ScheduleError as error:  # written past the forms: the stored job stays as it was
            if (task.name, str(error)) not in _told:
                _told.add((task.name, str(error)))
                logger.error("the schedule of %s cannot be followed: %s", task, error)  # noqa: TRY400
        else:
            followed.append(task)
    _run_what_is_due_once(scheduler, followed, now)


def _keep_job(scheduler: BaseScheduler, task: ScheduledTask, now: datetime) -> None:
    slots = slots_of(task)
    grace = max(1, int(task.misfire_grace.total_seconds()))
    coming = slots.after(now) if task.enabled else None
    job = scheduler.get_job(task.name, STORE)
    if job is None:
        scheduler.add_job(
            _DISPATCH,
            slots,
            args=(task.name,),
            id=task.name,
            name=task.name,
            jobstore=STORE,
            next_run_time=coming,
            misfire_grace_time=grace,
            coalesce=True,
            max_instances=1,
            # What stands there could not be restored; its history hangs on its row.
            replace_existing=True,
        )
        logger.info("%s is on the schedule: %s", task, slots if task.enabled else "paused")
    else:
        changes: dict[str, Any] = {}
        if job.trigger != slots:
            changes["trigger"] = slots
        if job.misfire_grace_time != grace:
            changes["misfire_grace_time"] = grace
        if "trigger" in changes or _must_move(job.next_run_time, coming, slots):
            changes["next_run_time"] = coming
        if changes:
            scheduler.modify_job(task.name, STORE, **changes)
            logger.info("%s is changed: %s", task, slots if task.enabled else "paused")
    if task.applied_version != task.version or task.next_run_at != coming:
        ScheduledTask.objects.filter(pk=task.pk).update(
            applied_version=task.version, next_run_at=coming
        )


def _must_move(stored: datetime | None, coming: datetime | None, slots: Slots) -> bool:
    """Tell whether the stored next run is not what it should be.

    One that is due right now is left to the scheduler, which is about to begin it. One right after
    the coming slot means that it was begun since we looked at the clock; one further ahead was made
    by a clock that has been set back.
    """
    if (stored is None) != (coming is None):
        return True
    if stored is None or coming is None:
        return False
    return stored > (slots.after(coming) or coming)


def _catch_up(scheduler: BaseScheduler, task: ScheduledTask, now: datetime) -> None:
    """Run the newest slot that nobody began, instead of all that were missed."""
    slot = slots_of(task).latest(now)
    if slot is None:
        return
    newest = task.runs.order_by("-scheduled_for").first()
    is_missed = newest is None or (newest.scheduled_for < slot and slot >= task.changed_at)
    job = scheduler.get_job(task.name, STORE)
    if job is not None and job.next_run_time is not None and job.next_run_time <= now:
        scheduler.modify_job(task.name, STORE, next_run_time=slots_of(task).after(now))
    if is_missed:
        _run_once(scheduler, task.name, slot, TaskRun.Cause.CATCH_UP)


def _run_what_is_due_once(
    scheduler: BaseScheduler, tasks: Sequence[ScheduledTask], now: datetime
) -> None:
    """Begin the retries whose time has come, and what people asked for; one at a time a task."""
    retries = [task for task in tasks if _is_retry_due(task, now)]
    requests = list(TaskRequest.objects.filter(taken_at=None).select_related("task").order_by("pk"))
    if not retries and not requests:
        return
    running = TaskRun.objects.filter(outcome=TaskRun.Outcome.RUNNING.value)
    busy = set(running.values_list("task__name", flat=True))
    for task in retries:
        if task.name not in busy and task.retry_slot is not None:
            busy.add(task.name)
            attempt = task.retry_attempt
            _run_once(scheduler, task.name, task.retry_slot, TaskRun.Cause.RETRY, attempt=attempt)
    for request in requests:
        name = request.task.name
        if name not in busy and name in TASKS:
            busy.add(name)
            slot = request.requested_at
            _run_once(scheduler, name, slot, TaskRun.Cause.REQUEST, request=request.pk)


def _is_retry_due(task: ScheduledTask, now: datetime) -> bool:
    """Tell whether a retry's time has come; forget it when a slot or a pause came first."""
    if task.retry_at is None:
        return False
    coming = slots_of(task).after(task.retry_at)
    if not task.enabled or (coming is not None and coming <= now):
        ScheduledTask.objects.filter(pk=task.pk, retry_at=task.retry_at).update(retry_at=None)
        logger.info("%s is not tried again: it is paused, or its next run has come", task)
        return False
    return task.retry_at <= now


def _run_once(
    scheduler: BaseScheduler,
    name: str,
    slot: datetime,
    cause: TaskRun.Cause,
    *,
    attempt: int = 1,
    request: int | None = None,
) -> None:
    if scheduler.get_job(name, ONCE) is not None:
        return  # one at a time; the next look asks again
    scheduler.add_job(
        _DISPATCH,
        args=(name, slot, cause.value, attempt, request),
        id=name,
        name=name,
        jobstore=ONCE,
        misfire_grace_time=None,
        max_instances=1,
    )
