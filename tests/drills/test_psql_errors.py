"""Which of psql's errors are let pass, and what the others say."""

import pytest

from scanner.drills.outcome import CannotRestore, CannotTry
from scanner.drills.psql_errors import PsqlErrors, restore_error


def hear(*lines: str) -> None:
    errors = PsqlErrors()
    for line in lines:
        errors.hear(line.encode())
    errors.end()


def error(state: str, statement: str) -> tuple[str, ...]:
    """Give the lines that psql writes for an error."""
    return (
        f"psql:<stdin>:7: ERROR:  {state}: something is wrong",
        "DETAIL:  It is.",
        "LOCATION:  somewhere, something.c:1",
        f"psql:<stdin>:7: STATEMENT:  {statement}",
    )


LET_PASS = [
    ("42704", "ALTER TABLE public.t OWNER TO bob;"),
    ("42501", "ALTER FUNCTION public.f(integer) OWNER TO postgres;"),
    ("42704", "ALTER SCHEMA public OWNER TO bob;"),
    ("42704", "GRANT SELECT ON TABLE public.t TO bob;"),
    ("42704", "REVOKE ALL ON SCHEMA public FROM bob;"),
    ("42501", "ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT SELECT ON TABLES TO x;"),
    ("42704", "CREATE POLICY p ON public.t TO bob USING (true);"),
    ("42501", "COMMENT ON EXTENSION plpgsql IS 'PL/pgSQL procedural language';"),
    ("42501", "CREATE EXTENSION IF NOT EXISTS plpgsql WITH SCHEMA pg_catalog;"),
    ("42501", "COMMENT ON SCHEMA public IS 'standard public schema';"),
    ("3D000", "ALTER DATABASE x SET work_mem TO '1';"),
    ("42501", "COMMENT ON DATABASE x IS 'x';"),
    ("22023", "SET SESSION AUTHORIZATION 'bob';"),
    ("42704", "SET transaction_timeout = 0;"),
    ("22023", "SET default_tablespace = fast;"),
    ("42501", "CREATE ROLE bob;"),
    ("42P01", "DROP TABLE public.t;"),
    ("3F000", "DROP INDEX nothing.i;"),
    ("42P01", "ALTER TABLE ONLY public.t DROP CONSTRAINT t_pkey;"),
    ("42P06", "CREATE SCHEMA public;"),
    ("42501", "DROP SCHEMA public;"),
]
NOT_LET_PASS = [
    ("42704", "CREATE TABLE t (a nothing);"),
    ("42704", "INSERT INTO t VALUES ('ALTER TABLE x OWNER TO bob'::nothing);"),
    ("42P01", "ALTER TABLE t OWNER TO bob;"),
    ("42P01", "INSERT INTO t VALUES (1);"),
    ("42P01", "ALTER TABLE public.t ADD CONSTRAINT c UNIQUE (a);"),
    ("42501", "COPY t FROM PROGRAM 'id';"),
    ("42501", "CREATE TABLE pg_catalog.t (a int);"),
    ("42501", "DROP SCHEMA other;"),
    ("2BP01", "DROP TABLE public.t;"),
    ("23505", "COPY public.t (a) FROM stdin;"),
    ("22023", "SET timezone = 'nowhere';"),
    ("57014", "SELECT 1;"),
]
SERVERS_LACK = [
    ("0A000", "CREATE EXTENSION IF NOT EXISTS postgis WITH SCHEMA public;"),
    ("58P01", "CREATE EXTENSION x;"),
    ("42501", "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION f();"),
    ("42501", "CREATE FUNCTION public.f() RETURNS integer"),
]


@pytest.mark.parametrize(("state", "statement"), LET_PASS)
def test_what_a_scratch_server_need_not_have_is_let_pass(state: str, statement: str) -> None:
    hear(*error(state, statement), *error(state, statement))


@pytest.mark.parametrize(("state", "statement"), NOT_LET_PASS)
def test_anything_else_is_a_dump_that_does_not_restore(state: str, statement: str) -> None:
    with pytest.raises(CannotRestore, match=r"something is wrong \(in: "):
        hear(*error(state, statement))


@pytest.mark.parametrize(("state", "statement"), SERVERS_LACK)
def test_what_the_server_lacks_is_not_the_dumps_fault(state: str, statement: str) -> None:
    with pytest.raises(CannotTry, match="the scratch server lacks what the dump needs"):
        hear(*error(state, statement))


