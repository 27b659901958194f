"""What lies in the agents' `log/` folders, read and sorted: new, known, rejected or to be left."""

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from scanner import board, conf
from scanner.cycle import time_zone
from scanner.errors import DepositError, FileAbsent, MalformedReport, UnsafeFile
from scanner.models import AgentReport, ExpectedBackupJob
from scanner.pipeline.deposit import (
    REJECTED,
    FileClock,
    ReportFile,
    agent_identity,
    read_report,
    stamp_of,
)
from scanner.pipeline.document import MAX_REPORT_BYTES
from scanner.pipeline.operation_end import resolve_end, time_in_name
from scanner.pipeline.report import NotJson, Report, parse
from scanner.pipeline.shelves import archive_report, reject_report
from scanner.pipeline.text import clean_name

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Incoming:
    """A report that could be read. `row` is unsaved when no scan has recorded it yet."""

    file: ReportFile
    report: Report
    row: AgentReport
    was_known: bool
    judged_jobs: frozenset[int] = frozenset()

    @property
    def agent(self) -> str:
        """The identity of the agent that deposited it."""
        return self.row.agent_id


@dataclass(slots=True)
class Intake:
    """`deferred` are agents with a report that is left for the next scan."""

    unread: list[Incoming] = field(default_factory=list)
    known: list[Incoming] = field(default_factory=list)
    rejected: list[tuple[ReportFile, AgentReport]] = field(default_factory=list)
    deferred: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    def leave(self, file: ReportFile, why: str) -> None:
        """Leave a report to the next scan, and say why."""
        self.deferred[file.folder.agent] += 1
        self.findings.append(f"{file.folder.name}/log/{file.name} {why}")


def zones_of(jobs: Iterable[ExpectedBackupJob]) -> dict[str, str]:
    """Give the zone of each agent's clock: the one most of its jobs name, if any names one."""
    named: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for job in jobs:
        if job.time_zone:
            named[job.agent_id][job.time_zone] += 1
    return {
        agent: min(zones, key=lambda zone: (-zones[zone], zone)) for agent, zones in named.items()
    }


def read(
    files: Sequence[ReportFile], zones: Mapping[str, str], *, now: datetime, clock: FileClock
) -> Intake:
    """Read and sort reports; nothing is moved or written.

    A report that is not whole JSON and changed less than REPORT_SETTLE_SECONDS ago may still be
    being written, and one that this server cannot read may be readable later: both are left.
    """
    intake = Intake()
    fresh: list[tuple[ReportFile, Report, AgentReport]] = []
    for listed in files:
        file, agent = listed, listed.folder.agent
        try:
            file = replace(listed, stamp=stamp_of(listed))
            content, arrived = read_report(file, MAX_REPORT_BYTES + 1, clock)
        except (FileAbsent, UnsafeFile):
            continue  # it went, or changed into what is no report, since it was listed
        except OSError as error:
            intake.leave(file, f"cannot be read: {error.strerror}")
            continue
        digest = hashlib.sha256(content).hexdigest()
        arrived = _first_arrival(file, digest, arrived)
        row = AgentReport(
            agent_id=agent,
            file_name=clean_name(file.name, 255),
            sha256=digest,
            size=len(content),
            arrived_at=arrived,
            recorded_at=now,
        )
        try:
            report = accept(content, agent)
        except MalformedReport as error:
            if isinstance(error, NotJson) and now - arrived < conf.settle():
                intake.deferred[agent] += 1
                continue
            row.state = AgentReport.State.REJECTED.value
            row.reason = str(error)
            intake.rejected.append((file, row))
            continue
        except Exception as error:
            logger.exception("%s of agent %s is more than we understand", file.name, agent)
            intake.leave(file, f"made this server fail: {type(error).__name__}")
            continue
        row.state = AgentReport.State.ACCEPTED.value
        row.overall = report.overall.value
        zone = time_zone(zones.get(agent) or conf.agent_time_zone())
        row.operation_end = resolve_end(
            report.ended, time_in_name(file.name), arrived=arrived, zone=zone
        ).at
        fresh.append((file, report, row))
    _sort(intake, fresh)
    return intake


