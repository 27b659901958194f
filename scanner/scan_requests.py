"""Scans that people ask for: of which agents somebody may, and what becomes of what was asked.

Asking only leaves a request: the leading scheduler makes the scan.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from django.db.models import Case, Count, QuerySet, Value, When

from scanner import access, agenda, scheduler_board
from scanner.access import Companies
from scanner.errors import UnknownAgent
from scanner.grid import SCAN
from scanner.models import (
    Agent,
    BackupEntry,
    ExpectedBackupJob,
    ScanRun,
    ScheduledTask,
    TaskRequest,
    TaskRun,
)
from scanner.models.job import PROBLEM_STATUSES

MOST_ENTRIES = 20
_RUNNING = TaskRun.Outcome.RUNNING.value


class Stage(Enum):
    """How far a request has come."""

    UNLED = auto()  # it waits, and nobody leads who would take it up
    QUEUED = auto()  # it waits for the scan before it
    WAITING = auto()
    RUNNING = auto()
    RETRYING = auto()  # the scan failed, and is to be tried again
    OVER = auto()
    UNBEGUN = auto()  # it was taken, and no run of it is on record


@dataclass(frozen=True, slots=True)
class Progress:
    """What has become of a request, as far as somebody may see it.

    `run` is the newest attempt, `scan` its scan. `counts` are of the verdicts so far, by status;
    `entries` some of them, problems first.
    """

    request: TaskRequest
    stage: Stage
    run: TaskRun | None = None
    scan: ScanRun | None = None
    counts: Mapping[str, int] | None = None
    entries: tuple[BackupEntry, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be expected of it."""
        return self.stage in (Stage.OVER, Stage.UNBEGUN)


def agents(companies: Companies) -> list[str]:
    """Give the agents, in order, that somebody who sees these companies may have scanned.

    Of somebody who sees some, those are the agents all of whose backups are of these.
    """
    users: defaultdict[str, set[str]] = defaultdict(set)
    jobs = ExpectedBackupJob.objects.order_by().values_list("agent_id", "company_name")
    for agent, company in jobs.distinct():
        users[agent].add(company)
    seen = access.visible(Agent.objects.order_by(), companies).values_list("name", flat=True)
    own = {agent for agent, of in users.items() if access.includes(companies, of)}
    return sorted(own.union(seen))


def ask(
    wanted: Collection[str] | None, companies: Companies, *, by: str, now: datetime
) -> TaskRequest | None:
    """Ask for a scan of these agents; with None, of all that somebody may have scanned.

    Give the request, which may be one that waits already; None where there is nothing to be
    scanned. Raise UnknownAgent for one that somebody may not have scanned.
    """
    names: list[str] = []  # the task's word for all there are
    if wanted is not None or companies is not access.EVERY:
        allowed = agents(companies)
        names = allowed if wanted is None else sorted(set(wanted))
        if unknown := set(names).difference(allowed):
            raise UnknownAgent(", ".join(sorted(unknown)))
        if not names:
            return None
    return agenda.request_run(_task(now).pk, by=by, now=now, agents=names)


def find(key: int, companies: Companies) -> TaskRequest | None:
    """Give a request for a scan that somebody may see: of agents that they may have scanned."""
    requests = TaskRequest.objects.filter(pk=key, task__name=SCAN).select_related("task")
    request = requests.first()
    if request is None or companies is access.EVERY:
        return request
    own = set(request.agents) and set(request.agents) <= set(agents(companies))
    return request if own else None


def look(request: TaskRequest, companies: Companies, *, now: datetime) -> Progress:
    """Tell what has become of a request, in a constant number of statements."""
    run = _newest_attempt(request)
    if run is None:
        return Progress(request, _stage_without_run(request, now))
    scan = run.scan_run
    if scan is None:
        return Progress(request, _stage_of(request, run), run)
    entries = access.visible(BackupEntry.objects.filter(run=scan), companies)
    return Progress(
        request,
        _stage_of(request, run),
        run,
        scan,
        dict(entries.order_by().values_list("status").annotate(Count("pk"))),
        tuple(_problems_first(entries)[:MOST_ENTRIES]),
    )


def _task(now: datetime) -> ScheduledTask:
    """Give the task; where no scheduler has ever run, it has no row yet."""
    task, _ = ScheduledTask.objects.get_or_create(name=SCAN, defaults={"changed_at": now})
    return task


def _newest_attempt(request: TaskRequest) -> TaskRun | None:
    """Give the newest attempt: a retry has the slot of the run that was asked for."""
    slots = TaskRun.objects.filter(request=request).values("scheduled_for")
    attempts = TaskRun.objects.filter(task=request.task_id, scheduled_for__in=slots)
    return attempts.select_related("scan_run").order_by("-attempt").first()


def _stage_without_run(request: TaskRequest, now: datetime) -> Stage:
    if request.taken_at is not None:
        return Stage.UNBEGUN
    if scheduler_board.scheduler_health(now=now).leader is None:
        return Stage.UNLED
    is_busy = TaskRun.objects.filter(task=request.task_id, outcome=_RUNNING).exists()
    return Stage.QUEUED if is_busy else Stage.WAITING


def _stage_of(request: TaskRequest, run: TaskRun) -> Stage:
    if run.outcome == _RUNNING:
        return Stage.RUNNING
    task = request.task
    is_tried_again = task.retry_at is not None and task.retry_slot == run.scheduled_for
    return Stage.RETRYING if is_tried_again else Stage.OVER


def _problems_first(entries: QuerySet[BackupEntry]) -> QuerySet[BackupEntry]:
    is_problem = When(status__in=PROBLEM_STATUSES, then=Value(0))
    return entries.select_related("job").order_by(Case(is_problem, default=Value(1)), "-pk")
