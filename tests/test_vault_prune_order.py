"""A prune that is killed at any instant, and the next one; and scans that work beside it."""

import itertools
import os
import signal
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import pytest
from django.db import connections, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from scanner import lease, stock, vault_findings, vault_prune
from scanner.errors import VaultError
from scanner.models import BackupEntry, ExpectedBackupJob, Lease, VaultCopy, VaultRun
from scanner.pipeline import vault_tree
from scanner.vault_findings import Kind
from scanner.vault_prune import prune
from tests.agent import Agent, dump_of
from tests.scanning import NOW, make_job, run_scan, verdicts
from tests.stocked import content_of, good_entry, path_of, stocked

pytestmark = pytest.mark.django_db(transaction=True)

DAY = timedelta(days=1)
EVE = NOW - timedelta(hours=2)
LATER = NOW + timedelta(minutes=5)


def days_ago(*days: int) -> list[datetime]:
    return [EVE - number * DAY for number in days]


def files(root: Path) -> set[str]:
    return {str(file.relative_to(root)) for file in root.rglob("*") if file.is_file()}


def states(job: ExpectedBackupJob) -> list[str]:
    return list(VaultCopy.objects.filter(job=job).order_by("pk").values_list("state", flat=True))


# --- The kill -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Moment:
    """Right before or right after a function is called for the `count`th time."""

    when: Literal["before", "after"]
    owner: Any
    function: str
    count: int = 1

    def __str__(self) -> str:
        return f"{self.when} {self.function} {self.count}"

    def arm(self) -> None:
        """Have this process killed then."""
        real: Callable[..., Any] = getattr(self.owner, self.function)
        calls = itertools.count(1)

        def call(*arguments: Any, **options: Any) -> Any:
            is_last = next(calls) == self.count
            if is_last and self.when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            given = real(*arguments, **options)
            if is_last and self.when == "after":
                os.kill(os.getpid(), signal.SIGKILL)
            return given

        setattr(self.owner, self.function, call)


def prune_killed(moment: Moment) -> None:
    """Prune in a process, a fork of this one, that is killed at that moment."""
    connections.close_all()
    with warnings.catch_warnings():
        # Newer Pythons warn of forks beside threads; this one forks, works, and is killed.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        try:
            moment.arm()
            prune(now=NOW)
        except BaseException:  # noqa: BLE001 - nothing of this process may get back into pytest
            traceback.print_exc()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, f"{moment} never came"
    # As if its time to live had passed, for which a test need not wait.
    Lease.objects.update(holder="")


MARKED = Moment("before", vault_prune, "_wanted_by_others")
HALF_REMOVED = Moment("after", vault_prune, "remove", 1)
ALL_REMOVED = Moment("before", vault_prune, "_record")

MOMENTS = [
    Moment("after", lease, "hold"),
    Moment("before", vault_prune, "locked_fate"),
    Moment("after", vault_prune, "locked_fate"),
    MARKED,
    Moment("before", vault_prune, "remove", 2),
    Moment("before", vault_tree, "_remove_empty", 1),
    HALF_REMOVED,
    Moment("after", vault_prune, "remove", 3),
    ALL_REMOVED,
    Moment("after", vault_prune, "_record", 1),
    Moment("before", vault_prune, "locked_fate", 2),
    Moment("after", vault_prune, "locked_fate", 2),
    Moment("after", vault_prune, "remove", 4),
    Moment("after", vault_prune, "_record", 2),
    Moment("before", vault_prune, "_count"),
]


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_the_next_prune_completes_what_a_kill_left(moment: Moment, vault_root: Path) -> None:
    jobs = [make_job(name, keep_last=1) for name in ("ONE", "TWO")]
    kept = {stocked(job, *days_ago(4, 3, 2, 1))[-1].path for job in jobs}
    prune_killed(moment)
    gone = VaultCopy.objects.filter(state="deleted")
    assert not any((vault_root / copy.path).exists() for copy in gone)
    assert kept <= files(vault_root)

    assert prune(now=LATER).failures == []
    assert files(vault_root) == kept
    for job in jobs:
        assert states(job) == ["deleted"] * 3 + ["whole"]
        told = BackupEntry.objects.filter(job=job).order_by("pk")
        because = [entry.copy_deleted_because for entry in told]
        assert because == ["last 1: not among them"] * 3 + [""]
        assert [entry.copy_deleted_at is None for entry in told] == [False] * 3 + [True]
    assert not VaultRun.objects.filter(outcome="running").exists()


