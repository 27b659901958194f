"""What lies in log/, read and sorted."""

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from scanner import intake
from scanner.intake import Intake
from scanner.models import AgentReport, BackupEntry, ExpectedBackupJob
from scanner.pipeline import deposit, shelves
from scanner.pipeline.deposit import ReportFile
from scanner.scan import reprocess
from tests.agent import Agent, set_time
from tests.scanning import NOW, by_mtime, make_job, run_scan, verdicts

pytestmark = pytest.mark.django_db

AGENT = "ACME_DOUALA_NEWBELL"
EARLIER = NOW - timedelta(hours=1)
REPORT = '{"databases": {"ACME_2025": {"BACKUP": {"status": "KO"}}}}'


def read(root: Path, zones: dict[str, str] | None = None, now: datetime = NOW) -> Intake:
    return intake.read(deposit.walk(root).reports, zones or {}, now=now, clock=by_mtime)


def drop(root: Path, name: str, content: str | bytes, at: datetime = EARLIER) -> Path:
    file = Agent(root, AGENT).drop(name, content)
    set_time(file, at)
    return file


def shelved(root: Path, shelf: str) -> list[ReportFile]:
    (folder,) = deposit.walk(root).folders
    return list(deposit.list_shelf(folder, shelf))


# --- The agents' clocks ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zones", "zone"),
    [
        pytest.param([], None, id="no jobs"),
        pytest.param(["", ""], None, id="none named"),
        pytest.param(["", "", "Africa/Douala"], "Africa/Douala", id="one named"),
        pytest.param(["UTC", "Africa/Douala", "Africa/Douala"], "Africa/Douala", id="the most"),
        pytest.param(["UTC", "Africa/Douala"], "Africa/Douala", id="the first of equals"),
    ],
)
def test_an_agents_zone_is_the_one_most_of_its_jobs_name(
    zones: list[str], zone: str | None
) -> None:
    for order in (zones, zones[::-1]):
        jobs = [ExpectedBackupJob(agent_id=AGENT, time_zone=name) for name in order]
        other = ExpectedBackupJob(agent_id="OTHER_A_B", time_zone="Asia/Tokyo")
        found = intake.zones_of([*jobs, other, other, other])
        assert found.pop("OTHER_A_B") == "Asia/Tokyo"
        assert found == ({AGENT: zone} if zone else {})


@pytest.mark.parametrize(
    ("name", "zones", "end"),
    [
        ("20260302_100000_A.json", {}, NOW.replace(hour=10)),
        ("20260302_100000_A.json", {AGENT: "Africa/Douala"}, NOW.replace(hour=9)),
        ("2026-03-02T10-00-00Z_A.json", {AGENT: "Africa/Douala"}, NOW.replace(hour=10)),
        ("HORODATAGE_A.json", {AGENT: "Africa/Douala"}, EARLIER),
    ],
)
def test_a_report_without_times_ended_when_its_name_says_in_its_agents_zone(
    deposit_root: Path, name: str, zones: dict[str, str], end: datetime
) -> None:
    drop(deposit_root, name, REPORT)
    (one,) = read(deposit_root, zones).unread
    assert one.row.operation_end == end


def test_agents_without_a_zone_live_in_that_of_the_settings(
    deposit_root: Path, settings: Settings
) -> None:
    settings.AGENT_TIME_ZONE = "Africa/Douala"
    drop(deposit_root, "20260302_100000_A.json", REPORT)
    (one,) = read(deposit_root).unread
    assert one.row.operation_end == NOW.replace(hour=9)


# --- Sorted ---------------------------------------------------------------------------------------


def test_a_new_report_has_a_row_of_what_it_is_that_is_not_stored_yet(deposit_root: Path) -> None:
    drop(deposit_root, "a.json", REPORT)
    found = read(deposit_root)
    (one,) = found.unread
    assert (one.agent, one.was_known, one.judged_jobs) == (AGENT, False, frozenset())
    assert one.row._state.adding
    assert (one.row.state, one.row.file_name, one.row.size) == ("accepted", "a.json", len(REPORT))
    assert one.row.sha256 == hashlib.sha256(REPORT.encode()).hexdigest()
    assert (one.row.arrived_at, one.row.recorded_at) == (EARLIER, NOW)
    assert (found.known, found.rejected, found.findings) == ([], [], [])
    assert found.deferred.total() == 0


