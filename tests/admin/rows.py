"""Rows in any number for the admin's pages, written in bulk."""

from collections.abc import Iterable
from datetime import timedelta

from django.contrib.auth.models import Permission, User
from django_apscheduler.models import DjangoJob, DjangoJobExecution

from scanner import access
from scanner.models import (
    EVERY_COMPANY,
    Agent,
    AgentReport,
    BackupEntry,
    Channel,
    Delivery,
    Download,
    ExpectedBackupJob,
    Incident,
    IncidentEvent,
    IncidentMember,
    MaintenanceWindow,
    Recipient,
    RestoreDrill,
    ScanRun,
    StatusChange,
    VaultCopy,
    VaultFinding,
    VaultRun,
    WallPass,
)
from tests.alerts.rows import builtin
from tests.scanning import NOW

HISTORY = (
    BackupEntry,
    StatusChange,
    Incident,
    Delivery,
    AgentReport,
    ScanRun,
    Agent,
    VaultCopy,
    VaultFinding,
    RestoreDrill,
    Download,
    VaultRun,
    DjangoJob,
    DjangoJobExecution,
)
MODELS = (ExpectedBackupJob, Channel, MaintenanceWindow, Recipient, WallPass, *HISTORY)
LIST = "/admin/{0._meta.app_label}/{0._meta.model_name}/"


def write(count: int, *, text: str = "x", first: int = 0) -> None:
    """Write `count` rows of each kind that belong together; `text` stands wherever one may."""
    numbers = range(first, first + count)
    runs = ScanRun.objects.bulk_create(
        ScanRun(
            trigger="schedule",
            outcome="incomplete",
            started_at=NOW,
            finished_at=NOW + timedelta(seconds=75),
            counts={"SUCCESS": 3, "MISSING": 1},
            findings=[f"finding {text}"],
            strangers=[f"stranger {text}"],
            agents=[f"agent {text}"],
            error=f"error {text}",
        )
        for _ in numbers
    )
    reports = AgentReport.objects.bulk_create(
        AgentReport(
            agent_id=f"AGENT_{number}_{text}",
            file_name=f"{text}.json",
            sha256=f"{number:064}",
            size=2048,
            arrived_at=NOW,
            recorded_at=NOW,
            operation_end=NOW,
            overall=text[:20],
            state="rejected" if number % 2 else "accepted",
            reason=f"reason {text}",
            run=run,
        )
        for number, run in zip(numbers, runs, strict=True)
    )
    jobs = ExpectedBackupJob.objects.bulk_create(
        ExpectedBackupJob(
            company_name=f"Company {number % 7} {text}",
            city=f"City {number % 5} {text}",
            neighborhood=f"Neighborhood {text}",
            database_name=f"db_{number:04}_{text}",
            agent_id=f"AGENT_{number}_{text}",
            schedule="30 2 * * *",
            notification_recipients=text,
            created_at=NOW,
            due_at=NOW,
            deadline_at=NOW,
            status="CORRUPT",
            reason="hash_mismatch",
            last_good_at=NOW,
            last_size=5_000_000,
        )
        for number in numbers
    )
    entries = BackupEntry.objects.bulk_create(
        BackupEntry(
            job=job,
            run=run,
            report=report,
            agent_id=job.agent_id,
            cycle_due=NOW,
            recorded_at=NOW,
            status="CORRUPT",
            reason="hash_mismatch",
            warnings=["late", f"warning {text}"],
            message=f"message {text}",
            staged_name=f"staged {text}",
            claimed_size=10,
            size=11,
            claimed_sha256="a" * 64,
            sha256="b" * 64,
            vault_path=f"path {text}",
        )
        for job, run, report in zip(jobs, runs, reports, strict=True)
    )
    for job, entry in zip(jobs, entries, strict=True):
        job.last_entry = entry
    ExpectedBackupJob.objects.bulk_update(jobs, ["last_entry"], batch_size=100)
    StatusChange.objects.bulk_create(
        StatusChange(
            job=entry.job,
            entry=entry,
            old_status="SUCCESS",
            new_status="CORRUPT",
            new_reason=text[:30],
            changed_at=NOW,
        )
        for entry in entries
    )
    _write_vault(entries, text)
    _write_alerts(entries, text, first)
    Agent.objects.bulk_create(
        Agent(name=f"AGENT_{number}_{text}", first_seen_at=NOW, last_seen_at=NOW)
        for number in numbers
    )
    tasks = DjangoJob.objects.bulk_create(
        DjangoJob(id=f"task-{number}-{text}", next_run_time=NOW, job_state=b"")
        for number in numbers
    )
    DjangoJobExecution.objects.bulk_create(
        DjangoJobExecution(
            job=task,
            status=f"status {text}",
            run_time=NOW,
            duration=2,
            exception=f"exception {text}",
            traceback=f"traceback {text}",
        )
        for task in tasks
    )
    WallPass.objects.bulk_create(
        WallPass(
            name=f"pass {number} {text}",
            token_sha256=f"{number:064}",
            companies=[text],
            created_at=NOW,
            created_by=text,
            last_used_at=NOW,
        )
        for number in numbers
    )


