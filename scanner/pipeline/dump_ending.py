r"""How the dumps that are text must end.

pg_dump, pg_dumpall and mysqldump close with a comment that they write when all else is written;
pg_dump since August 2025 with an `\unrestrict` that repeats the key of its `\restrict`; the sqlite3
shell with the COMMIT of its transaction. A cut one has no such end, or only the beginning of it.

What a script has added after that end is let pass: a few statements, none that makes or fills a
table. More may be the dump itself, in which a line reads like its end.
"""

import re

from scanner.pipeline.dump_kind import PREAMBLE, SIGNATURE, DumpKind

_RESTRICT = re.compile(rb"^\\restrict ([A-Za-z0-9]+)\r?$", re.MULTILINE)
_UNRESTRICT = re.compile(rb"^\\unrestrict ([A-Za-z0-9]+)\r?$", re.MULTILINE)
_PG_END = re.compile(rb"^-- PostgreSQL database (cluster )?dump complete[ \t]*\r?$", re.MULTILINE)
_PG_CLOSED = re.compile(rb"^--[ \t]*\r?$", re.MULTILINE)
_MYSQL_END = re.compile(
    # With --skip-dump-date there is no date: then only its newline proves that none was cut off.
    rb"^-- Dump completed(?: on \d{4}-\d\d-\d\d [ \d]\d:\d\d:\d\d[ \t]*(?:\r?$)|[ \t]*\r?\n)",
    re.MULTILINE,
)
_SQLITE_END = re.compile(rb"^COMMIT;\s*(?:PRAGMA [^\n]*;\s*)*\Z", re.MULTILINE)
_SQLITE_FAILED = re.compile(rb"^ROLLBACK;[^\n]*\Z", re.MULTILINE)
MOST_ADDED = 4096
"""Bytes that a script may have added after the end; more of it is taken for a part of the dump."""
_CONTENT = re.compile(rb"^(?:INSERT INTO|CREATE |COPY [^\n]* FROM stdin)", re.MULTILINE)
_PADDING = b"\0\x1a"


def ending_defect(kind: DumpKind, head: bytes, tail: bytes) -> str:
    """Say what is wrong with the end of a text dump; "" if nothing is, or `kind` is no text.

    `head` and `tail` are the first and the last bytes of the content, some 64 KiB of each or all.
    """
    tail = tail.rstrip(_PADDING)
    match kind:
        case DumpKind.PG_PLAIN:
            return _pg_defect("pg_dump", head, tail)
        case DumpKind.PG_CLUSTER:
            return _pg_defect("pg_dumpall", head, tail)
        case DumpKind.MYSQL:
            return _mysql_defect(tail)
        case DumpKind.SQLITE_SQL:
            return _sqlite_defect(tail)
    return ""


def _pg_defect(program: str, head: bytes, tail: bytes) -> str:
    missing = f"the end of the {program} output is missing: no"
    of_cluster = program == "pg_dumpall"
    marker = f"-- PostgreSQL database {'cluster ' if of_cluster else ''}dump complete"
    ends = [end for end in _PG_END.finditer(tail) if bool(end[1]) is of_cluster]
    # The end of one of its databases is not that of a cluster.
    if not ends or _begins_again(tail, ends[-1].end()):
        return f'{missing} "{marker}"'
    end = ends[-1]
    if not _PG_CLOSED.search(tail, end.end()):
        return f'{missing} "--" after "{marker}"'
    if of_cluster:
        return ""  # its own \\unrestrict comes before its databases, not at the end
    begin = _last(SIGNATURE, tail[: end.start()])
    beginning = head[:PREAMBLE] if begin is None else tail[begin.start() : end.start()]
    restricted, unrestricted = _RESTRICT.search(beginning), _UNRESTRICT.search(tail, end.end())
    # Not the same key: several dumps in one file have one each. All that pg_dump makes up are of
    # one length.
    if restricted and len(restricted[1]) != len(unrestricted[1] if unrestricted else b""):
        return f'{missing} whole "\\unrestrict" line after "{marker}"'
    return ""


def _begins_again(tail: bytes, position: int) -> bool:
    """Tell whether content follows after `position`, but for the whole globals of a cluster."""
    begin = SIGNATURE.search(tail, position)
    if begin is not None and begin["cluster"]:
        ends = [end.end() for end in _PG_END.finditer(tail, begin.end()) if end[1]]
        position = ends[-1] if ends else position
        begin = SIGNATURE.search(tail, position)
    added = tail[position:]
    return begin is not None or len(added) > MOST_ADDED or bool(_CONTENT.search(added))


def _mysql_defect(tail: bytes) -> str:
    end = _last(_MYSQL_END, tail)
    if end is not None and not _begins_again(tail, end.end()):
        return ""
    return 'the end of the mysqldump output is missing: it does not end with "-- Dump completed"'


def _sqlite_defect(tail: bytes) -> str:
    if _SQLITE_END.search(tail):
        return ""
    if _SQLITE_FAILED.search(tail.rstrip()):
        return 'the sqlite3 shell met errors in the database: its dump ends with "ROLLBACK;"'
    return 'the end of the sqlite3 .dump output is missing: it does not end with "COMMIT;"'


def _last(pattern: re.Pattern[bytes], text: bytes) -> re.Match[bytes] | None:
    found = list(pattern.finditer(text))
    return found[-1] if found else None
