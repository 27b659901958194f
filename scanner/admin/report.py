from django.contrib import admin
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from scanner.admin import shown
from scanner.admin.page import ReadOnlyPage
from scanner.admin.shown import column, computed
from scanner.admin.unfolded import ChoicesFilter
from scanner.models import AgentReport

_KINDS = {
    AgentReport.State.ACCEPTED.value: "success",
    AgentReport.State.REJECTED.value: "danger",
}
_SHORT = 120


def _entries(report: AgentReport) -> str:
    if report.state == AgentReport.State.REJECTED.value:
        return shown.NOTHING
    return shown.link_to_entries("report", report.pk, _("the entries that this report made"))


@admin.register(AgentReport)
class ReportAdmin(ReadOnlyPage[AgentReport]):
    """What agents reported; of a rejected report, why."""

    list_display = ("file_name", "agent_id", "outcome", "short_reason", "arrived")
    list_filter = (("state", ChoicesFilter),)
    search_fields = ("agent_id", "file_name")
    search_help_text = _("Search by agent or file")
    ordering = ("-pk",)
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
    outcome = computed(
        shown.name_of(AgentReport, "state"),
        lambda report: shown.label(report.get_state_display(), _KINDS.get(report.state, "")),
    )
    entries = computed(_("entries"), _entries)
