"""Restores on PostgreSQL, for real: what comes through, what is refused, what is left behind."""

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from scanner.drills import client, postgres_scratch
from scanner.drills.outcome import CannotRestore, CannotTry, Restored
from scanner.drills.postgres import PostgresServer
from tests import real_dumps
from tests.drills.contents import restore
from tests.drills.scratch import databases_of, name_in, run_as, scratch_postgres

pytestmark = pytest.mark.postgres

NOT_OURS = {"ENGINE": "django.db.backends.sqlite3", "NAME": "/srv/db.sqlite3"}
BEGINNING = "--\n-- PostgreSQL database dump\n--\n\n"
END = "\n--\n-- PostgreSQL database dump complete\n--\n\n"
REAL = Restored(tables=3, rows=6200)
"""What real_dumps puts into its database."""


@pytest.fixture
def url(postgres_url: str) -> Iterator[str]:
    """Give a scratch database that the test may spoil."""
    with scratch_postgres(postgres_url) as made:
        yield made


@pytest.fixture(scope="module")
def clean(postgres_url: str) -> Iterator[str]:
    """Give a scratch database in which drills alone work; each leaves it as it was."""
    with scratch_postgres(postgres_url) as made:
        yield made


@pytest.fixture(scope="module")
def server(clean: str) -> PostgresServer:
    return PostgresServer(clean, NOT_OURS)


def plain(*statements: str) -> bytes:
    """Give a dump as pg_dump writes it, with these statements in it."""
    return (BEGINNING + "\n".join(statements) + END).encode()


def assert_clean(postgres_url: str, url: str) -> None:
    """Check that a drill left no database behind but the one that it started from."""
    assert databases_of(postgres_url, name_in(url)) == [name_in(url)]


# --- What comes through ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_database(postgres_url: str) -> Iterator[str]:
    """Give a filled database with an owner and grants of roles that the scratch server has not."""
    with real_dumps.postgres_database(postgres_url) as database:
        yield database


def with_foreign_roles(postgres_url: str, database: str, *options: str) -> bytes:
    """Dump a database whose objects belong to a role, with grants to it, that is then no more."""
    role = "somebody_else"
    with psycopg.connect(database, autocommit=True) as session:
        for statement in (
            f"CREATE ROLE {role}",
            f"ALTER TABLE counted OWNER TO {role}",
            f'GRANT SELECT ON "empty" TO {role}',
            f"ALTER DEFAULT PRIVILEGES FOR ROLE {role} GRANT SELECT ON TABLES TO PUBLIC",
            f'CREATE POLICY mine ON "empty" TO {role} USING (true)',
        ):
            session.execute(statement.encode())
    try:
        return real_dumps.pg_dump(database, *options)
    finally:
        with psycopg.connect(database, autocommit=True) as session:
            for statement in (
                'DROP POLICY mine ON "empty"',
                f"REASSIGN OWNED BY {role} TO CURRENT_USER",
                f"DROP OWNED BY {role}",
                f"DROP ROLE {role}",
            ):
                session.execute(statement.encode())


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--clean",),
        ("--clean", "--if-exists"),
        ("--create",),
        ("--clean", "--create"),
        ("--inserts",),
        ("--verbose",),
        ("--no-owner", "--no-privileges"),
        ("--use-set-session-authorization",),
        ("--format=custom",),
        ("--format=custom", "--compress=0"),
        ("--format=tar",),
    ],
    ids=" ".join,
)
def test_a_real_dump_is_restored_and_counted(
    server: PostgresServer,
    real_database: str,
    postgres_url: str,
    clean: str,
    options: tuple[str, ...],
) -> None:
    assert restore(server, real_dumps.pg_dump(real_database, *options)) == REAL
    assert_clean(postgres_url, clean)


@pytest.mark.parametrize("options", [(), ("--clean",), ("--create",)], ids=" ".join)
def test_roles_that_are_not_there_are_no_fault_of_the_dump(
    server: PostgresServer, real_database: str, postgres_url: str, options: tuple[str, ...]
) -> None:
    dump = with_foreign_roles(postgres_url, real_database, *options)
    assert dump.count(b"somebody_else") >= 4
    assert restore(server, dump) == REAL


@pytest.mark.parametrize("extension", ["", ".gz", ".zst", ".xz", ".bz2", ".lz4"])
def test_however_it_is_packed(server: PostgresServer, extension: str) -> None:
    dump = plain("CREATE TABLE t (a int);", "COPY t (a) FROM stdin;", "1", "2", "\\.")
    assert restore(server, dump, extension) == Restored(tables=1, rows=2)


