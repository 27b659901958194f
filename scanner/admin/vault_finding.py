from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from scanner.admin import shown
from scanner.admin.filters import CityFilter, CompanyFilter
from scanner.admin.page import ReadOnlyPage
from scanner.admin.shown import column, computed
from scanner.admin.standing import OPEN, StandingFilter, counted, ending, links
from scanner.admin.unfolded import ChoicesFilter
from scanner.models import VaultCopy, VaultFinding
from scanner.vault_board import open_findings


def kind_label(finding: VaultFinding) -> SafeString:
    """Give what was found as its label: red while it is open."""
    words = finding.get_kind_display()
    return shown.label(words, "danger" if finding.ended_at is None else "", small=True)


def counted_open() -> str:
    """Give how many are open; beyond what a list shows, that there are more."""
    return counted(open_findings())


def table(findings: Iterable[VaultFinding]) -> dict[str, Any]:
    """Give findings as unfold's table component wants them."""
    return {
        "headers": [_("found"), _("kind"), _("how it ended"), _("message")],
        "rows": [
            [
                shown.link_to(VaultFinding, finding.pk, shown.moment(finding.found_at)),
                kind_label(finding),
                ending(finding),
                shown.prose(finding.message),
            ]
            for finding in findings
        ],
    }


@admin.register(VaultFinding)
class VaultFindingAdmin(ReadOnlyPage[VaultFinding]):
    """What is wrong with files of the vault, and what was."""

    empty_words = _("Nothing is known to be wrong with the vault. Audits go on reading its copies.")
    list_display = ("since", "kind_of_it", "its_job", "file", "how", "first_words")
    list_filter = (StandingFilter, ("kind", ChoicesFilter), CompanyFilter, CityFilter)
    list_select_related = ("job",)
    list_before_template = "scanner/admin/standings.html"
    search_fields = ("path", "job__database_name", "job__company_name", "job__city")
    search_help_text = _("Search by path, database, company or city")
    ordering = ("-pk",)
    fieldsets = (
        (None, {"fields": (("kind_of_it", "since", "how"), "words")}),
        (_("Where"), {"fields": ("job", "its_copy", "its_path")}),
    )

    since = column(VaultFinding, "found_at", shown.moment)
    kind_of_it = computed(shown.name_of(VaultFinding, "kind"), kind_label)
    how = computed(shown.name_of(VaultFinding, "end"), ending)
    its_path = column(VaultFinding, "path", shown.digest)
    words = column(VaultFinding, "message", shown.prose)
    file = computed(_("file"), lambda found: shown.file_name(found.path))
    first_words = column(VaultFinding, "message", shown.shortened)
    its_job = computed(shown.name_of(VaultFinding, "job"), lambda found: shown.job(found.job))
    its_copy = computed(
        shown.name_of(VaultFinding, "copy"),
        lambda found: shown.link_to(VaultCopy, found.copy_id),
    )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list below the standings, so that nobody takes the open ones for all."""
        counts = {OPEN: counted(self.get_queryset(request).filter(ended_at=None))}
        context = links(request, _("Findings by standing"), counts)
        return super().changelist_view(request, context | (extra_context or {}))
