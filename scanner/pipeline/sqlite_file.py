"""Whether an SQLite database file is whole: by its header, and by SQLite itself on a copy.

The file format: https://www.sqlite.org/fileformat2.html, section 1.3.
"""

import fcntl
import os
import sqlite3
import tempfile
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import quote

HEADER_SIZE = 100
_PAGE_SIZES = frozenset(2**power for power in range(9, 17))
_OPS_BETWEEN_LOOKS_AT_THE_CLOCK = 10_000

# Rows that quick_check gives for values a constraint forbids: whole, however strange.
_ABOUT_VALUES = ("NULL value in ", "NUMERIC value in ", "TEXT value in ", "non-")
_UNKNOWN_SCHEMA = "malformed database schema"
_PREFIX = "sqlite-check-"
_DAMAGE = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))


def header_defect(head: bytes, size: int) -> str:
    """Say what the header of an SQLite file shows to be wrong; "" if nothing.

    `head` is the file's first bytes, at least its header unless the file is shorter; `size` is the
    whole file's in bytes. A file may be longer than its header says, by whole pages: SQLite itself
    takes it, since a file can be made to grow in steps.
    """
    if size < HEADER_SIZE:
        return f"the SQLite file is cut: it has {size:,} bytes, its header alone has {HEADER_SIZE}"
    page = _page_size(head)
    if page not in _PAGE_SIZES:
        return f"the SQLite file is damaged: its header gives pages of {page:,} bytes"
    declared = declared_size(head)
    if size < declared:
        return (
            f"the SQLite file is cut: its header gives {declared // page:,} pages of {page:,} "
            f"bytes, that is {declared:,} bytes; {size:,} are here"
        )
    # What a script has added is less than a page, and SQLite reads nothing of it.
    if size % page and not (declared and size - declared < page):
        return f"the SQLite file is cut: {size:,} bytes are no whole pages of {page:,} bytes"
    return ""


def declared_size(head: bytes) -> int:
    """Give the bytes that a file has at least, by its header; 0 if that does not tell."""
    is_current = head[24:28] == head[92:96]  # programs before 3.7.0 did not keep it
    return int.from_bytes(head[28:32]) * _page_size(head) if is_current else 0


def _page_size(head: bytes) -> int:
    size = int.from_bytes(head[16:18])
    return 65_536 if size == 1 else size


def quick_check(path: Path, *, seconds: float) -> str | None:
    """Let SQLite check the database file at `path`, which nobody may change meanwhile.

    Give "" for a whole one, what is wrong in words, or None if it could not be decided: it takes
    longer than `seconds`, the file cannot be opened, or it needs what this server's SQLite lacks.
    The file is untrusted: it is opened read-only, and no SQL in its schema may have side effects.
    """
    give_up = time.monotonic() + seconds
    try:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)
    except sqlite3.Error:
        return None
    try:
        connection.set_progress_handler(
            lambda: time.monotonic() > give_up, _OPS_BETWEEN_LOOKS_AT_THE_CLOCK
        )
        for pragma in (
            "trusted_schema = OFF",
            "cell_size_check = ON",
            "ignore_check_constraints = ON",
            "mmap_size = 0",
        ):
            connection.execute(f"PRAGMA {pragma}")
        rows = [str(row) for (row,) in connection.execute("PRAGMA quick_check(100)")]
    except sqlite3.DatabaseError as error:
        # The low byte is the kind of error, the others tell more.
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE:
            if str(error).startswith(_UNKNOWN_SCHEMA):
                return None  # a newer SQLite may have written it
            return f"the SQLite file is damaged: {error}"
        return None
    finally:
        connection.close()
    damage = [row for row in rows if row != "ok" and not row.startswith(_ABOUT_VALUES)]
    return f"the SQLite file is damaged: {damage[0]}" if damage else ""


def sweep(folder: Path) -> None:
    """Delete the copies that killed processes have left; those in use are locked."""
    for leftover in folder.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            descriptor = os.open(leftover, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                leftover.unlink()
            finally:
                os.close(descriptor)


class SpooledCheck:
    """quick_check of a database that goes by in pieces, on a temporary copy of it.

    The copy is given up, silently, when it would be larger than `limit` bytes or cannot be written:
    this check is a luxury. It is deleted by `close`, at the latest when this object is.
    """

    def __init__(self, folder: Path, *, limit: int, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._size = 0
        self._descriptor: int | None = None
        try:
            self._descriptor, name = tempfile.mkstemp(prefix=_PREFIX, dir=folder)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except OSError:
            return
        self._path = Path(name)
        self._discard = weakref.finalize(self, _discard, self._descriptor, self._path)

    def take(self, chunk: memoryview) -> None:
        """Copy the next bytes."""
        if self._descriptor is None:
            return
        self._size += len(chunk)
        if self._size > self._limit:
            self.close()
            return
        try:
            while chunk:
                chunk = chunk[os.write(self._descriptor, chunk) :]
        except OSError:
            self.close()

    def finish(self) -> str:
        """Check the copy, and delete it; say what is wrong, "" if nothing is known."""
        if self._descriptor is None:
            return ""
        try:
            return quick_check(self._path, seconds=self._seconds) or ""
        finally:
            self.close()

    def close(self) -> None:
        """Delete the copy, if there is one. May be called again."""
        if self._descriptor is not None:
            self._descriptor = None
            self._discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def _discard(descriptor: int, path: Path) -> None:
    os.close(descriptor)
    path.unlink(missing_ok=True)
