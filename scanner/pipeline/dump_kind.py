"""Which program wrote a dump, told by how its content begins."""

import re
from enum import StrEnum


class DumpKind(StrEnum):
    """What a content is. UNKNOWN is everything of which nothing more can be said."""

    PG_PLAIN = "pg_dump"
    PG_CLUSTER = "pg_dumpall"
    PG_CUSTOM = "pg_dump-custom"
    PG_TAR = "pg_dump-tar"
    MYSQL = "mysqldump"  # mariadb-dump too: one program under two names
    SQLITE = "sqlite"
    SQLITE_SQL = "sqlite3-dump"
    MSSQL = "mssql"
    MONGO = "mongodump"
    TAR = "tar"
    UNKNOWN = ""


HAVE_TRAILERS = frozenset(
    {DumpKind.PG_PLAIN, DumpKind.PG_CLUSTER, DumpKind.MYSQL, DumpKind.SQLITE_SQL}
)
"""Those that are text, and known to be whole by what they end with."""

PREAMBLE = 4096
"""Bytes at the beginning in which a line says who wrote the text: a warning may stand before it."""

# A content that ends inside one of these was cut: no program writes so little. The first that fits
# gives the kind, and where two begin alike it does not matter which.
_MAGIC: tuple[tuple[bytes, DumpKind], ...] = (
    (b"PGDMP", DumpKind.PG_CUSTOM),
    (b"SQLite format 3\0", DumpKind.SQLITE),
    (b"toc.dat\0", DumpKind.PG_TAR),
    (b"MSSQLBAK", DumpKind.MSSQL),
    (b"TAPE", DumpKind.MSSQL),
    ((0x8199E26D).to_bytes(4, "little"), DumpKind.MONGO),
)
_TEXT_BEGINNINGS: tuple[tuple[bytes, DumpKind], ...] = (
    (b"--\n-- PostgreSQL database dump", DumpKind.PG_PLAIN),
    (b"--\n-- PostgreSQL database cluster dump", DumpKind.PG_CLUSTER),
    (b"-- MySQL dump ", DumpKind.MYSQL),
    (b"-- MariaDB dump ", DumpKind.MYSQL),
    (b"/*M!999999\\- enable the sandbox mode */", DumpKind.MYSQL),
    (b"/*!999999\\- enable the sandbox mode */", DumpKind.MYSQL),
    (b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n", DumpKind.SQLITE_SQL),
)
_TAR_MAGIC = (257, b"ustar")
_UTF8_MARK = b"\xef\xbb\xbf"

_SQLITE_SQL = re.compile(rb"PRAGMA foreign_keys=OFF;\r?\nBEGIN TRANSACTION;")
SIGNATURE = re.compile(
    rb"^-- (?:(?P<mysql>(?:MySQL|MariaDB) dump )"
    rb"|PostgreSQL database (?P<cluster>cluster )?dump\r?$)",
    re.MULTILINE,
)
_CLUSTER_ENDS = re.compile(rb"^-- PostgreSQL database cluster dump complete\r?$", re.MULTILINE)


def recognise_kind(head: bytes, *, is_all: bool) -> DumpKind:
    """Tell what a content is that begins with `head`, of which `is_all` says that it is all.

    A content that ends before its signature is whole is taken for what it is the beginning of. A
    tar file whose first member is pg_dump's table of contents is PG_TAR. After `pg_dumpall
    --globals-only` another program's output often follows in the same file: where both are in
    `head`, the latter tells.
    """
    head = head.removeprefix(_UTF8_MARK)
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    offset, ustar = _TAR_MAGIC
    if head.startswith(ustar, offset):
        return DumpKind.TAR
    if _SQLITE_SQL.match(head):
        return DumpKind.SQLITE_SQL
    kind = _signed(head)
    if kind is DumpKind.UNKNOWN and is_all and head:
        unix = head.replace(b"\r", b"")
        for beginning, cut in (*_MAGIC, *_TEXT_BEGINNINGS):
            if unix and beginning.startswith((head, unix)):
                return cut
    return kind


def _signed(head: bytes) -> DumpKind:
    found = SIGNATURE.search(head[:PREAMBLE])
    while found and found["cluster"] and (end := _CLUSTER_ENDS.search(head, found.end())):
        following = SIGNATURE.search(head, end.end())
        if following is None:
            break
        found = following
    if found is None:
        return DumpKind.UNKNOWN
    if found["mysql"]:
        return DumpKind.MYSQL
    return DumpKind.PG_CLUSTER if found["cluster"] else DumpKind.PG_PLAIN
