"""Dumps by the programs themselves, whole and cut, and twice of an unchanged database."""

import contextlib
import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from scanner.pipeline.dump_kind import DumpKind
from scanner.pipeline.wholeness import WINDOW, ContentWatch, Dump
from tests import mariadb, real_dumps
from tests.postgres import throwaway_cluster
from tests.real_dumps import cut

BLOCK = 1 << 20


def _watched(content: bytes, *, chunk: int = BLOCK, spool: Path | None = None) -> Dump:
    with ContentWatch(spool=spool, spool_limit=1 << 30) as watch:
        for start in range(0, len(content), chunk):
            watch.take(content[start : start + chunk])
        return watch.finish()


def _passed(content: bytes, *, seed: int) -> list[int]:
    """Give where `content` can be cut without that being noticed."""
    return [len(piece) for piece in cut(content, seed=seed) if not _watched(piece).defect]


def _assert_whole(content: bytes, kind: DumpKind) -> None:
    dump = _watched(content)
    assert (dump.kind, dump.defect, dump.size) == (kind, "", len(content))
    assert dump.raw_sha256 == hashlib.sha256(content).hexdigest()


def _made_later(first: bytes, make: Callable[[], bytes]) -> bytes:
    """Make a dump that differs from the first one, if only by its date of a second's resolution."""
    give_up = time.monotonic() + 10
    while (second := make()) == first and time.monotonic() < give_up:
        time.sleep(0.2)
    return second


# --- PostgreSQL -----------------------------------------------------------------------------------

PG_DUMPS: dict[str, tuple[DumpKind, Callable[[str], bytes]]] = {
    "plain": (DumpKind.PG_PLAIN, real_dumps.pg_dump),
    "plain, verbose": (DumpKind.PG_PLAIN, lambda database: real_dumps.pg_dump(database, "-v")),
    "plain, schema": (DumpKind.PG_PLAIN, lambda database: real_dumps.pg_dump(database, "-s")),
    "plain, create": (DumpKind.PG_PLAIN, lambda database: real_dumps.pg_dump(database, "-cC")),
    "inserts": (DumpKind.PG_PLAIN, lambda database: real_dumps.pg_dump(database, "--inserts")),
    "custom": (DumpKind.PG_CUSTOM, lambda database: real_dumps.pg_dump(database, "-Fc")),
    "custom, raw": (
        DumpKind.PG_CUSTOM,
        lambda database: real_dumps.pg_dump(database, "-Fc", "-Z0"),
    ),
    "custom, schema": (
        DumpKind.PG_CUSTOM,
        lambda database: real_dumps.pg_dump(database, "-Fc", "-s"),
    ),
}


@pytest.fixture(scope="module")
def pg_database(postgres_url: str) -> Iterator[str]:
    with real_dumps.postgres_database(postgres_url) as database:
        yield database


@pytest.mark.postgres
@pytest.mark.parametrize("name", PG_DUMPS)
def test_a_dump_of_postgresql_is_whole_and_a_cut_one_is_not(pg_database: str, name: str) -> None:
    kind, make = PG_DUMPS[name]
    content = make(pg_database)
    _assert_whole(content, kind)
    assert _passed(content, seed=len(name)) == []


@pytest.mark.postgres
def test_an_archive_that_pg_dump_wrote_into_a_file_is_whole(
    pg_database: str, tmp_path: Path
) -> None:
    content = real_dumps.pg_dump_file(pg_database, tmp_path / "dump", "-Fc")
    assert content != real_dumps.pg_dump(pg_database, "-Fc")
    _assert_whole(content, DumpKind.PG_CUSTOM)
    assert _passed(content, seed=1) == []


@pytest.mark.postgres
def test_a_tar_archive_of_postgresql_is_whole_and_a_cut_one_is_not(pg_database: str) -> None:
    content = real_dumps.pg_dump(pg_database, "-Ft")
    _assert_whole(content, DumpKind.PG_TAR)
    assert _passed(content, seed=2) == []


