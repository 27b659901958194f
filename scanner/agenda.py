"""Every change of a task that people make, and what they ask to be run now.

Nobody but the leading scheduler writes the job store. It looks at these rows instead:

- A changed task has a new `version`, whatever changed.
- `changed_at` moves with what says when the task is due, or whether: slots before it belong to what
  was said before, and are not caught up. What says something else leaves it, so that a slot missed
  shortly before is still caught up.
- A paused task is not tried again: a retry that waits is given up, as failed for good.
- A request is taken once; while one waits, another for the same would only do the work twice.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from scanner import outcomes
from scanner.models import ScheduledTask, TaskRequest

logger = logging.getLogger(__name__)

_WHEN_FIELDS = ("enabled", "interval_minutes", "cron", "time_zone")
STATED_FIELDS = (*_WHEN_FIELDS, "misfire_grace_seconds", "retries", "backoff_seconds")
_UNSTATED_FIELDS = frozenset(
    field.name for field in ScheduledTask._meta.concrete_fields if field.name not in STATED_FIELDS
)


def save(task: ScheduledTask, *, now: datetime) -> bool:
    """Store what people changed of a task; give whether that is anything.

    Raise ValidationError when it could not be followed.
    """
    task.clean_fields(exclude=_UNSTATED_FIELDS)
    task.clean()
    with transaction.atomic():
        stored = ScheduledTask.objects.select_for_update().get(pk=task.pk)
        changed = {
            field: value
            for field in STATED_FIELDS
            if (value := getattr(task, field)) != getattr(stored, field)
        }
        _store(stored, changed, now)
    task.refresh_from_db()
    return bool(changed)


def switch(key: int, *, enabled: bool, now: datetime) -> bool:
    """Pause a task, or let it go on; give whether it was otherwise before."""
    with transaction.atomic():
        stored = ScheduledTask.objects.select_for_update().get(pk=key)
        if stored.enabled is enabled:
            return False
        _store(stored, {"enabled": enabled}, now)
    logger.info("%s is %s", stored, "switched on" if enabled else "paused")
    return True


def request_run(key: int, *, by: str, now: datetime, agents: Sequence[str] = ()) -> TaskRequest:
    """Ask for a task to be run now, paused or not; give the request that waits for it.

    `by` is the name of whoever asks; `agents` limits a scan, none are all.
    """
    with transaction.atomic():
        task = ScheduledTask.objects.select_for_update().get(pk=key)
        for waiting in task.requests.filter(taken_at=None):
            if waiting.agents == list(agents):
                return waiting
        request = TaskRequest.objects.create(
            task=task, agents=list(agents), requested_at=now, requested_by=by
        )
    logger.info("%s is to be run now, as %s asks", task, by or "somebody")
    return request


def _store(stored: ScheduledTask, changed: Mapping[str, Any], now: datetime) -> None:
    if not changed:
        return
    follows: dict[str, Any] = {"version": F("version") + 1}
    if not changed.keys().isdisjoint(_WHEN_FIELDS):
        follows["changed_at"] = now
    if changed.get("enabled") is False:
        outcomes.give_up_retry(stored, now=now)
    ScheduledTask.objects.filter(pk=stored.pk).update(**changed, **follows)
