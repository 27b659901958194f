import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from scanner.demo import agent, story
from scanner.demo.operations import Operation, arriving
from scanner.demo.story import Trouble
from tests.demo.trees import tree_of

OPENING = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def operation(name: str, trouble: Trouble | None = None, database: str = "") -> Operation:
    """Give an agent's last operation over this database in which this trouble happens."""
    since = OPENING - timedelta(days=story.DAYS)
    return [
        one
        for one in arriving(since, OPENING, opening=OPENING)
        if one.site.agent == name
        and (not database or database in {known.name for known in one.databases})
        and trouble in (None, one.trouble, story.trouble_of(name, database, one.day))
    ][-1]


def claims(root: Path) -> dict[str, Any]:
    [file] = (root / "ACME_DOUALA_NEWBELL" / "log").iterdir()
    databases = json.loads(file.read_text())["databases"]
    assert isinstance(databases, dict)
    return databases


def test_an_operation_done_twice_leaves_the_same_tree(tmp_path: Path) -> None:
    for one in arriving(OPENING - timedelta(days=2), OPENING, opening=OPENING):
        agent.deposit(tmp_path, one, opening=OPENING)
        once = tree_of(tmp_path)
        agent.deposit(tmp_path, one, opening=OPENING)
        assert tree_of(tmp_path) == once


def test_files_arrive_at_the_time_of_the_operation_the_report_last(tmp_path: Path) -> None:
    one = operation("ACME_DOUALA_NEWBELL", database="ACME_DOUALA_NEWBELL_2026")
    agent.deposit(tmp_path, one, opening=OPENING)
    home = tmp_path / "ACME_DOUALA_NEWBELL"
    [report] = (home / "log").iterdir()
    assert agent.arrived_at(report.stat()) == one.arrived
    staged = home / "databases" / "acme_douala_newbell_2026.sql.gz"
    assert agent.arrived_at(staged.stat()) == one.ended


def test_after_a_failed_step_nothing_is_sent_and_later_steps_did_not_happen(
    tmp_path: Path,
) -> None:
    stock = "ACME_NEWBELL_STOCK_2026"
    one = operation("ACME_DOUALA_NEWBELL", Trouble.COMPRESS_FAILED, stock)
    agent.deposit(tmp_path, one, opening=OPENING)
    claim = claims(tmp_path)[stock]
    assert claim["BACKUP"]["status"] is True
    assert claim["COMPRESS"]["status"] is False
    assert claim["COMPRESS"]["sha256_checksum"] is None
    assert claim["TRANSFER"]["start_time"] is None
    assert "No space left" in claim["TRANSFER"]["error_message"]
    assert not (tmp_path / "ACME_DOUALA_NEWBELL/databases" / claim["staged_file_name"]).exists()


def test_a_transfer_that_broke_off_leaves_the_last_file_and_a_part_of_the_new_one(
    tmp_path: Path,
) -> None:
    database = "ACME_YAOUNDE_AVARIES_2026"
    folder = tmp_path / "ACME_YAOUNDE_ETOA_MEKI/databases"
    folder.mkdir(parents=True)
    last = folder / f"{database}.zst"
    last.write_bytes(b"the last one")
    one = operation("ACME_YAOUNDE_ETOA_MEKI", Trouble.TRANSFER_FAILED, database)
    agent.deposit(tmp_path, one, opening=OPENING)
    assert last.read_bytes() == b"the last one"
    assert [file for file in folder.iterdir() if file.name.startswith(f".{last.name}")]


def test_a_database_that_nobody_writes_to_at_the_weekend_is_the_same_on_monday_morning(
    tmp_path: Path,
) -> None:
    staged = tmp_path / "ACME_DOUALA_NEWBELL/databases/acme_newbell_paie.sql.gz"
    contents = {}
    for one in arriving(OPENING - timedelta(days=7), OPENING, opening=OPENING):
        if one.site.agent == "ACME_DOUALA_NEWBELL" and len(one.databases) > 1:
            agent.deposit(tmp_path, one, opening=OPENING)
            contents[one.due.strftime("%A")] = staged.read_bytes()
    # 2 March 2026 is a Monday; the backup of a day's small hours has the day before in it.
    assert contents["Saturday"] == contents["Sunday"] == contents["Monday"]
    assert len(set(contents.values())) == 5