@pytest.mark.parametrize(
    ("content", "age", "sorted_as"),
    [
        pytest.param(REPORT[:-2], 59, "deferred", id="half, young"),
        pytest.param(REPORT[:-2], 60, "rejected", id="half, settled"),
        pytest.param("", 59, "deferred", id="empty, young"),
        pytest.param(b"\xff", 59, "deferred", id="half a character, young"),
        pytest.param("[]", 0, "rejected", id="whole JSON, but no object"),
        pytest.param("{}", 0, "rejected", id="no databases"),
        pytest.param('{"agent_id": "X_Y_Z", "databases": {"A": {}}}', 0, "rejected", id="other's"),
        pytest.param(REPORT, 0, "unread", id="whole, young"),
        pytest.param(REPORT[:-2], -3600, "deferred", id="half, of a clock set back"),
    ],
)
def test_what_may_still_be_being_written_is_left(
    deposit_root: Path, content: str | bytes, age: int, sorted_as: str
) -> None:
    drop(deposit_root, "a.json", content, NOW - timedelta(seconds=age))
    found = read(deposit_root)
    counts = {
        "deferred": found.deferred[AGENT],
        "rejected": len(found.rejected),
        "unread": len(found.unread),
    }
    assert counts == {"deferred": 0, "rejected": 0, "unread": 0, sorted_as: 1}


@pytest.mark.parametrize(
    "spelling", [AGENT, AGENT.lower(), AGENT.title(), f"  {AGENT}\t", "", None, "null"]
)
def test_an_agent_is_named_in_any_letter_case_or_not_at_all(
    deposit_root: Path, spelling: str | None
) -> None:
    content = REPORT.replace("{", f'{{"agent_id": {_json(spelling)}, ', 1)
    drop(deposit_root, "a.json", content)
    assert len(read(deposit_root).unread) == 1


def _json(text: str | None) -> str:
    return "null" if text is None else '"' + text.replace("\t", "\\t") + '"'


def test_a_report_that_went_since_it_was_listed_is_nothing(deposit_root: Path) -> None:
    drop(deposit_root, "a.json", REPORT).unlink()
    (folder,) = deposit.walk(deposit_root).folders
    found = intake.read([ReportFile(folder, "a.json")], {}, now=NOW, clock=by_mtime)
    assert found == Intake()


# --- Twice ----------------------------------------------------------------------------------------


def test_of_two_files_with_the_same_bytes_and_end_one_is_judged_and_both_are_archived(
    deposit_root: Path,
) -> None:
    job = make_job()
    for name in ("20260302_100000_A.json", "20260302_100000_B.json"):
        drop(deposit_root, name, REPORT)
    run = run_scan()
    assert verdicts(job) == [("FAILED", "backup_failed")]
    assert (run.reports_accepted, run.reports_known, run.outcome) == (1, 1, "complete")
    assert len(shelved(deposit_root, deposit.ARCHIVE)) == 2
    assert AgentReport.objects.count() == 1


def test_the_same_bytes_with_another_end_are_another_report(deposit_root: Path) -> None:
    """The oldest agents write no times: their report is the same every day."""
    job = make_job()
    for day in (1, 2):
        drop(deposit_root, f"2026030{day}_100000_A.json", REPORT)
    assert run_scan().reports_accepted == 2
    assert verdicts(job) == [("FAILED", "backup_failed")] * 2


def test_the_same_bytes_of_two_agents_are_two_reports(deposit_root: Path) -> None:
    drop(deposit_root, "a.json", REPORT)
    set_time(Agent(deposit_root, "OTHER_A_B").drop("a.json", REPORT), EARLIER)
    found = read(deposit_root)
    assert [one.agent for one in found.unread] == [AGENT, "OTHER_A_B"]


def test_a_known_report_that_comes_again_is_archived_beside_the_first(deposit_root: Path) -> None:
    job = make_job()
    for _ in range(3):
        drop(deposit_root, "20260302_100000_A.json", REPORT)
        run = run_scan()
    assert (run.reports_accepted, run.reports_known) == (0, 1)
    assert verdicts(job) == [("FAILED", "backup_failed")]
    names = [file.name for file in shelved(deposit_root, deposit.ARCHIVE)]
    assert names == [f"20260302_100000_A{number}.json" for number in (".1", ".2", "")]


