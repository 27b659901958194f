r"""Restores of mysqldump's and mariadb-dump's text on a scratch server of MySQL or MariaDB.

All goes through the client program, which must not obey the dump: `\!` would run a program,
`source` and `tee` touch files, LOAD DATA LOCAL read them. `--binary-mode` turns the client's
commands off; MariaDB's `--sandbox`, or MySQL's `--system-command=OFF`, is a second bolt. A client
that knows neither is not used.

The role is the bound for the SQL: it may have privileges on databases named like the scratch one,
and no others.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scanner.drills import client, targets, workplace
from scanner.drills.client import Ended
from scanner.drills.content import Content
from scanner.drills.outcome import CannotRestore, CannotTry, Deadline, Restored
from scanner.drills.privileged import without_privileged
from scanner.pipeline.dump_kind import DumpKind
from scanner.pipeline.text import quote

logger = logging.getLogger(__name__)

KINDS = frozenset({DumpKind.MYSQL})
PACKAGE = "mariadb-client, or MySQL's"
PROGRAMS = ("mariadb", "mysql")
ASK_SECONDS = 60.0
COUNTED_AT_ONCE = 1000
"""Tables whose counts fit into what is kept of a program's output."""
_PASSWORD_FILE = "client.cnf"  # noqa: S105 - where it stands while a client runs

_NAMES_DATABASE = re.compile(rb"^(?:CREATE DATABASE|USE) [^\n]*", re.MULTILINE | re.IGNORECASE)
_ERROR = re.compile(r"^ERROR(?: (\d+) \(\w+\))?(?: at line \d+)?: ?(.*)", re.MULTILINE)
_BACKSLASH = re.compile(r"Unknown command|Not allowed in the sandbox")
_OLD = re.compile(r"unknown (option|variable)")
_SERVERS_TROUBLE = frozenset(
    # full, out of memory, packets too large, too many connections, no access, gone, timed out
    {1021, 1037, 1038, 1040, 1041, 1045, 1053, 1114, 1153, 1203, 1205, 1226}
    | {2002, 2003, 2005, 2006, 2013, 2026, 3024}
)
_SERVERS_LACK = frozenset(
    # charset, collation, engine, variable, plugin; a privilege of administrators; binary log
    {1115, 1273, 1286, 1193, 1524, 1227, 1419}
)

_GRANT = re.compile(r"GRANT (?P<what>.+?) ON (?:TABLE |FUNCTION |PROCEDURE )?(?P<where>.+?) TO ")
_SCRATCH_ONLY = re.compile(r"`restore\\?_drill[^`]*`\.")


