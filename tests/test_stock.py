"""The rows of the vault's copies: made by verdicts, and never of what is not there."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from scanner import conf, stock
from scanner.models import BackupEntry, ExpectedBackupJob, VaultCopy
from tests.scanning import NOW, make_job
from tests.stocked import content_of, good_entry, path_of, stocked

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("vault_root")]

ENDED = NOW - timedelta(hours=9)
State = VaultCopy.State


@pytest.fixture
def job() -> ExpectedBackupJob:
    return make_job("ACME_2025")


def stored(job: ExpectedBackupJob, status: str = "SUCCESS") -> BackupEntry:
    """Record a good backup whose copy stands in the vault and has no row yet."""
    content, path = content_of(job.database_name, ENDED), path_of(job, ENDED)
    file = conf.vault_root() / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return good_entry(job, ENDED, str(path), content, status)


def test_a_copy_gets_a_row_that_says_what_it_is(job: ExpectedBackupJob) -> None:
    entry = stored(job)
    stock.take_in([entry], now=NOW)
    copy = VaultCopy.objects.get()
    assert (copy.job, copy.entry, copy.path) == (job, entry, entry.vault_path)
    assert (copy.sha256, copy.size, copy.state) == (entry.sha256, entry.size, State.WHOLE)
    assert (copy.made_at, copy.stored_at, copy.audited_at) == (ENDED, NOW, NOW)


def test_an_unchanged_backup_makes_no_copy(job: ExpectedBackupJob) -> None:
    stock.take_in([stored(job, "UNCHANGED")], now=NOW)
    assert not VaultCopy.objects.exists()


def test_a_copy_that_is_known_as_whole_stays_as_it_is(job: ExpectedBackupJob) -> None:
    entry = stored(job)
    stock.take_in([entry], now=NOW)
    before = VaultCopy.objects.values().get()
    stock.take_in([entry], now=NOW + timedelta(hours=1))
    assert VaultCopy.objects.values().get() == before


@pytest.mark.parametrize("state", [State.DAMAGED, State.ABSENT, State.DELETED])
def test_a_copy_that_was_written_again_is_whole_and_forgets_what_was(
    job: ExpectedBackupJob, state: VaultCopy.State
) -> None:
    [old] = stocked(job, ENDED)
    VaultCopy.objects.update(
        state=state.value,
        sha256="0" * 64,
        proven_at=ENDED,
        drilled_at=ENDED,
        deleted_at=ENDED,
        deleted_because="old",
    )
    stock.take_in([entry := stored(job)], now=NOW)
    copy = VaultCopy.objects.get()
    assert (copy.pk, copy.entry, copy.state, copy.stored_at) == (old.pk, entry, "whole", NOW)
    assert copy.sha256 == entry.sha256
    assert (copy.proven_at, copy.drilled_at) == (None, None)
    assert (copy.deleted_at, copy.deleted_because) == (None, "")


@pytest.mark.parametrize("known", [True, False])
def test_a_copy_that_is_not_there_any_more_is_waited_for(
    job: ExpectedBackupJob, vault_root: Path, *, known: bool
) -> None:
    if known:
        stocked(job, ENDED)
        VaultCopy.objects.update(state=State.DELETED.value)
    entry = stored(job)
    (vault_root / entry.vault_path).unlink()
    stock.take_in([entry], now=NOW)
    entry.refresh_from_db()
    assert (entry.vault_path, entry.vault_pending, entry.warnings) == ("", True, ["not_in_vault"])
    assert "was just deleted" in entry.message
    assert not VaultCopy.objects.filter(state=State.WHOLE.value).exists()


def test_a_copy_that_is_being_deleted_is_waited_for_though_it_still_stands(
    job: ExpectedBackupJob,
) -> None:
    stocked(job, ENDED)
    VaultCopy.objects.update(state=State.DELETING.value)
    entry = stored(job)
    stock.take_in([entry], now=NOW)
    entry.refresh_from_db()
    assert (entry.vault_path, entry.vault_pending) == ("", True)
    assert VaultCopy.objects.get().state == State.DELETING


def test_a_copy_that_is_being_deleted_for_a_twin_of_its_job_is_waited_for(
    job: ExpectedBackupJob,
) -> None:
    place: dict[str, Any] = {
        "company_name": "ACME",
        "city": "DOUALA",
        "neighborhood": "NEWBELL",
    }
    twin = make_job("ACME_2025", agent="ACME_DOUALA_AKWA", **place)
    stocked(twin, ENDED)
    VaultCopy.objects.update(state=State.DELETING.value)
    entry = stored(job)
    stock.take_in([entry], now=NOW)
    assert (entry.vault_path, entry.vault_pending) == ("", True)
    assert not VaultCopy.objects.filter(job=job).exists()


def test_statements_do_not_grow_with_the_copies() -> None:
    counts = []
    for number in (2, 30):
        jobs = [make_job(f"DB{number}_{one}") for one in range(number)]
        entries = [stored(job) for job in jobs]
        with CaptureQueriesContext(connection) as captured:
            stock.take_in(entries, now=NOW)
        counts.append(len(captured))
    assert counts[0] == counts[1]
