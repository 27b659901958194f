from datetime import datetime

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django_apscheduler.models import DjangoJob, DjangoJobExecution

from scanner.admin import shown
from scanner.admin.django_job_execution import outcome_label
from scanner.admin.page import ReadOnlyPage
from scanner.admin.shown import computed

# django_apscheduler's own page asks for each job's executions apart, and runs jobs inside the web
# request. Its app stands before this one in INSTALLED_APPS, so that its pages are there by now.
admin.site.unregister(DjangoJob)


def _next(at: datetime | None) -> str:
    return shown.label(_("paused")) if at is None else shown.moment(at)


@admin.register(DjangoJob)
class DjangoJobAdmin(ReadOnlyPage[DjangoJob]):
    """What the scheduler runs, when next, and how it went last."""

    empty_words = _(
        "The job store is empty. The scheduler fills it: start it with manage.py runapscheduler."
    )
    list_display = ("id", "next_run", "last_run", "last_outcome")
    fields = ("id", "next_run", "last_run", "last_outcome")
    ordering = ("id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[DjangoJob]:
        """Give the jobs with their last execution, without the pickled state."""
        last = DjangoJobExecution.objects.filter(job_id=OuterRef("pk")).order_by("-run_time")
        jobs: QuerySet[DjangoJob] = super().get_queryset(request).defer("job_state")
        annotated: QuerySet[DjangoJob] = jobs.annotate(
            last_run_time=Subquery(last.values("run_time")[:1]),
            last_status=Subquery(last.values("status")[:1]),
        )
        return annotated

    next_run = computed(_("next run"), lambda job: _next(job.next_run_time))
    last_run = computed(_("last run"), lambda job: shown.moment(job.last_run_time))
    last_outcome = computed(
        _("last outcome"),
        lambda job: outcome_label(job.last_status) if job.last_status else shown.NOTHING,
    )
