"""Whatever lies in the tree, the scan ends, and the good agent beside it gets its verdict."""

import codecs
import faulthandler
import gzip
import json
import os
import re
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from scanner import roster
from scanner.models import AgentReport, BackupEntry, ExpectedBackupJob, ScanRun
from tests.agent import Agent, dump_of, iso, set_time
from tests.process import EACH_DATABASE, PATIENCE, fresh_database, fresh_sqlite, manage
from tests.scanning import NOW, by_mtime, make_job, run_scan, verdicts

pytestmark = pytest.mark.django_db

EVIL = "EVIL_DOUALA_AKWA"
STAGED = "evil_2025.sql.gz"
UNSAFE = ("CORRUPT", "unsafe_file")
DEEP = 100_000
EARLIER = NOW - timedelta(hours=1)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


@pytest.fixture(autouse=True)
def _safety_net() -> Iterator[None]:
    """End the process if something blocks: a thread that hangs in open() cannot be interrupted."""
    assert sys.__stderr__ is not None
    faulthandler.dump_traceback_later(PATIENCE, exit=True, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(params=EACH_DATABASE)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of an empty database, of either kind."""
    return fresh_database(request, tmp_path)


Lay = Callable[[Agent], object]


def scan_beside_a_good_agent(root: Path, lay: Lay) -> ScanRun:
    """Let a hostile agent deposit, and a good one after it by name; give the run of the scan.

    The good agent has its verdict, and the next scan finds nothing new.
    """
    good = Agent(root, "GOOD_DOUALA_AKWA")
    good_job = make_job("GOOD_2025", good.name)
    make_job("EVIL_2025", EVIL)
    good.deposit("GOOD_2025", EARLIER)
    evil = Agent(root, EVIL)
    evil.log.mkdir(parents=True)
    evil.databases.mkdir()
    lay(evil)
    _long_settled(root)
    run = run_scan()
    assert verdicts(good_job) == [("SUCCESS", "")]
    count = BackupEntry.objects.count()
    assert run_scan().outcome == run.outcome
    assert BackupEntry.objects.count() == count
    return run


def evil_verdicts() -> list[tuple[str, str]]:
    return verdicts(ExpectedBackupJob.objects.get(agent_id=EVIL, database_name="EVIL_2025"))


def claim(**changes: Any) -> dict[str, Any]:
    return {"staged_file_name": STAGED, "COMPRESS": {"status": True}, **changes}


def report(**changes: Any) -> str:
    """Give a report that is about EVIL_2025 and gives no checksum."""
    return json.dumps({"agent_id": EVIL, "databases": {"EVIL_2025": claim()}, **changes})


def _long_settled(root: Path) -> None:
    for folder, folders, files in os.walk(os.fsencode(root)):
        for name in (*folders, *files):
            set_time(Path(os.fsdecode(folder), os.fsdecode(name)), EARLIER)


# --- What stands where a staged file should -------------------------------------------------------


def _link(agent: Agent) -> None:
    secret = agent.root.parent / "secret.sql.gz"
    secret.write_bytes(gzip.compress(dump_of("secret")))
    (agent.databases / STAGED).symlink_to(secret)


def _link_within(agent: Agent) -> None:
    agent.stage("other.sql.gz", gzip.compress(dump_of("other")))
    (agent.databases / STAGED).symlink_to("other.sql.gz")


def _linked_folder(agent: Agent) -> None:
    agent.databases.rmdir()
    agent.databases.symlink_to(agent.root / "GOOD_DOUALA_AKWA" / "databases")


def _folder(agent: Agent) -> None:
    (agent.databases / STAGED).mkdir()


def _fifo(agent: Agent) -> None:
    os.mkfifo(agent.databases / STAGED)


def _socket(agent: Agent) -> None:
    _bind(agent.databases, STAGED)


def _device(agent: Agent) -> None:
    _endless(agent.databases / STAGED)


def _bind(folder: Path, name: str) -> None:
    """Leave a socket: its path must be short, so it is bound beside the working directory."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(name)
    finally:
        os.chdir(before)


def _endless(file: Path) -> None:
    os.mknod(file, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero


def _may_make_devices() -> bool:
    return os.geteuid() == 0


DEVICE = [pytest.param(_device, id="device")] if _may_make_devices() else []


@pytest.mark.parametrize(
    "lay", [_link, _link_within, _linked_folder, _folder, _fifo, _socket, *DEVICE]
)
def test_what_is_no_file_of_the_agents_own_is_unsafe(
    deposit_root: Path, vault_root: Path, lay: Lay
) -> None:
    def both(agent: Agent) -> None:
        lay(agent)
        agent.drop("a.json", report())

    run = scan_beside_a_good_agent(deposit_root, both)
    assert evil_verdicts() == [UNSAFE]
    assert (run.outcome, run.reports_accepted) == ("complete", 2)
    assert not (vault_root / "EVIL").exists()


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        pytest.param("..", UNSAFE, id="parent"),
        pytest.param(".hidden", UNSAFE, id="hidden"),
        pytest.param("x" * 5000, UNSAFE, id="5000 characters"),
        pytest.param("a\0b", UNSAFE, id="NUL"),
        pytest.param("\0", UNSAFE, id="only NUL"),
        pytest.param("\ud800.sql.gz", UNSAFE, id="lone surrogate"),
        pytest.param("\x1b[2J\r\n", ("MISSING", "file_absent"), id="escapes"),
        pytest.param(
            "../../GOOD_DOUALA_AKWA/databases/good_2025.sql.gz",
            ("MISSING", "file_absent"),
            id="traversal",
        ),
        pytest.param(
            "..\\..\\GOOD_DOUALA_AKWA\\databases\\good_2025.sql.gz",
            ("MISSING", "file_absent"),
            id="backslashes",
        ),
        pytest.param("/etc/passwd", ("MISSING", "file_absent"), id="absolute"),
        pytest.param("databases/", ("MISSING", "file_absent"), id="no last component"),
        pytest.param(["a"], ("MISSING", "file_absent"), id="a list"),
    ],
)
def test_a_staged_name_leads_nowhere_but_into_the_agents_own_folder(
    deposit_root: Path, name: object, verdict: tuple[str, str]
) -> None:
    content = report(databases={"EVIL_2025": claim(staged_file_name=name)})
    run = scan_beside_a_good_agent(deposit_root, lambda agent: _drop(agent, content))
    assert evil_verdicts() == [verdict]
    assert run.outcome == "complete"
    entry = BackupEntry.objects.get(agent_id=EVIL)
    assert not CONTROL.search(entry.staged_name + entry.message)


