"""Pruning the vault: what no policy keeps goes, and what may still be wanted never does."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from scanner import board_data, lease, vault_findings, vault_prune, vault_retention
from scanner.errors import LeaseHeld, LeaseLost, VaultError
from scanner.models import BackupEntry, ExpectedBackupJob, Lease, VaultCopy, VaultFinding, VaultRun
from scanner.models.batch import batches
from scanner.vault_findings import End, Kind
from scanner.vault_prune import Decision, Pruned, prune
from tests.commands.rival import lease_held_elsewhere
from tests.scanning import NOW, make_job
from tests.stocked import good_entry, stocked

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
EVE = NOW - timedelta(hours=2)
"""The end of the last backup; those before it ended at the same time of earlier days."""


def days_ago(*days: int) -> list[datetime]:
    return [EVE - number * DAY for number in days]


def pruned(**options: Any) -> tuple[Pruned, list[Decision]]:
    """Prune as of now; give what was done, and what was told of each job."""
    told: list[Decision] = []
    return prune(**{"now": NOW, "tell": told.append, **options}), told


def left(root: Path) -> set[str]:
    """Give the files of the vault."""
    return {str(file.relative_to(root)) for file in root.rglob("*") if file.is_file()}


def states(job: ExpectedBackupJob) -> list[str]:
    """Give the states of a job's copies in the order in which they were made."""
    return list(VaultCopy.objects.filter(job=job).order_by("pk").values_list("state", flat=True))


# --- The policy -----------------------------------------------------------------------------------


def test_what_no_rule_keeps_is_deleted_and_recorded(vault_root: Path) -> None:
    job = make_job(keep_daily=2)
    copies = stocked(job, *days_ago(3, 2, 1, 0))
    done, [told] = pruned()
    assert states(job) == ["deleted", "deleted", "whole", "whole"]
    assert left(vault_root) == {copy.path for copy in copies[2:]}
    why = ["daily 2: before 2026-03-01"] * 2
    assert [(one.path, one.because) for one in told.dropped] == [
        (copy.path, words) for copy, words in zip(copies, why, strict=False)
    ]
    assert (told.agent, told.database, told.kept) == (job.agent_id, job.database_name, 2)
    gone = VaultCopy.objects.get(pk=copies[0].pk)
    assert (gone.deleted_at, gone.deleted_because) == (NOW, why[0])
    assert done.run is not None
    run = VaultRun.objects.get()
    assert (run.kind, run.outcome, run.findings, run.message) == ("prune", "ok", 0, "")
    assert (run.copies, run.bytes) == (2, copies[0].size + copies[1].size)
    assert (done.copies, done.bytes, done.failures) == (run.copies, run.bytes, [])


def test_each_entry_of_a_deleted_copy_tells_it_and_keeps_its_path_as_history() -> None:
    job = make_job(keep_last=1)
    [old] = stocked(job, *days_ago(3))
    same = good_entry(job, days_ago(2)[0], old.path, status="UNCHANGED")
    stocked(job, *days_ago(1))
    pruned()
    for entry in BackupEntry.objects.filter(pk__in=[old.entry_id, same.pk]):
        assert entry.vault_path == old.path
        assert (entry.copy_deleted_at, entry.copy_deleted_because) == (
            NOW,
            "last 1: not among them",
        )
        assert board_data.entry_as_data(entry)["vault_path"] is None
    newest = BackupEntry.objects.latest("pk")
    assert newest.copy_deleted_at is None
    assert board_data.entry_as_data(newest)["vault_path"] == newest.vault_path
    assert board_data.job_as_data(job, now=NOW)["last_good"]["vault_path"] == newest.vault_path


def test_without_a_policy_everything_stays(vault_root: Path) -> None:
    job = make_job()
    stocked(job, *days_ago(3000, 2, 1))
    done, told = pruned()
    assert (done.copies, told, len(left(vault_root))) == (0, [], 3)
    assert VaultRun.objects.get().outcome == "ok"


def test_a_copy_stays_as_long_as_any_backup_with_its_content_is_kept() -> None:
    job = make_job(keep_last=2)
    stocked(job, *days_ago(5))
    [old] = stocked(job, *days_ago(4))
    stocked(job, *days_ago(3))
    good_entry(job, days_ago(2)[0], old.path, status="UNCHANGED")
    stocked(job, *days_ago(1))
    pruned()
    assert states(job) == ["deleted", "whole", "deleted", "whole"]


