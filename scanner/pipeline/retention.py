"""Which copies of one job stay in the vault, and why; and why each other one may go.

A *restore point* is one good backup. It refers to the copy that holds its content: an UNCHANGED
backup refers to the copy of an earlier one, so that a week without a change is seven restore points
on one copy. Rules are about restore points; a copy stays as long as any rule keeps any of its own.

The rules are restic's (https://restic.readthedocs.io/en/stable/060_forget.html, and `ApplyPolicy`
in its `snapshot_policy.go`), in the job's zone:

1. Restore points are taken from the newest to the oldest. `last` keeps the first n.
2. Each of `daily`, `weekly` (ISO weeks, Monday to Sunday), `monthly` and `yearly` keeps the newest
   of each period, until it has kept n. Periods without a backup do not count.
3. A rule that ran out of periods before n keeps the oldest restore point as well: it ages until
   there are enough periods, and the history grows as long as the policy allows.
4. Each rule counts alone; one restore point may be kept by several.

borg's definition differs in the last point: there, what an earlier rule kept does not count for a
later one, so that the same numbers keep more and reach further back. From restic's own the rules
differ where a local clock set back repeats the end of a day: that day is one period, and not two.

What is known of a copy counts for more than the rules:

5. A damaged copy takes no place from a whole one: the rules are applied to the restore points on
   whole copies alone. Applied to all, they may keep damaged copies besides (something is more than
   nothing, and it may be repaired); nothing else protects those, not even that one is the newest.
6. The newest verified copy stays, and so does the newest of these that a restore has proven.
   *Newest* is said of content: of the newest restore point, not of when the file was written.
7. Without a policy every copy stays.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Final, Generic, Protocol, TypeVar
from zoneinfo import ZoneInfo

from scanner.pipeline.operation_end import FUTURE_TOLERANCE

MAX_PRUNE_GAP: Final = timedelta(days=30)

NEWEST_VERIFIED: Final = "newest verified copy"
NEWEST_PROVEN: Final = "newest copy proven by a restore"
NO_POLICY: Final = "no policy"
OLDEST: Final = "oldest"


class Ordered(Protocol):
    """What identifies a copy: hashable, and in an order that settles ties."""

    def __lt__(self, other: Any, /) -> bool: ...

    def __hash__(self) -> int: ...


K = TypeVar("K", bound=Ordered)


@dataclass(frozen=True, slots=True)
class Policy:
    """How many restore points each rule keeps: 0 is no such rule, all 0 keeps everything.

    Raise ValueError for a number below 0.
    """

    last: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            if (number := getattr(self, field.name)) < 0:
                raise ValueError(f"{field.name} is {number}; give 0 (no such rule) or more")


@dataclass(frozen=True, slots=True)
class Point(Generic[K]):
    """One good backup: when its operation ended (UTC), and the copy that holds its content."""

    at: datetime
    copy: K


@dataclass(frozen=True, slots=True)
class Copy(Generic[K]):
    """A file in the vault, made at `made_at` (UTC).

    `is_verified`: its bytes are whole as far as is known. `is_proven`: a restore of it succeeded.
    """

    key: K
    made_at: datetime
    is_verified: bool
    is_proven: bool


@dataclass(frozen=True, slots=True)
class Retained(Generic[K]):
    """`reasons`: each copy that stays, with why. `dropped`: each that may go, with why.

    Every copy is in exactly one. What stays is told from the newest, what goes from the oldest, so
    that a deletion that stops halfway has taken the oldest.
    """

    reasons: Mapping[K, tuple[str, ...]]
    dropped: Mapping[K, str]


@dataclass(frozen=True, slots=True)
class _Rule:
    """One kind of period; `name_of` names the one in which a local time lies, in their order."""

    word: str
    name_of: Callable[[datetime], str]


def _week(local: datetime) -> str:
    year, week, _ = local.isocalendar()
    return f"{year:04}-W{week:02}"


_RULES: Final = (
    _Rule("daily", lambda local: local.date().isoformat()),
    _Rule("weekly", _week),
    _Rule("monthly", lambda local: local.date().isoformat()[:7]),
    _Rule("yearly", lambda local: local.date().isoformat()[:4]),
)


@dataclass(frozen=True, slots=True)
class _Moment(Generic[K]):
    """A restore point on the wall clock of its job."""

    local: datetime
    copy: K


class _Application(Generic[K]):
    """A policy applied to restore points, given newest first; `kept` pairs copies with reasons."""

    def __init__(self, policy: Policy, moments: Sequence[_Moment[K]]) -> None:
        self._last = policy.last
        self.kept = [(moment.copy, f"last {policy.last}") for moment in moments[: policy.last]]
        self._periods: dict[_Rule, tuple[int, set[str]]] = {}
        for rule in _RULES:
            if number := getattr(policy, rule.word):
                self._periods[rule] = number, self._fill(rule, number, moments)

    def _fill(self, rule: _Rule, number: int, moments: Sequence[_Moment[K]]) -> set[str]:
        """Keep the newest of each period, then the oldest of all if there were too few periods."""
        filled: set[str] = set()
        for moment in moments:
            period = rule.name_of(moment.local)
            if period not in filled:
                filled.add(period)
                self.kept.append((moment.copy, f"{rule.word} {period}"))
                if len(filled) == number:
                    return filled
            elif moment is moments[-1]:
                self.kept.append((moment.copy, OLDEST))
        return filled

    def why_not(self, moment: _Moment[K]) -> str:
        """Say, rule by rule, why a restore point that none of them keeps is not kept."""
        words = [f"last {self._last}: not among them"] if self._last else []
        for rule, (number, filled) in self._periods.items():
            period = rule.name_of(moment.local)
            found = f"{period} has a newer one" if period in filled else f"before {min(filled)}"
            words.append(f"{rule.word} {number}: {found}")
        return "; ".join(words)


def keep(
    copies: Iterable[Copy[K]],
    points: Iterable[Point[K]],
    policy: Policy,
    *,
    zone: ZoneInfo,
) -> Retained[K]:
    """Tell which of a job's copies stay under the policy, and why; the module says by which rules.

    A copy to which no point refers counts as a point at its own `made_at`; a point on a copy that
    is not among `copies` cannot be restored and does not count. Of points at one instant the one
    whose copy was made later, then the one with the greater key, is the newer. The order of the
    arguments' items does not matter; the cost is O(n log n).

    Raise ValueError for two copies with one key.
    """
    held: dict[K, Copy[K]] = {}
    for copy in copies:
        if held.setdefault(copy.key, copy) is not copy:
            raise ValueError(f"two copies have the key {copy.key!r}; each needs its own")
    moments = _newest_first(held, points, zone)
    whole = [moment for moment in moments if held[moment.copy].is_verified]
    among_all, among_whole = _Application(policy, moments), _Application(policy, whole)

    found: dict[K, dict[str, None]] = {moment.copy: {} for moment in moments}
    everything = found if policy == Policy() else ()
    for key, reason in chain(
        among_whole.kept,
        among_all.kept,
        _protected(held, whole),
        ((key, NO_POLICY) for key in everything),
    ):
        found[key][reason] = None

    newest = {moment.copy: moment for moment in reversed(moments)}
    dropped = {}
    for key in reversed(found):
        if found[key]:
            continue
        if held[key].is_verified:
            dropped[key] = among_whole.why_not(newest[key])
        else:
            dropped[key] = f"damaged; {among_all.why_not(newest[key])}"
    reasons = {key: tuple(words) for key, words in found.items() if words}
    return Retained(reasons, dropped)


def _newest_first(
    held: Mapping[K, Copy[K]], points: Iterable[Point[K]], zone: ZoneInfo
) -> list[_Moment[K]]:
    """Give the restore points on copies that are held, at least one each, newest first."""
    known = {point for point in points if point.copy in held}
    pointless = held.keys() - {point.copy for point in known}
    known |= {Point(held[key].made_at, key) for key in pointless}
    ordered = sorted(
        known, key=lambda point: (point.at, held[point.copy].made_at, point.copy), reverse=True
    )
    return [_Moment(point.at.astimezone(zone), point.copy) for point in ordered]


def _protected(held: Mapping[K, Copy[K]], whole: Sequence[_Moment[K]]) -> Iterator[tuple[K, str]]:
    """Give what no policy may drop; `whole` are the restore points on whole copies."""
    for moment in whole[:1]:
        yield moment.copy, NEWEST_VERIFIED
    for moment in whole:
        if held[moment.copy].is_proven:
            yield moment.copy, NEWEST_PROVEN
            return


def clock_problem(newest: datetime | None, last_prune: datetime | None, now: datetime) -> str:
    """Say why the server's clock is not to be trusted with deleting anything, else "".

    `newest` is when the newest verdict was recorded, `last_prune` when the vault was last pruned,
    each None if there is none; all UTC. The clock is doubted when one of them is more than 5
    minutes in the future, or when the last prune is more than 30 days ago: the clock may have
    jumped ahead, or the server was off for long. Only people can tell which.
    """
    clock = f"the server's clock says {_utc(now)}"
    known = (("newest verdict was recorded at", newest), ("last prune was at", last_prune))
    for what, when in known:
        if when is not None and when - now > FUTURE_TOLERANCE:
            return f"the {what} {_utc(when)}, which is in the future: {clock}"
    if last_prune is not None and now - last_prune > MAX_PRUNE_GAP:
        return (
            f"the last prune was at {_utc(last_prune)}, more than {MAX_PRUNE_GAP.days} days ago:"
            f" {clock}"
        )
    return ""


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
