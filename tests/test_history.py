"""What an entry makes of its job's state."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from scanner import history
from scanner.cycle import Cycle
from scanner.errors import LeaseLost
from scanner.history import ReportRecord
from scanner.models import AgentReport, BackupEntry, ExpectedBackupJob, ScanRun, StatusChange
from scanner.pipeline.archive import Codec
from scanner.pipeline.report import Claim, StepClaim
from scanner.pipeline.verdict import Reason, Status, Verdict
from scanner.pipeline.verification import ArchiveState, Measurement
from scanner.state import Judged
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
DUE = NOW - timedelta(hours=10)  # 02:00, the cycle in which most of these tests happen
GRACE = timedelta(hours=1)
DIGEST = "d" * 64


def no_fence() -> None:
    """Hold whatever lease there is."""


def verdict(status: Status, reason: Reason | None = None, message: str = "") -> Verdict:
    return Verdict(status, reason, (), None, message)


GOOD = verdict(Status.SUCCESS)
UNCHANGED = verdict(Status.UNCHANGED)
MISSING = verdict(Status.MISSING, Reason.NO_REPORT)
FAILED = verdict(Status.FAILED, Reason.BACKUP_FAILED)
CORRUPT = verdict(Status.CORRUPT, Reason.HASH_MISMATCH)
SUPERSEDED = verdict(Status.UNKNOWN, Reason.SUPERSEDED)


def end(run: ScanRun, outcome: ScanRun.Outcome = ScanRun.Outcome.COMPLETE) -> None:
    run.outcome = outcome.value
    history.end_run(run)


def begin() -> ScanRun:
    return history.begin_run(ScanRun.Trigger.COMMAND, [], now=NOW)


def make_report(number: int = 1, **fields: Any) -> AgentReport:
    return AgentReport(
        **{
            "agent_id": "ACME_DOUALA_NEWBELL",
            "file_name": f"{number}.json",
            "sha256": f"{number:064}",
            "size": 10,
            "arrived_at": NOW,
            "operation_end": NOW,
            "state": AgentReport.State.ACCEPTED.value,
            "recorded_at": NOW,
            **fields,
        }
    )


def judge(
    job: ExpectedBackupJob, decision: Verdict, *, due: datetime | None, ended: datetime | None
) -> Judged:
    cycle = Cycle(due, due + GRACE) if due else None
    size = 100 if decision.is_good else None
    found = size and Measurement(
        size=size,
        sha256=DIGEST,
        changed_at=NOW,
        codec=Codec.GZIP,
        archive=ArchiveState.WHOLE,
        archive_error="",
        content_size=1000,
        content_sha256="c" * 64,
        exceeds_claim=False,
        seconds=0.5,
    )
    return Judged(
        job.pk, decision, "ACME_DOUALA_NEWBELL", cycle, ended, NOW, measurement=found or None
    )


def record(
    job: ExpectedBackupJob,
    decision: Verdict,
    *,
    due: datetime | None = None,
    ended: datetime | None = None,
    now: datetime = NOW,
    number: int = 1,
) -> list[BackupEntry]:
    """Record one verdict as a scan does: with its report, or as an absence when nothing ended."""
    judged = judge(job, decision, due=due, ended=ended)
    job.refresh_from_db()
    if ended is None:
        coming = job.calendar.after(due) if due else None
        return history.record_absences(begin(), [(job, [judged], coming)], now=now, fence=no_fence)
    report = ReportRecord(make_report(number), [judged])
    return history.record(begin(), [report], now=now, fence=no_fence)


def daily_job() -> ExpectedBackupJob:
    """Give a job that is due at 02:00 and awaits the cycle DUE."""
    return make_job(schedule="0 2 * * *", grace_minutes=60, now=DUE - HOUR)


def changes() -> list[tuple[str, str, str, str]]:
    rows = StatusChange.objects.order_by("pk")
    return list(rows.values_list("old_status", "old_reason", "new_status", "new_reason"))


# --- The order of entries -------------------------------------------------------------------------

Step = tuple[Verdict, int, int | None]
"""A verdict, its cycle (in days from DUE), and its operation's end in minutes after that due."""


