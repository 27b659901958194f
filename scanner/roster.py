"""Every change of a job that people (or AUTO_REGISTER) make: by form, action, import or toggle.

A job's `due_at` and `deadline_at` name the cycle that is awaited; here they follow from a change:

- A new job, or one switched on, awaits the first cycle whose deadline is still to come.
- A paused job awaits nothing.
- A changed schedule or zone holds for what is not due yet. A cycle already due keeps its due. What
  was in force before is kept in `past_timetables`, since a report may still come for it.
- A changed grace moves the deadline of the awaited cycle, due or not.

A job that is paused or switched on, or that says otherwise what is told of it, is looked at by the
alerts.
"""

import logging
import re
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from scanner import conf
from scanner.cycle import Cycle
from scanner.models import ExpectedBackupJob
from scanner.models.batch import BATCH, batches
from scanner.pipeline.deposit import Place, agent_identity

logger = logging.getLogger(__name__)

PAST_TIMETABLES = 20
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
RECKONED_FIELDS = (
    "past_timetables",
    "zone_in_force",
    "due_at",
    "deadline_at",
    "alert_check_at",
)
_ALERTED = ("is_active", "alert_after", "first_missing_is_warning")
STATE_ATTRIBUTES = tuple(
    f"{name}_id" if name.endswith("_entry") else name for name in ExpectedBackupJob.STATE_FIELDS
)
_YEAR = re.compile(r"(?<!\d)((?:19|20)\d\d)$")


@dataclass(frozen=True, slots=True)
class Unexpected:
    """A database that a report mentions and no job expects."""

    agent: str
    place: Place
    database: str


def save(job: ExpectedBackupJob, *, now: datetime) -> None:
    """Store a new or changed job, with what follows for the cycle it awaits.

    Raise ValidationError when it cannot be (the schedule, the zone, a field, a second job for the
    same database of the same agent).
    """
    with transaction.atomic():
        stored = (
            ExpectedBackupJob.objects.select_for_update(no_key=True).filter(pk=job.pk).first()
            if job.pk
            else None
        )
        if stored is not None:
            _take_over(stored, job)
        job.clean()
        _reckon(job, stored, now)
        job.full_clean(exclude=["last_entry", "last_good_entry", "last_restore"])
        if stored is None:
            job.save(force_insert=True)
        else:
            job.save(update_fields=(*STATED_FIELDS, *RECKONED_FIELDS))


def save_all(jobs: Iterable[ExpectedBackupJob], *, now: datetime) -> None:
    """Store many new and changed jobs, which the caller has validated, in one transaction."""
    jobs = list(jobs)
    new = [job for job in jobs if job._state.adding]
    changed = {job.pk: job for job in jobs if not job._state.adding}
    with transaction.atomic():
        for some in batches(list(changed)):
            locked = ExpectedBackupJob.objects.select_for_update(no_key=True).filter(pk__in=some)
            for stored in locked.order_by("pk"):
                _take_over(stored, changed[stored.pk])
                _reckon(changed[stored.pk], stored, now)
        ExpectedBackupJob.objects.bulk_update(
            changed.values(), (*STATED_FIELDS, *RECKONED_FIELDS), batch_size=BATCH
        )
        for job in new:
            _reckon(job, None, now)
        ExpectedBackupJob.objects.bulk_create(new, batch_size=BATCH)


def set_active(keys: Sequence[int], *, active: bool, now: datetime) -> int:
    """Switch jobs on or off by their primary keys; give how many changed."""
    changed = 0
    with transaction.atomic():
        for some in batches(keys):
            others = ExpectedBackupJob.objects.filter(pk__in=some).exclude(is_active=active)
            changed += _rework(others, now, is_active=active)
    logger.info("%d jobs %s", changed, "activated" if active else "paused")
    return changed


def register(
    found: Iterable[Unexpected], *, active: bool, now: datetime
) -> list[ExpectedBackupJob]:
    """Make jobs without a schedule for databases that nobody expected; give the new ones."""
    jobs = [
        ExpectedBackupJob(
            company_name=one.place.company[:100],
            city=one.place.city[:100],
            neighborhood=one.place.neighborhood[:100],
            database_name=one.database,
            year=year_of(one.database),
            agent_id=one.agent,
            is_active=active,
        )
        for one in found
    ]
    save_all(jobs, now=now)
    for job in jobs:
        logger.info("registered %s of agent %s", job.database_name, job.agent_id)
    return jobs


def follow_agent_time_zone(*, now: datetime) -> int:
    """Carry a changed AGENT_TIME_ZONE into the jobs that have no zone of their own."""
    stale = ExpectedBackupJob.objects.filter(time_zone="").exclude(
        zone_in_force=conf.agent_time_zone()
    )
    if not stale.exists():  # as nearly always: take no lock
        return 0
    with transaction.atomic():
        changed = _rework(stale, now)
    logger.info("%d jobs follow AGENT_TIME_ZONE=%s", changed, conf.agent_time_zone())
    return changed


def _rework(jobs: QuerySet[ExpectedBackupJob], now: datetime, **stated: bool) -> int:
    """Lock jobs, change what is stated and nothing else that people say; give how many."""
    locked = list(jobs.select_for_update(no_key=True).order_by("pk"))
    for job in locked:
        before = copy(job)
        for name, value in stated.items():
            setattr(job, name, value)
        _reckon(job, before, now)
    ExpectedBackupJob.objects.bulk_update(locked, (*stated, *RECKONED_FIELDS), batch_size=BATCH)
    return len(locked)


def year_of(database: str) -> int | None:
    """Give the year that a database's name ends with, or None."""
    found = _YEAR.search(database)
    return int(found.group(1)) if found else None


def _take_over(stored: ExpectedBackupJob, job: ExpectedBackupJob) -> None:
    """Let the stored row's own findings stand: scans may have moved them since `job` was read."""
    for field in (*RECKONED_FIELDS, *STATE_ATTRIBUTES):
        setattr(job, field, getattr(stored, field))


def _reckon(job: ExpectedBackupJob, stored: ExpectedBackupJob | None, now: datetime) -> None:
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
