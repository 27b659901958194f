"""Room 5: the verdict on one claim, and on a report that never came. Home of Status and Reason.

The decision is a table, `RULES`, read from top to bottom: the first rule that finds something gives
status and reason; when none does, the backup is good. Nothing here reads a clock, a file or the
database.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from scanner.cycle import Cycle
from scanner.errors import FileAbsent, UnsafeFile
from scanner.pipeline.archive import Codec
from scanner.pipeline.report import Claim, Step
from scanner.pipeline.verification import ArchiveState, Level, Measurement


class Status(StrEnum):
    """What became of a backup; README.md tells people what each means."""

    SUCCESS = "SUCCESS"
    UNCHANGED = "UNCHANGED"
    FAILED = "FAILED"
    CORRUPT = "CORRUPT"
    MISSING = "MISSING"
    UNKNOWN = "UNKNOWN"


GOOD = frozenset({Status.SUCCESS, Status.UNCHANGED})
PROBLEMS = frozenset({Status.FAILED, Status.CORRUPT, Status.MISSING})


class Reason(StrEnum):
    """Why it is FAILED, CORRUPT, MISSING or UNKNOWN."""

    BACKUP_FAILED = "backup_failed"
    COMPRESS_FAILED = "compress_failed"
    TRANSFER_FAILED = "transfer_failed"
    OPERATION_FAILED = "operation_failed"
    UNSAFE_FILE = "unsafe_file"
    FILE_ABSENT = "file_absent"
    SIZE_MISMATCH = "size_mismatch"
    HASH_MISMATCH = "hash_mismatch"
    UNREADABLE_ARCHIVE = "unreadable_archive"
    EMPTY_DUMP = "empty_dump"
    CONTENT_MISMATCH = "content_mismatch"
    TRUNCATED_DUMP = "truncated_dump"
    NO_REPORT = "no_report"
    SUPERSEDED = "superseded"


class Warning(StrEnum):  # noqa: A001 - the word of the domain; import the module, not the name
    """What rides on an entry and never replaces its status."""

    LATE = "late"
    CLOCK_SKEW = "clock_skew"
    NO_CHECKSUM = "no_checksum"
    OPAQUE = "opaque"
    NOT_IN_VAULT = "not_in_vault"


Evidence = Measurement | FileAbsent | UnsafeFile


@dataclass(frozen=True, slots=True)
class Baseline:
    """The last good backup whose copy stands in the vault."""

    sha256: str
    content_sha256: str | None
    vault_path: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`level` is how far verification got, None without a file; `message` is for people."""

    status: Status
    reason: Reason | None
    warnings: tuple[Warning, ...]
    level: Level | None
    message: str

    @property
    def is_good(self) -> bool:
        """Whether the backup is there and intact."""
        return self.status in GOOD


Finding = str | None


def _failed(step: Step) -> Callable[[Claim, Evidence | None], Finding]:
    def rule(claim: Claim, _evidence: Evidence | None) -> Finding:
        if claim.failed_step is not step:
            return None
        return f"the agent says that {step.value} failed: {claim.error or 'it gives no error'}"

    return rule


def _unsafe(_claim: Claim, evidence: Evidence | None) -> Finding:
    return str(evidence) if isinstance(evidence, UnsafeFile) else None


def _absent(_claim: Claim, evidence: Evidence | None) -> Finding:
    if evidence is None:
        return "the report names no staged file"
    return f"the staged file is not there: {evidence}" if isinstance(evidence, FileAbsent) else None


def _size(claim: Claim, found: Measurement) -> Finding:
    if claim.compress.size in (None, found.size):
        return None
    return f"the agent sent {claim.compress.size:,} bytes, {found.size:,} bytes are here"


def _digest(claim: Claim, found: Measurement) -> Finding:
    if claim.compress.sha256 in (None, found.sha256):
        return None
    return f"the agent's SHA-256 is {claim.compress.sha256}, the file's is {found.sha256}"


def _archive(_claim: Claim, found: Measurement) -> Finding:
    if found.archive is not ArchiveState.BROKEN:
        return None
    return f"the {found.codec.value} archive cannot be decompressed: {found.archive_error}"


def _empty(_claim: Claim, found: Measurement) -> Finding:
    if found.content_size != 0 and found.size != 0:
        return None
    return "the dump is empty: the agent compressed zero bytes (a broken pipe?)"


def _content(claim: Claim, found: Measurement) -> Finding:
    dump = claim.backup
    if found.exceeds_claim:
        return f"the dump is larger than the {dump.size:,} bytes that the agent dumped"
    if found.content_size is not None and dump.size not in (None, found.content_size):
        return f"the agent dumped {dump.size:,} bytes, the archive holds {found.content_size:,}"
    if found.content_sha256 is not None and dump.sha256 not in (None, found.content_sha256):
        return f"the dump's SHA-256 was {dump.sha256}, the archive holds {found.content_sha256}"
    return None


@dataclass(frozen=True, slots=True)
class ClaimRule:
    """A rule on what the agent says, or on a file that could not be measured."""

    status: Status
    reason: Reason
    finds: Callable[[Claim, Evidence | None], Finding]


@dataclass(frozen=True, slots=True)
class BytesRule:
    """A rule on a measured file. `proven` is the level that holds all the same."""

    status: Status
    reason: Reason
    finds: Callable[[Claim, Measurement], Finding]
    proven: Level


