"""The patrol: each copy gets its turn, and what is said of it holds."""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from scanner import stock, vault_audit
from scanner.errors import LeaseHeld, LeaseLost, VaultError
from scanner.models import Lease, VaultCopy, VaultFinding, VaultRun
from scanner.pipeline import patrol
from scanner.pipeline.patrol import Found, examine
from scanner.vault_audit import audit
from tests.agent import Agent
from tests.commands.rival import lease_held_elsewhere
from tests.scanning import NOW, make_job, run_scan

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
LATER = NOW + DAY
NO_TIME = timedelta(0)


@pytest.fixture
def agent(deposit_root: Path, settings: Settings) -> Agent:
    settings.VAULT_RESERVE_MIB = 0
    return Agent(deposit_root)


def store(agent: Agent, *databases: str) -> list[VaultCopy]:
    """Have a scan put a copy of each of these new databases into the vault."""
    for number, database in enumerate(databases):
        make_job(database, agent.name)
        ended = NOW - timedelta(minutes=number + 1)
        agent.deposit(database, ended, arrived=ended)
    run_scan()
    by_job = {copy.job.database_name: copy for copy in VaultCopy.objects.select_related("job")}
    return [by_job[database] for database in databases]


def unstage(agent: Agent) -> None:
    """Have the agent clear its staging folder: nothing can be repaired."""
    for file in agent.databases.iterdir():
        file.unlink()


def rot(vault: Path, copy: VaultCopy) -> None:
    """Flip one bit of a copy; its size stays."""
    file = vault / copy.path
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.chmod(0o640)
    file.write_bytes(content)


def state_of(copy: VaultCopy) -> tuple[str, datetime]:
    copy.refresh_from_db()
    return copy.state, copy.audited_at


def is_whole(copy: VaultCopy) -> bool:
    return state_of(copy)[0] == "whole"


def findings() -> list[tuple[str, str, str]]:
    """Give (kind, path, how it ended) of every finding, in the order in which they were opened."""
    return list(VaultFinding.objects.order_by("pk").values_list("kind", "path", "end"))


# --- What a copy is like --------------------------------------------------------------------------


def test_a_whole_copy_was_read_whole_now(agent: Agent, vault_root: Path) -> None:
    (copy,) = store(agent, "ONE")
    run = audit(now=LATER)
    assert state_of(copy) == ("whole", LATER)
    assert (run.kind, run.outcome, run.copies, run.bytes) == ("audit", "ok", 1, copy.size)
    assert (run.findings, run.covered_since) == (0, LATER)
    assert "100 % re-read or written in the last hour" in run.message
    assert findings() == []


def test_a_rotten_copy_is_told_with_both_digests_and_sizes(agent: Agent, vault_root: Path) -> None:
    (copy,) = store(agent, "ONE")
    unstage(agent)
    rot(vault_root, copy)
    found = hashlib.sha256((vault_root / copy.path).read_bytes()).hexdigest()
    run = audit(now=LATER)
    assert state_of(copy) == ("damaged", NOW)
    assert (run.outcome, run.findings, run.covered_since) == ("findings", 1, NOW)
    finding = VaultFinding.objects.get()
    assert (finding.kind, finding.job, finding.copy) == ("damaged", copy.job, copy)
    assert (finding.found_at, finding.ended_at) == (LATER, None)
    for words in (found, copy.sha256, f"{copy.size:,} bytes"):
        assert words in finding.message


def make_short(file: Path) -> None:
    file.chmod(0o640)
    file.write_bytes(file.read_bytes()[:-1])


def make_link(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to("elsewhere")


def make_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    ("spoil", "state", "kind"),
    [
        (make_short, "damaged", "damaged"),
        (Path.unlink, "absent", "absent"),
        (make_link, "damaged", "unreadable"),
        (make_folder, "damaged", "unreadable"),
    ],
)
def test_each_way_not_to_be_whole(
    spoil: Callable[[Path], None], state: str, kind: str, agent: Agent, vault_root: Path
) -> None:
    copy, other = store(agent, "ONE", "TWO")
    unstage(agent)
    spoil(vault_root / copy.path)
    audit(now=LATER)
    assert state_of(copy) == (state, NOW)
    assert state_of(other) == ("whole", LATER)
    assert (kind, copy.path, "") in findings()
    assert other.path not in {path for _, path, _ in findings()}


