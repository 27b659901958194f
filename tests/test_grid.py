"""When a task is due, and how that is said."""

from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import Settings

from scanner.errors import ScheduleError
from scanner.grid import DEFAULTS, Grid, grid_of
from scanner.models import ScheduledTask
from scanner.scheduling.slots import Slots
from scanner.scheduling.tasks import TASKS, slots_of
from tests.scanning import NOW

MOMENTS = [NOW + timedelta(minutes=minutes) for minutes in (0, 1, 7, 59, 60 * 13, 60 * 24 * 26)]


def task(name: str = "scan", **fields: object) -> ScheduledTask:
    return ScheduledTask(name=name, **fields)


def test_an_interval_is_counted_from_the_epoch_and_not_from_now() -> None:
    grid = Grid(15)
    at = NOW + timedelta(minutes=7, seconds=3)
    assert grid.latest(at) == NOW
    assert grid.after(at) == NOW + timedelta(minutes=15)


def test_a_slot_is_its_own_latest_and_not_its_own_next() -> None:
    for grid in (Grid(15), Grid(cron="0 12 * * *")):
        assert grid.latest(NOW) == NOW
        assert (grid.after(NOW) or NOW) > NOW


def test_a_cron_expression_is_read_in_its_zone() -> None:
    grid = Grid(cron="15 4 * * *", zone="Africa/Douala")
    assert grid.coming(NOW, 2) == [
        datetime(2026, 3, 3, 3, 15, tzinfo=UTC),
        datetime(2026, 3, 4, 3, 15, tzinfo=UTC),
    ]


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        (Grid(1), "every minute"),
        (Grid(15), "every 15 minutes"),
        (Grid(90), "every 90 minutes"),
        (Grid(60), "every hour"),
        (Grid(360), "every 6 hours"),
        (Grid(1440), "every day"),
        (Grid(2880), "every 2 days"),
        (Grid(cron="15 4 * * *"), "every day at 04:15 (UTC)"),
        (Grid(cron="5 13 * * *", zone="Africa/Douala"), "every day at 13:05 (Africa/Douala)"),
        (Grid(cron="15 4 * * 1-5"), "15 4 * * 1-5 (UTC)"),
        (Grid(cron="*/5 4 * * *"), "*/5 4 * * * (UTC)"),
        (Grid(cron="@daily"), "@daily (UTC)"),
    ],
)
def test_a_grid_is_said_in_words(grid: Grid, words: str) -> None:
    assert grid.words() == words


@pytest.mark.parametrize("fields", [{"minutes": 0}, {"cron": "61 * * * *"}, {"zone": "Atlantis"}])
def test_what_cannot_be_followed_is_no_grid(fields: dict[str, int | str]) -> None:
    with pytest.raises(ScheduleError):
        Grid(**fields)  # type: ignore[arg-type]


def test_a_blank_schedule_is_what_the_setting_says(settings: Settings) -> None:
    settings.SCANNER_INTERVAL_MINUTES = 7
    settings.TIME_ZONE = "Africa/Douala"
    assert grid_of(task()) == Grid(7)
    assert grid_of(task("prune")) == Grid(cron="15 4 * * *", zone="Africa/Douala")
    assert grid_of(task(interval_minutes=3)) == Grid(3)
    assert grid_of(task(cron="@daily")) == Grid(cron="@daily", zone="Africa/Douala")


def test_a_task_that_the_program_does_not_know_has_no_schedule_of_its_own() -> None:
    assert grid_of(task("of the past")) is None
    assert grid_of(task("of the past", interval_minutes=3)) == Grid(3)


def test_every_task_has_a_default_schedule() -> None:
    assert set(DEFAULTS) == set(TASKS)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": "prune"},
        {"interval_minutes": 40},
        {"cron": "15 4 * * 1-5", "time_zone": "Europe/Paris"},
    ],
    ids=str,
)
def test_what_people_are_shown_is_when_the_scheduler_fires(fields: dict[str, object]) -> None:
    one = task(**{"name": "scan", **fields})  # type: ignore[arg-type]
    shown, followed = grid_of(one), slots_of(one)
    assert shown is not None
    assert isinstance(followed, Slots)
    for moment in MOMENTS:
        assert shown.after(moment) == followed.after(moment)
        assert shown.latest(moment) == followed.latest(moment)