def accept(content: bytes, agent: str) -> Report:
    """Give what a report of this agent (an identity) says; raise MalformedReport if none is."""
    report = parse(content)
    if report.agent_id is not None and agent_identity(report.agent_id) != agent:
        raise MalformedReport(
            f"agent_id is {report.agent_id!r}, but the report lies in the folder of agent "
            f"{agent!r}: an agent can speak for itself only"
        )
    return report


def _sort(intake: Intake, fresh: list[tuple[ReportFile, Report, AgentReport]]) -> None:
    """Tell the reports that are recorded already from the others; two copies count as one."""
    stored = board.known_reports(key for _, _, row in fresh for key in (_key(row), _arrival(row)))
    judged = board.judged_jobs([row for row in stored.values() if not row.is_complete])
    taken: dict[board.ReportKey, AgentReport] = {}
    for file, report, row in fresh:
        key = _key(row)
        known = stored.get(key) or stored.get(_arrival(row))
        if key in taken or (known is not None and known.is_complete):
            intake.known.append(
                Incoming(file, report, taken.get(key) or known or row, was_known=True)
            )
        elif known is not None:
            jobs = frozenset(judged.get(known.pk, ()))
            intake.unread.append(Incoming(file, report, known, was_known=True, judged_jobs=jobs))
        else:
            intake.unread.append(Incoming(file, report, row, was_known=False))
        taken.setdefault(key, known or row)
    _put_in_order(intake.unread)


def _key(row: AgentReport) -> board.ReportKey:
    assert row.operation_end is not None  # an accepted report has one
    return (row.agent_id, row.sha256, row.operation_end)


def _arrival(row: AgentReport) -> board.ReportKey:
    return (row.agent_id, row.sha256, row.arrived_at)


def judge_again(intake: Intake) -> list[Incoming]:
    """Let the known reports be judged once more, each once; give the further copies of them."""
    keys = {_key(one.row) for one in intake.unread}
    twins = []
    for one in intake.known:
        if _key(one.row) in keys:
            twins.append(one)
            continue
        keys.add(_key(one.row))
        one.row.attempt += 1
        intake.unread.append(replace(one, was_known=False))
    intake.known = []
    _put_in_order(intake.unread)
    return twins


def _put_in_order(reports: list[Incoming]) -> None:
    """Let the oldest operation be judged first: later ones are compared with what it left."""
    reports.sort(key=lambda one: (one.row.operation_end, one.row.arrived_at))


def archive(reports: Iterable[Incoming]) -> list[str]:
    """Move recorded reports into `_archive/`; give a finding for each that cannot be moved.

    Such a report stays where it is: it is known, and changes nothing when it is seen again.
    """
    findings = []
    for one in reports:
        try:
            archive_report(one.file)
        except (DepositError, OSError) as error:
            findings.append(_not_moved(one.file, "_archive/", error))
    return findings


def reject(rejected: Iterable[tuple[ReportFile, AgentReport]]) -> list[str]:
    """Move rejected reports into `_rejected/`, each with its reason beside it; give findings."""
    findings = []
    for file, row in rejected:
        logger.warning("rejected %s of agent %s: %s", row.file_name, row.agent_id, row.reason)
        try:
            reject_report(file, row.reason)
        except (DepositError, OSError) as error:
            findings.append(_not_moved(file, "_rejected/", error))
    return findings


def _not_moved(file: ReportFile, shelf: str, error: Exception) -> str:
    return f"{file.folder.name}/log/{file.name!r:.300} cannot be moved into {shelf}: {error}"


def _first_arrival(file: ReportFile, sha256: str, seen: datetime) -> datetime:
    """Give when a report on a shelf arrived: moving it there changed what the file itself tells."""
    if not file.shelf:
        return seen
    arrivals = board.arrivals(file.folder.agent, sha256)
    if not arrivals and file.shelf == REJECTED:  # corrected by hand: it arrived as what it was
        arrivals = board.rejections(file.folder.agent, clean_name(file.name, 255))
    return max((at for at in arrivals if at <= seen), default=min(arrivals, default=seen))
