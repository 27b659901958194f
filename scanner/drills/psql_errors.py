"""What psql's errors say: nothing, that a dump is broken, or that the server lacks something.

A dump names roles, and privileges of them, that a scratch server does not have and does not need:
its tables and rows are there all the same. Such errors, told by their SQLSTATE and the statement
that they stand before, are let pass; any other ends the restore.

psql must run with VERBOSITY=verbose, which gives the SQLSTATE, and with --echo-errors, which gives
the statement, on lines after the error's. Its own words, DETAIL and STATEMENT among them, must be
those of the locale C. The word for an error is the server's, in any language: so whatever is not
known to be less is one, unless its SQLSTATE says otherwise, and a statement that is shown failed.
"""

import re

from scanner.drills.outcome import CannotRestore, CannotTry

_LONGEST_WORDS = 1000

_LESS = r"(?:LOG|INFO|NOTICE|WARNING|DEBUG\d?):"
_FIELDS = r"(?:DETAIL|HINT|QUERY|CONTEXT|STATEMENT|LOCATION|LINE \d+|[A-Z]+ NAME):"
_ERROR = re.compile(
    rf"(?:psql:[^:]*:\d+: )?(?!{_LESS}|{_FIELDS})[^:]{{1,60}}:  ([0-9A-Z]{{5}}): (.*)"
)
_NO_ERRORS = ("00", "01", "02")
"""Classes of SQLSTATEs: success, warning, no data."""
_STATEMENT = re.compile(r"(?:psql:[^:]*:\d+: )?STATEMENT:  (.*)")
_OWN_ERROR = re.compile(r"psql(?::[^:]*:\d+)?: (?:error|fatal): (.*)")

NO_ROLE, NO_PRIVILEGE, NO_DATABASE, NO_VALUE = "42704", "42501", "3D000", "22023"
_ABSENT = ("42P01", "42704", "42883", "42703", "3F000")

_LET_PASS: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), states)
    for pattern, states in (
        (r"ALTER .*\bOWNER TO ", (NO_ROLE, NO_PRIVILEGE, NO_DATABASE)),
        (r"(GRANT|REVOKE) ", (NO_ROLE, NO_PRIVILEGE, NO_DATABASE)),
        (r"ALTER DEFAULT PRIVILEGES ", (NO_ROLE, NO_PRIVILEGE)),
        (r"(CREATE|ALTER) POLICY ", (NO_ROLE,)),
        (r"COMMENT ON (EXTENSION|DATABASE|SCHEMA) ", (NO_PRIVILEGE, NO_DATABASE)),
        (r"CREATE EXTENSION (IF NOT EXISTS )?plpgsql\b", (NO_PRIVILEGE, "42710")),
        (r"ALTER DATABASE ", (NO_ROLE, NO_PRIVILEGE, NO_DATABASE)),
        (r"SECURITY LABEL ", (NO_VALUE,)),
        (r"SET (SESSION AUTHORIZATION|ROLE) ", (NO_ROLE, NO_PRIVILEGE, NO_VALUE)),
        (r"SET \w+ *(=|TO) *", (NO_ROLE,)),  # a parameter of newer servers
        (r"SET default_tablespace *(=|TO) *", (NO_VALUE,)),
        (r"(CREATE|ALTER|DROP) (ROLE|USER) ", (NO_ROLE, NO_PRIVILEGE, "42710")),
        (r"(CREATE|ALTER) (PUBLICATION|SUBSCRIPTION) ", (NO_PRIVILEGE,)),
        # --clean without --if-exists; the schema public belongs to somebody else before version 15.
        (r"DROP ", _ABSENT),
        (r"ALTER TABLE .*\bDROP ", _ABSENT),
        (r"SELECT pg_catalog\.lo_unlink\(", _ABSENT),
        (r"(DROP|ALTER) SCHEMA (IF EXISTS )?public\b", (NO_PRIVILEGE,)),
        (r"CREATE SCHEMA public\b", ("42P06", NO_PRIVILEGE)),
    )
)
_SERVERS_LACK: tuple[tuple[re.Pattern[str], tuple[str, ...] | None], ...] = (
    (re.compile(r"CREATE EXTENSION ", re.IGNORECASE), None),
    # What only a superuser may make: C functions, base types, languages, event triggers, ...
    (re.compile(r"CREATE (?!TABLE )", re.IGNORECASE), (NO_PRIVILEGE,)),
)
_SERVERS_TROUBLE = re.compile("53...|57P..|58(?!P01)...|08...")
"""Out of room or memory, shut down, an error of its disk, a lost connection."""

