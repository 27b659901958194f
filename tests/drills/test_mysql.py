"""Restores on MariaDB, for real: what comes through, what is refused, what is left behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.drills import client
from scanner.drills.mysql import MysqlServer
from scanner.drills.outcome import CannotRestore, CannotTry, Restored
from tests import real_dumps
from tests.drills.contents import restore
from tests.mariadb import MariadbAbsent, mariadb_server, run_sql

NOT_OURS = {"ENGINE": "django.db.backends.sqlite3", "NAME": "/srv/db.sqlite3"}
MARK = "restore_drill"
BEGINNING = "-- MariaDB dump 10.19\n--\n"
END = "\n-- Dump completed on 2026-03-02 12:00:00\n"
REAL = Restored(tables=3, rows=6200)
"""What real_dumps puts into its database."""


@pytest.fixture(scope="module")
def socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a server with a filled database, an empty scratch one, and a role for drills."""
    try:
        with mariadb_server(tmp_path_factory.mktemp("mariadb")) as path:
            real_dumps.fill_mariadb(path)
            run_sql(path, f"CREATE DATABASE {MARK}")
            make_role(path, "drill")
            yield path
    except MariadbAbsent as absent:
        pytest.skip(str(absent))


def make_role(socket: Path, name: str, *grants: str, password: str = "s3cret") -> None:
    """Make a role as docs/restore-drills.md tells, with some more grants."""
    escaped = password.replace("\\", "\\\\").replace("'", "\\'")
    scratch_only = r"ALL ON `restore\_drill%`.*"
    run_sql(socket, f"CREATE OR REPLACE USER {name}@localhost IDENTIFIED BY '{escaped}'")
    for grant in (scratch_only, *grants):
        run_sql(socket, f"GRANT {grant} TO {name}@localhost")


def url_of(socket: Path, user: str = "drill", password: str = "s3cret", name: str = MARK) -> str:
    return f"mysql://{user}:{password}@localhost/{name}?unix_socket={socket}"


@pytest.fixture(scope="module")
def server(socket: Path) -> MysqlServer:
    return MysqlServer(url_of(socket), NOT_OURS)


def scratch_databases(socket: Path) -> list[str]:
    names = run_sql(socket, "SELECT schema_name FROM information_schema.schemata").split("\n")
    return sorted(name for name in names if name.startswith(MARK))


def text(*statements: str) -> bytes:
    """Give a dump as mariadb-dump writes it, with these statements in it."""
    return (BEGINNING + "\n".join(statements) + END).encode()


# --- What comes through ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--events", "--triggers"),
        ("--skip-extended-insert",),
        ("--hex-blob",),
        ("--compact", "--comments"),
        ("--single-transaction", "--quick"),
        ("--skip-dump-date",),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("program", ["mariadb-dump", "mysqldump"])
def test_a_real_dump_is_restored_and_counted(
    server: MysqlServer, socket: Path, options: tuple[str, ...], program: str
) -> None:
    dump = real_dumps.mariadb_dump(socket, *options, program=program)
    assert b"DEFINER" in dump
    assert restore(server, dump) == REAL
    assert scratch_databases(socket) == [MARK]


def test_how_replication_stands_is_left_out(server: MysqlServer) -> None:
    dump = text(
        "SET @MYSQLDUMP_TEMP_LOG_BIN = @@SESSION.SQL_LOG_BIN;",
        "SET @@SESSION.SQL_LOG_BIN= 0;",
        "SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ '3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5,",
        "4E11FA47-71CA-11E1-9E33-C80AA9429562:1-5';",
        "CHANGE MASTER TO MASTER_LOG_FILE='a.000001', MASTER_LOG_POS=4;",
        "CREATE TABLE t (a int);",
        "INSERT INTO t VALUES (1),(2);",
        "SET @@SESSION.SQL_LOG_BIN = @MYSQLDUMP_TEMP_LOG_BIN;",
    )
    assert restore(server, dump) == Restored(tables=1, rows=2)


