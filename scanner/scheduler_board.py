"""The read side of the scheduler: who leads, whether what it is for gets done, and its tasks.

Whether a process lives is told here by the time of its last heartbeat, unlike in `lease`: nothing
is decided by it, and a wrong clock of one host is better told once too often than never.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

from django.db.models import Avg, F, Max, Model, OuterRef, QuerySet, Subquery, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import Truncator
from django.utils.translation import gettext

from scanner.board import moment
from scanner.errors import ScheduleError
from scanner.grid import DEFAULTS, SCAN, Grid, grid_of
from scanner.lease import TIME_TO_LIVE
from scanner.models import Lease, ScanRun, ScheduledTask, SchedulerProcess, TaskRun
from scanner.models.schedule_words import in_words
from scanner.outcomes import FAILURES

LEASE = "scheduler"
SILENCE = timedelta(seconds=3 * TIME_TO_LIVE)
MEASURED_RUNS = 100
_GOOD = (ScanRun.Outcome.COMPLETE.value, ScanRun.Outcome.INCOMPLETE.value)
_REAL = (ScanRun.Trigger.SCHEDULE.value, ScanRun.Trigger.COMMAND.value)
# How long these took is how long the task takes; of the others something else cut it short.
_MEASURED = (TaskRun.Outcome.OK.value, TaskRun.Outcome.FAILED.value)
# A leader looks this often at the least: a slot that has just passed is no slot overlooked.
_A_MOMENT = timedelta(seconds=5)
_LONGEST_FINDING = 300


class NextRun(Enum):
    """What there is to tell of a task's next run."""

    KNOWN = auto()
    PAUSED = auto()
    NOT_IN_FORCE = auto()  # the leading scheduler has not taken over what was changed
    OVERDUE = auto()


@dataclass(frozen=True, slots=True)
class Reason:
    """What is wrong, in words; `about` is where more of it is seen: a table, or the row `key`."""

    words: str
    about: type[Model]
    key: int | None = None


@dataclass(frozen=True, slots=True)
class Leader:
    """The process that leads, since when, and when its heart was last heard."""

    host: str
    pid: int
    since: datetime
    heartbeat: datetime


@dataclass(frozen=True, slots=True)
class Health:
    """Whether tasks run and scans go well; `reasons` says what is wrong, and what to do.

    `last_good_scan` is the end of the newest scan of all agents that came to an end.
    """

    leader: Leader | None
    last_good_scan: datetime | None
    reasons: tuple[Reason, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self.reasons

    @property
    def warning(self) -> str:
        """What whoever does not see every company is told in the place of the reasons.

        Those name tasks, hosts and agents of all. Empty when nothing is wrong.
        """
        if self.healthy:
            return ""
        return gettext("The scheduler is not healthy: what is shown here may be out of date.")


@dataclass(frozen=True, slots=True)
class SchedulerState:
    """The scheduler as a whole at a time: its health, who stands by, and the tasks."""

    at: datetime
    health: Health
    standbys: tuple[SchedulerProcess, ...]
    tasks: tuple[ScheduledTask, ...]


def scheduler_health(*, now: datetime) -> Health:
    """Tell, in three small statements, whether tasks run and scans go well."""
    return _health(ScheduledTask.objects.order_by("name"), now)


def scheduler_state(*, now: datetime) -> SchedulerState:
    """Tell all of the scheduler, in four statements."""
    tasks = tuple(ScheduledTask.objects.order_by("name"))
    alive = SchedulerProcess.objects.filter(leads=False, beat_at__gte=now - SILENCE)
    return SchedulerState(now, _health(tasks, now), tuple(alive.order_by("started_at")), tasks)


def state_as_data(state: SchedulerState) -> dict[str, Any]:
    """Give the scheduler's state as `scheduler_status --json` prints it."""
    leader = state.health.leader
    return {
        "healthy": state.health.healthy,
        "reasons": [reason.words for reason in state.health.reasons],
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
                "next_run": moment(
                    task.next_run_at if next_run(task, state.at) is NextRun.KNOWN else None
                ),
                "last_outcome": task.last_outcome or None,
            }
            for task in state.tasks
        ],
    }


