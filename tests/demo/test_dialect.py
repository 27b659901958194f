"""Each row of the format's table of dialects is spoken by an agent of the fleet, and read back."""

import codecs
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scanner.demo import agent, dialect, operations
from scanner.demo.claims import DatabaseClaim, OperationClaim, StepClaim
from scanner.demo.fleet import SITES
from scanner.demo.habit import Absent, Habit, Sizes, Times
from scanner.demo.site import Site
from scanner.pipeline.operation_end import in_utc, time_in_name
from scanner.pipeline.report import Overall, parse

OPENING = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
AT = datetime(2026, 3, 2, 2, 5, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Seen:
    """A report file; `top` is empty where it is not whole JSON."""

    site: Site
    name: str
    content: bytes
    top: dict[str, Any]

    @property
    def databases(self) -> list[dict[str, Any]]:
        return list(self.top.get("databases", {}).values())

    def values(self, key: str) -> Iterator[Any]:
        """Give each value that stands under `key`, at whatever depth; a missing key gives none."""
        pending: list[Any] = [self.top]
        while pending:
            value = pending.pop()
            if isinstance(value, dict):
                pending += value.values()
                if key in value:
                    yield value[key]

    def steps(self) -> Iterator[dict[str, Any]]:
        for database in self.databases:
            yield from (database[step] for step in ("BACKUP", "COMPRESS") if step in database)


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> list[Seen]:
    """Give every report that the fleet drops in the month before the opening."""
    root = tmp_path_factory.mktemp("month")
    seen = []
    for operation in operations.arriving(OPENING - timedelta(days=30), OPENING, opening=OPENING):
        agent.deposit(root, operation, opening=OPENING)
        for file in (root / operation.site.folder / "log").iterdir():
            content = file.read_bytes()
            seen.append(Seen(operation.site, file.name, content, _loaded(content)))
            file.unlink()
    return seen


def _loaded(content: bytes) -> dict[str, Any]:
    is_utf_16 = content.startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE))
    try:
        top = json.loads(content.decode("utf-16" if is_utf_16 else "utf-8-sig"))
    except ValueError:
        return {}
    assert isinstance(top, dict)
    return top


def status(word: object) -> Callable[[Seen], bool]:
    return lambda seen: any(
        type(found) is type(word) and found == word for found in seen.values("status")
    )


