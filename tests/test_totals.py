"""What jobs are counted as on the board, and the list that each total leads to."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from scanner import access
from scanner.models import ExpectedBackupJob
from scanner.totals import TOTALLED, CountedAs, counted_as, totals
from tests.admin.rows import LIST, staff, write
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

ACME, GLOBEX = "ACME_DOUALA_NEWBELL", "GLOBEX_PARIS_BERCY"
JOBS = LIST.format(ExpectedBackupJob)
GOOD = {"status": "SUCCESS"}


def stands(database: str, agent: str = ACME, **state: Any) -> ExpectedBackupJob:
    job = make_job(database, agent)
    ExpectedBackupJob.objects.filter(pk=job.pk).update(**state)
    return job


def counts(companies: access.Companies = access.EVERY) -> dict[str, int]:
    return {one.kind.value: one.count for one in totals(companies) if one.count}


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ({"status": "FAILED"}, "problem"),
        ({"status": "CORRUPT", "warnings": ["late"]}, "problem"),
        ({"status": "MISSING"}, "problem"),
        ({"status": "SUCCESS"}, "good"),
        ({"status": "UNCHANGED"}, "good"),
        ({"status": "SUCCESS", "warnings": ["late"]}, "warning"),
        ({"status": "UNCHANGED", "warnings": ["opaque"]}, "warning"),
        ({"status": "UNKNOWN"}, "unknown"),
        ({"status": "FAILED", "is_active": False}, "paused"),
        ({"status": "UNKNOWN", "is_active": False, "awaits_adoption": True}, "to_adopt"),
        ({"status": "SUCCESS", "awaits_adoption": True}, "to_adopt"),
        ({"status": "FAILED", "awaits_adoption": True}, "problem"),
        ({"status": "FAILED", "is_active": False, "awaits_adoption": True}, "to_adopt"),
        ({"status": "FAILED", "is_active": False, "retired_at": NOW}, "retired"),
    ],
)
def test_a_job_is_counted_as_one_thing(state: dict[str, Any], kind: str) -> None:
    job = stands("A", **state)
    found = [one for one in CountedAs if ExpectedBackupJob.objects.filter(counted_as(one)).exists()]
    assert found == [CountedAs(kind)]
    assert counts() == ({} if kind == "retired" else {kind: 1})
    assert ExpectedBackupJob.objects.get(counted_as(CountedAs(kind))) == job


def test_each_total_is_there_even_when_nothing_is_counted_the_worst_first() -> None:
    assert [(one.kind, one.count) for one in totals(access.EVERY)] == [
        (kind, 0) for kind in TOTALLED
    ]
    assert TOTALLED[0] is CountedAs.PROBLEM
    assert CountedAs.RETIRED not in TOTALLED


def test_another_companys_jobs_are_in_no_total() -> None:
    stands("A", **GOOD)
    stands("B", GLOBEX, status="FAILED")
    assert counts(frozenset({"ACME"})) == {"good": 1}
    assert counts(access.NONE) == {}
    assert counts() == {"good": 1, "problem": 1}


@pytest.mark.parametrize("companies", [access.EVERY, frozenset({"Company 1 x"})])
def test_totals_take_one_statement(companies: access.Companies) -> None:
    write(20)
    with CaptureQueriesContext(connection) as captured:
        totals(companies)
    assert len(captured.captured_queries) == 1


def databases(client: Client, query: str = "") -> set[str]:
    page = client.get(f"{JOBS}{query}").content.decode()
    return {name for name in "ABCDEFG" if f">{name}</a>" in page}


def test_each_total_leads_to_the_jobs_that_it_counts(admin_client: Client) -> None:
    stands("A", status="FAILED")
    stands("B", **GOOD, warnings=["late"])
    stands("C")
    stands("D", **GOOD)
    stands("E", is_active=False)
    stands("F", is_active=False, awaits_adoption=True)
    stands("G", is_active=False, retired_at=NOW)
    kinds = ("problem", "warning", "unknown", "good", "paused", "to_adopt", "retired")
    found = [databases(admin_client, f"?counted_as={kind}") for kind in kinds]
    assert found == [{name} for name in "ABCDEFG"]
    assert databases(admin_client) == set("ABCDEF")


def test_a_total_that_there_is_not_is_refused(admin_client: Client) -> None:
    response = admin_client.get(f"{JOBS}?counted_as=nonsense")
    assert response.status_code == 302
    assert response["Location"].endswith("?e=1")


def test_the_list_of_a_total_shows_no_other_companys_jobs(client: Client) -> None:
    stands("A", status="FAILED")
    stands("B", GLOBEX, status="FAILED")
    client.force_login(staff("view_expectedbackupjob", companies=["ACME"]))
    assert databases(client, "?counted_as=problem") == {"A"}
