"""Restores of SQLite's files and scripts into a file that is thrown away.

No program is started: Python's own SQLite does it, in this process. So what a script may do is
bounded by an authorizer (no other file is attached, no schema written by hand, no extension loaded,
nothing made among temporary tables, which no bound would hold for), by the number of pages, and by
the length of a value; a file is opened to be read only, as one whose schema is not trusted. The
deadline is looked at before each statement, and one that does not end is interrupted by a thread.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from scanner.drills import workplace
from scanner.drills.content import Content
from scanner.drills.outcome import CannotRestore, CannotTry, Deadline, Restored
from scanner.drills.statements import statements
from scanner.pipeline.dump_kind import DumpKind

KINDS = frozenset({DumpKind.SQLITE, DumpKind.SQLITE_SQL})
PAGE = 4096
ROOM_LOOKED_AT = 64 * 2**20
"""Bytes that are written before the room on the disk is looked at again."""
LONGEST_VALUE = 64 * 2**20
"""Bytes of a text of a script, or of a value that it computes: few of them fill the memory."""
_ERRORS_SHOWN = 3
_AGAIN_SECONDS = 0.1

_ALLOWED_PRAGMAS = frozenset({"foreign_keys"})
_FORBIDDEN = {
    sqlite3.SQLITE_ATTACH: "attaches another file",
    sqlite3.SQLITE_DETACH: "detaches a file",
    sqlite3.SQLITE_CREATE_VTABLE: "makes a virtual table",
    sqlite3.SQLITE_CREATE_TEMP_TABLE: "makes a temporary table",
    sqlite3.SQLITE_CREATE_TEMP_INDEX: "makes a temporary index",
    sqlite3.SQLITE_CREATE_TEMP_TRIGGER: "makes a temporary trigger",
    sqlite3.SQLITE_CREATE_TEMP_VIEW: "makes a temporary view",
}
_FORBIDDEN_FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer"})
_APPLICATIONS_OWN = ("no such module", "no such function", "unknown function", "no such collation")


class SqliteFile:
    """The temporary files of drills, as a place to restore into."""

    name = "SQLite"

    def restore(
        self, kind: DumpKind, content: Content, *, folder: Path, deadline: Deadline
    ) -> Restored:
        """Restore a database file or a script into `folder`, and count what is there.

        Raise CannotRestore or CannotTry.
        """
        file = folder / "restored.sqlite3"
        try:
            if kind is DumpKind.SQLITE:
                _write(content, file, deadline)
                return _examine(file, deadline)
            return _execute(content, kind, file, deadline)
        except sqlite3.Error as error:
            raise _explained(error, deadline) from error
        except OSError as error:
            raise CannotTry(f"the temporary file cannot be written: {error.strerror}") from error
        finally:
            file.unlink(missing_ok=True)


def _write(content: Content, file: Path, deadline: Deadline) -> None:
    room = workplace.free_bytes(file.parent)
    with file.open("xb") as out:
        for piece in content:
            deadline.left()
            if len(piece) > room:
                raise _no_room(file)
            out.write(piece)
            room -= len(piece)
            if content.size % ROOM_LOOKED_AT < len(piece):
                room = workplace.free_bytes(file.parent)


def _examine(file: Path, deadline: Deadline) -> Restored:
    address = f"{file.as_uri()}?mode=ro&immutable=1"
    with (
        closing(sqlite3.connect(address, uri=True, isolation_level=None)) as database,
        _interrupted_at(database, deadline),
    ):
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute("PRAGMA cell_size_check = ON")
        found = [str(row[0]) for row in database.execute("PRAGMA integrity_check(100)")]
        if found != ["ok"]:
            shown = "; ".join(found[:_ERRORS_SHOWN])
            raise CannotRestore(f"SQLite finds the database damaged: {shown}")
        return _count(database, deadline)


def _execute(content: Content, kind: DumpKind, file: Path, deadline: Deadline) -> Restored:
    guard = _Guard()
    with (
        closing(sqlite3.connect(file, isolation_level=None)) as database,
        _interrupted_at(database, deadline),
    ):
        pages = workplace.free_bytes(file.parent) // PAGE
        if not pages:
            raise _no_room(file)
        for pragma in (
            f"page_size = {PAGE}",
            f"max_page_count = {min(pages, 2**32 - 2)}",
            "journal_mode = OFF",
            "synchronous = OFF",
            "trusted_schema = OFF",
        ):
            database.execute(f"PRAGMA {pragma}").close()
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        database.set_authorizer(guard.judge)
        for statement in statements(content, deadline.left):
            deadline.left()
            try:
                database.execute(statement).close()
            except sqlite3.Error as error:
                deadline.left()
                guard.tell()
                raise _explained(error, deadline, statement) from error
        if database.in_transaction:
            raise CannotRestore("the dump ends before its COMMIT")
        if defect := content.ending_defect(kind):
            raise CannotRestore(defect)
        database.set_authorizer(None)
        return _count(database, deadline)


class _Guard:
    """Refuses what a dump has no business to do, and remembers what that was."""

    def __init__(self) -> None:
        self._refused = ""

    def judge(self, action: int, first: str | None, second: str | None, *where: object) -> int:
        """Answer SQLite's question whether a statement may do something."""
        if action == sqlite3.SQLITE_PRAGMA:
            if (first or "").lower() in _ALLOWED_PRAGMAS:
                return sqlite3.SQLITE_OK
            self._refused = f"sets the pragma {first}"
        elif action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _FORBIDDEN_FUNCTIONS:
            self._refused = f"calls the function {second}"
        elif action in _FORBIDDEN:
            self._refused = _FORBIDDEN[action]
        elif where[0] == "temp":  # CREATE TABLE temp.x is not told as one of the above
            self._refused = "writes among temporary tables"
        else:
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    def tell(self) -> None:
        """Raise what was refused, if anything was."""
        if "writable_schema" in self._refused:
            raise CannotTry(
                "the dump has virtual tables, which it writes into the schema by hand; a drill "
                "does not let a dump do that: back the database up as a file (VACUUM INTO, .backup)"
            )
        if self._refused:
            raise CannotRestore(f"the dump {self._refused}, which a drill refuses")


