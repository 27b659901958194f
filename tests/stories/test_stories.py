"""Golden stories: what happened at some sites, and all that the scans said about it.

Each folder beside this file is a story: `story.yaml` says which jobs there are and what happens
when, `expected.json` what the scans found. `UPDATE_STORIES=1 pytest tests/stories` writes the
latter anew; whoever does that reads each changed line against the rules before it is kept.

A story has `settings`, `jobs` and `steps`. A step happens `at` a time and may come again `every`
so many hours, as many `times` in all; in its texts `{n}` is the number of the repetition. It is one
of these:

- `scan: true`
- `deposit: AGENT` with `databases`, a text for each that its dump is made of. The operation ends at
  the time of the step, and its report arrives a minute later or at `arrives`. `staged` is the form
  of the files' names, of the files of `torn` databases only half is there, `claims` replace parts
  of what the report says of a database and `report` its top level; `report: false` is no report.
- `change: DATABASE` with the fields of the job that are changed `to` something
"""

import itertools
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pytest_django import Settings

from scanner import board, roster
from scanner.models import BackupEntry, ExpectedBackupJob, StatusChange
from tests.agent import Agent, dump_of, set_time
from tests.scanning import make_job, run_scan

pytestmark = pytest.mark.django_db

HERE = Path(__file__).parent
STORIES = sorted(file.parent for file in HERE.glob("*/story.yaml"))
UPDATE = "UPDATE_STORIES"

Event = tuple[datetime, int, Callable[[], object]]


@pytest.mark.parametrize("folder", STORIES, ids=lambda folder: folder.name)
def test_a_story_ends_as_it_is_told(
    folder: Path, deposit_root: Path, vault_root: Path, settings: Settings
) -> None:
    told = Story(yaml.safe_load((folder / "story.yaml").read_text()), deposit_root).play(settings)
    assert copies_on_record() == files_below(vault_root)
    expected = folder / "expected.json"
    if os.environ.get(UPDATE):
        expected.write_text(in_lines(told))
    assert in_lines(told) == expected.read_text()


def test_there_are_stories_and_nobody_writes_them_unread() -> None:
    assert len(STORIES) >= 6
    assert not (os.environ.get(UPDATE) and os.environ.get("CI"))


class Story:
    """A story at work."""

    def __init__(self, script: dict[str, Any], root: Path) -> None:
        self.script = script
        self.root = root
        self.scans: dict[str, dict[str, Any]] = {}
        self._order = itertools.count()

    def play(self, settings: Settings) -> dict[str, Any]:
        """Let it happen; give what the scans told, and how it all ended."""
        for name, value in self.script.get("settings", {}).items():
            setattr(settings, name, value)
        for job in self.script["jobs"]:
            make_job(now=moment(job.pop("created")), **job)
        for agent in {job.agent_id for job in ExpectedBackupJob.objects.all()}:
            Agent(self.root, agent).log.mkdir(parents=True, exist_ok=True)
        for _, _, happen in sorted(self._events()):
            happen()
        return {
            "scans": self.scans,
            "changes": [change_in_words(one) for one in StatusChange.objects.order_by("pk")],
            "jobs": [state_of(job) for job in board.job_states()],
        }

    def _events(self) -> Iterator[Event]:
        for step in self.script["steps"]:
            for number in range(step.get("times", 1)):
                at = moment(step["at"]) + number * timedelta(hours=step.get("every", 0))
                yield from self._events_of(step, at, str(number + 1))

    def _events_of(self, step: dict[str, Any], at: datetime, number: str) -> Iterator[Event]:
        if "scan" in step:
            yield self._event(at, lambda: self._scan(at))
        elif "change" in step:
            yield self._event(at, lambda: change(step["change"], step["to"], at))
        else:
            agent = Agent(self.root, step["deposit"])
            claims: dict[str, Any] = {}
            yield self._event(at, lambda: claims.update(stage(agent, step, at, number)))
            if step.get("report", {}) is not False:
                arrival = (
                    moment(step["arrives"]) if "arrives" in step else at + timedelta(minutes=1)
                )
                yield self._event(arrival, lambda: report(agent, step, claims, at, arrival))

    def _event(self, at: datetime, happen: Callable[[], object]) -> Event:
        return (at, next(self._order), happen)

    def _scan(self, now: datetime) -> None:
        run = run_scan(now)
        entries = [entry_in_words(entry) for entry in board.entries_of(run)]
        if entries or run.findings or run.reports_accepted or run.reports_rejected:
            self.scans[f"{now:%Y-%m-%d %H:%MZ}"] = {
                "outcome": run.outcome,
                "findings": run.findings,
                "reports": run.reports_accepted,
                "problems": run.problems,
                "entries": entries,
            }


