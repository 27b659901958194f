"""APScheduler with django-apscheduler's job store, and the gaps between them closed.

| as they come                                                  | here                            |
|---------------------------------------------------------------|---------------------------------|
| an error out of the job store ends the scheduler's thread,    | it is logged, and the work is   |
| while it goes on to say that it runs                          | tried again RETRY_SECONDS later |
| a change by another process is seen at the next run           | ... within LONGEST_WAIT_SECONDS |
| a job that cannot be restored is deleted with its history     | it is parked                    |
| an error of over 1,000 characters leaves its execution open   | the text is cut                 |
| threads that wait for minutes keep connections that die       | they keep none                  |
| a slot that is looked at twice loses how its run has ended    | what is closed stays closed     |
"""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from traceback import format_exception_only
from typing import Any

from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_MAX_INSTANCES,
    JobExecutionEvent,
    JobSubmissionEvent,
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


# When the run was due that a thread is at: what APScheduler does not tell the function it calls.
fired_for: ContextVar[datetime] = ContextVar("fired_for")


class Scheduler(BackgroundScheduler):  # type: ignore[misc]  # the library has no types
    """A scheduler whose thread outlives whatever befalls the job store.

    While `may_begin` says no it leaves the job store alone: a slot that it passed there would be
    lost to whoever leads instead.
    """

    def __init__(self, may_begin: Callable[[], bool] = lambda: True) -> None:
        self._may_begin = may_begin
        self._failures = 0
        super().__init__(
            jobstores={STORE: JobStore(), ONCE: MemoryJobStore()},
            executors={"default": Executor()},
            timezone=UTC,
            jobstore_retry_interval=RETRY_SECONDS,
        )

    @property
    def is_alive(self) -> bool:
        """Whether the thread that starts the jobs runs; `running` only says that it should."""
        return self._thread is not None and self._thread.is_alive()

    def shutdown(self, wait: bool = True) -> None:  # noqa: FBT001, FBT002 - as the library has it
        """Begin nothing more; with `wait`, return when the last run has ended."""
        # The library would take a job that it is just about to begin for one that is not there.
        with self._jobstores_lock:
            self.pause()
        super().shutdown(wait)

    def _process_jobs(self) -> float:
        try:
            with fresh_connections():
                wait = self._look_for_work()
        except Exception as error:
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
                return RETRY_SECONDS
            wait: float | None = super()._process_jobs()
            return wait


class JobStore(DjangoJobStore):  # type: ignore[misc]  # the library has no types
    """Jobs and their executions in Django's database."""

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
        with fresh_connections():
            slot = event.scheduled_run_times[0]
            if event.code == EVENT_JOB_MAX_INSTANCES and _executions(event, slot).exists():
                return None  # it is the run of this very slot that goes on
            key: int | None = super().handle_submission_event(event)
            return key

    @classmethod
    def handle_execution_event(cls, event: JobExecutionEvent) -> int | None:
        """Record that a job has ended well."""
        with fresh_connections():
            if _is_closed(event):
                return None
            key: int | None = super().handle_execution_event(event)
            return key

    @classmethod
    def handle_error_event(cls, event: JobExecutionEvent) -> int | None:
        """Record that a job has failed, or was missed."""
        with fresh_connections():
            if _is_closed(event):
                return None
            key: int | None = super().handle_error_event(_storable(event))
            return key


def _executions(
    event: JobExecutionEvent | JobSubmissionEvent, run_time: datetime
) -> QuerySet[DjangoJobExecution]:
    """Give what is on record of a run: at most one row."""
    rows: QuerySet[DjangoJobExecution] = DjangoJobExecution.objects.all()
    return rows.filter(job_id=event.job_id, run_time=run_time)


def _is_closed(event: JobExecutionEvent) -> bool:
    rows = _executions(event, event.scheduled_run_time)
    return rows.exclude(status=DjangoJobExecution.SENT).exists()


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
