"""What is known of how a job stands: what its page puts into words."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from scanner.admin import job_streak, shown
from scanner.models import BackupEntry, ExpectedBackupJob, RestoreDrill
from scanner.models.choices import Status


class Copy(StrEnum):
    """Where the last good backup is."""

    KEPT = "kept"
    ABSENT = "absent"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a job. `warnings` are in words already; times are aware.

    `fine_since` is of when the first is of the last backups that are good, on time and without a
    gap; `is_one_fine` that there is one, `fine_count` how many were looked at where there may be
    more, `is_daily` that there is one for each day. `restored_at` is when a backup was proven
    restorable, `restored_backup` of when that is, `is_last_restored` that it is the last good one.
    """

    status: str = Status.UNKNOWN.value
    reason: str = ""
    warnings: tuple[str, ...] = ()
    is_late: bool = False
    since: datetime | None = None
    problem_cycles: int = 0
    is_judged: bool = True
    is_scheduled: bool = True
    is_daily: bool = False
    fine_since: datetime | None = None
    is_one_fine: bool = False
    fine_count: int | None = None
    is_active: bool = True
    awaits_adoption: bool = False
    retired_at: datetime | None = None
    paused_at: datetime | None = None
    paused_by: str = ""
    pause_reason: str = ""
    paused_until: datetime | None = None
    last_good_at: datetime | None = None
    last_copy: Copy = Copy.KEPT
    restored_at: datetime | None = None
    restored_backup: datetime | None = None
    is_last_restored: bool = False
    unchanged_cycles: int = 0
    due_at: datetime | None = None
    deadline_at: datetime | None = None


def of(job: ExpectedBackupJob) -> Facts:
    """Give what is known of a stored job."""
    streak = job_streak.of(job)
    drill = job.last_restore
    last = job.last_good_entry
    return Facts(
        status=job.status,
        reason=job.reason,
        warnings=tuple(str(shown.WARNINGS.get(one, one)) for one in job.warnings),
        is_late="late" in job.warnings,
        since=job.status_since,
        problem_cycles=job.problem_cycles,
        is_judged=job.last_entry_id is not None,
        is_scheduled=bool(job.schedule),
        is_daily=streak.is_daily,
        fine_since=streak.since,
        is_one_fine=streak.count == 1,
        fine_count=streak.count if streak.is_longer else None,
        is_active=job.is_active,
        awaits_adoption=job.awaits_adoption,
        retired_at=job.retired_at,
        paused_at=job.paused_at,
        paused_by=job.paused_by,
        pause_reason=job.pause_reason,
        paused_until=job.paused_until,
        last_good_at=job.last_good_at,
        last_copy=_place_of(last),
        restored_at=drill.finished_at or drill.started_at if drill else None,
        restored_backup=drill.copy.made_at if drill else None,
        is_last_restored=_is_of(drill, last),
        unchanged_cycles=job.unchanged_cycles,
        due_at=job.due_at,
        deadline_at=job.deadline_at,
    )


def _place_of(entry: BackupEntry | None) -> Copy:
    if entry is not None and entry.copy_deleted_at is not None:
        return Copy.DELETED
    is_kept = entry is not None and entry.vault_path and not entry.vault_pending
    return Copy.KEPT if is_kept else Copy.ABSENT


def _is_of(drill: RestoreDrill | None, entry: BackupEntry | None) -> bool:
    return drill is not None and entry is not None and drill.copy.path == entry.vault_path
