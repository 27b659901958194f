"""What is wrong and is no job's: scans, tasks, the vault and the channels themselves.

Each is told from the present state alone; what is not found any more is over.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import (
    BooleanField,
    Case,
    Count,
    F,
    Max,
    Min,
    OuterRef,
    QuerySet,
    Subquery,
    When,
    Window,
)
from django.db.models.functions import RowNumber
from django.utils.text import Truncator

from scanner.grid import SCAN
from scanner.models import Channel, Incident, ScanRun, ScheduledTask, TaskRun, VaultFinding
from scanner.models.channel import AlertLevel
from scanner.outcomes import FAILURES

Kind = Incident.Kind
PlaceNames = tuple[str, str, str]
"""Company, city, neighborhood."""

PATIENCE = timedelta(hours=1)
"""For how long a channel may fail, and the next attempt at a scan be awaited, untold."""

LITTLE_ROOM_DAYS = 14
NO_ROOM_DAYS = 3
EASE = 1.5
"""With so many times as much room it is well again at once."""

SAMPLES = 5
LONGEST = 500

_REAL = (ScanRun.Trigger.SCHEDULE.value, ScanRun.Trigger.COMMAND.value)
_ENDED = (ScanRun.Outcome.COMPLETE.value, ScanRun.Outcome.INCOMPLETE.value)
_BAD = (ScanRun.Outcome.FAILED.value, ScanRun.Outcome.INTERRUPTED.value)
_ROOT_IS_AWAY = "DepositRootUnavailable"
_DAY = timedelta(days=1)
_ROOM_LEVELS = {NO_ROOM_DAYS: AlertLevel.PROBLEM, LITTLE_ROOM_DAYS: AlertLevel.WARNING}


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is wrong now. `serial` grows when there is more to tell of it.

    `places` are where it concerns jobs; without any it concerns the server as a whole.
    """

    kind: Incident.Kind
    key: str
    level: AlertLevel
    reason: str
    name: str
    since: datetime
    facts: Mapping[str, Any] = field(default_factory=dict)
    places: tuple[PlaceNames, ...] = ()
    serial: int = 0


def system_conditions(now: datetime) -> list[Condition]:
    """Give what is wrong now, in a number of statements that nothing makes grow."""
    tasks = list(ScheduledTask.objects.filter(enabled=True).order_by("name"))
    return [*_scans(tasks, now), *_tasks(tasks, now), *_room(), *_vault(), *_channels(now)]


def _scans(tasks: list[ScheduledTask], now: datetime) -> Iterator[Condition]:
    """Tell of scans of all agents that fail, or of what two in a row could not look at.

    They fail until one comes to its end: one that failed is enough, of killed ones it takes two.
    One that is about to be tried again is waited for, unless the scans failed before, too.
    """
    whole = ScanRun.objects.filter(agents=[], trigger__in=_REAL).defer("findings").order_by("-pk")
    ended = list(whole.filter(outcome__in=_ENDED)[:2])
    bad = whole.filter(outcome__in=_BAD, pk__gt=ended[0].pk if ended else 0)
    newest = list(bad[:2])
    failed = [run for run in newest if run.outcome == ScanRun.Outcome.FAILED.value]
    if (failed or len(newest) > 1) and not _is_tried_again(tasks, now):
        run = failed[0] if failed else newest[0]
        since = bad.aggregate(at=Min("started_at"))["at"]
        reason = "deposit_root" if run.error.startswith(_ROOT_IS_AWAY) else run.outcome
        yield _scan(run, reason, run.error, since)
    elif [run.outcome for run in ended] == [ScanRun.Outcome.INCOMPLETE.value] * 2:
        before = set(ended[1].findings)
        if lasting := next((found for found in ended[0].findings if found in before), None):
            yield _scan(ended[0], ended[0].outcome, lasting, ended[1].started_at)


def _is_tried_again(tasks: list[ScheduledTask], now: datetime) -> bool:
    """Tell whether the next attempt at the scan has yet to show whether it fails for good.

    What should have come long ago nobody is at any more.
    """
    task = next((task for task in tasks if task.name == SCAN), None)
    if task is None or task.last_outcome in FAILURES:
        return False
    if task.retry_at is not None and task.retry_at > now - PATIENCE:
        return True
    running = TaskRun.objects.filter(task=task, outcome=TaskRun.Outcome.RUNNING.value)
    return running.filter(started_at__gt=now - PATIENCE).exists()


