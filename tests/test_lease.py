"""At most one holder, however it ends."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet

from scanner import lease
from scanner.errors import LeaseHeld, LeaseLost
from scanner.lease import Candidate, Held
from scanner.models import Lease
from tests.scheduling.clock import Clock, clock_fixture  # noqa: F401 - the fixture `clock`

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "scan"


def win(name: str = NAME) -> Held:
    held = Candidate(name).attempt()
    assert held is not None
    return held


def row() -> Lease:
    return Lease.objects.get(name=NAME)


def away(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    """Let every change of a row find the database away."""

    def fail(*_: object, **__: object) -> None:
        raise error("the database is away")

    monkeypatch.setattr(QuerySet, "update", fail)


def in_thread(action: Callable[[], object]) -> BaseException | None:
    """Run something in a thread with its own database connection; give what it raised."""
    raised: list[BaseException] = []

    def body() -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001 - it is the result
            raised.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    return raised[0] if raised else None


def take(time_to_live: float = 15.0, name: str = NAME) -> None:
    with lease.hold(name, time_to_live=time_to_live):
        pass


def test_a_lease_is_held_for_the_length_of_the_block() -> None:
    with lease.hold(NAME):
        assert Lease.objects.get(name=NAME).holder
    assert not Lease.objects.get(name=NAME).holder
    take()


def test_a_lease_ends_with_its_block_when_that_fails() -> None:
    with pytest.raises(ZeroDivisionError), lease.hold(NAME):
        raise ZeroDivisionError
    assert not Lease.objects.get(name=NAME).holder


def test_a_living_holder_is_named_to_its_rival() -> None:
    with lease.hold(NAME, heartbeat=0.05):
        error = in_thread(take)
    assert isinstance(error, LeaseHeld)
    assert "held by process" in str(error)


def test_a_dead_holder_is_followed_after_its_time_to_live() -> None:
    Lease.objects.create(name=NAME, token=7, holder="dead", host="gone", pid=1)
    with lease.hold(NAME, time_to_live=0.2) as held:
        assert held.token == 8


def test_a_holder_that_was_followed_is_fenced_off() -> None:
    with lease.hold(NAME, heartbeat=60) as frozen:
        assert in_thread(lambda: take(time_to_live=0.2)) is None
        with transaction.atomic(), pytest.raises(LeaseLost):
            frozen.fence()


def test_a_holder_that_nobody_followed_may_go_on() -> None:
    with lease.hold(NAME, heartbeat=60, time_to_live=0.1) as held, transaction.atomic():
        held.fence()


def test_a_former_holder_does_not_end_its_followers_lease() -> None:
    with lease.hold(NAME, heartbeat=60):
        Lease.objects.filter(name=NAME).update(token=99, holder="follower")
    assert Lease.objects.get(name=NAME).holder == "follower"


def test_the_heart_of_a_holder_beats() -> None:
    with lease.hold(NAME, heartbeat=0.02) as held:
        for _ in range(500):
            if Lease.objects.get(name=NAME).beat >= 3:
                break
            threading.Event().wait(0.01)
        assert Lease.objects.get(name=NAME).beat >= 3
        assert held.token == Lease.objects.get(name=NAME).token


def test_of_two_that_take_a_free_lease_at_once_one_gets_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The rival comes in between our look at the row and our taking it."""

    def rival_first() -> object:
        Lease.objects.filter(name=NAME).update(token=50, holder="rival")
        return uuid4()

    monkeypatch.setattr("scanner.lease.uuid4", rival_first)
    with pytest.raises(LeaseHeld, match="same moment"):
        take()
    assert Lease.objects.get(name=NAME).holder == "rival"


def test_two_names_do_not_hinder_each_other() -> None:
    with lease.hold(NAME):
        assert in_thread(lambda: take(name="scheduler")) is None


# --- One that watches -----------------------------------------------------------------------------


def test_a_candidate_takes_a_free_lease_with_a_new_token() -> None:
    assert win().token == 1
    assert (row().holder == "", row().token, row().beat) == (False, 1, 0)
    assert row().pid is not None
    assert row().held_since == row().beat_at is not None


