"""A file of jobs, CSV or YAML, as rows of text.

Text stays text until its column is known: YAML's own idea of `no`, `012` or `2025-01-01` would
turn a database's name into something else. Nothing in a file is ever evaluated.
"""

from pathlib import PurePath
from typing import Final

from django.utils.translation import gettext as _

from scanner.job_import.csv_rows import read_csv
from scanner.job_import.rows import Limits, Table
from scanner.job_import.yaml_rows import read_yaml

MOST_BYTES: Final = 16 * 2**20
MOST_ROWS: Final = 50_000


def read_table(content: bytes, name: str, limits: Limits | None = None) -> Table:
    """Read a file of jobs: CSV when it is named `.csv`, YAML when `.yaml` or `.yml`.

    What is wrong with it is in `problems`.
    """
    table = Table(limits or Limits(MOST_BYTES, MOST_ROWS))
    kind = PurePath(name).suffix.lower()
    if kind not in (".csv", ".yaml", ".yml"):
        table.refuse(0, _("%(name)s: expected a file named .csv, .yaml or .yml") % {"name": name})
        return table
    text = _text(content, name, table, is_csv=kind == ".csv")
    if text is not None:
        (read_csv if kind == ".csv" else read_yaml)(text, table)
    if not table.rows and not table.problems:
        table.refuse(0, _("%(name)s: no jobs in it") % {"name": name})
    return table


def _text(content: bytes, name: str, table: Table, *, is_csv: bool) -> str | None:
    if len(content) > table.limits.size:
        words = _("%(name)s: over %(size)d MiB; split it into several files")
        table.refuse(0, words % {"name": name, "size": table.limits.size // 2**20})
        return None
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        table.refuse(0, _("%(name)s: this is UTF-16; save it as UTF-8") % {"name": name})
        return None
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
            words = _("%(name)s: not UTF-8 (line %(line)d), read as Windows-1252")
            table.notes.append(words % {"name": name, "line": line})
            return text
    table.refuse(line, _("this is not UTF-8; save the file as UTF-8"))
    return None