def test_the_rows_of_partitions_and_heirs_are_counted_once(server: PostgresServer) -> None:
    dump = plain(
        "CREATE TABLE parted (a int) PARTITION BY RANGE (a);",
        "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);",
        "CREATE TABLE mother (a int);",
        "CREATE TABLE daughter () INHERITS (mother);",
        "INSERT INTO parted VALUES (1), (2);",
        "INSERT INTO daughter VALUES (1);",
    )
    assert restore(server, dump) == Restored(tables=4, rows=3)


def test_a_table_of_any_name_is_counted(server: PostgresServer) -> None:
    dump = plain('CREATE SCHEMA "a;b";', 'CREATE TABLE "a;b"."c""; DROP TABLE d; --" AS SELECT 1;')
    assert restore(server, dump) == Restored(tables=1, rows=1)


def test_a_dump_without_tables_is_restored(server: PostgresServer) -> None:
    assert restore(server, plain("SET statement_timeout = 0;")) == Restored(tables=0, rows=0)


def test_rows_hidden_by_row_security_are_counted(server: PostgresServer) -> None:
    dump = plain(
        "CREATE TABLE t AS SELECT 1 AS a;",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY;",
        "CREATE POLICY none ON t USING (false);",
    )
    assert restore(server, dump) == Restored(tables=1, rows=1)


# --- What a dump may not do -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        r"\! touch {file}",
        r"SELECT 1 \g {file}",
        r"SELECT 1 \g |touch {file}",
        r"\o {file}",
        r"\copy (SELECT 1) TO '{file}'",
        r"\copy (SELECT 1) TO PROGRAM 'touch {file}'",
        r"\w {file}",
        "\\unrestrict 0\n\\! touch {file}",
        "\\restrict 0\n\\unrestrict 0\n\\! touch {file}",
        "SELECT `touch {file}`;\n\\setenv X `touch {file}`",
        "\\connect postgres\n\\! touch {file}",
    ],
)
def test_commands_for_psql_are_not_obeyed(
    server: PostgresServer, tmp_path: Path, postgres_url: str, clean: str, command: str
) -> None:
    owned = tmp_path / "owned"
    with pytest.raises((CannotRestore, CannotTry)):
        restore(server, plain("CREATE TABLE t (a int);", command.format(file=owned)))
    assert not owned.exists()
    assert_clean(postgres_url, clean)


@pytest.mark.parametrize(
    "beginning",
    ["\\unrestrict {key}\n", "\\restrict {key}\n\\unrestrict {key}\n", "\ufeff\\restrict {key}\n"],
)
@pytest.mark.parametrize(
    "end", ["", "\\unrestrict {key}\n", "\\unrestrict {key}\n\\! touch {file}\n"]
)
def test_a_key_of_the_dumps_own_frees_nothing(
    server: PostgresServer, tmp_path: Path, beginning: str, end: str
) -> None:
    owned = tmp_path / "owned"
    text = BEGINNING + beginning + "\\! touch {file}\n" + END + end
    with pytest.raises((CannotRestore, CannotTry)):
        restore(server, text.format(key="0" * 64, file=owned).encode())
    assert not owned.exists()


@pytest.mark.parametrize(
    "statement",
    [
        "COPY t FROM PROGRAM 'touch {file}; echo 1';",
        "COPY t TO PROGRAM 'touch {file}';",
        "COPY t TO '{file}';",
        "COPY t FROM '/etc/passwd';",
        "SELECT pg_read_file('/etc/passwd');",
        "SELECT lo_export(lo_create(0), '{file}');",
        "SELECT lo_import('/etc/passwd');",
        "CREATE TABLESPACE x LOCATION '{file}';",
        "ALTER SYSTEM SET archive_command = 'touch {file}';",
        "DROP DATABASE backupmonitor WITH (FORCE);",
        "ALTER DATABASE backupmonitor RENAME TO x;\nDROP DATABASE x;",
    ],
)
def test_the_role_keeps_statements_from_the_servers_files_and_databases(
    server: PostgresServer, tmp_path: Path, postgres_url: str, clean: str, statement: str
) -> None:
    tmp_path.chmod(0o777)
    owned = tmp_path / "owned"
    with pytest.raises((CannotRestore, CannotTry)):
        restore(server, plain("CREATE TABLE t (a int);", statement.format(file=owned)))
    assert not owned.exists()
    psycopg.connect(postgres_url).close()
    assert_clean(postgres_url, clean)


