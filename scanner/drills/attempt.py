"""One copy of the vault -> what came of the attempt to restore it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from scanner import conf
from scanner.drills import mysql, postgres, sqlite, workplace
from scanner.drills.content import Content
from scanner.drills.outcome import CannotRestore, CannotTry, Deadline, Restored
from scanner.errors import VaultError
from scanner.models import VaultCopy
from scanner.models.vault import RestoreDrill
from scanner.pipeline.dump_kind import DumpKind
from scanner.pipeline.patrol import open_copy
from scanner.pipeline.vault_tree import open_root

Outcome = RestoreDrill.Outcome


class Restorer(Protocol):
    """Something into which dumps of some kinds are restored."""

    @property
    def name(self) -> str:
        """What people call it."""

    def restore(
        self, kind: DumpKind, content: Content, *, folder: Path, deadline: Deadline
    ) -> Restored:
        """Restore a dump, count, and leave nothing behind. Raise CannotRestore or CannotTry."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one copy."""

    outcome: RestoreDrill.Outcome
    words: str = ""
    target: str = ""
    seconds: float | None = None
    """From the first byte that was read until all rows were counted; None unless it succeeded."""
    restored: Restored | None = None
    bytes: int = 0
    """Bytes of the copy that were read."""
    began: bool = False
    """Whether a restore was begun: then the attempt took what it takes."""


class Restorers:
    """The scratch servers and files, each looked at once, when it is first needed."""

    def __init__(self) -> None:
        self._ready: dict[str, Restorer | CannotTry] = {}
        self.refused: list[str] = []
        """Why servers that the settings name are not used, in words."""

    def of(self, kind: DumpKind) -> Restorer:
        """Give what restores dumps of this kind. Raise CannotTry when there is nothing."""
        if kind in sqlite.KINDS:
            return sqlite.SqliteFile()
        if kind in postgres.KINDS:
            return self._once("POSTGRES", conf.drill_postgres_url(), postgres.PostgresServer)
        if kind in mysql.KINDS:
            return self._once("MYSQL", conf.drill_mysql_url(), mysql.MysqlServer)
        if kind is DumpKind.PG_CLUSTER:
            raise CannotTry(
                "a dump of pg_dumpall is a whole cluster with its users, which no drill restores; "
                "pg_dump of each database can be drilled"
            )
        if kind is DumpKind.UNKNOWN:
            raise CannotTry("nobody here knows which program wrote this dump")
        raise CannotTry(f"there is no drill for dumps of the kind {kind.value}")

    def _once(self, engine: str, url: str, make: Callable[..., Restorer]) -> Restorer:
        if not url:
            raise CannotTry(f"there is no scratch server: set RESTORE_DRILL_{engine}_URL")
        if engine not in self._ready:
            try:
                self._ready[engine] = make(url, conf.database())
            except CannotTry as refusal:
                self._ready[engine] = refusal
                self.refused.append(str(refusal))
        ready = self._ready[engine]
        if isinstance(ready, CannotTry):
            raise CannotTry(str(ready))
        return ready


def attempt(copy: VaultCopy, restorers: Restorers) -> Attempt:
    """Restore a copy and tell what came of it.

    Raise VaultError when the vault itself cannot be read: that says nothing about the copy.
    """
    vault = conf.vault_root()
    most = conf.drill_bytes()
    if (copy.entry.content_size or 0) > most:
        return Attempt(
            Outcome.NOT_TRIED,
            f"the dump has {copy.entry.content_size:,} bytes, more than the {most:,} that a drill "
            "restores (RESTORE_DRILL_MAX_GIB)",
        )
    try:
        file = open_copy(vault, copy.path)
    except VaultError as error:
        with open_root(vault):
            return Attempt(Outcome.FAILED, str(error))
    started = time.monotonic()
    with file:
        content = Content(file, codec=copy.entry.codec, sha256=copy.sha256, most=most)
        return _restore(content, copy, restorers, started)


def _restore(content: Content, copy: VaultCopy, restorers: Restorers, started: float) -> Attempt:
    target, began = "", False
    try:
        kind = content.begin(copy.entry.dump_kind)
        restorer = restorers.of(kind)
        target, began = restorer.name, True
        deadline = Deadline(conf.drill_timeout() / timedelta(seconds=1))
        with workplace.folder() as folder:
            restored = restorer.restore(kind, content, folder=folder, deadline=deadline)
    except CannotTry as lack:
        return Attempt(Outcome.NOT_TRIED, str(lack), target, bytes=content.packed, began=began)
    except CannotRestore as failure:
        words = str(failure)
        if content.is_damaged() and "SHA-256" not in words:
            words = f"the copy is damaged: its SHA-256 is not the one on record; {words}"
        return Attempt(Outcome.FAILED, words, target, bytes=content.packed, began=began)
    if not restored.tables:
        words = "the restore gave no table at all: nothing is proven by it"
        return Attempt(Outcome.FAILED, words, target, bytes=content.packed, began=began)
    return Attempt(
        Outcome.RESTORED,
        "",
        target,
        time.monotonic() - started,
        restored,
        content.packed,
        began,
    )
