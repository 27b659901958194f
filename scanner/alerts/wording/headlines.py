"""One line that says what is wrong, and where."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy

from scanner.alerts.wording import units
from scanner.models import Incident
from scanner.pipeline.text import clean

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as Words

Kind = Incident.Kind
LONGEST_NAME = 60
LONGEST_LINE = 500
# Not split(): it would take the spaces that do not break for others.
_SPACES = re.compile(r"[ \t\r\n\v\f\u2028\u2029]+")
# A name that turns the direction of what follows would make a line say something else.
_TURNS = re.compile(r"[\u202a-\u202e\u2066-\u2069]")

OF_REASON: "Mapping[str, Words]" = {
    "backup_failed": gettext_lazy("the dump failed at the site"),
    "compress_failed": gettext_lazy("compression failed at the site"),
    "transfer_failed": gettext_lazy("the transfer failed"),
    "operation_failed": gettext_lazy("the agent's whole operation failed"),
    "unsafe_file": gettext_lazy("what was sent is no regular file"),
    "file_absent": gettext_lazy("the report came, its file did not"),
    "size_mismatch": gettext_lazy("its size is not the one that was sent"),
    "hash_mismatch": gettext_lazy("its checksum differs"),
    "unreadable_archive": gettext_lazy("the archive cannot be read"),
    "empty_dump": gettext_lazy("the dump is empty"),
    "content_mismatch": gettext_lazy("the dump inside is not the one that was made"),
    "truncated_dump": gettext_lazy("the dump is cut off"),
    "too_small": gettext_lazy("it is far too small"),
    "no_report": gettext_lazy("no backup arrived"),
    "superseded": gettext_lazy("it was replaced before it could be read"),
    "only_copy_is_staged": gettext_lazy("its only copy is not in the vault and will be replaced"),
    "late": gettext_lazy("it arrived late"),
    "clock_skew": gettext_lazy("the site's clock is wrong"),
    "size_anomaly": gettext_lazy("its size is unusual"),
    "duration_anomaly": gettext_lazy("it took an unusual time"),
    "stale_content": gettext_lazy("its content has not changed for long"),
    "same_as_other_job": gettext_lazy("another job holds the same content"),
    "not_in_vault": gettext_lazy("its copy is not in the vault yet"),
}

_OF_VAULT = {
    "damaged": ngettext_lazy(
        "Vault: %(count)d copy is damaged", "Vault: %(count)d copies are damaged", "count"
    ),
    "absent": ngettext_lazy(
        "Vault: %(count)d copy is gone", "Vault: %(count)d copies are gone", "count"
    ),
    "unreadable": ngettext_lazy(
        "Vault: %(count)d copy cannot be read", "Vault: %(count)d copies cannot be read", "count"
    ),
    "not_restorable": ngettext_lazy(
        "Vault: %(count)d copy could not be restored",
        "Vault: %(count)d copies could not be restored",
        "count",
    ),
    "extra": ngettext_lazy(
        "Vault: %(count)d file belongs to nobody",
        "Vault: %(count)d files belong to nobody",
        "count",
    ),
}
_ROOM = ngettext_lazy(
    "Vault: full in %(count)d day at this pace",
    "Vault: full in %(count)d days at this pace",
    "count",
)


def one_line(words: str, limit: int = LONGEST_LINE) -> str:
    """Give a stranger's words on one line of at most `limit` characters."""
    return _SPACES.sub(" ", _TURNS.sub("", clean(words, limit))).strip()


def name_of(words: str) -> str:
    """Give a name that leaves room for what is said of it."""
    return str(Truncator(one_line(words)).chars(LONGEST_NAME))


def place(incident: Incident) -> str:
    """Give where an incident is, as narrow as it is known; empty for what has no place."""
    names = [incident.company]
    if incident.neighborhood:
        names = [incident.city, incident.neighborhood]
    elif incident.city:
        names = [incident.company, incident.city]
    return " / ".join(name_of(name) for name in names)


def headline(incident: Incident, facts: Mapping[str, Any]) -> str:
    """Say what is wrong and where, in one line; `facts` are those of the event that is told."""
    match incident.kind:
        case Kind.JOB.value:
            words = _("%(database)s at %(place)s: %(what)s") % {
                "database": name_of(incident.name),
                "place": place(incident),
                "what": OF_REASON.get(incident.reason, incident.reason),
            }
        case Kind.PLACE.value:
            words = _of_place(incident, facts)
        case Kind.VAULT.value:
            words = _of_vault(incident)
        case _:
            words = _of_server(incident)
    return one_line(words)


