"""What the database knows, as the commands print it for programs; keys are added, never changed."""

from datetime import datetime
from typing import Any

from scanner import board
from scanner.models import BackupEntry, ExpectedBackupJob, ScanRun


def run_as_data(run: ScanRun) -> dict[str, Any]:
    """Give a finished run as `scan_now --json` prints it."""
    return {
        "run": run.pk,
        "started_at": board.moment(run.started_at),
        "finished_at": board.moment(run.finished_at),
        "seconds": run.seconds,
        "reports": {
            "accepted": run.reports_accepted,
            "rejected": run.reports_rejected,
            "known": run.reports_known,
            "deferred": run.reports_deferred,
        },
        "verified_bytes": run.verified_bytes,
        "counts": run.counts,
        "entries": [entry_as_data(entry) for entry in board.entries_of(run)],
        "problems": run.problems,
    }


def entry_as_data(entry: BackupEntry) -> dict[str, Any]:
    """Give an entry as programs see it."""
    return {
        "agent": entry.agent_id,
        "company": entry.job.company_name,
        "city": entry.job.city,
        "neighborhood": entry.job.neighborhood,
        "database": entry.job.database_name,
        "status": entry.status,
        "reason": entry.reason or None,
        "warnings": entry.warnings,
        "level": entry.level or None,
        "cycle_due": board.moment(entry.cycle_due),
        "size": entry.size,
        "sha256": entry.sha256 or None,
        "vault_path": _copy_of(entry),
        "message": entry.message,
    }


def job_as_data(job: ExpectedBackupJob, *, now: datetime) -> dict[str, Any]:
    """Give a job's state, as `job_states` reads it, the way programs see it."""
    last_good = None
    if job.last_good_at is not None:
        entry = job.last_good_entry
        last_good = {
            "at": board.moment(job.last_good_at),
            "age_seconds": int((now - job.last_good_at).total_seconds()),
            "size": job.last_size,
            "vault_path": _copy_of(entry) if entry else None,
        }
    return {
        "agent": job.agent_id,
        "company": job.company_name,
        "city": job.city,
        "neighborhood": job.neighborhood,
        "database": job.database_name,
        "active": job.is_active,
        "awaits_adoption": job.awaits_adoption,
        "paused": pause_as_data(job),
        "status": job.status,
        "reason": job.reason or None,
        "since": board.moment(job.status_since),
        "last_good": last_good,
        "next_due": board.moment(job.due_at),
        "next_deadline": board.moment(job.deadline_at),
        "message": job.last_entry.message if job.last_entry else None,
    }


def pause_as_data(job: ExpectedBackupJob) -> dict[str, Any] | None:
    """Give who paused a job, why and until when; None of one that is not paused."""
    if job.is_active or job.awaits_adoption or job.retired_at is not None:
        return None
    return {
        "at": board.moment(job.paused_at),
        "by": job.paused_by or None,
        "reason": job.pause_reason or None,
        "until": board.moment(job.paused_until),
    }


def _copy_of(entry: BackupEntry) -> str | None:
    """Give the path of an entry's copy in the vault; one that was deleted is none."""
    return None if entry.copy_deleted_at else entry.vault_path or None
