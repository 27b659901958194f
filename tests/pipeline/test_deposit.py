"""The tree is untrusted: what is listed, what is opened, and what is moved where."""

import os
import socket
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scanner.errors import DepositRootUnavailable, FileAbsent, UnsafeFile
from scanner.pipeline.deposit import (
    AgentFolder,
    Place,
    ReportFile,
    changed_at,
    open_staged,
    place_of,
    read_report,
    walk,
)
from scanner.pipeline.shelves import archive_report, reject_report

AGENT = "ACME_DOUALA_NEWBELL"
MOST = 2**20


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / AGENT / "log"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def databases(tmp_path: Path) -> Path:
    folder = tmp_path / AGENT / "databases"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> AgentFolder:
    return AgentFolder(tmp_path, AGENT, has_log=True)


@pytest.fixture
def report(log: Path, folder: AgentFolder) -> ReportFile:
    (log / "a.json").write_text("{}")
    return ReportFile(folder, "a.json")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("ACME_YAOUNDE_ETOA_MEKI", Place("ACME", "YAOUNDE", "ETOA_MEKI")),
        ("acme_douala_akwa", Place("acme", "douala", "akwa")),
        ("ACME_DOUALA", None),
        ("ACME", None),
        ("_DOUALA_AKWA", None),
        ("ACME__AKWA", None),
        ("ACME_DOUALA_", None),
    ],
)
def test_a_folder_is_an_agents_when_it_names_company_city_and_neighborhood(
    name: str, place: Place | None
) -> None:
    assert place_of(name) == place


def test_reports_are_listed_by_agent_and_name(tmp_path: Path) -> None:
    for agent, name in [("B_C_D", "2.json"), ("A_B_C", "9.JSON"), ("A_B_C", "1.json")]:
        log = tmp_path / agent / "log"
        log.mkdir(parents=True, exist_ok=True)
        (log / name).write_text("{}")
    tree = walk(tmp_path)
    assert [(file.folder.name, file.name) for file in tree.reports] == [
        ("A_B_C", "1.json"),
        ("A_B_C", "9.JSON"),
        ("B_C_D", "2.json"),
    ]


def test_what_is_no_report_is_not_listed(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (log / ".hidden.json").write_text("{}")
    (log / "notes.txt").write_text("")
    (log / "folder.json").mkdir()
    (log / "link.json").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(log / "fifo.json")
    (log / "_archive").mkdir()
    (log / "_archive" / "old.json").write_text("{}")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(log)  # a socket's path is short
        server.bind("socket.json")
    assert walk(tmp_path).reports == ()


def test_a_folder_that_is_no_agents_is_a_stranger(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "ACME_DOUALA").mkdir()
    (tmp_path / ".snapshots").mkdir()
    (tmp_path / "readme.txt").write_text("")
    (tmp_path / "ACME_DOUALA_LINK").symlink_to(tmp_path / "ACME_DOUALA")
    tree = walk(tmp_path)
    assert tree.strangers == ("ACME_DOUALA", "ACME_DOUALA_LINK", "lost+found")
    assert tree.folders == ()


def test_a_name_that_is_not_text_is_a_stranger(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"ACME_DOUALA_\xff")).mkdir()
    assert walk(tmp_path).folders == ()