def overall(word: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.top.get("overall_status") == word


def staged(ending: str) -> Callable[[Seen], bool]:
    return lambda seen: any(name.endswith(ending) for name in seen.values("staged_file_name"))


def value(key: str, wanted: object) -> Callable[[Seen], bool]:
    return lambda seen: wanted in seen.values(key)


def names(form: str) -> Callable[[Seen], bool]:
    def holds(seen: Seen) -> bool:
        stamp = seen.name.upper().partition(f"_{seen.site.agent}.JSON")[0]
        try:
            return bool(datetime.strptime(stamp, form))  # noqa: DTZ007
        except ValueError:
            return False

    return holds


def missing_step(key: str) -> Callable[[Seen], bool]:
    return lambda seen: bool(seen.databases) and any(key not in step for step in seen.steps())


DIALECTS: dict[str, Callable[[Seen], bool]] = {
    "name YYYYMMDD_HHMMSS": names("%Y%m%d_%H%M%S"),
    "name YYYY-MM-DD_HH-MM-SS": names("%Y-%m-%d_%H-%M-%S"),
    "name YYYY-MM-DDTHH-MM-SS": names("%Y-%m-%dT%H-%M-%S"),
    "name YYYY-MM-DDTHH-MM-SSZ": names("%Y-%m-%dT%H-%M-%SZ"),
    "name HORODATAGE": lambda seen: seen.name == f"HORODATAGE_{seen.site.folder}.json",
    "name in upper case": lambda seen: seen.name.endswith(f"{seen.site.agent}.JSON"),
    "name in lower case": lambda seen: seen.name.endswith(f"{seen.site.agent.lower()}.json"),
    **{f"status {word!r}": status(word) for word in (True, False, 1, 0)},
    **{f"status {word!r}": status(word) for word in ("True", "False", "true", "false")},
    **{f"status {word!r}": status(word) for word in ("OK", "KO", "success", "failed")},
    "checksum key": lambda seen: any("sha256_checksum" in step for step in seen.steps()),
    "checksum key sha256": lambda seen: any("sha256" in step for step in seen.steps()),
    "checksum in upper case": lambda seen: any(
        found != found.lower() for found in seen.values("sha256_checksum") if found
    ),
    "checksum missing": lambda seen: (
        missing_step("sha256")(seen) and missing_step("sha256_checksum")(seen)
    ),
    "size an integer": lambda seen: any(type(found) is int for found in seen.values("size")),
    "size a string": lambda seen: any(type(found) is str for found in seen.values("size")),
    "size missing": missing_step("size"),
    "size null": value("size", None),
    "time in UTC": lambda seen: str(seen.top.get("operation_end_time")).endswith("Z"),
    "time without a zone": lambda seen: str(seen.top.get("operation_end_time"))[-7:-6] == ".",
    "time with an offset": lambda seen: "+0" in str(seen.top.get("operation_end_time")),
    "time missing": lambda seen: bool(seen.top) and "operation_start_time" not in seen.top,
    "absent null": value("error_message", None),
    "absent the string null": value("error_message", "null"),
    "absent an empty string": value("error_message", ""),
    "absent left out": lambda seen: any(
        "error_message" not in one.get("TRANSFER", {"error_message": ""}) for one in seen.databases
    ),
    "staged name bare": lambda seen: any(
        "/" not in name and "\\" not in name for name in seen.values("staged_file_name")
    ),
    "staged path of Linux": lambda seen: any(
        name.startswith("/home/agent/Backup/") for name in seen.values("staged_file_name")
    ),
    "staged path of Windows": lambda seen: any(
        name.startswith("C:\\Backup\\") for name in seen.values("staged_file_name")
    ),
    **{
        f"staged {ending}": staged(ending)
        for ending in (".sql.gz", ".zst", ".xz", ".bz2", ".lz4", ".sql", ".age")
    },
    **{
        f"overall {word}": overall(word)
        for word in ("completed", "failed_globally", "OK", "SUCCESS", "PARTIAL", "FAILED")
    },
    "overall missing": lambda seen: bool(seen.top) and "overall_status" not in seen.top,
    "end missing, told by the name": lambda seen: (
        bool(seen.top)
        and "operation_end_time" not in seen.top
        and time_in_name(seen.name) is not None
    ),
    "end missing altogether": lambda seen: (
        bool(seen.top) and "operation_end_time" not in seen.top and not time_in_name(seen.name)
    ),
    "only a COMPRESS step": lambda seen: any(
        one.keys() == {"COMPRESS", "staged_file_name"} for one in seen.databases
    ),
    "agent as its folder": lambda seen: seen.top.get("agent_id") == seen.site.folder,
    "agent in lower case": lambda seen: seen.top.get("agent_id") == seen.site.agent.lower(),
    "agent in upper case": lambda seen: (
        seen.top.get("agent_id") == seen.site.agent != seen.site.folder
    ),
    "UTF-8": lambda seen: seen.content.startswith(b"{"),
    "UTF-8 with a mark": lambda seen: seen.content.startswith(codecs.BOM_UTF8),
    "UTF-16, little end first": lambda seen: seen.content.startswith(codecs.BOM_UTF16_LE),
    "UTF-16, big end first": lambda seen: seen.content.startswith(codecs.BOM_UTF16_BE),
    "of another agent": lambda seen: (
        seen.top.get("agent_id", "").upper() == "ACME_DOUALA_BONAPRISO"
    ),
    "not whole JSON": lambda seen: not seen.top,
    "without databases": lambda seen: bool(seen.top) and "databases" not in seen.top,
    "of another company's database": lambda seen: any(
        name.startswith("INITECH_") and seen.site.agent.startswith("GLOBEX_")
        for name in seen.top.get("databases", ())
    ),
}


@pytest.mark.parametrize("what", DIALECTS)
def test_every_dialect_is_spoken_by_an_agent(what: str, month: list[Seen]) -> None:
    assert any(map(DIALECTS[what], month))


def test_both_names_of_the_staging_folder_are_in_use() -> None:
    assert {site.habit.folder for site in SITES} == {"databases", "database"}


def _claim(site: Site) -> OperationClaim:
    def step(minute: int, **told: Any) -> StepClaim:
        started = AT - timedelta(minutes=minute)
        return StepClaim(
            is_done=True, started=started, ended=started + timedelta(minutes=1), **told
        )

    good = DatabaseClaim(
        "ACME_2026",
        backup=step(5, sha256="ab" * 32, size=1000),
        compress=step(4, sha256="cd" * 32, size=100),
        transfer=step(3),
        staged_name="acme_2026.sql.gz",
    )
    failed = DatabaseClaim(
        "ACME_STOCK",
        backup=step(2),
        compress=StepClaim(),
        transfer=StepClaim(),
        staged_name="acme_stock.sql.gz",
        error="disque plein : « /var »",
    )
    return OperationClaim(site.folder, AT - timedelta(minutes=6), AT, (good, failed))


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.folder)
def test_what_an_agent_says_is_read_without_loss(site: Site) -> None:
    habit, zone = site.habit, operations.zone_of(site)
    claim = _claim(site)
    report = parse(dialect.content(claim, habit, zone))
    assert report.notes == ()
    assert str(report.agent_id).upper() == site.agent
    good, failed = report.claims
    assert [one.database for one in report.claims] == ["ACME_2026", "ACME_STOCK"]
    assert [one.staged_name for one in report.claims] == ["acme_2026.sql.gz", "acme_stock.sql.gz"]
    assert (good.notes, failed.notes) == ((), ())
    assert good.failed_step is None
    assert good.compress.sha256 == ("cd" * 32 if habit.checksum_key else None)
    if habit.only_compress:
        return
    assert (failed.failed_step, failed.error) == ("COMPRESS", "disque plein : « /var »")
    assert good.error == ""
    assert good.backup.sha256 == ("ab" * 32 if habit.checksum_key else None)
    tells_size = habit.sizes in (Sizes.NUMBER, Sizes.DIGITS)
    assert (good.backup.size, good.compress.size) == ((1000, 100) if tells_size else (None, None))
    assert failed.compress.ended is None
    if habit.times is not Times.LOCAL_AS_UTC:
        assert good.transfer.ended is not None
        assert in_utc(good.transfer.ended, zone) == AT - timedelta(minutes=2)


