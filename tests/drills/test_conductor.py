"""A round of drills: who has a turn, and what is recorded of it."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models import F
from pytest_django import Settings

from scanner.drills import conductor
from scanner.drills.attempt import Attempt, Restorers, attempt
from scanner.drills.conductor import drill
from scanner.errors import LeaseHeld, LeaseLost, VaultError
from scanner.models import (
    ExpectedBackupJob,
    Lease,
    RestoreDrill,
    VaultCopy,
    VaultFinding,
    VaultRun,
)
from tests.commands.rival import lease_held_elsewhere
from tests.drills.scratch import name_in, run_as, scratch_postgres
from tests.drills.vaulted import BROKEN, sqlite_dump, vaulted
from tests.scanning import NOW, make_job

pytestmark = pytest.mark.django_db

Outcome = RestoreDrill.Outcome
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
LATER = NOW + DAY
NO_TIME = timedelta(0)


def outcomes(run: VaultRun) -> list[tuple[str, str]]:
    """Give what came of a round: the job's database and the outcome, in the order of turns."""
    drills = run.drills.order_by("pk").select_related("job")
    return [(one.job.database_name, one.outcome) for one in drills]


def only_drill(run: VaultRun) -> RestoreDrill:
    return run.drills.get()


def open_findings() -> list[str]:
    return list(VaultFinding.objects.filter(ended_at=None).values_list("path", flat=True))


# --- What is recorded -----------------------------------------------------------------------------


def test_a_copy_that_was_restored_is_proven() -> None:
    job = make_job()
    copy = vaulted(job, sqlite_dump(rows=7))
    run = drill(now=LATER)
    found = only_drill(run)
    assert (found.outcome, found.target, found.tables, found.rows) == ("restored", "SQLite", 1, 7)
    assert found.seconds is not None
    assert found.seconds > 0
    assert (found.job, found.copy, found.message) == (job, copy, "")
    assert found.finished_at is not None
    assert LATER <= found.started_at <= found.finished_at
    copy.refresh_from_db()
    assert copy.proven_at == copy.drilled_at == found.finished_at
    assert copy.entry.level == "restored"
    job.refresh_from_db()
    assert job.last_restore == found
    assert (run.kind, run.outcome) == ("drill", "ok")
    assert (run.copies, run.bytes, run.findings) == (1, copy.size, 0)


def test_a_copy_that_does_not_restore_is_a_finding_on_its_job() -> None:
    job = make_job()
    copy = vaulted(job, BROKEN)
    run = drill(now=LATER)
    found = only_drill(run)
    assert (found.outcome, found.seconds, found.rows) == ("failed", None, None)
    assert "no such table: absent" in found.message
    finding = VaultFinding.objects.get(ended_at=None)
    assert (finding.kind, finding.job, finding.copy, finding.path) == (
        "not_restorable",
        job,
        copy,
        copy.path,
    )
    assert finding.message == found.message
    copy.refresh_from_db()
    assert (copy.drilled_at, copy.proven_at) == (found.finished_at, None)
    assert copy.entry.level == "content"
    job.refresh_from_db()
    assert job.last_restore is None
    assert (run.outcome, run.copies, run.findings) == ("findings", 1, 1)


def test_a_failure_is_one_finding_however_often_it_is_found() -> None:
    vaulted(make_job(), BROKEN)
    assert [drill(now=NOW + n * DAY).findings for n in (1, 2)] == [1, 1]
    assert VaultFinding.objects.count() == 1


def test_a_later_copy_that_restores_ends_what_was_found_on_earlier_ones() -> None:
    job, other = make_job("ACME"), make_job("OTHER")
    vaulted(job, BROKEN)
    still = vaulted(other, BROKEN)
    drill(now=LATER)
    assert len(open_findings()) == 2
    vaulted(job, sqlite_dump(), NOW + DAY)
    drill(now=NOW + 2 * DAY)
    assert open_findings() == [still.path]
    assert VaultFinding.objects.get(job=job).end == "restored"


