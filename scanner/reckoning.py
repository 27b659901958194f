"""What a change of a job means for the cycle that it awaits; nothing is stored here.

- A new job, or one switched on, awaits the first cycle whose deadline is still to come.
- A paused job awaits nothing.
- A changed schedule or zone holds for what is not due yet. A cycle already due keeps its due. What
  was in force before is kept in `past_timetables`, since a report may still come for it.
- A changed grace moves the deadline of the awaited cycle, due or not.

A job that is paused or switched on, that is in another place now, or that says otherwise what is
told of it, is looked at by the alerts.
"""

from datetime import datetime

from scanner.cycle import Cycle
from scanner.models import ExpectedBackupJob
from scanner.pipeline.deposit import agent_identity

PAST_TIMETABLES = 20
RECKONED_FIELDS = (
    "past_timetables",
    "zone_in_force",
    "due_at",
    "deadline_at",
    "alert_check_at",
)
_PLACE = ("company_name", "city", "neighborhood", "agent_id")
_ALERTED = ("is_active", "alert_after", "first_missing_is_warning", *_PLACE)


def reckon(job: ExpectedBackupJob, stored: ExpectedBackupJob | None, now: datetime) -> None:
    """Let a job await what follows from how it was `stored` (None: it is new) and how it is now."""
    job.agent_id = agent_identity(job.agent_id)
    job.schedule = job.schedule.strip()
    job.time_zone = job.time_zone.strip()
    if stored is None:
        job.created_at = now
    else:
        _keep_timetable(job, stored, now)
        if any(getattr(job, name) != getattr(stored, name) for name in _ALERTED):
            job.alert_check_at = now
    job.zone_in_force = job.zone_name
    if not job.is_active:
        _await(job, None)
    elif stored is None or not stored.is_active:
        _await(job, job.calendar.first_ending_after(now))
    elif job.due_at is not None and job.due_at <= now:
        _await(job, Cycle(job.due_at, job.due_at + job.grace))
    elif _timetable(stored) != (job.schedule, job.zone_name):
        _await(job, job.calendar.first_due_after(now))
    elif job.due_at is not None:
        _await(job, Cycle(job.due_at, job.due_at + job.grace))


def _keep_timetable(job: ExpectedBackupJob, stored: ExpectedBackupJob, now: datetime) -> None:
    schedule, zone = _timetable(stored)
    if (schedule, zone) != (job.schedule, job.zone_name):
        era = {"schedule": schedule, "zone": zone, "until": now.isoformat()}
        job.past_timetables = [*stored.past_timetables, era][-PAST_TIMETABLES:]


def _timetable(stored: ExpectedBackupJob) -> tuple[str, str]:
    return stored.schedule, stored.zone_in_force


def _await(job: ExpectedBackupJob, cycle: Cycle | None) -> None:
    job.due_at = cycle.due if cycle else None
    job.deadline_at = cycle.deadline if cycle else None
