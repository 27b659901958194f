"""Removes old history, and never what the state of anything rests on.

Rows go a batch at a time, each in a short transaction, so that nobody waits for long; files go only
through `shelves`. What a killed prune has left is found by the next one.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, product
from typing import Any

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django_apscheduler.models import DjangoJobExecution

from scanner import conf
from scanner.errors import DepositError
from scanner.models import (
    AgentReport,
    BackupEntry,
    Delivery,
    ExpectedBackupJob,
    Incident,
    RestoreDrill,
    ScanRun,
    ScheduledTask,
    TaskChange,
    TaskRequest,
    TaskRun,
    VaultFinding,
    VaultRun,
)
from scanner.models.batch import BATCH, batches
from scanner.pipeline import deposit
from scanner.pipeline.deposit import ARCHIVE, LOG, REJECTED, FileClock
from scanner.pipeline.shelves import Needed, clear_shelf

logger = logging.getLogger(__name__)

_KINDS = {ARCHIVE: "archived reports", REJECTED: "rejected reports"}


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many were removed of each kind; a kind that is kept for ever is not among them."""

    counts: Mapping[str, int]


def prune(*, now: datetime, clock: FileClock = deposit.changed_at) -> Pruned:
    """Remove what is older than the settings say, rows first; tell the log and give the counts.

    `clock` tells when a file came onto its shelf. What cannot be looked at or removed is logged
    and costs nothing else. Raise DepositRootUnavailable, with the rows gone already, when the tree
    cannot be listed.
    """
    counts: Counter[str] = Counter()
    rows: list[Iterator[tuple[str, QuerySet[Any]]]] = []
    if days := conf.keep_executions_days():
        rows.append(_old_executions(now - timedelta(days=days)))
        rows.append(_old_vault_work(now - timedelta(days=days)))
    if days := conf.keep_runs_days():
        rows.append(_old_scan_runs(now - timedelta(days=days)))
        rows.append(_old_alerts(now - timedelta(days=days)))
    for kind, old in chain.from_iterable(rows):
        counts[kind] = _remove_rows(old)
        _tell(kind, counts[kind])
    if days := conf.keep_archived_reports_days():
        removed = _remove_files(now - timedelta(days=days), clock)
        for kind in _KINDS.values():
            counts[kind] = removed[kind]
            _tell(kind, removed[kind])
    return Pruned(counts)


def _tell(kind: str, count: int) -> None:
    if count:
        logger.info("removed %d old %s", count, kind)


def _old_executions(before: datetime) -> Iterator[tuple[str, QuerySet[Any]]]:
    """Give old rows of tasks, those that refer to others first.

    Of each task the newest row of each outcome stays, and so its newest; so do the run of its
    newest slot, which tells what was missed, its newest change, and what runs or waits.
    """
    executions = DjangoJobExecution.objects.filter(run_time__lt=before)
    newest = _newest(DjangoJobExecution.objects.all(), "job_id", "status")
    ended = executions.exclude(status=DjangoJobExecution.SENT)
    yield "executions", ended.exclude(pk__in=newest)

    changes = TaskChange.objects.filter(changed_at__lt=before)
    yield "task changes", changes.exclude(pk__in=_newest(TaskChange.objects.all(), "task_id"))

    slots = TaskRun.objects.filter(task=OuterRef("pk")).order_by("-scheduled_for", "-attempt")
    newest_slots = ScheduledTask.objects.values_list(Subquery(slots.values("pk")[:1]), flat=True)
    newest = _newest(TaskRun.objects.all(), "task_id", "outcome") | {*newest_slots} - {None}
    runs = TaskRun.objects.exclude(outcome=TaskRun.Outcome.RUNNING.value).exclude(pk__in=newest)
    yield (
        "task runs",
        runs.alias(ended=Coalesce("finished_at", "started_at", "fired_for")).filter(
            ~Exists(TaskChange.objects.filter(run=OuterRef("pk"))), ended__lt=before
        ),
    )

    taken = TaskRequest.objects.filter(requested_at__lt=before, taken_at__isnull=False)
    yield "task requests", taken.filter(~Exists(TaskRun.objects.filter(request=OuterRef("pk"))))


