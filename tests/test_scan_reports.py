"""What becomes of reports: recorded once, rejected with a reason, left for later; and of claims."""

import errno
import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from scanner import examination, roster
from scanner.models import AgentReport, BackupEntry, ExpectedBackupJob
from tests.agent import Agent, dump_of, iso, set_time
from tests.scanning import NOW, by_mtime, make_job, run_scan, verdicts

pytestmark = pytest.mark.django_db

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
ENDED = NOW - HOUR
SUCCESS, UNCHANGED = ("SUCCESS", ""), ("UNCHANGED", "")


@pytest.fixture
def agent(deposit_root: Path) -> Agent:
    agent = Agent(deposit_root)
    agent.log.mkdir(parents=True)
    return agent


@pytest.fixture
def job() -> ExpectedBackupJob:
    return make_job(now=ENDED - 30 * DAY)


def shelf(agent: Agent, name: str) -> list[str]:
    """Give the names of the files on a shelf of the log folder."""
    folder = agent.log / name
    return sorted(file.name for file in folder.iterdir()) if folder.exists() else []


def drop(agent: Agent, name: str, content: str | bytes, arrived: datetime = ENDED) -> Path:
    file = agent.drop(name, content)
    set_time(file, arrived)
    return file


# --- Rejected -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not whole JSON"),
        ("[]", "expected a JSON object"),
        ("{}", "databases"),
        ('{"databases": {}}', "databases"),
        ('{"databases": {"A": 1}}', "databases"),
        ('{"databases": {"A": {}}, "agent_id": "ACME_DOUALA_AKWA"}', "can speak for itself only"),
    ],
)
def test_a_rejected_report_is_kept_with_its_reason_beside_it(
    agent: Agent, job: ExpectedBackupJob, content: str, reason: str
) -> None:
    drop(agent, "bad.json", content)
    run = run_scan()
    assert shelf(agent, "_rejected") == ["bad.json", "bad.json.reason.txt"]
    assert (agent.log / "_rejected/bad.json").read_text() == content
    row = AgentReport.objects.get()
    assert reason in row.reason
    assert (agent.log / "_rejected/bad.json.reason.txt").read_text() == row.reason + "\n"
    assert (row.state, row.agent_id, row.run) == ("rejected", "ACME_DOUALA_NEWBELL", run)
    assert (run.reports_rejected, run.reports_accepted, run.outcome) == (1, 0, "complete")
    assert verdicts() == []
    assert run_scan(NOW + MINUTE).reports_rejected == 0


