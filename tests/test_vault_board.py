"""What the vault's read side tells: its room, its coverage, what is wrong."""

from datetime import timedelta
from pathlib import Path

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from scanner import vault_board
from scanner.board import moment
from scanner.models import ExpectedBackupJob, RestoreDrill, VaultCopy, VaultRun
from scanner.vault_board import Coverage, Space, coverage, coverage_words, open_findings, space
from scanner.vault_findings import End, Kind, end, find
from tests.agent import Agent
from tests.scanning import NOW, make_job, run_scan

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def copies(deposit_root: Path, settings: Settings) -> list[VaultCopy]:
    """Give four copies that a scan put into the vault at NOW."""
    settings.VAULT_RESERVE_MIB = 0
    agent = Agent(deposit_root)
    for number in range(4):
        make_job(f"DB{number}")
        ended = NOW - timedelta(minutes=number)
        agent.deposit(f"DB{number}", ended, arrived=ended)
    run_scan()
    return list(VaultCopy.objects.order_by("pk"))


def change(copy: VaultCopy, **fields: object) -> None:
    VaultCopy.objects.filter(pk=copy.pk).update(**fields)


# --- Room -----------------------------------------------------------------------------------------


def test_an_empty_vault_does_not_grow() -> None:
    assert space(now=NOW).bytes_per_day == 0
    assert space(now=NOW).days_left is None


def test_it_grows_by_copies_less_deletions(copies: list[VaultCopy]) -> None:
    total = sum(copy.size for copy in copies)
    assert space(now=NOW + 10 * DAY).bytes_per_day == total / 10
    change(copies[0], state="deleted", deleted_at=NOW + DAY)
    assert space(now=NOW + 10 * DAY).bytes_per_day == (total - copies[0].size) / 10
    assert space(now=NOW + 60 * DAY).bytes_per_day == 0


def test_what_is_reserved_is_not_there_to_be_filled(settings: Settings) -> None:
    settings.VAULT_RESERVE_MIB = 1
    assert Space(2**20 + 100, 10).days_left == 10
    assert Space(2**20 - 1, 10).days_left == 0
    assert Space(None, 10).days_left is None


# --- Coverage -------------------------------------------------------------------------------------


def test_an_empty_vault_is_covered_since_never() -> None:
    assert coverage() == Coverage(0, 0, None, 0, None)


def test_coverage_is_the_oldest_read_of_what_should_be_there(
    copies: list[VaultCopy], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    change(copies[0], state="damaged", audited_at=NOW - 9 * DAY)
    change(copies[1], audited_at=NOW - 2 * DAY)
    change(copies[2], state="deleting", audited_at=NOW - 20 * DAY)
    change(copies[3], state="deleted", audited_at=NOW - 30 * DAY)
    size = copies[0].size + copies[1].size
    with django_assert_num_queries(1):
        assert coverage() == Coverage(2, size, NOW - 9 * DAY, 1, NOW - 2 * DAY)


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(0), "the last hour"),
        (HOUR, "the last hour"),
        (HOUR + timedelta(microseconds=1), "the last 2 hours"),
        (48 * HOUR, "the last 48 hours"),
        (48 * HOUR + timedelta(seconds=1), "the last 3 days"),
        (6.5 * DAY, "the last 7 days"),
        (7 * DAY, "the last 7 days"),
        (-DAY, "the last hour"),
    ],
)
def test_no_copy_was_read_longer_ago_than_the_words_say(
    age: timedelta, words: str, copies: list[VaultCopy]
) -> None:
    change(copies[2], audited_at=NOW - age)
    assert coverage_words(now=NOW) == f"100 % re-read or written in {words}"


def test_copies_that_are_not_whole_are_not_said_to_be_covered(copies: list[VaultCopy]) -> None:
    change(copies[0], state="damaged", audited_at=NOW - 90 * DAY)
    change(copies[1], audited_at=NOW - 3 * DAY)
    words = "3 of 4 copies re-read or written in the last 3 days, the others are not whole"
    assert coverage_words(now=NOW) == words
    VaultCopy.objects.update(state="absent")
    assert coverage_words(now=NOW) == "not one of 4 copies is whole"
    VaultCopy.objects.update(state="deleted")
    assert coverage_words(now=NOW) == "the vault holds no copies"


