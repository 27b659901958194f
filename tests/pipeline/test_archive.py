"""archive.py and its two sources, members.py and dump.py."""

import bz2
import gzip
import lzma
import random
import struct
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Iterator

import lz4.frame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isal import igzip_lib

from scanner.pipeline.archive import (
    CHUNK_SIZE,
    EXTENSION,
    HEAD_SIZE,
    MAX_RATIO,
    MAX_TOTAL,
    RATIO_FLOOR,
    BrokenArchive,
    Codec,
    Decompressor,
    TooDemanding,
    content_bound,
    recognise,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def compress_zstd(raw: bytes) -> bytes:
    return zstd.compress(raw, options={zstd.CompressionParameter.checksum_flag: 1})


def compress_lz4(raw: bytes) -> bytes:
    return bytes(lz4.frame.compress(raw, content_checksum=True, block_checksum=True))


def compress_gzip(raw: bytes) -> bytes:
    return gzip.compress(raw, mtime=0)


COMPRESS: dict[Codec, Callable[[bytes], bytes]] = {
    Codec.GZIP: compress_gzip,
    Codec.ZSTD: compress_zstd,
    Codec.XZ: lzma.compress,
    Codec.BZIP2: bz2.compress,
    Codec.LZ4: compress_lz4,
}
PACKED = tuple(COMPRESS)
RAW = b"".join(b"INSERT INTO t VALUES (%d, 'caf\xc3\xa9');\n" % number for number in range(60))


def unpack(codec: Codec, archive: bytes, feed: int | None = None) -> bytes:
    """Read `archive` to its end, fed `feed` bytes at a time."""
    decompressor = Decompressor(codec)
    raw: list[bytes] = []
    for start in range(0, len(archive), feed or max(1, len(archive))):
        raw += decompressor.feed(archive[start : start + feed] if feed else archive)
    decompressor.close()
    return b"".join(raw)


def skippable(size: int, kind: int = 0) -> bytes:
    return struct.pack("<II", 0x184D2A50 + kind, size) + b"\x28" * size


# What a file is


@pytest.mark.parametrize("codec", PACKED)
def test_a_packed_file_is_recognised_by_its_first_bytes(codec: Codec) -> None:
    assert recognise(COMPRESS[codec](RAW)) is codec
    assert recognise(COMPRESS[codec](b"")) is codec


@pytest.mark.parametrize("codec", PACKED)
def test_an_archive_cut_within_its_magic_number_is_still_that_codec(codec: Codec) -> None:
    head = COMPRESS[codec](RAW)
    assert {recognise(head[:length]) for length in range(2, 12)} == {codec}


def test_every_codec_has_an_extension() -> None:
    assert set(EXTENSION) == set(Codec)
    assert EXTENSION[Codec.NONE] == EXTENSION[Codec.OPAQUE] == ""


@pytest.mark.parametrize("kind", [0x0, 0x7, 0xF])
@pytest.mark.parametrize(
    ("after", "codec"),
    [
        (compress_zstd(RAW), Codec.ZSTD),
        (compress_lz4(RAW), Codec.LZ4),
        (skippable(9) + compress_lz4(RAW), Codec.LZ4),
        (b"", Codec.ZSTD),
    ],
)
def test_skippable_frames_belong_to_the_frame_after_them(
    kind: int, after: bytes, codec: Codec
) -> None:
    assert recognise(skippable(300, kind) + after) is codec


def test_a_skippable_frame_larger_than_the_first_block_is_taken_for_zstd() -> None:
    assert recognise(skippable(2 * HEAD_SIZE)[:HEAD_SIZE]) is Codec.ZSTD


def tar_header() -> bytes:
    return b"base/PG_VERSION".ljust(257, b"\0") + b"ustar\x0000".ljust(255, b"\0")


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"x",
        b"(",
        b"CREATE TABLE t (id integer);\n",
        "INSERT INTO städte VALUES ('Yaoundé', '東京', '🦁');".encode(),
        "\ufeffCREATE DATABASE".encode(),
        "INSERT INTO villes VALUES ('Yaoundé', 'Nîmes')".encode("latin-1"),
        "INSERT INTO prix VALUES ('10 €', '“citation”')".encode("cp1252"),
        "CREATE TABLE café (id int)".encode("utf-16"),
        b"\xfe\xff" + "CREATE TABLE café (id int)".encode("utf-16-be"),
        b"-- MySQL dump 10.13\nINSERT INTO t VALUES (_binary '\x00\x01\xff\x81\x9d');",
        b"/*M!999999\\- enable the sandbox mode */ \n\xff\x00",
        b"PGDMP\x01\x0e\x00\x04\x08\x01\x01\x01",
        b"SQLite format 3\x00\x10\x00\x01\x01",
        tar_header(),
        b"TAPE\x00\x00\x03\x00\x8c\x00",
        b"MSSQLBAK\x02\x00\x00\x00",
        bytes.fromhex("6de29981") + b"\x42\x00\x00\x00",
    ],
)
def test_a_dump_in_the_open_is_recognised(head: bytes) -> None:
    assert recognise(head) is Codec.NONE


