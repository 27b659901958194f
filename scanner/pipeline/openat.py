"""How a path below an untrusted folder is opened: step by step, following no link.

Each step is relative to an open directory; only folders are walked through and only regular files
are read. O_NONBLOCK keeps a FIFO from blocking, and a name is one component without a leading dot.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

from scanner.errors import FileAbsent, UnsafeFile

Stamp = tuple[int, int, int]
"""Inode, change time, size: what tells a file from one that replaced it."""


@contextmanager
def descend(root: Path, *steps: str) -> Iterator[int]:
    """Give a descriptor of the directory that `steps` lead to from the (trusted) root.

    Raise FileAbsent when a step is not there, UnsafeFile when one is no directory, OSError when
    this server may not or cannot open it.
    """
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for step in steps:
            deeper = open_directory(descriptor, step)
            os.close(descriptor)
            descriptor = deeper
        yield descriptor
    finally:
        os.close(descriptor)


def open_directory(parent: int, name: str) -> int:
    """Open one directory below `parent`; the caller closes it. Raise as `descend` does."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(name, flags, dir_fd=parent)
    except FileNotFoundError:
        raise FileAbsent(f"the folder {name!r:.200} is not there") from None
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise UnsafeFile(f"{name!r:.200} is a link or a file, not a folder") from None
        raise


def open_regular(directory: int, name: str) -> BufferedReader:
    """Open a regular file in `directory` for reading. Raise as `descend` does."""
    if not name or name.startswith(".") or "/" in name or "\0" in name:
        raise UnsafeFile(f"{name!r:.200} is not a name under which a file is read")
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=directory)
    except FileNotFoundError:
        raise FileAbsent(f"{name!r:.200} is not there") from None
    except ValueError:  # a lone surrogate: no file can have this name
        raise UnsafeFile(f"{name!r:.200} is not a name that a file can have") from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise UnsafeFile(f"{name!r:.200} is longer than a file's name can be") from None
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.ENODEV):
            raise UnsafeFile(f"{name!r:.200} is a link, a device or a socket") from None
        if error.errno == errno.EACCES and not _is_regular(directory, name):
            raise UnsafeFile(f"{name!r:.200} is not a regular file") from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnsafeFile(f"{name!r:.200} is not a regular file")
    return os.fdopen(descriptor, "rb")


def stamp(directory: int, name: str) -> Stamp:
    """Tell what lies under a name now from what may replace it. Raise FileAbsent if it is gone."""
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        raise FileAbsent(f"{name!r:.200} is not there any more") from None
    return (status.st_ino, status.st_ctime_ns, status.st_size)


def _is_regular(directory: int, name: str) -> bool:
    with suppress(OSError):
        return stat.S_ISREG(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
    return True
