"""What a task's page shows beside its form: its state, what was asked for, and its last runs."""

from collections.abc import Callable, Sequence
from typing import Any

from django.db.models import Model
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from scanner.admin import shown, task_facts
from scanner.admin.durations import chart
from scanner.admin.task_run import last_line, outcome_label
from scanner.admin.unfolded import Words
from scanner.grid import DEFAULTS
from scanner.models import ScanRun, ScheduledTask, TaskRequest, TaskRun

LAST_RUNS = 30
_RUNNING = TaskRun.Outcome.RUNNING.value

MaySee = Callable[[type[Model]], bool]


def panel(task: ScheduledTask, may_see: MaySee) -> dict[str, Any]:
    """Give what the templates `task_state` and `task_runs` need of a task `with_history`.

    Three statements at most. `runs` is None for those who may see none. `is_pending`: something is
    about to change by itself, and the page is to look again.
    """
    request = task.requests.select_related("run").order_by("-pk").first()
    runs = list(task.runs.order_by("-pk")[:LAST_RUNS])
    asked = _request(task, request, may_see) if request is not None else None
    return {
        "purpose": task_facts.PURPOSES.get(task.name, ""),
        "facts": _facts(task, may_see),
        "asked": asked,
        "is_pending": any(run.outcome == _RUNNING for run in runs)
        or _is_changing(task)
        or bool(asked and asked["is_pending"]),
        "runs": _table(runs, may_see) if may_see(TaskRun) else None,
        "chart": chart(runs, LAST_RUNS),
    }


def _is_changing(task: ScheduledTask) -> bool:
    """Tell whether the scheduler has something to take over, or to try again."""
    if task.name not in DEFAULTS:
        return False  # no scheduler knows it
    return task.version != task.applied_version or task.retry_at is not None


def _facts(task: Any, may_see: MaySee) -> list[tuple[Words, str]]:
    facts: list[tuple[Words, str]] = [
        (_("Schedule"), task_facts.schedule(task)),
        (_("In force"), task_facts.in_force(task)),
        (_("Next run"), task_facts.next_run(task)),
        (_("Next retry"), task_facts.retry(task)),
        (_("Settled outcome (after retries)"), outcome_label(task.last_outcome)),
        (_("Mean duration"), task_facts.duration("mean_duration")(task)),
        (_("Longest"), task_facts.duration("longest_duration")(task)),
    ]
    if may_see(TaskRun):
        facts.insert(4, (_("Last run"), task_facts.last_run(task)))
    return facts


def _request(task: ScheduledTask, request: TaskRequest, may_see: MaySee) -> dict[str, Any]:
    """Tell what becomes of a request: of its newest attempt, for a retry is not asked for anew."""
    first: TaskRun | None = getattr(request, "run", None)
    run = first and task.runs.filter(scheduled_for=first.scheduled_for).latest("attempt")
    is_tried_again = run is not None and task.retry_at and task.retry_slot == run.scheduled_for
    if run is not None:
        state = outcome_label(run.outcome)
    elif request.taken_at is None:
        state = shown.label(_("waiting"), "info")
    else:
        state = shown.label(_("not begun"), "warning")
    return {
        "state": state,
        "again": _again(task) if is_tried_again else "",
        "is_pending": request.taken_at is None
        or bool(is_tried_again)
        or (run is not None and run.outcome == _RUNNING),
        "at": shown.moment(request.requested_at),
        "by": request.requested_by,
        "took": shown.duration(run.seconds) if run and run.seconds is not None else "",
        "run": shown.link_to(TaskRun, run.pk, _("the run")) if run and may_see(TaskRun) else "",
        "scan": shown.link_to(ScanRun, run.scan_run_id, _("its scan"))
        if run and run.scan_run_id and may_see(ScanRun)
        else "",
    }


def _again(task: ScheduledTask) -> str:
    return format_html("{} {}", _("tried again at"), task_facts.retry(task))


def _table(runs: Sequence[TaskRun], may_see: MaySee) -> dict[str, Any]:
    """Give runs as unfold's table component wants them."""
    columns: list[tuple[Words, Callable[[TaskRun], Any]]] = [
        (_("started"), _start),
        (_("outcome"), lambda run: outcome_label(run.outcome)),
        (_("cause"), TaskRun.get_cause_display),
        (_("attempt"), lambda run: run.attempt),
        (_("duration"), lambda run: shown.duration(run.seconds)),
        (_("error"), lambda run: shown.prose(last_line(run.error))),
    ]
    if may_see(ScanRun):
        columns.insert(5, (_("scan run"), lambda run: shown.link_to(ScanRun, run.scan_run_id)))
    return {
        "headers": [words for words, _show in columns],
        "rows": [[show(run) for _words, show in columns] for run in runs],
    }


def _start(run: TaskRun) -> str:
    return shown.link_to(TaskRun, run.pk, shown.moment(run.started_at or run.scheduled_for))
