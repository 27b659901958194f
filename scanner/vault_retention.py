"""What becomes of the copies of each job: `pipeline.retention` applied to rows and to real files.

Beyond what the rules keep, nothing of a job goes

- while it is in a problem status, active or paused;
- while a restore of it failed, and none has succeeded since: an older copy may be the good one;
- if it is the copy of the job's last good backup, be it a damaged one;
- unless the newest verified copy stands in the vault, a file of the right size: otherwise there is
  nothing to fall back on, or the vault's disk is not mounted.

Nothing is changed here.
"""

import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

from django.db.models import Exists, OuterRef, QuerySet

from scanner import conf
from scanner.cycle import time_zone
from scanner.errors import BackupMonitorError
from scanner.models import BackupEntry, ExpectedBackupJob, VaultCopy, VaultFinding
from scanner.models.batch import batches
from scanner.models.job import PROBLEM_STATUSES
from scanner.pipeline.patrol import status_of
from scanner.pipeline.retention import NEWEST_VERIFIED, Copy, Point, Policy, Retained, keep
from scanner.pipeline.text import clean
from scanner.pipeline.verdict import GOOD

State = VaultCopy.State
R = TypeVar("R")

_DECIDED_ON = (State.WHOLE.value, State.DAMAGED.value, State.DELETING.value)
_GOOD = [status.value for status in GOOD]
_OF_DAMAGED = [VaultFinding.Kind.DAMAGED.value, VaultFinding.Kind.UNREADABLE.value]


@dataclass(slots=True)
class Fate:
    """What becomes of a job's copies.

    `to_go` has those to be deleted, each with its `deleted_because`: first what a killed prune
    removed, then from the oldest. `given_back` are copies that it only marked, with the state that
    they get back. `held_back` are words when the policy would drop some and something else keeps
    all; `failures` are words for what could not be decided or done.
    """

    job: ExpectedBackupJob
    kept: int
    to_go: list[VaultCopy] = field(default_factory=list)
    given_back: list[VaultCopy] = field(default_factory=list)
    held_back: str = ""
    failures: list[str] = field(default_factory=list)

    @property
    def is_to_tell(self) -> bool:
        """Whether there is anything to do or to say."""
        return bool(self.to_go or self.given_back or self.held_back or self.failures)


def jobs_with_copies(only: Collection[int] = ()) -> list[int]:
    """Give the keys of the jobs that have copies to decide on, of these or (none given) of all."""
    copies = VaultCopy.objects.filter(job=OuterRef("pk"), state__in=_DECIDED_ON)
    jobs = ExpectedBackupJob.objects.filter(Exists(copies)).order_by("pk")
    if only:
        jobs = jobs.filter(pk__in=only)
    return list(jobs.values_list("pk", flat=True))


def fates(jobs: Sequence[int]) -> Iterator[Fate]:
    """Decide on the copies of a batch of jobs; jobs without a policy are left out.

    The rows come as a stream, one job's at a time. The statements do not grow with the batch.
    """
    marked = VaultCopy.objects.filter(job=OuterRef("pk"), state=State.DELETING.value)
    known = ExpectedBackupJob.objects.filter(pk__in=jobs).select_related("last_good_entry")
    some = [
        job
        for job in known.annotate(has_failed_restore=_has_failed_restore())
        .annotate(is_marked=Exists(marked))
        .order_by("pk")
        if job.is_marked or job.policy != Policy()
    ]
    keys = [job.pk for job in some]
    copies = ((copy.job_id, copy) for copy in _copies(keys).order_by("job_id").iterator())
    rows = zip(some, _by_job(keys, copies), _by_job(keys, _points(keys)), strict=True)
    for job, its_copies, points in rows:
        yield _fate(job, its_copies, points)


def locked_fate(job: int) -> Fate:
    """Decide on one job's copies as they stand now, and lock the job until the transaction ends."""
    locked = ExpectedBackupJob.objects.select_for_update(of=("self",), no_key=True)
    jobs = locked.select_related("last_good_entry")
    fresh = jobs.annotate(has_failed_restore=_has_failed_restore()).get(pk=job)
    return _fate(fresh, list(_copies([job])), [point for _, point in _points([job])])


def _has_failed_restore() -> Exists:
    failed = VaultFinding.Kind.NOT_RESTORABLE.value
    return Exists(VaultFinding.objects.filter(job=OuterRef("pk"), kind=failed, ended_at=None))


def _copies(jobs: Sequence[int]) -> QuerySet[VaultCopy]:
    return VaultCopy.objects.filter(job_id__in=jobs, state__in=_DECIDED_ON)


