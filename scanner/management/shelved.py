"""Which archived or rejected report a word on the command line means."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path, PurePath

from scanner import board, conf
from scanner.errors import DepositError, FileAbsent, UnsafeFile
from scanner.models import AgentReport
from scanner.pipeline import deposit
from scanner.pipeline.deposit import ARCHIVE, LOG, REJECTED, FileClock, ReportFile
from scanner.pipeline.document import MAX_REPORT_BYTES
from scanner.pipeline.text import quote

SHELVES = (ARCHIVE, REJECTED)
MOST_SHOWN = 5
_NUMBER = re.compile(r"#(\d{1,18})", re.ASCII)


def find_reports(
    words: Iterable[str], *, clock: FileClock = deposit.changed_at
) -> list[ReportFile]:
    """Give the report that each word means, each once.

    A word is a path of a file in an agent's `log/_archive/` or `log/_rejected/` (absolute, or
    relative to the deposit root), its bare name if no other has it, or #N for the report that has
    this number on record. Raise DepositError when it means none or several, or cannot be looked
    for.
    """
    return list(dict.fromkeys(_find(word, clock) for word in words))


def path_of(file: ReportFile) -> str:
    """Give a report's path, relative to the deposit root, quoted: agents choose their names."""
    return quote("/".join((file.folder.name, LOG, file.shelf, file.name)), 600)


def _find(word: str, clock: FileClock) -> ReportFile:
    if number := _NUMBER.fullmatch(word):
        return _by_number(int(number[1]), clock)
    if "/" in word:
        return _by_path(word)
    return _only(word, [file for file in _shelved() if file.name == word])


def _by_path(word: str) -> ReportFile:
    root = conf.deposit_root()
    for path in _readings(Path(word), root):
        match path.parts:
            case (folder, deposit.LOG, (deposit.ARCHIVE | deposit.REJECTED) as shelf, name):
                here = _shelved(deposit.agent_identity(folder), (shelf,))
                meant = [one for one in here if (one.folder.name, one.name) == (folder, name)]
                return _only(word, meant)
    raise UnsafeFile(
        f"{quote(word, 300)} is no archived or rejected report: expected "
        f"AGENT/{LOG}/{ARCHIVE}/NAME.json or AGENT/{LOG}/{REJECTED}/NAME.json in {root}"
    )


def _readings(path: Path, root: Path) -> Iterator[PurePath]:
    """Give what a path may be relative to the root: as it stands, and from where we are."""
    yield path
    for base in (root, root.resolve()):
        if path.absolute().is_relative_to(base):
            yield path.absolute().relative_to(base)


def _by_number(number: int, clock: FileClock) -> ReportFile:
    row = AgentReport.objects.filter(pk=number).first()
    if row is None:
        raise FileAbsent(f"no report has the number #{number} on record")
    # Reports without times may be the same bytes every day: a file is the last that had arrived
    # when it was moved onto its shelf.
    arrivals = board.arrivals(row.agent_id, row.sha256)
    meant = []
    for file in _shelved(row.agent_id):
        if _may_be_named(file.name, row.file_name):
            digest, moved = _look_at(file, clock)
            arrived = max((at for at in arrivals if at <= moved), default=arrivals[0])
            if (digest, arrived) == (row.sha256, row.arrived_at):
                meant.append(file)
    return _only(f"#{number} ({row.file_name})", meant[:1])


def _look_at(file: ReportFile, clock: FileClock) -> tuple[str, datetime]:
    try:
        content, moved = deposit.read_report(file, MAX_REPORT_BYTES + 1, clock)
    except OSError as error:
        raise DepositError(f"{path_of(file)} cannot be read: {error.strerror}") from error
    return hashlib.sha256(content).hexdigest(), moved


def _may_be_named(name: str, recorded: str) -> bool:
    """Tell whether a file is the recorded one, or a namesake that got a number on its shelf."""
    stem, dot, extension = recorded.rpartition(".")
    pattern = rf"{re.escape(stem)}(\.\d+)?{re.escape(dot + extension)}"
    return re.fullmatch(pattern, name, re.ASCII) is not None


def _shelved(agent: str | None = None, shelves: Iterable[str] = SHELVES) -> Iterator[ReportFile]:
    only = None if agent is None else frozenset({agent})
    tree = deposit.walk(conf.deposit_root(), only)
    if agent in tree.unreadable:
        raise DepositError(tree.unreadable[agent])
    for folder in tree.folders:
        for shelf in shelves:
            yield from deposit.list_shelf(folder, shelf)


def _only(word: str, found: list[ReportFile]) -> ReportFile:
    if len(found) == 1:
        return found[0]
    shown = quote(word, 300)
    if not found:
        raise FileAbsent(
            f"{shown}: there is no such archived or rejected report in {conf.deposit_root()}"
        )
    paths = ", ".join(path_of(file) for file in found[:MOST_SHOWN])
    raise DepositError(f"{shown} means {len(found)} reports, say which: {paths}")
