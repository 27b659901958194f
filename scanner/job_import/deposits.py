"""What reports in the deposit tree mention, archived ones too -> jobs for what nobody expects."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from scanner import board, conf, intake, roster
from scanner.errors import AgentUnreadable, DepositError, MalformedReport
from scanner.models import ExpectedBackupJob
from scanner.pipeline import deposit, matching
from scanner.pipeline.deposit import AgentFolder, ReportFile
from scanner.pipeline.document import MAX_REPORT_BYTES
from scanner.pipeline.report import Report
from scanner.pipeline.text import quote
from scanner.roster import Unexpected

logger = logging.getLogger(__name__)

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is read: so many of the newest reports of each agent, until it is `enough`."""

    newest: int
    enough: Callable[[], bool]


@dataclass(slots=True)
class Mentioned:
    """What the reports mention.

    `registered` are databases that nobody expected until now, `expected` counts those that a job
    expects already, `skipped` names what could not be read, with why. With bounds, `older` counts
    the reports and `unread` the agents that they left out.
    """

    registered: list[Unexpected] = field(default_factory=list)
    expected: int = 0
    reports: int = 0
    skipped: list[str] = field(default_factory=list)
    older: int = 0
    unread: int = 0


def import_deposits(
    *,
    now: datetime,
    active: bool = True,
    dry_run: bool = False,
    bounds: Bounds | None = None,
) -> Mentioned:
    """Register a job for each database that a report in `log/` or `log/_archive/` mentions.

    The new jobs have no schedule yet; `active` tells whether they are judged from now on. Those
    that exist, paused ones too, are not touched. With `dry_run` nothing is written. With `bounds`
    the agents of which nothing is expected are read first. Raise DepositRootUnavailable when the
    tree cannot be looked at.
    """
    tree = deposit.walk(conf.deposit_root())
    found = Mentioned(skipped=[words for _, words in sorted(tree.unreadable.items())])
    in_log: dict[AgentFolder, list[ReportFile]] = {folder: [] for folder in tree.folders}
    for file in tree.reports:
        in_log[file.folder].append(file)
    jobs = board.jobs_of({folder.agent for folder in tree.folders})
    expected = {(job.agent_id, job.database_name) for job in jobs}
    index = matching.Jobs(expected, lambda key: key)
    matched: set[_Key] = set()
    for folder, files in _in_order(in_log, expected, bounds):
        if bounds and bounds.enough():
            found.unread += 1
            continue
        for report in _reports(folder, files, found, bounds):
            found.reports += 1
            match = matching.match(folder.agent, report.claims, index)
            matched.update(key for key, _ in match.claimed)
            for claim in match.unexpected:
                found.registered.append(Unexpected(folder.agent, folder.place, claim.database))
                index.add((folder.agent, claim.database))
    found.expected = len(matched & expected)
    if not dry_run:
        roster.register(found.registered, active=active, now=now)
    return found


def register_chosen(
    chosen: Sequence[Unexpected], *, awaits_adoption: bool, now: datetime, by: str
) -> list[ExpectedBackupJob]:
    """Register jobs, not judged yet, for those of the databases that nobody expects by now."""
    with transaction.atomic():
        jobs = board.jobs_of({one.agent for one in chosen})
        index = matching.Jobs({(job.agent_id, job.database_name) for job in jobs}, lambda key: key)
        fresh: list[Unexpected] = []
        for one in chosen:
            if index.find(one.agent, one.database) is None:
                index.add((one.agent, one.database))
                fresh.append(one)
        return roster.register(fresh, active=False, now=now, by=by, awaits_adoption=awaits_adoption)


def _in_order(
    in_log: dict[AgentFolder, list[ReportFile]], expected: Iterable[_Key], bounds: Bounds | None
) -> list[tuple[AgentFolder, list[ReportFile]]]:
    """Give the agents; where not all may be read, those of which nothing is expected first."""
    if bounds is None:
        return list(in_log.items())
    known = {agent for agent, _database in expected}
    return sorted(in_log.items(), key=lambda item: item[0].agent in known)


def _reports(
    folder: AgentFolder, in_log: list[ReportFile], found: Mentioned, bounds: Bounds | None
) -> Iterator[Report]:
    """Read an agent's reports, the archived ones first; those that cannot be read are skipped."""
    archived: tuple[ReportFile, ...] = ()
    try:
        archived = deposit.list_shelf(folder, deposit.ARCHIVE)
    except AgentUnreadable as error:
        found.skipped.append(str(error))
    files = [*archived, *in_log]
    if bounds:  # they are named after when they were made
        files.sort(key=lambda file: file.name, reverse=True)
        found.older += len(files[bounds.newest :])
        del files[bounds.newest :]
    for file in files:
        try:
            content, _ = deposit.read_report(file, MAX_REPORT_BYTES + 1)
            report = intake.accept(content, folder.agent)
        except (MalformedReport, DepositError) as error:
            why = str(error)
        except OSError as error:
            why = f"cannot be read: {error.strerror}"
        else:
            yield report
            continue
        where = "/".join(filter(None, (folder.name, deposit.LOG, file.shelf, file.name)))
        found.skipped.append(f"{quote(where, 300)}: {why}")