def test_a_staged_name_that_is_not_utf_8_is_read_and_copied_under_a_safe_one(
    deposit_root: Path, vault_root: Path
) -> None:
    name = os.fsdecode(b"evil\xff\n.sql.gz")
    content = report(databases={"EVIL_2025": claim(staged_file_name=name)})

    def lay(agent: Agent) -> None:
        agent.stage(name, gzip.compress(dump_of("odd")))
        agent.drop("a.json", content)

    scan_beside_a_good_agent(deposit_root, lay)
    assert evil_verdicts() == [("SUCCESS", "")]
    (copy,) = (file for file in (vault_root / "EVIL").rglob("*") if file.is_file())
    assert copy.name.isascii()
    assert gzip.decompress(copy.read_bytes()) == dump_of("odd")


@pytest.mark.parametrize(
    ("claimed", "verdict", "warnings"),
    [
        (None, ("SUCCESS", ""), ["no_checksum", "opaque"]),
        (1000, ("CORRUPT", "content_mismatch"), []),
    ],
)
def test_a_bomb_is_not_unpacked_to_its_end(
    deposit_root: Path, claimed: int | None, verdict: tuple[str, str], warnings: list[str]
) -> None:
    bomb = gzip.compress(bytes(80 * 2**20), compresslevel=1)

    def lay(agent: Agent) -> None:
        agent.stage(STAGED, bomb)
        agent.drop("a.json", report(databases={"EVIL_2025": claim(BACKUP={"size": claimed})}))

    scan_beside_a_good_agent(deposit_root, lay)
    assert evil_verdicts() == [verdict]
    entry = BackupEntry.objects.get(agent_id=EVIL)
    assert [word for word in entry.warnings if word != "clock_skew"] == warnings
    assert entry.content_size is None


# --- What stands where a report should ------------------------------------------------------------


def _drop(agent: Agent, content: str | bytes) -> None:
    agent.drop("a.json", content)


def _linked_report(agent: Agent) -> None:
    good = agent.root / "GOOD_DOUALA_AKWA" / "log"
    (agent.log / "a.json").symlink_to(next(good.glob("*.json")))


