import pytest

from scanner.pipeline.dump_ending import ending_defect
from scanner.pipeline.dump_kind import DumpKind

KEY = b"dAGZxp8vek3pWhQiLwvh3HfSWYzgAbluNdea0z5WJF4cazjyn7lihAi9IjFUPBp"
OTHER_KEY = KEY[::-1]
HEAD = b"--\n-- PostgreSQL database dump\n--\n\n"
KEYED_HEAD = HEAD + b"\\restrict " + KEY + b"\n\n"
END = b"--\n-- PostgreSQL database dump complete\n--\n\n"
KEYED_END = END + b"\\unrestrict " + KEY + b"\n\n"
MYSQL_END = b";\n-- Dump completed on 2024-05-05 12:00:00\n"
CLUSTER_HEAD = b"--\n-- PostgreSQL database cluster dump\n--\n\n"
CLUSTER_END = b"--\n-- PostgreSQL database cluster dump complete\n--\n\n"

WHOLE = [
    (DumpKind.PG_PLAIN, HEAD, END),
    (DumpKind.PG_PLAIN, HEAD, b"-- Completed on 2024-05-05 12:00:00 CEST\n\n" + END),
    (DumpKind.PG_PLAIN, HEAD, END.replace(b"\n", b"\r\n")),
    (DumpKind.PG_PLAIN, HEAD, END.rstrip()),
    (DumpKind.PG_PLAIN, KEYED_HEAD, KEYED_END),
    (DumpKind.PG_PLAIN, KEYED_HEAD.replace(b"\n", b"\r\n"), KEYED_END.replace(b"\n", b"\r\n")),
    (DumpKind.PG_PLAIN, KEYED_HEAD, KEYED_END.rstrip()),
    # Two dumps in one file have a key each.
    (DumpKind.PG_PLAIN, KEYED_HEAD, KEYED_END.replace(KEY, OTHER_KEY)),
    (DumpKind.PG_CLUSTER, KEYED_HEAD, CLUSTER_END),
    (DumpKind.PG_CLUSTER, HEAD, b"-- Completed on 2024-05-05 12:00:00 CEST\n\n" + CLUSTER_END),
    (DumpKind.MYSQL, b"", b"-- Dump completed on 2024-05-05 12:00:00\n"),
    (DumpKind.MYSQL, b"", b";\n\n-- Dump completed on 2024-05-05  9:00:00\r\n\r\n"),
    (DumpKind.MYSQL, b"", b";\n-- Dump completed on 2024-05-05 12:00:00"),
    (DumpKind.MYSQL, b"", b";\n-- Dump completed\n"),
    (DumpKind.SQLITE_SQL, b"", b"COMMIT;\n"),
    (DumpKind.SQLITE_SQL, b"", b"INSERT;\r\nCOMMIT;\r\n"),
    (DumpKind.SQLITE_SQL, b"", b"INSERT;\nCOMMIT;"),
    # What scripts add.
    (DumpKind.PG_PLAIN, HEAD, END + b"ANALYZE;\n"),
    (DumpKind.PG_PLAIN, KEYED_HEAD, KEYED_END + b"COMMIT;\n-- done at 02:10\n"),
    (DumpKind.PG_PLAIN, HEAD, END + CLUSTER_HEAD + b"CREATE ROLE a;\n" + CLUSTER_END),
    # A newer pg_dump first, then an older one.
    (DumpKind.PG_PLAIN, KEYED_HEAD, KEYED_END + HEAD + b"SELECT 1;\n" + END),
    (DumpKind.MYSQL, b"", MYSQL_END + b"COMMIT;\nGRANT ALL ON a.* TO b;\n"),
    (DumpKind.MYSQL, b"", MYSQL_END + b"mysqldump: [Warning] Using a password is insecure.\n"),
    (DumpKind.MYSQL, b"", MYSQL_END + b"\x1a"),
    (DumpKind.MYSQL, b"", MYSQL_END + bytes(512)),
    (DumpKind.SQLITE_SQL, b"", b"COMMIT;\nPRAGMA user_version=5;\n"),
    # Nothing is known of how these end.
    (DumpKind.UNKNOWN, b"", b"INSERT"),
    (DumpKind.MSSQL, b"", b"\0"),
]