def test_other_findings_stay_open() -> None:
    copy = vaulted(make_job(), sqlite_dump())
    VaultFinding.objects.create(
        kind="damaged", path=copy.path, message="x", found_at=NOW, job=copy.job, copy=copy
    )
    assert drill(now=LATER).outcome == "ok"
    assert open_findings() == [copy.path]


def test_last_proof_stays_when_a_later_restore_fails() -> None:
    job = make_job()
    vaulted(job, sqlite_dump())
    proof = only_drill(drill(now=NOW + DAY))
    job.refresh_from_db()
    vaulted(job, BROKEN, NOW + DAY)
    drill(now=NOW + 2 * DAY)
    job.refresh_from_db()
    assert job.last_restore == proof


def test_words_of_a_dump_are_made_fit_to_keep() -> None:
    vaulted(make_job(), BROKEN.replace(b"(1)", "('\x1b[31m\u2028')".encode()))
    message = only_drill(drill(now=LATER)).message
    assert "INSERT INTO absent" in message
    assert "\x1b" not in message


# --- What is not tried ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dump", "extension", "words"),
    [
        (os.urandom(1000), "", "encrypted"),
        (b"some words that no program wrote\n", ".gz", "nobody here knows which program"),
        (b"-- PostgreSQL database cluster dump\n", ".gz", "a whole cluster"),
        (b"MSSQLBAK" + b"x" * 100, ".gz", "no drill for dumps of the kind mssql"),
        (b"-- PostgreSQL database dump\n", ".gz", "set RESTORE_DRILL_POSTGRES_URL"),
        (b"PGDMP" + b"x" * 100, ".gz", "set RESTORE_DRILL_POSTGRES_URL"),
        (b"-- MySQL dump 10.13\n", ".gz", "set RESTORE_DRILL_MYSQL_URL"),
    ],
)
def test_why_a_copy_was_not_tried_is_told(dump: bytes, extension: str, words: str) -> None:
    copy = vaulted(make_job(), dump, extension=extension)
    run = drill(now=LATER)
    found = only_drill(run)
    assert found.outcome == "not_tried"
    assert words in found.message
    copy.refresh_from_db()
    assert copy.drilled_at is None
    assert (run.outcome, run.copies, run.findings) == ("refused", 0, 0)
    assert run.message.startswith("1 not tried: 1: ")
    assert words in run.message
    assert open_findings() == []


