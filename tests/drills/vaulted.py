"""Copies in the vault for drills: real dumps, with the rows that a scan would have left of them."""

import contextlib
import sqlite3
import tempfile
from datetime import datetime
from pathlib import Path

from scanner import conf, stock
from scanner.models import BackupEntry, ExpectedBackupJob, VaultCopy
from scanner.pipeline import vault
from scanner.pipeline.archive import recognise
from scanner.pipeline.dump_kind import recognise_kind
from tests.agent import PACK
from tests.scanning import NOW
from tests.stocked import good_entry

BROKEN = b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nINSERT INTO absent VALUES (1);\nCOMMIT;\n"
"""A dump with a beginning and an end, that does not restore."""


def sqlite_dump(rows: int = 3) -> bytes:
    """Give a database of one table as a file of SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "made"
        with contextlib.closing(sqlite3.connect(file)) as database, database:
            database.execute("CREATE TABLE t (a)")
            database.executemany("INSERT INTO t VALUES (?)", ((n,) for n in range(rows)))
        return file.read_bytes()


def vaulted(
    job: ExpectedBackupJob, dump: bytes, ended: datetime = NOW, extension: str = ".gz"
) -> VaultCopy:
    """Put a dump of a job into the vault."""
    packed = PACK[extension](dump)
    path = vault.copy_path(job.place, job.database_name, ended, f".dump{extension}")
    file = conf.vault_root() / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(packed)
    entry = good_entry(job, ended, str(path), packed)
    entry.codec = recognise(packed).value
    entry.dump_kind = recognise_kind(dump[:65536], is_all=True).value
    entry.content_size = len(dump)
    entry.save()
    copy = stock.copy_of(BackupEntry.objects.get(pk=entry.pk), now=ended)
    copy.save()
    return copy
