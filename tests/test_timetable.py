"""Dues of cron expressions in time zones; all expectations were worked out by hand."""

import re
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from scanner.errors import ScheduleError
from scanner.timetable import Timetable, dues, time_zone, timetable

END = datetime(2100, 1, 1, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("30 2 * * *", "30 2 * * *"),
        ("  30\t2 *  * *\n", "30 2 * * *"),
        ("0 9 * jan-mar mon,wed", "0 9 * JAN-MAR MON,WED"),
        ("0 0 l * *", "0 0 L * *"),
        (" @Daily ", "@daily"),
        ("", ""),
        ("   ", ""),
    ],
)
def test_case_and_white_space_do_not_matter(expression: str, expected: str) -> None:
    assert timetable(expression, "Africa/Douala") == Timetable(expected, "Africa/Douala")


@pytest.mark.parametrize(
    ("alias", "expression"),
    [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * SUN"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
    ],
)
def test_an_alias_fires_like_the_expression_that_it_stands_for(alias: str, expression: str) -> None:
    start = utc("2025-03-29 12:00")
    by_alias = dues(timetable(alias, "Europe/Paris"), start, END)
    by_expression = dues(timetable(expression, "Europe/Paris"), start, END)
    assert list(islice(by_alias, 20)) == list(islice(by_expression, 20))


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("0 30 2 * * *", "has 6 field(s)"),
        ("30 2 * *", "has 4 field(s)"),
        ("@nightly", "has 1 field(s)"),
        ("@reboot", "has 1 field(s)"),
        ("@daily @daily", "has 2 field(s)"),
        ("60 2 * * *", "cannot be read (Bad minute)"),
        ("30 24 * * *", "cannot be read (Bad hour)"),
        ("30 2 32 * *", "cannot be read (Bad day-of-month)"),
        ("30 2 * FOO *", "cannot be read (Bad month)"),
        ("30 2 * * MON#6", "cannot be read (Bad day-of-week)"),
        ("*/0 2 * * *", "cannot be read (Bad minute)"),
        ("\0 2 * * *", "cannot be read (Bad minute)"),
        ("٣ 2 * * *", "cannot be read (Bad minute)"),
        ("9" * 5000 + " 2 * * *", "cannot be read ("),
        ("0 0 30 2 *", "cannot be read (Bad day-of-month)"),
        ("0 0 31 4,6,9,11 *", "cannot be read (Bad day-of-month)"),
        ("0 0 */31 2 MON#5", "never comes"),
        ("0 0 LW * */7", "never comes"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused_with_what_to_do(
    expression: str, found: str
) -> None:
    with pytest.raises(ScheduleError, match=re.escape(found)) as refusal:
        timetable(expression, "UTC")
    message = str(refusal.value)
    assert repr(expression[:80])[:-1] in message
    assert '"30 2 * * *"' in message
    assert "@hourly @daily @midnight @weekly @monthly @yearly @annually" in message
    assert "correct it, or leave it blank" in message
    assert len(message) < 500


def test_a_schedule_that_fires_once_in_28_years_is_accepted() -> None:
    leap_day_on_a_sunday = timetable("0 0 29 2 */7", "UTC")
    found = dues(leap_day_on_a_sunday, utc("2025-01-01 00:00"), END)
    assert list(found) == [
        utc("2032-02-29 00:00"),
        utc("2060-02-29 00:00"),
        utc("2088-02-29 00:00"),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        ".",
        "../etc/passwd",
        "/etc/localtime",
        "Europe/../Europe/Paris",
        "Europe",
        "Europe/",
        "Mars/Olympus",
        "localtime",
        "Factory",
        "posix/Europe/Paris",
        "right/Europe/Paris",
        "zone.tab",
        "Europe/Paris\0",
        "\0",
        "\ud800",
        "x" * 5000,
    ],
)
def test_what_is_no_time_zone_is_refused_with_what_to_do(name: str) -> None:
    with pytest.raises(ScheduleError, match="is unknown: expected an IANA name") as refusal:
        time_zone(name)
    assert repr(name[:80])[:-1] in str(refusal.value)
    assert len(str(refusal.value)) < 300
    with pytest.raises(ScheduleError, match="is unknown"):
        timetable("", name)


