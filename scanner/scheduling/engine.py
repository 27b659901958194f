"""APScheduler with django-apscheduler's job store, and the gaps between them closed.

| as they come                                                  | here                            |
|---------------------------------------------------------------|---------------------------------|
| an error out of the job store ends the scheduler's thread,    | it is logged, and the work is   |
| while it goes on to say that it runs                          | tried again RETRY_SECONDS later |
| a change by another process is seen at the next run           | ... within LONGEST_WAIT_SECONDS |
| a job that cannot be restored is deleted with its history     | it is parked                    |
| an error of over 1,000 characters leaves its execution open   | the text is cut                 |
| threads that wait for minutes keep connections that die       | they keep none                  |
| a slot that is looked at twice loses how its run has ended,   | what is closed stays closed,    |
| or counts as skipped since it runs itself                     | and what runs is not skipped    |
| a slot that comes in an outage is a misfire after it          | what is behind is caught up     |
| what was not begun after all counts as executed               | it leaves no execution          |
"""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from traceback import format_exception_only
from typing import Any, ClassVar, Final

from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_SUBMITTED,
    JobExecutionEvent,
    JobSubmissionEvent,
    SchedulerEvent,
)
from apscheduler.executors.pool import BasePoolExecutor
from apscheduler.job import Job
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import STATE_RUNNING
from django.db import close_old_connections, connections
from django.db.models import QuerySet
from django_apscheduler.jobstores import DjangoJobStore
from django_apscheduler.models import DjangoJob, DjangoJobExecution

from scanner import lease
from scanner.errors import LeaseLost
from scanner.pipeline.text import clean

logger = logging.getLogger(__name__)

# The two job stores: what is to survive this process, and what is to be run once by it.
STORE = "default"
ONCE = "once"

RETRY_SECONDS = 2.0
LONGEST_WAIT_SECONDS = 60.0
_WORKERS = 4
LONGEST_EXCEPTION: int = DjangoJobExecution._meta.get_field("exception").max_length
_LONGEST_TRACEBACK = 100_000


@contextmanager
def fresh_connections() -> Iterator[None]:
    """Let this thread begin without dead connections to the database, and end without any."""
    close_old_connections()
    try:
        yield
    finally:
        connections.close_all()


# What a job's function returns when it has not begun its work.
NOT_BEGUN: Final = object()

# When the run was due that a thread is at: what APScheduler does not tell the function it calls.
fired_for: ContextVar[datetime] = ContextVar("fired_for")


class Scheduler(BackgroundScheduler):  # type: ignore[misc]  # the library has no types
    """A scheduler whose thread outlives whatever befalls the job store.

    While `may_begin` says no it leaves the job store alone: a slot that it passed there would be
    lost to whoever leads instead. It calls `catch_up` before it looks again after a time in which
    it could not.
    """

    def __init__(
        self,
        may_begin: Callable[[], bool] = lambda: True,
        catch_up: Callable[[], object] = lambda: None,
    ) -> None:
        self._may_begin = may_begin
        self._catch_up = catch_up
        self._executor = Executor()
        self._failures = 0
        self.is_behind = False
        super().__init__(
            jobstores={STORE: JobStore(), ONCE: MemoryJobStore()},
            executors={"default": self._executor},
            timezone=UTC,
            jobstore_retry_interval=RETRY_SECONDS,
        )

    @property
    def is_alive(self) -> bool:
        """Whether the thread that starts the jobs runs; `running` only says that it should."""
        return self._thread is not None and self._thread.is_alive()

    def is_at(self, job_id: str) -> bool:
        """Whether a run of that job is in the hands of a thread, from whichever store it came."""
        return self._executor.is_at(job_id)

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Let the scheduler's thread begin nothing for the length of the block."""
        with self._jobstores_lock:
            yield

    def shutdown(self, wait: bool = True) -> None:  # noqa: FBT001, FBT002 - as the library has it
        """Begin nothing more; with `wait`, return when the last run has ended."""
        # The library would take a job that it is just about to begin for one that is not there.
        with self._jobstores_lock:
            self.pause()
        super().shutdown(wait)

    def _process_jobs(self) -> float:
        try:
            # The control loop waits for the lock that is held meanwhile.
            with fresh_connections(), lease.waiting_at_most(lease.DATABASE_TIMEOUT):
                wait = self._look_for_work()
        except Exception as error:
            self.is_behind = True
            self._failures += 1
            # An outage may last for hours: its traceback is told once.
            logger.error(  # noqa: TRY400
                "the schedule could not be followed (attempt %d), trying again: %s",
                self._failures,
                error,
                exc_info=self._failures == 1,
            )
            return RETRY_SECONDS
        if self._failures:
            logger.warning("the schedule is followed again after %d attempts", self._failures)
            self._failures = 0
        return LONGEST_WAIT_SECONDS if wait is None else min(wait, LONGEST_WAIT_SECONDS)

    def _look_for_work(self) -> float | None:
        with self._jobstores_lock:
            if self.state != STATE_RUNNING:
                return None
            if not self._may_begin():
                self.is_behind = True
                return RETRY_SECONDS
            if self.is_behind:
                self._catch_up()
                self.is_behind = False
            wait: float | None = super()._process_jobs()
            return wait

    def _dispatch_event(self, event: SchedulerEvent) -> None:
        if event.code == EVENT_JOB_MAX_INSTANCES and self._executor.was_given(event):
            return  # it is the run of this very slot that goes on
        super()._dispatch_event(event)


