"""Room 5: the verdict on one claim, and on a report that never came. Home of Status and Reason.

The decision is a table, `RULES`, read from top to bottom: the first rule that finds something gives
status and reason; when none does, the backup is good. Nothing here reads a clock, a file or the
database.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from scanner.cycle import Cycle
from scanner.pipeline import anomaly, findings
from scanner.pipeline.archive import Codec
from scanner.pipeline.findings import Evidence, Expectation, Finding
from scanner.pipeline.operation_end import seconds_between
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
    TOO_SMALL = "too_small"
    NO_REPORT = "no_report"
    SUPERSEDED = "superseded"


class Warning(StrEnum):  # noqa: A001 - the word of the domain; import the module, not the name
    """What rides on an entry and never replaces its status."""

    LATE = "late"
    CLOCK_SKEW = "clock_skew"
    NO_CHECKSUM = "no_checksum"
    OPAQUE = "opaque"
    NOT_IN_VAULT = "not_in_vault"
    SIZE_ANOMALY = "size_anomaly"
    DURATION_ANOMALY = "duration_anomaly"
    STALE_CONTENT = "stale_content"
    SAME_AS_OTHER_JOB = "same_as_other_job"


@dataclass(frozen=True, slots=True)
class Baseline:
    """The last good backup whose copy stands whole in the vault."""

    sha256: str
    content_sha256: str | None
    vault_path: str
    stable_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of the job's earlier good backups, and of other jobs."""

    baseline: Baseline | None = None
    """What UNCHANGED is told by; None when the last good backup has no whole copy."""
    unchanged_cycles: int = 0
    """For how many cycles, before this one, the content was the same."""
    sizes: tuple[int, ...] = ()
    """Bytes of the last good backups."""
    durations: tuple[float, ...] = ()
    """Seconds that their dumps took."""
    double: str = ""
    """The other job whose last good backup has this very content, in words."""


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
    finds: Callable[[Claim, Measurement, Expectation], Finding]
    proven: Level


RULES: tuple[ClaimRule | BytesRule, ...] = (
    ClaimRule(Status.FAILED, Reason.BACKUP_FAILED, findings.failed(Step.BACKUP)),
    ClaimRule(Status.FAILED, Reason.COMPRESS_FAILED, findings.failed(Step.COMPRESS)),
    ClaimRule(Status.FAILED, Reason.TRANSFER_FAILED, findings.failed(Step.TRANSFER)),
    ClaimRule(Status.CORRUPT, Reason.UNSAFE_FILE, findings.unsafe),
    ClaimRule(Status.MISSING, Reason.FILE_ABSENT, findings.absent),
    BytesRule(Status.CORRUPT, Reason.SIZE_MISMATCH, findings.wrong_size, Level.PRESENT),
    BytesRule(Status.CORRUPT, Reason.HASH_MISMATCH, findings.wrong_digest, Level.PRESENT),
    BytesRule(Status.CORRUPT, Reason.UNREADABLE_ARCHIVE, findings.broken_archive, Level.DIGEST),
    BytesRule(Status.CORRUPT, Reason.EMPTY_DUMP, findings.empty, Level.ARCHIVE),
    BytesRule(Status.CORRUPT, Reason.CONTENT_MISMATCH, findings.wrong_content, Level.ARCHIVE),
    BytesRule(Status.CORRUPT, Reason.TRUNCATED_DUMP, findings.truncated, Level.ARCHIVE),
    BytesRule(Status.CORRUPT, Reason.TOO_SMALL, findings.too_small, Level.ARCHIVE),
)


