"""Jobs and scans for tests, at a time of the test's choosing."""

import os
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from scanner import roster
from scanner.models import BackupEntry, ExpectedBackupJob, ScanRun
from scanner.pipeline.deposit import FileClock
from scanner.scan import scan

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def by_mtime(status: os.stat_result) -> datetime:
    """Take a file's modification time for its arrival: a test cannot set its ctime."""
    return datetime.fromtimestamp(status.st_mtime, UTC)


def make_job(
    database: str = "ACME_2025",
    agent: str = "ACME_DOUALA_NEWBELL",
    *,
    now: datetime = NOW,
    **fields: Any,
) -> ExpectedBackupJob:
    """Store a job, as the admin would, at the place that the agent's name tells."""
    company, city, neighborhood = agent.split("_", 2)
    job = ExpectedBackupJob(
        **{
            "company_name": company,
            "city": city,
            "neighborhood": neighborhood,
            "database_name": database,
            "agent_id": agent,
            **fields,
        }
    )
    roster.save(job, now=now)
    return job


def run_scan(
    now: datetime = NOW, *, agents: Collection[str] = (), clock: FileClock = by_mtime
) -> ScanRun:
    """Scan as of `now`."""
    return scan(now=now, trigger=ScanRun.Trigger.COMMAND, agents=agents, clock=clock)


def verdicts(job: ExpectedBackupJob | None = None) -> list[tuple[str, str]]:
    """Give (status, reason) of all entries in the order in which they were recorded."""
    entries = BackupEntry.objects.order_by("pk")
    if job is not None:
        entries = entries.filter(job=job)
    return list(entries.values_list("status", "reason"))
