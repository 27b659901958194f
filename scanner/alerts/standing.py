"""What is to be told of a job, from its state alone. Nothing is read or stored here."""

from dataclasses import dataclass

from scanner.models import ExpectedBackupJob
from scanner.models.channel import AlertLevel
from scanner.models.choices import Status
from scanner.models.job import PROBLEM_STATUSES
from scanner.pipeline.verdict import Warning

TOLD = (
    Warning.NOT_IN_VAULT.value,
    Warning.SAME_AS_OTHER_JOB.value,
    Warning.SIZE_ANOMALY.value,
    Warning.STALE_CONTENT.value,
    Warning.LATE.value,
    Warning.DURATION_ANOMALY.value,
    Warning.CLOCK_SKEW.value,
)
"""The warnings that are told, the gravest first; the others tell how a dump is, every day."""

ONLY_COPY_IS_STAGED = "only_copy_is_staged"
"""The reason of the problem that a job's only good copy is a file that will be replaced."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How bad a job's state is, and of which kind. `status` is empty when it is good."""

    level: AlertLevel
    status: str
    reason: str
    warnings: tuple[str, ...] = ()

    @property
    def kind(self) -> tuple[str, str]:
        """The kind of failure: another one is news."""
        return self.status, self.reason


def standing_of(
    job: ExpectedBackupJob, *, has_copy: bool = True, is_told: bool = False
) -> Standing | None:
    """Give what is to be told of a job, or None.

    1. Nothing of one that is paused.
    2. A corrupt backup is a problem at once.
    3. A failed or missing one is a problem once there are as many in a row as the job says, or when
       it follows a problem that people were told of (`is_told`); the first missing one in a row is
       only a warning if the job says so, and it does not follow such a problem.
    4. A good one with a warning that is told of is a warning; and a problem when the copy is still
       to be written and the job has no other one (`has_copy`): the staged file will be replaced.
    """
    if not job.is_active:
        return None
    if job.status in PROBLEM_STATUSES:
        return _of_problem(job, is_told=is_told)
    warnings = tuple(warning for warning in TOLD if warning in job.warnings)
    if not warnings:
        return None
    if Warning.NOT_IN_VAULT.value in warnings and not has_copy:
        return Standing(AlertLevel.PROBLEM, "", ONLY_COPY_IS_STAGED, warnings)
    return Standing(AlertLevel.WARNING, "", warnings[0], warnings)


def _of_problem(job: ExpectedBackupJob, *, is_told: bool) -> Standing | None:
    is_early = not is_told and job.problem_cycles < job.alert_after
    if job.status != Status.CORRUPT.value and is_early:
        return None
    is_first_missing = (
        job.status == Status.MISSING.value
        and job.first_missing_is_warning
        and job.problem_cycles <= 1
        and not is_told
    )
    level = AlertLevel.WARNING if is_first_missing else AlertLevel.PROBLEM
    return Standing(level, job.status, job.reason)
