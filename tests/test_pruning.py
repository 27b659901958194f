"""What is removed by age, and each thing that stays however old it is."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_apscheduler.models import DjangoJob, DjangoJobExecution
from pytest_django import Settings

from scanner import pruning
from scanner.errors import DepositRootUnavailable
from scanner.models import (
    AgentReport,
    BackupEntry,
    Channel,
    Delivery,
    ExpectedBackupJob,
    Incident,
    IncidentEvent,
    IncidentMember,
    RestoreDrill,
    ScanRun,
    ScheduledTask,
    StatusChange,
    TaskChange,
    TaskRequest,
    TaskRun,
    VaultCopy,
    VaultFinding,
    VaultRun,
)
from tests.agent import Agent, set_time
from tests.alerts.rows import builtin, make_delivery, make_event, make_incident
from tests.scanning import NOW, by_mtime, make_job, run_scan
from tests.stocked import stocked

# Not in one transaction: each batch is one of its own, and scans beat a lease's heart.
pytestmark = pytest.mark.django_db(transaction=True)

DAY = timedelta(days=1)
OK = TaskRun.Outcome.OK
FAILED = TaskRun.Outcome.FAILED
RUNNING = TaskRun.Outcome.RUNNING
COMPLETE = ScanRun.Outcome.COMPLETE
EXECUTED = DjangoJobExecution.SUCCESS


@pytest.fixture(autouse=True)
def _one_tree(deposit_root: Path) -> None:
    """Let the deposit root be there."""


def prune(now: datetime = NOW) -> dict[str, int]:
    """Prune as of then; give the counts that are not zero."""
    counts = pruning.prune(now=now, clock=by_mtime).counts
    return {kind: count for kind, count in counts.items() if count}


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


# --- Executions -----------------------------------------------------------------------------------


def make_execution(days: float, status: str = EXECUTED, job: str = "scan") -> int:
    DjangoJob.objects.get_or_create(id=job, defaults={"job_state": b""})
    execution = DjangoJobExecution.objects.create(job_id=job, status=status, run_time=ago(days))
    key: int = execution.pk
    return key


def executions() -> set[int]:
    return set(DjangoJobExecution.objects.values_list("pk", flat=True))


def test_old_executions_go_and_younger_ones_stay() -> None:
    make_execution(31)
    make_execution(30.001)
    young = {make_execution(30), make_execution(1)}
    assert prune() == {"executions": 2}
    assert executions() == young


def test_an_execution_that_runs_stays() -> None:
    running = {
        make_execution(50, DjangoJobExecution.SENT),
        make_execution(45, DjangoJobExecution.SENT),
    }
    newest = make_execution(1)
    assert prune() == {}
    assert executions() == running | {newest}


def test_the_newest_execution_of_each_job_and_status_stays() -> None:
    make_execution(60)
    make_execution(61, job="prune")
    newest = {make_execution(50), make_execution(40, job="prune")}
    make_execution(59, DjangoJobExecution.ERROR)
    newest.add(make_execution(58, DjangoJobExecution.ERROR))
    assert prune() == {"executions": 3}
    assert executions() == newest


# --- Runs of tasks --------------------------------------------------------------------------------


def task(name: str = "scan") -> ScheduledTask:
    return ScheduledTask.objects.get_or_create(name=name, defaults={"changed_at": ago(1000)})[0]


def make_run(
    days: float,
    outcome: TaskRun.Outcome = OK,
    *,
    name: str = "scan",
    slot: float | None = None,
    request: TaskRequest | None = None,
    scan_run: ScanRun | None = None,
) -> TaskRun:
    """Store a run that ended so many days ago, of a slot of then or of `slot` days ago."""
    at = ago(days)
    return TaskRun.objects.create(
        task=task(name),
        cause=TaskRun.Cause.SCHEDULE.value,
        scheduled_for=at if slot is None else ago(slot),
        fired_for=at,
        started_at=at,
        finished_at=None if outcome is RUNNING else at,
        outcome=outcome.value,
        host="here",
        pid=1,
        process_id=UUID(int=1),
        request=request,
        scan_run=scan_run,
    )


def make_change(run: TaskRun) -> TaskChange:
    assert run.finished_at is not None
    return TaskChange.objects.create(
        task=run.task, run=run, new_outcome=run.outcome, changed_at=run.finished_at
    )


def runs() -> set[int]:
    return set(TaskRun.objects.values_list("pk", flat=True))


def test_old_runs_go_and_younger_ones_stay() -> None:
    make_run(31)
    young = {make_run(30).pk, make_run(1).pk}
    assert prune() == {"task runs": 1}
    assert runs() == young


def test_a_run_counts_from_its_end_and_not_from_its_slot() -> None:
    late = make_run(2, slot=40)
    newest = make_run(1)
    assert prune() == {}
    assert runs() == {late.pk, newest.pk}


def test_a_run_that_never_began_counts_from_when_it_should_have() -> None:
    missed = make_run(40, TaskRun.Outcome.MISSED)
    TaskRun.objects.update(started_at=None, finished_at=None)
    newest = make_run(1, TaskRun.Outcome.MISSED)
    assert prune() == {"task runs": 1}
    assert runs() == {newest.pk} != {missed.pk}


def test_a_run_that_runs_stays() -> None:
    running = {make_run(60, RUNNING).pk, make_run(50, RUNNING).pk}
    newest = make_run(1)
    assert prune() == {}
    assert runs() == running | {newest.pk}


def test_the_newest_run_of_each_task_and_outcome_stays() -> None:
    make_run(62)
    make_run(61, name="prune")
    make_run(60, FAILED)
    newest = {make_run(59).pk, make_run(58, FAILED).pk, make_run(57, name="prune").pk}
    assert prune() == {"task runs": 3}
    assert runs() == newest


def test_the_run_of_the_newest_slot_stays_since_it_tells_what_was_missed() -> None:
    of_newest_slot = make_run(60, slot=60)
    make_run(59, slot=62)
    newest = make_run(58, slot=61)
    assert prune() == {"task runs": 1}
    assert runs() == {of_newest_slot.pk, newest.pk}


def test_the_newest_change_of_each_task_stays_with_its_run() -> None:
    make_change(make_run(64))
    make_change(make_run(63, name="prune"))
    kept = {make_change(make_run(62)), make_change(make_run(61, name="prune"))}
    newest = {make_run(1).pk, make_run(1, name="prune").pk}
    assert prune() == {"task changes": 2, "task runs": 2}
    assert set(TaskChange.objects.all()) == kept
    assert runs() == newest | {change.run_id for change in kept}


def make_request(days: float, *, taken: bool = True) -> TaskRequest:
    taken_at = ago(days) if taken else None
    return TaskRequest.objects.create(task=task(), requested_at=ago(days), taken_at=taken_at)


def test_an_old_request_goes_with_its_run() -> None:
    make_run(40, request=make_request(40))
    young = make_request(1)
    newest = make_run(1, request=young)
    assert prune() == {"task runs": 1, "task requests": 1}
    assert runs() == {newest.pk}
    assert list(TaskRequest.objects.all()) == [young]


def test_a_request_that_waits_stays() -> None:
    waiting = make_request(40, taken=False)
    assert prune() == {}
    assert list(TaskRequest.objects.all()) == [waiting]


def test_a_request_stays_as_long_as_its_run() -> None:
    request = make_request(40)
    run = make_run(40, request=request)
    assert prune() == {}
    run.refresh_from_db()
    assert run.request == request


# --- Work on the vault ----------------------------------------------------------------------------


def make_vault_run(days: float, outcome: str = "ok", kind: str = "audit") -> VaultRun:
    at = None if outcome == "running" else ago(days)
    return VaultRun.objects.create(kind=kind, outcome=outcome, started_at=ago(days), finished_at=at)


def vault_runs() -> list[VaultRun]:
    return list(VaultRun.objects.order_by("pk"))


def make_drill(
    copy: VaultCopy, days: float, outcome: str = "restored", run: VaultRun | None = None
) -> RestoreDrill:
    return RestoreDrill.objects.create(
        run=run or make_vault_run(days, kind="drill"),
        job=copy.job,
        copy=copy,
        started_at=ago(days),
        finished_at=None if outcome == "running" else ago(days),
        outcome=outcome,
    )


def drills() -> list[RestoreDrill]:
    return list(RestoreDrill.objects.order_by("pk"))


def a_copy(database: str = "ACME_2025") -> VaultCopy:
    return stocked(make_job(database), ago(100))[0]


def test_the_newest_vault_run_of_each_kind_and_outcome_stays() -> None:
    old = [make_vault_run(62), make_vault_run(61, "failed"), make_vault_run(60, kind="prune")]
    kept = [make_vault_run(50), make_vault_run(49, "failed"), make_vault_run(48, kind="prune")]
    kept += [make_vault_run(30), make_vault_run(1)]
    assert prune() == {"vault runs": 4}
    assert vault_runs() == [kept[1], kept[2], kept[3], kept[4]]
    assert not VaultRun.objects.filter(pk__in=[run.pk for run in old]).exists()


@pytest.mark.parametrize("outcome", ["ok", "findings"])
def test_the_newest_prune_that_was_not_refused_stays_since_the_clock_is_checked_by_it(
    outcome: str,
) -> None:
    done = make_vault_run(90, outcome, "prune")
    refused = [make_vault_run(days, "refused", "prune") for days in (80, 70, 60)]
    assert prune() == {"vault runs": 2}
    assert vault_runs() == [done, refused[-1]]


def test_vault_runs_and_drills_that_run_stay() -> None:
    run = make_vault_run(60, "running", "drill")
    copy = a_copy()
    running = make_drill(copy, 60, "running", run)
    newest = make_drill(copy, 1)
    make_vault_run(2, "running", "drill")
    assert prune() == {}
    assert drills() == [running, newest]


def test_a_drill_that_was_killed_counts_from_its_start() -> None:
    copy = a_copy()
    make_drill(copy, 40, "interrupted")
    newest = make_drill(copy, 1)
    RestoreDrill.objects.filter(outcome="interrupted").update(finished_at=None)
    assert prune() == {"restore drills": 1, "vault runs": 1}
    assert drills() == [newest]


def test_of_each_job_the_newest_drill_and_the_proof_stay_with_their_runs() -> None:
    one, two = a_copy("ONE"), a_copy("TWO")
    make_drill(one, 95)
    proof = make_drill(one, 90)
    ExpectedBackupJob.objects.filter(pk=one.job_id).update(last_restore=proof)
    make_drill(one, 80, "failed")
    newest = [make_drill(one, 70, "failed"), make_drill(two, 75)]
    last = make_vault_run(1, kind="drill")
    assert prune() == {"restore drills": 2, "vault runs": 2}
    assert drills() == [proof, *newest]
    assert vault_runs() == [proof.run, *(drill.run for drill in newest), last]
    assert ExpectedBackupJob.objects.get(pk=one.job_id).last_restore == proof


def make_finding(days: float, path: str, *, ended: float | None) -> VaultFinding:
    return VaultFinding.objects.create(
        kind="extra",
        path=path,
        found_at=ago(days),
        ended_at=None if ended is None else ago(ended),
        end="" if ended is None else "gone",
    )


def test_findings_go_when_they_are_over_for_long_and_never_while_they_are_open() -> None:
    make_finding(50, "over", ended=31)
    kept = [make_finding(50, "open", ended=None), make_finding(50, "just over", ended=30)]
    assert prune() == {"vault findings": 1}
    assert list(VaultFinding.objects.order_by("pk")) == kept


# --- Scan runs ------------------------------------------------------------------------------------


def make_scan_run(
    days: float, outcome: ScanRun.Outcome = COMPLETE, agents: tuple[str, ...] = ()
) -> ScanRun:
    return ScanRun.objects.create(
        trigger=ScanRun.Trigger.SCHEDULE.value,
        outcome=outcome.value,
        agents=list(agents),
        started_at=ago(days),
    )


def scan_runs() -> list[ScanRun]:
    return list(ScanRun.objects.order_by("pk"))


def test_old_scan_runs_go_and_younger_ones_stay() -> None:
    make_scan_run(91)
    young = [make_scan_run(90), make_scan_run(1)]
    assert prune() == {"scan runs": 1}
    assert scan_runs() == young


def test_a_scan_run_that_recorded_an_entry_or_a_report_stays(deposit_root: Path) -> None:
    agent = Agent(deposit_root)
    job = make_job(schedule="0 11 * * *", now=NOW - DAY)
    idle = run_scan(NOW - DAY)
    missed = run_scan(NOW + timedelta(minutes=1))
    set_time(agent.drop("a.json", "{"), NOW)
    rejected = run_scan(NOW + timedelta(minutes=2))
    newest = run_scan(NOW + timedelta(minutes=3))
    assert list(BackupEntry.objects.values_list("job", "run")) == [(job.pk, missed.pk)]
    assert list(AgentReport.objects.values_list("run", flat=True)) == [rejected.pk]
    assert prune(NOW + 100 * DAY) == {"scan runs": 1}
    assert idle not in scan_runs()
    assert scan_runs() == [missed, rejected, newest]


def test_a_scan_run_that_runs_stays() -> None:
    running = make_scan_run(200, ScanRun.Outcome.RUNNING, ("ACME_DOUALA_NEWBELL",))
    make_scan_run(199)
    newest = make_scan_run(1)
    assert prune() == {"scan runs": 1}
    assert scan_runs() == [running, newest]


def test_the_newest_scan_run_stays_whatever_it_looked_at() -> None:
    make_scan_run(101, agents=("ACME_DOUALA_NEWBELL",))
    newest = make_scan_run(100, agents=("ACME_DOUALA_NEWBELL",))
    assert prune() == {"scan runs": 1}
    assert scan_runs() == [newest]


def test_the_newest_good_scan_run_of_all_agents_stays() -> None:
    make_scan_run(104)
    good = make_scan_run(103)
    make_scan_run(102, agents=("ACME_DOUALA_NEWBELL",))
    make_scan_run(101, ScanRun.Outcome.FAILED)
    failed = make_scan_run(100, ScanRun.Outcome.FAILED)
    newest = make_scan_run(1, agents=("ACME_DOUALA_NEWBELL",))
    assert prune() == {"scan runs": 3}
    assert scan_runs() == [good, failed, newest]


def test_a_task_run_outlives_its_scan_run(settings: Settings) -> None:
    settings.KEEP_EXECUTIONS_DAYS = 0
    run = make_run(100, scan_run=make_scan_run(100))
    make_scan_run(1)
    assert prune() == {"scan runs": 1}
    run.refresh_from_db()
    assert run.scan_run is None


# --- Alerts ---------------------------------------------------------------------------------------


def make_alert(
    ended: float | None, states: tuple[str, ...] = ("sent",), *, noticed: float = 1000
) -> Incident:
    """Store the incident of a new job that was over so many days ago; None: it is open.

    Its one event has a delivery in each of these states.
    """
    number = ExpectedBackupJob.objects.count()
    job = make_job(f"ALERT{number}_2025", now=ago(1001))
    incident = make_incident(
        [job],
        now=ago(noticed),
        ended_at=None if ended is None else ago(ended),
        end="" if ended is None else "recovered",
    )
    incident.members.update(left_at=incident.ended_at)
    event = make_event(incident, at=ago(noticed))
    for place, state in enumerate(states):
        make_delivery(event, builtin(), f"{place}@example.com", now=ago(noticed), state=state)
    return incident


def make_digest(days: float, state: str = "sent") -> Delivery:
    return make_delivery(None, builtin(), state=state, digest_at=ago(days), now=ago(days))


def incidents() -> list[Incident]:
    return list(Incident.objects.order_by("pk"))


def test_old_incidents_go_with_all_that_was_told_of_them() -> None:
    make_alert(91, ("sent", "failed"))
    assert prune() == {"incidents": 1}
    for model in (Incident, IncidentMember, IncidentEvent, Delivery):
        assert not model._base_manager.exists()
    assert ExpectedBackupJob.objects.count() == 1
    assert Channel.objects.count() == 1


def test_incidents_that_are_open_or_were_over_lately_stay_whole() -> None:
    kept = [make_alert(None), make_alert(90), make_alert(1)]
    make_alert(90.001)
    assert prune() == {"incidents": 1}
    assert incidents() == kept
    for model in (IncidentMember, IncidentEvent, Delivery):
        assert model._base_manager.count() == 3


def test_an_incident_of_which_something_is_still_to_be_told_stays() -> None:
    waits = make_alert(91, ("sent", "pending"))
    assert prune() == {}
    assert incidents() == [waits]
    assert Delivery.objects.count() == 2


def test_old_digests_go_and_those_to_be_sent_and_younger_ones_stay() -> None:
    for days, state in ((91, "sent"), (92, "failed")):
        make_digest(days, state)
    kept = [make_digest(93, "pending"), make_digest(90), make_digest(1, "failed")]
    assert prune() == {"digests": 2}
    assert list(Delivery.objects.order_by("pk")) == kept


# --- Files ----------------------------------------------------------------------------------------


def archived(agent: Agent) -> list[str]:
    return sorted(file.name for file in (agent.log / "_archive").iterdir())


def shelve(agent: Agent, name: str, days: float, shelf: str = "_archive") -> Path:
    """Put a report onto a shelf of the agent, as of so many days ago."""
    file = agent.log / shelf / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(name)
    set_time(file, ago(days))
    return file


def deliver(agent: Agent, days: float, **changes: Any) -> str:
    """Report a backup of so many days ago and scan it; give the name of the report."""
    ended = ago(days)
    report = agent.deposit("ACME_2025", ended, arrived=ended + timedelta(minutes=5), **changes)
    run_scan(ended + timedelta(minutes=15))
    assert not report.exists()
    return report.name


def test_old_files_leave_both_shelves_and_their_rows_stay(deposit_root: Path) -> None:
    agent = Agent(deposit_root)
    job = make_job(now=ago(1000))
    deliver(agent, 800)
    agent.drop("bad.json", "{")
    set_time(agent.reported[-1], ago(799))
    run_scan(ago(798))
    newest = deliver(agent, 1)
    kept = BackupEntry.objects.count(), StatusChange.objects.count(), AgentReport.objects.count()
    assert sorted(file.name for file in (agent.log / "_rejected").iterdir()) == [
        "bad.json",
        "bad.json.reason.txt",
    ]
    counts = prune()
    assert (counts["archived reports"], counts["rejected reports"]) == (1, 1)
    assert archived(agent) == [newest]
    assert list((agent.log / "_rejected").iterdir()) == []
    assert kept == (
        BackupEntry.objects.count(),
        StatusChange.objects.count(),
        AgentReport.objects.count(),
    )
    job.refresh_from_db()
    assert job.status == "SUCCESS"


def test_the_reports_of_a_jobs_last_and_last_good_entry_stay(deposit_root: Path) -> None:
    agent = Agent(deposit_root)
    job = make_job(now=ago(1000))
    failed_step = {"BACKUP": {"status": False}}
    deliver(agent, 804)
    good = deliver(agent, 803)
    deliver(agent, 802, **failed_step)
    last = deliver(agent, 801, **failed_step)
    shelve(agent, "of-another-database.json", 1)
    job.refresh_from_db()
    assert job.status == "FAILED"
    assert job.last_good_at == ago(803)
    assert prune()["archived reports"] == 2
    assert archived(agent) == sorted([good, last, "of-another-database.json"])


def test_a_report_stays_that_a_job_of_another_agent_rests_on(deposit_root: Path) -> None:
    agent = Agent(deposit_root)
    job = make_job(now=ago(1000))
    good = deliver(agent, 800)
    shelve(agent, "young.json", 1)
    type(job).objects.filter(pk=job.pk).update(agent_id="ACME_DOUALA_AKWA", is_active=False)
    assert "archived reports" not in prune()
    assert archived(agent) == [good, "young.json"]


def test_the_newest_archived_file_of_each_agent_stays(deposit_root: Path) -> None:
    agents = [Agent(deposit_root, f"ACME_DOUALA_Q{number}") for number in range(2)]
    for agent in agents:
        shelve(agent, "a.json", 700)
        shelve(agent, "b.json", 800)
    assert prune() == {"archived reports": 2}
    assert [archived(agent) for agent in agents] == [["a.json"], ["a.json"]]


def test_reports_that_no_scan_has_taken_are_not_touched(deposit_root: Path) -> None:
    agent = Agent(deposit_root)
    report = agent.drop("a.json", "{}")
    staged = agent.stage("a.sql.gz", b"x")
    for file in (report, staged):
        set_time(file, ago(1000))
    assert prune() == {}
    assert report.exists()
    assert staged.exists()


def log_is_a_file(agent: Agent) -> None:
    agent.home.mkdir()
    agent.log.write_text("in the way")


def archive_is_a_link(agent: Agent) -> None:
    shelve(agent, "a.json", 800)
    shelve(agent, "b.json", 800)
    elsewhere = agent.root / "elsewhere"
    (agent.log / "_archive").rename(elsewhere)
    (agent.log / "_archive").symlink_to(elsewhere)


def report_is_a_folder(agent: Agent) -> None:
    shelve(agent, "old.json/in.json", 800)
    shelve(agent, "young.json", 1)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (log_is_a_file, "the reports of agent ACME_DOUALA_BAD are left as they are"),
        (archive_is_a_link, "ACME_DOUALA_BAD/log/_archive/ is left as it is"),
        (report_is_a_folder, ""),
    ],
)
def test_a_bad_folder_is_told_and_costs_no_other_agent(
    deposit_root: Path,
    spoil: Callable[[Agent], None],
    words: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bad, good = Agent(deposit_root, "ACME_DOUALA_BAD"), Agent(deposit_root, "ACME_DOUALA_GOOD")
    spoil(bad)
    before = sorted(deposit_root.rglob("*"))
    gone = [shelve(good, f"{number}.json", 800 + number) for number in range(3)][1:]
    before += [good.home, good.log, good.log / "_archive", good.log / "_archive" / "0.json"]
    assert prune() == {"archived reports": 2}
    assert not any(file.exists() for file in gone)
    assert sorted(deposit_root.rglob("*")) == sorted(before)
    warnings = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(warnings) == bool(words)
    assert words in "".join(warnings)


def test_a_file_that_cannot_be_removed_is_told_once_a_shelf(
    deposit_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    agent = Agent(deposit_root)
    shelve(agent, "young.json", 1)
    for number in range(3):
        shelve(agent, f"{number}.json", 800)

    def touching(status: object) -> datetime:
        """Change every old report whenever one was looked at."""
        for file in (agent.log / "_archive").glob("?.json"):
            file.write_text(file.read_text() + "x")
        return ago(800)

    counts = pruning.prune(now=NOW, clock=touching).counts
    assert counts["archived reports"] == 0
    assert len(archived(agent)) == 4
    [told] = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert "3 old files stay in ACME_DOUALA_NEWBELL/log/_archive/: " in told.getMessage()


def test_without_the_tree_rows_go_and_the_failure_is_raised(deposit_root: Path) -> None:
    deposit_root.rmdir()
    make_run(40)
    newest = make_run(1)
    with pytest.raises(DepositRootUnavailable):
        prune()
    assert runs() == {newest.pk}


# --- The whole ------------------------------------------------------------------------------------


def make_one_of_each(agent: Agent) -> None:
    """Make an old and a young one of each kind."""
    copy = a_copy()
    for days in (1000, 1):
        make_drill(copy, days)
        make_execution(days)
        make_change(make_run(days, request=make_request(days)))
        make_scan_run(days)
        make_finding(days, f"{days}", ended=days)
        make_alert(days)
        make_digest(days)
        shelve(agent, f"{days}.json", days)
        shelve(agent, f"{days}.json", days, "_rejected")


VAULT = ["restore drills", "vault runs", "vault findings"]
KINDS = {
    "KEEP_EXECUTIONS_DAYS": ["executions", "task changes", "task runs", "task requests", *VAULT],
    "KEEP_RUNS_DAYS": ["scan runs", "incidents", "digests"],
    "KEEP_ARCHIVED_REPORTS_DAYS": ["archived reports", "rejected reports"],
}


def test_everything_is_removed_once_and_told(
    deposit_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    make_one_of_each(Agent(deposit_root))
    kinds = [kind for group in KINDS.values() for kind in group]
    assert prune() == dict.fromkeys(kinds, 1)
    told = [one.getMessage() for one in caplog.records if one.name == "scanner.pruning"]
    assert told == [f"removed 1 old {kind}" for kind in kinds]
    assert pruning.prune(now=NOW, clock=by_mtime).counts == dict.fromkeys(kinds, 0)


@pytest.mark.parametrize("name", KINDS)
def test_zero_days_keep_for_ever(settings: Settings, deposit_root: Path, name: str) -> None:
    setattr(settings, name, 0)
    make_one_of_each(Agent(deposit_root))
    assert set(prune()) == {
        kind for other, kinds in KINDS.items() if other != name for kind in kinds
    }


def test_the_tree_is_not_looked_at_when_its_files_are_kept(
    settings: Settings, deposit_root: Path
) -> None:
    settings.KEEP_ARCHIVED_REPORTS_DAYS = 0
    deposit_root.rmdir()
    assert prune() == {}


def statements() -> int:
    with CaptureQueriesContext(connection) as captured:
        prune()
    return len(captured)


def make_history(count: int) -> None:
    """Make so many old rows of each kind."""
    copy = VaultCopy.objects.first() or a_copy()
    for number in range(count):
        days = 1000 - number
        make_drill(copy, days)
        make_finding(days, f"{days}", ended=days)
        make_execution(days)
        make_change(make_run(days, request=make_request(days)))
        make_scan_run(days)
        make_alert(days)
        make_digest(days)


OF_TASKS = (DjangoJobExecution, TaskChange, TaskRun, TaskRequest)


def test_statements_grow_with_the_batches_and_not_with_the_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pruning, "BATCH", 10)
    newest = (1, 1)
    taken = []
    for count in (2, 9, 10, 11, 21):
        make_history(count)
        make_execution(newest[0])
        make_change(make_run(newest[0], request=make_request(newest[0])))
        make_scan_run(newest[0])
        make_drill(VaultCopy.objects.get(), newest[0])
        taken.append(statements())
        for model in (*OF_TASKS, RestoreDrill, VaultRun, VaultFinding, Incident, Delivery):
            model._base_manager.all().delete()
        ScanRun.objects.filter(entries=None).delete()
    one, nine, ten, eleven, twenty_one = taken
    assert one == nine == ten
    batch = eleven - ten
    assert 0 < batch < 60
    assert twenty_one - eleven == batch


def test_statements_do_not_grow_with_agents_and_files(deposit_root: Path) -> None:
    def add(numbers: range) -> None:
        for number in numbers:
            agent = Agent(deposit_root, f"ACME_DOUALA_Q{number}")
            for file in range(3):
                shelve(agent, f"{file}.json", 800)

    add(range(2))
    few = statements()
    add(range(2, 12))
    assert statements() == few
