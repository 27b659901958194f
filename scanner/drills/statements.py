"""The statements of an SQLite script, one after the other, in time that grows with its length.

`sqlite3.complete_statement` looks at all of a text: asked after each line of a long one it would
take for ever. So quotes and comments are followed here, and it is asked only where a line ends with
a semicolon outside of them: then what is left for it to know are the bodies of triggers.
"""

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator

from scanner.drills.outcome import CannotRestore, CannotTry

LONGEST = 256 * 2**20
"""Bytes of one statement."""

_OPENS = re.compile(rb"""['"`\[]|--|/\*""")
_CLOSES = {b"'": b"'", b'"': b'"', b"`": b"`", b"[": b"]", b"/*": b"*/"}
_MAY_END = re.compile(rb";\s*(?:--[^\n]*\n?)?\Z")
_NOTHING = re.compile(r"(?:\s|--[^\n]*(?:\n|\Z))*")


def _go_on() -> None:
    """Let it take as long as it takes."""


def statements(pieces: Iterable[bytes], each_line: Callable[[], object] = _go_on) -> Iterator[str]:
    """Give each statement of a script that is UTF-8, as the sqlite3 shell's .dump writes it.

    `each_line` is called before a line is looked at, and may raise to give up. Raise CannotRestore
    when the last one is not whole, CannotTry when one is too long for us.
    """
    parts: list[bytes] = []
    size = 0
    closing = b""
    for line in _lines(pieces):
        each_line()
        parts.append(line)
        size += len(line)
        if size > LONGEST:
            raise CannotTry(f"a statement of the dump is longer than {LONGEST:,} bytes")
        closing = _closing_after(line, closing)
        if closing or not _MAY_END.search(line):
            continue
        statement = b"".join(parts).decode("utf-8", "replace")
        if "\0" in statement:
            raise CannotRestore("a statement of the dump holds a NUL, which no SQL can")
        if sqlite3.complete_statement(statement):
            yield statement
            parts, size = [], 0
    if not _NOTHING.fullmatch(b"".join(parts).decode("utf-8", "replace")):
        raise CannotRestore("the dump ends in the middle of a statement")


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest: list[bytes] = []
    size = 0
    for piece in pieces:
        first, *others = piece.split(b"\n")
        rest.append(first)
        size += len(first)
        if others:
            yield b"".join(rest) + b"\n"
            for line in others[:-1]:
                yield line + b"\n"
            rest, size = [others[-1]], len(others[-1])
        if size > LONGEST:
            raise CannotTry(f"a line of the dump is longer than {LONGEST:,} bytes")
    if size:
        yield b"".join(rest)


def _closing_after(line: bytes, closing: bytes) -> bytes:
    """Give what closes the quote or comment that is open at the line's end; b"" if none is."""
    position = 0
    while True:
        if closing:
            end = line.find(closing, position)
            if end < 0:
                return closing
            position, closing = end + len(closing), b""
        opens = _OPENS.search(line, position)
        if opens is None or opens[0] == b"--":
            return b""
        position, closing = opens.end(), _CLOSES[opens[0]]
