from itertools import chain, repeat
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.pipeline.anomaly import (
    HISTORY,
    Unusual,
    duration_words,
    size_words,
    unusual,
    unusual_duration,
    unusual_size,
)

KIB = 1024
MIB = 1024 * KIB
STEADY = [100 * MIB] * 30
# Around 100 MiB: the median is 100 MiB, the MAD 5 MiB, so that 5 scaled MADs are 37.065 MiB.
NOISY = [size * MIB for size in (90, 95, 95, 100, 100, 100, 105, 105, 110)]
A_WEEK = [900 * MIB, *[100 * MIB] * 6]


@pytest.mark.parametrize(
    ("size", "past", "is_unusual"),
    [
        pytest.param(100 * MIB, STEADY, False, id="steady"),
        pytest.param(101 * MIB, STEADY, False, id="steady, one percent more"),
        pytest.param(125 * MIB - 1, STEADY, False, id="steady, less than a quarter more"),
        pytest.param(125 * MIB, STEADY, True, id="steady, a quarter more"),
        pytest.param(75 * MIB, STEADY, True, id="steady, a quarter less"),
        pytest.param(50 * MIB, STEADY, True, id="halved"),
        pytest.param(200 * MIB, STEADY, True, id="doubled"),
        pytest.param(0, STEADY, True, id="nothing left"),
        pytest.param(137 * MIB, NOISY, False, id="noisy, within five deviations above"),
        pytest.param(138 * MIB, NOISY, True, id="noisy, more than five deviations above"),
        pytest.param(63 * MIB, NOISY, False, id="noisy, within five deviations below"),
        pytest.param(62 * MIB, NOISY, True, id="noisy, more than five deviations below"),
        pytest.param(50 * MIB, [*STEADY, 50 * MIB], True, id="halved for the second time"),
        pytest.param(
            50 * MIB, [*STEADY, *[50 * MIB] * 3], False, id="halved as three times before"
        ),
        pytest.param(40 * MIB, [*STEADY, 50 * MIB], True, id="one wild value hides no wilder one"),
        pytest.param(60 * KIB, [1 * KIB, 30 * KIB] * 15, False, id="tiny, flapping"),
        pytest.param(65 * KIB - 1, [1 * KIB] * 30, False, id="tiny, just below the floor"),
        pytest.param(65 * KIB, [1 * KIB] * 30, True, id="tiny, now not tiny"),
        pytest.param(900 * MIB, A_WEEK * 4, False, id="weekly full backup"),
        pytest.param(100 * MIB, A_WEEK * 4, False, id="between weekly full backups"),
        pytest.param(900 * MIB, [100 * MIB] * 7, True, id="the first weekly full backup"),
        pytest.param(1, [], False, id="no history"),
        pytest.param(1, STEADY[:6], False, id="history of six"),
        pytest.param(1, STEADY[:7], True, id="history of seven"),
        pytest.param(0, [0] * 30, False, id="zeros"),
        pytest.param(1 * MIB, [0] * 30, True, id="something after zeros"),
        pytest.param(50 * MIB, [50 * MIB, *STEADY], True, id="what is older does not count"),
    ],
)
def test_a_size_is_judged_by_the_last_30(size: int, past: list[int], is_unusual: bool) -> None:
    assert (unusual_size(size, past) is not None) == is_unusual


@pytest.mark.parametrize(
    ("seconds", "past", "is_unusual"),
    [
        pytest.param(1000, [1000] * 30, False, id="steady"),
        pytest.param(1499, [1000] * 30, False, id="less than half more"),
        pytest.param(1500, [1000] * 30, True, id="half more"),
        pytest.param(500, [1000] * 30, True, id="halved"),
        pytest.param(2000, [1000] * 30, True, id="doubled"),
        pytest.param(59, [0] * 30, False, id="tiny, just below the floor"),
        pytest.param(60, [0] * 30, True, id="a minute instead of nothing"),
        pytest.param(50, [1, 20] * 15, False, id="tiny, flapping"),
        pytest.param(9999, [1000] * 6, False, id="history of six"),
    ],
)
def test_a_duration_is_judged_by_the_last_30(
    seconds: float, past: list[float], is_unusual: bool
) -> None:
    assert (unusual_duration(seconds, past) is not None) == is_unusual


@pytest.mark.parametrize("rate", [1.01, 0.99])
@pytest.mark.parametrize("first", [1, 10 * KIB, 100 * MIB, 10**12])
def test_a_percent_a_day_is_never_unusual(first: int, rate: float) -> None:
    sizes: list[int] = []
    for day in range(400):
        size = round(first * rate**day)
        assert unusual_size(size, sizes) is None, f"day {day}"
        assert unusual_duration(size, sizes) is None, f"day {day}"
        sizes.append(size)


def test_a_lasting_change_is_told_three_times() -> None:
    told: list[int] = []
    sizes: list[int] = []
    for day, size in enumerate(chain(repeat(100 * MIB, 40), repeat(10 * MIB, 60))):
        if unusual_size(size, sizes):
            told.append(day)
        sizes.append(size)
    assert told == [40, 41, 42]


def test_the_words_have_both_numbers() -> None:
    found = unusual_size(1234, [98304] * 40)
    assert found == Unusual(1234, 98304, 30)
    assert size_words(found) == (
        "the backup is 1,234 bytes, usually 98,304 (median of the last 30)"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (725, "12 min 5 s"),
        (3599.6, "1 h 0 min"),
        (7384, "2 h 3 min"),
        (36_000_000, "10,000 h 0 min"),
    ],
)
def test_a_duration_is_said_as_people_say_it(seconds: float, words: str) -> None:
    assert duration_words(Unusual(seconds, 61, 9)) == (
        f"the backup took {words}, usually 1 min 1 s (median of the last 9)"
    )


# --- What holds for every history -----------------------------------------------------------------

values = st.one_of(
    st.integers(0, 100).map(float),
    st.floats(0, 1e15, allow_nan=False, allow_subnormal=False),
)
histories = st.lists(values, min_size=7, max_size=HISTORY)
floors = st.floats(0, 1e6)
shares = st.floats(0, 1)


@given(st.data(), histories, floors, shares)
def test_what_was_as_far_out_three_times_is_never_unusual(
    data: st.DataObject, past: list[float], floor: float, share: float
) -> None:
    value = data.draw(st.floats(sorted(past)[2], sorted(past)[-3]))
    assert unusual(value, past, floor, share) is None


@given(values, histories, floors, shares, st.randoms(use_true_random=False))
def test_the_order_of_the_past_does_not_matter(
    value: float, past: list[float], floor: float, share: float, random: Random
) -> None:
    shuffled = random.sample(past, len(past))
    assert unusual(value, shuffled, floor, share) == unusual(value, past, floor, share)


@given(values, histories, floors, shares, st.floats(1.01, 100))
def test_what_is_farther_from_the_usual_than_something_unusual_is_unusual(
    value: float, past: list[float], floor: float, share: float, times: float
) -> None:
    if found := unusual(value, past, floor, share):
        farther = found.usual + (value - found.usual) * times
        assert unusual(farther, past, floor, share) is not None


@given(st.lists(values, max_size=6), values)
def test_a_short_history_says_nothing(past: list[float], value: float) -> None:
    assert unusual(value, past, 0, 0) is None