def partly(incident: Incident, facts: Mapping[str, Any]) -> str:
    """Say that a part of what a place missed arrives again, in one line."""
    left, count = int(facts.get("left") or 0), int(facts.get("count") or 0)
    named = {"place": place(incident), "count": count, "of": int(facts.get("of") or count)}
    again = ngettext("%(count)d backup arrives again", "%(count)d backups arrive again", left) % {
        "count": left
    }
    words = ngettext(
        "%(place)s: %(again)s, %(count)d of %(of)d is still missing",
        "%(place)s: %(again)s, %(count)d of %(of)d are still missing",
        count,
    )
    return one_line(words % {**named, "again": again})


def recovery(incident: Incident, lasted: str) -> str:
    """Say that something is over, and how long it lasted, in one line."""
    named: dict[str, Any] = {"place": place(incident), "time": lasted}
    if incident.end == Incident.End.PAUSED.value:
        what = place(incident)
        if incident.kind == Kind.JOB.value:
            database = name_of(incident.name)
            what = _("%(database)s at %(place)s") % {"database": database, "place": what}
        return _("%(what)s: paused, and not watched any more") % {"what": what}
    if incident.kind == Kind.JOB.value:
        was = OF_REASON.get(incident.reason, incident.reason)
        words = _("%(database)s at %(place)s: well again after %(time)s (it was: %(was)s)")
        return one_line(words % {**named, "database": name_of(incident.name), "was": was})
    if incident.kind == Kind.PLACE.value:
        count = int(incident.facts.get("peak") or 0)
        words = ngettext(
            "%(place)s: backups arrive again after %(time)s (%(count)d was missing)",
            "%(place)s: backups arrive again after %(time)s (%(count)d were missing)",
            count,
        )
        return one_line(words % {**named, "count": count})
    words = _("Over after %(time)s: %(what)s")
    return one_line(words % {**named, "what": headline(incident, incident.facts)})


def _of_place(incident: Incident, facts: Mapping[str, Any]) -> str:
    count = int(facts.get("count") or incident.facts.get("count") or 0)
    of = int(facts.get("of") or incident.facts.get("of") or count)
    named = {"place": place(incident), "count": count, "of": of}
    if incident.reason == "file_absent":
        return (
            ngettext(
                "%(place)s: %(count)d of %(of)d backups came as a report without its file",
                "%(place)s: %(count)d of %(of)d backups came as reports without their files",
                count,
            )
            % named
        )
    return (
        ngettext(
            "%(place)s: %(count)d of %(of)d backups did not arrive: site or link down?",
            "%(place)s: %(count)d of %(of)d backups did not arrive: site or link down?",
            count,
        )
        % named
    )


def _of_vault(incident: Incident) -> str:
    if incident.reason == "room":
        days = int(incident.facts.get("days") or 0)
        return str(_ROOM % {"count": days} if days else _("Vault: full within a day at this pace"))
    words = _OF_VAULT.get(incident.reason)
    named = {"count": int(incident.facts.get("count") or 0)}
    return str(words % named) if words else incident.name


def _of_server(incident: Incident) -> str:
    if incident.kind == Kind.SCHEDULER.value and (until := incident.facts.get("until")):
        span = units.length(datetime.fromisoformat(until) - incident.since)
        return _("No scheduler led for %(time)s: nothing was checked by itself") % {"time": span}
    named = {"name": name_of(incident.name)}
    words = {
        (Kind.SCAN.value, "deposit_root"): _("Nothing is checked: the deposit tree is away"),
        (Kind.SCAN.value, "incomplete"): _(
            "The scans are incomplete: something cannot be looked at"
        ),
        (Kind.SCAN.value, ""): _("The scan has failed: nothing is checked"),
        (Kind.TASK.value, "interrupted"): _("The task “%(name)s” was interrupted"),
        (Kind.TASK.value, ""): _("The task “%(name)s” has failed"),
        (Kind.CHANNEL.value, ""): _("The channel “%(name)s” does not deliver"),
        (Kind.SCHEDULER.value, ""): _("No scheduler led: nothing was checked by itself"),
    }
    found = words.get((incident.kind, incident.reason)) or words[incident.kind, ""]
    return found % named
