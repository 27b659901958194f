"""At most one holder, however it ends."""

import threading
from collections.abc import Callable
from uuid import uuid4

import pytest
from django.db import connection, transaction

from scanner import lease
from scanner.errors import LeaseHeld, LeaseLost
from scanner.models import Lease

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "scan"


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
