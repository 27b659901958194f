from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from scanner.admin import shown
from scanner.admin.page import Page
from scanner.admin.shown import computed
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


def begins(window: MaintenanceWindow) -> SafeString:
    """Give when a window begins next, or its one time."""
    if not window.cron:
        pairs = [(window.starts_at, window.ends_at)]
    else:
        try:
            slots = Grid(cron=window.cron, zone=window.zone_name).coming(timezone.now(), NEXT)
        except ScheduleError:
            return shown.NOTHING
        lasts = timedelta(minutes=window.duration_minutes or 0)
        pairs = [(slot, slot + lasts) for slot in slots]
    lines = ((shown.moment(start), shown.moment(end)) for start, end in pairs)
    return format_html_join("", "{} → {}<br>", lines) or shown.NOTHING


def standing(window: MaintenanceWindow) -> SafeString:
    """Tell whether nobody is told just now."""
    if not window.enabled:
        return shown.label(_("off"), small=True)
    if maintenance.end_of(window, now=timezone.now()) is not None:
        return shown.label(_("in force"), "warning", small=True)
    return shown.label(_("not now"), "info", small=True)


@admin.register(MaintenanceWindow)
class MaintenanceWindowAdmin(Page[MaintenanceWindow]):
    """When some jobs are judged as ever and nobody is told."""

    list_display = ("name", "over", "now", "times", "created_by")
    list_select_related = ("job",)
    search_fields = ("name", "company", "city", "neighborhood", "agent_id")
    autocomplete_fields = ("job",)
    actions = None
    fieldsets = (
        (None, {"fields": (("name", "enabled"), ("now", "created_by"))}),
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
            {"fields": (("cron", "time_zone", "duration_minutes"), "times")},
        ),
    )
    readonly_fields = ("now", "times", "created_by")

    over = computed(_("over"), covered)
    now = computed(_("now"), standing)
    times = computed(_("times"), begins)

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

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[MaintenanceWindow]) -> None:
        """Delete them, and have the jobs that they held looked at again."""
        with transaction.atomic():
            super().delete_queryset(request, queryset)
            maintenance.changed(now=timezone.now())
