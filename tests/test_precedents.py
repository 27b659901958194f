"""What a scan compares a backup with: the job's own past, what its people say, other jobs."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from scanner.models import BackupEntry, ExpectedBackupJob
from scanner.state import RECENT
from tests.agent import Agent, dump_of, set_time
from tests.scanning import NOW, make_job, run_scan

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("vault_root")]

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def agent(deposit_root: Path) -> Agent:
    return Agent(deposit_root)


def night(number: int) -> datetime:
    return NOW - 40 * DAY + number * DAY


def comes(agent: Agent, at: datetime, *, dump: bytes, database: str = "ACME_2025") -> BackupEntry:
    """Let a backup come and be judged; give its entry."""
    agent.deposit(database, at, dump=dump, extension="", arrived=at)
    run_scan(at + HOUR)
    return BackupEntry.objects.filter(job__database_name=database).latest("pk")


def test_content_that_stays_the_same_is_stale_after_as_many_cycles_as_the_job_says(
    agent: Agent,
) -> None:
    at = night(0)
    make_job(now=at - HOUR, schedule=f"{at.minute} {at.hour} * * *", stale_after=2)
    same = dump_of("the same")
    found = [comes(agent, night(number) + HOUR / 2, dump=same) for number in range(4)]
    assert [entry.status for entry in found] == ["SUCCESS", *["UNCHANGED"] * 3]
    assert [entry.warnings for entry in found] == [[], [], ["stale_content"], ["stale_content"]]
    assert "the same for 3 cycles" in found[-1].message
    new = comes(agent, night(4) + HOUR / 2, dump=dump_of("new at last"))
    assert (new.status, new.warnings) == ("SUCCESS", [])


def test_a_size_out_of_the_ordinary_is_warned_of_once_there_is_a_history(agent: Agent) -> None:
    job = make_job(now=night(0) - HOUR)
    for number in range(7):
        entry = comes(agent, night(number), dump=dump_of(f"{number:04}", rows=20_000))
        assert entry.warnings == []
    small = comes(agent, night(7), dump=dump_of("0007", rows=100))
    assert (small.status, small.warnings) == ("SUCCESS", ["size_anomaly"])
    job.refresh_from_db()
    assert len(job.recent_good) == 8 <= RECENT


@pytest.mark.parametrize(("field", "value"), [("has_trailer", False), ("min_size", 10**9)])
def test_what_people_say_of_a_job_decides(agent: Agent, field: str, value: object) -> None:
    cut = dump_of("cut")[:-20]
    job = make_job(now=night(0) - HOUR)
    assert comes(agent, night(0), dump=cut).reason == "truncated_dump"
    ExpectedBackupJob.objects.filter(pk=job.pk).update(**{field: value})
    entry = comes(agent, night(1), dump=cut if field == "has_trailer" else dump_of("whole"))
    assert entry.reason == ("" if field == "has_trailer" else "too_small")


def test_two_jobs_of_one_report_with_the_same_content_are_both_told(agent: Agent) -> None:
    for name in ("CRM", "SHOP"):
        make_job(name, now=night(0) - HOUR)
    claims = {
        name: agent.claim(dump_of("one and the same"), night(0), "", f"{name}.sql")
        for name in ("CRM", "SHOP")
    }
    for name in claims:
        set_time(agent.databases / f"{name}.sql", night(0))
    set_time(agent.report(claims, night(0)), night(0))
    run_scan(night(0) + HOUR)
    told = {one.job.database_name: one for one in BackupEntry.objects.all()}
    assert "ACME_DOUALA_NEWBELL/SHOP: was the wrong" in told["CRM"].message
    assert "ACME_DOUALA_NEWBELL/CRM: was the wrong" in told["SHOP"].message
    assert {tuple(one.warnings) for one in told.values()} == {("same_as_other_job",)}


def test_the_content_of_another_jobs_last_good_backup_is_told_across_scans(
    agent: Agent,
) -> None:
    for name in ("CRM", "SHOP"):
        make_job(name, now=night(0) - HOUR)
    crm = dump_of("crm")
    assert comes(agent, night(0), dump=crm, database="CRM").warnings == []
    assert comes(agent, night(1), dump=crm, database="SHOP").warnings == ["same_as_other_job"]
    ExpectedBackupJob.objects.filter(database_name="CRM").update(is_active=False)
    assert comes(agent, night(2), dump=crm, database="SHOP").warnings == []


def test_a_job_of_another_company_is_not_named(agent: Agent) -> None:
    make_job("CRM", now=night(0) - HOUR, company_name="OTHER")
    make_job("SHOP", now=night(0) - HOUR)
    crm = dump_of("crm")
    comes(agent, night(0), dump=crm, database="CRM")
    entry = comes(agent, night(1), dump=crm, database="SHOP")
    assert entry.warnings == ["same_as_other_job"]
    assert "that of a job of another company: was the wrong" in entry.message


def test_a_file_that_is_not_what_its_claim_says_is_nobodys_double(agent: Agent) -> None:
    for name in ("CRM", "SHOP"):
        make_job(name, now=night(0) - HOUR)
    good = agent.claim(dump_of("crm"), night(0), "", "crm.sql")
    wrong = agent.claim(dump_of("shop and more"), night(0), "", "shop.sql")
    agent.stage("shop.sql", dump_of("crm"))
    for name in ("crm.sql", "shop.sql"):
        set_time(agent.databases / name, night(0))
    set_time(agent.report({"CRM": good, "SHOP": wrong}, night(0)), night(0))
    run_scan(night(0) + HOUR)
    told = {one.job.database_name: one for one in BackupEntry.objects.all()}
    assert (told["CRM"].status, told["CRM"].warnings) == ("SUCCESS", [])
    assert told["SHOP"].status == "CORRUPT"


def test_a_past_costs_no_statement_for_each_job(agent: Agent) -> None:
    counts = []
    for number in (2, 12):  # not so many that they take two statements of SQLite
        names = [f"DB{number}_{one}" for one in range(number)]
        for name in names:
            make_job(name, now=night(0) - HOUR)
        for at in (night(number), night(number) + HOUR):
            claims = {
                name: agent.claim(dump_of(f"{name} {at}"), at, "", f"{name}.sql") for name in names
            }
            for name in names:
                set_time(agent.databases / f"{name}.sql", at)
            set_time(agent.report(claims, at), at)
            with CaptureQueriesContext(connection) as captured:
                run_scan(at + HOUR / 2)
        counts.append(len(captured))
    assert counts[0] == counts[1]