def test_what_is_still_wrong_stays_one_finding_and_ends_when_it_is_right(
    agent: Agent, vault_root: Path
) -> None:
    copy, _ = store(agent, "ONE", "TWO")
    unstage(agent)
    file = vault_root / copy.path
    file.rename(file.with_name("aside"))
    audit(now=LATER)
    assert audit(now=LATER + DAY).findings == 1
    assert findings() == [("absent", copy.path, "")]
    file.with_name("aside").rename(file)
    assert audit(now=LATER + 2 * DAY).outcome == "ok"
    assert state_of(copy) == ("whole", LATER + 2 * DAY)
    assert findings() == [("absent", copy.path, "whole")]
    assert VaultFinding.objects.get().ended_at == LATER + 2 * DAY


def test_a_damaged_copy_that_vanishes_has_one_open_finding(agent: Agent, vault_root: Path) -> None:
    copy, _ = store(agent, "ONE", "TWO")
    unstage(agent)
    rot(vault_root, copy)
    audit(now=LATER)
    (vault_root / copy.path).unlink()
    audit(now=LATER + DAY)
    assert findings() == [("damaged", copy.path, "gone"), ("absent", copy.path, "")]
    assert state_of(copy)[0] == "absent"


def test_a_copy_that_a_scan_wrote_again_has_no_open_finding(agent: Agent, vault_root: Path) -> None:
    copy, _ = store(agent, "ONE", "TWO")
    content = (vault_root / copy.path).read_bytes()
    unstage(agent)
    (vault_root / copy.path).unlink()
    audit(now=LATER)
    (vault_root / copy.path).write_bytes(content)
    stock.take_in([copy.entry], now=LATER + DAY)
    # Its turn to be read comes last, and the budget ends before.
    audit(now=LATER + 2 * DAY, budget=NO_TIME)
    assert findings() == [("absent", copy.path, "whole")]


# --- A vault that is away -------------------------------------------------------------------------


def remove_vault(vault: Path) -> None:
    vault.rename(vault.with_name("unmounted"))


def empty_vault(vault: Path) -> None:
    remove_vault(vault)
    (vault / "lost+found").mkdir(parents=True)


@pytest.mark.parametrize("take_away", [remove_vault, empty_vault])
def test_a_vault_that_is_away_judges_nobody(
    take_away: Callable[[Path], None], agent: Agent, vault_root: Path
) -> None:
    copies = store(agent, "ONE", "TWO")
    take_away(vault_root)
    with pytest.raises(VaultError, match="VALIDATED_BACKUPS_BASE_PATH"):
        audit(now=LATER)
    assert [state_of(copy) for copy in copies] == [("whole", NOW)] * 2
    assert findings() == []
    assert VaultRun.objects.get().outcome == "failed"
    # Nothing was put back onto what is below the mount point.
    assert not list(vault_root.rglob("*.gz"))


