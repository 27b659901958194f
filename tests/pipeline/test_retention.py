from collections.abc import Sequence
from dataclasses import astuple, replace
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.pipeline.retention import Copy, Point, Policy, Retained, clock_problem, keep

DAY = timedelta(days=1)
GREENWICH = ZoneInfo("UTC")
PARIS = ZoneInfo("Europe/Paris")
PROTECTED = {"newest verified copy", "newest copy proven by a restore"}


def utc(text: str) -> datetime:
    """Read "2026-03-01" (at 11:00) or "2026-03-01T23:59", in UTC."""
    return datetime.fromisoformat(text if "T" in text else f"{text}T11:00").replace(tzinfo=UTC)


def a_copy(key: str, *, whole: bool = True, proven: bool = False, made: str = "") -> Copy[str]:
    return Copy(key, utc(made or key), is_verified=whole, is_proven=proven)


def kept(
    days: Sequence[str],
    policy: Policy,
    *,
    zone: ZoneInfo = GREENWICH,
    damaged: Sequence[str] = (),
) -> dict[str, tuple[str, ...]]:
    """Apply a policy to one backup at each time; give what its rules keep, oldest first."""
    copies = [a_copy(day, whole=day not in damaged) for day in days]
    reasons = keep(copies, [Point(utc(day), day) for day in days], policy, zone=zone).reasons
    by_rule = {day: tuple(r for r in reasons.get(day, ()) if r not in PROTECTED) for day in days}
    return {day: found for day, found in by_rule.items() if found}


# --- Golden tables, computed by hand --------------------------------------------------------------

# "Suppose you have only made one backup every Sunday for 12 weeks":
# https://restic.readthedocs.io/en/stable/060_forget.html#removing-snapshots-according-to-a-policy
SUNDAYS = [
    *("2019-09-01", "2019-09-08", "2019-09-15", "2019-09-22", "2019-09-29", "2019-10-06"),
    *("2019-10-13", "2019-10-20", "2019-10-27", "2019-11-03", "2019-11-10", "2019-11-17"),
]


def test_of_twelve_sundays_keep_daily_4_keeps_those_that_restic_documents() -> None:
    assert kept(SUNDAYS, Policy(daily=4)) == {
        "2019-10-27": ("daily 2019-10-27",),
        "2019-11-03": ("daily 2019-11-03",),
        "2019-11-10": ("daily 2019-11-10",),
        "2019-11-17": ("daily 2019-11-17",),
    }


def test_a_rule_that_ran_out_of_periods_keeps_the_oldest_too() -> None:
    assert kept(SUNDAYS, Policy(monthly=4)) == {
        "2019-09-01": ("oldest",),
        "2019-09-29": ("monthly 2019-09",),
        "2019-10-27": ("monthly 2019-10",),
        "2019-11-17": ("monthly 2019-11",),
    }
    assert list(kept(SUNDAYS, Policy(monthly=3))) == ["2019-09-29", "2019-10-27", "2019-11-17"]


def test_the_oldest_that_is_the_newest_of_its_period_is_not_named_twice() -> None:
    assert list(kept(SUNDAYS, Policy(daily=14))) == SUNDAYS
    assert kept(SUNDAYS, Policy(daily=14))["2019-09-01"] == ("daily 2019-09-01",)


def test_a_hundred_years_of_daily_backups_are_thinned_as_restic_documents() -> None:
    # The same page: "suppose you make one backup every day for 100 years", kept by daily 7,
    # weekly 5, monthly 12, yearly 75. Here they end on a Sunday, so that the 7 days include one
    # weekly, "and 4 last-day-of-the-week ones" remain.
    last = utc("2025-06-15")
    days = [(last - DAY * back).date().isoformat() for back in range(36525)]
    expected: dict[str, tuple[str, ...]] = {
        "2025-06-15": ("daily 2025-06-15", "weekly 2025-W24", "monthly 2025-06", "yearly 2025"),
        **{f"2025-06-{day:02}": (f"daily 2025-06-{day:02}",) for day in range(9, 15)},
        "2025-06-08": ("weekly 2025-W23",),
        "2025-06-01": ("weekly 2025-W22",),
        "2025-05-25": ("weekly 2025-W21",),
        "2025-05-18": ("weekly 2025-W20",),
        "2025-05-31": ("monthly 2025-05",),
        "2025-04-30": ("monthly 2025-04",),
        "2025-03-31": ("monthly 2025-03",),
        "2025-02-28": ("monthly 2025-02",),
        "2025-01-31": ("monthly 2025-01",),
        "2024-12-31": ("monthly 2024-12", "yearly 2024"),
        "2024-11-30": ("monthly 2024-11",),
        "2024-10-31": ("monthly 2024-10",),
        "2024-09-30": ("monthly 2024-09",),
        "2024-08-31": ("monthly 2024-08",),
        "2024-07-31": ("monthly 2024-07",),
        **{f"{year}-12-31": (f"yearly {year}",) for year in range(1951, 2024)},
    }
    assert len(expected) == 7 + 4 + 11 + 73
    assert kept(days, Policy(daily=7, weekly=5, monthly=12, yearly=75)) == expected


