"""Jobs by the hundred: a file of them, or what reports in the deposit tree mention -> job rows.

rows        what a file holds: rows of text, each with its line, and what is wrong
csv_rows    a CSV file -> rows          yaml_rows   a YAML file -> rows
table       a file -> its rows, within bounds
values      a row's text -> the values of a job's fields
file        rows + stored jobs -> a plan of what changes, validated whole before any write
deposits    reports, archived ones too -> the databases that nobody expects yet
"""

from scanner.job_import.deposits import Bounds, Mentioned, import_deposits, register_chosen
from scanner.job_import.file import Change, Imported, Kind, Plan, carry_out, import_file, plan
from scanner.job_import.rows import REQUIRED, Limits, Problem

__all__ = [
    "REQUIRED",
    "Bounds",
    "Change",
    "Imported",
    "Kind",
    "Limits",
    "Mentioned",
    "Plan",
    "Problem",
    "carry_out",
    "import_deposits",
    "import_file",
    "plan",
    "register_chosen",
]