class JobStore(DjangoJobStore):  # type: ignore[misc]  # the library has no types
    """Jobs and their executions in Django's database."""

    # (job, run time) of what was not begun before it was told that it was submitted.
    _unbegun: ClassVar[set[tuple[str, datetime]]] = set()

    def get_due_jobs(self, now: datetime) -> list[Job]:
        """Give the jobs that are due."""
        try:
            jobs: list[Job] = super().get_due_jobs(now)
        except Exception:
            self._scheduler.is_behind = True  # the library tells it nobody else
            raise
        return jobs

    def lookup_job(self, job_id: str) -> Job | None:
        """Give the job, or None if there is none or if it cannot be restored."""
        jobs = self._get_jobs(pk=job_id)
        return jobs[0] if jobs else None

    def _get_jobs(self, **filters: Any) -> list[Job]:
        jobs = []
        for row in DjangoJob.objects.filter(**filters).order_by("next_run_time"):
            try:
                jobs.append(self._reconstitute_job(row.job_state))
            except Exception:
                logger.exception("job %r cannot be restored: it is parked", row.pk)
                DjangoJob.objects.filter(pk=row.pk).update(next_run_time=None)
        return jobs

    def shutdown(self) -> None:
        """Leave the connection of whoever stops the scheduler alone: none of ours is open."""

    @classmethod
    def handle_submission_event(cls, event: JobSubmissionEvent) -> int | None:
        """Record that a job was begun, or was not since it still runs."""
        run = (event.job_id, event.scheduled_run_times[0])
        with fresh_connections(), cls.lock:
            if event.code == EVENT_JOB_SUBMITTED and run in cls._unbegun:
                cls._unbegun.discard(run)
                return None
            key: int | None = super().handle_submission_event(event)
            return key

    @classmethod
    def handle_execution_event(cls, event: JobExecutionEvent) -> int | None:
        """Record that a job has ended well, or take it back that it was begun."""
        with fresh_connections(), cls.lock:
            if event.retval is NOT_BEGUN:
                told = _executions(event)
                if not told.exists():
                    cls._unbegun.add((event.job_id, event.scheduled_run_time))
                told.filter(status=DjangoJobExecution.SENT).delete()
                return None
            if _is_closed(event):
                return None
            key: int | None = super().handle_execution_event(event)
            return key

    @classmethod
    def handle_error_event(cls, event: JobExecutionEvent) -> int | None:
        """Record that a job has failed, or was missed; a former leader records nothing."""
        if isinstance(event.exception, LeaseLost):
            return None
        with fresh_connections():
            if _is_closed(event):
                return None
            key: int | None = super().handle_error_event(_storable(event))
            return key


def _executions(event: JobExecutionEvent) -> QuerySet[DjangoJobExecution]:
    """Give what is on record of a run: at most one row."""
    rows: QuerySet[DjangoJobExecution] = DjangoJobExecution.objects.all()
    return rows.filter(job_id=event.job_id, run_time=event.scheduled_run_time)


def _is_closed(event: JobExecutionEvent) -> bool:
    return _executions(event).exclude(status=DjangoJobExecution.SENT).exists()


def _storable(event: JobExecutionEvent) -> JobExecutionEvent:
    """Give the event with its texts as the columns can take them."""
    if event.code != EVENT_JOB_ERROR:
        return event
    return JobExecutionEvent(
        event.code,
        event.job_id,
        event.jobstore,
        event.scheduled_run_time,
        exception=Exception(
            clean("".join(format_exception_only(event.exception)), LONGEST_EXCEPTION)
        ),
        traceback=clean(event.traceback, _LONGEST_TRACEBACK),
    )


class _Pool(ThreadPoolExecutor):
    """Threads that keep no connection while they wait for work."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have `work` done by one of the threads."""

        def with_connections() -> Any:
            _job, _store, run_times, *_ = args
            fired_for.set(run_times[0])
            with fresh_connections():
                return work(*args, **kwargs)

        return super().submit(with_connections)


class Executor(BasePoolExecutor):  # type: ignore[misc]  # the library has no types
    """Runs jobs in threads of this process."""

    def __init__(self) -> None:
        super().__init__(_Pool(_WORKERS, thread_name_prefix="scheduler"))
        self._given: dict[str, datetime] = {}

    def submit_job(self, job: Job, run_times: list[datetime]) -> None:
        """Have a thread run a job; raise MaxInstancesReachedError when one is at it."""
        super().submit_job(job, run_times)
        self._given[job.id] = run_times[0]

    def was_given(self, event: JobSubmissionEvent) -> bool:
        """Whether the run of the event was the last one of its job that a thread was given."""
        given: datetime = event.scheduled_run_times[0]
        return self._given.get(event.job_id) == given

    def is_at(self, job_id: str) -> bool:
        """Whether a thread is at that job."""
        return bool(self._instances.get(job_id))
