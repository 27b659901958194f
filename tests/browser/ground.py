"""A real site for the journeys: a deposit tree, agents that deposit, scans that judged, people."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from subprocess import Popen
from typing import Any

from django.contrib.auth.models import Group, User
from django.utils import timezone

from scanner import access, groups
from scanner.alerts import noticing
from scanner.models import EVERY_COMPANY, ExpectedBackupJob, Incident
from tests.agent import Agent
from tests.process import MANAGE, PATIENCE, environment
from tests.scanning import make_job, run_scan

HOUR = timedelta(hours=1)
FAILED: dict[str, Any] = {
    "BACKUP": {"status": False},
    "logs_summary": "mysqldump: the disk is full",
}


class Ground:
    """Two companies: Acme's SALES was good yesterday and failed today, Globex's LEDGER is good."""

    def __init__(self, root: Path) -> None:
        self.now = timezone.now()
        self.acme = Agent(root, "ACME_DOUALA_NEWBELL")
        self.globex = Agent(root, "GLOBEX_PARIS_BERCY")
        due = self.now - HOUR
        schedule: dict[str, Any] = {
            "schedule": f"{due.minute} {due.hour} * * *",
            "grace_minutes": 150,
            "now": self.now - 26 * HOUR,
        }
        self.sales = make_job("SALES", self.acme.name, **schedule)
        self.ledger = make_job("LEDGER", self.globex.name, **schedule)
        self._deposit_as_of(self.now - 24 * HOUR)
        self._deposit_as_of(self.now - HOUR / 2, **FAILED)
        noticing.notice(now=self.now)
        self.sales.refresh_from_db()
        self.ledger.refresh_from_db()
        assert (self.sales.status, self.ledger.status) == ("FAILED", "SUCCESS")

    @property
    def incident(self) -> Incident:
        """The one that is open because of SALES."""
        return Incident.objects.get(job=self.sales, ended_at=None)

    def deposit_good(self) -> None:
        """Have SALES arrive, now, as it should."""
        self.acme.deposit("SALES", timezone.now())

    def _deposit_as_of(self, ended: datetime, **changes: Any) -> None:
        self.acme.deposit("SALES", ended, arrived=ended, **changes)
        self.globex.deposit("LEDGER", ended, arrived=ended)
        run_scan(ended + timedelta(minutes=1))


def person(name: str, group: str = "", companies: Iterable[str] = (EVERY_COMPANY,)) -> User:
    """Make somebody of a group, who was granted these companies; the password is the name twice."""
    groups.make_groups()
    user = User.objects.create_user(name, password=name * 2, is_staff=True)
    if group:
        user.groups.add(Group.objects.get(name=group))
    access.grant(user, companies)
    return user


def is_paused(job: ExpectedBackupJob) -> bool:
    """Tell whether a job is paused by now."""
    job.refresh_from_db()
    return not job.is_active


def until(condition: Callable[[], object]) -> None:
    """Return as soon as the condition holds; fail when it never does."""
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.1)


@contextmanager
def scheduler(log: Path) -> Iterator[None]:
    """Have a scheduler of its own process work on the test's database for the block."""
    with log.open("wb") as written:
        process = Popen(
            [*MANAGE, "runapscheduler"], env=environment(), stdout=written, stderr=written
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)
