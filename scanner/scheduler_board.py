"""The read side of the scheduler: who leads, whether what it is for gets done, and its tasks.

Whether a process lives is told here by the time of its last heartbeat, unlike in `lease`: nothing
is decided by it, and a wrong clock of one host is better told once too often than never.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import (
    Avg,
    DurationField,
    ExpressionWrapper,
    F,
    Max,
    OuterRef,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext

from scanner.board import moment
from scanner.errors import ScheduleError
from scanner.grid import DEFAULTS, SCAN, Grid, grid_of
from scanner.lease import TIME_TO_LIVE
from scanner.models import Lease, ScanRun, ScheduledTask, SchedulerProcess, TaskRun

LEASE = "scheduler"
SILENCE = timedelta(seconds=3 * TIME_TO_LIVE)
MEASURED_RUNS = 100
_GOOD = (ScanRun.Outcome.COMPLETE.value, ScanRun.Outcome.INCOMPLETE.value)
_REAL = (ScanRun.Trigger.SCHEDULE.value, ScanRun.Trigger.COMMAND.value)
# How long these took is how long the task takes; of the others something else cut it short.
_MEASURED = (TaskRun.Outcome.OK.value, TaskRun.Outcome.FAILED.value)


@dataclass(frozen=True, slots=True)
class Leader:
    """The process that leads, since when, and when its heart was last heard."""

    host: str
    pid: int
    since: datetime
    heartbeat: datetime


@dataclass(frozen=True, slots=True)
class Health:
    """Whether tasks run and scans go well; `reasons` says in words what is wrong, and what to do.

    `last_good_scan` is the end of the newest scan of all agents that came to an end.
    """

    leader: Leader | None
    last_good_scan: datetime | None
    reasons: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self.reasons


@dataclass(frozen=True, slots=True)
class SchedulerState:
    """The scheduler as a whole: its health, the processes that stand by, and the tasks."""

    health: Health
    standbys: tuple[SchedulerProcess, ...]
    tasks: tuple[ScheduledTask, ...]


def scheduler_health(*, now: datetime) -> Health:
    """Tell, in three small statements, whether tasks run and scans go well."""
    return _health(ScheduledTask.objects.filter(name=SCAN).first(), now)


def scheduler_state(*, now: datetime) -> SchedulerState:
    """Tell all of the scheduler, in four statements."""
    tasks = tuple(ScheduledTask.objects.order_by("name"))
    scan = next((task for task in tasks if task.name == SCAN), None)
    alive = SchedulerProcess.objects.filter(leads=False, beat_at__gte=now - SILENCE)
    return SchedulerState(_health(scan, now), tuple(alive.order_by("started_at")), tasks)


def state_as_data(state: SchedulerState) -> dict[str, Any]:
    """Give the scheduler's state as `scheduler_status --json` prints it."""
    leader = state.health.leader
    return {
        "healthy": state.health.healthy,
        "reasons": list(state.health.reasons),
        "leader": leader
        and {
            "host": leader.host,
            "pid": leader.pid,
            "since": moment(leader.since),
            "heartbeat": moment(leader.heartbeat),
        },
        "standbys": [{"host": one.host, "pid": one.pid} for one in state.standbys],
        "last_good_scan": moment(state.health.last_good_scan),
        "tasks": [
            {
                "name": task.name,
                "enabled": task.enabled,
                "schedule": schedule_in_words(task),
                "next_run": moment(task.next_run_at),
                "last_outcome": task.last_outcome or None,
            }
            for task in state.tasks
        ],
    }


def schedule_in_words(task: ScheduledTask) -> str:
    """Say when a task is due; of a schedule that cannot be followed, what is wrong with it."""
    try:
        grid = grid_of(task)
    except ScheduleError as error:
        return str(error)
    return grid.words() if grid else ""


