"""A CSV file of jobs -> rows of text, with what a spreadsheet adds taken away."""

import csv
import io
import re
from collections.abc import Iterator

from django.utils.translation import gettext as _

from scanner.job_export import plain
from scanner.job_import.rows import REQUIRED, Table

_SEPARATOR_LINE = re.compile(r"\s*\"?sep=([,;])\"?\s*", re.IGNORECASE)


def read_csv(text: str, table: Table) -> None:
    """Add the rows of a CSV file, its cells separated by commas or semicolons, to the table."""
    records = _records(text, table)
    line, header = next(records, (1, []))
    columns = [name.lower() for name in header]
    while columns and not columns[-1]:  # spreadsheets keep the columns that once were used
        columns.pop()
    table.check_names(line, columns)
    for column in (name for name in REQUIRED if name not in columns):
        table.refuse(line, _("the column %(name)s is missing") % {"name": column})
    if table.problems:
        return
    for line, cells in records:
        given = len(cells)
        while len(cells) > len(columns) and not cells[-1]:
            cells.pop()
        if len(cells) == len(columns):
            table.add(line, {name: plain(cell) for name, cell in zip(columns, cells, strict=True)})
        else:
            words = _("found %(found)d cells, expected %(expected)d as in the header")
            table.refuse(line, words % {"found": given, "expected": len(columns)})
        if table.is_closed:
            return


def _records(text: str, table: Table) -> Iterator[tuple[int, list[str]]]:
    """Give the records that are not blank, each with the line that it starts on."""
    first = next((line for line in io.StringIO(text) if line.strip()), "")
    named = _SEPARATOR_LINE.fullmatch(first.splitlines()[0] if first else "")
    delimiter = named[1] if named else max(",;", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            words = _(
                "this is not CSV (%(error)s): check the quotation marks in the cells that "
                "start here; what follows was not read"
            )
            table.refuse(line, words % {"error": error})
            return
        if not any(cells):
            continue
        if named:
            named = None
            continue
        yield line, cells
