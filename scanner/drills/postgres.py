"""Restores of PostgreSQL's dumps on a scratch server."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from scanner.drills import client, plain_dump, psql_errors, targets
from scanner.drills import postgres_scratch as scratch
from scanner.drills.content import Content
from scanner.drills.outcome import CannotRestore, CannotTry, Deadline, Restored
from scanner.pipeline.dump_kind import DumpKind

logger = logging.getLogger(__name__)

KINDS = frozenset({DumpKind.PG_PLAIN, DumpKind.PG_CUSTOM, DumpKind.PG_TAR})
PACKAGE = "postgresql-client"
_TAR_END = bytes(1024)


class PostgresServer:
    """A scratch server that was looked at and found to be one."""

    name = "PostgreSQL"

    def __init__(self, url: str, app_database: Mapping[str, Any]) -> None:
        """Look at the server, and drop what killed drills left there.

        Raise CannotTry when it is not a scratch one, or cannot be reached: the message says what
        to do.
        """
        if problem := targets.problem_of(url, app_database, engine=targets.Engine.POSTGRES):
            raise CannotTry(f"RESTORE_DRILL_POSTGRES_URL: {problem}")
        self._parameters = targets.parse(url)
        self._marker = self._parameters["dbname"]
        try:
            with scratch.session(self._parameters, self._marker) as session:
                self._version = scratch.prove(session, self._marker)
                scratch.drop_leftovers(session, self._marker)
        except psycopg.Error as error:
            words = scratch.said(error)
            raise CannotTry(
                f"the scratch server of RESTORE_DRILL_POSTGRES_URL cannot be used: {words}"
            ) from error

    def restore(
        self, kind: DumpKind, content: Content, *, folder: Path, deadline: Deadline
    ) -> Restored:
        """Restore a dump into a database of its own, count what is there, and drop it.

        Raise CannotRestore or CannotTry.
        """
        dumped = plain_dump.server_version(content.head)
        if dumped is not None and dumped > self._version:
            raise CannotTry(
                f"the dump is of PostgreSQL {dumped}, the scratch server is {self._version}: "
                "drill on a server that is not older"
            )
        with self._database() as name:
            if kind is DumpKind.PG_PLAIN:
                self._feed_psql(name, content, folder, deadline)
            else:
                pieces = _whole_tar(content) if kind is DumpKind.PG_TAR else content
                self._feed_pg_restore(name, pieces, folder, deadline)
            return self._count(name, deadline)

    @contextmanager
    def _database(self) -> Iterator[str]:
        name = targets.drills_name(self._marker)
        try:
            with scratch.session(self._parameters, self._marker) as session:
                session.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))
                )
        except psycopg.Error as error:
            raise CannotTry(f"no scratch database could be made: {scratch.said(error)}") from error
        try:
            yield name
        finally:
            try:
                with scratch.session(self._parameters, self._marker) as session:
                    scratch.drop_all(session, self._marker)
            except psycopg.Error as error:
                words = scratch.said(error)
                logger.warning("the scratch database %s was not dropped: %s", name, words)

    def _feed_psql(self, name: str, content: Content, folder: Path, deadline: Deadline) -> None:
        psql = client.find("psql", PACKAGE)
        self._require_restrict(psql, name, folder, deadline)
        errors = psql_errors.PsqlErrors()
        ended = client.run(
            [*self._psql(psql, name), "--echo-errors"],
            plain_dump.restricted(content, plain_dump.restrict_key()),
            folder=folder,
            deadline=deadline,
            variables=self._secrets(),
            hear=errors.hear,
        )
        errors.end()
        if ended.code == 2:  # noqa: PLR2004 - psql's own: the connection is gone
            raise CannotTry(f"the connection to the scratch server was lost: {ended.errors[-500:]}")
        if ended.code or not ended.took_all:
            raise CannotRestore(f"psql ended with {ended.code}: {ended.errors[-1000:]}")
        if defect := content.ending_defect(DumpKind.PG_PLAIN):
            raise CannotRestore(defect)

    def _require_restrict(self, psql: str, name: str, folder: Path, deadline: Deadline) -> None:
        """Make sure that psql can be kept from obeying a dump, before it sees anything of it."""
        key = plain_dump.restrict_key()
        ended = client.run(
            self._psql(psql, name),
            [f"\\restrict {key}\n\\unrestrict {key}\n".encode()],
            folder=folder,
            deadline=deadline,
            variables=self._secrets(),
        )
        if "invalid command" in ended.errors:
            raise CannotTry(
                f"{psql} is too old to be kept from obeying a dump's commands (it does not know "
                f"\\restrict): install a {PACKAGE} of August 2025 or later"
            )
        if ended.code or ended.errors:
            raise CannotTry(f"psql cannot work on the scratch server: {ended.errors[-1000:]}")

    def _psql(self, psql: str, name: str) -> list[str]:
        return [
            psql,
            "--no-psqlrc",
            "--quiet",
            "--no-password",
            "--file=-",
            "--set=ON_ERROR_STOP=0",
            "--set=VERBOSITY=verbose",
            f"--dbname={scratch.address(self._parameters, name)}",
        ]

    def _feed_pg_restore(
        self, name: str, pieces: Iterable[bytes], folder: Path, deadline: Deadline
    ) -> None:
        ended = client.run(
            [
                client.find("pg_restore", PACKAGE),
                "--no-password",
                "--no-owner",
                "--no-privileges",
                "--no-comments",
                "--no-security-labels",
                "--no-publications",
                "--no-subscriptions",
                "--exit-on-error",
                f"--dbname={scratch.address(self._parameters, name)}",
            ],
            pieces,
            folder=folder,
            deadline=deadline,
            variables=self._secrets(),
        )
        if ended.code:
            raise psql_errors.restore_error(ended.errors)
        if not ended.took_all:
            for _rest in pieces:  # what follows the archive's end was not read: it may be padding
                deadline.left()

    def _count(self, name: str, deadline: Deadline) -> Restored:
        try:
            with scratch.session(self._parameters, name) as session:
                tables = scratch.user_tables(session)
                rows = 0
                for table in tables:
                    left = int(deadline.left() * 1000) + 1
                    session.execute(sql.SQL("SET statement_timeout = {}").format(sql.Literal(left)))
                    counted = session.execute(
                        sql.SQL("SELECT pg_catalog.count(*) FROM ONLY {}").format(
                            sql.Identifier(*table)
                        )
                    ).fetchone()
                    rows += counted[0] if counted else 0
        except psycopg.errors.QueryCanceled:
            deadline.left()
            raise CannotTry("the scratch server cancelled the counting of rows") from None
        except psycopg.OperationalError as error:
            raise CannotTry(
                f"the connection to the scratch server broke: {scratch.said(error)}"
            ) from error
        except psycopg.Error as error:
            raise CannotRestore(
                f"the restored rows cannot be counted: {scratch.said(error)}"
            ) from error
        return Restored(len(tables), rows)

    def _secrets(self) -> dict[str, str]:
        password = self._parameters.get("password")
        return {"PGPASSWORD": password} if password else {}


def _whole_tar(content: Content) -> Iterator[bytes]:
    """Give a tar archive, but no end to one that breaks off: pg_restore then never ends."""
    yield from content
    if not content.tail.endswith(_TAR_END):
        raise CannotRestore("the end of the tar archive is missing")
