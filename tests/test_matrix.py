"""The matrix of the board: a row a job, a letter a day."""

import json
from datetime import date, timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from scanner import access, matrix, roster
from scanner.models import ExpectedBackupJob
from tests.scanning import NOW, make_job
from tests.test_board import make_entry

pytestmark = pytest.mark.django_db

TODAY = date(2026, 3, 2)
EVERY = access.EVERY


def read(companies: access.Companies = EVERY, today: date = TODAY, span: int = 30) -> matrix.Matrix:
    return matrix.read(companies, today=today, span=span)


def with_days(job: ExpectedBackupJob, *days: tuple[date, str, int]) -> ExpectedBackupJob:
    """Give a job verdicts: (day, letter, key of an entry), the oldest first."""
    job.days = [[day.toordinal(), letter, key] for day, letter, key in days]
    job.save(update_fields=["days"])
    return job


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def many(count: int) -> None:
    days = [[ago(29 - n).toordinal(), "S", n + 1] for n in range(30)]
    ExpectedBackupJob.objects.bulk_create(
        ExpectedBackupJob(
            company_name=f"Company {number % 7}",
            city=f"City {number % 5}",
            neighborhood="N",
            database_name=f"db{number:05}",
            agent_id=f"AGENT_{number}_X",
            created_at=NOW,
            days=days,
        )
        for number in range(count)
    )


def test_without_jobs_there_are_no_rows() -> None:
    found = read()
    assert found.rows == []
    assert matrix.as_data(found) == {
        "today": "2026-03-02",
        "end": "2026-03-02",
        "span": 30,
        "places": [],
    }


def test_a_day_has_its_letter_and_entry_and_the_others_nothing() -> None:
    with_days(make_job(), (ago(2), "F", 7), (ago(0), "S", 9))
    [row] = read().rows
    assert row.letters == "." * 27 + "F.S"
    assert row.entries == [7, 9]


def test_what_is_older_than_the_span_is_left_out() -> None:
    with_days(make_job(), (ago(89), "C", 1), (ago(30), "M", 2), (ago(29), "U", 3))
    [short], [long] = read().rows, read(span=90).rows
    assert (short.letters, short.entries) == ("U" + "." * 29, [3])
    assert (long.letters, long.entries) == ("C" + "." * 58 + "MU" + "." * 29, [1, 2, 3])


def test_it_ends_today() -> None:
    with_days(make_job(), (ago(5), "S", 1), (ago(4), "F", 2))
    found = read(today=ago(4))
    assert (found.end, found.rows[0].letters[-2:]) == (ago(4), "SF")


def test_it_ends_tomorrow_where_a_backup_has_come_for_that_and_still_says_which_day_is_today() -> (
    None
):
    with_days(make_job("AHEAD"), (ago(0), "S", 1), (ago(-1), "M", 2))
    make_job("HERE")
    found = read()
    assert (found.today, found.end) == (TODAY, ago(-1))
    assert [row.letters[-2:] for row in found.rows] == ["SM", ".."]
    assert {len(row.letters) for row in found.rows} == {30}
    assert matrix.as_data(found)["today"] == "2026-03-02"
    assert matrix.as_data(found)["end"] == "2026-03-03"


def test_a_verdict_of_a_later_day_waits_for_its_day() -> None:
    with_days(make_job(), (ago(0), "S", 1), (ago(-2), "M", 2))
    found = read()
    assert (found.end, found.rows[0].letters[-2:], found.rows[0].entries) == (TODAY, ".S", [1])
    assert read(today=ago(-1)).rows[0].letters[-3:] == "S.M"


def test_verdicts_of_later_days_hide_neither_tomorrows_nor_the_oldest() -> None:
    past = [(ago(day), "S", 100 - day) for day in range(29, -1, -1)]
    with_days(make_job(), *past, *((ago(-day), "W", 100 + day) for day in range(2, 8)))
    assert read().rows[0].letters == "S" * 30
    with_days(make_job("EARLY"), (ago(-1), "F", 1), (ago(-3), "W", 2))
    assert [row.letters for row in read().rows] == ["S" * 29 + ".", "." * 29 + "F"]


def test_what_history_records_is_what_the_matrix_shows() -> None:
    from scanner import days

    job = make_job(time_zone="Africa/Douala")
    entry = make_entry(job, status="CORRUPT", cycle_due=NOW - timedelta(days=1))
    days.keep_up([entry], {job.pk: job})
    job.save(update_fields=["days"])
    [row] = read().rows
    assert (row.letters[-2:], row.entries) == ("C.", [entry.pk])


