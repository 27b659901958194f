"""What the agents of the fleet do between two instants."""

import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from scanner import conf
from scanner.demo import story
from scanner.demo.fleet import SITES
from scanner.demo.site import Database, Site
from scanner.demo.story import Trouble
from scanner.timetable import dues, time_zone, timetable

LONGEST_DELAY: Final = timedelta(hours=9)
# The longest way of an operation from its due to its report's arrival.
_LONGEST_WAY: Final = LONGEST_DELAY + timedelta(hours=3)


@dataclass(frozen=True, slots=True)
class Operation:
    """One backup operation of a site, over the databases whose time has come.

    `trouble` befalls it as a whole. Instants are in UTC and have whole seconds.
    """

    site: Site
    databases: tuple[Database, ...]
    due: datetime
    ended: datetime
    arrived: datetime
    day: int
    trouble: Trouble | None


def zone_of(site: Site) -> ZoneInfo:
    """Give the zone of a site's clock."""
    return time_zone(site.zone or conf.agent_time_zone())


def arriving(after: datetime, until: datetime, *, opening: datetime) -> list[Operation]:
    """Give the operations whose reports arrive in (after, until], in the order of arrival."""
    found = [
        operation
        for site in SITES
        for operation in _of_site(site, after - _LONGEST_WAY, until, opening)
        if after < operation.arrived <= until
    ]
    return sorted(found, key=lambda one: (one.arrived, one.site.folder))


def _of_site(
    site: Site, after: datetime, until: datetime, opening: datetime
) -> Iterator[Operation]:
    rounds: defaultdict[str, list[Database]] = defaultdict(list)
    for database in site.databases:
        rounds[site.runs if database.runs is None else database.runs].append(database)
    for runs, databases in rounds.items():
        for due in dues(timetable(runs, zone_of(site).key), after, until):
            day = story.day_of(due, opening)
            trouble = story.trouble_of(site.agent, "", day)
            known = tuple(one for one in databases if one.since <= day)
            if trouble is not Trouble.SILENT and known:
                yield _operation(site, known, due, day, trouble)


def _operation(
    site: Site, databases: tuple[Database, ...], due: datetime, day: int, trouble: Trouble | None
) -> Operation:
    draw = zlib.crc32(f"{site.folder} {due:%Y%m%d%H%M}".encode())
    ended = due + timedelta(seconds=90 * len(databases) + draw % 180)
    arrived = ended + timedelta(minutes=site.upload_minutes, seconds=draw // 180 % 60)
    if trouble is Trouble.DELAYED:
        arrived += LONGEST_DELAY
    return Operation(site, databases, due, ended, arrived, day, trouble)
