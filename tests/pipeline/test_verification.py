import bz2
import gzip
import hashlib
import io
import lzma
import os
import random
import sys
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import lz4.frame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.errors import FileChanged
from scanner.pipeline import archive
from scanner.pipeline.archive import Codec
from scanner.pipeline.verification import (
    BLOCK_SIZE,
    ArchiveState,
    Level,
    Measurement,
    StagedFile,
    measure,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 1024**2
RAW = b"".join(b"INSERT INTO t VALUES (%d, 'x');\n" % number for number in range(3000))
COMPRESS: dict[Codec, Callable[[bytes], bytes]] = {
    Codec.GZIP: gzip.compress,
    Codec.ZSTD: zstd.compress,
    Codec.XZ: lzma.compress,
    Codec.BZIP2: bz2.compress,
    Codec.LZ4: lambda raw: bytes(lz4.frame.compress(raw, content_checksum=True)),
}
PACKED = tuple(COMPRESS)
UNPACKED_LEVELS = (Level.ARCHIVE, Level.CONTENT)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def ctime(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(status.st_ctime, UTC)


def measured(
    file: StagedFile, level: Level = Level.CONTENT, claimed: int | None = None
) -> Measurement:
    return measure(file, level=level, claimed_content_size=claimed, changed_at=ctime)


def measure_path(
    path: Path, level: Level = Level.CONTENT, claimed: int | None = None
) -> Measurement:
    with path.open("rb") as file:
        return measured(file, level, claimed)


def measure_bytes(
    folder: Path, data: bytes, level: Level = Level.CONTENT, claimed: int | None = None
) -> Measurement:
    path = folder / "staged.sql.gz"
    path.write_bytes(data)
    return measure_path(path, level, claimed)


def findings(measurement: Measurement) -> tuple[object, ...]:
    """Everything that must not depend on when and how the file was read."""
    return (
        measurement.size,
        measurement.sha256,
        measurement.codec,
        measurement.archive,
        measurement.archive_error,
        measurement.content_size,
        measurement.content_sha256,
        measurement.exceeds_claim,
    )


# Levels


def test_levels_are_ordered_by_how_far_they_go() -> None:
    assert sorted(Level, key=lambda level: level.rank) == [
        Level.PRESENT,
        Level.DIGEST,
        Level.ARCHIVE,
        Level.CONTENT,
        Level.RESTORED,
    ]


@pytest.mark.parametrize("level", [Level.PRESENT, Level.RESTORED])
def test_what_no_reading_can_tell_is_not_measured(tmp_path: Path, level: Level) -> None:
    with pytest.raises(ValueError, match=level.value):
        measure_bytes(tmp_path, RAW, level)


@pytest.mark.parametrize("codec", PACKED)
@pytest.mark.parametrize("level", [Level.DIGEST, Level.ARCHIVE, Level.CONTENT])
def test_a_whole_archive_is_read_as_far_as_the_level_asks(
    tmp_path: Path, codec: Codec, level: Level
) -> None:
    staged = COMPRESS[codec](RAW)
    found = measure_bytes(tmp_path, staged, level)
    tested = level is not Level.DIGEST
    assert findings(found) == (
        len(staged),
        sha256(staged),
        codec,
        ArchiveState.WHOLE if tested else ArchiveState.UNTESTED,
        "",
        len(RAW) if tested else None,
        sha256(RAW) if level is Level.CONTENT else None,
        False,
    )


@pytest.mark.parametrize("level", [Level.DIGEST, Level.ARCHIVE, Level.CONTENT])
@pytest.mark.parametrize("data", [RAW, b""])
def test_a_plain_dump_is_its_own_content(tmp_path: Path, level: Level, data: bytes) -> None:
    found = measure_bytes(tmp_path, data, level)
    tested = level is not Level.DIGEST
    assert findings(found) == (
        len(data),
        sha256(data),
        Codec.NONE,
        ArchiveState.WHOLE if tested else ArchiveState.UNTESTED,
        "",
        len(data) if tested else None,
        sha256(data) if level is Level.CONTENT else None,
        False,
    )


@pytest.mark.parametrize("level", [Level.DIGEST, Level.ARCHIVE, Level.CONTENT])
def test_an_opaque_file_is_digested_only(tmp_path: Path, level: Level) -> None:
    secret = b"Salted__" + random.Random(1).randbytes(5000)
    found = measure_bytes(tmp_path, secret, level, claimed=10)
    assert findings(found) == (
        len(secret),
        sha256(secret),
        Codec.OPAQUE,
        ArchiveState.UNTESTED,
        "",
        None,
        None,
        False,
    )


@pytest.mark.parametrize("name", ["dump.sql", "dump.sql.gz", "dump.zip", "dump"])
def test_the_extension_says_nothing(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(zstd.compress(RAW))
    found = measure_path(path)
    assert (found.codec, found.content_sha256) == (Codec.ZSTD, sha256(RAW))


@pytest.mark.parametrize("codec", PACKED)
def test_an_archive_of_nothing_holds_zero_bytes(tmp_path: Path, codec: Codec) -> None:
    found = measure_bytes(tmp_path, COMPRESS[codec](b""))
    assert (found.archive, found.content_size) == (ArchiveState.WHOLE, 0)
    assert found.content_sha256 == sha256(b"")


def test_the_time_of_the_last_change_is_read_from_the_files_metadata(tmp_path: Path) -> None:
    path = tmp_path / "dump.sql"
    path.write_bytes(RAW)
    assert measure_path(path).changed_at == ctime(path.stat())


@pytest.mark.parametrize("size", [BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, 3 * BLOCK_SIZE + 7])
def test_a_file_of_several_blocks_is_read_whole(tmp_path: Path, size: int) -> None:
    noise = random.Random(size).randbytes(size)
    plain = noise.hex().encode()[:size]
    assert findings(measure_bytes(tmp_path, plain))[:2] == (size, sha256(plain))
    staged = gzip.compress(noise, 1) + gzip.compress(b"more", 1)
    found = measure_bytes(tmp_path, staged)
    assert findings(found)[:2] == (len(staged), sha256(staged))
    assert (found.content_size, found.content_sha256) == (size + 4, sha256(noise + b"more"))


# Broken archives


@pytest.mark.parametrize("codec", PACKED)
@pytest.mark.parametrize("level", UNPACKED_LEVELS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_archive_is_broken(
    tmp_path: Path, codec: Codec, level: Level, share: float
) -> None:
    whole = COMPRESS[codec](RAW)
    staged = whole[: int(len(whole) * share)]
    found = measure_bytes(tmp_path, staged, level)
    assert (found.codec, found.archive) == (codec, ArchiveState.BROKEN)
    assert "truncated" in found.archive_error
    assert (found.content_size, found.content_sha256) == (None, None)
    assert (found.size, found.sha256) == (len(staged), sha256(staged))


@pytest.mark.parametrize("codec", PACKED)
def test_after_a_defect_the_file_is_digested_to_its_end(tmp_path: Path, codec: Codec) -> None:
    staged = COMPRESS[codec](RAW) + b"garbage" + random.Random(2).randbytes(3 * BLOCK_SIZE)
    found = measure_bytes(tmp_path, staged)
    assert found.archive is ArchiveState.BROKEN
    assert "trailing garbage" in found.archive_error
    assert (found.size, found.sha256) == (len(staged), sha256(staged))


def test_nobody_looks_for_a_defect_at_level_digest(tmp_path: Path) -> None:
    found = measure_bytes(tmp_path, gzip.compress(RAW)[:-1], Level.DIGEST)
    assert (found.archive, found.archive_error) == (ArchiveState.UNTESTED, "")


# Claims and bounds


@pytest.mark.parametrize("codec", [*PACKED, Codec.NONE])
@pytest.mark.parametrize("excess", [0, 1, 10**15])
def test_content_within_its_claim_is_whole(tmp_path: Path, codec: Codec, excess: int) -> None:
    staged = COMPRESS.get(codec, bytes)(RAW)
    found = measure_bytes(tmp_path, staged, claimed=len(RAW) + excess)
    assert (found.archive, found.exceeds_claim) == (ArchiveState.WHOLE, False)
    assert (found.content_size, found.content_sha256) == (len(RAW), sha256(RAW))


@pytest.mark.parametrize("codec", PACKED)
@pytest.mark.parametrize("level", UNPACKED_LEVELS)
@pytest.mark.parametrize("claimed", [0, 1, len(RAW) - 1])
def test_reading_of_content_stops_once_it_is_larger_than_claimed(
    tmp_path: Path, codec: Codec, level: Level, claimed: int
) -> None:
    staged = COMPRESS[codec](RAW)
    found = measure_bytes(tmp_path, staged, level, claimed)
    assert (found.archive, found.exceeds_claim) == (ArchiveState.BOUNDED, True)
    assert f"{claimed:,}" in found.archive_error
    assert (found.content_size, found.content_sha256) == (None, None)
    assert (found.size, found.sha256) == (len(staged), sha256(staged))


def test_what_follows_a_bound_is_not_looked_at(tmp_path: Path) -> None:
    staged = gzip.compress(RAW) + random.Random(4).randbytes(2 * BLOCK_SIZE)
    found = measure_bytes(tmp_path, staged, claimed=1)
    assert (found.archive, found.exceeds_claim) == (ArchiveState.BOUNDED, True)
    assert (found.size, found.sha256) == (len(staged), sha256(staged))


def test_a_plain_dump_larger_than_claimed_is_known_all_the_same(tmp_path: Path) -> None:
    found = measure_bytes(tmp_path, RAW, claimed=len(RAW) - 1)
    assert (found.archive, found.exceeds_claim) == (ArchiveState.WHOLE, True)
    assert (found.content_size, found.content_sha256) == (len(RAW), sha256(RAW))


def test_empty_content_does_not_exceed_a_claim_of_zero(tmp_path: Path) -> None:
    found = measure_bytes(tmp_path, gzip.compress(b""), claimed=0)
    assert (found.archive, found.content_size, found.exceeds_claim) == (
        ArchiveState.WHOLE,
        0,
        False,
    )


@pytest.fixture(scope="module")
def bombs(tmp_path_factory: pytest.TempPathFactory) -> dict[Codec, Path]:
    """Archives of 1 GiB of zeros. Gzip's ratio ends at 1,032, so that its bomb is 1 MiB large."""
    folder = tmp_path_factory.mktemp("bombs")
    zeros = bytes(64 * MIB)
    paths = {codec: folder / codec for codec in (Codec.GZIP, Codec.ZSTD)}
    member = gzip.compress(zeros, 6)
    paths[Codec.GZIP].write_bytes(member * 16)
    compressor = zstd.ZstdCompressor()
    frame = [compressor.compress(zeros) for _ in range(16)]
    paths[Codec.ZSTD].write_bytes(b"".join([*frame, compressor.flush()]))
    return paths


@pytest.mark.parametrize("codec", [Codec.GZIP, Codec.ZSTD])
@pytest.mark.parametrize(
    ("claimed", "archive_state", "exceeds"),
    [
        (None, ArchiveState.BOUNDED, False),
        (2 * MIB, ArchiveState.BOUNDED, True),
        (1024 * MIB, ArchiveState.WHOLE, False),
    ],
)
def test_a_bomb_costs_bounded_memory_and_stops_at_its_bound(
    bombs: dict[Codec, Path],
    codec: Codec,
    claimed: int | None,
    archive_state: ArchiveState,
    exceeds: bool,
) -> None:
    tracemalloc.start()
    try:
        found = measure_path(bombs[codec], Level.ARCHIVE, claimed)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (found.archive, found.exceeds_claim) == (archive_state, exceeds)
    assert found.content_size == (1024 * MIB if archive_state is ArchiveState.WHOLE else None)
    assert found.sha256 == sha256(bombs[codec].read_bytes())
    assert peak < 12 * MIB


@pytest.mark.parametrize(
    ("codec", "pack"),
    [
        (Codec.GZIP, lambda raw: gzip.compress(raw, 6)),
        (Codec.ZSTD, zstd.compress),
        (Codec.XZ, lambda raw: lzma.compress(raw, preset=1)),
    ],
)
@pytest.mark.parametrize("claimed", [None, 256 * MIB])
@pytest.mark.slow
def test_10_mib_that_would_unpack_to_10_gib_are_given_up_early(
    tmp_path: Path, codec: Codec, pack: Callable[[bytes], bytes], claimed: int | None
) -> None:
    member = pack(bytes(64 * MIB))
    bomb = tmp_path / "bomb"
    with bomb.open("wb") as file:
        file.write(pack(random.Random(1).randbytes(max(0, 10 * MIB - 160 * len(member)))))
        for _ in range(160):
            file.write(member)
    assert bomb.stat().st_size < 11 * MIB
    bound = claimed or archive.content_bound(bomb.stat().st_size)
    assert bound < 2.2 * 1024 * MIB
    tracemalloc.start()
    try:
        found = measure_path(bomb, Level.CONTENT, claimed)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (found.codec, found.archive) == (codec, ArchiveState.BOUNDED)
    assert found.exceeds_claim == (claimed is not None)
    assert f"more than {'the claimed ' if claimed else ''}{bound:,} bytes" in found.archive_error
    assert (found.content_size, found.content_sha256, found.dump_kind) == (None, None, "")
    assert peak < 24 * MIB


def test_the_claim_of_a_liar_does_not_lift_the_bound_on_the_total(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scanner.pipeline.verification.MAX_TOTAL", 5 * MIB)
    found = measure_bytes(tmp_path, gzip.compress(bytes(6 * MIB)), claimed=10**15)
    assert (found.archive, found.exceeds_claim) == (ArchiveState.BOUNDED, False)
    assert "5,242,880" in found.archive_error


def test_a_small_archive_of_zeros_is_innocent(tmp_path: Path) -> None:
    staged = bz2.compress(bytes(16 * MIB))
    assert len(staged) * archive.MAX_RATIO < 16 * MIB
    found = measure_bytes(tmp_path, staged)
    assert (found.archive, found.content_size) == (ArchiveState.WHOLE, 16 * MIB)


def test_an_archive_that_asks_for_too_much_memory_hits_a_bound(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 512 * MIB}]
    found = measure_bytes(tmp_path, lzma.compress(RAW, filters=filters), claimed=len(RAW))
    assert (found.archive, found.exceeds_claim) == (ArchiveState.BOUNDED, False)
    assert "emory" in found.archive_error


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "large.sql"
    with path.open("wb") as file:
        file.write(b"-- a dump that is mostly a hole\n")
        file.truncate(64 * MIB)
    tracemalloc.start()
    try:
        found = measure_path(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (found.codec, found.content_size) == (Codec.NONE, 64 * MIB)
    assert peak < 3 * MIB


# Files that change or fail while they are read


class Interposed(io.FileIO):
    """A staged file whose reading lets somebody else act first."""

    def __init__(self, path: Path, act: Callable[[int], None], most: int = 1000) -> None:
        super().__init__(path)
        self._act = act
        self._most = most
        self._reads = 0

    def readinto(self, buffer: object, /) -> int | None:
        self._act(self._reads)
        self._reads += 1
        assert isinstance(buffer, memoryview)
        return super().readinto(buffer[: self._most])


def wait_for_the_clock_of_files(path: Path) -> None:
    """Let so much time pass that a change of `path` now has another time than its last one."""
    probe = path.with_name("probe")
    while True:
        probe.write_bytes(b"x")
        if probe.stat().st_ctime_ns > path.stat().st_ctime_ns:
            return


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def shrink(path: Path) -> None:
    os.truncate(path, 5)


def rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"X")


def replace(path: Path) -> None:
    successor = path.with_name(".staged.aBcDeF")
    successor.write_bytes(b"another dump")
    successor.rename(path)


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (grow, "size"),
        (shrink, "size"),
        (rewrite, "modification time"),
        (replace, "change time"),
        (remove, "change time"),
    ],
)
@pytest.mark.parametrize("read", [0, 1, 2])
@pytest.mark.parametrize("packed", [True, False])
def test_a_file_that_changes_while_it_is_read_is_not_measured(
    tmp_path: Path,
    change: Callable[[Path], None],
    named: str,
    read: int,
    packed: bool,
) -> None:
    path = tmp_path / "staged"
    path.write_bytes(gzip.compress(random.Random(3).randbytes(1200)) if packed else RAW[:1200])

    def act(reads: int) -> None:
        if reads == read:
            wait_for_the_clock_of_files(path)
            change(path)

    with Interposed(path, act) as file, pytest.raises(FileChanged, match=named):
        measured(file)


def test_a_file_that_grows_for_ever_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "staged.sql"
    path.write_bytes(RAW)

    def act(reads: int) -> None:
        assert reads < 100, "it is read on and on"
        with path.open("ab") as file:
            file.write(bytes(BLOCK_SIZE))

    with Interposed(path, act, BLOCK_SIZE) as file, pytest.raises(FileChanged, match="size"):
        measured(file)


def test_a_disk_that_fails_is_an_error_and_no_finding(tmp_path: Path) -> None:
    path = tmp_path / "staged.bz2"
    path.write_bytes(bz2.compress(RAW))

    def act(reads: int) -> None:
        if reads == 1:
            raise OSError(5, "Input/output error")

    with Interposed(path, act) as file, pytest.raises(OSError, match="Input/output error"):
        measured(file)


@settings(deadline=None)
@given(
    codec=st.sampled_from([*PACKED, Codec.NONE]),
    raw=st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=2000),
    read=st.integers(1, 3000),
)
def test_content_is_measured_as_it_went_in_however_the_file_is_read(
    tmp_path_factory: pytest.TempPathFactory, codec: Codec, raw: str, read: int
) -> None:
    content = b"-- " + raw.encode()
    path = tmp_path_factory.getbasetemp() / "staged"
    path.write_bytes(COMPRESS.get(codec, bytes)(content))
    with Interposed(path, lambda _reads: None, read) as file:
        found = measured(file, claimed=len(content))
    assert found.codec is codec
    assert (found.archive, found.exceeds_claim) == (ArchiveState.WHOLE, False)
    assert (found.content_size, found.content_sha256) == (len(content), sha256(content))
    assert (found.size, found.sha256) == (path.stat().st_size, sha256(path.read_bytes()))


def test_files_are_measured_in_threads_as_they_are_alone(tmp_path: Path) -> None:
    paths = []
    for number, codec in enumerate(PACKED * 3):
        path = tmp_path / str(number)
        path.write_bytes(COMPRESS[codec](RAW * (number + 1)))
        paths.append(path)
    with ThreadPoolExecutor(4) as pool:
        together = [findings(found) for found in pool.map(measure_path, paths)]
    assert together == [findings(measure_path(path)) for path in paths]
