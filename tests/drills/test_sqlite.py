"""Restores of SQLite's files and scripts, for real."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from scanner.drills import sqlite, workplace
from scanner.drills.outcome import CannotRestore, CannotTry, Restored
from scanner.drills.sqlite import SqliteFile
from tests import real_dumps
from tests.drills.contents import drill_folders, restore

ROWS = 2000 - 667 + 100
"""What real_dumps puts into its database, and leaves in it."""
BEGINNING = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n"
END = "COMMIT;\n"


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder for temporary files of the test's own, which has to be empty in the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def script(*statements: str) -> bytes:
    return (BEGINNING + "\n".join((*statements, END))).encode()


def database(path: Path, *statements: str) -> bytes:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement).close()
    return path.read_bytes()


# --- What comes through ---------------------------------------------------------------------------


@pytest.mark.parametrize("wal", [False, True], ids=["rollback", "wal"])
@pytest.mark.parametrize("page_size", [512, 4096, 65536])
@pytest.mark.parametrize("vacuum", ["NONE", "FULL"])
def test_a_file_is_restored_and_counted(
    tmp_path: Path, wal: bool, page_size: int, vacuum: str
) -> None:
    file = real_dumps.sqlite_database(
        tmp_path / "made", page_size=page_size, wal=wal, vacuum=vacuum
    )
    assert restore(SqliteFile(), file.read_bytes()) == Restored(tables=2, rows=ROWS)


def test_a_script_of_the_shell_is_restored_and_counted(tmp_path: Path) -> None:
    try:
        dump = real_dumps.sqlite_dump(real_dumps.sqlite_database(tmp_path / "made"))
    except real_dumps.Sqlite3Absent as absent:
        pytest.skip(str(absent))
    assert restore(SqliteFile(), dump) == Restored(tables=2, rows=ROWS)


def test_triggers_and_texts_of_many_lines_are_whole_statements() -> None:
    dump = script(
        "CREATE TABLE t (a, b);",
        "CREATE TRIGGER tr AFTER INSERT ON t BEGIN\n  DELETE FROM t WHERE a = 'x;\ny';\nEND;",
        "INSERT INTO t VALUES (1, 'it''s;\n-- no comment;\n/* neither;\n');",
        "-- a comment with an odd ' in it;",
        "INSERT INTO t VALUES (2, replace('a\\nb', '\\n', char(10)));",
    )
    assert restore(SqliteFile(), dump) == Restored(tables=1, rows=2)


def test_a_file_with_a_virtual_table_is_counted_by_its_shadows(tmp_path: Path) -> None:
    made = database(
        tmp_path / "made",
        "CREATE VIRTUAL TABLE found USING fts4(a)",
        "INSERT INTO found VALUES ('one'), ('two')",
    )
    assert restore(SqliteFile(), made).tables > 1


def test_an_empty_file_of_one_page_is_restored(tmp_path: Path) -> None:
    made = database(tmp_path / "made", "CREATE TABLE t (a)", "DROP TABLE t")
    assert restore(SqliteFile(), made) == Restored(tables=0, rows=0)


# --- What a dump may not do -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "ATTACH '{file}' AS x;",
        "COMMIT;\nATTACH '{file}' AS x;\nCREATE TABLE x.t (a);",
        "COMMIT;\nVACUUM INTO '{file}';",
        "PRAGMA journal_mode = WAL;",
        "PRAGMA max_page_count = 4294967294;",
        "PRAGMA temp_store_directory = '{file}';",
        "PRAGMA trusted_schema = ON;",
        "SELECT load_extension('{file}');",
        "SELECT writefile('{file}', 'x');",
        "SELECT fts3_tokenizer('x', x'4141414141414141');",
        "CREATE VIRTUAL TABLE v USING fts4(a);",
        "DETACH main;",
        "CREATE TEMP TABLE big (a);",
        "CREATE TEMP TABLE big AS SELECT 1;",
        "CREATE TABLE temp.big (a);",
        "CREATE TEMP VIEW v AS SELECT 1;",
        "CREATE TEMP TRIGGER tr AFTER INSERT ON t BEGIN SELECT 1; END;",
    ],
)
def test_a_script_reaches_nothing_but_its_file(tmp_path: Path, statement: str) -> None:
    file = tmp_path / "owned"
    with pytest.raises((CannotRestore, CannotTry)):
        restore(SqliteFile(), script("CREATE TABLE t (a);", statement.format(file=file)))
    assert not file.exists()


def test_a_script_that_writes_the_schema_by_hand_is_not_tried() -> None:
    dump = script("PRAGMA writable_schema=ON;", "INSERT INTO sqlite_schema VALUES (1,2,3,4,5);")
    with pytest.raises(CannotTry, match="virtual tables"):
        restore(SqliteFile(), dump)


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"


def test_a_script_that_does_not_end_is_given_up() -> None:
    dump = script(f"CREATE TABLE t AS SELECT count(*) FROM ({ENDLESS});")
    with pytest.raises(CannotRestore, match="did not end"):
        restore(SqliteFile(), dump, seconds=1)


def test_many_small_statements_are_given_up_too() -> None:
    statement = "INSERT INTO t VALUES (1);"
    with pytest.raises(CannotRestore, match="did not end"):
        restore(SqliteFile(), script("CREATE TABLE t (a);", *[statement] * 2_000_000), seconds=0.5)


def test_a_value_that_is_too_long_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "LONGEST_VALUE", 1000)
    beginning = "CREATE TABLE t (a);"
    row = "INSERT INTO t VALUES ('{}');"
    assert restore(SqliteFile(), script(beginning, row.format("a" * 900))).rows == 1
    for statement in (row.format("a" * 1001), "INSERT INTO t VALUES (zeroblob(1001));"):
        with pytest.raises(CannotTry, match="longer than the 1,000 bytes"):
            restore(SqliteFile(), script(beginning, statement))


def test_a_script_that_would_fill_the_disk_is_not_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workplace, "free_bytes", lambda _place: 2**20)
    with pytest.raises(CannotTry, match="is full"):
        restore(SqliteFile(), script(f"CREATE TABLE t AS SELECT hex(i) FROM ({ENDLESS});"))


def test_a_file_for_which_there_is_no_room_is_not_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = real_dumps.sqlite_database(tmp_path / "made").read_bytes()
    monkeypatch.setattr(workplace, "free_bytes", lambda _place: len(made) - 1)
    with pytest.raises(CannotTry, match="no room for the dump on the disk of temporary files"):
        restore(SqliteFile(), made)


# --- What is wrong with a dump --------------------------------------------------------------------


@pytest.mark.parametrize("place", [0.1, 0.5, 0.95])
def test_a_file_that_breaks_off_does_not_restore(tmp_path: Path, place: float) -> None:
    made = real_dumps.sqlite_database(tmp_path / "made").read_bytes()
    with pytest.raises(CannotRestore, match="SQLite"):
        restore(SqliteFile(), made[: int(len(made) * place)])


def test_a_damaged_page_is_found(tmp_path: Path) -> None:
    made = bytearray(real_dumps.sqlite_database(tmp_path / "made").read_bytes())
    middle = len(made) // 2 // 4096 * 4096
    made[middle : middle + 4096] = b"\xa5" * 4096
    with pytest.raises(CannotRestore, match="SQLite"):
        restore(SqliteFile(), bytes(made))


def test_an_index_that_lacks_rows_is_found(tmp_path: Path) -> None:
    made = database(
        tmp_path / "made",
        "CREATE TABLE t (a)",
        "CREATE TABLE other (a)",
        "INSERT INTO t VALUES (1), (2), (3)",
        "CREATE INDEX i ON other (a)",
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET tbl_name = 't', sql = 'CREATE INDEX i ON t (a)' WHERE name = 'i'",
    )
    with pytest.raises(CannotRestore, match="SQLite finds the database damaged"):
        restore(SqliteFile(), made)


@pytest.mark.parametrize(
    ("dump", "words"),
    [
        (script("CREATE TABLE t (a;"), 'near ";": syntax error'),
        (script("INSERT INTO t VALUES (1);"), r"no such table: t \(in: INSERT INTO t"),
        (script("CREATE TABLE t (a UNIQUE);", "INSERT INTO t VALUES (1), (1);"), "UNIQUE"),
        (script("CREATE TABLE t (a);")[:-9], "before its COMMIT"),
        (script("CREATE TABLE t (a);", "INSERT INTO t VALUES ('")[:-9], "middle of a statement"),
        (BEGINNING.encode() + b"CREATE TABLE t (a);\nROLLBACK; -- due to errors\n", "met errors"),
    ],
)
def test_what_is_wrong_with_a_script_is_told(dump: bytes, words: str) -> None:
    with pytest.raises(CannotRestore, match=words):
        restore(SqliteFile(), dump)


def test_what_only_the_application_brings_is_not_held_against_the_file(tmp_path: Path) -> None:
    file = tmp_path / "made"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.create_function("own", 1, lambda value: value, deterministic=True)
        connection.execute("CREATE TABLE t (a, b AS (own(a)))")
        connection.execute("INSERT INTO t VALUES (1)")
        connection.execute("CREATE INDEX i ON t (b)")
    with pytest.raises(CannotTry, match="what only its application brings"):
        restore(SqliteFile(), file.read_bytes())


def test_nothing_is_left_among_temporary_files(tmp_path: Path, temporary: Path) -> None:
    made = real_dumps.sqlite_database(tmp_path / "made").read_bytes()
    restore(SqliteFile(), made)
    assert drill_folders(temporary) == []
