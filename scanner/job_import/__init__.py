"""Jobs by the hundred: a file of them, or what reports in the deposit tree mention -> job rows.

table      a CSV or YAML file -> rows of text, each with its line
values     a row's text -> the values of a job's fields
file       rows + stored jobs -> what changes, validated whole before any write
deposits   reports, archived ones too -> the databases that nobody expects yet
"""

from scanner.job_import.deposits import Mentioned, import_deposits
from scanner.job_import.file import Change, Imported, Kind, import_file

__all__ = ["Change", "Imported", "Kind", "Mentioned", "import_deposits", "import_file"]
