"""A walk through pg_dump's custom format (`pg_dump -Fc`), from its header to its last data block.

The format is told by PostgreSQL's `pg_backup_archiver.c` (ReadHead, ReadToc, ReadInt, ReadStr,
ReadOffset) and `pg_backup_custom.c`; versions 1.10 (PostgreSQL 8.0) to 1.16 are known:

1. `PGDMP`, three bytes of version, the sizes of an integer and of a file offset, the format.
2. The compression: from 1.15 on a byte, before an integer. Seven integers: when it was made. Three
   strings: the database, the server's version, pg_dump's.
3. The count of entries in the table of contents, and each: its id, integers, strings, the ids that
   it depends on, and a flag with an offset that tell whether it has a data block.
4. The data blocks: a byte (1: a table, 3: large objects) and the entry's id. A table is chunks,
   each a length and its bytes, up to a length of 0; large objects are an OID with chunks as a table
   has them, each, up to an OID of 0.

An integer is a byte for its sign and then its magnitude, the lowest byte first; a string is its
length (-1: none) and its bytes. Nothing is decompressed and no string is kept.
"""

import struct
from collections.abc import Generator

_MAGIC = b"PGDMP"
_FIXED = 11  # bytes: what stands before the compression
_OLDEST, _NEWEST = (1, 10), (1, 16)
_CUSTOM = 1  # of the formats that share this header; a directory's toc.dat is another
_TABLE, _LARGE_OBJECTS = 1, 3
_NO_DATA = 3
_OFFSET_FLAGS = (1, 2, _NO_DATA)
_LONGEST = 8  # bytes of a file offset
_INTEGERS = {4: struct.Struct("<BI"), 8: struct.Struct("<BQ")}

MAX_ID = 2**26
"""The highest id that an entry may have; a bit each is kept. Ids count objects, from 1 on."""

FREE_STEPS = 200_000_000
BYTES_A_STEP = 32
"""What a walk may cost: so many steps, and one more for each `BYTES_A_STEP` bytes. A chunk is one
step, half a microsecond at most. Without compression a row is a chunk; only a hostile file, or
hundreds of millions of tiny rows, asks for more, and then nothing is said about it."""
_STEPS_A_FIELD = 4

_Walk = Generator[None, None, None]
_NOTHING = memoryview(b"")


class _Inconsistent(Exception):
    """What stands there cannot be; the message says where and what."""


