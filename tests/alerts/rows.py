"""Jobs with trouble, channels, incidents, and what is to be told, made in bulk."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from scanner import state
from scanner.models import (
    BackupEntry,
    Channel,
    Delivery,
    ExpectedBackupJob,
    Incident,
    IncidentEvent,
    IncidentMember,
    ScanRun,
)
from scanner.models.batch import BATCH, write
from scanner.pipeline.verdict import GOOD
from tests.scanning import NOW

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def make_jobs(
    count: int = 1,
    *,
    company: str = "ACME",
    city: str = "DOUALA",
    neighborhood: str = "NEWBELL",
    agent: str | None = None,
    database: str = "DB",
    now: datetime = NOW,
    **fields: Any,
) -> list[ExpectedBackupJob]:
    """Store jobs of one agent that were never judged: DB0, DB1, ..."""
    agent = agent or f"{company}_{city}_{neighborhood}"
    jobs = [
        ExpectedBackupJob(
            **{
                "company_name": company,
                "city": city,
                "neighborhood": neighborhood,
                "agent_id": agent,
                "database_name": f"{database}{number}",
                "created_at": now - 30 * DAY,
                **fields,
            }
        )
        for number in range(count)
    ]
    return ExpectedBackupJob.objects.bulk_create(jobs, batch_size=BATCH)


def judge(
    jobs: Sequence[ExpectedBackupJob],
    status: str,
    reason: str = "",
    *,
    warnings: Sequence[str] = (),
    now: datetime = NOW,
    **fields: Any,
) -> list[BackupEntry]:
    """Record one more verdict of each job, as a scan would; `fields` are the entries'.

    Each call is another cycle if its `now` is another.
    """
    run, _ = ScanRun.objects.get_or_create(
        started_at=now,
        defaults={"trigger": "schedule", "outcome": "complete", "finished_at": now},
    )
    arrived = now if status in GOOD or status == "CORRUPT" else None
    entries = [
        BackupEntry(
            **{
                "job": job,
                "run": run,
                "agent_id": job.agent_id,
                "operation_end": arrived,
                "arrived_at": arrived,
                "recorded_at": now,
                "status": status,
                "reason": reason,
                "warnings": list(warnings),
                "size": 2048 if arrived else None,
                **fields,
            }
        )
        for job in jobs
    ]
    BackupEntry.objects.bulk_create(entries, batch_size=BATCH)
    for job, entry in zip(jobs, entries, strict=True):
        state.apply(job, entry, now)
    write(jobs, ExpectedBackupJob.STATE_FIELDS)
    return entries


def make_problem_jobs(
    count: int = 1,
    status: str = "MISSING",
    reason: str = "no_report",
    *,
    now: datetime = NOW,
    good_before: timedelta | None = DAY,
    message: str = "",
    warnings: Sequence[str] = (),
    **fields: Any,
) -> list[ExpectedBackupJob]:
    """Store jobs that were good `good_before` ago (None: never) and got this verdict at `now`.

    `fields` are those of `make_jobs` and of jobs.
    """
    jobs = make_jobs(count, now=now, **fields)
    if good_before is not None:
        judge(jobs, "SUCCESS", now=now - good_before)
    judge(jobs, status, reason, warnings=warnings, now=now, message=message)
    return jobs


def builtin() -> Channel:
    """Give the channel that is built in, even after a test that emptied the tables."""
    made = {"name": "E-mail to those responsible", "kind": "email", "created_at": NOW - 30 * DAY}
    return Channel.objects.get_or_create(is_builtin=True, defaults=made)[0]


def make_channel(name: str = "ops", kind: str = "email", **fields: Any) -> Channel:
    """Store a channel; by e-mail to ops@example.com unless `fields` say otherwise."""
    address = {
        "email": "ops@example.com",
        "apprise": "json://hooks.example.com/alerts",
        "webhook": "https://hooks.example.com/alerts",
    }[kind]
    secret = "a key" if kind == "webhook" else ""
    return Channel.objects.create(
        **{
            "name": name,
            "kind": kind,
            "address": address,
            "secret": secret,
            "created_at": NOW - 30 * DAY,
            **fields,
        }
    )


def make_incident(
    jobs: Sequence[ExpectedBackupJob] = (),
    *,
    kind: str | None = None,
    now: datetime = NOW,
    **fields: Any,
) -> Incident:
    """Store an open incident: of a job, of several jobs' place, or (without jobs) of a scan."""
    kind = kind or ("place" if len(jobs) > 1 else "job" if jobs else "scan")
    given: dict[str, Any] = {"status": "", "reason": "failed", "key": "scan", "name": "scan"}
    if jobs:
        first = jobs[0]
        place = {
            "company": first.company_name,
            "city": first.city,
            "neighborhood": first.neighborhood,
            "agent_id": first.agent_id,
        }
        given = {
            **place,
            "status": first.status,
            "reason": first.reason,
            "key": f"place:agent:{'|'.join(place.values())}:{first.reason}",
            "name": first.neighborhood,
        }
    if kind == "job":
        level = fields.get("level", "problem")
        given |= {"key": f"job:{jobs[0].pk}:{level}", "name": jobs[0].database_name}
        given["job"] = jobs[0]
    if kind == "place":
        given["facts"] = {"told": len(jobs), "of": len(jobs)}
    incident = Incident.objects.create(
        **{"kind": kind, "level": "problem", "since": now, "opened_at": now, **given, **fields}
    )
    IncidentMember.objects.bulk_create(
        [
            IncidentMember(
                incident=incident,
                job=job,
                entry_id=job.last_entry_id,
                since=job.status_since or now,
                joined_at=now,
            )
            for job in jobs
        ],
        batch_size=BATCH,
    )
    return incident


def make_event(
    incident: Incident, kind: str = "opened", *, at: datetime = NOW, **facts: Any
) -> IncidentEvent:
    """Store an event of an incident; `facts` are laid over what the incident is like."""
    count = incident.members.filter(left_at=None).count()
    return IncidentEvent.objects.create(
        incident=incident,
        kind=kind,
        at=at,
        entry=incident.job.last_entry if incident.job else None,
        facts={
            "level": incident.level,
            "status": incident.status,
            "reason": incident.reason,
            "warnings": [],
            "count": count,
            "of": count,
            "joined": count,
            "left": 0,
            **facts,
        },
    )


def make_delivery(
    event: IncidentEvent | None,
    channel: Channel | None = None,
    recipient: str = "ops@example.com",
    *,
    now: datetime = NOW,
    **fields: Any,
) -> Delivery:
    """Store a delivery that is due at `now`; without an event give `digest_at`."""
    return Delivery.objects.create(
        **{
            "event": event,
            "channel": channel or builtin(),
            "recipient": recipient,
            "next_try_at": now,
            "created_at": now,
            **fields,
        }
    )