def _count(database: sqlite3.Connection, deadline: Deadline) -> Restored:
    # A virtual table has no root page; its rows are those of its shadow tables.
    names = [
        str(row[0])
        for row in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0 "
            "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        )
    ]
    rows = 0
    for name in names:
        deadline.left()
        quoted = '"' + name.replace('"', '""') + '"'
        rows += database.execute(f"SELECT count(*) FROM main.{quoted}").fetchone()[0]  # noqa: S608
    return Restored(len(names), rows)


@contextmanager
def _interrupted_at(database: sqlite3.Connection, deadline: Deadline) -> Iterator[None]:
    ended = threading.Event()
    seconds = deadline.left()

    def interrupt() -> None:
        # Again and again: it does nothing to a statement that begins a moment later.
        over = ended.wait(seconds)
        while not over:
            database.interrupt()
            over = ended.wait(_AGAIN_SECONDS)

    thread = threading.Thread(target=interrupt, name="drill deadline", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _explained(
    error: sqlite3.Error, deadline: Deadline, statement: str = ""
) -> CannotRestore | CannotTry:
    deadline.left()
    words = str(error)
    if any(own in words for own in _APPLICATIONS_OWN):
        return CannotTry(f"the database needs what only its application brings: {words}")
    if "disk is full" in words or "disk I/O error" in words:
        return CannotTry(f"the disk of temporary files is full, or broken: {words} (TMPDIR)")
    where = f" (in: {statement[:200]})" if statement else ""
    if "too big" in words:
        return CannotTry(
            f"a value of the dump is longer than the {LONGEST_VALUE:,} bytes that a drill takes "
            f"from a script{where}: back the database up as a file (VACUUM INTO, .backup)"
        )
    return CannotRestore(f"SQLite says: {words}{where}")


def _no_room(file: Path) -> CannotTry:
    return CannotTry(
        f"no room for the dump on the disk of temporary files, {file.parent.parent}: free some, or "
        "set TMPDIR to a larger disk"
    )
