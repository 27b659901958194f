"""A file of jobs -> job rows: created, updated or found to be so already, all or nothing."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from django.db import transaction

from scanner import board, roster
from scanner.errors import InvalidJobs
from scanner.job_changes import COLUMNS
from scanner.job_import.table import REQUIRED, Problem, Row, Table, read_table
from scanner.job_import.values import faults_of, read_values
from scanner.models import ExpectedBackupJob
from scanner.pipeline.deposit import agent_identity
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
    """What the row on a line comes to; `fields` are those of a stored job that it changes."""

    line: int
    kind: Kind
    job: ExpectedBackupJob
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, or would do; `notes` tell how the file had to be read."""

    changes: tuple[Change, ...]
    notes: tuple[str, ...]

    def count(self, kind: Kind) -> int:
        """Count the rows that came to this."""
        return sum(change.kind is kind for change in self.changes)


def import_file(path: Path, *, now: datetime, dry_run: bool = False) -> Imported:
    """Create and update jobs as a CSV or YAML file says; give what was done.

    A job is known by its agent, in any letter case, and its database, in exactly this case; columns
    that the file does not have stay as they are. With `dry_run` nothing is written. Raise
    InvalidJobs, with each error and its line, when anything is wrong: then nothing is written.
    """
    table = read_table(path)
    with transaction.atomic():
        changes = _plan(table)
        if table.problems:
            in_order = sorted(table.problems, key=lambda problem: problem.line)
            raise InvalidJobs([str(problem) for problem in in_order])
        if not dry_run:
            changed = [one.job for one in changes if one.kind is not Kind.UNCHANGED]
            roster.save_all(changed, now=now)
    done = Imported(tuple(changes), tuple(table.notes))
    logger.info(
        "%s %s: %s",
        "tried" if dry_run else "imported",
        path,
        ", ".join(f"{done.count(kind)} {kind}" for kind in Kind),
    )
    return done


def _plan(table: Table) -> list[Change]:
    stored = _stored(table.rows)
    lines: dict[JobKey, int] = {}
    changes: list[Change] = []
    for row in table.rows:
        values, problems = read_values(row.cells)
        if problems:
            unread = (set(row.cells) | set(REQUIRED)) - set(values)
            problems += faults_of(ExpectedBackupJob(**values), unread)
        else:
            key = _key(values)
            if key in lines:
                problems = [f"{quote(key[1])} of agent {key[0]} stands on line {lines[key]} too"]
            lines.setdefault(key, row.line)
        if not problems:
            change = _change(row.line, stored.get(key), values)
            problems = faults_of(change.job)
            changes.append(change)
        table.problems += (Problem(row.line, words) for words in problems)
    return changes


def _change(line: int, job: ExpectedBackupJob | None, values: dict[str, object]) -> Change:
    if job is None:
        return Change(line, Kind.CREATED, ExpectedBackupJob(**values))
    before = [getattr(job, name) for name in COLUMNS]
    for name, value in values.items():
        setattr(job, name, value)
    fields = tuple(
        name for name, old in zip(COLUMNS, before, strict=True) if getattr(job, name) != old
    )
    return Change(line, Kind.UPDATED if fields else Kind.UNCHANGED, job, fields)


def _stored(rows: Iterable[Row]) -> dict[JobKey, ExpectedBackupJob]:
    agents = {agent_identity(row.cells.get("agent_id", "")) for row in rows}
    return {(job.agent_id, job.database_name): job for job in board.jobs_of(agents)}


def _key(values: dict[str, str]) -> JobKey:
    return values["agent_id"], values["database_name"]
