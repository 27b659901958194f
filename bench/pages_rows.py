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
# So many days are made up; the others are one of these again, at another time.
PATTERNS = 5
LATE = 0.02
TIMES = ("cycle_due", "cycle_deadline", "operation_end", "arrived_at", "recorded_at")
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
    """Write so many jobs, and about as many entries, one a day of each job up to now."""
    now = timezone.now().replace(minute=30, second=0, microsecond=0)
    User.objects.create_superuser("admin", password="only for a benchmark")  # noqa: S106
    run = ScanRun.objects.create(
        trigger="schedule", outcome="complete", started_at=now, finished_at=now
    )
    fleet = _write_jobs(jobs, now)
    count = max(1, round(entries / jobs))
    chance = random.Random(0)  # noqa: S311 - the same fleet in each run
    known: list[list[BackupEntry]] = []
    for day in range(count - 1, -1, -1):
        at = now - timedelta(days=day)
        if len(known) < PATTERNS:
            pattern = _write_day(fleet, run, at, chance)
            known.append(pattern)
            first = pattern[0].pk
        else:
            pattern = chance.choice(known)
            first = _write_day_again(pattern, at)
        _follow(fleet, pattern, first, at)
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
) -> list[BackupEntry]:
    statuses = chance.choices(list(WEIGHTS), list(WEIGHTS.values()), k=len(jobs))
    return BackupEntry.objects.bulk_create(
        (
            BackupEntry(
                job=job,
                run=run,
                agent_id=job.agent_id,
                cycle_due=at,
                cycle_deadline=at,
                operation_end=at,
                arrived_at=at,
                recorded_at=at,
                status=status,
                reason=REASONS.get(status, ""),
                warnings=["late"] if chance.random() < LATE else [],
                level="content",
                size=40_000_000 + chance.randrange(1_000_000),
                claimed_size=40_000_000,
                dump_seconds=60 + chance.random() * 10,
            )
            for job, status in zip(jobs, statuses, strict=True)
        ),
        batch_size=BATCH,
    )


def _write_day_again(day: list[BackupEntry], at: datetime) -> int:
    """Write a known day's entries as those of another day; give the key of the first.

    In one statement: a million rows that come through Python take a quarter of an hour.
    """
    fields = [field for field in BackupEntry._meta.concrete_fields if not field.primary_key]
    names = ", ".join(connection.ops.quote_name(field.column) for field in fields)
    values = ", ".join(
        "%s" if field.name in TIMES else connection.ops.quote_name(field.column) for field in fields
    )
    table = connection.ops.quote_name(BackupEntry._meta.db_table)
    moment = connection.ops.adapt_datetimefield_value(at)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} "  # noqa: S608
            "WHERE id BETWEEN %s AND %s ORDER BY id",
            [*(moment for field in fields if field.name in TIMES), day[0].pk, day[-1].pk],
        )
    last: int = BackupEntry.objects.latest("pk").pk
    return last - len(day) + 1


def _follow(
    jobs: list[ExpectedBackupJob], pattern: list[BackupEntry], first: int, at: datetime
) -> None:
    """Have the jobs know of a day's entries, whose keys begin with `first`."""
    ordinal = at.date().toordinal()
    for key, (job, entry) in enumerate(zip(jobs, pattern, strict=True), first):
        job.days = [*job.days, [ordinal, days.letter_of(entry), key]][-days.KEPT :]
        job.status, job.reason, job.last_entry_id = entry.status, entry.reason, key
        if entry.status in ("SUCCESS", "UNCHANGED"):
            job.last_good_entry_id, job.last_good_at, job.last_size = key, at, entry.size
