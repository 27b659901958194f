"""What a verdict makes of an entry, and an entry of its job's state. Nothing is stored here."""

from dataclasses import dataclass
from datetime import UTC, datetime

from scanner.cycle import Cycle
from scanner.models import AgentReport, BackupEntry, ExpectedBackupJob, StatusChange
from scanner.models.choices import Status
from scanner.models.run import ScanRun
from scanner.pipeline.operation_end import seconds_between
from scanner.pipeline.report import Claim
from scanner.pipeline.text import clean
from scanner.pipeline.verdict import GOOD, PROBLEMS, Baseline, Past, Verdict
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
        entry.dump_seconds = seconds_between(claim.backup.started, claim.backup.ended)
    if found := judged.measurement:
        entry.size = found.size
        entry.sha256 = found.sha256
        entry.codec = found.codec.value
        entry.content_size = found.content_size
        entry.content_sha256 = found.content_sha256 or ""
        entry.stable_sha256 = found.stable_sha256 or ""
        entry.dump_kind = found.dump_kind.value
        entry.verify_seconds = found.seconds
    return entry


RECENT = 30
"""Good backups that a job remembers the size and duration of."""


def past_of(
    job: ExpectedBackupJob,
    baseline: Baseline | None,
    double: str,
    *,
    report: int | None,
    cycle: Cycle | None,
) -> Past:
    """Give what a verdict on a backup of the job rests on.

    The backup came with `report`, perhaps judged before, and belongs to `cycle`: neither what is
    remembered of that report nor of that cycle counts.
    """
    recent = [one for one in job.recent_good if report is None or one[0] != report]
    last = job.last_good_entry
    counted = last is not None and (
        (report is not None and last.report_id == report)
        or (cycle is not None and last.cycle_due == cycle.due)
    )
    return Past(
        baseline=baseline,
        unchanged_cycles=max(0, job.unchanged_cycles - counted),
        sizes=tuple(size for _, size, _ in recent),
        durations=tuple(seconds for _, _, seconds in recent if seconds is not None),
        double=double,
    )


def catch_up(job: ExpectedBackupJob, stored: ExpectedBackupJob) -> None:
    """Let a job that was read earlier know what was remembered of its good backups since."""
    if job.last_good_entry_id != stored.last_good_entry_id:  # else it would be read again
        job.last_good_entry = stored.last_good_entry
    job.recent_good = stored.recent_good
    job.unchanged_cycles = stored.unchanged_cycles


def apply(job: ExpectedBackupJob, entry: BackupEntry, now: datetime) -> StatusChange | None:
    """Move a job's state by an entry; give the change of status, if it is one.

    1. A good entry becomes the last good one unless a later operation was good already; it counts
       as a further unchanged cycle, or ends their row.
    2. An entry in the awaited cycle lets the job await the next.
    3. An entry that cannot be judged, or is older than the state, changes nothing else. Entries are
       ordered by (cycle, end of operation); a missed cycle comes before every report for it.
    4. A problem is one more in a row, unless it is of the same cycle as the one before. The alerts
       look at each problem, and at whatever differs from before.
    """
    ended = entry.operation_end
    if entry.status in GOOD and ended and (job.last_good_at is None or ended >= job.last_good_at):
        _remember(job, entry)
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
    is_problem = entry.status in PROBLEMS
    if not is_problem:
        job.problem_cycles = 0
    elif job.status not in PROBLEMS or place[0] != job.state_cycle:
        job.problem_cycles += 1
    job.state_cycle, job.state_operation_end = place[0], ended
    job.last_entry = entry
    changed = entry.status != job.status or entry.reason != job.reason
    if is_problem or changed or entry.warnings != job.warnings:
        job.alert_check_at = now
    job.warnings = entry.warnings
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


def _remember(job: ExpectedBackupJob, entry: BackupEntry) -> None:
    """Keep what later backups are compared with, before the entry becomes the last good one.

    One that is judged again counts once.
    """
    item = [entry.report_id, entry.size, entry.dump_seconds]
    recent = [one for one in job.recent_good if one[0] is None or one[0] != entry.report_id]
    job.recent_good = [*recent, item][-RECENT:]
    last = job.last_good_entry
    if entry.status != Status.UNCHANGED.value:
        job.unchanged_cycles = 0
    elif last is None or (
        last.report_id != entry.report_id
        and (entry.cycle_due is None or entry.cycle_due != last.cycle_due)
    ):
        job.unchanged_cycles += 1
