"""What is known of an incident, as facts with their names; and of its members."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from scanner.alerts.wording import units
from scanner.alerts.wording.headlines import OF_REASON, name_of, one_line
from scanner.alerts.wording.items import Item, Kind
from scanner.models import BackupEntry, ExpectedBackupJob, Incident, IncidentMember

Fact = tuple[str, str]
"""The name of a fact, and what it is."""

LONGEST_WORDS = 600
PLACES = 5
_LONGEST_NOTE = 200
_DIGEST = 12


def and_more(count: int) -> str:
    """Say that a list has so many more, untold."""
    return ngettext("and %(count)d more", "and %(count)d more", count) % {"count": count}


def acknowledgement(incident: Incident) -> str:
    """Say who knows of an incident, until when that counts, and his note."""
    until = incident.acknowledged_until
    who = one_line(incident.acknowledged_by)
    if until is not None:
        who = _("%(who)s, until %(moment)s") % {"who": who, "moment": units.moment(until)}
    if incident.acknowledged_note:
        note = one_line(incident.acknowledged_note, _LONGEST_NOTE)
        who = _("%(who)s: “%(note)s”") % {"who": who, "note": note}
    return who


def of_item(item: Item, now: datetime) -> Iterator[Fact]:
    """Give what is known of an incident, what is new first."""
    incident = item.incident
    if news := _news(item):
        yield _("News"), news
    if incident.job is not None:
        yield _("Database"), one_line(incident.name)
    if where := _where(incident):
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
    if not item.is_over and incident.is_known(now):
        yield _("Acknowledged by"), acknowledgement(incident)


def _news(item: Item) -> str:
    """Say what happened to an incident that was told of before."""
    joined = int(item.event.facts.get("joined") or 0)
    match item.kind:
        case Kind.CHANGED.value:
            return _("It is another trouble than before, or a worse one.")
        case Kind.GROWN.value if joined:
            words = ngettext(
                "It has grown: %(count)d more than when it was told last.",
                "It has grown: %(count)d more than when it was told last.",
                joined,
            )
            return words % {"count": joined}
        case Kind.GROWN.value:
            return _("More of it has been found.")
        case Kind.REMINDER.value:
            return _("It still lasts, and nobody has acknowledged it.")
    return ""


def _where(incident: Incident) -> str:
    """Give the whole place of an incident; of the vault's, the first places of its jobs."""
    if where := _joined((incident.company, incident.city, incident.neighborhood)):
        if incident.agent_id:
            agent = one_line(incident.agent_id)
            return _("%(place)s, agent %(agent)s") % {"place": where, "agent": agent}
        return where
    places = [_joined(names) for names in incident.facts.get("places", ())]
    if len(places) > PLACES:
        places[PLACES:] = [and_more(len(places) - PLACES)]
    return "; ".join(places)


def _joined(names: Sequence[str]) -> str:
    return " / ".join(one_line(name) for name in names if name)


def of_member(incident: Incident, member: IncidentMember, now: datetime) -> Fact:
    """Name a member, with its place where the incident's own is wider, and tell its last copy."""
    job = member.job
    names = [job.city, job.neighborhood, job.database_name]
    names = names[2:] if incident.neighborhood else names[1:] if incident.city else names
    return " / ".join(name_of(name) for name in names), _age(job, now)


def _last_good(job: ExpectedBackupJob, now: datetime) -> str:
    if job.last_good_at is None:
        return _("none yet")
    words = {
        "moment": units.moment(job.last_good_at),
        "age": units.length(now - job.last_good_at),
        "size": units.size(job.last_size or 0),
    }
    entry = job.last_good_entry
    if entry is not None and (not entry.vault_path or entry.copy_deleted_at is not None):
        return _("%(moment)s, %(age)s old, %(size)s; not in the vault") % words
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
        yield _("What was found"), one_line(entry.message, LONGEST_WORDS)
    for name, claimed, measured in (
        (_("Size"), entry.claimed_size, entry.size),
        (_("Size of the dump"), entry.claimed_content_size, entry.content_size),
    ):
        if claimed is not None and measured is not None and claimed != measured:
            yield (
                name,
                _(
                    "claimed %(claimed)s (%(claimed_bytes)s bytes), "
                    "measured %(size)s (%(bytes)s bytes)"
                )
                % {
                    "claimed": units.size(claimed),
                    "claimed_bytes": units.exactly(claimed),
                    "size": units.size(measured),
                    "bytes": units.exactly(measured),
                },
            )
    for name, said, found in (
        (_("SHA-256"), entry.claimed_sha256, entry.sha256),
        (_("SHA-256 of the dump"), entry.claimed_content_sha256, entry.content_sha256),
    ):
        if said and found and said != found:
            digests = {"claimed": said[:_DIGEST], "measured": found[:_DIGEST]}
            yield name, _("claimed %(claimed)s…, measured %(measured)s…") % digests


def _of_others(incident: Incident) -> Iterator[Fact]:
    """Give what is known of an incident that is no job's."""
    facts = incident.facts
    if words := facts.get("error"):
        yield _("What was found"), one_line(str(words), LONGEST_WORDS)
    if (free := facts.get("free_bytes")) is not None:
        yield _("Free"), units.size(free)
    if until := facts.get("until"):
        yield _("Until"), units.moment(datetime.fromisoformat(until))
        leader = {"pid": facts.get("pid"), "host": one_line(str(facts.get("host")))}
        yield _("Leads now"), _("process %(pid)s on %(host)s") % leader
    for sample in facts.get("samples", ()):
        words = one_line(str(sample.get("message", "")), LONGEST_WORDS)
        if sample.get("is_last_good"):
            words = _("%(words)s It is the last good copy of %(job)s.") % {
                "words": words,
                "job": one_line(str(sample.get("job", ""))),
            }
        yield one_line(str(sample.get("path", "")), LONGEST_WORDS), words