def _dangling_report(agent: Agent) -> None:
    (agent.log / "a.json").symlink_to("nowhere")


@pytest.mark.parametrize(
    "lay",
    [
        pytest.param(lambda agent: (agent.log / "a.json").mkdir(), id="folder"),
        pytest.param(lambda agent: os.mkfifo(agent.log / "a.json"), id="fifo"),
        pytest.param(lambda agent: _bind(agent.log, "a.json"), id="socket"),
        pytest.param(_linked_report, id="link"),
        pytest.param(_dangling_report, id="dangling link"),
        pytest.param(lambda agent: agent.drop(".a.json.XyZ123", "{"), id="rsync's partial file"),
        pytest.param(lambda agent: agent.drop("a.json.txt", "{"), id="other extension"),
        *(
            [pytest.param(lambda agent: _endless(agent.log / "a.json"), id="device")]
            if _may_make_devices()
            else []
        ),
    ],
)
def test_what_is_no_report_is_neither_read_nor_moved(deposit_root: Path, lay: Lay) -> None:
    run = scan_beside_a_good_agent(deposit_root, lay)
    assert (run.outcome, run.reports_accepted, run.reports_rejected) == ("complete", 1, 0)
    assert evil_verdicts() == []
    assert len(list((deposit_root / EVIL / "log").iterdir())) == 1


def _nested(opening: str, closing: str) -> str:
    return f'{{"databases": {opening * DEEP}{closing * DEEP}}}'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(" " * (17 * 2**20), "at most 16777216 are read", id="17 MiB"),
        pytest.param(_nested('{"a":', "}").replace(":}", ":1}", 1), "deep", id="deep objects"),
        pytest.param(_nested("[", "]"), "deep", id="deep lists"),
        pytest.param(
            report(databases={f"DB{number}": {} for number in range(10_001)}),
            "found 10001, at most 10000",
            id="10,001 databases",
        ),
        pytest.param(b"\xff\xfe\x00", "not UTF-16", id="half a character"),
        pytest.param(b"\x1f\x8b\x08\x00", "not UTF-8", id="an archive"),
        pytest.param(report(agent_id="GOOD_DOUALA_AKWA"), "speak for itself", id="another agent's"),
        pytest.param(report(agent_id={"\0": "\x1b[2J"}), "agent_id", id="agent_id of no text"),
        pytest.param("\x1b[2J", "not whole JSON", id="escapes"),
    ],
)
def test_a_report_beyond_bounds_is_rejected_with_its_reason(
    deposit_root: Path, content: str | bytes, reason: str
) -> None:
    run = scan_beside_a_good_agent(deposit_root, lambda agent: _drop(agent, content))
    assert (run.outcome, run.reports_accepted, run.reports_rejected) == ("complete", 1, 1)
    assert evil_verdicts() == []
    rejected = deposit_root / EVIL / "log" / "_rejected"
    assert (rejected / "a.json").stat().st_size == len(content)
    words = (rejected / "a.json.reason.txt").read_text()
    assert reason in words
    assert words.strip() == AgentReport.objects.get(state="rejected").reason
    assert not CONTROL.search(words)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(codecs.BOM_UTF16_LE + report().encode("utf-16-le"), id="UTF-16 LE"),
        pytest.param(codecs.BOM_UTF16_BE + report().encode("utf-16-be"), id="UTF-16 BE"),
        pytest.param(codecs.BOM_UTF8 + report().encode(), id="UTF-8 with a mark"),
    ],
)
def test_a_report_of_a_windows_agent_is_read(deposit_root: Path, content: bytes) -> None:
    def lay(agent: Agent) -> None:
        agent.stage(STAGED, gzip.compress(dump_of("windows")))
        agent.drop("a.json", content)

    scan_beside_a_good_agent(deposit_root, lay)
    assert evil_verdicts() == [("SUCCESS", "")]


@pytest.mark.parametrize("name", [b"\xff.json", b"a\n\x1b[2J.json", b"x" * 250 + b".json"])
def test_a_report_is_archived_under_whatever_name_it_has(deposit_root: Path, name: bytes) -> None:
    scan_beside_a_good_agent(deposit_root, lambda agent: agent.drop(os.fsdecode(name), report()))
    assert evil_verdicts() == [("MISSING", "file_absent")]
    (archived,) = (deposit_root / EVIL / "log" / "_archive").iterdir()
    assert os.fsencode(archived.name) == name
    stored = AgentReport.objects.get(agent_id=EVIL).file_name
    assert stored.isprintable()


