"""A PostgreSQL server of its own for a while: nothing is installed, nothing of it is kept.

`python -m tests.postgres COMMAND...` runs the command with TEST_DATABASE_URL set to such a server,
which makes `pytest` use it in place of SQLite.
"""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

ROLE = "backupmonitor"
START_SECONDS = 30
ATTEMPTS = 3

# Safety against a power cut is what a test needs least.
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class PostgresAbsent(Exception):
    """PostgreSQL's server programs are not on this machine."""


def program(name: str) -> str:
    """Give the path of one of PostgreSQL's programs; raise PostgresAbsent if there is none.

    Debian keeps the server's programs out of PATH; the newest version is taken.
    """
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=_version)
    if installed:
        return str(installed[-1])
    if found := shutil.which(name):
        return found
    raise PostgresAbsent(f"{name} is not installed; install the package postgresql")


@contextlib.contextmanager
def throwaway_cluster() -> Iterator[str]:
    """Start a server, give the URL of an empty database in it, and stop it at the end.

    It listens on a random port of 127.0.0.1 and on a socket in its own directory. Raises
    PostgresAbsent without the programs.
    """
    initdb, postgres = program("initdb"), program("postgres")
    home = Path(tempfile.mkdtemp(prefix="pg-"))
    owner = _unprivileged()
    try:
        if owner is not None:
            shutil.chown(home, owner, pwd.getpwnam(owner).pw_gid)
        data = home / "data"
        subprocess.run(
            [initdb, "-D", str(data), "-U", ROLE, "--auth=trust", "-E", "UTF8", "--locale=C", "-N"],
            check=True,
            stdout=subprocess.DEVNULL,
            **_as(owner, home),
        )
        with _running([postgres, "-D", str(data), "-k", str(home)], owner, home) as port:
            address = f"postgresql://{ROLE}@127.0.0.1:{port}"
            with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {ROLE}")
            yield f"{address}/{ROLE}"
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def _running(command: list[str], owner: str | None, home: Path) -> Iterator[int]:
    settings = [argument for setting in _FAST for argument in ("-c", setting)]
    for _ in range(ATTEMPTS):
        port = _free_port()
        with (home / "log").open("ab") as log:
            server = subprocess.Popen(
                [*command, "-h", "127.0.0.1", "-p", str(port), *settings],
                stdout=log,
                stderr=log,
                **_as(owner, home),
            )
        try:
            if _answers(server, port):
                yield port
                return
        finally:
            # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients.
            server.send_signal(2)
            server.wait(START_SECONDS)
    raise RuntimeError(f"PostgreSQL did not start:\n{(home / 'log').read_text(errors='replace')}")


def _answers(server: "subprocess.Popen[bytes]", port: int) -> bool:
    give_up = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < give_up:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(f"postgresql://{ROLE}@127.0.0.1:{port}/postgres").close()
            return True
        time.sleep(0.05)
    return False


def _unprivileged() -> str | None:
    """Name the user to run as: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _as(owner: str | None, home: Path) -> dict[str, Any]:
    if owner is None:
        return {"cwd": home}
    return {"cwd": home, "user": owner, "group": pwd.getpwnam(owner).pw_gid, "extra_groups": []}


def _version(path: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in path.parent.parent.name.split(".") if part.isdigit())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    with throwaway_cluster() as url:
        done = subprocess.run(
            sys.argv[1:], env=os.environ | {"TEST_DATABASE_URL": url}, check=False
        )
    sys.exit(done.returncode)
