"""The patrol: the vault's copies are read again, and files that are no copy are looked for.

1. Take the lease of the vault, open the run. A vault that is away judges nobody: the run fails.
2. Findings about copies that a scan has written again since are over.
3. Copies that were not whole are read, from a place that differs in each run, for a tenth of the
   budget: one that somebody has put right is soon whole again, and those that never will be keep
   no other from its turn. Then the whole ones, those whose last read is the oldest first. At least
   one of either is read, however small the budget.
4. One that is not whole is put back from its staged file, if that still has its very bytes.
5. What a page of copies was like is recorded in one transaction: a kill loses that page alone.
6. The tree is walked for files that no copy on record has.

A scan may write copies all the while, and the rows of the copies are read again under a lock before
anything is said of them: one that was deleted or written again meanwhile is no finding.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from django.db import transaction

from scanner import conf, lease, vault_board, vault_findings, vault_run
from scanner.errors import DepositError, VaultError
from scanner.models import ExpectedBackupJob, VaultCopy, VaultRun
from scanner.models.vault import ALIVE
from scanner.pipeline import deposit, vault
from scanner.pipeline.patrol import Absent, Examined, Found, Unreadable, examine
from scanner.vault_findings import OF_A_READ, End, Finding, Kind
from scanner.vault_presence import require_vault

logger = logging.getLogger(__name__)

LEASE = "vault"
PAGE = 200
"""Copies that are recorded at once."""
PAGE_BYTES = 8 * 2**30
"""Bytes after which what was read is recorded, however few copies they were."""
SHARE = 0.1
"""The part of the budget that may go to copies that were not whole before."""

State = VaultCopy.State
Progress = Callable[[int, int], None]


def _silent(_done: int, _total: int) -> None:
    """Tell nobody."""


class _Budget:
    """What one audit may spend; 0 bytes or no time: as much as it takes."""

    def __init__(self, most: timedelta | None, most_bytes: int) -> None:
        self.bytes = 0
        self._most = most
        self._most_bytes = most_bytes
        self._started = time.monotonic()

    def is_spent(self, part: float = 1) -> bool:
        """Tell whether this part of it is gone."""
        if self._most_bytes and self.bytes >= self._most_bytes * part:
            return True
        if self._most is None:
            return False
        return time.monotonic() - self._started >= self._most.total_seconds() * part


@dataclass(frozen=True, slots=True)
class _Look:
    """What reading a copy found; `kind` is None when it is whole, `is_repaired` if put back."""

    copy: VaultCopy
    kind: Kind | None = None
    words: str = ""
    is_repaired: bool = False

    @property
    def state(self) -> VaultCopy.State:
        if self.kind is None or self.is_repaired:
            return State.WHOLE
        # Whatever cannot be read cannot be restored either.
        return State.ABSENT if self.kind is Kind.ABSENT else State.DAMAGED


def audit(
    *,
    now: datetime,
    everything: bool = False,
    budget: timedelta | None = None,
    budget_bytes: int | None = None,
    progress: Progress = _silent,
) -> VaultRun:
    """Read copies again, look for files of nobody, and give the finished run.

    No further copy is begun after `budget` or `budget_bytes` (0: no bound); None is what the
    settings say, and `everything` reads each copy whatever they say. `progress` is called with the
    number of copies read and in all.
    Raise LeaseHeld when another audit or a prune works on the vault, VaultError when the vault is
    away: then nobody is judged, and the run says why.
    """
    most = conf.audit_budget() if budget is None else budget
    most_bytes = conf.audit_budget_bytes() if budget_bytes is None else budget_bytes
    with lease.hold(LEASE) as held, vault_run.keep(VaultRun.Kind.AUDIT, now=now) as run:
        spending = _Budget(None, 0) if everything else _Budget(most, most_bytes)
        _Audit(run, held, now, spending, progress).work()
    return run


class _Audit:
    """One audit at work, and the run that it tells what it found."""

    def __init__(
        self,
        run: VaultRun,
        held: lease.Held,
        now: datetime,
        budget: _Budget,
        progress: Progress,
    ) -> None:
        self._run = run
        self._held = held
        self._now = now
        self._budget = budget
        self._progress = progress
        self._vault = conf.vault_root()

    def work(self) -> None:
        self._total = VaultCopy.objects.filter(state__in=ALIVE).count()
        if self._total:
            require_vault()
        with transaction.atomic():
            self._held.fence()
            vault_findings.end_of_whole(now=self._now)
        self._read(vault_board.broken_copies(PAGE, now=self._now), SHARE)
        self._read(vault_board.whole_copies(PAGE, now=self._now), 1)
        untold = 0
        if self._total or os.access(self._vault, os.F_OK):
            extras = vault_findings.look_for_extras(
                self._vault, now=self._now, fence=self._held.fence
            )
            self._run.findings += extras.seen
            untold = extras.untold
        self._run.covered_since = vault_board.coverage().since
        self._run.message = vault_board.coverage_words(now=self._now)
        if untold:
            self._run.message += f"; {untold} more files of nobody are not told one by one"

    def _read(self, copies: Iterator[VaultCopy], part: float) -> None:
        looks: list[_Look] = []
        recorded = self._budget.bytes
        for number, copy in enumerate(copies):
            if number and self._budget.is_spent(part):
                break
            looks.append(self._look_at(copy))
            if len(looks) == PAGE or self._budget.bytes - recorded >= PAGE_BYTES:
                self._record(looks)
                looks, recorded = [], self._budget.bytes
        self._record(looks)

    def _look_at(self, copy: VaultCopy) -> _Look:
        found = examine(self._vault, copy.path, on_block=self._count)
        self._run.copies += 1
        self._progress(self._run.copies, self._total)
        if isinstance(found, Found) and (found.size, found.sha256) == (copy.size, copy.sha256):
            return _Look(copy)
        require_vault()
        kind, words = _told(copy, found)
        if (by := self._put_back(copy)) is None:
            return _Look(copy, kind, words)
        return _Look(copy, kind, f"{words}; put back from the staged file {by}", is_repaired=True)

    def _put_back(self, copy: VaultCopy) -> str | None:
        """Put a copy back if its staged file has its very bytes; give words for that file."""
        agent, name = copy.entry.agent_id, copy.entry.staged_name
        try:
            folders = deposit.walk(conf.deposit_root(), frozenset({agent})).folders if name else ()
        except DepositError as error:
            logger.warning("vault: %s is not put back: %s", copy.path, error)
            return None
        for folder in folders:
            try:
                with deposit.open_staged(folder, name) as staged:
                    is_as_large = os.fstat(staged.fileno()).st_size == copy.size
                    if is_as_large and self._is_wanted(copy):
                        path, reserve = PurePosixPath(copy.path), conf.vault_reserve_bytes()
                        vault.replace(staged, self._vault, path, copy.sha256, reserve=reserve)
                        logger.warning("vault: %s is put back from %s", copy.path, name)
                        return f"{name} of agent {agent}"
            except VaultError as error:
                logger.warning("vault: %s is not put back: %s", copy.path, error)
            except (DepositError, OSError) as error:
                logger.info("vault: %s is not put back from %s: %s", copy.path, name, error)
        return None

    def _is_wanted(self, copy: VaultCopy) -> bool:
        """Tell whether nobody has deleted a copy since it was listed."""
        with transaction.atomic():
            self._held.fence()
            return VaultCopy.objects.filter(pk=copy.pk, state__in=ALIVE).exists()

    def _count(self, size: int) -> None:
        self._budget.bytes += size
        if self._held.lost.is_set():
            self._held.fence()

    def _record(self, looks: Sequence[_Look]) -> None:
        if not looks:
            return
        with transaction.atomic():
            self._held.fence()
            self._run.findings += _record(looks, self._now)
            self._run.bytes = self._budget.bytes
            self._run.save(update_fields=("copies", "bytes", "findings"))


def _record(looks: Sequence[_Look], now: datetime) -> int:
    """Record what copies are like, in the caller's transaction; give how many findings it is.

    A copy that is not whole keeps the time at which it was read whole last.
    """
    stands = _as_they_were(looks)
    keys = {state: [one.copy.pk for one in stands if one.state is state] for state in State}
    VaultCopy.objects.filter(pk__in=keys[State.WHOLE]).update(state="whole", audited_at=now)
    for state in (State.DAMAGED, State.ABSENT):
        VaultCopy.objects.filter(pk__in=keys[state]).update(state=state.value)
    whole = [one.copy.pk for one in stands if one.kind is None]
    vault_findings.end_of_copies(whole, End.WHOLE, now=now)
    put_back = [one for one in stands if one.is_repaired]
    vault_findings.find_all(map(_finding, put_back), now=now, how=End.REPAIRED)
    vault_findings.end_of_copies([one.copy.pk for one in put_back], End.REPAIRED, now=now)
    for kind in OF_A_READ:
        still = [one for one in stands if one.kind is kind and not one.is_repaired]
        others = [other for other in OF_A_READ if other is not kind]
        copies = [one.copy.pk for one in still]
        vault_findings.end_of_copies(copies, End.GONE, now=now, kinds=others)
        vault_findings.find_all(map(_finding, still), now=now)
    return sum(one.kind is not None for one in stands)


def _as_they_were(looks: Sequence[_Look]) -> list[_Look]:
    """Lock the copies, their jobs first as everybody does; leave out those that changed since."""
    jobs = {one.copy.job_id for one in looks}
    list(
        ExpectedBackupJob.objects.select_for_update(no_key=True).filter(pk__in=jobs).order_by("pk")
    )
    locked = VaultCopy.objects.select_for_update().order_by("pk")
    fresh = locked.in_bulk([one.copy.pk for one in looks])
    return [
        one
        for one in looks
        if (copy := fresh.get(one.copy.pk))
        and copy.state in ALIVE
        and copy.audited_at == one.copy.audited_at
    ]


def _finding(look: _Look) -> Finding:
    assert look.kind is not None
    return Finding(look.kind, look.copy.path, look.words, look.copy.job_id, look.copy.pk)


def _told(copy: VaultCopy, found: Examined) -> tuple[Kind, str]:
    expected = f"expected {copy.size:,} bytes with the SHA-256 {copy.sha256}"
    match found:
        case Found(size, sha256):
            return Kind.DAMAGED, f"found {size:,} bytes with the SHA-256 {sha256}, {expected}"
        case Absent():
            return Kind.ABSENT, f"no file has this name, {expected}"
        case Unreadable(why):
            return Kind.UNREADABLE, f"cannot be read: {why}; {expected}"