@pytest.mark.parametrize(
    ("old", "new", "moves"),
    [
        # the same cycle
        pytest.param((GOOD, 0, 10), (FAILED, 0, 20), True, id="a later operation of the cycle"),
        pytest.param((FAILED, 0, 10), (GOOD, 0, 20), True, id="a second try that went well"),
        pytest.param((GOOD, 0, 20), (FAILED, 0, 10), False, id="an earlier operation of the cycle"),
        pytest.param((FAILED, 0, 10), (GOOD, 0, 10), True, id="the same operation, judged again"),
        pytest.param((MISSING, 0, None), (GOOD, 0, 10), True, id="a report after its MISSING"),
        pytest.param((MISSING, 0, None), (FAILED, 0, -40), True, id="one that ended before due"),
        pytest.param((MISSING, 0, None), (GOOD, 0, 900), True, id="one that ended very late"),
        # another cycle
        pytest.param((GOOD, 0, 10), (MISSING, 1, None), True, id="MISSING in the next cycle"),
        pytest.param(
            (GOOD, 0, 1300), (MISSING, 1, None), True, id="MISSING after a late operation"
        ),
        pytest.param((MISSING, 1, None), (GOOD, 0, 10), False, id="a report for an older cycle"),
        pytest.param((MISSING, 1, None), (GOOD, 0, 2000), False, id="the same, ended later"),
        pytest.param((CORRUPT, 1, 10), (GOOD, 0, 1300), False, id="an older cycle, good"),
        pytest.param((GOOD, 0, 10), (CORRUPT, 1, 10), True, id="the next cycle"),
        pytest.param((GOOD, 0, 1300), (CORRUPT, 1, -30), True, id="the next cycle, before its due"),
        # what cannot be judged
        pytest.param((GOOD, 0, 10), (SUPERSEDED, 0, 20), False, id="superseded, later"),
        pytest.param((MISSING, 0, None), (SUPERSEDED, 0, 10), False, id="superseded after MISSING"),
        pytest.param((CORRUPT, 0, 10), (SUPERSEDED, 1, 10), False, id="superseded, next cycle"),
    ],
)
def test_an_entry_moves_the_state_unless_it_is_older(old: Step, new: Step, *, moves: bool) -> None:
    job = daily_job()
    for number, (decision, day, minutes) in enumerate((old, new)):
        due = DUE + day * DAY
        ended = due + timedelta(minutes=minutes) if minutes is not None else None
        (entry,) = record(job, decision, due=due, ended=ended, number=number)
        job.refresh_from_db()
        if number == 0 or moves:
            assert (job.status, job.reason) == (entry.status, entry.reason)
            assert job.last_entry == entry
        else:
            assert (job.status, job.reason) == (old[0].status, old[0].reason or "")
            assert job.last_entry != entry
    assert BackupEntry.objects.count() == 2
    before = ("UNKNOWN", "", old[0].status.value, _word(old[0]))
    after = (old[0].status.value, _word(old[0]), new[0].status.value, _word(new[0]))
    assert changes() == ([before, after] if moves else [before])


def _word(decision: Verdict) -> str:
    return decision.reason.value if decision.reason else ""


@pytest.mark.parametrize(
    ("old", "new", "moves"),
    [
        (10, 20, True),
        (20, 10, False),
        (10, 10, True),
    ],
)
def test_entries_without_a_cycle_are_ordered_by_their_end(
    old: int, new: int, *, moves: bool
) -> None:
    job = make_job()
    record(job, GOOD, ended=NOW + timedelta(minutes=old), number=1)
    record(job, FAILED, ended=NOW + timedelta(minutes=new), number=2)
    job.refresh_from_db()
    assert job.status == ("FAILED" if moves else "SUCCESS")


def test_a_job_that_gets_a_schedule_goes_on_from_its_state_without_one() -> None:
    job = make_job()
    record(job, GOOD, ended=DUE - HOUR, number=1)
    record(job, FAILED, due=DUE, ended=DUE, number=2)
    job.refresh_from_db()
    assert job.status == "FAILED"


