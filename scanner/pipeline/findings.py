"""What can be said against a backup, in words; which of it weighs most is `verdict`'s to say.

Each finding is a function that gives words, or None where there is nothing to find.
"""

from collections.abc import Callable
from dataclasses import dataclass

from scanner.errors import FileAbsent, UnsafeFile
from scanner.pipeline.dump_kind import HAVE_TRAILERS
from scanner.pipeline.report import Claim, Step
from scanner.pipeline.verification import ArchiveState, Measurement

Evidence = Measurement | FileAbsent | UnsafeFile
Finding = str | None


@dataclass(frozen=True, slots=True)
class Expectation:
    """What people know of a job's backups."""

    has_trailer: bool = True
    """Whether a dump without the end that its kind is known by is truncated."""
    min_size: int | None = None
    """Bytes of the staged file below which it cannot be the backup."""
    stale_after: int | None = None
    """Cycles with the same content after which to warn; None: never."""


def failed(step: Step) -> Callable[[Claim, Evidence | None], Finding]:
    """Give the finding that the agent says this step failed."""

    def find(claim: Claim, _evidence: Evidence | None) -> Finding:
        if claim.failed_step is not step:
            return None
        return f"the agent says that {step.value} failed: {claim.error or 'it gives no error'}"

    return find


def unsafe(_claim: Claim, evidence: Evidence | None) -> Finding:
    """Find what is no regular file of the agent's own."""
    return str(evidence) if isinstance(evidence, UnsafeFile) else None


def absent(_claim: Claim, evidence: Evidence | None) -> Finding:
    """Find that there is no file."""
    if evidence is None:
        return "the report names no staged file"
    return f"the staged file is not there: {evidence}" if isinstance(evidence, FileAbsent) else None


def wrong_size(claim: Claim, found: Measurement, _job: Expectation = Expectation()) -> Finding:
    """Find another size than the agent's."""
    if claim.compress.size in (None, found.size):
        return None
    return f"the agent sent {claim.compress.size:,} bytes, {found.size:,} bytes are here"


def wrong_digest(claim: Claim, found: Measurement, _job: Expectation = Expectation()) -> Finding:
    """Find another SHA-256 than the agent's."""
    if claim.compress.sha256 in (None, found.sha256):
        return None
    return f"the agent's SHA-256 is {claim.compress.sha256}, the file's is {found.sha256}"


def broken_archive(_claim: Claim, found: Measurement, _job: Expectation) -> Finding:
    """Find an archive that does not decompress to its end."""
    if found.archive is not ArchiveState.BROKEN:
        return None
    return f"the {found.codec.value} archive cannot be decompressed: {found.archive_error}"


def empty(_claim: Claim, found: Measurement, _job: Expectation) -> Finding:
    """Find a dump of no bytes."""
    if found.content_size != 0 and found.size != 0:
        return None
    return "the dump is empty: the agent compressed zero bytes (a broken pipe?)"


def wrong_content(claim: Claim, found: Measurement, _job: Expectation) -> Finding:
    """Find another dump than the agent says it made."""
    dump = claim.backup
    if found.exceeds_claim:
        return f"the dump is larger than the {dump.size:,} bytes that the agent dumped"
    if found.content_size is not None and dump.size not in (None, found.content_size):
        return f"the agent dumped {dump.size:,} bytes, the archive holds {found.content_size:,}"
    if found.content_sha256 is not None and dump.sha256 not in (None, found.content_sha256):
        return f"the dump's SHA-256 was {dump.sha256}, the archive holds {found.content_sha256}"
    return None


def truncated(_claim: Claim, found: Measurement, job: Expectation) -> Finding:
    """Find a dump that ends before its end, though it was packed and sent in good order."""
    if not found.dump_defect or found.dump_kind not in HAVE_TRAILERS:
        return found.dump_defect or None
    if not job.has_trailer:
        return None
    return f"{found.dump_defect} (if it always ends so, say in the job that it has no end to check)"


def too_small(_claim: Claim, found: Measurement, job: Expectation) -> Finding:
    """Find fewer bytes than the job's backup has to have."""
    if job.min_size is None or found.size >= job.min_size:
        return None
    return f"the backup is {found.size:,} bytes; this job expects at least {job.min_size:,}"
