"""A file of jobs -> job rows: created, updated or found to be so already, all or nothing.

    bytes  --read_table-->  rows  --plan-->  changes  --carry_out-->  jobs

`plan` may be shown to people before it is carried out: it knows old and new values. Statements grow
by the batch (`models/batch.py`): a plan reads 500 jobs with each, and carrying it out writes as
many of them at once as the database takes values in a statement.
"""

import hashlib
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from scanner import access, roster
from scanner.access import EVERY, Companies
from scanner.errors import InvalidJobs
from scanner.job_import import table as tables
from scanner.job_import.rows import MOST_PROBLEMS, REQUIRED, Limits, Problem, Row, Table
from scanner.job_import.values import Fault, faults_of, read_back, read_values
from scanner.models import ExpectedBackupJob
from scanner.models.batch import batches
from scanner.pipeline.text import quote

logger = logging.getLogger(__name__)

JobKey = tuple[str, str]


class Kind(StrEnum):
    """What a row of the file comes to."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Change:
    """What the row on a line comes to; `differences` are a stored job's old and new values."""

    line: int
    kind: Kind
    job: ExpectedBackupJob
    differences: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of a stored job that the row changes."""
        return tuple(self.differences)


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, or would do; `notes` tell how the file had to be read."""

    changes: tuple[Change, ...]
    notes: tuple[str, ...]

    def count(self, kind: Kind) -> int:
        """Count the rows that came to this."""
        return sum(change.kind is kind for change in self.changes)


@dataclass(frozen=True, slots=True)
class Plan(Imported):
    """What carrying out a file would do. With `problems` it cannot be: nothing may be written."""

    problems: tuple[Problem, ...] = ()

    @property
    def digest(self) -> str:
        """Tell this plan from one of the same bytes that would do something else."""
        told = [
            (one.line, one.kind.value, one.job.pk, sorted(one.differences.items()))
            for one in self.changes
        ]
        return hashlib.sha256(repr(told).encode("utf-8", "backslashreplace")).hexdigest()


