"""What is wrong with files of the vault: opened once, and ended when it is no more.

Alerts read these rows while they are open.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path, PurePosixPath

from django.db import transaction

from scanner import vault_board
from scanner.models import ExpectedBackupJob, VaultCopy, VaultFinding
from scanner.models.batch import BATCH, batches
from scanner.pipeline import vault
from scanner.pipeline.patrol import StoredFile, Strange, walk
from scanner.pipeline.text import clean, clean_name, escaped

logger = logging.getLogger(__name__)

Kind = VaultFinding.Kind
End = VaultFinding.End

YOUNG = timedelta(days=1)
MOST = 1000
"""Findings of this kind that are open at once: of a vault full of strangers nobody reads more."""

OF_A_READ = (Kind.DAMAGED, Kind.ABSENT, Kind.UNREADABLE)
"""What reading a copy can find; one of them at a time."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with what stands under a path of the vault, as the file system has it."""

    kind: VaultFinding.Kind
    path: str
    message: str
    job_id: int | None = None
    copy_id: int | None = None


def shown(path: str) -> str:
    """Give a path as findings keep it: the path itself, unless no column or terminal takes it."""
    return clean_name(escaped(path), 1000)


def find(
    kind: VaultFinding.Kind,
    path: str,
    message: str,
    *,
    now: datetime,
    job: ExpectedBackupJob | None = None,
    copy: VaultCopy | None = None,
) -> bool:
    """Open a finding, or renew the words of the one that is open already; tell whether it is new.

    Only the holder of the lease of an audit, a prune or drills calls this, each for kinds of its
    own, so that nobody opens the same one.
    """
    found = Finding(kind, path, message, job.pk if job else None, copy.pk if copy else None)
    return bool(find_all((found,), now=now))


def find_all(findings: Iterable[Finding], *, now: datetime, how: End | None = None) -> int:
    """Open findings, or renew the words of those that are open; give how many are new.

    With `how` they have ended already, and are kept so that history shows them. Statements grow by
    batches. Only the holder of a lease on the vault calls this.
    """
    found = {(shown(one.path), one.kind.value): one for one in findings}
    new = 0
    for some in batches(list(found)):
        with transaction.atomic():
            new += _record({key: found[key] for key in some}, now, how)
    return new


def end(
    paths: Collection[str],
    how: VaultFinding.End,
    *,
    now: datetime,
    kinds: Collection[VaultFinding.Kind] = tuple(Kind),
) -> int:
    """End the open findings of these kinds about these paths; give how many there were."""
    ended = 0
    wanted = [kind.value for kind in kinds]
    for some in batches(sorted({shown(path) for path in paths})):
        still = VaultFinding.objects.filter(path__in=some, kind__in=wanted, ended_at=None)
        ended += still.update(ended_at=now, end=how.value)
    return ended


def end_of_copies(
    copies: Sequence[int],
    how: VaultFinding.End,
    *,
    now: datetime,
    kinds: Collection[VaultFinding.Kind] = OF_A_READ,
) -> int:
    """End the open findings of these kinds about these copies (keys); give how many there were.

    Two jobs may share a path: what is found of the one's copy says nothing of the other's.
    """
    ended = 0
    wanted = [kind.value for kind in kinds]
    for some in batches(copies):
        still = VaultFinding.objects.filter(copy_id__in=some, kind__in=wanted, ended_at=None)
        ended += still.update(ended_at=now, end=how.value)
    return ended


def end_of_whole(*, now: datetime) -> int:
    """End what was found of copies that somebody has written again since; give how many."""
    still = VaultFinding.objects.filter(
        ended_at=None,
        kind__in=[kind.value for kind in OF_A_READ],
        copy__state=VaultCopy.State.WHOLE.value,
    )
    return still.update(ended_at=now, end=End.WHOLE.value)