def test_an_agent_that_never_changes_its_reports_name_is_archived_for_ever(
    deposit_root: Path,
) -> None:
    make_job()
    drop(deposit_root, "HORODATAGE_A.json", REPORT)
    archive = Agent(deposit_root, AGENT).log / deposit.ARCHIVE
    archive.mkdir()
    for number in range(shelves.MAX_SAME_NAME):
        name = "HORODATAGE_A.json" if number == 0 else f"HORODATAGE_A.{number}.json"
        (archive / name).write_text("earlier")
    assert run_scan().outcome == "complete"
    assert len(list(archive.iterdir())) == shelves.MAX_SAME_NAME + 1


def test_a_rejected_report_that_is_put_back_is_tried_again(deposit_root: Path) -> None:
    make_job()
    for run in (1, 2):
        drop(deposit_root, "a.json", "no JSON")
        assert run_scan(NOW + timedelta(minutes=run)).reports_rejected == 1
    assert AgentReport.objects.count() == 1
    assert AgentReport.objects.get().recorded_at == NOW + timedelta(minutes=2)


def test_an_archived_report_is_judged_again_as_of_its_first_arrival(deposit_root: Path) -> None:
    job = make_job()
    drop(deposit_root, "a.json", REPORT)
    run_scan()
    (file,) = shelved(deposit_root, deposit.ARCHIVE)
    set_time(Agent(deposit_root, AGENT).log / "_archive" / file.name, NOW)  # as a move does
    for attempt in (2, 3):
        run = reprocess([file], now=NOW, clock=by_mtime)
        assert (run.outcome, run.reports_accepted) == ("complete", 1)
        entry = BackupEntry.objects.order_by("pk").last()
        assert entry is not None
        assert (entry.attempt, entry.arrived_at, entry.operation_end) == (
            attempt,
            EARLIER,
            EARLIER,
        )
    assert verdicts(job) == [("FAILED", "backup_failed")] * 3
    assert AgentReport.objects.count() == 1


def test_two_archived_copies_of_a_report_are_judged_again_once(deposit_root: Path) -> None:
    job = make_job()
    for _ in range(2):
        drop(deposit_root, "20260302_100000_A.json", REPORT)
        run_scan()
    run = reprocess(shelved(deposit_root, deposit.ARCHIVE), now=NOW, clock=by_mtime)
    assert run.outcome == "complete"
    assert verdicts(job) == [("FAILED", "backup_failed")] * 2
    assert AgentReport.objects.get().attempt == 2


def test_two_rejected_copies_of_a_report_that_is_good_by_now_are_judged_once(
    deposit_root: Path,
) -> None:
    job = make_job()
    for name in ("20260302_100000_A.json", "20260302_100000_B.json"):
        file = drop(deposit_root, name, REPORT)
        shelf = file.parent / deposit.REJECTED
        shelf.mkdir(exist_ok=True)
        file.rename(shelf / name)
    run = reprocess(shelved(deposit_root, deposit.REJECTED), now=NOW, clock=by_mtime)
    assert run.outcome == "complete"
    assert verdicts(job) == [("FAILED", "backup_failed")]


# --- Cost -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 200])
def test_sorting_many_reports_costs_as_many_statements_as_one(
    deposit_root: Path, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    for number in range(count):
        drop(deposit_root, f"{number}.json", REPORT + " " * number)
    with django_assert_num_queries(1):
        assert len(read(deposit_root).unread) == count


def test_a_clock_is_asked_for_the_file_that_is_read(deposit_root: Path) -> None:
    drop(deposit_root, "a.json", REPORT)
    asked: list[int] = []

    def clock(status: os.stat_result) -> datetime:
        asked.append(status.st_size)
        return datetime(2026, 1, 1, tzinfo=UTC)

    found = intake.read(deposit.walk(deposit_root).reports, {}, now=NOW, clock=clock)
    assert asked == [len(REPORT)]
    assert found.unread[0].row.arrived_at == datetime(2026, 1, 1, tzinfo=UTC)
