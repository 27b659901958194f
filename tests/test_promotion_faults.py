"""Whatever the disk does to a copy, and whenever the process is killed: no half file, no lie.

Each test lets each single system call of real processes fail, or be the last (`promotion_process`
tells how), and then looks at what they left: nothing but whole files under final names, and a vault
in which the same thing, done again, ends well.
"""

import errno
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from scanner.models import BackupEntry
from scanner.pipeline import vault
from tests.agent import Agent
from tests.process import _ORDINARY, PATIENCE, ROOT
from tests.promotion_process import CONTENT, COPY, DEEDS, OTHER, SHA256, prepare
from tests.scanning import NOW, make_job, run_scan, verdicts

WAYS = ("by the kernel", "by hand")
BESIDE = COPY.with_name(f"DB_20260302_125606~{SHA256[:8]}.sql.gz")


@dataclass(frozen=True)
class Attempt:
    """One process: its vault, the system call that met the fault, and what came of it."""

    root: Path
    call: str | None
    outcome: str


def attempts(
    folder: Path, deed: str, way: str, fault: str, *, ordinary: bool = False
) -> list[Attempt]:
    """Do the deed in one process after another, each with the fault at its next system call."""
    powers = _ORDINARY if ordinary and os.geteuid() == 0 else ()
    done = subprocess.run(
        [*powers, sys.executable, "-m", "tests.promotion_process", str(folder), deed, way, fault],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    found = [Attempt(folder / line["vault"], line["call"], line["outcome"]) for line in lines]
    strange = {"another exception", "FileChanged"} & {one.outcome for one in found}
    assert not strange, done.stderr
    assert (found[-1].call, [one for one in found[:-1] if one.call is None]) == (None, [])
    return found


def stands(root: Path) -> dict[str, bytes]:
    """Give the files under final names, with their bytes."""
    return {
        str(file.relative_to(root)): file.read_bytes()
        for file in root.rglob("*")
        if file.is_file() and vault.INCOMING not in file.parts
    }


def may_stand(deed: str) -> list[dict[str, bytes]]:
    """Give what may stand in the vault after a fault, the last being what the deed is about."""
    return {
        "promote": [{}, {str(COPY): CONTENT}],
        "promote beside": [{str(COPY): OTHER}, {str(COPY): OTHER, str(BESIDE): CONTENT}],
        "promote again": [{str(COPY): CONTENT}],
        "replace": [{str(COPY): OTHER}, {str(COPY): CONTENT}],
        "remove": [{str(COPY): CONTENT}, {}],
    }[deed]


def do_again(root: Path, deed: str) -> None:
    """Do what the next process does: sweep, and the same deed."""
    vault.sweep(root)
    incoming = root / vault.INCOMING
    assert not incoming.exists() or list(incoming.iterdir()) == []
    with (root.parent / "staged").open("rb") as source:
        DEEDS[deed][1](root, source)


@pytest.fixture(autouse=True)
def _unflushed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no disk: no machine goes down here, and what is flushed when is tested by faults."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("deed", "way"),
    [
        ("promote", WAYS[0]),
        ("promote", WAYS[1]),
        ("promote beside", WAYS[0]),
        ("promote again", WAYS[0]),
        ("replace", WAYS[0]),
        ("replace", WAYS[1]),
        ("remove", WAYS[0]),
    ],
)
def test_a_kill_at_any_system_call_leaves_nothing_half_done(
    tmp_path: Path, deed: str, way: str, when: str
) -> None:
    *killed, whole = attempts(tmp_path, deed, way, f"kill:{when}")
    assert {one.outcome for one in killed} == {"killed"}
    assert {"open", "fsync", "close"} <= {one.call for one in killed}
    assert (whole.outcome, stands(whole.root)) == ("done", may_stand(deed)[-1])
    for one in killed:
        assert stands(one.root) in may_stand(deed), one
        do_again(one.root, deed)
        assert stands(one.root) == may_stand(deed)[-1], one
    if deed.startswith("promote") and deed != "promote again":
        name = str(BESIDE if deed == "promote beside" else COPY)
        assert {(one.root / name).stat().st_mode & 0o777 for one in killed} == {0o440}