def decide(
    claim: Claim,
    evidence: Evidence | None,
    *,
    expected: Expectation,
    past: Past,
    late: bool,
    clock_skew: bool,
) -> Verdict:
    """Judge one claim by what was found of its staged file.

    `evidence` is None where no file is named, or none was looked for because a step failed.
    """
    timing = [w for w, holds in ((Warning.LATE, late), (Warning.CLOCK_SKEW, clock_skew)) if holds]
    for rule in RULES:
        if isinstance(rule, ClaimRule):
            finding, level = rule.finds(claim, evidence), None
        elif isinstance(evidence, Measurement):
            finding = rule.finds(claim, evidence, expected)
            level = _at_most(rule.proven, claim, evidence)
        else:
            continue
        if finding is not None:
            message = _with_notes(finding, claim)
            return Verdict(rule.status, rule.reason, tuple(timing), level, message)
    assert isinstance(evidence, Measurement)  # every other evidence has a rule above
    same = past.baseline is not None and _same_content(evidence, past.baseline)
    cautions = dict(_cautions(claim, evidence, expected, past, same=same))
    message = "arrived intact"
    if same:
        message += "; the content is that of the last good backup"
    return Verdict(
        Status.UNCHANGED if same else Status.SUCCESS,
        None,
        (*timing, *cautions),
        _proven(claim, evidence),
        _with_notes("; ".join(filter(None, (message, *cautions.values()))), claim),
    )


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
    return (
        findings.wrong_size(claim, found) is not None
        or findings.wrong_digest(claim, found) is not None
    )


def was_replaced(found: Measurement, report_arrived: datetime) -> bool:
    """Tell whether the staged file changed after the report about it had arrived."""
    return found.changed_at > report_arrived


def _same_content(found: Measurement, baseline: Baseline) -> bool:
    """Tell whether two backups hold the same, by the best digests that both have."""
    for ours, theirs in (
        (found.stable_sha256, baseline.stable_sha256),
        (found.content_sha256, baseline.content_sha256),
    ):
        if ours and theirs:
            return ours == theirs
    return found.sha256 == baseline.sha256


def _cautions(
    claim: Claim, found: Measurement, expected: Expectation, past: Past, *, same: bool
) -> Iterator[tuple[Warning, str]]:
    """Give what to warn of in a good backup, with words where the name says too little."""
    if claim.compress.sha256 is None:
        yield Warning.NO_CHECKSUM, ""
    if not _is_proven_plain(claim, found) and (
        found.codec is Codec.OPAQUE or found.archive is ArchiveState.BOUNDED
    ):
        yield Warning.OPAQUE, ""
    if size := anomaly.unusual_size(found.size, past.sizes):
        yield Warning.SIZE_ANOMALY, anomaly.size_words(size)
    seconds = seconds_between(claim.backup.started, claim.backup.ended)
    if seconds is not None and (duration := anomaly.unusual_duration(seconds, past.durations)):
        yield Warning.DURATION_ANOMALY, anomaly.duration_words(duration)
    unchanged = past.unchanged_cycles + 1
    if same and expected.stale_after is not None and unchanged >= expected.stale_after:
        why = "is the dump job stuck, or did nobody use the database?"
        yield Warning.STALE_CONTENT, f"the content was the same for {unchanged} cycles: {why}"
    if past.double:
        why = "was the wrong database dumped?"
        yield Warning.SAME_AS_OTHER_JOB, f"the content is that of {past.double}: {why}"


def _is_proven_plain(claim: Claim, found: Measurement) -> bool:
    """An unknown format that is, byte for byte, the dump that the agent made is no riddle."""
    return found.codec is Codec.OPAQUE and claim.backup.sha256 == found.sha256


def _proven(claim: Claim, found: Measurement) -> Level:
    """Give the highest rung of the ladder that nothing contradicts and something supports."""
    if _is_proven_plain(claim, found):
        return Level.CONTENT
    if found.archive is not ArchiveState.WHOLE:
        return Level.PRESENT if claim.compress.sha256 is None else Level.DIGEST
    looked_at = found.content_sha256 is not None and not found.dump_defect
    compared = claim.backup.sha256 is not None or claim.backup.size is not None
    return Level.CONTENT if looked_at and compared else Level.ARCHIVE


def _at_most(level: Level, claim: Claim, found: Measurement) -> Level:
    if level is Level.DIGEST and claim.compress.sha256 is None:
        return Level.PRESENT
    if level is Level.ARCHIVE and found.archive is not ArchiveState.WHOLE:
        return Level.DIGEST
    return level


def _with_notes(message: str, claim: Claim) -> str:
    return "; ".join((message, *claim.notes))