# --- Changes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        (None, GOOD, ("UNKNOWN", "", "SUCCESS", "")),
        (None, MISSING, ("UNKNOWN", "", "MISSING", "no_report")),
        (None, SUPERSEDED, None),
        (GOOD, GOOD, None),
        (GOOD, UNCHANGED, ("SUCCESS", "", "UNCHANGED", "")),
        (UNCHANGED, UNCHANGED, None),
        (GOOD, FAILED, ("SUCCESS", "", "FAILED", "backup_failed")),
        (FAILED, FAILED, None),
        (MISSING, MISSING, None),
        (
            FAILED,
            verdict(Status.FAILED, Reason.COMPRESS_FAILED),
            ("FAILED", "backup_failed", "FAILED", "compress_failed"),
        ),
        (
            MISSING,
            verdict(Status.MISSING, Reason.FILE_ABSENT),
            ("MISSING", "no_report", "MISSING", "file_absent"),
        ),
        (CORRUPT, GOOD, ("CORRUPT", "hash_mismatch", "SUCCESS", "")),
    ],
)
def test_a_change_of_status_or_problem_is_a_row(
    old: Verdict | None, new: Verdict, changed: tuple[str, str, str, str] | None
) -> None:
    job = daily_job()
    if old is not None:
        _in_cycle(job, old, 0)
    StatusChange.objects.all().delete()
    (entry,) = _in_cycle(job, new, 1)
    assert changes() == ([changed] if changed else [])
    for change in StatusChange.objects.all():
        assert (change.job, change.entry, change.changed_at) == (job, entry, NOW)


def _in_cycle(job: ExpectedBackupJob, decision: Verdict, day: int) -> list[BackupEntry]:
    due = DUE + day * DAY
    ended = None if decision is MISSING else due
    return record(job, decision, due=due, ended=ended, number=day)


def test_status_since_is_when_the_status_began_and_not_when_it_was_seen_last() -> None:
    job = daily_job()
    since = []
    for day, decision in enumerate((GOOD, GOOD, FAILED, MISSING, MISSING, GOOD)):
        _in_cycle(job, decision, day)
        job.refresh_from_db()
        since.append(job.status_since)
    assert since == [
        DUE,
        DUE,
        DUE + 2 * DAY,
        DUE + 3 * DAY + HOUR,
        DUE + 3 * DAY + HOUR,
        DUE + 5 * DAY,
    ]


# --- The last good backup -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "last_good"),
    [
        pytest.param([(GOOD, 0, 10)], 0, id="a success"),
        pytest.param([(GOOD, 0, 10), (UNCHANGED, 1, 10)], 1, id="the same content again"),
        pytest.param([(GOOD, 0, 10), (FAILED, 1, 10)], 0, id="a failure leaves it"),
        pytest.param([(GOOD, 0, 10), (MISSING, 1, None)], 0, id="an absence leaves it"),
        pytest.param([(GOOD, 1, 10), (GOOD, 0, 10)], 0, id="an older one does not replace it"),
        pytest.param([(MISSING, 1, None), (GOOD, 0, 10)], 1, id="it may be older than the state"),
        pytest.param([(FAILED, 1, 10), (GOOD, 0, 10)], 1, id="an older one after a failure"),
        pytest.param([(GOOD, 0, 10), (GOOD, 0, 10)], 1, id="the same operation, judged again"),
        pytest.param([(FAILED, 0, 10), (CORRUPT, 1, 10)], None, id="none yet"),
    ],
)
def test_the_last_good_backup_is_that_of_the_latest_operation(
    steps: Sequence[Step], last_good: int | None
) -> None:
    job = daily_job()
    entries = []
    for number, (decision, day, minutes) in enumerate(steps):
        due = DUE + day * DAY
        ended = due + timedelta(minutes=minutes) if minutes is not None else None
        entries += record(job, decision, due=due, ended=ended, number=number)
    job.refresh_from_db()
    expected = entries[last_good] if last_good is not None else None
    assert job.last_good_entry == expected
    assert job.last_good_at == (expected.operation_end if expected else None)
    assert job.last_size == (100 if expected else None)


# --- What is awaited ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decision", "day", "awaited"),
    [
        pytest.param(GOOD, 0, 1, id="good, in the awaited cycle"),
        pytest.param(FAILED, 0, 1, id="a problem, in the awaited cycle"),
        pytest.param(SUPERSEDED, 0, 1, id="what cannot be judged fills its cycle too"),
        pytest.param(GOOD, -1, 0, id="for an older cycle"),
        pytest.param(GOOD, 1, 0, id="for a later cycle"),
    ],
)
def test_an_entry_in_the_awaited_cycle_lets_the_job_await_the_next(
    decision: Verdict, day: int, awaited: int
) -> None:
    job = daily_job()
    due = DUE + day * DAY
    record(job, decision, due=due, ended=due)
    job.refresh_from_db()
    assert (job.due_at, job.deadline_at) == (DUE + awaited * DAY, DUE + awaited * DAY + GRACE)


