"""The claims of a scan as cases to be judged: which job, which cycle, in which order."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from scanner import board, roster
from scanner.cycle import Cycle, time_zone
from scanner.intake import Incoming
from scanner.models import ExpectedBackupJob
from scanner.pipeline import matching
from scanner.pipeline.deposit import AgentFolder
from scanner.pipeline.operation_end import End, resolve_end, time_in_name
from scanner.pipeline.report import Claim, Overall

MOST_CASES = 200
MOST_BYTES = 20 * 2**30

StagedFile = tuple[AgentFolder, str]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One claim about one job, to be judged. `claim` is None where a whole operation failed."""

    incoming: Incoming
    job: ExpectedBackupJob
    claim: Claim | None
    end: End
    cycle: Cycle | None

    @property
    def named(self) -> StagedFile | None:
        """The staged file that the claim names, if any."""
        if self.claim is None or self.claim.staged_name is None:
            return None
        return (self.incoming.file.folder, self.claim.staged_name)

    @property
    def staged(self) -> StagedFile | None:
        """The file to be read for it; None when none is named or the agent says a step failed."""
        return None if self.claim is None or self.claim.failed_step else self.named

    @property
    def is_late(self) -> bool:
        """Whether the report came after the deadline."""
        return self.cycle is not None and self.incoming.row.arrived_at > self.cycle.deadline


Group = tuple[Incoming, list[Case]]
"""A report with the cases it makes."""


def unexpected_by(
    jobs: Iterable[ExpectedBackupJob], unread: Iterable[Incoming]
) -> list[roster.Unexpected]:
    """Give each database that a report mentions and none of the jobs expects, once."""
    index = _index(jobs)
    found = {
        (one.agent, claim.database): roster.Unexpected(
            one.agent, one.file.folder.place, claim.database
        )
        for one in unread
        for claim in matching.match(one.agent, one.report.claims, index).unexpected
    }
    return list(found.values())


def groups_of(
    unread: Sequence[Incoming],
    jobs: Sequence[ExpectedBackupJob],
    is_judged: Callable[[ExpectedBackupJob], bool],
) -> list[Group]:
    """Pair each report with the cases it makes; a job that is not judged makes none."""
    index = _index(jobs)
    failed: dict[int, list[Case]] = {}
    for case in failed_operations(unread, list(filter(is_judged, jobs))):
        failed.setdefault(id(case.incoming), []).append(case)
    return [
        (
            incoming,
            [
                case_of(incoming, job, claim)
                for job, claim in matching.match(
                    incoming.agent, incoming.report.claims, index
                ).claimed
                if is_judged(job) and job.pk not in incoming.judged_jobs
            ]
            + failed.get(id(incoming), []),
        )
        for incoming in unread
    ]


def _index(jobs: Iterable[ExpectedBackupJob]) -> matching.Jobs[ExpectedBackupJob]:
    return matching.Jobs(jobs, lambda job: (job.agent_id, job.database_name))


def case_of(incoming: Incoming, job: ExpectedBackupJob, claim: Claim | None) -> Case:
    """Put a claim into its job's cycle; a time without a zone is read in the job's zone."""
    end = _end(incoming, time_zone(job.zone_name))
    return Case(incoming, job, claim, end, job.calendar.cycle_of(end.at))


def failed_operations(
    incoming: Iterable[Incoming], jobs: Sequence[ExpectedBackupJob]
) -> list[Case]:
    """Give a case for each job that a report without databases, of a failed operation, is about.

    It is about the agent's active scheduled jobs, unless their cycle's deadline had passed when the
    operation ended. Whether the cycle is still open shows when the reports before it are recorded.
    """
    cases = [
        case_of(one, job, None)
        for one in incoming
        if one.report.overall is Overall.FAILED and not one.report.claims
        for job in jobs
        if job.agent_id == one.agent and job.is_active and job.pk not in one.judged_jobs
    ]
    return [case for case in cases if case.cycle and case.end.at <= case.cycle.deadline]


def without_filled(batch: Iterable[Group]) -> list[Group]:
    """Leave out a failed operation's cases whose cycle an entry fills; a MISSING one does not.

    No job stands twice in `batch`, and all reports before it are recorded.
    """
    batch = list(batch)
    cases = [case for _, some in batch for case in some if case.claim is None]
    dues = {case.job.pk: case.cycle.due for case in cases if case.cycle}
    if not dues:
        return batch
    filled = board.filled_cycles(sorted(dues), min(dues.values()), but_missing=True)
    closed = {case for case in cases if dues[case.job.pk] in filled.get(case.job.pk, ())}
    return [(one, [case for case in some if case not in closed]) for one, some in batch]


def in_batches(groups: Iterable[Group]) -> Iterator[list[Group]]:
    """Gather the cases of reports into batches in which no job stands twice.

    A later case of a job is judged against what the earlier one left, so it has to wait for that to
    be recorded. A batch is also bounded in cases and claimed bytes, so that not much is measured
    again after a kill.
    """
    batch: list[Group] = []
    jobs: set[int] = set()
    cases = 0
    size = 0
    for incoming, some in groups:
        more = {case.job.pk for case in some}
        if batch and (cases + len(some) > MOST_CASES or size > MOST_BYTES or jobs & more):
            yield batch
            batch, jobs, cases, size = [], set(), 0, 0
        batch.append((incoming, some))
        jobs |= more
        cases += len(some)
        size += sum(case.claim.compress.size or 0 for case in some if case.claim)
    if batch:
        yield batch


def newest_naming(cases: Iterable[Case]) -> dict[StagedFile, Case]:
    """Give, for each staged file, the newest case that names it, read for it or not."""
    newest: dict[StagedFile, Case] = {}
    for case in cases:
        named = case.named
        if named is not None and (named not in newest or _order(newest[named]) <= _order(case)):
            newest[named] = case
    return newest


def claimed_content_sizes(cases: Iterable[Case]) -> dict[StagedFile, int]:
    """Give, for each staged file to be read, the largest dump that a case says is in it."""
    sizes: dict[StagedFile, int] = {}
    for case in cases:
        if case.staged is not None and case.claim and case.claim.backup.size is not None:
            sizes[case.staged] = max(case.claim.backup.size, sizes.get(case.staged, 0))
    return sizes


def _order(case: Case) -> tuple[datetime, datetime]:
    return (case.end.at, case.incoming.row.arrived_at)


def _end(incoming: Incoming, zone: ZoneInfo) -> End:
    return resolve_end(
        incoming.report.ended,
        time_in_name(incoming.file.name),
        arrived=incoming.row.arrived_at,
        zone=zone,
    )