@pytest.mark.parametrize("character", ["é", "€", "🦁"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_text_whose_first_block_ends_inside_a_character_is_a_plain_dump(
    character: str, encoding: str
) -> None:
    text = ("-" + character * HEAD_SIZE).encode(encoding)
    for length in range(HEAD_SIZE - 5, HEAD_SIZE + 1):
        assert recognise(text[:length]) is Codec.NONE


NOISE = random.Random(20250612).randbytes(HEAD_SIZE)


@pytest.mark.parametrize(
    "head",
    [
        NOISE,
        NOISE[:100],
        b"CREATE TABLE t\0 (id integer);\n",
        b"caf\xe9 \x07",
        b"\xff\xfeA\x00\x00\x00",
        b"\xff\xfe\x00\xd8A\x00",
        b"Salted__\x8e\xa4\x11" + NOISE[:64],
        b"Salted__ by chance all of it text",
        b"U2FsdGVkX1+8c7xLrYx7",
        b"age-encryption.org/v1\n-> X25519 abcdef\n--- 0123\n",
        b"-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n",
        b"-----BEGIN PGP MESSAGE-----\n\nhQEMA\n",
        b"$ANSIBLE_VAULT;1.1;AES256\n6162\n",
        b"\x85\x01\x0c\x03" + NOISE[:64],
        b"PK\x03\x04\x14\x00\x00\x00\x08\x00",
        b"7z\xbc\xaf\x27\x1c\x00\x04",
        b"Rar!\x1a\x07\x01\x00",
        bytes.fromhex("02214c18") + b"\x10\x00\x00\x00",
        b"\x00",
        bytes(512),
    ],
)
def test_what_is_encrypted_or_unknown_is_opaque(head: bytes) -> None:
    assert recognise(head) is Codec.OPAQUE


@settings(deadline=None)
@given(st.binary(max_size=600))
def test_any_bytes_are_something(head: bytes) -> None:
    assert recognise(head) in Codec


# What is in it


@settings(deadline=None)
@given(
    codec=st.sampled_from(PACKED),
    parts=st.lists(st.binary(max_size=3000), min_size=1, max_size=4),
    repeat=st.integers(1, 50),
    feed=st.integers(1, 5000),
)
def test_content_comes_out_as_it_went_in(
    codec: Codec, parts: list[bytes], repeat: int, feed: int
) -> None:
    archive = b"".join(COMPRESS[codec](part * repeat) for part in parts)
    assert unpack(codec, archive, feed) == b"".join(part * repeat for part in parts)


@settings(deadline=None)
@given(raw=st.binary(max_size=1000), feed=st.integers(1, 100))
def test_a_plain_dump_passes_through(raw: bytes, feed: int) -> None:
    assert unpack(Codec.NONE, raw, feed) == raw


def test_an_opaque_file_has_no_decompressor() -> None:
    with pytest.raises(ValueError, match="opaque"):
        Decompressor(Codec.OPAQUE)


@pytest.mark.parametrize("codec", PACKED)
@pytest.mark.parametrize("feed", [1, 2, 3, 5, 7, None])
def test_empty_content_is_whole(codec: Codec, feed: int | None) -> None:
    assert unpack(codec, COMPRESS[codec](b""), feed) == b""


@pytest.mark.parametrize("codec", PACKED)
def test_a_member_boundary_may_fall_anywhere_between_two_feeds(codec: Codec) -> None:
    archive = COMPRESS[codec](b"first, ") + COMPRESS[codec](b"") + COMPRESS[codec](b"last")
    for cut in range(len(archive) + 1):
        decompressor = Decompressor(codec)
        raw = [*decompressor.feed(archive[:cut]), *decompressor.feed(archive[cut:])]
        decompressor.close()
        assert b"".join(raw) == b"first, last"
    assert unpack(codec, archive, feed=1) == b"first, last"


@pytest.mark.parametrize("codec", PACKED)
@pytest.mark.parametrize("feed", [1, 64, None])
def test_an_archive_cut_anywhere_is_truncated(codec: Codec, feed: int | None) -> None:
    archive = COMPRESS[codec](RAW)
    for length in range(len(archive)):
        with pytest.raises(BrokenArchive, match="truncated"):
            unpack(codec, archive[:length], feed)


@pytest.mark.parametrize("codec", PACKED)
def test_a_second_member_cut_anywhere_is_truncated(codec: Codec) -> None:
    first, second = COMPRESS[codec](b"first"), COMPRESS[codec](b"second")
    for length in range(1, len(second)):
        with pytest.raises(BrokenArchive, match="truncated"):
            unpack(codec, first + second[:length])


@pytest.mark.parametrize("codec", PACKED)
def test_a_flipped_bit_never_yields_other_content_as_whole(codec: Codec) -> None:
    archive = COMPRESS[codec](RAW)
    refused = 0
    for position in range(len(archive)):
        damaged = bytearray(archive)
        damaged[position] ^= 1 << (position % 8)
        try:
            # Some bits say nothing of the content: gzip's modification time, bzip2's last padding.
            assert unpack(codec, bytes(damaged)) == RAW
        except (BrokenArchive, TooDemanding):
            refused += 1
    assert refused > 0.9 * len(archive)


@pytest.mark.parametrize("codec", [Codec.GZIP, Codec.ZSTD, Codec.LZ4])
@pytest.mark.parametrize("feed", [1, None])
def test_a_checksum_failure_is_called_by_its_name(codec: Codec, feed: int | None) -> None:
    damaged = bytearray(COMPRESS[codec](RAW))
    checksum = len(damaged) - (8 if codec is Codec.GZIP else 4)
    damaged[checksum] ^= 1
    with pytest.raises(BrokenArchive, match="checksum failure"):
        unpack(codec, bytes(damaged), feed)


def test_a_gzip_member_whose_length_is_wrong_is_broken() -> None:
    damaged = bytearray(compress_gzip(RAW))
    damaged[-1] ^= 1
    with pytest.raises(BrokenArchive):
        unpack(Codec.GZIP, bytes(damaged))


@pytest.mark.parametrize("codec", PACKED)
@pytest.mark.parametrize("garbage", [b"x", b"\n", b"garbage", b"\xff" * 5000, NOISE])
@pytest.mark.parametrize("feed", [1000, None])
def test_bytes_after_the_end_are_trailing_garbage(
    codec: Codec, garbage: bytes, feed: int | None
) -> None:
    with pytest.raises(BrokenArchive, match="trailing garbage"):
        unpack(codec, COMPRESS[codec](RAW) + garbage, feed)


@pytest.mark.parametrize("codec", [codec for codec in PACKED if codec is not Codec.XZ])
def test_zeros_after_the_end_are_trailing_garbage_where_no_format_allows_them(codec: Codec) -> None:
    with pytest.raises(BrokenArchive, match="trailing garbage"):
        unpack(codec, COMPRESS[codec](RAW) + bytes(512))


@pytest.mark.parametrize("codec", PACKED)
def test_what_does_not_begin_as_its_codec_is_broken(codec: Codec) -> None:
    with pytest.raises(BrokenArchive, match="does not begin"):
        unpack(codec, b"CREATE TABLE")


@pytest.mark.parametrize("feed", [1, 3, None])
@pytest.mark.parametrize("padding", [4, 8, 5000])
def test_xz_streams_may_be_padded_by_fours(padding: int, feed: int | None) -> None:
    stream = lzma.compress(RAW)
    archive = stream + bytes(padding) + stream + bytes(padding)
    assert unpack(Codec.XZ, archive, feed) == RAW * 2


@pytest.mark.parametrize("feed", [1, 3, None])
@pytest.mark.parametrize("padding", [1, 2, 3, 5, 4999])
@pytest.mark.parametrize("after", [b"", lzma.compress(RAW)])
def test_other_xz_padding_is_corrupt(padding: int, after: bytes, feed: int | None) -> None:
    with pytest.raises(BrokenArchive, match=f"{padding} zero bytes"):
        unpack(Codec.XZ, lzma.compress(RAW) + bytes(padding) + after, feed)


def test_xz_padding_does_not_stand_first() -> None:
    with pytest.raises(BrokenArchive, match="does not begin"):
        unpack(Codec.XZ, bytes(4) + lzma.compress(RAW))


@pytest.mark.parametrize("codec", [Codec.ZSTD, Codec.LZ4])
@pytest.mark.parametrize("feed", [1, 3, None])
def test_skippable_frames_hold_no_content(codec: Codec, feed: int | None) -> None:
    frame = COMPRESS[codec](RAW)
    archive = skippable(5) + skippable(0) + frame + skippable(70_000, 3) + frame + skippable(1)
    assert unpack(codec, archive, feed) == RAW * 2


@pytest.mark.parametrize("codec", [Codec.ZSTD, Codec.LZ4])
def test_a_skippable_frame_that_is_cut_is_truncated(codec: Codec) -> None:
    with pytest.raises(BrokenArchive, match="truncated"):
        unpack(codec, COMPRESS[codec](RAW) + skippable(5)[:-1])


def gzip_with_header(flags: int, fields: bytes) -> bytes:
    header = b"\x1f\x8b\x08" + bytes([flags]) + b"\0\0\0\0\0\xff" + fields
    if flags & 2:
        header += struct.pack("<H", zlib.crc32(header) & 0xFFFF)
    return header + compress_gzip(RAW)[10:]


@pytest.mark.parametrize(
    ("flags", "fields"),
    [
        (1, b""),
        (2, b""),
        (4, b"\x05\x00extra"),
        (8, b"dump.sql\0"),
        (16, b"a comment\0"),
        (31, b"\x05\x00extra" + b"dump.sql\0" + b"a comment\0"),
    ],
)
@pytest.mark.parametrize("feed", [1, 5, 11, None])
def test_every_optional_gzip_header_is_understood(
    flags: int, fields: bytes, feed: int | None
) -> None:
    archive = gzip_with_header(flags, fields)
    assert unpack(Codec.GZIP, archive + archive, feed) == RAW * 2
    with pytest.raises(BrokenArchive, match="truncated"):
        unpack(Codec.GZIP, archive[:14], feed)


@pytest.mark.parametrize("flags", [0x20, 0x40, 0x80])
def test_reserved_gzip_flags_are_corrupt(flags: int) -> None:
    with pytest.raises(BrokenArchive, match="corrupt gzip data"):
        unpack(Codec.GZIP, gzip_with_header(flags, b""))


# What it may cost


@pytest.mark.parametrize("codec", PACKED)
@pytest.mark.parametrize("members", [1, 2])
def test_a_bomb_comes_out_in_bounded_pieces(codec: Codec, members: int) -> None:
    size = 48 * 1024**2
    archive = COMPRESS[codec](bytes(size)) * members
    decompressor = Decompressor(codec)
    tracemalloc.start()
    try:
        pieces = [len(piece) for piece in decompressor.feed(archive)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    decompressor.close()
    assert sum(pieces) == size * members
    assert max(pieces) <= CHUNK_SIZE
    assert peak < 12 * CHUNK_SIZE


def test_a_gzip_member_with_a_header_checksum_comes_out_in_bounded_pieces() -> None:
    raw = bytes(5 * CHUNK_SIZE)
    header = b"\x1f\x8b\x08\x02\0\0\0\0\0\xff"
    header += struct.pack("<H", zlib.crc32(header) & 0xFFFF)
    pieces = list(Decompressor(Codec.GZIP).feed(header + compress_gzip(raw)[10:]))
    assert b"".join(pieces) == raw
    assert max(map(len, pieces)) <= CHUNK_SIZE


def test_many_tiny_members_cost_copies_in_proportion_to_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    count = 20_000
    handed_back = 0
    genuine = igzip_lib.IgzipDecompressor

    class Weighed:
        def __init__(self, flag: int) -> None:
            self._genuine = genuine(flag=flag)

        def __getattr__(self, name: str) -> object:
            nonlocal handed_back
            value: object = getattr(self._genuine, name)
            if isinstance(value, bytes):
                handed_back += len(value)
            return value

    monkeypatch.setattr(igzip_lib, "IgzipDecompressor", Weighed)
    assert unpack(Codec.GZIP, compress_gzip(b"") * count) == b""
    assert 0 < handed_back <= count * 1024


@pytest.mark.parametrize("codec", PACKED)
def test_many_members_are_all_read(codec: Codec) -> None:
    members = [b"%d\n" % number for number in range(2000)]
    archive = b"".join(COMPRESS[codec](member) for member in members)
    assert unpack(codec, archive) == b"".join(members)
    assert unpack(codec, archive, feed=997) == b"".join(members)


def xz_with_dictionary(size: int) -> bytes:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": size}]
    return lzma.compress(b"small", filters=filters)


def zstd_with_window(log: int) -> bytes:
    """Make a frame of one raw block with nothing in it, whose header asks for 2**log bytes."""
    last_raw_block_of_none = b"\x01\x00\x00"
    return struct.pack("<IBB", 0xFD2FB528, 0, (log - 10) << 3) + last_raw_block_of_none


@pytest.mark.parametrize(
    ("codec", "archive"),
    [(Codec.XZ, xz_with_dictionary(128 << 20)), (Codec.ZSTD, zstd_with_window(28))],
)
def test_the_memory_of_the_highest_usual_levels_is_given(codec: Codec, archive: bytes) -> None:
    assert unpack(codec, archive) in (b"small", b"")


@pytest.mark.parametrize(
    ("codec", "archive"),
    [(Codec.XZ, xz_with_dictionary(512 << 20)), (Codec.ZSTD, zstd_with_window(29))],
)
@pytest.mark.parametrize("feed", [1, None])
def test_asking_for_more_memory_is_too_demanding(
    codec: Codec, archive: bytes, feed: int | None
) -> None:
    with pytest.raises(TooDemanding, match=codec.value):
        unpack(codec, archive, feed)


def test_a_zstd_frame_that_needs_a_dictionary_is_too_demanding() -> None:
    samples = [b"INSERT INTO t VALUES (%d, 'name %d');" % (n, n * n) for n in range(500)]
    dictionary = zstd.train_dict(samples, 4096)
    with pytest.raises(TooDemanding, match="ictionary"):
        unpack(Codec.ZSTD, zstd.compress(samples[7], zstd_dict=dictionary))


@pytest.mark.parametrize(
    ("staged", "bound"),
    [
        (0, RATIO_FLOOR),
        (1024, RATIO_FLOOR),
        (RATIO_FLOOR, RATIO_FLOOR * MAX_RATIO),
        (MAX_TOTAL, MAX_TOTAL),
    ],
)
def test_content_without_a_claim_has_a_bound(staged: int, bound: int) -> None:
    assert content_bound(staged) == bound


def mutations(archive: bytes) -> Iterator[bytes]:
    source = random.Random(len(archive))
    for _ in range(300):
        damaged = bytearray(archive)
        for _ in range(source.randint(1, 5)):
            damaged[source.randrange(len(damaged))] = source.randrange(256)
        yield bytes(damaged)


@pytest.mark.parametrize("codec", PACKED)
def test_damage_of_any_kind_is_found(codec: Codec) -> None:
    refused = 0
    for damaged in mutations(COMPRESS[codec](RAW) * 2):
        try:
            assert unpack(codec, damaged, feed=33) == RAW * 2
        except (BrokenArchive, TooDemanding):
            refused += 1
    assert refused > 200
