"""Has the job store follow the tasks that people edit; only the leader does this.

- A job is added where it is missing: to replace it at each start would undo its next run.
- Its trigger is a grid (`slots`), so that no restart and no change of something else moves a slot.
- A slot that could not be begun when it came is caught up if it is the newest one, else missed.
- What is run once (a catch-up, a retry, a request) goes beside the stored job, under the same name
  but in a store in memory: grid and pause stay as they are, and the two never run at the same time.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from scanner.errors import ScheduleError
from scanner.grid import SCAN
from scanner.models import ScheduledTask, TaskRequest, TaskRun
from scanner.scheduling import ledger
from scanner.scheduling.engine import ONCE, STORE, Scheduler
from scanner.scheduling.leadership import Leadership, Order
from scanner.scheduling.ledger import Cause, Outcome
from scanner.scheduling.slots import Slots
from scanner.scheduling.tasks import TASKS, slots_of

logger = logging.getLogger(__name__)

# How many missed slots of a task are noted after a time in which none could be begun.
MOST_MISSED = 20
_INSTANT = timedelta(microseconds=1)
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


def reconcile(
    scheduler: Scheduler, leadership: Leadership, *, now: datetime, catch_up: bool = False
) -> None:
    """Apply what was changed; with `catch_up`, also run what was missed.

    That is what came while nobody led, or while nothing could be begun: of each task the newest
    slot is run once, and those before it are noted as missed, MOST_MISSED at most. It may be asked
    for again and again. Raise LeaseLost when another leads, DatabaseError when that is away.
    """
    tasks = [task for task in ScheduledTask.objects.all() if task.name in TASKS]
    followed = []
    for task in tasks:
        try:
            _keep_job(scheduler, task, now)
            if catch_up and task.enabled:
                _catch_up(scheduler, leadership, task, now)
        except ScheduleError as error:  # written past the forms: the stored job stays as it was
            if (task.name, str(error)) not in _told:
                _told.add((task.name, str(error)))
                logger.error("the schedule of %s cannot be followed: %s", task, error)  # noqa: TRY400
        else:
            followed.append(task)
    retries = [task for task in followed if _is_retry_due(leadership, task, now)]
    _run_what_is_due_once(scheduler, retries)


def _keep_job(scheduler: Scheduler, task: ScheduledTask, now: datetime) -> None:
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


def _catch_up(
    scheduler: Scheduler, leadership: Leadership, task: ScheduledTask, now: datetime
) -> None:
    """Run the newest slot that nobody began, instead of all that were missed."""
    slots = slots_of(task)
    slot = slots.latest(now)
    if slot is None:
        return
    job = scheduler.get_job(task.name, STORE)
    if job is not None and job.next_run_time is not None and job.next_run_time <= slot:
        scheduler.modify_job(task.name, STORE, next_run_time=slots.after(now))
    # A request is no slot; that of a retry is known by its first attempt.
    known = task.runs.filter(attempt=1).exclude(cause=Cause.REQUEST.value)
    newest = known.order_by("-scheduled_for").values_list("scheduled_for", flat=True).first()
    on_their_way = {one.scheduled_for for one in tuple(leadership.orders) if one.task == task.name}
    # The first scan is wanted at once; what only tidies up waits for its first slot.
    is_owed = slot >= task.changed_at or (newest is None and task.name == SCAN)
    if newest is not None:
        is_owed = is_owed and slot > newest
        earliest = max(newest + _INSTANT, task.changed_at)
        for missed in reversed(_slots_before(slots, slot, earliest)):
            if missed not in on_their_way:
                why = "nothing could be begun when it was due"
                ledger.note(Order(task.name, missed, missed), Outcome.MISSED, why, leadership)
    if not is_owed or slot in on_their_way:
        return
    if not scheduler.is_at(task.name):
        _run_once(scheduler, task.name, slot, Cause.CATCH_UP)
    elif on_their_way:  # else it is just beginning, and may be this very slot
        why = "the run before still goes on"
        ledger.note(Order(task.name, slot, slot), Outcome.SKIPPED, why, leadership)


def _slots_before(slots: Slots, slot: datetime, earliest: datetime) -> list[datetime]:
    """Give the last slots before one, the last first, down to the earliest or MOST_MISSED."""
    found: list[datetime] = []
    before = slots.latest(slot - _INSTANT)
    while before is not None and before >= earliest and len(found) < MOST_MISSED:
        found.append(before)
        before = slots.latest(before - _INSTANT)
    return found


def _run_what_is_due_once(scheduler: Scheduler, retries: Sequence[ScheduledTask]) -> None:
    """Begin the retries of these tasks, and what people asked for; one at a time a task."""
    requests = list(TaskRequest.objects.filter(taken_at=None).select_related("task").order_by("pk"))
    if not retries and not requests:
        return
    running = TaskRun.objects.filter(outcome=Outcome.RUNNING.value)
    busy = set(running.values_list("task__name", flat=True))
    for task in retries:
        if task.name not in busy and task.retry_slot is not None:
            busy.add(task.name)
            attempt = task.retry_attempt
            _run_once(scheduler, task.name, task.retry_slot, Cause.RETRY, attempt=attempt)
    for request in requests:
        name = request.task.name
        if name not in busy and name in TASKS:
            busy.add(name)
            slot = request.requested_at
            _run_once(scheduler, name, slot, Cause.REQUEST, request=request.pk)


def _is_retry_due(leadership: Leadership, task: ScheduledTask, now: datetime) -> bool:
    """Tell whether a retry's time has come; give it up when a slot or a pause came first."""
    if task.retry_at is None:
        return False
    coming = slots_of(task).after(task.retry_at)
    if not task.enabled or (coming is not None and coming <= now):
        ledger.give_up_retry(task, leadership, now=now)
        logger.info("%s is not tried again: it is paused, or its next run has come", task)
        return False
    return task.retry_at <= now


def _run_once(
    scheduler: Scheduler,
    name: str,
    slot: datetime,
    cause: Cause,
    *,
    attempt: int = 1,
    request: int | None = None,
) -> None:
    with scheduler.at_rest():
        if cause is not Cause.CATCH_UP and scheduler.get_job(name, ONCE) is not None:
            return  # one at a time; the next look asks again, as for what a catch-up displaces
        scheduler.add_job(
            _DISPATCH,
            args=(name, slot, cause.value, attempt, request),
            id=name,
            name=name,
            jobstore=ONCE,
            misfire_grace_time=None,
            max_instances=1,
            replace_existing=True,
        )
