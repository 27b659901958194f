"""What holds for every schedule, zone, grace and instant; with models that are plain and slow."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, islice, pairwise, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from scanner.cycle import Cycle, Era, Schedule, Timetable, time_zone, timetable
from scanner.errors import ScheduleError
from scanner.timetable import dues

# Zones with the UTC instants at which their clocks jump: by an hour, by half an hour, over
# midnight, over a whole day, twice a season; and some that never do.
JUMPS: dict[str, list[str]] = {
    "Europe/Paris": ["2025-03-30T01:00", "2025-10-26T01:00"],
    "America/New_York": ["2025-03-09T07:00", "2025-11-02T06:00"],
    "America/St_Johns": ["2025-03-09T05:30", "2025-11-02T04:30"],
    "America/Havana": ["2025-03-09T05:00", "2025-11-02T05:00"],
    "Africa/Cairo": ["2025-04-24T22:00", "2025-10-30T21:00"],
    "Africa/Casablanca": ["2025-02-23T02:00", "2025-04-06T02:00"],
    "Australia/Lord_Howe": ["2025-04-05T15:00", "2025-10-04T15:30"],
    "Pacific/Apia": ["2011-12-30T10:00"],
    "Africa/Douala": [],
    "Asia/Kathmandu": [],
    "UTC": [],
}
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)

unhurried = settings(deadline=None)


def field(low: int, high: int, *names: str) -> st.SearchStrategy[str]:
    """Give fixed values, lists, ranges and steps of a cron field, and the names that it knows."""
    value = st.integers(low, high).map(str)
    span = st.tuples(st.integers(low, high), st.integers(low, high)).map(
        lambda ends: f"{min(ends)}-{max(ends)}"
    )
    step = st.integers(1, high).map(lambda n: f"*/{n}")
    stepped_span = st.tuples(span, st.integers(1, 9)).map(lambda parts: f"{parts[0]}/{parts[1]}")
    listed = st.lists(value | span, min_size=2, max_size=4).map(",".join)
    kinds = [value, value, listed, span, step, stepped_span, st.just("*")]
    return st.one_of(*kinds, *map(st.just, names))


def mostly_any(strategy: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(st.just("*"), st.just("*"), st.just("*"), strategy)


zones = st.sampled_from(sorted(JUMPS))
expressions = st.one_of(
    st.tuples(
        field(0, 59),
        field(0, 23),
        mostly_any(field(1, 31, "L", "LW")),
        mostly_any(field(1, 12, "JAN", "FEB,JUN")),
        mostly_any(field(0, 7, "SUN", "MON-FRI", "5L", "MON#2", "0#5")),
    ).map(" ".join),
    st.sampled_from(["@hourly", "@daily", "@weekly", "@monthly", "@yearly"]),
)
graces = st.one_of(
    st.just(timedelta()),
    st.integers(0, 180).map(lambda n: timedelta(minutes=n)),
    st.timedeltas(timedelta(), timedelta(days=40)),
)


@st.composite
def timetables(draw: st.DrawFn) -> Timetable:
    try:
        return timetable(draw(expressions), draw(zones))
    except ScheduleError:
        assume(False)  # noqa: FBT003 its signature
        raise


@st.composite
def instants(draw: st.DrawFn, zone: str) -> datetime:
    """Give instants anywhere within twenty years, half of them near a jump of the zone's clocks."""
    spread = draw(st.timedeltas(timedelta(days=-2), timedelta(days=2)))
    if draw(st.booleans()):  # dues are whole minutes: meet them
        spread = timedelta(minutes=spread // MINUTE)
    if draw(st.booleans()) and JUMPS[zone]:
        jump = datetime.fromisoformat(draw(st.sampled_from(JUMPS[zone])))
        return jump.replace(tzinfo=UTC) + spread
    day = draw(st.integers(0, 20 * 366))
    return datetime(2015, 1, 1, tzinfo=UTC) + day * DAY + spread


@st.composite
def schedules_and_instants(
    draw: st.DrawFn, count: int, eras: int = 1
) -> tuple[Schedule, list[datetime]]:
    """Give a schedule and ascending instants, around which its timetable may have changed."""
    now = draw(timetables())
    base = draw(instants(now.zone))
    nearby = st.timedeltas(timedelta(days=-3), timedelta(days=3)).map(lambda d: base + d)
    past = []
    for end in sorted(draw(st.lists(nearby, max_size=eras - 1))):
        blank = draw(st.integers(0, 3)) == 0
        past.append(Era(timetable("", "UTC") if blank else draw(timetables()), end))
    times = sorted(draw(st.lists(nearby, min_size=count, max_size=count)))
    return Schedule((*past, Era(now, None)), draw(graces)), times


def wall_clock(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None)


def minutes(after: datetime, until: datetime) -> Iterator[datetime]:
    minute = after.replace(second=0, microsecond=0) + MINUTE
    while minute <= until:
        yield minute
        minute += MINUTE


def slow_dues(expression: str, zone: ZoneInfo, after: datetime, until: datetime) -> list[datetime]:
    """Watch the clock from minute to minute, as cron does."""
    cron = CronSim(expression, after)
    by_elapsed_time = any(part.startswith("*") for part in cron.parts[1:3])

    def matches(reading: datetime) -> bool:
        return (
            reading.minute in cron.minutes
            and reading.hour in cron.hours
            and reading.month in cron.months
            and cron.match_day(reading.date())
        )

    found = []
    highest = max(wall_clock(after - n * MINUTE, zone) for n in range(2 * 24 * 60))
    highest = highest.replace(second=0, microsecond=0)
    for instant in minutes(after, until):
        reading = wall_clock(instant, zone)
        if by_elapsed_time:
            due = matches(reading)
        else:  # what the clock shows for the first time, and what it skipped to get there
            due = any(matches(new) for new in minutes(highest, reading))
        highest = max(highest, reading)
        if due:
            found.append(instant)
    return found


@unhurried
@given(st.data(), timetables())
def test_dues_are_what_a_watched_clock_gives(data: st.DataObject, table: Timetable) -> None:
    assume(not table.expression.startswith("@"))
    after = data.draw(instants(table.zone))
    until = after + data.draw(st.timedeltas(timedelta(), 2 * DAY))
    expected = slow_dues(table.expression, time_zone(table.zone), after, until)
    assert list(dues(table, after, until)) == expected


@unhurried
@given(schedules_and_instants(2, eras=4))
def test_dues_do_not_depend_on_where_one_starts(case: tuple[Schedule, list[datetime]]) -> None:
    schedule, (early, late) = case
    from_early = takewhile(lambda due: due <= late + DAY, schedule.dues(early))
    from_late = takewhile(lambda due: due <= late + DAY, schedule.dues(late))
    assert [due for due in from_early if due > late] == list(from_late)


@unhurried
@given(schedules_and_instants(1, eras=4))
def test_dues_and_deadlines_ascend_strictly(case: tuple[Schedule, list[datetime]]) -> None:
    schedule, (start,) = case
    found = list(islice(schedule.dues(start), 50))
    assert all(a < b for a, b in pairwise([start, *found]))
    assert all(due.tzinfo is UTC for due in found)
    cycle = schedule.first_due_after(start)
    for due in found:
        assert cycle == Cycle(due, due + schedule.grace)
        cycle = schedule.after(cycle.due)


def starts_around(schedule: Schedule, t: datetime) -> list[tuple[datetime, Cycle]]:
    """Give the start of each of the cycles due around `t`, by the formula."""
    back = timedelta(hours=1)
    before: list[datetime] = []
    while len(before) < 3 and back < timedelta(days=366 * 50):
        before = list(takewhile(lambda due: due <= t, schedule.dues(t - back)))
        back *= 4
    around = [*before[-3:], *islice(schedule.dues(t), 3)]
    starts = []
    for previous, due in pairwise(around):
        gap, grace = due - previous, schedule.grace
        early = min(grace, gap / 2, max(timedelta(), gap - grace))
        starts.append((due - early, Cycle(due, due + grace)))
    return starts


@unhurried
@given(schedules_and_instants(1))
def test_every_instant_belongs_to_exactly_one_cycle(case: tuple[Schedule, list[datetime]]) -> None:
    schedule, (t,) = case
    of = [
        cycle
        for (start, cycle), (next_start, _) in pairwise(starts_around(schedule, t))
        if start <= t < next_start
    ]
    assert of == [schedule.cycle_of(t)]


@unhurried
@given(schedules_and_instants(1, eras=4))
def test_an_operation_before_the_due_is_of_that_cycle_only_when_no_older_one_is_open(
    case: tuple[Schedule, list[datetime]],
) -> None:
    schedule, (t,) = case
    cycle = schedule.cycle_of(t)
    if cycle is not None and t < cycle.due:
        assert cycle.due - t <= schedule.grace
        assert schedule.first_ending_after(t) == cycle


@unhurried
@given(schedules_and_instants(6, eras=4))
def test_later_operations_are_never_of_earlier_cycles(
    case: tuple[Schedule, list[datetime]],
) -> None:
    schedule, times = case
    # An operation of no cycle stands where it ended: entries are ordered like this.
    places = [(c.due if (c := schedule.cycle_of(t)) else t) for t in times]
    assert places == sorted(places)


@unhurried
@given(schedules_and_instants(1, eras=4))
def test_an_operation_within_its_deadline_has_a_cycle(
    case: tuple[Schedule, list[datetime]],
) -> None:
    schedule, (t,) = case
    is_open = schedule.first_ending_after(t)
    if is_open is not None and is_open.due <= t:
        cycle = schedule.cycle_of(t)
        assert cycle is not None
        assert cycle.due >= is_open.due


@unhurried
@given(schedules_and_instants(2, eras=4), st.booleans(), st.integers(1, 40))
def test_elapsed_agrees_with_walking_through_all_cycles(
    case: tuple[Schedule, list[datetime]], on_the_grid: bool, limit: int
) -> None:
    schedule, (from_due, now) = case
    if on_the_grid:
        first = next(schedule.dues(from_due), None)
        assume(first is not None)
        assert first is not None
        from_due = first
    grace = schedule.grace
    walk = (Cycle(due, due + grace) for due in chain([from_due], schedule.dues(from_due)))
    elapsed: list[Cycle] = []
    awaited = None
    for cycle in walk:
        if cycle.deadline >= now:
            awaited = cycle
            break
        elapsed.append(cycle)
    assert schedule.elapsed(from_due, now, limit) == (elapsed[-limit:], awaited)


@unhurried
@given(st.one_of(st.text(), st.text("0123456789*/-,#LW@ ", max_size=30)), st.text())
@example("0 0 30 2 *", "UTC")
@example("* * * * * *", "UTC")
def test_no_text_is_worse_than_refused(expression: str, zone: str) -> None:
    for zone_name in (zone, "UTC"):
        try:
            accepted = timetable(expression, zone_name)
        except ScheduleError as refusal:
            assert "expected" in str(refusal)  # noqa: PT017 either outcome is right
        else:
            assert timetable(accepted.expression, accepted.zone) == accepted
