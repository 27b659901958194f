"""What an incident's page shows below it: its jobs, what happened to it, and who was told."""

from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from scanner.admin import shown
from scanner.models import BackupEntry, Delivery, ExpectedBackupJob, Incident

LAST = 50
_STATES = {
    Delivery.State.PENDING.value: "info",
    Delivery.State.SENT.value: "success",
    Delivery.State.FAILED.value: "danger",
}


def state_label(delivery: Delivery) -> SafeString:
    """Give what became of a delivery as its coloured label."""
    return shown.label(delivery.get_state_display(), _STATES.get(delivery.state, ""), small=True)


def histories(incident: Incident) -> list[dict[str, Any]]:
    """Give the tables, as unfold's table component wants them, in three statements."""
    return [_jobs(incident), _events(incident), _deliveries(incident)]


def _jobs(incident: Incident) -> dict[str, Any]:
    members = incident.members.select_related("job").order_by("left_at", "pk")[:LAST]
    return {
        "title": _("Jobs"),
        "table": {
            "headers": [_("job"), _("since"), _("joined"), _("left"), _("last verdict")],
            "rows": [
                [
                    format_html(
                        "{} {}",
                        shown.link_to(ExpectedBackupJob, member.job_id, member.job.database_name),
                        member.job.agent_id,
                    ),
                    shown.moment(member.since),
                    shown.moment(member.joined_at),
                    shown.moment(member.left_at),
                    shown.link_to(BackupEntry, member.entry_id),
                ]
                for member in members
            ],
        },
    }


def _events(incident: Incident) -> dict[str, Any]:
    events = incident.events.order_by("-pk")[:LAST]
    return {
        "title": _("What happened"),
        "table": {
            "headers": [_("at"), _("event"), _("jobs"), _("by"), _("note")],
            "rows": [
                [
                    shown.moment(event.at),
                    event.get_kind_display(),
                    shown.number(event.facts.get("count")),
                    event.facts.get("by", ""),
                    shown.prose(event.facts.get("note", "")),
                ]
                for event in events
            ],
        },
    }


def _deliveries(incident: Incident) -> dict[str, Any]:
    deliveries = Delivery.objects.filter(event__incident=incident)
    rows = deliveries.select_related("channel", "event").order_by("-pk")[:LAST]
    return {
        "title": _("Who was told"),
        "table": {
            "headers": [
                _("created"),
                _("event"),
                _("channel"),
                _("recipient"),
                _("state"),
                _("attempts"),
                _("last error"),
            ],
            "rows": [
                [
                    shown.link_to(Delivery, row.pk, shown.moment(row.created_at)),
                    row.event.get_kind_display() if row.event else "",
                    row.channel.name,
                    row.recipient,
                    state_label(row),
                    row.attempts,
                    shown.prose(row.last_error),
                ]
                for row in rows
            ],
        },
    }
