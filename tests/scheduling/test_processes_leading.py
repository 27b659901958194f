"""One of several processes leads, whatever becomes of it; what it can no longer do stays undone."""

import signal
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise
from typing import IO

import pytest
from django.utils import timezone
from django_apscheduler.models import DjangoJobExecution

from scanner.models import Lease, ScanRun, SchedulerProcess, TaskRun
from scanner.scheduling.leadership import LEASE
from tests.process import PATIENCE, ROOT, environment
from tests.scheduling.processes import (
    ScanGate,
    Schedulers,
    database_fixture,  # noqa: F401 - the fixture `database`
    gate_of_scans_fixture,  # noqa: F401 - the fixture `gate_of_scans`
    make_scan_task,
    scans,
    schedulers_fixture,  # noqa: F401 - the fixture `schedulers`
)

pytestmark = pytest.mark.usefixtures("database")

ROUNDS = 50


@pytest.mark.slow
def test_a_leader_that_was_killed_is_followed_within_20_seconds(schedulers: Schedulers) -> None:
    make_scan_task(timezone.now())
    leader = schedulers.start()
    leader.until_it_leads()
    standby = schedulers.start()
    standby.until_it_stands_by()
    killed_at = timezone.now()
    leader.send(signal.SIGKILL)
    lease = standby.until_it_leads()
    assert lease.held_since is not None
    assert timedelta(seconds=8) < lease.held_since - killed_at < timedelta(seconds=20)
    standby.send(signal.SIGTERM)
    assert standby.code() == 0


@pytest.mark.slow
def test_what_a_killed_leader_ran_is_recorded_as_interrupted_and_tried_again(
    schedulers: Schedulers, gate_of_scans: ScanGate
) -> None:
    make_scan_task(timezone.now(), backoff_seconds=1)
    leader = schedulers.start("--quick", *gate_of_scans.options)
    gate_of_scans.until_reached_by(leader)
    standby = schedulers.start("--quick")
    standby.until_it_stands_by()
    leader.send(signal.SIGKILL)
    gate_of_scans.open()
    standby.until(
        lambda: (
            scans() == [("catch_up", 1, "interrupted"), ("retry", 2, "ok")]
            and not DjangoJobExecution.objects.filter(status=DjangoJobExecution.SENT).exists()
        )
    )
    first, second = DjangoJobExecution.objects.filter(job_id="scan").order_by("pk")
    assert (first.status, second.status) == ("Error!", "Executed")
    assert "interrupted" in first.exception
    assert not second.exception


@pytest.mark.slow
def test_told_to_stop_it_lets_another_lead_at_once_while_its_scan_ends(
    schedulers: Schedulers, gate_of_scans: ScanGate
) -> None:
    make_scan_task(timezone.now())
    leader = schedulers.start(*gate_of_scans.options)
    gate_of_scans.until_reached_by(leader)
    standby = schedulers.start()
    standby.until_it_stands_by()
    told_at = timezone.now()
    leader.send(signal.SIGTERM)
    lease = standby.until_it_leads()
    assert lease.held_since is not None
    assert lease.held_since - told_at < timedelta(seconds=3)
    assert leader.process.poll() is None
    gate_of_scans.open()
    assert leader.code() == 0
    assert scans() == [("catch_up", 1, "ok")]
    assert TaskRun.objects.get(task__name="scan").pid == leader.pid
    assert not SchedulerProcess.objects.filter(pid=leader.pid).exists()


@pytest.mark.slow
def test_a_frozen_leader_that_wakes_starts_nothing_records_nothing_and_ends(
    schedulers: Schedulers, gate_of_scans: ScanGate
) -> None:
    make_scan_task(timezone.now(), interval_minutes=None, retries=0)
    frozen = schedulers.start("--quick", "--each-second", *gate_of_scans.options)
    gate_of_scans.until_reached_by(frozen)
    standby = schedulers.start("--quick", "--each-second")
    standby.until_it_stands_by()
    frozen.freeze()
    lease = standby.until_it_leads()
    followed_at = lease.held_since
    ours = TaskRun.objects.filter(task__name="scan", pid=standby.pid)
    standby.until(lambda: ours.filter(outcome="ok").count() >= 2)
    gate_of_scans.open()
    frozen.send(signal.SIGCONT)
    assert frozen.code() == 75
    before = ours.filter(outcome="ok").count()
    standby.until(lambda: ours.filter(outcome="ok").count() >= before + 2)
    theirs = TaskRun.objects.filter(pid=frozen.pid)
    assert not theirs.filter(scheduled_for__gt=followed_at).exists()
    assert not theirs.filter(task__name="scan", outcome="ok").exists()
    [interrupted] = theirs.filter(outcome="interrupted")
    assert interrupted.started_at is not None
    assert followed_at is not None
    assert interrupted.started_at < followed_at
    # Whoever comes last says in its words that this scan came to nothing.
    assert ScanRun.objects.earliest("pk").outcome in {"interrupted", "failed"}
    # What was missed while nobody led comes before the one that was caught up.
    begun = ours.filter(cause="schedule").exclude(outcome="missed")
    slots = list(begun.values_list("scheduled_for", flat=True)[::-1])
    assert [later - slot for slot, later in pairwise(slots)] == [timedelta(seconds=1)] * (
        len(slots) - 1
    )


def test_of_two_that_race_for_a_free_lease_one_wins_each_time() -> None:
    processes = [
        subprocess.Popen(
            (sys.executable, "-m", "tests.scheduling.racer", LEASE),
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        assert answers(processes) == [0, 0]
        tokens = []
        for _ in range(ROUNDS):
            won = told(processes, "attempt")
            assert min(won) == 0
            tokens.append(max(won))
            told(processes, "release")
        assert tokens == list(range(1, ROUNDS + 1))
        assert Lease.objects.get().token == ROUNDS
    finally:
        for process in processes:
            process.communicate(timeout=PATIENCE)


def told(processes: "list[subprocess.Popen[str]]", words: str) -> list[int]:
    for process in processes:
        pipe(process.stdin).write(f"{words}\n")
        pipe(process.stdin).flush()
    return answers(processes)


def answers(processes: "list[subprocess.Popen[str]]") -> list[int]:
    return [int(pipe(process.stdout).readline()) for process in processes]


def pipe(end: IO[str] | None) -> IO[str]:
    assert end is not None
    return end
