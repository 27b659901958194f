"""Jobs -> a file of them, CSV or YAML, that `job_import` reads back as they are.

Names come from agents, and a spreadsheet runs a cell that begins like a formula. So in CSV an
apostrophe stands before each `=`, `+`, `-` or `@` (their full-width forms too) with which a cell
begins; and, since a spreadsheet may cut lines at another separator than ours, before one that
follows a separator inside a cell. Reading takes that one apostrophe away again, so that a text
that has apostrophes there of its own comes back as it was. YAML is for no spreadsheet: its texts
stand there unchanged.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import islice
from typing import Any, Final

import yaml
from django.db.models import QuerySet

from scanner.job_changes import COLUMNS
from scanner.models import ExpectedBackupJob

BYTE_ORDER_MARK: Final = "\ufeff"
"""What tells a spreadsheet that a CSV file is UTF-8."""

_PIECE = 200  # rows
_LEAD = r"(?=[=+\-@＝＋－＠])"  # noqa: RUF001 - full-width, which spreadsheets take for the others
_CELL_STARTS = r"(^|[,;\t\r\n][\s\"]*)"
_DANGEROUS = re.compile(f"{_CELL_STARTS}('*){_LEAD}")
_NEUTRALISED = re.compile(f"{_CELL_STARTS}'('*){_LEAD}")
# libyaml's writer is several times as fast; where it was not built, Python's does the same.
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class Form(StrEnum):
    """How a file of jobs is written; SEMICOLONS is CSV as French spreadsheets expect it."""

    CSV = "csv"
    SEMICOLONS = "semicolons"
    YAML = "yaml"

    @property
    def suffix(self) -> str:
        """The end of the file's name, without its dot."""
        return Form.YAML.value if self is Form.YAML else Form.CSV.value


def pieces(jobs: QuerySet[ExpectedBackupJob], form: Form) -> Iterator[str]:
    """Give the file of these jobs, in their order, piece by piece.

    However many they are, it takes one statement and the memory of some hundred rows.
    """
    rows = jobs.values_list(*COLUMNS).iterator(chunk_size=_PIECE)
    return written(rows, form)


def written(rows: Iterable[tuple[Any, ...]], form: Form) -> Iterator[str]:
    """Give the file of jobs whose values stand in `rows` in the order of the columns."""
    rows = iter(rows)
    some = list(islice(rows, _PIECE))
    if form is Form.YAML and not some:
        yield "[]\n"
    elif form is not Form.YAML:
        yield _csv([COLUMNS], form)
    while some:
        yield _yaml(some) if form is Form.YAML else _csv(map(_cells, some), form)
        some = list(islice(rows, _PIECE))


def text_of(value: object) -> str:
    """Give the text that a file has for a column's value; nothing is an empty one."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).strip()


def neutral(text: str) -> str:
    """Give a text for a cell of CSV that no spreadsheet takes for a formula."""
    return _DANGEROUS.sub(r"\1'\2", text)


def plain(cell: str) -> str:
    """Give the text of which `neutral` made this cell; of any other, the cell itself."""
    return _NEUTRALISED.sub(r"\1\2", cell)


def _cells(row: tuple[Any, ...]) -> list[str]:
    return [neutral(text_of(value)) for value in row]


def _csv(rows: Iterable[Iterable[str]], form: Form) -> str:
    piece = io.StringIO(newline="")
    csv.writer(piece, delimiter=";" if form is Form.SEMICOLONS else ",").writerows(rows)
    return piece.getvalue()


def _yaml(rows: Iterable[tuple[Any, ...]]) -> str:
    items = [
        {
            column: value if value is None or isinstance(value, (bool, int)) else text_of(value)
            for column, value in zip(COLUMNS, row, strict=True)
        }
        for row in rows
    ]
    text: str = yaml.dump(
        items, Dumper=_DUMPER, allow_unicode=True, sort_keys=False, width=1_000_000
    )
    return text
