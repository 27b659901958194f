"""What an agent says: one JSON report in, claims out. Every dialect of the field is read here.

A field that cannot be understood costs only itself and leaves a note; only a report that is no
report at all is rejected.
"""

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from scanner.errors import MalformedReport
from scanner.pipeline.document import NotJson as NotJson  # noqa: PLC0414 - parse() raises it
from scanner.pipeline.document import Repeating, integer, read_object
from scanner.pipeline.text import clean, clean_name, is_absent, quote

MAX_DATABASES: Final = 10_000
MAX_SIZE: Final = 2**63 - 1
MAX_NOTES: Final = 50
NAME_LIMIT: Final = 200
MESSAGE_LIMIT: Final = 2_000

_GOOD = frozenset({"true", "1", "ok", "success", "succeeded", "successful", "completed", "yes"})
_BAD = frozenset({"false", "0", "ko", "fail", "failed", "failure", "error", "no"})
_PARTIAL = frozenset({"partial", "partially_completed", "partial_success", "partial_failure"})
_FAILED = _BAD | {"failed_globally"}
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_DIGITS = re.compile(r"[0-9]+")
_SPACE_BEFORE_ZONE = re.compile(r" +(?=[+-][0-9:]+$|Z$)")
# Longer than a date alone, which does not tell when. The other end bounds the time spent.
_TIMESTAMP_LENGTHS = range(11, 65)


class Step(StrEnum):
    """What an agent does to a database, in this order."""

    BACKUP = "BACKUP"
    COMPRESS = "COMPRESS"
    TRANSFER = "TRANSFER"


class Overall(StrEnum):
    """What an agent says of the whole operation; UNKNOWN when it says nothing that is known."""

    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class StepClaim:
    """What a report says of one step; None is "not said", which is not a failure.

    Times are aware, or naive where the agent gave no zone (`operation_end.in_utc` reads both). The
    digest is 64 lower-case hex digits, the size is in bytes and fits in 63 bits.
    """

    status: bool | None = None
    started: datetime | None = None
    ended: datetime | None = None
    sha256: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """What a report says of one database.

    `database`, `error` (the agent's own words, "" when it has none) and `notes` (what could not
    be understood) are clean and bounded. `staged_name` is the last component of the path, as the
    agent wrote it, to open the file with: it may be "..", huge or unprintable.
    """

    database: str
    backup: StepClaim = StepClaim()
    compress: StepClaim = StepClaim()
    transfer: StepClaim = StepClaim()
    staged_name: str | None = None
    error: str = ""
    notes: tuple[str, ...] = ()

    @property
    def failed_step(self) -> Step | None:
        """The earliest step that the agent says failed, or None."""
        claims = zip(Step, (self.backup, self.compress, self.transfer), strict=True)
        return next((step for step, claim in claims if claim.status is False), None)


@dataclass(frozen=True, slots=True)
class Report:
    """What one report says.

    `sha256` is the digest of its bytes, `error` the agent's own words about the whole operation;
    times are as in `StepClaim`.
    """

    agent_id: str | None
    overall: Overall
    started: datetime | None
    ended: datetime | None
    claims: tuple[Claim, ...]
    notes: tuple[str, ...]
    sha256: str
    error: str = ""


def parse(content: bytes) -> Report:
    """Given a report file's bytes, return what they say.

    Raise NotJson if they are not whole JSON in UTF-8, or in UTF-16 with a byte order mark. Raise
    MalformedReport if they pass a bound, are no object, name the agent by something that is not
    text, or hold no usable database although the operation did not fail as a whole.
    """
    notes: list[str] = []
    top = _Fields(read_object(content), "", notes)
    overall = top.overall()
    agent_id = top.agent_id()
    started, ended = top.moment("operation_start_time"), top.moment("operation_end_time")
    claims, error = _claims(top, may_be_empty=overall is Overall.FAILED), top.messages(top)
    if len(notes) > MAX_NOTES:
        notes[MAX_NOTES:] = [f"and {len(notes) - MAX_NOTES} more"]
    digest = hashlib.sha256(content).hexdigest()
    return Report(agent_id, overall, started, ended, claims, tuple(notes), digest, error)


