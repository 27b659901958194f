"""Good backups on their way into the vault, those already there, and those that had to wait."""

import logging
from collections.abc import Iterable
from datetime import datetime

from scanner import board, conf, history, vault_presence
from scanner.cases import Case, StagedFile
from scanner.errors import FileAbsent, FileChanged, UnsafeFile, VaultError
from scanner.models import BackupEntry, ExpectedBackupJob, ScanRun
from scanner.pipeline import vault, verdict
from scanner.pipeline.archive import Codec
from scanner.pipeline.deposit import AgentFolder, FileClock, open_staged
from scanner.pipeline.verification import Level, Measurement, Spool, measure

logger = logging.getLogger(__name__)

NOT_COPIED = "; not copied yet: "


def copy_staged(
    staged: StagedFile,
    job: ExpectedBackupJob,
    ended: datetime | None,
    sha256: str,
    codec: Codec,
) -> str:
    """Copy a staged file into the vault; give the path it has there. Raise as `vault.promote`."""
    assert ended is not None  # a good entry has a report, and so an end
    folder, name = staged
    path = vault.copy_path(job.place, job.database_name, ended, vault.extension_of(name, codec))
    with open_staged(folder, name) as stream:
        reserve = conf.vault_reserve_bytes()
        return str(vault.promote(stream, conf.vault_root(), path, sha256, reserve=reserve))


def already_there(
    cases: Iterable[Case], *, level: Level, clock: FileClock, spool: Spool
) -> dict[Case, tuple[Measurement, str]]:
    """Look in the vault for what each claim is about; give what was found there, measured.

    The copy is told by the digest that is claimed, and read again.
    """
    claimed = {
        case: case.claim.compress.sha256
        for case in cases
        if case.claim is not None and case.claim.compress.sha256 is not None
    }
    recorded = board.copies((case.job.pk for case in claimed), claimed.values())
    found: dict[Case, tuple[Measurement, str]] = {}
    for case, digest in claimed.items():
        assert case.claim is not None
        entry = recorded.get((case.job.pk, digest))
        path = entry.vault_path if entry is not None else ""
        if not path:
            job = case.job
            copy = vault.find_copy(
                conf.vault_root(), job.place, job.database_name, case.end.at, digest
            )
            path = str(copy) if copy else ""
        if not path:
            continue
        try:
            with vault.open_copy(conf.vault_root(), path) as stream:
                measured = measure(
                    stream,
                    level=level,
                    claimed_content_size=case.claim.backup.size,
                    changed_at=clock,
                    spool=spool,
                )
        except (FileChanged, VaultError, OSError) as error:
            logger.warning("the vault copy %s cannot be read: %s", path, error)
            continue
        if measured.sha256 == digest:
            found[case] = (measured, path)
    return found


def retry(
    folders: Iterable[AgentFolder], run: ScanRun, *, now: datetime, fence: history.Fence
) -> None:
    """Copy the good backups that a scan before this run could not write to the vault.

    One that still cannot be written keeps no other from it. A staged file that is another one by
    now can never be copied: its entry keeps the warning.
    """
    homes = {folder.agent: folder for folder in folders}
    if away := vault_presence.why_away():
        logger.warning("copies go on waiting: %s", away)
        return
    settled: list[BackupEntry] = []
    for entry in board.pending_copies():
        if entry.agent_id not in homes or entry.run_id == run.pk:
            continue
        staged = (homes[entry.agent_id], entry.staged_name)
        try:
            entry.vault_path = copy_staged(
                staged, entry.job, entry.operation_end, entry.sha256, Codec(entry.codec)
            )
        except VaultError as error:
            logger.warning("a copy goes on waiting: %s", error)
            continue
        except (FileChanged, FileAbsent, UnsafeFile):
            logger.warning("%s is gone: it cannot be copied any more", entry.staged_name)
            before = entry.message.partition(NOT_COPIED)[0]
            entry.message = f"{before}; never copied: the staged file was replaced before"
        except OSError:
            logger.exception("%s cannot be read for its copy", entry.staged_name)
            continue
        else:
            entry.warnings = [
                word for word in entry.warnings if word != verdict.Warning.NOT_IN_VAULT
            ]
            entry.message = entry.message.partition(NOT_COPIED)[0]
        entry.vault_pending = False
        settled.append(entry)
    if settled:
        history.record_copies(settled, now=now, fence=fence)
