from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db import IntegrityError
from django.db.models import QuerySet
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

from scanner import board, roster
from scanner.admin import incident_facts, job_vault, shown
from scanner.admin.filters import (
    PLACES_URL,
    CityFilter,
    CompanyFilter,
    NeighborhoodFilter,
    places,
)
from scanner.admin.job_form import JobForm
from scanner.admin.shown import column, computed
from scanner.admin.switching import Switching
from scanner.admin.unfolded import BooleanFilter, ChoicesFilter
from scanner.models import BackupEntry, ExpectedBackupJob

LAST_ENTRIES = 20


def _remarks(job: ExpectedBackupJob) -> str:
    warnings = job.last_entry.warnings if job.last_entry else []
    if not warnings:
        return shown.reason(job.reason)
    labels = shown.warnings(warnings)
    return format_html("{} {}", shown.reason(job.reason), labels) if job.reason else labels


@admin.register(ExpectedBackupJob)
class JobAdmin(Switching):
    """What is expected, and how it stands; every change goes through the roster."""

    form = JobForm
    list_filter = (
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
    change_form_outer_after_template = "scanner/admin/last_entries.html"
    paginator = Paginator
    fieldsets = (
        (_("What"), {"fields": (("database_name", "year"),)}),
        (
            _("Where"),
            {"fields": (("company_name", "city", "neighborhood"), "agent_id")},
        ),
        (
            _("When"),
            {"fields": (("schedule", "time_zone", "grace_minutes"), "is_active")},
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
    state_fieldsets = (
        (
            _("State"),
            {
                "fields": (
                    ("state", "why", "since"),
                    ("next_due", "next_deadline", "created"),
                    ("last_success", "last_bytes", "last_verdict"),
                    "incident",
                )
            },
        ),
        (
            _("Vault"),
            {"fields": ("proof", ("copies_held", "unchanged_cycles"), "vault_findings")},
        ),
    )
    readonly_fields = (
        "state",
        "why",
        "since",
        "next_due",
        "next_deadline",
        "created",
        "last_success",
        "last_bytes",
        "last_verdict",
        "incident",
        "proof",
        "copies_held",
        "unchanged_cycles",
        "vault_findings",
        "rules_in_force",
    )

    state = column(ExpectedBackupJob, "status", shown.status, sortable=True)
    why = column(ExpectedBackupJob, "reason", shown.reason, sortable=True)
    since = column(ExpectedBackupJob, "status_since", shown.moment)
    next_due = column(ExpectedBackupJob, "due_at", shown.moment)
    next_deadline = column(ExpectedBackupJob, "deadline_at", shown.moment, sortable=True)
    created = column(ExpectedBackupJob, "created_at", shown.moment)
    last_success = column(ExpectedBackupJob, "last_good_at", shown.moment, sortable=True)
    last_bytes = column(ExpectedBackupJob, "last_size", shown.size, sortable=True)
    last_verdict = computed(
        _("last verdict"), lambda job: shown.link_to(BackupEntry, job.last_entry_id)
    )
    incident = computed(_("open incident"), incident_facts.open_of)
    proof = computed(shown.name_of(ExpectedBackupJob, "last_restore"), job_vault.proof)
    copies_held = computed(_("copies in the vault"), job_vault.copies)
    vault_findings = computed(_("open findings"), job_vault.findings)
    rules_in_force = computed(_("in force"), job_vault.rules_in_force)
    place = computed(_("place"), shown.place, ordering="company_name")
    why_and_cautions = computed(shown.name_of(ExpectedBackupJob, "reason"), _remarks)

    # --- The list ---------------------------------------------------------------------------------

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        """Give the columns; the switch knows who looks and which list to come back to."""
        return (
            "place",
            "database_name",
            "state",
            "why_and_cautions",
            "last_success",
            "last_bytes",
            "next_deadline",
            self.switch_column(request),
        )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list below how many active jobs are in each status."""
        counts = [
            {"label": shown.status(status), "status": status, "count": count}
            for status, count in board.status_counts().items()
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
        """Give the form; a stored job shows its state first."""
        fieldsets = super().get_fieldsets(request, obj)
        return fieldsets if obj is None else (*self.state_fieldsets, *fieldsets)

    def save_model(
        self,
        request: HttpRequest,
        obj: ExpectedBackupJob,
        form: Any,  # noqa: ARG002
        change: bool,  # noqa: ARG002, FBT001
    ) -> None:
        """Save through the roster, which works out the cycle that the job awaits."""
        roster.save(obj, now=timezone.now(), by=request.user.get_username())

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

    def render_change_form(  # noqa: PLR0917 - Django's signature
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,  # noqa: FBT001, FBT002
        change: bool = False,  # noqa: FBT001, FBT002
        form_url: str = "",
        obj: ExpectedBackupJob | None = None,
    ) -> HttpResponse:
        """Show the form with the job's last entries below it."""
        if obj is not None:
            entries = obj.entries.order_by("-pk")[:LAST_ENTRIES]
            context["last_entries"] = _table(entries)
            context["show_delete"] = not context["last_entries"]["rows"]
        return super().render_change_form(request, context, add, change, form_url, obj)

    def has_delete_permission(
        self, request: HttpRequest, obj: ExpectedBackupJob | None = None
    ) -> bool:
        """Say no to deleting many at once: jobs with a history among them are to be paused."""
        return obj is not None and super().has_delete_permission(request, obj)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Delete a job that has no history; of another, say what to do instead."""
        job = self.get_object(request, unquote(object_id))
        if job is None or not job.entries.exists() or not self.has_delete_permission(request, job):
            return super().delete_view(request, object_id, extra_context)
        words = _("“%s” has a history, which is kept. Pause it instead: it gets no more verdicts.")
        self.message_user(request, words % job, messages.WARNING)
        return HttpResponseRedirect(
            reverse("admin:scanner_expectedbackupjob_change", args=[job.pk])
        )


def _table(entries: QuerySet[BackupEntry]) -> dict[str, Any]:
    """Give entries as unfold's table component wants them."""
    return {
        "headers": [
            _("recorded"),
            _("status"),
            _("reason"),
            _("warnings"),
            _("size"),
            _("cycle due"),
            _("message"),
        ],
        "rows": [
            [
                shown.link_to(BackupEntry, entry.pk, shown.moment(entry.recorded_at)),
                shown.status(entry.status),
                shown.reason(entry.reason),
                shown.warnings(entry.warnings),
                shown.size(entry.size),
                shown.moment(entry.cycle_due),
                shown.prose(entry.message),
            ]
            for entry in entries
        ],
    }
