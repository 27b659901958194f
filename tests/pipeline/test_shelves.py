"""What is taken off the shelves below an agent's `log/`, whatever the agent put there."""

import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scanner.errors import AgentUnreadable, FileAbsent, FileChanged, UnsafeFile
from scanner.pipeline.deposit import ARCHIVE, REJECTED, AgentFolder, ReportFile, stamp_of
from scanner.pipeline.shelves import Needed, clear_shelf, reject_report, remove_report
from tests.agent import set_time, sha256
from tests.scanning import NOW, by_mtime

DAY = timedelta(days=1)
LONG_AGO = NOW - 400 * DAY


@pytest.fixture
def folder(tmp_path: Path) -> AgentFolder:
    (tmp_path / "ACME_DOUALA_NEWBELL" / "log" / ARCHIVE).mkdir(parents=True)
    (tmp_path / "ACME_DOUALA_NEWBELL" / "log" / REJECTED).mkdir()
    return AgentFolder(tmp_path, "ACME_DOUALA_NEWBELL", has_log=True)


def shelf_of(folder: AgentFolder, shelf: str = ARCHIVE) -> Path:
    return folder.root / folder.name / "log" / shelf


def names(folder: AgentFolder, shelf: str = ARCHIVE) -> list[str]:
    return sorted(file.name for file in shelf_of(folder, shelf).iterdir())


def put(
    folder: AgentFolder,
    name: str,
    at: datetime,
    shelf: str = ARCHIVE,
    content: str | None = None,
) -> Path:
    """Put a file onto a shelf as of then (mtime)."""
    file = shelf_of(folder, shelf) / name
    file.write_text(name if content is None else content)
    set_time(file, at)
    return file


def clear(
    folder: AgentFolder, shelf: str = ARCHIVE, *needed: Needed
) -> tuple[int, list[str], list[str]]:
    """Remove what is older than 365 days; give how many went, what stays, and the problems."""
    before = NOW - 365 * DAY
    cleared = clear_shelf(folder, shelf, before=before, needed=needed, clock=by_mtime)
    return cleared.removed, names(folder, shelf), cleared.problems


# --- One report -----------------------------------------------------------------------------------


def test_a_removed_report_is_gone_and_nothing_else(folder: AgentFolder) -> None:
    put(folder, "a.json", LONG_AGO)
    put(folder, "b.json", LONG_AGO)
    remove_report(ReportFile(folder, "a.json", ARCHIVE))
    assert names(folder) == ["b.json"]


def test_a_rejected_report_goes_with_its_reason(folder: AgentFolder) -> None:
    name = "x" * 250 + ".json"
    for one in (name, "b.json"):
        (shelf_of(folder, REJECTED).parent / one).write_text("{}")
        reject_report(ReportFile(folder, one), "not JSON")
    remove_report(ReportFile(folder, name, REJECTED))
    assert names(folder, REJECTED) == ["b.json", "b.json.reason.txt"]


def test_a_rejected_report_without_its_reason_is_removed(folder: AgentFolder) -> None:
    put(folder, "a.json", LONG_AGO, REJECTED)
    remove_report(ReportFile(folder, "a.json", REJECTED))
    assert names(folder, REJECTED) == []


