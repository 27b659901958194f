"""What is due by the time alone: reminders, digests, and who should know of what lasts.

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
from scanner.models.alert import known_at
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
            _catch_up(channels, silent, now)
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
    return Incident.objects.filter(ended_at=None).exclude(known_at(now))


def _catch_up(channels: list[Channel], silent: _Silence, now: datetime) -> int:
    """Tell those who should know by now of what lasts, and were not told.

    These are the channels that are told only of what lasts, and who became a recipient since it
    began: a new channel, a wider scope, another address.
    """
    news = IncidentEvent.objects.filter(incident=OuterRef("pk"), kind__in=planning.NEWS)
    newest = Subquery(news.order_by("-pk").values("pk")[:1])
    still = _unacknowledged(now).annotate(newest=newest)
    incidents = list(still.filter(newest__isnull=False).order_by("pk"))
    muted = silent.of(incidents)
    told = planning.told_of(one.pk for one in incidents)
    concerns = audience.concerns(incidents)
    made: list[Delivery] = []
    for incident in incidents:
        if incident.pk in muted or incident.facts.get("silent"):
            continue
        able = [one for one in channels if incident.opened_at <= now - one.escalation]
        concern = concerns.get(incident.pk, Concern())
        pairs = planning.who_is_told(able, incident.level, concern)
        event = IncidentEvent(pk=incident.newest, incident=incident)
        fresh = planning.others(pairs, told.get(incident.pk, set()))
        made += (planning.delivery(event, *pair, now=now) for pair in fresh)
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
        told = planning.told_of(one.pk for one in some)
        concerns = audience.concerns(some)
        for one in some:
            concern = concerns.get(one.pk, Concern())
            if not audience.reaches(channel, one.level, concern):
                continue
            now_told = {(channel.pk, who) for who in audience.recipients(channel, concern)}
            incidents[one.pk] = one
            due[one.pk] |= told[one.pk] & now_told
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
    admins = audience.addresses(",".join(conf.admin_email_recipients()))
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
            is_of_all = not any((channel.company, channel.city, channel.neighborhood))
            is_same = (
                bool(recipient) and is_of_all and (not channel.is_builtin or recipient in admins)
            )
            made.setdefault(
                ("", recipient) if is_same else (str(channel.pk), recipient),
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
