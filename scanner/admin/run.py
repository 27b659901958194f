from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from scanner.admin import shown
from scanner.admin.filters import StartedDayFilter
from scanner.admin.scanning import Scanning
from scanner.admin.shown import column, computed
from scanner.admin.unfolded import ChoicesFilter
from scanner.models import ScanRun, TaskRun

_KINDS = {
    ScanRun.Outcome.RUNNING.value: "info",
    ScanRun.Outcome.COMPLETE.value: "success",
    ScanRun.Outcome.INCOMPLETE.value: "warning",
    ScanRun.Outcome.FAILED.value: "danger",
    ScanRun.Outcome.INTERRUPTED.value: "danger",
}


def _begun_by(run: ScanRun) -> SafeString:
    """Say what started a run and, where somebody had asked for it, who that was."""
    asked = [one.request for one in run.taskrun_set.all() if one.request is not None]
    if not asked:
        return format_html("{}", run.get_trigger_display())
    words = gettext("asked for by %(name)s")
    told = words % {"name": asked[0].requested_by or gettext("somebody")}
    return format_html('<span class="bm-who">{}</span>', told)


def _judged(run: ScanRun) -> str:
    words = gettext("%(done)s of %(total)s")
    done, total = shown.digits(run.claims_done), shown.digits(run.claims_total)
    return words % {"done": done, "total": total}


@admin.register(ScanRun)
class RunAdmin(Scanning):
    """The scans: when, started by what, what they counted, how they ended."""

    empty_words = _(
        "No scan was made yet. Start the scheduler with manage.py runapscheduler, or make one with "
        "manage.py scan_now."
    )
    list_before_template = "scanner/admin/scan_button_above.html"
    list_display = (
        "started",
        "begun_by",
        "ending",
        "took",
        "verdicts",
        "reports_accepted",
        "reports_rejected",
        "bytes",
        "problems",
        "found",
    )
    list_filter = (("outcome", ChoicesFilter), ("trigger", ChoicesFilter), StartedDayFilter)
    ordering = ("-pk",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("begun_by", "ending"),
                    ("started", "finished", "took"),
                    "only",
                    "failure",
                )
            },
        ),
        (
            _("Verdicts"),
            {"fields": (("verdicts", "problems"), ("judged", "bytes"), "entries")},
        ),
        (
            _("Reports"),
            {
                "fields": (
                    ("reports_accepted", "reports_rejected"),
                    ("reports_known", "reports_deferred"),
                    ("databases_unexpected", "jobs_registered"),
                )
            },
        ),
        (_("Findings"), {"fields": ("all_findings", "ignored")}),
        (_("Vault"), {"fields": (("free", "full_in"),)}),
    )

    begun_by = computed(shown.name_of(ScanRun, "trigger"), _begun_by)
    judged = computed(_("backups judged"), _judged)
    started = column(ScanRun, "started_at", shown.moment)
    finished = column(ScanRun, "finished_at", shown.moment)
    verdicts = column(ScanRun, "counts", shown.tally)
    bytes = column(ScanRun, "verified_bytes", shown.size)
    failure = column(ScanRun, "error", shown.prose)
    all_findings = column(ScanRun, "findings", shown.listed)
    ignored = column(ScanRun, "strangers", shown.listed)

    free = column(ScanRun, "vault_free_bytes", shown.size)
    full_in = computed(
        _("time until the vault is full"),
        lambda run: shown.time_left(run.vault_free_bytes, run.vault_days_left),
    )

    ending = computed(
        shown.name_of(ScanRun, "outcome"),
        lambda run: shown.label(run.get_outcome_display(), _KINDS.get(run.outcome, "")),
    )
    took = computed(_("duration"), lambda run: shown.duration(run.seconds))
    found = column(ScanRun, "findings", len)
    only = column(
        ScanRun, "agents", lambda agents: shown.listed(agents) if agents else gettext("all")
    )
    entries = computed(
        _("entries"),
        lambda run: shown.link_to_entries("run", run.pk, _("the entries that this run recorded")),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ScanRun]:
        """Give the runs, each with who asked for it."""
        asked = TaskRun.objects.exclude(request=None).select_related("request").defer("error")
        runs: QuerySet[ScanRun] = super().get_queryset(request)
        return runs.prefetch_related(Prefetch("taskrun_set", asked))
