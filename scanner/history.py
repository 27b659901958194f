"""Room 7: entries, the state of jobs and status changes, always in one transaction.

Each writing function calls `fence` first in its transaction: it raises when the scan has lost its
lease, and so nothing is recorded. Jobs are read again under a lock: what people changed while the
scan ran stands.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from scanner import days, stock
from scanner.cycle import Cycle
from scanner.models import Agent, AgentReport, BackupEntry, ExpectedBackupJob, StatusChange
from scanner.models.batch import BATCH, batches, write
from scanner.models.run import ScanRun
from scanner.pipeline.verdict import PROBLEMS
from scanner.state import Judged, apply, entry_of

logger = logging.getLogger(__name__)

Fence = Callable[[], None]


@dataclass(slots=True)
class ReportRecord:
    """A report to be recorded, with the verdicts on its claims.

    `row` is unsaved for a new report; `is_complete` is false when a claim must wait for a later
    scan.
    """

    row: AgentReport
    judged: list[Judged] = field(default_factory=list)


def record(
    run: ScanRun, reports: Sequence[ReportRecord], *, now: datetime, fence: Fence
) -> list[BackupEntry]:
    """Record reports and the verdicts on their claims; give the new entries.

    A job that was paused meanwhile gets none.
    """
    with transaction.atomic():
        fence()
        rows = [report.row for report in reports]
        for row in rows:
            row.run = run
        again = [row for row in rows if not row._state.adding]
        AgentReport.objects.bulk_create(
            [row for row in rows if row._state.adding], batch_size=BATCH
        )
        AgentReport.objects.bulk_update(again, ("is_complete", "attempt", "run"), batch_size=BATCH)
        pairs = [(judged, report.row) for report in reports for judged in report.judged]
        return _record_entries(run, pairs, now)


def record_absences(
    run: ScanRun,
    absences: Sequence[tuple[ExpectedBackupJob, Sequence[Judged], Cycle | None]],
    *,
    now: datetime,
    fence: Fence,
) -> list[BackupEntry]:
    """Record missed cycles, and let each job await the cycle that comes next; give the entries."""
    entries: list[BackupEntry] = []
    for some in batches(absences):
        with transaction.atomic():
            fence()
            fresh = _locked([job.pk for job, _, _ in some])
            unjudged: list[ExpectedBackupJob] = []
            missed: list[tuple[Judged, AgentReport | None]] = []
            for job, judged, coming in some:
                current = fresh.get(job.pk)
                if current is None or current.due_at != job.due_at or not current.is_active:
                    continue  # changed while we looked: the next scan judges it
                missed += ((one, None) for one in judged)
                awaited = (coming.due, coming.deadline) if coming else (None, None)
                # The others are written with their verdicts.
                if not judged and awaited != (current.due_at, current.deadline_at):
                    unjudged.append(current)
                current.due_at, current.deadline_at = awaited
            write(unjudged, ("due_at", "deadline_at"))
            entries += _record_entries(run, missed, now, fresh)
    return entries


def record_rejected(run: ScanRun, rows: Sequence[AgentReport], *, fence: Fence) -> None:
    """Record rejected reports; one that was put back and is rejected again keeps its row."""
    with transaction.atomic():
        fence()
        for some in batches(rows):
            stored = {
                (row.agent_id, row.sha256): row.pk
                for row in AgentReport.objects.filter(
                    sha256__in=[row.sha256 for row in some],
                    state=AgentReport.State.REJECTED.value,
                )
            }
            unique = {(row.agent_id, row.sha256): row for row in some}
            again = []
            for key, row in unique.items():
                row.run = run
                if key in stored:
                    row.pk = stored[key]
                    again.append(row)
            AgentReport.objects.bulk_update(
                again, ("file_name", "arrived_at", "recorded_at", "reason", "run", "size")
            )
            AgentReport.objects.bulk_create(row for key, row in unique.items() if key not in stored)


def record_copies(entries: Sequence[BackupEntry], *, now: datetime, fence: Fence) -> None:
    """Record what became of the copies that an earlier scan could not write."""
    with transaction.atomic():
        fence()
        jobs = _locked(entry.job_id for entry in entries)
        BackupEntry.objects.bulk_update(
            entries, ("vault_path", "vault_pending", "warnings", "message"), batch_size=BATCH
        )
        days.keep_up(entries, jobs)
        for entry in entries:
            job = jobs[entry.job_id]
            if job.last_entry_id == entry.pk:
                job.warnings, job.alert_check_at = entry.warnings, now
        write(jobs.values(), ("warnings", "alert_check_at", "days"))
        stock.take_in(entries, now=now)


def begin_run(trigger: ScanRun.Trigger, agents: Sequence[str], *, now: datetime) -> ScanRun:
    """Open a run; those that are still open belong to scans that were killed."""
    running = ScanRun.objects.filter(outcome=ScanRun.Outcome.RUNNING.value)
    for killed in running:
        logger.warning("scan %s was killed before its end", killed.pk)
    running.update(
        outcome=ScanRun.Outcome.INTERRUPTED.value, error="killed before its end", finished_at=None
    )
    return ScanRun.objects.create(trigger=trigger.value, agents=list(agents), started_at=now)


def note_progress(run: ScanRun, done: int, total: int) -> None:
    """Record how many of a run's backups are judged: somebody may be looking."""
    run.claims_done, run.claims_total = done, total
    ScanRun.objects.filter(pk=run.pk).update(claims_done=done, claims_total=total)


