"""What reports in the deposit tree mention, archived ones too -> jobs for what nobody expects."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from scanner import board, conf, intake, roster
from scanner.errors import AgentUnreadable, DepositError, MalformedReport
from scanner.pipeline import deposit, matching
from scanner.pipeline.deposit import AgentFolder, ReportFile
from scanner.pipeline.document import MAX_REPORT_BYTES
from scanner.pipeline.report import Report
from scanner.pipeline.text import quote
from scanner.roster import Unexpected

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Mentioned:
    """What the reports mention.

    `registered` are databases that nobody expected until now, `expected` counts those that a job
    expects already, `skipped` names what could not be read, with why.
    """

    registered: list[Unexpected] = field(default_factory=list)
    expected: int = 0
    reports: int = 0
    skipped: list[str] = field(default_factory=list)


def import_deposits(*, now: datetime, active: bool = True, dry_run: bool = False) -> Mentioned:
    """Register a job for each database that a report in `log/` or `log/_archive/` mentions.

    The new jobs have no schedule yet; `active` tells whether they are judged from now on. Those
    that exist, paused ones too, are not touched. With `dry_run` nothing is written. Raise
    DepositRootUnavailable when the tree cannot be looked at.
    """
    tree = deposit.walk(conf.deposit_root())
    found = Mentioned(skipped=[words for _, words in sorted(tree.unreadable.items())])
    in_log: dict[AgentFolder, list[ReportFile]] = {folder: [] for folder in tree.folders}
    for file in tree.reports:
        in_log[file.folder].append(file)
    jobs = board.jobs_of({folder.agent for folder in tree.folders})
    expected = {(job.agent_id, job.database_name) for job in jobs}
    index = matching.Jobs(expected, lambda key: key)
    matched: set[tuple[str, str]] = set()
    for folder, files in in_log.items():
        for report in _reports(folder, files, found):
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


def _reports(folder: AgentFolder, in_log: list[ReportFile], found: Mentioned) -> Iterator[Report]:
    """Read an agent's reports, the archived ones first; those that cannot be read are skipped."""
    archived: tuple[ReportFile, ...] = ()
    try:
        archived = deposit.list_shelf(folder, deposit.ARCHIVE)
    except AgentUnreadable as error:
        found.skipped.append(str(error))
    for file in (*archived, *in_log):
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
