"""A walk through a tar file, header by header: POSIX ustar and pax, and GNU's additions.

A header is a block of 512 bytes with the member's size and a checksum of itself; the member's bytes
follow, filled up to whole blocks; two blocks of zeros end the file, and whatever comes after them
is filling. A size that is too large for its octal digits is written in base 256 (the first bit is
set), or in a pax header that stands before.
"""

import re

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_END = 2  # blocks of zeros
_SIZE = slice(124, 136)
_CHECKSUM = slice(148, 156)
_TYPE = 156
_WITHOUT_BYTES = frozenset(b"123456")  # links, devices, folders, FIFOs: whatever their size says
_BASE_256 = 0x80  # 0xff would be the start of a negative number
_PAX, _GNU_SPARSE = ord("x"), ord("S")
_EXTENDED = 482  # where an old GNU sparse header says that a further one follows
_EXTENDED_AGAIN = 504
_PAX_SIZE = re.compile(rb"(?:\A|\n)\d{1,10} size=(\d{1,20})\n")

MAX_PAX = 64 * 1024
"""Bytes of a pax header; beyond that the walk is given up, and nothing is said about the file."""

MAX_MEMBERS = 4_000_000
"""Members that a walk follows, some microseconds each. What has more is no dump."""


class TarWalk:
    """Looks whether a tar file is whole while it goes by; keeps a header of it at most."""

    def __init__(self, *, of_pg_dump: bool) -> None:
        """Expect a tar file; one `of_pg_dump` has an end, and no header that cannot be read."""
        self._strict = of_pg_dump
        self._name = "pg_dump tar archive" if of_pg_dump else "tar archive"
        self._taken = 0
        self._members = 0
        self._block = b""  # of a header, while it is not whole
        self._skip = 0  # bytes of the member that are still to come
        self._zeros = 0  # blocks of them, one after another
        self._extended_at = 0  # where the last sparse header says whether a further one follows
        self._size = 0  # of the member, once all its sparse headers are known
        self._pax: bytearray | None = None
        self._pax_size: int | None = None
        self._defect: str | None = None  # None while it is not known

    def take(self, chunk: memoryview) -> None:
        """Walk on through the next bytes, which are only looked at during the call."""
        at = 0
        while self._defect is None and at < len(chunk):
            if self._skip:
                step = min(self._skip, len(chunk) - at)
                if self._pax is not None:
                    self._pax += chunk[at : at + step]
                self._skip -= step
            else:
                step = min(_BLOCK - len(self._block), len(chunk) - at)
                self._block += chunk[at : at + step]
                if len(self._block) == _BLOCK:
                    block, self._block = self._block, b""
                    self._enter(block)
            at += step
        self._taken += len(chunk)

    def finish(self) -> str:
        """Say what is wrong with the file, once all of it was taken; "" if nothing is known."""
        if self._defect is not None:
            return self._defect
        if self._skip:
            return f"the {self._name} is cut: it ends {self._skip:,} bytes before a member does"
        if self._block or self._extended_at:
            return f"the {self._name} is cut: it ends inside a header"
        if self._strict:
            return f"the {self._name} is cut: the two blocks of zeros at its end are missing"
        return ""

    def _enter(self, block: bytes) -> None:
        if self._extended_at:
            self._go_past_sparse_headers(block)
            return
        if block == _ZEROS:
            self._zeros += 1
            if self._zeros == _END:
                self._defect = ""
            return
        self._zeros = 0
        self._read_pax()
        size = _number(block[_SIZE])
        if size is None or not _has_its_checksum(block):
            position = f"after {self._members:,} members"
            damaged = f"the {self._name} is damaged: {position} stands no readable header"
            self._defect = damaged if self._strict else ""
            return
        if self._pax_size is not None and block[_TYPE] != _PAX:
            size, self._pax_size = self._pax_size, None
        self._members += 1
        kind = block[_TYPE]
        self._size = 0 if kind in _WITHOUT_BYTES else size
        if kind == _PAX:
            self._pax = bytearray()
        if self._members > MAX_MEMBERS or (kind == _PAX and size > MAX_PAX):
            self._defect = ""
        elif kind == _GNU_SPARSE and block[_EXTENDED]:
            self._extended_at = _EXTENDED_AGAIN
        else:
            self._skip = self._size + -self._size % _BLOCK

    def _go_past_sparse_headers(self, block: bytes) -> None:
        if not block[self._extended_at]:
            self._extended_at = 0
            self._skip = self._size + -self._size % _BLOCK

    def _read_pax(self) -> None:
        if self._pax is not None:
            found = _PAX_SIZE.search(self._pax)
            self._pax_size = int(found[1]) if found else None
            self._pax = None


def _number(field: bytes) -> int | None:
    """Read a numeric field: octal digits, or base 256 where the first bit is set."""
    if field[0] == _BASE_256:
        return int.from_bytes(field[1:])
    digits = field.strip(b" \0")
    try:
        return int(digits or b"0", 8) if digits.isdigit() or not digits else None
    except ValueError:
        return None


def _has_its_checksum(block: bytes) -> bool:
    claimed = _number(block[_CHECKSUM])
    blanks = 8 * ord(" ")
    unsigned = sum(block) - sum(block[_CHECKSUM]) + blanks
    if claimed == unsigned:
        return True
    counted = block[: _CHECKSUM.start] + block[_CHECKSUM.stop :]
    # Old programs took bytes for signed.
    return claimed == unsigned - 256 * sum(byte >> 7 for byte in counted)
