"""The freedoms that agents in the field take with their reports; docs of the format list them."""

from dataclasses import dataclass
from enum import StrEnum


class NameForm(StrEnum):
    """The time in a report's file name, as strftime writes it.

    The last is a placeholder that an agent never filled in.
    """

    COMPACT = "%Y%m%d_%H%M%S"
    DASHED = "%Y-%m-%d_%H-%M-%S"
    ISO = "%Y-%m-%dT%H-%M-%S"
    ISO_UTC = "%Y-%m-%dT%H-%M-%SZ"
    PLACEHOLDER = "HORODATAGE"


class LetterCase(StrEnum):
    """How a name that has a spelling of its own is written."""

    AS_IS = "as it is"
    LOWER = "lower"
    UPPER = "upper"

    def of(self, name: str) -> str:
        """Give `name` in this letter case."""
        return {self.LOWER: name.lower(), self.UPPER: name.upper()}.get(self, name)


class Times(StrEnum):
    """How instants are written. LOCAL_AS_UTC is a bug: local time with a Z behind it."""

    UTC = "utc"
    LOCAL = "local"
    OFFSET = "offset"
    LOCAL_AS_UTC = "local as utc"
    LEFT_OUT = "left out"


class Sizes(StrEnum):
    """How a number of bytes is written."""

    NUMBER = "number"
    DIGITS = "digits"
    NULL = "null"
    LEFT_OUT = "left out"


class Absent(StrEnum):
    """What stands where there is nothing to say."""

    NULL = "null"
    WORD = "the word null"
    EMPTY = "empty"
    LEFT_OUT = "left out"


class Encoding(StrEnum):
    """How the text becomes bytes."""

    UTF_8 = "utf-8"
    UTF_8_WITH_MARK = "utf-8-sig"
    UTF_16_LITTLE = "utf-16-le"
    UTF_16_BIG = "utf-16-be"


@dataclass(frozen=True, slots=True)
class OverallWords:
    """The words for an operation that went well, partly well and not at all."""

    good: str
    partial: str
    failed: str


CANONICAL_WORDS = OverallWords("completed", "completed", "failed_globally")


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """How one agent reports; the defaults are the canonical form.

    `checksum_key` is empty where no checksum is told, `overall` None where no overall status is.
    `path` stands before a staged file's name in the report. `staged` makes that name, without the
    extension of its packing, from `name` (the database's) or `lower` (the same in lower case).
    `only_compress` is the oldest agents' report: a checksum and a file name, and nothing else.
    """

    file_name: NameForm = NameForm.COMPACT
    file_case: LetterCase = LetterCase.AS_IS
    encoding: Encoding = Encoding.UTF_8
    agent_case: LetterCase = LetterCase.AS_IS
    overall: OverallWords | None = CANONICAL_WORDS
    yes: bool | int | str = True
    no: bool | int | str = False
    checksum_key: str = "sha256_checksum"
    upper_hex: bool = False
    sizes: Sizes = Sizes.NUMBER
    times: Times = Times.UTC
    tells_end: bool = True
    absent: Absent = Absent.NULL
    only_compress: bool = False
    path: str = ""
    staged: str = "{lower}.sql"
    folder: str = "databases"