def test_backups_whose_copy_was_deleted_count_no_more_when_its_name_is_taken_again() -> None:
    job = make_job(keep_last=2)
    old, *_ = stocked(job, *days_ago(6, 5, 4))
    gone = good_entry(job, days_ago(1)[0], old.path, status="UNCHANGED")
    BackupEntry.objects.filter(pk=gone.pk).update(copy_deleted_at=NOW)
    ExpectedBackupJob.objects.update(
        last_good_entry=BackupEntry.objects.get(job=job, pk=gone.pk - 1)
    )
    pruned()
    assert states(job) == ["deleted", "whole", "whole"]


@pytest.mark.parametrize(
    ("general", "own", "kept"),
    [
        ({"LAST": 1}, {}, 1),
        ({"LAST": 1}, {"keep_last": 3}, 3),
        ({"LAST": 1, "DAILY": 4}, {"keep_last": 0}, 4),
        ({"LAST": 4, "DAILY": 4}, {"keep_last": 1, "keep_daily": 2}, 2),
        ({"LAST": 1}, {"keep_last": 0}, 5),  # all zero: there is no policy
        ({"LAST": 1}, {"keep_daily": 3}, 3),
    ],
)
def test_what_a_job_says_replaces_what_the_settings_say_rule_by_rule(
    settings: Settings, general: dict[str, int], own: dict[str, Any], kept: int
) -> None:
    for rule, number in general.items():
        setattr(settings, f"VAULT_KEEP_{rule}", number)
    job = make_job(**own)
    stocked(job, *days_ago(5, 4, 3, 2, 1))
    pruned()
    assert states(job) == ["deleted"] * (5 - kept) + ["whole"] * kept


@pytest.mark.parametrize(
    ("own", "general", "kept"),
    [
        ("UTC", "Africa/Douala", ["deleted", "whole", "whole", "whole"]),
        ("Africa/Douala", "UTC", ["whole", "deleted", "whole", "whole"]),
        ("", "Africa/Douala", ["whole", "deleted", "whole", "whole"]),
    ],
)
def test_a_day_is_one_of_the_jobs_zone(
    settings: Settings, own: str, general: str, kept: list[str]
) -> None:
    settings.AGENT_TIME_ZONE = general
    job = make_job(time_zone=own, keep_daily=3)
    midnight = NOW.replace(hour=0) - DAY
    evening, night = midnight - timedelta(minutes=30), midnight + timedelta(minutes=90)
    stocked(job, midnight - 2 * DAY, evening, night, EVE)
    pruned()
    assert states(job) == kept


def test_a_copy_that_a_restore_has_proven_stays_beside_the_newest() -> None:
    job = make_job(keep_last=1)
    copies = stocked(job, *days_ago(4, 3, 2, 1))
    VaultCopy.objects.filter(pk__in=[copies[0].pk, copies[1].pk]).update(proven_at=NOW)
    pruned()
    assert states(job) == ["deleted", "whole", "deleted", "whole"]


def test_a_prune_can_be_limited_to_some_jobs() -> None:
    jobs = [make_job(name, keep_last=1) for name in ("ONE", "TWO", "THREE")]
    for job in jobs:
        stocked(job, *days_ago(2, 1))
    pruned(jobs=[jobs[0].pk, jobs[2].pk])
    assert [states(job)[0] for job in jobs] == ["deleted", "whole", "deleted"]


# --- What is never deleted ------------------------------------------------------------------------


@pytest.mark.parametrize("active", [True, False], ids=["active", "paused"])
@pytest.mark.parametrize("status", ["FAILED", "CORRUPT", "MISSING"])
def test_a_job_in_a_problem_status_keeps_all(vault_root: Path, status: str, active: bool) -> None:
    job, other = make_job(keep_last=1, is_active=active), make_job("OTHER", keep_last=1)
    for one in (job, other):
        stocked(one, *days_ago(3, 2, 1))
    ExpectedBackupJob.objects.filter(pk=job.pk).update(status=status)
    done, told = pruned()
    assert states(job) == ["whole"] * 3
    assert states(other) == ["deleted", "deleted", "whole"]
    assert [one.held_back for one in told] == [
        f"the job is {status}: 2 copies stay that could go",
        "",
    ]
    assert (done.copies, done.failures, len(left(vault_root))) == (2, [], 4)


