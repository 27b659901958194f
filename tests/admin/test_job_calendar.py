"""The year of a job, day by day."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.translation import override

from scanner import days
from scanner.admin import job_calendar
from scanner.models import ExpectedBackupJob
from scanner.templatetags import board_matrix
from tests.admin.test_history import html, make_entry, make_report, page_of
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def calendar(job: ExpectedBackupJob, year: int = 2026) -> job_calendar.Year:
    with override("en"):
        return job_calendar.of_year(job, year, NOW)


def marked(job: ExpectedBackupJob, year: int = 2026) -> dict[date, str]:
    return {
        date(year, month, day.number): day.mark
        for month, of_month in enumerate(calendar(job, year).months, start=1)
        for week in of_month.weeks
        for day in week
        if day is not None and day.mark
    }


def test_each_letter_has_the_words_of_the_board() -> None:
    assert set(job_calendar.WORDS) == set(days.LETTERS)
    on_the_board = {letter: str(words) for letter, words in board_matrix.LEGEND}
    for letter, words in job_calendar.WORDS.items():
        assert on_the_board[letter] == words


def test_each_day_has_its_worst_verdict() -> None:
    job = make_job()
    first = datetime(2026, 2, 1, 2, 30, tzinfo=UTC)
    make_entry(job, cycle_due=first)
    make_entry(job, cycle_due=first, status="CORRUPT", reason="hash_mismatch")
    make_entry(job, cycle_due=first + DAY, status="UNCHANGED")
    make_entry(job, cycle_due=first + 2 * DAY, warnings=["late"])
    make_entry(job, cycle_due=first + 3 * DAY, status="UNKNOWN", reason="superseded")
    make_entry(make_job("other"), cycle_due=first + 4 * DAY)
    assert marked(job) == {
        date(2026, 2, 1): "C",
        date(2026, 2, 2): "U",
        date(2026, 2, 3): "W",
        date(2026, 2, 4): "unknown",
    }


def test_a_cycle_that_was_missed_and_came_after_all_is_not_missing() -> None:
    job = make_job()
    make_entry(job, cycle_due=NOW, status="MISSING", reason="no_report")
    assert set(marked(job).values()) == {"M"}
    make_entry(job, cycle_due=NOW, report=make_report(), warnings=["late"])
    assert set(marked(job).values()) == {"W"}


def test_a_day_is_one_where_the_job_is() -> None:
    job = make_job(time_zone="Asia/Tokyo")
    make_entry(job, cycle_due=datetime(2025, 12, 31, 15, 0, tzinfo=UTC))
    make_entry(job, cycle_due=datetime(2025, 12, 31, 14, 59, tzinfo=UTC))
    assert marked(job) == {date(2026, 1, 1): "S"}
    assert marked(job, 2025) == {date(2025, 12, 31): "S"}


def test_without_a_cycle_the_operation_counts_and_else_the_record() -> None:
    job = make_job()
    make_entry(job, operation_end=NOW - DAY)
    make_entry(job, recorded_at=NOW - 2 * DAY)
    assert set(marked(job)) == {date(2026, 3, 1), date(2026, 2, 28)}


@pytest.mark.parametrize(("language", "first"), [("en", "Sunday"), ("fr", "lundi")])
def test_weeks_begin_as_people_are_used_to(language: str, first: str) -> None:
    with override(language):
        year = job_calendar.of_year(make_job(), 2026, NOW)
    assert year.weekdays[0][1] == first
    january = year.months[0].weeks[0]
    assert len(january) == 7
    assert january.index(next(day for day in january if day)) == (4 if language == "en" else 3)


def test_a_day_leads_to_its_entry_and_says_so(admin_client: Client) -> None:
    job = make_job(time_zone="UTC")
    entry = make_entry(job, cycle_due=NOW, status="FAILED", reason="backup_failed")
    page = html(admin_client, f"{page_of(job)}?year=2026")
    assert (
        f'<a href="{page_of(entry)}" title="2 March 2026: failed" '
        'aria-label="2 March 2026: failed"><span>2</span>'
    ) in page
    assert page.count('<table class="bm-month">') == 12
    assert '<abbr title="Sunday">Su<span class="bm-rest">n</span></abbr>' in page


def test_one_turns_to_other_years(admin_client: Client) -> None:
    job = make_job()
    this = datetime.now(UTC).year
    page = html(admin_client, f"{page_of(job)}?_changelist_filters=q%3Dx&year=2024")
    links = re.findall(r'<a class="text-link" href="(\?[^"]*#calendar)"', page)
    assert links == [
        "?_changelist_filters=q%3Dx&amp;year=2023#calendar",
        "?_changelist_filters=q%3Dx&amp;year=2025#calendar",
    ]
    assert f"Calendar of {this}" in html(admin_client, page_of(job))
    assert f"year={this + 1}#" not in html(admin_client, page_of(job))


@pytest.mark.parametrize("year", ["", "x", "0", "-1", "99999", "9" * 400, "%00", "²"])
def test_a_year_that_is_none_is_this_one(admin_client: Client, year: str) -> None:
    page = html(admin_client, f"{page_of(make_job())}?year={year}")
    assert f"Calendar of {datetime.now(UTC).year}" in page


def test_a_year_takes_one_statement() -> None:
    job = make_job()
    for number in range(40):
        make_entry(job, cycle_due=NOW - number * DAY, warnings=["late"])
    with CaptureQueriesContext(connection) as captured:
        assert len(marked(job)) == 40
    assert len(captured.captured_queries) == 1


def test_the_day_of_today_is_marked() -> None:
    job = make_job(time_zone="UTC")
    todays: list[Any] = [
        (number, day.number)
        for number, month in enumerate(calendar(job).months, start=1)
        for week in month.weeks
        for day in week
        if day is not None and day.is_today
    ]
    assert todays == [(3, 2)]