def _points(jobs: Sequence[int]) -> Iterator[tuple[int, tuple[str, datetime]]]:
    """Give, job by job, the path and the end of each good backup whose copy was not deleted."""
    good = BackupEntry.objects.filter(job_id__in=jobs, status__in=_GOOD, copy_deleted_at=None)
    columns = ("job_id", "vault_path", "operation_end", "recorded_at")
    rows = good.exclude(vault_path="").order_by("job_id").values_list(*columns)
    for job, path, ended, recorded in rows.iterator():
        yield job, (path, ended or recorded)


def _by_job(jobs: Sequence[int], rows: Iterable[tuple[int, R]]) -> Iterator[list[R]]:
    """Give each job's rows; they and the jobs come in the order of the jobs' keys."""
    groups = groupby(rows, key=itemgetter(0))
    found = next(groups, None)
    for job in jobs:
        if found is None or found[0] != job:
            yield []
            continue
        yield [row for _, row in found[1]]
        found = next(groups, None)


def _fate(
    job: ExpectedBackupJob, copies: Sequence[VaultCopy], points: Sequence[tuple[str, datetime]]
) -> Fate:
    try:
        return _decide(job, copies, points)
    except (BackupMonitorError, OSError, ValueError, OverflowError) as error:
        words = f"nothing of it is deleted, as nothing can be decided: {error}"
        return Fate(job, len(copies), failures=[words])


def _decide(
    job: ExpectedBackupJob, copies: Sequence[VaultCopy], points: Sequence[tuple[str, datetime]]
) -> Fate:
    root = conf.vault_root()
    marked = [copy for copy in copies if copy.state == State.DELETING.value]
    removed = [copy for copy in marked if status_of(root, copy.path) is None]
    gone = {copy.pk for copy in removed}
    standing = {copy.pk: copy for copy in copies if copy.pk not in gone}
    back = [copy for copy in marked if copy.pk not in gone]
    _unmark(back)
    retained = _retained(job, standing, points)
    dropped = _without_last_good(job, standing, retained.dropped)
    fate = Fate(job, len(standing))
    if dropped and job.status in PROBLEM_STATUSES:
        fate.held_back = f"the job is {job.status}: {len(dropped)} copies stay that could go"
        dropped = {}
    if dropped and getattr(job, "has_failed_restore", False):
        fate.held_back = (
            f"a restore of it failed: {len(dropped)} copies stay that could go, until one succeeds "
            "(restore_drill)"
        )
        dropped = {}
    if (dropped or removed) and (words := _why_not_safe(root, standing, retained)):
        fate.failures.append(words)
        dropped, removed = {}, []
    for key, why in dropped.items():
        standing[key].deleted_because = clean(why, 200)
    fate.to_go = [*removed, *(standing[key] for key in dropped)]
    fate.given_back = [copy for copy in back if copy.pk not in dropped]
    fate.kept -= len(dropped)
    return fate


def _unmark(copies: Sequence[VaultCopy]) -> None:
    """Let copies be what they were before a prune marked them; their rows stay as they are."""
    if not copies:
        return
    found = VaultFinding.objects.filter(kind__in=_OF_DAMAGED, ended_at=None)
    damaged: set[str] = set()
    for some in batches([copy.path for copy in copies]):
        damaged.update(found.filter(path__in=some).values_list("path", flat=True))
    for copy in copies:
        copy.state = State.DAMAGED.value if copy.path in damaged else State.WHOLE.value
        copy.deleted_because = ""


def _retained(
    job: ExpectedBackupJob,
    standing: Mapping[int, VaultCopy],
    points: Sequence[tuple[str, datetime]],
) -> Retained[int]:
    keys = {copy.path: key for key, copy in standing.items()}
    return keep(
        (
            Copy(key, copy.made_at, copy.state == State.WHOLE.value, copy.proven_at is not None)
            for key, copy in standing.items()
        ),
        (Point(at, keys[path]) for path, at in points if path in keys),
        job.policy,
        zone=time_zone(job.zone_name),
    )


def _without_last_good(
    job: ExpectedBackupJob, standing: Mapping[int, VaultCopy], dropped: Mapping[int, str]
) -> dict[int, str]:
    good = job.last_good_entry
    path = good.vault_path if good is not None else ""
    return {key: why for key, why in dropped.items() if standing[key].path != path}


def _why_not_safe(root: Path, standing: Mapping[int, VaultCopy], retained: Retained[int]) -> str:
    """Say why nothing is there that would be fallen back on, else nothing."""
    for key, why in retained.reasons.items():
        if NEWEST_VERIFIED in why:
            newest = standing[key]
            status = status_of(root, newest.path)
            if status and stat.S_ISREG(status.st_mode) and status.st_size == newest.size:
                return ""
            return (
                f"nothing of it is deleted, as its newest verified copy {newest.path} is not in "
                "the vault as it should be: is the vault's disk mounted? See audit_vault"
            )
    return "nothing of it is deleted, as none of its copies is known to be whole: see audit_vault"