def test_the_copy_of_the_last_good_backup_stays_even_if_it_is_damaged() -> None:
    job = make_job(keep_last=1)
    copies = stocked(job, *days_ago(3, 2, 1))
    VaultCopy.objects.filter(pk=copies[-1].pk).update(state="damaged")
    pruned()
    assert states(job) == ["deleted", "whole", "damaged"]


def test_of_two_copies_of_one_instant_that_of_the_last_good_backup_stays() -> None:
    job = make_job(keep_last=1)
    first, _ = stocked(job, *days_ago(2, 1))
    twin = VaultCopy.objects.get(pk=first.pk)
    good_entry(job, days_ago(1)[0], first.path)
    assert job.last_good_entry is not None
    assert job.last_good_entry.vault_path == twin.path
    pruned()
    assert states(job) == ["whole", "whole"]


def test_a_job_none_of_whose_copies_is_whole_keeps_all(vault_root: Path) -> None:
    job = make_job(keep_last=1)
    stocked(job, *days_ago(3, 2, 1))
    VaultCopy.objects.update(state="damaged")
    done, [told] = pruned()
    assert states(job) == ["damaged"] * 3
    assert len(left(vault_root)) == 3
    assert "none of its copies is known to be whole" in told.failures[0]
    assert done.failures == [f"{job.agent_id}/{job.database_name}: {told.failures[0]}"]


def unmount(root: Path, _newest: Path) -> None:
    root.rename(root.with_name("elsewhere"))
    root.mkdir()


def no_vault(root: Path, _newest: Path) -> None:
    root.rename(root.with_name("elsewhere"))


def take_away(_root: Path, newest: Path) -> None:
    newest.unlink()


def cut_short(_root: Path, newest: Path) -> None:
    newest.write_bytes(b"short")


def make_a_link(_root: Path, newest: Path) -> None:
    moved = newest.with_name("m" * newest.stat().st_size)  # so that the link has the same size
    newest.rename(moved)
    newest.symlink_to(moved.name)


@pytest.mark.parametrize("spoil", [unmount, no_vault])
def test_nothing_is_decided_while_the_vault_is_away(
    vault_root: Path, spoil: Callable[[Path, Path], None]
) -> None:
    job = make_job(keep_last=1)
    copies = stocked(job, *days_ago(3, 2, 1))
    VaultCopy.objects.filter(pk=copies[0].pk).update(state="deleting")
    spoil(vault_root, vault_root / copies[-1].path)
    with pytest.raises(VaultError, match="none of the copies that it should hold"):
        pruned()
    assert VaultRun.objects.get().outcome == "failed"
    assert states(job) == ["deleting", "whole", "whole"]


def test_nothing_goes_while_a_restore_of_the_job_has_failed(vault_root: Path) -> None:
    job = make_job(keep_last=1)
    copies = stocked(job, *days_ago(3, 2, 1))
    newest = copies[-1]
    vault_findings.find(Kind.NOT_RESTORABLE, newest.path, "no table", now=NOW, job=job, copy=newest)
    done, decisions = pruned()
    assert done.copies == 0
    assert [one.held_back for one in decisions] == [
        "a restore of it failed: 2 copies stay that could go, until one succeeds (restore_drill)"
    ]
    vault_findings.end([newest.path], End.RESTORED, now=NOW)
    done, _ = pruned()
    assert states(job) == ["deleted", "deleted", "whole"]


@pytest.mark.parametrize("spoil", [take_away, cut_short, make_a_link])
def test_nothing_goes_unless_the_newest_verified_copy_is_really_there(
    vault_root: Path, spoil: Callable[[Path, Path], None]
) -> None:
    job = make_job(keep_last=1)
    copies = stocked(job, *days_ago(3, 2, 1))
    VaultCopy.objects.filter(pk=copies[0].pk).update(state="deleting")
    spoil(vault_root, vault_root / copies[-1].path)
    before = left(vault_root.parent)
    done, _ = pruned()
    assert VaultRun.objects.get().outcome == "findings"
    assert len(done.failures) == 1
    assert not VaultCopy.objects.filter(state="deleted").exists()
    assert left(vault_root.parent) == before


