"""What people say of a job, and the rows that keep what they changed of it."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from scanner.models import ExpectedBackupJob, JobChange
from scanner.models.batch import BATCH

Action = JobChange.Action
COLUMNS = (
    "company_name",
    "city",
    "neighborhood",
    "database_name",
    "year",
    "agent_id",
    "schedule",
    "time_zone",
    "grace_minutes",
    "notification_recipients",
    "is_active",
)
"""What a file of jobs may say of one."""
STATED_FIELDS = (
    *COLUMNS,
    "has_trailer",
    "min_size",
    "stale_after",
    "alert_after",
    "first_missing_is_warning",
    "keep_last",
    "keep_daily",
    "keep_weekly",
    "keep_monthly",
    "keep_yearly",
)
_TOLD = 200  # characters of a value in a change


def stand_back(
    job: ExpectedBackupJob, stored: ExpectedBackupJob, seen: Mapping[str, object]
) -> None:
    """Let what somebody did not change of a job be as it is stored.

    `seen` has what they did change, each field with the value that they saw. Raise ValidationError
    where another has changed one of those meanwhile, to something else than they did.
    """
    overtaken = [
        name for name, was in seen.items() if getattr(stored, name) not in (was, getattr(job, name))
    ]
    if overtaken:
        words = _("Somebody has changed this meanwhile.")
        raise ValidationError(dict.fromkeys(overtaken, words))
    for name in STATED_FIELDS:
        if name not in seen:
            setattr(job, name, getattr(stored, name))


def note(
    pairs: Iterable[tuple[ExpectedBackupJob, ExpectedBackupJob | None]],
    by: str,
    now: datetime,
    *,
    action: JobChange.Action | None = None,
    added: JobChange.Action = Action.ADDED,
    why: str = "",
) -> None:
    """Keep what was changed of jobs, each given with what it was like before (None: it is new).

    `action` says what was done, else a new job was `added` and another was changed; of one that is
    as it was, nothing is kept. `why` is what somebody said of it.
    """
    rows = []
    for job, before in pairs:
        changes = {} if before is None else _differences(before, job)
        done = action or (added if before is None else Action.CHANGED)
        if before is None or changes or action:
            rows.append(
                JobChange(
                    job=job,
                    action=done.value,
                    changed_at=now,
                    changed_by=by[:150],
                    changes=changes,
                    note=why,
                )
            )
    JobChange.objects.bulk_create(rows, batch_size=BATCH)


def _differences(before: ExpectedBackupJob, job: ExpectedBackupJob) -> dict[str, list[Any]]:
    return {
        name: [_told(old), _told(new)]
        for name in (*STATED_FIELDS, "paused_until")
        if (old := getattr(before, name)) != (new := getattr(job, name))
    }


def _told(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value[:_TOLD] if isinstance(value, str) else value
