"""What a task's page shows beside its form: what was asked for, and its last runs."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _

from scanner.admin import shown
from scanner.admin.durations import chart
from scanner.admin.task_run import last_line, outcome_label
from scanner.models import ScanRun, ScheduledTask, TaskRequest, TaskRun

LAST_RUNS = 30


def panel(task: ScheduledTask) -> dict[str, Any]:
    """Give what the templates `task_request` and `task_runs` need, in two statements.

    `is_pending`: something is asked for or runs, and the page is to look again.
    """
    request = task.requests.select_related("run").order_by("-pk").first()
    runs = list(task.runs.order_by("-pk")[:LAST_RUNS])
    asked = _request(request) if request is not None else None
    is_running = any(run.outcome == TaskRun.Outcome.RUNNING.value for run in runs)
    return {
        "asked": asked,
        "is_pending": is_running or bool(asked and asked["is_pending"]),
        "runs": _table(runs),
        "chart": chart(runs, LAST_RUNS),
    }


def _request(request: TaskRequest) -> dict[str, Any]:
    run: TaskRun | None = getattr(request, "run", None)
    if run is not None:
        state = outcome_label(run.outcome)
    elif request.taken_at is None:
        state = shown.label(_("waiting"), "info")
    else:
        state = shown.label(_("not begun"), "warning")
    return {
        "state": state,
        "is_waiting": request.taken_at is None,
        "is_pending": request.taken_at is None
        or (run is not None and run.outcome == TaskRun.Outcome.RUNNING.value),
        "at": shown.moment(request.requested_at),
        "by": request.requested_by,
        "took": shown.duration(run.seconds) if run and run.seconds is not None else "",
        "run": shown.link_to(TaskRun, run.pk, _("the run")) if run else "",
        "scan": shown.link_to(ScanRun, run.scan_run_id, _("its scan"))
        if run and run.scan_run_id
        else "",
    }


def _table(runs: Sequence[TaskRun]) -> dict[str, Any]:
    """Give runs as unfold's table component wants them."""
    return {
        "headers": [
            _("started"),
            _("outcome"),
            _("cause"),
            _("attempt"),
            _("duration"),
            _("scan run"),
            _("error"),
        ],
        "rows": [
            [
                shown.link_to(TaskRun, run.pk, shown.moment(run.started_at or run.scheduled_for)),
                outcome_label(run.outcome),
                run.get_cause_display(),
                run.attempt,
                shown.duration(run.seconds),
                shown.link_to(ScanRun, run.scan_run_id),
                shown.prose(last_line(run.error)),
            ]
            for run in runs
        ],
    }
