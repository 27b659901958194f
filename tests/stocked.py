"""A vault with a history: real files, and the rows that scans have left of them."""

import hashlib
from datetime import datetime
from pathlib import PurePosixPath

from scanner import conf, state, stock
from scanner.models import BackupEntry, ExpectedBackupJob, ScanRun, VaultCopy
from scanner.pipeline import vault
from tests.agent import PACK, dump_of


def content_of(database: str, ended: datetime) -> bytes:
    """Give the packed dump of an operation, as an agent would send it."""
    return PACK[".gz"](dump_of(f"{database} {ended}", rows=2))


def path_of(job: ExpectedBackupJob, ended: datetime) -> PurePosixPath:
    """Give the path below the vault of an operation's copy."""
    return vault.copy_path(job.place, job.database_name, ended, ".sql.gz")


def stocked(job: ExpectedBackupJob, *ends: datetime) -> list[VaultCopy]:
    """Record a good backup with a copy for each of these ends, in their order."""
    copies = []
    for ended in ends:
        content, path = content_of(job.database_name, ended), path_of(job, ended)
        file = conf.vault_root() / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        entry = good_entry(job, ended, str(path), content)
        copies.append(stock.copy_of(entry, now=ended))
        copies[-1].save()
    return copies


def good_entry(
    job: ExpectedBackupJob,
    ended: datetime,
    path: str,
    content: bytes = b"",
    status: str = "SUCCESS",
) -> BackupEntry:
    """Record a good backup as history does: the entry, and what it makes of its job's state."""
    run = ScanRun.objects.first() or ScanRun.objects.create(trigger="command", started_at=ended)
    entry = BackupEntry.objects.create(
        job=job,
        run=run,
        agent_id=job.agent_id,
        operation_end=ended,
        recorded_at=ended,
        status=status,
        level="content",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        vault_path=path,
    )
    state.apply(job, entry, ended)
    job.save()
    return entry