@pytest.mark.parametrize("first", [report(), '{"databases": '])
def test_a_report_that_is_replaced_while_the_scan_runs_is_read_by_the_next(
    deposit_root: Path, first: str
) -> None:
    make_job("EVIL_2025", EVIL)
    make_job("SLOW", EVIL)
    agent = Agent(deposit_root, EVIL)
    slow = {"SLOW": agent.claim(dump_of("slow"), EARLIER, file_name="slow.sql.gz")}
    agent.drop("1.json", report(databases=slow))
    agent.drop("timestamp.json", first)
    _long_settled(deposit_root)
    failed = report(databases={"EVIL_2025": {"BACKUP": {"status": "KO"}}})
    slow_file = (agent.databases / "slow.sql.gz").stat().st_ino

    def clock(status: os.stat_result) -> datetime:
        if status.st_ino == slow_file:  # all reports were read, and none was moved yet
            set_time(agent.drop(".timestamp.json.XyZ123", failed), EARLIER)
            (agent.log / ".timestamp.json.XyZ123").rename(agent.log / "timestamp.json")
        return by_mtime(status)

    run_scan(clock=clock)
    run_scan()
    assert ("FAILED", "backup_failed") in evil_verdicts()


# --- Shelves, folders -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shelf", "content", "expected"),
    [("_archive", report(), [("MISSING", "file_absent")]), ("_rejected", "no JSON", [])],
)
@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_report_is_not_moved_out_of_the_tree(
    deposit_root: Path, tmp_path: Path, *, shelf: str, kind: str, content: str, expected: object
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()

    def lay(agent: Agent) -> None:
        if kind == "link":
            (agent.log / shelf).symlink_to(outside)
        else:
            (agent.log / shelf).write_text("in the way")
        agent.drop("a.json", content)

    run = scan_beside_a_good_agent(deposit_root, lay)
    assert run.outcome == "incomplete"
    assert f"cannot be moved into {shelf}/" in run.findings[0]
    assert evil_verdicts() == expected
    assert list(outside.iterdir()) == []
    assert (deposit_root / EVIL / "log" / "a.json").read_text() == content
    assert AgentReport.objects.filter(agent_id=EVIL).count() == 1


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_log_folder_that_is_none_leaves_its_agent_unjudged(deposit_root: Path, kind: str) -> None:
    def lay(agent: Agent) -> None:
        agent.log.rmdir()
        if kind == "link":
            agent.log.symlink_to(agent.root / "GOOD_DOUALA_AKWA" / "log")
        else:
            agent.log.write_text("")

    run = scan_beside_a_good_agent(deposit_root, lay)
    assert run.outcome == "incomplete"
    assert EVIL in run.findings[0]
    assert evil_verdicts() == []


def test_a_linked_agents_folder_is_not_entered(deposit_root: Path, tmp_path: Path) -> None:
    elsewhere = Agent(tmp_path / "elsewhere", EVIL)
    elsewhere.deposit("EVIL_2025", EARLIER)

    def lay(agent: Agent) -> None:
        agent.log.rmdir()
        agent.databases.rmdir()
        agent.home.rmdir()
        agent.home.symlink_to(elsewhere.home)

    run = scan_beside_a_good_agent(deposit_root, lay)
    assert (run.outcome, run.strangers) == ("complete", [EVIL])
    assert evil_verdicts() == []
    assert elsewhere.reported[0].exists()


def test_an_empty_folder_in_another_letter_case_does_not_hide_an_agent(deposit_root: Path) -> None:
    job = make_job("EVIL_2025", EVIL, schedule="0 11 * * *", grace_minutes=30, now=EARLIER)
    Agent(deposit_root, EVIL.lower()).log.mkdir(parents=True)
    (deposit_root / EVIL).mkdir()
    assert run_scan(EARLIER).outcome == "complete"
    assert run_scan().outcome == "complete"
    assert verdicts(job) == [("MISSING", "no_report")]


# --- What is written in a report ------------------------------------------------------------------

FOUL = "<script>alert(1)</script>\x1b[31m\x00\ud800\x9b2J\u202e\r\n'; DROP TABLE scanner_agent; --"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(FOUL, id="foul"),
        pytest.param("n" * 5000, id="5000 characters"),
        pytest.param("../../../etc/cron.d/x", id="traversal"),
        pytest.param("é\u0301\ufdfa" * 60, id="grows when it is decomposed"),
        pytest.param("a\0b", id="NUL"),
        pytest.param("\udfff", id="lone surrogate"),
        pytest.param("[bold red]x[/bold red]", id="markup"),
    ],
)
def test_a_database_of_any_name_is_judged_and_copied_into_the_vault(
    deposit_root: Path, vault_root: Path, name: str
) -> None:
    def lay(agent: Agent) -> None:
        make_job("OTHER", EVIL)
        agent.stage(STAGED, gzip.compress(dump_of("any")))
        agent.drop("a.json", report(databases={name: claim(), "OTHER": claim()}))

    run = scan_beside_a_good_agent(deposit_root, lay)
    assert (run.outcome, run.jobs_registered) == ("complete", 1)
    new = ExpectedBackupJob.objects.exclude(database_name__in=("GOOD_2025", "EVIL_2025", "OTHER"))
    stored = new.get().database_name
    assert 0 < len(stored) <= 200
    assert not CONTROL.search(stored)
    assert not new.get().is_active
    new.update(is_active=True)
    Agent(deposit_root, EVIL).drop("b.json", report(databases={name: claim()}, overall_status="OK"))
    _long_settled(deposit_root)
    run_scan()
    assert verdicts(new.get()) == [("SUCCESS", "")]
    copy = vault_root / BackupEntry.objects.get(job=new.get()).vault_path
    assert copy.resolve().is_relative_to(vault_root / "EVIL")
    assert gzip.decompress(copy.read_bytes()) == dump_of("any")