class _Fields:
    """A JSON object read field by field; what cannot be understood becomes a note."""

    def __init__(self, values: dict[str, object], path: str, notes: list[str]) -> None:
        self.values = values
        self.path = path
        self.notes = notes
        if isinstance(values, Repeating):
            self.note(f"{quote(values.repeated)} stand more than once, the last of each counts")

    def note(self, words: str) -> None:
        self.notes.append(f"{self.path}: {words}" if self.path else words)

    def _misread(self, key: str, expected: str) -> None:
        where = f"{self.path}.{key}" if self.path else key
        self.notes.append(f"{where}: found {quote(self.values[key])}, expected {expected}")

    def _value(self, key: str) -> object:
        value = self.values.get(key)
        return None if is_absent(value) else value

    def section(self, key: str) -> "_Fields":
        value = self._value(key)
        if value is not None and not isinstance(value, dict):
            self._misread(key, "an object")
        return _Fields(value if isinstance(value, dict) else {}, key, self.notes)

    def step(self, step: Step) -> "_Fields":
        """Read a step; one that is a bare value is taken for its own status."""
        value = self._value(step)
        bare = value is not None and not isinstance(value, dict)
        return _Fields({"status": value}, step, self.notes) if bare else self.section(step)

    def status(self) -> bool | None:
        word = self._word("status")
        if word is None:
            return None
        # What cannot be read must not pass for good.
        if word not in _GOOD and word not in _BAD:
            self._misread("status", "true or false; it counts as failed")
        return word in _GOOD

    def _word(self, key: str) -> str | None:
        """Return a status in lower case, "" for what is no status, None for what is absent."""
        value = self._value(key)
        if isinstance(value, bool | int | str):
            return str(value).strip().lower()
        return None if value is None else ""

    def overall(self) -> Overall:
        word = self._word("overall_status")
        if word in _GOOD:
            return Overall.COMPLETED
        if word in _PARTIAL:
            return Overall.PARTIAL
        if word in _FAILED:
            return Overall.FAILED
        if word is not None:
            self._misread("overall_status", "completed, partial or failed_globally")
        return Overall.UNKNOWN

    def agent_id(self) -> str | None:
        value = self._value("agent_id")
        if value is not None and not isinstance(value, str):
            raise MalformedReport(f"agent_id: found {quote(value)}, expected text")
        name = clean_name(value or "", NAME_LIMIT)
        return None if is_absent(name) else name

    def moment(self, key: str) -> datetime | None:
        value = self._value(key)
        if value is None:
            return None
        if isinstance(value, str) and len(value.strip()) in _TIMESTAMP_LENGTHS:
            with suppress(ValueError):
                return datetime.fromisoformat(_SPACE_BEFORE_ZONE.sub("", value.strip().upper()))
        self._misread(key, "a date and time as in ISO 8601")
        return None

    def sha256(self) -> str | None:
        said = [key for key in ("sha256_checksum", "sha256") if self._value(key) is not None]
        for key in said:
            value = self.values[key]
            if isinstance(value, str) and _SHA256.fullmatch(value.strip()):
                return value.strip().lower()
        if said:
            self._misread(said[0], "64 hexadecimal digits")
        return None

    def size(self) -> int | None:
        value = self._value("size")
        if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
            value = integer(value.strip().lstrip("0") or "0")
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_SIZE:
            return value
        if value is not None:
            self._misread("size", f"a whole number of bytes from 0 to {MAX_SIZE}")
        return None

    def message(self, key: str) -> str:
        value = self._value(key)
        if value is not None and not isinstance(value, str):
            self._misread(key, "text")
            return ""
        message = clean(value or "", MESSAGE_LIMIT)
        return "" if is_absent(message) else message

    def messages(self, step: "_Fields") -> str:
        """Return what the agent says of a step's error and sums its log up with, each once."""
        told = (step.message("error_message"), self.message("logs_summary"))
        return clean("\n".join(dict.fromkeys(filter(None, told))), MESSAGE_LIMIT)

    def staged_name(self) -> str | None:
        value = self._value("staged_file_name")
        if value is None:
            return None
        # A path of the agent's machine. Whether its last component is safe, the deposit says.
        name = value.replace("\\", "/").rpartition("/")[2] if isinstance(value, str) else ""
        if not name.strip():
            self._misread("staged_file_name", "a file name or a path that ends in one")
            return None
        return name


def _claims(top: _Fields, *, may_be_empty: bool) -> tuple[Claim, ...]:
    databases = top.section("databases")
    if len(databases.values) > MAX_DATABASES:
        raise MalformedReport(
            f"databases: found {len(databases.values)}, at most {MAX_DATABASES} are read"
        )
    entries: dict[str, object] = {}
    for key, entry in databases.values.items():
        name = clean_name(key, NAME_LIMIT)
        if is_absent(name):
            databases.note(f"{quote(key)} names no database, its entry is skipped")
            continue
        if name in entries:
            databases.note(f"{quote(name)} is the name of two entries, the last one counts")
        entries[name] = entry
    if not may_be_empty and not any(isinstance(entry, dict) for entry in entries.values()):
        raise MalformedReport(
            f"databases: found {quote(top.values.get('databases'))}, expected an object with an "
            "object for each database, one at least"
        )
    return tuple(_claim(name, entry) for name, entry in entries.items())


def _claim(database: str, entry: object) -> Claim:
    if not isinstance(entry, dict):
        return Claim(database, notes=(f"found {quote(entry)}, expected an object",))
    notes: list[str] = []
    fields = _Fields(entry, "", notes)
    backup, compress, transfer = (fields.step(step) for step in Step)
    return Claim(
        database=database,
        backup=_step(backup),
        compress=_step(compress),
        transfer=_step(transfer),
        staged_name=fields.staged_name(),
        error=fields.messages(transfer),
        notes=tuple(notes),
    )


def _step(fields: _Fields) -> StepClaim:
    return StepClaim(
        status=fields.status(),
        started=fields.moment("start_time"),
        ended=fields.moment("end_time"),
        sha256=fields.sha256(),
        size=fields.size(),
    )
