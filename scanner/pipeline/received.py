"""A report as an agent sent it, found again wherever it lies now: for people who want to read it.

The folders are the agent's own, so that what lies under a report's name may be anything: it is the
report when it is as long and has the same SHA-256, and nothing else is given.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from scanner.errors import AgentUnreadable, DepositError, FileAbsent
from scanner.pipeline.deposit import (
    ARCHIVE,
    REJECTED,
    AgentFolder,
    ReportFile,
    list_shelf,
    read_report,
    stamp_of,
    walk,
)
from scanner.pipeline.document import MAX_REPORT_BYTES

MOST_READ = 40
"""So many files of the right name and length are read at most."""
_NUMBER = r"(?:\.\d+|\.[0-9a-f]{32})?"


def received(root: Path, agent: str, file_name: str, *, size: int, sha256: str) -> bytes:
    """Give the bytes of a report of an agent (identity), which came under a name.

    Raise FileAbsent when it does not lie in the agent's folder any more, DepositError or OSError
    when that cannot be looked at.
    """
    deposit = walk(root, only=frozenset({agent}))
    if deposit.unreadable:
        raise AgentUnreadable(next(iter(deposit.unreadable.values())))
    candidates = (
        file
        for folder in deposit.folders
        for file in _of_name(folder, deposit.reports, file_name)
        if _may_be(file, size)
    )
    for file in islice(candidates, MOST_READ):
        with suppress(DepositError, OSError):
            content, _ = read_report(file, size)
            if hashlib.sha256(content).hexdigest() == sha256:
                return content
    raise FileAbsent(f"{file_name!r:.200} does not lie in the folder of {agent} any more")


def _of_name(
    folder: AgentFolder, unread: tuple[ReportFile, ...], file_name: str
) -> Iterator[ReportFile]:
    """Give where the report may lie: under its name, which a shelf gives a number if need be."""
    for shelf in (ARCHIVE, REJECTED):
        yield ReportFile(folder, file_name, shelf)
    yield from (file for file in unread if file.folder == folder and file.name == file_name)
    stem, dot, extension = file_name.rpartition(".")
    numbered = re.compile(f"{re.escape(stem)}{_NUMBER}{re.escape(dot + extension)}")
    for shelf in (ARCHIVE, REJECTED):
        for file in reversed(list_shelf(folder, shelf)):
            if file.name != file_name and numbered.fullmatch(file.name):
                yield file


def _may_be(file: ReportFile, size: int) -> bool:
    """Tell by its length; of a report that is too long to be read, no more than that is known."""
    with suppress(DepositError, OSError):
        length = stamp_of(file)[2]
        return length == size or (length > size > MAX_REPORT_BYTES)
    return False