def test_a_problem_that_a_scan_finds_meanwhile_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    job = make_job(keep_last=1)
    stocked(job, *days_ago(3, 2, 1))
    look = vault_retention.fates

    def look_and_be_late(jobs: list[int]) -> Any:
        yield from look(jobs)
        ExpectedBackupJob.objects.update(status="CORRUPT")

    monkeypatch.setattr(vault_prune, "fates", look_and_be_late)
    _, [told] = pruned()
    assert states(job) == ["whole"] * 3
    assert told.held_back


def test_a_backup_that_comes_meanwhile_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    job = make_job(keep_last=1)
    old, _ = stocked(job, *days_ago(3, 2))
    look = vault_retention.fates

    def look_and_be_late(jobs: list[int]) -> Any:
        yield from look(jobs)
        good_entry(job, days_ago(1)[0], old.path, status="UNCHANGED")

    monkeypatch.setattr(vault_prune, "fates", look_and_be_late)
    pruned()
    assert states(job) == ["whole", "deleted"]


# --- The clock ------------------------------------------------------------------------------------


def newest_is_of_tomorrow() -> None:
    BackupEntry.objects.filter(pk=BackupEntry.objects.latest("pk").pk).update(recorded_at=NOW + DAY)


def pruned_before(days: int, outcome: str = "ok") -> None:
    VaultRun.objects.create(kind="prune", outcome=outcome, started_at=NOW - days * DAY)


