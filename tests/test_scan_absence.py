"""Absence is judged from the expectation, never from a listing, and never without having looked."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scanner import absence, examination, roster
from scanner.errors import DepositRootUnavailable, FileChanged, UnknownAgent
from scanner.models import AgentReport, BackupEntry, ExpectedBackupJob, ScanRun
from scanner.pipeline.deposit import open_staged
from scanner.pipeline.verification import Measurement, measure
from tests.agent import Agent, set_time
from tests.scanning import NOW, make_job, run_scan, verdicts

pytestmark = pytest.mark.django_db

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
DUE = NOW - 10 * HOUR  # 02:00; the deadline is an hour later
DEADLINE = DUE + HOUR
MISSED, SUCCESS = ("MISSING", "no_report"), ("SUCCESS", "")
NIGHTLY: dict[str, Any] = {"schedule": "0 2 * * *", "grace_minutes": 60, "now": DUE - HOUR}


@pytest.fixture
def agent(deposit_root: Path) -> Agent:
    return site(deposit_root, "ACME_DOUALA_NEWBELL")


@pytest.fixture
def job() -> ExpectedBackupJob:
    return make_job(**NIGHTLY)


def site(root: Path, name: str) -> Agent:
    agent = Agent(root, name)
    agent.log.mkdir(parents=True)
    return agent


def dues(job: ExpectedBackupJob) -> list[datetime | None]:
    return list(job.entries.order_by("pk").values_list("cycle_due", flat=True))


# --- When a cycle is missing ----------------------------------------------------------------------


def test_a_cycle_is_missing_after_its_deadline_and_not_at_it(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    run_scan(DEADLINE)
    assert verdicts() == []
    run_scan(DEADLINE + timedelta(seconds=1))
    assert verdicts() == [MISSED]
    job.refresh_from_db()
    assert (job.status, job.due_at, job.deadline_at) == ("MISSING", DUE + DAY, DEADLINE + DAY)
    entry = BackupEntry.objects.get()
    assert (entry.cycle_due, entry.cycle_deadline, entry.report) == (DUE, DEADLINE, None)
    assert entry.message == "no report by 2026-03-02 03:00 UTC"


def test_each_cycle_is_missing_once(agent: Agent, job: ExpectedBackupJob) -> None:
    for hours in range(2, 60, 6):
        run_scan(DUE + hours * HOUR)
    assert dues(job) == [DUE, DUE + DAY, DUE + 2 * DAY]


def test_a_cycle_with_an_entry_of_whatever_verdict_is_not_missing(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    agent.deposit("ACME_2025", DUE, arrived=DUE, TRANSFER={"status": False})
    run_scan(DUE + MINUTE)
    run_scan(DEADLINE + MINUTE)
    assert verdicts() == [("FAILED", "transfer_failed")]


def test_a_report_that_came_before_the_due_fills_the_cycle(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    agent.deposit("ACME_2025", DUE - 30 * MINUTE, arrived=DUE - 30 * MINUTE)
    run_scan(DUE - 20 * MINUTE)
    run_scan(DEADLINE + MINUTE)
    assert verdicts() == [SUCCESS]
    assert dues(job) == [DUE]


def test_a_report_that_misses_one_database_leaves_it_missing(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    other = make_job("OTHER", **NIGHTLY)
    agent.deposit("OTHER", DUE, arrived=DUE)
    run_scan(DEADLINE + MINUTE)
    assert (verdicts(job), verdicts(other)) == ([MISSED], [SUCCESS])


def test_elapsed_cycles_of_a_server_that_was_down_are_judged_by_the_next_scan(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    run_scan(DEADLINE + 4 * DAY + MINUTE)
    assert dues(job) == [DUE + days * DAY for days in range(5)]
    job.refresh_from_db()
    assert job.status_changes.count() == 1


def test_of_a_long_outage_31_cycles_are_judged(agent: Agent, job: ExpectedBackupJob) -> None:
    run_scan(DEADLINE + 400 * DAY + MINUTE)
    assert dues(job) == [DUE + days * DAY for days in range(370, 401)]
    run_scan(DEADLINE + 400 * DAY + 2 * MINUTE)
    assert len(verdicts()) == 31


def test_jobs_are_judged_before_any_byte_is_read(
    agent: Agent, job: ExpectedBackupJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_job("OTHER", **NIGHTLY)
    agent.deposit("OTHER", DUE, arrived=DUE)
    begin = examination.Examination.begin
    seen: list[list[tuple[str, str]]] = []

    def look(self: examination.Examination, cases: Any) -> None:
        seen.append(verdicts())
        begin(self, cases)

    monkeypatch.setattr(examination.Examination, "begin", look)
    run_scan(DEADLINE + MINUTE)
    assert seen[0] == [MISSED]
    assert verdicts() == [MISSED, SUCCESS]


# --- What changes what is expected ----------------------------------------------------------------


def test_a_new_job_is_not_missing_before_its_first_deadline_after_its_creation(
    agent: Agent,
) -> None:
    late = make_job("LATE", schedule="0 2 * * *", grace_minutes=60, now=DEADLINE + MINUTE)
    in_time = make_job("IN_TIME", schedule="0 2 * * *", grace_minutes=60, now=DEADLINE - MINUTE)
    run_scan(DEADLINE + 2 * MINUTE)
    assert (verdicts(late), verdicts(in_time)) == ([], [MISSED])
    run_scan(DEADLINE + DAY + MINUTE)
    assert (dues(late), dues(in_time)) == ([DUE + DAY], [DUE, DUE + DAY])


def test_a_paused_job_is_never_missing_and_one_switched_on_again_counts_from_then(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    roster.pause([job.pk], now=DUE)
    run_scan(DEADLINE + 2 * DAY + MINUTE)
    assert verdicts() == []
    roster.resume([job.pk], now=DEADLINE + 3 * DAY + MINUTE)
    run_scan(DEADLINE + 3 * DAY + 2 * MINUTE)
    assert verdicts() == []
    run_scan(DEADLINE + 4 * DAY + MINUTE)
    assert dues(job) == [DUE + 4 * DAY]


def test_a_job_switched_on_within_its_grace_must_deliver_by_that_deadline(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    roster.pause([job.pk], now=DUE)
    roster.resume([job.pk], now=DUE + 10 * MINUTE)
    run_scan(DEADLINE + MINUTE)
    assert dues(job) == [DUE]


def test_a_job_paused_while_the_scan_runs_is_not_called_absent(
    agent: Agent, job: ExpectedBackupJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = absence.judge

    def pause_after(*arguments: Any, **options: Any) -> Any:
        found = real(*arguments, **options)
        roster.pause([job.pk], now=NOW)
        return found

    monkeypatch.setattr(absence, "judge", pause_after)
    run_scan()
    assert verdicts() == []
    job.refresh_from_db()
    assert (job.status, job.due_at) == ("UNKNOWN", None)


def test_a_cycle_already_due_keeps_its_due_and_takes_the_new_grace(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    job.schedule, job.grace_minutes = "0 20 * * *", 180
    roster.save(job, now=DUE + MINUTE)
    run_scan(DEADLINE + MINUTE)
    assert verdicts() == []
    run_scan(DUE + 3 * HOUR + MINUTE)
    assert dues(job) == [DUE]
    job.refresh_from_db()
    assert job.due_at == DUE.replace(hour=20)


def test_a_longer_default_grace_holds_for_a_cycle_that_is_due(agent: Agent, settings: Any) -> None:
    job = make_job(schedule="0 2 * * *", now=DUE - HOUR)
    settings.REPORT_COLLECTION_WINDOW_MINUTES = 240
    run_scan(DEADLINE + MINUTE)
    assert verdicts() == []
    job.refresh_from_db()
    assert job.deadline_at == DUE + 4 * HOUR
    run_scan(DUE + 4 * HOUR + MINUTE)
    assert verdicts() == [MISSED]


# --- Never without having looked ------------------------------------------------------------------


def all_as_they_were(job: ExpectedBackupJob) -> bool:
    job.refresh_from_db()
    return not verdicts() and (job.status, job.due_at) == ("UNKNOWN", DUE)


def test_a_root_that_is_not_there_judges_nobody(
    agent: Agent, deposit_root: Path, job: ExpectedBackupJob
) -> None:
    deposit_root.rename(deposit_root.with_name("elsewhere"))
    with pytest.raises(DepositRootUnavailable):
        run_scan()
    assert all_as_they_were(job)
    run = ScanRun.objects.get()
    assert run.outcome == "failed"
    assert "cannot be read" in run.error


@pytest.mark.parametrize("agents", [[], ["ACME_DOUALA_NEWBELL"]])
@pytest.mark.parametrize("left", [[], ["lost+found"], [".snapshots"]])
def test_an_empty_root_where_agents_were_known_judges_nobody(
    agent: Agent, deposit_root: Path, job: ExpectedBackupJob, agents: list[str], left: list[str]
) -> None:
    run_scan(DUE)
    deposit_root.rename(deposit_root.with_name("elsewhere"))
    deposit_root.mkdir()
    for name in left:
        (deposit_root / name).mkdir()
    with pytest.raises(DepositRootUnavailable, match="1 agents were seen before"):
        run_scan(agents=agents)
    assert all_as_they_were(job)


def test_an_empty_root_of_a_server_that_never_saw_an_agent_is_looked_at(
    deposit_root: Path, job: ExpectedBackupJob
) -> None:
    run = run_scan()
    assert run.outcome == "complete"
    assert verdicts() == [MISSED]


def test_a_folder_that_does_not_exist_counts_as_looked_at(
    agent: Agent, deposit_root: Path, job: ExpectedBackupJob
) -> None:
    site(deposit_root, "ACME_DOUALA_AKWA")
    run_scan(DUE)
    agent.home.rename(deposit_root.parent / "gone")
    run = run_scan()
    assert run.outcome == "complete"
    assert verdicts() == [MISSED]


def test_an_agent_whose_log_folder_vanished_keeps_its_state_until_it_is_back(
    agent: Agent, deposit_root: Path, job: ExpectedBackupJob
) -> None:
    other = make_job(agent="ACME_DOUALA_AKWA", **NIGHTLY)
    site(deposit_root, "ACME_DOUALA_AKWA")
    run_scan(DUE)
    agent.log.rename(agent.home / "log.old")
    for minutes in range(3):
        run = run_scan(NOW + minutes * MINUTE)
        assert run.outcome == "incomplete"
        (finding,) = run.findings
        assert finding.endswith("left as they were: ACME_DOUALA_NEWBELL/log/ has vanished")
    assert (verdicts(job), verdicts(other)) == ([], [MISSED])
    job.refresh_from_db()
    assert job.due_at == DUE
    (agent.home / "log.old").rename(agent.log)
    run = run_scan(NOW + HOUR)
    assert run.outcome == "complete"
    assert verdicts(job) == [MISSED]


def test_an_agent_that_never_had_a_log_folder_is_looked_at(
    deposit_root: Path, job: ExpectedBackupJob
) -> None:
    (deposit_root / "ACME_DOUALA_NEWBELL").mkdir()
    run = run_scan()
    assert run.outcome == "complete"
    assert verdicts() == [MISSED]


# --- --agent --------------------------------------------------------------------------------------


def test_only_the_agents_that_were_asked_for_are_judged(
    agent: Agent, deposit_root: Path, job: ExpectedBackupJob
) -> None:
    other_job = make_job(agent="ACME_DOUALA_AKWA", **NIGHTLY)
    other = site(deposit_root, "ACME_DOUALA_AKWA")
    for one in (agent, other):
        one.deposit("NEW", DUE, arrived=DUE)
    run = run_scan(agents=["acme_douala_AKWA"])
    assert (verdicts(job), verdicts(other_job)) == ([], [MISSED])
    assert run.agents == ["ACME_DOUALA_AKWA"]
    assert (run.reports_accepted, run.databases_unexpected) == (1, 1)
    assert [file.exists() for file in (*agent.reported, *other.reported)] == [True, False]


def test_an_agent_without_a_folder_but_with_a_job_can_be_asked_for(
    deposit_root: Path, job: ExpectedBackupJob
) -> None:
    site(deposit_root, "ACME_DOUALA_AKWA")
    run_scan(agents=["ACME_DOUALA_NEWBELL"])
    assert verdicts() == [MISSED]


def test_an_agent_that_nobody_knows_cannot_be_asked_for(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    with pytest.raises(UnknownAgent, match="ACME_DOUALA_NOWHERE"):
        run_scan(agents=["ACME_DOUALA_NOWHERE", "ACME_DOUALA_NEWBELL"])
    assert all_as_they_were(job)


# --- What excuses ---------------------------------------------------------------------------------


def test_a_report_in_the_writing_excuses_its_agents_jobs_and_no_others(
    agent: Agent, deposit_root: Path, job: ExpectedBackupJob
) -> None:
    other = make_job(agent="ACME_DOUALA_AKWA", **NIGHTLY)
    site(deposit_root, "ACME_DOUALA_AKWA")
    now = DEADLINE + 10 * MINUTE
    set_time(agent.drop("unfinished.json", '{"databases": {'), now)
    run = run_scan(now)
    assert (run.reports_deferred, run.outcome) == (1, "complete")
    assert (verdicts(job), verdicts(other)) == ([], [MISSED])


def test_a_deferred_report_excuses_for_at_most_one_grace(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    for now, found in ((DEADLINE + HOUR, []), (DEADLINE + HOUR + MINUTE, [MISSED])):
        set_time(agent.drop("unfinished.json", '{"databases": {'), now)
        run_scan(now)
        assert verdicts() == found
    assert "cannot be read yet" in BackupEntry.objects.get().message


def test_a_deferred_report_excuses_each_cycle_for_one_grace_and_none_for_ever(
    agent: Agent,
) -> None:
    # The grace of one cycle reaches over the next: there is always one that is still excused.
    job = make_job(schedule="0 * * * *", grace_minutes=60, now=DUE + MINUTE)
    for hours in range(1, 5):
        now = DUE + hours * HOUR + MINUTE
        set_time(agent.drop("unfinished.json", '{"databases": {'), now)
        run_scan(now)
    assert dues(job) == [DUE, DUE + HOUR, DUE + 2 * HOUR]
    (agent.log / "unfinished.json").unlink()
    run_scan(DUE + 4 * HOUR + 2 * MINUTE)
    assert dues(job) == [DUE, DUE + HOUR, DUE + 2 * HOUR, DUE + 3 * HOUR]


class Growing:
    """Stands before `measure`: these files change each time that they are read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *files: Path) -> None:
        self.files = {file.stat().st_ino: file for file in files}
        monkeypatch.setattr(examination, "measure", self)

    def __call__(self, stream: Any, **options: Any) -> Measurement:
        status = os.fstat(stream.fileno())
        found = measure(stream, **options)
        if file := self.files.get(status.st_ino):
            with file.open("ab") as more:
                more.write(b"more")
            os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
            raise FileChanged("the staged file changed while it was read")
        return found