PARIS_DAYS = [
    # Clocks go from 02:00 to 03:00 on 2026-03-29: a day of 23 hours.
    ("2026-03-28T22:59", "daily 2026-03-28"),
    ("2026-03-28T23:00", ""),
    ("2026-03-29T21:59", "daily 2026-03-29"),
    ("2026-03-29T22:00", ""),
    ("2026-03-30T21:59", "daily 2026-03-30"),
    # Clocks go from 03:00 to 02:00 on 2026-10-25: a day of 25 hours, with 02:30 twice.
    ("2026-10-24T21:59", "daily 2026-10-24"),
    ("2026-10-24T22:00", ""),
    ("2026-10-25T00:30", ""),
    ("2026-10-25T01:30", ""),
    ("2026-10-25T22:59", "daily 2026-10-25"),
    ("2026-10-25T23:00", "daily 2026-10-26"),
]


def test_a_day_is_the_zones_day_also_when_it_has_23_or_25_hours() -> None:
    # Six days in all, and the policy has no count left for the oldest.
    found = kept([at for at, _ in PARIS_DAYS], Policy(daily=6), zone=PARIS)
    assert found == {at: (reason,) for at, reason in PARIS_DAYS if reason}


def test_of_an_hour_that_comes_twice_the_second_is_the_newer() -> None:
    repeated = ["2026-10-25T00:30", "2026-10-25T01:30"]
    assert list(kept(repeated, Policy(daily=1), zone=PARIS)) == ["2026-10-25T01:30"]


def test_a_day_whose_end_is_repeated_is_one_day() -> None:
    # In Newfoundland clocks went from 00:01 on the 7th back to 23:01 on the 6th (02:31 UTC).
    times = ["2010-11-05T12:00", "2010-11-07T02:30", "2010-11-07T03:00", "2010-11-07T04:00"]
    found = kept(times, Policy(daily=3), zone=ZoneInfo("America/St_Johns"))
    assert found == {
        "2010-11-05T12:00": ("daily 2010-11-05",),
        "2010-11-07T03:00": ("daily 2010-11-06",),
        "2010-11-07T04:00": ("daily 2010-11-07",),
    }


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("UTC", {3: ("2026-03-02", "2026-03"), 2: ("2026-03-01",), 0: ("2026-02",)}),
        ("Pacific/Auckland", {3: ("2026-03-02", "2026-03"), 1: ("2026-03-01",), 0: ()}),
        ("Pacific/Honolulu", {3: ("2026-03-01", "2026-03"), 1: ("2026-02-28", "2026-02")}),
        (
            "America/Los_Angeles",
            {3: ("2026-03-02", "2026-03"), 2: ("2026-03-01",), 1: ("2026-02",)},
        ),
    ],
)
def test_the_jobs_zone_tells_the_day_and_the_month(
    zone: str, expected: dict[int, tuple[str, ...]]
) -> None:
    times = ["2026-02-28T22:00", "2026-03-01T05:00", "2026-03-01T20:00", "2026-03-02T09:00"]
    found = kept(times, Policy(daily=2, monthly=2), zone=ZoneInfo(zone))
    # In Auckland all is in March: the monthly rule keeps the oldest.
    words = {len("2026-03-01"): "daily ", len("2026-03"): "monthly "}
    assert found == {
        times[at]: tuple(words[len(name)] + name for name in names) or ("oldest",)
        for at, names in sorted(expected.items())
    }


