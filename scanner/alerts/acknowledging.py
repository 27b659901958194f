"""Somebody says "I know": reminders and escalation stop, until it gets worse or time is over."""

from datetime import datetime

from django.db import transaction

from scanner.alerts.turn import take_turn
from scanner.models import Incident, IncidentEvent


def acknowledge(
    key: int, *, by: str, note: str, now: datetime, until: datetime | None = None
) -> bool:
    """Acknowledge an open incident (its primary key); give whether it was still open.

    `until` is when the acknowledgement ends by itself; None: with the incident. A second one takes
    the place of the first.
    """
    with transaction.atomic():
        take_turn()
        incident = Incident.objects.filter(pk=key, ended_at=None).first()
        if incident is None:
            return False
        incident.acknowledged_at = now
        incident.acknowledged_by = by
        incident.acknowledged_note = note
        incident.acknowledged_until = until
        incident.save(
            update_fields=(
                "acknowledged_at",
                "acknowledged_by",
                "acknowledged_note",
                "acknowledged_until",
            )
        )
        facts = {"by": by, "note": note, "until": until.isoformat() if until else None}
        IncidentEvent.objects.create(
            incident=incident, kind=IncidentEvent.Kind.ACKNOWLEDGED.value, at=now, facts=facts
        )
    return True


def unacknowledge(key: int, *, by: str, now: datetime) -> bool:
    """Withdraw an acknowledgement; give whether there was one."""
    with transaction.atomic():
        take_turn()
        acknowledged = Incident.objects.filter(pk=key, ended_at=None, acknowledged_at__isnull=False)
        if not acknowledged.update(
            acknowledged_at=None,
            acknowledged_by="",
            acknowledged_note="",
            acknowledged_until=None,
        ):
            return False
        IncidentEvent.objects.create(
            incident_id=key,
            kind=IncidentEvent.Kind.UNACKNOWLEDGED.value,
            at=now,
            facts={"by": by},
        )
    return True
