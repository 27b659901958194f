"""A few days of the demo, and once the whole month."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, product
from pathlib import Path
from typing import Any

import pytest

from scanner import history, roster
from scanner.alerts import noticing
from scanner.demo.play import Played, play
from scanner.models import (
    Agent,
    AgentReport,
    BackupEntry,
    Delivery,
    ExpectedBackupJob,
    Incident,
    IncidentMember,
    ScanRun,
    StatusChange,
    VaultCopy,
)
from scanner.models.choices import Reason, Status
from tests.demo.trees import tree_of
from tests.scanning import run_scan

pytestmark = pytest.mark.django_db

OPENING = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
# Enough for whatever goes on at the opening to have begun.
WEEK = 7


class BrokenOff(Exception):
    """Somebody pressed Ctrl-C."""


def play_until(now: datetime, days: int = 2) -> Played:
    return play(now=now, days=days, progress=lambda *_: None)


def job(database: str) -> ExpectedBackupJob:
    return ExpectedBackupJob.objects.get(database_name=database)


def verdicts() -> list[tuple[Any, ...]]:
    """Give all verdicts, however many scans it took to find them."""
    fields = ("job__database_name", "cycle_due", "operation_end", "status", "reason", "warnings")
    entries = BackupEntry.objects.values_list(*fields, "arrived_at", "vault_path", "recorded_at")
    return sorted(entries, key=str)


def states() -> list[tuple[Any, ...]]:
    fields = ("database_name", "status", "reason", "last_good_at", "deadline_at", "is_active")
    return list(ExpectedBackupJob.objects.values_list(*fields))


@pytest.mark.parametrize(
    "opening",
    [
        datetime(2026, 1, 1, 11, 5, tzinfo=UTC),  # between a due and its deadline, a late site's
        datetime(2026, 3, 30, 1, 12, tzinfo=UTC),  # the night after Paris put its clocks forward
        datetime(2026, 10, 25, 23, 59, 59, 999999, tzinfo=UTC),  # the day it put them back
    ],
    ids=str,
)
def test_at_any_hour_there_is_a_backup_of_each_status_and_kind(
    opening: datetime, deposit_root: Path
) -> None:
    played = play_until(opening, WEEK)
    assert not played.was_there
    assert played.run.started_at == opening
    active = ExpectedBackupJob.objects.filter(is_active=True).select_related("last_entry")
    assert {job.status for job in active} == set(Status.values)
    assert {job.reason for job in active if job.reason} >= {
        "backup_failed",
        "compress_failed",
        "transfer_failed",
        "size_mismatch",
        "hash_mismatch",
        "unreadable_archive",
        "content_mismatch",
        "truncated_dump",
        "too_small",
        "file_absent",
        "no_report",
    }
    warnings = {word for job in active if job.last_entry for word in job.last_entry.warnings}
    assert warnings >= {"late", "clock_skew", "no_checksum", "opaque"}
    codecs = set(BackupEntry.objects.values_list("codec", flat=True))
    assert codecs >= {"gzip", "zstd", "xz", "bzip2", "lz4", "none", "opaque"}
    good = sum(job.status in ("SUCCESS", "UNCHANGED") for job in active)
    assert good > len(active) / 2
    assert list(deposit_root.glob("*/log/*.[jJ][sS][oO][nN]")) == []
    [rejected] = AgentReport.objects.filter(state="rejected")
    [reason] = deposit_root.glob("*/log/_rejected/*.reason.txt")
    assert reason.read_text() == rejected.reason + "\n"
    assert "acme_douala_bonapriso" in rejected.reason


def test_a_database_of_another_company_is_judged_by_its_own_job() -> None:
    play_until(OPENING)
    guest = job("INITECH_BAFOUSSAM_2026")
    assert (guest.company_name, guest.agent_id) == ("INITECH", "GLOBEX_BAFOUSSAM_ORANGE")
    assert guest.status == "SUCCESS"


@pytest.mark.slow
def test_a_month_has_every_reason_that_a_verdict_can_have_and_every_scan_ended_well() -> None:
    played = play_until(OPENING, days=30)
    reasons = set(BackupEntry.objects.exclude(reason="").values_list("reason", flat=True))
    assert set(Reason.values) == reasons
    runs = Counter(ScanRun.objects.values_list("outcome", "trigger"))
    assert runs == {("complete", "demo"): played.scans}
    assert 55 <= played.scans <= 60
    starts = list(ScanRun.objects.order_by("pk").values_list("started_at", flat=True))
    assert starts == sorted(starts)
    assert AgentReport.objects.filter(state="rejected").count() == 2
    # A report that came hours late was missed first, and its backup is good all the same.
    bertoua = job("ACME_BERTOUA_MOKOLO_2026")
    [late] = BackupEntry.objects.filter(job=bertoua, warnings=["late"])
    missed = BackupEntry.objects.get(job=bertoua, cycle_due=late.cycle_due, status="MISSING")
    assert (late.status, missed.pk < late.pk) == ("SUCCESS", True)
    # What people did: one job paused, one added, one that was not expected left as it came.
    paused = job("GLOBEX_LIMBE_PORT_2025")
    assert (paused.is_active, paused.deadline_at) == (False, None)
    assert paused.last_good_at is not None
    assert timedelta(days=10) < OPENING - paused.last_good_at < timedelta(days=11)
    added = job("SIRPACAM_AKWA_SITE_WEB")
    assert (added.created_at, added.status) == (OPENING - timedelta(days=1), "UNKNOWN")
    unexpected = job("GLOBEX_ESSAI_2026")
    assert (unexpected.is_active, unexpected.status) == (False, "UNKNOWN")
    assert sum(ScanRun.objects.values_list("jobs_registered", flat=True)) == 1
    incidents = set(Incident.objects.values_list("kind", "end"))
    assert incidents == {
        *product(("job", "place"), ("", "recovered")),
        ("job", "paused"),
        ("job", "folded"),
    }
    assert not Delivery.objects.exists()


def test_what_went_wrong_are_incidents_of_then_and_nobody_was_told() -> None:
    play_until(OPENING, WEEK)
    scans = set(ScanRun.objects.values_list("started_at", flat=True))
    times = Incident.objects.values_list("opened_at", "ended_at")
    assert {at for pair in times for at in pair if at is not None} <= scans
    assert Incident.objects.filter(ended_at=None).exists()
    problems = ExpectedBackupJob.objects.filter(
        is_active=True, status__in=("FAILED", "CORRUPT", "MISSING")
    )
    still = IncidentMember.objects.filter(left_at=None, incident__level="problem")
    assert set(still.values_list("job", flat=True)) == set(problems.values_list("pk", flat=True))
    assert not Delivery.objects.exists()


def test_a_scheduler_that_follows_the_demo_finds_nothing_to_tell() -> None:
    play_until(OPENING)
    assert Incident.objects.exists()
    assert noticing.notice(now=OPENING + timedelta(minutes=1)).events == {}
    assert not Delivery.objects.exists()


def test_the_second_time_is_one_scan_that_finds_nothing_new(tmp_path: Path) -> None:
    play_until(OPENING)
    before = verdicts(), states(), tree_of(tmp_path)
    played = play_until(OPENING + timedelta(seconds=20))
    assert (played.was_there, played.scans) == (True, 1)
    assert (verdicts(), states(), tree_of(tmp_path)) == before


def test_it_lives_on_from_where_it_was_left() -> None:
    play_until(OPENING)
    later = OPENING + timedelta(days=2)
    played = play_until(later)
    assert (played.was_there, played.scans) == (True, 5)
    stock = BackupEntry.objects.filter(job=job("ACME_DOUALA_NEWBELL_2026"))
    assert list(stock.values_list("status", flat=True)) == ["SUCCESS"] * 4
    assert job("ACME_NEWBELL_STOCK_2026").status == "FAILED"
    assert ExpectedBackupJob.objects.filter(deadline_at__lt=later).count() == 0


def test_of_a_long_sleep_only_the_last_month_is_lived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scanner.demo.story.DAYS", 2)
    play_until(OPENING)
    played = play_until(OPENING + timedelta(days=100))
    assert played.scans == 5
    missed = BackupEntry.objects.filter(job=job("ACME_DOUALA_NEWBELL_2026"), status="MISSING")
    assert missed.count() == 31


def test_what_others_took_for_absent_meanwhile_comes_late() -> None:
    play_until(OPENING)
    seen = OPENING + timedelta(hours=20)
    run_scan(seen)
    newbell = job("ACME_DOUALA_NEWBELL_2026")
    assert newbell.status == "MISSING"
    played = play_until(OPENING + timedelta(hours=21))
    newbell.refresh_from_db()
    assert newbell.last_entry is not None
    assert (newbell.status, newbell.last_entry.warnings) == ("SUCCESS", ["late"])
    assert newbell.last_entry.arrived_at == seen
    starts = list(ScanRun.objects.order_by("pk").values_list("started_at", flat=True))
    assert starts == sorted(starts)
    assert played.run.started_at == starts[-1]


def test_a_scheduler_that_ran_before_the_demo_does_not_disturb_it(deposit_root: Path) -> None:
    run_scan(OPENING - timedelta(minutes=1))
    play_until(OPENING)
    late = BackupEntry.objects.filter(job=job("ACME_DOUALA_NEWBELL_2026"), warnings=["late"])
    assert not late.exists()


@pytest.mark.parametrize("scans_done", [0, 3])
def test_a_demo_that_was_broken_off_comes_out_as_any_other(scans_done: int) -> None:
    play_until(OPENING)
    unbroken = verdicts(), states()
    forget_everything()

    def break_off(done: int, _total: int) -> None:
        if done == scans_done:
            raise BrokenOff

    with pytest.raises(BrokenOff):
        play(now=OPENING, days=2, progress=break_off)
    play_until(OPENING)
    assert (verdicts(), states()) == unbroken


def test_a_demo_that_was_broken_off_in_the_middle_of_a_scan_comes_out_as_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    play_until(OPENING)
    unbroken = verdicts(), states()
    forget_everything()
    record, calls = history.record, count(1)

    def break_off(*args: Any, **named: Any) -> list[BackupEntry]:
        if next(calls) == 3:
            raise KeyboardInterrupt
        return record(*args, **named)

    with monkeypatch.context() as patch:
        patch.setattr("scanner.scan.history.record", break_off)
        with pytest.raises(KeyboardInterrupt):
            play_until(OPENING)
    assert ScanRun.objects.filter(outcome="interrupted").count() == 1
    play_until(OPENING)
    assert (verdicts(), states()) == unbroken


def test_a_demo_whose_database_is_gone_begins_anew_and_comes_out_the_same(tmp_path: Path) -> None:
    play_until(OPENING)
    before = verdicts(), states(), tree_of(tmp_path)
    forget_everything()
    played = play_until(OPENING)
    assert not played.was_there
    assert (verdicts(), states(), tree_of(tmp_path)) == before


def test_what_people_do_with_the_demos_jobs_stands() -> None:
    play_until(OPENING)
    woken, retired = job("GLOBEX_LIMBE_PORT_2025"), job("ACME_NEWBELL_ARCHIVES")
    roster.resume([woken.pk], now=OPENING)
    retired.delete()
    play_until(OPENING + timedelta(days=1))
    woken.refresh_from_db()
    assert woken.is_active
    assert not ExpectedBackupJob.objects.filter(database_name=retired.database_name).exists()


def test_the_history_is_quiet_but_errors_are_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    play_until(OPENING, days=1)
    assert caplog.messages == []

    def disk_breaks(*_: object, **__: object) -> Iterator[None]:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("scanner.scan.deposit.walk", disk_breaks)
    with pytest.raises(OSError, match="Input/output error"):
        play_until(OPENING + timedelta(hours=1))
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_progress_is_told_from_the_first_scan_to_the_last() -> None:
    told: list[tuple[int, int]] = []
    played = play(now=OPENING, days=2, progress=lambda done, total: told.append((done, total)))
    assert told == [(done, played.scans) for done in range(played.scans + 1)]


def forget_everything() -> None:
    """Empty the database; the trees stay."""
    ExpectedBackupJob.objects.update(last_entry=None, last_good_entry=None)
    for model in (
        Incident,
        StatusChange,
        VaultCopy,
        BackupEntry,
        AgentReport,
        ScanRun,
        ExpectedBackupJob,
        Agent,
    ):
        model.objects.all().delete()
