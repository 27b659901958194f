"""What an incident's page shows below it: its jobs, what happened to it, and who was told."""

from collections.abc import Iterable
from typing import Any

from django.db.models import F
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scanner import access
from scanner.access import Companies
from scanner.admin import shown
from scanner.admin.unfolded import Words
from scanner.models import BackupEntry, Delivery, ExpectedBackupJob, Incident

LAST = 50
SECRETS = ("channel__address", "channel__secret")
_STATES = {
    Delivery.State.PENDING.value: "info",
    Delivery.State.SENT.value: "success",
    Delivery.State.FAILED.value: "danger",
}


def state_label(delivery: Delivery) -> SafeString:
    """Give what became of a delivery as its coloured label."""
    return shown.label(delivery.get_state_display(), _STATES.get(delivery.state, ""), small=True)


def whom(delivery: Delivery) -> SafeString:
    """Give the channel, and below it the recipient where it has several."""
    return format_html(
        '<span class="bm-place bm-whom">{}<small class="text-subtle">{}</small></span>',
        delivery.channel.name,
        delivery.recipient,
    )


def next_try(delivery: Delivery) -> SafeString:
    """Give when a delivery is tried next; one that is sent or given up is not."""
    is_waiting = delivery.state == Delivery.State.PENDING.value
    return shown.moment(delivery.next_try_at) if is_waiting else shown.NOTHING


def histories(
    incident: Incident, companies: Companies, *, with_deliveries: bool
) -> list[dict[str, Any]]:
    """Give the tables, as unfold's table component wants them, in three statements at most.

    Of its jobs those of `companies` are among them.
    """
    tables = [_jobs(incident, companies), _events(incident)]
    return [*tables, _deliveries(incident)] if with_deliveries else tables


def _jobs(incident: Incident, companies: Companies) -> dict[str, Any]:
    members = access.visible(incident.members.select_related("job", "entry"), companies)
    some = list(members.order_by(F("left_at").asc(nulls_first=True), "pk")[: LAST + 1])
    headers = (_("job"), _("status"), _("since"), _("joined"), _("left"), _("message"))
    rows = [
        [
            shown.link_to(ExpectedBackupJob, member.job_id, shown.job(member.job)),
            shown.status(member.job.status),
            shown.moment(member.since),
            shown.moment(member.joined_at),
            shown.moment(member.left_at),
            _verdict(member.entry),
        ]
        for member in some[:LAST]
    ]
    rest = gettext("only %(count)d of them are shown") % {"count": LAST}
    return _table(_("Jobs"), headers, rows, rest if len(some) > LAST else "")


def _events(incident: Incident) -> dict[str, Any]:
    some = list(incident.events.order_by("-pk")[: LAST + 1])
    headers = (_("at"), _("event"), _("jobs"), _("by"), _("note"))
    rows = [
        [
            shown.moment(event.at),
            event.get_kind_display(),
            shown.number(event.facts.get("count")),
            event.facts.get("by", ""),
            shown.prose(event.facts.get("note", "")),
        ]
        for event in some[:LAST]
    ]
    rest = gettext("only the last %(count)d are shown") % {"count": LAST}
    return _table(_("What happened"), headers, rows, rest if len(some) > LAST else "")


def _deliveries(incident: Incident) -> dict[str, Any]:
    deliveries = Delivery.objects.filter(event__incident=incident).order_by("-pk")
    headers = (
        *(_("created"), _("event"), _("to whom"), _("state")),
        *(_("attempts"), _("next try"), _("last error")),
    )
    rows = [
        [
            shown.link_to(Delivery, row.pk, shown.moment(row.created_at)),
            row.event.get_kind_display() if row.event else "",
            whom(row),
            state_label(row),
            row.attempts,
            next_try(row),
            shown.shortened(row.last_error),
        ]
        for row in deliveries.select_related("channel", "event").defer(*SECRETS)[:LAST]
    ]
    everything = shown.link_to_list(
        Delivery, _("all of them"), event__incident__id__exact=incident.pk
    )
    return _table(_("Who was told"), headers, rows, everything)


def _table(
    title: Words, headers: Iterable[Words], rows: list[list[Any]], rest: Words
) -> dict[str, Any]:
    return {"title": title, "table": {"headers": list(headers), "rows": rows}, "all": rest}


def _verdict(entry: BackupEntry | None) -> SafeString:
    if entry is None:
        return shown.NOTHING
    words = shown.shortened(entry.message) if entry.message else ""
    return format_html("{} {}", shown.link_to(BackupEntry, entry.pk), words)