def tasks_with_history() -> QuerySet[ScheduledTask]:
    """Give the tasks, each with its newest run and how long the last MEASURED_RUNS took.

    They carry `last_run_id`, `last_run_at` (when it began, or should have), `last_run_outcome`,
    `mean_duration` and `longest_duration`, each None without such a run: one statement for all.
    """
    runs = TaskRun.objects.filter(task=OuterRef("pk")).order_by("-pk")
    measured = runs.filter(
        outcome__in=_MEASURED, started_at__isnull=False, finished_at__isnull=False
    )
    duration = ExpressionWrapper(F("finished_at") - F("started_at"), output_field=DurationField())
    # The key of the oldest that counts: from there on, an index leads through the task's runs.
    recent = measured.filter(pk__gte=Coalesce(OuterRef("oldest_measured"), Value(0))).order_by()
    return ScheduledTask.objects.annotate(
        last_run_id=Subquery(runs.values("pk")[:1]),
        last_run_at=Subquery(runs.values(at=Coalesce("started_at", "scheduled_for"))[:1]),
        last_run_outcome=Subquery(runs.values("outcome")[:1]),
        oldest_measured=Subquery(measured.values("pk")[MEASURED_RUNS - 1 : MEASURED_RUNS]),
        mean_duration=Subquery(recent.values("task").annotate(mean=Avg(duration)).values("mean")),
        longest_duration=Subquery(
            recent.values("task").annotate(most=Max(duration)).values("most")
        ),
    )


def _health(scan: ScheduledTask | None, now: datetime) -> Health:
    lease = Lease.objects.filter(name=LEASE).first()
    good = ScanRun.objects.filter(outcome__in=_GOOD, trigger__in=_REAL, agents=[])
    last_good: datetime | None = good.order_by("-pk").values_list("finished_at", flat=True).first()
    leader = _leader(lease, now)
    reasons = []
    if leader is None:
        reasons.append(_nobody_leads(lease))
    if complaint := _complaint(scan, last_good, now):
        reasons.append(complaint)
    return Health(leader, last_good, tuple(reasons))


def _leader(lease: Lease | None, now: datetime) -> Leader | None:
    if lease is None or not lease.holder or lease.beat_at is None or now - lease.beat_at > SILENCE:
        return None
    return Leader(lease.host, lease.pid or 0, lease.held_since or lease.beat_at, lease.beat_at)


def _nobody_leads(lease: Lease | None) -> str:
    if lease is None or not lease.holder:
        return gettext(
            "No scheduler leads: nothing is done by itself. Start one with: "
            "manage.py runapscheduler"
        )
    return gettext(
        "No scheduler leads: process %(pid)s on %(host)s was last heard of at %(time)s. Start one "
        "with: manage.py runapscheduler"
    ) % {"pid": lease.pid, "host": lease.host, "time": _local(lease.beat_at)}


def _complaint(scan: ScheduledTask | None, last_good: datetime | None, now: datetime) -> str:
    """Say what keeps the scans from being made, or give nothing."""
    if scan is not None and not scan.enabled:
        return gettext(
            "The task “scan” is paused: no backup is checked. Switch it on in the list of tasks."
        )
    try:
        grid = (scan and grid_of(scan)) or DEFAULTS[SCAN]()
    except ScheduleError as error:
        return str(error)
    if last_good is None:
        return gettext(
            "No scan of all agents has gone well yet. The list of runs tells what is in its way."
        )
    if _is_stale(grid, last_good, now):
        return gettext(
            "The last good scan is of %(time)s, more than two intervals ago (%(schedule)s). The "
            "list of runs tells what is in its way."
        ) % {"time": _local(last_good), "schedule": grid.words()}
    return ""


def _is_stale(grid: Grid, last_good: datetime, now: datetime) -> bool:
    """Tell whether a scan that ended well is more than two intervals ago.

    The second slot after it has passed, and by as much as the scan itself ended after its slot: of
    an interval that makes twice the interval, and of a cron expression with gaps what it should.
    """
    first = grid.after(last_good)
    second = first and grid.after(first)
    if second is None:
        return False
    slot = grid.latest(last_good)
    return now > second + (last_good - slot if slot else timedelta())


def _local(at: datetime | None) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}" if at else "-"
