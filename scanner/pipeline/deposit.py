"""Room 1: what lies in the deposit tree, and the only way to open it.

Everything below the root is written by agents and so untrusted. Each step into the tree is taken
through `openat`: no link followed, regular files only, never out of the agent's own folder. Folders
are opened anew for each file, so that a long scan holds no descriptors on thousands of agents.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path

from scanner.errors import (
    AgentUnreadable,
    DepositRootUnavailable,
    FileAbsent,
    UnsafeFile,
)
from scanner.pipeline.openat import descend, open_directory, open_regular

LOG = "log"
ARCHIVE = "_archive"
REJECTED = "_rejected"
REASON_SUFFIX = ".reason.txt"
STAGED_FOLDERS = ("databases", "database")
MAX_NAME_BYTES = 255
MAX_SAME_NAME = 1000

FileClock = Callable[[os.stat_result], datetime]


def changed_at(status: os.stat_result) -> datetime:
    """Give when a file last changed on this server (ctime, UTC), which no agent can set."""
    return datetime.fromtimestamp(status.st_ctime, UTC)


@dataclass(frozen=True, slots=True)
class Place:
    company: str
    city: str
    neighborhood: str


@dataclass(frozen=True, slots=True)
class AgentFolder:
    """One agent's folder in the tree. `agent` is its identity: the folder's name in upper case."""

    root: Path
    name: str
    has_log: bool

    @property
    def agent(self) -> str:
        return agent_identity(self.name)

    @property
    def place(self) -> Place:
        place = place_of(self.name)
        assert place is not None  # walk() makes folders of agents' names only
        return place


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A report as it lies in a folder's `log/`, or on one of the shelves below it."""

    folder: AgentFolder
    name: str
    shelf: str = ""


@dataclass(frozen=True, slots=True)
class Deposit:
    """What one look at the tree found.

    `unreadable` maps an agent to why its folder could not be read; `strangers` are the names in
    the root that are no agent's folder.
    """

    folders: tuple[AgentFolder, ...]
    reports: tuple[ReportFile, ...]
    unreadable: dict[str, str]
    strangers: tuple[str, ...]


def agent_identity(name: str) -> str:
    """Give the one spelling under which an agent is known, whatever the letter case of `name`."""
    return name.strip().upper()


def place_of(folder_name: str) -> Place | None:
    """Split COMPANY_CITY_NEIGHBORHOOD, or give None when there are fewer than three parts."""
    parts = folder_name.split("_", 2)
    return Place(*parts) if len(parts) == 3 and all(parts) else None


def walk(root: Path, only: frozenset[str] | None = None) -> Deposit:
    """List the agents' folders and their reports, without reading any.

    `only` limits the look to those agents (identities). Raise DepositRootUnavailable when the
    root itself cannot be listed; what is wrong with one folder is told in `unreadable`.
    """
    folders: list[AgentFolder] = []
    reports: list[ReportFile] = []
    unreadable: dict[str, str] = {}
    strangers: list[str] = []
    for entry in _list_root(root):
        if entry.name.startswith("."):
            continue
        if not entry.is_dir(follow_symlinks=False):
            if entry.is_symlink():
                strangers.append(entry.name)
            continue
        if place_of(entry.name) is None or not _is_text(entry.name):
            strangers.append(entry.name)
            continue
        agent = agent_identity(entry.name)
        if only is not None and agent not in only:
            continue
        try:
            names = list(_report_names(root, entry.name))
        except FileAbsent:
            folders.append(AgentFolder(root, entry.name, has_log=False))
        except AgentUnreadable as error:
            unreadable[agent] = str(error)
        else:
            folder = AgentFolder(root, entry.name, has_log=True)
            folders.append(folder)
            reports += (ReportFile(folder, name) for name in names)
    folders.sort(key=lambda folder: folder.name)
    reports.sort(key=lambda report: (report.folder.name, report.name))
    return Deposit(tuple(folders), tuple(reports), unreadable, tuple(sorted(strangers)))


def list_shelf(folder: AgentFolder, shelf: str) -> tuple[ReportFile, ...]:
    """List an agent's reports on a shelf, ARCHIVE or REJECTED; none when it has no such shelf.

    Raise AgentUnreadable when it cannot be listed.
    """
    try:
        names = sorted(_report_names(folder.root, folder.name, shelf))
    except FileAbsent:
        return ()
    return tuple(ReportFile(folder, name, shelf) for name in names)


def read_report(
    file: ReportFile, most: int, clock: FileClock = changed_at
) -> tuple[bytes, datetime]:
    """Give at most the first `most` bytes of a report, and when it arrived (UTC).

    Raise FileAbsent when it has gone, UnsafeFile when it is no regular file, OSError when this
    server cannot read it.
    """
    with _log(file) as log, open_regular(log, file.name) as stream:
        arrived = clock(os.fstat(stream.fileno()))
        return stream.read(most), arrived


@contextmanager
def open_staged(folder: AgentFolder, name: str) -> Iterator[BufferedReader]:
    """Open a staged backup of this agent by its bare name.

    Raise FileAbsent when no staging folder has it, UnsafeFile when the name or what stands under
    it is not acceptable, OSError when this server cannot read it.
    """
    for staged in STAGED_FOLDERS:
        try:
            with descend(folder.root, folder.name, staged) as directory:
                stream = open_regular(directory, name)
        except FileAbsent:
            continue
        with stream:
            yield stream
        return
    raise FileAbsent(f"{name!r:.200} is not in {folder.name}/{STAGED_FOLDERS[0]}/")


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
    with descend(file.folder.root, file.folder.name, LOG) as log, _log(file) as source:
        with suppress(FileExistsError):
            os.mkdir(shelf, 0o755, dir_fd=log)
        target = open_directory(log, shelf)
        try:
            if file.shelf == shelf:
                name = file.name
            else:
                name = _reserve(target, file.name)
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
    for number in range(MAX_SAME_NAME):
        candidate = name if number == 0 else _cut(stem, f".{number}{dot}{extension}")
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


def _log(file: ReportFile) -> AbstractContextManager[int]:
    shelf = (file.shelf,) if file.shelf else ()
    return descend(file.folder.root, file.folder.name, LOG, *shelf)


def _list_root(root: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(root) as entries:
            return list(entries)
    except OSError as error:
        raise DepositRootUnavailable(
            f"the deposit root {root} cannot be read ({error.strerror}): "
            "check BACKUP_STORAGE_ROOT, and that the disk is mounted"
        ) from error


def _report_names(root: Path, folder: str, *shelf: str) -> Iterator[str]:
    try:
        with descend(root, folder, LOG, *shelf) as log, os.scandir(log) as entries:
            for entry in entries:
                if entry.name.startswith(".") or not entry.name.lower().endswith(".json"):
                    continue
                if entry.is_file(follow_symlinks=False):
                    yield entry.name
    except UnsafeFile as error:
        raise AgentUnreadable(str(error)) from error
    except OSError as error:
        where = "/".join((folder, LOG, *shelf))
        raise AgentUnreadable(f"{where}/ cannot be read: {error.strerror}") from error


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
