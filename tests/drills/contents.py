"""Dumps as drills read them: packed, and opened as copies of the vault are."""

import io
from pathlib import Path

from scanner.drills import workplace
from scanner.drills.attempt import Restorer
from scanner.drills.content import Content
from scanner.drills.outcome import Deadline, Restored
from scanner.pipeline.archive import recognise
from tests.agent import PACK, sha256

PATIENCE = 60.0
MOST = 2**40


def content_of(dump: bytes, extension: str = ".gz", *, most: int = MOST) -> Content:
    """Give a dump as the content of a copy that nothing happened to."""
    packed = PACK[extension](dump)
    return Content(
        io.BytesIO(packed), codec=recognise(packed).value, sha256=sha256(packed), most=most
    )


def restore(
    restorer: Restorer, dump: bytes, extension: str = ".gz", *, seconds: float = PATIENCE
) -> Restored:
    """Restore a dump with a restorer."""
    content = content_of(dump, extension)
    kind = content.begin("")
    with workplace.folder() as folder:
        return restorer.restore(kind, content, folder=folder, deadline=Deadline(seconds))


def drill_folders(temporary: Path) -> list[Path]:
    """List what drills have left among temporary files."""
    return sorted(temporary.glob(f"{workplace.PREFIX}*"))