# --- Findings -------------------------------------------------------------------------------------


def test_open_findings_are_those_that_have_not_ended_each_with_its_job(
    copies: list[VaultCopy], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for copy in copies:
        find(Kind.DAMAGED, copy.path, "words", now=NOW, job=copy.job, copy=copy)
    end([copies[1].path], End.WHOLE, now=NOW)
    with django_assert_num_queries(1):
        jobs = [str(finding.job) for finding in open_findings()]
    assert jobs == [str(copy.job) for copy in (copies[0], copies[2], copies[3])]


def test_an_audit_as_data_tells_what_is_open_and_what_it_put_back(copies: list[VaultCopy]) -> None:
    run = VaultRun.objects.create(
        kind="audit", outcome="findings", started_at=NOW, copies=4, bytes=9, covered_since=NOW
    )
    find(Kind.EXTRA, "a", "whose?", now=NOW)
    find(Kind.DAMAGED, copies[0].path, "rot", now=NOW - DAY, job=copies[0].job, copy=copies[0])
    end([copies[0].path], End.REPAIRED, now=NOW)
    find(Kind.DAMAGED, copies[1].path, "long ago", now=NOW - DAY)
    end([copies[1].path], End.REPAIRED, now=NOW - DAY)
    assert vault_board.audit_as_data(run) == {
        "run": run.pk,
        "outcome": "findings",
        "copies": 4,
        "bytes": 9,
        "covered_since": "2026-03-02T12:00:00Z",
        "coverage": {"copies": 4, "bytes": sum(copy.size for copy in copies)},
        "findings": [
            {
                "kind": "damaged",
                "job": {
                    "agent": "ACME_DOUALA_NEWBELL",
                    "company": "ACME",
                    "city": "DOUALA",
                    "neighborhood": "NEWBELL",
                    "database": copies[0].job.database_name,
                },
                "path": copies[0].path,
                "found_at": "2026-03-01T12:00:00Z",
                "message": "rot",
                "ended_at": "2026-03-02T12:00:00Z",
                "end": "repaired",
            },
            {
                "kind": "extra",
                "job": None,
                "path": "a",
                "found_at": "2026-03-02T12:00:00Z",
                "message": "whose?",
                "ended_at": None,
                "end": None,
            },
        ],
        "repaired": 1,
    }


def test_facts_of_jobs_are_their_last_restore_and_what_is_wrong_now(
    copies: list[VaultCopy], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    run = VaultRun.objects.create(kind="drill", started_at=NOW)
    for copy in copies[:2]:
        drill = RestoreDrill.objects.create(
            run=run, job=copy.job, copy=copy, started_at=NOW, finished_at=NOW + HOUR, seconds=2.5
        )
        ExpectedBackupJob.objects.filter(pk=copy.job_id).update(last_restore=drill)
    for copy, kind in ((copies[1], Kind.DAMAGED), (copies[1], Kind.EXTRA), (copies[2], Kind.EXTRA)):
        find(kind, copy.path, "words", now=NOW, job=copy.job)
    find(Kind.EXTRA, "nobody's", "words", now=NOW)
    end([copies[2].path], End.GONE, now=NOW)
    with django_assert_num_queries(2):
        facts = vault_board.facts_of_jobs()
    restored = [
        {"at": "2026-03-02T13:00:00Z", "backup_of": moment(copy.made_at), "seconds": 2.5}
        for copy in copies[:2]
    ]
    assert [facts.as_data(copy.job_id) for copy in copies[:3]] == [
        {"last_restored": restored[0], "vault_findings": 0},
        {"last_restored": restored[1], "vault_findings": 2},
        {"last_restored": None, "vault_findings": 0},
    ]


@pytest.mark.parametrize("state", ["whole", "damaged", "absent", "deleting"])
def test_a_path_is_known_until_its_copy_is_deleted(state: str, copies: list[VaultCopy]) -> None:
    change(copies[0], state=state)
    paths = [copies[0].path, copies[1].path, "nobody's"]
    assert vault_board.known_paths(paths) == {copies[0].path, copies[1].path}
    change(copies[0], state="deleted")
    assert vault_board.known_paths(paths) == {copies[1].path}