def test_a_job_whose_schedule_was_removed_awaits_nothing_after_its_last_cycle() -> None:
    job = daily_job()
    ExpectedBackupJob.objects.filter(pk=job.pk).update(schedule="")
    record(job, GOOD, due=DUE, ended=DUE)
    job.refresh_from_db()
    assert (job.due_at, job.deadline_at) == (None, None)


# --- What an entry holds --------------------------------------------------------------------------


def test_an_entry_keeps_what_was_claimed_beside_what_was_measured() -> None:
    job = daily_job()
    judged = judge(job, replace(GOOD, message="a\0b\x1b"), due=DUE, ended=DUE)
    judged.claim = Claim(
        "ACME_2025",
        backup=StepClaim(
            status=True,
            started=DUE,
            ended=DUE + timedelta(seconds=90),
            sha256="e" * 64,
            size=2**63 - 1,
        ),
        compress=StepClaim(status=True, sha256="f" * 64, size=7),
        staged_name="x\ud800\0" + "y" * 300,
    )
    report = ReportRecord(make_report(), [judged])
    history.record(begin(), [report], now=NOW, fence=no_fence)
    entry = BackupEntry.objects.get()
    assert (entry.claimed_size, entry.claimed_sha256) == (7, "f" * 64)
    assert (entry.claimed_content_size, entry.claimed_content_sha256) == (2**63 - 1, "e" * 64)
    assert (entry.size, entry.sha256, entry.codec) == (100, DIGEST, "gzip")
    assert (entry.content_size, entry.content_sha256) == (1000, "c" * 64)
    assert (entry.dump_seconds, entry.verify_seconds) == (90, 0.5)
    assert (entry.cycle_due, entry.cycle_deadline) == (DUE, DUE + GRACE)
    assert entry.message == "ab"
    assert entry.staged_name.startswith("x\ufffdyyy")
    assert len(entry.staged_name) == 255
    assert entry.report == report.row


@pytest.mark.parametrize(
    ("started", "ended"),
    [
        (None, DUE),
        (DUE, None),
        (DUE, DUE - HOUR),
        (DUE.replace(tzinfo=None), DUE),
        (DUE, DUE.replace(tzinfo=None)),
    ],
)
def test_a_span_that_makes_no_sense_is_none(
    started: datetime | None, ended: datetime | None
) -> None:
    job = make_job()
    judged = judge(job, FAILED, due=None, ended=DUE)
    judged.claim = Claim("ACME_2025", backup=StepClaim(status=False, started=started, ended=ended))
    history.record(begin(), [ReportRecord(make_report(), [judged])], now=NOW, fence=no_fence)
    assert BackupEntry.objects.get().dump_seconds is None


# --- What happened meanwhile ----------------------------------------------------------------------


def test_a_job_that_was_paused_meanwhile_gets_no_entry_and_its_report_is_kept() -> None:
    job = daily_job()
    ExpectedBackupJob.objects.filter(pk=job.pk).update(is_active=False)
    assert record(job, GOOD, due=DUE, ended=DUE) == []
    job.refresh_from_db()
    assert (job.status, changes()) == ("UNKNOWN", [])
    assert AgentReport.objects.count() == 1


def test_a_job_that_was_deleted_meanwhile_gets_no_entry() -> None:
    job, other = daily_job(), make_job("OTHER")
    judged = [judge(one, GOOD, due=None, ended=DUE) for one in (job, other)]
    job.delete()
    report = ReportRecord(make_report(), judged)
    (entry,) = history.record(begin(), [report], now=NOW, fence=no_fence)
    assert entry.job == other


@pytest.mark.parametrize(
    "change",
    [{"due_at": DUE + DAY}, {"due_at": None, "deadline_at": None}, {"is_active": False}],
)
def test_an_absence_is_not_recorded_when_its_job_changed_meanwhile(
    change: dict[str, object],
) -> None:
    job = daily_job()
    missed = judge(job, MISSING, due=DUE, ended=None)
    ExpectedBackupJob.objects.filter(pk=job.pk).update(**change)
    coming = job.calendar.after(DUE)
    assert not history.record_absences(begin(), [(job, [missed], coming)], now=NOW, fence=no_fence)
    stored = ExpectedBackupJob.objects.get(pk=job.pk)
    assert (stored.status, BackupEntry.objects.count()) == ("UNKNOWN", 0)
    for field, value in change.items():
        assert getattr(stored, field) == value