RULES: tuple[ClaimRule | BytesRule, ...] = (
    ClaimRule(Status.FAILED, Reason.BACKUP_FAILED, _failed(Step.BACKUP)),
    ClaimRule(Status.FAILED, Reason.COMPRESS_FAILED, _failed(Step.COMPRESS)),
    ClaimRule(Status.FAILED, Reason.TRANSFER_FAILED, _failed(Step.TRANSFER)),
    ClaimRule(Status.CORRUPT, Reason.UNSAFE_FILE, _unsafe),
    ClaimRule(Status.MISSING, Reason.FILE_ABSENT, _absent),
    BytesRule(Status.CORRUPT, Reason.SIZE_MISMATCH, _size, Level.PRESENT),
    BytesRule(Status.CORRUPT, Reason.HASH_MISMATCH, _digest, Level.PRESENT),
    BytesRule(Status.CORRUPT, Reason.UNREADABLE_ARCHIVE, _archive, Level.DIGEST),
    BytesRule(Status.CORRUPT, Reason.EMPTY_DUMP, _empty, Level.ARCHIVE),
    BytesRule(Status.CORRUPT, Reason.CONTENT_MISMATCH, _content, Level.ARCHIVE),
)


def decide(
    claim: Claim,
    evidence: Evidence | None,
    *,
    baseline: Baseline | None,
    late: bool,
    clock_skew: bool,
) -> Verdict:
    """Judge one claim by what was found of its staged file.

    `evidence` is None where no file is named, or none was looked for because a step failed.
    `baseline` is what UNCHANGED is told by; None when the last good backup has no vault copy.
    """
    timing = [w for w, holds in ((Warning.LATE, late), (Warning.CLOCK_SKEW, clock_skew)) if holds]
    for rule in RULES:
        if isinstance(rule, ClaimRule):
            finding, level = rule.finds(claim, evidence), None
        elif isinstance(evidence, Measurement):
            finding, level = rule.finds(claim, evidence), _at_most(rule.proven, claim, evidence)
        else:
            continue
        if finding is not None:
            message = _with_notes(finding, claim)
            return Verdict(rule.status, rule.reason, tuple(timing), level, message)
    assert isinstance(evidence, Measurement)  # every other evidence has a rule above
    warnings = tuple(timing + _cautions(claim, evidence))
    level = _proven(claim, evidence)
    if baseline is not None and _same_content(evidence, baseline):
        message = "arrived intact; the content is that of the last good backup"
        return Verdict(Status.UNCHANGED, None, warnings, level, _with_notes(message, claim))
    return Verdict(Status.SUCCESS, None, warnings, level, _with_notes("arrived intact", claim))


def no_report(cycle: Cycle, why: str = "") -> Verdict:
    """Judge a cycle whose deadline passed without a usable report. `why` tells more, if known."""
    message = f"no report by {cycle.deadline:%Y-%m-%d %H:%M} UTC"
    return Verdict(
        Status.MISSING, Reason.NO_REPORT, (), None, f"{message}: {why}" if why else message
    )


def operation_failed(error: str, *, late: bool, clock_skew: bool) -> Verdict:
    """Judge an open cycle whose agent says that its whole operation failed."""
    timing = ((Warning.LATE, late), (Warning.CLOCK_SKEW, clock_skew))
    warnings = tuple(warning for warning, holds in timing if holds)
    message = f"the agent says that the whole operation failed: {error or 'it gives no error'}"
    return Verdict(Status.FAILED, Reason.OPERATION_FAILED, warnings, None, message)


def superseded(claim: Claim) -> Verdict:
    """Judge a claim whose staged file was replaced by a later backup before it could be read."""
    message = "a later backup replaced the staged file before this one was read"
    return Verdict(Status.UNKNOWN, Reason.SUPERSEDED, (), None, _with_notes(message, claim))


def differs(claim: Claim, found: Measurement) -> bool:
    """Tell whether the staged bytes are not those that the claim is about."""
    return _size(claim, found) is not None or _digest(claim, found) is not None


def was_replaced(found: Measurement, report_arrived: datetime) -> bool:
    """Tell whether the staged file changed after the report about it had arrived."""
    return found.changed_at > report_arrived


def _same_content(found: Measurement, baseline: Baseline) -> bool:
    if found.content_sha256 and baseline.content_sha256:
        return found.content_sha256 == baseline.content_sha256
    return found.sha256 == baseline.sha256


def _cautions(claim: Claim, found: Measurement) -> list[Warning]:
    cautions = []
    if claim.compress.sha256 is None:
        cautions.append(Warning.NO_CHECKSUM)
    if not _is_proven_plain(claim, found) and (
        found.codec is Codec.OPAQUE or found.archive is ArchiveState.BOUNDED
    ):
        cautions.append(Warning.OPAQUE)
    return cautions


def _is_proven_plain(claim: Claim, found: Measurement) -> bool:
    """An unknown format that is, byte for byte, the dump that the agent made is no riddle."""
    return found.codec is Codec.OPAQUE and claim.backup.sha256 == found.sha256


def _proven(claim: Claim, found: Measurement) -> Level:
    """Give the highest rung of the ladder that nothing contradicts and something supports."""
    if _is_proven_plain(claim, found):
        return Level.CONTENT
    if found.archive is not ArchiveState.WHOLE:
        return Level.PRESENT if claim.compress.sha256 is None else Level.DIGEST
    compared = (claim.backup.sha256 is not None and found.content_sha256 is not None) or (
        claim.backup.size is not None and found.content_size is not None
    )
    return Level.CONTENT if compared else Level.ARCHIVE


def _at_most(level: Level, claim: Claim, found: Measurement) -> Level:
    if level is Level.DIGEST and claim.compress.sha256 is None:
        return Level.PRESENT
    if level is Level.ARCHIVE and found.archive is not ArchiveState.WHOLE:
        return Level.DIGEST
    return level


def _with_notes(message: str, claim: Claim) -> str:
    return "; ".join((message, *claim.notes))
