"""Somebody says "I know": reminders and escalation stop, until it gets worse or time is over."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from scanner.alerts.turn import take_turn
from scanner.models import Incident, IncidentEvent
from scanner.models.batch import batches


def acknowledge(
    key: int, *, by: str, note: str, now: datetime, until: datetime | None = None
) -> bool:
    """Acknowledge an open incident (its primary key); give whether it was still open.

    `until` is when the acknowledgement ends by itself; None: with the incident. A second one takes
    the place of the first.
    """
    return acknowledge_all([key], by=by, note=note, now=now, until=until) == 1


def acknowledge_all(
    keys: Collection[int], *, by: str, note: str, now: datetime, until: datetime | None = None
) -> int:
    """Acknowledge those of the incidents that are open; give how many were."""
    kind = IncidentEvent.Kind.ACKNOWLEDGED.value
    facts = {"by": by, "note": note, "until": until.isoformat() if until else None}
    count = 0
    with transaction.atomic():
        take_turn()
        for some in batches(sorted(keys)):
            still = Incident.objects.filter(pk__in=some, ended_at=None).order_by("pk")
            open_ones = list(still.values_list("pk", flat=True))
            Incident.objects.filter(pk__in=open_ones).update(
                acknowledged_at=now,
                acknowledged_by=by,
                acknowledged_note=note,
                acknowledged_until=until,
            )
            IncidentEvent.objects.bulk_create(
                IncidentEvent(incident_id=one, kind=kind, at=now, facts=facts) for one in open_ones
            )
            count += len(open_ones)
    return count


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