class MysqlServer:
    """A scratch server that was looked at and found to be one."""

    name = "MySQL"

    def __init__(self, url: str, app_database: Mapping[str, Any]) -> None:
        """Look at the server, and drop what killed drills left there.

        Raise CannotTry when it is not a scratch one, or cannot be reached: the message says what
        to do.
        """
        if problem := targets.problem_of(url, app_database, engine=targets.Engine.MYSQL):
            raise CannotTry(f"RESTORE_DRILL_MYSQL_URL: {problem}")
        self._parameters = targets.parse(url)
        self._marker = self._parameters["dbname"]
        with workplace.folder() as folder:
            self._program = _program()
            self._bolt = self._find_bolt(folder)
            self._refuse(folder)
            for name in self._databases(folder):
                if targets.is_a_drills(name, self._marker):
                    logger.info("dropping %s, which a killed drill left behind", name)
                    self._drop(name, folder)

    def restore(
        self, kind: DumpKind, content: Content, *, folder: Path, deadline: Deadline
    ) -> Restored:
        """Restore a dump into a database of its own, count what is there, and drop it.

        Raise CannotRestore or CannotTry.
        """
        if found := _NAMES_DATABASE.search(content.head):
            words = quote(found[0].decode(errors="replace"))
            raise CannotTry(
                f"the dump chooses its database itself ({words}: it was made with --databases); a "
                "drill restores dumps of one database"
            )
        with self._database(folder) as name:
            ended = self._run([f"--database={name}"], without_privileged(content), folder, deadline)
            if ended.code:
                raise _error(ended.errors)
            if not ended.took_all:
                raise CannotRestore("the client ended before the dump did")
            if defect := content.ending_defect(kind):
                raise CannotRestore(defect)
            return self._count(name, folder, deadline)

    def _find_bolt(self, folder: Path) -> str:
        version = client.run(
            [self._program, "--no-defaults", "--version"],
            (),
            folder=folder,
            deadline=Deadline(ASK_SECONDS),
        )
        return "--sandbox" if "MariaDB" in version.output else "--system-command=OFF"

    def _refuse(self, folder: Path) -> None:
        problems = [
            f"the role has {grant.partition(' IDENTIFIED ')[0]!r:.200}, and so would a dump"
            for grant in self._ask("SHOW GRANTS FOR CURRENT_USER()", folder)
            if not _is_harmless(grant)
        ]
        tables = self._tables(self._marker, folder)
        if tables:
            problems.append(
                f"the database {self._marker} is not empty: it has {len(tables)} tables, the first "
                f"is {tables[0]}; a drill starts from an empty one"
            )
        elif self._marker not in self._databases(folder):
            problems.append(f"there is no database {self._marker}, which marks a scratch server")
        if problems:
            raise CannotTry(
                f"RESTORE_DRILL_MYSQL_URL is refused: {'; '.join(problems)} "
                "(docs/restore-drills.md tells how to make a role and a database for drills)"
            )

    @contextmanager
    def _database(self, folder: Path) -> Iterator[str]:
        name = targets.drills_name(self._marker)
        self._ask(f"CREATE DATABASE {_quoted(name)}", folder)
        try:
            yield name
        finally:
            self._drop(name, folder)

    def _drop(self, name: str, folder: Path) -> None:
        """Drop a drill's database from under its sessions, which may still work in it."""
        working = f"SELECT id FROM information_schema.processlist WHERE db = '{name}'"  # noqa: S608
        try:
            for session in self._ask(working, folder):
                if session.isdecimal():
                    self._ask(f"KILL {session}", folder, may_fail=True)
            self._ask(f"DROP DATABASE IF EXISTS {_quoted(name)}", folder)
        except (CannotTry, CannotRestore) as error:
            # The next drill tries again; the copy has been judged.
            logger.warning("the scratch database %s was not dropped: %s", name, error)

    def _count(self, name: str, folder: Path, deadline: Deadline) -> Restored:
        tables = self._tables(name, folder)
        rows = 0
        for start in range(0, len(tables), COUNTED_AT_ONCE):
            some = [
                f"SELECT COUNT(*) FROM {_quoted(name)}.{_quoted(table)};\n".encode()  # noqa: S608
                for table in tables[start : start + COUNTED_AT_ONCE]
            ]
            ended = self._run(["--batch", "--skip-column-names"], some, folder, deadline)
            if ended.code:
                raise _error(ended.errors, "the restored rows cannot be counted")
            rows += sum(int(line) for line in ended.output.splitlines())
        return Restored(len(tables), rows)

    def _tables(self, database: str, folder: Path) -> list[str]:
        found = self._ask(
            "SELECT HEX(table_name) FROM information_schema.tables "  # noqa: S608 - a name of ours
            f"WHERE table_schema = '{database}' AND table_type <> 'VIEW' "
            "AND table_type <> 'SEQUENCE' ORDER BY table_name",
            folder,
        )
        return [bytes.fromhex(name).decode("utf-8", "replace") for name in found]

    def _databases(self, folder: Path) -> list[str]:
        return self._ask("SELECT schema_name FROM information_schema.schemata", folder)

    def _ask(self, statement: str, folder: Path, *, may_fail: bool = False) -> list[str]:
        """Give the lines of an answer. Raise CannotTry when there is none."""
        ended = self._run(
            ["--batch", "--raw", "--skip-column-names"],
            [f"{statement};\n".encode()],
            folder,
            Deadline(ASK_SECONDS),
        )
        if ended.code and not may_fail:
            raise CannotTry(self._in_words(ended.errors))
        return ended.output.splitlines()

    def _in_words(self, errors: str) -> str:
        if _OLD.search(errors):
            return (
                f"{self._program} is too old to be kept from obeying a dump's commands (it does "
                f"not know {self._bolt}): install a newer one"
            )
        return f"the scratch server of RESTORE_DRILL_MYSQL_URL cannot be used: {_last(errors)}"

    def _run(
        self, arguments: list[str], feed: Iterable[bytes], folder: Path, deadline: Deadline
    ) -> Ended:
        own = self._parameters
        with _password_file(folder, own.get("password", "")) as file:
            if socket := own.get("unix_socket"):
                where = ["--protocol=socket", f"--socket={socket}"]
            else:
                where = [
                    "--protocol=tcp",
                    f"--host={own['host']}",
                    f"--port={own.get('port', 3306)}",
                ]
            return client.run(
                [
                    self._program,
                    f"--defaults-file={file}",
                    self._bolt,
                    "--binary-mode",
                    "--local-infile=0",
                    "--quick",
                    "--connect-timeout=10",
                    "--max-allowed-packet=1G",
                    "--default-character-set=utf8mb4",
                    f"--user={own['user']}",
                    *where,
                    *arguments,
                ],
                feed,
                folder=folder,
                deadline=deadline,
                variables={"MYSQL_TEST_LOGIN_FILE": str(folder / "none")},
            )


def _program() -> str:
    for name in PROGRAMS[:-1]:
        try:
            return client.find(name, PACKAGE)
        except CannotTry:
            continue
    return client.find(PROGRAMS[-1], PACKAGE)


@contextmanager
def _password_file(folder: Path, password: str) -> Iterator[Path]:
    """Keep a password where the client reads it and nobody else can."""
    file = folder / _PASSWORD_FILE
    escaped = password.replace("\\", "\\\\")
    quote = "'" if '"' in escaped else '"'
    file.touch(mode=0o600)
    file.write_text(f"[client]\npassword={quote}{escaped}{quote}\n" if password else "[client]\n")
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)


def _is_harmless(grant: str) -> bool:
    """Tell whether a grant gives nothing beyond scratch databases."""
    found = _GRANT.match(grant)
    if found is None:
        return False  # a role, whose privileges are not told
    if found["where"] == "*.*":
        return found["what"] == "USAGE"
    return _SCRATCH_ONLY.match(found["where"]) is not None


def _error(errors: str, what: str = "the server refuses the dump") -> CannotRestore | CannotTry:
    found = list(_ERROR.finditer(errors))
    code = int(found[-1][1] or 0) if found else 0
    words = _last(errors)
    if code in _SERVERS_TROUBLE:
        return CannotTry(f"the scratch server could not go on: {words}")
    if code in _SERVERS_LACK:
        return CannotTry(f"the scratch server lacks what the dump needs: {words}")
    if _BACKSLASH.search(words):
        return CannotRestore(
            f"the dump has a command for the client in it, which is refused: {words}"
        )
    return CannotRestore(f"{what}: {words}")


def _last(errors: str) -> str:
    found = list(_ERROR.finditer(errors))
    return (found[-1][0] if found else errors.strip())[-1000:]


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