CUT = [
    (DumpKind.PG_PLAIN, HEAD, b"", "pg_dump"),
    (DumpKind.PG_PLAIN, HEAD, b"1\t2\n\\.\n", "pg_dump"),
    (DumpKind.PG_PLAIN, HEAD, END.rstrip(b"-\n"), 'no "--" after'),
    (DumpKind.PG_PLAIN, HEAD, END[:-6], "dump complet"),
    # A row, or a comment in a routine, that reads like the end.
    (DumpKind.PG_PLAIN, HEAD, END + b"INSERT INTO t VALUES (1);\n", "database dump complete"),
    (DumpKind.PG_PLAIN, HEAD, END + b"COPY t (a) FROM stdin;\n", "database dump complete"),
    (DumpKind.PG_PLAIN, HEAD, END + b"1\t2\n" * 2000, "database dump complete"),
    (DumpKind.MYSQL, b"", MYSQL_END + b"END ;;\nCREATE TABLE `t` (\n", "Dump completed"),
    (DumpKind.PG_PLAIN, HEAD, END + HEAD + b"COPY t FROM stdin;\n", "database dump complete"),
    (DumpKind.PG_PLAIN, HEAD, CLUSTER_HEAD + CLUSTER_END, "database dump complete"),
    (DumpKind.PG_PLAIN, HEAD, END + CLUSTER_HEAD + b"CREATE ROLE a;\n", "dump complete"),
    (DumpKind.PG_PLAIN, HEAD, CLUSTER_END, "database dump complete"),
    (DumpKind.PG_PLAIN, KEYED_HEAD, END, "unrestrict"),
    (DumpKind.PG_PLAIN, KEYED_HEAD, END + b"\\unrestrict\n", "unrestrict"),
    (DumpKind.PG_PLAIN, KEYED_HEAD, KEYED_END.rstrip()[:-1], "unrestrict"),
    (DumpKind.PG_CLUSTER, HEAD, END, "cluster dump complete"),
    (DumpKind.PG_CLUSTER, HEAD, KEYED_END, "cluster dump complete"),
    (DumpKind.MYSQL, b"", b"", "Dump completed"),
    (DumpKind.MYSQL, b"", b"INSERT INTO t VALUES (1);\n", "Dump completed"),
    (DumpKind.MYSQL, b"", b";\n-- Dump completed on 2024-05-05 12:00:0", "Dump completed"),
    (DumpKind.MYSQL, b"", b";\n-- Dump completed", "Dump completed"),
    (DumpKind.MYSQL, b"", MYSQL_END + b"-- MySQL dump 10.13\nINSERT", "Dump completed"),
    (DumpKind.SQLITE_SQL, b"", b"INSERT INTO t VALUES (1);\n", "COMMIT;"),
    (DumpKind.SQLITE_SQL, b"", b"INSERT;\nCOMMIT", "COMMIT;"),
    (DumpKind.SQLITE_SQL, b"", b"/**** ERROR: (11) ****/\nROLLBACK; -- due to errors\n", "errors"),
]


@pytest.mark.parametrize(("kind", "head", "tail"), WHOLE)
def test_a_whole_text_has_no_defect(kind: DumpKind, head: bytes, tail: bytes) -> None:
    assert ending_defect(kind, head, tail) == ""


@pytest.mark.parametrize(("kind", "head", "tail", "words"), CUT)
def test_a_text_without_its_end_says_what_is_missing(
    kind: DumpKind, head: bytes, tail: bytes, words: str
) -> None:
    assert words in ending_defect(kind, head, tail)


def test_a_hostile_end_is_read_as_fast_as_any() -> None:
    tail = b"ROLLBACK;" + b" " * 64_000 + b"\nx;"
    assert "COMMIT" in ending_defect(DumpKind.SQLITE_SQL, b"", tail)
