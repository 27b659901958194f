"""Which scratch databases a drill may use, as far as their addresses tell.

The database in the address marks its server as one for drills: its name begins with
`restore_drill`, and it stays empty. Each drill makes a database of its own beside it, called like
it with twelve hexadecimal digits behind, and drops it.
"""

import re
import secrets
from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

MARK = "restore_drill"
_NAME = re.compile(rf"{MARK}[a-z0-9_]{{0,37}}")
_DRILL_DIGITS = 12
_LIKE_A_DRILLS = re.compile(rf"_[0-9a-f]{{{_DRILL_DIGITS}}}$")
_MYSQL_OPTIONS = frozenset({"unix_socket"})
SECRETS = frozenset({"password", "sslpassword", "oauth_client_secret"})
"""Words of libpq's whose values must not stand on a command line."""
_REFUSED_OPTIONS = SECRETS - {"password"}
_UNQUOTABLE = re.compile(r"[\0\r\n]")


class Engine(StrEnum):
    """What restores a dump."""

    POSTGRES = "PostgreSQL"
    MYSQL = "MySQL"


_SCHEMES = {
    "postgres": Engine.POSTGRES,
    "postgresql": Engine.POSTGRES,
    "mysql": Engine.MYSQL,
    "mariadb": Engine.MYSQL,
}
_EXAMPLE = {
    Engine.POSTGRES: f"postgresql://drill:password@127.0.0.1:5433/{MARK}",
    Engine.MYSQL: f"mysql://drill:password@127.0.0.1:3307/{MARK}",
}


def problem_of(url: str, app_database: Mapping[str, Any], *, engine: Engine | None = None) -> str:
    """Say what keeps drills from using the scratch database at `url`; "" if nothing, or no URL.

    `app_database` are Django's settings of the application's own database; `engine` is what the
    address has to be of. Nothing is connected to. The words never hold the password.
    """
    if not url:
        return ""
    try:
        found = _engine_of(url)
        parameters = parse(url)
    except ValueError as error:
        return str(error)
    if engine is not None and found is not engine:
        return f"found the address of a {found} database; expected {_EXAMPLE[engine]}"
    name = parameters["dbname"]
    if not _NAME.fullmatch(name) or _LIKE_A_DRILLS.search(name):
        return (
            f"the database {name!r:.80} is not marked as scratch: expected a name of small "
            f"letters, digits and _ that begins with {MARK}, of at most 50 characters, and does "
            f"not end like a drill's own; create an empty database {MARK} and name it"
        )
    own = str(app_database.get("NAME", ""))
    if own == name or is_a_drills(own, name):
        return (
            f"the application's own database is called {own!r:.80}, too: a drill never touches it; "
            "create another scratch database and name that"
        )
    return ""


def parse(url: str) -> dict[str, str]:
    """Give the parameters of an address in libpq's words (MySQL: host, port, user, ... as well).

    Raise ValueError, in words without the password, when it is none or says too little.
    """
    engine = _engine_of(url)
    parameters = _postgres(url) if engine is Engine.POSTGRES else _mysql(url)
    lacking = [word for word in ("host", "user", "dbname") if not parameters.get(word)]
    if lacking:
        names = {"host": "a host", "user": "a user", "dbname": "a database"}
        raise ValueError(
            f"the address lacks {' and '.join(names[word] for word in lacking)}; "
            f"expected one like {_EXAMPLE[engine]}"
        )
    return parameters


def drills_name(marker: str) -> str:
    """Make up the name of one drill's own database."""
    return f"{marker}_{secrets.token_hex(_DRILL_DIGITS // 2)}"


def is_a_drills(name: str, marker: str) -> bool:
    """Tell whether a database was made by a drill that started from `marker`."""
    return name.startswith(marker) and _LIKE_A_DRILLS.fullmatch(name[len(marker) :]) is not None


def _engine_of(url: str) -> Engine:
    scheme = url.partition("://")[0].lower()
    if scheme not in _SCHEMES:
        expected = " or ".join(_EXAMPLE.values())
        raise ValueError(f"found an address that is of no known database; expected {expected}")
    return _SCHEMES[scheme]


def _postgres(url: str) -> dict[str, str]:
    try:
        found = {word: str(value) for word, value in conninfo_to_dict(url).items()}
    except psycopg.Error:
        # libpq's words may quote the address, password and all.
        raise ValueError(
            f"the address cannot be read; expected one like {_EXAMPLE[Engine.POSTGRES]}, with "
            "%XX for what is special in a password"
        ) from None
    if refused := sorted(_REFUSED_OPTIONS & found.keys()):
        raise ValueError(
            f"found {refused[0]} in the address, which would stand on a command line for all to "
            "read; expected a password before the host, or a client's key without one"
        )
    return found


def _mysql(url: str) -> dict[str, str]:
    unreadable = (
        f"the address cannot be read; expected one like {_EXAMPLE[Engine.MYSQL]}, with %XX for "
        "what is special in a password, and only ?unix_socket=/path behind it"
    )
    try:
        parts = urlsplit(url)
        port = parts.port
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError:
        raise ValueError(unreadable) from None
    found = {
        "host": parts.hostname or "",
        "port": str(port or ""),
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "dbname": unquote(parts.path.removeprefix("/")),
        "unix_socket": options.get("unix_socket", ""),
    }
    if found["unix_socket"] and not found["host"]:
        found["host"] = "localhost"
    if not options.keys() <= _MYSQL_OPTIONS or any(map(_UNQUOTABLE.search, found.values())):
        raise ValueError(unreadable)
    return {word: value for word, value in found.items() if value}
