"""Every change of a job that people (or AUTO_REGISTER) make: by form, action, import or toggle.

Each is done under a lock, with what it means for the cycle that the job awaits (`reckoning`), and
leaves a `JobChange`: what, when, and `by` whom (a user's name; empty: by itself).
"""

import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from scanner import conf
from scanner.job_changes import STATED_FIELDS, Action, note, stand_back
from scanner.models import ExpectedBackupJob
from scanner.models.batch import BATCH, batches, write_differing
from scanner.pipeline.deposit import Place
from scanner.pipeline.text import clean
from scanner.reckoning import RECKONED_FIELDS, reckon

logger = logging.getLogger(__name__)

_STANDING_FIELDS = (
    "is_active",
    "paused_at",
    "paused_by",
    "pause_reason",
    "paused_until",
    "retired_at",
    "awaits_adoption",
)
_SAVED_FIELDS = tuple(dict.fromkeys((*STATED_FIELDS, *_STANDING_FIELDS, *RECKONED_FIELDS)))
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


def save(
    job: ExpectedBackupJob, *, now: datetime, by: str = "", seen: Mapping[str, object] | None = None
) -> None:
    """Store a new or changed job, with what follows for the cycle it awaits.

    With `seen` only the fields that it names are taken of `job`; see `job_changes.stand_back`.
    Raise ValidationError when it cannot be (the schedule, the zone, a field, a second job for the
    same database of the same agent, one of `seen` that is otherwise by now).
    """
    with transaction.atomic():
        locked = ExpectedBackupJob.objects.select_for_update(no_key=True)
        stored = locked.filter(pk=job.pk).first() if job.pk else None
        if stored is not None:
            _take_over(stored, job)
            if seen is not None:
                stand_back(job, stored, seen)
        _follow(job, stored, now, by)
        job.clean()
        reckon(job, stored, now)
        job.full_clean(exclude=["last_entry", "last_good_entry", "last_restore"])
        if stored is None:
            job.save(force_insert=True)
        else:
            job.save(update_fields=_SAVED_FIELDS)
        note([(job, stored)], by, now)


def save_all(
    jobs: Iterable[ExpectedBackupJob],
    *,
    now: datetime,
    by: str = "",
    added: Action = Action.ADDED,
) -> None:
    """Store many new and changed jobs, which the caller has validated, in one transaction."""
    jobs = list(jobs)
    new = [job for job in jobs if job._state.adding]
    changed = {job.pk: job for job in jobs if not job._state.adding}
    before: list[tuple[ExpectedBackupJob, ExpectedBackupJob]] = []
    with transaction.atomic():
        for some in batches(list(changed)):
            locked = ExpectedBackupJob.objects.select_for_update(no_key=True).filter(pk__in=some)
            for stored in locked.order_by("pk"):
                job = changed[stored.pk]
                _take_over(stored, job)
                _follow(job, stored, now, by)
                reckon(job, stored, now)
                before.append((job, stored))
        write_differing(before, _SAVED_FIELDS)
        for job in new:
            _follow(job, None, now, by)
            reckon(job, None, now)
        ExpectedBackupJob.objects.bulk_create(new, batch_size=BATCH)
        note([*before, *((job, None) for job in new)], by, now, added=added)


def pause(
    keys: Sequence[int],
    *,
    now: datetime,
    by: str = "",
    reason: str = "",
    until: datetime | None = None,
) -> int:
    """Pause jobs; those paused already take the new reason and end. Give how many changed."""
    reason = clean(reason.strip(), 500)

    def paused(job: ExpectedBackupJob) -> None:
        if job.is_active or job.paused_at is None:
            job.paused_at = now
        job.is_active = False
        job.paused_by, job.pause_reason, job.paused_until = by[:150], reason, until

    jobs = ExpectedBackupJob.objects.filter(retired_at=None)
    alike = jobs.exclude(is_active=False, pause_reason=reason, paused_until=until)
    return _change(alike, keys, paused, Action.PAUSED, by=by, now=now, why=reason)


def resume(keys: Sequence[int], *, now: datetime, by: str = "") -> int:
    """Let jobs that are paused or retired be judged again; give how many changed."""
    return _resume(ExpectedBackupJob.objects.exclude(is_active=True), keys, now=now, by=by)


def _resume(
    jobs: QuerySet[ExpectedBackupJob], keys: Sequence[int], *, now: datetime, by: str = ""
) -> int:
    def resumed(job: ExpectedBackupJob) -> None:
        job.is_active, job.retired_at = True, None
        _end_pause(job)

    return _change(jobs, keys, resumed, Action.RESUMED, by=by, now=now)


def retire(keys: Sequence[int], *, now: datetime, by: str = "", reason: str = "") -> int:
    """Expect no more backups of jobs, whose history is kept; give how many changed."""

    def retired(job: ExpectedBackupJob) -> None:
        job.is_active, job.retired_at, job.awaits_adoption = False, now, False
        _end_pause(job)

    jobs = ExpectedBackupJob.objects.filter(retired_at=None)
    return _change(
        jobs, keys, retired, Action.RETIRED, by=by, now=now, why=clean(reason.strip(), 500)
    )