def two_claims(agent: Agent) -> Path:
    """Let the agent report two databases at once."""
    claims = {}
    for database in ("ACME_2025", "OTHER"):
        name = f"{database}.gz"
        claims[database] = agent.claim(database.encode() * 99, DUE, file_name=name)
        set_time(agent.databases / name, DUE)
    report = agent.report(claims, DUE)
    set_time(report, DUE + MINUTE)
    return report


def test_a_claim_whose_file_changes_waits_and_the_others_get_their_verdicts(
    agent: Agent, job: ExpectedBackupJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_job("OTHER", **NIGHTLY)
    report = two_claims(agent)
    whole = (agent.databases / "ACME_2025.gz").read_bytes()
    growing = Growing(monkeypatch, agent.databases / "ACME_2025.gz")
    run = run_scan(DUE + 2 * MINUTE)
    assert (verdicts(job), verdicts(other)) == ([], [SUCCESS])
    assert (run.outcome, run.reports_accepted) == ("incomplete", 1)
    assert "ACME_2025 of agent ACME_DOUALA_NEWBELL waits for the next scan" in run.findings[0]
    assert report.exists()
    assert not AgentReport.objects.get().is_complete

    growing.files.clear()
    (agent.databases / "ACME_2025.gz").write_bytes(whole)
    set_time(agent.databases / "ACME_2025.gz", DUE)
    run = run_scan(DUE + 17 * MINUTE)
    assert (verdicts(job), verdicts(other)) == ([SUCCESS], [SUCCESS])
    assert (run.outcome, run.reports_accepted) == ("complete", 0)
    assert not report.exists()
    stored = AgentReport.objects.get()
    assert stored.is_complete
    assert stored.entries.count() == 2


def test_a_claim_that_waits_is_not_absent_but_for_one_grace_only(
    agent: Agent, job: ExpectedBackupJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_job("OTHER", **NIGHTLY)
    two_claims(agent)
    growing = Growing(monkeypatch, agent.databases / "ACME_2025.gz")
    run_scan(DUE + 2 * MINUTE)
    run_scan(DEADLINE + MINUTE)
    run_scan(DEADLINE + HOUR)
    assert verdicts(job) == []
    run_scan(DEADLINE + HOUR + MINUTE)
    assert verdicts(job) == [MISSED]
    assert "could not be read to its end yet" in job.entries.get().message
    growing.files.clear()
    run_scan(DEADLINE + HOUR + 2 * MINUTE)
    assert verdicts(job) == [MISSED, ("CORRUPT", "size_mismatch")]
    assert len(list(agent.log.glob("*.json"))) == 0


def test_a_claim_found_only_after_the_grace_is_over_is_judged_and_not_called_absent(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    agent.deposit("ACME_2025", DUE, arrived=DUE)
    run_scan(DEADLINE + 5 * HOUR)
    assert verdicts() == [SUCCESS]


def test_a_claim_that_waits_for_a_paused_job_completes_its_report(
    agent: Agent, job: ExpectedBackupJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_job("OTHER", **NIGHTLY)
    report = two_claims(agent)
    Growing(monkeypatch, agent.databases / "ACME_2025.gz")
    run_scan(DUE + 2 * MINUTE)
    roster.pause([job.pk], now=DUE + 3 * MINUTE)
    run_scan(DUE + 4 * MINUTE)
    assert not report.exists()
    assert verdicts() == [SUCCESS]


def test_a_file_that_really_grows_while_it_is_read_waits(
    agent: Agent, job: ExpectedBackupJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.deposit("ACME_2025", DUE, arrived=DUE)
    file = agent.databases / "acme_2025.sql.gz"
    whole = file.read_bytes()

    @contextmanager
    def write_meanwhile(*arguments: Any) -> Iterator[Any]:
        with open_staged(*arguments) as stream:
            yield _GrowsWhenRead(stream, file)

    monkeypatch.setattr(examination, "open_staged", write_meanwhile)
    run_scan(DUE + MINUTE)
    assert verdicts() == []
    monkeypatch.undo()
    file.write_bytes(whole)
    set_time(file, DUE)
    run_scan(DUE + 2 * MINUTE)
    assert verdicts() == [SUCCESS]


class _GrowsWhenRead:
    def __init__(self, stream: Any, file: Path) -> None:
        self._stream, self._file = stream, file

    def fileno(self) -> int:
        number: int = self._stream.fileno()
        return number

    def readinto(self, buffer: memoryview) -> int:
        with self._file.open("ab") as more:
            more.write(b"more")
        count: int = self._stream.readinto(buffer)
        return count


def test_a_job_that_is_claimed_in_every_scan_does_not_hide_a_missed_cycle(
    deposit_root: Path,
) -> None:
    job = make_job(schedule="*/15 * * * *", grace_minutes=20, now=NOW)
    agent = Agent(deposit_root)
    for quarter in range(1, 9):
        at = NOW + timedelta(minutes=15 * quarter)
        if quarter != 3:
            agent.deposit("ACME_2025", at + timedelta(minutes=1), arrived=at + timedelta(minutes=2))
        run_scan(at + timedelta(minutes=3))
    missed = BackupEntry.objects.filter(status="MISSING", cycle_due__gt=NOW)
    assert [entry.cycle_due for entry in missed] == [NOW + timedelta(minutes=45)]
    job.refresh_from_db()
    assert job.status == "SUCCESS"
