"""A MariaDB server of its own for a while: nothing is installed, nothing of it is kept."""

import contextlib
import getpass
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

START_SECONDS = 60

# Safety against a power cut is what a test needs least.
_FAST = ("--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M", "--skip-log-bin")


class MariadbAbsent(Exception):
    """MariaDB's programs are not on this machine."""


def program(name: str) -> str:
    """Give the path of one of MariaDB's programs; raise MariadbAbsent if there is none.

    Debian keeps the server itself in /usr/sbin, which is not in everybody's PATH.
    """
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise MariadbAbsent(f"{name} is not installed; install the package mariadb-server")
    return found


@contextlib.contextmanager
def mariadb_server(folder: Path) -> Iterator[Path]:
    """Start a server that keeps its data in `folder`; give its socket, and stop it at the end.

    It listens on no network. The user root has no password. Raises MariadbAbsent without the
    programs.
    """
    install, server = program("mariadb-install-db"), program("mariadbd")
    data, log = folder / "data", folder / "log"
    # The path of a socket may have some 100 bytes; that of a test's folder may have more.
    socket_folder = Path(tempfile.mkdtemp(prefix="maria-"))
    socket = socket_folder / "socket"
    # As whoever runs the test, also as root: its folders are closed to others.
    whose = f"--user={getpass.getuser()}"
    try:
        subprocess.run(
            [
                *(install, "--no-defaults", f"--datadir={data}", whose),
                *("--auth-root-authentication-method=normal", "--skip-test-db"),
            ],
            check=True,
            capture_output=True,
        )
        with log.open("ab") as words:
            process = subprocess.Popen(
                [
                    *(server, "--no-defaults", f"--datadir={data}", whose, f"--socket={socket}"),
                    *("--skip-networking", f"--pid-file={folder / 'pid'}", *_FAST),
                ],
                stdout=words,
                stderr=words,
            )
        try:
            if not _answers(process, socket):
                raise RuntimeError(f"MariaDB did not start:\n{log.read_text(errors='replace')}")
            yield socket
        finally:
            process.terminate()
            process.wait(START_SECONDS)
    finally:
        shutil.rmtree(socket_folder, ignore_errors=True)


def run_sql(socket: Path, sql: str, *, database: str = "") -> str:
    """Run statements as root; give what the client prints: rows, tabs between their columns."""
    done = subprocess.run(
        [
            *(program("mariadb"), "--no-defaults", f"--socket={socket}", "--user=root"),
            *("--batch", "--skip-column-names", "--default-character-set=utf8mb4"),
            *((database,) if database else ()),
        ],
        input=sql,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def _answers(process: "subprocess.Popen[bytes]", socket: Path) -> bool:
    give_up = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < give_up:
        with contextlib.suppress(subprocess.CalledProcessError):
            run_sql(socket, "SELECT 1")
            return True
        time.sleep(0.1)
    return False