@pytest.mark.parametrize("state", ["53100", "53200", "57P01", "57P02", "58030", "08006"])
def test_a_server_in_trouble_is_not_the_dumps_fault(state: str) -> None:
    with pytest.raises(CannotTry, match="could not go on: out of it"):
        hear(f"psql:<stdin>:3: FATAL:  {state}: out of it")


@pytest.mark.parametrize(
    "lines",
    [
        ("ERROR:  42704: no", "ERROR:  42704: no", "STATEMENT:  GRANT x TO y;"),
        ("ERROR:  42704: no", "psql:<stdin>:3: error: other"),
    ],
)
def test_an_error_without_its_statement_is_not_let_pass(lines: tuple[str, ...]) -> None:
    with pytest.raises(CannotRestore, match="PostgreSQL says: no"):
        hear(*lines)


def test_notices_warnings_and_whatever_else_is_written_say_nothing() -> None:
    hear(
        "psql:<stdin>:1: NOTICE:  00000: relation exists, skipping",
        "WARNING:  01000: x",
        'psql:<stdin>:2: NOTICE:  42P07: relation "t" already exists, skipping',
        "WARNING:  25P01: there is no transaction in progress",
        "DETAIL:  TABLE: x",
        "CONTEXT:  12345: x",
        "TABLE NAME:  TABLE: x",
        "LINE 1:  SELEC: x",
        "ATTENTION:  01000: x",
        "",
        "\ufffd",
    )


FRENCH = (
    "psql:<stdin>:21: ERREUR:  {state}: la relation « public.t » n'existe pas",
    "LOCATION:  parserOpenTable, parse_relation.c:1384",
    "psql:<stdin>:21: STATEMENT:  {statement}",
)
"""What psql writes in the locale C of a server whose lc_messages is fr_FR.UTF-8."""


def french(state: str, statement: str) -> list[str]:
    return [line.format(state=state, statement=statement) for line in FRENCH]


def test_an_error_is_one_in_the_servers_language() -> None:
    with pytest.raises(CannotRestore, match=r"n'existe pas \(in: INSERT INTO"):
        hear(*french("42P01", "INSERT INTO public.t VALUES (1);"))
    hear(*french("42704", "ALTER TABLE public.t OWNER TO bob;"))


@pytest.mark.parametrize("word", ["ERREUR", "FEHLER", "ERROR", "ОШИБКА", "错误", "BŁĄD", "PANIQUE"])
def test_an_error_by_any_word_is_not_let_pass_without_its_statement(word: str) -> None:
    with pytest.raises(CannotRestore, match="PostgreSQL says: x"):
        hear(f"psql:<stdin>:3: {word}:  42P01: x")


@pytest.mark.parametrize(
    "before", [(), ("42P01 x",), ("NOTICE:  00000: x",), ("ATTENTION:  01000: x",)]
)
def test_a_statement_that_failed_for_reasons_not_understood_is_not_let_pass(
    before: tuple[str, ...],
) -> None:
    with pytest.raises(CannotRestore, match=r"refused a statement.*GRANT x TO y"):
        hear(*before, "psql:<stdin>:3: STATEMENT:  GRANT x TO y;")


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("backslash commands are restricted; only \\unrestrict is allowed", CannotRestore),
        ("invalid command \\N", CannotRestore),
        ("\\unrestrict: wrong key", CannotTry),
        ('connection to server at "x", port 1 failed: no', CannotTry),
    ],
)
def test_psqls_own_errors(words: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        hear(f"psql:<stdin>:9: error: {words}")


EXECUTED = "pg_restore: error: could not execute query: ERROR:  no\nCommand was: "


@pytest.mark.parametrize(
    ("errors", "kind"),
    [
        ("pg_restore: error: unsupported version (1.16) in file header", CannotTry),
        ("pg_restore: error: could not read from input file: end of file", CannotRestore),
        (f"{EXECUTED}CREATE TABLE t (a x);", CannotRestore),
        (f"{EXECUTED}CREATE EXTENSION IF NOT EXISTS postgis;", CannotTry),
        (f"{EXECUTED}CREATE POLICY p ON t TO bob;", CannotTry),
        ("pg_restore: error: server closed the connection unexpectedly", CannotTry),
        ("", CannotRestore),
    ],
)
def test_what_pg_restore_says(errors: str, kind: type[Exception]) -> None:
    assert type(restore_error(errors)) is kind
