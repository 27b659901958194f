"""What the bytes say of each claim: measured, judged and, when good, copied into the vault.

Rooms 4 to 6 of the pipeline, for a batch of claims at a time; files are read by a pool of threads,
the database is asked by the caller's thread only.
"""

import errno
import logging
import tempfile
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Self

from scanner import board, conf, vault_presence
from scanner.cases import Case, StagedFile, claimed_content_sizes, newest_naming
from scanner.copies import NOT_COPIED, already_there, copy_staged
from scanner.errors import DepositError, FileAbsent, FileChanged, UnsafeFile, VaultError
from scanner.pipeline import sqlite_file, vault, verdict
from scanner.pipeline.deposit import FileClock, changed_at, open_staged
from scanner.pipeline.findings import Evidence
from scanner.pipeline.text import clean
from scanner.pipeline.verdict import Past, Verdict
from scanner.pipeline.verification import Measurement, Spool, measure
from scanner.precedents import precedents
from scanner.state import Judged

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Outcome:
    """A judged case, or one that must wait for the next scan (`judged` is None), and why."""

    case: Case
    judged: Judged | None
    why_not: str = ""


class Interruptible:
    """A staged file that is read no further once the examination is given up."""

    def __init__(self, stream: BufferedReader, stopped: threading.Event) -> None:
        self._stream = stream
        self._stopped = stopped

    def fileno(self) -> int:
        """Give the file's descriptor."""
        return self._stream.fileno()

    def readinto(self, buffer: memoryview, /) -> int:
        """Read on; raise InterruptedError when nobody waits for it any more."""
        if self._stopped.is_set():
            raise InterruptedError(errno.EINTR, "the scan was given up")
        return self._stream.readinto(buffer)


