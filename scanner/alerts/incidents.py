"""The one writer of incidents: what is opened, changed and ended is collected, and written in bulk.

Statements grow by batches, whatever the number of incidents.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Count

from scanner import access
from scanner.access import Companies
from scanner.alerts.conditions import Condition
from scanner.alerts.grouping import KINDS, Group
from scanner.alerts.standing import Standing
from scanner.models import ExpectedBackupJob, Incident, IncidentEvent, IncidentMember
from scanner.models.batch import BATCH, batches
from scanner.models.channel import AlertLevel
from scanner.pipeline.verdict import GOOD

Kind = Incident.Kind
Event = IncidentEvent.Kind
End = Incident.End

_CHANGEABLE = (
    "key",
    "level",
    "status",
    "reason",
    "facts",
    "opened_at",
    "ended_at",
    "end",
    "acknowledged_at",
    "acknowledged_by",
    "acknowledged_note",
    "acknowledged_until",
)
_PLACE_FIELDS = ("company", "city", "neighborhood", "agent_id")
_LONGEST_KEY = 700


def job_key(job_id: int, level: AlertLevel | str) -> str:
    """Give the key of an incident of one job."""
    return f"job:{job_id}:{AlertLevel(level).value}"


def place_key(group: Group) -> str:
    """Give the key of an incident of a place."""
    key = f"place:{group.kind}:{'|'.join(group.names)}:{group.reason}"
    if len(key) > _LONGEST_KEY:
        key = f"place:{group.kind}:{hashlib.sha256(key.encode()).hexdigest()}"
    return key


def group_of(incident: Incident) -> Group:
    """Give the place that an incident is of."""
    kinds = KINDS[: KINDS.index(incident.facts["place"]) + 1]
    fields = _PLACE_FIELDS[: len(kinds)]
    return Group(tuple(getattr(incident, field) for field in fields), incident.reason)


class Book:
    """What one pass makes of the incidents; nothing is stored before `write`."""

    def __init__(self, now: datetime, *, is_silent: bool = False) -> None:
        self.now = now
        self._is_silent = is_silent
        self.events: list[IncidentEvent] = []
        self._new: list[Incident] = []
        self._changed: dict[int, Incident] = {}
        self._joined: list[IncidentMember] = []
        self._left: dict[int, IncidentMember] = {}
        self._renewed: dict[int, IncidentMember] = {}

    def open_job(self, job: ExpectedBackupJob, standing: Standing) -> None:
        """Open the incident of one job."""
        incident = self._open(
            kind=Kind.JOB.value,
            key=job_key(job.pk, standing.level),
            company=job.company_name,
            city=job.city,
            neighborhood=job.neighborhood,
            agent_id=job.agent_id,
            name=job.database_name,
            job=job,
            since=_since(job, standing, self.now),
            **_words(standing),
        )
        self.join(incident, job, standing)
        self.tell(incident, Event.OPENED, count=1, of=1, joined=1)

    def open_place(self, group: Group, level: AlertLevel, since: datetime) -> Incident:
        """Open the incident of a place; it is told once its members are counted."""
        return self._open(
            kind=Kind.PLACE.value,
            key=place_key(group),
            level=level.value,
            status="MISSING",
            reason=group.reason,
            name=group.names[-1],
            since=since,
            facts={"place": group.kind, "told": 0},
            **dict(zip(_PLACE_FIELDS, group.names, strict=False)),
        )

    def open_condition(self, condition: Condition, *, ended: bool = False) -> None:
        """Open the incident of something that is no job's; perhaps one that is over already."""
        places = [list(place) for place in condition.places]
        incident = self._open(
            kind=condition.kind.value,
            key=condition.key,
            level=condition.level.value,
            reason=condition.reason,
            name=condition.name[:300],
            since=condition.since,
            facts={**condition.facts, "serial": condition.serial, "places": places},
        )
        if ended:
            incident.ended_at, incident.end = self.now, End.RECOVERED.value
        self.tell(incident, Event.OPENED)

    def join(self, incident: Incident, job: ExpectedBackupJob, standing: Standing) -> None:
        """Let a job be a member from now on."""
        self._joined.append(
            IncidentMember(
                incident=incident,
                job=job,
                entry_id=job.last_entry_id,
                since=_since(job, standing, self.now),
                joined_at=self.now,
            )
        )

    def leave(self, member: IncidentMember) -> None:
        """Let a job be a member no more."""
        member.left_at = self.now
        self._left[member.pk] = member

    def renew(self, member: IncidentMember, job: ExpectedBackupJob) -> None:
        """Let a member know the job's newest verdict."""
        if member.entry_id != job.last_entry_id:
            member.entry_id = job.last_entry_id
            self._renewed[member.pk] = member

    def change(self, incident: Incident, **fields: Any) -> None:
        """Change an incident without telling of it."""
        for name, value in fields.items():
            setattr(incident, name, value)
        if not incident._state.adding:
            self._changed[incident.pk] = incident

    def restate(self, incident: Incident, job: ExpectedBackupJob, standing: Standing) -> None:
        """Let the incident of a job say how it stands now."""
        self.change(incident, key=job_key(job.pk, standing.level), **_words(standing))

    def end(self, incident: Incident, how: Incident.End) -> None:
        """End an incident; all but one that became part of another is told."""
        self.change(incident, ended_at=self.now, end=how.value)
        if how is not End.FOLDED:
            job = incident.job
            well = job.status_since if job and job.status in GOOD else None
            at = well.isoformat() if well and well > incident.since else None
            self.tell(incident, Event.RECOVERED, how=how.value, count=0, well_since=at)

    def tell(self, incident: Incident, kind: IncidentEvent.Kind, **facts: Any) -> None:
        """Let something that happened be told; news end an acknowledgement."""
        if kind in (Event.CHANGED, Event.GROWN) and incident.acknowledged_at is not None:
            self.change(
                incident,
                acknowledged_at=None,
                acknowledged_by="",
                acknowledged_note="",
                acknowledged_until=None,
            )
        known = {
            "level": incident.level,
            "status": incident.status,
            "reason": incident.reason,
            "warnings": incident.facts.get("warnings", []),
        }
        entry = incident.job.last_entry_id if incident.job is not None else None
        self.events.append(
            IncidentEvent(
                incident=incident,
                kind=kind.value,
                at=self.now,
                entry_id=entry,
                facts=known | facts,
            )
        )

    def write(self) -> None:
        """Store all but the events: what ends and leaves first, so that it makes room."""
        IncidentMember.objects.bulk_update(self._left.values(), ("left_at",), batch_size=BATCH)
        Incident.objects.bulk_update(self._changed.values(), _CHANGEABLE, batch_size=BATCH // 5)
        IncidentMember.objects.bulk_update(self._renewed.values(), ("entry",), batch_size=BATCH)
        Incident.objects.bulk_create(self._new, batch_size=BATCH // 5)
        for member in self._joined:
            member.incident = member.incident  # which has its key by now
        IncidentMember.objects.bulk_create(self._joined, batch_size=BATCH)
        self._new, self._joined = [], []
        self._changed, self._left, self._renewed = {}, {}, {}

    def write_events(self) -> list[IncidentEvent]:
        """Store the events, and give them."""
        for event in self.events:
            event.incident = event.incident  # which has its key by now
        IncidentEvent.objects.bulk_create(self.events, batch_size=BATCH)
        return self.events

    def _open(self, **fields: Any) -> Incident:
        incident = Incident(opened_at=self.now, **fields)
        if self._is_silent:
            incident.facts = {**incident.facts, "silent": True}
        self._new.append(incident)
        return incident


def count_members(
    incidents: Iterable[Incident], companies: Companies = access.EVERY
) -> dict[int, int]:
    """Count the members, of these companies, that each incident has now."""
    counts: dict[int, int] = {}
    for some in batches(sorted({incident.pk for incident in incidents})):
        members = IncidentMember.objects.filter(incident_id__in=some, left_at=None).order_by()
        members = access.visible(members, companies)
        counts |= dict(members.values_list("incident_id").annotate(Count("pk")))
    return counts


def _words(standing: Standing) -> dict[str, Any]:
    return {
        "level": standing.level.value,
        "status": standing.status,
        "reason": standing.reason,
        "facts": {"warnings": list(standing.warnings)},
    }


def _since(job: ExpectedBackupJob, standing: Standing, now: datetime) -> datetime:
    return (job.status_since if standing.status else None) or now