class PgArchiveWalk:
    """Looks whether an archive is whole while it goes by, in memory that does not grow with it."""

    def __init__(self) -> None:
        self._chunk = _NOTHING
        self._at = 0
        self._taken = 0
        self._steps = 0
        self._place = "header"
        self._entry = self._entries = 0
        self._awaited = bytearray()  # a bit an entry whose data block was not seen yet
        self._missing = 0
        self._integer = _INTEGERS[4]
        self._between_blocks = False
        self._defect: str | None = None  # None while it is not known
        self._walk = self._archive()
        next(self._walk)

    def take(self, chunk: memoryview) -> None:
        """Walk on through the next bytes, which are only looked at during the call."""
        if self._defect is not None:
            return
        self._chunk, self._at = chunk, 0
        self._taken += len(chunk)
        try:
            next(self._walk)
        except StopIteration:
            self._defect = ""
        except _Inconsistent as found:
            self._defect = f"the pg_dump archive is damaged: {found}"
        finally:
            self._chunk, self._at = _NOTHING, 0
        if self._steps > FREE_STEPS + self._taken // BYTES_A_STEP:
            self._defect = self._defect or ""

    def finish(self) -> str:
        """Say what is wrong with the archive, once all of it was taken; "" if nothing is known."""
        if self._defect is not None:
            return self._defect
        if self._between_blocks:
            if not self._missing:
                return ""
            return f"the pg_dump archive is cut: {self._missing:,} of its data blocks are missing"
        place = self._place
        if self._entry:
            place = f"table of contents, in entry {self._entry:,} of {self._entries:,}"
        return f"the pg_dump archive is cut: it ends in its {place}"

    # --- The walk. It stops at each `yield` for the next chunk, and keeps no part of the last. ---

    def _archive(self) -> _Walk:
        yield
        head = yield from self._read(_FIXED)
        version, integer_size, offset_size, form = (head[5], head[6]), *head[8:]
        if not _OLDEST <= version <= _NEWEST or form != _CUSTOM:
            return
        if integer_size not in _INTEGERS or not 1 <= offset_size <= _LONGEST:
            raise _Inconsistent(
                f"its header gives integers of {integer_size} and offsets of {offset_size} bytes"
            )
        self._integer = _INTEGERS[integer_size]
        compression = 1 if version >= (1, 15) else self._integer.size
        yield from self._skip(compression + 7 * self._integer.size)
        for _ in range(3):
            yield from self._skip_string()
        self._place = "table of contents"
        yield from self._contents(version, offset_size)
        self._place = "data"
        yield from self._blocks()

    def _contents(self, version: tuple[int, int], offset_size: int) -> _Walk:
        # One letter a field between the two integers at an entry's start and its dependencies.
        fields = "".join(
            field
            for field, since in (
                ("ssss", 10),  # the catalog's OID, the object's, its name, its type
                ("i", 11),  # the section
                ("sssss", 10),  # CREATE, DROP, COPY, the schema, the tablespace
                ("s", 14),  # the access method
                ("i", 16),  # the kind of relation
                ("ss", 10),  # the owner, whether it has OIDs
            )
            if version >= (1, since)
        )
        self._entries = yield from self._int()
        if self._entries < 0:
            raise _Inconsistent(f"its table of contents has {self._entries:,} entries")
        for number in range(1, self._entries + 1):
            self._entry = number
            identity = yield from self._int()
            if not 0 < identity <= MAX_ID:
                raise _Inconsistent(
                    f"entry {number:,} of its table of contents is no. {identity:,}"
                )
            yield from self._int()
            for field in fields:
                yield from self._int() if field == "i" else self._skip_string()
            while (yield from self._skip_string()):
                pass
            flag = (yield from self._read(1))[0]
            yield from self._skip(offset_size)
            if flag not in _OFFSET_FLAGS:
                raise _Inconsistent(f"entry {number:,} of its table of contents cannot be read")
            if flag != _NO_DATA:
                self._await(identity)
        self._entry = 0

    def _blocks(self) -> _Walk:
        while True:
            while self._at == len(self._chunk):
                self._between_blocks = True
                yield
            self._between_blocks = False
            block = (yield from self._read(1))[0]
            identity = yield from self._int()
            if block not in (_TABLE, _LARGE_OBJECTS) or not self._arrived(identity):
                raise _Inconsistent(
                    f"a data block of kind {block} for no. {identity:,} stands where none belongs"
                )
            if block == _TABLE:
                yield from self._skip_chunks()
            else:
                while (yield from self._int()):
                    yield from self._skip_chunks()

    def _skip_chunks(self) -> _Walk:
        while True:
            ended, beyond = self._hop()
            if ended:
                return
            yield from self._skip(beyond)
            length = yield from self._int()
            if length == 0:
                return
            if length < 0:
                raise _Inconsistent(f"a chunk of data is {length:,} bytes long")
            yield from self._skip(length)

    def _hop(self) -> tuple[bool, int]:
        """Go from chunk to chunk of data as far as lengths are in hand: the walk's hot loop.

        Give whether the last chunk was met, and the bytes that are left of one.
        """
        chunk, at = self._chunk, self._at
        unpack, size = self._integer.unpack_from, self._integer.size
        end = len(chunk)
        last = end - size
        steps = 0
        while at <= last:
            sign, length = unpack(chunk, at)
            steps += 1
            if sign:
                break  # it is read once more, by who says what is wrong with it
            at += size + length
            if not length:
                self._at = at
                self._steps += steps
                return True, 0
        self._steps += steps
        self._at = min(at, end)
        return False, max(0, at - end)

    def _await(self, identity: int) -> None:
        byte, bit = identity >> 3, 1 << (identity & 7)
        if byte >= len(self._awaited):
            self._awaited.extend(bytes(max(byte + 1, 2 * len(self._awaited)) - len(self._awaited)))
        if not self._awaited[byte] & bit:
            self._awaited[byte] |= bit
            self._missing += 1

    def _arrived(self, identity: int) -> bool:
        """Strike an entry off; False if no data block was awaited for it."""
        byte, bit = identity >> 3, 1 << (identity & 7)
        if not 0 <= byte < len(self._awaited) or not self._awaited[byte] & bit:
            return False
        self._awaited[byte] ^= bit
        self._missing -= 1
        return True

    def _int(self) -> Generator[None, None, int]:
        sign: int
        value: int
        size = self._integer.size
        if self._at + size <= len(self._chunk):
            sign, value = self._integer.unpack_from(self._chunk, self._at)
            self._at += size
        else:
            sign, value = self._integer.unpack((yield from self._read(size)))
        self._steps += _STEPS_A_FIELD
        if sign > 1:
            raise _Inconsistent(f"where the sign of a number belongs stands {sign}")
        return -value if sign else value

    def _skip_string(self) -> Generator[None, None, bool]:
        """Go past a string; give whether there was one: -1 for a length says that there is none."""
        length = yield from self._int()
        if length > 0:
            yield from self._skip(length)
        return length >= 0

    def _skip(self, count: int) -> _Walk:
        while count > (there := len(self._chunk) - self._at):
            count -= there
            self._at += there
            yield
        self._at += count

    def _read(self, count: int) -> Generator[None, None, bytes]:
        data = bytes(self._chunk[self._at : self._at + count])
        self._at += len(data)
        while len(data) < count:
            yield
            more = bytes(self._chunk[: count - len(data)])
            self._at = len(more)
            data += more
        return data


def creation_time(head: bytes) -> slice | None:
    """Give where in an archive that begins with `head` the time of its creation stands.

    None where it is not known: another version or format, or a head without the whole of it.
    """
    if len(head) < _FIXED or not head.startswith(_MAGIC):
        return None
    version, integer_size, form = (head[5], head[6]), head[8], head[10]
    if not _OLDEST <= version <= _NEWEST or form != _CUSTOM or integer_size not in _INTEGERS:
        return None
    size = _INTEGERS[integer_size].size
    start = _FIXED + (1 if version >= (1, 15) else size)
    span = slice(start, start + 7 * size)
    return span if span.stop <= len(head) else None