def test_a_copy_that_gives_no_table_is_not_proven() -> None:
    copy = vaulted(make_job(), b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCOMMIT;\n")
    found = only_drill(drill(now=LATER))
    assert (found.outcome, found.seconds) == ("failed", None)
    assert "no table at all" in found.message
    copy.refresh_from_db()
    assert copy.proven_at is None
    assert open_findings() == [copy.path]


def test_a_round_in_which_nothing_could_be_tried_says_why_in_groups() -> None:
    dumps = {"A": b"-- MySQL dump 10.13\n", "B": b"nobody's words\n", "C": b"-- MySQL dump 9\n"}
    for database, dump in dumps.items():
        vaulted(make_job(database), dump)
    run = drill(now=LATER)
    assert run.outcome == "refused"
    assert run.message == (
        "3 not tried: 2: there is no scratch server: set RESTORE_DRILL_MYSQL_URL; "
        "1: nobody here knows which program wrote this dump"
    )


def test_a_round_that_restored_one_copy_is_not_refused_for_the_others() -> None:
    vaulted(make_job("A"), b"nobody's words\n")
    vaulted(make_job("B"), sqlite_dump())
    run = drill(now=LATER)
    assert (run.outcome, run.message) == ("ok", "")


def test_a_dump_that_is_too_large_is_not_tried(settings: Settings) -> None:
    settings.RESTORE_DRILL_MAX_GIB = 0
    vaulted(make_job(), sqlite_dump())
    assert "RESTORE_DRILL_MAX_GIB" in only_drill(drill(now=LATER)).message


def test_one_whose_size_is_not_on_record_is_found_too_large(settings: Settings) -> None:
    settings.RESTORE_DRILL_MAX_GIB = 0
    copy = vaulted(make_job(), sqlite_dump())
    copy.entry.content_size = None
    copy.entry.save()
    found = only_drill(drill(now=LATER))
    assert (found.outcome, "RESTORE_DRILL_MAX_GIB" in found.message) == ("not_tried", True)


def test_an_entry_of_before_kinds_were_recorded_is_told_by_its_bytes() -> None:
    copy = vaulted(make_job(), sqlite_dump())
    copy.entry.dump_kind = copy.entry.codec = ""
    copy.entry.save()
    assert only_drill(drill(now=LATER)).outcome == "restored"


@pytest.mark.parametrize(
    "url", ["postgresql://drill@127.0.0.1:9/restore_drill", "postgresql://drill@127.0.0.1/monitor"]
)
def test_a_round_that_can_use_no_server_is_refused_and_says_why(
    settings: Settings, url: str
) -> None:
    settings.RESTORE_DRILL_POSTGRES_URL = url
    for number in range(3):
        vaulted(make_job(f"DB{number}"), b"-- PostgreSQL database dump\n")
    run = drill(now=LATER)
    assert {outcome for _job, outcome in outcomes(run)} == {"not_tried"}
    assert run.outcome == "refused"
    assert run.message.count("RESTORE_DRILL_POSTGRES_URL") == 1


def test_a_refused_server_keeps_nobody_from_files(settings: Settings) -> None:
    settings.RESTORE_DRILL_MYSQL_URL = "mysql://drill@127.0.0.1/mysql"
    vaulted(make_job("A"), b"-- MySQL dump 10.13\n")
    vaulted(make_job("B"), sqlite_dump())
    run = drill(now=LATER)
    assert outcomes(run) == [("A", "not_tried"), ("B", "restored")]
    assert run.outcome == "ok"
    assert "not marked as scratch" in run.message


# --- The copy itself ------------------------------------------------------------------------------


def test_a_damaged_copy_is_told_from_a_dump_that_does_not_restore(vault_root: Path) -> None:
    copy = vaulted(make_job(), sqlite_dump(), extension="")
    file = vault_root / copy.path
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    found = only_drill(drill(now=LATER))
    assert (found.outcome, "the copy is damaged" in found.message) == ("failed", True)


def test_a_copy_that_is_not_there_is_a_finding(vault_root: Path) -> None:
    copy = vaulted(make_job(), sqlite_dump())
    (vault_root / copy.path).unlink()
    assert only_drill(drill(now=LATER)).outcome == "failed"
    assert open_findings() == [copy.path]


def test_a_link_in_a_copys_place_is_not_followed(vault_root: Path, tmp_path: Path) -> None:
    copy = vaulted(make_job(), sqlite_dump())
    file = vault_root / copy.path
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    assert only_drill(drill(now=LATER)).outcome == "failed"


def test_without_a_vault_nothing_is_said_of_any_copy(vault_root: Path, tmp_path: Path) -> None:
    vaulted(make_job(), sqlite_dump())
    vault_root.rename(tmp_path / "away")
    with pytest.raises(VaultError):
        drill(now=LATER)
    assert not RestoreDrill.objects.exists()
    assert VaultRun.objects.get().outcome == "failed"


def test_a_vault_that_goes_away_in_a_round_says_nothing_of_copies(
    vault_root: Path, tmp_path: Path
) -> None:
    for database in ("A", "B"):
        vaulted(make_job(database), sqlite_dump())

    def unmount(done: int, _total: int) -> None:
        if done == 1:
            vault_root.rename(tmp_path / "away")

    with pytest.raises(VaultError):
        drill(now=LATER, progress=unmount)
    assert outcomes(VaultRun.objects.get()) == [("A", "restored"), ("B", "interrupted")]
    assert open_findings() == []


# --- Whose turn it is -----------------------------------------------------------------------------


def test_each_active_job_has_one_turn_with_its_newest_whole_copy() -> None:
    job, damaged, paused, bare = (make_job(name) for name in ("A", "B", "C", "D"))
    vaulted(job, sqlite_dump(rows=1), NOW - DAY)
    newest = vaulted(job, sqlite_dump(rows=2), NOW)
    whole = vaulted(damaged, sqlite_dump(rows=3), NOW - DAY)
    broken = vaulted(damaged, sqlite_dump(rows=4), NOW)
    VaultCopy.objects.filter(pk=broken.pk).update(state=VaultCopy.State.DAMAGED.value)
    vaulted(paused, sqlite_dump(), NOW)
    ExpectedBackupJob.objects.filter(pk=paused.pk).update(is_active=False)
    assert not bare.copies.exists()
    run = drill(now=LATER)
    assert list(run.drills.order_by("pk").values_list("copy", flat=True)) == [newest.pk, whole.pk]


def test_named_jobs_have_a_turn_though_they_are_paused() -> None:
    for database in ("A", "B", "C"):
        vaulted(make_job(database, is_active=False), sqlite_dump())
    jobs = ExpectedBackupJob.objects.filter(database_name__in=("A", "C"))
    run = drill(now=LATER, jobs=[job.pk for job in jobs])
    assert outcomes(run) == [("A", "restored"), ("C", "restored")]


def test_whose_last_turn_is_longest_ago_comes_first_whatever_came_of_it() -> None:
    dumps = {"GOOD": sqlite_dump(), "BROKEN": BROKEN, "UNKNOWN": b"nobody's words\n"}
    for database, dump in dumps.items():
        vaulted(make_job(database), dump)
    first = drill(now=NOW + DAY)
    assert [database for database, _outcome in outcomes(first)] == ["GOOD", "BROKEN", "UNKNOWN"]
    job = ExpectedBackupJob.objects.get(database_name="GOOD")
    drill(now=NOW + 2 * DAY, jobs=[job.pk])
    vaulted(make_job("NEW"), sqlite_dump())
    third = drill(now=NOW + 3 * DAY)
    assert [database for database, _outcome in outcomes(third)] == [
        "NEW",
        "BROKEN",
        "UNKNOWN",
        "GOOD",
    ]


def test_rounds_without_time_restore_one_copy_each_and_come_to_all() -> None:
    vaulted(make_job("UNKNOWN"), b"nobody's words\n")
    for database in ("A", "B", "C"):
        vaulted(make_job(database), sqlite_dump())
    rounds = [outcomes(drill(now=NOW + n * DAY, budget=NO_TIME)) for n in range(1, 5)]
    assert rounds == [
        [("UNKNOWN", "not_tried"), ("A", "restored")],
        [("B", "restored")],
        [("C", "restored")],
        [("UNKNOWN", "not_tried"), ("A", "restored")],
    ]


def test_the_budget_is_the_settings_unless_one_is_given(settings: Settings) -> None:
    settings.RESTORE_DRILL_MINUTES = 0
    for database in ("A", "B"):
        vaulted(make_job(database), sqlite_dump())
    assert len(outcomes(drill(now=LATER))) == 1
    assert len(outcomes(drill(now=LATER, budget=HOUR))) == 2


def test_progress_is_told() -> None:
    for database in ("A", "B"):
        vaulted(make_job(database), sqlite_dump())
    told: list[tuple[int, int]] = []
    drill(now=LATER, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 2), (1, 2), (2, 2)]


