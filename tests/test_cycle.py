"""Which cycle an operation is of, and which cycles have elapsed; worked out by hand."""

import sys
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from types import FrameType

import pytest
from cronsim import CronSim

from scanner.cycle import Cycle, Era, Schedule, timetable
from scanner.errors import ScheduleError

HOUR = timedelta(hours=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def schedule(
    expression: str, zone: str = "UTC", grace: timedelta = HOUR, past: tuple[Era, ...] = ()
) -> Schedule:
    return Schedule((*past, Era(timetable(expression, zone), None)), grace)


def until(end: str, expression: str, zone: str = "UTC") -> Era:
    return Era(timetable(expression, zone), utc(end))


def due(cycle: Cycle | None) -> str | None:
    return None if cycle is None else f"{cycle.due:%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("expression", "zone", "grace_minutes", "ends_and_dues"),
    [
        pytest.param(
            "0 2 * * *",
            "Africa/Douala",
            60,
            [
                ("2025-06-12 00:00:00", "2025-06-12 01:00"),
                ("2025-06-11 23:59:59.999999", "2025-06-11 01:00"),
                ("2025-06-12 00:59:00", "2025-06-12 01:00"),
                ("2025-06-12 01:00:00", "2025-06-12 01:00"),
                ("2025-06-12 02:00:01", "2025-06-12 01:00"),
                ("2025-06-12 23:59:59", "2025-06-12 01:00"),
            ],
            id="daily",
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Paris",
            60,
            [
                ("2025-03-29 01:40:00", "2025-03-29 01:30"),
                ("2025-03-29 23:59:59", "2025-03-29 01:30"),
                ("2025-03-30 00:00:00", "2025-03-30 01:00"),
                ("2025-03-30 23:29:59", "2025-03-30 01:00"),
                ("2025-03-30 23:30:00", "2025-03-31 00:30"),
            ],
            id="daily in a skipped hour in spring",
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Paris",
            60,
            [
                ("2025-10-25 23:29:59", "2025-10-25 00:30"),
                ("2025-10-25 23:30:00", "2025-10-26 00:30"),
                ("2025-10-26 01:30:00", "2025-10-26 00:30"),
                ("2025-10-27 00:29:59", "2025-10-26 00:30"),
                ("2025-10-27 00:30:00", "2025-10-27 01:30"),
            ],
            id="daily in a repeated hour in autumn",
        ),
        pytest.param(
            "30 2 * * *",
            "Africa/Douala",
            60,
            [
                ("2025-03-30 00:29:59", "2025-03-29 01:30"),
                ("2025-03-30 00:30:00", "2025-03-30 01:30"),
                ("2025-10-26 00:29:59", "2025-10-25 01:30"),
                ("2025-10-26 00:30:00", "2025-10-26 01:30"),
            ],
            id="Douala changes no clock",
        ),
        pytest.param(
            "0 2,14 * * *",
            "UTC",
            60,
            [
                ("2025-06-12 00:59:59", "2025-06-11 14:00"),
                ("2025-06-12 01:00:00", "2025-06-12 02:00"),
                ("2025-06-12 12:59:59", "2025-06-12 02:00"),
                ("2025-06-12 13:00:00", "2025-06-12 14:00"),
            ],
            id="twice a day",
        ),
        pytest.param(
            "0 2,14 * * *",
            "UTC",
            8 * 60,
            [
                ("2025-06-12 09:59:59", "2025-06-12 02:00"),
                ("2025-06-12 10:00:00", "2025-06-12 14:00"),
            ],
            id="a grace over half of the gap starts the next at the old deadline",
        ),
        pytest.param(
            "0 2,3 * * *",
            "UTC",
            60,
            [
                ("2025-06-12 00:59:59", "2025-06-11 03:00"),
                ("2025-06-12 01:00:00", "2025-06-12 02:00"),
                ("2025-06-12 02:59:59", "2025-06-12 02:00"),
                ("2025-06-12 03:00:00", "2025-06-12 03:00"),
            ],
            id="uneven gaps",
        ),
        pytest.param(
            "*/15 * * * *",
            "UTC",
            5,
            [
                ("2025-06-12 12:09:59", "2025-06-12 12:00"),
                ("2025-06-12 12:10:00", "2025-06-12 12:15"),
            ],
            id="every 15 minutes",
        ),
        pytest.param(
            "*/15 * * * *",
            "Europe/Paris",
            5,
            [
                ("2025-10-26 00:54:59", "2025-10-26 00:45"),
                ("2025-10-26 00:55:00", "2025-10-26 01:00"),
                ("2025-10-26 01:25:00", "2025-10-26 01:30"),
            ],
            id="every 15 minutes into the second pass of the repeated hour",
        ),
        pytest.param(
            "*/15 * * * *",
            "UTC",
            60,
            [
                ("2025-06-12 12:14:59", "2025-06-12 12:00"),
                ("2025-06-12 12:15:00", "2025-06-12 12:15"),
            ],
            id="a grace longer than the gap starts nothing early",
        ),
        pytest.param(
            "0 2 * * *",
            "UTC",
            0,
            [
                ("2025-06-12 01:59:59", "2025-06-11 02:00"),
                ("2025-06-12 02:00:00", "2025-06-12 02:00"),
            ],
            id="no grace starts nothing early",
        ),
        pytest.param(
            "0 4 * * SUN",
            "Europe/Paris",
            120,
            [
                ("2025-03-29 23:59:59", "2025-03-23 03:00"),
                ("2025-03-30 00:00:00", "2025-03-30 02:00"),
                ("2025-04-05 23:59:59", "2025-03-30 02:00"),
            ],
            id="weekly",
        ),
        pytest.param(
            "0 1 31 * *",
            "Africa/Douala",
            24 * 60,
            [
                ("2025-02-28 00:00:00", "2025-01-31 00:00"),
                ("2025-03-29 23:59:59", "2025-01-31 00:00"),
                ("2025-03-30 00:00:00", "2025-03-31 00:00"),
                ("2025-05-01 00:00:00", "2025-03-31 00:00"),
            ],
            id="monthly on the 31st",
        ),
        pytest.param(
            "0 1 L * *",
            "Africa/Douala",
            60,
            [
                ("2024-02-28 22:59:59", "2024-01-31 00:00"),
                ("2024-02-28 23:00:00", "2024-02-29 00:00"),
                ("2025-02-27 23:00:00", "2025-02-28 00:00"),
            ],
            id="monthly on the last day",
        ),
        pytest.param(
            "0 0 29 2 *",
            "UTC",
            60,
            [
                ("2028-02-28 22:59:59", "2024-02-29 00:00"),
                ("2028-02-28 23:00:00", "2028-02-29 00:00"),
                ("2104-02-28 22:59:59", "2096-02-29 00:00"),
            ],
            id="leap days",
        ),
    ],
)
def test_an_operation_is_of_the_latest_cycle_that_has_started(
    expression: str, zone: str, grace_minutes: int, ends_and_dues: list[tuple[str, str]]
) -> None:
    grace = timedelta(minutes=grace_minutes)
    expected = [due_at for _, due_at in ends_and_dues]
    cycles = [schedule(expression, zone, grace).cycle_of(utc(end)) for end, _ in ends_and_dues]
    assert [due(cycle) for cycle in cycles] == expected
    assert all(cycle.deadline == cycle.due + grace for cycle in cycles if cycle)