_OTHER_KEY = re.compile(r"\\unrestrict: wrong key|not currently in restricted mode")
_BACKSLASH = re.compile(r"backslash commands are restricted")

_RESTORE_COMMAND = re.compile(
    r"^Command was: CREATE (?:EXTENSION|EVENT TRIGGER|POLICY|FOREIGN DATA WRAPPER|SERVER"
    r"|USER MAPPING|(?:OR REPLACE )?(?:TRUSTED )?(?:PROCEDURAL )?LANGUAGE)\b",
    re.MULTILINE,
)
_RESTORE_TROUBLE = re.compile(
    r"unsupported version|does not support compression|server closed the connection|"
    r"terminating connection|No space left on device|out of memory|out of shared memory|"
    r"connection to server|non-seekable|could not create file|could not extend file"
)


class PsqlErrors:
    """Hears psql's standard error, line by line; raises as soon as something is not to be let pass.

    CannotRestore tells what is wrong with the dump, CannotTry what the server lacks.
    """

    def __init__(self) -> None:
        self._state = ""
        self._words = ""

    def hear(self, line: bytes) -> None:
        """Take one line."""
        text = line.decode("utf-8", "replace").rstrip("\r")
        if (found := _ERROR.match(text)) and not found[1].startswith(_NO_ERRORS):
            self.end()
            self._state, self._words = found[1], found[2]
            if _SERVERS_TROUBLE.fullmatch(self._state):
                raise CannotTry(f"the scratch server could not go on: {self._words}")
        elif found := _STATEMENT.match(text):
            if not self._state:
                raise CannotRestore(
                    "PostgreSQL refused a statement, in words that nobody here understands "
                    f"(in: {_clip(found[1], 200)})"
                )
            state, words = self._state, self._words
            self._state = ""
            _judge(state, words, found[1])
        elif found := _OWN_ERROR.match(text):
            self.end()
            raise _own_error(found[1])

    def end(self) -> None:
        """Take the end of an error, or of all: an error without a statement is not let pass."""
        if self._state:
            raise CannotRestore(_said(self._words))


def restore_error(errors: str) -> CannotRestore | CannotTry:
    """Give what the standard error of a pg_restore that failed says."""
    words = errors.strip()
    shown = _clip(words.replace("\n", " | "))
    if _RESTORE_TROUBLE.search(words):
        return CannotTry(f"the scratch server, or this pg_restore, cannot take it: {shown}")
    if _RESTORE_COMMAND.search(words):
        return CannotTry(f"the scratch server lacks what the dump needs: {shown}")
    return CannotRestore(f"pg_restore failed: {shown or 'it says nothing'}")


def _judge(state: str, words: str, statement: str) -> None:
    if any(state in states and rule.match(statement) for rule, states in _LET_PASS):
        return
    said = f"{_said(words)} (in: {_clip(statement, 200)})"
    for rule, states in _SERVERS_LACK:
        if rule.match(statement) and (states is None or state in states):
            raise CannotTry(f"the scratch server lacks what the dump needs: {said}")
    raise CannotRestore(said)


def _own_error(words: str) -> CannotRestore | CannotTry:
    if _OTHER_KEY.search(words):
        return CannotTry("several dumps stand in one file, which a drill does not take apart")
    if _BACKSLASH.search(words):
        return CannotRestore(f"the dump has a command for psql in it, which is refused: {words}")
    if words.startswith("connection to server"):
        return CannotTry(f"the scratch server cannot be reached: {_clip(words)}")
    return CannotRestore(f"psql says: {_clip(words)}")


def _said(words: str) -> str:
    return f"PostgreSQL says: {_clip(words)}"


def _clip(words: str, most: int = _LONGEST_WORDS) -> str:
    return words if len(words) <= most else f"{words[:most]}…"