def test_nothing_to_do_is_a_good_round(vault_root: Path) -> None:
    vault_root.mkdir()
    run = drill(now=LATER)
    assert (run.outcome, run.copies) == ("ok", 0)


# --- What happens meanwhile -----------------------------------------------------------------------


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """Give a list of what is to be done, once, after a restore and before it is recorded."""
    steps: list[object] = []

    def interposed(copy: VaultCopy, restorers: Restorers) -> Attempt:
        found = attempt(copy, restorers)
        while steps:
            step = steps.pop(0)
            if isinstance(step, BaseException):
                raise step
            assert callable(step)
            step(copy)
        return found

    monkeypatch.setattr(conductor, "attempt", interposed)
    yield steps
    assert steps == []


def steal_lease(_copy: VaultCopy) -> None:
    Lease.objects.filter(name=conductor.LEASE).update(token=F("token") + 1, holder="rival")


@pytest.mark.parametrize("dump", [sqlite_dump(), BROKEN], ids=["good", "broken"])
def test_a_round_that_lost_its_lease_records_nothing(dump: bytes, meanwhile: list[object]) -> None:
    copy = vaulted(make_job(), dump)
    meanwhile.append(steal_lease)
    with pytest.raises(LeaseLost):
        drill(now=LATER)
    copy.refresh_from_db()
    assert (copy.drilled_at, copy.proven_at) == (None, None)
    assert RestoreDrill.objects.get().outcome == "interrupted"
    assert open_findings() == []


