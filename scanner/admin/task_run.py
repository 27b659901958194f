import re
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Right
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from scanner.admin import navigation, shown
from scanner.admin.filters import EqualFilter
from scanner.admin.page import ReadOnlyPage
from scanner.admin.shown import column, computed
from scanner.admin.unfolded import ChoicesFilter, ModelAdmin, Words
from scanner.models import ScanRun, ScheduledTask, TaskRun

Outcome = TaskRun.Outcome
_KINDS = {
    Outcome.RUNNING.value: "info",
    Outcome.OK.value: "success",
    Outcome.FAILED.value: "danger",
    Outcome.INTERRUPTED.value: "danger",
    Outcome.SKIPPED.value: "warning",
    Outcome.MISSED.value: "warning",
}
_WORDS: dict[str, Words] = dict(Outcome.choices)
_SHORT = 300
_WHERE = re.compile(r"^(?:\w+\.)+(?=\w+: )", re.ASCII)


def outcome_label(value: str | None) -> SafeString:
    """Give how a run went as its coloured label; nothing where there was none."""
    return shown.label(_WORDS.get(value, value), _KINDS.get(value, "")) if value else shown.NOTHING


def last_line(error: str) -> str:
    """Give the line of an error that says what it is: of a traceback the last, and no module."""
    return Truncator(_WHERE.sub("", error.strip().rpartition("\n")[2], count=1)).chars(_SHORT)


def _who(run: TaskRun) -> str:
    return shown.prose(run.request.requested_by) if run.request is not None else shown.NOTHING


class TaskFilter(EqualFilter):
    """One of the tasks, which are few."""

    parameter_name = "task"
    field = "task__name"
    title = _("task")

    def lookups(
        self,
        request: HttpRequest,  # noqa: ARG002
        model_admin: ModelAdmin[Any],  # noqa: ARG002
    ) -> list[tuple[str, Words]]:
        """Give the tasks by their names."""
        names = ScheduledTask.objects.order_by("name").values_list("name", flat=True)
        return [(name, name) for name in names]


@admin.register(TaskRun)
class TaskRunAdmin(ReadOnlyPage[TaskRun]):
    """How each attempt at a task went."""

    empty_words = _("No task has run yet. Start the scheduler with manage.py runapscheduler.")
    list_display = ("began", "name", "ending", "cause", "attempt", "took", "by", "last_words")
    list_filter = (("outcome", ChoicesFilter), TaskFilter)
    list_select_related = ("task",)
    ordering = ("-pk",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("the_task", "ending", "its_scan"),
                    ("cause", "attempt", "asked_by"),
                    ("slot", "began", "ended", "took"),
                    ("host", "pid"),
                )
            },
        ),
        (_("Error"), {"fields": ("whole_error",)}),
    )

    began = computed(
        shown.name_of(TaskRun, "started_at"),
        lambda run: shown.moment(run.started_at or run.scheduled_for),
    )
    slot = column(TaskRun, "scheduled_for", shown.moment)
    ended = column(TaskRun, "finished_at", shown.moment)
    name = computed(shown.name_of(TaskRun, "task"), lambda run: run.task.name)
    the_task = computed(
        shown.name_of(TaskRun, "task"),
        lambda run: shown.link_to(ScheduledTask, run.task_id, run.task.name),
    )
    ending = column(TaskRun, "outcome", outcome_label)
    took = computed(_("duration"), lambda run: shown.duration(run.seconds))
    by = computed(_("host and process"), lambda run: f"{run.host} {run.pid}")
    asked_by = computed(_("requested by"), _who)
    its_scan = computed(_("scan run"), lambda run: shown.link_to(ScanRun, run.scan_run_id))
    last_words = computed(
        shown.name_of(TaskRun, "error"), lambda run: shown.prose(last_line(run.error_end))
    )
    whole_error = column(TaskRun, "error", shown.prose)

    def get_fieldsets(self, request: HttpRequest, obj: TaskRun | None = None) -> Any:
        """Give what is shown; the scan to those who may see scans."""
        fieldsets = super().get_fieldsets(request, obj)
        if navigation.may_see(request, ScanRun):
            return fieldsets
        (title, first), *others = fieldsets
        line, *lines = first["fields"]
        line = tuple(field for field in line if field != "its_scan")
        return [(title, {**first, "fields": (line, *lines)}), *others]

    def get_queryset(self, request: HttpRequest) -> QuerySet[TaskRun]:
        """Give the runs, each with the end of its error; the whole of it is read for one alone."""
        runs: QuerySet[TaskRun] = super().get_queryset(request)
        return runs.defer("error").annotate(error_end=Right("error", 4 * _SHORT))
