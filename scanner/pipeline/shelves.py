"""Where reports go when a scan is done with them: `_archive/`, or `_rejected/` with the reason.

The folders are below an agent's own `log/`, and so as untrusted as the rest of the tree.
"""

import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import uuid4

from scanner.errors import DepositError, FileAbsent, FileChanged, UnsafeFile
from scanner.pipeline.deposit import (
    ARCHIVE,
    LOG,
    REJECTED,
    AgentFolder,
    FileClock,
    ReportFile,
    changed_at,
    list_shelf,
    open_log,
    read_report,
)
from scanner.pipeline.openat import descend, open_directory, stamp
from scanner.pipeline.text import quote

REASON_SUFFIX = ".reason.txt"
MAX_NAME_BYTES = 255
MAX_SAME_NAME = 1000


@dataclass(frozen=True, slots=True)
class Needed:
    """A report that must stay: its size in bytes, its SHA-256 and when it arrived (UTC)."""

    size: int
    sha256: str
    arrived_at: datetime


@dataclass(slots=True)
class Cleared:
    """How many reports were removed from a shelf, and why each other one that is old was not."""

    removed: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Shelved:
    file: ReportFile
    since: datetime
    size: int


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


def clear_shelf(
    folder: AgentFolder,
    shelf: str,
    *,
    before: datetime,
    needed: Collection[Needed] = (),
    clock: FileClock = changed_at,
) -> Cleared:
    """Remove the reports that came onto a shelf before a time (UTC), as `clock` tells.

    Those that are needed stay, and the newest one in `_archive/`. Raise DepositError or OSError,
    with nothing removed, when the shelf cannot be looked at.
    """
    cleared = Cleared()
    lying = _look(folder, shelf, clock)
    if shelf == ARCHIVE:
        # An empty file there is a place that a scan holds for a report which it moves next.
        lying = [one for one in lying if one.size][1:]
    old = [one for one in lying if one.since < before]
    kept = _needed_among(old, needed, cleared.problems)
    for file in (one.file for one in old if one.file not in kept):
        try:
            remove_report(file)
            cleared.removed += 1
        except (DepositError, OSError) as error:
            cleared.problems.append(f"{quote(file.name, 300)}: {error}")
    return cleared


def remove_report(file: ReportFile) -> None:
    """Remove a report from its shelf for good, with the reason of its rejection.

    Raise FileChanged when it is not the file that was looked at, FileAbsent when it has gone,
    UnsafeFile when it is no regular file, OSError when it cannot be removed.
    """
    if file.shelf not in (ARCHIVE, REJECTED) or "/" in file.name:
        raise UnsafeFile(f"{file.name!r:.200} is not a report on a shelf")
    with open_log(file) as directory:
        found = stamp(directory, file.name)
        if not _is_regular(directory, file.name):
            raise UnsafeFile(f"{file.name!r:.200} is not a regular file")
        if file.stamp not in (None, found):
            raise FileChanged(f"{file.name!r:.200} was replaced since it was looked at")
        if file.shelf == REJECTED:
            reason = _cut(file.name, REASON_SUFFIX)
            # First: a kill in between leaves no reason of a report that is not there.
            with suppress(FileNotFoundError):
                if _is_regular(directory, reason):
                    os.unlink(reason, dir_fd=directory)
        os.unlink(file.name, dir_fd=directory)


def _look(folder: AgentFolder, shelf: str, clock: FileClock) -> list[_Shelved]:
    """Give what lies on a shelf, the newest first."""
    lying: list[_Shelved] = []
    if files := list_shelf(folder, shelf):
        with open_log(files[0]) as directory:
            for file in files:
                with suppress(FileAbsent, FileNotFoundError):
                    known = replace(file, stamp=stamp(directory, file.name))
                    status = os.stat(file.name, dir_fd=directory, follow_symlinks=False)
                    lying.append(_Shelved(known, clock(status), status.st_size))
    return sorted(lying, key=lambda one: (one.since, one.file.name), reverse=True)


def _needed_among(
    old: Sequence[_Shelved], needed: Collection[Needed], problems: list[str]
) -> set[ReportFile]:
    """Give the files that are needed, by their bytes, and those of which that cannot be told.

    A report without times is the same bytes every day: of several copies that one is needed which
    came onto the shelf first after the report had arrived.
    """
    kept: set[ReportFile] = set()
    copies: defaultdict[str, list[_Shelved]] = defaultdict(list)
    sizes = {report.size for report in needed}
    for one in old:
        if one.size not in sizes:
            continue
        try:
            content, _ = read_report(one.file, one.size)
        except (DepositError, OSError) as error:
            kept.add(one.file)
            problems.append(f"{quote(one.file.name, 300)}: {error}")
        else:
            copies[hashlib.sha256(content).hexdigest()].append(one)
    for report in needed:
        if same := copies.get(report.sha256):
            since = [one for one in same if one.since >= report.arrived_at]
            kept.add((since or same[:1])[-1].file)
    return kept


def _is_regular(directory: int, name: str) -> bool:
    return stat.S_ISREG(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)


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
