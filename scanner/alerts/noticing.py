"""From the state of jobs, and from findings, to incidents: what is new, worse, better or over.

It compares what should be told of the present with the incidents that are open, so that it may be
killed at any instant, and repeated: a job stays marked (`alert_check_at`) until the transaction
that looked at it has committed.

1. The jobs that are marked are locked. Those in a maintenance window are marked for its end, and
   everything about them stays as it is.
2. Each other one gets its standing; the missing ones of the companies concerned are grouped.
3. Where a job is not where it should be, it leaves its incident and joins, or opens, another.
4. Places are counted, and told of when they open, double, halve or end.
5. What is no job's is compared in the same way (`conditions`).
6. The events get their deliveries, in the same transaction.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from scanner.alerts import conditions, maintenance, planning
from scanner.alerts.conditions import Condition
from scanner.alerts.incidents import Book
from scanner.alerts.maintenance import Windows
from scanner.alerts.settling import settle
from scanner.alerts.turn import take_turn
from scanner.models import ExpectedBackupJob, Incident, IncidentEvent
from scanner.models.batch import BATCH, batches
from scanner.models.channel import AlertLevel

logger = logging.getLogger(__name__)

Kind = Incident.Kind
Event = IncidentEvent.Kind
End = Incident.End

_OF_NO_JOB = (Kind.SCAN.value, Kind.TASK.value, Kind.VAULT.value, Kind.CHANNEL.value)


@dataclass(frozen=True, slots=True)
class Noticed:
    """How many events of each kind there were, and how many deliveries they were given."""

    events: dict[str, int]
    deliveries: int


def notice(*, now: datetime, tell: bool = True) -> Noticed:
    """Bring the incidents up to date with the present; without `tell` nobody is told of it."""
    with transaction.atomic():
        take_turn()
        windows = maintenance.read(now=now)
        book = Book(now, is_silent=not tell)
        jobs = _take_marked(windows, now)
        if jobs:
            settle(jobs, windows, book)
        if windows.over_everything() is None:
            _settle_conditions(conditions.system_conditions(now), book)
            book.write()
        return _told(book, tell=tell)


def leaderless(
    *, since: datetime, until: datetime, by_host: str, by_pid: int, now: datetime
) -> Noticed:
    """Tell that no scheduler led for a time, as the process found that leads now."""
    facts = {
        "until": until.isoformat(),
        "host": by_host,
        "pid": by_pid,
    }
    found = Condition(
        kind=Kind.SCHEDULER,
        key=f"scheduler:{since.isoformat()}",
        level=AlertLevel.PROBLEM,
        reason="nobody_led",
        name="scheduler",
        facts=facts,
        since=since,
    )
    with transaction.atomic():
        take_turn()
        if Incident.objects.filter(key=found.key).exists():
            return Noticed({}, 0)
        book = Book(now)
        book.open_condition(found, ended=True)
        book.write()
        return _told(book, tell=True)


def _told(book: Book, *, tell: bool) -> Noticed:
    events = book.write_events()
    counts: dict[str, int] = {}
    for event in events:
        counts[event.kind] = counts.get(event.kind, 0) + 1
    deliveries = planning.plan(events, now=book.now) if tell else 0
    if counts:
        words = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
        logger.info("incidents: %s; %d deliveries", words, deliveries)
    return Noticed(counts, deliveries)


def _take_marked(windows: Windows, now: datetime) -> list[ExpectedBackupJob]:
    """Give the jobs to look at, locked, their marks cleared; those held are marked for later."""
    jobs = ExpectedBackupJob.objects.select_for_update(no_key=True)
    marked = jobs.filter(alert_check_at__lte=now)
    free: list[ExpectedBackupJob] = []
    held: list[ExpectedBackupJob] = []
    for job in marked.order_by("pk"):
        job.alert_check_at = windows.until(job)
        (free if job.alert_check_at is None else held).append(job)
    ExpectedBackupJob.objects.bulk_update(held, ("alert_check_at",), batch_size=BATCH)
    for some in batches([job.pk for job in free]):
        ExpectedBackupJob.objects.filter(pk__in=some).update(alert_check_at=None)
    return free


def _settle_conditions(found: list[Condition], book: Book) -> None:
    """Open, change and end the incidents that are no job's."""
    rows = Incident.objects.filter(ended_at=None, kind__in=_OF_NO_JOB)
    still = {incident.key: incident for incident in rows}
    for condition in found:
        incident = still.pop(condition.key, None)
        if incident is None:
            book.open_condition(condition)
            continue
        before = (incident.level, incident.reason, incident.facts.get("serial", 0))
        facts = {
            **condition.facts,
            "serial": condition.serial,
            "places": [list(place) for place in condition.places],
        }
        if before == (condition.level.value, condition.reason, condition.serial):
            if incident.facts != facts:
                book.change(incident, facts=facts)
            continue
        book.change(incident, level=condition.level.value, reason=condition.reason, facts=facts)
        is_worse = before[0] != AlertLevel.PROBLEM.value and condition.level is AlertLevel.PROBLEM
        if is_worse or before[1] != condition.reason:
            book.tell(incident, Event.CHANGED)
        elif condition.serial > before[2]:
            book.tell(incident, Event.GROWN)
    for incident in still.values():
        book.end(incident, End.RECOVERED)
