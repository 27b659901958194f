"""What is told of a task, alike in the list and on its own page."""

from collections.abc import Callable, Mapping
from typing import Any

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from scanner.admin import shown
from scanner.admin.task_run import outcome_label
from scanner.admin.unfolded import Words
from scanner.cron_words import reading
from scanner.errors import ScheduleError
from scanner.grid import AUDIT_VAULT, PRUNE, PRUNE_VAULT, RESTORE_DRILL, SCAN, SEND_ALERTS, grid_of
from scanner.models import ScheduledTask, TaskRun
from scanner.scheduler_board import NextRun, schedule_in_words
from scanner.scheduler_board import next_run as next_run_of

NEXT_SLOTS = 5

PURPOSES: Mapping[str, Words] = {
    SCAN: _(
        "Reads what the agents have deposited, gives each expected backup its verdict, and copies "
        "what is good into the vault."
    ),
    PRUNE: _(
        "Removes old history and the files of old reports, as the settings KEEP_EXECUTIONS_DAYS, "
        "KEEP_RUNS_DAYS and KEEP_ARCHIVED_REPORTS_DAYS say; never a verdict or a backup."
    ),
    PRUNE_VAULT: _(
        "Deletes copies that no rule keeps, where a job or the settings VAULT_KEEP_… have rules; "
        "never the newest verified copy, nor any of a job that is in trouble."
    ),
    AUDIT_VAULT: _(
        "Reads the vault's copies again, those first that were not read for longest, and repairs "
        "what it can from the staged files."
    ),
    RESTORE_DRILL: _(
        "Restores copies into a scratch database and drops it: the proof that they can be "
        "restored, and how long it takes."
    ),
    SEND_ALERTS: _(
        "Sees what went wrong or came right, and tells those responsible by the channels; it is "
        "also run right after each scan."
    ),
}


def schedule(task: ScheduledTask) -> str:
    """Say when a task is due, as it is stored."""
    words = schedule_in_words(task) or shown.NOTHING
    try:
        grid = grid_of(task)
        if grid is None or not grid.cron or grid.cron not in words:
            return words
        return format_html("{} <small>{}</small>", reading(grid.cron), words)
    except ScheduleError:
        return words


def next_run(task: ScheduledTask) -> str:
    """Give the next run that will be kept, or why there is none to tell of."""
    match next_run_of(task, timezone.now()):
        case NextRun.PAUSED:
            return shown.label(_("paused"))
        case NextRun.NOT_IN_FORCE:
            return shown.label(_("not yet in force"), "warning")
        case NextRun.OVERDUE:
            since = shown.moment(task.next_run_at)
            return format_html("{} {}", shown.label(_("overdue since"), "danger"), since)
        case NextRun.KNOWN:
            return shown.moment(task.next_run_at)


def last_run(task: Any) -> str:
    """Give the newest run of a task `with_history`: when, and how it went."""
    if task.last_run_id is None:
        return shown.NOTHING
    link = shown.link_to(TaskRun, task.last_run_id, shown.moment(task.last_run_at))
    return format_html("{} {}", link, outcome_label(task.last_run_outcome))


def retry(task: ScheduledTask) -> str:
    """Give when a failed run is tried again, and how often it then was tried."""
    if task.retry_at is None:
        return shown.NOTHING
    attempt = _("attempt %d") % task.retry_attempt
    return format_html("{} ({})", shown.moment(task.retry_at), attempt)


def duration(field: str) -> Callable[[Any], str]:
    """Give what shows a length of time that a task `with_history` carries."""

    def show(task: Any) -> str:
        span = getattr(task, field)
        return shown.duration(None if span is None else span.total_seconds())

    return show


def in_force(task: ScheduledTask) -> str:
    """Tell whether the scheduler follows what is stored."""
    if task.version == task.applied_version:
        return shown.label(_("yes"), "success", small=True)
    return shown.label(_("not yet: the leading scheduler takes it over"), "warning", small=True)


def next_slots(task: ScheduledTask) -> str:
    """Give when a task is due next; nothing while it is paused."""
    try:
        grid = grid_of(task) if task.enabled else None
    except ScheduleError:
        return shown.NOTHING  # said beside the field
    slots = grid.coming(timezone.now(), NEXT_SLOTS) if grid else []
    lines = ((shown.moment(slot),) for slot in slots)
    return format_html_join("", "{}<br>", lines) or shown.NOTHING
