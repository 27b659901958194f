"""What is wrong and is no job's: scans, tasks, the vault and the channels themselves.

Each is told from the present state alone; what is not found any more is over.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Max, Min, OuterRef, Q, Subquery
from django.db.models.fields.json import KT
from django.utils.text import Truncator

from scanner.grid import SCAN
from scanner.models import Channel, Incident, ScanRun, ScheduledTask, TaskRun, VaultFinding
from scanner.models.channel import AlertLevel
from scanner.outcomes import FAILURES

Kind = Incident.Kind
PlaceNames = tuple[str, str, str]
"""Company, city, neighborhood."""

CHANNEL_PATIENCE = timedelta(hours=1)
LITTLE_ROOM_DAYS = 14
NO_ROOM_DAYS = 3
SAMPLES = 5
LONGEST = 500

_REAL = (ScanRun.Trigger.SCHEDULE.value, ScanRun.Trigger.COMMAND.value)
_ROOT_IS_AWAY = "DepositRootUnavailable"


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
    return [*_scans(tasks), *_tasks(tasks, now), *_room(), *_vault(now), *_channels(now)]


def _scans(tasks: list[ScheduledTask]) -> Iterator[Condition]:
    """Tell of a failed scan, unless it is just to be tried again; of an incomplete one, if twice.

    A report that is just being written makes a scan incomplete, too.
    """
    ended = ScanRun.objects.filter(agents=[], trigger__in=_REAL).exclude(
        outcome=ScanRun.Outcome.RUNNING.value
    )
    scans = list(ended.annotate(finding=KT("findings__0")).defer("findings").order_by("-pk")[:2])
    if not scans:
        return
    newest, outcomes = scans[0], [scan.outcome for scan in scans]
    failed = newest.outcome == ScanRun.Outcome.FAILED.value
    is_tried_again = any(task.name == SCAN and task.retry_at is not None for task in tasks)
    if (failed and not is_tried_again) or outcomes == [ScanRun.Outcome.INTERRUPTED.value] * 2:
        reason = "deposit_root" if newest.error.startswith(_ROOT_IS_AWAY) else newest.outcome
        yield _scan(newest, reason, newest.error)
        return
    findings = {scan.finding for scan in scans}
    if outcomes == [ScanRun.Outcome.INCOMPLETE.value] * 2 and len(findings) == 1:
        yield _scan(newest, newest.outcome, scans[0].finding or "")


def _room() -> Iterator[Condition]:
    """Tell of a vault that will soon be full, as the last scan that came to its end measured it."""
    ended = (ScanRun.Outcome.COMPLETE.value, ScanRun.Outcome.INCOMPLETE.value)
    run = ScanRun.objects.filter(outcome__in=ended).defer("findings").order_by("-pk").first()
    days = run.vault_days_left if run else None
    if run is None or days is None or days >= LITTLE_ROOM_DAYS:
        return
    yield Condition(
        kind=Kind.VAULT,
        key="vault:room",
        level=AlertLevel.PROBLEM if days < NO_ROOM_DAYS else AlertLevel.WARNING,
        reason="room",
        name="room",
        since=run.started_at,
        facts={"days": round(days, 1), "free_bytes": run.vault_free_bytes},
    )


def _scan(run: ScanRun, reason: str, words: str) -> Condition:
    return Condition(
        kind=Kind.SCAN,
        key="scan",
        level=AlertLevel.PROBLEM,
        reason=reason,
        name="scan",
        since=run.started_at,
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


def _vault(now: datetime) -> Iterator[Condition]:
    """Tell of what is wrong with files of the vault, by kind: a patrol may find many at once."""
    still = VaultFinding.objects.filter(ended_at=None)
    rows = (
        still.order_by()
        .values("kind")
        .annotate(count=Count("pk"), newest=Max("pk"), since=Min("found_at"))
    )
    found = {row["kind"]: row for row in rows}
    if not found:
        return
    samples: dict[str, list[dict[str, Any]]] = {kind: [] for kind in found}
    places: dict[str, set[PlaceNames]] = {kind: set() for kind in found}
    shown = Q()
    for row in found.values():
        shown |= Q(kind=row["kind"], pk__gt=row["newest"] - 10 * SAMPLES)
    newest = still.filter(shown).annotate(
        is_last_good=Q(job__last_good_entry__vault_path=F("path"))
    )
    for one in newest.select_related("job").order_by("-pk")[: len(found) * 10 * SAMPLES]:
        if len(samples[one.kind]) < SAMPLES:
            samples[one.kind].append(
                {
                    "path": one.path,
                    "job": one.job.database_name if one.job else "",
                    "message": Truncator(one.message).chars(LONGEST),
                    "is_last_good": bool(one.is_last_good),
                }
            )
    fields = ("kind", "job__company_name", "job__city", "job__neighborhood")
    for kind, *names in still.exclude(job=None).order_by().values_list(*fields).distinct()[:1000]:
        places[kind].add((names[0], names[1], names[2]))
    for kind, row in sorted(found.items()):
        is_extra = kind == VaultFinding.Kind.EXTRA.value
        yield Condition(
            kind=Kind.VAULT,
            key=f"vault:{kind}",
            level=AlertLevel.WARNING if is_extra else AlertLevel.PROBLEM,
            reason=kind,
            name=kind,
            since=row["since"] or now,
            facts={"count": row["count"], "samples": samples[kind]},
            places=tuple(sorted(places[kind])),
            serial=row["newest"],
        )


def _channels(now: datetime) -> Iterator[Condition]:
    """Tell of channels that fail for long: by the others, since this one cannot."""
    failing = Channel.objects.filter(enabled=True, failing_since__lt=now - CHANNEL_PATIENCE)
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
