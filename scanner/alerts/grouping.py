"""Which missing backups are one trouble of a place: a site or a link that is down.

For each reason by itself:

1. A place qualifies when at least PERCENT of its active jobs, and at least FEWEST, are missing.
2. From the widest to the narrowest (company, city, neighborhood, agent): a place that qualifies is
   taken, unless exactly one of those within it does and what is left without that one does not:
   then the trouble is that one's.
3. A place that does not qualify is left to those within it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PERCENT = 60
FEWEST = 3
KINDS = ("company", "city", "neighborhood", "agent")
"""From the widest to the narrowest; a place of a kind is named by as many names."""

Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seat:
    """A job that is missing, where it is, and why."""

    job_id: int
    names: Names
    reason: str

    def groups(self) -> list["Group"]:
        """Give each place that it is in, the widest first."""
        return [Group(self.names[:depth], self.reason) for depth in range(1, len(KINDS) + 1)]


@dataclass(frozen=True, slots=True)
class Group:
    """A place whose backups are missing for one reason: its names from the company on."""

    names: Names
    reason: str

    @property
    def kind(self) -> str:
        """What kind of place it is."""
        return KINDS[len(self.names) - 1]

    def holds(self, seat: Seat) -> bool:
        """Tell whether a job is in this place and missing for this reason."""
        return self.reason == seat.reason and seat.names[: len(self.names)] == self.names


def group(seats: Iterable[Seat], active: Mapping[Names, int]) -> dict[int, Group]:
    """Give the group of each job that is in one.

    `active` counts the active jobs by their four names (company, city, neighborhood, agent).
    """
    by_reason: defaultdict[str, list[Seat]] = defaultdict(list)
    for seat in seats:
        by_reason[seat.reason].append(seat)
    total = totals(active)
    groups: dict[int, Group] = {}
    for reason, some in by_reason.items():
        for names, members in _within((), some).items():
            for place, held in _places(names, members, total):
                groups |= {seat.job_id: Group(place, reason) for seat in held}
    return groups


def totals(active: Mapping[Names, int]) -> dict[Names, int]:
    """Count the active jobs of each place, of whatever kind, from those of the narrowest."""
    counts: defaultdict[Names, int] = defaultdict(int)
    for names, count in active.items():
        for depth in range(1, len(KINDS) + 1):
            counts[names[:depth]] += count
    return dict(counts)


def _within(names: Names, seats: Iterable[Seat]) -> dict[Names, list[Seat]]:
    """Cut the jobs of a place by the places one kind narrower."""
    narrower: defaultdict[Names, list[Seat]] = defaultdict(list)
    for seat in seats:
        narrower[seat.names[: len(names) + 1]].append(seat)
    return dict(narrower)


def _places(
    names: Names, seats: list[Seat], totals: Mapping[Names, int]
) -> list[tuple[Names, list[Seat]]]:
    if len(seats) < FEWEST:
        return []
    total = totals.get(names, 0)
    if len(names) == len(KINDS):
        return [(names, seats)] if _qualifies(len(seats), total) else []
    narrower = _within(names, seats)
    if _qualifies(len(seats), total):
        one = [
            name for name, some in narrower.items() if _qualifies(len(some), totals.get(name, 0))
        ]
        is_of_one = len(one) == 1 and not _qualifies(
            len(seats) - len(narrower[one[0]]), total - totals.get(one[0], 0)
        )
        if not is_of_one:
            return [(names, seats)]
    found = []
    for name, some in narrower.items():
        found += _places(name, some, totals)
    return found


def _qualifies(missing: int, active: int) -> bool:
    return missing >= FEWEST and missing * 100 >= active * PERCENT
