"""A round of restore drills: the vault's copies are proven by restoring them.

1. One round at a time, on any number of hosts: it holds the lease `restore_drill`. What a killed
   round left is closed as interrupted, and its folders and databases are removed.
2. Each job has one turn, with its newest whole copy; the job whose last turn is longest ago comes
   first, whatever came of it, so that none that fails keeps others from theirs.
3. A row tells that a restore runs before it begins, and afterwards what came of it: together with
   the copy, the job, the entry and the finding, in one transaction that proves that the lease is
   still ours.
4. When the budget is over no further one is begun; at least one is.
5. A round in which copies had their turn and no restore was begun is refused, and says why.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from django.db import DatabaseError, connection, transaction
from django.db.models import OuterRef, Subquery

from scanner import conf, lease, vault_findings, vault_run
from scanner.drills import workplace
from scanner.drills.attempt import Attempt, Outcome, Restorers, attempt
from scanner.models import (
    BackupEntry,
    ExpectedBackupJob,
    RestoreDrill,
    VaultCopy,
    VaultFinding,
    VaultRun,
)
from scanner.models.batch import batches
from scanner.models.choices import Level
from scanner.models.vault import ALIVE
from scanner.pipeline.text import clean
from scanner.pipeline.vault_tree import open_root

logger = logging.getLogger(__name__)

LEASE = "restore_drill"
LONGEST_MESSAGE = 4000
LACKS_SHOWN = 5
NOT_RESTORABLE = vault_findings.Kind.NOT_RESTORABLE
Progress = Callable[[int, int], None]
"""Told how many copies had their turn, and how many there are."""


def drill(
    *,
    now: datetime,
    jobs: Collection[int] = (),
    budget: timedelta | None = None,
    progress: Progress | None = None,
) -> VaultRun:
    """Restore copies until all had their turn or the budget is over; give the finished run.

    `jobs` are the keys of those to drill, paused or not; all active ones when it is empty. `budget`
    is the settings' when it is None. Raise LeaseHeld when another round runs, LeaseLost when
    another took over, VaultError when the vault cannot be read.
    """
    budget = conf.drill_budget() if budget is None else budget
    with lease.hold(LEASE) as held, vault_run.keep(VaultRun.Kind.DRILL, now=now) as run:
        _close_killed(now)
        workplace.sweep()
        with open_root(conf.vault_root()):
            pass
        _Round(run, held, now, budget, progress or _nobody).drill(jobs)
    return run


def _nobody(_done: int, _total: int) -> None:
    """Tell nobody."""


def _renew_connection() -> None:
    """Let go of a connection that may have been cut in the hours in which nobody used it."""
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()


def _close_killed(now: datetime) -> None:
    running = RestoreDrill.objects.filter(outcome=Outcome.RUNNING.value)
    running.update(
        outcome=Outcome.INTERRUPTED.value, finished_at=now, message="killed before its end"
    )


def _turns(jobs: Collection[int]) -> list[int]:
    """Give the keys of the copies to restore, in the order of their turns."""
    newest = VaultCopy.objects.filter(job=OuterRef("pk"), state=VaultCopy.State.WHOLE.value)
    latest = RestoreDrill.objects.filter(job=OuterRef("pk")).order_by("-pk")
    everyone = ExpectedBackupJob.objects.annotate(
        newest=Subquery(newest.order_by("-made_at", "-pk").values("pk")[:1]),
        latest=Subquery(latest.values("pk")[:1]),
    ).filter(newest__isnull=False)
    if jobs:
        chosen = [everyone.filter(pk__in=some) for some in batches(sorted(set(jobs)))]
    else:
        chosen = [everyone.filter(is_active=True)]
    turns: list[tuple[int, int, int]] = []
    for some_jobs in chosen:
        for last, job, copy in some_jobs.values_list("latest", "pk", "newest"):
            turns.append((last or 0, job, copy))
    return [copy for _last, _job, copy in sorted(turns)]


class _Round:
    """One round, with its clock."""

    def __init__(
        self,
        run: VaultRun,
        held: lease.Held,
        now: datetime,
        budget: timedelta,
        progress: Progress,
    ) -> None:
        self._run = run
        self._held = held
        self._now = now
        self._began = time.monotonic()
        self._budget = budget
        self._progress = progress
        self._restorers = Restorers()
        self._lacks: Counter[str] = Counter()
        """Why copies were not tried, each with how many."""

    def drill(self, jobs: Collection[int]) -> None:
        """Give each copy its turn, as long as the budget lasts."""
        turns = _turns(jobs)
        for number, pk in enumerate(turns):
            self._progress(number, len(turns))
            has_begun = self._run.copies or self._run.findings
            if has_begun and self._at() - self._now >= self._budget:
                logger.info("the budget is over: %d copies wait", len(turns) - number)
                break
            # It may have been pruned, or found damaged, since the turns were given.
            whole = VaultCopy.objects.filter(pk=pk, state=VaultCopy.State.WHOLE.value)
            copy = whole.select_related("job", "entry").first()
            if copy is not None:
                self._take_turn(copy)
        else:
            self._progress(len(turns), len(turns))
        if self._lacks and not self._run.copies and not self._run.findings:
            self._run.outcome = VaultRun.Outcome.REFUSED.value
            self._run.message = clean(self._all_lacks(), LONGEST_MESSAGE)
        elif self._restorers.refused:
            self._run.message = clean("; ".join(self._restorers.refused), LONGEST_MESSAGE)

    def _all_lacks(self) -> str:
        shown = self._lacks.most_common(LACKS_SHOWN)
        total = self._lacks.total()
        words = [f"{number:,}: {lack}" for lack, number in shown]
        if others := total - sum(number for _lack, number in shown):
            words.append(f"{others:,} for other reasons")
        return f"{total:,} not tried: {'; '.join(words)}"

    def _take_turn(self, copy: VaultCopy) -> None:
        with transaction.atomic():
            self._held.fence()
            row = RestoreDrill.objects.create(
                run=self._run, job=copy.job, copy=copy, started_at=self._at()
            )
        try:
            found = attempt(copy, self._restorers)
            _renew_connection()
            self._run.bytes += found.bytes
            self._run.copies += found.began
            with transaction.atomic():
                self._held.fence()
                self._record(row, copy, found)
        except BaseException as error:
            self._interrupt(row, error)
            raise
        logger.info("%s: %s %s", copy.path, row.outcome, row.message)

    def _record(self, row: RestoreDrill, copy: VaultCopy, found: Attempt) -> None:
        at = self._at()
        # The job first, as everybody locks them, then its copies.
        ExpectedBackupJob.objects.select_for_update().get(pk=copy.job_id)
        state = VaultCopy.objects.select_for_update().values_list("state", flat=True)
        deleted = state.get(pk=copy.pk) not in ALIVE
        outcome, words = found.outcome, " ".join(found.words.split())
        if outcome is Outcome.FAILED and deleted:
            outcome, words = Outcome.NOT_TRIED, "the copy was deleted meanwhile"
        row.outcome, row.message = outcome.value, clean(words, LONGEST_MESSAGE)
        row.finished_at, row.target, row.seconds = at, found.target, found.seconds
        if found.restored is not None:
            row.tables, row.rows = found.restored.tables, found.restored.rows
        row.save()
        tried = VaultCopy.objects.filter(pk=copy.pk)
        if outcome is Outcome.RESTORED:
            tried.update(drilled_at=at, proven_at=at)
            BackupEntry.objects.filter(pk=copy.entry_id).update(level=Level.RESTORED.value)
            ExpectedBackupJob.objects.filter(pk=copy.job_id).update(last_restore=row)
            self._end_findings(copy.job, at)
        elif outcome is Outcome.FAILED:
            tried.update(drilled_at=at)
            vault_findings.find(NOT_RESTORABLE, copy.path, words, now=at, job=copy.job, copy=copy)
            self._run.findings += 1
        else:
            self._lacks[words] += 1

    def _end_findings(self, job: ExpectedBackupJob, at: datetime) -> None:
        """End what was found on this job's copies, older ones too: they get no turn any more."""
        opened = VaultFinding.objects.filter(job=job, kind=NOT_RESTORABLE.value, ended_at=None)
        paths = list(opened.values_list("path", flat=True))
        vault_findings.end(paths, vault_findings.End.RESTORED, now=at, kinds=(NOT_RESTORABLE,))

    def _interrupt(self, row: RestoreDrill, error: BaseException) -> None:
        words = clean(f"{type(error).__name__}: {error}", LONGEST_MESSAGE)
        running = RestoreDrill.objects.filter(pk=row.pk, outcome=Outcome.RUNNING.value)
        try:
            running.update(outcome=Outcome.INTERRUPTED.value, finished_at=self._at(), message=words)
        except DatabaseError:
            logger.exception("drill %s: its end could not be recorded", row.pk)

    def _at(self) -> datetime:
        return self._now + timedelta(seconds=time.monotonic() - self._began)
