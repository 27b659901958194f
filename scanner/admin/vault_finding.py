from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scanner.admin import shown
from scanner.admin.filters import CityFilter, CompanyFilter
from scanner.admin.page import CappedPaginator, ReadOnlyPage
from scanner.admin.shown import column, computed
from scanner.admin.unfolded import ChoiceFilter, ChoicesFilter, ModelAdmin, Words
from scanner.models import VaultCopy, VaultFinding
from scanner.vault_board import open_findings

STANDING = "standing"
_STANDINGS: tuple[tuple[str, Words], ...] = (
    ("", _("open")),
    ("ended", _("ended")),
    ("all", _("open and ended")),
)


def kind_label(finding: VaultFinding) -> SafeString:
    """Give what was found as its label: red while it is open."""
    words = finding.get_kind_display()
    return shown.label(words, "danger" if finding.ended_at is None else "", small=True)


def ending(finding: VaultFinding) -> SafeString:
    """Give when and how it ended, or that it has not."""
    if finding.ended_at is None:
        return shown.label(_("open"), "danger", small=True)
    return format_html("{} {}", shown.moment(finding.ended_at), finding.get_end_display())


def counted_open() -> str:
    """Give how many are open; beyond what a list shows, that there are more."""
    most = CappedPaginator.most
    count = open_findings().order_by()[: most + 1].count()
    if count > most:
        return gettext("more than %(count)s") % {"count": f"{most:,}"}
    return f"{count:,}"


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


class StandingFilter(ChoiceFilter):
    """Open ones, unless others are asked for: what has ended is history."""

    parameter_name = STANDING
    title = _("standing")
    all_option = None  # it is among the choices

    def lookups(
        self,
        request: HttpRequest,  # noqa: ARG002
        model_admin: ModelAdmin[Any],  # noqa: ARG002
    ) -> list[tuple[str, Words]]:
        """Give the standings."""
        return list(_STANDINGS)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Keep the findings of the standing; refuse one that there is not."""
        match self.value():
            case None | "":
                return queryset.filter(ended_at=None)
            case "ended":
                return queryset.exclude(ended_at=None)
            case "all":
                return queryset
        raise IncorrectLookupParameters


@admin.register(VaultFinding)
class VaultFindingAdmin(ReadOnlyPage[VaultFinding]):
    """What is wrong with files of the vault, and what was."""

    list_display = ("since", "kind_of_it", "its_job", "file", "how", "first_words")
    list_filter = (StandingFilter, ("kind", ChoicesFilter), CompanyFilter, CityFilter)
    list_select_related = ("job",)
    list_before_template = "scanner/admin/finding_standings.html"
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
        chosen = request.GET.get(STANDING, "")
        standings = [
            {
                "query": f"?{STANDING}={value}" if value else "?",
                "words": words,
                "count": "" if value else counted_open(),
                "is_chosen": value == chosen,
            }
            for value, words in _STANDINGS
        ]
        return super().changelist_view(request, {"standings": standings} | (extra_context or {}))
