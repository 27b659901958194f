"""What only an administrator may do in mysqldump's text, left out on its way to a scratch server.

mysqldump writes who defined a view, trigger, routine or event, and how replication stands. Nobody
but an administrator may restore either, and no drill needs them. mysqldump escapes line breaks in
data: so what begins a line is never data.

1. `DEFINER=...` goes from lines that begin as mysqldump begins such a statement: the role that
   drills is the definer then.
2. Statements about replication go: SET @@GLOBAL..., SQL_LOG_BIN, CHANGE MASTER.
3. The line that switches MariaDB's client to its sandbox mode goes: it is in it from the start, and
   other clients stumble over it.
"""

import re
from collections.abc import Iterable, Iterator

LONGEST = 64 * 1024
"""Bytes of a line that is looked at; longer lines hold rows."""

_LINE = re.compile(rb"^(?:/\*|CREATE |SET |CHANGE )[^\n]*\n", re.MULTILINE)
_NAME = rb"(?:`(?:[^`\n]|``)*`|'(?:[^'\n]|'')*'|\"(?:[^\"\n]|\"\")*\"|[\w.%-]+)"
_DEFINER = re.compile(rb"\bDEFINER ?= ?" + _NAME + rb"(?:@" + _NAME + rb")?", re.IGNORECASE)
_MAY_DEFINE = re.compile(rb"/\*!\d{5} ?(?:DEFINER|CREATE)\b|CREATE ", re.IGNORECASE)
_REPLICATION = re.compile(
    rb"(?:/\*!\d{5} )?SET (?:@@GLOBAL\.|@@SESSION\.SQL_LOG_BIN|@MYSQLDUMP_TEMP_LOG_BIN)"
    rb"|CHANGE (?:MASTER|REPLICATION SOURCE) TO ",
    re.IGNORECASE,
)
_STATEMENT_END = re.compile(rb";[ \t]*\r?\n")
_SANDBOX = re.compile(rb"/\*M?!999999\\- ")


def without_privileged(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Give the dump without what only an administrator may do."""
    lines = _Lines()
    for piece in pieces:
        yield lines.take(piece)
    yield lines.end()


class _Lines:
    """Cuts a stream into whole lines, but for long ones, which are not looked at."""

    def __init__(self) -> None:
        self._rest = b""  # of a piece, after its last line break
        self._inside = False  # a long line
        self._skipping = False  # a statement that is left out and goes on

    def take(self, piece: bytes) -> bytes:
        """Give what the next bytes become."""
        if self._inside:
            end = piece.find(b"\n") + 1
            if not end:
                return piece
            self._inside = False
            return piece[:end] + self.take(piece[end:])
        data = self._rest + piece
        end = data.rfind(b"\n") + 1
        whole, self._rest = self._looked_at(data[:end]), data[end:]
        if len(self._rest) > LONGEST and not self._skipping:
            long, self._rest, self._inside = self._rest, b"", True
            return whole + long
        return whole

    def end(self) -> bytes:
        """Give what is left when nothing more comes."""
        return self._looked_at(self._rest)

    def _looked_at(self, lines: bytes) -> bytes:
        out: list[bytes] = []
        position = self._after_skipped(lines, 0)
        while found := _LINE.search(lines, position):
            out.append(lines[position : found.start()])
            line, position = found[0], found.end()
            if _REPLICATION.match(line):
                position = self._after_skipped(lines, found.start(), begins=True)
            elif not _SANDBOX.match(line):
                out.append(_DEFINER.sub(b"", line, count=1) if _MAY_DEFINE.match(line) else line)
        out.append(lines[position:])
        return b"".join(out)

    def _after_skipped(self, lines: bytes, position: int, *, begins: bool = False) -> int:
        """Give where the statement that is left out ends, from `position` on."""
        if not (begins or self._skipping):
            return position
        end = _STATEMENT_END.search(lines, position)
        self._skipping = end is None
        return end.end() if end else len(lines)
