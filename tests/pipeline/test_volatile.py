import pytest

from scanner.pipeline.dump_kind import DumpKind
from scanner.pipeline.volatile import without_volatile

KEY = b"dAGZxp8vek3pWhQiLwvh3HfSWYzgAbluNdea0z5WJF4cazjyn7lihAi9IjFUPBp"
OTHER_KEY = b"0TF5g7DJAzalL1h7Rs4F8JamIt8ouxknmEU7RLWS9y3He6vacUbfZwIzrpGFJV2"


def _whole(kind: DumpKind, content: bytes) -> bytes:
    return without_volatile(kind, content, is_start=True, is_end=True)


def _timed(day: bytes, zone: bytes) -> bytes:
    started, completed = (b"2024-%b 12:00:%b %b\n\n" % (day, n, zone) for n in (b"00", b"09"))
    return b"--\n\n-- Started on " + started + b"SET;\n\n-- Completed on " + completed + b"--\n"


@pytest.mark.parametrize(
    ("kind", "one", "another"),
    [
        (
            DumpKind.MYSQL,
            b"INSERT;\n-- Dump completed on 2024-05-05  9:00:00\n",
            b"INSERT;\n-- Dump completed on 2024-05-06 12:34:56\n",
        ),
        (
            DumpKind.MYSQL,
            b"INSERT;\r\n-- Dump completed on 2024-05-05 12:00:00\r\n",
            b"INSERT;\r\n-- Dump completed\r\n",
        ),
        (
            DumpKind.PG_PLAIN,
            b"--\n\n\\restrict " + KEY + b"\n\nSET;\n\\unrestrict " + KEY + b"\n\n",
            b"--\n\n\\restrict " + OTHER_KEY + b"\n\nSET;\n\\unrestrict " + OTHER_KEY + b"\n\n",
        ),
        (
            DumpKind.PG_CLUSTER,
            b"--\r\n\r\n\\restrict " + KEY + b"\r\n\r\nSET;\r\n",
            b"--\r\n\r\n\\restrict " + OTHER_KEY + b"\r\n\r\nSET;\r\n",
        ),
        (DumpKind.PG_PLAIN, _timed(b"05-05", b"CEST"), _timed(b"11-05", b"CET")),
    ],
)
def test_what_differs_though_nothing_changed_is_taken_out(
    kind: DumpKind, one: bytes, another: bytes
) -> None:
    assert one != another
    assert _whole(kind, one) == _whole(kind, another)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (DumpKind.UNKNOWN, b"--\n\n\\restrict " + KEY + b"\n\n-- Dump completed on 2024-05-05\n"),
        (DumpKind.MYSQL, b"-- Dump completed on 2024-05-05 12:00:00\nINSERT;\n"),
        (DumpKind.MYSQL, b"INSERT ('x-- Dump completed on 2024-05-05 12:00:00\n"),
        (DumpKind.PG_PLAIN, b"a row with \\restrict " + KEY + b"\n"),
        (DumpKind.PG_PLAIN, b"--\n\\restrict short\n"),
        (DumpKind.PG_PLAIN, b"1\n-- Started on 2024-05-05 is what a row says\n2\n"),
        (DumpKind.PG_TAR, b"toc.dat\0"),
        (DumpKind.PG_CUSTOM, b"PGDMP\x01\x0e"),
        (DumpKind.PG_CUSTOM, b"PGDMP\x01\x63\x00\x04\x08\x01" + bytes(range(100))),
    ],
)
def test_what_only_looks_volatile_stays(kind: DumpKind, content: bytes) -> None:
    assert _whole(kind, content) == content


def test_only_the_end_of_a_mysqldump_has_its_date() -> None:
    part = b"INSERT;\n-- Dump completed on 2024-05-05 12:00:00\n"
    assert without_volatile(DumpKind.MYSQL, part, is_start=True, is_end=False) == part


@pytest.mark.parametrize(("minor", "compression"), [(14, b"\1\1\0\0\0"), (15, b"\1"), (16, b"\3")])
def test_the_time_in_the_header_of_an_archive_is_zeroed(minor: int, compression: bytes) -> None:
    start = b"PGDMP\x01" + bytes([minor]) + b"\x00\x04\x08\x01" + compression
    content = start + b"\x00\x11\x22\x33\x44" * 7 + b"rest"
    assert _whole(DumpKind.PG_CUSTOM, content) == start + bytes(35) + b"rest"
    assert without_volatile(DumpKind.PG_CUSTOM, content, is_start=False, is_end=True) == content
