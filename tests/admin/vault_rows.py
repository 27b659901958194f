"""Copies in the vault, what was found of them and how their restores went, one row at a time."""

from typing import Any

from scanner.models import (
    BackupEntry,
    ExpectedBackupJob,
    RestoreDrill,
    ScanRun,
    VaultCopy,
    VaultFinding,
    VaultRun,
)
from tests.scanning import NOW


def make_copy(job: ExpectedBackupJob, name: str = "one.sql.gz", **fields: Any) -> VaultCopy:
    """Store a copy with the entry that made it."""
    run = ScanRun.objects.create(trigger="command", started_at=NOW)
    path = f"{job.company_name}/{job.city}/{job.neighborhood}/{job.database_name}/{name}"
    entry = BackupEntry.objects.create(
        job=job,
        run=run,
        agent_id=job.agent_id,
        recorded_at=NOW,
        status="SUCCESS",
        vault_path=path,
        size=2048,
    )
    times = {"made_at": NOW, "stored_at": NOW, "audited_at": NOW}
    known = {"job": job, "entry": entry, "path": path, "sha256": "a" * 64, "size": 2048}
    return VaultCopy.objects.create(**{**known, **times, **fields})


def make_finding(
    copy: VaultCopy | None = None, kind: str = "damaged", **fields: Any
) -> VaultFinding:
    """Store an open finding, of a copy or of a file of nobody."""
    where = {"path": "lost/file"} if copy is None else {"path": copy.path, "job": copy.job}
    known = {"kind": kind, "copy": copy, "message": "its bytes changed", "found_at": NOW}
    return VaultFinding.objects.create(**{**known, **where, **fields})


def make_vault_run(kind: str = "audit", **fields: Any) -> VaultRun:
    """Store a run."""
    return VaultRun.objects.create(**{"kind": kind, "started_at": NOW, **fields})


def make_drill(copy: VaultCopy, outcome: str = "restored", **fields: Any) -> RestoreDrill:
    """Store an attempt to restore a copy."""
    known = {"job": copy.job, "copy": copy, "started_at": NOW, "outcome": outcome}
    return RestoreDrill.objects.create(**{"run": make_vault_run("drill"), **known, **fields})
