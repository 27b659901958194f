from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from scanner import agenda
from scanner.admin import (
    navigation,
    schedule_preview,
    scheduler_panel,
    shown,
    switch,
    task_facts,
)
from scanner.admin.deeds import SWITCHED, Deed
from scanner.admin.page import Page
from scanner.admin.posted import unexpected
from scanner.admin.shown import computed
from scanner.admin.task_form import TaskForm
from scanner.admin.task_panel import panel
from scanner.grid import DEFAULTS
from scanner.models import ScheduledTask, TaskRun
from scanner.scheduler_board import tasks_with_history

SWITCH_URL = "scanner_scheduledtask_switch"
RUN_URL = "scanner_scheduledtask_run"


@admin.register(ScheduledTask)
class TaskAdmin(Page[ScheduledTask]):
    """What is done by itself, and when; every change goes through the agenda."""

    class Media:
        css = {"all": ("scanner/acting.css",)}  # noqa: RUF012 - as Django documents it
        js = ("scanner/look_again.js", "scanner/schedule.js")

    form = TaskForm
    actions = None
    sortable_by = ()
    list_display_links = ("name",)
    list_before_template = "scanner/admin/scheduler_state.html"
    change_form_outer_before_template = "scanner/admin/task_state.html"
    change_form_before_template = "scanner/admin/task_version.html"
    change_form_outer_after_template = "scanner/admin/task_runs.html"
    fieldsets = (
        (
            _("When"),
            {
                "fields": (
                    "enabled",
                    "interval_minutes",
                    ("cron", "time_zone"),
                    "cron_words",
                    "next_slots",
                )
            },
        ),
        (
            _("When it is late, or fails"),
            {"fields": ("misfire_grace_seconds", ("retries", "backoff_seconds"))},
        ),
    )
    readonly_fields = ("cron_words", "next_slots")

    schedule = computed(_("schedule"), task_facts.schedule)
    next_run = computed(shown.name_of(ScheduledTask, "next_run_at"), task_facts.next_run)
    last_run = computed(_("last run"), task_facts.last_run)
    mean = computed(_("mean duration"), task_facts.duration("mean_duration"))
    longest = computed(_("longest"), task_facts.duration("longest_duration"))
    retry = computed(shown.name_of(ScheduledTask, "retry_at"), task_facts.retry)
    next_slots = computed(_("next slots"), task_facts.next_slots)
    cron_words = computed(_("what the cron expression means"), schedule_preview.of_task)

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
        """Give the columns; the switch knows who looks, and not all may see runs."""
        runs = ("last_run",) if navigation.may_see(request, TaskRun) else ()
        switched = self._switch_column(request)
        return ("name", switched, "schedule", "next_run", *runs, "mean", "longest", "retry")

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
            return unexpected(switch.FIELD, switch.VALUES)
        if agenda.switch(pk, enabled=wanted, now=timezone.now()):
            self.log_change(request, task, SWITCHED)
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

    def around(self, request: HttpRequest, obj: ScheduledTask) -> dict[str, Any]:
        """Give the task's state and its last runs."""
        # What was filled in and refused stands in `obj`, and is not how the task is.
        stored = tasks_with_history().get(pk=obj.pk) if request.method == "POST" else obj
        return {
            "panel": panel(stored, partial(navigation.may_see, request)),
            "may_run": obj.name in DEFAULTS and self.has_change_permission(request, obj),
        }

    def run_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for the task to be run now, and show its page, which tells what becomes of it."""
        task = self._changeable(request, pk)
        if task is None:
            return HttpResponseNotAllowed(["POST"])
        if task.name not in DEFAULTS:
            raise Http404
        agenda.request_run(pk, by=request.user.get_username(), now=timezone.now())
        self.log_change(request, task, Deed.ASKED_FOR_A_RUN.value)
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