def _room() -> Iterator[Condition]:
    """Tell of a vault that will soon be full, as the scans of the last day measured it.

    The pace changes with each copy, and room with each prune: what was told is over only when there
    is clearly more room again, or enough for a whole day.
    """
    runs = ScanRun.objects.filter(vault_free_bytes__isnull=False).defer("findings")
    run = runs.order_by("-pk").first()
    days = run.vault_days_left if run else None
    if run is None or days is None or days >= EASE * LITTLE_ROOM_DAYS:
        return
    recent = runs.filter(started_at__gt=run.started_at - _DAY, vault_days_left__isnull=False)
    worst = recent.order_by("vault_days_left", "pk").first() or run
    least = worst.vault_days_left or 0
    for bound, level in _ROOM_LEVELS.items():
        if least < bound and days < EASE * bound:
            yield Condition(
                kind=Kind.VAULT,
                key="vault:room",
                level=level,
                reason="room",
                name="room",
                since=worst.started_at,
                facts={"days": round(days, 1), "free_bytes": run.vault_free_bytes},
            )
            return


def _scan(run: ScanRun, reason: str, words: str, since: datetime) -> Condition:
    return Condition(
        kind=Kind.SCAN,
        key="scan",
        level=AlertLevel.PROBLEM,
        reason=reason,
        name="scan",
        since=since,
        facts={"error": Truncator(words).chars(LONGEST), "run": run.pk},
    )


def _tasks(tasks: list[ScheduledTask], now: datetime) -> Iterator[Condition]:
    failed = [task for task in tasks if task.last_outcome in FAILURES and task.name != SCAN]
    if not failed:
        return
    newest = TaskRun.objects.filter(task=OuterRef("pk"), outcome__in=FAILURES).order_by("-pk")
    runs = {
        run.task_id: run
        for run in TaskRun.objects.filter(
            pk__in=ScheduledTask.objects.filter(pk__in=[task.pk for task in failed]).values_list(
                Subquery(newest.values("pk")[:1]), flat=True
            )
        )
    }
    for task in failed:
        run = runs.get(task.pk)
        lines = run.error.strip().splitlines() if run else []
        yield Condition(
            kind=Kind.TASK,
            key=f"task:{task.name}",
            level=AlertLevel.PROBLEM,
            reason=task.last_outcome,
            name=task.name,
            since=(run.finished_at or run.scheduled_for) if run else now,
            facts={"error": Truncator(lines[-1] if lines else "").chars(LONGEST)},
        )


def _vault() -> Iterator[Condition]:
    """Tell of what is wrong with files of the vault, by kind: a patrol may find many at once."""
    still = VaultFinding.objects.filter(ended_at=None).order_by()
    counted = still.values("kind").annotate(
        count=Count("pk"), newest=Max("pk"), since=Min("found_at")
    )
    found = {row["kind"]: row for row in counted}
    if not found:
        return
    # Another kind may be found while this looks.
    still = still.filter(kind__in=list(found))
    samples: dict[str, list[dict[str, Any]]] = {kind: [] for kind in found}
    for kind, sample in _samples(still):
        samples[kind].append(sample)
    places: dict[str, set[PlaceNames]] = {kind: set() for kind in found}
    fields = ("kind", "job__company_name", "job__city", "job__neighborhood")
    for kind, *names in still.exclude(job=None).values_list(*fields).distinct():
        places[kind].add((names[0], names[1], names[2]))
    for kind, row in sorted(found.items()):
        is_extra = kind == VaultFinding.Kind.EXTRA.value
        yield Condition(
            kind=Kind.VAULT,
            key=f"vault:{kind}",
            level=AlertLevel.WARNING if is_extra else AlertLevel.PROBLEM,
            reason=kind,
            name=kind,
            since=row["since"],
            facts={"count": row["count"], "samples": samples[kind]},
            places=tuple(sorted(places[kind])),
            serial=row["newest"],
        )


def _samples(still: QuerySet[VaultFinding]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give some findings of each kind: those of a job's last good copy first, then the newest."""
    is_last_good = When(job__last_good_entry__vault_path=F("path"), then=True)
    ranked = still.annotate(
        is_last_good=Case(is_last_good, default=False, output_field=BooleanField())
    ).annotate(
        rank=Window(
            RowNumber(),
            partition_by=F("kind"),
            order_by=(F("is_last_good").desc(), F("pk").desc()),
        )
    )
    for one in ranked.filter(rank__lte=SAMPLES).select_related("job").order_by("kind", "rank"):
        yield (
            one.kind,
            {
                "path": one.path,
                "job": one.job.database_name if one.job else "",
                "message": Truncator(one.message).chars(LONGEST),
                "is_last_good": one.is_last_good,
            },
        )


def _channels(now: datetime) -> Iterator[Condition]:
    """Tell of channels that fail for long: by the others, since this one cannot."""
    failing = Channel.objects.filter(enabled=True, failing_since__lt=now - PATIENCE)
    for channel in failing.order_by("pk"):
        assert channel.failing_since is not None
        yield Condition(
            kind=Kind.CHANNEL,
            key=f"channel:{channel.pk}",
            level=AlertLevel.PROBLEM,
            reason="failing",
            name=channel.name,
            since=channel.failing_since,
            facts={"error": Truncator(channel.last_error).chars(LONGEST)},
        )
