"""The processes that run the scheduler: each shows that it lives, and sees whether others do."""

import logging
import os
import socket
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import InterfaceError, OperationalError

from scanner.alerts import noticing
from scanner.models import Incident, IncidentEvent, Lease, SchedulerProcess
from scanner.scheduling.leadership import LEADERLESS, LEASE, Process, Watch, tell_gap
from tests.alerts.rows import builtin
from tests.scheduling.clock import Clock, clock_fixture  # noqa: F401 - the fixture `clock`
from tests.scheduling.rows import MINUTE, NOW, SECOND


def row() -> SchedulerProcess:
    return SchedulerProcess.objects.get()


def test_a_process_puts_itself_on_the_list_with_its_first_beat(clock: Clock) -> None:
    process = Process()
    process.beat(leads=False, now=NOW)
    assert (row().pk, row().host, row().pid) == (process.id, socket.gethostname(), os.getpid())
    assert (row().started_at, row().beat_at, row().leads, row().beat) == (NOW, NOW, False, 0)


def test_it_beats_no_oftener_than_every_heartbeat(clock: Clock) -> None:
    process = Process()
    process.beat(leads=False, now=NOW)
    clock.seconds += 3.9
    process.beat(leads=True, now=NOW + SECOND)
    assert (row().beat, row().leads) == (0, False)
    clock.seconds += 0.2
    process.beat(leads=True, now=NOW + 2 * SECOND)
    assert (row().beat, row().leads, row().beat_at) == (1, True, NOW + 2 * SECOND)
    assert row().started_at == NOW


def test_a_turn_is_told_at_once(clock: Clock) -> None:
    process = Process()
    process.beat(leads=False, now=NOW)
    process.turn(leads=True, now=NOW + SECOND)
    assert (row().leads, row().beat) == (True, 1)


def test_a_beat_that_failed_is_tried_again_at_once(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Process()

    def fail(**_: object) -> None:
        raise OSError("the database is away")

    with monkeypatch.context() as outage:
        outage.setattr(SchedulerProcess.objects, "create", fail)
        with pytest.raises(OSError, match="away"):
            process.beat(leads=False, now=NOW)
    process.beat(leads=False, now=NOW)
    assert row().pk == process.id


def test_one_that_was_taken_off_the_list_puts_itself_on_again(clock: Clock) -> None:
    process = Process()
    process.beat(leads=False, now=NOW)
    SchedulerProcess.objects.all().delete()
    clock.seconds += 5
    process.beat(leads=False, now=NOW + MINUTE)
    assert row().pk == process.id


def test_one_that_leaves_is_off_the_list_and_others_stay(clock: Clock) -> None:
    first, second = Process(), Process()
    for process in (first, second):
        process.beat(leads=False, now=NOW)
    first.leave()
    assert row().pk == second.id


# --- Whether others live --------------------------------------------------------------------------


def put(beat: int = 0) -> UUID:
    """Put a process on the list; give its id."""
    values = {"host": "h", "pid": 1, "started_at": NOW, "beat_at": NOW, "beat": beat}
    return SchedulerProcess.objects.create(id=uuid4(), **values).pk


def look(watch: Watch, clock: Clock, seconds: int) -> set[UUID]:
    """Look once a second; give what is seen at last."""
    for _ in range(seconds):
        clock.seconds += 1
        living = watch.living()
    return living


def test_a_process_lives_until_its_heart_has_stood_still_for_a_time_to_live(clock: Clock) -> None:
    watch = Watch()
    still, beating = put(), put()
    # However old its last beat is by the clock of a wall: it may be another host's clock.
    assert watch.living() == {still, beating}
    assert look(watch, clock, 14) == {still, beating}
    SchedulerProcess.objects.filter(pk=beating).update(beat=1)
    assert look(watch, clock, 1) == {beating}
    SchedulerProcess.objects.filter(pk=still).update(beat=1)
    assert look(watch, clock, 1) == {still, beating}


def test_a_process_that_is_off_the_list_is_dead(clock: Clock) -> None:
    watch = Watch()
    put()
    watch.living()
    SchedulerProcess.objects.all().delete()
    assert watch.living() == set()


def test_a_watch_that_could_not_look_begins_anew(clock: Clock) -> None:
    """The database that it could not see had kept the others from beating, too."""
    watch = Watch()
    process = put()
    look(watch, clock, 5)
    clock.seconds += 60
    assert watch.living() == {process}
    assert look(watch, clock, 14) == {process}
    assert look(watch, clock, 1) == set()


def test_the_dead_are_taken_off_the_list_and_the_living_stay(clock: Clock) -> None:
    dead, alive = Process(), Process()
    for process in (dead, alive):
        process.turn(leads=False, now=NOW)
    watch = Watch()
    for _ in range(40):
        watch.living()
        clock.seconds += 0.5
        alive.beat(leads=False, now=NOW)
    assert watch.living() == {alive.id}
    watch.bury()
    assert [row.pk for row in SchedulerProcess.objects.all()] == [alive.id]


# --- Whether anybody led --------------------------------------------------------------------------


def left(ago: timedelta | None, token: int = 3) -> Lease:
    """Give the lease as it was left so long ago; None: nobody ever had it."""
    return Lease(name=LEASE, token=token, beat_at=None if ago is None else NOW - ago)


@pytest.mark.parametrize(
    ("before", "is_told"),
    [
        (None, False),
        (left(None, 0), False),
        (left(timedelta(days=1), 0), False),
        (left(timedelta(seconds=-30)), False),
        (left(timedelta(seconds=20)), False),
        (left(LEADERLESS), False),
        (left(LEADERLESS + SECOND), True),
        (left(timedelta(days=3)), True),
    ],
)
def test_a_time_in_which_nobody_led_is_told_when_it_was_long(
    before: Lease | None, is_told: bool
) -> None:
    builtin()
    tell_gap(before, until=NOW)
    assert Incident.objects.count() == IncidentEvent.objects.count() == is_told
    if before is not None and is_told:
        told = Incident.objects.get()
        assert (told.kind, told.level, told.since) == ("scheduler", "problem", before.beat_at)
        assert (told.opened_at, told.ended_at) == (NOW, NOW)
        assert (told.facts["host"], told.facts["pid"]) == (socket.gethostname(), os.getpid())


def test_it_is_told_once_however_often_that_is_tried() -> None:
    builtin()
    for _ in range(2):
        tell_gap(left(timedelta(hours=1)), until=NOW)
    assert Incident.objects.count() == IncidentEvent.objects.count() == 1


def test_what_goes_wrong_with_telling_is_logged_and_hinders_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(**_: object) -> None:
        raise ValueError("a mistake of ours")

    monkeypatch.setattr(noticing, "leaderless", break_down)
    tell_gap(left(timedelta(hours=1)), until=NOW)
    assert not Incident.objects.exists()
    [record] = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert record.getMessage() == "that nobody led cannot be told"
    assert record.exc_info is not None


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_that_is_away_is_raised_so_that_it_is_told_later(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**_: Any) -> None:
        raise error("the database is away")

    monkeypatch.setattr(noticing, "leaderless", fail)
    with pytest.raises(error, match="away"):
        tell_gap(left(timedelta(hours=1)), until=NOW)
    assert caplog.records == []