def test_a_week_is_an_iso_week_and_some_years_have_53() -> None:
    days = ["2020-12-27", "2020-12-28", "2021-01-03", "2021-01-04", "2024-12-29", "2024-12-30"]
    assert kept(days, Policy(weekly=5, yearly=2)) == {
        "2020-12-27": ("weekly 2020-W52",),
        "2021-01-03": ("weekly 2020-W53",),
        "2021-01-04": ("weekly 2021-W01", "yearly 2021"),
        "2024-12-29": ("weekly 2024-W52",),
        "2024-12-30": ("weekly 2025-W01", "yearly 2024"),
    }


def test_the_last_are_counted_and_not_dated() -> None:
    times = ["2026-03-01T01:00", "2026-03-01T02:00", "2026-03-01T03:00"]
    assert kept(times, Policy(last=2)) == {times[1]: ("last 2",), times[2]: ("last 2",)}


# --- Restore points that share a copy -------------------------------------------------------------

STREAK = [Point(utc(f"2026-03-{day:02}"), "2026-03-01") for day in range(1, 8)]
AFTER = Point(utc("2026-03-08"), "2026-03-08")


def test_a_copy_lives_as_long_as_any_unchanged_backup_that_refers_to_it() -> None:
    copies = [a_copy("2026-02-28"), a_copy("2026-03-01"), a_copy("2026-03-08")]
    points = [Point(utc("2026-02-28"), "2026-02-28"), *STREAK, AFTER]
    found = keep(copies, points, Policy(daily=3), zone=GREENWICH)
    assert found == Retained(
        {
            "2026-03-08": ("daily 2026-03-08", "newest verified copy"),
            "2026-03-01": ("daily 2026-03-07", "daily 2026-03-06"),
        },
        {"2026-02-28": "daily 3: before 2026-03-06"},
    )


def test_a_streak_that_no_rule_reaches_lets_its_copy_go() -> None:
    copies = [a_copy("2026-03-01"), a_copy("2026-03-08")]
    found = keep(copies, [*STREAK, AFTER], Policy(last=1), zone=GREENWICH)
    assert found.dropped == {"2026-03-01": "last 1: not among them"}


def test_why_a_copy_goes_is_said_of_its_newest_restore_point() -> None:
    points = [Point(utc(f"2026-02-{day}"), "2026-03-01") for day in (26, 27)]
    copies = [a_copy("2026-03-01"), a_copy("2026-03-08")]
    found = keep(copies, [*points, *STREAK, AFTER], Policy(monthly=1), zone=GREENWICH)
    assert found.dropped == {"2026-03-01": "monthly 1: 2026-03 has a newer one"}


def test_an_old_copy_that_every_backup_since_refers_to_is_the_newest() -> None:
    copies = [a_copy("2026-03-01"), a_copy("2026-03-08", made="2025-01-01")]
    found = keep(copies, [*STREAK, AFTER], Policy(yearly=1), zone=GREENWICH)
    assert found.reasons == {"2026-03-08": ("yearly 2026", "newest verified copy")}


def test_a_copy_without_a_point_counts_at_the_time_it_was_made() -> None:
    copies = [a_copy("2026-03-01"), a_copy("2026-03-09"), a_copy("2026-03-08")]
    found = keep(copies, [*STREAK, AFTER], Policy(daily=3), zone=GREENWICH)
    assert list(found.reasons) == ["2026-03-09", "2026-03-08", "2026-03-01"]
    assert found.reasons["2026-03-09"] == ("daily 2026-03-09", "newest verified copy")


def test_a_point_on_a_copy_that_is_gone_takes_no_place() -> None:
    gone = Point(utc("2026-03-08T23:00"), "gone")
    found = keep([a_copy("2026-03-08")], [gone, AFTER], Policy(daily=1), zone=GREENWICH)
    assert found.reasons == {"2026-03-08": ("daily 2026-03-08", "newest verified copy")}


def test_one_restore_point_told_twice_counts_once() -> None:
    copies = [a_copy("2026-03-01"), a_copy("2026-03-08")]
    found = keep(copies, [STREAK[0], AFTER, AFTER], Policy(last=2), zone=GREENWICH)
    assert not found.dropped


