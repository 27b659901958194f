"""The dump in a copy of the vault: decompressed, bounded and checked while it is read once."""

import hashlib
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

from scanner.drills.outcome import CannotRestore, CannotTry
from scanner.pipeline.archive import (
    HEAD_SIZE,
    BrokenArchive,
    Codec,
    Decompressor,
    TooDemanding,
    recognise,
)
from scanner.pipeline.dump_ending import ending_defect
from scanner.pipeline.dump_kind import DumpKind, recognise_kind

BLOCK = 2**20
"""Bytes that are read at once."""
ENDS = 64 * 1024
"""Bytes at the content's beginning and end that are kept: they tell its kind, and if all came."""

_KINDS = frozenset(kind.value for kind in DumpKind)
_CODECS = frozenset(codec.value for codec in Codec)


class Content:
    """What is packed in one open copy, to be iterated over once.

    Iterating raises CannotRestore when the copy cannot be read, cannot be decompressed or has not
    the bytes whose digest is on record (which shows at the end), CannotTry when it holds more than
    `most` bytes or asks for more memory than this server gives.
    """

    def __init__(self, file: BinaryIO, *, codec: str, sha256: str, most: int) -> None:
        self._file = file
        self._sha256 = sha256
        self._most = most
        self._digest = hashlib.sha256()
        self._recorded_codec = codec
        self._pieces = self._read()
        self.packed = 0
        """Bytes of the copy that were read."""
        self.size = 0
        """Bytes of the dump that came out."""
        self.head = b""
        self.tail = b""

    def begin(self, recorded_kind: str) -> DumpKind:
        """Read the content's first bytes; tell its kind by the record, or else by them."""
        ahead: list[bytes] = []
        is_all = True
        for piece in self._pieces:
            ahead.append(piece)
            if self.size >= ENDS:
                is_all = False
                break
        self.head = b"".join(ahead)[:ENDS]
        self._pieces = chain(ahead, self._pieces)
        if recorded_kind and recorded_kind in _KINDS:
            return DumpKind(recorded_kind)
        return recognise_kind(self.head, is_all=is_all)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)

    def ending_defect(self, kind: DumpKind) -> str:
        """Say what is wrong with the end of a text dump that was read to its end; "" if nothing."""
        return ending_defect(kind, self.head, self.tail)

    def is_damaged(self) -> bool:
        """Read what is left of the copy, and tell whether its bytes are others than on record."""
        try:
            while block := self._file.read(BLOCK):
                self._take(block)
        except OSError:
            return True
        return self._digest.hexdigest() != self._sha256

    def _read(self) -> Iterator[bytes]:
        try:
            yield from self._decompressed()
        except BrokenArchive as broken:
            raise CannotRestore(f"the copy cannot be decompressed: {broken}") from broken
        except TooDemanding as demand:
            raise CannotTry(f"the copy is not decompressed here: {demand}") from demand
        if self._digest.hexdigest() != self._sha256:
            raise CannotRestore("the copy is damaged: its SHA-256 is not the one on record")

    def _decompressed(self) -> Iterator[bytes]:
        decompressor: Decompressor | None = None
        while block := self._next_block():
            if decompressor is None:
                decompressor = Decompressor(self._codec(block))
            for piece in decompressor.feed(block):
                self.size += len(piece)
                if self.size > self._most:
                    raise CannotTry(
                        f"the dump is larger than {self._most:,} bytes (RESTORE_DRILL_MAX_GIB)"
                    )
                self.tail = piece[-ENDS:] if len(piece) >= ENDS else (self.tail + piece)[-ENDS:]
                yield piece
        if decompressor is not None:
            decompressor.close()

    def _next_block(self) -> bytes:
        try:
            block = self._file.read(BLOCK)
        except OSError as error:
            words = error.strerror or str(error)
            raise CannotRestore(f"the copy cannot be read: {words}") from error
        self._take(block)
        return block

    def _take(self, block: bytes) -> None:
        self._digest.update(block)
        self.packed += len(block)

    def _codec(self, first: bytes) -> Codec:
        recorded = self._recorded_codec
        codec = Codec(recorded) if recorded in _CODECS else recognise(first[:HEAD_SIZE])
        if codec is Codec.OPAQUE:
            raise CannotTry("the copy is encrypted, or packed in a format that nobody here knows")
        return codec
