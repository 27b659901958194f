"""What only becomes another trouble is not told as over; and noticing stands in no scan's way."""

import threading
from typing import Any

import pytest
from django.db import Error, connection, transaction

from scanner import history, roster
from scanner.alerts.noticing import notice
from scanner.models import (
    Delivery,
    ExpectedBackupJob,
    Incident,
    IncidentEvent,
    IncidentMember,
    VaultFinding,
)
from tests.alerts.rows import DAY, HOUR, judge, make_channel, make_jobs, make_problem_jobs
from tests.alerts.test_noticing import ends, events, fresh, still
from tests.scanning import NOW

pytestmark = pytest.mark.django_db

LATER = NOW + HOUR


def test_a_place_whose_jobs_all_fail_otherwise_is_not_told_as_over() -> None:
    jobs = make_problem_jobs(4)
    events()
    judge(fresh(jobs), "FAILED", "operation_failed", now=LATER)
    assert events(LATER) == {"opened": 4}
    assert ends() == ["folded"]


def test_half_of_a_place_that_fails_otherwise_has_not_recovered() -> None:
    jobs = make_problem_jobs(8)
    events()
    judge(fresh(jobs)[:4], "FAILED", "operation_failed", now=LATER)
    assert events(LATER) == {"opened": 4}
    place = Incident.objects.get(kind="place")
    assert (place.facts["told"], place.facts["count"]) == (4, 4)
    judge(fresh(jobs)[4:6], "SUCCESS", now=LATER + HOUR)
    assert events(LATER + HOUR) == {"partly": 1}


def test_members_that_come_late_have_recovered_all_the_same() -> None:
    jobs = make_problem_jobs(4)
    events()
    judge(fresh(jobs), "SUCCESS", warnings=["late"], now=LATER)
    assert events(LATER) == {"opened": 4, "recovered": 1}


def test_a_first_missing_one_after_a_problem_that_was_told_is_no_recovery() -> None:
    jobs = make_jobs(1, first_missing_is_warning=True)
    judge(jobs, "FAILED", "backup_failed", cycle_due=NOW)
    events()
    judge(fresh(jobs), "MISSING", "file_absent", now=LATER, cycle_due=NOW, operation_end=LATER)
    assert events(LATER) == {"changed": 1}
    assert still() == [("job", "problem", "file_absent")]


def test_a_problem_that_was_told_stays_one_when_first_ones_become_warnings() -> None:
    (job,) = fresh(make_problem_jobs(1))
    events()
    (job,) = fresh([job])
    job.first_missing_is_warning = True
    roster.save(job, now=LATER)
    assert events(LATER) == {}
    assert still() == [("job", "problem", "no_report")]


def test_a_job_that_is_moved_to_another_company_leaves_the_trouble_of_its_place() -> None:
    jobs = make_problem_jobs(4, company="SECRETCO")
    events()
    place = Incident.objects.get(kind="place")
    (moved, *_rest) = fresh(jobs)
    moved.company_name = "AAA"
    roster.save(moved, now=LATER)
    assert events(LATER) == {"opened": 1}
    its_own = Incident.objects.get(kind="job", ended_at=None)
    assert (its_own.company, its_own.job_id) == ("AAA", moved.pk)
    open_members = IncidentMember.objects.filter(left_at=None)
    assert open_members.get(job=moved).incident_id == its_own.pk
    place.refresh_from_db()
    assert place.ended_at is None
    assert (place.facts["count"], place.facts["of"]) == (3, 3)


def test_more_of_what_is_no_jobs_is_told_and_so_is_its_end() -> None:
    def find(number: int) -> None:
        VaultFinding.objects.create(kind="damaged", path=f"p{number}", message="m", found_at=NOW)

    find(1)
    assert events() == {"opened": 1}
    assert events() == {}
    find(2)
    assert events(LATER) == {"grown": 1}
    VaultFinding.objects.update(ended_at=LATER, end="whole")
    assert events(LATER) == {"recovered": 1}


class _Killed(Exception):
    pass


def test_killed_at_any_statement_it_has_changed_nothing_and_is_repeated() -> None:
    make_channel("ops", level="warning")
    jobs = make_problem_jobs(5)
    make_problem_jobs(1, "CORRUPT", "hash_mismatch", city="PARIS", agent="B")
    events()
    judge(fresh(jobs)[:3], "SUCCESS", now=LATER)
    make_problem_jobs(4, city="LYON", agent="C", now=LATER)
    before, survived, left = _all(), 0, 0

    def dies(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise _Killed
        return execute(sql, params, many, context)

    while True:
        left = survived
        try:
            with transaction.atomic(), connection.execute_wrapper(dies):
                found = notice(now=LATER)
            break
        except _Killed:
            assert _all() == before
            survived += 1
    assert survived > 10
    assert found.events == {"opened": 1, "partly": 1}
    assert events(LATER) == {}


def _all() -> list[list[tuple[Any, ...]]]:
    models = (Incident, IncidentMember, IncidentEvent, Delivery, ExpectedBackupJob)
    return [list(model._default_manager.order_by("pk").values_list()) for model in models]


@pytest.mark.django_db(transaction=True)
def test_a_scan_that_records_the_same_jobs_is_not_caught_in_a_deadlock() -> None:
    """The one holds a job that the other refers to, and goes on to one that the other holds."""
    single = make_problem_jobs(1)
    others = make_jobs(4, database="LATER")
    judge(others, "SUCCESS")
    notice(now=NOW)
    judge(fresh(others), "MISSING", "no_report", now=LATER)
    errors: list[Error] = []

    def rival() -> None:
        try:
            notice(now=LATER)
        except Error as error:
            errors.append(error)
        finally:
            connection.close()

    noticing = threading.Thread(target=rival)
    try:
        with transaction.atomic():
            for job in fresh([*single, others[0]]):
                assert job.last_entry is not None
                history.record_copies([job.last_entry], now=LATER + DAY, fence=lambda: None)
                if job.pk == single[0].pk:
                    noticing.start()
                    noticing.join(1)  # on SQLite it waits, for the whole database
    finally:
        noticing.join()
    assert errors == []
    assert Incident.objects.filter(kind="place", ended_at=None).count() == 1