@pytest.mark.parametrize("name", ["Africa/Douala", "africa/douala", " AFRICA/DOUALA "])
def test_a_time_zone_is_known_in_any_letter_case(name: str) -> None:
    assert time_zone(name).key == "Africa/Douala"
    assert timetable("30 2 * * *", name).zone == "Africa/Douala"


def test_a_blank_schedule_has_no_dues() -> None:
    assert list(dues(timetable("", "Europe/Paris"), utc("2025-01-01 00:00"), END)) == []


# Paris went from UTC+1 to UTC+2 on 2025-03-30 at 01:00 UTC (02:00 became 03:00) and back on
# 2025-10-26 at 01:00 UTC (03:00 became 02:00). Douala has UTC+1 all year.
@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        pytest.param(
            "30 2 * * *",
            "Europe/Paris",
            "2025-03-28 12:00",
            ["2025-03-29 01:30", "2025-03-30 01:00", "2025-03-31 00:30"],
            id="a skipped time is due when the skip ends",
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Paris",
            "2025-10-25 12:00",
            ["2025-10-26 00:30", "2025-10-27 01:30"],
            id="a repeated time is due once, the first time",
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Paris",
            "2025-10-26 01:10",
            ["2025-10-27 01:30"],
            id="asked in the second pass through the repeated hour",
        ),
        pytest.param(
            "30 2 * * *",
            "Africa/Douala",
            "2025-03-28 12:00",
            ["2025-03-29 01:30", "2025-03-30 01:30", "2025-03-31 01:30"],
            id="no clock change in Douala in March",
        ),
        pytest.param(
            "30 2 * * *",
            "Africa/Douala",
            "2025-10-25 12:00",
            ["2025-10-26 01:30", "2025-10-27 01:30"],
            id="no clock change in Douala in October",
        ),
        pytest.param(
            "0 2,3 * * *",
            "Europe/Paris",
            "2025-03-29 12:00",
            ["2025-03-30 01:00", "2025-03-31 00:00", "2025-03-31 01:00"],
            id="two times that the skip makes one are one due",
        ),
        pytest.param(
            "0,20,40 2 * * *",
            "Europe/Paris",
            "2025-03-29 12:00",
            ["2025-03-30 01:00", "2025-03-31 00:00", "2025-03-31 00:20"],
            id="several times within the skip are one due",
        ),
        pytest.param(
            "0 2,14 * * *",
            "Europe/Paris",
            "2025-03-29 02:00",
            ["2025-03-29 13:00", "2025-03-30 01:00", "2025-03-30 12:00", "2025-03-31 00:00"],
            id="twice a day in spring",
        ),
        pytest.param(
            "0 2,14 * * *",
            "Europe/Paris",
            "2025-10-25 02:00",
            ["2025-10-25 12:00", "2025-10-26 00:00", "2025-10-26 13:00", "2025-10-27 01:00"],
            id="twice a day in autumn",
        ),
        pytest.param(
            "*/30 * * * *",
            "Europe/Paris",
            "2025-03-30 00:15",
            ["2025-03-30 00:30", "2025-03-30 01:00", "2025-03-30 01:30"],
            id="every half-hour goes on in spring",
        ),
        pytest.param(
            "*/30 * * * *",
            "Europe/Paris",
            "2025-10-26 00:15",
            ["2025-10-26 00:30", "2025-10-26 01:00", "2025-10-26 01:30", "2025-10-26 02:00"],
            id="every half-hour goes on in autumn, through both passes",
        ),
        pytest.param(
            "*/30 2 * * *",
            "Europe/Paris",
            "2025-03-29 12:00",
            ["2025-03-31 00:00", "2025-03-31 00:30"],
            id="a schedule by elapsed time does not fire in the skip",
        ),
        pytest.param(
            "*/30 2 * * *",
            "Europe/Paris",
            "2025-10-26 00:00",
            ["2025-10-26 00:30", "2025-10-26 01:00", "2025-10-26 01:30", "2025-10-27 01:00"],
            id="a schedule by elapsed time fires in both passes",
        ),
        pytest.param(
            "0 */6 25 4 *",
            "Africa/Cairo",
            "2025-04-20 00:00",
            ["2025-04-25 03:00", "2025-04-25 09:00", "2025-04-25 15:00", "2026-04-24 21:00"],
            id="a skipped midnight, asked days before",
        ),
        pytest.param(
            "0 */6 25 4 *",
            "Africa/Cairo",
            "2025-04-24 21:59:59",
            ["2025-04-25 03:00", "2025-04-25 09:00", "2025-04-25 15:00", "2026-04-24 21:00"],
            id="a skipped midnight, asked a second before",
        ),
        pytest.param(
            "0 1 30 12 *",
            "Pacific/Apia",
            "2011-12-01 00:00",
            ["2011-12-30 10:00", "2012-12-29 11:00"],
            id="a day that never was is due when the next begins",
        ),
        pytest.param(
            "0 1 31 * *",
            "Africa/Douala",
            "2025-01-01 00:00",
            ["2025-01-31 00:00", "2025-03-31 00:00", "2025-05-31 00:00", "2025-07-31 00:00"],
            id="the 31st passes over short months",
        ),
        pytest.param(
            "0 1 L * *",
            "Africa/Douala",
            "2024-01-01 00:00",
            ["2024-01-31 00:00", "2024-02-29 00:00", "2024-03-31 00:00", "2024-04-30 00:00"],
            id="the last day of each month",
        ),
        pytest.param(
            "0 4 * * SUN",
            "Europe/Paris",
            "2025-03-20 00:00",
            ["2025-03-23 03:00", "2025-03-30 02:00", "2025-04-06 02:00"],
            id="weekly over a change",
        ),
        pytest.param(
            "*/15 * * * *",
            "Asia/Kathmandu",
            "2025-06-12 11:50",
            ["2025-06-12 12:00", "2025-06-12 12:15", "2025-06-12 12:30", "2025-06-12 12:45"],
            id="a zone at UTC+5:45",
        ),
        pytest.param(
            "0 0 31 12 *",
            "Pacific/Kiritimati",
            "2025-01-01 00:00",
            ["2025-12-30 10:00", "2026-12-30 10:00"],
            id="a zone at UTC+14 over the new year",
        ),
    ],
)
def test_dues_follow_the_wall_clock(
    expression: str, zone: str, after: str, expected: list[str]
) -> None:
    found = islice(dues(timetable(expression, zone), utc(after), END), len(expected))
    assert list(found) == [utc(text) for text in expected]


def test_the_window_excludes_its_start_and_includes_its_end() -> None:
    hourly = timetable("@hourly", "UTC")
    noon, one, two = (utc(f"2025-06-12 {hour}:00") for hour in (12, 13, 14))
    assert list(dues(hourly, noon, two)) == [one, two]
    assert list(dues(hourly, noon.replace(microsecond=1), one.replace(microsecond=1))) == [one]
    assert list(dues(hourly, two, noon)) == []


@pytest.mark.parametrize("end", ["2025-03-30 01:00", "2025-10-26 01:00", "2026-01-01 00:00"])
def test_a_window_may_end_at_a_clock_change_or_a_new_year(end: str) -> None:
    hourly = timetable("@hourly", "Europe/Paris")
    assert list(dues(hourly, utc(end) - timedelta(hours=1), utc(end))) == [utc(end)]
