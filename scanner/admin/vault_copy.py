from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from scanner import access
from scanner.admin import download, navigation, restore_drill, shown, vault_finding, vault_panel
from scanner.admin.downloading import Downloading
from scanner.admin.filters import CityFilter, CompanyFilter, jobs_named, words_of
from scanner.admin.shown import column, computed
from scanner.admin.standing import ALL, STANDING
from scanner.admin.unfolded import ChoicesFilter
from scanner.models import BackupEntry, Download, RestoreDrill, VaultCopy, VaultFinding

LAST = 20
_KINDS = {
    VaultCopy.State.WHOLE.value: "success",
    VaultCopy.State.DAMAGED.value: "danger",
    VaultCopy.State.ABSENT.value: "danger",
    VaultCopy.State.DELETING.value: "info",
    VaultCopy.State.DELETED.value: "",
}


def state_label(copy: VaultCopy) -> SafeString:
    """Give what is known of a copy as its coloured label."""
    return shown.label(copy.get_state_display(), _KINDS.get(copy.state, ""))


@admin.register(VaultCopy)
class VaultCopyAdmin(Downloading):
    """The files of the vault: when each was read again, and whether it was restored."""

    empty_words = _("The vault holds no copy yet. Scans copy each good backup there.")
    list_display = (
        "its_job",
        "its_state",
        "made",
        "its_bytes",
        "audited",
        "proven",
        "file",
    )
    list_filter = (("state", ChoicesFilter), CompanyFilter, CityFilter)
    list_select_related = ("job",)
    list_before_template = "scanner/admin/vault_state.html"
    change_form_outer_before_template = "scanner/admin/copy_download.html"
    change_form_outer_after_template = "scanner/admin/histories.html"
    search_fields = ("path",)
    search_help_text = _("Search by database, place or agent; else by a part of the path")
    ordering = ("-pk",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("its_state", "job"),
                    "its_path",
                    ("its_bytes", "made", "its_entry"),
                    "digest",
                )
            },
        ),
        (_("Proof"), {"fields": (("stored", "audited"), ("drilled", "proven"))}),
    )
    deletion_fieldset = (_("Deletion"), {"fields": (("deleted", "why_deleted"),)})

    its_state = computed(shown.name_of(VaultCopy, "state"), state_label)
    made = column(VaultCopy, "made_at", shown.moment)
    stored = column(VaultCopy, "stored_at", shown.moment)
    audited = column(VaultCopy, "audited_at", shown.moment)
    drilled = column(VaultCopy, "drilled_at", shown.moment)
    proven = column(VaultCopy, "proven_at", shown.moment)
    deleted = column(VaultCopy, "deleted_at", shown.moment)
    why_deleted = column(VaultCopy, "deleted_because", shown.prose)
    its_path = column(VaultCopy, "path", shown.digest)
    its_bytes = column(VaultCopy, "size", shown.size)
    digest = column(VaultCopy, "sha256", shown.digest)
    file = computed(_("file"), lambda copy: shown.file_name(copy.path))
    its_job = computed(shown.name_of(VaultCopy, "job"), lambda copy: shown.job(copy.job))
    its_entry = computed(
        shown.name_of(VaultCopy, "entry"),
        lambda copy: shown.link_to(BackupEntry, copy.entry_id),
    )

    def get_search_results(
        self,
        request: HttpRequest,
        queryset: QuerySet[VaultCopy],
        search_term: str,
    ) -> tuple[QuerySet[VaultCopy], bool]:
        """Look the words up among the jobs, which are few; only where none has them, in the paths.

        A path begins with the place and the database, so that it tells no job that is not found.
        """
        if not search_term:
            return queryset, False
        words = words_of(search_term)
        jobs = access.visible(jobs_named(words), access.companies_of(request.user))
        if jobs.exists():
            return queryset.filter(job__in=jobs.values("pk")), False
        for word in words:
            queryset = queryset.filter(path__icontains=word)
        return queryset, False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list, as it opens, below the state of the vault, to whoever sees all of it.

        Turning its pages and narrowing it down do not sum up the vault each time.
        """
        sees_all = access.companies_of(request.user) is access.EVERY
        is_plain = sees_all and not request.GET
        context = {"vault": vault_panel.panel(now=timezone.now())} if is_plain else {}
        return super().changelist_view(request, context | (extra_context or {}))

    def get_fieldsets(self, request: HttpRequest, obj: VaultCopy | None = None) -> Any:
        """Give what is known; of a copy that is to go, why."""
        fieldsets = super().get_fieldsets(request, obj)
        is_going = obj is not None and (obj.deleted_at or obj.deleted_because)
        return (*fieldsets, self.deletion_fieldset) if is_going else fieldsets

    def around(self, request: HttpRequest, obj: VaultCopy) -> dict[str, Any]:
        """Give the copy's download, and its last findings, drills and downloads."""
        findings = {
            "title": _("Findings"),
            "table": vault_finding.table(obj.findings.order_by("-pk")[:LAST]),
            "all": shown.link_to_list(
                VaultFinding, _("all of them"), copy__id__exact=obj.pk, **{STANDING: ALL}
            ),
        }
        drills = {
            "title": _("Restore drills"),
            "table": restore_drill.table(obj.drills.order_by("-pk")[:LAST]),
            "all": shown.link_to_list(RestoreDrill, _("all of them"), copy__id__exact=obj.pk),
        }
        return {
            "download": self.download_of(request, obj),
            "histories": [findings, drills, *self._downloads(request, obj)],
        }

    def _downloads(self, request: HttpRequest, copy: VaultCopy) -> list[dict[str, Any]]:
        """Give who took the copy, to those who may know."""
        if not navigation.may_see(request, Download):
            return []
        return [
            {
                "title": _("Downloads"),
                "table": download.table(copy.downloads.order_by("-pk")[:LAST]),
                "all": shown.link_to_list(Download, _("all of them"), copy__id__exact=copy.pk),
            }
        ]
