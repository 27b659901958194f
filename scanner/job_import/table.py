"""A file of jobs, CSV or YAML, as rows of text.

Text stays text until its column is known: YAML's own idea of `no`, `012` or `2025-01-01` would
turn a database's name into something else. Nothing in a file is ever evaluated.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml

from scanner.errors import InvalidJobs
from scanner.job_changes import COLUMNS
from scanner.pipeline.text import quote

MOST_BYTES: Final = 16 * 2**20
MOST_ROWS: Final = 50_000
REQUIRED: Final = ("company_name", "city", "neighborhood", "database_name", "agent_id")

_SEPARATOR_LINE = re.compile(r"\s*\"?sep=([,;])\"?\s*", re.IGNORECASE)
_YAML_NULL = "tag:yaml.org,2002:null"
_YAML_SCALARS = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("null", "str", "int", "float", "bool", "timestamp")
)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a file of jobs, and on which line (from 1; 0: with the whole file)."""

    line: int
    words: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.words}" if self.line else self.words


@dataclass(frozen=True, slots=True)
class Row:
    """One job as the file has it: column -> text; "" is an empty cell, not an absent column."""

    line: int
    cells: dict[str, str]


@dataclass(slots=True)
class Table:
    """What a file holds: rows, problems found so far, notes on how it was read."""

    rows: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def refuse(self, line: int, words: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(line, words))


def read_table(path: Path) -> Table:
    """Read a file of jobs: CSV when it is named `.csv`, YAML when `.yaml` or `.yml`.

    Raise InvalidJobs when it cannot be read at all; what is wrong on a line is in `problems`.
    """
    kind = path.suffix.lower()
    if kind not in (".csv", ".yaml", ".yml"):
        raise InvalidJobs([f"{path}: expected a file named .csv, .yaml or .yml"])
    table = Table()
    text = _text(path, table, is_csv=kind == ".csv")
    if kind == ".csv":
        _read_csv(text, table)
    else:
        _read_yaml(text, table)
    if not table.rows and not table.problems:
        raise InvalidJobs([f"{path}: no jobs in it"])
    return table


def _text(path: Path, table: Table, *, is_csv: bool) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise InvalidJobs([f"{path}: cannot be read: {error.strerror}"]) from error
    if len(content) > MOST_BYTES:
        raise InvalidJobs([f"{path}: over {MOST_BYTES // 2**20} MiB; split it into several files"])
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InvalidJobs([f"{path}: this is UTF-16; save it as UTF-8"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
    if is_csv:  # what French spreadsheets write unless told otherwise
        try:
            text = content.decode("cp1252")
        except UnicodeDecodeError:
            pass
        else:
            table.notes.append(f"{path}: not UTF-8 (line {line}), read as Windows-1252")
            return text
    raise InvalidJobs([str(Problem(line, "this is not UTF-8; save the file as UTF-8"))])


def _read_csv(text: str, table: Table) -> None:
    records = _records(text, table)
    line, header = next(records, (1, []))
    columns = [name.lower() for name in header]
    while columns and not columns[-1]:  # spreadsheets keep the columns that once were used
        columns.pop()
    _check_names(line, columns, table)
    for column in (name for name in REQUIRED if name not in columns):
        table.refuse(line, f"the column {column} is missing")
    if table.problems:
        return
    for line, cells in records:
        given = len(cells)
        while len(cells) > len(columns) and not cells[-1]:
            cells.pop()
        if len(cells) != len(columns):
            table.refuse(line, f"found {given} cells, expected {len(columns)} as in the header")
        elif not _add(line, dict(zip(columns, cells, strict=True)), table):
            return


def _records(text: str, table: Table) -> Iterator[tuple[int, list[str]]]:
    """Give the records that are not blank, each with the line that it starts on."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    named = _SEPARATOR_LINE.fullmatch(first)
    delimiter = named[1] if named else max(",;", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            table.refuse(
                line,
                f"this is not CSV ({error}): check the quotation marks in the cells that "
                "start here; what follows was not read",
            )
            return
        if not any(cells):
            continue
        if named:
            named = None
            continue
        yield line, cells


def _read_yaml(text: str, table: Table) -> None:
    try:
        # Composed and never constructed: plain nodes, of which each knows its line.
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        words = ", ".join(filter(None, (error.context, error.problem)))
        table.refuse(mark.line + 1 if mark else 0, f"this is not YAML: {words}")
        return
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        table.refuse(line, "this is not YAML: it has a character that no text has")
        return
    except RecursionError:
        table.refuse(0, "lists or mappings stand in each other too deep for a file of jobs")
        return
    for item in _yaml_items(root, table):
        line = item.start_mark.line + 1
        if not isinstance(item, yaml.MappingNode):
            table.refuse(line, "expected a mapping of columns to values")
        elif (cells := _yaml_cells(line, item, table)) is not None and not _add(line, cells, table):
            return


def _yaml_items(root: yaml.Node | None, table: Table) -> list[yaml.Node]:
    if isinstance(root, yaml.MappingNode):
        entries = [(_yaml_text(key), value) for key, value in root.value]
        if [name for name, _ in entries] != ["jobs"]:
            table.refuse(
                root.start_mark.line + 1, "expected a list, or a mapping with the key jobs"
            )
            return []
        root = entries[0][1]
    if root is None or (isinstance(root, yaml.ScalarNode) and root.tag == _YAML_NULL):
        return []
    if isinstance(root, yaml.SequenceNode):
        return list(root.value)
    table.refuse(root.start_mark.line + 1, "expected a list of jobs")
    return []


def _yaml_cells(line: int, item: yaml.MappingNode, table: Table) -> dict[str, str] | None:
    names = [str(key.value).strip().lower() for key, _ in item.value]
    if not _check_names(line, names, table):
        return None
    cells = {}
    for name, (_, value) in zip(names, item.value, strict=True):
        text = _yaml_text(value)
        if text is None and name == "notification_recipients":
            text = _yaml_list(value)
        if text is None:
            table.refuse(line, f"{name}: expected text, found a list, a mapping or a tag")
            return None
        cells[name] = text
    return cells


def _yaml_text(node: yaml.Node) -> str | None:
    """Give a scalar as it is written in the file, null as ""; None for what is no scalar."""
    if not isinstance(node, yaml.ScalarNode) or node.tag not in _YAML_SCALARS:
        return None
    return "" if node.tag == _YAML_NULL else str(node.value).strip()


def _yaml_list(node: yaml.Node) -> str | None:
    if not isinstance(node, yaml.SequenceNode):
        return None
    texts = [_yaml_text(one) for one in node.value]
    return None if None in texts else ", ".join(filter(None, texts))


def _check_names(line: int, names: Iterable[str], table: Table) -> bool:
    """Refuse columns that do not exist or stand twice; give whether all is well."""
    seen: set[str] = set()
    before = len(table.problems)
    for name in names:
        if name in seen:
            table.refuse(line, f"the column {quote(name)} stands twice")
        elif name not in COLUMNS:
            known = ", ".join(COLUMNS)
            table.refuse(line, f"unknown column {quote(name)}: the columns are {known}")
        seen.add(name)
    return len(table.problems) == before


def _add(line: int, cells: dict[str, str], table: Table) -> bool:
    """Add a row; give whether there is room for a further one."""
    if len(table.rows) == MOST_ROWS:
        table.refuse(line, f"over {MOST_ROWS} jobs; split the file into several")
        return False
    table.rows.append(Row(line, cells))
    return True