def test_foul_words_of_an_agent_cost_no_verdict(deposit_root: Path) -> None:
    foul = {
        "TRANSFER": {"status": False, "error_message": FOUL * 100, "start_time": FOUL},
        "logs_summary": FOUL,
        FOUL: FOUL,
    }
    content = report(
        databases={"EVIL_2025": claim(**foul), "SECOND": FOUL, "": {}},
        operation_end_time=FOUL,
        overall_status=FOUL,
    )
    run = scan_beside_a_good_agent(deposit_root, lambda agent: _drop(agent, content))
    assert run.outcome == "complete"
    assert evil_verdicts() == [("FAILED", "transfer_failed")]
    message = BackupEntry.objects.get(agent_id=EVIL).message
    assert "<script>" in message  # kept as it is: escaping is for whoever shows it
    assert not CONTROL.search(message)
    assert len(message) <= 4000


@pytest.mark.parametrize("value", [10**400, -1, 1e308, True, "9" * 5000, 2**63, None, [], "NaN"])
def test_a_size_of_any_kind_costs_no_verdict(deposit_root: Path, value: object) -> None:
    content = report(databases={"EVIL_2025": claim(BACKUP={"size": value}, COMPRESS={"size": 5})})

    def lay(agent: Agent) -> None:
        agent.stage(STAGED, gzip.compress(dump_of("sized")))
        agent.drop("a.json", content)

    scan_beside_a_good_agent(deposit_root, lay)
    assert evil_verdicts() == [("CORRUPT", "size_mismatch")]


@pytest.mark.parametrize(
    "ended", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59", iso(EARLIER) + "+99:99", "1e9"]
)
def test_a_time_of_any_kind_costs_no_verdict(deposit_root: Path, ended: str) -> None:
    def lay(agent: Agent) -> None:
        agent.stage(STAGED, gzip.compress(dump_of("timed")))
        agent.drop("99999999_999999_EVIL.json", report(operation_end_time=ended))

    scan_beside_a_good_agent(deposit_root, lay)
    assert evil_verdicts() == [("SUCCESS", "")]
    assert BackupEntry.objects.get(agent_id=EVIL).operation_end == EARLIER


# --- What this server may not read ----------------------------------------------------------------


@contextmanager
def closed(path: Path, mode: int = 0) -> Iterator[None]:
    """Let nobody but root read a file or folder for the length of the block."""
    before = stat.S_IMODE(path.stat().st_mode)
    path.chmod(mode)
    try:
        yield
    finally:
        path.chmod(before)


