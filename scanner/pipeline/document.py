"""A stranger's bytes, read as one JSON object within bounds of size, depth and time."""

import codecs
import json
from collections import Counter
from collections.abc import Iterable
from typing import Final

from scanner.errors import MalformedReport
from scanner.pipeline.text import quote

MAX_REPORT_BYTES: Final = 16 * 1024 * 1024
MAX_DEPTH: Final = 64
# Enough for each number of 63 bits.
MAX_INTEGER_DIGITS: Final = 19

_TOO_DEEP = f"objects or lists stand in each other more than {MAX_DEPTH} deep"


class NotJson(MalformedReport):
    """The bytes are not whole JSON: a rejected report, unless it is still being written."""


class Unread:
    """A number that no field takes (a fraction, NaN, a flood of digits), kept to be quoted."""

    __slots__ = ("literal",)

    def __init__(self, literal: str) -> None:
        self.literal = literal

    def __repr__(self) -> str:
        return self.literal


class Repeating(dict[str, object]):
    """A JSON object in which keys stand more than once; each has its last value."""

    repeated: list[str]


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) == len(pairs):
        return values
    repeating = Repeating(values)
    repeating.repeated = [key for key, n in Counter(key for key, _ in pairs).items() if n > 1]
    return repeating


def integer(literal: str) -> int | Unread:
    """Return the number that decimal digits (with a minus before them or not) tell."""
    # Turning digits into an int costs their number squared, and Python refuses very many.
    return int(literal) if len(literal.lstrip("-")) <= MAX_INTEGER_DIGITS else Unread(literal)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=integer,
    parse_float=Unread,
    parse_constant=Unread,
    # Agents that print JSON by hand leave raw line ends and tabs in their messages.
    strict=False,
)


def read_object(content: bytes) -> dict[str, object]:
    """Return the JSON object that the bytes hold.

    Its values are what `json` makes of them, but a number that no field takes is an Unread, and
    an object in which keys stand more than once is a Repeating.

    Raise NotJson if they are not whole JSON in UTF-8, or in UTF-16 with a byte order mark, and
    MalformedReport if they are no object, have more than 16 MiB, or are nested too deep.
    """
    if len(content) > MAX_REPORT_BYTES:
        raise MalformedReport(
            f"the report has {len(content)} bytes, at most {MAX_REPORT_BYTES} are read"
        )
    try:
        document: object = _DECODER.decode(_decoded(content))
    except json.JSONDecodeError as error:
        raise NotJson(f"not whole JSON: {error}") from error
    except RecursionError:
        raise MalformedReport(_TOO_DEEP) from None
    _check_depth(document)
    if not isinstance(document, dict):
        raise MalformedReport(f"found {quote(document)}, expected a JSON object")
    return document


def _decoded(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    else:
        encoding = "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        name = encoding.removesuffix("-sig").upper()
        raise NotJson(
            f"not {name} at byte {error.start} ({error.reason}): expected UTF-8, or UTF-16 with a "
            "byte order mark"
        ) from error


def _check_depth(document: object) -> None:
    level = [document]
    for _ in range(MAX_DEPTH):
        children = (child for value in level for child in _children(value))
        level = [child for child in children if isinstance(child, dict | list)]
    if level:
        raise MalformedReport(_TOO_DEEP)


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
