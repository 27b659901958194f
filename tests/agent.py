"""An agent for tests: it dumps, compresses, stages and reports as those in the field do."""

import bz2
import gzip
import hashlib
import json
import lzma
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import lz4.frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": lambda raw: gzip.compress(raw, mtime=0),
    ".zst": zstd.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".lz4": lz4.frame.compress,
    "": bytes,
}


def dump_of(text: str, rows: int = 200) -> bytes:
    """Give a small SQL dump whose content depends on `text`."""
    lines = [f"INSERT INTO t VALUES ({row}, '{text}');" for row in range(rows)]
    return ("-- MySQL dump 10.13\n" + "\n".join(lines) + "\n-- Dump completed\n").encode()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Agent:
    """Deposits into `root/name`; `reported` holds the report files that it dropped."""

    root: Path
    name: str = "ACME_DOUALA_NEWBELL"
    reported: list[Path] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.root / self.name

    @property
    def log(self) -> Path:
        return self.home / "log"

    @property
    def databases(self) -> Path:
        return self.home / "databases"

    def stage(self, file_name: str, content: bytes) -> Path:
        """Put a file where rsync would: written beside, then renamed."""
        self.databases.mkdir(parents=True, exist_ok=True)
        partial = self.databases / f".{file_name}.XyZ123"
        partial.write_bytes(content)
        return partial.rename(self.databases / file_name)

    def claim(
        self,
        dump: bytes,
        ended: datetime,
        extension: str = ".gz",
        file_name: str = "",
        **changes: Any,
    ) -> dict[str, Any]:
        """Stage a dump and give the canonical claim about it; `changes` replace parts of it."""
        packed = PACK[extension](dump)
        staged = self.stage(file_name, packed)
        start = iso(ended - timedelta(minutes=2))
        times = {"start_time": start, "end_time": iso(ended)}
        return {
            "BACKUP": {"status": True, "sha256_checksum": sha256(dump), "size": len(dump), **times},
            "COMPRESS": {
                "status": True,
                "sha256_checksum": sha256(packed),
                "size": len(packed),
                **times,
            },
            "TRANSFER": {"status": True, "error_message": None, **times},
            "staged_file_name": staged.name,
            **changes,
        }

    def report(self, claims: Mapping[str, Any], ended: datetime, **changes: Any) -> Path:
        """Drop a canonical report; `changes` replace its top-level keys."""
        content = {
            "operation_start_time": iso(ended - timedelta(minutes=5)),
            "operation_end_time": iso(ended),
            "agent_id": self.name,
            "overall_status": "completed",
            "databases": claims,
            **changes,
        }
        return self.drop(f"{ended:%Y%m%d_%H%M%S}_{self.name}.json", json.dumps(content))

    def drop(self, name: str, content: str | bytes) -> Path:
        """Put any file into the log folder."""
        self.log.mkdir(parents=True, exist_ok=True)
        self.databases.mkdir(parents=True, exist_ok=True)
        file = self.log / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.reported.append(file)
        return file

    def deposit(
        self,
        database: str,
        ended: datetime,
        *,
        dump: bytes | None = None,
        extension: str = ".gz",
        arrived: datetime | None = None,
        **changes: Any,
    ) -> Path:
        """Stage and report one good backup of one database; with `arrived`, as of then (mtime)."""
        file_name = f"{database.lower()}.sql{extension}"
        dump = dump_of(f"{database} {ended}") if dump is None else dump
        claim = self.claim(dump, ended, extension, file_name, **changes)
        report = self.report({database: claim}, ended)
        if arrived is not None:
            set_time(self.databases / file_name, ended)
            set_time(report, arrived)
        return report


def set_time(file: Path, at: datetime) -> None:
    """Set a file's modification time, which scans with `by_mtime` take for its arrival."""
    os.utime(file, (at.timestamp(), at.timestamp()), follow_symlinks=False)
