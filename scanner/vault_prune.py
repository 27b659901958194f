"""Deletes the copies that no job's policy keeps, and never one that may still be wanted.

1. While the clock is in doubt (`retention.clock_problem`) nothing is touched.
2. All jobs are looked at, a batch at a time and without a lock: who has anything to lose?
3. Each of those is decided anew under its lock, in a transaction that fences; what is to go is
   marked as being deleted. What a scan recorded meanwhile counts.
4. The files are removed, the oldest first, and their folders flushed.
5. One transaction, which fences too, records that they are gone: copies, entries, findings.

A kill in between leaves copies marked. The next prune decides on those whose file still stands as
on every other copy: what has to stay by then is given back. `vault_retention` tells what goes.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import Max, OuterRef, Subquery

from scanner import conf, lease, vault_findings, vault_presence, vault_run
from scanner.errors import LeaseLost, VaultError
from scanner.models import BackupEntry, ExpectedBackupJob, VaultCopy, VaultRun
from scanner.models.batch import BATCH, batches
from scanner.models.vault import ALIVE
from scanner.pipeline.retention import clock_problem
from scanner.pipeline.text import clean
from scanner.pipeline.vault_tree import remove
from scanner.vault_retention import Fate, fates, jobs_with_copies, locked_fate

logger = logging.getLogger(__name__)

LEASE = "vault"
MOST_TOLD = 10
"""Failures that a run tells in words; all are counted, and in the log."""
Progress = Callable[[int, int], None]
State = VaultCopy.State


@dataclass(frozen=True, slots=True)
class Dropped:
    """A copy that is deleted, or would be, and why. `path` is relative to the vault."""

    path: str
    size: int
    made_at: datetime
    because: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one job's copies.

    `held_back` are words when its policy would drop some and something else keeps them all;
    `failures` are words for each thing that should have been done and could not be.
    """

    agent: str
    database: str
    kept: int
    dropped: tuple[Dropped, ...]
    held_back: str = ""
    failures: tuple[str, ...] = ()


@dataclass(slots=True)
class Pruned:
    """What a prune did or, without a `run`, would do; its decisions went to `tell`, one by one.

    `bytes` are those of the files that were removed: one that another job has too stays. `refused`
    says why nothing was done at all, else it is empty.
    """

    run: VaultRun | None
    refused: str = ""
    copies: int = 0
    bytes: int = 0
    failures: list[str] = field(default_factory=list)


def _silent(*_: object) -> None:
    """Tell nobody."""


def prune(
    *,
    now: datetime,
    dry_run: bool = False,
    jobs: Collection[int] = (),
    clock_is_right: bool = False,
    progress: Progress = _silent,
    tell: Callable[[Decision], None] = _silent,
) -> Pruned:
    """Delete what the jobs' policies no longer keep, and give what was done.

    `dry_run` only looks: no lease, no run, no change. `jobs` (keys) limits it to these;
    `clock_is_right` vouches for the clock. `progress` is called with the number of jobs looked at
    and in all, `tell` with each decision that drops, holds back or fails to drop something.
    Raise LeaseHeld while others work on the vault, LeaseLost when others began to meanwhile,
    VaultError when the vault is away.
    """
    if dry_run:
        look = _Prune(None, Pruned(None), now, tell)
        look.everything(jobs, progress, clock_is_right=clock_is_right)
        return look.pruned
    with lease.hold(LEASE) as held, vault_run.keep(VaultRun.Kind.PRUNE, now=now) as run:
        work = _Prune(held, Pruned(run), now, tell)
        try:
            work.everything(jobs, progress, clock_is_right=clock_is_right)
        finally:
            _count(run, work.pruned)
        return work.pruned


def _count(run: VaultRun, pruned: Pruned) -> None:
    run.copies, run.bytes, run.findings = pruned.copies, pruned.bytes, len(pruned.failures)
    told = pruned.failures[:MOST_TOLD]
    if more := len(pruned.failures) - len(told):
        told.append(f"and {more} more")
    run.message = clean(pruned.refused or "\n".join(told), 4000)
    if pruned.refused:
        run.outcome = VaultRun.Outcome.REFUSED.value


