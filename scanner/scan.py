"""The conductor of a scan: it calls the rooms in their order and holds no rule of its own.

 1. take the lease, open the run; look at the tree (if it cannot be: fail, judge nobody)
 2. read the reports; tell new from known, rejected and unfinished ones
 3. match claims with jobs; register what nobody expected
 4. judge absence, before any byte is read: a long verification delays nobody
 5. per batch: measure, decide, promote; then one transaction; then move the reports away; then
    judge the absence of the jobs that were claimed: their other cycles may be missed
 6. reject what could not be accepted, retry copies, close the run

A kill between any two steps costs nothing: whatever was not recorded is found again by the next
scan, and whatever was is known.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from scanner import absence, board, conf, copies, history, intake, journal, lease, roster, state
from scanner.cases import Case, Group, groups_of, in_batches, unexpected_by, without_filled
from scanner.conf import AutoRegister
from scanner.errors import DepositRootUnavailable, ScheduleError, UnknownAgent
from scanner.examination import Examination
from scanner.intake import Incoming, Intake
from scanner.models import BackupEntry, ExpectedBackupJob, ScanRun
from scanner.models.choices import Status
from scanner.pipeline import deposit
from scanner.pipeline.deposit import Deposit, FileClock, ReportFile
from scanner.pipeline.text import escaped

logger = logging.getLogger(__name__)

LEASE = "scan"
Progress = Callable[[int, int], None]


def scan(
    *,
    now: datetime,
    trigger: ScanRun.Trigger,
    agents: Collection[str] = (),
    clock: FileClock = deposit.changed_at,
    progress: Progress | None = None,
    began: journal.Began | None = None,
) -> ScanRun:
    """Scan the deposit tree and give the finished run.

    `agents` limits it to these (names in any letter case). `clock` tells when a file changed on
    this server. `progress` is called with the number of claims judged and in all, `began` with the
    run as soon as it has its row.
    Raise LeaseHeld when another scan runs, DepositRootUnavailable or UnknownAgent when this one
    cannot; the run then says why.
    """
    only = frozenset(map(deposit.agent_identity, agents)) or None
    with lease.hold(LEASE) as held, journal.keep(trigger, only, now=now, began=began) as run:
        _Scan(run, held.fence, now, clock, progress).everything(only)
    return run


def reprocess(
    files: Sequence[ReportFile],
    *,
    now: datetime,
    clock: FileClock = deposit.changed_at,
    progress: Progress | None = None,
) -> ScanRun:
    """Judge archived or rejected reports again, where they lie, and give the finished run.

    An archived report's new verdicts stand beside the old ones; nobody is judged absent. Raise as
    `scan` does.
    """
    agents = frozenset(file.folder.agent for file in files)
    with lease.hold(LEASE) as held, journal.keep(ScanRun.Trigger.REPROCESS, agents, now=now) as run:
        _Scan(run, held.fence, now, clock, progress).again(files)
    return run


class _Scan:
    """One scan at work: what it has found so far, and the run that it tells it to."""

    def __init__(
        self,
        run: ScanRun,
        fence: history.Fence,
        now: datetime,
        clock: FileClock,
        progress: Progress | None,
    ) -> None:
        self.run = run
        self.fence = fence
        self.now = now
        self.clock = clock
        self.progress = progress
        self.counts: Counter[str] = Counter(dict.fromkeys(Status.values, 0))

    def everything(self, only: frozenset[str] | None) -> None:
        roster.keep_up(now=self.now)
        tree = self._look(only)
        jobs = board.jobs_of({file.folder.agent for file in tree.reports})
        found = self._read(tree.reports, jobs)
        groups = self._match(found, jobs)
        self._judge_absence(only, tree, found, groups)
        self._examine(groups)
        if groups:  # a job with a claim may still have missed an earlier cycle
            waiting = [group for group in groups if not group[0].row.is_complete]
            self._judge_absence(only, tree, found, waiting)
        self._archive(found.known)
        self._reject(found)
        copies.retry(tree.folders, self.run, now=self.now, fence=self.fence)
        seen = {agent: log for agent, log in tree.logs.items() if agent not in tree.unreadable}
        history.record_agents(seen, now=self.now)
        self._count()

    def again(self, files: Sequence[ReportFile]) -> None:
        jobs = board.jobs_of({file.folder.agent for file in files})
        found = self._read(files, jobs)
        twins = intake.judge_again(found)
        self.run.reports_known = len(twins)
        self._examine(self._match(found, jobs))
        self._archive(twins)
        self._reject(found)
        self._count()

    def _look(self, only: frozenset[str] | None) -> Deposit:
        tree = deposit.walk(conf.deposit_root(), only)
        seen = board.seen_agents()
        if seen and not tree.folders and not tree.unreadable:
            whole = tree if only is None else deposit.walk(conf.deposit_root())
            if not whole.folders and not whole.unreadable:
                raise DepositRootUnavailable(
                    f"{conf.deposit_root()} holds no agent's folder, where {len(seen)} agents were "
                    "seen before: is the disk mounted? Nobody was judged."
                )
        if only is not None:
            here = {folder.agent for folder in tree.folders} | set(tree.unreadable) | set(seen)
            if unknown := only - here - board.job_agents(only - here):
                raise UnknownAgent(
                    f"no agent {', '.join(sorted(unknown))}: neither a folder in "
                    f"{conf.deposit_root()} nor an expected backup has this name"
                )
        for agent, has_log in tree.logs.items():
            if seen.get(agent) and not has_log:
                tree.unreadable[agent] = f"{agent}/log/ has vanished"
        for agent, why in sorted(tree.unreadable.items()):
            self._find(f"agent {agent} was not looked at, its jobs are left as they were: {why}")
        self.run.strangers = [escaped(name) for name in tree.strangers]
        for name in history.new_strangers(self.run):
            logger.warning(
                "%s/ in the deposit tree is not COMPANY_CITY_NEIGHBORHOOD: ignored", name
            )
        return tree

    def _read(self, files: Sequence[ReportFile], jobs: Sequence[ExpectedBackupJob]) -> Intake:
        found = intake.read(files, intake.zones_of(jobs), now=self.now, clock=self.clock)
        for finding in found.findings:
            self._find(finding)
        self.run.reports_known = len(found.known)
        self.run.reports_rejected = len(found.rejected)
        self.run.reports_deferred = found.deferred.total()
        return found

    def _match(self, found: Intake, jobs: Sequence[ExpectedBackupJob]) -> list[Group]:
        """Register what nobody expected; pair each report with the cases it makes."""
        unexpected = unexpected_by(jobs, found.unread)
        if unexpected:  # while the reports were read, somebody may have said to expect them
            jobs = board.jobs_of({one.agent for one in found.unread})
            unexpected = unexpected_by(jobs, found.unread)
        self.run.databases_unexpected = len(unexpected)
        new = self._register(unexpected)
        self.run.jobs_registered = len(new)
        return groups_of(found.unread, [*jobs, *new], self._is_judged)

    def _register(self, unexpected: Sequence[roster.Unexpected]) -> list[ExpectedBackupJob]:
        how = conf.auto_register()
        if not unexpected or how is AutoRegister.OFF:
            return []
        return roster.register(unexpected, active=how is AutoRegister.ACTIVE, now=self.now)

    def _judge_absence(
        self,
        only: frozenset[str] | None,
        tree: Deposit,
        found: Intake,
        groups: Sequence[tuple[Incoming, list[Case]]],
    ) -> None:
        """Judge absence; `groups` are the reports whose claims still wait for their verdict."""
        claims = [(one, case.job.pk) for one, cases in groups for case in cases]
        excuses = absence.Excuses(
            claimed={job for one, job in claims if not one.was_known},
            waiting={job for one, job in claims if one.was_known},
            deferred=set(found.deferred),
            unseen=set(tree.unreadable),
        )
        overdue = list(filter(self._is_judged, board.overdue(self.now, only)))
        missed = absence.judge(overdue, excuses, now=self.now)
        self._tally(history.record_absences(self.run, missed, now=self.now, fence=self.fence))

    def _examine(self, groups: Sequence[Group]) -> None:
        cases = [case for _, some in groups for case in some]
        jobs = {case.job.pk: case.job for case in cases}
        done = 0
        history.note_progress(self.run, done, len(cases))
        with Examination(cases, clock=self.clock) as examined:
            plan = list(in_batches(groups))
            for number, batch in enumerate(plan):
                for coming in plan[number : number + 2]:  # reads go on while this one is recorded
                    examined.begin(case for _, some in coming for case in some)
                records = self._judge(examined, without_filled(batch))
                entries = history.record(self.run, records, now=self.now, fence=self.fence)
                for entry in entries:
                    state.catch_up(jobs[entry.job_id], entry.job)
                self._tally(entries)
                self.run.reports_accepted += sum(not one.was_known for one, _ in batch)
                self._archive([one for one, _ in batch if one.row.is_complete])
                done += sum(len(some) for _, some in batch)
                self._tell(done, len(cases))
            self.run.verified_bytes = examined.verified_bytes

    def _tell(self, done: int, total: int) -> None:
        history.note_progress(self.run, done, total)
        if self.progress is not None:
            self.progress(done, total)

    def _judge(self, examined: Examination, batch: Sequence[Group]) -> list[history.ReportRecord]:
        outcomes = {
            id(outcome.case): outcome
            for outcome in examined.judge([case for _, some in batch for case in some])
        }
        records = []
        for incoming, some in batch:
            record = history.ReportRecord(incoming.row)
            for case in some:
                outcome = outcomes[id(case)]
                if outcome.judged is not None:
                    record.judged.append(outcome.judged)
                else:
                    self._find(
                        f"{case.job.database_name} of agent {incoming.agent} waits for the next "
                        f"scan: {outcome.why_not}"
                    )
            record.row.is_complete = len(record.judged) == len(some)
            records.append(record)
        return records

    def _archive(self, reports: Sequence[Incoming]) -> None:
        for finding in intake.archive(reports):
            self._find(finding)

    def _reject(self, found: Intake) -> None:
        rows = [row for _, row in found.rejected]
        history.record_rejected(self.run, rows, fence=self.fence)
        for finding in intake.reject(found.rejected):
            self._find(finding)

    def _is_judged(self, job: ExpectedBackupJob) -> bool:
        """Tell whether a job takes part: not when it is paused, or its schedule cannot be read."""
        try:
            return job.is_active and job.calendar is not None
        except ScheduleError as error:
            self._find(f"{job.database_name} of agent {job.agent_id} is not judged: {error}")
            return False

    def _find(self, finding: str) -> None:
        if finding in self.run.findings:
            return
        logger.warning("%s", finding)
        self.run.findings.append(escaped(finding))

    def _tally(self, entries: Sequence[BackupEntry]) -> None:
        self.counts.update(entry.status for entry in entries)

    def _count(self) -> None:
        self.run.counts = dict(self.counts)
        self.run.problems = board.problem_jobs().count()
