from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db import IntegrityError
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
)
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from scanner import access, board, roster
from scanner.admin import job_vault, schedule_preview, shown
from scanner.admin.counted_as import CountedAsFilter
from scanner.admin.filters import (
    PLACES_URL,
    CityFilter,
    CompanyFilter,
    NeighborhoodFilter,
    places,
)
from scanner.admin.job_form import JobForm
from scanner.admin.job_page import Showing
from scanner.admin.job_transfer import Transferring
from scanner.admin.meanwhile import names_of
from scanner.admin.retiring import retire_instead
from scanner.admin.shown import column, computed
from scanner.admin.switching import Switching
from scanner.admin.unfolded import BooleanFilter, ChoicesFilter
from scanner.models import ExpectedBackupJob


def _remarks(job: ExpectedBackupJob) -> str:
    warnings = job.last_entry.warnings if job.last_entry else []
    if not warnings:
        return shown.reason(job.reason)
    labels = shown.warnings(warnings)
    return format_html("{} {}", shown.reason(job.reason), labels) if job.reason else labels


@admin.register(ExpectedBackupJob)
class JobAdmin(Transferring, Switching, Showing):
    """What is expected, and how it stands; every change goes through the roster."""

    empty_words = _(
        "No backup is expected yet. Add a job, import a file of jobs, or adopt the databases that "
        "reports mention."
    )
    form = JobForm
    change_form_before_template = "scanner/admin/job_seen.html"
    company_field = "company_name"
    actions = (*Switching.actions, *Transferring.actions)
    list_filter = (
        CountedAsFilter,
        ("status", ChoicesFilter),
        CompanyFilter,
        CityFilter,
        NeighborhoodFilter,
        ("is_active", BooleanFilter),
    )
    list_display_links = ("database_name",)
    list_select_related = ("last_entry",)
    search_fields = ("database_name", "company_name", "city", "neighborhood", "agent_id")
    search_help_text = _("Search by database, place or agent")
    list_before_template = "scanner/admin/status_counts.html"
    paginator = Paginator
    fieldsets = (
        (_("What"), {"fields": (("database_name", "year"),)}),
        (
            _("Where"),
            {"fields": (("company_name", "city", "neighborhood"), "agent_id")},
        ),
        (
            _("When"),
            {"fields": (("schedule", "time_zone", "grace_minutes"), "next_times")},
        ),
        (
            _("What is expected of the dump"),
            {"fields": ("has_trailer", ("min_size", "stale_after"))},
        ),
        (
            _("Copies kept"),
            {
                "description": _(
                    "How many restore points each rule keeps in the vault. Blank: as the setting "
                    "VAULT_KEEP_… says; 0: no such rule; all 0: every copy is kept. The newest "
                    "verified copy is never deleted, and none is while the job is in a problem "
                    "status."
                ),
                "fields": (
                    ("keep_last", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly"),
                    "rules_in_force",
                ),
            },
        ),
        (
            _("Whom to tell, and when"),
            {
                "fields": (
                    "notification_recipients",
                    ("alert_after", "first_missing_is_warning"),
                )
            },
        ),
    )
    readonly_fields = ("rules_in_force", "next_times")

    state = column(ExpectedBackupJob, "status", shown.status, sortable=True)
    next_deadline = column(ExpectedBackupJob, "deadline_at", shown.moment, sortable=True)
    last_success = column(ExpectedBackupJob, "last_good_at", shown.moment, sortable=True)
    last_bytes = column(ExpectedBackupJob, "last_size", shown.size, sortable=True)
    rules_in_force = computed(_("in force"), job_vault.rules_in_force)
    next_times = computed(_("what this means"), schedule_preview.of_job)
    place = computed(_("place"), shown.place, ordering="company_name")
    why_and_cautions = computed(shown.name_of(ExpectedBackupJob, "reason"), _remarks)

    # --- The list ---------------------------------------------------------------------------------

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        """Give the columns; the switch knows who looks and which list to come back to."""
        return (
            "place",
            "database_name",
            "state",
            self.switch_column(request),
            "why_and_cautions",
            "last_success",
            "last_bytes",
            "next_deadline",
        )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list below how many active jobs are in each status."""
        counts = [
            {"label": shown.status(status), "status": status, "count": count}
            for status, count in board.status_counts(access.companies_of(request.user)).items()
        ]
        context = {"status_counts": counts, "chosen": request.GET.getlist("status__exact")}
        return super().changelist_view(request, context | (extra_context or {}))

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses of the page, and of the values that the place filters offer."""
        view = self.admin_site.admin_view(self.places_view)
        return [path("places/", view, name=PLACES_URL), *super().get_urls()]

    def places_view(self, request: HttpRequest) -> JsonResponse:
        """Answer the filters of the place, on this page and on those of the history."""
        if not request.user.has_module_perms("scanner"):
            raise PermissionDenied
        return places(request)

    # --- One job ----------------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: ExpectedBackupJob | None = None) -> Any:
        """Give the form; whether backups are expected is asked of a job that nobody watches yet."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or obj.awaits_adoption:
            return (*fieldsets, (_("Watching"), {"fields": ("is_active",)}))
        return fieldsets

    def save_model(
        self,
        request: HttpRequest,
        obj: ExpectedBackupJob,
        form: Any,
        change: bool,  # noqa: FBT001
    ) -> None:
        """Save what was changed through the roster, which works out the cycle that is awaited."""
        seen = form.changed_from() if change else None
        roster.save(obj, now=timezone.now(), by=request.user.get_username(), seen=seen)
        if form.kept:
            words = _("Others changed this meanwhile, and it stays as they said: %(fields)s.")
            told = words % {"fields": names_of(form.kept)}
            self.message_user(request, told, messages.WARNING)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show or save the form; where somebody was quicker, look again and say so."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except (ValidationError, IntegrityError):
            # Between the form's look and the saving another has expected the same database.
            return super().changeform_view(request, object_id, form_url, extra_context)

    def has_delete_permission(
        self, request: HttpRequest, obj: ExpectedBackupJob | None = None
    ) -> bool:
        """Say no to deleting many at once: jobs with a history among them are to be retired."""
        return obj is not None and super().has_delete_permission(request, obj)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Delete a job that has no history; of another, say what to do instead."""
        job = self.get_object(request, unquote(object_id))
        if job is None or not job.entries.exists() or not self.has_delete_permission(request, job):
            return super().delete_view(request, object_id, extra_context)
        self.message_user(request, retire_instead(job), messages.WARNING)
        return HttpResponseRedirect(
            reverse("admin:scanner_expectedbackupjob_change", args=[job.pk])
        )
