"""Gzip members, zstd and lz4 frames, xz and bzip2 streams: five libraries behind one interface.

A file may hold many of them, one after the other; `archive` walks through them. The formats: RFC
1952 (gzip), RFC 8878 (zstd), the .xz file format, the LZ4 frame format.
"""

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

import lz4.frame
from isal import igzip_lib

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_MEMORY_LOG = 28
"""An archive may ask for 2**28 bytes (256 MiB) of zstd window or of xz decoder."""

Buffer = bytes | bytearray | memoryview

Magic = tuple[bytes, ...]
"""For each byte of a member's start, the values that it may have."""


class Member(Protocol):
    """One compressed unit, as bz2 and lzma of the standard library read it; the others follow."""

    @property
    def eof(self) -> bool:
        """Whether the unit's end was reached and its checksum, if it has one, was right."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out before something more goes in."""

    @property
    def unused_data(self) -> bytes | None:
        """The bytes after the unit's end, once `eof` is true."""

    def decompress(self, data: Buffer, max_length: int) -> bytes:
        """Give at most `max_length` bytes of what `data`, after what was left over, unpacks to."""


class ZlibMember:
    """zlib behind the interface of the others."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        """See Member."""
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        """See Member."""
        return self._zlib.unused_data

    def decompress(self, data: Buffer, max_length: int) -> bytes:
        """See Member."""
        raw = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        self.needs_input = not self._zlib.unconsumed_tail
        return raw


def _gzip_member(start: bytes) -> Member:
    # igzip misreads a header with its own CRC (flag 2) that arrives in pieces, and lets the
    # reserved flags pass. Both are so rare that zlib's speed does for them.
    if start[3] & 0b11100010:
        return ZlibMember()
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)


def _zstd_frame(_start: bytes) -> Member:
    limit: dict[int, int] = {zstd.DecompressionParameter.window_log_max: MAX_MEMORY_LOG}
    return zstd.ZstdDecompressor(options=limit)


def _xz_stream(_start: bytes) -> Member:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=2**MAX_MEMORY_LOG)


def _bzip2_stream(_start: bytes) -> Member:
    return bz2.BZ2Decompressor()


def _lz4_frame(_start: bytes) -> Member:
    frame: Member = lz4.frame.LZ4FrameDecompressor()
    return frame


@dataclass(frozen=True, slots=True)
class Format:
    """How members of one kind begin, how they are read, and what may stand between them."""

    name: str
    starts: tuple[Magic, ...]  # all of one length
    open: Callable[[bytes], Member]  # given the member's whole start, which is then fed to it
    errors: tuple[type[Exception], ...]  # what the library raises for bad data
    padding: int = 0  # zero bytes are legal after a member in multiples of this

    @property
    def start_size(self) -> int:
        """The bytes that tell a member's start, and that `open` wants to see."""
        return len(self.starts[0])

    def begins(self, head: bytes) -> bool:
        """Tell whether a member may begin with `head`, which may be shorter than a start."""
        return any(fits(head, start) for start in self.starts)


def fits(head: bytes, magic: Magic) -> bool:
    """Tell whether `head` agrees with `magic`, as far as the shorter of the two goes."""
    return all(byte in allowed for byte, allowed in zip(head, magic, strict=False))


_ANY = bytes(range(256))
SKIPPABLE: Magic = (bytes(range(0x50, 0x60)), b"\x2a", b"\x4d", b"\x18")
"""Frames of somebody's own data, which zstd and lz4 have in common: no content."""

# igzip's type stub has an instance where the module has the class.
_IGZIP_ERROR = cast(type[Exception], igzip_lib.IsalError)

GZIP = Format(
    name="gzip",
    starts=((b"\x1f", b"\x8b", _ANY, _ANY),),
    open=_gzip_member,
    errors=(_IGZIP_ERROR, zlib.error),
)
ZSTD = Format(
    name="zstd",
    starts=((b"\x28", b"\xb5", b"\x2f", b"\xfd"), SKIPPABLE),
    open=_zstd_frame,
    errors=(zstd.ZstdError,),
)
XZ = Format(
    name="xz",
    starts=((b"\xfd", b"7", b"z", b"X", b"Z", b"\0"),),
    open=_xz_stream,
    errors=(lzma.LZMAError,),
    padding=4,
)
BZIP2 = Format(
    name="bzip2",
    starts=((b"B", b"Z", b"h", b"123456789"),),
    open=_bzip2_stream,
    errors=(OSError,),
)
LZ4 = Format(
    name="lz4",
    starts=((b"\x04", b"\x22", b"\x4d", b"\x18"), SKIPPABLE),
    open=_lz4_frame,
    errors=(RuntimeError,),
)
