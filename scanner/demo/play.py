"""The conductor of the demo: agents deposit, the scan judges, over and over, up to now.

 1. survey the ground; where no demo is yet, take it: `days` days lie ahead
 2. go from scan to scan: two a day (none while the server is down), and the last one now
 3. before each: people add and pause jobs, agents deposit what arrives in the meantime

A demo that was broken off goes on where it stopped, and one that is there already lives on until
now; of a long sleep only the last days are lived. Nothing here inserts a row by itself.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from django.db import transaction

from scanner import roster
from scanner.alerts import noticing
from scanner.demo import agent, ground, operations, story
from scanner.demo.fleet import SITES
from scanner.demo.ground import Ground
from scanner.demo.site import Database, Site
from scanner.models import ExpectedBackupJob, ScanRun
from scanner.scan import scan

# In UTC, away from the hours at which the fleet's agents work.
SCAN_HOURS: Final = (6, 18)
_DAY: Final = timedelta(days=1)
_BEFORE_ALL: Final = datetime.min.replace(tzinfo=UTC)

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Played:
    """What was done: `run` is the last scan; `was_there` tells that it only went on."""

    run: ScanRun
    scans: int
    was_there: bool


def play(*, now: datetime, progress: Progress, days: int = story.DAYS) -> Played:
    """Set the demo up with `days` of history, or let the one that is here live on until `now`.

    `progress` is called with the number of scans done and in all. Raise NotForDemo when this
    installation is not the demo's, LeaseHeld when another scan runs (play again, and it goes on).
    """
    found = ground.survey()
    here = found or ground.take(now - days * _DAY, now)
    since = max(_lived_until(here), now - max(days, story.DAYS) * _DAY)
    not_before = _others_scanned_at(since)
    scans = [*_scan_times(since, now, here.opening), now]
    with _quiet():
        for done, (after, until) in enumerate(pairwise([min(since, now), *scans])):
            progress(done, len(scans))
            _people_act(here, after, until)
            run = _scan(here, after, until, not_before)
            # So that its incidents have a history, and nobody is told of what is made up.
            noticing.notice(now=run.started_at, tell=False)
        progress(len(scans), len(scans))
    return Played(run, len(scans), found is not None)


def _lived_until(here: Ground) -> datetime:
    """Give when the demo's last scan was that came to its end."""
    ended = (ScanRun.Outcome.COMPLETE.value, ScanRun.Outcome.INCOMPLETE.value)
    runs = ScanRun.objects.filter(
        trigger=ScanRun.Trigger.DEMO.value, outcome__in=ended, started_at__gte=here.began
    )
    return max(runs.values_list("started_at", flat=True), default=here.began)


def _others_scanned_at(since: datetime) -> datetime:
    """Give when a scheduler (or anybody) last scanned after the demo stopped.

    It took silence for absence then, so what the agents did meanwhile can only arrive later.
    """
    demos = ScanRun.objects.filter(trigger=ScanRun.Trigger.DEMO.value)
    last = demos.order_by("-pk").values_list("pk", flat=True).first()
    if last is None:
        return since
    later = ScanRun.objects.filter(pk__gt=last).values_list("started_at", flat=True)
    return max(later, default=since)


def _scan_times(since: datetime, until: datetime, opening: datetime) -> Iterator[datetime]:
    midnight = since.replace(hour=0, minute=0, second=0, microsecond=0)
    while midnight < until:
        for hour in SCAN_HOURS:
            at = midnight.replace(hour=hour)
            if since < at < until and story.day_of(at, opening) not in story.OUTAGES:
                yield at
        midnight += _DAY


def _scan(here: Ground, after: datetime, until: datetime, not_before: datetime) -> ScanRun:
    for operation in operations.arriving(after, until, opening=here.opening):
        seen = replace(operation, arrived=max(operation.arrived, not_before))
        agent.deposit(here.root, seen, opening=here.opening)
    return scan(now=max(until, not_before), trigger=ScanRun.Trigger.DEMO, clock=agent.arrived_at)


def _people_act(here: Ground, after: datetime, until: datetime) -> None:
    """Add and pause the jobs whose day begins in (after, until], or began before the demo did."""
    if after == here.began:
        after = _BEFORE_ALL
    known = set(ExpectedBackupJob.objects.values_list("agent_id", "database_name"))
    with transaction.atomic():
        for site in SITES:
            for database in site.databases:
                at = _moment(here, database.since)
                is_new = database.is_expected and (site.agent, database.name) not in known
                if is_new and after < at <= until:
                    roster.save(_job(site, database), now=at)
                if database.paused is not None:
                    at = _moment(here, database.paused)
                    if after < at <= until:
                        _pause(site, database, at)


def _moment(here: Ground, day: int) -> datetime:
    return max(here.began, story.begin_of(max(day, -story.DAYS), here.opening))


def _job(site: Site, database: Database) -> ExpectedBackupJob:
    schedule = site.runs if database.runs is None else database.runs
    return ExpectedBackupJob(
        company_name=database.company or site.place.company,
        city=site.place.city,
        neighborhood=site.place.neighborhood,
        database_name=database.name,
        year=roster.year_of(database.name),
        agent_id=site.agent,
        schedule=schedule if database.expected is None else database.expected,
        time_zone=site.zone,
        grace_minutes=database.grace_minutes,
        min_size=database.min_size,
        stale_after=database.stale_after,
        notification_recipients=site.recipients,
    )


def _pause(site: Site, database: Database, at: datetime) -> None:
    jobs = ExpectedBackupJob.objects.filter(agent_id=site.agent, database_name=database.name)
    roster.pause(list(jobs.values_list("pk", flat=True)), now=at)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the log of months of trouble off the terminal; errors are told."""
    logger = logging.getLogger("scanner")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