def test_an_interrupted_restore_is_told_as_such(meanwhile: list[object]) -> None:
    vaulted(make_job(), sqlite_dump())
    meanwhile.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        drill(now=LATER)
    found = RestoreDrill.objects.get()
    assert (found.outcome, found.message) == ("interrupted", "KeyboardInterrupt:")
    assert found.run.outcome == "interrupted"


@pytest.mark.parametrize("state", [VaultCopy.State.DELETED, VaultCopy.State.DELETING])
def test_a_copy_that_was_deleted_meanwhile_is_no_finding(
    state: VaultCopy.State, meanwhile: list[object]
) -> None:
    vaulted(make_job(), BROKEN)
    meanwhile.append(lambda copy: VaultCopy.objects.filter(pk=copy.pk).update(state=state.value))
    run = drill(now=LATER)
    assert (only_drill(run).outcome, run.findings) == ("not_tried", 0)
    assert open_findings() == []


def test_a_copy_that_was_deleted_before_its_turn_has_none(meanwhile: list[object]) -> None:
    vaulted(make_job("A"), sqlite_dump())
    vaulted(make_job("B"), sqlite_dump())
    others = VaultCopy.objects.filter(job__database_name="B")
    meanwhile.append(lambda _copy: others.update(state=VaultCopy.State.DELETED.value))
    assert outcomes(drill(now=LATER)) == [("A", "restored")]


def test_what_a_killed_round_left_is_closed(vault_root: Path) -> None:
    copy = vaulted(make_job(), sqlite_dump())
    run = VaultRun.objects.create(kind="drill", started_at=NOW)
    left = RestoreDrill.objects.create(run=run, job=copy.job, copy=copy, started_at=NOW)
    drill(now=LATER)
    left.refresh_from_db()
    run.refresh_from_db()
    assert (left.outcome, left.finished_at, left.message) == (
        "interrupted",
        LATER,
        "killed before its end",
    )
    assert run.outcome == "interrupted"


@pytest.mark.django_db(transaction=True)
def test_one_round_at_a_time() -> None:
    vaulted(make_job(), sqlite_dump())
    with lease_held_elsewhere(conductor.LEASE), pytest.raises(LeaseHeld):
        drill(now=LATER)
    assert not VaultRun.objects.exists()


@pytest.mark.postgres
def test_a_server_is_looked_at_once_a_round(settings: Settings, postgres_url: str) -> None:
    beginning = b"-- PostgreSQL database dump\nCREATE TABLE t AS SELECT 1 AS a;\n--\n"
    whole = beginning + b"-- PostgreSQL database dump complete\n--\n"
    for database in ("A", "B"):
        vaulted(make_job(database), whole)
    with scratch_postgres(postgres_url) as url:
        settings.RESTORE_DRILL_POSTGRES_URL = url
        leftover = f"{name_in(url)}_0123456789ab"
        run_as(url, f"CREATE DATABASE {leftover}")
        run = drill(now=LATER)
        assert outcomes(run) == [("A", "restored"), ("B", "restored")]
        assert {one.rows for one in run.drills.all()} == {1}
        # Not empty any more: the next round refuses it.
        run_as(url, "CREATE TABLE precious (a int)")
        assert drill(now=NOW + 2 * DAY).outcome == "refused"
