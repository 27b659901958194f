"""Room 1: what lies in the deposit tree, and the only way to open it.

Everything below the root is written by agents and so untrusted. Each step into the tree is taken
through `openat`: no link followed, regular files only, never out of the agent's own folder. Folders
are opened anew for each file, so that a long scan holds no descriptors on thousands of agents.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path

from scanner.errors import (
    AgentUnreadable,
    DepositRootUnavailable,
    FileAbsent,
    UnsafeFile,
)
from scanner.pipeline.openat import Stamp, descend, open_regular, stamp

LOG = "log"
ARCHIVE = "_archive"
REJECTED = "_rejected"
STAGED_FOLDERS = ("databases", "database")
MAX_AGENT = 200
"""Characters; upper case may have more of them than the folder's name. As long as agent_id."""

FileClock = Callable[[os.stat_result], datetime]


def changed_at(status: os.stat_result) -> datetime:
    """Give when a file last changed on this server (ctime, UTC), which no agent can set."""
    return datetime.fromtimestamp(status.st_ctime, UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a database is: what an agent's folder is named after."""

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
        """The agent's identity."""
        return agent_identity(self.name)

    @property
    def place(self) -> Place:
        """Where the agent is."""
        place = place_of(self.name)
        assert place is not None  # walk() makes folders of agents' names only
        return place


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A report as it lies in a folder's `log/`, or on one of the shelves below it."""

    folder: AgentFolder
    name: str
    shelf: str = ""
    stamp: Stamp | None = field(default=None, compare=False)


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

    @property
    def logs(self) -> dict[str, bool]:
        """Whether each agent has a `log/`; its folder may stand there in several letter cases."""
        logs: dict[str, bool] = {}
        for folder in self.folders:
            logs[folder.agent] = logs.get(folder.agent, False) or folder.has_log
        return logs


def agent_identity(name: str) -> str:
    """Give the one spelling under which an agent is known, whatever the letter case of `name`."""
    return name.strip().upper()


def place_of(folder_name: str) -> Place | None:
    """Split COMPANY_CITY_NEIGHBORHOOD, or give None when there are fewer than three parts."""
    company, _, rest = folder_name.partition("_")
    city, _, neighborhood = rest.partition("_")
    place = Place(company, city, neighborhood)
    return place if company and city and neighborhood else None


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
        if place_of(entry.name) is None or not _can_be_known(entry.name):
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
    with open_log(file) as log, open_regular(log, file.name) as stream:
        arrived = clock(os.fstat(stream.fileno()))
        return stream.read(most), arrived


def stamp_of(file: ReportFile) -> Stamp:
    """Tell what lies there now from what may replace it. Raise as `read_report` does."""
    with open_log(file) as log:
        return stamp(log, file.name)


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


def open_log(file: ReportFile) -> AbstractContextManager[int]:
    """Open the folder that a report lies in. Raise as `descend` does."""
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


def _can_be_known(name: str) -> bool:
    """Tell whether an agent can be named by its folder's name, in reports, tables and columns."""
    return name.isprintable() and len(agent_identity(name)) <= MAX_AGENT
