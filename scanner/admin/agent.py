from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from scanner.admin import scanning
from scanner.admin.page import ReadOnlyPage
from scanner.admin.shown import column, moment
from scanner.models import Agent


@admin.register(Agent)
class AgentAdmin(ReadOnlyPage[Agent]):
    """The agents that scans have seen."""

    empty_words = _(
        "No scan has seen an agent yet. Each has a folder COMPANY_CITY_NEIGHBORHOOD in the deposit "
        "tree."
    )
    actions = ("scan_now",)
    list_before_template = "scanner/admin/scan_button_above.html"
    list_display = ("name", "first_seen", "last_seen", "had_log")
    search_fields = ("name",)
    fields = ("name", "first_seen", "last_seen", "had_log")
    ordering = ("name",)

    first_seen = column(Agent, "first_seen_at", moment)
    last_seen = column(Agent, "last_seen_at", moment)

    def has_request_scan_permission(self, request: HttpRequest) -> bool:
        """Tell whether somebody may ask for scans."""
        return scanning.may_request(request)

    @admin.action(description=_("Scan now"), permissions=["request_scan"])
    def scan_now(self, request: HttpRequest, queryset: QuerySet[Agent]) -> HttpResponse | None:
        """Ask for a scan of the selected agents, and show how it goes on."""
        names = queryset.order_by("name").values_list("name", flat=True)
        return scanning.ask(self, request, list(names))
