"""`reprocess`: which report a word means, and what becomes of one that is judged again."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from scanner import roster
from scanner.errors import DepositError
from scanner.management.shelved import find_reports
from scanner.models import AgentReport, BackupEntry, ExpectedBackupJob, ScanRun, StatusChange
from scanner.pipeline.deposit import ReportFile
from scanner.scan import reprocess
from tests.agent import Agent, dump_of, set_time
from tests.commands.rival import lease_held_elsewhere
from tests.scanning import NOW, by_mtime, make_job, run_scan, verdicts

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
DAILY: dict[str, Any] = {"schedule": "0 11 * * *", "grace_minutes": 60}
ENDED = NOW - timedelta(minutes=30)


def again(*words: str, at: timedelta = 2 * DAY) -> ScanRun:
    """Judge reports again, as the command would at NOW + `at`."""
    return reprocess(find_reports(words), now=NOW + at, clock=by_mtime)


def paths(files: Sequence[ReportFile]) -> list[str]:
    return [f"{file.folder.name}/log/{file.shelf}/{file.name}" for file in files]


def archived(agent: Agent, *, database: str = "ACME_2025") -> Path:
    """Deposit a report and have it archived; give where it lies."""
    report = agent.deposit(database, ENDED, arrived=ENDED)
    run_scan()
    return agent.log / "_archive" / report.name


# --- which report is meant ---


def test_a_report_is_named_by_path_name_or_number(
    deposit_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_job()
    agent = Agent(deposit_root)
    file = archived(agent)
    expected = [f"{agent.name}/log/_archive/{file.name}"]
    assert paths(find_reports([str(file)])) == expected
    assert paths(find_reports([str(file.relative_to(deposit_root))])) == expected
    assert paths(find_reports([file.name])) == expected
    assert paths(find_reports([f"#{AgentReport.objects.get().pk}"])) == expected
    monkeypatch.chdir(file.parent)
    assert paths(find_reports([f"./{file.name}"])) == expected


def test_a_path_through_a_link_to_the_root_is_understood(
    deposit_root: Path, tmp_path: Path, settings: Any
) -> None:
    make_job()
    file = archived(Agent(deposit_root))
    settings.BACKUP_STORAGE_ROOT = tmp_path / "link"
    settings.BACKUP_STORAGE_ROOT.symlink_to(deposit_root)
    for path in (str(file), str(tmp_path / "link" / file.relative_to(deposit_root))):
        assert len(find_reports([path])) == 1


def test_a_report_named_twice_is_judged_once(deposit_root: Path) -> None:
    make_job()
    file = archived(Agent(deposit_root))
    assert len(find_reports([str(file), file.name])) == 1


def test_a_name_that_two_agents_have_must_be_said_with_its_path(deposit_root: Path) -> None:
    for name in ("ACME_DOUALA_NEWBELL", "ACME_DOUALA_AKWA"):
        set_time(Agent(deposit_root, name).drop("HORODATAGE.json", "no report"), ENDED)
    run_scan()
    with pytest.raises(
        DepositError, match="means 2 reports, say which: 'ACME_DOUALA_AKWA/log/_rej"
    ):
        find_reports(["HORODATAGE.json"])
    assert len(find_reports(["ACME_DOUALA_AKWA/log/_rejected/HORODATAGE.json"])) == 1


@pytest.mark.parametrize(
    "word",
    [
        "missing.json",
        "#999999",
        "#0",
        "",
        ".",
        "..",
        "/",
        "/etc/passwd",
        "{root}",
        "{root}/{agent}/log/{name}",
        "{agent}/log/{name}",
        "{agent}/log/_archive/missing.json",
        "{agent}/log/_archive/../../../outside.json",
        "{agent}/log/_archive/..",
        "../deposits/{agent}/log/_archive/{name}",
        "../outside.json",
        "../log/_archive/outside.json",
        "{agent}/log/_archive/link.json",
        "{agent}/log/_archive/folder.json",
        "{agent}/log/_archive/.hidden.json",
        "{agent}/log/_rejected/bad.json.reason.txt",
        "{agent}/log/_other/{name}",
        "{agent}/databases/_archive/{name}",
        "acme_douala_newbell/log/_archive/{name}",
        "LINKED_DOUALA_AKWA/log/_archive/{name}",
        "{agent}/log/_archive/{name}\0",
        "{agent}/log/_archive/\ud800.json",
    ],
)
def test_what_is_no_report_on_a_shelf_is_refused(
    deposit_root: Path, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make_job()
    agent = Agent(deposit_root)
    set_time(agent.drop("bad.json", "not JSON"), ENDED)
    file = archived(agent)
    shelf = file.parent
    (deposit_root.parent / "outside.json").write_text("{}")
    (shelf / "link.json").symlink_to(file)
    (shelf / "folder.json").mkdir()
    (shelf / ".hidden.json").write_text("{}")
    (deposit_root / "LINKED_DOUALA_AKWA").symlink_to(agent.home)
    runs = ScanRun.objects.count()
    named = word.format(root=deposit_root, agent=agent.name, name=file.name)
    with pytest.raises(SystemExit) as exited:
        call_command("reprocess", named)
    assert exited.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "report" in told.err
    assert ScanRun.objects.count() == runs


def test_of_reports_with_the_same_bytes_a_number_means_the_one_that_arrived_then(
    deposit_root: Path,
) -> None:
    make_job()
    agent = Agent(deposit_root)
    first, second = timeless_reports(agent)
    set_time(first, NOW)  # moved by the scan of its day
    set_time(second, NOW + DAY)
    numbers = [f"#{row.pk}" for row in AgentReport.objects.order_by("arrived_at")]
    assert paths(find_reports(numbers, clock=by_mtime)) == [
        f"{agent.name}/log/_archive/{first.name}",
        f"{agent.name}/log/_archive/{second.name}",
    ]


# --- what becomes of it ---


def test_an_archived_report_is_judged_for_a_job_that_is_new(deposit_root: Path) -> None:
    make_job()
    agent = Agent(deposit_root)
    claims = {
        name: agent.claim(dump_of(name), ENDED, file_name=f"{name}.sql.gz")
        for name in ("ACME_2025", "OTHER_2025")
    }
    report = agent.report(claims, ENDED)
    set_time(report, ENDED)
    new = make_job("OTHER_2025", is_active=False)
    run_scan()
    assert verdicts(new) == []
    roster.resume([new.pk], now=NOW)
    run = again(report.name)
    assert (run.outcome, run.trigger, run.problems) == ("complete", "reprocess", 0)
    assert verdicts(new) == [("SUCCESS", "")]
    new.refresh_from_db()
    assert (new.status, new.last_good_at) == ("SUCCESS", ENDED)
    assert (agent.log / "_archive" / report.name).exists()


def test_a_second_attempt_stands_beside_the_first(deposit_root: Path) -> None:
    job = make_job(**DAILY)
    agent = Agent(deposit_root)
    file = archived(agent)
    (agent.databases / "acme_2025.sql.gz").write_bytes(b"damaged since")
    set_time(agent.databases / "acme_2025.sql.gz", ENDED)
    again(str(file))
    again(str(file), at=3 * DAY)
    attempts = BackupEntry.objects.order_by("pk").values_list("attempt", "status", "reason")
    assert list(attempts) == [
        (1, "SUCCESS", ""),
        (2, "CORRUPT", "size_mismatch"),
        (3, "CORRUPT", "size_mismatch"),
    ]
    assert len({entry.cycle_due for entry in BackupEntry.objects.all()}) == 1
    row = AgentReport.objects.get()
    assert (row.attempt, row.is_complete) == (3, True)
    job.refresh_from_db()
    assert (job.status, job.last_entry) == ("CORRUPT", BackupEntry.objects.latest("pk"))
    assert job.last_good_at == ENDED
    changes = StatusChange.objects.order_by("pk").values_list("old_status", "new_status")
    assert list(changes) == [("UNKNOWN", "SUCCESS"), ("SUCCESS", "CORRUPT")]


def test_an_older_report_judged_again_leaves_the_state_as_it_was(
    deposit_root: Path, vault_root: Path
) -> None:
    job = make_job(**DAILY)
    agent = Agent(deposit_root)
    first = archived(agent)
    later = ENDED + DAY
    agent.deposit("ACME_2025", later, arrived=later)
    run_scan(NOW + DAY)
    job.refresh_from_db()
    before = (job.status, job.last_entry_id, job.last_good_entry_id, job.last_good_at, job.due_at)
    again(str(first))
    entry = BackupEntry.objects.latest("pk")
    # The file it is about was replaced a day later: the vault's copy is what is judged.
    assert (entry.status, entry.reason, entry.attempt) == ("SUCCESS", "", 2)
    assert entry.vault_path == BackupEntry.objects.earliest("pk").vault_path
    assert len([file for file in vault_root.rglob("*") if file.is_file()]) == 2
    job.refresh_from_db()
    after = (job.status, job.last_entry_id, job.last_good_entry_id, job.last_good_at, job.due_at)
    assert after == before


def test_without_a_copy_a_replaced_file_leaves_the_verdict_open(
    deposit_root: Path, vault_root: Path
) -> None:
    job = make_job(**DAILY)
    agent = Agent(deposit_root)
    first = archived(agent)
    later = ENDED + DAY
    agent.deposit("ACME_2025", later, arrived=later)
    run_scan(NOW + DAY)
    (vault_root / BackupEntry.objects.earliest("pk").vault_path).unlink()
    again(str(first))
    assert verdicts()[-1] == ("UNKNOWN", "superseded")
    job.refresh_from_db()
    assert (job.status, job.last_good_at) == ("SUCCESS", later)


def test_late_stays_late_by_the_first_arrival(deposit_root: Path) -> None:
    make_job(**DAILY)
    agent = Agent(deposit_root)
    report = agent.deposit("ACME_2025", ENDED, arrived=NOW + timedelta(hours=1))
    run_scan(NOW + timedelta(hours=2))
    again(report.name)
    assert [entry.warnings for entry in BackupEntry.objects.order_by("pk")] == [["late"]] * 2


def test_in_time_stays_in_time_although_the_file_was_moved_later(deposit_root: Path) -> None:
    make_job(**DAILY)
    file = archived(Agent(deposit_root))
    set_time(file, NOW + 2 * DAY)  # what its ctime tells since it was moved
    again(str(file), at=3 * DAY)
    entry = BackupEntry.objects.latest("pk")
    assert (entry.attempt, entry.arrived_at, entry.warnings) == (2, ENDED, [])


def timeless_reports(agent: Agent) -> tuple[Path, Path]:
    """Have two reports archived that are the same bytes, without any time, on two days."""
    shelf = agent.log / "_archive"
    dump = dump_of("the same every day")
    claim = agent.claim(dump, ENDED, file_name="acme.sql.gz", BACKUP={}, TRANSFER={})
    claim["COMPRESS"] = {"sha256_checksum": claim["COMPRESS"]["sha256_checksum"]}
    content = json.dumps({"databases": {"ACME_2025": claim}})
    for day in (0, 1):
        set_time(agent.databases / "acme.sql.gz", ENDED + day * DAY)
        set_time(agent.drop("HORODATAGE.json", content), ENDED + day * DAY)
        run_scan(NOW + day * DAY)
    first, second = shelf / "HORODATAGE.json", shelf / "HORODATAGE.1.json"
    assert first.exists()
    assert second.exists()
    return first, second


@pytest.mark.parametrize("which", [0, 1])
def test_a_report_without_times_is_of_the_day_on_which_it_arrived(
    deposit_root: Path, which: int
) -> None:
    job = make_job(**DAILY)
    file = timeless_reports(Agent(deposit_root))[which]
    set_time(file, NOW + which * DAY)  # moved by the scan of its day
    again(str(file))
    entry = BackupEntry.objects.latest("pk")
    assert entry.attempt == 2
    assert entry.operation_end == entry.arrived_at == ENDED + which * DAY
    assert AgentReport.objects.count() == 2
    assert sorted(entry.attempt for entry in BackupEntry.objects.all()) == [1, 1, 2]
    job.refresh_from_db()
    assert job.last_good_at == ENDED + DAY


def corrected(agent: Agent, **changes: Any) -> Path:
    """Have a report rejected, correct it by hand a day later; give where it lies."""
    claim = agent.claim(dump_of("good"), ENDED, file_name="acme.sql.gz")
    set_time(agent.databases / "acme.sql.gz", ENDED)
    whole = agent.report({"ACME_2025": claim}, ENDED, **changes)
    content = whole.read_text()
    whole.write_text(content[:-1])
    set_time(whole, ENDED)
    run_scan()
    rejected = agent.log / "_rejected" / whole.name
    rejected.write_text(content)
    set_time(rejected, NOW + DAY)
    return rejected


def test_a_rejected_report_that_was_corrected_is_accepted(deposit_root: Path) -> None:
    job = make_job(**DAILY)
    agent = Agent(deposit_root)
    file = corrected(agent)
    reason = file.with_name(f"{file.name}.reason.txt")
    assert "JSON" in reason.read_text()
    run = again(file.name)
    assert (run.outcome, run.reports_accepted, run.reports_rejected) == ("complete", 1, 0)
    assert verdicts() == [("SUCCESS", "")]
    job.refresh_from_db()
    assert job.status == "SUCCESS"
    assert not file.exists()
    assert not reason.exists()
    assert (agent.log / "_archive" / file.name).exists()
    states = AgentReport.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == ["rejected", "accepted"]
    assert run_scan(NOW + timedelta(hours=30)).reports_known == 0


def test_a_report_that_is_rejected_again_stays_with_its_reason(deposit_root: Path) -> None:
    agent = Agent(deposit_root)
    set_time(agent.drop("bad.json", "no JSON"), ENDED)
    run_scan()
    run = again("bad.json")
    assert (run.reports_rejected, run.outcome) == (1, "complete")
    assert AgentReport.objects.count() == 1
    shelf = agent.log / "_rejected"
    assert sorted(file.name for file in shelf.iterdir()) == ["bad.json", "bad.json.reason.txt"]


def test_reports_judged_again_together_are_judged_in_the_order_of_their_ends(
    deposit_root: Path,
) -> None:
    make_job()
    agent = Agent(deposit_root)
    dump = dump_of("same on both days")
    names = []
    for day in (0, 1):
        ended = ENDED + day * DAY
        names.append(agent.deposit("NEW_2025", ended, dump=dump, arrived=ended).name)
        run_scan(NOW + day * DAY)
    new = ExpectedBackupJob.objects.get(database_name="NEW_2025")  # registered, and paused
    roster.resume([new.pk], now=NOW)
    again(*reversed(names))
    entries = BackupEntry.objects.filter(job=new).order_by("operation_end")
    assert [entry.status for entry in entries] == ["SUCCESS", "UNCHANGED"]


def test_a_good_backup_judged_again_is_no_change_of_itself(
    deposit_root: Path, vault_root: Path
) -> None:
    job = make_job(**DAILY)
    file = archived(Agent(deposit_root))
    again(str(file))
    assert verdicts() == [("SUCCESS", "")] * 2
    assert len(set(BackupEntry.objects.values_list("vault_path", flat=True))) == 1
    assert len([file for file in vault_root.rglob("*") if file.is_file()]) == 1
    job.refresh_from_db()
    assert job.status == "SUCCESS"
    assert StatusChange.objects.count() == 1


def test_an_unchanged_backup_judged_again_is_unchanged(
    deposit_root: Path, vault_root: Path
) -> None:
    make_job(**DAILY)
    agent = Agent(deposit_root)
    dump = dump_of("same")
    for day in (0, 1):
        ended = ENDED + day * DAY
        file = agent.deposit("ACME_2025", ended, dump=dump, arrived=ended)
        run_scan(NOW + day * DAY)
    again(file.name)
    assert verdicts() == [("SUCCESS", ""), ("UNCHANGED", ""), ("UNCHANGED", "")]
    assert len([file for file in vault_root.rglob("*") if file.is_file()]) == 1


def test_a_corrected_report_arrived_when_it_was_first_seen(deposit_root: Path) -> None:
    make_job(**DAILY)
    again(corrected(Agent(deposit_root)).name)
    entry = BackupEntry.objects.get()
    assert (entry.arrived_at, entry.warnings) == (ENDED, [])


def test_nobody_is_judged_absent(deposit_root: Path) -> None:
    make_job(**DAILY)
    make_job("OTHER", **DAILY)
    file = archived(Agent(deposit_root))
    again(str(file), at=5 * DAY)
    assert ("MISSING", "no_report") not in verdicts()


# --- the command ---


def test_it_prints_what_was_judged(deposit_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_job()
    file = archived(Agent(deposit_root))
    call_command("reprocess", str(file))
    told = capsys.readouterr().out
    assert "ACME_2025" in told
    assert "1 reports accepted" in told


def test_json_is_one_object_of_the_shape_of_a_scan(
    deposit_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_job()
    file = archived(Agent(deposit_root))
    call_command("reprocess", file.name, "--json")
    run = json.loads(capsys.readouterr().out)
    assert run["run"] == ScanRun.objects.latest("pk").pk
    assert [entry["database"] for entry in run["entries"]] == ["ACME_2025"]


@pytest.mark.django_db(transaction=True)
def test_while_a_scan_runs_it_exits_3(
    deposit_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_job()
    file = archived(Agent(deposit_root))
    with lease_held_elsewhere(), pytest.raises(SystemExit) as exited:
        call_command("reprocess", str(file))
    assert exited.value.code == 3
    assert "held by process" in capsys.readouterr().err
    assert len(verdicts()) == 1
