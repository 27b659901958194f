import contextlib
import resource
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.pipeline.sqlite_file import SpooledCheck, header_defect, quick_check, sweep
from tests.real_dumps import sqlite_database

PAGE_SIZES = [512, 1024, 4096, 8192, 65_536]


def _defect(content: bytes) -> str:
    return header_defect(content[:65_536], len(content))


def _damaged(path: Path) -> Path:
    """Overwrite a page in the middle; header and size stay as they were."""
    content = bytearray(path.read_bytes())
    content[4 * 4096 : 5 * 4096] = b"\xff" * 4096
    path.write_bytes(content)
    return path


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return sqlite_database(tmp_path / "a #database?.db")


# --- The header -----------------------------------------------------------------------------------


@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_a_file_is_as_long_as_its_header_says(tmp_path: Path, page_size: int) -> None:
    content = sqlite_database(tmp_path / "db", page_size=page_size).read_bytes()
    assert _defect(content) == ""
    assert "is cut" in _defect(content[:-1])
    assert "is cut" in _defect(content[:-page_size])


@pytest.mark.parametrize(
    "make",
    [{"wal": True}, {"vacuum": "FULL"}, {"vacuum": "INCREMENTAL"}, {"rows": 0}],
    ids=["wal", "autovacuum", "incremental", "small"],
)
def test_a_file_of_each_make_is_whole(tmp_path: Path, make: dict[str, object]) -> None:
    path = sqlite_database(tmp_path / "db", **make)  # type: ignore[arg-type]
    assert _defect(path.read_bytes()) == ""
    assert quick_check(path, seconds=60) == ""


def test_a_file_without_a_whole_header_is_cut(database: Path) -> None:
    content = database.read_bytes()
    assert {"is cut" in _defect(content[:n]) for n in range(16, 100)} == {True}


def test_pages_beyond_those_of_the_header_are_no_defect(database: Path) -> None:
    content = database.read_bytes()
    assert _defect(content + bytes(8192)) == ""
    assert "no whole pages" in _defect(content + bytes(8192 + 100))


def test_what_a_script_added_to_a_file_is_no_defect(database: Path) -> None:
    assert _defect(database.read_bytes() + b"done at 02:10\n") == ""


def test_a_schema_that_only_a_newer_sqlite_can_read_decides_nothing(database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "INSERT INTO sqlite_master VALUES ('view', 'v', 'v', 0, 'CREATE VIEW v AS FUTURE %')"
        )
    assert quick_check(database, seconds=60) is None


def test_what_a_killed_process_left_is_swept_and_what_is_in_use_is_not(tmp_path: Path) -> None:
    (tmp_path / "sqlite-check-left").write_bytes(b"x")
    (tmp_path / "somebody-elses").write_bytes(b"x")
    check = SpooledCheck(tmp_path, limit=100, seconds=1)
    check.take(memoryview(b"some"))
    sweep(tmp_path)
    left = {file.name for file in tmp_path.iterdir()}
    assert len(left) == 2
    assert "somebody-elses" in left
    assert "sqlite-check-left" not in left
    check.close()


def test_a_count_of_pages_that_an_old_program_left_behind_is_not_believed(database: Path) -> None:
    content = bytearray(database.read_bytes())
    content[92:96] = b"\0\0\0\1"
    assert _defect(bytes(content[:-4096])) == ""
    assert "no whole pages" in _defect(bytes(content[:-1]))


def test_a_page_size_that_cannot_be_is_a_defect(database: Path) -> None:
    content = bytearray(database.read_bytes())
    content[16:18] = (1000).to_bytes(2)
    assert "pages of 1,000 bytes" in _defect(bytes(content))


@given(st.binary(min_size=100, max_size=300))
def test_no_header_breaks_the_check(header: bytes) -> None:
    assert isinstance(header_defect(header, len(header)), str)


# --- What SQLite says -----------------------------------------------------------------------------


def test_sqlite_finds_a_damaged_page(database: Path) -> None:
    assert quick_check(database, seconds=60) == ""
    damaged = _damaged(database)
    assert _defect(damaged.read_bytes()) == ""
    assert "damaged" in (quick_check(damaged, seconds=60) or "")


def test_a_file_that_is_no_database_is_a_defect(tmp_path: Path) -> None:
    path = tmp_path / "db"
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    assert "damaged" in (quick_check(path, seconds=60) or "")


def test_a_check_that_takes_too_long_decides_nothing(tmp_path: Path) -> None:
    path = sqlite_database(tmp_path / "db", rows=30_000)
    assert quick_check(path, seconds=0) is None


def test_a_file_that_is_not_there_decides_nothing(tmp_path: Path) -> None:
    assert quick_check(tmp_path / "db", seconds=60) is None
    assert list(tmp_path.iterdir()) == []


def test_a_check_changes_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    path = sqlite_database(tmp_path / "db", wal=True)
    before = path.read_bytes()
    assert quick_check(path, seconds=60) == ""
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


def test_a_value_that_a_constraint_forbids_is_not_damage(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (value TEXT, number CHECK (1))")
        connection.execute("INSERT INTO t VALUES (NULL, 1)")
        connection.execute("PRAGMA writable_schema = ON")
        strict = "CREATE TABLE t (value TEXT NOT NULL, number CHECK (number > 1))"
        connection.execute("UPDATE sqlite_master SET sql = ?", (strict,))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA quick_check").fetchall() != [("ok",)]
    assert quick_check(path, seconds=60) == ""


# --- The copy -------------------------------------------------------------------------------------


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "spool"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == []


def _checked(folder: Path, content: bytes, *, limit: int = 1 << 30) -> str:
    with SpooledCheck(folder, limit=limit, seconds=60) as check:
        for start in range(0, len(content), 10_000):
            check.take(memoryview(content)[start : start + 10_000])
        return check.finish()


def test_a_copy_is_checked_and_deleted(database: Path, spool: Path) -> None:
    assert _checked(spool, database.read_bytes()) == ""
    assert "damaged" in _checked(spool, _damaged(database).read_bytes())


def test_a_copy_larger_than_the_limit_is_not_made(database: Path, spool: Path) -> None:
    content = _damaged(database).read_bytes()
    assert "damaged" in _checked(spool, content, limit=len(content))
    assert _checked(spool, content, limit=len(content) - 1) == ""


def test_a_copy_that_cannot_be_written_is_left_out(database: Path, spool: Path) -> None:
    content = _damaged(database).read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        assert _checked(spool, content) == ""
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert _checked(spool / "missing", content) == ""


def test_a_copy_is_deleted_with_its_owner(spool: Path) -> None:
    check = SpooledCheck(spool, limit=100, seconds=60)
    check.take(memoryview(b"SQLite format 3\0"))
    assert len(list(spool.iterdir())) == 1
    del check
    assert list(spool.iterdir()) == []