def test_grace_is_added_after_the_due_became_utc() -> None:
    before_the_skip = schedule("30 1 * * *", "Europe/Paris", 3 * HOUR)
    assert before_the_skip.cycle_of(utc("2025-03-30 01:00")) == Cycle(
        utc("2025-03-30 00:30"), utc("2025-03-30 03:30")
    )


def test_times_in_other_zones_are_the_same_instants_and_answers_are_in_utc() -> None:
    daily = schedule("0 2 * * *", "Africa/Douala")
    local = datetime(2025, 6, 12, 14, 0, tzinfo=timezone(timedelta(hours=14)))
    cycle = daily.cycle_of(local)
    assert due(cycle) == "2025-06-12 01:00"
    assert cycle is not None
    assert cycle.due.tzinfo is UTC
    assert cycle.deadline.tzinfo is UTC
    elapsed, awaited = daily.elapsed(local, local + timedelta(days=1))
    assert [c.due.tzinfo for c in elapsed] == [UTC, UTC]
    assert awaited is not None
    assert awaited.due.tzinfo is UTC


def test_a_time_without_a_zone_is_refused() -> None:
    daily = schedule("@daily")
    naive = datetime(2025, 6, 12)  # noqa: DTZ001 the point of the test
    with pytest.raises(ValueError, match="2025-06-12 00:00:00 has no time zone"):
        daily.cycle_of(naive)
    with pytest.raises(ValueError, match="2025-06-12 00:00:00 has no time zone"):
        daily.dues(naive)