# --- What happens ---------------------------------------------------------------------------------


def stage(agent: Agent, step: dict[str, Any], at: datetime, number: str) -> dict[str, Any]:
    """Put the files of a deposit in their place; give the claims about them."""
    claims = {}
    for database, text in step.get("databases", {}).items():
        name = step.get("staged", "{database}.sql").format(database=database, n=number)
        changes = step.get("claims", {}).get(database, {})
        dump = dump_of(f"{database} {text.format(n=number)}", rows=5)
        claims[database] = agent.claim(dump, at, "", name, **changes)
        if database in step.get("torn", ()):
            agent.stage(name, dump[: len(dump) // 2])
        set_time(agent.databases / name, at)
    return claims


def report(
    agent: Agent, step: dict[str, Any], claims: dict[str, Any], ended: datetime, arrival: datetime
) -> None:
    set_time(agent.report(claims, ended, **step.get("report", {})), arrival)


def change(database: str, fields: dict[str, Any], at: datetime) -> None:
    job = ExpectedBackupJob.objects.get(database_name=database)
    for name, value in fields.items():
        setattr(job, name, value)
    roster.save(job, now=at)


# --- What is told ---------------------------------------------------------------------------------


def moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    assert at.tzinfo is not None, f"{text} has no zone"
    return at.astimezone(UTC)


def in_words(at: datetime | None) -> str | None:
    return at.strftime("%Y-%m-%d %H:%MZ") if at else None


def verdict_in_words(status: str, reason: str) -> str:
    return f"{status} {reason}".strip()


def entry_in_words(entry: BackupEntry) -> dict[str, Any]:
    """Give what a person would ask of an entry; bytes and digests are other tests' concern."""
    return {
        "database": entry.job.database_name,
        "cycle": in_words(entry.cycle_due),
        "ended": in_words(entry.operation_end),
        "verdict": verdict_in_words(entry.status, entry.reason),
        "warnings": entry.warnings,
        "copy": entry.vault_path or None,
        "message": entry.message,
    }


def change_in_words(change: StatusChange) -> dict[str, Any]:
    return {
        "at": in_words(change.changed_at),
        "database": change.job.database_name,
        "from": verdict_in_words(change.old_status, change.old_reason),
        "to": verdict_in_words(change.new_status, change.new_reason),
    }


def state_of(job: ExpectedBackupJob) -> dict[str, Any]:
    return {
        "database": job.database_name,
        "active": job.is_active,
        "status": verdict_in_words(job.status, job.reason),
        "since": in_words(job.status_since),
        "last_good": in_words(job.last_good_at),
        "next_due": in_words(job.due_at),
        "next_deadline": in_words(job.deadline_at),
    }


def in_lines(told: dict[str, Any]) -> str:
    """Give JSON with a line for each entry, change and job, so that a difference can be read."""
    scans = ",\n".join(
        f'  "{at}": {{\n'
        f'   "outcome": {json.dumps(scan["outcome"])}, "reports": {scan["reports"]}, '
        f'"problems": {scan["problems"]}, "findings": {json.dumps(scan["findings"])},\n'
        f'   "entries": {listed(scan["entries"], 4)}\n  }}'
        for at, scan in told["scans"].items()
    )
    changes, jobs = listed(told["changes"], 2), listed(told["jobs"], 2)
    return f'{{\n "scans": {{\n{scans}\n }},\n "changes": {changes},\n "jobs": {jobs}\n}}\n'


def listed(items: list[dict[str, Any]], indent: int) -> str:
    if not items:
        return "[]"
    lines = (" " * indent + json.dumps(item, ensure_ascii=False) for item in items)
    return "[\n" + ",\n".join(lines) + "\n" + " " * (indent - 1) + "]"


def copies_on_record() -> set[str]:
    return set(BackupEntry.objects.exclude(vault_path="").values_list("vault_path", flat=True))


def files_below(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
