"""What a message tells of: its events, one for each incident, the worst first.

Of any number of events no more rows are read whole than are shown.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import Count, F, Window
from django.db.models.functions import RowNumber

from scanner.models import Delivery, Incident, IncidentEvent, IncidentMember
from scanner.models.batch import batches
from scanner.models.channel import AlertLevel

Kind = IncidentEvent.Kind

IN_FULL = 30
IN_A_LINE = 100
MEMBERS = 20
_NEWS = (Kind.OPENED.value, Kind.CHANGED.value)
_URGENT = (*_NEWS, Kind.GROWN.value, Kind.JOINED.value)
_FOLDED = Incident.End.FOLDED.value
_GRAVITY = (
    Incident.Kind.SCAN.value,
    Incident.Kind.PLACE.value,
    Incident.Kind.VAULT.value,
    Incident.Kind.JOB.value,
    Incident.Kind.SCHEDULER.value,
    Incident.Kind.TASK.value,
    Incident.Kind.CHANNEL.value,
)
"""Of two equally new troubles the one that keeps more from being safe comes first."""


@dataclass(slots=True)
class Item:
    """One incident to be told of: the event that says it, and how the incident is by now."""

    incident: Incident
    event: IncidentEvent
    kind: str
    members: list[IncidentMember] = field(default_factory=list)
    member_count: int = 0

    @property
    def is_problem(self) -> bool:
        """Whether it is a problem, rather than a warning."""
        return bool(self.event.facts.get("level") == AlertLevel.PROBLEM.value)

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.incident.ended_at is not None

    @property
    def is_folded(self) -> bool:
        """Whether it became part of another incident, which tells of it from then on."""
        return self.is_over and self.incident.end == _FOLDED


@dataclass(frozen=True, slots=True)
class _Brief:
    """What decides about the order: few columns, of each event."""

    event: int
    incident: int
    kind: str
    level: str
    count: int
    of_kind: str
    end: str


@dataclass(frozen=True, slots=True)
class Items:
    """The incidents of a message: those shown, the worst first, and the counts of all.

    `is_urgent` tells whether one of them is a problem that is new, or worse than before.
    """

    shown: tuple[Item, ...]
    problems: int
    warnings: int
    recovered: int
    total: int
    is_urgent: bool


def read(deliveries: Sequence[Delivery]) -> Items:
    """Give what the deliveries of one recipient tell of."""
    keys = [one.event_id for one in deliveries if one.event_id is not None]
    briefs: defaultdict[int, list[_Brief]] = defaultdict(list)
    for some in batches(keys):
        rows = IncidentEvent.objects.filter(pk__in=some).order_by("pk")
        fields = ("kind", "facts__level", "facts__count", "incident__kind", "incident__end")
        for key, incident, kind, level, count, *rest in rows.values_list(
            "pk", "incident_id", *fields
        ):
            briefs[incident].append(_Brief(key, incident, kind, level, count or 0, *rest))
    told = sorted((_told(some) for some in briefs.values()), key=_rank)
    kinds = {brief.event: kind for kind, brief in told}
    first = [brief.event for _, brief in told[: IN_FULL + IN_A_LINE]]
    events = IncidentEvent.objects.select_related(
        "entry", "incident__job__last_entry", "incident__job__last_good_entry"
    ).in_bulk(first)
    shown = [Item(events[key].incident, events[key], kinds[key]) for key in first if key in events]
    _with_members(shown[:IN_FULL])
    over = sum(kind == Kind.RECOVERED.value for kind, _ in told)
    going_on = [
        (kind, brief.level == AlertLevel.PROBLEM.value)
        for kind, brief in told
        if kind != Kind.RECOVERED.value and brief.end != _FOLDED
    ]
    problems = sum(is_problem for _, is_problem in going_on)
    is_urgent = any(is_problem and kind in _URGENT for kind, is_problem in going_on)
    return Items(tuple(shown), problems, len(going_on) - problems, over, len(told), is_urgent)


def _told(briefs: list[_Brief]) -> tuple[str, _Brief]:
    """Give as what an incident is told, and by which of its events: the newest counts.

    What ended while its message waited is told as over; a time without a scheduler is over whenever
    it is found.
    """
    newest = briefs[-1]
    is_over = newest.end not in ("", _FOLDED)
    if is_over and newest.of_kind != Incident.Kind.SCHEDULER.value:
        return Kind.RECOVERED.value, newest
    news = [brief.kind for brief in briefs if brief.kind in _NEWS]
    return (news[0] if news else newest.kind), newest


def _rank(told: tuple[str, _Brief]) -> tuple[int, ...]:
    kind, brief = told
    is_warning = brief.level != AlertLevel.PROBLEM.value
    if kind == Kind.RECOVERED.value:
        place = 9
    elif brief.end == _FOLDED:
        place = 10
    elif kind == Kind.PARTLY.value:
        place = 6
    elif kind == Kind.REMINDER.value:
        place = 5 + 2 * is_warning
    else:
        place = (0 if kind in _NEWS else 1) + 3 * is_warning
    return place, _GRAVITY.index(brief.of_kind), -brief.count, brief.event


def _with_members(items: Sequence[Item]) -> None:
    """Give the items of places their first members: one statement, and one to count them."""
    places = {
        item.incident.pk: item for item in items if item.incident.kind == Incident.Kind.PLACE.value
    }
    if not places:
        return
    members = IncidentMember.objects.filter(incident__in=list(places), left_at=None)
    counted = members.order_by().values_list("incident_id").annotate(Count("pk"))
    for key, count in counted:
        places[key].member_count = count
    order = ("job__city", "job__neighborhood", "job__database_name", "pk")
    first = Window(RowNumber(), partition_by=[F("incident")], order_by=list(order))
    rows = members.select_related("job").annotate(number=first).filter(number__lte=MEMBERS)
    for member in rows.order_by("incident", "number"):
        places[member.incident_id].members.append(member)
