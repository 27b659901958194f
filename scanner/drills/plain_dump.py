r"""pg_dump's plain text as psql may be fed with it.

psql obeys commands that begin with a backslash, `\! PROGRAM` among them. Since August 2025 it can
be told `\restrict KEY`: it then refuses all of them but an `\unrestrict` with the same key.
What is fed here begins with a key that nobody else knows. So the dump's own `\restrict` and
`\unrestrict` must not come through:

1. At its beginning, where only comments and blank lines may stand before it, `\restrict` is left
   out; at its end, where only those may follow, `\unrestrict` is.
2. A dump made with `--create` begins with CREATE DATABASE and goes on in that database with
   `\connect`: all up to the last `\connect` in its beginning is left out, so that it goes on in the
   scratch database instead. pg_dump repeats its settings after each.
3. Any other command with a backslash is an error to psql, wherever it stands.
"""

import re
import secrets
from collections.abc import Iterable, Iterator

ENDS = 64 * 1024
"""Bytes at the beginning and at the end in which the above is looked for."""

_OWN_RESTRICT = re.compile(
    rb"\A(?P<kept>(?:[ \t]*(?:--[^\n]*)?\r?\n)*)\\restrict [A-Za-z0-9]+\r?\n"
)
_OWN_UNRESTRICT = re.compile(
    rb"(?P<before>\A|\n)\\unrestrict [A-Za-z0-9]+(?P<kept>\r?\n(?:[ \t]*(?:--[^\n]*)?\r?\n)*"
    rb"(?:[ \t]*(?:--[^\n]*)?)?)\Z"
)
_CREATE = re.compile(rb"^CREATE DATABASE ", re.MULTILINE)
_CONNECT = re.compile(rb"^\\connect [^\n]*\n", re.MULTILINE)
_DATA = re.compile(rb"^(?:COPY |INSERT |CREATE (?!DATABASE ))", re.MULTILINE)
_SERVER = re.compile(rb"^-- Dumped from database version (\d+)", re.MULTILINE)
# In the archive formats: a string's length (sign, four bytes) before it; pg_dump's own after it.
_ARCHIVE_SERVER = re.compile(
    rb"\0.\0\0\0(\d{1,3})(?:\.\d+|devel|beta\d+|rc\d+)[^\0]*\0.\0\0\0\d", re.DOTALL
)
_ARCHIVE_HEADER = 1024


def restrict_key() -> str:
    """Make up a key that nobody can guess."""
    return secrets.token_hex(32)


def restricted(pieces: Iterable[bytes], key: str) -> Iterator[bytes]:
    """Give the dump as psql may be fed with it."""
    yield f"\\restrict {key}\n".encode()
    source = iter(pieces)
    held = b""
    for piece in source:
        held += piece
        if len(held) >= ENDS:
            break
    held = _without_beginning(held)
    for piece in source:
        yield held[:-ENDS]
        held = held[-ENDS:] + piece
    cut = max(0, len(held) - ENDS)
    yield held[:cut]
    yield _OWN_UNRESTRICT.sub(rb"\g<before>\g<kept>", held[cut:])


def server_version(head: bytes) -> int | None:
    """Give the major version of the server that a dump of any format is of, if it tells.

    For the archive formats `head` must hold the first 1,024 bytes of the table of contents.
    """
    if head.startswith(b"PGDMP"):
        found = _ARCHIVE_SERVER.search(head[:_ARCHIVE_HEADER])
    elif head.startswith(b"toc.dat\0"):
        found = _ARCHIVE_SERVER.search(head[512 : 512 + _ARCHIVE_HEADER])
    else:
        found = _SERVER.search(head)
    return int(found[1]) if found else None


def _without_beginning(head: bytes) -> bytes:
    head = head.removeprefix(b"\xef\xbb\xbf")
    data = _DATA.search(head)
    end = data.start() if data else len(head)
    created = _CREATE.search(head, 0, end)
    if created:
        connects = list(_CONNECT.finditer(head, created.end(), end))
        if connects:
            head = head[connects[-1].end() :]
    return _OWN_RESTRICT.sub(rb"\g<kept>", head, count=1)
