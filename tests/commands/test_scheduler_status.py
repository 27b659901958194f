"""`scheduler_status`: the state of the scheduler, for people and for monitors."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from scanner import scheduler_board
from scanner.models import Lease, ScheduledTask
from scanner.scheduler_board import scheduler_state, state_as_data
from tests.process import manage
from tests.scanning import NOW
from tests.schedule_rows import MINUTE, make_all_well, make_standby, make_task

pytestmark = pytest.mark.django_db


def status(*arguments: str) -> int:
    """Run the command; give its exit code."""
    try:
        call_command("scheduler_status", *arguments)
    except SystemExit as exited:
        return int(exited.code or 0)
    return 0


def test_json_is_the_whole_state() -> None:
    make_all_well()
    make_standby()
    make_task("prune", enabled=False, cron="15 4 * * 1-5")
    ScheduledTask.objects.filter(name="scan").update(
        next_run_at=NOW + 15 * MINUTE, last_outcome="ok"
    )
    assert state_as_data(scheduler_state(now=NOW)) == {
        "healthy": True,
        "reasons": [],
        "leader": {
            "host": "host-a",
            "pid": 4711,
            "since": "2026-03-02T09:00:00Z",
            "heartbeat": "2026-03-02T12:00:00Z",
        },
        "standbys": [{"host": "host-b", "pid": 12}],
        "last_good_scan": "2026-03-02T12:00:00Z",
        "tasks": [
            {
                "name": "prune",
                "enabled": False,
                "schedule": "15 4 * * 1-5 (UTC)",
                "next_run": None,
                "last_outcome": None,
            },
            {
                "name": "scan",
                "enabled": True,
                "schedule": "every 15 minutes",
                "next_run": "2026-03-02T12:15:00Z",
                "last_outcome": "ok",
            },
        ],
    }


def test_json_prints_one_object_and_exits_0_when_all_is_well(
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_all_well(timezone.now())
    assert status("--json") == 0
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    keys = ["healthy", "reasons", "leader", "standbys", "last_good_scan", "tasks"]
    assert list(printed) == keys
    assert printed["healthy"] is True


def test_json_exits_1_with_the_reasons_when_nobody_leads(
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_all_well(timezone.now())
    Lease.objects.update(holder="")
    assert status("--json") == 1
    printed = json.loads(capsys.readouterr().out)
    assert (printed["healthy"], printed["leader"]) == (False, None)
    [reason] = printed["reasons"]
    assert "No scheduler leads" in reason


def test_a_database_without_a_scheduler_has_nothing_to_tell(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert status("--json") == 1
    printed = json.loads(capsys.readouterr().out)
    assert len(printed["reasons"]) == 2
    assert (printed["leader"], printed["standbys"], printed["tasks"]) == (None, [], [])
    assert printed["last_good_scan"] is None


def test_people_are_told_in_words(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    now = timezone.now()
    make_all_well(now)
    make_standby(now)
    soon = now + MINUTE
    ScheduledTask.objects.update(last_outcome="ok", next_run_at=soon)
    settings.TIME_ZONE = "Africa/Douala"
    assert status() == 0
    words = capsys.readouterr().out
    local = now + timedelta(hours=1)
    assert words.startswith("All is well.\n")
    assert "Leader: process 4711 on host-a since 2026-03-02 10:00:00" in words
    assert "Standing by: process 12 on host-b\n" in words
    assert f"Last good scan: {local:%Y-%m-%d %H:%M:%S}\n" in words
    [row] = [line for line in words.splitlines() if line.startswith("scan ")]
    at = f"{soon + timedelta(hours=1):%Y-%m-%d %H:%M:%S}"
    assert row.split() == ["scan", "yes", "every", "15", "minutes", *at.split(), "ok"]


def test_people_are_told_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert status() == 1
    words = capsys.readouterr().out
    first, _, rest = words.partition("\n")
    assert first.startswith("Not well: No scheduler leads")
    assert "manage.py runapscheduler; No scan of all agents has gone well yet" in first
    assert "No scheduler leads" not in rest
    assert "Standing by: nobody\n" in words
    assert "Last good scan: none\n" in words


def test_a_task_that_failed_for_good_is_not_well(capsys: pytest.CaptureFixture[str]) -> None:
    make_all_well(timezone.now())
    make_task("prune", last_outcome="failed")
    assert status() == 1
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("Not well: The task “prune” has failed")
    assert status("--json") == 1
    [reason] = json.loads(capsys.readouterr().out)["reasons"]
    assert reason.startswith("The task “prune” has failed")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"enabled": False}, "paused"),
        ({"version": 2}, "not yet in force"),
        ({}, "overdue since 2026-03-02 12:00:00"),
    ],
)
def test_a_next_run_that_will_not_be_kept_is_none(
    fields: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make_task("prune", next_run_at=NOW, **fields)
    status()
    [row] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("prune ")]
    assert words in row
    status("--json")
    [task] = json.loads(capsys.readouterr().out)["tasks"]
    assert task["next_run"] is None


def test_a_wrong_number_among_the_settings_is_a_reason(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    make_all_well(timezone.now())
    settings.SCANNER_INTERVAL_MINUTES = 0
    assert status() == 1
    assert "Not well: SCANNER_INTERVAL_MINUTES: " in capsys.readouterr().out


@pytest.mark.parametrize("count", [1, 40])
def test_many_tasks_cost_as_many_statements_as_one(
    count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_all_well(timezone.now())
    for number in range(count):
        make_task(f"task {number}", interval_minutes=5)
    with django_assert_num_queries(6):
        assert status("--json") == 0


@pytest.mark.slow
def test_it_exits_2_when_it_cannot_be_told(tmp_path: Path) -> None:
    done = manage("scheduler_status", "--json", DATABASE_URL=f"sqlite:///{tmp_path / 'empty.db'}")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "run manage.py migrate" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_it_looks_at_no_tree(deposit_root: Path) -> None:
    make_all_well(timezone.now())
    deposit_root.rmdir()
    deposit_root.write_text("no directory: a wrong setting for every other command")
    done = manage("scheduler_status")
    assert (done.returncode, done.stderr) == (0, "")


def test_its_lease_is_looked_at_as_long_as_three_times_to_live() -> None:
    assert timedelta(seconds=45) == scheduler_board.SILENCE
