"""A folder of a drill's own on the disk of temporary files.

It is removed when the drill ends. What a killed drill left there is removed by the next: its lock
is free then. TMPDIR moves all of it to another disk.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "backupmonitor-drill-"
MARGIN = 256 * 2**20
"""Bytes that a drill leaves free on the disk."""


@contextmanager
def folder() -> Iterator[Path]:
    """Give a new folder that only this user may enter, for the length of the block."""
    place = Path(tempfile.mkdtemp(prefix=PREFIX))
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield place
    finally:
        os.close(descriptor)
        shutil.rmtree(place, ignore_errors=True)


def sweep() -> None:
    """Remove the folders of drills that were killed. Raise nothing: it is only room."""
    with suppress(OSError):
        for place in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            if _is_abandoned(place):
                shutil.rmtree(place, ignore_errors=True)


def free_bytes(place: Path) -> int:
    """Give how many bytes may be written there, less the margin; never below 0."""
    return max(0, shutil.disk_usage(place).free - MARGIN)


def _is_abandoned(place: Path) -> bool:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(place, flags)
    except OSError:
        return False
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
