"""When a task is due: a grid that nothing moves."""

import pickle
from datetime import UTC, datetime, timedelta, timezone

import pytest

from scanner.errors import ScheduleError
from scanner.scheduling.slots import Slots

INSTANT = timedelta(microseconds=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("slots", "moment", "latest", "after"),
    [
        (Slots(15), "2026-03-02 12:07:30", "2026-03-02 12:00", "2026-03-02 12:15"),
        (Slots(15), "2026-03-02 12:15", "2026-03-02 12:15", "2026-03-02 12:30"),
        (Slots(15), "2026-03-02 12:14:59.999999", "2026-03-02 12:00", "2026-03-02 12:15"),
        (Slots(7), "2026-03-02 00:00", "2026-03-01 23:54", "2026-03-02 00:01"),
        (Slots(1440), "2026-03-02 12:00", "2026-03-02 00:00", "2026-03-03 00:00"),
        # Weekday 1 is Monday, as in a crontab; 2026-03-02 is one.
        (Slots(None, "0 6 * * 1"), "2026-03-04 12:00", "2026-03-02 06:00", "2026-03-09 06:00"),
        (Slots(None, "0 6 * * 0"), "2026-03-04 12:00", "2026-03-01 06:00", "2026-03-08 06:00"),
        (Slots(None, "@daily"), "2026-03-02 00:00", "2026-03-02 00:00", "2026-03-03 00:00"),
        # Read in its zone: 04:15 is 03:15 in Lagos's UTC.
        (
            Slots(None, "15 4 * * *", "Africa/Lagos"),
            "2026-03-02 03:14",
            "2026-03-01 03:15",
            "2026-03-02 03:15",
        ),
        # The night in which Paris skips 02:30, and the one in which it comes twice.
        (
            Slots(None, "30 2 * * *", "Europe/Paris"),
            "2026-03-29 00:59",
            "2026-03-28 01:30",
            "2026-03-29 01:00",
        ),
        (
            Slots(None, "30 2 * * *", "Europe/Paris"),
            "2026-10-25 01:00",
            "2026-10-25 00:30",
            "2026-10-26 01:30",
        ),
        (Slots(None, "0 0 29 2 *"), "2026-03-02 12:00", "2024-02-29 00:00", "2028-02-29 00:00"),
    ],
    ids=str,
)
def test_the_slots_around_a_moment(slots: Slots, moment: str, latest: str, after: str) -> None:
    assert slots.latest(at(moment)) == at(latest)
    assert slots.after(at(moment)) == at(after)


@pytest.mark.parametrize("slots", [Slots(15), Slots(None, "*/15 * * * *", "UTC")], ids=str)
def test_the_librarys_question_is_answered_from_the_grid(slots: Slots) -> None:
    slot, now = at("2026-03-02 12:15"), at("2026-03-02 12:07:30")
    assert slots.get_next_fire_time(None, now) == slot
    # A job that is added at its slot is due in it.
    assert slots.get_next_fire_time(None, slot) == slot
    assert slots.get_next_fire_time(None, slot + INSTANT) == at("2026-03-02 12:30")
    # The slot after the last one, however late that was, in whatever zone it is told.
    assert slots.get_next_fire_time(slot, at("2026-03-02 15:00")) == at("2026-03-02 12:30")
    elsewhere = slot.astimezone(timezone(timedelta(hours=5, minutes=45)))
    assert slots.get_next_fire_time(elsewhere, now) == at("2026-03-02 12:30")


def test_a_schedule_that_never_came_has_no_latest_slot() -> None:
    beginning = datetime(1900, 1, 1, tzinfo=UTC)
    assert Slots(None, "0 0 1 6 *").latest(beginning) is None


def test_a_schedule_that_cannot_be_read_says_so() -> None:
    with pytest.raises(ScheduleError, match="61"):
        Slots(None, "61 * * * *").after(at("2026-03-02 12:00"))


@pytest.mark.parametrize("slots", [Slots(15), Slots(None, "15 4 * * *", "Europe/Paris")], ids=str)
def test_stored_and_read_back_it_is_the_same(slots: Slots) -> None:
    again = pickle.loads(pickle.dumps(slots))
    assert again == slots
    assert hash(again) == hash(slots)
    assert again.after(at("2026-03-02 12:00")) == slots.after(at("2026-03-02 12:00"))


def test_what_the_job_store_keeps_is_what_later_versions_have_to_read() -> None:
    stored = {"version": 1, "minutes": None, "cron": "@daily", "zone": "UTC"}
    assert Slots(None, "@daily").__getstate__() == stored
    read = Slots.__new__(Slots)
    read.__setstate__(stored)
    assert read == Slots(None, "@daily")
    assert (Slots.__module__, Slots.__qualname__) == ("scanner.scheduling.slots", "Slots")


@pytest.mark.parametrize(
    "other",
    [Slots(30), Slots(None), Slots(15, "@daily"), Slots(15, zone="Europe/Paris"), "Slots(15)"],
    ids=str,
)
def test_another_schedule_is_not_the_same(other: object) -> None:
    assert Slots(15) != other


@pytest.mark.parametrize(
    ("slots", "words"),
    [
        (Slots(15), "every 15 minutes"),
        (Slots(None, "15 4 * * *", "Europe/Paris"), "15 4 * * * (Europe/Paris)"),
    ],
    ids=str,
)
def test_it_is_told_in_words(slots: Slots, words: str) -> None:
    assert str(slots) == words