def test_a_rejected_report_that_is_put_back_is_tried_again(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    drop(agent, "bad.json", "no JSON")
    run_scan()
    for number in range(2):
        shutil.move(agent.log / "_rejected/bad.json", agent.log / "bad.json")
        assert run_scan(NOW + number * MINUTE).reports_rejected == 1
    assert AgentReport.objects.count() == 1
    assert "bad.json" in shelf(agent, "_rejected")


def test_a_rejected_report_never_takes_the_place_of_another(agent: Agent) -> None:
    for content in ("one", "two"):
        drop(agent, "bad.json", content)
        run_scan()
    assert shelf(agent, "_rejected") == [
        "bad.1.json",
        "bad.1.json.reason.txt",
        "bad.json",
        "bad.json.reason.txt",
    ]
    assert AgentReport.objects.count() == 2


def test_one_bad_report_costs_no_other_its_verdict(agent: Agent, job: ExpectedBackupJob) -> None:
    drop(agent, "0_bad.json", b"\x00\xff")
    agent.deposit("ACME_2025", ENDED, arrived=ENDED)
    drop(agent, "9_bad.json", "[" * 99999)
    run = run_scan()
    assert verdicts() == [SUCCESS]
    assert (run.reports_accepted, run.reports_rejected) == (1, 2)


@pytest.mark.parametrize(
    "name", ["acme_douala_newbell", "Acme_Douala_NewBell", " ACME_DOUALA_NEWBELL"]
)
def test_an_agents_letter_case_does_not_matter(
    agent: Agent, job: ExpectedBackupJob, name: str
) -> None:
    claim = agent.claim(dump_of("x"), ENDED, file_name="x.gz")
    set_time(agent.report({"ACME_2025": claim}, ENDED, agent_id=name), ENDED + MINUTE)
    run_scan()
    assert verdicts() == [SUCCESS]


def test_an_agent_cannot_speak_for_another(deposit_root: Path, job: ExpectedBackupJob) -> None:
    stranger = Agent(deposit_root, "ACME_DOUALA_AKWA")
    report = stranger.deposit("ACME_2025", ENDED, arrived=ENDED)
    content = json.loads(report.read_text()) | {"agent_id": "ACME_DOUALA_NEWBELL"}
    drop(stranger, report.name, json.dumps(content))
    assert run_scan().reports_rejected == 1
    assert verdicts() == []


# --- Deferred -------------------------------------------------------------------------------------


def test_a_report_that_may_still_be_being_written_is_left_until_it_settled(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    whole = agent.deposit("ACME_2025", ENDED).read_text()
    report = drop(agent, agent.reported[0].name, whole[: len(whole) // 2], NOW)
    run = run_scan(NOW + timedelta(seconds=59))
    assert (run.reports_deferred, run.reports_rejected, run.outcome) == (1, 0, "complete")
    assert report.exists()
    set_time(report, NOW)
    report.write_text(whole)
    set_time(report, NOW + timedelta(seconds=59))
    run_scan(NOW + 2 * MINUTE)
    assert verdicts() == [SUCCESS]


def test_a_report_that_settled_in_pieces_is_rejected(
    agent: Agent, job: ExpectedBackupJob, settings: Settings
) -> None:
    settings.REPORT_SETTLE_SECONDS = 600
    drop(agent, "torn.json", '{"databases": {', NOW)
    assert run_scan(NOW + timedelta(seconds=599)).reports_deferred == 1
    assert run_scan(NOW + timedelta(seconds=600)).reports_rejected == 1


def test_whole_json_is_read_at_once(agent: Agent, job: ExpectedBackupJob) -> None:
    agent.deposit("ACME_2025", NOW, arrived=NOW)
    drop(agent, "no_databases.json", "{}", NOW)
    run = run_scan(NOW)
    assert (run.reports_accepted, run.reports_rejected) == (1, 1)


# --- Known ----------------------------------------------------------------------------------------


def test_a_known_report_is_archived_and_changes_nothing(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    report = agent.deposit("ACME_2025", ENDED, arrived=ENDED)
    run_scan()
    shutil.copy2(agent.log / "_archive" / report.name, report)
    (agent.databases / "acme_2025.sql.gz").write_bytes(b"of another day")
    run = run_scan(NOW + MINUTE)
    assert (run.reports_known, run.reports_accepted, run.outcome) == (1, 0, "complete")
    assert verdicts() == [SUCCESS]
    assert not report.exists()
    assert shelf(agent, "_archive") == [report.name.replace(".json", ".1.json"), report.name]


def test_a_known_report_under_another_name_is_known(agent: Agent, job: ExpectedBackupJob) -> None:
    report = agent.deposit("ACME_2025", ENDED, arrived=ENDED)
    run_scan()
    shutil.copy2(agent.log / "_archive" / report.name, agent.log / "copy.json")
    assert run_scan(NOW + MINUTE).reports_known == 1
    assert shelf(agent, "_archive") == [report.name, "copy.json"]


def test_archived_reports_of_one_name_all_stay(agent: Agent, job: ExpectedBackupJob) -> None:
    contents = set()
    for days in range(4):
        ended = ENDED + days * DAY
        report = agent.deposit("ACME_2025", ended, arrived=ended)
        contents.add(report.read_text())
        report.rename(agent.log / "HORODATAGE_AGENT.json")
        run_scan(ended + MINUTE)
    archived = shelf(agent, "_archive")
    assert len(archived) == 4
    assert {(agent.log / "_archive" / name).read_text() for name in archived} == contents
    assert verdicts() == [SUCCESS] * 4


def test_a_report_without_times_dropped_on_two_days_is_two(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    claim = agent.claim(dump_of("same"), ENDED, file_name="x.gz")
    for step in ("BACKUP", "COMPRESS", "TRANSFER"):
        del claim[step]["start_time"], claim[step]["end_time"]
    content = json.dumps({"databases": {"ACME_2025": claim}})
    for days in range(2):
        arrived = ENDED + days * DAY
        set_time(agent.databases / "x.gz", arrived)
        drop(agent, "HORODATAGE_AGENT.json", content, arrived)
        run_scan(arrived + MINUTE)
    assert verdicts() == [SUCCESS, UNCHANGED]
    ends = BackupEntry.objects.order_by("pk").values_list("operation_end", flat=True)
    assert list(ends) == [ENDED, ENDED + DAY]
    assert AgentReport.objects.values("sha256").distinct().count() == 1


def test_what_is_no_report_is_left_where_it_is(agent: Agent, job: ExpectedBackupJob) -> None:
    (agent.log / "folder.json").mkdir()
    for name in ("notes.txt", ".20260302.json.XyZ123", "report.json.part"):
        agent.drop(name, "{}")
    (agent.log / "link.json").symlink_to("notes.txt")
    before = sorted(agent.log.iterdir())
    run = run_scan()
    assert (run.reports_accepted, run.reports_rejected) == (0, 0)
    assert sorted(agent.log.iterdir()) == before


def test_a_report_that_cannot_be_moved_is_known_from_then_on(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    report = agent.deposit("ACME_2025", ENDED, arrived=ENDED)
    (agent.log / "_archive").write_text("in the way")
    for minutes in range(2):
        run = run_scan(NOW + minutes * MINUTE)
        assert run.outcome == "incomplete"
        assert "cannot be moved into _archive/" in run.findings[0]
    assert verdicts() == [SUCCESS]
    (agent.log / "_archive").unlink()
    assert run_scan(NOW + HOUR).outcome == "complete"
    assert not report.exists()


# --- Claims ---------------------------------------------------------------------------------------


def test_databases_of_other_companies_in_one_report_each_get_their_verdict(agent: Agent) -> None:
    places = {"ACME_2025": "ACME", "SDMC_2023": "SDMC", "BRASCO_AKWA": "BRASCO"}
    claims = {}
    for database, company in places.items():
        make_job(database, company_name=company, city="YAOUNDE", neighborhood="MVOG ADA")
        name = f"{database.lower()}.sql.gz"
        claims[database] = agent.claim(dump_of(database), ENDED, file_name=name)
        set_time(agent.databases / name, ENDED)
    set_time(agent.report(claims, ENDED), ENDED)
    run_scan()
    assert verdicts() == [SUCCESS] * 3
    for entry in BackupEntry.objects.select_related("job"):
        assert entry.vault_path.startswith(f"{places[entry.job.database_name]}/YAOUNDE/MVOG_ADA~")


@pytest.mark.parametrize(
    ("bad", "verdict"),
    [
        (5, ("MISSING", "file_absent")),
        ({}, ("MISSING", "file_absent")),
        ({"staged_file_name": ["x"]}, ("MISSING", "file_absent")),
        ({"staged_file_name": ".."}, ("CORRUPT", "unsafe_file")),
        ({"staged_file_name": "\x00"}, ("CORRUPT", "unsafe_file")),
        ({"staged_file_name": "x" * 5000}, ("CORRUPT", "unsafe_file")),
        ({"BACKUP": {"status": "perhaps"}}, ("FAILED", "backup_failed")),
        ({"COMPRESS": 7, "TRANSFER": {"status": "KO"}}, ("FAILED", "compress_failed")),
    ],
)
def test_one_bad_entry_costs_no_other_in_its_report_the_verdict(
    agent: Agent, bad: Any, verdict: tuple[str, str]
) -> None:
    jobs = [make_job(name) for name in ("A", "BAD", "Z")]
    claim = agent.claim(dump_of("x"), ENDED, file_name="x.gz")
    set_time(agent.databases / "x.gz", ENDED)
    set_time(agent.report({"A": claim, "BAD": bad, "Z": claim}, ENDED), ENDED)
    run_scan()
    assert [verdicts(job) for job in jobs] == [[SUCCESS], [verdict], [SUCCESS]]


def test_a_paused_job_gets_no_verdict_and_its_report_is_archived(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    roster.pause([job.pk], now=ENDED)
    report = agent.deposit("ACME_2025", ENDED, arrived=ENDED)
    run = run_scan()
    assert verdicts() == []
    assert (run.reports_accepted, run.databases_unexpected) == (1, 0)
    assert shelf(agent, "_archive") == [report.name]


def test_a_job_paused_while_its_backup_is_read_gets_no_verdict(
    agent: Agent, job: ExpectedBackupJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_job("OTHER")
    for database in ("ACME_2025", "OTHER"):
        agent.deposit(database, ENDED, arrived=ENDED)
        agent.log.joinpath(agent.reported[-1].name).rename(agent.log / f"{database}.json")
    judge = examination.Examination.judge

    def pause_after(self: examination.Examination, batch: Any) -> Any:
        outcomes = judge(self, batch)
        roster.pause([job.pk], now=NOW)
        return outcomes

    monkeypatch.setattr(examination.Examination, "judge", pause_after)
    run = run_scan()
    assert (verdicts(job), verdicts(other)) == ([], [SUCCESS])
    assert run.counts["SUCCESS"] == 1
    assert shelf(agent, "_archive") == ["ACME_2025.json", "OTHER.json"]
    job.refresh_from_db()
    assert (job.status, job.last_good_entry) == ("UNKNOWN", None)


@pytest.mark.parametrize(
    ("how", "registered", "found"),
    [("off", None, []), ("inactive", False, []), ("active", True, [SUCCESS])],
)
def test_a_database_that_nobody_expects_is_registered_as_the_settings_say(
    agent: Agent, settings: Settings, how: str, registered: bool | None, found: list[Any]
) -> None:
    settings.AUTO_REGISTER = how
    agent.deposit("ACME_2025", ENDED, arrived=ENDED)
    run = run_scan()
    assert run.databases_unexpected == 1
    assert run.jobs_registered == (0 if registered is None else 1)
    assert verdicts() == found
    jobs = ExpectedBackupJob.objects.all()
    assert [job.is_active for job in jobs] == ([] if registered is None else [registered])
    if job := jobs.first():
        assert (job.company_name, job.city, job.neighborhood) == ("ACME", "DOUALA", "NEWBELL")
        assert (job.database_name, job.year, job.schedule) == ("ACME_2025", 2025, "")
    assert shelf(agent, "_archive") != []


def test_a_database_that_somebody_expects_while_its_report_is_read_is_judged(
    agent: Agent, settings: Settings
) -> None:
    settings.AUTO_REGISTER = "inactive"
    agent.deposit("ACME_2025", ENDED, arrived=ENDED)
    made: list[ExpectedBackupJob] = []

    def clock(seen: os.stat_result) -> datetime:
        made.extend([] if made else [make_job(now=ENDED - DAY)])
        return by_mtime(seen)

    run = run_scan(clock=clock)
    assert (run.databases_unexpected, run.jobs_registered) == (0, 0)
    assert verdicts(*made) == [SUCCESS]


def test_a_database_in_another_letter_case_is_the_expected_one(
    agent: Agent, job: ExpectedBackupJob
) -> None:
    agent.deposit("acme_2025", ENDED, arrived=ENDED)
    assert run_scan().databases_unexpected == 0
    assert verdicts(job) == [SUCCESS]


# --- A whole operation that failed ----------------------------------------------------------------

NIGHTLY: dict[str, Any] = {"schedule": "0 11 * * *", "grace_minutes": 60, "now": NOW - DAY}
OPERATION_FAILED = ("FAILED", "operation_failed")


def fail_globally(agent: Agent, ended: datetime, **changes: Any) -> None:
    set_time(agent.report({}, ended, overall_status="failed_globally", **changes), ended)


def test_a_failed_operation_fails_each_scheduled_job_whose_cycle_is_open(
    agent: Agent, deposit_root: Path
) -> None:
    scheduled = [make_job(name, **NIGHTLY) for name in ("A", "B")]
    unscheduled = make_job("C", now=NOW - DAY)
    paused = make_job("D", **NIGHTLY, is_active=False)
    others = make_job("A", "ACME_DOUALA_AKWA", **(NIGHTLY | {"now": NOW - HOUR}))
    fail_globally(agent, NOW - 50 * MINUTE)
    run = run_scan(NOW - 40 * MINUTE)
    assert [verdicts(job) for job in scheduled] == [[OPERATION_FAILED]] * 2
    assert [verdicts(job) for job in (unscheduled, paused, others)] == [[], [], []]
    assert (run.reports_accepted, run.problems) == (1, 2)


def test_a_failed_operation_changes_nothing_where_the_backup_came_before(agent: Agent) -> None:
    job = make_job(**NIGHTLY)
    agent.deposit("ACME_2025", NOW - 50 * MINUTE, arrived=NOW - 50 * MINUTE)
    fail_globally(agent, NOW - 30 * MINUTE)
    run_scan(NOW - 20 * MINUTE)
    assert verdicts(job) == [SUCCESS]


def test_two_failed_operations_of_one_cycle_are_one_failure(agent: Agent) -> None:
    make_job(**NIGHTLY)
    fail_globally(agent, NOW - 50 * MINUTE)
    fail_globally(agent, NOW - 30 * MINUTE)
    run = run_scan(NOW - 20 * MINUTE)
    assert verdicts() == [OPERATION_FAILED]
    assert run.reports_accepted == 2
    assert list(agent.log.glob("*.json")) == []


def test_a_failed_operation_that_is_run_again_is_good(agent: Agent) -> None:
    job = make_job(**NIGHTLY)
    fail_globally(agent, NOW - 50 * MINUTE)
    agent.deposit("ACME_2025", NOW - 30 * MINUTE, arrived=NOW - 30 * MINUTE)
    run_scan(NOW - 20 * MINUTE)
    assert verdicts() == [OPERATION_FAILED, SUCCESS]
    job.refresh_from_db()
    assert job.status == "SUCCESS"


def test_a_failed_operation_that_is_told_late_explains_a_missing_cycle(agent: Agent) -> None:
    job = make_job(**NIGHTLY)
    run_scan(NOW + MINUTE)
    fail_globally(agent, NOW - 30 * MINUTE)
    set_time(agent.reported[0], NOW + HOUR)
    run_scan(NOW + HOUR + MINUTE)
    assert verdicts() == [("MISSING", "no_report"), OPERATION_FAILED]
    assert BackupEntry.objects.latest("pk").warnings == ["late"]
    job.refresh_from_db()
    assert job.reason == "operation_failed"


def test_an_operation_that_failed_after_the_deadline_is_of_no_open_cycle(agent: Agent) -> None:
    make_job(**NIGHTLY)
    fail_globally(agent, NOW + 2 * HOUR)
    run_scan(NOW + 3 * HOUR)
    assert verdicts() == [("MISSING", "no_report")]


def test_a_failed_operation_with_databases_is_judged_by_what_they_say(agent: Agent) -> None:
    jobs = [make_job(name, **NIGHTLY) for name in ("A", "B")]
    claim = agent.claim(dump_of("x"), NOW - 50 * MINUTE, file_name="x.gz")
    ended = NOW - 50 * MINUTE
    set_time(agent.databases / "x.gz", ended)
    set_time(agent.report({"A": claim}, ended, overall_status="failed_globally"), ended)
    run_scan(NOW - 40 * MINUTE)
    assert [verdicts(job) for job in jobs] == [[SUCCESS], []]


# --- The vault cannot be written ------------------------------------------------------------------


def test_a_copy_that_cannot_be_written_is_a_warning_and_the_next_scan_writes_it(
    agent: Agent, vault_root: Path
) -> None:
    jobs = [make_job(name) for name in ("BLOCKED", "FREE")]
    in_the_way = vault_root / "ACME/DOUALA/NEWBELL/BLOCKED"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.touch()
    for minutes, database in enumerate(("BLOCKED", "FREE")):
        agent.deposit(database, ENDED + minutes * MINUTE, arrived=ENDED + minutes * MINUTE)
    run = run_scan()
    blocked, free = (BackupEntry.objects.get(job=job) for job in jobs)
    assert (blocked.status, blocked.warnings, blocked.vault_path) == (
        "SUCCESS",
        ["not_in_vault"],
        "",
    )
    assert "not copied yet" in blocked.message
    assert (free.status, free.warnings) == ("SUCCESS", [])
    assert run.outcome == "complete"
    assert list(agent.log.glob("*.json")) == []

    in_the_way.unlink()
    run_scan(NOW + MINUTE)
    blocked.refresh_from_db()
    assert (blocked.warnings, blocked.vault_pending) == ([], False)
    assert blocked.message == "arrived intact"
    staged = agent.databases / "blocked.sql.gz"
    assert (vault_root / blocked.vault_path).read_bytes() == staged.read_bytes()
    assert verdicts() == [SUCCESS, SUCCESS]


def test_a_full_vault_is_a_warning_and_is_tried_again_by_the_next_scan_only(
    agent: Agent, job: ExpectedBackupJob, vault_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = []

    def is_full(_source: int, copy: int, *_rest: int) -> int:
        attempts.append(copy)
        os.write(copy, b"the beginn")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    agent.deposit("ACME_2025", ENDED, arrived=ENDED)
    monkeypatch.setattr(os, "copy_file_range", is_full)
    run_scan()
    assert len(attempts) == 1
    run_scan(NOW + MINUTE)
    assert len(attempts) == 2
    assert [file for file in vault_root.rglob("*") if file.is_file()] == []
    assert BackupEntry.objects.get().warnings == ["not_in_vault"]
    monkeypatch.undo()
    run_scan(NOW + 2 * MINUTE)
    assert BackupEntry.objects.get().warnings == []
    assert len([file for file in vault_root.rglob("*") if file.is_file()]) == 1


def test_one_copy_that_cannot_be_written_keeps_no_other_waiting(
    agent: Agent, vault_root: Path
) -> None:
    jobs = [make_job(name) for name in ("BLOCKED", "SOON_FREE")]
    for minutes, name in enumerate(("BLOCKED", "SOON_FREE")):
        in_the_way = vault_root / "ACME/DOUALA/NEWBELL" / name
        in_the_way.parent.mkdir(parents=True, exist_ok=True)
        in_the_way.touch()
        agent.deposit(name, ENDED + minutes * MINUTE, arrived=ENDED + minutes * MINUTE)
    run_scan()
    in_the_way.unlink()
    run_scan(NOW + MINUTE)
    pending = [BackupEntry.objects.get(job=job).vault_pending for job in jobs]
    assert pending == [True, False]


@pytest.mark.parametrize("fate", ["gone", "replaced"])
def test_a_copy_whose_staged_file_is_no_more_keeps_its_warning_and_is_tried_no_more(
    agent: Agent, job: ExpectedBackupJob, vault_root: Path, fate: str
) -> None:
    vault_root.touch()
    agent.deposit("ACME_2025", ENDED, arrived=ENDED)
    run_scan()
    assert BackupEntry.objects.get().vault_pending
    vault_root.unlink()
    staged = agent.databases / "acme_2025.sql.gz"
    if fate == "gone":
        staged.unlink()
    else:
        staged.write_bytes(b"another")
    run_scan(NOW + MINUTE)
    entry = BackupEntry.objects.get()
    assert (entry.status, entry.warnings, entry.vault_path) == ("SUCCESS", ["not_in_vault"], "")
    assert not entry.vault_pending
    assert [file for file in vault_root.rglob("*") if file.is_file()] == []


def test_nothing_is_unchanged_against_a_backup_that_is_in_no_vault(
    agent: Agent, job: ExpectedBackupJob, vault_root: Path
) -> None:
    vault_root.touch()
    agent.deposit("ACME_2025", ENDED, arrived=ENDED, dump=dump_of("same"))
    run_scan()
    vault_root.unlink()
    agent.deposit("ACME_2025", ENDED + DAY, arrived=ENDED + DAY, dump=dump_of("same"))
    run_scan(NOW + DAY)
    assert verdicts() == [SUCCESS, SUCCESS]
    assert BackupEntry.objects.latest("pk").vault_path


# --- When the operation ended ---------------------------------------------------------------------


def report_with(agent: Agent, name: str, arrived: datetime, **top: Any) -> None:
    """Drop a report of one good backup with these top-level keys only."""
    claim = agent.claim(dump_of("x"), arrived, file_name="x.gz")
    set_time(agent.databases / "x.gz", arrived)
    drop(agent, name, json.dumps({"databases": {"ACME_2025": claim}, **top}), arrived)


@pytest.mark.parametrize(
    ("name", "top", "ended", "warnings"),
    [
        ("x.json", {"operation_end_time": iso(ENDED)}, ENDED, []),
        ("x.json", {"operation_end_time": iso(NOW + 4 * MINUTE)}, NOW + 4 * MINUTE, []),
        ("x.json", {"operation_end_time": iso(NOW + 6 * MINUTE)}, NOW, ["clock_skew"]),
        ("x.json", {"operation_end_time": iso(NOW + 900 * DAY)}, NOW, ["clock_skew"]),
        ("x.json", {"operation_end_time": iso(NOW - 7 * DAY)}, NOW - 7 * DAY, []),
        ("x.json", {"operation_end_time": iso(NOW - 8 * DAY)}, NOW - 8 * DAY, ["clock_skew"]),
        ("x.json", {}, NOW, []),
        ("HORODATAGE_AGENT.json", {"operation_end_time": None}, NOW, []),
        ("2026-03-02T11-30-00Z_A.json", {}, NOW - 30 * MINUTE, []),
        # Without a zone: Douala's clocks are an hour ahead of UTC.
        ("20260302_123000_A.json", {}, NOW - 30 * MINUTE, []),
        ("2026-03-02_12-30-00_A.json", {"operation_end_time": "null"}, NOW - 30 * MINUTE, []),
        ("x.json", {"operation_end_time": "2026-03-02 12:30:00.5"}, NOW - 29.992 * MINUTE, []),
        ("x.json", {"operation_end_time": "2026-03-02T13:30:00+02:00"}, NOW - 30 * MINUTE, []),
    ],
)
def test_the_end_is_the_reports_else_its_names_else_its_arrival(
    agent: Agent, name: str, top: dict[str, Any], ended: datetime, warnings: list[str]
) -> None:
    make_job(time_zone="Africa/Douala", now=NOW - 30 * DAY)
    report_with(agent, name, NOW, **top)
    run_scan(NOW + HOUR)
    entry = BackupEntry.objects.get()
    assert entry.operation_end is not None
    assert abs(entry.operation_end - ended) < timedelta(seconds=0.1)
    assert (entry.status, entry.warnings, entry.arrived_at) == ("SUCCESS", warnings, NOW)


def test_a_job_without_a_zone_lives_in_that_of_the_settings(
    agent: Agent, settings: Settings
) -> None:
    settings.AGENT_TIME_ZONE = "Asia/Tokyo"
    make_job()
    report_with(agent, "x.json", NOW, operation_end_time="2026-03-02 20:30:00")
    run_scan()
    assert BackupEntry.objects.get().operation_end == datetime(2026, 3, 2, 11, 30, tzinfo=UTC)


def test_each_claim_of_a_report_is_read_in_its_own_jobs_zone(agent: Agent) -> None:
    zones = {"A": "Africa/Douala", "B": "UTC"}
    jobs = [make_job(name, time_zone=zone) for name, zone in zones.items()]
    claim = agent.claim(dump_of("x"), NOW, file_name="x.gz")
    content = {"operation_end_time": "2026-03-02 10:00:00", "databases": dict.fromkeys("AB", claim)}
    drop(agent, "x.json", json.dumps(content), NOW)
    run_scan()
    ends = [BackupEntry.objects.get(job=job).operation_end for job in jobs]
    assert ends == [NOW - 3 * HOUR, NOW - 2 * HOUR]


def test_the_name_of_a_copy_tells_the_end_in_utc(agent: Agent, vault_root: Path) -> None:
    make_job(time_zone="Africa/Douala")
    report_with(agent, "x.json", NOW, operation_end_time="2026-03-02 00:30:00")
    run_scan()
    assert (vault_root / BackupEntry.objects.get().vault_path).name == (
        "ACME_2025_20260301_233000.gz"
    )
