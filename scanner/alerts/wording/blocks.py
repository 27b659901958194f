"""What a message says of one incident: a headline, facts with their names, what to try, a link."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from scanner import conf
from scanner.alerts.wording import advice, units
from scanner.alerts.wording.headlines import OF_REASON, headline, recovery
from scanner.alerts.wording.items import Item
from scanner.models import BackupEntry, ExpectedBackupJob, Incident, IncidentEvent
from scanner.pipeline.text import clean

Kind = IncidentEvent.Kind
Fact = tuple[str, str]
"""The name of a fact, and what it is."""

LONGEST_WORDS = 600
_DIGEST = 12

_TAGS = {
    (Kind.RECOVERED.value, True): gettext_lazy("OK"),
    (Kind.RECOVERED.value, False): gettext_lazy("OK"),
    (Kind.PARTLY.value, True): gettext_lazy("BETTER"),
    (Kind.PARTLY.value, False): gettext_lazy("BETTER"),
    (Kind.REMINDER.value, True): gettext_lazy("REMINDER"),
    (Kind.REMINDER.value, False): gettext_lazy("REMINDER"),
}


@dataclass(frozen=True, slots=True)
class Block:
    """One incident in words. `tone` is problem, warning or good, for its colour."""

    tag: str
    tone: str
    headline: str
    facts: tuple[Fact, ...] = ()
    members: tuple[Fact, ...] = ()
    advice: str = ""
    url: str = ""


def tag(item: Item) -> str:
    """Give the one word that a subject begins with."""
    if words := _TAGS.get((item.kind, item.is_problem)):
        return str(words)
    return _("PROBLEM") if item.is_problem else _("WARNING")


def line(item: Item, now: datetime) -> str:
    """Say what happened to an incident in one line."""
    incident = item.incident
    lasted = units.length((incident.ended_at or now) - incident.since)
    if item.kind == Kind.RECOVERED.value:
        return recovery(incident, item.event.facts, lasted)
    words = headline(incident, item.event.facts)
    if item.kind == Kind.PARTLY.value:
        return _("%(what)s (%(left)d came again)") % {
            "what": words,
            "left": item.event.facts.get("left", 0),
        }
    if item.kind == Kind.REMINDER.value:
        return _("%(what)s (for %(time)s)") % {"what": words, "time": lasted}
    return words


def block(item: Item, now: datetime) -> Block:
    """Give all that is said of an incident."""
    is_good = item.kind == Kind.RECOVERED.value
    more = item.member_count - len(item.members)
    members = [(member.job.database_name, _age(member.job, now)) for member in item.members]
    if more > 0:
        words = ngettext("and %(count)d more", "and %(count)d more", more) % {"count": more}
        members.append((words, ""))
    return Block(
        tag=tag(item),
        tone="good" if is_good else "problem" if item.is_problem else "warning",
        headline=line(item, now),
        facts=tuple(_facts(item, now)),
        members=tuple(members) if not is_good else (),
        advice="" if is_good else advice.for_reason(item.event.facts.get("reason", "")),
        url=url_of(item.incident),
    )


def brief(item: Item, now: datetime) -> Block:
    """Give an incident as one line with its link."""
    tone = "good" if item.kind == Kind.RECOVERED.value else "warning"
    tone = "problem" if item.is_problem and tone != "good" else tone
    return Block(tag(item), tone, line(item, now), url=url_of(item.incident))


def url_of(incident: Incident) -> str:
    """Give the address of an incident's page."""
    return f"{conf.site_url()}{reverse('admin:scanner_incident_change', args=[incident.pk])}"


def _facts(item: Item, now: datetime) -> Iterator[Fact]:
    incident = item.incident
    names = [incident.company, incident.city, incident.neighborhood]
    if where := " / ".join(filter(None, names)):
        if incident.agent_id:
            where = _("%(place)s, agent %(agent)s") % {"place": where, "agent": incident.agent_id}
        yield _("Where"), where
    yield (
        _("Since"),
        _("%(moment)s, for %(time)s")
        % {
            "moment": units.moment(incident.since),
            "time": units.length((incident.ended_at or now) - incident.since),
        },
    )
    if incident.ended_at is not None:
        yield _("Over since"), units.moment(incident.ended_at)
    if incident.job is not None:
        yield _("Last good copy"), _last_good(incident.job, now)
        yield from _of_entry(item.event.entry or incident.job.last_entry)
    yield from _of_others(incident)
    warnings = item.event.facts.get("warnings") or ()
    if len(warnings) > 1:
        words = ", ".join(str(OF_REASON.get(warning, warning)) for warning in warnings)
        yield _("Warnings"), words
    if incident.acknowledged_at is not None and item.kind != Kind.RECOVERED.value:
        yield _("Acknowledged by"), incident.acknowledged_by


def _last_good(job: ExpectedBackupJob, now: datetime) -> str:
    if job.last_good_at is None:
        return _("none yet")
    words = {
        "moment": units.moment(job.last_good_at),
        "age": units.length(now - job.last_good_at),
        "size": units.size(job.last_size or 0),
    }
    return _("%(moment)s, %(age)s old, %(size)s") % words


def _age(job: ExpectedBackupJob, now: datetime) -> str:
    if job.last_good_at is None:
        return _("no good copy yet")
    return _("last good copy %(age)s old") % {"age": units.length(now - job.last_good_at)}


def _of_entry(entry: BackupEntry | None) -> Iterator[Fact]:
    """Give what was found in the bytes beside what was claimed, and the words of the verdict."""
    if entry is None:
        return
    if entry.message:
        yield _("What was found"), clean(entry.message, LONGEST_WORDS)
    for name, claimed, measured in (
        (_("Size"), entry.claimed_size, entry.size),
        (_("Size of the dump"), entry.claimed_content_size, entry.content_size),
    ):
        if claimed is not None and measured is not None and claimed != measured:
            yield (
                name,
                _("claimed %(claimed)s (%(claimed_bytes)d B), measured %(size)s (%(bytes)d B)")
                % {
                    "claimed": units.size(claimed),
                    "claimed_bytes": claimed,
                    "size": units.size(measured),
                    "bytes": measured,
                },
            )
    if entry.claimed_sha256 and entry.sha256 and entry.claimed_sha256 != entry.sha256:
        yield (
            _("SHA-256"),
            _("claimed %(claimed)s…, measured %(measured)s…")
            % {
                "claimed": entry.claimed_sha256[:_DIGEST],
                "measured": entry.sha256[:_DIGEST],
            },
        )


def _of_others(incident: Incident) -> Iterator[Fact]:
    """Give what is known of an incident that is no job's."""
    facts = incident.facts
    if words := facts.get("error"):
        yield _("What was found"), clean(str(words), LONGEST_WORDS)
    if until := facts.get("until"):
        yield _("Until"), units.moment(datetime.fromisoformat(until))
        leader = {"pid": facts.get("pid"), "host": facts.get("host")}
        yield _("Leads now"), _("process %(pid)s on %(host)s") % leader
    for sample in facts.get("samples", ()):
        words = clean(str(sample.get("message", "")), LONGEST_WORDS)
        if sample.get("is_last_good"):
            words = _("%(words)s It is the last good copy of %(job)s.") % {
                "words": words,
                "job": sample.get("job", ""),
            }
        yield clean(str(sample.get("path", "")), LONGEST_WORDS), words