@pytest.mark.parametrize("options", ["", " IS_TEMPLATE true", " ALLOW_CONNECTIONS false"])
def test_what_a_dump_makes_beside_its_own_database_is_dropped(
    server: PostgresServer, postgres_url: str, clean: str, options: str
) -> None:
    other = f"other_{name_in(clean)}"
    dump = plain("CREATE TABLE t (a int);", f"CREATE DATABASE {other}{options};")
    assert restore(server, dump) == Restored(tables=1, rows=0)
    assert_clean(postgres_url, clean)
    PostgresServer(clean, NOT_OURS)


def test_a_drills_database_is_dropped_though_its_dump_made_it_a_template(
    server: PostgresServer, postgres_url: str, clean: str
) -> None:
    as_template = (
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I IS_TEMPLATE true', current_database());"
        " END $$;"
    )
    restore(server, plain("CREATE TABLE t (a int);", as_template))
    assert_clean(postgres_url, clean)


@pytest.mark.slow
@pytest.mark.parametrize("own_sessions", [0, 1])
def test_a_drills_database_is_dropped_though_the_server_itself_worked_in_it(
    postgres_url: str, url: str, own_sessions: int
) -> None:
    """Autovacuum is not the role's to end, and neither is this session of the superuser's."""
    left = f"{name_in(url)}_0123456789ab"
    run_as(url, f"CREATE DATABASE {left}")
    servers = psycopg.connect(f"{postgres_url.rpartition('/')[0]}/{left}")
    with contextlib.ExitStack() as stack, psycopg.connect(url, autocommit=True) as session:
        for _ in range(own_sessions):
            stack.enter_context(psycopg.connect(f"{url}_0123456789ab"))
        ending = threading.Timer(1, servers.close)
        ending.start()
        postgres_scratch.drop(session, left)
    ending.join()
    assert_clean(postgres_url, url)


def test_a_marked_database_of_the_administrators_is_out_of_a_dumps_reach(
    postgres_url: str, url: str
) -> None:
    name = name_in(url)
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} OWNER TO CURRENT_USER".encode())
    try:
        server = PostgresServer(url, NOT_OURS)
        assert restore(server, plain("CREATE TABLE t (a int);")) == Restored(tables=1, rows=0)
        for statement in (f"DROP DATABASE {name};", f"ALTER DATABASE {name} RENAME TO x;"):
            with contextlib.suppress(CannotRestore):  # such a statement may be let pass
                restore(server, plain("CREATE TABLE t (a int);", statement))
        assert databases_of(postgres_url, name) == []
        PostgresServer(url, NOT_OURS)
    finally:
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {name} OWNER TO {name}".encode())


# --- What is wrong with a dump --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (["CREATE TABLE t (a int;"], "syntax error"),
        (["INSERT INTO t VALUES (1);"], r'relation "t" does not exist \(in: INSERT INTO t'),
        (["COPY t FROM stdin;", "1", "\\.", "CREATE TABLE t (a int);"], "does not exist"),
        (["CREATE TABLE t (a int);", "COPY t FROM stdin;", "x", "\\."], "invalid input syntax"),
        (["CREATE TABLE t (a int UNIQUE);", "INSERT INTO t VALUES (1), (1);"], "duplicate key"),
        (["SELECT 1/0;", "DROP TABLE nothing;"], "division by zero"),
        (["DROP TABLE nothing;", "SELECT 1/0;"], "division by zero"),
    ],
)
def test_the_first_error_of_the_dump_is_told(
    server: PostgresServer, postgres_url: str, clean: str, statements: list[str], words: str
) -> None:
    with pytest.raises(CannotRestore, match=words):
        restore(server, plain(*statements))
    assert_clean(postgres_url, clean)


@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("options", [(), ("--format=custom",), ("--format=tar",)], ids=" ".join)
def test_a_dump_that_breaks_off_does_not_restore(
    server: PostgresServer, real_database: str, place: float, options: tuple[str, ...]
) -> None:
    dump = real_dumps.pg_dump(real_database, *options).rstrip(b"\0\n")
    with pytest.raises(CannotRestore):
        restore(server, dump[: int(len(dump) * place)])


@pytest.mark.parametrize(
    "statements",
    [("COPY t FROM stdin;", "1", "2"), ("INSERT INTO t", "SELECT 1")],
    ids=["in rows", "in a statement"],
)
def test_a_plain_dump_that_psql_does_not_find_broken_is(
    server: PostgresServer, statements: tuple[str, ...]
) -> None:
    dump = plain("CREATE TABLE t (a int);", *statements)[: -len(END)]
    with pytest.raises(CannotRestore, match="the end of the pg_dump output is missing"):
        restore(server, dump)


