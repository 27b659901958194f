"""What is due by the time alone: escalations, reminders and digests.

An incident keeps silent while somebody has acknowledged it, and while all of its jobs are in a
maintenance window (or one lies over everything).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Max, OuterRef, Q, QuerySet, Subquery

from scanner import conf
from scanner.alerts import audience, maintenance, planning
from scanner.alerts.audience import Concern
from scanner.alerts.maintenance import Windows
from scanner.alerts.turn import take_turn
from scanner.models import (
    Channel,
    Delivery,
    ExpectedBackupJob,
    Incident,
    IncidentEvent,
    IncidentMember,
    Recipient,
)
from scanner.models.batch import BATCH, batches
from scanner.models.channel import Rhythm

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
_MONDAY = 0


def plan_due(*, now: datetime) -> int:
    """Store the deliveries that are due by the time alone; give how many there are."""
    with transaction.atomic():
        take_turn()
        channels = planning.enabled_channels()
        silent = _Silence(maintenance.read(now=now))
        return (
            _escalate(channels, silent, now)
            + _remind(channels, silent, now)
            + _digest(channels, now)
        )


class _Silence:
    """Tells which incidents keep silent as all of their jobs are in a maintenance window."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows

    def of(self, incidents: Iterable[Incident]) -> set[int]:
        keys = [incident.pk for incident in incidents]
        if not self._windows.active:
            return set()
        if self._windows.over_everything() is not None:
            return set(keys)
        muted: dict[int, bool] = {}
        for some in batches(keys):
            members = IncidentMember.objects.filter(incident_id__in=some, left_at=None)
            jobs = ExpectedBackupJob.objects.filter(memberships__in=members)
            fields = ("pk", "company_name", "city", "neighborhood", "agent_id")
            known = {job.pk: job for job in jobs.only(*fields).distinct()}
            for incident, job in members.order_by().values_list("incident_id", "job_id"):
                is_held = job in known and self._windows.until(known[job]) is not None
                muted[incident] = muted.get(incident, True) and is_held
        return {incident for incident, is_muted in muted.items() if is_muted}


def _unacknowledged(now: datetime) -> QuerySet[Incident]:
    """Give the open incidents that nobody says to know of."""
    known = Q(acknowledged_at__isnull=False) & (
        Q(acknowledged_until=None) | Q(acknowledged_until__gt=now)
    )
    return Incident.objects.filter(ended_at=None).exclude(known)


def _escalate(channels: list[Channel], silent: _Silence, now: datetime) -> int:
    """Tell the channels that are told only of what lasts."""
    made: list[Delivery] = []
    for channel in channels:
        if not channel.escalate_after_hours:
            continue
        newest = IncidentEvent.objects.filter(
            incident=OuterRef("pk"), kind__in=planning.NEWS
        ).order_by("-pk")
        told = Delivery.objects.filter(channel=channel, event__isnull=False)
        found = _unacknowledged(now).filter(opened_at__lte=now - channel.escalation)
        incidents = list(
            found.exclude(pk__in=told.values("event__incident_id"))
            .annotate(newest=Subquery(newest.values("pk")[:1]))
            .filter(newest__isnull=False)
            .order_by("pk")
        )
        muted = silent.of(incidents)
        concerns = audience.concerns(incidents)
        for incident in incidents:
            concern = concerns.get(incident.pk, Concern())
            if incident.pk in muted:
                continue
            for pair in planning.who_is_told([channel], incident.level, concern):
                event = IncidentEvent(pk=incident.newest, incident=incident)
                made.append(planning.delivery(event, *pair, now=now))
    Delivery.objects.bulk_create(made, batch_size=BATCH, ignore_conflicts=True)
    return len(made)


