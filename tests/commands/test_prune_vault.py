"""`prune_vault`: its exit codes, the JSON that scripts depend on, and the table for people."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from scanner import lease
from scanner.models import ExpectedBackupJob, VaultCopy, VaultRun
from tests.commands.rival import lease_held_elsewhere
from tests.scanning import make_job
from tests.stocked import stocked

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def now() -> datetime:
    """Give the time that the command reads from the clock, to the second."""
    return timezone.now().replace(microsecond=0)


def exit_code(*arguments: str) -> int:
    """Give the exit code of a command; one that comes to its end has 0."""
    try:
        call_command("prune_vault", *arguments)
    except SystemExit as exited:
        return int(exited.code or 0)
    return 0


def make_two(now: datetime) -> list[ExpectedBackupJob]:
    """Have a job with two copies too many, and one with one."""
    jobs = [make_job(name, now=now - 9 * DAY, keep_last=1) for name in ("ONE", "TWO")]
    stocked(jobs[0], now - 3 * DAY, now - 2 * DAY, now - DAY)
    stocked(jobs[1], now - 2 * DAY, now - DAY)
    return jobs


def deleted() -> int:
    return VaultCopy.objects.filter(state="deleted").count()


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    exit_code("--json", *arguments)
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    return data


def test_the_json_tells_each_copy_and_why(
    now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    make_two(now)
    copies = list(VaultCopy.objects.order_by("pk"))
    data = printed(capsys)
    run = VaultRun.objects.get()
    size = sum(copies[number].size for number in (0, 1, 3))
    jobs = data.pop("jobs")
    assert data == {"run": run.pk, "copies": 3, "bytes": size, "failures": 0}
    assert [(one["database"], one["kept"], len(one["dropped"])) for one in jobs] == [
        ("ONE", 1, 2),
        ("TWO", 1, 1),
    ]
    assert jobs[1] == {
        "agent": "ACME_DOUALA_NEWBELL",
        "database": "TWO",
        "kept": 1,
        "dropped": [
            {
                "path": copies[3].path,
                "size": copies[3].size,
                "made_at": f"{now - 2 * DAY:%Y-%m-%dT%H:%M:%SZ}",
                "because": "last 1: not among them",
            }
        ],
        "held_back": "",
        "failures": [],
    }


def test_a_dry_run_prints_the_same_without_a_run_and_deletes_nothing(
    now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    make_two(now)
    would = printed(capsys, "--dry-run")
    assert (would.pop("run"), deleted(), VaultRun.objects.count()) == (None, 0, 0)
    did = printed(capsys)
    assert (did.pop("run"), deleted()) == (VaultRun.objects.get().pk, 3)
    assert would == did


def test_people_read_what_goes_why_and_how_much(
    now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    make_two(now)
    stocked(bad := make_job("BAD", now=now - 9 * DAY, keep_last=1), now - 2 * DAY, now - DAY)
    ExpectedBackupJob.objects.filter(pk=bad.pk).update(status="MISSING")
    sizes = list(VaultCopy.objects.order_by("pk").values_list("size", flat=True))
    freed = sizes[0] + sizes[1] + sizes[3]
    assert exit_code("--dry-run") == 0
    *rows, held_back, total = capsys.readouterr().out.splitlines()
    assert rows[0].split() == ["Agent", "Database", "Backup", "of", "Size", "Why"]
    assert [row.split()[1] for row in rows[1:]] == ["ONE", "ONE", "TWO"]
    assert all(row.endswith("last 1: not among them") for row in rows[1:])
    assert f"{now - 3 * DAY:%Y-%m-%d %H:%M}" in rows[1]
    assert held_back == ("ACME_DOUALA_NEWBELL/BAD: the job is MISSING: 1 copies stay that could go")
    assert total == f"Would delete 3 copies, {freed} B."
    assert exit_code() == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"Deleted 3 copies, {freed} B."
    assert exit_code() == 0
    assert capsys.readouterr().out.splitlines() == [held_back, "Deleted 0 copies, 0 B."]


def test_only_the_jobs_that_are_named_are_pruned(now: datetime) -> None:
    make_two(now)
    assert exit_code("--job", "acme_douala_newbell/TWO") == 0
    assert deleted() == 1
    assert exit_code("--job", "ACME_DOUALA_NEWBELL/TWO", "--job", "ACME_DOUALA_NEWBELL/ONE") == 0
    assert deleted() == 3


@pytest.mark.parametrize("name", ["TWO", "ACME_DOUALA_NEWBELL/two", "NOBODY/ONE", "/", ""])
def test_a_job_that_is_not_expected_is_named_and_nothing_is_done(
    now: datetime, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make_two(now)
    assert exit_code("--job", "ACME_DOUALA_NEWBELL/ONE", "--job", name) == 2
    assert f"{name!r} is no expected backup: give AGENT/DATABASE" in capsys.readouterr().err
    assert deleted() == 0


def test_a_copy_that_cannot_be_deleted_exits_1(
    now: datetime, vault_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_two(now)
    stuck = VaultCopy.objects.earliest("pk")
    (vault_root / stuck.path).unlink()
    (vault_root / stuck.path).mkdir()
    assert exit_code() == 1
    *_, failure, total = capsys.readouterr().out.splitlines()
    assert failure.startswith(f"ACME_DOUALA_NEWBELL/ONE: {stuck.path} cannot be removed from the ")
    assert total.startswith("Deleted 2 copies, ")
    assert deleted() == 2


def test_a_clock_in_doubt_exits_2_until_somebody_vouches_for_it(
    now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    make_two(now)
    VaultRun.objects.create(kind="prune", outcome="ok", started_at=now - 31 * DAY)
    for arguments in ([], ["--dry-run"], ["--json"]):
        assert exit_code(*arguments) == 2
        told = capsys.readouterr()
        assert told.out == ""
        assert "Nothing was deleted: the last prune was at" in told.err
        assert "if it is right, vouch for it with --clock-is-right." in told.err
    assert deleted() == 0
    assert exit_code("--clock-is-right") == 0
    assert deleted() == 3
    assert exit_code() == 0


@pytest.mark.django_db(transaction=True)
def test_while_others_work_on_the_vault_it_exits_3(
    now: datetime, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lease, "POLL", 0.1)
    make_two(now)
    with lease_held_elsewhere("vault"):
        assert exit_code() == 3
        assert "vault: held by process" in capsys.readouterr().err
        assert exit_code("--dry-run") == 0
    assert deleted() == 0