def end_run(run: ScanRun) -> None:
    """Record how a run ended, with what it counted.

    A run that whoever followed its holder has closed already stays as it is.
    """
    running = ScanRun.objects.filter(pk=run.pk, outcome=ScanRun.Outcome.RUNNING.value)
    with transaction.atomic():
        if running.select_for_update().first() is not None:
            run.save()


def new_strangers(run: ScanRun) -> list[str]:
    """Give the strangers of this run that the run before did not see."""
    looked = (ScanRun.Outcome.COMPLETE.value, ScanRun.Outcome.INCOMPLETE.value)
    earlier = ScanRun.objects.filter(pk__lt=run.pk, agents=[], outcome__in=looked)
    before = earlier.order_by("-pk").first()
    return sorted(set(run.strangers) - set(before.strangers if before else ()))


def record_agents(seen: dict[str, bool], *, now: datetime) -> None:
    """Remember the agents that a scan saw, with whether they had a `log/`."""
    rows = [
        Agent(name=name, first_seen_at=now, last_seen_at=now, had_log=had_log)
        for name, had_log in seen.items()
    ]
    Agent.objects.bulk_create(
        rows,
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=("name",),
        update_fields=("last_seen_at", "had_log"),
    )


def _locked(keys: Iterable[int]) -> dict[int, ExpectedBackupJob]:
    jobs: dict[int, ExpectedBackupJob] = {}
    for some in batches(sorted(set(keys))):
        # Not their keys: or a row that refers to a job, as of the alerts, would wait for it.
        locked = ExpectedBackupJob.objects.select_for_update(of=("self",), no_key=True)
        locked = locked.select_related("last_good_entry")
        jobs |= locked.order_by("pk").in_bulk(list(some))
    return jobs


def _record_entries(
    run: ScanRun,
    pairs: Sequence[tuple[Judged, AgentReport | None]],
    now: datetime,
    jobs: dict[int, ExpectedBackupJob] | None = None,
) -> list[BackupEntry]:
    if not pairs:
        return []
    jobs = jobs if jobs is not None else _locked(judged.job_id for judged, _ in pairs)
    entries = [
        entry_of(run, jobs[judged.job_id], judged, report, now)
        for judged, report in pairs
        if judged.job_id in jobs and jobs[judged.job_id].is_active
    ]
    BackupEntry.objects.bulk_create(entries, batch_size=BATCH)
    stock.take_in(entries, now=now)
    changes = [change for entry in entries if (change := apply(jobs[entry.job_id], entry, now))]
    touched = {entry.job_id: jobs[entry.job_id] for entry in entries}
    days.keep_up(entries, touched)
    write(touched.values(), ExpectedBackupJob.STATE_FIELDS)
    StatusChange.objects.bulk_create(changes, batch_size=BATCH)
    for entry in entries:
        if entry.status in PROBLEMS:
            logger.warning(
                "%s %s: %s of agent %s, cycle %s: %s",
                entry.status,
                entry.reason,
                jobs[entry.job_id].database_name,
                entry.agent_id,
                entry.cycle_due,
                entry.message,
            )
    return entries
