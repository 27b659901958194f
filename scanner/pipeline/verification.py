"""What the server finds by reading a staged file: everything from one streamed read.

1. The file's metadata are taken.
2. Its bytes go by in blocks of 1 MiB. Each is hashed; the first tells the codec; from then on each
   is decompressed too, and what comes out is counted, hashed and watched (`wholeness`), up to the
   content's end, a defect or a bound. The staged bytes are hashed to the end in any case.
3. The metadata are taken again: a file that changed meanwhile was not measured but mixed.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from scanner.errors import FileChanged
from scanner.pipeline.archive import (
    HEAD_SIZE,
    MAX_TOTAL,
    BrokenArchive,
    Codec,
    Decompressor,
    TooDemanding,
    content_bound,
    recognise,
)
from scanner.pipeline.dump_kind import DumpKind
from scanner.pipeline.wholeness import ContentWatch, Dump

BLOCK_SIZE = 1024 * 1024
"""Bytes that are read at once."""


class Level(StrEnum):
    """How far a verification goes or went. Each one includes those before it.

    RESTORED is what a restore drill makes of a copy; no reading does.
    """

    PRESENT = "present"
    DIGEST = "digest"
    ARCHIVE = "archive"
    CONTENT = "content"
    RESTORED = "restored"

    @property
    def rank(self) -> int:
        """The level's place in the order; strings would compare by the alphabet."""
        return tuple(Level).index(self)


class ArchiveState(StrEnum):
    """What became of the attempt to read the content."""

    WHOLE = "whole"
    BROKEN = "broken"
    BOUNDED = "bounded"  # a bound of decompression was hit first: it may be whole or not
    UNTESTED = "untested"  # opaque, or nobody asked


@dataclass(frozen=True, slots=True)
class Measurement:
    """What the bytes of one staged file say."""

    size: int
    """Bytes of the staged file."""
    sha256: str
    """Of the staged file, in lower hex."""
    changed_at: datetime
    """When the file last changed on this server, UTC."""
    codec: Codec
    archive: ArchiveState
    archive_error: str
    """What is wrong, in words; "" unless BROKEN or BOUNDED."""
    content_size: int | None
    """Raw bytes; None unless WHOLE."""
    content_sha256: str | None
    """Of the raw bytes, in lower hex; None unless WHOLE and measured at level CONTENT."""
    exceeds_claim: bool
    """Whether more raw bytes came out than the agent claims; reading of content stopped there."""
    seconds: float
    """What the measurement took."""
    dump_kind: DumpKind = DumpKind.UNKNOWN
    """Which program wrote the dump; UNKNOWN unless measured at level CONTENT."""
    dump_defect: str = ""
    """What shows that the dump was cut, in words; "" where nothing does."""
    stable_sha256: str | None = None
    """Of the raw bytes without what differs in every dump, in lower hex; None as content_sha256."""


class StagedFile(Protocol):
    """An open file, at its beginning."""

    def fileno(self) -> int:
        """Give the descriptor, whose metadata are read."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Read into `buffer`; give the count of bytes, 0 at the end."""


@dataclass(frozen=True, slots=True)
class Spool:
    """Where SQLite databases are put for a moment to be checked, up to which size in bytes."""

    folder: Path
    limit: int


def measure(
    file: StagedFile,
    *,
    level: Level,
    claimed_content_size: int | None,
    changed_at: Callable[[os.stat_result], datetime],
    spool: Spool | None = None,
) -> Measurement:
    """Read `file` once, as far as `level` asks (DIGEST to CONTENT), in bounded memory.

    `claimed_content_size` is the raw dump's size in bytes as its agent reports it: decompression
    stops as soon as more came out. Without one it stops at `archive.content_bound`. `changed_at`
    reads from the file's metadata when it last changed, in UTC. Without a `spool` SQLite databases
    are not checked by SQLite. Raise FileChanged when the file changed while it was read, OSError
    when it cannot be read. Safe in threads.
    """
    if level not in (Level.DIGEST, Level.ARCHIVE, Level.CONTENT):
        raise ValueError(f"a measurement reads the file: {level.value} is not a way to do so")
    started = time.perf_counter()
    before = os.fstat(file.fileno())
    staged = hashlib.sha256()
    codec = Codec.NONE
    packed: _PackedContent | None = None
    with _watch(level, spool) as watch:
        size = 0
        for block in _blocks(file):
            if size == 0:
                codec = recognise(bytes(block[:HEAD_SIZE]))
                if level.rank >= Level.ARCHIVE.rank and codec not in (Codec.NONE, Codec.OPAQUE):
                    packed = _PackedContent(codec, watch, claimed_content_size, before.st_size)
            size += len(block)
            if size > before.st_size:
                break  # it grows, perhaps faster than it is read
            if codec is Codec.NONE and watch is not None:
                watch.take(block)  # the staged bytes are the content, and hashed once
                continue
            staged.update(block)
            if packed is not None:
                packed.take(block)
        _check_unchanged(before, os.fstat(file.fileno()), size)
        if packed is not None:
            content = packed.finish()
        elif level is Level.DIGEST or codec is Codec.OPAQUE:
            content = _Content(ArchiveState.UNTESTED)
        else:
            content = _Content(
                ArchiveState.WHOLE,
                size=size,
                dump=None if watch is None else watch.finish(),
                exceeds_claim=claimed_content_size is not None and size > claimed_content_size,
            )
    dump = content.dump
    is_hashed_as_content = codec is Codec.NONE and dump is not None
    return Measurement(
        size=size,
        sha256=dump.raw_sha256 if dump and is_hashed_as_content else staged.hexdigest(),
        changed_at=changed_at(before),
        codec=codec,
        archive=content.archive,
        archive_error=content.error,
        content_size=content.size,
        content_sha256=dump.raw_sha256 if dump else None,
        exceeds_claim=content.exceeds_claim,
        seconds=time.perf_counter() - started,
        dump_kind=dump.kind if dump else DumpKind.UNKNOWN,
        dump_defect=dump.defect if dump else "",
        stable_sha256=dump.stable_sha256 if dump else None,
    )


