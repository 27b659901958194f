"""`manage.py` as a process of its own, on the database of the test or on one made for it."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent
MANAGE = (sys.executable, str(ROOT / "manage.py"))
# Nothing here is measured: a process that hangs must end the test, not the day.
PATIENCE = 120.0
EACH_DATABASE = (
    pytest.param("sqlite", marks=pytest.mark.sqlite),
    pytest.param("postgres", marks=pytest.mark.postgres),
)
"""The parameters of what is tried on a database of its own, of either kind."""
# Root reads and writes everything, unless it starts without these two powers.
_ORDINARY = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


def manage(
    *arguments: str, ordinary: bool = False, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command on the test's trees; `variables` are put into its environment.

    Its database is that of the test (which must be a transactional one), unless DATABASE_URL is
    among the variables. `ordinary` lets it read and write only what permissions allow.
    """
    powers = _ORDINARY if ordinary and os.geteuid() == 0 else ()
    return subprocess.run(
        [*powers, *MANAGE, *arguments],
        env=environment(**variables),
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=PATIENCE,
        check=False,
    )


def environment(**variables: str) -> dict[str, str]:
    """Give the environment of a process that works on the test's trees and database."""
    return os.environ | {
        "DATABASE_URL": variables.get("DATABASE_URL") or _url_of(connection.settings_dict),
        "BACKUP_STORAGE_ROOT": str(settings.BACKUP_STORAGE_ROOT),
        "VALIDATED_BACKUPS_BASE_PATH": str(settings.VALIDATED_BACKUPS_BASE_PATH),
        **variables,
    }


def fresh_database(request: pytest.FixtureRequest, folder: Path) -> str:
    """Make what a fixture with the parameters EACH_DATABASE is asked for; give its URL."""
    if request.param == "sqlite":
        return fresh_sqlite(folder)
    return fresh_postgres(request.getfixturevalue("postgres_url"))


def fresh_sqlite(folder: Path) -> str:
    """Make a SQLite database with its tables in `folder`; give its URL."""
    file = folder / f"{uuid4().hex}.sqlite3"
    shutil.copyfile(_sqlite_template(), file)
    return f"sqlite:///{file}"


def fresh_postgres(server: str) -> str:
    """Make a database with its tables on the server of that URL; give its URL."""
    return _create_database(server, _postgres_template(server))


@cache
def _sqlite_template() -> Path:
    file = Path(tempfile.mkdtemp(prefix="backupmonitor-tests-")) / "template.sqlite3"
    atexit.register(shutil.rmtree, file.parent, ignore_errors=True)
    _migrate(f"sqlite:///{file}")
    return file


@cache
def _postgres_template(server: str) -> str:
    url = _create_database(server, "template0")
    _migrate(url)
    return url.rpartition("/")[2]


def _create_database(server: str, template: str) -> str:
    name = f"test_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as session:
        session.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    return f"{server.rpartition('/')[0]}/{name}"


def _migrate(url: str) -> None:
    done = manage("migrate", "--verbosity", "0", DATABASE_URL=url)
    assert done.returncode == 0, done.stderr


def _url_of(database: dict[str, Any]) -> str:
    if database["ENGINE"].endswith("sqlite3"):
        return f"sqlite:///{database['NAME']}"
    return "postgresql://{USER}@{HOST}:{PORT}/{NAME}".format(**database)
