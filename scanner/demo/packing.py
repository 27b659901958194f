"""How agents pack a dump for its journey."""

import bz2
import gzip
import hashlib
import lzma
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Final, cast

import lz4.frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_AGE_HEADER: Final = (
    b"age-encryption.org/v1\n"
    b"-> X25519 bWFkZSB1cCwgbm9ib2R5IGhhcyBhIGtleSB0byB0aGlzIQ\n"
    b"--- aXQgb25seSBsb29rcyBsaWtlIG9uZSB0aGF0IHdhcyBzZWFs\n"
)


class Packing(StrEnum):
    """A way to pack; the value is the extension that belongs to it."""

    GZIP = ".gz"
    ZSTD = ".zst"
    XZ = ".xz"
    BZIP2 = ".bz2"
    LZ4 = ".lz4"
    PLAIN = ""
    ENCRYPTED = ".gz.age"


def pack(dump: bytes, packing: Packing) -> bytes:
    """Give the packed dump; the same dump always gives the same bytes."""
    return _PACK[packing](dump)


def _encrypt(dump: bytes) -> bytes:
    """Give what looks like the packed dump under a key that nobody has."""
    packed = gzip.compress(dump, mtime=0)
    return _AGE_HEADER + hashlib.shake_256(packed).digest(len(packed))


def _lz4(dump: bytes) -> bytes:
    return cast(bytes, lz4.frame.compress(dump))


_PACK: Final[dict[Packing, Callable[[bytes], bytes]]] = {
    Packing.GZIP: lambda dump: gzip.compress(dump, mtime=0),
    Packing.ZSTD: zstd.compress,
    Packing.XZ: lzma.compress,
    Packing.BZIP2: bz2.compress,
    Packing.LZ4: _lz4,
    Packing.PLAIN: bytes,
    Packing.ENCRYPTED: _encrypt,
}
