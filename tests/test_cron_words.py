"""Cron expressions read aloud."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from cronsim import CronSim
from django.utils import translation
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scanner.cron_words import reading
from scanner.errors import ScheduleError
from scanner.timetable import dues, fields, timetable

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "at any time"),
        ("30 2 * * *", "every day at 02:30"),
        ("  30   2 *  * * ", "every day at 02:30"),
        ("30 2,14 * * *", "every day at 02:30 and 14:30"),
        ("0,20,40 3 * * *", "every day at 03:00, 03:20 and 03:40"),
        ("0,30 3 * * *", "every day at 03:00 and 03:30"),
        ("0 */8 * * *", "every day at 00:00, 08:00 and 16:00"),
        # --- Often ---
        ("* * * * *", "every minute"),
        ("*/1 * * * *", "every minute"),
        ("*/15 * * * *", "every 15 minutes"),
        ("0,15,30,45 * * * *", "every 15 minutes"),
        ("5-59/15 * * * *", "every 15 minutes, from minute 5 of each hour on"),
        ("*/10 8-17 * * *", "every 10 minutes from 08:00 to 17:50"),
        ("* 3 * * *", "every minute from 03:00 to 03:59"),
        ("0 * * * *", "every hour, on the hour"),
        ("17 * * * *", "every hour at minute 17"),
        ("30 8-18 * * *", "every hour from 08:30 to 18:30"),
        ("0 */6 * * *", "every 6 hours from 00:00 to 18:00"),
        ("30 */2 * * *", "every 2 hours from 00:30 to 22:30"),
        # --- What has no short words ---
        (
            "*/7 * * * *",
            "every day at the minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour",
        ),
        ("3,7,9 1,2,5 * * *", "every day at the minutes 3, 7 and 9 of the hours 1, 2 and 5"),
        ("5 1,2,3,5,8,13,21 * * *", "every day at minute 5 of the hours 1-3, 5, 8, 13 and 21"),
        ("1-9 4 * * *", "every day at the minutes 1-9 of the hour 4"),
        # --- Days of the week ---
        ("0 22 * * 1-5", "Monday to Friday at 22:00"),
        ("0 22 * * MON-FRI", "Monday to Friday at 22:00"),
        ("0 22 * * 0-4", "Sunday to Thursday at 22:00"),
        ("0 22 * * FRI", "every Friday at 22:00"),
        ("0 22 * * 7", "every Sunday at 22:00"),
        ("0 22 * * 0,6", "on Saturday and Sunday at 22:00"),
        ("0 22 * * 1,3,5", "on Monday, Wednesday and Friday at 22:00"),
        ("0 22 * * 0-7", "every day at 22:00"),
        ("*/15 8-17 * * 1-5", "every 15 minutes from 08:00 to 17:45, Monday to Friday"),
        ("0 0 * * MON#1", "on the first Monday of each month at 00:00"),
        ("0 0 * * 5L", "on the last Friday of each month at 00:00"),
        (
            "0 0 * * MON#1,MON#3",
            "on the first Monday and the third Monday of each month at 00:00",
        ),
        ("0 0 * * MON,MON#1", "every Monday at 00:00"),
        ("0 0 * * SUN,TUE#2", "every Sunday and on the second Tuesday of each month at 00:00"),
        # --- Days of the month ---
        ("0 4 1 * *", "on the 1st of each month at 04:00"),
        ("0 4 2,3,22 * *", "on the 2nd, the 3rd and the 22nd of each month at 04:00"),
        ("0 4 11,12,13 * *", "on the 11th to the 13th of each month at 04:00"),
        ("0 4 1-7,15 * *", "on the 1st to the 7th and the 15th of each month at 04:00"),
        ("0 4 */2 * *", "every 2 days from the 1st to the 31st of each month at 04:00"),
        ("0 4 L * *", "on the last day of each month at 04:00"),
        ("0 4 LW * *", "on the last day from Monday to Friday of each month at 04:00"),
        ("0 4 1,L * *", "on the 1st and the last day of each month at 04:00"),
        ("0 4 1-31 * *", "every day at 04:00"),
        # --- Both: either, unless one begins with a star ---
        (
            "0 3 1,15 * FRI",
            "on the 1st and the 15th of each month, and also every Friday, at 03:00",
        ),
        (
            "0 3 */2 * FRI",
            "every 2 days from the 1st to the 31st of each month, but only on Friday, at 03:00",
        ),
        (
            "0 3 1-7 * */6",
            "on the 1st to the 7th of each month, but only on Saturday and Sunday, at 03:00",
        ),
        ("0 3 1-31 * MON", "every day at 03:00"),
        ("0 3 */1 * MON", "every Monday at 03:00"),
        # --- Months ---
        ("0 0 1 1 *", "on the 1st of January at 00:00"),
        ("0 0 1,3,15-17 2 *", "on the 1st, the 3rd and the 15th to the 17th of February at 00:00"),
        ("*/15 * 1 12 *", "every 15 minutes, on the 1st of December"),
        ("0 0 1-31 1 *", "every day at 00:00, in January"),
        ("0 0 L 1 *", "on the last day at 00:00, in January"),
        ("0 0 1 1,7 *", "on the 1st at 00:00, in January and July"),
        ("0 3 1 1 FRI", "on the 1st, and also every Friday, at 03:00, in January"),
        ("0 3 1 1 0-6", "every day at 03:00, in January"),
        ("0 0 * JAN,JUL *", "every day at 00:00, in January and July"),
        ("0 0 1 6-8 *", "on the 1st at 00:00, from June to August"),
        ("*/15 * * 12 *", "every 15 minutes, in December"),
        ("0 0 */5 6 *", "every 5 days from the 1st to the 31st at 00:00, in June"),
        ("0 0 * 6 MON#1", "on the first Monday at 00:00, in June"),
        # --- Aliases ---
        ("@hourly", "every hour, on the hour"),
        ("@DAILY", "every day at 00:00"),
        ("@midnight", "every day at 00:00"),
        ("@weekly", "every Sunday at 00:00"),
        ("@monthly", "on the 1st of each month at 00:00"),
        ("@yearly", "on the 1st of January at 00:00"),
    ],
)
def test_an_expression_is_read_as_people_say_it(expression: str, words: str) -> None:
    assert reading(expression) == words


@pytest.mark.parametrize("expression", ["every day", "99 2 * * *", "0 0 30 2 *", "* * * * * *"])
def test_what_is_no_schedule_has_no_reading(expression: str) -> None:
    with pytest.raises(ScheduleError):
        reading(expression)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 22 * 6 FRI", "chaque vendredi à 22:00, en juin"),
        ("0 22 * * 1,5", "le lundi et le vendredi à 22:00"),
        ("0 22 * * 1,3,6", "le lundi, le mercredi et le samedi à 22:00"),
        ("0 22 * * 1-5", "du lundi au vendredi à 22:00"),
        (
            "0 3 */2 * FRI",
            "tous les 2 jours du 1er au 31 de chaque mois, mais seulement le vendredi, à 03:00",
        ),
        ("0 3 1 1 *", "le 1er janvier à 03:00"),
        ("0 3 1-7,15 2 *", "du 1er au 7 et le 15 février à 03:00"),
        ("0 3 1,15 * *", "le 1er et le 15 de chaque mois à 03:00"),
        ("0 3 1 6-8 *", "le 1er à 03:00, entre juin et août"),
    ],
)
def test_an_expression_is_read_as_french_says_it(expression: str, words: str) -> None:
    with translation.override("fr"):
        assert reading(expression) == words


# --- Whatever is written --------------------------------------------------------------------------


def _field(first: int, last: int, *more: str) -> st.SearchStrategy[str]:
    number = st.integers(first, last)
    pair = st.tuples(number, number).map(sorted)
    step = st.integers(1, 40)
    ranges = pair.map(lambda two: f"{two[0]}-{two[1]}")
    term = st.one_of(
        number.map(str),
        ranges,
        st.tuples(ranges, step).map(lambda both: f"{both[0]}/{both[1]}"),
        st.tuples(number, step).map(lambda both: f"{both[0]}/{both[1]}"),
        *([st.sampled_from(more)] if more else []),
    )
    return st.one_of(
        st.just("*"),
        step.map(lambda number: f"*/{number}"),
        st.lists(term, min_size=1, max_size=4).map(",".join),
    )


WEEKDAYS = ("MON", "sun", "TUE-THU", "FRI#1", "7#5", "5L", "0L", "1L", "SAT#2")
EXPRESSIONS = st.tuples(
    _field(0, 59),
    _field(0, 23),
    _field(1, 31, "L", "LW"),
    _field(1, 12, "JAN", "jun-aug"),
    _field(0, 7, *WEEKDAYS),
).map(" ".join)


def _accepted(expression: str) -> bool:
    try:
        timetable(expression, "UTC")
    except ScheduleError:
        return False
    return True


@settings(deadline=None)
@given(EXPRESSIONS)
def test_whatever_is_accepted_can_be_read(expression: str) -> None:
    assume(_accepted(expression))
    words = reading(expression)
    assert words
    assert "%" not in words


def _meaning(expression: str) -> list[datetime]:
    """Give what an expression comes down to: its next dues."""
    found = dues(timetable(expression, "UTC"), START, START + timedelta(days=50 * 366))
    return list(islice(found, 40))


@settings(deadline=None)
@given(EXPRESSIONS, st.data())
def test_what_is_read_alike_fires_alike(expression: str, data: st.DataObject) -> None:
    assume(_accepted(expression))
    parts = list(fields(expression))
    # One field is written in another way, or made another one.
    which = data.draw(st.integers(0, 4))
    bounds = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))[which]
    cron = CronSim(expression, START)
    held = (cron.minutes, cron.hours, cron.days, cron.months, cron.weekdays)[which]
    numbers = [item for item in held if isinstance(item, int) and item >= 0]
    if numbers and len(numbers) == len(held) and data.draw(st.booleans()):
        parts[which] = ",".join(map(str, numbers))
    else:
        parts[which] = data.draw(_field(*bounds))
    other = " ".join(parts)
    assume(_accepted(other))
    if reading(expression) == reading(other):
        assert _meaning(expression) == _meaning(other)
