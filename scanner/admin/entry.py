from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.text import smart_split
from django.utils.translation import gettext_lazy as _

from scanner.admin import shown
from scanner.admin.filters import CityFilter, CompanyFilter, ReasonFilter, RecordedDayFilter
from scanner.admin.page import ReadOnlyPage
from scanner.admin.shown import column, computed
from scanner.admin.unfolded import ChoicesFilter
from scanner.models import BackupEntry, ExpectedBackupJob

SEARCHED = ("database_name", "company_name", "city", "neighborhood", "agent_id")


def _copy(entry: BackupEntry) -> str:
    if entry.vault_pending:
        return shown.label(_("still to be copied"), "warning")
    return shown.digest(entry.vault_path)


@admin.register(BackupEntry)
class EntryAdmin(ReadOnlyPage[BackupEntry]):
    """The history: each verdict with what it rests on."""

    list_display = (
        "database",
        "place",
        "verdict",
        "why",
        "cautions",
        "bytes",
        "due",
        "recorded",
    )
    list_filter = (
        ("status", ChoicesFilter),
        ReasonFilter,
        CompanyFilter,
        CityFilter,
        RecordedDayFilter,
    )
    list_select_related = ("job",)
    search_fields = ("job__database_name",)
    search_help_text = _("Search by database, place or agent")
    ordering = ("-pk",)
    fieldsets = (
        (
            _("Verdict"),
            {"fields": (("verdict", "why"), ("cautions", "level"), "full_message")},
        ),
        (_("Where"), {"fields": (("job", "agent_id"), ("report", "run"))}),
        (
            _("When"),
            {"fields": (("due", "deadline"), ("ended", "arrived"), ("recorded", "attempt"))},
        ),
        (
            _("What the agent claims, and what was measured"),
            {"fields": ("evidence", ("staged_name", "codec"), ("dumped_in", "verified_in"))},
        ),
        (_("Vault"), {"fields": ("copy",)}),
    )

    verdict = column(BackupEntry, "status", shown.status)
    why = column(BackupEntry, "reason", shown.reason)
    cautions = column(BackupEntry, "warnings", shown.warnings)
    bytes = column(BackupEntry, "size", shown.size)
    due = column(BackupEntry, "cycle_due", shown.moment)
    deadline = column(BackupEntry, "cycle_deadline", shown.moment)
    ended = column(BackupEntry, "operation_end", shown.moment)
    arrived = column(BackupEntry, "arrived_at", shown.moment)
    recorded = column(BackupEntry, "recorded_at", shown.moment)
    full_message = column(BackupEntry, "message", shown.prose)
    dumped_in = computed(_("dumped in"), lambda entry: shown.duration(entry.dump_seconds))
    verified_in = computed(_("verified in"), lambda entry: shown.duration(entry.verify_seconds))
    copy = computed(shown.name_of(BackupEntry, "vault_path"), _copy)

    database = computed(_("database"), lambda entry: entry.job.database_name)
    place = computed(_("place"), lambda entry: shown.place(entry.job))
    evidence = computed(
        _("evidence"),
        lambda entry: render_to_string("scanner/admin/evidence.html", {"rows": _evidence(entry)}),
    )

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002
        queryset: QuerySet[BackupEntry],
        search_term: str,
    ) -> tuple[QuerySet[BackupEntry], bool]:
        """Look each word up among the jobs, which are few, and not among the entries."""
        jobs = ExpectedBackupJob.objects.all()
        for word in smart_split(search_term):
            text = word.strip("\"'")
            jobs = jobs.filter(
                Q.create([(f"{field}__icontains", text) for field in SEARCHED], connector=Q.OR)
            )
        if search_term:
            queryset = queryset.filter(job__in=jobs.values("pk"))
        return queryset, False


def _evidence(entry: BackupEntry) -> list[dict[str, Any]]:
    """Give what was claimed beside what was measured, and whether the two agree, if both are."""
    compared = (
        (_("staged file: size"), "claimed_size", "size", shown.size),
        (_("staged file: SHA-256"), "claimed_sha256", "sha256", shown.digest),
        (_("dump: size"), "claimed_content_size", "content_size", shown.size),
        (_("dump: SHA-256"), "claimed_content_sha256", "content_sha256", shown.digest),
    )
    rows = []
    for what, claim, measurement, show in compared:
        claimed, measured = getattr(entry, claim), getattr(entry, measurement)
        both = claimed not in (None, "") and measured not in (None, "")
        rows.append(
            {
                "what": what,
                "claimed": show(claimed),
                "measured": show(measured),
                "agrees": claimed == measured if both else None,
            }
        )
    return rows