def test_of_backups_at_one_instant_the_copy_made_later_is_the_newer_then_the_greater_key() -> None:
    at = utc("2026-03-08")
    later = Copy(1, at + DAY, is_verified=True, is_proven=False)
    copies = [later, *(Copy(key, at, is_verified=True, is_proven=False) for key in (2, 3))]
    found = keep(copies, [Point(at, key) for key in (3, 1, 2)], Policy(last=2), zone=GREENWICH)
    assert found == Retained(
        {1: ("last 2", "newest verified copy"), 3: ("last 2",)}, {2: "last 2: not among them"}
    )


def test_two_copies_under_one_key_are_refused() -> None:
    copies = [a_copy("2026-03-08"), a_copy("2026-03-08", whole=False)]
    with pytest.raises(ValueError, match="two copies have the key '2026-03-08'"):
        keep(copies, [], Policy(), zone=GREENWICH)


# --- What is known of a copy ----------------------------------------------------------------------

FIVE_DAYS = [f"2026-03-0{day}" for day in range(1, 6)]


@pytest.mark.parametrize(
    ("policy", "damaged", "expected"),
    [
        (Policy(last=1), [], {"2026-03-05": "last 1"}),
        # A damaged copy is kept by the rules, but beside the whole ones that they are to keep.
        (Policy(last=1), ["2026-03-05"], {"2026-03-04": "last 1", "2026-03-05": "last 1"}),
        (
            Policy(daily=2),
            ["2026-03-04"],
            {
                "2026-03-03": "daily 2026-03-03",
                "2026-03-04": "daily 2026-03-04",
                "2026-03-05": "daily 2026-03-05",
            },
        ),
        (
            Policy(monthly=1),
            ["2026-03-04", "2026-03-05"],
            {"2026-03-03": "monthly 2026-03", "2026-03-05": "monthly 2026-03"},
        ),
        # Nothing whole is left: the rules say what stays, and nothing else does.
        (Policy(last=1), FIVE_DAYS, {"2026-03-05": "last 1"}),
        (Policy(yearly=2), FIVE_DAYS, {"2026-03-01": "oldest", "2026-03-05": "yearly 2026"}),
    ],
)
def test_a_damaged_copy_takes_no_place_from_a_whole_one(
    policy: Policy, damaged: list[str], expected: dict[str, str]
) -> None:
    found = kept(FIVE_DAYS, policy, damaged=damaged)
    assert found == {day: (reason,) for day, reason in expected.items()}


def test_the_newest_copy_is_not_protected_when_it_is_damaged() -> None:
    days = ["2026-03-03", "2026-03-04"]
    copies = [*(a_copy(day) for day in days), a_copy("2026-03-05T01:00", whole=False)]
    points = [Point(utc(day), day) for day in (*days, "2026-03-05T01:00")]
    points.append(Point(utc("2026-03-05T02:00"), "2026-03-04"))
    found = keep(copies, points, Policy(daily=1), zone=GREENWICH)
    assert found == Retained(
        {"2026-03-04": ("daily 2026-03-05", "newest verified copy")},
        {
            "2026-03-03": "daily 1: before 2026-03-05",
            "2026-03-05T01:00": "damaged; daily 1: 2026-03-05 has a newer one",
        },
    )


def test_the_newest_proven_copy_stays_beside_the_newest_verified_one() -> None:
    copies = [
        a_copy("2026-03-01", proven=True),
        a_copy("2026-03-02", proven=True),
        a_copy("2026-03-03", proven=True, whole=False),
        a_copy("2026-03-04"),
        a_copy("2026-03-05", whole=False),
        a_copy("2026-03-06", whole=False),
    ]
    found = keep(copies, [], Policy(last=1), zone=GREENWICH)
    assert found.reasons == {
        "2026-03-06": ("last 1",),
        "2026-03-04": ("last 1", "newest verified copy"),
        "2026-03-02": ("newest copy proven by a restore",),
    }


def test_newest_is_said_of_the_content_and_not_of_the_file() -> None:
    # The report of the older backup came last.
    copies = [a_copy("old", made="2026-03-09"), a_copy("new", made="2026-03-08")]
    points = [Point(utc("2026-02-01"), "old"), Point(utc("2026-03-08"), "new")]
    found = keep(copies, points, Policy(last=1), zone=GREENWICH)
    assert found.reasons == {"new": ("last 1", "newest verified copy")}


