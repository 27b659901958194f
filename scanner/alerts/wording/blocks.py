"""What a message says of one incident: a headline, facts with their names, what to try, a link."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _

from scanner import conf
from scanner.alerts.wording import advice, facts, units
from scanner.alerts.wording.facts import Fact
from scanner.alerts.wording.headlines import headline, partly, recovery
from scanner.alerts.wording.items import Item, Kind
from scanner.models import Incident


@dataclass(frozen=True, slots=True)
class Block:
    """One incident in words. `tone` is problem, warning or good, for its colour."""

    tag: str
    tone: str
    headline: str
    facts: tuple[Fact, ...] = ()
    members: tuple[Fact, ...] = ()
    advice: str = ""
    links: tuple[Fact, ...] = ()


def tag(item: Item) -> str:
    """Give the one word that a subject begins with."""
    match item.kind:
        case Kind.RECOVERED.value if item.incident.end == Incident.End.PAUSED.value:
            return _("PAUSED")
        case Kind.RECOVERED.value:
            return _("OK")
        case Kind.PARTLY.value:
            return _("BETTER")
        case Kind.REMINDER.value:
            return _("REMINDER")
    return _("PROBLEM") if item.is_problem else _("WARNING")


def line(item: Item, now: datetime) -> str:
    """Say what happened to an incident in one line."""
    incident = item.incident
    lasted = units.length((incident.ended_at or now) - incident.since)
    if item.kind == Kind.RECOVERED.value:
        return recovery(incident, lasted)
    if item.kind == Kind.PARTLY.value:
        return partly(incident, item.event.facts)
    words = headline(incident, item.event.facts)
    if item.is_folded:
        return _("%(what)s (part of a wider incident by now)") % {"what": words}
    if item.kind == Kind.REMINDER.value:
        return _("%(what)s (for %(time)s)") % {"what": words, "time": lasted}
    return words


def block(item: Item, now: datetime) -> Block:
    """Give all that is said of an incident."""
    is_good = item.kind == Kind.RECOVERED.value
    more = item.member_count - len(item.members)
    members = [facts.of_member(item.incident, member, now) for member in item.members]
    if more > 0:
        members.append((facts.and_more(more), ""))
    return Block(
        tag=tag(item),
        tone="good" if is_good else "problem" if item.is_problem else "warning",
        headline=line(item, now),
        facts=tuple(facts.of_item(item, now)),
        members=tuple(members) if not is_good else (),
        advice="" if is_good else advice.for_reason(item.event.facts.get("reason", "")),
        links=(link_to(item.incident), *_link_to_job(item.incident)),
    )


def brief(item: Item, now: datetime) -> Block:
    """Give an incident as one line with its link."""
    tone = "good" if item.kind == Kind.RECOVERED.value else "warning"
    tone = "problem" if item.is_problem and tone != "good" else tone
    return Block(tag(item), tone, line(item, now), links=(link_to(item.incident),))


def url_of(incident: Incident) -> str:
    """Give the address of an incident's page."""
    return f"{conf.site_url()}{reverse('admin:scanner_incident_change', args=[incident.pk])}"


def link_to(incident: Incident) -> Fact:
    """Give what is said of the link to an incident's page, and its address."""
    return _("Open the incident"), url_of(incident)


def link_to_all() -> Fact:
    """Give what is said of the link to the site, and its address."""
    return _("Open backupmonitor"), f"{conf.site_url()}/"


def _link_to_job(incident: Incident) -> Iterator[Fact]:
    if incident.job_id is not None:
        page = reverse("admin:scanner_expectedbackupjob_change", args=[incident.job_id])
        yield _("Open the backup"), f"{conf.site_url()}{page}"