def test_a_clock_that_takes_local_time_for_utc_is_ahead() -> None:
    site = next(site for site in SITES if site.habit.times is Times.LOCAL_AS_UTC)
    report = parse(dialect.content(_claim(site), site.habit, operations.zone_of(site)))
    assert report.ended == AT + timedelta(hours=1)


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.folder)
def test_the_time_in_a_files_name_is_that_of_the_operations_end(site: Site) -> None:
    zone = operations.zone_of(site)
    name = dialect.file_name(site.folder, AT, site.habit, zone)
    told = time_in_name(name)
    assert name.upper().endswith(f"_{site.agent}.JSON")
    assert told is None or in_utc(told, zone) == AT


def test_an_operation_that_failed_as_a_whole_says_so_and_names_no_database() -> None:
    site = SITES[0]
    claim = OperationClaim(site.folder, AT, AT, failed=True)
    report = parse(dialect.content(claim, Habit(), operations.zone_of(site)))
    assert (report.overall, report.claims) == (Overall.FAILED, ())


@pytest.mark.parametrize(
    ("absent", "written"),
    [(Absent.NULL, {"error_message": None}), (Absent.LEFT_OUT, {})],
)
def test_what_is_absent_is_written_as_the_agent_does(
    absent: Absent, written: dict[str, object]
) -> None:
    site = SITES[0]
    text = dialect.content(_claim(site), Habit(absent=absent), operations.zone_of(site))
    transfer = json.loads(text)["databases"]["ACME_2026"]["TRANSFER"]
    assert {key: transfer[key] for key in transfer if key == "error_message"} == written
