"""Databases with something of everything in them, and dumps of them by the programs themselves."""

import contextlib
import itertools
import random
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg

from tests import mariadb, postgres

DATABASE = "Größe 'of' \"things\""
"""A name that has to be quoted everywhere."""

_POSTGRES = r'''
CREATE SCHEMA "Bücher";
CREATE TYPE mood AS ENUM ('gut', 'it''s "fine"');
CREATE TABLE "Bücher"."it's \ a ""table"""
    (id serial PRIMARY KEY, "Ümläut" text NOT NULL, feeling mood, bytes bytea,
     note text DEFAULT $$;$$);
COMMENT ON TABLE "Bücher"."it's \ a ""table""" IS E'a comment\nof two lines';
CREATE TABLE counted (id bigint PRIMARY KEY, what text);
CREATE TABLE "empty" (id int REFERENCES "Bücher"."it's \ a ""table""" ON DELETE CASCADE);
CREATE INDEX ON counted (what);
CREATE VIEW seen AS SELECT * FROM counted WHERE what LIKE '%1%';
CREATE MATERIALIZED VIEW kept AS SELECT count(*) FROM counted;
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS $$ SELECT 2 * n; -- \unrestrict $$;
INSERT INTO "Bücher"."it's \ a ""table""" ("Ümläut", feeling, bytes)
    SELECT E'\\.\n--\n-- PostgreSQL database dump complete ' || n, 'it''s "fine"',
           decode(md5(n::text), 'hex')
    FROM generate_series(1, 200) n;
INSERT INTO counted SELECT n, md5(n::text) FROM generate_series(1, 6000) n;
SELECT lo_from_bytea(0, decode(repeat(md5(n::text), 50 * n), 'hex')) FROM generate_series(0, 12) n;
'''

_MARIADB = r"""
CREATE TABLE `it's a ``table``` (id int AUTO_INCREMENT PRIMARY KEY, `Ümläut` text, bytes blob);
CREATE TABLE counted (id int PRIMARY KEY, what varchar(64), KEY (what));
CREATE TABLE `empty` (id int);
CREATE VIEW seen AS SELECT * FROM counted WHERE what LIKE '%1%';
CREATE TRIGGER marked BEFORE INSERT ON `empty` FOR EACH ROW SET NEW.id = NEW.id + 1;
CREATE PROCEDURE twice(n int) SELECT 2 * n;
INSERT INTO `it's a ``table``` (`Ümläut`, bytes)
    SELECT CONCAT('\n-- Dump completed on 2024-01-01 00:00:00\n', seq), UNHEX(MD5(seq))
    FROM seq_1_to_200;
INSERT INTO counted SELECT seq, MD5(seq) FROM seq_1_to_6000;
"""


# --- PostgreSQL -----------------------------------------------------------------------------------


@contextlib.contextmanager
def postgres_database(server: str) -> Iterator[str]:
    """Make a filled database on the server of a URL; give its own connection string."""
    name = DATABASE.replace('"', '""')
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    made = psycopg.conninfo.make_conninfo(server, dbname=DATABASE)
    try:
        with psycopg.connect(made, autocommit=True) as connection:
            connection.execute(_POSTGRES.encode())
        yield made
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}"'.encode())


def pg_dump(database: str, *options: str) -> bytes:
    """Give what pg_dump writes to its standard output, a pipe."""
    return _output([postgres.program("pg_dump"), f"--dbname={database}", *options])


def pg_dump_file(database: str, file: Path, *options: str) -> bytes:
    """Give what pg_dump writes to a file, in which it can go back to fill in offsets."""
    _output([postgres.program("pg_dump"), f"--dbname={database}", f"--file={file}", *options])
    return file.read_bytes()


def pg_dumpall(server: str, *options: str) -> bytes:
    """Give what pg_dumpall writes of all databases of the server."""
    return _output([postgres.program("pg_dumpall"), f"--dbname={server}", *options])


# --- MariaDB --------------------------------------------------------------------------------------


def fill_mariadb(socket: Path) -> None:
    """Make a filled database, `DATABASE`, on a server."""
    mariadb.run_sql(socket, f"CREATE DATABASE `{DATABASE}`")
    mariadb.run_sql(socket, _MARIADB, database=DATABASE)


def mariadb_dump(socket: Path, *options: str, program: str = "mariadb-dump") -> bytes:
    """Give what mariadb-dump, or mysqldump, writes of `DATABASE`."""
    path = mariadb.program(program)
    access = ("--no-defaults", f"--socket={socket}", "--user=root")
    return _output([path, *access, "--routines", *options, DATABASE])


# --- SQLite ---------------------------------------------------------------------------------------


class Sqlite3Absent(Exception):
    """SQLite's shell is not on this machine."""


def sqlite_database(
    path: Path, *, page_size: int = 4096, wal: bool = False, vacuum: str = "NONE", rows: int = 2000
) -> Path:
    """Make a filled database in the file `path`, closed and with all of it in that one file."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {page_size}")
        connection.execute(f"PRAGMA auto_vacuum = {vacuum}")
        connection.execute(f"PRAGMA journal_mode = {'WAL' if wal else 'DELETE'}")
        connection.execute(
            """CREATE TABLE "it's a ""table" (id INTEGER PRIMARY KEY, "Ümläut", bytes)"""
        )
        connection.execute("CREATE TABLE counted (id INTEGER PRIMARY KEY, what TEXT NOT NULL)")
        connection.execute("CREATE INDEX by_what ON counted (what)")
        connection.execute("CREATE VIEW seen AS SELECT * FROM counted WHERE what LIKE '%1%'")
        connection.execute("BEGIN")
        connection.executemany(
            """INSERT INTO "it's a ""table" ("Ümläut", bytes) VALUES (?, ?)""",
            ((f"'{n}'\nCOMMIT; \n", bytes([n % 256]) * n * 10) for n in range(100)),
        )
        connection.executemany(
            "INSERT INTO counted VALUES (?, ?)", ((n, f"row {n:x} of {rows}") for n in range(rows))
        )
        connection.execute("COMMIT")
        connection.execute("DELETE FROM counted WHERE id % 3 = 0")
    return path


def sqlite_dump(path: Path) -> bytes:
    """Give what the shell's `.dump` writes; raise Sqlite3Absent without the shell."""
    shell = shutil.which("sqlite3")
    if shell is None:
        raise Sqlite3Absent("sqlite3 is not installed; install the package sqlite3")
    return _output([shell, str(path), ".dump"])


# --- What is cut off ------------------------------------------------------------------------------


def cut(content: bytes, *, seed: int, anywhere: int = 20, at_the_end: int = 300) -> list[bytes]:
    """Give `content` cut at random places, and at every one of its last bytes.

    None is empty, and none has lost only blank lines from its end.
    """
    places = random.Random(seed)
    end = len(content.rstrip(b" \r\n"))
    chosen = [places.randrange(1, end) for _ in range(anywhere)]
    return [content[:n] for n in itertools.chain(chosen, range(max(1, end - at_the_end), end))]


def _output(command: list[str]) -> bytes:
    return subprocess.run(command, check=True, capture_output=True).stdout
