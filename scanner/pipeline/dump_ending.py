r"""How the dumps that are text must end.

pg_dump, pg_dumpall and mysqldump close with a comment that they write when all else is written;
pg_dump since August 2025 with an `\unrestrict` that repeats the key of its `\restrict`; the sqlite3
shell with the COMMIT of its transaction. A cut one has no such end, or only the beginning of it.
"""

import re

from scanner.pipeline.dump_kind import PREAMBLE, DumpKind

_RESTRICT = re.compile(rb"^\\restrict ([A-Za-z0-9]+)\r?$", re.MULTILINE)
_UNRESTRICT = re.compile(rb"\\unrestrict ([A-Za-z0-9]+)")
_MYSQL_END = re.compile(
    # With --skip-dump-date there is no date: then only its newline proves that none was cut off.
    rb"-- Dump completed(?: on \d{4}-\d\d-\d\d [ \d]\d:\d\d:\d\d\s*|[ \t]*\r?\n\s*)\Z"
)


def ending_defect(kind: DumpKind, head: bytes, tail: bytes) -> str:
    """Say what is wrong with the end of a text dump; "" if nothing is, or `kind` is no text.

    `head` and `tail` are the first and the last bytes of the content, some 64 KiB of each or all.
    """
    if kind is DumpKind.PG_PLAIN:
        return _pg_defect(b"-- PostgreSQL database dump complete", "pg_dump", head, tail)
    if kind is DumpKind.PG_CLUSTER:
        # Its own \unrestrict comes before the databases, not at the end.
        return _pg_defect(b"-- PostgreSQL database cluster dump complete", "pg_dumpall", b"", tail)
    if kind is DumpKind.MYSQL:
        if _MYSQL_END.match(_last_line(tail)):
            return ""
        return (
            'the end of the mysqldump output is missing: it does not end with "-- Dump completed"'
        )
    if kind is DumpKind.SQLITE_SQL:
        return _sqlite_defect(tail)
    return ""


def _pg_defect(marker: bytes, program: str, head: bytes, tail: bytes) -> str:
    missing = f"the end of the {program} output is missing: no"
    lines = tail.splitlines()
    closed, unrestricted = False, b""
    for line in reversed(lines):
        text = line.rstrip()
        if text == marker:
            break
        if text == b"--":
            closed = True
        elif found := _UNRESTRICT.fullmatch(text):
            unrestricted = found[1]
        elif text and not text.startswith(b"-- Completed on "):
            return f'{missing} "{marker.decode()}"'
    else:
        return f'{missing} "{marker.decode()}"'
    if not closed:
        return f'{missing} "--" after "{marker.decode()}"'
    restricted = _RESTRICT.search(head[:PREAMBLE])
    # Not the same key: several dumps in one file have one each. All that pg_dump makes up are of
    # one length.
    if restricted and len(unrestricted) != len(restricted[1]):
        return f'{missing} whole "\\unrestrict" line after "{marker.decode()}"'
    return ""


def _sqlite_defect(tail: bytes) -> str:
    last = _last_line(tail).rstrip()
    if last == b"COMMIT;":
        return ""
    if last.startswith(b"ROLLBACK;"):
        return 'the sqlite3 shell met errors in the database: its dump ends with "ROLLBACK;"'
    return 'the end of the sqlite3 .dump output is missing: it does not end with "COMMIT;"'


def _last_line(tail: bytes) -> bytes:
    """Give the last line that is not blank, with all that follows it."""
    end = len(tail.rstrip())
    return tail[tail.rfind(b"\n", 0, end) + 1 :]
