"""When people are not told: the maintenance windows that lie open at a moment.

A window that recurs begins whenever its cron expression says so in its zone, each time for its
duration of elapsed time, whatever the clocks do. One that begins again before it is over lasts
until the end of its newest beginning.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from scanner.alerts.turn import take_turn
from scanner.cycle import Era, Schedule, timetable
from scanner.errors import ScheduleError
from scanner.models import ExpectedBackupJob, MaintenanceWindow

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Window:
    """A window that is open now, until `ends`; what is blank (`job_id`: None) is any.

    Names are case-folded.
    """

    ends: datetime
    company: str = ""
    city: str = ""
    neighborhood: str = ""
    agent: str = ""
    job_id: int | None = None

    @property
    def is_over_everything(self) -> bool:
        """Whether it says neither a place, an agent nor a job."""
        return self.job_id is None and not any(self._names)

    def covers(self, job: ExpectedBackupJob) -> bool:
        """Tell whether the job is in all that the window says."""
        if self.job_id is not None and self.job_id != job.pk:
            return False
        theirs = (job.company_name, job.city, job.neighborhood, job.agent_id)
        return all(
            mine in ("", name.casefold()) for mine, name in zip(self._names, theirs, strict=True)
        )

    @property
    def _names(self) -> tuple[str, ...]:
        return self.company, self.city, self.neighborhood, self.agent


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows that are open at one moment."""

    active: tuple[Window, ...] = ()

    def until(self, job: ExpectedBackupJob) -> datetime | None:
        """Give when nobody keeps silent about a job any more (UTC); None when nobody does now.

        That is the latest end of the windows over it. Another one may begin by then: look again.
        """
        return max((one.ends for one in self.active if one.covers(job)), default=None)

    def over_everything(self) -> datetime | None:
        """Give the latest end (UTC) of the windows over everything; None when none is open."""
        return max((one.ends for one in self.active if one.is_over_everything), default=None)


def read(*, now: datetime) -> Windows:
    """Give the enabled windows that are open at `now`, in one statement.

    The instant of the start belongs to a window, that of its end does not. A window that cannot be
    understood keeps nobody silent: it is logged.
    """
    once = Q(cron="", starts_at__lte=now, ends_at__gt=now)
    rows = MaintenanceWindow.objects.filter(once | ~Q(cron=""), enabled=True).order_by("pk")
    return Windows(tuple(_open(rows, now)))


def changed(*, now: datetime) -> None:
    """Have the jobs that are held for later looked at again, after a change of a window.

    To be called in the transaction of that change; two statements. It waits for whoever is
    noticing: what is being held by the windows of before is looked at again as well.
    """
    with transaction.atomic():
        take_turn()
        ExpectedBackupJob.objects.filter(alert_check_at__gt=now).update(alert_check_at=now)


def end_of(window: MaintenanceWindow, *, now: datetime) -> datetime | None:
    """Give when a window that is open now ends; None when it is not open, or is never."""
    if not window.cron and (window.starts_at is None or window.starts_at > now):
        return None
    try:
        ends = _end_of(window, now)
    except ScheduleError:
        return None
    return ends if ends is not None and now < ends else None


def _open(rows: Iterable[MaintenanceWindow], now: datetime) -> Iterator[Window]:
    for row in rows:
        try:
            ends = _end_of(row, now)
        except ScheduleError as error:
            logger.warning("the maintenance window %r keeps nobody silent: %s", row.name, error)
            continue
        if ends is not None and now < ends:
            yield Window(
                ends=ends,
                company=row.company.casefold(),
                city=row.city.casefold(),
                neighborhood=row.neighborhood.casefold(),
                agent=row.agent_id.casefold(),
                job_id=row.job_id,
            )


def _end_of(row: MaintenanceWindow, now: datetime) -> datetime | None:
    """Give the end of a window's newest beginning, if it began already."""
    if not row.cron:
        return row.ends_at
    begins = Schedule((Era(timetable(row.cron, row.zone_name), None),), timedelta())
    newest = begins.cycle_of(now)
    if newest is None:
        return None
    return newest.due + timedelta(minutes=row.duration_minutes or 0)
