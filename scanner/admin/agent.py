from django.contrib import admin
from django.utils.translation import gettext_lazy as _

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
    list_display = ("name", "first_seen", "last_seen", "had_log")
    search_fields = ("name",)
    fields = ("name", "first_seen", "last_seen", "had_log")
    ordering = ("name",)

    first_seen = column(Agent, "first_seen_at", moment)
    last_seen = column(Agent, "last_seen_at", moment)