@pytest.mark.parametrize("year", [1, 1898, 1900, 8999, 9000, 9999])
def test_no_date_is_too_far_off_to_be_asked_about(year: int) -> None:
    hourly = schedule("0 * * * *", grace=timedelta(days=366))
    t = datetime(year, 6, 12, 12, 30, tzinfo=UTC)
    assert (hourly.cycle_of(t) is not None) == (year >= 1900)
    assert (hourly.first_due_after(t) is not None) == (year < 9000)


def test_a_blank_schedule_expects_nothing() -> None:
    blank = schedule("")
    t = utc("2025-06-12 12:00")
    assert list(blank.dues(t)) == []
    assert blank.cycle_of(t) is None
    assert blank.first_due_after(t) is None
    assert blank.first_ending_after(t) is None
    assert blank.after(t) is None


@pytest.mark.parametrize(
    ("t", "due_after", "ending_after"),
    [
        ("2025-06-12 01:59:59", "2025-06-12 02:00", "2025-06-12 02:00"),
        ("2025-06-12 02:00:00", "2025-06-13 02:00", "2025-06-12 02:00"),
        ("2025-06-12 02:59:59", "2025-06-13 02:00", "2025-06-12 02:00"),
        ("2025-06-12 03:00:00", "2025-06-13 02:00", "2025-06-13 02:00"),
    ],
)
def test_the_next_cycle_is_told_by_its_due_or_by_its_deadline(
    t: str, due_after: str, ending_after: str
) -> None:
    daily = schedule("0 2 * * *")
    assert due(daily.first_due_after(utc(t))) == due_after
    assert due(daily.after(utc(t))) == due_after
    assert due(daily.first_ending_after(utc(t))) == ending_after


def test_the_first_cycle_still_open_may_have_been_due_long_ago() -> None:
    overlapping = schedule("*/15 * * * *", grace=HOUR)
    assert due(overlapping.first_ending_after(utc("2025-06-12 12:00"))) == "2025-06-12 11:15"


