"""Rows for bench/pages.py: a fleet with a past, as the pipeline would have left it."""

import random
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from scanner import days
from scanner.models import Agent, BackupEntry, ExpectedBackupJob, ScanRun

PER_AGENT = 5
PER_COMPANY = 200
BATCH = 5_000
# Of a hundred verdicts: what goes wrong goes wrong seldom.
WEIGHTS = {
    "SUCCESS": 70,
    "UNCHANGED": 22,
    "MISSING": 4,
    "FAILED": 3,
    "CORRUPT": 1,
}
REASONS = {"MISSING": "no_report", "FAILED": "backup_failed", "CORRUPT": "hash_mismatch"}


def fill(jobs: int, entries: int) -> None:
    """Write so many jobs, and entries of all of them, one a day up to now."""
    now = timezone.now().replace(minute=30, second=0, microsecond=0)
    chance = random.Random(0)  # noqa: S311 - the same fleet in each run
    User.objects.create_superuser("admin", password="only for a benchmark")  # noqa: S106
    run = ScanRun.objects.create(
        trigger="schedule", outcome="complete", started_at=now, finished_at=now
    )
    fleet = _write_jobs(jobs, now)
    for day in range(-(-entries // jobs), 0, -1):
        some = fleet if day > 1 else fleet[: entries - jobs * (-(-entries // jobs) - 1)]
        _write_day(some, run, now - timedelta(days=day - 1), chance)
    ExpectedBackupJob.objects.bulk_update(
        fleet,
        ("days", "status", "reason", "last_entry", "last_good_entry", "last_good_at", "last_size"),
        batch_size=500,
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _write_jobs(count: int, now: datetime) -> list[ExpectedBackupJob]:
    agents = range(-(-count // PER_AGENT))
    Agent.objects.bulk_create(
        (Agent(name=_agent_of(one), first_seen_at=now, last_seen_at=now) for one in agents),
        batch_size=BATCH,
    )
    return ExpectedBackupJob.objects.bulk_create(
        (
            ExpectedBackupJob(
                company_name=f"Company {number // PER_COMPANY:03}",
                city=f"City {number // 20 % 10}",
                neighborhood=f"Quarter {number // PER_AGENT % 4}",
                database_name=f"db_{number:05}",
                agent_id=_agent_of(number // PER_AGENT),
                schedule="30 2 * * *",
                created_at=now - timedelta(days=400),
                due_at=now + timedelta(hours=12),
                deadline_at=now + timedelta(hours=13),
                status_since=now,
            )
            for number in range(count)
        ),
        batch_size=BATCH,
    )


def _agent_of(number: int) -> str:
    return f"COMPANY{number // 40:03}_CITY_{number:05}"


def _write_day(
    jobs: list[ExpectedBackupJob], run: ScanRun, at: datetime, chance: random.Random
) -> None:
    statuses = chance.choices(list(WEIGHTS), list(WEIGHTS.values()), k=len(jobs))
    entries = BackupEntry.objects.bulk_create(
        (
            BackupEntry(
                job=job,
                run=run,
                agent_id=job.agent_id,
                cycle_due=at,
                cycle_deadline=at + timedelta(hours=1),
                operation_end=at,
                arrived_at=at,
                recorded_at=at,
                status=status,
                reason=REASONS.get(status, ""),
                warnings=["late"] if chance.random() < 0.02 else [],  # noqa: PLR2004
                level="content",
                size=40_000_000 + chance.randrange(1_000_000),
                claimed_size=40_000_000,
                dump_seconds=60 + chance.random() * 10,
            )
            for job, status in zip(jobs, statuses, strict=True)
        ),
        batch_size=BATCH,
    )
    ordinal = at.date().toordinal()
    for job, entry in zip(jobs, entries, strict=True):
        job.days = [*job.days, [ordinal, days.letter_of(entry), entry.pk]][-days.KEPT :]
        job.status, job.reason, job.last_entry = entry.status, entry.reason, entry
        if entry.status in ("SUCCESS", "UNCHANGED"):
            job.last_good_entry, job.last_good_at, job.last_size = entry, at, entry.size
