"""Room 3: which job each claim speaks for, and which claims nobody expected."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from scanner.pipeline.deposit import agent_identity
from scanner.pipeline.report import Claim

J = TypeVar("J")


@dataclass(frozen=True, slots=True)
class Matched(Generic[J]):
    """`claimed` pairs jobs with the claims about them, one each; `unexpected` is the rest."""

    claimed: tuple[tuple[J, Claim], ...]
    unexpected: tuple[Claim, ...]


class Jobs(Generic[J]):
    """Jobs by agent and database.

    A database is found under its exact name, else under the only name that differs in nothing but
    letter case: two databases of one server may differ in case alone, and must not be mixed up.
    `key` gives a job's agent and database.
    """

    def __init__(self, jobs: Iterable[J], key: Callable[[J], tuple[str, str]]) -> None:
        self._key = key
        self._exact: dict[tuple[str, str], J] = {}
        self._folded: defaultdict[tuple[str, str], list[J]] = defaultdict(list)
        for job in jobs:
            self.add(job)

    def add(self, job: J) -> None:
        """Let a further job be found."""
        name, database = self._key(job)
        agent = agent_identity(name)
        self._exact[agent, database] = job
        self._folded[agent, database.casefold()].append(job)

    def find(self, agent: str, database: str) -> J | None:
        """Give the job that expects this database from this agent (an identity), or None."""
        if exact := self._exact.get((agent, database)):
            return exact
        alike = self._folded.get((agent, database.casefold()), [])
        return alike[0] if len(alike) == 1 else None


def match(agent: str, claims: Iterable[Claim], jobs: Jobs[J]) -> Matched[J]:
    """Pair an agent's claims with jobs.

    Of two claims for one job (names that differ in case alone) the later one counts, as JSON has it
    for two equal names.
    """
    claimed: dict[int, tuple[J, Claim]] = {}
    unexpected: list[Claim] = []
    for claim in claims:
        job = jobs.find(agent, claim.database)
        if job is None:
            unexpected.append(claim)
        else:
            claimed[id(job)] = (job, claim)
    return Matched(tuple(claimed.values()), tuple(unexpected))
