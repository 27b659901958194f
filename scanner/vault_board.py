"""The read side of the vault: its room, how much of it was read again, what is wrong with it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

from django.db.models import Count, Max, Min, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext, ngettext

from scanner import conf
from scanner.board import moment
from scanner.errors import VaultError
from scanner.models import ExpectedBackupJob, VaultCopy, VaultFinding, VaultRun
from scanner.models.batch import batches
from scanner.models.vault import ALIVE
from scanner.pipeline.vault_writing import free_bytes

PACE = timedelta(days=14)
"""The time whose copies tell how fast the vault grows."""

MOST_HOURS = 48
"""Up to here an age is told in hours, beyond in days."""


@dataclass(frozen=True, slots=True)
class Space:
    """The vault's room. `free_bytes` is None where nobody can tell."""

    free_bytes: int | None
    bytes_per_day: float
    """Copies less deletions, on each of the last 14 days (fewer if the vault is younger)."""

    @property
    def days_left(self) -> float | None:
        """After how many days at this pace it is full; None when it does not grow."""
        if self.free_bytes is None or self.bytes_per_day <= 0:
            return None
        usable = max(0, self.free_bytes - conf.vault_reserve_bytes())
        return usable / self.bytes_per_day


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far the patrol has come.

    Of the `copies` that should be there, each was read whole since `since` (when it was written
    counts too); None without any. `whole` of them are whole as far as anybody knows, and those were
    read since `whole_since`.
    """

    copies: int
    bytes: int
    since: datetime | None
    whole: int
    whole_since: datetime | None


def space(*, now: datetime) -> Space:
    """Give the vault's room as of now."""
    first = VaultCopy.objects.aggregate(at=Min("stored_at"))["at"]
    if first is None:
        return Space(_free_bytes(), 0)
    days = min(PACE, max(now - first, timedelta(days=1))) / timedelta(days=1)
    stored = VaultCopy.objects.filter(stored_at__gt=now - PACE)
    deleted = VaultCopy.objects.filter(deleted_at__gt=now - PACE)
    grown = _bytes(stored) - _bytes(deleted)
    return Space(_free_bytes(), grown / days)


def coverage() -> Coverage:
    """Give how much the vault holds and since when all of it was read whole."""
    is_whole = Q(state=VaultCopy.State.WHOLE.value)
    return Coverage(
        **VaultCopy.objects.filter(state__in=ALIVE).aggregate(
            copies=Count("pk"),
            bytes=Coalesce(Sum("size"), 0),
            since=Min("audited_at"),
            whole=Count("pk", filter=is_whole),
            whole_since=Min("audited_at", filter=is_whole),
        )
    )


def coverage_words(*, now: datetime) -> str:
    """Say how much of the vault was read whole in which time, in the language of the moment.

    What was written in that time counts too: it was read while it was written.
    """
    found = coverage()
    if not found.copies:
        return gettext("the vault holds no copies")
    if found.whole_since is None:
        return gettext("not one of %(copies)d copies is whole") % {"copies": found.copies}
    when = _last(now - found.whole_since)
    if found.whole == found.copies:
        return gettext("100 %% re-read or written in %(when)s") % {"when": when}
    counts = {"whole": found.whole, "copies": found.copies, "when": when}
    return (
        gettext(
            "%(whole)d of %(copies)d copies re-read or written in %(when)s, "
            "the others are not whole"
        )
        % counts
    )


def broken_copies(page: int, *, now: datetime) -> Iterator[VaultCopy]:
    """Give the copies that are not whole, each with its entry: all, from somewhere among them on.

    Where that is differs from one `now` to the next, so that each is early now and then. They are
    fetched `page` at a time.
    """
    broken = _to_read((VaultCopy.State.DAMAGED.value, VaultCopy.State.ABSENT.value)).order_by("pk")
    ends = broken.aggregate(first=Min("pk"), last=Max("pk"))
    if ends["first"] is None:
        return
    span = ends["last"] - ends["first"] + 1
    start = ends["first"] + crc32(now.isoformat().encode()) % span
    for part in (broken.filter(pk__gte=start), broken.filter(pk__lt=start)):
        some = list(part[:page])
        while some:
            yield from some
            some = list(part.filter(pk__gt=some[-1].pk)[:page])