def test_a_vault_that_goes_away_in_the_midst_judges_nobody_any_more(
    agent: Agent, vault_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = store(agent, "ONE", "TWO")

    def unmount_after(*arguments: Any, **options: Any) -> Any:
        found = examine(*arguments, **options)
        if vault_root.exists() and isinstance(found, Found):
            empty_vault(vault_root)
        return found

    monkeypatch.setattr(vault_audit, "examine", unmount_after)
    with pytest.raises(VaultError, match="none of the copies"):
        audit(now=LATER)
    assert {state_of(copy)[0] for copy in copies} == {"whole"}
    assert findings() == []


def test_a_vault_that_nothing_was_put_into_yet_is_all_right() -> None:
    run = audit(now=LATER)
    assert (run.outcome, run.copies, run.covered_since) == ("ok", 0, None)


# --- Turns and budgets ----------------------------------------------------------------------------


def test_the_oldest_read_comes_first_and_one_is_read_however_small_the_budget(
    agent: Agent, vault_root: Path
) -> None:
    copies = store(agent, "ONE", "TWO", "THREE")
    for number, copy in enumerate(copies):
        VaultCopy.objects.filter(pk=copy.pk).update(audited_at=NOW - number * DAY)
    for turn in (2, 1, 0):
        now = LATER + (2 - turn) * DAY
        assert audit(now=now, budget=NO_TIME).copies == 1
        assert state_of(copies[turn]) == ("whole", now)


@pytest.mark.parametrize("spoil", ["rot", "unlink"])
def test_a_broken_copy_starves_no_other_and_is_starved_by_none(
    spoil: str, agent: Agent, vault_root: Path
) -> None:
    broken, *others = store(agent, "ONE", "TWO", "THREE", "FOUR")
    unstage(agent)
    content = (vault_root / broken.path).read_bytes()
    if spoil == "rot":
        rot(vault_root, broken)
    else:
        (vault_root / broken.path).unlink()
    audit(now=LATER)
    for turn in range(1, 4):
        audit(now=LATER + turn * DAY, budget_bytes=1)
    assert {state_of(copy)[1] for copy in others} == {LATER + turn * DAY for turn in (1, 2, 3)}
    (vault_root / broken.path).write_bytes(content)
    audit(now=LATER + 4 * DAY, budget_bytes=1)
    assert state_of(broken) == ("whole", LATER + 4 * DAY)


def test_among_many_broken_copies_each_has_its_turn(agent: Agent, vault_root: Path) -> None:
    copies = store(agent, *(f"DB{number}" for number in range(4)))
    unstage(agent)
    for copy in copies:
        rot(vault_root, copy)
    audit(now=LATER)
    assert VaultCopy.objects.filter(state="damaged").count() == 4
    for number, copy in enumerate(copies):
        VaultCopy.objects.exclude(pk=copy.pk).update(state="damaged")
        rot(vault_root, copy)  # the same bit again: this one alone is right now
        begin = LATER + (number + 1) * DAY
        runs = (begin + timedelta(minutes=turn) for turn in range(200))
        assert any(audit(now=now, budget_bytes=1).copies and is_whole(copy) for now in runs)
        rot(vault_root, copy)


def test_no_copy_is_begun_after_the_bytes_are_spent(agent: Agent, vault_root: Path) -> None:
    copies = store(agent, "ONE", "TWO", "THREE")
    most = copies[0].size + 1
    run = audit(now=LATER, budget_bytes=most)
    assert run.copies == 2
    assert run.bytes >= most


def test_everything_ignores_the_budget(agent: Agent, settings: Settings) -> None:
    settings.VAULT_AUDIT_MINUTES = 0
    store(agent, "ONE", "TWO", "THREE")
    told: list[tuple[int, int]] = []
    run = audit(
        now=LATER,
        everything=True,
        budget=NO_TIME,
        budget_bytes=1,
        progress=lambda done, total: told.append((done, total)),
    )
    assert run.copies == 3
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_the_settings_bound_an_audit_that_is_told_nothing(agent: Agent, settings: Settings) -> None:
    settings.VAULT_AUDIT_MINUTES = 0
    store(agent, "ONE", "TWO", "THREE")
    assert audit(now=LATER).copies == 1


def test_each_copy_is_read_once_over_several_pages(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault_audit, "PAGE", 2)
    copies = store(agent, *(f"DB{number}" for number in range(5)))
    assert audit(now=LATER).copies == 5
    assert {state_of(copy) for copy in copies} == {("whole", LATER)}


def statements(now: datetime) -> int:
    with CaptureQueriesContext(connection) as captured:
        audit(now=now)
    return len(captured)


@pytest.mark.parametrize("are_absent", [False, True])
def test_a_page_of_100_copies_costs_as_many_statements_as_one_of_10(
    are_absent: bool, agent: Agent, vault_root: Path
) -> None:
    def prepare(first: int, last: int) -> None:
        copies = store(agent, *(f"DB{number}" for number in range(first, last)))
        if are_absent:
            unstage(agent)
            for copy in copies:
                (vault_root / copy.path).unlink()

    statements(NOW)  # the first of all makes the row of the lease
    prepare(0, 10)
    ten = statements(LATER)
    if are_absent:
        VaultFinding.objects.all().delete()
        VaultCopy.objects.update(state="whole")
    prepare(10, 100)
    assert VaultCopy.objects.count() == 100 <= vault_audit.PAGE
    assert statements(LATER + DAY) == ten
    assert VaultRun.objects.latest("pk").copies == 100


# --- Repair ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("spoil", ["rot", "unlink", "link"])
def test_a_copy_whose_staged_file_is_whole_is_put_back(
    spoil: str, agent: Agent, vault_root: Path
) -> None:
    copy, _ = store(agent, "ONE", "TWO")
    file = vault_root / copy.path
    content = file.read_bytes()
    if spoil == "rot":
        rot(vault_root, copy)
    elif spoil == "unlink":
        file.unlink()
    else:
        make_link(file)
    run = audit(now=LATER)
    assert file.read_bytes() == content
    assert not file.is_symlink()
    assert state_of(copy) == ("whole", LATER)
    assert run.findings == 1
    finding = VaultFinding.objects.get(copy=copy)
    assert (finding.end, finding.found_at, finding.ended_at) == ("repaired", LATER, LATER)
    assert "one.sql.gz" in finding.message


def test_an_older_finding_ends_when_the_copy_is_put_back(agent: Agent, vault_root: Path) -> None:
    copy, _ = store(agent, "ONE", "TWO")
    staged = agent.databases / "one.sql.gz"
    staged.rename(agent.home / "aside")
    rot(vault_root, copy)
    audit(now=LATER)
    (agent.home / "aside").rename(staged)
    audit(now=LATER + DAY)
    assert findings() == [("damaged", copy.path, "repaired")]


def rewrite(staged: Path) -> None:
    content = bytearray(staged.read_bytes())
    content[-1] ^= 1
    staged.write_bytes(content)


def lengthen(staged: Path) -> None:
    staged.write_bytes(staged.read_bytes() + b"x")


def lead_away(staged: Path) -> None:
    outside = staged.parent.parent.parent.parent / "outside"
    staged.rename(outside)
    staged.symlink_to(outside)


@pytest.mark.parametrize("tamper", [rewrite, lengthen, lead_away])
def test_a_staged_file_that_is_not_what_it_was_is_never_trusted(
    tamper: Callable[[Path], None], agent: Agent, vault_root: Path
) -> None:
    (copy,) = store(agent, "ONE")
    tamper(agent.databases / "one.sql.gz")
    rot(vault_root, copy)
    rotten = (vault_root / copy.path).read_bytes()
    audit(now=LATER)
    assert (vault_root / copy.path).read_bytes() == rotten
    assert state_of(copy)[0] == "damaged"
    assert findings() == [("damaged", copy.path, "")]
    assert not list((vault_root / ".incoming").iterdir())


def test_a_vault_without_room_leaves_the_finding(
    agent: Agent, vault_root: Path, settings: Settings
) -> None:
    (copy,) = store(agent, "ONE")
    rot(vault_root, copy)
    settings.VAULT_RESERVE_MIB = 2**30
    assert audit(now=LATER).outcome == "findings"
    assert findings() == [("damaged", copy.path, "")]


# --- Races ----------------------------------------------------------------------------------------


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Have a rival act right after a copy was read, and before that is recorded."""

    def interpose(act: Callable[[], object]) -> None:
        def examine_and_act(*arguments: Any, **options: Any) -> Any:
            found = examine(*arguments, **options)
            act()
            return found

        monkeypatch.setattr(vault_audit, "examine", examine_and_act)

    return interpose


@pytest.mark.parametrize("state", ["deleting", "deleted"])
def test_a_copy_that_is_deleted_meanwhile_is_no_finding_and_not_put_back(
    state: str, agent: Agent, vault_root: Path, meanwhile: Callable[[Any], None]
) -> None:
    copy, _ = store(agent, "ONE", "TWO")
    (vault_root / copy.path).unlink()
    meanwhile(lambda: VaultCopy.objects.filter(pk=copy.pk).update(state=state))
    run = audit(now=LATER)
    assert (state_of(copy), run.findings, findings()) == ((state, NOW), 0, [])
    assert not (vault_root / copy.path).exists()


def test_a_copy_that_a_scan_writes_again_meanwhile_is_no_finding(
    agent: Agent, vault_root: Path, meanwhile: Callable[[Any], None]
) -> None:
    (copy,) = store(agent, "ONE")
    content = (vault_root / copy.path).read_bytes()
    unstage(agent)
    (vault_root / copy.path).unlink()

    def write_again() -> None:
        if not (vault_root / copy.path).exists():
            (vault_root / copy.path).write_bytes(content)
            VaultCopy.objects.update(audited_at=LATER + timedelta(minutes=1))

    meanwhile(write_again)
    assert audit(now=LATER).findings == 0
    assert (is_whole(copy), findings()) == (True, [])


def test_copies_that_are_being_deleted_are_not_read(agent: Agent, vault_root: Path) -> None:
    copy, _ = store(agent, "ONE", "TWO")
    VaultCopy.objects.filter(pk=copy.pk).update(state="deleting")
    (vault_root / copy.path).unlink()
    run = audit(now=LATER)
    assert (run.copies, run.outcome, state_of(copy)[0]) == (1, "ok", "deleting")


@pytest.mark.parametrize("is_rotten", [False, True])
def test_whoever_lost_the_lease_records_and_repairs_nothing(
    is_rotten: bool, agent: Agent, vault_root: Path, meanwhile: Callable[[Any], None]
) -> None:
    (copy,) = store(agent, "ONE")
    if is_rotten:
        rot(vault_root, copy)
    before = (vault_root / copy.path).read_bytes()
    meanwhile(lambda: Lease.objects.filter(name="vault").update(token=4711))
    with pytest.raises(LeaseLost):
        audit(now=LATER)
    assert (state_of(copy), findings()) == (("whole", NOW), [])
    assert (vault_root / copy.path).read_bytes() == before


def test_whoever_loses_the_lease_reads_no_further(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(agent, "ONE")
    monkeypatch.setattr(patrol, "BLOCK", 100)
    blocks: list[int] = []

    def lose_it_on_the_way(
        vault: Path, path: str, *, on_block: Callable[[int], None]
    ) -> patrol.Examined:
        def count(size: int) -> None:
            blocks.append(size)
            if len(blocks) == 2:
                Lease.objects.filter(name="vault").update(token=4711)
                on_block.__self__._held.beat()  # type: ignore[attr-defined]
            on_block(size)

        return examine(vault, path, on_block=count)

    monkeypatch.setattr(vault_audit, "examine", lose_it_on_the_way)
    with pytest.raises(LeaseLost):
        audit(now=LATER)
    assert blocks == [100, 100]


@pytest.mark.parametrize(("bound", "most"), [("PAGE", 2), ("PAGE_BYTES", 1000)])
def test_a_killed_audit_loses_one_page_at_most(
    bound: str, most: int, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault_audit, bound, most)
    store(agent, *(f"DB{number}" for number in range(5)))
    read: list[str] = []

    def die_at_the_fourth(vault: Path, path: str, **options: Any) -> Any:
        read.append(path)
        if len(read) == 4:
            raise KeyboardInterrupt
        return examine(vault, path, **options)

    monkeypatch.setattr(vault_audit, "examine", die_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        audit(now=LATER)
    done = VaultCopy.objects.filter(audited_at=LATER)
    assert set(done.values_list("path", flat=True)) == set(read[:2])
    assert VaultRun.objects.get().outcome == "interrupted"


@pytest.mark.django_db(transaction=True)
def test_while_another_works_on_the_vault_nothing_is_done(agent: Agent) -> None:
    store(agent, "ONE")
    with lease_held_elsewhere("vault"), pytest.raises(LeaseHeld):
        audit(now=LATER)
    assert not VaultRun.objects.exists()
