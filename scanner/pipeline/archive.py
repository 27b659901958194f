"""What a staged file is, by its first bytes, and what is packed in it.

An extension is only a name that the agent chose; it is never looked at. Decompression is a stream
of bounded pieces, so that memory grows neither with a file's size nor with what a bomb unpacks to.
"""

from collections.abc import Generator, Iterator
from enum import StrEnum

from scanner.pipeline import members
from scanner.pipeline.dump import begins_as_dump
from scanner.pipeline.members import SKIPPABLE, Buffer, Format, Member, fits

HEAD_SIZE = 64 * 1024
"""Bytes at the start of a file that tell what it is."""

CHUNK_SIZE = 1024 * 1024
"""Bytes: the most that is held unpacked at once."""

MAX_RATIO = 200
"""Raw bytes for a staged one, where nobody claimed how many there are. Real dumps stay far below;
gzip reaches 1,032, bzip2 over a million."""

RATIO_FLOOR = 64 * 1024**2
"""Raw bytes that any archive may hold whatever its ratio: a small file of zeros is innocent."""

MAX_TOTAL = 4 * 1024**4
"""Raw bytes: what one archive may cost, whatever its agent claims."""

# A member is fed a little at first and then more: what it does not use comes back as a copy, and a
# file of a million tiny members must not copy the rest of the block for each of them.
_FIRST_SLICE = 1024
_SLICE_GROWTH = 4
_LAST_SLICE = 256 * 1024


class Codec(StrEnum):
    """How a staged file is packed. NONE is a plain dump; OPAQUE is encrypted or unknown."""

    GZIP = "gzip"
    ZSTD = "zstd"
    XZ = "xz"
    BZIP2 = "bzip2"
    LZ4 = "lz4"
    NONE = "none"
    OPAQUE = "opaque"


EXTENSION: dict[Codec, str] = {
    Codec.GZIP: ".gz",
    Codec.ZSTD: ".zst",
    Codec.XZ: ".xz",
    Codec.BZIP2: ".bz2",
    Codec.LZ4: ".lz4",
    Codec.NONE: "",
    Codec.OPAQUE: "",
}

_FORMATS: dict[Codec, Format] = {
    Codec.GZIP: members.GZIP,
    Codec.ZSTD: members.ZSTD,
    Codec.XZ: members.XZ,
    Codec.BZIP2: members.BZIP2,
    Codec.LZ4: members.LZ4,
}


class BrokenArchive(Exception):
    """The archive cannot be read back; the message says how. A finding, not an error of ours."""


class TooDemanding(Exception):
    """The archive may be whole, but reading it needs more than this server gives to one file."""


def content_bound(staged_size: int) -> int:
    """Give the raw bytes that may come out of an archive of `staged_size` bytes without a claim."""
    return min(MAX_TOTAL, max(RATIO_FLOOR, MAX_RATIO * staged_size))


def recognise(head: bytes) -> Codec:
    """Tell what a file is that begins with `head`: its first `HEAD_SIZE` bytes, or all it has.

    An empty file is a plain dump. A head too short for a whole magic number is taken for what it is
    the beginning of: an archive that was cut after three bytes is a broken one, not a short text.
    """
    if not head or (len(head) == 1 and head >= b" " and head.isascii()):
        return Codec.NONE
    for codec, form in _FORMATS.items():
        if form.begins(head):
            return _after_skippable(head) if fits(head, SKIPPABLE) else codec
    return Codec.NONE if begins_as_dump(head[:HEAD_SIZE]) else Codec.OPAQUE


def _after_skippable(head: bytes) -> Codec:
    """Tell whose the skippable frames are that `head` begins with: those of the frame after them.

    They are zstd's when that frame is out of sight: lz4's own programs write none.
    """
    position = 0
    while len(head) >= position + 8 and fits(head[position : position + 4], SKIPPABLE):
        position += 8 + int.from_bytes(head[position + 4 : position + 8], "little")
    after = head[position : position + 4]
    return Codec.LZ4 if after and members.LZ4.begins(after) else Codec.ZSTD


