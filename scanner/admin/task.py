from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from scanner import agenda
from scanner.admin import scheduler_panel, shown, switch
from scanner.admin.page import Page
from scanner.admin.shown import column, computed
from scanner.admin.task_form import TaskForm
from scanner.admin.task_panel import panel
from scanner.admin.task_run import outcome_label
from scanner.errors import ScheduleError
from scanner.grid import DEFAULTS, grid_of
from scanner.models import ScheduledTask, TaskRun
from scanner.scheduler_board import schedule_in_words, tasks_with_history

NEXT_SLOTS = 5
SWITCH_URL = "scanner_scheduledtask_switch"
RUN_URL = "scanner_scheduledtask_run"
_SWITCHED = [{"changed": {"fields": ["Enabled"]}}]


def _next_run(task: ScheduledTask) -> str:
    return shown.moment(task.next_run_at) if task.enabled else shown.label(_("paused"))


def _last_run(task: Any) -> str:
    if task.last_run_id is None:
        return shown.NOTHING
    link = shown.link_to(TaskRun, task.last_run_id, shown.moment(task.last_run_at))
    return format_html("{} {}", link, outcome_label(task.last_run_outcome))


def _retry(task: ScheduledTask) -> str:
    if task.retry_at is None:
        return shown.NOTHING
    attempt = _("attempt %d") % task.retry_attempt
    return format_html("{} ({})", shown.moment(task.retry_at), attempt)


def _duration(field: str) -> Callable[[Any], str]:
    def show(task: Any) -> str:
        span = getattr(task, field)
        return shown.duration(None if span is None else span.total_seconds())

    return show


def _in_force(task: ScheduledTask) -> str:
    if task.version == task.applied_version:
        return shown.label(_("yes"), "success", small=True)
    return shown.label(_("not yet: the leading scheduler takes it over"), "warning", small=True)


def _next_slots(task: ScheduledTask) -> str:
    try:
        grid = grid_of(task)
    except ScheduleError:
        return shown.NOTHING  # said beside the field
    slots = grid.coming(timezone.now(), NEXT_SLOTS) if grid else []
    return (
        format_html_join("", "{}<br>", ((shown.moment(slot),) for slot in slots)) or shown.NOTHING
    )


