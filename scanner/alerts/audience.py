"""Who is to be told of an incident: the channels in whose scope it is, and their recipients."""

import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from scanner import conf
from scanner.models import Channel, Incident, IncidentMember
from scanner.models.batch import batches
from scanner.models.channel import AlertLevel

logger = logging.getLogger(__name__)

LONGEST_ADDRESS = 254
Place = tuple[str, str, str]
"""Company, city, neighborhood."""


@dataclass(slots=True)
class Concern:
    """Where an incident is, and whom its jobs name as recipients."""

    places: set[Place] = field(default_factory=set)
    recipients: set[str] = field(default_factory=set)


@lru_cache(maxsize=4096)  # so that what is none is logged once, and not each minute
def addresses(text: str) -> tuple[str, ...]:
    """Give the e-mail addresses of a list in lower case, each once; what is none is left out."""
    found: dict[str, None] = {}
    for word in filter(None, re.split(r"[,;\s]+", text)):
        try:
            validate_email(word)
        except ValidationError:
            logger.warning("among the recipients of a job or channel, one is no e-mail address")
            continue
        if len(word) <= LONGEST_ADDRESS:
            found[word.lower()] = None
    return tuple(found)


def concerns(incidents: Iterable[Incident]) -> dict[int, Concern]:
    """Give what each incident concerns, by its key: of members, those of now and those who left."""
    incidents = list(incidents)
    found: defaultdict[int, Concern] = defaultdict(Concern)
    for incident in incidents:
        for place in incident.facts.get("places", ()):
            found[incident.pk].places.add((place[0], place[1], place[2]))
    fields = ("company_name", "city", "neighborhood", "notification_recipients")
    for some in batches([incident.pk for incident in incidents]):
        members = IncidentMember.objects.filter(incident_id__in=some).order_by()
        rows = members.values_list("incident_id", *(f"job__{name}" for name in fields)).distinct()
        for key, company, city, neighborhood, recipients in rows:
            found[key].places.add((company, city, neighborhood))
            found[key].recipients.update(addresses(recipients))
    return found


def reaches(channel: Channel, level: str, concern: Concern) -> bool:
    """Tell whether a channel is told of something of this level at these places.

    What has no place is told only to channels that are told of all places.
    """
    if channel.level == AlertLevel.PROBLEM.value and level != AlertLevel.PROBLEM.value:
        return False
    scope = [name.casefold() for name in (channel.company, channel.city, channel.neighborhood)]
    if not any(scope):
        return True
    return any(
        all(mine in ("", name.casefold()) for mine, name in zip(scope, place, strict=True))
        for place in concern.places
    )


def recipients(channel: Channel, concern: Concern) -> Sequence[str]:
    """Give whom a channel tells: addresses for mail, else one nameless recipient."""
    if channel.kind != Channel.Kind.EMAIL.value:
        return [""]
    if not channel.is_builtin:
        return addresses(channel.address)
    admins = addresses(",".join(conf.admin_email_recipients()))
    return sorted({*admins, *concern.recipients})
