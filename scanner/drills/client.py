"""A client program that is fed with a dump, and cannot do more than talk to its server.

1. It is started by its argument list, never by a shell, in a folder of its own that is its HOME,
   with an environment that holds only what is given here: no settings of ours or of a user's files.
2. Its memory is bounded, and it may write to no file.
3. It has its own process group, which is killed at the deadline and whenever this side gives up.
   When this process is killed, the client's input ends, and so does the client.
"""

import logging
import os
import resource
import selectors
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import IO

from scanner.drills.outcome import CannotTry, Deadline

logger = logging.getLogger(__name__)

FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")
"""Where packages keep PostgreSQL's programs, by version; the newest can talk to all servers."""
KEPT = 64 * 1024
"""Bytes of what a program wrote last that are kept."""
LONGEST_LINE = 4096
"""Bytes of one line of a program's errors that are looked at; the rest of it is left out."""
MEMORY = 4 * 2**30
_LOOK_SECONDS = 1.0
_READ = 64 * 1024

Hear = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended by itself."""

    code: int
    errors: str
    """The last of what it wrote to its standard error."""
    output: str
    """The last of what it wrote to its standard output."""
    took_all: bool
    """Whether it read all that it was fed with."""


def find(name: str, package: str) -> str:
    """Give the path of a program, the newest that is installed.

    Raise CannotTry when there is none; `package` is what to install.
    """
    versions = [Path(folder, name) for pattern in FOLDERS for folder in glob(pattern)]  # noqa: PTH207
    installed = [path for path in versions if os.access(path, os.X_OK)]
    if installed:
        return str(max(installed, key=_version))
    if found := shutil.which(name):
        return found
    raise CannotTry(f"the program {name} is not on this machine: install {package}")


def run(
    program: Sequence[str],
    feed: Iterable[bytes],
    *,
    folder: Path,
    deadline: Deadline,
    variables: Mapping[str, str] | None = None,
    hear: Hear | None = None,
) -> Ended:
    """Run a program to its end with `feed` for its standard input.

    `hear` is told each line of its standard error, cut to LONGEST_LINE bytes; what it raises, or
    `feed`, ends the program. Raise CannotTry when the program cannot be started, CannotRestore when
    the deadline comes first.
    """
    environment = {
        "HOME": str(folder),
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        **(variables or {}),
    }
    try:
        process = subprocess.Popen(  # noqa: S603 - a program of ours, and no shell
            program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=folder,
            env=environment,
            process_group=0,
        )
    except OSError as error:
        raise CannotTry(f"{program[0]} cannot be started: {error.strerror or error}") from error
    with process:
        try:
            _bound(process.pid)
            return _Conversation(process, feed, hear).hold(deadline)
        finally:
            _kill(process)


class _Tail:
    """The last bytes of a stream."""

    def __init__(self) -> None:
        self._kept = b""

    def take(self, data: bytes) -> None:
        self._kept = (self._kept + data)[-KEPT:]

    def text(self) -> str:
        return self._kept.decode("utf-8", "replace")


class _Lines:
    """Tells whole lines, however they come."""

    def __init__(self, hear: Hear) -> None:
        self._hear = hear
        self._line = b""

    def take(self, data: bytes) -> None:
        *whole, rest = data.split(b"\n")
        for part in whole:
            self._hear((self._line + part)[:LONGEST_LINE])
            self._line = b""
        self._line = (self._line + rest)[:LONGEST_LINE]

    def end(self) -> None:
        if self._line:
            self._hear(self._line)


class _Conversation:
    """Feeds one process and listens to it, in one thread."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", feed: Iterable[bytes], hear: Hear | None
    ) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._input: IO[bytes] = process.stdin
        self._errors: IO[bytes] = process.stderr
        self._output: IO[bytes] = process.stdout
        self._pieces: Iterator[bytes] = iter(feed)
        self._pending = memoryview(b"")
        self._took_all = False
        self._tails = {process.stdout: _Tail(), process.stderr: _Tail()}
        self._lines = _Lines(hear) if hear is not None else None

    def hold(self, deadline: Deadline) -> Ended:
        with selectors.DefaultSelector() as selector:
            os.set_blocking(self._input.fileno(), False)
            selector.register(self._input, selectors.EVENT_WRITE)
            selector.register(self._output, selectors.EVENT_READ)
            selector.register(self._errors, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(min(deadline.left(), _LOOK_SECONDS))
                if not ready and self._process.poll() is not None:
                    break  # somebody else holds its pipes open
                for key, _events in ready:
                    stream = key.fileobj
                    goes_on = self._feed() if stream is self._input else self._listen(stream)
                    if not goes_on:
                        selector.unregister(stream)
                        if stream is self._input:
                            self._input.close()
        if self._lines is not None:
            self._lines.end()
        try:
            code = self._process.wait(deadline.left())
        except subprocess.TimeoutExpired:
            deadline.left()
            raise
        output, errors = self._tails[self._output].text(), self._tails[self._errors].text()
        return Ended(code, errors, output, self._took_all)

    def _feed(self) -> bool:
        """Write what the pipe takes at once; give whether there may be more."""
        if not self._pending:
            try:
                self._pending = memoryview(next(self._pieces))
            except StopIteration:
                self._took_all = True
                return False
        try:
            written = os.write(self._input.fileno(), self._pending)
        except BlockingIOError:
            return True
        except BrokenPipeError:
            return False
        self._pending = self._pending[written:]
        return True

    def _listen(self, stream: object) -> bool:
        assert stream is self._errors or stream is self._output
        pipe = self._errors if stream is self._errors else self._output
        data = os.read(pipe.fileno(), _READ)
        self._tails[pipe].take(data)
        if self._lines is not None and pipe is self._errors:
            self._lines.take(data)
        return bool(data)


def _bound(pid: int) -> None:
    bounds = ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0))
    for what, most in bounds:
        try:
            resource.prlimit(pid, what, (most, most))
        except ProcessLookupError:
            return  # it has ended already
        except (OSError, ValueError) as error:
            logger.warning("a client program could not be bounded: %s", error)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _version(path: Path) -> tuple[int, ...]:
    digits = "".join(c if c.isdigit() or c == "." else " " for c in path.parent.parent.name)
    return tuple(int(part) for part in digits.replace(".", " ").split())
