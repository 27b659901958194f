"""From events to deliveries: who is told of what, at once. What is due by time is in `due`.

1. What opens, or becomes another or a worse trouble, goes to each channel whose scope and level it
   is in, unless the channel is only told of what lasts.
2. What follows (grown, partly or wholly over, a reminder) goes to those who were told before, of it
   or of what became a part of it, and are recipients still. A job that joins or makes it grow may
   have people of its own: they are told then.
3. An address that two channels of mail would tell is told by the first of them.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from scanner.alerts import audience
from scanner.alerts.audience import Concern
from scanner.models import Channel, Delivery, IncidentEvent
from scanner.models.batch import BATCH, batches

Kind = IncidentEvent.Kind
NEWS = (Kind.OPENED.value, Kind.CHANGED.value)
GROWTH = (Kind.GROWN.value, Kind.JOINED.value)
SEQUELS = (Kind.GROWN.value, Kind.PARTLY.value, Kind.RECOVERED.value)
Told = tuple[int, str]
"""A channel's key, and a recipient."""


def plan(events: Sequence[IncidentEvent], *, now: datetime) -> int:
    """Store the deliveries of these new events; give how many there are.

    To be called in the transaction that made the events.
    """
    told_now = [event for event in events if event.kind in (*NEWS, *GROWTH, *SEQUELS)]
    channels = enabled_channels()
    at_once = [one for one in channels if not one.escalate_after_hours]
    by_key = {one.pk: one for one in channels}
    concerns = audience.concerns(event.incident for event in told_now)
    told = told_of({key for event in told_now for key in _parts(event)})
    deliveries: list[Delivery] = []
    for event in told_now:
        concern = concerns.get(event.incident_id, Concern())
        before = {pair for key in _parts(event) for pair in told.get(key, ())}
        pairs = []
        if event.kind in (*NEWS, *SEQUELS):
            pairs = sorted(p for p in before if is_still_told(by_key[p[0]], p[1], concern))
        if event.kind in (*NEWS, *GROWTH):
            pairs += others(who_is_told(at_once, event.facts["level"], concern), before)
        deliveries += (delivery(event, *pair, now=now) for pair in pairs)
    Delivery.objects.bulk_create(deliveries, batch_size=BATCH, ignore_conflicts=True)
    return len(deliveries)


def _parts(event: IncidentEvent) -> list[int]:
    """Give the incident of an event, and those that became part of it by the event."""
    return [event.incident_id, *event.facts.get("parts", ())]


def is_still_told(channel: Channel, recipient: str, concern: Concern) -> bool:
    """Tell whether a recipient who was told of something is one of the channel's still."""
    return recipient in audience.recipients(channel, concern)


def others(pairs: Iterable[Told], before: set[Told]) -> list[Told]:
    """Give those who were not told before, by this channel or to this address."""
    mailed = {recipient for _, recipient in before if recipient}
    return [pair for pair in pairs if pair not in before and pair[1] not in mailed]


def enabled_channels() -> list[Channel]:
    """Give the channels that are used, the one that is built in first."""
    return list(Channel.objects.filter(enabled=True).order_by("-is_builtin", "pk"))


def who_is_told(channels: Iterable[Channel], level: str, concern: Concern) -> list[Told]:
    """Give each channel and recipient that is told of something, each mail address once."""
    pairs: list[Told] = []
    mailed: set[str] = set()
    for channel in channels:
        if not audience.reaches(channel, level, concern):
            continue
        for recipient in audience.recipients(channel, concern):
            if recipient in mailed:
                continue
            if recipient:
                mailed.add(recipient)
            pairs.append((channel.pk, recipient))
    return pairs


def told_of(incidents: Iterable[int]) -> dict[int, set[Told]]:
    """Give who was, or will be, told of each incident (by its key) through an enabled channel."""
    told: defaultdict[int, set[Told]] = defaultdict(set)
    for some in batches(sorted(incidents)):
        rows = Delivery.objects.filter(event__incident_id__in=some, channel__enabled=True)
        fields = ("event__incident_id", "channel_id", "recipient")
        for incident, channel, recipient in rows.order_by().values_list(*fields).distinct():
            told[incident].add((channel, recipient))
    return told


def delivery(event: IncidentEvent, channel: int, recipient: str, *, now: datetime) -> Delivery:
    """Give the (unsaved) row of one event to be told."""
    return Delivery(
        event=event, channel_id=channel, recipient=recipient, next_try_at=now, created_at=now
    )