def test_what_people_changed_meanwhile_stands() -> None:
    job = daily_job()
    judged = judge(job, GOOD, due=DUE, ended=DUE)
    ExpectedBackupJob.objects.filter(pk=job.pk).update(city="YAOUNDE", schedule="0 3 * * *")
    history.record(begin(), [ReportRecord(make_report(), [judged])], now=NOW, fence=no_fence)
    job.refresh_from_db()
    assert (job.city, job.schedule, job.status) == ("YAOUNDE", "0 3 * * *", "SUCCESS")


def test_whoever_lost_the_lease_records_nothing() -> None:
    job = daily_job()
    judged = judge(job, GOOD, due=DUE, ended=DUE)
    missed = judge(job, MISSING, due=DUE, ended=None)
    rejected = make_report(2, state=AgentReport.State.REJECTED.value, operation_end=None)
    run = begin()

    def lost() -> None:
        raise LeaseLost

    with pytest.raises(LeaseLost):
        history.record(run, [ReportRecord(make_report(), [judged])], now=NOW, fence=lost)
    with pytest.raises(LeaseLost):
        history.record_absences(run, [(job, [missed], None)], now=NOW, fence=lost)
    with pytest.raises(LeaseLost):
        history.record_rejected(run, [rejected], fence=lost)
    with pytest.raises(LeaseLost):
        history.record_copies([], now=NOW, fence=lost)
    assert not AgentReport.objects.exists()
    assert not BackupEntry.objects.exists()
    job.refresh_from_db()
    assert (job.status, job.due_at) == ("UNKNOWN", DUE)


# --- Reports, runs, agents ------------------------------------------------------------------------


def test_a_rejected_report_that_comes_again_keeps_its_row() -> None:
    for hour in range(3):
        row = make_report(
            state=AgentReport.State.REJECTED.value,
            operation_end=None,
            reason=f"reason {hour}",
            arrived_at=NOW + hour * HOUR,
        )
        run = begin()
        history.record_rejected(run, [row], fence=no_fence)
    stored = AgentReport.objects.get()
    assert (stored.reason, stored.run, stored.arrived_at) == ("reason 2", run, NOW + 2 * HOUR)


def test_two_rejected_reports_of_the_same_bytes_are_one_and_two_agents_are_two() -> None:
    def row(name: str, **fields: Any) -> AgentReport:
        state = AgentReport.State.REJECTED.value
        return make_report(state=state, operation_end=None, file_name=name, **fields)

    rows = [row("a.json"), row("b.json"), row("c.json", agent_id="ACME_DOUALA_AKWA")]
    history.record_rejected(begin(), rows, fence=no_fence)
    assert sorted(AgentReport.objects.values_list("file_name", flat=True)) == ["b.json", "c.json"]


def test_a_run_that_never_ended_is_told_as_interrupted_by_the_next() -> None:
    killed = begin()
    run = begin()
    killed.refresh_from_db()
    assert (killed.outcome, killed.error, killed.seconds) == (
        "interrupted",
        "killed before its end",
        None,
    )
    run.refresh_from_db()
    assert run.outcome == "running"


def test_a_stranger_is_new_once() -> None:
    told = []
    for strangers in (["lost+found"], ["lost+found", "tmp"], ["tmp"], ["lost+found", "tmp"]):
        run = begin()
        run.strangers = strangers
        told.append(history.new_strangers(run))
        end(run)
        end(begin(), ScanRun.Outcome.FAILED)  # it did not get as far as to look
    assert told == [["lost+found"], ["tmp"], [], ["lost+found"]]


def test_a_scan_of_some_agents_does_not_make_a_stranger_new_again() -> None:
    run = begin()
    run.strangers = ["lost+found"]
    end(run)
    end(history.begin_run(ScanRun.Trigger.COMMAND, ["ACME_DOUALA_AKWA"], now=NOW))
    run = begin()
    run.strangers = ["lost+found"]
    assert history.new_strangers(run) == []
