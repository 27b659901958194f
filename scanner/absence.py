"""Which cycles passed their deadline with nothing in them.

Judged from what is expected, never from a listing; the caller has looked at every agent that is
judged here.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from scanner import board
from scanner.cycle import Cycle
from scanner.models import ExpectedBackupJob
from scanner.pipeline.verdict import no_report
from scanner.state import Judged

MOST_CYCLES = 31


@dataclass(frozen=True, slots=True)
class Excuses:
    """What keeps a job from being called absent in this scan.

    `claimed`: jobs with a claim that is judged now. `waiting`: jobs whose claim had to wait since
    an earlier scan. `deferred`: agents with a report that is still being written. The last two
    excuse for at most one grace more. `unseen` agents could not be looked at.
    """

    claimed: Collection[int]
    waiting: Collection[int]
    deferred: Collection[str]
    unseen: Collection[str]


def judge(
    jobs: Sequence[ExpectedBackupJob], excuses: Excuses, *, now: datetime
) -> list[tuple[ExpectedBackupJob, list[Judged], Cycle | None]]:
    """Give, for each overdue job that is not excused, its missed cycles and the one it awaits next.

    A cycle in which any entry stands is not missed. Of a long outage only the newest MOST_CYCLES
    cycles of a job are judged.
    """
    elapsed: list[tuple[ExpectedBackupJob, list[Cycle], Cycle | None]] = []
    for job in jobs:
        if job.pk in excuses.claimed or job.agent_id in excuses.unseen or job.due_at is None:
            continue
        cycles, coming = job.calendar.elapsed(job.due_at, now, MOST_CYCLES)
        if job.pk in excuses.waiting or job.agent_id in excuses.deferred:
            excused = [cycle for cycle in cycles if now <= cycle.deadline + job.grace]
            if excused:
                cycles, coming = cycles[: -len(excused)], excused[0]
        elapsed.append((job, cycles, coming))
    since = min((cycles[0].due for _, cycles, _ in elapsed if cycles), default=now)
    filled = board.filled_cycles([job.pk for job, _, _ in elapsed], since)
    why = _why(excuses)
    return [
        (
            job,
            [
                Judged(job.pk, no_report(cycle, why(job)), job.agent_id, cycle)
                for cycle in cycles
                if cycle.due not in filled.get(job.pk, ())
            ],
            coming,
        )
        for job, cycles, coming in elapsed
    ]


def _why(excuses: Excuses) -> Callable[[ExpectedBackupJob], str]:
    def why(job: ExpectedBackupJob) -> str:
        if job.pk in excuses.waiting:
            return "a report came, but its staged file could not be read to its end yet"
        if job.agent_id in excuses.deferred:
            return "a report lies there, but it cannot be read yet"
        return ""

    return why