MUST_FAIL = {
    ("promote", WAYS[0]): {"open", "mkdir", "copy_file_range", "fsync", "rename", "fchmod"},
    ("promote", WAYS[1]): {"open", "mkdir", "write", "fsync", "rename", "fchmod", "ftruncate"},
    ("promote beside", WAYS[0]): {"open", "copy_file_range", "fsync", "rename", "fchmod"},
    ("replace", WAYS[0]): {"open", "copy_file_range", "fsync", "rename", "fchmod"},
    ("remove", WAYS[0]): {"open", "unlink", "fsync"},
}
"""The system calls without which a deed cannot be done."""


@pytest.mark.parametrize("fault", ["ENOSPC:once", "EIO:once", "EIO:late", "EROFS:on"])
@pytest.mark.parametrize(("deed", "way"), MUST_FAIL)
def test_a_failure_of_any_system_call_is_told_and_leaves_nothing_half_done(
    tmp_path: Path, deed: str, way: str, fault: str
) -> None:
    *failed, whole = attempts(tmp_path, deed, way, fault)
    assert (whole.outcome, stands(whole.root)) == ("done", may_stand(deed)[-1])
    told = {one.call for one in failed if one.outcome == "VaultError"}
    must_fail = set(MUST_FAIL[deed, way])
    if fault.startswith("EIO"):
        must_fail.discard("copy_file_range")  # then it is copied by hand
    assert must_fail <= told
    for one in failed:
        assert stands(one.root) in may_stand(deed), one
        if one.outcome == "done":
            assert stands(one.root) == may_stand(deed)[-1], one
        do_again(one.root, deed)
        assert stands(one.root) == may_stand(deed)[-1], one


# --- The real thing, where a test can have it -----------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("deed", ["promote", "promote beside", "replace"])
def test_a_file_that_may_grow_no_further_is_not_kept(tmp_path: Path, deed: str, way: str) -> None:
    (one,) = attempts(tmp_path, deed, way, f"largest:{len(CONTENT) - 50}")
    assert (one.outcome, stands(one.root)) == ("VaultError", may_stand(deed)[0])
    assert list((one.root / vault.INCOMING).iterdir()) == []
    do_again(one.root, deed)
    assert stands(one.root) == may_stand(deed)[-1]


@pytest.mark.parametrize("deed", ["promote", "replace", "remove"])
def test_a_vault_that_may_only_be_read_is_left_as_it_is(tmp_path: Path, deed: str) -> None:
    (tmp_path / "staged").write_bytes(CONTENT)
    root = tmp_path / "1"
    root.mkdir()
    prepare(root, deed)
    folders = [root, *(folder for folder in root.rglob("*") if folder.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    (one,) = attempts(tmp_path, deed, WAYS[0], "none", ordinary=True)
    for folder in folders:
        folder.chmod(0o755)
    assert (one.outcome, stands(root)) == ("VaultError", may_stand(deed)[0])
    do_again(root, deed)
    assert stands(root) == may_stand(deed)[-1]


# --- A whole scan ---------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_full_vault_costs_no_verdict_and_the_next_scan_makes_the_copy(
    deposit_root: Path, vault_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    make_job()
    agent = Agent(deposit_root)
    ended = NOW - timedelta(minutes=30)
    agent.deposit("ACME_2025", ended, arrived=ended)
    with monkeypatch.context() as disk:
        disk.setattr(os, "copy_file_range", full)
        run_scan()
    entry = BackupEntry.objects.get()
    assert (entry.status, entry.vault_path, entry.vault_pending) == ("SUCCESS", "", True)
    assert entry.warnings == ["not_in_vault"]
    assert "No space left on device" in entry.message
    assert stands(vault_root) == {}
    run_scan(NOW + timedelta(minutes=15))
    entry.refresh_from_db()
    assert verdicts() == [("SUCCESS", "")]
    assert (entry.warnings, entry.vault_pending) == ([], False)
    assert "No space" not in entry.message
    staged = (agent.databases / "acme_2025.sql.gz").read_bytes()
    assert stands(vault_root) == {entry.vault_path: staged}