def test_a_candidate_follows_a_holder_whose_heart_stood_still_for_a_time_to_live(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    holder, candidate = win(), Candidate(NAME)
    assert candidate.attempt() is None
    for _ in range(2):
        clock.seconds += 7.4
        assert candidate.attempt() is None
    assert candidate.holder == row()
    assert not candidate.holder_lives
    clock.seconds += 0.3
    follower = candidate.attempt()
    assert follower is not None
    assert follower.token == holder.token + 1
    assert "is dead, following it" in caplog.text


def test_a_holder_whose_heart_beats_is_not_followed(clock: Clock) -> None:
    holder, candidate = win(), Candidate(NAME)
    for _ in range(20):
        assert candidate.attempt() is None
        clock.seconds += 4
        assert holder.beat()
    assert candidate.holder_lives


def test_a_holder_that_gives_it_back_is_followed_at_once(clock: Clock) -> None:
    holder, candidate = win(), Candidate(NAME)
    assert candidate.attempt() is None
    holder.release()
    assert candidate.attempt() is not None


def test_one_that_took_it_knows_how_the_lease_was_before() -> None:
    first, rival = Candidate(NAME), Candidate(NAME)
    assert first.attempt() is not None
    assert before(first) == (0, None)
    assert rival.attempt() is None
    assert before(rival) is None
    Lease.objects.update(holder="")
    left = row()
    assert rival.attempt() is not None
    assert before(rival) == (1, left.beat_at)


def before(candidate: Candidate) -> tuple[int, datetime | None] | None:
    """Give token and last beat of the lease that a candidate took."""
    row = candidate.before
    return None if row is None else (row.token, row.beat_at)


def test_a_candidate_that_could_not_look_begins_to_watch_anew(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database that it could not see had kept the holder from beating, too."""
    holder, candidate = win(), Candidate(NAME)
    assert candidate.attempt() is None
    with monkeypatch.context() as outage:

        def fail(*_: object, **__: object) -> None:
            raise OperationalError("the database is away")

        outage.setattr(QuerySet, "get_or_create", fail)
        for _ in range(10):
            clock.seconds += 3
            with pytest.raises(OperationalError):
                candidate.attempt()
    assert candidate.attempt() is None
    assert holder.beat()
    clock.seconds += 7
    assert candidate.attempt() is None
    # Where the holder died in the outage, it is followed all the same.
    for _ in range(3):
        clock.seconds += 7
        follower = candidate.attempt()
    assert follower is not None


def test_of_two_candidates_that_see_it_dead_one_follows(clock: Clock) -> None:
    win()
    candidates = [Candidate(NAME), Candidate(NAME)]
    for _ in range(3):
        assert [candidate.attempt() for candidate in candidates] == [None, None]
        clock.seconds += 7
    won = [candidate.attempt() for candidate in candidates]
    assert [held is not None for held in won] == [True, False]
    assert candidates[1].holder == row()


# --- One that holds it ----------------------------------------------------------------------------


def test_a_holder_is_sure_of_it_until_a_margin_before_a_rival_could_follow(clock: Clock) -> None:
    held = win()
    sure = []
    for seconds in (11.9, 0.2):
        clock.seconds += seconds
        sure.append(held.is_sure)
    # Nobody took it: the next beat makes it sure again.
    held.beat()
    for seconds in (0, 12.1):
        clock.seconds += seconds
        sure.append(held.is_sure)
    assert sure == [True, False, True, False]


def test_a_beat_counts_from_when_it_was_sent(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    held = win()
    update = QuerySet.update

    def slow(rows: Any, **values: Any) -> int:
        clock.seconds += 10
        return update(rows, **values)

    monkeypatch.setattr(QuerySet, "update", slow)
    assert held.beat()
    sure = []
    for seconds in (1.9, 0.2):
        clock.seconds += seconds
        sure.append(held.is_sure)
    assert sure == [True, False]


def test_a_fence_makes_nobody_surer_since_no_rival_sees_it_before_the_commit(clock: Clock) -> None:
    held = win()
    clock.seconds += 11
    with transaction.atomic():
        held.fence()
        transaction.set_rollback(True)
    clock.seconds += 2
    assert not held.is_sure
    assert row().beat == 0


def test_one_whose_lease_was_taken_is_told_and_never_sure_again() -> None:
    held = win()
    Lease.objects.update(token=99)
    assert (held.lost.is_set(), held.is_sure) == (False, True)
    assert not held.beat()
    assert (held.lost.is_set(), held.is_sure) == (True, False)
    with transaction.atomic(), pytest.raises(LeaseLost, match="taken over"):
        held.fence()


def test_one_that_gave_it_back_holds_it_no_more() -> None:
    held = win()
    held.release()
    with transaction.atomic(), pytest.raises(LeaseLost):
        held.fence()
    assert row().beat == 0


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_where_the_database_is_away_a_release_leaves_it_to_expire(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: type[Exception]
) -> None:
    held = win()
    with monkeypatch.context() as outage:
        away(outage, error)
        held.release()
    assert "not given back, it will expire: the database is away" in caplog.text
    assert row().holder


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_heart_outlives_a_database_that_is_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: type[Exception]
) -> None:
    beat = Held.beat
    failures: list[int] = []
    beaten = threading.Event()

    def fail_first(held: Held) -> bool:
        if len(failures) < 3:
            failures.append(1)
            raise error("the database is away")
        beaten.set()
        return beat(held)

    monkeypatch.setattr(Held, "beat", fail_first)
    with lease.hold(NAME, heartbeat=0.01):
        assert beaten.wait(60)
    assert caplog.text.count("no heartbeat, the database says: the database is away") == 3


def test_a_heart_tells_that_the_lease_was_taken_and_stops(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    with lease.hold(NAME, heartbeat=0.01) as held:
        Lease.objects.update(token=99, holder="follower")
        assert held.lost.wait(60)
    assert "taken over by another process" in caplog.text
    assert row().holder == "follower"


def test_a_heart_waits_for_a_locked_row_only_for_a_while() -> None:
    """On SQLite and PostgreSQL alike."""
    held = win()
    locked, tried = threading.Event(), threading.Event()

    def lock() -> None:
        with transaction.atomic():
            Lease.objects.update(host="a rival writes")
            locked.set()
            assert tried.wait(60)

    rival = threading.Thread(target=lambda: in_thread(lock))
    rival.start()
    assert locked.wait(60)

    def beat() -> None:
        lease.limit_waiting(0.1)
        held.beat()

    error = in_thread(beat)
    tried.set()
    rival.join()
    assert isinstance(error, OperationalError)
    assert held.beat()


@pytest.mark.parametrize("fault", ["beat", "close"])
def test_a_heart_outlives_an_error_of_any_kind(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    failures: list[int] = []
    beaten = threading.Event()
    beat, close = Held.beat, BaseDatabaseWrapper.close

    def beat_last(held: Held) -> bool:
        if len(failures) < 3:
            failures.append(1)
            raise OperationalError if fault == "close" else RuntimeError("any kind")
        beaten.set()
        return beat(held)

    def close_badly(self: BaseDatabaseWrapper) -> None:
        close(self)
        if not beaten.is_set():
            raise RuntimeError("any kind")

    monkeypatch.setattr(Held, "beat", beat_last)
    if fault == "close":
        monkeypatch.setattr(BaseDatabaseWrapper, "close", close_badly)
    with lease.hold(NAME, heartbeat=0.01) as held:
        assert beaten.wait(60)
        assert not held.lost.is_set()
    assert caplog.text.count("RuntimeError: any kind") == 3


def test_a_heart_that_fails_until_another_can_follow_ends_and_the_lease_counts_as_lost(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    failures: list[int] = []
    failed_thrice = threading.Event()

    def fail(_: Held) -> bool:
        failures.append(1)
        if len(failures) == 3:
            failed_thrice.set()
        raise RuntimeError("any kind")

    monkeypatch.setattr(Held, "beat", fail)
    with lease.hold(NAME, heartbeat=0.01) as held:
        assert failed_thrice.wait(60)
        assert not held.lost.is_set()
        clock.seconds += 12.1
        assert held.lost.wait(60)
        assert held.heart_died.is_set()
        assert not held.is_sure
    assert "the thread that keeps the lease has ended" in caplog.text
    assert not row().holder


def test_a_heart_whose_lease_was_taken_has_not_died() -> None:
    with lease.hold(NAME, heartbeat=0.01) as held:
        Lease.objects.update(token=99, holder="follower")
        assert held.lost.wait(60)
    assert not held.heart_died.is_set()


def test_it_is_counted_how_often_a_holder_was_not_sure(clock: Clock) -> None:
    held = win()
    lapses = []
    for seconds in (11, 13, 4, 13, 30):
        clock.seconds += seconds
        held.beat()
        lapses.append(held.lapses)
    assert lapses == [0, 1, 1, 2, 3]
