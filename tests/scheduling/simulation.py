"""Days of a scheduler in seconds: its own threads and job store, with a clock of the test's.

The scheduler's thread sleeps; a test moves the clock and has the scheduler look for work.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest
from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_SUBMITTED,
)
from apscheduler.schedulers.base import STATE_PAUSED, STATE_RUNNING
from django.utils import timezone

from scanner.lease import Candidate
from scanner.scheduling import dispatch, ledger
from scanner.scheduling.engine import Scheduler
from scanner.scheduling.leadership import LEASE, Leadership
from scanner.scheduling.reconcile import make_missing_tasks, reconcile
from scanner.scheduling.slots import Slots
from scanner.scheduling.tasks import TASKS, Began, Result, Task
from tests.scheduling.threads import eventually

_ENDED: int = EVENT_JOB_EXECUTED | EVENT_JOB_ERROR | EVENT_JOB_MISSED


class Simulation:
    """One scheduler after the other, each of which leads while it lives.

    The task `scan` is due each quarter of an hour and does what `work` does; there is no other.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
        self.now = now
        self.is_away = False  # the database, as far as the scheduler's own thread sees
        self.work: Callable[[Sequence[str]], Result] = lambda _: Result()
        self._submitted = self._ended = 0
        self._lives: list[tuple[Scheduler, Leadership]] = []
        clock = SimpleNamespace(now=lambda _zone=None: self.now)
        for module in ("schedulers.base", "triggers.date", "executors.base"):
            monkeypatch.setattr(f"apscheduler.{module}.datetime", clock)
        monkeypatch.setattr(timezone, "now", lambda: self.now)
        monkeypatch.delitem(TASKS, "prune")
        task = Task(self._run, lambda: Slots(15))
        monkeypatch.setitem(TASKS, "scan", task)

    @property
    def scheduler(self) -> Scheduler:
        return self._lives[0][0]

    @property
    def leadership(self) -> Leadership:
        return self._lives[0][1]

    def start(self) -> None:
        """Lead from now on, as a new process."""
        held = Candidate(LEASE).attempt()
        assert held is not None
        leadership = Leadership(held, uuid4())
        ledger.close_dead((), leadership, now=self.now)
        dispatch.lead(leadership)
        scheduler = Scheduler(
            lambda: not self.is_away,
            lambda: reconcile(scheduler, leadership, now=self.now, catch_up=True),
        )
        scheduler.add_listener(dispatch.note_unbegun, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)
        scheduler.start(paused=True)
        # After the listeners of the job store: when these are called, the others have been.
        scheduler.add_listener(self._note_submitted, EVENT_JOB_SUBMITTED)
        scheduler.add_listener(self._note_ended, _ENDED)
        self._lives.append((scheduler, leadership))
        make_missing_tasks(now=self.now)
        reconcile(scheduler, leadership, now=self.now, catch_up=True)
        self.fire()

    def fire(self, *, wait: bool = True) -> None:
        """Have the scheduler begin what is due now; then wait until it has ended."""
        self.scheduler.state = STATE_RUNNING
        self.scheduler._process_jobs()
        self.scheduler.state = STATE_PAUSED
        if wait:
            eventually(lambda: self._ended == self._submitted)

    def look(self, *, wait: bool = True) -> None:
        """Do what the leader's control loop does, then `fire`."""
        reconcile(self.scheduler, self.leadership, now=self.now)
        ledger.close_dead((), self.leadership, now=self.now)
        self.fire(wait=wait)

    def pass_time(self, time: timedelta, step: timedelta = timedelta(minutes=1)) -> None:
        """Look at each step until the time has passed."""
        until = self.now + time
        while self.now < until:
            self.now += min(step, until - self.now)
            self.look()

    def stop(self) -> None:
        """End the process, if there is one."""
        for scheduler, leadership in self._lives[:]:
            leadership.ending.set()
            scheduler.shutdown()
            dispatch.lead(None)
            leadership.held.release()
        self._lives.clear()

    def _run(self, agents: Sequence[str], _began: Began) -> Result:
        return self.work(agents)

    def _note_submitted(self, _: object) -> None:
        self._submitted += 1

    def _note_ended(self, _: object) -> None:
        self._ended += 1
