"""What a dump is, whether it is whole, and two digests of it: from one look at its bytes.

A dump that was killed in the middle can have a clean digest and a clean archive around it. What
tells is the dump's own end, which each program writes last; `DumpKind` names those that are known.

**The stable digest** is the SHA-256 of the content without what differs between two dumps of a
database in which nothing changed (`volatile`), as far as that stands in the first or the last
`WINDOW` bytes. In detail:

1. A content of at most two windows is taken as one part, which is both its start and its end.
2. Of a longer one there are three: the first window, the last, and what is between them as it is.
3. The digest is that of the parts without what is volatile in each, one after another.

Nothing volatile in the first window: then both digests are one up to the last window, and only a
copy of its state is taken there. Otherwise a second SHA-256 runs beside the first.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from scanner.pipeline import sqlite_file
from scanner.pipeline.dump_ending import ending_defect
from scanner.pipeline.dump_kind import DumpKind, recognise_kind
from scanner.pipeline.pg_archive import PgArchiveWalk
from scanner.pipeline.sqlite_file import SpooledCheck
from scanner.pipeline.tarball import TarWalk
from scanner.pipeline.volatile import without_volatile

WINDOW = 64 * 1024
"""Bytes at the start and at the end of a content that are looked at."""

_MOST_HELD = 4 * WINDOW

# The least that SQL Server and mongodump write: a block, the magic number with an empty document.
_LEAST = {DumpKind.MSSQL: 512, DumpKind.MONGO: 9}


@dataclass(frozen=True, slots=True)
class Dump:
    """What the content of one file turned out to be."""

    kind: DumpKind
    defect: str
    """Why it is not whole, for people; "" if nothing is wrong, or nothing could be checked."""
    size: int
    """Bytes."""
    raw_sha256: str
    """Of all bytes, in lower hex."""
    stable_sha256: str
    """The stable digest, in lower hex; the raw one where nothing volatile was found."""


class _Walk(Protocol):
    def take(self, chunk: memoryview) -> None: ...

    def finish(self) -> str: ...


class ContentWatch:
    """Watches one content go by, in bounded memory and at the speed of SHA-256.

    With `spool`, a folder, an SQLite file of at most `spool_limit` bytes is copied there while it
    goes by and checked by SQLite itself, for at most `check_seconds`. The copy never outlives the
    watch: `finish` deletes it, and so does `close` for a content that is not read to its end.
    """

    def __init__(
        self, *, spool: Path | None = None, spool_limit: int = 0, check_seconds: float = 60.0
    ) -> None:
        self._spool = spool
        self._spool_limit = spool_limit
        self._check_seconds = check_seconds
        self._spooled: SpooledCheck | None = None
        self._walk: _Walk | None = None
        self._kind: DumpKind | None = None  # None until it is known whether there is a middle
        self._size = 0
        self._head = b""
        # The newest bytes wait here for their turn: those that turn out to be last are special.
        self._held = bytearray()
        self._raw = hashlib.sha256()
        self._stable: hashlib._Hash | None = None  # None as long as it is the raw one

    def take(self, chunk: bytes | memoryview) -> None:
        """Look at the next bytes, however many; they may change once this returns."""
        view = memoryview(chunk)
        self._size += len(view)
        if self._kind is None:
            wanted = 2 * WINDOW + 1 - len(self._held)
            self._held += view[:wanted]
            view = view[wanted:]
            if len(self._held) <= 2 * WINDOW:
                return
            self._begin()
        self._follow(view)
        if len(view) >= WINDOW:
            self._hash(self._held)
            self._hash(view[:-WINDOW])
            self._held[:] = view[-WINDOW:]
        else:
            self._held += view
            if len(self._held) > _MOST_HELD:
                self._hash_middle()

    def finish(self) -> Dump:
        """Give what was found, once all was taken."""
        try:
            if self._kind is None:
                self._kind = recognise_kind(bytes(self._held), is_all=True)
                self._head = tail = bytes(self._held)
                self._start_walk(self._kind)
                self._follow(memoryview(tail))
                is_all = True
            else:
                self._hash_middle()
                tail, is_all = bytes(self._held), False
            stable_tail = without_volatile(self._kind, tail, is_start=is_all, is_end=True)
            if stable_tail != tail and self._stable is None:
                self._stable = self._raw.copy()
            self._raw.update(tail)
            if self._stable is not None:
                self._stable.update(stable_tail)
            raw = self._raw.hexdigest()
            stable = raw if self._stable is None else self._stable.hexdigest()
            return Dump(self._kind, self._defect(self._kind, tail), self._size, raw, stable)
        finally:
            self.close()

    def close(self) -> None:
        """Delete what was spooled. For a content of which no more is wanted; `finish` does it."""
        if self._spooled is not None:
            self._spooled.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _begin(self) -> None:
        """Set out with a content that has a middle: its first window is known."""
        self._head = bytes(self._held[:WINDOW])
        self._kind = recognise_kind(self._head, is_all=False)
        self._start_walk(self._kind)
        with memoryview(self._held) as held:
            self._follow(held)
        stable_head = without_volatile(self._kind, self._head, is_start=True, is_end=False)
        if stable_head != self._head:
            self._stable = hashlib.sha256(stable_head)
        self._raw.update(self._head)
        del self._held[:WINDOW]

    def _start_walk(self, kind: DumpKind) -> None:
        if kind is DumpKind.PG_CUSTOM:
            self._walk = PgArchiveWalk()
        elif kind in (DumpKind.PG_TAR, DumpKind.TAR):
            self._walk = TarWalk(of_pg_dump=kind is DumpKind.PG_TAR)
        elif (
            kind is DumpKind.SQLITE
            and self._spool is not None
            and sqlite_file.declared_size(self._head) <= self._spool_limit
        ):
            self._spooled = self._walk = SpooledCheck(
                self._spool, limit=self._spool_limit, seconds=self._check_seconds
            )

    def _follow(self, view: memoryview) -> None:
        if self._walk is not None:
            self._walk.take(view)

    def _hash(self, data: bytearray | memoryview) -> None:
        self._raw.update(data)
        if self._stable is not None:
            self._stable.update(data)

    def _hash_middle(self) -> None:
        """Hash what is held, but for the last window."""
        middle = len(self._held) - WINDOW
        with memoryview(self._held) as held:
            self._hash(held[:middle])
        del self._held[:middle]

    def _defect(self, kind: DumpKind, tail: bytes) -> str:
        if kind is DumpKind.SQLITE and (
            defect := sqlite_file.header_defect(self._head, self._size)
        ):
            return defect
        if self._walk is not None:
            return self._walk.finish()
        if kind in _LEAST:
            return _header_defect(kind, self._head, self._size)
        return ending_defect(kind, self._head, tail)


def _header_defect(kind: DumpKind, head: bytes, size: int) -> str:
    """Say whether not even the header of a dump that cannot be walked through is there."""
    least = _LEAST[kind]
    if kind is DumpKind.MONGO:
        least = max(least, 4 + int.from_bytes(head[4:8], "little"))
    if size >= least:
        return ""
    return f"the {kind.value} file is cut: it has {size:,} bytes, its header alone {least:,}"
