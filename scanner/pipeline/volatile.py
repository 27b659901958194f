r"""What differs between two dumps of a database in which nothing changed.

mysqldump and mariadb-dump close with the date. pg_dump and pg_dumpall write `\restrict` with a
random key and, when verbose, when they started and completed. pg_dump's custom format has the time
of its creation in its header. Whatever else differs is content.
"""

import re

from scanner.pipeline import pg_archive
from scanner.pipeline.dump_kind import DumpKind

_MYSQL_DATE = re.compile(rb"(?<=\n-- Dump completed) on [ \d:-]{17,19}(?=\s*\Z)")
# A row that reads like this would have to hold a carriage return before "estrict": COPY doubles
# backslashes. 32 characters are half a key; one that a person chose does not change.
_PG_KEY = re.compile(rb"(?<=\n)(\\(?:un)?restrict )[A-Za-z0-9]{32,}(?=\r?\n)")
_PG_TIME = re.compile(
    rb"(\n\r?\n-- (?:Started|Completed) on )\d{4}-\d\d-\d\d[^\r\n]*(?=\r?\n\r?\n)"
)


def without_volatile(kind: DumpKind, part: bytes, *, is_start: bool, is_end: bool) -> bytes:
    """Give `part` of a content of `kind` without what may differ though nothing changed.

    `is_start` and `is_end` say whether `part` stands at the content's beginning and end. Text is
    taken out, binary fields are zeroed.
    """
    if kind is DumpKind.MYSQL and is_end:
        return _MYSQL_DATE.sub(b"", part)
    if kind in (DumpKind.PG_PLAIN, DumpKind.PG_CLUSTER):
        return _PG_TIME.sub(rb"\1", _PG_KEY.sub(rb"\1", part))
    if kind is DumpKind.PG_CUSTOM and is_start and (span := pg_archive.creation_time(part)):
        blank = bytes(span.stop - span.start)
        return part[: span.start] + blank + part[span.stop :]
    return part