class TestEras:
    """A due is told by the timetable that was in force when it came."""

    DAILY_4_SINCE_0230 = schedule("0 4 * * *", past=(until("2025-06-12 02:30", "0 2 * * *"),))

    @pytest.mark.parametrize(
        ("end", "expected"),
        [
            ("2025-06-11 02:10", "2025-06-11 02:00"),
            ("2025-06-12 02:10", "2025-06-12 02:00"),
            ("2025-06-12 02:59", "2025-06-12 02:00"),
            ("2025-06-12 03:00", "2025-06-12 04:00"),
            ("2025-06-13 02:10", "2025-06-12 04:00"),
            ("2025-06-13 03:00", "2025-06-13 04:00"),
        ],
    )
    def test_a_change_after_the_due_leaves_the_cycle_as_it_was(
        self, end: str, expected: str
    ) -> None:
        assert due(self.DAILY_4_SINCE_0230.cycle_of(utc(end))) == expected

    def test_dues_run_on_across_the_change(self) -> None:
        found = list(islice(self.DAILY_4_SINCE_0230.dues(utc("2025-06-11 00:00")), 4))
        assert found == [
            utc("2025-06-11 02:00"),
            utc("2025-06-12 02:00"),
            utc("2025-06-12 04:00"),
            utc("2025-06-13 04:00"),
        ]

    def test_a_change_before_the_due_moves_it(self) -> None:
        changed = schedule("0 4 * * *", past=(until("2025-06-12 01:59", "0 2 * * *"),))
        assert due(changed.after(utc("2025-06-11 02:00"))) == "2025-06-12 04:00"

    def test_a_change_at_the_very_due_leaves_the_due(self) -> None:
        changed = schedule("0 4 * * *", past=(until("2025-06-12 02:00", "0 2 * * *"),))
        assert due(changed.after(utc("2025-06-11 02:00"))) == "2025-06-12 02:00"
        assert due(changed.after(utc("2025-06-12 02:00"))) == "2025-06-12 04:00"

    def test_a_change_of_zone_moves_what_is_not_due_yet(self) -> None:
        past = (until("2025-06-12 00:30", "0 2 * * *", "Europe/Paris"),)
        moved = schedule("0 2 * * *", "Africa/Douala", past=past)
        assert list(islice(moved.dues(utc("2025-06-11 12:00")), 3)) == [
            utc("2025-06-12 00:00"),
            utc("2025-06-12 01:00"),
            utc("2025-06-13 01:00"),
        ]

    def test_a_new_grace_holds_for_a_cycle_that_is_already_due(self) -> None:
        wider = schedule(
            "0 2 * * *", grace=3 * HOUR, past=(until("2025-06-12 02:30", "0 2 * * *"),)
        )
        assert wider.cycle_of(utc("2025-06-12 02:10")) == Cycle(
            utc("2025-06-12 02:00"), utc("2025-06-12 05:00")
        )

    @pytest.mark.parametrize(
        ("end", "expected"),
        [
            ("2025-06-12 00:59", None),
            ("2025-06-12 01:00", "2025-06-12 02:00"),
            ("2025-06-12 01:29", "2025-06-12 02:00"),
            ("2025-06-12 02:10", "2025-06-12 02:00"),
            ("2025-06-13 00:59", "2025-06-12 02:00"),
        ],
    )
    def test_the_first_cycle_of_a_job_that_had_no_schedule_starts_one_grace_early(
        self, end: str, expected: str | None
    ) -> None:
        scheduled = schedule("0 2 * * *", past=(until("2025-06-12 01:30", ""),))
        assert due(scheduled.cycle_of(utc(end))) == expected

    @pytest.mark.parametrize(
        ("end", "expected"),
        [
            ("2025-06-12 02:10", "2025-06-12 02:00"),
            ("2025-06-12 02:59", "2025-06-12 02:00"),
            ("2025-06-12 03:00", "2025-06-12 02:00"),
            ("2025-06-12 03:01", None),
            ("2025-09-01 12:00", None),
        ],
    )
    def test_a_job_whose_schedule_was_taken_away_is_never_late_again(
        self, end: str, expected: str | None
    ) -> None:
        unscheduled = schedule("", past=(until("2025-06-12 02:30", "0 2 * * *"),))
        assert due(unscheduled.cycle_of(utc(end))) == expected

    def test_a_job_whose_schedule_was_taken_away_awaits_only_what_is_due(self) -> None:
        unscheduled = schedule("", past=(until("2025-06-12 02:30", "0 2 * * *"),))
        open_cycle = Cycle(utc("2025-06-12 02:00"), utc("2025-06-12 03:00"))
        assert unscheduled.first_ending_after(utc("2025-06-12 02:30")) == open_cycle
        assert unscheduled.after(open_cycle.due) is None
        assert unscheduled.elapsed(open_cycle.due, utc("2025-06-12 03:00")) == ([], open_cycle)
        assert unscheduled.elapsed(open_cycle.due, utc("2025-07-01 00:00")) == ([open_cycle], None)

    @pytest.mark.parametrize(
        ("end", "expected"),
        [
            ("2025-06-12 02:10", "2025-06-12 02:00"),
            ("2025-07-01 12:00", None),
            ("2025-09-01 12:00", None),
            ("2025-09-02 03:00", "2025-09-02 04:00"),
        ],
    )
    def test_a_new_schedule_does_not_reach_back_over_a_time_without_one(
        self, end: str, expected: str | None
    ) -> None:
        again = schedule(
            "0 4 * * *",
            past=(until("2025-06-12 02:30", "0 2 * * *"), until("2025-09-01 10:00", "")),
        )
        assert due(again.cycle_of(utc(end))) == expected

    def test_two_changes_within_two_minutes_keep_what_came_due_between_them(self) -> None:
        hasty = schedule(
            "0 5 * * *",
            past=(until("2025-06-12 02:29", "0 2 * * *"), until("2025-06-12 02:31", "30 2 * * *")),
        )
        assert list(islice(hasty.dues(utc("2025-06-12 00:00")), 4)) == [
            utc("2025-06-12 02:00"),
            utc("2025-06-12 02:30"),
            utc("2025-06-12 05:00"),
            utc("2025-06-13 05:00"),
        ]
        assert due(hasty.cycle_of(utc("2025-06-12 02:29"))) == "2025-06-12 02:00"
        assert due(hasty.cycle_of(utc("2025-06-12 02:30"))) == "2025-06-12 02:30"
        assert due(hasty.cycle_of(utc("2025-06-12 03:59"))) == "2025-06-12 02:30"
        assert due(hasty.cycle_of(utc("2025-06-12 04:00"))) == "2025-06-12 05:00"

    def test_a_mistake_taken_back_within_two_minutes_changes_nothing(self) -> None:
        restored = schedule(
            "0 2 * * *",
            past=(until("2025-06-12 10:00", "0 2 * * *"), until("2025-06-12 10:02", "0 4 * * *")),
        )
        never_changed = schedule("0 2 * * *")
        start = utc("2025-06-10 00:00")
        assert list(islice(restored.dues(start), 9)) == list(islice(never_changed.dues(start), 9))

    @pytest.mark.parametrize("second_end", ["2025-06-12 12:00", "2025-06-12 11:59"])
    def test_an_era_that_ends_no_later_than_the_one_before_covers_nothing(
        self, second_end: str
    ) -> None:
        set_back = schedule(
            "0 18 * * *",
            past=(until("2025-06-12 12:00", "0 2 * * *"), until(second_end, "* * * * *")),
        )
        assert list(islice(set_back.dues(utc("2025-06-12 01:00")), 2)) == [
            utc("2025-06-12 02:00"),
            utc("2025-06-12 18:00"),
        ]


