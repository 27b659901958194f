"""One line that says what is wrong, and where."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from scanner.models import Incident
from scanner.pipeline.text import clean

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as Words

Kind = Incident.Kind
_SPACES = re.compile(r"[ \t\r\n\v\f]+")

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


def place(incident: Incident) -> str:
    """Give where an incident is, as narrow as it is known; empty for what has no place."""
    if incident.neighborhood:
        return f"{incident.city} / {incident.neighborhood}"
    if incident.city:
        return f"{incident.company} / {incident.city}"
    return incident.company


def headline(incident: Incident, facts: Mapping[str, Any]) -> str:
    """Say what is wrong and where, in one line; `facts` are those of the event that is told."""
    match incident.kind:
        case Kind.JOB.value:
            words = _("%(database)s at %(place)s: %(what)s") % {
                "database": incident.name,
                "place": place(incident),
                "what": OF_REASON.get(incident.reason, incident.reason),
            }
        case Kind.PLACE.value:
            words = _of_place(incident, facts)
        case Kind.VAULT.value:
            words = _of_vault(incident)
        case _:
            words = _of_server(incident)
    return _one_line(words)


def recovery(incident: Incident, facts: Mapping[str, Any], lasted: str) -> str:
    """Say that something is over, and how long it lasted, in one line."""
    named: dict[str, Any] = {"place": place(incident), "time": lasted}
    if facts.get("how") == Incident.End.PAUSED.value:
        what = incident.name if incident.kind == Kind.JOB.value else place(incident)
        return _("%(what)s: paused, and not watched any more") % {"what": what}
    if incident.kind == Kind.JOB.value:
        was = OF_REASON.get(incident.reason, incident.reason)
        words = _("%(database)s at %(place)s: well again after %(time)s (it was: %(was)s)")
        return _one_line(words % {**named, "database": incident.name, "was": was})
    if incident.kind == Kind.PLACE.value:
        count = int(incident.facts.get("peak") or 0)
        words = ngettext(
            "%(place)s: backups arrive again after %(time)s (%(count)d was missing)",
            "%(place)s: backups arrive again after %(time)s (%(count)d were missing)",
            count,
        )
        return _one_line(words % {**named, "count": count})
    words = _("Over after %(time)s: %(what)s")
    return _one_line(words % {**named, "what": headline(incident, incident.facts)})


def _one_line(words: str) -> str:
    # Not split(): it would take the spaces that do not break for others.
    return _SPACES.sub(" ", clean(words, 500)).strip()


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
    count = int(incident.facts.get("count") or 0)
    named = {"count": count}
    match incident.reason:
        case "damaged":
            return (
                ngettext(
                    "Vault: %(count)d copy is damaged", "Vault: %(count)d copies are damaged", count
                )
                % named
            )
        case "absent":
            return (
                ngettext("Vault: %(count)d copy is gone", "Vault: %(count)d copies are gone", count)
                % named
            )
        case "unreadable":
            return (
                ngettext(
                    "Vault: %(count)d copy cannot be read",
                    "Vault: %(count)d copies cannot be read",
                    count,
                )
                % named
            )
        case "not_restorable":
            return (
                ngettext(
                    "Vault: %(count)d copy could not be restored",
                    "Vault: %(count)d copies could not be restored",
                    count,
                )
                % named
            )
        case "room":
            return _("Vault: full in %(days)s days at the present pace") % {
                "days": incident.facts.get("days", "?")
            }
    return (
        ngettext(
            "Vault: %(count)d file belongs to nobody",
            "Vault: %(count)d files belong to nobody",
            count,
        )
        % named
    )


def _of_server(incident: Incident) -> str:
    named = {"name": incident.name}
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