def _write_vault(entries: list[BackupEntry], text: str) -> None:
    copies = VaultCopy.objects.bulk_create(
        VaultCopy(
            job=entry.job,
            entry=entry,
            path=entry.vault_path,
            sha256="c" * 64,
            size=3_000_000,
            made_at=NOW,
            stored_at=NOW,
            audited_at=NOW,
            proven_at=NOW,
            deleted_because=f"reason {text}",
        )
        for entry in entries
    )
    VaultFinding.objects.bulk_create(
        VaultFinding(
            kind="damaged",
            job=copy.job,
            copy=copy,
            path=f"{copy.path} {copy.pk}",
            message=f"message {text}",
            found_at=NOW,
        )
        for copy in copies
    )
    runs = VaultRun.objects.bulk_create(
        VaultRun(kind="drill", outcome="findings", started_at=NOW, message=f"message {text}")
        for _ in copies
    )
    Download.objects.bulk_create(
        Download(
            copy=copy,
            downloaded_by=f"somebody {text}",
            address=f"address {text}",
            started_at=NOW,
            bytes_asked=copy.size,
            error=f"error {text}",
        )
        for copy in copies
    )
    drills = RestoreDrill.objects.bulk_create(
        RestoreDrill(
            run=run,
            job=copy.job,
            copy=copy,
            started_at=NOW,
            seconds=75,
            outcome="restored",
            target=f"target {text}",
            tables=12,
            rows=34_567,
            message=f"message {text}",
        )
        for run, copy in zip(runs, copies, strict=True)
    )
    for drill in drills:
        drill.job.last_restore = drill
    jobs = [drill.job for drill in drills]
    ExpectedBackupJob.objects.bulk_update(jobs, ["last_restore"], batch_size=100)


def _write_alerts(entries: list[BackupEntry], text: str, first: int) -> None:
    """Write incidents with all that belongs to them; of the channels one is built in already."""
    numbers = range(first, first + len(entries))
    channels = Channel.objects.bulk_create(
        Channel(
            name=f"channel {number} {text}",
            kind="webhook",
            address=f"https://hooks.example.com/{number}",
            secret=text,
            company=text,
            created_at=NOW,
            tested_at=NOW,
            test_error=f"error {text}",
            failing_since=NOW,
            last_error=f"error {text}",
        )
        for number in numbers
        if number
    )
    incidents = Incident.objects.bulk_create(
        Incident(
            kind="job",
            key=f"job:{entry.job_id}:problem",
            level="problem",
            status=entry.status,
            reason=entry.reason,
            company=entry.job.company_name,
            city=entry.job.city,
            neighborhood=entry.job.neighborhood,
            agent_id=entry.job.agent_id,
            name=entry.job.database_name,
            job=entry.job,
            facts={"error": f"error {text}", "warnings": ["late"]},
            since=NOW,
            opened_at=NOW,
            acknowledged_at=NOW,
            acknowledged_by=text,
            acknowledged_note=f"note {text}",
        )
        for entry in entries
    )
    IncidentMember.objects.bulk_create(
        IncidentMember(incident=incident, job=entry.job, entry=entry, since=NOW, joined_at=NOW)
        for incident, entry in zip(incidents, entries, strict=True)
    )
    events = IncidentEvent.objects.bulk_create(
        IncidentEvent(
            incident=incident,
            kind="acknowledged",
            at=NOW,
            facts={"by": text, "note": f"note {text}", "count": 1},
        )
        for incident in incidents
    )
    channel = channels[0] if channels else builtin()
    Delivery.objects.bulk_create(
        Delivery(
            event=event,
            channel=channel,
            recipient=f"{text}@example.com",
            state="failed",
            next_try_at=NOW,
            created_at=NOW,
            last_error=f"error {text}",
        )
        for event in events
    )
    MaintenanceWindow.objects.bulk_create(
        MaintenanceWindow(
            name=f"window {number} {text}",
            company=entry.job.company_name,
            job=entry.job,
            cron="0 22 * * 6",
            duration_minutes=60,
            created_by=text,
            created_at=NOW,
        )
        for number, entry in zip(numbers, entries, strict=True)
    )
    Recipient.objects.bulk_create(
        Recipient(address=f"{number}{text}@example.com") for number in numbers
    )


def add_entries(job: ExpectedBackupJob, count: int) -> None:
    """Give a job some more history."""
    run = ScanRun.objects.create(trigger="command", started_at=NOW)
    BackupEntry.objects.bulk_create(
        BackupEntry(
            job=job,
            run=run,
            agent_id=job.agent_id,
            recorded_at=NOW,
            status="SUCCESS",
            message=f"message {number}",
        )
        for number in range(count)
    )


def staff(
    *permissions: str, companies: Iterable[str] = (EVERY_COMPANY,), name: str = "staff"
) -> User:
    """Make somebody who may log in, and do what the permissions say, like view_backupentry.

    They see these companies; every one, where none is said.
    """
    user = User.objects.create_user(name, password="secret", is_staff=True)
    access.grant(user, companies)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    assert user.user_permissions.count() == len(permissions)
    return user