def adopt(
    keys: Sequence[int],
    *,
    schedule: str,
    now: datetime,
    by: str = "",
    time_zone: str = "",
    grace_minutes: int | None = None,
) -> int:
    """Expect backups of databases that were registered by themselves; give how many there were.

    Raise ValidationError when the schedule, the zone or the grace cannot be; then none is adopted.
    """

    def adopted(job: ExpectedBackupJob) -> None:
        job.schedule, job.time_zone, job.grace_minutes = schedule, time_zone, grace_minutes
        job.is_active, job.awaits_adoption = True, False
        _end_pause(job)
        job.clean()

    jobs = ExpectedBackupJob.objects.filter(awaits_adoption=True)
    return _change(jobs, keys, adopted, Action.ADOPTED, by=by, now=now)


def register(
    found: Iterable[Unexpected],
    *,
    active: bool,
    now: datetime,
    by: str = "",
    awaits_adoption: bool | None = None,
) -> list[ExpectedBackupJob]:
    """Make jobs without a schedule for databases that nobody expected; give the new ones.

    Where nobody asked for it, or `awaits_adoption` says so, they wait for somebody to say when
    their backups are due.
    """
    jobs = [
        ExpectedBackupJob(
            company_name=one.place.company[:100],
            city=one.place.city[:100],
            neighborhood=one.place.neighborhood[:100],
            database_name=one.database,
            year=year_of(one.database),
            agent_id=one.agent,
            is_active=active,
            awaits_adoption=not by if awaits_adoption is None else awaits_adoption,
        )
        for one in found
    ]
    save_all(jobs, now=now, by=by, added=Action.REGISTERED)
    for job in jobs:
        logger.info("registered %s of agent %s", job.database_name, job.agent_id)
    return jobs


def keep_up(*, now: datetime) -> int:
    """Do what time or a setting brings; give how many jobs changed.

    A pause whose end has come is over, and a changed AGENT_TIME_ZONE is carried into the jobs that
    have no zone of their own.
    """
    over = ExpectedBackupJob.objects.filter(paused_until__lte=now, retired_at=None)
    keys = list(over.values_list("pk", flat=True))  # as nearly always, none: take no lock
    # Asked again under the lock: somebody may be making the pause longer at this moment.
    changed = _resume(over, keys, now=now) if keys else 0
    stale = ExpectedBackupJob.objects.filter(time_zone="").exclude(
        zone_in_force=conf.agent_time_zone()
    )
    if stale.exists():
        with transaction.atomic():
            followed = len(_rework(stale, lambda _job: None, now))
        logger.info("%d jobs follow AGENT_TIME_ZONE=%s", followed, conf.agent_time_zone())
        changed += followed
    return changed


def year_of(database: str) -> int | None:
    """Give the year that a database's name ends with, or None."""
    found = _YEAR.search(database)
    return int(found.group(1)) if found else None


def _change(
    jobs: QuerySet[ExpectedBackupJob],
    keys: Sequence[int],
    change: Callable[[ExpectedBackupJob], None],
    action: Action,
    *,
    by: str,
    now: datetime,
    why: str = "",
) -> int:
    count = 0
    with transaction.atomic():
        for some in batches(keys):
            pairs = _rework(jobs.filter(pk__in=some), change, now)
            note(pairs, by, now, action=action, why=why)
            count += len(pairs)
    logger.info("%d jobs %s%s", count, action.value, f" by {by}" if by else "")
    return count


def _rework(
    jobs: QuerySet[ExpectedBackupJob],
    change: Callable[[ExpectedBackupJob], None],
    now: datetime,
) -> list[tuple[ExpectedBackupJob, ExpectedBackupJob]]:
    """Lock jobs and change them; give each with what it was like before."""
    pairs = []
    for job in jobs.select_for_update(no_key=True).order_by("pk"):
        before = copy(job)
        change(job)
        reckon(job, before, now)
        pairs.append((job, before))
    write_differing(pairs, _SAVED_FIELDS)
    return pairs


def _follow(
    job: ExpectedBackupJob, stored: ExpectedBackupJob | None, now: datetime, by: str
) -> None:
    """Let what a form or a file says of `is_active` and the schedule mean a pause, or its end."""
    was_active = stored is None or stored.is_active
    if job.is_active:
        job.retired_at = None
        _end_pause(job)
    elif was_active:
        job.paused_at, job.paused_by = now, by[:150]
    # It waits until somebody says when its backups are due; that it is active does not.
    if stored is not None and job.schedule != stored.schedule:
        job.awaits_adoption = False


def _end_pause(job: ExpectedBackupJob) -> None:
    job.paused_at, job.paused_by, job.pause_reason, job.paused_until = None, "", "", None


def _take_over(stored: ExpectedBackupJob, job: ExpectedBackupJob) -> None:
    """Let the stored row's own findings stand: scans may have moved them since `job` was read."""
    standing = (name for name in _STANDING_FIELDS if name not in STATED_FIELDS)
    for field in (*RECKONED_FIELDS, *STATE_ATTRIBUTES, *standing):
        setattr(job, field, getattr(stored, field))
