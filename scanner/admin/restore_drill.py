from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from scanner.admin import shown
from scanner.admin.filters import CityFilter, CompanyFilter
from scanner.admin.page import ReadOnlyPage
from scanner.admin.shown import column, computed
from scanner.admin.unfolded import ChoicesFilter
from scanner.models import RestoreDrill, VaultCopy, VaultRun

_KINDS = {
    RestoreDrill.Outcome.RUNNING.value: "info",
    RestoreDrill.Outcome.RESTORED.value: "success",
    RestoreDrill.Outcome.FAILED.value: "danger",
    RestoreDrill.Outcome.NOT_TRIED.value: "warning",
    RestoreDrill.Outcome.INTERRUPTED.value: "warning",
}


def outcome_label(drill: RestoreDrill) -> SafeString:
    """Give how a drill went as its coloured label."""
    return shown.label(drill.get_outcome_display(), _KINDS.get(drill.outcome, ""), small=True)


def table(drills: Iterable[RestoreDrill]) -> dict[str, Any]:
    """Give drills as unfold's table component wants them."""
    return {
        "headers": [
            _("started"),
            _("outcome"),
            _("duration"),
            _("tables"),
            _("rows"),
            _("message"),
        ],
        "rows": [
            [
                shown.link_to(RestoreDrill, drill.pk, shown.moment(drill.started_at)),
                outcome_label(drill),
                shown.duration(drill.seconds),
                shown.number(drill.tables),
                shown.number(drill.rows),
                shown.prose(drill.message),
            ]
            for drill in drills
        ],
    }


@admin.register(RestoreDrill)
class RestoreDrillAdmin(ReadOnlyPage[RestoreDrill]):
    """Each attempt to restore a copy, and what it took and gave."""

    empty_words = _(
        "No restore was tried yet. The task that does it needs a scratch database: the settings "
        "RESTORE_DRILL_… name it."
    )
    list_display = (
        "began",
        "its_job",
        "ending",
        "took",
        "its_tables",
        "its_rows",
        "backup_of",
        "first_words",
    )
    list_filter = (("outcome", ChoicesFilter), CompanyFilter, CityFilter)
    list_select_related = ("job", "copy")
    ordering = ("-pk",)
    fieldsets = (
        (None, {"fields": ("ending", "words")}),
        (_("What"), {"fields": ("job", ("backup_of", "its_path"))}),
        (_("How"), {"fields": (("began", "ended", "its_run"), "into")}),
        (_("What it gave"), {"fields": (("took", "its_tables", "its_rows"),)}),
    )

    began = column(RestoreDrill, "started_at", shown.moment)
    ended = column(RestoreDrill, "finished_at", shown.moment)
    ending = computed(shown.name_of(RestoreDrill, "outcome"), outcome_label)
    took = computed(_("restored in"), lambda drill: shown.duration(drill.seconds))
    its_tables = column(RestoreDrill, "tables", shown.number)
    its_rows = column(RestoreDrill, "rows", shown.number)
    into = column(RestoreDrill, "target", shown.prose)
    words = column(RestoreDrill, "message", shown.prose)
    first_words = column(RestoreDrill, "message", shown.shortened)
    its_job = computed(shown.name_of(RestoreDrill, "job"), lambda drill: shown.job(drill.job))
    backup_of = computed(
        shown.name_of(VaultCopy, "made_at"),
        lambda drill: shown.link_to(VaultCopy, drill.copy_id, shown.moment(drill.copy.made_at)),
    )
    its_path = computed(
        shown.name_of(VaultCopy, "path"), lambda drill: shown.digest(drill.copy.path)
    )
    its_run = computed(
        shown.name_of(RestoreDrill, "run"), lambda drill: shown.link_to(VaultRun, drill.run_id)
    )