@pytest.mark.postgres
@pytest.mark.parametrize("options", [(), ("-v",), ("--globals-only",)])
def test_a_dump_of_a_cluster_is_whole_and_a_cut_one_is_not(
    postgres_url: str, pg_database: str, options: tuple[str, ...]
) -> None:
    content = real_dumps.pg_dumpall(postgres_url, *options)
    _assert_whole(content, DumpKind.PG_CLUSTER)
    assert _passed(content, seed=3) == []


@pytest.mark.postgres
def test_a_dump_of_a_cluster_that_is_cut_after_one_of_its_databases_is_not_whole(
    postgres_url: str, pg_database: str
) -> None:
    content = real_dumps.pg_dumpall(postgres_url)
    end = b"-- PostgreSQL database dump complete\n--\n\n"
    places = [n + len(end) for n in range(len(content)) if content.startswith(end, n)]
    assert len(places) > 2
    assert [n for n in places if not _watched(content[:n]).defect] == []


@pytest.mark.postgres
def test_globals_and_a_database_may_stand_in_one_file(postgres_url: str, pg_database: str) -> None:
    globals_only = real_dumps.pg_dumpall(postgres_url, "--globals-only")
    content = globals_only + real_dumps.pg_dump(pg_database)
    _assert_whole(content, DumpKind.PG_PLAIN)
    assert _passed(content, seed=4) == []


@pytest.mark.postgres
@pytest.mark.parametrize("name", PG_DUMPS)
def test_two_dumps_of_an_unchanged_postgresql_have_one_stable_digest(
    pg_database: str, name: str
) -> None:
    _kind, make = PG_DUMPS[name]
    first = make(pg_database)
    second = _made_later(first, lambda: make(pg_database))
    assert _watched(first).raw_sha256 != _watched(second).raw_sha256
    assert _watched(first).stable_sha256 == _watched(second).stable_sha256


@pytest.mark.postgres
@pytest.mark.usefixtures("postgres_url")  # skips where there is no PostgreSQL
def test_two_dumps_of_a_small_cluster_have_one_stable_digest() -> None:
    with throwaway_cluster() as url:
        first, second = (_watched(real_dumps.pg_dumpall(url, "-v")) for _ in range(2))
    assert first.raw_sha256 != second.raw_sha256
    assert first.stable_sha256 == second.stable_sha256


@pytest.mark.postgres
@pytest.mark.parametrize("name", [name for name in PG_DUMPS if "schema" not in name])
def test_a_changed_row_of_postgresql_changes_the_stable_digest(pg_database: str, name: str) -> None:
    _kind, make = PG_DUMPS[name]
    before = make(pg_database)
    with psycopg.connect(pg_database) as connection:
        connection.execute("UPDATE counted SET what = what || '!' WHERE id = 3000")
    assert _watched(before).stable_sha256 != _watched(make(pg_database)).stable_sha256


# --- MySQL, MariaDB -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mariadb_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    try:
        with mariadb.mariadb_server(tmp_path_factory.mktemp("mariadb")) as socket:
            real_dumps.fill_mariadb(socket)
            yield socket
    except mariadb.MariadbAbsent as absent:
        pytest.skip(str(absent))


@pytest.mark.parametrize("program", ["mariadb-dump", "mysqldump"])
@pytest.mark.parametrize("options", [(), ("--no-data",), ("--skip-dump-date",), ("--hex-blob",)])
def test_a_dump_of_mariadb_is_whole_and_a_cut_one_is_not(
    mariadb_socket: Path, program: str, options: tuple[str, ...]
) -> None:
    content = real_dumps.mariadb_dump(mariadb_socket, *options, program=program)
    _assert_whole(content, DumpKind.MYSQL)
    assert _passed(content, seed=5) == []


def test_a_dump_of_mariadb_without_comments_has_no_end_that_could_be_missing(
    mariadb_socket: Path,
) -> None:
    content = real_dumps.mariadb_dump(mariadb_socket, "--skip-comments")
    _assert_whole(content, DumpKind.UNKNOWN)