def test_an_agent_is_known_in_any_letter_case(tmp_path: Path) -> None:
    (tmp_path / "acme_Douala_newbell").mkdir()
    (folder,) = walk(tmp_path, frozenset({AGENT})).folders
    assert (folder.agent, folder.has_log) == (AGENT, False)
    assert walk(tmp_path, frozenset({"OTHER_A_B"})).folders == ()


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_root_that_cannot_be_listed_is_an_error(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "root"
    if kind == "file":
        root.write_text("")
    with pytest.raises(DepositRootUnavailable, match="BACKUP_STORAGE_ROOT"):
        walk(root)


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_log_that_is_no_folder_makes_its_agent_unreadable(tmp_path: Path, kind: str) -> None:
    (tmp_path / AGENT).mkdir()
    log = tmp_path / AGENT / "log"
    log.symlink_to("/etc") if kind == "link" else log.write_text("")
    tree = walk(tmp_path)
    assert list(tree.unreadable) == [AGENT]
    assert tree.folders == ()


def test_a_report_is_read_with_its_arrival(report: ReportFile, log: Path) -> None:
    content, arrived = read_report(report, MOST)
    assert content == b"{}"
    assert arrived == datetime.fromtimestamp((log / "a.json").stat().st_ctime, UTC)


def test_the_arrival_is_not_what_the_agent_set(report: ReportFile, log: Path) -> None:
    os.utime(log / "a.json", (0, 0))
    assert read_report(report, MOST)[1].year > 2000
    assert changed_at((log / "a.json").stat()) == read_report(report, MOST)[1]


def test_no_more_of_a_report_is_read_than_asked_for(log: Path, report: ReportFile) -> None:
    (log / "a.json").write_bytes(b"x" * 100)
    assert read_report(report, 10)[0] == b"x" * 10


@pytest.mark.parametrize("folder_name", ["databases", "database"])
def test_a_staged_file_is_found_in_either_folder(
    tmp_path: Path, folder: AgentFolder, folder_name: str
) -> None:
    staged = tmp_path / AGENT / folder_name
    staged.mkdir(parents=True)
    (staged / "x.gz").write_bytes(b"dump")
    with open_staged(folder, "x.gz") as stream:
        assert stream.read() == b"dump"


def test_an_absent_staged_file_says_where_it_was_looked_for(
    databases: Path, folder: AgentFolder
) -> None:
    with (
        pytest.raises(FileAbsent, match=r"'x\.gz' is not in ACME_DOUALA_NEWBELL/databases/"),
        open_staged(folder, "x.gz"),
    ):
        pass


@pytest.mark.parametrize(
    "name",
    [
        "..",
        ".",
        ".hidden",
        "",
        "a/b",
        "../x",
        "a\0b",
        "x" * 5000,
        "\ud800",
        "\udcff",  # noqa: PT014 - another one
    ],
)
def test_a_name_that_leads_elsewhere_is_not_opened(
    databases: Path, folder: AgentFolder, name: str
) -> None:
    with pytest.raises((UnsafeFile, FileAbsent)) as caught, open_staged(folder, name):
        pass
    assert name == "\udcff" or isinstance(caught.value, UnsafeFile)
    str(caught.value).encode()


@pytest.mark.parametrize("kind", ["link", "hard way", "fifo", "folder", "socket", "device"])
def test_what_is_no_regular_file_is_not_opened(
    databases: Path, folder: AgentFolder, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = databases / "x"
    match kind:
        case "link":
            name.symlink_to("/etc/passwd")
        case "hard way":
            databases.rmdir()
            databases.symlink_to("/etc")
            name = databases / "passwd"
        case "fifo":
            os.mkfifo(name)
        case "folder":
            name.mkdir()
        case "socket":
            monkeypatch.chdir(databases)
            with socket.socket(socket.AF_UNIX) as server:
                server.bind("x")
        case "device":
            try:
                os.mknod(name, stat.S_IFCHR | 0o600, os.makedev(1, 3))
            except PermissionError:
                name.mkdir()  # only root makes devices; a folder is refused by the same line
    with pytest.raises(UnsafeFile), open_staged(folder, name.name):
        pass


def test_a_report_that_turned_into_a_link_is_not_read(report: ReportFile, log: Path) -> None:
    (log / "a.json").unlink()
    (log / "a.json").symlink_to("/etc/passwd")
    with pytest.raises(UnsafeFile):
        read_report(report, MOST)


def test_an_archived_report_keeps_its_name_and_bytes(report: ReportFile, log: Path) -> None:
    assert archive_report(report) == "a.json"
    assert (log / "_archive" / "a.json").read_text() == "{}"
    assert not (log / "a.json").exists()


def test_an_archived_report_never_replaces_another(folder: AgentFolder, log: Path) -> None:
    for number in range(3):
        (log / "a.json").write_text(f"[{number}]")
        archive_report(ReportFile(folder, "a.json"))
    kept = {file.name: file.read_text() for file in (log / "_archive").iterdir()}
    assert kept == {"a.json": "[0]", "a.1.json": "[1]", "a.2.json": "[2]"}


def test_a_reservation_that_a_kill_left_is_taken_over(report: ReportFile, log: Path) -> None:
    (log / "_archive").mkdir()
    (log / "_archive" / "a.json").touch()
    assert archive_report(report) == "a.json"
    assert (log / "_archive" / "a.json").read_text() == "{}"


def test_a_link_in_the_archive_is_not_written_through(
    report: ReportFile, log: Path, tmp_path: Path
) -> None:
    (log / "_archive").mkdir()
    (log / "_archive" / "a.json").symlink_to(tmp_path / "target")
    assert archive_report(report) == "a.1.json"
    assert not (tmp_path / "target").exists()


def test_an_archive_that_is_a_link_is_not_used(
    report: ReportFile, log: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (log / "_archive").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafeFile):
        archive_report(report)
    assert (log / "a.json").exists()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_rejected_report_has_its_reason_beside_it(report: ReportFile, log: Path) -> None:
    reject_report(report, "not JSON")
    assert (log / "_rejected" / "a.json").read_text() == "{}"
    assert (log / "_rejected" / "a.json.reason.txt").read_text() == "not JSON\n"


def test_the_longest_names_can_be_moved(folder: AgentFolder, log: Path) -> None:
    name = "x" * 250 + ".json"
    for _ in range(2):
        (log / name).write_text("{}")
        archive_report(ReportFile(folder, name))
    (log / name).write_text("{}")
    reject_report(ReportFile(folder, name), "why")
    assert len(list((log / "_archive").iterdir())) == 2
    assert len(list((log / "_rejected").iterdir())) == 2


def test_a_rejected_report_that_is_accepted_takes_its_reason_along(
    report: ReportFile, log: Path, folder: AgentFolder
) -> None:
    reject_report(report, "not JSON")
    archive_report(ReportFile(folder, "a.json", shelf="_rejected"))
    assert list((log / "_rejected").iterdir()) == []
    assert (log / "_archive" / "a.json").exists()


def test_a_report_on_its_shelf_stays_there(report: ReportFile, log: Path) -> None:
    archive_report(report)
    archive_report(ReportFile(report.folder, "a.json", shelf="_archive"))
    assert [file.name for file in (log / "_archive").iterdir()] == ["a.json"]
