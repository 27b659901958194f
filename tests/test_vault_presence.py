"""A vault whose disk is not mounted: nothing is written beside it, judged or deleted."""

from datetime import timedelta
from pathlib import Path

import pytest

from scanner.models import BackupEntry, VaultCopy
from scanner.vault_presence import why_away
from tests.agent import Agent
from tests.scanning import NOW, make_job, run_scan
from tests.stocked import stocked

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def unmount(vault: Path) -> Path:
    """Leave the empty folder that a disk is mounted on; give where its files are now."""
    elsewhere = vault.with_name("elsewhere")
    vault.rename(elsewhere)
    vault.mkdir()
    return elsewhere


def mount(elsewhere: Path, vault: Path) -> None:
    vault.rmdir()
    elsewhere.rename(vault)


def test_a_vault_that_was_never_used_is_not_away(vault_root: Path) -> None:
    assert why_away() == ""


def test_a_vault_with_some_of_its_copies_is_not_away(vault_root: Path) -> None:
    copies = stocked(make_job("ACME_2025"), NOW - 2 * HOUR, NOW - HOUR)
    (vault_root / copies[0].path).unlink()
    assert why_away() == ""


def test_backups_of_the_time_in_which_the_vault_was_away_are_copied_when_it_is_back(
    deposit_root: Path, vault_root: Path
) -> None:
    job = make_job("ACME_2025")
    agent = Agent(deposit_root)
    agent.deposit(job.database_name, NOW - 5 * HOUR, arrived=NOW - 5 * HOUR)
    run_scan(NOW - 4 * HOUR)
    elsewhere = unmount(vault_root)
    agent.deposit(job.database_name, NOW - 3 * HOUR, arrived=NOW - 3 * HOUR)
    run_scan(NOW - 2 * HOUR)
    waiting = BackupEntry.objects.latest("pk")
    assert (waiting.status, waiting.vault_pending) == ("SUCCESS", True)
    assert "mounted" in waiting.message
    run_scan(NOW - HOUR)
    assert list(vault_root.iterdir()) == []
    mount(elsewhere, vault_root)
    run_scan(NOW)
    waiting.refresh_from_db()
    assert (waiting.warnings, waiting.vault_pending) == ([], False)
    assert VaultCopy.objects.filter(state="whole").count() == 2


def test_a_vault_that_is_lost_for_good_is_told_how_to_begin_anew(
    deposit_root: Path, vault_root: Path
) -> None:
    stocked(make_job("ACME_2025"), NOW - HOUR)
    unmount(vault_root)
    assert "make the folder .incoming in it" in why_away()
    (vault_root / ".incoming").mkdir()
    assert why_away() == ""