class _Prune:
    """One prune at work; without a lease it only looks."""

    def __init__(
        self,
        held: lease.Held | None,
        pruned: Pruned,
        now: datetime,
        tell: Callable[[Decision], None],
    ) -> None:
        self.held = held
        self.pruned = pruned
        self.now = now
        self.tell = tell

    def everything(
        self, jobs: Collection[int], progress: Progress, *, clock_is_right: bool
    ) -> None:
        vault_presence.require_vault()
        if not clock_is_right and (words := _clock_problem(self.now)):
            self.pruned.refused = words
            logger.warning("nothing is deleted from the vault: %s", words)
            return
        keys = jobs_with_copies(jobs)
        done = 0
        for some in batches(keys):
            if self.held is None:
                for fate in fates(some):
                    self._report(fate, fate.to_go, sum(copy.size for copy in fate.to_go))
            else:
                # The rows come as a stream: it ends before anything is written.
                for job in [fate.job.pk for fate in fates(some) if fate.is_to_tell]:
                    self._settle(job, self.held)
            done += len(some)
            progress(done, len(keys))

    def _settle(self, job: int, held: lease.Held) -> None:
        with transaction.atomic():
            held.fence()
            fate = locked_fate(job)
            for copy in fate.to_go:
                copy.state = State.DELETING.value
            marked = [*fate.to_go, *fate.given_back]
            VaultCopy.objects.bulk_update(marked, ("state", "deleted_because"), batch_size=BATCH)
        gone: list[VaultCopy] = []
        freed = 0
        for some in batches(fate.to_go):
            wanted = _wanted_by_others(fate.job, some)
            removed = [copy for copy in some if self._is_removed(copy, held, fate, wanted)]
            with transaction.atomic():
                held.fence()
                _record(fate.job, removed, wanted, self.now)
            gone += removed
            freed += sum(copy.size for copy in removed if copy.path not in wanted)
        self._report(fate, gone, freed)

    def _is_removed(
        self, copy: VaultCopy, held: lease.Held, fate: Fate, wanted: Collection[str]
    ) -> bool:
        if not held.is_sure:
            raise LeaseLost(
                f"the lease {LEASE!r} may be another's by now (this process was suspended, or cut "
                "off from the database): nothing more is deleted"
            )
        if copy.path not in wanted:
            try:
                remove(conf.vault_root(), copy.path)
            except VaultError as error:
                fate.failures.append(str(error))
                return False
        return True

    def _report(self, fate: Fate, gone: Sequence[VaultCopy], freed: int) -> None:
        if not (gone or fate.held_back or fate.failures):
            return
        agent, database = fate.job.agent_id, fate.job.database_name
        self.pruned.copies += len(gone)
        self.pruned.bytes += freed
        for words in fate.failures:
            self.pruned.failures.append(f"{agent}/{database}: {words}")
            logger.warning("vault: %s/%s: %s", agent, database, words)
        if self.held is not None:
            logger.info(
                "vault: %s/%s: %d copies deleted (%d bytes), %d kept%s%s",
                *(agent, database, len(gone), freed, fate.kept),
                *("; " if fate.held_back else "", fate.held_back),
            )
        dropped = (Dropped(one.path, one.size, one.made_at, one.deleted_because) for one in gone)
        failures = tuple(fate.failures)
        self.tell(Decision(agent, database, fate.kept, (*dropped,), fate.held_back, failures))


def _wanted_by_others(job: ExpectedBackupJob, copies: Sequence[VaultCopy]) -> set[str]:
    """Give the paths that are copies of other jobs, too: two jobs may be of one database."""
    same = VaultCopy.objects.filter(path__in=[copy.path for copy in copies]).exclude(job=job)
    here = same.filter(state__in=(*ALIVE, State.DELETING.value))
    return set(here.order_by().values_list("path", flat=True))


def _record(
    job: ExpectedBackupJob, removed: Sequence[VaultCopy], wanted: Collection[str], now: datetime
) -> None:
    """Record copies of a job as deleted, in a transaction that fenced already."""
    ExpectedBackupJob.objects.select_for_update(no_key=True).get(pk=job.pk)
    keys = [copy.pk for copy in removed]
    marked = VaultCopy.objects.filter(pk__in=keys, state=State.DELETING.value)
    marked.update(state=State.DELETED.value, deleted_at=now)
    paths = [copy.path for copy in removed]
    reason = VaultCopy.objects.filter(job=job, path=OuterRef("vault_path"))
    entries = BackupEntry.objects.filter(job=job, vault_path__in=paths, copy_deleted_at=None)
    entries.update(
        copy_deleted_at=now, copy_deleted_because=Subquery(reason.values("deleted_because")[:1])
    )
    how = vault_findings.End.DELETED
    vault_findings.end_of_copies(keys, how, now=now, kinds=tuple(vault_findings.Kind))
    vault_findings.end([path for path in paths if path not in wanted], how, now=now)


def _clock_problem(now: datetime) -> str:
    """Say why the clock is in doubt, else nothing; a prune with failures is one, too."""
    newest = BackupEntry.objects.aggregate(at=Max("recorded_at"))["at"]
    done = (VaultRun.Outcome.OK.value, VaultRun.Outcome.FINDINGS.value)
    prunes = VaultRun.objects.filter(kind=VaultRun.Kind.PRUNE.value, outcome__in=done)
    last = prunes.order_by("-pk").values_list("started_at", flat=True).first()
    return clock_problem(newest, last, now)
