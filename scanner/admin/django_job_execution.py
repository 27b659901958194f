from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django_apscheduler.models import DjangoJob, DjangoJobExecution

from scanner.admin import shown
from scanner.admin.filters import EqualFilter, RunDayFilter
from scanner.admin.page import ReadOnlyPage
from scanner.admin.shown import column, computed
from scanner.admin.unfolded import ModelAdmin, Words

admin.site.unregister(DjangoJobExecution)

# The library's statuses are texts in English, of which its field declares only some.
_OUTCOMES: Mapping[str, tuple[Words, str]] = {
    DjangoJobExecution.SENT: (_("running"), "info"),
    DjangoJobExecution.SUCCESS: (_("executed"), "success"),
    DjangoJobExecution.MISSED: (_("missed"), "warning"),
    DjangoJobExecution.MAX_INSTANCES: (_("still running"), "warning"),
    DjangoJobExecution.ERROR: (_("error"), "danger"),
}
_SHORT = 120


def outcome_label(status: str) -> str:
    """Give an execution's status as a label; one that is unknown here as it stands."""
    words, kind = _OUTCOMES.get(status, (status, ""))
    return shown.label(words, kind)


class OutcomeFilter(EqualFilter):
    """One of the statuses that the library is known to write."""

    parameter_name = field = "status"
    title = _("outcome")

    def lookups(
        self,
        request: HttpRequest,  # noqa: ARG002
        model_admin: ModelAdmin[Any],  # noqa: ARG002
    ) -> list[tuple[str, Words]]:
        """Give the statuses."""
        return [(status, words) for status, (words, _kind) in _OUTCOMES.items()]


class JobFilter(EqualFilter):
    """One of the scheduler's jobs, which are few."""

    parameter_name = field = "job"
    title = _("job")

    def lookups(
        self,
        request: HttpRequest,  # noqa: ARG002
        model_admin: ModelAdmin[Any],  # noqa: ARG002
    ) -> list[tuple[str, Words]]:
        """Give the jobs by their names."""
        names = DjangoJob.objects.order_by("id").values_list("id", flat=True)
        return [(name, name) for name in names]


@admin.register(DjangoJobExecution)
class DjangoJobExecutionAdmin(ReadOnlyPage[DjangoJobExecution]):
    """How each run of a scheduled job went."""

    empty_words = _("Nothing was run yet. Start the scheduler with manage.py runapscheduler.")
    list_display = ("ran", "name", "outcome", "took", "short_exception")
    list_filter = (OutcomeFilter, JobFilter, RunDayFilter)
    ordering = ("-run_time",)
    fieldsets = (
        (None, {"fields": (("name", "outcome"), ("ran", "took"))}),
        (_("Error"), {"fields": ("full_exception", "full_traceback")}),
    )

    ran = column(DjangoJobExecution, "run_time", shown.moment)

    # The key is the name: reading the job would read its pickled state with it.
    name = computed(_("job"), lambda execution: execution.job_id)
    outcome = computed(_("outcome"), lambda execution: outcome_label(execution.status))
    took = column(DjangoJobExecution, "duration", shown.duration)
    full_exception = column(DjangoJobExecution, "exception", shown.prose)
    full_traceback = column(DjangoJobExecution, "traceback", shown.prose)
    short_exception = column(
        DjangoJobExecution,
        "exception",
        lambda exception: shown.prose(Truncator(exception or "").chars(_SHORT)),
    )