def whole_copies(page: int, *, now: datetime) -> Iterator[VaultCopy]:
    """Give the whole copies, each with its entry, those whose last read is the oldest first.

    Those that were read as of `now` are left out. They are fetched `page` at a time.
    """
    whole = _to_read((VaultCopy.State.WHOLE.value,)).order_by("audited_at", "pk")
    unread = whole.exclude(audited_at=now)
    some = list(unread[:page])
    while some:
        yield from some
        at, key = some[-1].audited_at, some[-1].pk
        later = Q(audited_at__gt=at) | Q(pk__gt=key)
        some = list(unread.filter(later, audited_at__gte=at)[:page])


def open_findings() -> QuerySet[VaultFinding]:
    """Give what is wrong with the vault's files now, the oldest first, each with its job."""
    return VaultFinding.objects.filter(ended_at=None).select_related("job").order_by("pk")


def repaired_by(run: VaultRun) -> QuerySet[VaultFinding]:
    """Give what an audit found and set right at once, each with its job."""
    ended = VaultFinding.objects.filter(
        ended_at=run.started_at, end=VaultFinding.End.REPAIRED.value
    )
    return ended.select_related("job").order_by("pk")


def known_paths(paths: Iterable[str]) -> set[str]:
    """Give those of the paths that a copy has, also one that is just being deleted."""
    states = (*ALIVE, VaultCopy.State.DELETING.value)
    known: set[str] = set()
    for some in batches(sorted(set(paths))):
        copies = VaultCopy.objects.filter(path__in=some, state__in=states)
        known |= set(copies.order_by().values_list("path", flat=True))
    return known


def audit_as_data(run: VaultRun) -> dict[str, Any]:
    """Give a finished audit as `audit_vault --json` prints it."""
    found, repaired = coverage(), repaired_by(run)
    return {
        "run": run.pk,
        "outcome": run.outcome,
        "copies": run.copies,
        "bytes": run.bytes,
        "covered_since": moment(run.covered_since),
        "coverage": {"copies": found.copies, "bytes": found.bytes},
        "findings": [finding_as_data(one) for one in (*repaired, *open_findings())],
        "repaired": len(repaired),
    }


@dataclass(frozen=True, slots=True)
class JobsFacts:
    """What is known of jobs, each by its key: only those of which there is anything."""

    last_restored: Mapping[int, dict[str, Any]]
    open_findings: Mapping[int, int]

    def as_data(self, job: int) -> dict[str, Any]:
        """Give one job's as programs see it."""
        return {
            "last_restored": self.last_restored.get(job),
            "vault_findings": self.open_findings.get(job, 0),
        }


def facts_of_jobs() -> JobsFacts:
    """Give what was restored last of each job, and how many of its findings are open now."""
    columns = ("finished_at", "copy__made_at", "seconds")
    proven = ExpectedBackupJob.objects.filter(last_restore__isnull=False).order_by()
    drills = proven.values_list("pk", *(f"last_restore__{column}" for column in columns))
    restored = {
        job: {"at": moment(at), "backup_of": moment(made), "seconds": seconds}
        for job, at, made, seconds in drills
    }
    found = VaultFinding.objects.filter(ended_at=None, job__isnull=False).order_by()
    return JobsFacts(restored, dict(found.values_list("job_id").annotate(Count("pk"))))


def finding_as_data(finding: VaultFinding) -> dict[str, Any]:
    """Give a finding as programs see it; `job` is null when nobody can tell whose the file is."""
    job = finding.job
    return {
        "kind": finding.kind,
        "job": job
        and {
            "agent": job.agent_id,
            "company": job.company_name,
            "city": job.city,
            "neighborhood": job.neighborhood,
            "database": job.database_name,
        },
        "path": finding.path,
        "found_at": moment(finding.found_at),
        "message": finding.message,
        "ended_at": moment(finding.ended_at),
        "end": finding.end or None,
    }


def _to_read(states: Iterable[str]) -> QuerySet[VaultCopy]:
    return (
        VaultCopy.objects.filter(state__in=states)
        .select_related("entry")
        .only(
            *("job_id", "path", "sha256", "size", "state", "audited_at"),
            *("entry__agent_id", "entry__staged_name"),
        )
    )


def _last(age: timedelta) -> str:
    """Say "the last ..." of a time that is at least as long as this one."""
    hours = max(1, -(-age // timedelta(hours=1)))
    if hours <= MOST_HOURS:
        return ngettext("the last hour", "the last %(count)d hours", hours) % {"count": hours}
    days = -(-age // timedelta(days=1))
    return ngettext("the last day", "the last %(count)d days", days) % {"count": days}


def _bytes(copies: QuerySet[VaultCopy]) -> int:
    return copies.aggregate(bytes=Sum("size"))["bytes"] or 0


def _free_bytes() -> int | None:
    try:
        return free_bytes(conf.vault_root())
    except VaultError:
        return None
