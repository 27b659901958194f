"""What stands in the vault: all of its files by name, and one of them by its bytes.

No link is followed below the vault's root. Reading asks the disk, not the memory in which a copy
may still be, and leaves nothing there: a patrol of the whole vault makes no other program slower.
"""

import os
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from io import BufferedReader
from pathlib import Path, PurePosixPath

from scanner.errors import FileAbsent, UnsafeFile, VaultError
from scanner.pipeline.openat import open_directory, open_regular
from scanner.pipeline.vault_tree import INCOMING, open_folder, open_root, steps_to, vault_side

BLOCK = 2**20
"""Bytes that are read at once."""
DEEPEST = 32
"""Folders below one another that are walked into; the vault's own are four."""
_NOT_COPIES = frozenset({INCOMING, "lost+found"})


@dataclass(frozen=True, slots=True)
class Found:
    """A copy that was read to its end; its digest in lower hex."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Absent:
    """No file has the name."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something has the name, and `words` tell why it could not be read."""

    words: str


@dataclass(frozen=True, slots=True)
class NotRegular(Unreadable):
    """A link, a folder or a device has the name, or stands where one of its folders should."""


Examined = Found | Absent | Unreadable


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A regular file of the vault; it last changed at `changed_at` (ctime, UTC)."""

    relative: PurePosixPath
    size: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Strange:
    """What is neither a regular file nor a folder, or cannot be looked at; `words` tell why."""

    relative: PurePosixPath
    words: str


def open_copy(vault: Path, relative: PurePosixPath | str) -> BufferedReader:
    """Open a copy for reading. Raise VaultError when that cannot be done."""
    with vault_side(f"the copy {relative} in the vault {vault} cannot be read"):
        return _open(vault, steps_to(relative))


def examine(
    vault: Path,
    relative: PurePosixPath | str,
    *,
    on_block: Callable[[int], None] | None = None,
) -> Examined:
    """Read a copy once, in bounded memory, and tell what stands there.

    `on_block` is told of the bytes of each block as they were read; what it raises ends the reading
    and is passed on. Raise VaultError when the vault itself cannot be opened, or the path leads
    out of it: then nothing is known of the copy. Safe in threads.
    """
    steps = steps_to(relative)
    try:
        stream = _open(vault, steps)
    except FileAbsent:
        return Absent()
    except UnsafeFile as error:
        return NotRegular(str(error))
    except OSError as error:
        return Unreadable(_words(error))
    digest, size = sha256(), 0
    buffer = memoryview(bytearray(BLOCK))
    with stream:
        _forget(stream, 0, 0)
        while True:
            try:
                count = stream.readinto(buffer)
            except OSError as error:
                return Unreadable(f"{_words(error)}, after {size:,} bytes")
            if not count:
                return Found(size, digest.hexdigest())
            digest.update(buffer[:count])
            _forget(stream, size, count)
            size += count
            if on_block is not None:
                on_block(count)


def names_in(vault: Path, folder: PurePosixPath) -> list[str]:
    """List what stands in a folder of the vault, in order; nothing if it cannot be listed."""
    try:
        with open_folder(vault, steps_to(folder)) as opened, os.scandir(opened) as entries:
            return sorted(entry.name for entry in entries)
    except (OSError, FileAbsent, UnsafeFile, VaultError):
        return []


def status_of(vault: Path, relative: PurePosixPath | str) -> os.stat_result | None:
    """Give the metadata of what has this name, None if nothing has.

    Raise OSError, UnsafeFile or VaultError when nobody can tell.
    """
    steps = steps_to(relative)
    try:
        with open_folder(vault, steps[:-1]) as folder:
            return os.stat(steps[-1], dir_fd=folder, follow_symlinks=False)
    except (FileAbsent, FileNotFoundError):
        return None


def walk(vault: Path) -> Generator[StoredFile | Strange, None, None]:
    """Give all that stands in the vault but for its folders, and what is still being written.

    In no order, and in memory that does not grow with the vault. A folder that cannot be read is
    told as Strange, and the walk goes on. Names are the file system's: they may hold lone
    surrogates. Raise VaultError, at the first step, when the vault itself cannot be read.
    """
    with open_root(vault) as root:
        with vault_side(f"the vault {vault} cannot be read"):
            entries = os.scandir(root)
        with entries:
            yield from _walk(root, PurePosixPath(), entries)


def _walk(
    folder: int, path: PurePosixPath, entries: "os._ScandirIterator[str]"
) -> Iterator[StoredFile | Strange]:
    while True:
        try:
            entry = next(entries)
        except StopIteration:
            return
        except OSError as error:
            yield Strange(path, f"the folder cannot be read to its end: {_words(error)}")
            return
        if path.parts or entry.name not in _NOT_COPIES:
            yield from _look_at(folder, path / entry.name, entry)


def _look_at(
    folder: int, path: PurePosixPath, entry: os.DirEntry[str]
) -> Iterator[StoredFile | Strange]:
    try:
        if entry.is_dir(follow_symlinks=False):
            yield from _descend(folder, path)
            return
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return  # removed since it was listed
    except OSError as error:
        yield Strange(path, f"cannot be looked at: {_words(error)}")
        return
    if stat.S_ISREG(status.st_mode):
        yield StoredFile(path, status.st_size, datetime.fromtimestamp(status.st_ctime, UTC))
    else:
        kind = "a link" if stat.S_ISLNK(status.st_mode) else "a device, a FIFO or a socket"
        yield Strange(path, f"is {kind}, not a regular file")


def _descend(parent: int, path: PurePosixPath) -> Iterator[StoredFile | Strange]:
    if len(path.parts) > DEEPEST:
        yield Strange(path, f"is a folder more than {DEEPEST} folders deep: not walked into")
        return
    try:
        folder = open_directory(parent, path.name)
    except FileAbsent:
        return  # removed since it was listed
    except UnsafeFile as error:
        yield Strange(path, str(error))
        return
    except OSError as error:
        yield Strange(path, f"the folder cannot be opened: {_words(error)}")
        return
    try:
        with os.scandir(folder) as entries:
            yield from _walk(folder, path, entries)
    finally:
        os.close(folder)


def _open(vault: Path, steps: tuple[str, ...]) -> BufferedReader:
    with open_folder(vault, steps[:-1]) as folder:
        return open_regular(folder, steps[-1])


def _forget(stream: BufferedReader, offset: int, count: int) -> None:
    """Have the kernel keep these bytes (0: all there are) of the file in memory no longer."""
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):  # it is only advice
            os.posix_fadvise(stream.fileno(), offset, count, os.POSIX_FADV_DONTNEED)


def _words(error: OSError) -> str:
    return error.strerror or str(error)
