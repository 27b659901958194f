"""An agent at work: it dumps, packs, stages and reports, and what befalls it happens.

Each file gets as its modification time the instant at which it would have arrived; scans of the
demo take that for its arrival (`arrived_at`).
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from scanner.demo import dialect, story
from scanner.demo.claims import DatabaseClaim, OperationClaim, StepClaim
from scanner.demo.dumps import dump_of
from scanner.demo.operations import Operation, zone_of
from scanner.demo.packing import Packing, pack
from scanner.demo.site import Database, Rhythm
from scanner.demo.story import Trouble
from scanner.pipeline.deposit import LOG

_HALF_DAY: Final = timedelta(hours=12)
_ROWS_A_TICK: Final = 3
_STEPS: Final = ("backup", "compress", "transfer")
_ELSEWHERE: Final = Path("/mnt/disque2/sauvegardes")


def arrived_at(status: os.stat_result) -> datetime:
    """Give when a file of the demo arrived: its modification time (a `FileClock`)."""
    return datetime.fromtimestamp(status.st_mtime, UTC)


def deposit(root: Path, operation: Operation, *, opening: datetime) -> None:
    """Put what an operation leaves into the deposit tree; doing it again leaves the same."""
    site = operation.site
    home = root / site.folder
    (home / LOG).mkdir(parents=True, exist_ok=True)
    (home / site.habit.folder).mkdir(exist_ok=True)
    claims: list[DatabaseClaim] = []
    if operation.trouble is not Trouble.OPERATION_FAILED:
        for place, database in enumerate(operation.databases):
            trouble = story.trouble_of(site.agent, database.name, operation.day)
            if trouble is not Trouble.FORGOTTEN:
                backup = _back_up(operation, place, database, opening)
                backup = _AFFLICTED[trouble](backup) if trouble else backup
                _stage(home / site.habit.folder, backup, operation.ended)
                claims.append(backup.claim)
    _report(home / LOG, operation, tuple(claims))


@dataclass(frozen=True, slots=True)
class _Backup:
    """A backup on its way: what the agent made, what it says of it, and what arrives.

    `sent` is None when nothing arrives. `earlier` gives what the dump was a day before, `emptied`
    what it would be without its invoices.
    """

    dump: bytes
    packed: bytes
    packing: Packing
    claim: DatabaseClaim
    sent: bytes | None
    earlier: Callable[[], bytes]
    emptied: Callable[[], bytes]
    becomes_link: bool = False
    removes_old: bool = False
    leaves_part: bool = False


def _back_up(operation: Operation, place: int, database: Database, opening: datetime) -> _Backup:
    started = operation.ended - timedelta(seconds=80 * (len(operation.databases) - place))
    times = [started + timedelta(seconds=seconds) for seconds in (0, 45, 46, 70, 71, 78)]
    habit = operation.site.habit
    extension = database.packing.value if database.extension is None else database.extension
    stem = habit.staged.format(name=database.name, lower=database.name.lower())
    claim = DatabaseClaim(
        database.name,
        backup=StepClaim(is_done=True, started=times[0], ended=times[1]),
        compress=StepClaim(is_done=True, started=times[2], ended=times[3]),
        transfer=StepClaim(is_done=True, started=times[4], ended=times[5]),
        staged_name=stem + extension,
    )

    def dump(at: datetime) -> bytes:
        return _dump(operation, database, at, opening)

    made = dump(operation.due)
    packed = pack(made, database.packing)
    return _Backup(
        dump=made,
        packed=packed,
        packing=database.packing,
        claim=_measured(claim, made, packed),
        sent=packed,
        earlier=lambda: dump(operation.due - timedelta(days=1)),
        emptied=lambda: dump_of(database.name, database.engine, 0, None),
    )


def _measured(claim: DatabaseClaim, dump: bytes, packed: bytes) -> DatabaseClaim:
    return replace(
        claim,
        backup=replace(claim.backup, sha256=_sha256(dump), size=len(dump)),
        compress=replace(claim.compress, sha256=_sha256(packed), size=len(packed)),
    )


def _dump(operation: Operation, database: Database, at: datetime, opening: datetime) -> bytes:
    since = story.begin_of(-story.DAYS, opening)
    local = (at - _HALF_DAY).astimezone(zone_of(operation.site))
    match database.rhythm:
        case Rhythm.LIVE:
            ticks = (at - since) // timedelta(hours=6)
        case Rhythm.OFFICE:
            ticks = _weekdays(local) - _weekdays(since)
        case Rhythm.CLOSED:
            ticks = 0
    # Where nothing changes it is told that no time is to be written.
    finished = local + _HALF_DAY if database.rhythm is Rhythm.LIVE else None
    rows = database.rows + _ROWS_A_TICK * max(0, ticks)
    return dump_of(database.name, database.engine, rows, finished)


def _weekdays(at: datetime) -> int:
    """Count the days from Monday to Friday from the first day of the calendar up to this one."""
    weeks, days = divmod(at.toordinal() - 1, 7)  # that first day was a Monday
    return 5 * weeks + min(days + 1, 5)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# --- What befalls a backup ------------------------------------------------------------------------


def _fails(step: str, error: str) -> Callable[[_Backup], _Backup]:
    """Make this step fail, and those after it not happen."""

    def afflict(backup: _Backup) -> _Backup:
        at_fault: StepClaim = getattr(backup.claim, step)
        undone: dict[str, Any] = dict.fromkeys(_STEPS[_STEPS.index(step) :], StepClaim())
        undone[step] = StepClaim(started=at_fault.started, ended=at_fault.ended)
        claim = replace(backup.claim, error=error, **undone)
        return replace(backup, claim=claim, sent=None, leaves_part=step == "transfer")

    return afflict


def _sends(spoil: Callable[[bytes], bytes]) -> Callable[[_Backup], _Backup]:
    """Let other bytes arrive than those that the agent reports."""
    return lambda backup: replace(backup, sent=spoil(backup.packed))


def _packs(spoil: Callable[[_Backup], bytes]) -> Callable[[_Backup], _Backup]:
    """Let the agent pack something else than its dump, and report truly what it packed."""

    def afflict(backup: _Backup) -> _Backup:
        packed = spoil(backup)
        claim = _measured(backup.claim, backup.dump, packed)
        return replace(backup, packed=packed, claim=claim, sent=packed)

    return afflict


def _dumps(other: Callable[[_Backup], bytes]) -> Callable[[_Backup], _Backup]:
    """Let the agent dump something else, and report truly what it dumped."""

    def afflict(backup: _Backup) -> _Backup:
        dump = other(backup)
        packed = pack(dump, backup.packing)
        claim = _measured(backup.claim, dump, packed)
        return replace(backup, dump=dump, packed=packed, claim=claim, sent=packed)

    return afflict


def _flip_a_bit(packed: bytes) -> bytes:
    middle = len(packed) // 2
    return packed[:middle] + bytes([packed[middle] ^ 0x10]) + packed[middle + 1 :]


_AFFLICTED: Final[dict[Trouble, Callable[[_Backup], _Backup]]] = {
    Trouble.BACKUP_FAILED: _fails(
        "backup",
        'connection to server at "10.4.0.12", port 5432 failed: FATAL:  password authentication '
        'failed for user "sauvegarde"',
    ),
    Trouble.COMPRESS_FAILED: _fails("compress", "gzip: write error: No space left on device"),
    Trouble.TRANSFER_FAILED: _fails(
        "transfer", "rsync: connection unexpectedly closed (0 bytes received so far)"
    ),
    Trouble.FILE_ABSENT: lambda backup: replace(backup, sent=None, removes_old=True),
    Trouble.CUT_SHORT: _sends(lambda packed: packed[: len(packed) * 2 // 3]),
    Trouble.BIT_ROT: _sends(_flip_a_bit),
    Trouble.BROKEN_ARCHIVE: _packs(lambda backup: backup.packed[: len(backup.packed) * 3 // 4]),
    Trouble.STALE_ARCHIVE: _packs(lambda backup: pack(backup.earlier(), backup.packing)),
    Trouble.EMPTY: _dumps(lambda _backup: b""),
    Trouble.KILLED: _dumps(lambda backup: backup.dump[: len(backup.dump) * 2 // 3]),
    Trouble.EMPTIED: _dumps(lambda backup: backup.emptied()),
    Trouble.LINK: lambda backup: replace(backup, becomes_link=True),
}


# --- What lies in the tree afterwards -------------------------------------------------------------


def _stage(folder: Path, backup: _Backup, at: datetime) -> None:
    """Write beside and rename, as rsync does."""
    name = backup.claim.staged_name
    partial = folder / f".{name}.q7Zx2B"
    partial.unlink(missing_ok=True)
    if backup.removes_old:
        (folder / name).unlink(missing_ok=True)
    if backup.leaves_part:
        partial.write_bytes(backup.packed[: len(backup.packed) // 2])
        _set_time(partial, at)
    if backup.sent is None:
        return
    if backup.becomes_link:
        partial.symlink_to(_ELSEWHERE / name)
    else:
        partial.write_bytes(backup.sent)
    _set_time(partial, at)
    partial.replace(folder / name)


def _report(log: Path, operation: Operation, claims: tuple[DatabaseClaim, ...]) -> None:
    site, zone = operation.site, zone_of(operation.site)
    claim = OperationClaim(
        agent="ACME_DOUALA_BONAPRISO" if operation.trouble is Trouble.IMPOSTOR else site.folder,
        started=operation.due,
        ended=operation.ended,
        databases=claims,
        failed=operation.trouble is Trouble.OPERATION_FAILED,
    )
    content = dialect.content(claim, site.habit, zone)
    if operation.trouble is Trouble.GARBLED:
        content = content[: len(content) * 2 // 3]
    name = dialect.file_name(site.folder, operation.ended, site.habit, zone)
    file = log / name
    file.write_bytes(content)
    _set_time(file, operation.arrived)


def _set_time(file: Path, at: datetime) -> None:
    os.utime(file, (at.timestamp(), at.timestamp()), follow_symlinks=False)
