"""The header Range: from which byte on somebody wants a file, to go on where it was cut off.

RFC 9110, 14.2: what cannot be understood, and several ranges at once, may be answered with all.
"""

import re
from dataclasses import dataclass

_RANGE = re.compile(
    r"bytes=\s*(?:(?P<first>\d{1,18})-(?P<last>\d{1,18})?|-(?P<final>\d{1,18}))\s*",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Part:
    """`count` bytes from byte `first` on; `is_asked` tells that not simply all was asked for."""

    first: int
    count: int
    is_asked: bool = True

    def of(self, size: int) -> str:
        """Give the header Content-Range, of a file of that many bytes."""
        return f"bytes {self.first}-{self.first + self.count - 1}/{size}"


def part_of(header: str, size: int) -> Part | None:
    """Give what a header asks for of a file of `size` bytes, or None where it has no such bytes."""
    found = _RANGE.fullmatch(header)
    if found is None:
        return Part(0, size, is_asked=False)
    if found["final"] is not None:
        count = min(int(found["final"]), size)
        return Part(size - count, count) if count else None
    first = int(found["first"])
    last = size - 1 if found["last"] is None else int(found["last"])
    if found["last"] is not None and last < first:
        return Part(0, size, is_asked=False)  # no range at all
    return Part(first, min(last, size - 1) - first + 1) if first < size else None
