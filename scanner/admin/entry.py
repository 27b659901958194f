from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import strip_tags
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scanner.admin import shown, verdict_words
from scanner.admin.filters import (
    CityFilter,
    CompanyFilter,
    ReasonFilter,
    RecordedDayFilter,
    jobs_named,
    words_of,
)
from scanner.admin.page import ReadOnlyPage
from scanner.admin.shown import column, computed
from scanner.admin.unfolded import ChoicesFilter
from scanner.models import BackupEntry, VaultCopy


def _copy(entry: BackupEntry) -> str:
    if entry.vault_pending:
        return shown.label(_("still to be copied"), "warning")
    path = shown.digest(entry.vault_path)
    if not entry.vault_path:
        return path
    its_copy = VaultCopy.objects.filter(job_id=entry.job_id, path=entry.vault_path)
    key = its_copy.order_by().values_list("pk", flat=True).first()
    return path if key is None else shown.link_to(VaultCopy, key, path)


def _reached(entry: BackupEntry) -> str:
    if not entry.level:
        return shown.NOTHING
    if entry.verify_seconds is None:
        return str(entry.get_level_display())
    words = {
        "level": entry.get_level_display(),
        "seconds": strip_tags(shown.duration(entry.verify_seconds)),
    }
    return gettext("%(level)s; read and verified in %(seconds)s") % words


@admin.register(BackupEntry)
class EntryAdmin(ReadOnlyPage[BackupEntry]):
    """The history: each verdict with what it rests on."""

    empty_words = _(
        "No backup was judged yet. Scans do that, once jobs are expected: start the scheduler with "
        "manage.py runapscheduler, or make one with manage.py scan_now."
    )
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
    change_form_outer_before_template = "scanner/admin/entry_way.html"
    fieldsets = (
        (
            _("Verdict"),
            {"fields": (("verdict", "why"), ("cautions", "reached"), "full_message")},
        ),
        (_("Where"), {"fields": (("job", "agent_id"), ("report", "run"))}),
        (
            _("When"),
            {"fields": (("due", "deadline"), ("ended", "arrived"), ("recorded", "attempt"))},
        ),
        (
            _("What the agent claims, and what was measured"),
            {
                "fields": (
                    "evidence",
                    "stable",
                    ("staged_name", "codec"),
                    ("kind", "dumped_in"),
                )
            },
        ),
        (_("Vault"), {"fields": ("copy", ("copy_deleted", "copy_deleted_why"))}),
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
    full_message = computed(shown.name_of(BackupEntry, "message"), verdict_words.said)
    dumped_in = computed(_("dumped in"), lambda entry: shown.duration(entry.dump_seconds))
    reached = computed(shown.name_of(BackupEntry, "level"), _reached)
    stable = column(BackupEntry, "stable_sha256", shown.digest)
    kind = column(BackupEntry, "dump_kind", lambda kind: kind or shown.NOTHING)
    copy_deleted = column(BackupEntry, "copy_deleted_at", shown.moment)
    copy_deleted_why = column(BackupEntry, "copy_deleted_because", shown.prose)
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
        if search_term:
            jobs = jobs_named(words_of(search_term))
            queryset = queryset.filter(job__in=jobs.values("pk"))
        return queryset, False

    def around(self, request: HttpRequest, obj: BackupEntry) -> dict[str, Any]:
        """Give the ways to the entry's job, and to the job's entries around it."""
        keys = BackupEntry.objects.filter(job_id=obj.job_id).values_list("pk", flat=True)
        way = {
            "job": obj.job,
            "may_open": request.user.has_perm("scanner.view_expectedbackupjob"),
            "before": keys.filter(pk__lt=obj.pk).order_by("-pk").first(),
            "after": keys.filter(pk__gt=obj.pk).order_by("pk").first(),
        }
        return {"way": way}


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