def scan_as_an_ordinary_user() -> tuple[str, dict[str, Any]]:
    """Run the command without root's powers; give the run's outcome and what it printed."""
    done = manage("scan_now", "--json", ordinary=True)
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    return ScanRun.objects.get(pk=run["run"]).outcome, run


def of_good_and_evil(root: Path, **fields: Any) -> tuple[Agent, ExpectedBackupJob]:
    """Let a good and another agent deposit; give the other and its job, made with `fields`."""
    make_job("GOOD_2025", "GOOD_DOUALA_AKWA")
    job = make_job("EVIL_2025", EVIL, **fields)
    other = Agent(root, EVIL)
    ended = timezone.now()
    other.deposit("EVIL_2025", ended)
    Agent(root, "GOOD_DOUALA_AKWA").deposit("GOOD_2025", ended)
    return other, job


def statuses(run: dict[str, Any]) -> dict[str, str]:
    return {entry["database"]: entry["status"] for entry in run["entries"]}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", [".", "log"])
def test_an_agent_that_cannot_be_looked_at_keeps_its_state(deposit_root: Path, what: str) -> None:
    other, job = of_good_and_evil(deposit_root, schedule="* * * * *", grace_minutes=1)
    with closed(other.home / what):
        outcome, run = scan_as_an_ordinary_user()
    assert (outcome, statuses(run)) == ("incomplete", {"GOOD_2025": "SUCCESS"})
    before = (job.status, job.due_at)
    job.refresh_from_db()
    assert (job.status, job.due_at) == before
    job.is_active = False
    roster.save(job, now=timezone.now())
    roster.resume([job.pk], now=timezone.now())
    assert scan_as_an_ordinary_user()[0] == "complete"
    assert verdicts(job) == [("SUCCESS", "")]


@pytest.mark.django_db(transaction=True)
def test_a_report_that_cannot_be_read_costs_the_others_nothing(deposit_root: Path) -> None:
    other, job = of_good_and_evil(deposit_root)
    other.drop("second.json", report(databases={"EVIL_2025": {"BACKUP": {"status": "KO"}}}))
    with closed(other.reported[0]):
        outcome, run = scan_as_an_ordinary_user()
    assert (outcome, run["reports"]["deferred"]) == ("incomplete", 1)
    assert statuses(run) == {"GOOD_2025": "SUCCESS", "EVIL_2025": "FAILED"}
    outcome, run = scan_as_an_ordinary_user()
    assert (outcome, statuses(run)) == ("complete", {"EVIL_2025": "SUCCESS"})
    assert verdicts(job) == [("FAILED", "backup_failed"), ("SUCCESS", "")]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["databases", "databases/evil_2025.sql.gz"])
def test_a_staged_file_that_cannot_be_read_waits_and_its_neighbours_do_not(
    deposit_root: Path, what: str
) -> None:
    other, _ = of_good_and_evil(deposit_root)
    make_job("FAILING", EVIL)
    failed = {"BACKUP": {"status": False}}
    other.drop(other.reported[0].name, report(databases={"EVIL_2025": claim(), "FAILING": failed}))
    with closed(other.home / what):
        outcome, run = scan_as_an_ordinary_user()
    assert outcome == "incomplete"
    assert statuses(run) == {"GOOD_2025": "SUCCESS", "FAILING": "FAILED"}
    assert other.reported[0].exists()
    outcome, run = scan_as_an_ordinary_user()
    assert (outcome, statuses(run)) == ("complete", {"EVIL_2025": "SUCCESS"})
    assert not other.reported[0].exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_unsafe_even_if_it_cannot_be_opened(
    deposit_root: Path, make: Callable[[Path], None]
) -> None:
    other, _ = of_good_and_evil(deposit_root)
    staged = other.databases / STAGED
    staged.unlink()
    make(staged)
    with closed(staged):
        outcome, run = scan_as_an_ordinary_user()
    assert statuses(run) == {"GOOD_2025": "SUCCESS", "EVIL_2025": "CORRUPT"}
    assert outcome == "complete"