class TestElapsed:
    """A cycle has elapsed when now is past its deadline."""

    @pytest.mark.parametrize(
        ("now", "elapsed", "awaited"),
        [
            ("2025-06-12 01:00", [], "2025-06-12 02:00"),
            ("2025-06-12 03:00", [], "2025-06-12 02:00"),
            ("2025-06-12 03:00:00.000001", ["2025-06-12 02:00"], "2025-06-13 02:00"),
            ("2025-06-13 03:00", ["2025-06-12 02:00"], "2025-06-13 02:00"),
            ("2025-06-13 03:01", ["2025-06-12 02:00", "2025-06-13 02:00"], "2025-06-14 02:00"),
        ],
    )
    def test_each_cycle_past_its_deadline_and_the_next(
        self, now: str, elapsed: list[str], awaited: str
    ) -> None:
        cycles, following = schedule("0 2 * * *").elapsed(utc("2025-06-12 02:00"), utc(now))
        assert [due(cycle) for cycle in cycles] == elapsed
        assert due(following) == awaited

    def test_a_due_off_the_grid_counts_first(self) -> None:
        cycles, following = TestEras.DAILY_4_SINCE_0230.elapsed(
            utc("2025-06-12 01:17"), utc("2025-06-13 06:00")
        )
        assert [due(cycle) for cycle in cycles] == [
            "2025-06-12 01:17",
            "2025-06-12 02:00",
            "2025-06-12 04:00",
            "2025-06-13 04:00",
        ]
        assert due(following) == "2025-06-14 04:00"

    def test_a_due_off_the_grid_is_awaited_until_its_deadline(self) -> None:
        from_due = utc("2025-06-12 01:17")
        awaited = Cycle(from_due, from_due + HOUR)
        assert schedule("0 2 * * *").elapsed(from_due, from_due + HOUR) == ([], awaited)

    @pytest.mark.parametrize(
        ("limit", "expected"),
        [
            (1, ["2025-06-14 02:00"]),
            (2, ["2025-06-13 02:00", "2025-06-14 02:00"]),
            (3, ["2025-06-12 02:00", "2025-06-13 02:00", "2025-06-14 02:00"]),
            (4, ["2025-06-12 02:00", "2025-06-13 02:00", "2025-06-14 02:00"]),
        ],
    )
    def test_only_the_newest_are_given(self, limit: int, expected: list[str]) -> None:
        cycles, following = schedule("0 2 * * *").elapsed(
            utc("2025-06-12 02:00"), utc("2025-06-14 12:00"), limit
        )
        assert [due(cycle) for cycle in cycles] == expected
        assert due(following) == "2025-06-15 02:00"

    def test_a_limit_under_one_is_refused(self) -> None:
        with pytest.raises(ValueError, match="limit is 0"):
            schedule("@daily").elapsed(utc("2025-06-12 00:00"), utc("2025-06-13 00:00"), 0)

    @pytest.mark.parametrize(
        ("expression", "first", "last", "following"),
        [
            ("0 1 * * *", "2025-05-13 01:00", "2025-06-12 01:00", "2025-06-13 01:00"),
            ("*/15 * * * *", "2025-06-12 03:15", "2025-06-12 10:45", "2025-06-12 11:00"),
            ("0 1 L * *", "2022-11-30 01:00", "2025-05-31 01:00", "2025-06-30 01:00"),
        ],
    )
    def test_after_a_long_outage_the_newest_31_are_judged(
        self, expression: str, first: str, last: str, following: str
    ) -> None:
        cycles, awaited = schedule(expression).elapsed(
            utc("2020-01-01 00:00"), utc("2025-06-12 12:00")
        )
        assert len(cycles) == 31
        assert due(cycles[0]) == first
        assert due(cycles[-1]) == last
        assert due(awaited) == following

    def test_a_year_of_minutes_is_not_walked_through(self) -> None:
        steps = 0

        def count(frame: FrameType, event: str, argument: object) -> None:
            nonlocal steps
            steps += event == "call" and frame.f_code is CronSim.__next__.__code__

        every_minute = schedule("* * * * *", "Europe/Paris")
        sys.setprofile(count)
        try:
            cycles, awaited = every_minute.elapsed(
                utc("2024-06-12 00:00"), utc("2025-06-12 12:00:30")
            )
        finally:
            sys.setprofile(None)
        assert 31 <= steps < 1000
        assert len(cycles) == 31
        assert due(cycles[-1]) == "2025-06-12 11:00"
        assert due(awaited) == "2025-06-12 11:01"


