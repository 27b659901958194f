"""Claims -> the name and the bytes of the report file, as an agent of this habit writes them."""

import codecs
import json
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from scanner.demo.claims import DatabaseClaim, OperationClaim, StepClaim
from scanner.demo.habit import Absent, Encoding, Habit, NameForm, Sizes, Times

_MARKS: Final = {
    Encoding.UTF_16_LITTLE: codecs.BOM_UTF16_LE,
    Encoding.UTF_16_BIG: codecs.BOM_UTF16_BE,
}
_ABSENT: Final = {Absent.NULL: None, Absent.WORD: "null", Absent.EMPTY: ""}
_Values = dict[str, object]


def file_name(agent: str, ended: datetime, habit: Habit, zone: ZoneInfo) -> str:
    """Give the name of the report on an operation of `agent` that ended then."""
    shown = ended.astimezone(UTC if habit.file_name is NameForm.ISO_UTC else zone)
    stamp = habit.file_name.value
    if habit.file_name is not NameForm.PLACEHOLDER:
        stamp = shown.strftime(stamp)
    return habit.file_case.of(f"{stamp}_{agent}.json")


def content(claim: OperationClaim, habit: Habit, zone: ZoneInfo) -> bytes:
    """Give the bytes of the report; `zone` is that of the agent's clock."""
    text = json.dumps(_Writer(habit, zone).operation(claim), indent=4, ensure_ascii=False)
    return _MARKS.get(habit.encoding, b"") + text.encode(habit.encoding)


class _Writer:
    """One agent's pen."""

    def __init__(self, habit: Habit, zone: ZoneInfo) -> None:
        self.habit = habit
        self.zone = zone

    def operation(self, claim: OperationClaim) -> _Values:
        habit = self.habit
        values = self._time("operation_start_time", claim.started)
        if habit.tells_end:
            values |= self._time("operation_end_time", claim.ended)
        values["agent_id"] = habit.agent_case.of(claim.agent)
        if habit.overall is not None:
            values["overall_status"] = _overall(claim, habit)
        if not claim.failed:
            values["databases"] = {one.database: self._database(one) for one in claim.databases}
        return values

    def _database(self, claim: DatabaseClaim) -> _Values:
        staged: _Values = {"staged_file_name": self.habit.path + claim.staged_name}
        if self.habit.only_compress:
            return staged | {"COMPRESS": self._checksum(claim.compress.sha256)}
        transfer = self._step(claim.transfer) | self._text("error_message", claim.error)
        values = {
            "BACKUP": self._measured(claim.backup),
            "COMPRESS": self._measured(claim.compress),
            "TRANSFER": transfer,
            **staged,
        }
        return values if claim.is_good else values | self._text("logs_summary", claim.error)

    def _measured(self, step: StepClaim) -> _Values:
        return self._step(step) | self._checksum(step.sha256) | self._size(step.size)

    def _step(self, step: StepClaim) -> _Values:
        values: _Values = {"status": self.habit.yes if step.is_done else self.habit.no}
        values |= self._time("start_time", step.started)
        return values | self._time("end_time", step.ended)

    def _checksum(self, sha256: str | None) -> _Values:
        if not self.habit.checksum_key:
            return {}
        return self._text(
            self.habit.checksum_key, (sha256 or "").upper() if self.habit.upper_hex else sha256
        )

    def _size(self, size: int | None) -> _Values:
        match self.habit.sizes:
            case Sizes.LEFT_OUT:
                return {}
            case Sizes.NULL:
                return {"size": None}
            case Sizes.DIGITS if size is not None:
                return {"size": str(size)}
        return self._absent("size") if size is None else {"size": size}

    def _text(self, key: str, text: str | None) -> _Values:
        return {key: text} if text else self._absent(key)

    def _time(self, key: str, at: datetime | None) -> _Values:
        match self.habit.times:
            case Times.LEFT_OUT:
                return {}
            case _ if at is None:
                return self._absent(key)
            case Times.LOCAL:
                text = f"{at.astimezone(self.zone):%Y-%m-%d %H:%M:%S.%f}"
            case Times.OFFSET:
                text = at.astimezone(self.zone).isoformat(timespec="seconds")
            case Times.LOCAL_AS_UTC:
                text = f"{at.astimezone(self.zone):%Y-%m-%dT%H:%M:%SZ}"
            case Times.UTC:
                text = f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return {key: text}

    def _absent(self, key: str) -> _Values:
        return {key: _ABSENT[self.habit.absent]} if self.habit.absent in _ABSENT else {}


def _overall(claim: OperationClaim, habit: Habit) -> str:
    assert habit.overall is not None
    went_well = [one.is_good for one in claim.databases]
    if claim.failed or not any(went_well):
        return habit.overall.failed
    return habit.overall.good if all(went_well) else habit.overall.partial