@admin.register(ScheduledTask)
class TaskAdmin(Page[ScheduledTask]):
    """What is done by itself, and when; every change goes through the agenda."""

    class Media:
        js = ("scanner/look_again.js",)

    form = TaskForm
    actions = None
    sortable_by = ()
    list_display_links = ("name",)
    list_before_template = "scanner/admin/scheduler_state.html"
    change_form_outer_before_template = "scanner/admin/task_request.html"
    change_form_outer_after_template = "scanner/admin/task_runs.html"
    fieldsets = (
        (
            _("State"),
            {
                "fields": (
                    ("next_run", "retry", "in_force"),
                    ("last_run", "outcome"),
                    ("mean", "longest"),
                )
            },
        ),
        (
            _("When"),
            {"fields": ("enabled", "interval_minutes", ("cron", "time_zone"), "next_slots")},
        ),
        (
            _("When it is late, or fails"),
            {"fields": ("misfire_grace_seconds", ("retries", "backoff_seconds"))},
        ),
    )
    readonly_fields = (
        "next_run",
        "retry",
        "in_force",
        "last_run",
        "outcome",
        "mean",
        "longest",
        "next_slots",
    )

    schedule = computed(_("schedule"), lambda task: schedule_in_words(task) or shown.NOTHING)
    next_run = computed(shown.name_of(ScheduledTask, "next_run_at"), _next_run)
    last_run = computed(_("last run"), _last_run)
    outcome = column(ScheduledTask, "last_outcome", outcome_label)
    mean = computed(_("mean duration"), _duration("mean_duration"))
    longest = computed(_("longest"), _duration("longest_duration"))
    retry = computed(shown.name_of(ScheduledTask, "retry_at"), _retry)
    in_force = computed(_("in force"), _in_force)
    next_slots = computed(_("next slots"), _next_slots)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Say no: which tasks there are is written in the program."""
        return False

    def has_delete_permission(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: ScheduledTask | None = None,  # noqa: ARG002
    ) -> bool:
        """Say no: a task that is not wanted is paused."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[ScheduledTask]:  # noqa: ARG002
        """Give the tasks with what their last runs tell."""
        return tasks_with_history().order_by("name")

    def get_urls(self) -> list[URLPattern]:
        """Give the addresses of the page, of the switch and of the button."""
        switching = self.admin_site.admin_view(self.switch_view)
        running = self.admin_site.admin_view(self.run_view)
        return [
            path("<int:pk>/switch/", switching, name=SWITCH_URL),
            path("<int:pk>/run/", running, name=RUN_URL),
            *super().get_urls(),
        ]

    # --- The list ---------------------------------------------------------------------------------

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        """Give the columns; the switch knows who looks."""
        return (
            "name",
            self._switch_column(request),
            "schedule",
            "next_run",
            "last_run",
            "outcome",
            "mean",
            "longest",
            "retry",
        )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list below the state of the scheduler."""
        context = {"scheduler": scheduler_panel.panel(now=timezone.now())}
        return super().changelist_view(request, context | (extra_context or {}))

    def _switch_column(self, request: HttpRequest) -> Callable[[ScheduledTask], Any]:
        may_change = self.has_change_permission(request)

        @admin.display(description=shown.name_of(ScheduledTask, "enabled"), boolean=not may_change)
        def enabled(task: ScheduledTask) -> Any:
            if not may_change:
                return task.enabled
            url = reverse(f"admin:{SWITCH_URL}", args=[task.pk])
            words = _("%s is enabled") % task
            return switch.button(f"task-{task.pk}", url, words, is_on=task.enabled)

        return enabled

    def switch_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Pause one task or let it go on, as its row in the list asks, and show the list again."""
        task = self._changeable(request, pk)
        if task is None:
            return HttpResponseNotAllowed(["POST"])
        wanted = switch.wanted(request)
        if wanted is None:
            return HttpResponseBadRequest(f"{switch.FIELD}: expected 0 or 1")
        if agenda.switch(pk, enabled=wanted, now=timezone.now()):
            self.log_change(request, task, _SWITCHED)
        return HttpResponseRedirect(
            f"{reverse('admin:scanner_scheduledtask_changelist')}#task-{pk}"
        )

    # --- One task ---------------------------------------------------------------------------------

    def save_model(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: ScheduledTask,
        form: Any,  # noqa: ARG002
        change: bool,  # noqa: ARG002, FBT001
    ) -> None:
        """Save through the agenda, which tells the scheduler."""
        agenda.save(obj, now=timezone.now())

    def render_change_form(  # noqa: PLR0917 - Django's signature
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,  # noqa: FBT001, FBT002
        change: bool = False,  # noqa: FBT001, FBT002
        form_url: str = "",
        obj: ScheduledTask | None = None,
    ) -> HttpResponse:
        """Show the form, what was asked for above it, and the last runs below it."""
        if obj is not None:
            context["panel"] = panel(obj)
            context["may_run"] = obj.name in DEFAULTS and self.has_change_permission(request, obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def run_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for the task to be run now, and show its page, which tells what becomes of it."""
        task = self._changeable(request, pk)
        if task is None:
            return HttpResponseNotAllowed(["POST"])
        if task.name not in DEFAULTS:
            raise Http404
        agenda.request_run(pk, by=request.user.get_username(), now=timezone.now())
        self.log_change(request, task, "Asked for a run now.")
        return HttpResponseRedirect(reverse("admin:scanner_scheduledtask_change", args=[pk]))

    def _changeable(self, request: HttpRequest, pk: int) -> ScheduledTask | None:
        """Give the task that a POST is about, or None when it is no POST."""
        if request.method != "POST":
            return None
        task = self.get_object(request, str(pk))
        if not self.has_change_permission(request, task):
            raise PermissionDenied
        if task is None:
            raise Http404
        return task