def test_a_copy_that_was_only_marked_is_given_back_to_a_job_that_got_into_trouble(
    vault_root: Path,
) -> None:
    job = make_job(keep_last=1)
    marked = stocked(job, *days_ago(4, 3, 2, 1))
    VaultCopy.objects.filter(pk=marked[1].pk).update(state="damaged")
    vault_findings.find(Kind.DAMAGED, marked[1].path, "bits", now=NOW, copy=marked[1])
    prune_killed(HALF_REMOVED)
    assert states(job) == ["deleting"] * 3 + ["whole"]
    ExpectedBackupJob.objects.update(status="CORRUPT")
    done = prune(now=LATER)
    assert states(job) == ["deleted", "damaged", "whole", "whole"]
    assert done.copies == 1
    assert [copy.deleted_because for copy in VaultCopy.objects.order_by("pk")[1:]] == [""] * 3
    assert files(vault_root) == {copy.path for copy in marked[1:]}


@pytest.mark.parametrize("how", ["damaged", "absent"])
def test_a_copy_that_was_only_marked_is_given_back_when_it_is_the_newest_whole_one_by_now(
    vault_root: Path, how: str
) -> None:
    job = make_job(keep_last=1)
    marked = stocked(job, *days_ago(3, 2, 1))
    prune_killed(MARKED)
    if how == "absent":
        (vault_root / marked[-1].path).unlink()
    VaultCopy.objects.filter(pk=marked[-1].pk).update(state=how)
    prune(now=LATER)
    assert states(job) == ["deleted", "whole", how]
    assert marked[1].path in files(vault_root)


@pytest.mark.parametrize("fields", [{"keep_last": 0}, {"keep_last": 2}])
def test_a_copy_that_was_only_marked_is_given_back_when_the_policy_keeps_it_by_now(
    vault_root: Path, fields: dict[str, int]
) -> None:
    job = make_job(keep_last=1)
    stocked(job, *days_ago(2, 1))
    prune_killed(MARKED)
    ExpectedBackupJob.objects.update(**fields)
    assert prune(now=LATER).copies == 0
    assert states(job) == ["whole", "whole"]
    assert len(files(vault_root)) == 2


def test_a_file_that_two_jobs_have_stays_when_one_of_them_gets_it_back(vault_root: Path) -> None:
    job = make_job(keep_last=1)
    place: dict[str, Any] = {"company_name": "ACME", "city": "DOUALA", "neighborhood": "NEWBELL"}
    twin = make_job(agent="ACME_DOUALA_AKWA", keep_last=1, **place)
    for one in (job, twin):
        stocked(one, *days_ago(2, 1))
    prune_killed(MARKED)
    VaultCopy.objects.filter(job=twin, made_at=days_ago(2)[0]).update(state="deleting")
    ExpectedBackupJob.objects.filter(pk=twin.pk).update(status="MISSING")
    prune(now=LATER)
    assert (states(job), states(twin)) == (["deleted", "whole"], ["whole", "whole"])
    assert len(files(vault_root)) == 2


def test_a_marked_copy_whose_vault_is_away_stays_marked(vault_root: Path) -> None:
    job = make_job(keep_last=1)
    stocked(job, *days_ago(2, 1))
    prune_killed(MARKED)
    vault_root.rename(vault_root.with_name("elsewhere"))
    vault_root.mkdir()
    with pytest.raises(VaultError, match="none of the copies"):
        prune(now=LATER)
    assert states(job) == ["deleting", "whole"]


# --- Beside a scan --------------------------------------------------------------------------------


def test_a_scan_that_promotes_what_is_being_deleted_waits_for_another_copy(
    deposit_root: Path, vault_root: Path
) -> None:
    job = make_job(keep_last=1)
    old, newest = stocked(job, *days_ago(5, 1))
    prune_killed(MARKED)
    # The same operation again, as its report comes only now: its copy stands there already.
    late = dump_of(f"{job.database_name} {old.made_at}", rows=2)
    Agent(deposit_root).deposit(job.database_name, old.made_at, dump=late, arrived=NOW)
    assert content_of(job.database_name, old.made_at) == (vault_root / old.path).read_bytes()
    run_scan()
    entry = BackupEntry.objects.latest("pk")
    assert (entry.status, entry.vault_path, entry.vault_pending) == ("SUCCESS", "", True)
    assert "not_in_vault" in entry.warnings
    assert states(job) == ["deleting", "whole"]

    prune(now=LATER)
    assert files(vault_root) == {newest.path}
    assert BackupEntry.objects.get(pk=entry.pk).copy_deleted_at is None
    run_scan(LATER)
    entry.refresh_from_db()
    assert (entry.vault_path, entry.vault_pending) == (old.path, False)
    assert states(job) == ["whole", "whole"]
    assert files(vault_root) == {old.path, newest.path}