def test_a_restore_that_does_not_end_is_given_up(
    server: PostgresServer, postgres_url: str, clean: str
) -> None:
    with pytest.raises(CannotRestore, match=r"did not end within 0\.05 minutes"):
        restore(server, plain("SELECT pg_sleep(3600);"), seconds=3)
    assert_clean(postgres_url, clean)


def test_counting_rows_that_does_not_end_is_given_up(
    server: PostgresServer, postgres_url: str, clean: str
) -> None:
    dump = plain(
        "CREATE TABLE t AS SELECT 1 AS a;",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY;",
        "ALTER TABLE t FORCE ROW LEVEL SECURITY;",
        "CREATE POLICY slow ON t USING (pg_sleep(3600) IS NULL);",
    )
    with pytest.raises(CannotRestore, match="did not end"):
        restore(server, dump, seconds=4)
    assert_clean(postgres_url, clean)


# --- What says nothing about a dump ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("dump", "words"),
    [
        (plain("CREATE EXTENSION no_such_extension;"), "lacks what the dump needs"),
        (plain("CREATE EXTENSION dblink;"), "lacks what the dump needs"),
        (plain("CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'x', 'y';"), "lacks"),
        (plain("-- Dumped from database version 99.1 (Debian)"), "the dump is of PostgreSQL 99"),
        (plain("SELECT pg_terminate_backend(pg_backend_pid());"), "could not go on"),
    ],
)
def test_what_the_server_lacks_is_not_held_against_the_dump(
    server: PostgresServer, postgres_url: str, clean: str, dump: bytes, words: str
) -> None:
    with pytest.raises(CannotTry, match=words):
        restore(server, dump)
    assert_clean(postgres_url, clean)


def test_an_archive_that_needs_an_extension_is_not_held_against_it(
    server: PostgresServer, postgres_url: str
) -> None:
    with scratch_postgres(postgres_url, "SUPERUSER", prefix="extended_") as source:
        run_as(source, "CREATE EXTENSION dblink")
        dump = real_dumps.pg_dump(source, "--format=custom")
    with pytest.raises(CannotTry, match=r"lacks what the dump needs.*dblink"):
        restore(server, dump)


def test_an_archive_of_a_newer_pg_dump_is_not_tried(
    server: PostgresServer, real_database: str
) -> None:
    dump = bytearray(real_dumps.pg_dump(real_database, "--format=custom"))
    dump[6] = 99  # the minor version of the format
    with pytest.raises(CannotTry, match="unsupported version"):
        restore(server, bytes(dump))


def test_an_archive_of_a_newer_server_is_not_tried(
    server: PostgresServer, real_database: str
) -> None:
    dump = real_dumps.pg_dump(real_database, "--format=custom")
    version = re.search(rb"\x00(\d\d)\.\d", dump)
    assert version is not None
    newer = dump[: version.start(1)] + b"98" + dump[version.end(1) :]
    with pytest.raises(CannotTry, match="the dump is of PostgreSQL 98"):
        restore(server, newer)


