"""What became of each slot of a soak, and whether it may have.

Of the first attempt at each slot one of these holds:

- run once, or run twice: the latter must not be;
- skipped, and another run was in the hands of a thread during the slot's second; else it was
  wrongly skipped;
- missed, or not on record at all, in an outage or without a leader (dead, frozen, told to stop, not
  yet in place); else it was wrongly missed, or lost.

No further attempt, and no run that was asked for, may be made twice; whatever was asked for is on
record as begun. A leader before whose time a slot was left out catches up exactly one; after an
outage of some seconds the same leader runs a slot that came in it. In the end no run and no
execution is left open, no process has ended by itself for want of better, and what fails now and
then was tried again.
"""

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.soak import Company

SECOND = timedelta(seconds=1)
# After an outage the heart beats again, then the schedule is looked at again: 4 + 2 + 2 seconds.
AFTERMATH = timedelta(seconds=8)
# What nobody has noticed needs no aftermath.
LONG_OUTAGE = timedelta(seconds=5)
# When a new leader's catch-up has begun.
SETTLED = timedelta(seconds=3)
BAD = ("run twice", "wrongly skipped", "wrongly missed", "lost")
FATES = ("run once", "skipped", "missed", "no database", "no leader", *BAD)


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when something was so."""

    start: datetime
    end: datetime

    def touches(self, slot: datetime) -> bool:
        """Tell whether it was so during any of the slot's second."""
        return self.start < slot + SECOND and slot <= self.end

    def covers(self, slot: datetime) -> bool:
        """Tell whether it was so during all of the slot's second."""
        return self.start <= slot and slot + SECOND <= self.end

    def overlaps(self, other: "Span") -> bool:
        """Tell whether both were so at a time."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Reign:
    """When a process led; `settled` is when its scheduler had been started for a while."""

    pid: int
    span: Span
    settled: datetime | None


class History:
    """What the database, the processes and the file of slots tell, when all has ended."""

    def __init__(self, company: "Company") -> None:
        from scanner.models import TaskRun

        lines = Path(os.environ["SOAK_FILE"]).read_text().splitlines()
        words = [line.split() for line in lines]
        self.attempts = Counter((datetime.fromisoformat(slot), int(n)) for slot, n in words)
        self.rows: list[TaskRun] = list(TaskRun.objects.order_by("pk"))
        self.reigns = list(_reigns(company))
        self.outages = [Span(start, end) for start, end in company.outages]
        assert company.ended is not None
        first = min(slot for slot, attempt in self.attempts if attempt == 1)
        self.slots = [first + SECOND * n for n in range((company.ended - first) // SECOND)]
        self._firsts = {run.scheduled_for: run for run in self.rows if run.attempt == 1}

    def fate(self, slot: datetime) -> str:
        """Give what became of the first attempt at a slot."""
        if runs := self.attempts[slot, 1]:
            return "run once" if runs == 1 else "run twice"
        row = self._firsts.get(slot)
        outcome = "" if row is None else row.outcome
        if outcome == "skipped":
            return outcome if self._was_hindered(slot) else "wrongly skipped"
        if any(after(outage).touches(slot) for outage in self.outages):
            return outcome if outcome == "missed" else "no database"
        if not any(reign.span.covers(slot) for reign in self.reigns):
            return outcome if outcome == "missed" else "no leader"
        return "wrongly missed" if outcome == "missed" else "lost"

    def _was_hindered(self, slot: datetime) -> bool:
        return any(
            run.started_at is not None
            and run.scheduled_for != slot
            and Span(run.fired_for, run.finished_at or slot).touches(slot)
            for run in self.rows
        )

    def wrong_catch_ups(self) -> list[str]:
        """Name each reign that caught up nothing, though it should have, or more than once."""
        found = []
        for reign in self.reigns:
            if reign.settled is None or reign.settled > reign.span.end:
                continue
            begin = Span(reign.span.start, reign.settled)
            if any(after(outage).overlaps(begin) for outage in self.outages):
                continue
            made = sum(
                run.pid == reign.pid
                and run.cause == "catch_up"
                and run.started_at is not None
                and run.started_at <= reign.settled
                for run in self.rows
            )
            if not self._is_owed(reign) <= made <= 1:
                found.append(f"process {reign.pid}, {begin.start:%H:%M:%S}: {made} catch-ups")
        return found

    def _is_owed(self, reign: Reign) -> bool:
        """Tell whether a slot had come for certain that nobody had begun or noted."""
        earlier = [
            run.scheduled_for
            for run in self.rows
            if run.pid != reign.pid
            and run.attempt == 1
            and run.cause != "request"
            and run.scheduled_for <= reign.span.start
        ]
        newest = reign.span.start.replace(microsecond=0)
        return bool(earlier) and max(earlier) < newest

    def outages_without_catch_up(self) -> list[str]:
        """Name each long outage after which its leader has ended no run that came in it."""
        found = []
        for outage in self.outages:
            whole = Span(outage.start, outage.end + AFTERMATH + SETTLED)
            led = any(
                reign.span.start <= whole.start and whole.end <= reign.span.end
                for reign in self.reigns
            )
            ended = any(
                run.started_at is not None
                and run.finished_at is not None
                and outage.end - SECOND <= run.finished_at <= whole.end
                and (run.cause == "catch_up" or outage.touches(run.scheduled_for))
                for run in self.rows
            )
            if led and not ended and outage.end - outage.start > LONG_OUTAGE:
                found.append(f"the outage of {outage.start:%H:%M:%S}")
        return found


def after(outage: Span) -> Span:
    """Give an outage with its aftermath."""
    is_short = outage.end - outage.start < LONG_OUTAGE
    return Span(outage.start, outage.end + AFTERMATH / (2 if is_short else 1))


def _reigns(company: "Company") -> Iterable[Reign]:
    from bench.soak import LEADS, STARTED

    now = datetime.now(UTC)
    for server in company.servers:
        if (led := server.said_at(LEADS)) is not None:
            started = server.said_at(STARTED)
            settled = None if started is None else started + SETTLED
            yield Reign(server.process.pid, Span(led, server.ended or now), settled)


def tell(company: "Company", seed: int) -> bool:
    """Print what became of it; give whether all that must hold does."""
    from django_apscheduler.models import DjangoJobExecution
    from rich.console import Console
    from rich.table import Table

    history = History(company)
    rows = history.rows
    fates = {slot: history.fate(slot) for slot in history.slots}
    found = Counter(fates.values())
    firsts = {(slot, 1) for slot in fates}
    further = [runs for key, runs in history.attempts.items() if key not in firsts]
    asked = {run.request_id for run in rows if run.started_at is not None}
    failed = sum(run.outcome == "failed" for run in rows)
    retried = sum(run.attempt > 1 for run in rows)
    must_be_none = {
        **{fate: found[fate] for fate in BAD},
        "further attempts made twice": sum(runs > 1 for runs in further),
        "asked for, never begun": len(company.requests - asked),
        "wrong catch-ups of a new leader": len(history.wrong_catch_ups()),
        "outages without a catch-up": len(history.outages_without_catch_up()),
        "failures, but no retry": failed if not retried else 0,
        "runs left open": sum(run.outcome == "running" for run in rows),
        "executions left open": DjangoJobExecution.objects.filter(
            status=DjangoJobExecution.SENT
        ).count(),
        "died by themselves": company.done["left with 1"],
    }
    counts = {
        "due": len(fates),
        **{fate: found[fate] for fate in FATES if fate not in BAD},
        "leaders": len(history.reigns),
        "caught up": sum(run.cause == "catch_up" for run in rows),
        "failed": failed,
        "tried again": retried,
        **company.done,
    }
    table = Table("what", "count", title=f"{company.url.partition(':')[0]}, seed {seed}")
    for what, count in counts.items():
        table.add_row(what, f"{count:,}")
    table.add_section()
    for what, count in must_be_none.items():
        table.add_row(what, f"{count:,}", style="bold red" if count else None)
    console = Console()
    console.print(table)
    for slot, fate in fates.items():
        if fate in BAD:
            console.print(f"{fate}: {slot:%H:%M:%S}")
    for words in (*history.wrong_catch_ups(), *history.outages_without_catch_up()):
        console.print(words)
    return not any(must_be_none.values())
