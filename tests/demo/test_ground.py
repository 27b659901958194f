"""The demo plays in an installation of its own, and leaves every other as it was."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scanner.demo import ground
from scanner.demo.ground import Ground, NotForDemo
from scanner.demo.play import play
from scanner.models import ExpectedBackupJob, ScanRun
from tests.demo.trees import tree_of
from tests.scanning import make_job

pytestmark = pytest.mark.django_db

OPENING = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
BEGAN = OPENING - timedelta(days=30)


def refuses(tmp_path: Path, words: str) -> None:
    """Make sure that the demo is refused in these words, and that nothing was touched."""
    before = tree_of(tmp_path), list(ExpectedBackupJob.objects.values())
    with pytest.raises(NotForDemo, match=words):
        play(now=OPENING, progress=lambda *_: None)
    assert (tree_of(tmp_path), list(ExpectedBackupJob.objects.values())) == before
    assert not ScanRun.objects.exists()


def test_an_installation_without_anything_is_free(tmp_path: Path) -> None:
    assert ground.survey() is None
    assert not (tmp_path / "deposits").exists()


def test_an_empty_deposit_tree_that_was_scanned_is_free(deposit_root: Path) -> None:
    ScanRun.objects.create(trigger="schedule", started_at=OPENING)
    assert ground.survey() is None


def test_expected_backups_of_other_agents_are_left_alone(tmp_path: Path) -> None:
    make_job(agent="REAL_DOUALA_BASSA")
    refuses(tmp_path, "1 expected backups that are not the demo's.*REAL, DOUALA, BASSA")


def test_real_backups_of_an_agent_that_the_demo_also_has_are_left_alone(
    deposit_root: Path, tmp_path: Path
) -> None:
    make_job(agent="ACME_DOUALA_NEWBELL")
    refuses(tmp_path, "1 expected backups, and .* is not the demo's")


def test_a_deposit_tree_without_the_demos_mark_is_left_alone(
    deposit_root: Path, tmp_path: Path
) -> None:
    (deposit_root / "ACME_DOUALA_NEWBELL" / "log").mkdir(parents=True)
    refuses(tmp_path, "files in .*deposits that are not the demo's: ACME_DOUALA_NEWBELL")


def test_a_vault_with_copies_is_left_alone(vault_root: Path, tmp_path: Path) -> None:
    (vault_root / "ACME").mkdir(parents=True)
    (vault_root / "GLOBEX").mkdir()
    refuses(tmp_path, "files in .*validated that are not the demo's: ACME and 1 more")


def test_a_real_agents_folder_in_the_demos_tree_is_left_alone(
    deposit_root: Path, tmp_path: Path
) -> None:
    ground.take(BEGAN, OPENING)
    (deposit_root / "REAL_DOUALA_BASSA").mkdir()
    refuses(tmp_path, "folders that are not the demo's in .*: REAL_DOUALA_BASSA")


@pytest.mark.parametrize("mark", ["", "[]", '{"began": 5, "opening": 6}', '{"began": "2026"}'])
def test_a_mark_that_cannot_be_read_is_told(mark: str, deposit_root: Path, tmp_path: Path) -> None:
    make_job(agent="ACME_DOUALA_NEWBELL")
    (deposit_root / ground.MARK).write_text(mark)
    refuses(tmp_path, r"\.backupmonitor-demo\.json cannot be read")


def test_the_demos_own_installation_is_known_again(deposit_root: Path) -> None:
    taken = ground.take(BEGAN, OPENING)
    make_job(agent="ACME_DOUALA_NEWBELL")
    assert ground.survey() == taken == Ground(deposit_root, BEGAN, OPENING)


def test_what_a_demo_without_its_database_left_is_cleared_away(deposit_root: Path) -> None:
    ground.take(BEGAN, OPENING)
    report = deposit_root / "ACME_DOUALA_NEWBELL" / "log" / "HORODATAGE_ACME.json"
    report.parent.mkdir(parents=True)
    report.write_text("{}")
    assert ground.survey() is None
    ground.take(BEGAN, OPENING)
    assert not report.exists()