def test_without_psql_nothing_is_tried(
    server: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    postgres_url: str,
    clean: str,
) -> None:
    monkeypatch.setattr(client, "FOLDERS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotTry, match="psql is not on this machine: install postgresql-client"):
        restore(server, plain("CREATE TABLE t (a int);"))
    assert_clean(postgres_url, clean)


def test_a_psql_that_would_obey_the_dump_sees_nothing_of_it(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = tmp_path / "psql"
    seen = tmp_path / "seen"
    # It speaks as one of before August 2025.
    old.write_text(
        "#!/bin/sh\n"
        "while read -r line; do\n"
        '  printf "%s\\n" "$line" >&2\n'
        '  case $line in \\\\*) echo "psql:<stdin>:1: error: invalid command $line" >&2;; esac\n'
        "done\n"
    )
    old.chmod(0o755)
    monkeypatch.setattr(client, "FOLDERS", ())
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    dump = plain(f"\\! touch {seen}")
    with pytest.raises(CannotTry, match="too old to be kept from obeying"):
        restore(server, dump)
    assert not seen.exists()


def test_nothing_of_the_users_or_our_environment_reaches_psql(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    owned = tmp_path / "owned"
    (tmp_path / ".psqlrc").write_text(f"\\! touch {owned}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PSQLRC", str(tmp_path / ".psqlrc"))
    monkeypatch.setenv("PGOPTIONS", "-c default_transaction_read_only=on")
    monkeypatch.setenv("PGHOST", "203.0.113.1")
    monkeypatch.setenv("PGUSER", "nobody")
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    assert restore(server, plain("CREATE TABLE t AS SELECT 1;")) == Restored(tables=1, rows=1)
    assert not owned.exists()


# --- Which servers are refused --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        (("SUPERUSER",), "is a superuser"),
        (("CREATEROLE",), "may create roles"),
        (("REPLICATION",), "replicate"),
        (("BYPASSRLS",), "bypass row security"),
        (("NOCREATEDB",), "lacks CREATEDB"),
        (("IN ROLE pg_read_server_files",), "is a member of the role pg_read_server_files"),
        (("IN ROLE pg_execute_server_program",), "is a member of the role pg_execute"),
    ],
)
def test_a_role_that_may_do_more_is_refused(
    postgres_url: str, attributes: tuple[str, ...], words: str
) -> None:
    with scratch_postgres(postgres_url) as url:
        name = name_in(url)
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            for attribute in attributes:
                role = attribute.removeprefix("IN ROLE ")
                statement = f"ALTER ROLE {name} {attribute}"
                granted = f"GRANT {role} TO {name}"
                admin.execute((statement if role == attribute else granted).encode())
        with pytest.raises(CannotTry, match=words):
            PostgresServer(url, NOT_OURS)


def test_a_role_that_owns_another_database_is_refused(postgres_url: str, url: str) -> None:
    other = f"other_{name_in(url)}"
    run_as(url, f"CREATE DATABASE {other}")
    with pytest.raises(CannotTry, match=f"owns the database '{other}', too: a dump could drop it"):
        PostgresServer(url, NOT_OURS)


@pytest.mark.parametrize(
    "value", ["C", "POSIX", "C.UTF-8", "en_US.utf8", "en_GB", "en", "English_United States.1252"]
)
def test_a_server_that_speaks_english_is_understood(value: str) -> None:
    assert postgres_scratch.ENGLISH.fullmatch(value) is not None


@pytest.mark.parametrize("value", ["", "fr_FR.UTF-8", "de_DE", "C3", "enm", "ca_ES@euro"])
def test_a_server_that_speaks_another_language_is_not(value: str) -> None:
    assert postgres_scratch.ENGLISH.fullmatch(value) is None


def test_a_server_whose_words_are_not_understood_is_refused(
    clean: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Locales of other languages are not on every machine: the one that is there is made foreign.
    monkeypatch.setattr(postgres_scratch, "ENGLISH", re.compile("eo"))
    with pytest.raises(CannotTry, match=r"tells its errors in the language '.+set lc_messages"):
        PostgresServer(clean, NOT_OURS)


def test_a_database_with_a_table_is_refused_and_left_as_it_was(url: str) -> None:
    run_as(url, "CREATE TABLE precious AS SELECT 1 AS a")
    with pytest.raises(
        CannotTry, match=r"not empty: it has 1 tables, the first is public\.precious"
    ):
        PostgresServer(url, NOT_OURS)
    with psycopg.connect(url) as session:
        assert session.execute("SELECT a FROM precious").fetchall() == [(1,)]


def test_a_database_without_the_mark_is_refused(postgres_url: str) -> None:
    with pytest.raises(CannotTry, match="'backupmonitor' is not marked as scratch"):
        PostgresServer(postgres_url, NOT_OURS)


def test_the_applications_own_database_is_refused(url: str) -> None:
    own = {"ENGINE": "django.db.backends.postgresql", "NAME": name_in(url)}
    with pytest.raises(CannotTry, match="the application's own database"):
        PostgresServer(url, own)


def test_a_server_that_is_away_is_told_without_its_password() -> None:
    with pytest.raises(CannotTry, match="cannot be used") as told:
        PostgresServer("postgresql://drill:s3cret@127.0.0.1:9/restore_drill", NOT_OURS)
    assert "s3cret" not in str(told.value)


def test_what_killed_drills_left_is_dropped_and_nothing_else(postgres_url: str, url: str) -> None:
    name = name_in(url)
    like_it = f"{name}_0123456789ag"
    run_as(url, f"CREATE DATABASE {name}_0123456789ab", f"CREATE DATABASE {name}_ffffffffffff")
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {like_it}".encode())
    try:
        # A session that was left behind is no obstacle.
        with psycopg.connect(f"{url}_0123456789ab"):
            PostgresServer(url, NOT_OURS)
        assert_clean(postgres_url, url)
        psycopg.connect(f"{postgres_url.rpartition('/')[0]}/{like_it}").close()
    finally:
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {like_it}".encode())
