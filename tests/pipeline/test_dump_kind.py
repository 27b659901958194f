import io
import tarfile

import pytest

from scanner.pipeline.dump_kind import PREAMBLE, DumpKind, recognise_kind


def _tar(name: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    return file.getvalue()


CLUSTER = b"--\n-- PostgreSQL database cluster dump\n--\n\nCREATE ROLE x;\n"
CLUSTER_END = b"--\n-- PostgreSQL database cluster dump complete\n--\n\n"
PLAIN = b"--\n-- PostgreSQL database dump\n--\n\nSET x = 1;\n"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (PLAIN, DumpKind.PG_PLAIN),
        (PLAIN.replace(b"\n", b"\r\n"), DumpKind.PG_PLAIN),
        (b"\xef\xbb\xbf" + PLAIN, DumpKind.PG_PLAIN),
        (b"pg_dump: warning: circular foreign keys\n" + PLAIN, DumpKind.PG_PLAIN),
        (CLUSTER, DumpKind.PG_CLUSTER),
        (CLUSTER + PLAIN, DumpKind.PG_CLUSTER),
        (CLUSTER + CLUSTER_END, DumpKind.PG_CLUSTER),
        (CLUSTER + CLUSTER_END + PLAIN, DumpKind.PG_PLAIN),
        (CLUSTER + CLUSTER_END + CLUSTER + PLAIN, DumpKind.PG_CLUSTER),
        (b"-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)\n--\n", DumpKind.MYSQL),
        (b"-- MariaDB dump 10.19  Distrib 10.6.16-MariaDB\r\n--\r\n", DumpKind.MYSQL),
        (b"/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19 ", DumpKind.MYSQL),
        (b"mysqldump: [Warning] A password is\n-- MySQL dump 10.13 ", DumpKind.MYSQL),
        (b"PGDMP\x01\x0e\x00", DumpKind.PG_CUSTOM),
        (_tar("toc.dat"), DumpKind.PG_TAR),
        (_tar("dump.sql"), DumpKind.TAR),
        (b"SQLite format 3\0\x10\0", DumpKind.SQLITE),
        (b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE", DumpKind.SQLITE_SQL),
        (b"PRAGMA foreign_keys=OFF;\r\nBEGIN TRANSACTION;\r\n", DumpKind.SQLITE_SQL),
        (b"TAPE\0\0\3\0", DumpKind.MSSQL),
        (b"MSSQLBAK\2\0", DumpKind.MSSQL),
        (b"\x6d\xe2\x99\x81\x70\0\0\0", DumpKind.MONGO),
        (b"", DumpKind.UNKNOWN),
        (b"-- PostgreSQL database dump complete\n", DumpKind.UNKNOWN),
        (b"INSERT INTO t VALUES ('-- MySQL dump 10.13 ');\n", DumpKind.UNKNOWN),
        (b"PRAGMA foreign_keys=OFF;\nSELECT 1;\n", DumpKind.UNKNOWN),
        (b"x" * PREAMBLE + b"\n" + PLAIN, DumpKind.UNKNOWN),
        (b"{}\n", DumpKind.UNKNOWN),
    ],
)
def test_a_content_is_told_by_how_it_begins(head: bytes, kind: DumpKind) -> None:
    assert recognise_kind(head, is_all=True) is kind
    assert recognise_kind(head, is_all=False) is kind


@pytest.mark.parametrize(
    ("beginning", "kind"),
    [
        (b"PGDM", DumpKind.PG_CUSTOM),
        (b"SQLite for", DumpKind.SQLITE),
        (b"toc.dat", DumpKind.PG_TAR),
        (b"--\n-- PostgreSQL data", DumpKind.PG_PLAIN),
        (b"--\r\n-- PostgreSQL data", DumpKind.PG_PLAIN),
        (b"--\n-- PostgreSQL database clus", DumpKind.PG_CLUSTER),
        (b"-- MyS", DumpKind.MYSQL),
        (b"-- MariaDB dump", DumpKind.MYSQL),
        (b"/*M!999999\\- enable", DumpKind.MYSQL),
        (b"PRAGMA foreign_keys=OFF;\nBEGIN", DumpKind.SQLITE_SQL),
        (b"MSSQL", DumpKind.MSSQL),
        (b"\x6d\xe2", DumpKind.MONGO),
    ],
)
def test_a_content_that_is_only_the_beginning_of_a_signature_is_of_that_kind(
    beginning: bytes, kind: DumpKind
) -> None:
    assert recognise_kind(beginning, is_all=True) is kind
    assert recognise_kind(beginning, is_all=False) is DumpKind.UNKNOWN
