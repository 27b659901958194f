from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from scanner.admin import shown
from scanner.admin.page import ReadOnlyPage
from scanner.admin.shown import column, computed
from scanner.admin.unfolded import ChoicesFilter
from scanner.models import RestoreDrill, VaultRun

_KINDS = {
    VaultRun.Outcome.RUNNING.value: "info",
    VaultRun.Outcome.OK.value: "success",
    VaultRun.Outcome.FINDINGS.value: "danger",
    VaultRun.Outcome.REFUSED.value: "warning",
    VaultRun.Outcome.FAILED.value: "danger",
    VaultRun.Outcome.INTERRUPTED.value: "danger",
}


def _took(run: VaultRun) -> SafeString:
    if run.finished_at is None:
        return shown.NOTHING
    return shown.duration((run.finished_at - run.started_at).total_seconds())


def _drills(run: VaultRun) -> SafeString:
    if run.kind != VaultRun.Kind.DRILL.value:
        return shown.NOTHING
    words = _("the restores that this run tried")
    return shown.link_to_list(RestoreDrill, words, run__id__exact=run.pk)


@admin.register(VaultRun)
class VaultRunAdmin(ReadOnlyPage[VaultRun]):
    """The audits, the prunes and the rounds of restore drills: what they looked at and found."""

    empty_words = _("The vault was not audited, pruned or tried yet. Tasks do that at their times.")
    list_display = (
        "began",
        "kind",
        "ending",
        "took",
        "its_copies",
        "its_bytes",
        "its_findings",
        "covered",
        "first_words",
    )
    list_filter = (("kind", ChoicesFilter), ("outcome", ChoicesFilter))
    ordering = ("-pk",)
    fieldsets = (
        (
            None,
            {"fields": (("kind", "ending"), ("began", "ended", "took"), "words")},
        ),
        (
            _("What it did"),
            {"fields": (("its_copies", "its_bytes", "its_findings"), ("covered", "drills"))},
        ),
    )

    began = column(VaultRun, "started_at", shown.moment)
    ended = column(VaultRun, "finished_at", shown.moment)
    took = computed(_("duration"), _took)
    its_copies = column(VaultRun, "copies", shown.number)
    its_bytes = column(VaultRun, "bytes", shown.size)
    its_findings = column(VaultRun, "findings", shown.number)
    covered = column(VaultRun, "covered_since", shown.moment)
    words = column(VaultRun, "message", shown.prose)
    first_words = column(VaultRun, "message", shown.shortened)
    drills = computed(RestoreDrill._meta.verbose_name_plural or "", _drills)
    ending = computed(
        shown.name_of(VaultRun, "outcome"),
        lambda run: shown.label(run.get_outcome_display(), _KINDS.get(run.outcome, "")),
    )