class Examination:
    """Judges cases, in the order they are given. A context manager: it owns a pool of threads."""

    def __init__(self, cases: Sequence[Case], *, clock: FileClock = changed_at) -> None:
        self._clock = clock
        self._level = conf.verify_level()
        self._vault = conf.vault_root()
        self._spool = Spool(Path(tempfile.gettempdir()), conf.sqlite_check_bytes())
        self._stopped = threading.Event()
        vault.sweep(self._vault)
        sqlite_file.sweep(self._spool.folder)
        self._pool = ThreadPoolExecutor(conf.workers(), thread_name_prefix="verify")
        self._measured: dict[StagedFile, Future[Evidence]] = {}
        self._newest = newest_naming(cases)
        self._content_sizes = claimed_content_sizes(cases)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def begin(self, batch: Iterable[Case]) -> None:
        """Start to read the files of a batch, each file once in the whole examination."""
        for case in batch:
            staged = case.staged
            if staged is not None and staged not in self._measured:
                self._measured[staged] = self._pool.submit(
                    self._measure, staged, self._content_sizes.get(staged)
                )

    def judge(self, batch: Sequence[Case]) -> list[Outcome]:
        """Judge a batch in which no job stands twice, and copy what is good into the vault."""
        self.begin(batch)
        outcomes = [Outcome(case, None) for case in batch]
        looked_at: list[tuple[Outcome, Evidence | None]] = []
        for outcome in outcomes:
            try:
                looked_at.append((outcome, self._evidence(outcome.case)))
            except (FileChanged, OSError) as error:
                outcome.why_not = _words(error)
            except Exception as error:
                logger.exception("%s could not be verified", outcome.case.job.database_name)
                outcome.why_not = f"{type(error).__name__}: {_words(error)}"
        replaced = {
            outcome.case for outcome, found in looked_at if self._is_replaced(outcome.case, found)
        }
        copies = already_there(replaced, level=self._level, clock=self._clock, spool=self._spool)
        later = board.last_named(
            (case.incoming.agent, clean(case.claim.staged_name, 255))
            for case in replaced
            if case.claim and case.claim.staged_name
        )
        known = precedents(
            [(one.case, copies.get(one.case, (found, ""))[0]) for one, found in looked_at]
        )
        for outcome, found in looked_at:
            case = outcome.case
            if case in copies:
                outcome.judged = self._decide(case, known[case], *copies[case])
            elif case in replaced and case.claim and self._was_named_later(case, later):
                outcome.judged = _judged(case, verdict.superseded(case.claim))
            else:
                outcome.judged = self._decide(case, known[case], found)
        self._promote([outcome for outcome in outcomes if outcome.judged is not None])
        return outcomes

    @property
    def verified_bytes(self) -> int:
        """The bytes of the staged files that were measured so far."""
        ended = [one for one in self._measured.values() if one.done() and not one.cancelled()]
        found = [one.result() for one in ended if one.exception() is None]
        return sum(one.size for one in found if isinstance(one, Measurement))

    def _measure(self, staged: StagedFile, claimed_content_size: int | None) -> Evidence:
        folder, name = staged
        try:
            with open_staged(folder, name) as stream:
                return measure(
                    Interruptible(stream, self._stopped),
                    level=self._level,
                    claimed_content_size=claimed_content_size,
                    changed_at=self._clock,
                    spool=self._spool,
                )
        except (FileAbsent, UnsafeFile) as finding:
            return finding

    def _evidence(self, case: Case) -> Evidence | None:
        if case.claim is None or case.staged is None:
            return None
        found = self._measured[case.staged].result()
        if isinstance(found, Measurement) and case.claim.backup.size is None:
            # More than others claim of this file; this claim is of any size.
            return replace(found, exceeds_claim=False)
        return found

    def _is_replaced(self, case: Case, found: Evidence | None) -> bool:
        """Tell whether the file that was read may be another than the one the claim is about.

        It may be when it is not what the report says, or the report says nothing to tell it by; and
        either it changed after the report came, or it is what a newer report says.
        """
        if case.claim is None or case.staged is None or not isinstance(found, Measurement):
            return False
        if case.claim.compress.sha256 is not None and not verdict.differs(case.claim, found):
            return False
        newest = self._newest[case.staged]
        return verdict.was_replaced(found, case.incoming.row.arrived_at) or (
            newest is not case
            and newest.claim is not None
            and newest.claim.compress.sha256 == found.sha256
        )

    def _was_named_later(self, case: Case, later: dict[tuple[str, str], datetime]) -> bool:
        if case.claim is None or case.staged is None:
            return False
        if self._newest[case.staged] is not case:
            return True
        name = (case.incoming.agent, clean(case.staged[1], 255))
        return name in later and later[name] > case.end.at

    def _decide(
        self, case: Case, past: Past, found: Evidence | None, vault_path: str = ""
    ) -> Judged:
        if case.claim is None:
            decision = verdict.operation_failed(
                case.incoming.report.error,
                late=case.is_late,
                clock_skew=case.end.clock_skew,
            )
            return _judged(case, decision)
        decision = verdict.decide(
            case.claim,
            found,
            expected=case.job.expectation,
            past=past,
            late=case.is_late,
            clock_skew=case.end.clock_skew,
        )
        judged = _judged(case, decision, found)
        if decision.status is verdict.Status.UNCHANGED and past.baseline is not None:
            judged.vault_path = past.baseline.vault_path
        elif decision.is_good:
            judged.vault_path = vault_path
        return judged

    def _promote(self, outcomes: Sequence[Outcome]) -> None:
        futures: list[tuple[Outcome, Future[str]]] = []
        away = vault_presence.why_away()
        for outcome in outcomes:
            judged, staged = outcome.judged, outcome.case.staged
            if judged is None or not judged.verdict.is_good or judged.vault_path or not staged:
                continue
            if away:
                _note_not_in_vault(judged, away)
                continue
            assert judged.measurement is not None
            found = judged.measurement
            job, ended = outcome.case.job, judged.operation_end
            futures.append(
                (
                    outcome,
                    self._pool.submit(copy_staged, staged, job, ended, found.sha256, found.codec),
                )
            )
        for outcome, future in futures:
            assert outcome.judged is not None
            try:
                outcome.judged.vault_path = future.result()
            except VaultError as error:
                logger.warning("%s", error)
                _note_not_in_vault(outcome.judged, str(error))
            except (DepositError, OSError) as error:
                outcome.judged, outcome.why_not = None, _words(error)


def _judged(case: Case, decision: Verdict, found: Evidence | None = None) -> Judged:
    return Judged(
        job_id=case.job.pk,
        verdict=decision,
        agent=case.incoming.agent,
        cycle=case.cycle,
        operation_end=case.end.at,
        arrived_at=case.incoming.row.arrived_at,
        claim=case.claim,
        measurement=found if isinstance(found, Measurement) else None,
    )


def _note_not_in_vault(judged: Judged, words: str) -> None:
    before = judged.verdict
    judged.vault_pending = True
    judged.verdict = replace(
        before,
        warnings=(*before.warnings, verdict.Warning.NOT_IN_VAULT),
        message=f"{before.message}{NOT_COPIED}{words}",
    )


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror} (errno {error.errno})"
    return str(error)