@pytest.mark.parametrize("options", [(), ("--no-data",)])
def test_two_dumps_of_an_unchanged_mariadb_have_one_stable_digest(
    mariadb_socket: Path, options: tuple[str, ...]
) -> None:
    def make() -> bytes:
        return real_dumps.mariadb_dump(mariadb_socket, *options)

    first = make()
    second = _made_later(first, make)
    assert _watched(first).raw_sha256 != _watched(second).raw_sha256
    assert _watched(first).stable_sha256 == _watched(second).stable_sha256


def test_a_changed_row_of_mariadb_changes_the_stable_digest(mariadb_socket: Path) -> None:
    before = real_dumps.mariadb_dump(mariadb_socket)
    change = "UPDATE counted SET what = CONCAT(what, '!') WHERE id = 3000"
    mariadb.run_sql(mariadb_socket, change, database=real_dumps.DATABASE)
    after = real_dumps.mariadb_dump(mariadb_socket)
    assert _watched(before).stable_sha256 != _watched(after).stable_sha256


# --- SQLite ---------------------------------------------------------------------------------------


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "spool"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("page_size", [512, 4096, 65_536])
def test_an_sqlite_file_is_whole_and_a_cut_one_is_not(tmp_path: Path, page_size: int) -> None:
    content = real_dumps.sqlite_database(tmp_path / "db", page_size=page_size).read_bytes()
    _assert_whole(content, DumpKind.SQLITE)
    assert _passed(content, seed=6) == []
    dump = _watched(content)
    assert dump.stable_sha256 == dump.raw_sha256


def test_a_damaged_page_of_an_sqlite_file_is_found_on_a_copy(tmp_path: Path, spool: Path) -> None:
    content = bytearray(real_dumps.sqlite_database(tmp_path / "db").read_bytes())
    assert _watched(bytes(content), spool=spool).defect == ""
    content[4 * 4096 : 5 * 4096] = b"\xff" * 4096
    assert _watched(bytes(content)).defect == ""
    assert "damaged" in _watched(bytes(content), spool=spool).defect


def test_a_copy_goes_away_with_a_content_that_is_not_read_to_its_end(
    tmp_path: Path, spool: Path
) -> None:
    content = real_dumps.sqlite_database(tmp_path / "db").read_bytes()
    with ContentWatch(spool=spool, spool_limit=1 << 30) as watch:
        watch.take(content[: 3 * WINDOW])
        assert len(list(spool.iterdir())) == 1


def test_only_an_sqlite_file_is_copied(spool: Path) -> None:
    watch = ContentWatch(spool=spool, spool_limit=1 << 30)
    watch.take(bytes(BLOCK))
    assert list(spool.iterdir()) == []


def test_an_sqlite_file_that_is_too_large_by_its_header_is_not_even_begun_to_be_copied(
    tmp_path: Path, spool: Path
) -> None:
    content = real_dumps.sqlite_database(tmp_path / "db").read_bytes()
    watch = ContentWatch(spool=spool, spool_limit=len(content) - 1)
    watch.take(content)
    assert list(spool.iterdir()) == []
    assert watch.finish().defect == ""


def test_a_dump_by_the_sqlite_shell_is_whole_and_a_cut_one_is_not(tmp_path: Path) -> None:
    path = real_dumps.sqlite_database(tmp_path / "db")
    try:
        content = real_dumps.sqlite_dump(path)
    except real_dumps.Sqlite3Absent as absent:
        pytest.skip(str(absent))
    _assert_whole(content, DumpKind.SQLITE_SQL)
    assert _passed(content, seed=7) == []
    assert _watched(content).stable_sha256 == _watched(content).raw_sha256
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE counted SET what = 'changed' WHERE id = 1000")
    after = _watched(real_dumps.sqlite_dump(path))
    assert after.stable_sha256 != _watched(content).stable_sha256
