"""What a job remembers of its good backups."""

from datetime import timedelta

import pytest

from scanner.cycle import Cycle
from scanner.models import AgentReport, BackupEntry, ExpectedBackupJob, ScanRun
from scanner.state import RECENT, apply, past_of
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def job() -> ExpectedBackupJob:
    return make_job("ACME_2025")


def reported(number: int) -> AgentReport:
    report, _ = AgentReport.objects.get_or_create(
        agent_id="ACME_DOUALA_NEWBELL",
        sha256=f"{number:064}",
        defaults={
            "file_name": f"{number}.json",
            "size": 1,
            "arrived_at": NOW,
            "recorded_at": NOW,
            "operation_end": NOW,
            "state": AgentReport.State.ACCEPTED.value,
            "run": ScanRun.objects.create(trigger="command", started_at=NOW),
        },
    )
    return report


def comes(
    job: ExpectedBackupJob, cycle: int, status: str, *, size: int = 1, report: int | None = None
) -> None:
    """Let an entry of a cycle move the job's state."""
    due = NOW + cycle * 24 * HOUR
    row = None if status == "MISSING" else reported(cycle if report is None else report)
    entry = BackupEntry.objects.create(
        job=job,
        run=ScanRun.objects.create(trigger="command", started_at=NOW),
        report=row,
        attempt=BackupEntry.objects.filter(report=row).count() + 1,
        agent_id=job.agent_id,
        cycle_due=due,
        operation_end=None if row is None else due + HOUR,
        recorded_at=due + HOUR,
        status=status,
        reason="no_report" if status == "MISSING" else "",
        size=size,
        dump_seconds=size / 10,
    )
    apply(job, entry, due + HOUR)


def test_unchanged_cycles_are_counted_until_the_content_changes(job: ExpectedBackupJob) -> None:
    for cycle, status in enumerate(["SUCCESS", "UNCHANGED", "UNCHANGED"]):
        comes(job, cycle, status)
    assert job.unchanged_cycles == 2
    comes(job, 3, "SUCCESS")
    assert job.unchanged_cycles == 0


@pytest.mark.parametrize("before", ["MISSING", "FAILED", "CORRUPT"])
def test_a_cycle_that_was_in_trouble_first_counts_when_its_backup_is_unchanged(
    job: ExpectedBackupJob, before: str
) -> None:
    comes(job, 0, "SUCCESS")
    for cycle in (1, 2, 3):
        comes(job, cycle, before, report=100 + cycle)
        comes(job, cycle, "UNCHANGED")
    assert job.unchanged_cycles == 3


def test_two_backups_of_one_cycle_are_one_unchanged_cycle(job: ExpectedBackupJob) -> None:
    comes(job, 0, "SUCCESS")
    comes(job, 1, "UNCHANGED")
    comes(job, 1, "UNCHANGED", report=50)
    assert job.unchanged_cycles == 1
    again = Cycle(NOW + 24 * HOUR, NOW + 25 * HOUR)
    assert past_of(job, None, "", report=60, cycle=again).unchanged_cycles == 0
    later = Cycle(NOW + 48 * HOUR, NOW + 49 * HOUR)
    assert past_of(job, None, "", report=61, cycle=later).unchanged_cycles == 1


def test_a_backup_that_is_judged_again_is_remembered_once_and_not_compared_with_itself(
    job: ExpectedBackupJob,
) -> None:
    for cycle in range(3):
        comes(job, cycle, "SUCCESS", size=10 + cycle)
    for _ in range(40):
        comes(job, 2, "SUCCESS", size=99)
    report = reported(2).pk
    assert [size for _, size, _ in job.recent_good] == [10, 11, 99]
    past = past_of(job, None, "", report=report, cycle=None)
    assert (past.sizes, past.durations) == ((10, 11), (1.0, 1.1))


def test_the_newest_are_remembered_and_no_more(job: ExpectedBackupJob) -> None:
    for cycle in range(RECENT + 5):
        comes(job, cycle, "SUCCESS", size=cycle)
    assert [size for _, size, _ in job.recent_good] == list(range(5, RECENT + 5))
