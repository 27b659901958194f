from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from scanner.admin import report_text, shown
from scanner.admin.page import ReadOnlyPage
from scanner.admin.shown import column, computed
from scanner.admin.unfolded import ChoicesFilter
from scanner.models import AgentReport

_KINDS = {
    AgentReport.State.ACCEPTED.value: "success",
    AgentReport.State.REJECTED.value: "danger",
}
_SHORT = 120


def state_label(report: AgentReport) -> SafeString:
    """Give whether a report was accepted as its coloured label."""
    return shown.label(report.get_state_display(), _KINDS.get(report.state, ""))


def _entries(report: AgentReport) -> str:
    if report.state == AgentReport.State.REJECTED.value:
        return shown.NOTHING
    return shown.link_to_entries("report", report.pk, _("the entries that this report made"))


@admin.register(AgentReport)
class ReportAdmin(ReadOnlyPage[AgentReport]):
    """What agents reported; of a rejected report, why."""

    class Media:
        css = {"all": ("scanner/job.css",)}  # noqa: RUF012 - as Django documents it

    empty_words = _(
        "No report came yet. Agents leave them in the folder log/ of their own; the next scan "
        "reads them."
    )
    list_display = ("file_name", "agent_id", "outcome", "short_reason", "arrived")
    list_filter = (("state", ChoicesFilter),)
    search_fields = ("agent_id", "file_name")
    search_help_text = _("Search by agent or file")
    ordering = ("-pk",)
    change_form_outer_after_template = "scanner/admin/report_received.html"
    fieldsets = (
        (None, {"fields": (("agent_id", "outcome"), "file_name", "full_reason", "entries")}),
        (_("When"), {"fields": (("ended", "arrived"), ("recorded", "run"))}),
        (_("Details"), {"fields": (("overall", "is_complete"), ("attempt", "bytes"), "digest")}),
    )

    ended = column(AgentReport, "operation_end", shown.moment)
    arrived = column(AgentReport, "arrived_at", shown.moment)
    recorded = column(AgentReport, "recorded_at", shown.moment)
    full_reason = column(AgentReport, "reason", shown.prose)
    short_reason = column(
        AgentReport, "reason", lambda reason: shown.prose(Truncator(reason).chars(_SHORT))
    )
    bytes = column(AgentReport, "size", shown.size)
    digest = column(AgentReport, "sha256", shown.digest)
    outcome = computed(shown.name_of(AgentReport, "state"), state_label)
    entries = computed(_("entries"), _entries)

    def around(self, request: HttpRequest, obj: AgentReport) -> dict[str, Any]:  # noqa: ARG002
        """Give the report as the agent sent it."""
        return {"received": report_text.read(obj), "shown_bytes": report_text.SHOWN}
