"""Where reports go when a scan is done with them: `_archive/`, or `_rejected/` with the reason.

The folders are below an agent's own `log/`, and so as untrusted as the rest of the tree.
"""

import os
import stat
from contextlib import suppress
from uuid import uuid4

from scanner.errors import FileChanged, UnsafeFile
from scanner.pipeline.deposit import ARCHIVE, LOG, REJECTED, ReportFile, open_log
from scanner.pipeline.openat import descend, open_directory, stamp

REASON_SUFFIX = ".reason.txt"
MAX_NAME_BYTES = 255
MAX_SAME_NAME = 1000


def archive_report(file: ReportFile) -> str:
    """Move a recorded report into `_archive/`, never over another; give the name it has there.

    Raise UnsafeFile or OSError when it cannot be moved; the report is then where it was.
    """
    return _move(file, ARCHIVE, reason=None)


def reject_report(file: ReportFile, reason: str) -> str:
    """Move a report into `_rejected/` with its reason beside it; give the name it has there.

    Raise as `archive_report` does.
    """
    return _move(file, REJECTED, reason=reason)


def _move(file: ReportFile, shelf: str, reason: str | None) -> str:
    """Move without ever replacing another file.

    1. Reserve the target with an empty file made by O_EXCL; a name already taken gets a number,
       and an empty file is what a kill left of this very step, so it is taken over.
    2. Write the reason beside it.
    3. Rename over the reservation, in one step: a link and an unlink would, when killed between,
       leave a report that seems to have arrived later than it did.
    """
    with descend(file.folder.root, file.folder.name, LOG) as log, open_log(file) as source:
        if file.stamp not in (None, stamp(source, file.name)):
            raise FileChanged("it was replaced since it was read; the next scan reads it")
        with suppress(FileExistsError):
            os.mkdir(shelf, 0o755, dir_fd=log)
        target = open_directory(log, shelf)
        try:
            name = file.name if file.shelf == shelf else _reserve(target, file.name)
            if reason is not None:
                _write_reason(target, _cut(name, REASON_SUFFIX), reason)
            if file.shelf != shelf:
                os.rename(file.name, name, src_dir_fd=source, dst_dir_fd=target)
                if file.shelf == REJECTED:
                    with suppress(FileNotFoundError):
                        os.unlink(_cut(file.name, REASON_SUFFIX), dir_fd=source)
            return name
        finally:
            os.close(target)


def _reserve(directory: int, name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    for number in range(MAX_SAME_NAME + 3):
        mark = f".{number}" if number else ""
        if number >= MAX_SAME_NAME:  # an agent that names its reports alike all its life
            mark = f".{uuid4().hex}"
        candidate = name if not mark else _cut(stem, f"{mark}{dot}{extension}")
        try:
            os.close(
                os.open(candidate, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644, dir_fd=directory)
            )
        except FileExistsError:
            status = os.stat(candidate, dir_fd=directory, follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode) or status.st_size:
                continue
        return candidate
    raise UnsafeFile(f"{MAX_SAME_NAME} files named like {name!r:.200} are there already")


def _write_reason(directory: int, name: str, reason: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    with os.fdopen(os.open(name, flags, 0o644, dir_fd=directory), "w", encoding="utf-8") as stream:
        stream.write(reason + "\n")


def _cut(stem: str, ending: str) -> str:
    """Join both, shortening the stem so that the name fits a directory entry."""
    room = MAX_NAME_BYTES - len(os.fsencode(ending))
    return os.fsdecode(os.fsencode(stem)[:room]) + ending
