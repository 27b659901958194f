"""Whether this installation is the demo's own: it never plays where real backups are watched.

A file in the deposit root marks a tree as the demo's; its name begins with a dot, so that no scan
looks at it.
"""

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from scanner import board, conf
from scanner.demo.fleet import AGENTS, SITES
from scanner.errors import BackupMonitorError
from scanner.pipeline.deposit import agent_identity

MARK: Final = ".backupmonitor-demo.json"
STRANGER: Final = "lost+found"
_ADVICE: Final = (
    "Nothing was changed. Give the demo an installation of its own: an empty DATABASE_URL, "
    "BACKUP_STORAGE_ROOT and VALIDATED_BACKUPS_BASE_PATH"
)


class NotForDemo(BackupMonitorError):
    """This installation holds what is not the demo's; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A deposit root where the demo plays, since `began`; `opening` is when it was first shown."""

    root: Path
    began: datetime
    opening: datetime


def survey() -> Ground | None:
    """Give the demo that is here already, or None where one may be set up.

    Raise NotForDemo when there are expected backups, agents or copies that are not the demo's.
    """
    jobs = board.job_states()
    strange = [job for job in jobs if job.agent_id not in AGENTS]
    if strange:
        raise _refusal(f"{len(strange)} expected backups that are not the demo's: {strange[0]}")
    root = conf.deposit_root()
    mark = root / MARK
    if mark.is_file():
        own = AGENTS | {agent_identity(STRANGER)}
        if others := [name for name in _visible(root) if agent_identity(name) not in own]:
            raise _refusal(f"folders that are not the demo's in {root}: {_some(others)}")
        return _read(mark) if jobs else None
    if jobs:
        raise _refusal(f"{len(jobs)} expected backups, and {root} is not the demo's: {jobs[0]}")
    for tree in (root, conf.vault_root()):
        if found := _visible(tree):
            raise _refusal(f"files in {tree} that are not the demo's: {_some(found)}")
    return None


def take(began: datetime, opening: datetime) -> Ground:
    """Mark an installation that `survey` found free as the demo's.

    What an earlier demo whose database is gone left in the deposit tree is cleared away.
    """
    root = conf.deposit_root()
    root.mkdir(parents=True, exist_ok=True)
    if (root / MARK).exists():
        for site in SITES:
            shutil.rmtree(root / site.folder, ignore_errors=True)
    values = {"began": began.isoformat(), "opening": opening.isoformat()}
    (root / MARK).write_text(json.dumps(values) + "\n", encoding="utf-8")
    (root / STRANGER).mkdir(exist_ok=True)
    return Ground(root, began, opening)


def _read(mark: Path) -> Ground:
    try:
        values = json.loads(mark.read_text(encoding="utf-8"))
        began, opening = (datetime.fromisoformat(values[key]) for key in ("began", "opening"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotForDemo(
            f"{mark} cannot be read ({error}): expected what an earlier demo wrote. Remove the "
            "demo's database and deposit tree, and it begins anew"
        ) from error
    return Ground(mark.parent, began, opening)


def _visible(tree: Path) -> list[str]:
    if not tree.is_dir():
        return []
    return sorted(entry.name for entry in tree.iterdir() if not entry.name.startswith("."))


def _some(names: Iterable[str]) -> str:
    first, *more = names
    return f"{first} and {len(more)} more" if more else first


def _refusal(found: str) -> NotForDemo:
    return NotForDemo(f"the demo was not played: this installation holds {found}. {_ADVICE}.")