def test_a_scan_that_comes_between_mark_and_removal_records_no_copy_that_goes(
    deposit_root: Path, vault_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(keep_last=1)
    old, newest = stocked(job, *days_ago(5, 1))
    late = dump_of(f"{job.database_name} {old.made_at}", rows=2)
    Agent(deposit_root).deposit(job.database_name, old.made_at, dump=late, arrived=NOW)
    remove = vault_tree.remove

    def scan_first(*arguments: Any) -> None:
        run_scan()
        remove(*arguments)

    monkeypatch.setattr(vault_prune, "remove", scan_first)
    prune(now=LATER)
    entry = BackupEntry.objects.latest("pk")
    assert (entry.status, entry.vault_path, entry.vault_pending) == ("SUCCESS", "", True)
    assert states(job) == ["deleted", "whole"]
    assert files(vault_root) == {newest.path}


def test_the_copy_that_unchanged_backups_point_to_survives_and_goes_on_serving(
    deposit_root: Path, vault_root: Path
) -> None:
    job = make_job(keep_last=1)
    agent = Agent(deposit_root)
    same = dump_of("the same every day")
    contents = [dump_of("another"), same, same, same]
    for day, dump in zip((4, 3, 2, 1), contents, strict=True):
        [ended] = days_ago(day)
        agent.deposit("ACME_2025", ended, dump=dump, arrived=ended)
        run_scan(ended + timedelta(minutes=1))
        prune(now=ended + timedelta(minutes=2))
    assert [status for status, _ in verdicts()] == ["SUCCESS", "SUCCESS", "UNCHANGED", "UNCHANGED"]
    assert states(job) == ["deleted", "whole"]
    good = ExpectedBackupJob.objects.select_related("last_good_entry").get().last_good_entry
    assert good is not None
    assert files(vault_root) == {good.vault_path}
    agent.deposit("ACME_2025", EVE, dump=same, arrived=EVE)
    run_scan()
    assert verdicts()[-1] == ("UNCHANGED", "")


def test_a_late_report_of_an_old_backup_costs_the_last_good_one_nothing(
    deposit_root: Path, vault_root: Path
) -> None:
    job = make_job(keep_last=1)
    agent = Agent(deposit_root)
    agent.deposit("ACME_2025", EVE, arrived=EVE)
    run_scan()
    good = str(path_of(job, EVE))
    [ended] = days_ago(3)
    agent.deposit("ACME_2025", ended, arrived=NOW)
    run_scan(LATER)
    assert files(vault_root) == {good, str(path_of(job, ended))}
    prune(now=LATER + DAY)
    assert files(vault_root) == {good}


# --- Whatever the policy --------------------------------------------------------------------------

FEW = st.integers(0, 3)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["new", "new", "unchanged", "again"]),
        st.integers(0, 40),  # hours, in steps of 6, before the eve
        st.sampled_from(["whole", "whole", "damaged", "absent"]),
        st.booleans(),  # a prune comes right after it
    ),
    min_size=1,
    max_size=12,
)


def comes(job: ExpectedBackupJob, what: str, ended: datetime, root: Path) -> None:
    """Let a good backup of any time come, as a scan would record it."""
    good = job.last_good_entry
    known = VaultCopy.objects.filter(job=job, state="whole")
    if what == "unchanged" and good and known.filter(path=good.vault_path).exists():
        good_entry(job, ended, good.vault_path, status="UNCHANGED")
    elif what == "again" and (copy := known.first()):
        good_entry(job, ended, copy.path)  # found in the vault by its digest
    elif VaultCopy.objects.filter(job=job, made_at=ended).exists():
        content, path = content_of(job.database_name, ended), path_of(job, ended)
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
        stock.take_in([good_entry(job, ended, str(path), content)], now=ended)
    else:
        stocked(job, ended)


@pytest.mark.django_db(transaction=False)
@hypothesis_settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rules=st.tuples(FEW, FEW, FEW, FEW, FEW), events=EVENTS)
def test_the_last_good_copy_survives_every_policy(
    settings: Settings, tmp_path: Path, rules: tuple[int, ...], events: list[Any]
) -> None:
    root = tmp_path / uuid4().hex
    settings.VALIDATED_BACKUPS_BASE_PATH = root
    names = ("keep_last", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly")
    with transaction.atomic():
        policy: dict[str, Any] = dict(zip(names, rules, strict=True))
        job = make_job(now=NOW - 60 * DAY, **policy)
        for what, steps, becomes, prune_now in events:
            comes(job, what, EVE - timedelta(hours=6 * steps), root)
            good = job.last_good_entry
            assert good is not None
            VaultCopy.objects.filter(job=job, path=good.vault_path).update(state=becomes)
            whole = {
                str(copy): copy.path for copy in VaultCopy.objects.filter(job=job, state="whole")
            }
            entries = BackupEntry.objects.filter(job=job, vault_path__in=whole.values())
            newest = entries.filter(copy_deleted_at=None).order_by("-operation_end").first()
            if prune_now:
                # Where no copy is known to be whole, nothing goes, and that is told.
                assert prune(now=NOW, clock_is_right=True).failures == [] or not whole
            assert (root / good.vault_path).is_file()
            if newest is not None:
                assert (root / newest.vault_path).is_file()
                assert VaultCopy.objects.filter(path=newest.vault_path, state="whole").exists()
        transaction.set_rollback(True)