@pytest.mark.parametrize("grace", [timedelta(minutes=-1), timedelta(days=366, seconds=1)])
def test_a_grace_out_of_bounds_is_refused_with_what_to_do(grace: timedelta) -> None:
    with pytest.raises(ScheduleError, match="expected 0 minutes to 366 days; correct the job"):
        schedule("@daily", grace=grace)


@pytest.mark.parametrize(
    "ends",
    [
        [],
        [utc("2025-06-12 02:30")],
        [None, None],
        [datetime(2025, 6, 12), None],  # noqa: DTZ001 the point of the test
    ],
)
def test_eras_that_make_no_history_are_refused(ends: list[datetime | None]) -> None:
    daily = timetable("@daily", "UTC")
    with pytest.raises(ScheduleError, match="repair the job's stored past timetables"):
        Schedule(tuple(Era(daily, end) for end in ends), HOUR)


def test_cycles_are_ordered_by_their_due() -> None:
    first, second = (Cycle(utc(f"2025-06-1{d} 02:00"), utc(f"2025-06-1{d} 03:00")) for d in (2, 3))
    assert sorted([second, first]) == [first, second]


def test_equal_schedules_are_one_key() -> None:
    assert len({schedule(" @DAILY", "africa/douala"), schedule("@daily", "Africa/Douala")}) == 1
