"""The scheduler as a service: told to stop, it ends in time and leaves an honest history."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import OperationalError, connections
from django.utils import timezone
from django_apscheduler.models import DjangoJobExecution

from scanner.models import BackupEntry, Lease, ScanRun
from scanner.scan import LEASE
from scanner.scheduling import service
from scanner.scheduling.engine import Scheduler
from scanner.scheduling.interruption import interrupt_scan
from scanner.scheduling.service import Ending, Event, Events, run
from tests.agent import Agent
from tests.process import PATIENCE
from tests.scanning import make_job
from tests.scheduling.threads import Gate, connections_of_threads, eventually

pytestmark = pytest.mark.usefixtures("deposit_root")


@contextmanager
def served(events: Events, patience: float = PATIENCE) -> Iterator[list[Ending]]:
    """Run the service in a thread during the block; give the list that its ending is put into."""
    endings: list[Ending] = []

    def serve() -> None:
        try:
            endings.append(run(events, patience=patience))
        finally:
            connections.close_all()

    thread = threading.Thread(target=serve, name="service")
    thread.start()
    try:
        yield endings
    finally:
        events.put(Event.STOP)
        thread.join(PATIENCE)


def execution() -> DjangoJobExecution:
    return DjangoJobExecution.objects.get()


def wait_until_scanning(gate: Gate) -> None:
    gate.wait_until_reached()
    eventually(DjangoJobExecution.objects.exists)


def test_told_to_stop_it_ends_without_threads() -> None:
    events = Events()
    with served(events) as endings:
        eventually(lambda: DjangoJobExecution.objects.filter(status="Executed").exists())
    assert endings == [Ending(as_told=True, with_threads=False)]
    assert ScanRun.objects.get().outcome == "complete"


def test_a_running_scan_is_waited_for(gate: Gate) -> None:
    events = Events()
    with served(events) as endings:
        wait_until_scanning(gate)
        events.put(Event.STOP)
        gate.open()
        eventually(lambda: bool(endings))
    assert endings == [Ending(as_told=True, with_threads=False)]
    assert ScanRun.objects.get().outcome == "complete"
    assert execution().status == "Executed"


@pytest.mark.parametrize(
    ("stops", "patience"), [(1, 0.05), (2, PATIENCE)], ids=["it takes too long", "told twice"]
)
def test_a_scan_that_is_not_waited_for_is_recorded_as_interrupted(
    gate: Gate, stops: int, patience: float
) -> None:
    events = Events()
    with served(events, patience) as endings:
        wait_until_scanning(gate)
        for _ in range(stops):
            events.put(Event.STOP)
        eventually(lambda: bool(endings))
        assert endings == [Ending(as_told=True, with_threads=True)]
        scan_run = ScanRun.objects.get()
        assert scan_run.outcome == "interrupted"
        assert "did not wait" in scan_run.error
        assert scan_run.finished_at is not None
        assert (execution().status, execution().exception) == ("Error!", scan_run.error)
        assert execution().duration is not None
        # The next process need not wait until the lease expires.
        assert Lease.objects.get().holder == ""


def test_an_interrupted_scan_records_no_verdict_any_more(gate: Gate, deposit_root: Path) -> None:
    make_job(now=timezone.now())
    Agent(deposit_root).deposit("ACME_2025", timezone.now() - timedelta(minutes=5))
    with served(Events(), patience=0.05) as endings:
        wait_until_scanning(gate)
    assert endings[0].with_threads
    gate.open()
    eventually(lambda: not any(one.name == "scheduler-stop" for one in threading.enumerate()))
    assert not BackupEntry.objects.exists()


def test_where_the_database_is_away_it_ends_all_the_same(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr(service, "interrupt_scan", away)
    with served(Events(), patience=0.05) as endings:
        wait_until_scanning(gate)
    assert endings == [Ending(as_told=True, with_threads=True)]
    assert "could not be recorded: the database is away" in caplog.text


@pytest.mark.parametrize(
    ("host", "process"),
    [("elsewhere", os.getpid()), (socket.gethostname(), os.getppid())],
    ids=["on another host", "on this host"],
)
def test_the_scan_of_another_process_is_not_ours_to_interrupt(host: str, process: int) -> None:
    now = timezone.now()
    Lease.objects.create(name=LEASE, token=7, holder="x", host=host, pid=process)
    ScanRun.objects.create(trigger="command", started_at=now)
    interrupt_scan("because", now=now)
    assert ScanRun.objects.get().outcome == "running"
    assert (Lease.objects.get().token, Lease.objects.get().holder) == (7, "x")


def test_the_waiting_thread_keeps_no_connection() -> None:
    with connections_of_threads() as opened, served(Events()):
        eventually(lambda: DjangoJobExecution.objects.filter(status="Executed").exists())
        assert "service" in {name for name, _ in opened}
        eventually(lambda: all(one.connection is None for _, one in opened))


def test_a_dead_scheduler_ends_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scheduler, "_main_loop", lambda _: None)
    assert run(Events()) == Ending(as_told=False, with_threads=False)
