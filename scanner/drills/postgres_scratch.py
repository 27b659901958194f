"""A scratch server of PostgreSQL: what proves it to be one, and sessions on it.

The role is the bound: whatever it may do, a dump may do. So it may own nothing but its scratch
databases, and be a member of no other role: not of those that read and write the server's files or
run programs on it, nor of those that own others' databases.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from scanner.drills import targets
from scanner.drills.outcome import CannotTry

logger = logging.getLogger(__name__)

OLDEST = 13
"""The first version that can drop a database from under its sessions."""
CONNECT_SECONDS = 10
ENGLISH = re.compile(r"(?:C|POSIX|en|English)(?:[._@-].*)?", re.IGNORECASE)
"""The values of lc_messages with which a server tells its errors in the words looked for here."""

Session = psycopg.Connection[tuple[Any, ...]]

# A dump may have changed those of the database or of the role.
_OWN_SETTINGS = "-c search_path= -c default_transaction_read_only=off -c statement_timeout=60s"

# Each row is a reason to refuse, in words.
_REFUSALS = """
SELECT 'is a superuser: a dump could run programs on that server' FROM pg_catalog.pg_roles
 WHERE rolname = current_user AND rolsuper
UNION ALL
SELECT 'may create roles (NOCREATEROLE), replicate (NOREPLICATION) or bypass row security '
       '(NOBYPASSRLS), and so could a dump' FROM pg_catalog.pg_roles
 WHERE rolname = current_user AND (rolcreaterole OR rolreplication OR rolbypassrls)
UNION ALL
SELECT 'lacks CREATEDB, which it needs to make a database for each drill' FROM pg_catalog.pg_roles
 WHERE rolname = current_user AND NOT rolcreatedb
UNION ALL
SELECT pg_catalog.format('is a member of the role %I: a dump could do what that one may do',
                         pg_catalog.pg_get_userbyid(roleid))
  FROM pg_catalog.pg_auth_members
 WHERE member = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
"""
_OWNED = """
SELECT datname FROM pg_catalog.pg_database
 WHERE datdba = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
"""
_TABLES = """
SELECT n.nspname, c.relname FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
 ORDER BY 1, 2
"""


@contextmanager
def session(parameters: Mapping[str, str], name: str) -> Iterator[Session]:
    """Give a session in the database `name` of a server. Raise psycopg.Error without one."""
    own = {
        "connect_timeout": str(CONNECT_SECONDS),
        **parameters,
        "dbname": name,
        "options": f"{parameters.get('options', '')} {_OWN_SETTINGS}",
        "client_encoding": "UTF8",
    }
    connection = psycopg.connect(_conninfo(own), autocommit=True)
    try:
        yield connection
    finally:
        connection.close()


def address(parameters: Mapping[str, str], name: str) -> str:
    """Give a database's address for the command line, where everybody may read it."""
    own = {"connect_timeout": str(CONNECT_SECONDS), **parameters, "dbname": name}
    for secret in targets.SECRETS:
        own.pop(secret, None)
    return _conninfo(own)


def prove(session: Session, marker: str) -> int:
    """Give the server's major version; raise CannotTry unless role and database are for drills."""
    version = session.info.server_version // 10_000
    if version < OLDEST:
        raise CannotTry(f"the scratch server is PostgreSQL {version}; expected {OLDEST} or newer")
    problems = [f"the role {row[0]}" for row in session.execute(_REFUSALS)]
    problems += [
        f"the role owns the database {name!r}, too: a dump could drop it"
        for name in _owned(session)
        if name != marker and not targets.is_a_drills(name, marker)
    ]
    language = session.execute("SHOW lc_messages").fetchone()
    if language is None or not ENGLISH.fullmatch(language[0]):
        problems.append(
            f"the server tells its errors in the language {language and language[0]!r:.80}, which "
            "a drill does not read; set lc_messages = 'C' in its postgresql.conf"
        )
    if tables := user_tables(session):
        problems.append(
            f"the database {marker} is not empty: it has {len(tables)} tables, the first is "
            f"{'.'.join(tables[0])}; a drill starts from an empty one"
        )
    if problems:
        raise CannotTry(
            f"RESTORE_DRILL_POSTGRES_URL is refused: {'; '.join(problems)} "
            "(docs/restore-drills.md tells how to make a role and a database for drills)"
        )
    return version


def drop_leftovers(session: Session, marker: str) -> None:
    """Drop the databases of drills that were killed."""
    for name in _owned(session):
        if targets.is_a_drills(name, marker):
            logger.info("dropping %s, which a killed drill left behind", name)
            drop(session, name)


def drop_all(session: Session, marker: str) -> None:
    """Drop all that the role owns but the marked database: a drill's own, and what its dump made.

    The role was proven to own nothing else before the dump was let in.
    """
    for name in _owned(session):
        if name != marker:
            drop(session, name)


def drop(session: Session, name: str) -> None:
    """Drop a drill's database from under the sessions that may still work in it."""
    try:
        # A dump may have made it one, to keep it from being dropped.
        session.execute(
            sql.SQL("ALTER DATABASE {} WITH IS_TEMPLATE false").format(sql.Identifier(name))
        )
        _drop_from_under(session, sql.Identifier(name))
    except psycopg.Error as error:
        # The next drill drops it, or says that it is in the way; the copy has been judged.
        logger.warning("the scratch database %s was not dropped: %s", name, said(error))


def _drop_from_under(session: Session, database: sql.Identifier) -> None:
    """Drop a database whoever works in it: its dump's sessions, or the server's autovacuum.

    With FORCE a server ends the sessions of this role, and refuses when there are others, of which
    autovacuum is one. Without it, it ends autovacuum and waits some seconds for the others' end.
    """
    forced = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(database)
    try:
        session.execute(forced)
    except psycopg.errors.InsufficientPrivilege:
        with suppress(psycopg.errors.ObjectInUse):
            session.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(database))
        session.execute(forced)


def user_tables(session: Session) -> list[tuple[str, str]]:
    """List the tables in the session's database, each with its schema."""
    return [(row[0], row[1]) for row in session.execute(_TABLES)]


def said(error: psycopg.Error) -> str:
    """Give the words of an error, on one line."""
    return " ".join(str(error).split())[:1000]


def _owned(session: Session) -> list[str]:
    return [str(row[0]) for row in session.execute(_OWNED).fetchall()]


def _conninfo(parameters: Mapping[str, Any]) -> str:
    return make_conninfo(**parameters)
