from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from scanner.admin import shown
from scanner.admin.filters import CityFilter, CompanyFilter
from scanner.admin.page import ReadOnlyPage
from scanner.admin.shown import column, computed
from scanner.admin.unfolded import ChoicesFilter
from scanner.models import BackupEntry, StatusChange


@admin.register(StatusChange)
class StatusChangeAdmin(ReadOnlyPage[StatusChange]):
    """When a job went from one status to another, and by which entry."""

    empty_words = _("No backup has changed from good to bad or back yet. Scans note it here.")
    list_display = (
        "changed",
        "database",
        "place",
        "before",
        "before_reason",
        "after",
        "after_reason",
        "found_by",
    )
    list_filter = (("new_status", ChoicesFilter), CompanyFilter, CityFilter)
    list_select_related = ("job",)
    ordering = ("-pk",)
    fieldsets = (
        (None, {"fields": (("job", "changed", "found_by"),)}),
        (_("Change"), {"fields": (("before", "before_reason"), ("after", "after_reason"))}),
    )

    changed = column(StatusChange, "changed_at", shown.moment)
    database = computed(_("database"), lambda change: change.job.database_name)
    place = computed(_("place"), lambda change: shown.place(change.job))
    before = column(StatusChange, "old_status", shown.status)
    before_reason = column(StatusChange, "old_reason", shown.reason)
    after = column(StatusChange, "new_status", shown.status)
    after_reason = column(StatusChange, "new_reason", shown.reason)
    found_by = computed(_("entry"), lambda change: shown.link_to(BackupEntry, change.entry_id))