def import_file(path: Path, *, now: datetime, dry_run: bool = False) -> Imported:
    """Create and update jobs as a CSV or YAML file says; give what was done.

    A job is known by its agent, in any letter case, and its database, in exactly this case; columns
    that the file does not have stay as they are. With `dry_run` nothing is written. Raise
    InvalidJobs, with each error and its line, when anything is wrong: then nothing is written.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(tables.MOST_BYTES + 1)
    except OSError as error:
        words = _("%(path)s: cannot be read: %(why)s")
        raise InvalidJobs([words % {"path": path, "why": error.strerror}]) from error
    with transaction.atomic():
        planned = plan(content, str(path), to_write=not dry_run)
        if planned.problems:
            raise InvalidJobs([str(problem) for problem in planned.problems])
        if not dry_run:
            carry_out(planned, now=now)
    logger.info(
        "%s %s: %s",
        "tried" if dry_run else "imported",
        path,
        ", ".join(f"{planned.count(kind)} {kind}" for kind in Kind),
    )
    return planned


def plan(
    content: bytes,
    name: str,
    *,
    companies: Companies = EVERY,
    limits: Limits | None = None,
    to_write: bool = False,
) -> Plan:
    """Work out what the file of this name would change; write nothing.

    What does not belong to `companies` may neither be made nor changed, and nothing is told of it.
    `to_write` locks the jobs, inside the caller's transaction, for `carry_out`.
    """
    table = tables.read_table(content, name, limits)
    changes = _changes(table, companies, to_write=to_write)
    problems = sorted(table.problems, key=lambda problem: problem.line)
    if len(problems) == MOST_PROBLEMS:
        words = _("%(count)d errors or more; those that follow were not looked for")
        problems.insert(0, Problem(0, words % {"count": MOST_PROBLEMS}))
    return Plan(tuple(changes), tuple(table.notes), tuple(problems))


def carry_out(planned: Plan, *, now: datetime, by: str = "") -> None:
    """Store what a plan without problems would change, all of it or nothing."""
    assert not planned.problems
    changed = [one.job for one in planned.changes if one.kind is not Kind.UNCHANGED]
    roster.save_all(changed, now=now, by=by)


def _changes(table: Table, companies: Companies, *, to_write: bool) -> list[Change]:
    lines: dict[JobKey, int] = {}
    readable = [(row, values) for row, values in _read(table, lines) if not table.is_closed]
    stored = _stored(lines, to_write=to_write)
    usable = access.usable_agents(companies, {agent for agent, _database in lines})
    changes: list[Change] = []
    for row, values in readable:
        job = stored.get(_key(values))
        if _is_out_of_reach(job, values, companies, usable):
            words = _("expected a company that you may see, and an agent of its own")
            table.refuse(row.line, words, "company_name")
            continue
        change = _change(row.line, job, values)
        _refuse(table, row.line, faults_of(change.job))
        changes.append(change)
        if table.is_closed:
            break
    return changes


def _read(table: Table, lines: dict[JobKey, int]) -> Iterator[tuple[Row, dict[str, Any]]]:
    """Give the rows that can be read, with their values; note in `lines` where each job stands."""
    for row in table.rows:
        if table.is_closed:
            return
        values, faults = read_values(row.cells)
        if faults:
            unread = (set(row.cells) | set(REQUIRED)) - set(values)
            _refuse(table, row.line, faults + faults_of(ExpectedBackupJob(**values), unread))
            continue
        key = _key(values)
        if key in lines:
            words = _("%(database)s of agent %(agent)s stands on line %(line)d too")
            what = {"database": quote(key[1]), "agent": key[0], "line": lines[key]}
            table.refuse(row.line, words % what)
            continue
        lines[key] = row.line
        yield row, values


def _refuse(table: Table, line: int, faults: Iterable[Fault]) -> None:
    for column, words in faults:
        table.refuse(line, words, column)


def _is_out_of_reach(
    job: ExpectedBackupJob | None,
    values: Mapping[str, Any],
    companies: Companies,
    usable: Collection[str],
) -> bool:
    """Tell whether a row is of what somebody may not see.

    An agent that has a job of another company takes no new ones either, so that the refusal of a
    job that there is cannot be told from the refusal of one that there is not.
    """
    if companies is None:
        return False
    if values["company_name"] not in companies:
        return True
    return values["agent_id"] not in usable if job is None else job.company_name not in companies


def _change(line: int, job: ExpectedBackupJob | None, values: Mapping[str, Any]) -> Change:
    if job is None:
        return Change(line, Kind.CREATED, ExpectedBackupJob(**values))
    differences = {}
    for name, new in values.items():
        old = getattr(job, name)
        # Addresses on lines of their own, say, are the same addresses as the file has.
        if new not in (old, read_back(name, old)):
            differences[name] = (old, new)
            setattr(job, name, new)
    return Change(line, Kind.UPDATED if differences else Kind.UNCHANGED, job, differences)


def _stored(keys: Collection[JobKey], *, to_write: bool) -> dict[JobKey, ExpectedBackupJob]:
    """Give the jobs that there are, locked in the order in which all lock them."""
    found: list[int] = []
    for some in batches(sorted({agent for agent, _database in keys})):
        rows = ExpectedBackupJob.objects.filter(agent_id__in=some).order_by()
        of_agents = rows.values_list("pk", "agent_id", "database_name")
        found += (pk for pk, agent, database in of_agents if (agent, database) in keys)
    stored: dict[JobKey, ExpectedBackupJob] = {}
    for some_keys in batches(sorted(found)):
        jobs = ExpectedBackupJob.objects.filter(pk__in=some_keys).order_by("pk")
        for job in jobs.select_for_update(no_key=True) if to_write else jobs:
            stored[job.agent_id, job.database_name] = job
    return stored


def _key(values: Mapping[str, str]) -> JobKey:
    return values["agent_id"], values["database_name"]