def test_rows_stand_by_company_city_neighborhood_and_database() -> None:
    for database, agent in (("B", "Z_A_A"), ("A", "Z_A_A"), ("A", "A_B_B"), ("A", "A_B_A")):
        make_job(database, agent)
    assert [(*row.place, row.database) for row in read().rows] == [
        ("A", "B", "A", "A"),
        ("A", "B", "B", "A"),
        ("Z", "A", "A", "A"),
        ("Z", "A", "A", "B"),
    ]


def test_jobs_of_one_place_share_it_in_the_data() -> None:
    make_job("A"), make_job("B"), make_job("C", "ACME_DOUALA_AKWA")
    places = matrix.as_data(read())["places"]
    assert [place[:3] for place in places] == [
        ["ACME", "DOUALA", "AKWA"],
        ["ACME", "DOUALA", "NEWBELL"],
    ]
    assert [[job[1] for job in place[3]] for place in places] == [["C"], ["A", "B"]]


@pytest.mark.parametrize(
    ("fields", "letter"),
    [
        ({"status": "SUCCESS"}, "S"),
        ({"status": "UNCHANGED"}, "U"),
        ({"status": "SUCCESS", "warnings": ["late"]}, "W"),
        ({"status": "UNCHANGED", "warnings": ["late"]}, "W"),
        ({"status": "MISSING", "warnings": ["late"]}, "M"),
        ({"status": "FAILED"}, "F"),
        ({"status": "CORRUPT"}, "C"),
        ({"status": "UNKNOWN"}, "?"),
    ],
)
def test_a_row_tells_how_its_job_stands_now(fields: dict[str, Any], letter: str) -> None:
    job = make_job()
    ExpectedBackupJob.objects.filter(pk=job.pk).update(**fields)
    assert read().rows[0].now == letter


def test_a_row_tells_the_next_deadline_of_what_is_awaited() -> None:
    job = make_job(schedule="30 2 * * *")
    assert read().rows[0].deadline == job.deadline_at
    [[*_place, [told]]] = matrix.as_data(read())["places"]
    assert job.deadline_at is not None
    assert told[6] == job.deadline_at.timestamp()
    roster.pause([job.pk], now=NOW)
    assert read().rows[0].deadline is None


def test_paused_jobs_and_those_to_adopt_are_told_apart() -> None:
    make_job("ACTIVE")
    roster.pause([make_job("PAUSED").pk], now=NOW)
    new = make_job("NEW", is_active=False)
    ExpectedBackupJob.objects.filter(pk=new.pk).update(awaits_adoption=True)
    standings = {row.database: row.standing for row in read().rows}
    assert standings == {"ACTIVE": "", "PAUSED": matrix.PAUSED, "NEW": matrix.TO_ADOPT}


def test_retired_jobs_are_left_out() -> None:
    make_job("KEPT")
    roster.retire([make_job("RETIRED").pk], now=NOW)
    assert [row.database for row in read().rows] == ["KEPT"]


def test_only_the_jobs_of_the_companies_are_in_it() -> None:
    make_job("A"), make_job("B", "OTHER_DOUALA_AKWA")
    assert [row.database for row in read(frozenset({"OTHER"})).rows] == ["B"]
    assert read(access.NONE).rows == []


def test_another_companys_job_does_not_move_the_last_day() -> None:
    make_job("A")
    with_days(make_job("B", "OTHER_DOUALA_AKWA"), (ago(-1), "S", 1))
    assert read(frozenset({"ACME"})).end == TODAY


@pytest.mark.parametrize("count", [10, 1000])
@pytest.mark.parametrize("companies", [EVERY, frozenset({"Company 1", "Company 2"})])
def test_it_is_one_statement_however_many_jobs_there_are(
    count: int, companies: access.Companies, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    many(count)
    with django_assert_num_queries(1) as taken:
        rows = read(companies).rows
    assert len(rows) == (count if companies is EVERY else len(rows))
    assert "scanner_backupentry" not in taken.captured_queries[0]["sql"]


def test_its_data_is_short() -> None:
    many(1000)
    text = json.dumps(matrix.as_data(read()), separators=(",", ":"))
    assert len(text) < 200 * 1000