def _remind(channels: list[Channel], silent: _Silence, now: datetime) -> int:
    """Tell of what lasts, to those who were told before; one event an incident and pass."""
    due: defaultdict[int, set[planning.Told]] = defaultdict(set)
    incidents: dict[int, Incident] = {}
    for channel in channels:
        before = _remind_of_before(channel, now)
        if before is None:
            continue
        opened, told_until = before
        found = _unacknowledged(now).filter(
            opened_at__lte=opened, events__deliveries__channel=channel
        )
        newest = found.annotate(
            told=Max(
                "events__deliveries__created_at", filter=Q(events__deliveries__channel=channel)
            )
        )
        some = [one for one in newest.order_by("pk") if one.told < told_until]
        pairs = planning.told_of(one.pk for one in some)
        for one in some:
            incidents[one.pk] = one
            due[one.pk] |= {pair for pair in pairs[one.pk] if pair[0] == channel.pk}
    muted = silent.of(incidents.values())
    events = [
        IncidentEvent(
            incident=incident,
            kind=IncidentEvent.Kind.REMINDER.value,
            at=now,
            entry_id=None,
            facts={
                "level": incident.level,
                "status": incident.status,
                "reason": incident.reason,
                "warnings": incident.facts.get("warnings", []),
                "count": incident.facts.get("count", 1),
                "of": incident.facts.get("of", 1),
            },
        )
        for key, incident in sorted(incidents.items())
        if key not in muted and due[key]
    ]
    IncidentEvent.objects.bulk_create(events, batch_size=BATCH)
    made = [
        planning.delivery(event, *pair, now=now)
        for event in events
        for pair in sorted(due[event.incident_id])
    ]
    Delivery.objects.bulk_create(made, batch_size=BATCH)
    return len(made)


def _remind_of_before(channel: Channel, now: datetime) -> tuple[datetime, datetime] | None:
    """Give before when something must have opened, and last been told, to be told again now."""
    match channel.reminders:
        case Channel.Reminders.HOURLY.value:
            return now - HOUR, now - HOUR + timedelta(microseconds=1)
        case Channel.Reminders.DAILY.value:
            slot = latest_slot(channel, now)
            return slot - DAY, slot
    return None


def latest_slot(channel: Channel, now: datetime, *, weekday: int | None = None) -> datetime:
    """Give the newest time (UTC), not after `now`, at which the channel's hour struck.

    With a weekday (0 is Monday) on such a day. An hour that the clocks left out strikes with the
    one after it; one that they showed twice strikes the first time.
    """
    zone = ZoneInfo(channel.zone_name)
    day = now.astimezone(zone).date() + DAY
    while True:
        slot = datetime.combine(day, time(channel.reminder_hour), tzinfo=zone).astimezone(
            now.tzinfo
        )
        if slot <= now and weekday in (None, day.weekday()):
            return slot
        day -= DAY


def _digest(channels: list[Channel], now: datetime) -> int:
    """Store the newest digest that is due of each recipient who wants one."""
    wishes = {row.address: row.digest for row in Recipient.objects.exclude(digest="")}
    made: dict[tuple[str, str], Delivery] = {}
    for channel in channels:
        if channel.digest == Rhythm.OFF.value and not wishes:
            continue
        for recipient in _digest_recipients(channel):
            rhythm = wishes.get(recipient, channel.digest) if recipient else channel.digest
            if rhythm == Rhythm.OFF.value:
                continue
            weekday = _MONDAY if rhythm == Rhythm.WEEKLY.value else None
            slot = latest_slot(channel, now, weekday=weekday)
            if slot < channel.created_at or now - slot > DAY:
                continue  # it was due long ago: the next one tells all that it would have
            mailed = ("", recipient) if recipient else (str(channel.pk), "")
            made.setdefault(
                mailed,
                Delivery(
                    digest_at=slot,
                    channel=channel,
                    recipient=recipient,
                    next_try_at=now,
                    created_at=now,
                ),
            )
    known = set(
        Delivery.objects.filter(digest_at__gte=now - DAY)
        .order_by()
        .values_list("channel_id", "recipient", "digest_at")
    )
    new = [
        one for one in made.values() if (one.channel_id, one.recipient, one.digest_at) not in known
    ]
    Delivery.objects.bulk_create(new, batch_size=BATCH, ignore_conflicts=True)
    return len(new)


def _digest_recipients(channel: Channel) -> Iterator[str]:
    if not channel.is_builtin:
        yield from audience.recipients(channel, Concern())
        return
    named = ExpectedBackupJob.objects.filter(is_active=True).exclude(notification_recipients="")
    texts = named.order_by().values_list("notification_recipients", flat=True).distinct()
    jobs = {address for text in texts for address in audience.addresses(text)}
    admins = audience.addresses(",".join(conf.admin_email_recipients()))
    yield from sorted({*jobs, *admins})