def next_run(task: ScheduledTask, now: datetime) -> NextRun:
    """Tell what a task's `next_run_at` is worth; only a KNOWN one will be kept."""
    if not task.enabled:
        return NextRun.PAUSED
    if task.version != task.applied_version:
        return NextRun.NOT_IN_FORCE
    if task.next_run_at is not None and task.next_run_at < now - _A_MOMENT:
        return NextRun.OVERDUE
    return NextRun.KNOWN


def schedule_in_words(task: ScheduledTask) -> str:
    """Say when a task is due; of a schedule that cannot be followed, what is wrong with it."""
    try:
        grid = grid_of(task)
    except ScheduleError as error:
        return in_words(error)
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
    duration = F("finished_at") - F("started_at")
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


def _health(tasks: Iterable[ScheduledTask], now: datetime) -> Health:
    tasks = list(tasks)
    lease = Lease.objects.filter(name=LEASE).first()
    good = ScanRun.objects.filter(outcome__in=_GOOD, trigger__in=_REAL, agents=[])
    # Not all of the findings: there may be many, and every page of the admin asks.
    scans = list(good.annotate(finding=KT("findings__0")).defer("findings").order_by("-pk")[:2])
    newest = scans[0] if scans else None
    leader = _leader(lease, now)
    reasons: list[Reason] = []
    if leader is None:
        reasons.append(Reason(_nobody_leads(lease), ScheduledTask))
    reasons += _scans(tasks, scans, now)
    reasons += (_failure(task) for task in tasks if task.enabled and task.last_outcome in FAILURES)
    return Health(leader, newest.finished_at if newest else None, tuple(reasons))


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


def _scans(tasks: Sequence[ScheduledTask], scans: Sequence[Any], now: datetime) -> Iterator[Reason]:
    """Say what keeps the scans from being made, and what the two newest could not look at.

    Once is no alarm: a report that is just being written makes a scan incomplete, too.
    """
    scan = next((task for task in tasks if task.name == SCAN), None)
    if scan is not None and not scan.enabled:
        words = gettext(
            "The task “scan” is paused: no backup is checked. Switch it on in the list of tasks."
        )
        yield Reason(words, ScheduledTask)
    else:
        yield from _delay(scan, scans[0].finished_at if scans else None, now)
    if len(scans) > 1 and scans[0].finding and scans[0].finding == scans[1].finding:
        words = gettext(
            "The last two scans of all agents are incomplete, up to %(time)s: %(finding)s"
        ) % {
            "time": _local(scans[0].finished_at),
            "finding": Truncator(scans[0].finding).chars(_LONGEST_FINDING),
        }
        yield Reason(words, ScanRun, scans[0].pk)


def _delay(
    scan: ScheduledTask | None, last_good: datetime | None, now: datetime
) -> Iterator[Reason]:
    try:
        grid = (scan and grid_of(scan)) or DEFAULTS[SCAN]()
    except ScheduleError as error:
        stated = scan and (scan.cron or scan.interval_minutes is not None)
        words = in_words(error) if stated else f"SCANNER_INTERVAL_MINUTES: {in_words(error)}"
        yield Reason(words, ScheduledTask, scan.pk if scan else None)
        return
    if last_good is None:
        words = gettext(
            "No scan of all agents has gone well yet. The list of runs tells what is in its way."
        )
        yield Reason(words, ScanRun)
    elif _is_stale(grid, last_good, now):
        words = gettext(
            "The last good scan is of %(time)s, more than two intervals ago (%(schedule)s). The "
            "list of runs tells what is in its way."
        ) % {"time": _local(last_good), "schedule": grid.words()}
        yield Reason(words, ScanRun)


def _failure(task: ScheduledTask) -> Reason:
    if task.last_outcome == TaskRun.Outcome.FAILED.value:
        words = gettext("The task “%(task)s” has failed and is not tried again before it is due.")
    else:
        words = gettext(
            "The task “%(task)s” was interrupted and is not tried again before it is due."
        )
    does = gettext("Its last runs tell why: mend that, and run it now.")
    return Reason(f"{words % {'task': task}} {does}", ScheduledTask, task.pk)


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
    return date_format(timezone.localtime(at), gettext("Y-m-d H:i:s")) if at else "-"