def test_without_a_policy_everything_stays() -> None:
    found = keep([a_copy("2026-03-01"), a_copy("2026-03-02")], [], Policy(), zone=GREENWICH)
    assert found == Retained(
        {"2026-03-02": ("newest verified copy", "no policy"), "2026-03-01": ("no policy",)}, {}
    )


def test_without_copies_there_is_nothing_to_say() -> None:
    found = keep([], [AFTER], Policy(last=1, daily=1), zone=GREENWICH)
    assert found == Retained({}, {})


def test_what_goes_is_told_from_the_oldest_with_what_each_rule_says() -> None:
    policy = Policy(last=1, daily=2, monthly=1)
    found = keep([a_copy(day) for day in reversed(FIVE_DAYS)], [], policy, zone=GREENWICH)
    why = "last 1: not among them; daily 2: before 2026-03-04; monthly 1: 2026-03 has a newer one"
    assert list(found.dropped.items()) == [(day, why) for day in FIVE_DAYS[:3]]


def test_a_policy_with_a_negative_number_is_refused() -> None:
    with pytest.raises(ValueError, match=r"weekly is -1; give 0 \(no such rule\) or more"):
        Policy(weekly=-1)


# --- What holds for every vault and policy --------------------------------------------------------

BASE = datetime(2019, 12, 25, tzinfo=UTC)
unhurried = settings(deadline=None)
# Near each other as well as years apart, and sometimes equal.
moments = st.one_of(st.integers(0, 72), st.integers(0, 24 * 90), st.integers(0, 24 * 2000)).map(
    lambda hours: BASE + timedelta(hours=hours)
)
vaults = st.lists(
    st.builds(Copy, st.integers(0, 14), moments, st.booleans(), st.booleans()),
    unique_by=lambda copy: copy.key,
    max_size=12,
)
# Some are on copies that are gone.
histories = st.lists(st.builds(Point, moments, st.integers(0, 14)), max_size=40)
counts = st.one_of(st.just(0), st.integers(1, 3), st.integers(4, 30))
policies = st.builds(Policy, counts, counts, counts, counts, counts)
zones = st.sampled_from(
    ["UTC", "Europe/Paris", "America/New_York", "Pacific/Auckland", "Pacific/Honolulu"]
).map(ZoneInfo)
Vault = list[Copy[int]]
History = list[Point[int]]


def as_of(copy: Copy[int], points: History) -> datetime:
    return max((point.at for point in points if point.copy == copy.key), default=copy.made_at)


@unhurried
@given(vaults, histories, policies, zones)
def test_the_newest_verified_copy_survives_every_policy(
    copies: Vault, points: History, policy: Policy, zone: ZoneInfo
) -> None:
    reasons = keep(copies, points, policy, zone=zone).reasons
    whole = [copy for copy in copies if copy.is_verified]
    proven = [copy for copy in whole if copy.is_proven]
    for group, word in zip((whole, proven), sorted(PROTECTED, reverse=True), strict=True):
        named = [key for key, words in reasons.items() if word in words]
        assert len(named) == bool(group)
        newest = max((as_of(copy, points) for copy in group), default=None)
        assert all(as_of(copy, points) == newest for copy in group if copy.key in named)


@unhurried
@given(vaults, histories, policies, zones)
def test_each_copy_either_stays_or_goes_and_is_told_why(
    copies: Vault, points: History, policy: Policy, zone: ZoneInfo
) -> None:
    found = keep(copies, points, policy, zone=zone)
    assert sorted([*found.reasons, *found.dropped]) == sorted(copy.key for copy in copies)
    assert all(found.reasons.values())
    assert all(found.dropped.values())
    assert all(len(set(words)) == len(words) for words in found.reasons.values())


@unhurried
@given(vaults, histories, policies.filter(lambda policy: policy != Policy()), policies, zones)
def test_a_bigger_policy_keeps_all_that_a_smaller_one_keeps(
    copies: Vault, points: History, policy: Policy, more: Policy, zone: ZoneInfo
) -> None:
    bigger = Policy(*(a + b for a, b in zip(astuple(policy), astuple(more), strict=True)))
    small = keep(copies, points, policy, zone=zone).reasons
    assert small.keys() <= keep(copies, points, bigger, zone=zone).reasons.keys()