def _old_vault_work(before: datetime) -> Iterator[tuple[str, QuerySet[Any]]]:
    """Give old rows of work on the vault, those that refer to others first.

    Of each job the newest drill stays, which tells whose turn it is, and the one that proved it
    restorable last. Of each kind of run the newest of each outcome stays (the last prune that was
    not refused is what the clock is checked against), and those of the drills that stay. What is
    wrong now stays, and what still runs.
    """
    ended = RestoreDrill.objects.exclude(outcome=RestoreDrill.Outcome.RUNNING.value)
    newer = RestoreDrill.objects.filter(job=OuterRef("job"), pk__gt=OuterRef("pk"))
    proof = ExpectedBackupJob.objects.filter(last_restore=OuterRef("pk"))
    yield "restore drills", _over(ended, before).filter(Exists(newer), ~Exists(proof))

    newest = _newest(VaultRun.objects.all(), "kind", "outcome")
    runs = VaultRun.objects.exclude(outcome=VaultRun.Outcome.RUNNING.value).exclude(pk__in=newest)
    drills = RestoreDrill.objects.filter(run=OuterRef("pk"))
    yield "vault runs", _over(runs, before).filter(~Exists(drills))

    yield "vault findings", VaultFinding.objects.filter(ended_at__lt=before)


def _over(rows: QuerySet[Any], before: datetime) -> QuerySet[Any]:
    """Give those that ended before then; one that was killed counts from its start."""
    over: QuerySet[Any] = rows.alias(over=Coalesce("finished_at", "started_at"))
    return over.filter(over__lt=before)


def _old_scan_runs(before: datetime) -> Iterator[tuple[str, QuerySet[Any]]]:
    """Give old runs that recorded nothing.

    The newest stays, and of those that looked at all agents the newest of each outcome: the last
    good one, and the one whose strangers the next scan compares its own with.
    """
    newest = _newest(ScanRun.objects.all()) | _newest(ScanRun.objects.filter(agents=[]), "outcome")
    ended = ScanRun.objects.exclude(outcome=ScanRun.Outcome.RUNNING.value)
    yield (
        "scan runs",
        ended.exclude(pk__in=newest).filter(
            ~Exists(BackupEntry.objects.filter(run=OuterRef("pk"))),
            ~Exists(AgentReport.objects.filter(run=OuterRef("pk"))),
            started_at__lt=before,
        ),
    )


def _old_alerts(before: datetime) -> Iterator[tuple[str, QuerySet[Any]]]:
    """Give incidents that are over, with all that was told of them, and old digests.

    What still has to be told stays, and its incident.
    """
    waiting = Delivery.objects.filter(state=Delivery.State.PENDING.value)
    ended = Incident.objects.filter(ended_at__lt=before)
    yield "incidents", ended.filter(~Exists(waiting.filter(event__incident=OuterRef("pk"))))

    digests = Delivery.objects.filter(event=None, digest_at__lt=before)
    yield "digests", digests.exclude(state=Delivery.State.PENDING.value)


def _newest(rows: QuerySet[Any], *by: str) -> set[int]:
    """Give the key of the newest row of each group."""
    if not by:
        return set(rows.order_by("-pk").values_list("pk", flat=True)[:1])
    groups = rows.order_by().values_list(*by).annotate(newest=Max("pk"))
    return {group[-1] for group in groups}


def _remove_rows(rows: QuerySet[Any]) -> int:
    removed, last = 0, 0
    keys = rows.order_by("pk").values_list("pk", flat=True)
    while some := list(keys.filter(pk__gt=last)[:BATCH]):
        with transaction.atomic():
            _, by_model = rows.filter(pk__in=some).delete()
        removed += by_model.get(rows.model._meta.label, 0)
        last = some[-1]
    return removed


def _remove_files(before: datetime, clock: FileClock) -> Counter[str]:
    removed: Counter[str] = Counter()
    tree = deposit.walk(conf.deposit_root())
    for agent, why in sorted(tree.unreadable.items()):
        logger.warning("the reports of agent %s are left as they are: %s", agent, why)
    for folders in batches(tree.folders):
        needed = _needed({folder.agent for folder in folders})
        for folder, (shelf, kind) in product(folders, _KINDS.items()):
            where = f"{folder.name}/{LOG}/{shelf}/"
            try:
                cleared = clear_shelf(
                    folder, shelf, before=before, needed=needed[folder.agent], clock=clock
                )
            except (DepositError, OSError) as error:
                logger.warning("%s is left as it is: %s", where, error)
                continue
            removed[kind] += cleared.removed
            if problems := cleared.problems:
                logger.warning("%d old files stay in %s: %s", len(problems), where, problems[0])
    return removed


def _needed(agents: Collection[str]) -> defaultdict[str, set[Needed]]:
    """Give, for each agent, the reports that a job's last or last good entry came from."""
    needed: defaultdict[str, set[Needed]] = defaultdict(set)
    for entry in ("last_entry", "last_good_entry"):
        report = f"{entry}__report__"
        jobs = ExpectedBackupJob.objects.filter(**{f"{report}agent_id__in": agents}).order_by()
        fields = [f"{report}{name}" for name in ("agent_id", "size", "sha256", "arrived_at")]
        for agent, *known in jobs.values_list(*fields).distinct():
            needed[agent].add(Needed(*known))
    return needed
