"""What a verdict makes of an entry, and an entry of its job's state. Nothing is stored here."""

from dataclasses import dataclass
from datetime import UTC, datetime

from scanner.cycle import Cycle
from scanner.models import AgentReport, BackupEntry, ExpectedBackupJob, StatusChange
from scanner.models.choices import Status
from scanner.models.run import ScanRun
from scanner.pipeline.report import Claim, StepClaim
from scanner.pipeline.text import clean
from scanner.pipeline.verdict import GOOD, Verdict
from scanner.pipeline.verification import Measurement

_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Judged:
    """A verdict about a job, with what it rests on."""

    job_id: int
    verdict: Verdict
    agent: str
    cycle: Cycle | None = None
    operation_end: datetime | None = None
    arrived_at: datetime | None = None
    claim: Claim | None = None
    measurement: Measurement | None = None
    vault_path: str = ""
    vault_pending: bool = False


def entry_of(
    run: ScanRun,
    job: ExpectedBackupJob,
    judged: Judged,
    report: AgentReport | None,
    now: datetime,
) -> BackupEntry:
    """Make the (unsaved) entry that a verdict is recorded as."""
    verdict = judged.verdict
    entry = BackupEntry(
        job=job,
        run=run,
        report=report,
        attempt=report.attempt if report else 1,
        agent_id=judged.agent,
        cycle_due=judged.cycle.due if judged.cycle else None,
        cycle_deadline=judged.cycle.deadline if judged.cycle else None,
        operation_end=judged.operation_end,
        arrived_at=judged.arrived_at,
        recorded_at=now,
        status=verdict.status.value,
        reason=verdict.reason.value if verdict.reason else "",
        warnings=[warning.value for warning in verdict.warnings],
        level=verdict.level.value if verdict.level else "",
        message=clean(verdict.message, 4000),
        vault_path=judged.vault_path,
        vault_pending=judged.vault_pending,
    )
    if claim := judged.claim:
        entry.staged_name = clean(claim.staged_name or "", 255)
        # A copy is tried again by this name; one that no column can keep cannot be.
        entry.vault_pending &= entry.staged_name == claim.staged_name
        entry.claimed_size = claim.compress.size
        entry.claimed_sha256 = claim.compress.sha256 or ""
        entry.claimed_content_size = claim.backup.size
        entry.claimed_content_sha256 = claim.backup.sha256 or ""
        entry.dump_seconds = _seconds(claim.backup)
    if found := judged.measurement:
        entry.size = found.size
        entry.sha256 = found.sha256
        entry.codec = found.codec.value
        entry.content_size = found.content_size
        entry.content_sha256 = found.content_sha256 or ""
        entry.verify_seconds = found.seconds
    return entry


def apply(job: ExpectedBackupJob, entry: BackupEntry, now: datetime) -> StatusChange | None:
    """Move a job's state by an entry; give the change of status, if it is one.

    1. A good entry becomes the last good one unless a later operation was good already.
    2. An entry in the awaited cycle lets the job await the next.
    3. An entry that cannot be judged, or is older than the state, changes nothing else. Entries are
       ordered by (cycle, end of operation); a missed cycle comes before every report for it.
    """
    ended = entry.operation_end
    if entry.status in GOOD and ended and (job.last_good_at is None or ended >= job.last_good_at):
        job.last_good_entry = entry
        job.last_good_at = ended
        job.last_size = entry.size
    if entry.cycle_due is not None and entry.cycle_due == job.due_at:
        coming = job.calendar.after(job.due_at)
        job.due_at = coming.due if coming else None
        job.deadline_at = coming.deadline if coming else None
    place = (entry.cycle_due or ended or now, ended or _BEFORE_ALL)
    state = (job.state_cycle or _BEFORE_ALL, job.state_operation_end or _BEFORE_ALL)
    if entry.status == Status.UNKNOWN.value or place < state:
        return None
    job.state_cycle, job.state_operation_end = place[0], ended
    job.last_entry = entry
    changed = entry.status != job.status or entry.reason != job.reason
    old = (job.status, job.reason)
    if entry.status != job.status:
        job.status_since = ended or entry.cycle_deadline or now
    job.status, job.reason = entry.status, entry.reason
    if not changed:
        return None
    return StatusChange(
        job=job,
        entry=entry,
        old_status=old[0],
        old_reason=old[1],
        new_status=entry.status,
        new_reason=entry.reason,
        changed_at=now,
    )


def _seconds(step: StepClaim) -> float | None:
    """Give how long a step took by the agent's clock, or None if it tells no sensible span."""
    if step.started is None or step.ended is None:
        return None
    if (step.started.tzinfo is None) != (step.ended.tzinfo is None):
        return None
    seconds = (step.ended - step.started).total_seconds()
    return seconds if seconds >= 0 else None