@unhurried
@given(vaults, histories, zones)
def test_without_a_policy_nothing_goes(copies: Vault, points: History, zone: ZoneInfo) -> None:
    assert not keep(copies, points, Policy(), zone=zone).dropped


@unhurried
@given(vaults, histories, policies, zones, st.randoms(use_true_random=False))
def test_the_order_in_which_copies_and_points_are_given_does_not_matter(
    copies: Vault, points: History, policy: Policy, zone: ZoneInfo, random: Random
) -> None:
    found = keep(copies, points, policy, zone=zone)
    shuffled = keep(
        random.sample(copies, len(copies)), random.sample(points, len(points)), policy, zone=zone
    )
    assert list(shuffled.reasons.items()) == list(found.reasons.items())
    assert list(shuffled.dropped.items()) == list(found.dropped.items())


@unhurried
@given(vaults, histories, policies, zones)
def test_what_was_kept_is_kept_again_for_the_same_reasons(
    copies: Vault, points: History, policy: Policy, zone: ZoneInfo
) -> None:
    first = keep(copies, points, policy, zone=zone)
    left = [copy for copy in copies if copy.key in first.reasons]
    assert keep(left, points, policy, zone=zone) == Retained(first.reasons, {})


@unhurried
@given(vaults, histories, policies, zones)
def test_damage_to_some_copies_lets_no_whole_copy_go(
    copies: Vault, points: History, policy: Policy, zone: ZoneInfo
) -> None:
    unharmed = keep(
        [replace(copy, is_verified=True) for copy in copies], points, policy, zone=zone
    ).reasons
    harmed = keep(copies, points, policy, zone=zone).reasons
    by_rule = {key for key, words in unharmed.items() if set(words) - PROTECTED}
    assert by_rule <= harmed.keys()


@unhurried
@given(vaults, histories, policies.filter(lambda policy: policy != Policy()))
def test_whole_copies_are_kept_by_the_words_of_restics_documentation(
    copies: Vault, points: History, policy: Policy
) -> None:
    """Compare with the definition said as sets: the n newest periods, and the newest of each."""
    copies = [replace(copy, is_verified=True, is_proven=False) for copy in copies]
    made = {copy.key: copy.made_at for copy in copies}
    known = {point for point in points if point.copy in made}
    pointless = made.keys() - {point.copy for point in known}
    line = sorted(
        known | {Point(made[key], key) for key in pointless},
        key=lambda point: (point.at, made[point.copy], point.copy),
    )
    stay = set(line[-1:]) | set(line[len(line) - min(policy.last, len(line)) :])
    for number, form in (
        (policy.daily, "%Y-%m-%d"),
        (policy.weekly, "%G-%V"),
        (policy.monthly, "%Y-%m"),
        (policy.yearly, "%Y"),
    ):
        newest = {f"{point.at:{form}}": point for point in line}
        stay |= {newest[period] for period in sorted(newest)[max(0, len(newest) - number) :]}
        if len(newest) < number:
            stay |= set(line[:1])
    found = keep(copies, points, policy, zone=GREENWICH)
    assert found.reasons.keys() == {point.copy for point in stay}


# --- The clock ------------------------------------------------------------------------------------

NOW = utc("2026-03-08")
FUTURE = "which is in the future"
CLOCK = "the server's clock says 2026-03-08 11:00 UTC"


@pytest.mark.parametrize(
    ("newest", "last_prune", "problem"),
    [
        (None, None, ""),
        (NOW, NOW, ""),
        (NOW + timedelta(minutes=5), NOW + timedelta(minutes=5), ""),
        (
            NOW + timedelta(minutes=6),
            None,
            f"the newest verdict was recorded at 2026-03-08 11:06 UTC, {FUTURE}: {CLOCK}",
        ),
        (
            NOW,
            NOW + DAY,
            f"the last prune was at 2026-03-09 11:00 UTC, {FUTURE}: {CLOCK}",
        ),
        (NOW - 400 * DAY, NOW - 30 * DAY, ""),
        (
            NOW,
            NOW - 30 * DAY - timedelta(minutes=1),
            f"the last prune was at 2026-02-06 10:59 UTC, more than 30 days ago: {CLOCK}",
        ),
    ],
)
def test_a_clock_that_looks_wrong_is_told(
    newest: datetime | None, last_prune: datetime | None, problem: str
) -> None:
    assert clock_problem(newest, last_prune, NOW) == problem
