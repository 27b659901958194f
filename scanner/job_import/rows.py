"""What a file of jobs holds: its rows, and what is wrong with it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from django.utils.translation import gettext as _

from scanner.job_changes import COLUMNS
from scanner.pipeline.text import quote

MOST_PROBLEMS: Final = 1000
REQUIRED: Final = ("company_name", "city", "neighborhood", "database_name", "agent_id")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a file of jobs, on which line (from 1; 0: the whole file) and where."""

    line: int
    words: str
    column: str = ""

    def __str__(self) -> str:
        named = not self.column or self.words.startswith(self.column)
        words = self.words if named else f"{self.column}: {self.words}"
        return f"line {self.line}: {words}" if self.line else words


@dataclass(frozen=True, slots=True)
class Row:
    """One job as the file has it: column -> text; "" is an empty cell, not an absent column."""

    line: int
    cells: dict[str, str]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a file is read."""

    size: int
    rows: int


@dataclass(slots=True)
class Table:
    """What a file holds: rows, problems found so far, notes on how it was read."""

    limits: Limits
    rows: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_closed: bool = False
    """Nothing further is to be read: there is too much of it, or too much is wrong."""
    _text: int = 0

    def refuse(self, line: int, words: str, column: str = "") -> None:
        """Note a problem; so many as nobody reads close the table."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(line, words, column))
        else:
            self.is_closed = True

    def refuse_all(self, line: int, words: str) -> None:
        """Note what makes all that was read so far worthless."""
        self.rows.clear()
        self.problems.clear()
        self.refuse(line, words)
        self.is_closed = True

    def add(self, line: int, cells: dict[str, str]) -> None:
        """Add a row, if there is room for it."""
        # A file is no longer than its limit, but aliases may say one text again and again.
        self._text += sum(map(len, cells.values()))
        if len(self.rows) == self.limits.rows:
            most = _("over %(count)d jobs; split the file into several")
            self.refuse(line, most % {"count": self.limits.rows})
            self.is_closed = True
        elif self._text > self.limits.size:
            self.refuse(line, _("aliases repeat too much text; write less of it"))
            self.is_closed = True
        else:
            self.rows.append(Row(line, cells))

    def check_names(self, line: int, names: Iterable[str]) -> bool:
        """Refuse columns that do not exist or stand twice; give whether all is well."""
        seen: set[str] = set()
        is_well = True
        for name in names:
            if name in seen:
                self.refuse(line, _("the column %(name)s stands twice") % {"name": quote(name)})
            elif name not in COLUMNS:
                words = _("unknown column %(name)s: the columns are %(columns)s")
                self.refuse(line, words % {"name": quote(name), "columns": ", ".join(COLUMNS)})
            if name in seen or name not in COLUMNS:
                is_well = False
            seen.add(name)
            if self.is_closed:
                break
        return is_well