@pytest.mark.parametrize(
    ("doubt", "words"),
    [
        (
            newest_is_of_tomorrow,
            "the newest verdict was recorded at 2026-03-03 12:00 UTC, which is",
        ),
        (
            lambda: pruned_before(31),
            "the last prune was at 2026-01-30 12:00 UTC, more than 30 days",
        ),
        (lambda: pruned_before(-1), "the last prune was at 2026-03-03 12:00 UTC, which is in the "),
        (lambda: pruned_before(31, "findings"), "the last prune was at 2026-01-30 12:00 UTC"),
    ],
)
@pytest.mark.parametrize("dry_run", [True, False])
def test_while_the_clock_is_in_doubt_nothing_is_touched_unless_somebody_vouches_for_it(
    vault_root: Path,
    doubt: Callable[[], None],
    words: str,
    dry_run: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    job = make_job(keep_last=1)
    copies = stocked(job, *days_ago(4, 3, 2, 1))
    VaultCopy.objects.filter(pk=copies[0].pk).update(state="deleting")
    doubt()
    for _ in range(2):  # a prune that refused vouches for no clock
        done, told = pruned(dry_run=dry_run)
        assert words in done.refused
        assert (done.copies, told) == (0, [])
        assert states(job) == ["deleting", "whole", "whole", "whole"]
        assert len(left(vault_root)) == 4
        assert done.refused in caplog.text
    refused = VaultRun.objects.filter(outcome="refused")
    assert refused.count() == (0 if dry_run else 2)
    assert all(words in run.message for run in refused)
    done, _ = pruned(dry_run=dry_run, clock_is_right=True)
    assert (done.copies, done.refused) == (3, "")


def test_a_month_in_which_some_file_could_not_be_deleted_leaves_no_doubt() -> None:
    pruned_before(40)
    pruned_before(1, "findings")
    assert pruned()[0].refused == ""


@pytest.mark.parametrize("outcome", ["refused", "failed", "interrupted"])
def test_a_prune_that_came_to_nothing_is_none(outcome: str) -> None:
    pruned_before(40)
    pruned_before(1, outcome)
    assert pruned()[0].refused


# --- What goes wrong ------------------------------------------------------------------------------


def test_a_copy_that_cannot_be_removed_keeps_no_other_and_is_tried_again(
    vault_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job, other = make_job(keep_last=1), make_job("OTHER", keep_last=1)
    copies = stocked(job, *days_ago(4, 3, 2, 1))
    stocked(other, *days_ago(2, 1))
    in_the_way = vault_root / copies[1].path
    in_the_way.unlink()
    in_the_way.mkdir()
    done, told = pruned()
    assert states(job) == ["deleted", "deleting", "deleted", "whole"]
    assert states(other) == ["deleted", "whole"]
    run = VaultRun.objects.get()
    assert (run.outcome, run.findings, run.copies) == ("findings", 1, 3)
    assert run.message == done.failures[0]
    assert f"{copies[1].path} cannot be removed from the vault" in run.message
    assert done.failures[0] in caplog.text
    assert [len(one.failures) for one in told] == [1, 0]
    assert BackupEntry.objects.get(pk=copies[1].entry_id).copy_deleted_at is None

    in_the_way.rmdir()
    in_the_way.touch()
    again, _ = pruned(now=NOW + DAY)
    assert (again.copies, again.failures) == (1, [])
    gone = VaultCopy.objects.get(pk=copies[1].pk)
    assert (gone.state, gone.deleted_at) == ("deleted", NOW + DAY)


def test_a_run_tells_the_first_failures_and_counts_all(vault_root: Path) -> None:
    job = make_job(keep_last=1)
    copies = stocked(job, *days_ago(*range(13, 0, -1)))
    for copy in copies[:-1]:
        (vault_root / copy.path).unlink()
        (vault_root / copy.path).mkdir()
    pruned()
    run = VaultRun.objects.get()
    assert run.findings == 12
    assert run.message.splitlines()[9:] == [run.message.splitlines()[9], "and 2 more"]


def test_a_job_about_which_nothing_can_be_decided_keeps_all_and_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    jobs = [make_job(name, keep_last=1) for name in ("ONE", "TWO", "THREE")]
    for job in jobs:
        stocked(job, *days_ago(2, 1))
    ExpectedBackupJob.objects.filter(pk=jobs[1].pk).update(time_zone="Atlantis/Center")
    done, told = pruned()
    assert [states(job)[0] for job in jobs] == ["deleted", "whole", "deleted"]
    assert [one.kept for one in told] == [1, 2, 1]
    assert len(done.failures) == 1
    assert "nothing can be decided: the time zone 'Atlantis/Center' is unknown" in caplog.text


def test_a_file_that_two_jobs_have_stays_until_neither_wants_it(vault_root: Path) -> None:
    place: dict[str, Any] = {"company_name": "ACME", "city": "DOUALA", "neighborhood": "NEWBELL"}
    job = make_job(keep_last=1, **place)
    twin = make_job(agent="ACME_DOUALA_AKWA", **place)
    old, _ = stocked(job, *days_ago(2, 1))
    stocked(twin, *days_ago(2, 1))
    vault_findings.find(Kind.UNREADABLE, old.path, "no table", now=NOW, job=twin)
    vault_findings.find(Kind.DAMAGED, old.path, "bits", now=NOW, job=job, copy=old)
    done, _ = pruned()
    assert (states(job), states(twin)) == (["deleted", "whole"], ["whole", "whole"])
    assert (done.copies, done.bytes, len(left(vault_root))) == (1, 0, 2)
    assert [one.end for one in VaultFinding.objects.order_by("pk")] == ["", "deleted"]
    ExpectedBackupJob.objects.filter(pk=twin.pk).update(keep_last=1)
    done, _ = pruned()
    assert (states(twin), len(left(vault_root))) == (["deleted", "whole"], 1)
    assert done.bytes == old.size
    assert not VaultFinding.objects.filter(ended_at=None).exists()


def test_what_was_wrong_with_a_deleted_copy_is_over() -> None:
    job = make_job(keep_last=1)
    copies = stocked(job, *days_ago(3, 2, 1))
    VaultCopy.objects.filter(pk=copies[0].pk).update(state="damaged")
    for copy, kind in zip(copies, (Kind.DAMAGED, Kind.EXTRA, Kind.UNREADABLE), strict=True):
        vault_findings.find(kind, copy.path, "bits", now=NOW, job=job)
    pruned()
    ends = VaultFinding.objects.order_by("pk").values_list("end", "ended_at")
    assert list(ends) == [(End.DELETED.value, NOW), (End.DELETED.value, NOW), ("", None)]


@pytest.mark.django_db(transaction=True)
def test_while_others_work_on_the_vault_only_a_dry_run_looks(
    vault_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "POLL", 0.1)
    stocked(make_job(keep_last=1), *days_ago(2, 1))
    with lease_held_elsewhere("vault"):
        with pytest.raises(LeaseHeld):
            pruned()
        done, _ = pruned(dry_run=True)
    assert (done.copies, done.run) == (1, None)
    assert not VaultRun.objects.exists()
    assert len(left(vault_root)) == 2


@pytest.mark.parametrize("function", ["fates", "locked_fate", "remove"])
def test_one_who_lost_the_lease_records_nothing_more(
    vault_root: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    """Another takes it right after the look, in the midst of the decision, or after a removal."""
    job = make_job(keep_last=1)
    stocked(job, *days_ago(4, 3, 2, 1))
    real = getattr(vault_prune, function)

    def do_and_lose(*arguments: Any) -> Any:
        given = real(*arguments)
        given = list(given) if function == "fates" else given
        Lease.objects.filter(name="vault").update(token=99, holder="another")
        return given

    monkeypatch.setattr(vault_prune, function, do_and_lose)
    with pytest.raises(LeaseLost):
        pruned()
    assert VaultRun.objects.get().outcome == "failed"
    marked = "whole" if function == "fates" else "deleting"
    assert states(job) == [marked] * 3 + ["whole"]
    assert not BackupEntry.objects.exclude(copy_deleted_at=None).exists()


def test_one_who_is_not_sure_of_the_lease_removes_no_file(
    vault_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(keep_last=1)
    stocked(job, *days_ago(3, 2, 1))
    monkeypatch.setattr(lease.Held, "is_sure", False)
    with pytest.raises(LeaseLost, match="nothing more is deleted"):
        pruned()
    assert states(job) == ["deleting", "deleting", "whole"]
    assert len(left(vault_root)) == 3


# --- The look, and its cost -----------------------------------------------------------------------


def test_a_dry_run_tells_what_would_go_and_changes_nothing(vault_root: Path) -> None:
    jobs = [make_job(name, keep_last=1) for name in ("ONE", "TWO")]
    for job in jobs:
        stocked(job, *days_ago(3, 2, 1))
    VaultCopy.objects.filter(pk=VaultCopy.objects.earliest("pk").pk).update(state="deleting")
    rows = list(VaultCopy.objects.order_by("pk").values())
    would, foretold = pruned(dry_run=True)
    assert list(VaultCopy.objects.order_by("pk").values()) == rows
    assert len(left(vault_root)) == 6
    assert not VaultRun.objects.exists()
    done, told = pruned()
    assert told == foretold
    assert (done.copies, done.bytes) == (would.copies, would.bytes) == (4, would.bytes)


def test_each_job_that_loses_copies_has_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "scanner.vault_prune")
    for name in ("ONE", "TWO", "CALM"):
        stocked(make_job(name, keep_last=2), *days_ago(*((2, 1) if name == "CALM" else (3, 2, 1))))
    size = VaultCopy.objects.earliest("pk").size
    pruned()
    told = [one.getMessage() for one in caplog.records if one.name == "scanner.vault_prune"]
    assert told == [
        f"vault: ACME_DOUALA_NEWBELL/{name}: 1 copies deleted ({size} bytes), 2 kept"
        for name in ("ONE", "TWO")
    ]


def statements(**options: Any) -> int:
    with CaptureQueriesContext(connection) as captured:
        pruned(**options)
    return len(captured)


def test_statements_of_the_decision_grow_with_the_batches_and_not_with_the_jobs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(vault_prune, "batches", lambda items: batches(items, 4))
    statements()  # makes the row of the lease
    taken = {}
    for number in range(1, 10):
        stocked(make_job(f"JOB_{number}", keep_last=2), *days_ago(2, 1))
        taken[number] = statements()
        progress: list[tuple[int, int]] = []
        prune(now=NOW, dry_run=True, progress=lambda *how_far: progress.append(how_far))  # noqa: B023
        assert progress[-1] == (number, number)
    assert taken[1] == taken[2] == taken[4]
    assert taken[5] == taken[8]
    assert 0 < taken[5] - taken[4] == taken[9] - taken[8] <= 3
    # Nor with what would go.
    before = statements(dry_run=True)
    ExpectedBackupJob.objects.update(keep_last=1)
    assert statements(dry_run=True) == before


def test_statements_of_a_deletion_do_not_grow_with_the_copies() -> None:
    statements()  # makes the row of the lease
    taken = []
    for number in (2, 12):
        job = make_job(f"JOB_{number}", keep_last=1)
        stocked(job, *days_ago(*range(number + 1, 0, -1)))
        taken.append(statements())
    assert taken[0] == taken[1]
