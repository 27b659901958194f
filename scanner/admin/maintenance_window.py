from datetime import timedelta
from functools import partial
from typing import Any

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from scanner.admin import shown
from scanner.admin.page import Page
from scanner.admin.shown import column, computed
from scanner.alerts import maintenance
from scanner.errors import ScheduleError
from scanner.grid import Grid
from scanner.models import MaintenanceWindow

NEXT = 3


def covered(window: MaintenanceWindow) -> str:
    """Say over what a window lies."""
    names = (window.company, window.city, window.neighborhood, window.agent_id)
    found = [name for name in names if name]
    if window.job is not None:
        found.append(str(window.job))
    return " / ".join(found) or str(_("everything"))


def times_of(window: MaintenanceWindow, most: int = NEXT) -> SafeString:
    """Give when a window lies open: its one time, or the next ones, so many at most."""
    if not window.cron:
        pairs = [(window.starts_at, window.ends_at)]
    else:
        try:
            slots = Grid(cron=window.cron, zone=window.zone_name).coming(timezone.now(), most)
        except ScheduleError:
            return shown.NOTHING  # said beside the field
        lasts = timedelta(minutes=window.duration_minutes or 0)
        pairs = [(slot, slot + lasts) for slot in slots]
    lines = ((shown.moment(start), shown.moment(end)) for start, end in pairs)
    return format_html_join("", "{} → {}<br>", lines) or shown.NOTHING


def standing(window: MaintenanceWindow) -> SafeString:
    """Tell whether nobody is told just now, and until when."""
    now = timezone.now()
    if not window.enabled:
        return shown.label(_("off"), small=True)
    if (end := maintenance.end_of(window, now=now)) is not None:
        label = shown.label(_("in force"), "warning", small=True)
        return format_html("{} {} {}", label, _("until"), shown.moment(end))
    if not window.cron and window.ends_at is not None and window.ends_at <= now:
        return shown.label(_("over"), small=True)
    return shown.label(_("not now"), "info", small=True)


@admin.register(MaintenanceWindow)
class MaintenanceWindowAdmin(Page[MaintenanceWindow]):
    """When some jobs are judged as ever and nobody is told."""

    empty_words = _(
        "No maintenance is planned. Add a window for a time in which nobody is to be told."
    )
    list_display = ("name", "over", "now", "next_time", "created_by")
    list_select_related = ("job",)
    sortable_by = ()
    search_help_text = _("Search by name, place or agent")
    search_fields = ("name", "company", "city", "neighborhood", "agent_id")
    autocomplete_fields = ("job",)
    actions = None
    company_field = "company"
    fieldsets = (
        (None, {"fields": (("name", "enabled"),)}),
        (
            _("Over what"),
            {
                "description": _("Blank is any; all blank: everything, the server itself too."),
                "fields": (("company", "city", "neighborhood"), ("agent_id", "job")),
            },
        ),
        (_("Once"), {"fields": (("starts_at", "ends_at"),)}),
        (
            _("Again and again"),
            {"fields": (("cron", "time_zone", "duration_minutes"),)},
        ),
    )
    state_fieldset = (_("State"), {"fields": (("now", "times"), ("created_by", "made"))})
    readonly_fields = ("now", "times", "created_by", "made")

    over = computed(pgettext_lazy("what is maintained", "over"), covered)
    now = computed(_("now"), standing)
    times = computed(_("times"), times_of)
    next_time = computed(_("next time"), partial(times_of, most=1))
    made = column(MaintenanceWindow, "created_at", shown.moment)

    class Media:
        js = ("scanner/names.js",)

    def get_fieldsets(self, request: HttpRequest, obj: MaintenanceWindow | None = None) -> Any:
        """Give the form; a stored window shows its state first."""
        fieldsets = super().get_fieldsets(request, obj)
        return fieldsets if obj is None else (self.state_fieldset, *fieldsets)

    def save_model(
        self,
        request: HttpRequest,
        obj: MaintenanceWindow,
        form: Any,
        change: bool,  # noqa: FBT001
    ) -> None:
        """Save it, and have the jobs that it held, or holds now, looked at again."""
        now = timezone.now()
        if not change:
            obj.created_at = now
            obj.created_by = request.user.get_username()
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            maintenance.changed(now=now)

    def delete_model(self, request: HttpRequest, obj: MaintenanceWindow) -> None:
        """Delete it, and have the jobs that it held looked at again."""
        with transaction.atomic():
            super().delete_model(request, obj)
            maintenance.changed(now=timezone.now())