@pytest.mark.django_db(transaction=True)
def test_a_log_folder_that_cannot_be_written_costs_no_verdict(deposit_root: Path) -> None:
    other, job = of_good_and_evil(deposit_root)
    with closed(other.log, 0o555):
        outcome, run = scan_as_an_ordinary_user()
        assert statuses(run) == {"GOOD_2025": "SUCCESS", "EVIL_2025": "SUCCESS"}
        assert outcome == "incomplete"
        outcome, run = scan_as_an_ordinary_user()
        assert (outcome, statuses(run), run["reports"]["known"]) == ("incomplete", {}, 1)
    assert scan_as_an_ordinary_user()[0] == "complete"
    assert list(other.log.glob("*.json")) == []
    assert verdicts(job) == [("SUCCESS", "")]


@pytest.mark.django_db(transaction=True)
def test_a_tree_that_cannot_be_listed_judges_nobody(deposit_root: Path) -> None:
    of_good_and_evil(deposit_root, schedule="* * * * *", grace_minutes=1)
    with closed(deposit_root):
        done = manage("scan_now", "--json", ordinary=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be read" in done.stderr
    assert ScanRun.objects.get().outcome == "failed"
    assert verdicts() == []


# --- What people and programs are shown of all this -----------------------------------------------

FOUL_NAME = b"\xff\x1b[31m\n"


def foul_tree(root: Path) -> Path:
    """Make a tree with foul names and words everywhere; give the report that is not to be read."""
    Agent(root, "GOOD_DOUALA_AKWA").deposit("GOOD_2025", timezone.now())
    foul_names = ("EVIL\x1b[31m\n_DOUALA_AKWA", "stranger\x1b[31m\n", os.fsdecode(FOUL_NAME))
    for name in (EVIL, *foul_names):
        evil = Agent(root, name)
        words = {"TRANSFER": {"status": "KO", "error_message": FOUL}}
        evil.drop("a.json", report(agent_id=None, databases={FOUL: claim(**words)}))
        evil.drop("b.json", report(agent_id=FOUL))
        evil.drop("c.json", FOUL.encode("utf-8", "surrogatepass"))
    (root / os.fsdecode(b"a\xff_b\x1b_c")).mkdir()
    return Agent(root, EVIL).drop(os.fsdecode(FOUL_NAME + b".json"), "{}")


@pytest.mark.django_db(transaction=True)
def test_no_log_line_holds_a_control_character(deposit_root: Path, tmp_path: Path) -> None:
    with closed(foul_tree(deposit_root)):
        done = manage(
            "scan_now",
            "--json",
            ordinary=True,
            AUTO_REGISTER="active",
            REPORT_SETTLE_SECONDS="0",
            DATABASE_URL=fresh_sqlite(tmp_path),
        )
    assert done.returncode == 0, done.stderr
    assert not CONTROL.search(done.stderr)
    entries = json.loads(done.stdout)["entries"]
    assert {entry["agent"] for entry in entries} >= {"GOOD_DOUALA_AKWA", EVIL}
    assert "rejected c.json of agent EVIL_DOUALA_AKWA: not UTF-8" in done.stderr


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("encoding", ["utf-8:strict", "utf-8:surrogateescape"])
def test_the_table_for_people_holds_no_control_character(deposit_root: Path, encoding: str) -> None:
    with closed(foul_tree(deposit_root)):
        done = manage("scan_now", ordinary=True, AUTO_REGISTER="active", PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert "GOOD_2025" in done.stdout
    assert not CONTROL.search(done.stdout)


@pytest.mark.django_db(transaction=True)
def test_a_name_that_no_text_can_hold_does_not_end_a_scan(
    deposit_root: Path, database: str
) -> None:
    with closed(foul_tree(deposit_root)):
        done = manage(
            "scan_now", "--json", ordinary=True, AUTO_REGISTER="active", DATABASE_URL=database
        )
    assert done.returncode == 0, done.stderr
    assert statuses(json.loads(done.stdout))["GOOD_2025"] == "SUCCESS"


@pytest.mark.django_db(transaction=True)
def test_an_agents_name_that_grows_in_upper_case_does_not_end_a_scan(
    deposit_root: Path, database: str
) -> None:
    ended = timezone.now()
    Agent(deposit_root, "GOOD_DOUALA_AKWA").deposit("GOOD_2025", ended)
    Agent(deposit_root, "E_D_" + "\u0390" * 100).drop("a.json", report(agent_id=None))
    done = manage("scan_now", "--json", AUTO_REGISTER="active", DATABASE_URL=database)
    assert done.returncode == 0, done.stderr
    assert statuses(json.loads(done.stdout))["GOOD_2025"] == "SUCCESS"