def test_a_link_in_place_of_the_reason_is_left(folder: AgentFolder, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("keep")
    put(folder, "a.json", LONG_AGO, REJECTED)
    (shelf_of(folder, REJECTED) / "a.json.reason.txt").symlink_to(tmp_path / "target")
    remove_report(ReportFile(folder, "a.json", REJECTED))
    assert names(folder, REJECTED) == ["a.json.reason.txt"]
    assert (tmp_path / "target").read_text() == "keep"


def test_a_report_that_was_replaced_is_not_removed(folder: AgentFolder) -> None:
    put(folder, "a.json", LONG_AGO)
    file = ReportFile(folder, "a.json", ARCHIVE)
    looked_at = ReportFile(folder, "a.json", ARCHIVE, stamp_of(file))
    put(folder, "new", LONG_AGO).replace(shelf_of(folder) / "a.json")
    with pytest.raises(FileChanged, match=r"a\.json.*was replaced"):
        remove_report(looked_at)
    assert names(folder) == ["a.json"]


def test_a_report_that_has_gone_is_told(folder: AgentFolder) -> None:
    with pytest.raises(FileAbsent):
        remove_report(ReportFile(folder, "a.json", ARCHIVE))


@pytest.mark.parametrize(
    ("name", "shelf"),
    [("a.json", ""), ("a.json", ".."), ("../a.json", ARCHIVE), ("a/b.json", ARCHIVE)],
)
def test_what_does_not_lie_on_a_shelf_is_not_removed(
    folder: AgentFolder, name: str, shelf: str
) -> None:
    (shelf_of(folder) / "a").mkdir()
    inside = put(folder, "a/b.json", LONG_AGO)
    above = put(folder, "../a.json", LONG_AGO)
    with pytest.raises(UnsafeFile, match="not a report on a shelf"):
        remove_report(ReportFile(folder, name, shelf))
    assert inside.exists()
    assert above.exists()


def make_folder(path: Path) -> None:
    path.mkdir()


def make_link(path: Path) -> None:
    path.symlink_to(path.parent / "target.txt")


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's path may be some 100 characters long
        try:
            listener.bind(path.name)
        finally:
            os.chdir(here)


@pytest.mark.parametrize("make", [make_folder, make_link, os.mkfifo, make_socket])
def test_what_is_no_regular_file_is_not_removed(
    folder: AgentFolder, make: Callable[[Path], None]
) -> None:
    put(folder, "target.txt", LONG_AGO)
    make(shelf_of(folder) / "a.json")
    with pytest.raises(UnsafeFile, match="not a regular file"):
        remove_report(ReportFile(folder, "a.json", ARCHIVE))
    assert names(folder) == ["a.json", "target.txt"]


# --- A shelf --------------------------------------------------------------------------------------


def test_old_reports_go_and_young_ones_stay(folder: AgentFolder) -> None:
    put(folder, "old.json", NOW - 365 * DAY - timedelta(seconds=1))
    put(folder, "edge.json", NOW - 365 * DAY)
    put(folder, "young.json", NOW)
    assert clear(folder) == (1, ["edge.json", "young.json"], [])


@pytest.mark.parametrize(("shelf", "left"), [(ARCHIVE, ["b.json"]), (REJECTED, [])])
def test_the_newest_archived_report_stays_however_old(
    folder: AgentFolder, shelf: str, left: list[str]
) -> None:
    put(folder, "b.json", LONG_AGO, shelf)
    put(folder, "a.json", LONG_AGO - DAY, shelf)
    assert clear(folder, shelf) == (2 - len(left), left, [])
    assert clear(folder, shelf) == (0, left, [])


def test_only_the_change_time_counts_unless_another_clock_is_given(folder: AgentFolder) -> None:
    put(folder, "a.json", LONG_AGO)
    since = put(folder, "b.json", LONG_AGO - 1000 * DAY).stat().st_ctime
    now = datetime.fromtimestamp(since, UTC)
    assert clear_shelf(folder, ARCHIVE, before=now - DAY).removed == 0
    assert clear_shelf(folder, ARCHIVE, before=now + DAY).removed == 1


def test_a_place_that_a_scan_holds_in_the_archive_is_left(folder: AgentFolder) -> None:
    put(folder, "a.json", LONG_AGO, content="")
    put(folder, "b.json", LONG_AGO - DAY)
    assert clear(folder) == (0, ["a.json", "b.json"], [])


def test_an_agent_without_a_shelf_has_nothing_to_remove(folder: AgentFolder) -> None:
    shelf_of(folder).rmdir()
    assert clear_shelf(folder, ARCHIVE, before=NOW).removed == 0


def needed(content: str, arrived_at: datetime) -> Needed:
    return Needed(len(content), sha256(content.encode()), arrived_at)


@pytest.mark.parametrize("shelf", [ARCHIVE, REJECTED])
def test_a_needed_report_stays_under_whatever_name(folder: AgentFolder, shelf: str) -> None:
    put(folder, "young.json", NOW, shelf)
    put(folder, "a.1.json", LONG_AGO, shelf, content="good")
    put(folder, "b.json", LONG_AGO, shelf, content="evil")
    wanted = needed("good", LONG_AGO - DAY)
    assert clear(folder, shelf, wanted) == (1, ["a.1.json", "young.json"], [])


def test_of_copies_the_one_that_was_moved_first_after_its_arrival_stays(
    folder: AgentFolder,
) -> None:
    for number in range(6):
        put(folder, f"{number}.json", LONG_AGO + number * DAY, content="same")
    wanted = [needed("same", LONG_AGO + days * DAY) for days in (0.5, 2.5)]
    assert clear(folder, ARCHIVE, *wanted) == (3, ["1.json", "3.json", "5.json"], [])


def test_of_copies_that_all_seem_older_than_the_report_the_newest_stays(
    folder: AgentFolder,
) -> None:
    put(folder, "young.json", NOW)
    for number in range(3):
        put(folder, f"{number}.json", LONG_AGO + number * DAY, content="same")
    assert clear(folder, ARCHIVE, needed("same", NOW)) == (2, ["2.json", "young.json"], [])


def test_what_an_agent_put_beside_its_reports_is_not_touched(
    folder: AgentFolder, tmp_path: Path
) -> None:
    target = tmp_path / "target.json"
    target.write_text("keep")
    set_time(target, LONG_AGO)
    shelf = shelf_of(folder)
    (shelf / "link.json").symlink_to(target)
    (shelf / "folder.json").mkdir()
    (shelf / "folder.json" / "in.json").write_text("keep")
    os.mkfifo(shelf / "fifo.json")
    for name in ("link.json", "folder.json", "fifo.json"):
        set_time(shelf / name, LONG_AGO)
    put(folder, ".hidden.json", LONG_AGO)
    put(folder, "notes.txt", LONG_AGO)
    put(folder, "old.json", LONG_AGO)
    put(folder, "young.json", NOW)
    left = [".hidden.json", "fifo.json", "folder.json", "link.json", "notes.txt", "young.json"]
    assert clear(folder) == (1, left, [])
    assert target.read_text() == "keep"
    assert (shelf / "folder.json" / "in.json").read_text() == "keep"


def test_a_shelf_that_is_a_link_is_not_looked_at(folder: AgentFolder, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shelf_of(folder).rename(elsewhere)
    shelf_of(folder).symlink_to(elsewhere)
    put(folder, "a.json", LONG_AGO)
    put(folder, "b.json", LONG_AGO)
    with pytest.raises(AgentUnreadable):
        clear(folder)
    assert len(list(elsewhere.iterdir())) == 2


def test_a_report_that_changes_meanwhile_stays_and_costs_no_other(folder: AgentFolder) -> None:
    for name in ("a.json", "b.json", "c.json"):
        put(folder, name, LONG_AGO)
    put(folder, "young.json", NOW)

    def replacing(status: os.stat_result) -> datetime:
        """Replace b.json as soon as it was looked at."""
        file = shelf_of(folder) / "b.json"
        if status.st_ino == file.stat().st_ino:
            put(folder, "b.tmp", LONG_AGO, content="another").replace(file)
        return by_mtime(status)

    cleared = clear_shelf(folder, ARCHIVE, before=NOW, clock=replacing)
    assert cleared.removed == 2
    assert names(folder) == ["b.json", "young.json"]
    [problem] = cleared.problems
    assert problem.startswith("'b.json': ")
    assert "replaced" in problem


def test_a_report_that_goes_meanwhile_costs_no_other(folder: AgentFolder) -> None:
    for name in ("a.json", "b.json"):
        put(folder, name, LONG_AGO)
    put(folder, "young.json", NOW)

    def removing(status: os.stat_result) -> datetime:
        (shelf_of(folder) / "b.json").unlink(missing_ok=True)
        return by_mtime(status)

    assert clear_shelf(folder, ARCHIVE, before=NOW, clock=removing).removed == 1
    assert names(folder) == ["young.json"]


def test_a_report_of_which_nobody_can_tell_whether_it_is_needed_stays(
    folder: AgentFolder,
) -> None:
    put(folder, "young.json", NOW)
    put(folder, "a.json", LONG_AGO, content="good")
    put(folder, "b.json", LONG_AGO, content="evil and longer")

    def hiding(status: os.stat_result) -> datetime:
        """Put a FIFO in place of a.json as soon as it was looked at."""
        file = shelf_of(folder) / "a.json"
        if status.st_ino == file.stat().st_ino:
            file.rename(shelf_of(folder) / "hidden.txt")
            os.mkfifo(file)
        return by_mtime(status)

    wanted = needed("good", LONG_AGO)
    cleared = clear_shelf(folder, ARCHIVE, before=NOW, needed=[wanted], clock=hiding)
    assert cleared.removed == 1
    assert names(folder) == ["a.json", "hidden.txt", "young.json"]
    assert len(cleared.problems) == 1