@contextmanager
def _watch(level: Level, spool: Spool | None) -> Iterator[ContentWatch | None]:
    """Watch the content for the length of the block, where the level asks for it."""
    if level is not Level.CONTENT:
        yield None
        return
    folder, limit = (spool.folder, spool.limit) if spool else (None, 0)
    with ContentWatch(spool=folder, spool_limit=limit) as watch:
        yield watch


@dataclass(frozen=True, slots=True)
class _Content:
    """The half of a Measurement that is about the content."""

    archive: ArchiveState
    error: str = ""
    size: int | None = None
    dump: Dump | None = None
    exceeds_claim: bool = False


class _PackedContent:
    """Reads the content of an archive while its blocks go by, until something is found."""

    def __init__(
        self,
        codec: Codec,
        watch: ContentWatch | None,
        claimed_size: int | None,
        staged_size: int,
    ) -> None:
        self._decompressor = Decompressor(codec)
        self._watch = watch
        self._size = 0
        self._claimed_size = claimed_size
        if claimed_size is None:
            self._limit = content_bound(staged_size)
        else:
            self._limit = min(claimed_size, MAX_TOTAL)
        self._found: _Content | None = None

    def take(self, block: memoryview) -> None:
        """Decompress the next block of the file, unless all is known already."""
        if self._found is not None:
            return
        try:
            for chunk in self._decompressor.feed(block):
                self._size += len(chunk)
                if self._size > self._limit:
                    self._found = self._too_much()
                    return
                if self._watch is not None:
                    self._watch.take(chunk)
        except BrokenArchive as broken:
            self._found = _Content(ArchiveState.BROKEN, str(broken))
        except TooDemanding as demand:
            self._found = _Content(ArchiveState.BOUNDED, str(demand))

    def finish(self) -> _Content:
        """Give what was found, once the last block of the file was taken."""
        if self._found is not None:
            return self._found
        try:
            self._decompressor.close()
        except BrokenArchive as broken:
            return _Content(ArchiveState.BROKEN, str(broken))
        dump = None if self._watch is None else self._watch.finish()
        return _Content(ArchiveState.WHOLE, size=self._size, dump=dump)

    def _too_much(self) -> _Content:
        if self._claimed_size is not None and self._size > self._claimed_size:
            error = f"more than the claimed {self._claimed_size:,} bytes came out"
            return _Content(ArchiveState.BOUNDED, error, exceeds_claim=True)
        error = f"more than {self._limit:,} bytes came out, which is as far as this server reads"
        return _Content(ArchiveState.BOUNDED, error)


def _blocks(file: StagedFile) -> Iterator[memoryview]:
    """Yield the file in full blocks but for the last; each is only good until the next."""
    buffer = memoryview(bytearray(BLOCK_SIZE))
    filled = BLOCK_SIZE
    while filled == BLOCK_SIZE:
        filled = 0
        while filled < BLOCK_SIZE and (count := file.readinto(buffer[filled:])):
            filled += count
        if filled:
            yield buffer[:filled]


def _check_unchanged(before: os.stat_result, after: os.stat_result, read: int) -> None:
    traits = {
        "size": (before.st_size, after.st_size),
        "modification time": (before.st_mtime_ns, after.st_mtime_ns),
        "change time": (before.st_ctime_ns, after.st_ctime_ns),
        "inode": (before.st_ino, after.st_ino),
    }
    changed = [f"{name} {old} -> {new}" for name, (old, new) in traits.items() if old != new]
    if not changed and read != after.st_size:
        changed = [f"bytes read {read}, size {after.st_size}"]
    if changed:
        found = ", ".join(changed)
        raise FileChanged(f"the staged file changed while it was read ({found}); try it again")