def test_more_tables_than_are_counted_at_once(
    server: MysqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scanner.drills.mysql.COUNTED_AT_ONCE", 2)
    dump = text(*(f"CREATE TABLE t{n} AS SELECT 1 AS a;" for n in range(5)))
    assert restore(server, dump) == Restored(tables=5, rows=5)


def test_a_table_of_any_name_is_counted(server: MysqlServer) -> None:
    dump = text("CREATE TABLE `a``; DROP TABLE x; é\t\\n` AS SELECT 1 AS a;")
    assert restore(server, dump) == Restored(tables=1, rows=1)


@pytest.mark.parametrize(
    ("password", "quoted"),
    [
        ("a b#c'", "a%20b%23c%27"),
        ('a"b\\c', "a%22b%5Cc"),
        ("é[x]\\n", "%C3%A9%5Bx%5D%5Cn"),
        (" ;=# ", "%20%3B%3D%23%20"),
    ],
)
def test_a_password_may_hold_any_of_these(socket: Path, password: str, quoted: str) -> None:
    make_role(socket, "quoted", password=password)
    MysqlServer(url_of(socket, "quoted", quoted), NOT_OURS)


# --- What a dump may not do -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        r"\! touch {file}",
        "system touch {file}",
        "SELECT 1; \\! touch {file}",
        r"\T {file}",
        "tee {file}",
        r"\. {script}",
        "source {script}",
        r"\P touch {file}",
        "\\e",
        "DELIMITER ;;\n\\! touch {file}\n;;",
        "SELECT 1 INTO OUTFILE '{file}';",
        "LOAD DATA LOCAL INFILE '{script}' INTO TABLE t;",
        "LOAD DATA INFILE '/etc/passwd' INTO TABLE t;",
        "SELECT * FROM mysql.global_priv;",
        "DROP DATABASE mysql;",
        "GRANT ALL ON *.* TO drill@localhost;",
        "SET GLOBAL general_log = 1;",
        "USE mysql;\nDROP TABLE global_priv;",
    ],
)
def test_a_dump_reaches_nothing_but_its_database(
    server: MysqlServer,
    socket: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    owned, script = tmp_path / "owned", tmp_path / "script"
    script.write_text(f"SELECT 1;\n\\! touch {owned}\n")
    monkeypatch.setenv("EDITOR", f"touch {owned} #")
    monkeypatch.setenv("PAGER", f"touch {owned} #")
    tmp_path.chmod(0o777)
    dump = text("CREATE TABLE t (a text);", command.format(file=owned, script=script))
    with pytest.raises((CannotRestore, CannotTry)):
        restore(server, dump)
    assert not owned.exists()
    assert scratch_databases(socket) == [MARK]


def test_a_users_own_files_are_not_read(
    server: MysqlServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".my.cnf").write_text("[client]\nuser=nobody\n[mysql]\ninit-command=nonsense\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MYSQL_PWD", "wrong")
    monkeypatch.setenv("MYSQL_HOST", "203.0.113.1")
    assert restore(server, text("CREATE TABLE t (a int);")) == Restored(tables=1, rows=0)


# --- What is wrong with a dump --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("CREATE TABLE t (a int;", "ERROR 1064"),
        ("INSERT INTO nothing VALUES (1);", "nothing' doesn't exist"),
        ("CREATE TABLE t (a int UNIQUE); INSERT INTO t VALUES (1),(1);", "Duplicate entry"),
    ],
)
def test_the_first_error_is_told(
    server: MysqlServer, socket: Path, statement: str, words: str
) -> None:
    with pytest.raises(CannotRestore, match=words):
        restore(server, text(statement))
    assert scratch_databases(socket) == [MARK]


@pytest.mark.parametrize("place", [0.2, 0.5, 0.99])
def test_a_dump_that_breaks_off_does_not_restore(
    server: MysqlServer, socket: Path, place: float
) -> None:
    dump = real_dumps.mariadb_dump(socket)
    with pytest.raises(CannotRestore):
        restore(server, dump[: int(len(dump) * place)])


def test_a_restore_that_does_not_end_is_given_up(server: MysqlServer, socket: Path) -> None:
    with pytest.raises(CannotRestore, match="did not end"):
        restore(server, text("CREATE TABLE t AS SELECT SLEEP(3600);"), seconds=2)
    assert scratch_databases(socket) == [MARK]


