"""A small fleet as the pages show it: rows of each kind, and jobs in each state with a past."""

from datetime import datetime, timedelta
from typing import Any

from axes.models import AccessAttempt
from django.utils import timezone

from scanner import groups
from scanner.models import (
    EVERY_COMPANY,
    BackupEntry,
    Download,
    ExpectedBackupJob,
    JobChange,
    ScanRun,
    TaskRun,
    VaultCopy,
    WallPass,
)
from tests import schedule_rows
from tests.admin import rows

DAYS = 30
IN_TROUBLE = "sales_3"
LETTERS = "SUWS?MFC"
STATES: tuple[dict[str, Any], ...] = (
    {"status": "SUCCESS"},
    {"status": "UNCHANGED"},
    {"status": "FAILED", "reason": "transfer_failed"},
    {"status": "CORRUPT", "reason": "hash_mismatch"},
    {"status": "MISSING", "reason": "no_report"},
    {"status": "UNKNOWN"},
)
PAUSED = {"is_active": False, "paused_by": "marie", "pause_reason": "the disk is replaced"}


def settle() -> None:
    """Write the fleet, as of now."""
    now = timezone.now()
    groups.make_groups()
    rows.write(2, text="of the harbour")
    task = schedule_rows.make_all_well(now)
    TaskRun.objects.bulk_create(
        TaskRun(**schedule_rows.run_fields(task, now - timedelta(hours=hour), 75, outcome))
        for hour, outcome in enumerate(("running", "ok", "failed", "skipped", "interrupted"))
    )
    jobs = _write_jobs(now)
    _write_past(jobs, now)
    JobChange.objects.bulk_create(
        JobChange(job=job, action="paused", changed_at=now, changed_by="marie", note="the disk")
        for job in jobs
    )
    Download.objects.bulk_create(
        Download(copy=copy, downloaded_by="marie", started_at=now, bytes_asked=3, bytes_sent=3)
        for copy in VaultCopy.objects.all()
    )
    AccessAttempt.objects.create(
        username="olivia", ip_address="192.0.2.7", failures_since_start=5, path_info="/admin/login/"
    )
    WallPass.objects.create(
        name="The corridor", token_sha256="f" * 64, companies=[EVERY_COMPANY], created_at=now
    )


def _write_jobs(now: datetime) -> list[ExpectedBackupJob]:
    """Write jobs of one agent in each status, and some that are in no list of their own."""
    standing = [
        *STATES,
        {**PAUSED, "paused_at": now},
        {"is_active": False, "awaits_adoption": True},
        {"is_active": False, "retired_at": now},
    ]
    return ExpectedBackupJob.objects.bulk_create(
        ExpectedBackupJob(
            agent_id="ACME_DOUALA_AKWA",
            company_name="Acme",
            city="Douala",
            neighborhood="Akwa",
            database_name=f"sales_{number}",
            schedule="30 2 * * *",
            created_at=now - timedelta(days=DAYS),
            due_at=now + timedelta(hours=5),
            deadline_at=now + timedelta(hours=6),
            last_good_at=now - timedelta(hours=6),
            last_size=48_000_000,
            status_since=now - timedelta(days=3),
            **fields,
        )
        for number, fields in enumerate(standing)
    )


def _write_past(jobs: list[ExpectedBackupJob], now: datetime) -> None:
    """Write an entry a day, and what the board keeps of them."""
    run = ScanRun.objects.earliest("pk")
    for number, job in enumerate(jobs):
        entries = BackupEntry.objects.bulk_create(
            BackupEntry(
                job=job,
                run=run,
                agent_id=job.agent_id,
                cycle_due=now - timedelta(days=day),
                dump_seconds=60.0 + day,
                operation_end=now - timedelta(days=day),
                recorded_at=now - timedelta(days=day),
                status=job.status,
                reason=job.reason,
                warnings=["size_anomaly"] if day == number else [],
                size=40_000_000 + day * 100_000,
                claimed_size=40_000_000,
            )
            for day in range(DAYS - 1, -1, -1)
        )
        job.last_entry = entries[-1]
        first = now.date().toordinal() - DAYS + 1
        job.days = [
            [first + day, LETTERS[(day + number) % len(LETTERS)], entry.pk]
            for day, entry in enumerate(entries)
        ]
    ExpectedBackupJob.objects.bulk_update(jobs, ["last_entry", "days"])
