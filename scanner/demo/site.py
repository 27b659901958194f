"""What a site is, and what a database of it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from scanner.demo.dumps import Engine
from scanner.demo.habit import Habit
from scanner.demo.packing import Packing
from scanner.pipeline.deposit import Place, agent_identity, place_of

ALWAYS: Final = -(10**6)


class Rhythm(StrEnum):
    """When the content of a database changes: at all hours, on working days, or never more."""

    LIVE = "live"
    OFFICE = "office"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Database:
    """One database of a site.

    `runs` is when the agent backs it up (cron, in the site's zone), None for the site's usual time
    and "" for an agent that does not know the database; `expected` is the job's schedule, None for
    the same. `min_size` (bytes) and `stale_after` (cycles) are what the job says. `company` is set
    where it is another than the site's. `extension` is set where the staged file's name lies about
    the packing. `since` and `paused` are days of the story: when it comes into being, and when
    people pause its job. `is_expected` is false where nobody made a job.
    """

    name: str
    rhythm: Rhythm = Rhythm.LIVE
    runs: str | None = None
    expected: str | None = None
    company: str = ""
    engine: Engine = Engine.MYSQL
    packing: Packing = Packing.GZIP
    extension: str | None = None
    grace_minutes: int | None = None
    min_size: int | None = None
    stale_after: int | None = None
    rows: int = 300
    since: int = ALWAYS
    paused: int | None = None
    is_expected: bool = True


@dataclass(frozen=True, slots=True)
class Site:
    """An agent. `zone` is "" where the jobs name none; `upload_minutes` how long a report takes."""

    folder: str
    zone: str
    runs: str
    habit: Habit
    databases: tuple[Database, ...]
    upload_minutes: int = 2
    recipients: str = ""

    @property
    def agent(self) -> str:
        """The agent's identity."""
        return agent_identity(self.folder)

    @property
    def place(self) -> Place:
        """Where the site is, as its folder's name tells."""
        place = place_of(self.agent)
        assert place is not None
        return place
