"""Work on a vault in processes whose system calls fail, or which are killed at one of them.

`python -m tests.promotion_process FOLDER DEED WAY FAULT` does a deed in a child process, in a vault
of its own (`FOLDER/1`), with a fault at the first system call; then, in `FOLDER/2`, at the second;
and so on, until one passes without having met its fault. It prints a JSON object for each:
{"vault", "call" (the system call that met the fault, or null), "outcome"}.

FAULT is "kill:before" or "kill:after" the call; "ENOSPC:once", "EIO:late" (done, and reported as
failed) or "EROFS:on" (all calls from then on fail); "none"; or "largest:BYTES" of a file, a limit
that the kernel keeps.
"""

import errno
import fcntl
import hashlib
import io
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from scanner.errors import FileChanged, VaultError
from scanner.pipeline import vault, vault_writing

COPY = PurePosixPath("ACME/DOUALA/NEWBELL/DB/DB_20260302_125606.sql.gz")
CONTENT = b"".join(f"INSERT INTO t VALUES ({row});\n".encode() for row in range(12))
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = CONTENT[:-10] + b" damaged \n"

# What a real system may refuse. Nothing refuses to close what has been flushed.
CALLS = (
    *("open", "mkdir", "chmod", "fchmod", "fsync", "write", "copy_file_range", "ftruncate"),
    *("lseek", "rename", "unlink", "rmdir", "stat", "statvfs", "fstatvfs", "scandir"),
)
KILLED_ONLY = ("close", "fstat")
_OUTCOMES = ("done", "VaultError", "FileChanged", "another exception")


def promote(root: Path, source: io.BufferedReader) -> None:
    vault.promote(source, root, COPY, SHA256)


def replace(root: Path, source: io.BufferedReader) -> None:
    vault.replace(source, root, COPY, SHA256)


def remove(root: Path, source: io.BufferedReader) -> None:
    vault.remove(root, COPY)


DEEDS: dict[str, tuple[bytes | None, Callable[[Path, io.BufferedReader], None]]] = {
    "promote": (None, promote),
    "promote beside": (OTHER, promote),
    "promote again": (CONTENT, promote),
    "replace": (OTHER, replace),
    "remove": (CONTENT, remove),
}
"""What stands under the copy's name before, and what is done then."""


class Fault:
    """Lets the `count`th system call of this process fail, or be its last."""

    def __init__(self, kind: str, how: str, count: int, told: int) -> None:
        self._kind, self._how, self._count, self._told = kind, how, count, told
        self._calls = 0
        self._write = os.write

    def arm(self) -> None:
        kill = self._kind == "kill"
        for name in (*CALLS, *(KILLED_ONLY if kill else ())):
            if hasattr(os, name):
                setattr(os, name, self._faulty(name, getattr(os, name)))
        fcntl.flock = self._faulty("flock", fcntl.flock)

    def _faulty(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        if name == "fsync":  # a process that is killed leaves what it wrote, flushed or not
            real = os.fstat

        def call(*arguments: Any, **options: Any) -> Any:
            self._calls += 1
            met = self._calls == self._count
            if met:
                self._write(self._told, name.encode())
            if met and self._how in ("after", "late"):
                with suppress(OSError):  # what is looked for is not always there
                    real(*arguments, **options)
            if met or (self._how == "on" and self._calls > self._count):
                self._strike()
            return real(*arguments, **options)

        return call

    def _strike(self) -> None:
        if self._kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        number = getattr(errno, self._kind)
        raise OSError(number, os.strerror(number))


def prepare(root: Path, deed: str) -> None:
    """Put there what stands under the copy's name before, unless a test has done that."""
    before, _ = DEEDS[deed]
    if before is not None and not (root / COPY).exists():
        (root / COPY).parent.mkdir(parents=True)
        (root / COPY).write_bytes(before)


def attempt(root: Path, deed: str, way: str, fault: str, *, count: int, told: int) -> int:
    """Do the deed with the fault armed; give the index of its outcome."""
    kind, _, how = fault.partition(":")
    vault_writing.BLOCK = vault_writing.KERNEL_BLOCK = 100  # several calls for a small file
    if way == "by hand":
        del os.copy_file_range
    with Path("staged").open("rb") as source:
        if kind == "largest":
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(how), int(how)))
        elif kind != "none":
            Fault(kind, how, count, told).arm()
        try:
            DEEDS[deed][1](root, source)
        except VaultError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        except FileChanged:
            return 2
        return 0


def in_child(root: Path, deed: str, way: str, fault: str, count: int) -> dict[str, str | None]:
    """Do the deed in a child process; tell how that went."""
    heard, told = os.pipe()
    child = os.fork()
    if not child:
        code = 3
        try:
            code = attempt(root, deed, way, fault, count=count, told=told)
        except BaseException:  # noqa: BLE001 - nothing of the child may go on as its parent
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(told)
    with os.fdopen(heard) as pipe:
        call = pipe.read()
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    outcome = "killed" if ended == -signal.SIGKILL else _OUTCOMES[ended]
    return {"vault": root.name, "call": call or None, "outcome": outcome}


def main(folder: str, deed: str, way: str, fault: str) -> None:
    """Meet the fault at one call after another, and print what came of each."""
    os.chdir(folder)  # so that a user who may not walk there can work there
    if not Path("staged").exists():
        Path("staged").write_bytes(CONTENT)
    count = 1
    while True:
        root = Path(str(count))
        prepare(root, deed)
        result = in_child(root, deed, way, fault, count)
        sys.stdout.write(f"{json.dumps(result)}\n")
        sys.stdout.flush()
        if result["call"] is None:
            return
        count += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
