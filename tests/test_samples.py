"""The three samples of agents' reports, with real files to match, get the right verdicts."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scanner.models import BackupEntry, ExpectedBackupJob
from scanner.models.choices import Level, Reason, Status
from tests.agent import PACK, Agent, dump_of, set_time, sha256
from tests.process import manage
from tests.scanning import make_job, run_scan

SAMPLES = Path(__file__).parent / "samples"
# The morning after the samples: everything in them has happened.
NOW = datetime(2026, 3, 3, 7, tzinfo=UTC)


@dataclass(frozen=True)
class Sample:
    """A sample, the folder and name under which its agent drops it, and when it arrives."""

    file: str
    agent: str
    name: str
    arrived: datetime


CANONICAL = Sample(
    "canonical.json",
    "ACME_DOUALA_NEWBELL",
    "20260302_125606_ACME_DOUALA_NEWBELL.json",
    datetime(2026, 3, 2, 12, 57, tzinfo=UTC),
)
STRINGS = Sample(
    "strings_and_agent_paths.json",
    "ACME_BAFOUSSAM_ORANGE",
    "2026-03-02_09-40-05_ACME_BAFOUSSAM_ORANGE.json",
    datetime(2026, 3, 2, 9, 41, tzinfo=UTC),
)
MINIMAL = Sample(
    "minimal.json",
    "ACME_DOUALA_NEWBELL",
    "HORODATAGE_ACME_DOUALA_NEWBELL.json",
    datetime(2026, 3, 2, 20, 0, tzinfo=UTC),
)

EXPECTED: dict[str, tuple[str, str | None, str | None, list[str]]] = {
    "ACME_DOUALA_NEWBELL_2025": ("SUCCESS", None, "content", []),
    "ACME_NEWBELL_STOCK_2025": ("FAILED", "compress_failed", None, []),
    "GLOBEX_BAFOUSSAM_2025": ("SUCCESS", None, "content", []),
    "ACME_BAFOUSSAM_AVARIES_2025": ("FAILED", "transfer_failed", None, []),
    "ACME_DOUALA_2023": ("SUCCESS", None, "archive", []),
}
"""Status, reason, level and warnings of each claim in the samples."""

# A job's agent, and the place that its backups are of.
PLACES = {
    "ACME_DOUALA_NEWBELL_2025": ("ACME_DOUALA_NEWBELL", "ACME", "DOUALA", "NEWBELL"),
    "ACME_NEWBELL_STOCK_2025": ("ACME_DOUALA_NEWBELL", "ACME", "DOUALA", "NEWBELL"),
    "GLOBEX_BAFOUSSAM_2025": ("ACME_BAFOUSSAM_ORANGE", "GLOBEX", "BAFOUSSAM", "ORANGE"),
    "ACME_BAFOUSSAM_AVARIES_2025": ("ACME_BAFOUSSAM_ORANGE", "ACME", "BAFOUSSAM", "ORANGE"),
    "ACME_DOUALA_2023": ("ACME_DOUALA_NEWBELL", "ACME", "DOUALA", "NEWBELL"),
}


def deposit(root: Path, *samples: Sample) -> dict[str, bytes]:
    """Put samples into the tree, with real files that their figures are rewritten to match.

    Give the dumps by database.
    """
    dumps: dict[str, bytes] = {}
    for sample in samples:
        agent = Agent(root, sample.agent)
        document = json.loads((SAMPLES / sample.file).read_text())
        for database, claim in document["databases"].items():
            dumps[database] = dump_of(database)
            name = claim["staged_file_name"].replace("\\", "/").rpartition("/")[2]
            packed = PACK[Path(name).suffix](dumps[database])
            _rewrite(claim.get("BACKUP", {}), dumps[database])
            _rewrite(claim["COMPRESS"], packed)
            if all(_good(claim.get(step, {})) for step in ("COMPRESS", "TRANSFER")):
                set_time(agent.stage(name, packed), sample.arrived - timedelta(minutes=1))
        set_time(agent.drop(sample.name, json.dumps(document)), sample.arrived)
    return dumps


def _rewrite(step: dict[str, Any], content: bytes) -> None:
    """Let the figures that a step has be those of `content`, in the kind in which it has them."""
    for key in {"sha256", "sha256_checksum"} & step.keys():
        step[key] = step[key] and sha256(content)
    if step.get("size") is not None:
        step["size"] = type(step["size"])(len(content))


def _good(step: dict[str, Any]) -> bool:
    return str(step.get("status", True)).lower() == "true"


def make_jobs(databases: Iterable[str] = PLACES, **fields: Any) -> None:
    for database in databases:
        agent, company, city, neighborhood = PLACES[database]
        make_job(
            database, agent, company_name=company, city=city, neighborhood=neighborhood, **fields
        )


def found() -> dict[str, tuple[str, str | None, str | None, list[str]]]:
    """Give what EXPECTED gives, of the entries that are recorded."""
    return {
        entry.job.database_name: (
            entry.status,
            entry.reason or None,
            entry.level or None,
            entry.warnings,
        )
        for entry in BackupEntry.objects.select_related("job")
    }


# --- Verdicts -------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_three_samples_together_get_each_claim_its_verdict(
    deposit_root: Path, vault_root: Path
) -> None:
    make_jobs()
    dumps = deposit(deposit_root, CANONICAL, STRINGS, MINIMAL)
    run = run_scan(NOW)
    assert found() == EXPECTED
    assert (run.outcome, run.reports_accepted, run.findings) == ("complete", 3, [])
    assert run.counts == {
        "SUCCESS": 3,
        "UNCHANGED": 0,
        "FAILED": 2,
        "CORRUPT": 0,
        "MISSING": 0,
        "UNKNOWN": 0,
    }
    paths = {}
    for entry in BackupEntry.objects.exclude(vault_path=""):
        assert entry.content_sha256 == sha256(dumps[entry.job.database_name])
        assert sha256((vault_root / entry.vault_path).read_bytes()) == entry.sha256
        paths[entry.job.database_name] = entry.vault_path
    assert paths == {
        "ACME_DOUALA_NEWBELL_2025": "ACME/DOUALA/NEWBELL/ACME_DOUALA_NEWBELL_2025/"
        "ACME_DOUALA_NEWBELL_2025_20260302_125606.sql.gz",
        "GLOBEX_BAFOUSSAM_2025": "GLOBEX/BAFOUSSAM/ORANGE/GLOBEX_BAFOUSSAM_2025/"
        "GLOBEX_BAFOUSSAM_2025_20260302_094005.zst",
        "ACME_DOUALA_2023": "ACME/DOUALA/NEWBELL/ACME_DOUALA_2023/"
        "ACME_DOUALA_2023_20260302_200000.sql.gz",
    }
    for sample in (CANONICAL, STRINGS, MINIMAL):
        log = deposit_root / sample.agent / "log"
        assert [file.name for file in log.glob("*.json")] == []
        assert (log / "_archive" / sample.name).exists()


@pytest.mark.django_db
def test_what_the_agents_say_of_their_failures_is_kept(deposit_root: Path) -> None:
    make_jobs()
    deposit(deposit_root, CANONICAL, STRINGS)
    run_scan(NOW)
    messages = dict(BackupEntry.objects.values_list("job__database_name", "message"))
    assert "No space left on device" in messages["ACME_NEWBELL_STOCK_2025"]
    assert "gzip: write error" in messages["ACME_NEWBELL_STOCK_2025"]
    assert "rsync: connection unexpectedly closed" in messages["ACME_BAFOUSSAM_AVARIES_2025"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("zone", "ended", "path_time"),
    [
        ("", datetime(2026, 3, 2, 9, 40, 5, 208307, UTC), "20260302_094005"),
        ("Africa/Douala", datetime(2026, 3, 2, 8, 40, 5, 208307, UTC), "20260302_084005"),
    ],
)
def test_the_times_without_a_zone_are_in_that_of_the_agents_jobs(
    deposit_root: Path, zone: str, ended: datetime, path_time: str
) -> None:
    make_jobs(time_zone=zone)
    deposit(deposit_root, STRINGS)
    run_scan(NOW)
    entry = BackupEntry.objects.get(job__database_name="GLOBEX_BAFOUSSAM_2025")
    assert entry.operation_end == ended
    assert path_time in entry.vault_path


@pytest.mark.django_db
def test_the_samples_fill_the_cycles_in_which_their_operations_ended(deposit_root: Path) -> None:
    now = datetime(2026, 3, 1, 23, tzinfo=UTC)
    make_jobs(schedule="0 9 * * *", grace_minutes=90, now=now)
    deposit(deposit_root, CANONICAL, STRINGS, MINIMAL)
    run_scan(NOW)
    due = datetime(2026, 3, 2, 9, tzinfo=UTC)
    late = {name for name, (_, _, _, warnings) in found().items() if warnings == ["late"]}
    assert late == {"ACME_DOUALA_NEWBELL_2025", "ACME_NEWBELL_STOCK_2025", "ACME_DOUALA_2023"}
    assert set(BackupEntry.objects.values_list("cycle_due", flat=True)) == {due}
    assert BackupEntry.objects.count() == len(EXPECTED)
    awaited = ExpectedBackupJob.objects.values_list("due_at", flat=True)
    assert set(awaited) == {due + timedelta(days=1)}


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-5])


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("damage", "canonical", "minimal"),
    [
        (_cut, ("CORRUPT", "size_mismatch"), ("CORRUPT", "hash_mismatch")),
        (_flip, ("CORRUPT", "hash_mismatch"), ("CORRUPT", "hash_mismatch")),
        (Path.unlink, ("MISSING", "file_absent"), ("MISSING", "file_absent")),
    ],
)
def test_the_same_samples_over_damaged_files_are_found_out(
    deposit_root: Path,
    damage: Callable[[Path], object],
    canonical: tuple[str, str],
    minimal: tuple[str, str],
) -> None:
    make_jobs()
    deposit(deposit_root, CANONICAL, MINIMAL)
    for file in (deposit_root / CANONICAL.agent / "databases").iterdir():
        at = file.stat().st_mtime
        damage(file)
        if file.exists():
            set_time(file, datetime.fromtimestamp(at, UTC))
    run_scan(NOW)
    verdicts = {name: verdict[:2] for name, verdict in found().items()}
    assert verdicts == {
        "ACME_DOUALA_NEWBELL_2025": canonical,
        "ACME_NEWBELL_STOCK_2025": ("FAILED", "compress_failed"),
        "ACME_DOUALA_2023": minimal,
    }


# --- The command ----------------------------------------------------------------------------------

RUN_KEYS = {
    "run": int,
    "started_at": str,
    "finished_at": str,
    "seconds": float,
    "reports": dict,
    "verified_bytes": int,
    "counts": dict,
    "entries": list,
    "problems": int,
}
ENTRY_KEYS: dict[str, tuple[type, ...]] = {
    "agent": (str,),
    "company": (str,),
    "city": (str,),
    "neighborhood": (str,),
    "database": (str,),
    "status": (str,),
    "reason": (str, type(None)),
    "warnings": (list,),
    "level": (str, type(None)),
    "cycle_due": (str, type(None)),
    "size": (int, type(None)),
    "sha256": (str, type(None)),
    "vault_path": (str, type(None)),
    "message": (str,),
}


def check_shape(run: dict[str, Any]) -> None:
    """Prove that a run has the face that scripts depend on: these keys, in any order, no others."""
    assert {key: type(value) for key, value in run.items()} == RUN_KEYS
    for moment in (run["started_at"], run["finished_at"]):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", moment)
    assert set(run["reports"]) == {"accepted", "rejected", "known", "deferred"}
    assert set(run["counts"]) == set(Status.values)
    assert all(type(n) is int for n in (*run["reports"].values(), *run["counts"].values()))
    for entry in run["entries"]:
        assert entry.keys() == ENTRY_KEYS.keys()
        for key, value in entry.items():
            assert isinstance(value, ENTRY_KEYS[key]), (key, value)
        assert entry["status"] in Status.values
        assert entry["reason"] in {None, *Reason.values}
        assert entry["level"] in {None, *Level.values}
    tally = dict.fromkeys(Status.values, 0)
    for entry in run["entries"]:
        tally[entry["status"]] += 1
    assert run["counts"] == tally


@pytest.mark.django_db(transaction=True)
def test_the_command_prints_one_object_of_the_promised_shape(
    deposit_root: Path, vault_root: Path
) -> None:
    make_jobs()
    dumps = deposit(deposit_root, CANONICAL, STRINGS, MINIMAL)
    done = manage("scan_now", "--json")
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    check_shape(run)
    assert run["reports"] == {"accepted": 3, "rejected": 0, "known": 0, "deferred": 0}
    assert (run["counts"]["SUCCESS"], run["counts"]["FAILED"], run["problems"]) == (3, 2, 2)
    entries = {entry["database"]: entry for entry in run["entries"]}
    assert entries.keys() == EXPECTED.keys()
    verified = 0
    for database, (status, reason, level, _) in EXPECTED.items():
        entry = entries[database]
        assert (entry["status"], entry["reason"], entry["level"]) == (status, reason, level)
        place = (entry["agent"], entry["company"], entry["city"], entry["neighborhood"])
        assert place == PLACES[database]
        assert entry["cycle_due"] is None
        if status == "SUCCESS":
            copy = (vault_root / entry["vault_path"]).read_bytes()
            assert (len(copy), sha256(copy)) == (entry["size"], entry["sha256"])
            assert copy in {pack(dumps[database]) for pack in PACK.values()}
            verified += len(copy)
        else:
            assert (entry["size"], entry["sha256"], entry["vault_path"]) == (None, None, None)
    assert run["verified_bytes"] == verified


@pytest.mark.django_db(transaction=True)
def test_the_command_a_second_time_prints_an_empty_run_with_the_problems_that_are_left(
    deposit_root: Path,
) -> None:
    make_jobs()
    deposit(deposit_root, CANONICAL, STRINGS, MINIMAL)
    first = json.loads(manage("scan_now", "--json").stdout)
    deposit(deposit_root, CANONICAL)
    done = manage("scan_now", "--json", "--fail-on-problems")
    assert done.returncode == 1, done.stderr
    second = json.loads(done.stdout)
    check_shape(second)
    assert second["run"] > first["run"]
    assert second["reports"] == {"accepted": 0, "rejected": 0, "known": 1, "deferred": 0}
    assert (second["entries"], second["problems"], second["verified_bytes"]) == ([], 2, 0)


@pytest.mark.django_db(transaction=True)
def test_the_command_for_one_agent_judges_that_one_alone(deposit_root: Path) -> None:
    make_jobs()
    deposit(deposit_root, CANONICAL, STRINGS, MINIMAL)
    done = manage("scan_now", "--json", "--agent", "acme_bafoussam_orange")
    run = json.loads(done.stdout)
    check_shape(run)
    assert {entry["database"] for entry in run["entries"]} == {
        "GLOBEX_BAFOUSSAM_2025",
        "ACME_BAFOUSSAM_AVARIES_2025",
    }


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("register", ["off", "inactive", "active"])
def test_the_samples_in_a_server_that_expects_nothing(deposit_root: Path, register: str) -> None:
    deposit(deposit_root, CANONICAL, STRINGS, MINIMAL)
    done = manage("scan_now", "--json", AUTO_REGISTER=register)
    run = json.loads(done.stdout)
    check_shape(run)
    verdicts = {entry["database"]: entry["status"] for entry in run["entries"]}
    judged = {database: verdict[0] for database, verdict in EXPECTED.items()}
    assert verdicts == (judged if register == "active" else {})
    jobs = ExpectedBackupJob.objects.values_list("database_name", "year", "is_active")
    assert set(jobs) == {
        (database, int(database[-4:]), register == "active")
        for database in (EXPECTED if register != "off" else ())
    }