# --- What says nothing about a dump ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("dump", "words"),
    [
        (text("CREATE DATABASE `x`;", "USE `x`;", "CREATE TABLE t (a int);"), "CREATE DATABASE"),
        (text("USE `x`;"), "made with --databases"),
        (text("CREATE TABLE t (a text COLLATE utf8mb4_of_tomorrow);"), "lacks what the dump needs"),
        (text("  CREATE DEFINER=root@localhost PROCEDURE p() SELECT 1;"), "ERROR 1227"),
    ],
)
def test_what_the_server_lacks_is_not_held_against_the_dump(
    server: MysqlServer, dump: bytes, words: str
) -> None:
    with pytest.raises(CannotTry, match=words):
        restore(server, dump)


def test_a_client_that_is_too_old_sees_nothing_of_a_dump(
    socket: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = tmp_path / "mariadb"
    old.write_text(
        "#!/bin/sh\n"
        'case "$*" in *--version*) echo "mysql  Ver 14.14 Distrib 5.7.44"; exit 0;; esac\n'
        "echo \"mysql: [ERROR] unknown variable 'system-command=OFF'\" >&2\n"
        "exit 7\n"
    )
    old.chmod(0o755)
    monkeypatch.setattr(client, "FOLDERS", ())
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(CannotTry, match=r"too old to be kept from obeying.*--system-command"):
        MysqlServer(url_of(socket), NOT_OURS)


def test_without_a_client_nothing_is_tried(
    socket: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotTry, match="mysql is not on this machine: install mariadb-client"):
        MysqlServer(url_of(socket), NOT_OURS)


# --- Which servers are refused --------------------------------------------------------------------


@pytest.mark.parametrize(
    "grant",
    [
        "ALL ON *.*",
        "FILE ON *.*",
        "SUPER ON *.*",
        "SELECT ON *.*",
        "PROCESS ON *.*",
        "SELECT ON mysql.*",
        "SELECT (Host) ON mysql.global_priv",
        "ALL ON `restore`.*",
        "ALL ON `%`.*",
        "a_role",
    ],
)
def test_a_role_that_may_do_more_is_refused(socket: Path, grant: str) -> None:
    run_sql(socket, "CREATE ROLE IF NOT EXISTS a_role")
    make_role(socket, "more", grant)
    with pytest.raises(CannotTry, match="the role has 'GRANT "):
        MysqlServer(url_of(socket, "more"), NOT_OURS)


def test_a_database_with_a_table_is_refused_and_left_as_it_was(socket: Path) -> None:
    name = f"{MARK}_full"
    run_sql(socket, f"CREATE DATABASE {name}; CREATE TABLE {name}.precious AS SELECT 1 AS a")
    try:
        with pytest.raises(CannotTry, match="not empty: it has 1 tables, the first is precious"):
            MysqlServer(url_of(socket, name=name), NOT_OURS)
        assert run_sql(socket, f"SELECT a FROM {name}.precious") == "1\n"
    finally:
        run_sql(socket, f"DROP DATABASE {name}")


@pytest.mark.parametrize(
    ("name", "words"),
    [("mysql", "not marked as scratch"), (f"{MARK}_none", f"no database {MARK}_none")],
)
def test_a_database_that_is_no_mark_is_refused(socket: Path, name: str, words: str) -> None:
    with pytest.raises(CannotTry, match=words):
        MysqlServer(url_of(socket, name=name), NOT_OURS)


def test_a_wrong_password_is_told_without_it(socket: Path) -> None:
    with pytest.raises(CannotTry, match="cannot be used: ERROR 1045") as told:
        MysqlServer(url_of(socket, password="wr0ng"), NOT_OURS)
    assert "wr0ng" not in str(told.value)


def test_what_killed_drills_left_is_dropped_and_nothing_else(socket: Path) -> None:
    leftovers = [f"{MARK}_0123456789ab", f"{MARK}_ffffffffffff"]
    like_it = f"{MARK}_0123456789ag"
    for name in (*leftovers, like_it):
        run_sql(socket, f"CREATE DATABASE {name}; CREATE TABLE {name}.t (a int)")
    try:
        MysqlServer(url_of(socket), NOT_OURS)
        assert scratch_databases(socket) == [MARK, like_it]
    finally:
        run_sql(socket, f"DROP DATABASE {like_it}")
