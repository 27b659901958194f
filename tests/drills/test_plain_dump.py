r"""What of a plain dump reaches psql."""

import pytest

from scanner.drills.plain_dump import ENDS, restrict_key, restricted, server_version

KEY = "k" * 64
FIRST = f"\\restrict {KEY}\n".encode()
BEGINNING = b"--\n-- PostgreSQL database dump\n--\n\n"
END = b"--\n-- PostgreSQL database dump complete\n--\n\n"
ROWS = b"COPY t (a) FROM stdin;\n1\n\\.\n"
OWN, OWN_END = b"\\restrict abcDEF123\n", b"\\unrestrict abcDEF123\n"
SETTINGS = b"SET statement_timeout = 0;\n"
MANY_ROWS = b"1\n" * ENDS


def fed(dump: bytes, size: int = 1000) -> bytes:
    """Give what psql is fed with for a dump that comes in pieces, less our own first line."""
    pieces = [dump[start : start + size] for start in range(0, len(dump), size)]
    given = b"".join(restricted(pieces, KEY))
    assert given.startswith(FIRST)
    return given.removeprefix(FIRST)


@pytest.mark.parametrize("size", [7, 1000, 2**20])
@pytest.mark.parametrize(
    "dump",
    [
        b"",
        BEGINNING + SETTINGS + ROWS + END,
        BEGINNING + ROWS.replace(b"1\n", MANY_ROWS) + END,
        # In rows: a carriage return is written as \r.
        BEGINNING + b"COPY t FROM stdin;\n\\restrict abc\n\\unrestrict abc\n\\.\n" + END,
        BEGINNING + SETTINGS + OWN + ROWS + OWN_END + SETTINGS + END,
    ],
)
def test_all_else_comes_through_as_it_is(dump: bytes, size: int) -> None:
    assert fed(dump, size) == dump


@pytest.mark.parametrize("size", [7, 1000, 2**20])
@pytest.mark.parametrize("rows", [ROWS, ROWS.replace(b"1\n", MANY_ROWS)], ids=["few", "many"])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_its_own_key_does_not(rows: bytes, size: int, newline: bytes) -> None:
    dump = BEGINNING + OWN + b"\n-- Dumped from x\n" + SETTINGS + rows + END + OWN_END + b"\n"
    without = BEGINNING + b"\n-- Dumped from x\n" + SETTINGS + rows + END + b"\n\n"
    given = fed(dump.replace(b"\n", newline), size)
    assert given == without.replace(b"\n", newline)


def test_only_one_key_is_left_out() -> None:
    given = fed(BEGINNING + OWN + OWN + ROWS + END + OWN_END + OWN_END)
    assert given == BEGINNING + OWN + ROWS + END + OWN_END + b"\n"


def test_the_mark_of_utf_8_is_left_out() -> None:
    assert fed(b"\xef\xbb\xbf" + BEGINNING + OWN + ROWS) == BEGINNING + ROWS


def test_a_dump_that_makes_its_database_goes_on_in_ours() -> None:
    created = b"CREATE DATABASE x WITH TEMPLATE = template0;\n\nALTER DATABASE x OWNER TO y;\n\n"
    switch = OWN_END + b"\\connect x\n" + OWN + b"\n" + SETTINGS
    properties = b"ALTER DATABASE x SET work_mem TO '1';\n\n"
    beginning = BEGINNING + OWN + b"DROP DATABASE x;\n" + created + switch + properties + switch
    assert fed(beginning + ROWS + END + OWN_END) == b"\n" + SETTINGS + ROWS + END + b"\n"


@pytest.mark.parametrize(
    "dump",
    [
        BEGINNING + b"\\connect x\n" + ROWS,
        BEGINNING + b"CREATE TABLE t (a int);\nCREATE DATABASE x;\n\\connect x\n" + ROWS,
        BEGINNING + b"CREATE DATABASE x;\n" + ROWS + b"\\connect x\n",
    ],
)
def test_another_change_of_the_database_is_left_for_psql_to_refuse(dump: bytes) -> None:
    assert fed(dump) == dump


def test_no_two_keys_are_alike() -> None:
    assert restrict_key() != restrict_key()
    assert len(restrict_key()) == 64


@pytest.mark.parametrize(
    ("head", "version"),
    [
        (BEGINNING + b"-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)\n", 15),
        (BEGINNING + b"-- Dumped from database version 18devel\n", 18),
        (BEGINNING + SETTINGS, None),
        (b"PGDMP", None),
        (b"", None),
    ],
)
def test_the_servers_version_is_read_where_it_stands(head: bytes, version: int | None) -> None:
    assert server_version(head) == version