class Decompressor:
    """What is packed in one staged file, piece by piece: every member of it, to the very end.

    After an exception, of `feed` or of `close`, there is nothing more to be had from it.
    """

    def __init__(self, codec: Codec) -> None:
        if codec is Codec.OPAQUE:
            raise ValueError("an opaque file cannot be decompressed: nobody knows its format")
        self._format = _FORMATS.get(codec)
        self._member: Member | None = None
        self._members = 0
        self._start = b""  # of the next member, while it is not whole
        self._padding = 0  # bytes since the last member
        self._slice = _FIRST_SLICE

    def feed(self, data: Buffer) -> Iterator[bytes]:
        """Yield what the next bytes of the file unpack to, at most `CHUNK_SIZE` bytes at once.

        Iterate to the end before feeding more and before changing `data`. A plain dump comes out as
        it went in. Raise BrokenArchive when it is corrupt or something else follows its end,
        TooDemanding when it asks for too much memory or for a dictionary.
        """
        if self._format is None:
            yield bytes(data)
            return
        rest = memoryview(data)
        while rest:
            if self._member is None:
                rest = self._seek_member(self._format, rest)
                continue
            piece = rest[: self._slice]
            self._slice = min(_LAST_SLICE, self._slice * _SLICE_GROWTH)
            unused = yield from self._unpack(self._format, self._member, piece)
            rest = rest[len(piece) - unused :]

    def close(self) -> None:
        """Say that the file ended. Raise BrokenArchive if the archive in it did not."""
        if self._format is None:
            return
        if self._member is not None or self._start or not self._members:
            raise BrokenArchive(f"the {self._format.name} data is truncated: its end is missing")
        self._check_padding(self._format)

    def _seek_member(self, form: Format, rest: memoryview) -> memoryview:
        """Go towards the next member, and into it once its start is whole; give what is left."""
        if form.padding and self._members and not self._start:
            ahead = bytes(rest[:_FIRST_SLICE])
            zeros = len(ahead) - len(ahead.lstrip(b"\0"))
            if zeros:
                self._padding += zeros
                return rest[zeros:]
        wanted = form.start_size - len(self._start)
        self._start += rest[:wanted]
        if not form.begins(self._start):
            if self._members:
                raise BrokenArchive(f"trailing garbage after the end of the {form.name} data")
            raise BrokenArchive(f"the file does not begin as {form.name} data does")
        self._check_padding(form)
        if len(self._start) == form.start_size:
            self._enter_member(form)
        return rest[wanted:]

    def _enter_member(self, form: Format) -> None:
        self._member = form.open(self._start)
        self._members += 1
        self._padding = 0
        self._slice = _FIRST_SLICE
        for _nothing in self._unpack(form, self._member, self._start):
            pass  # in no format does content come out of a member's start alone
        self._start = b""

    def _unpack(self, form: Format, member: Member, piece: Buffer) -> Generator[bytes, None, int]:
        """Yield what `piece` unpacks to; return how many bytes at its end are not the member's."""
        while True:
            try:
                raw = member.decompress(piece, CHUNK_SIZE)
            except form.errors as error:
                raise _explained(form, error) from error
            piece = b""
            if raw:
                yield raw
            if member.eof:
                self._member = None
                return len(member.unused_data or b"")
            if member.needs_input or not raw:
                return 0

    def _check_padding(self, form: Format) -> None:
        if form.padding and self._padding % form.padding:
            raise BrokenArchive(
                f"corrupt {form.name} data: {self._padding} zero bytes stand after its end, "
                f"where only a multiple of {form.padding} may"
            )


# How the libraries say that an archive may well be whole, but not for us to read.
_DEMANDS = ("too much memory", "Memory usage limit", "Dictionary mismatch", "unsupported options")


def _explained(form: Format, error: Exception) -> BrokenArchive | TooDemanding:
    words = str(error)
    if any(demand in words for demand in _DEMANDS):
        return TooDemanding(f"the {form.name} data asks for more than this server gives: {words}")
    if "checksum" in words.lower():
        return BrokenArchive(f"checksum failure in the {form.name} data: {words}")
    return BrokenArchive(f"corrupt {form.name} data: {words}")