def _record(found: dict[tuple[str, str], Finding], now: datetime, how: End | None) -> int:
    ended_at, end = (None, "") if how is None else (now, how.value)
    paths = {path for path, _ in found}
    known: set[tuple[str, str]] = set()
    changed: list[VaultFinding] = []
    for row in VaultFinding.objects.filter(path__in=paths, ended_at=None):
        if (one := found.get((row.path, row.kind))) is None:
            continue
        known.add((row.path, row.kind))
        words = clean(one.message, 4000)
        if how is not None or words != row.message:
            row.message, row.ended_at, row.end = words, ended_at, end
            changed.append(row)
    VaultFinding.objects.bulk_update(changed, ("message", "ended_at", "end"))
    new = [
        VaultFinding(
            kind=kind,
            path=path,
            message=clean(one.message, 4000),
            found_at=now,
            ended_at=ended_at,
            end=end,
            job_id=one.job_id,
            copy_id=one.copy_id,
        )
        for (path, kind), one in found.items()
        if (path, kind) not in known
    ]
    VaultFinding.objects.bulk_create(new)
    for row in new:
        logger.warning("vault: %s: %s: %s", row.kind, row.path, row.message)
    return len(new)


# --- Files of nobody ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Extras:
    """How many files of nobody there are; `untold` of those `seen` have no finding of their own."""

    seen: int
    untold: int


def look_for_extras(root: Path, *, now: datetime, fence: Callable[[], None]) -> Extras:
    """Walk the vault, open a finding for each file of nobody, end those of files that have gone.

    Memory and statements grow by batches of files. `fence` is called first in the transaction
    that records. Raise VaultError when the vault cannot be walked.
    """
    found = _Walk(root, now)
    jobs = _jobs_by_folder({_folder(path) for path in found.words}, now)
    with transaction.atomic():
        fence()
        # A scan may have recorded one since its name was asked for.
        strangers = found.words.keys() - vault_board.known_paths(found.words)
        find_all(
            (
                Finding(Kind.EXTRA, path, words, jobs.get(_folder(path)))
                for path, words in found.words.items()
                if path in strangers
            ),
            now=now,
        )
        end(found.gone, End.GONE, now=now, kinds=(Kind.EXTRA,))
    return Extras(len(strangers) + found.untold, found.untold)


class _Walk:
    """What one walk found: files of nobody with words about them, and findings that are over."""

    def __init__(self, root: Path, now: datetime) -> None:
        extra = vault_board.open_findings().filter(kind=Kind.EXTRA.value)
        self._opened = frozenset(extra.order_by().values_list("path", flat=True))
        self._now = now
        self.words: dict[str, str] = {}
        self._room = MOST - len(self._opened)
        self.gone = set(self._opened)
        self.untold = 0
        entries = walk(root)
        while some := {shown(str(one.relative)): one for one in islice(entries, BATCH)}:
            # A name that cannot be kept as it is is none of ours.
            asked = (path for path, one in some.items() if path == str(one.relative))
            known = vault_board.known_paths(asked)
            for path, one in some.items():
                if path not in known or path != str(one.relative):
                    self._meet(path, one)

    def _meet(self, path: str, one: StoredFile | Strange) -> None:
        if isinstance(one, Strange):
            self._spare_below(one.relative)
        if path in self._opened:
            self.gone.discard(path)
        elif isinstance(one, StoredFile) and self._now - one.changed_at <= YOUNG:
            return
        elif self._room <= 0:
            self.untold += 1
            return
        else:
            self._room -= 1
        self.words[path] = _extra_words(one)

    def _spare_below(self, folder: PurePosixPath) -> None:
        """Keep open what was found below a folder that cannot be looked into any more."""
        if self.gone:
            above = shown(str(folder)) + "/"
            spared = {path for path in self.gone if not folder.parts or path.startswith(above)}
            self.gone -= spared


def _extra_words(one: StoredFile | Strange) -> str:
    if isinstance(one, Strange):
        return f"{one.words}; nobody but this server should write here"
    return (
        f"{one.size:,} bytes, last changed {one.changed_at:%Y-%m-%d %H:%M} UTC: no copy on record "
        "has this name; find out who put it there, and take it away"
    )


def _folder(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _jobs_by_folder(folders: Collection[str], now: datetime) -> dict[str, int]:
    """Give the job (its key) whose copies stand in a folder, where it is exactly one job."""
    if not folders:
        return {}
    jobs: dict[str, int] = {}
    shared: set[str] = set()
    places = ("company_name", "city", "neighborhood", "database_name")
    for job in ExpectedBackupJob.objects.only(*places).order_by().iterator(BATCH):
        folder = str(vault.copy_path(job.place, job.database_name, now, "").parent)
        if folder in jobs:
            shared.add(folder)
        if folder in folders:
            jobs[folder] = job.pk
    return {folder: job for folder, job in jobs.items() if folder not in shared}
