import tracemalloc
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.pipeline import pg_archive
from scanner.pipeline.pg_archive import PgArchiveWalk

VERSIONS = [(1, minor) for minor in range(10, 17)]
NO_DATA, POSITION_SET, POSITION_NOT_SET = 3, 2, 1


@dataclass
class Archive:
    """An archive as pg_dump would write it, or as it would not."""

    version: tuple[int, int] = (1, 14)
    integer_size: int = 4
    flags: dict[int, int] = field(
        default_factory=lambda: {5: NO_DATA, 9: POSITION_SET, 7: POSITION_NOT_SET}
    )
    blocks: tuple[int, ...] = (7, 9)

    def integer(self, number: int) -> bytes:
        return bytes([number < 0]) + abs(number).to_bytes(self.integer_size, "little")

    def string(self, text: bytes | None) -> bytes:
        return self.integer(-1) if text is None else self.integer(len(text)) + text

    def header(self) -> bytes:
        compression = b"\1" if self.version >= (1, 15) else self.integer(-1)
        made = b"".join(map(self.integer, (1, 2, 3, 4, 5, 124, 0)))
        names = self.string("Größe".encode()) + self.string(b"15.18") * 2
        sizes = bytes([*self.version, 0, self.integer_size, 8, 1])
        return b"PGDMP" + sizes + compression + made + names

    def entry(self, identity: int, flag: int) -> bytes:
        parts = [self.integer(identity), self.integer(flag != NO_DATA)]
        parts += [self.string(text) for text in (b"1259", b"16384", b"a table", b"TABLE DATA")]
        if self.version >= (1, 11):
            parts.append(self.integer(3))
        parts += [self.string(text) for text in (b"CREATE", b"", b"COPY", b"public", None)]
        if self.version >= (1, 14):
            parts.append(self.string(None))
        if self.version >= (1, 16):
            parts.append(self.integer(ord("r")))
        parts += [self.string(text) for text in (b"owner", b"false", b"5", b"123", None)]
        return b"".join([*parts, bytes([flag]), bytes(8)])

    def contents(self) -> bytes:
        entries = [self.entry(identity, flag) for identity, flag in self.flags.items()]
        return self.integer(len(entries)) + b"".join(entries)

    def chunks(self, *sizes: int) -> bytes:
        return b"".join(self.integer(size) + b"\1" * size for size in (*sizes, 0))

    def table(self, identity: int) -> bytes:
        return b"\1" + self.integer(identity) + self.chunks(1, 4096, 300)

    def large_objects(self, identity: int) -> bytes:
        objects = (self.integer(oid) + self.chunks(*sizes) for oid, sizes in ((16, [9]), (17, [])))
        return b"\3" + self.integer(identity) + b"".join(objects) + self.integer(0)

    def data(self) -> bytes:
        return b"".join(
            self.large_objects(block) if block == 9 else self.table(block) for block in self.blocks
        )

    def content(self) -> bytes:
        return self.header() + self.contents() + self.data()


def _finding(content: bytes, *, chunk: int = 1 << 20) -> str:
    walk = PgArchiveWalk()
    view = memoryview(content)
    for start in range(0, len(content), chunk):
        walk.take(view[start : start + chunk])
    return walk.finish()


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
@pytest.mark.parametrize("integer_size", [4, 8])
@pytest.mark.parametrize("version", VERSIONS)
def test_an_archive_of_each_known_version_is_walked_to_its_end(
    version: tuple[int, int], integer_size: int, chunk: int
) -> None:
    content = Archive(version, integer_size).content()
    assert _finding(content, chunk=chunk) == ""
    assert "cut" in _finding(content[:-1], chunk=chunk)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_archive_that_is_cut_anywhere_is_not_whole(version: tuple[int, int]) -> None:
    content = Archive(version).content()
    assert [n for n in range(len(content)) if "is cut" not in _finding(content[:n])] == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (Archive().header()[:20], "in its header"),
        (Archive().header() + Archive().contents()[:-60], "entry 3 of 3"),
        (Archive().header() + Archive().contents(), "2 of its data blocks are missing"),
        (Archive(blocks=(7,)).content(), "1 of its data blocks"),
        (Archive().content()[:-1], "in its data"),
    ],
)
def test_a_cut_archive_says_where_it_ends(content: bytes, words: str) -> None:
    assert words in _finding(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (Archive(blocks=(7, 9, 7)).content(), "no. 7"),
        (Archive(blocks=(7, 5)).content(), "no. 5"),
        (Archive(blocks=(1000,)).content(), "no. 1,000"),
        (Archive().content() + b"\n", "in its data"),
        (Archive().content() + b"garbage!", "damaged"),
        (Archive(flags={0: NO_DATA}, blocks=()).content(), "no. 0"),
        (Archive(flags={pg_archive.MAX_ID + 1: NO_DATA}, blocks=()).content(), "no. 67,108,865"),
        (Archive(flags={1: 0}, blocks=()).content(), "entry 1"),
        (Archive().header() + Archive().integer(-4), "-4 entries"),
        (Archive().header() + b"\7\0\0\0\0", "sign"),
        (Archive(integer_size=4).content().replace(b"\4\x08\1", b"\5\x08\1", 1), "integers of 5"),
        (Archive(integer_size=4).content().replace(b"\4\x08\1", b"\4\x09\1", 1), "offsets of 9"),
        (
            Archive().header()
            + Archive().contents()
            + b"\1"
            + Archive().integer(7)
            + b"\1\5\0\0\0",
            "-5 bytes long",
        ),
        (Archive().header() + Archive().contents() + b"\2" + Archive().integer(7), "kind 2"),
    ],
)
def test_what_cannot_be_in_an_archive_is_a_defect(content: bytes, words: str) -> None:
    assert words in _finding(content)
    assert words in _finding(content, chunk=1)


@pytest.mark.parametrize(
    "content",
    [
        Archive((1, 17)).content()[:-9],
        Archive((2, 0)).content()[:-9],
        Archive((1, 9)).content()[:-9],
        Archive().content().replace(b"\4\x08\1", b"\4\x08\3", 1)[:-9],  # a tar's table of contents
    ],
)
def test_of_a_version_or_a_format_that_nobody_knows_nothing_is_said(content: bytes) -> None:
    assert _finding(content) == ""


def test_an_archive_without_data_is_whole() -> None:
    assert _finding(Archive(flags={5: NO_DATA}, blocks=()).content()) == ""
    assert _finding(Archive(flags={}, blocks=()).content()) == ""


def test_an_entry_that_is_listed_twice_has_one_block() -> None:
    archive = Archive(flags={7: POSITION_SET}, blocks=(7,))
    entry = archive.entry(7, POSITION_SET)
    assert _finding(archive.header() + archive.integer(2) + entry * 2 + archive.data()) == ""


def test_a_walk_that_costs_too_much_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pg_archive, "FREE_STEPS", 1000)
    archive = Archive(flags={7: POSITION_SET}, blocks=())
    start = archive.header() + archive.contents() + b"\1" + archive.integer(7)
    assert "cut" in _finding(start + (archive.integer(100) + bytes(100)) * 5000, chunk=4096)
    assert _finding(start + (archive.integer(1) + b"x") * 5000, chunk=4096) == ""


def test_memory_does_not_grow_with_what_a_hostile_table_of_contents_claims() -> None:
    archive = Archive(flags={}, blocks=())
    block = memoryview(bytes(1 << 20))
    start = archive.header() + archive.integer(2**31 - 1)
    start += archive.integer(1) * 2 + archive.integer(2**32 - 1)
    walk = PgArchiveWalk()
    walk.take(memoryview(start))
    tracemalloc.start()
    try:
        for _ in range(64):
            walk.take(block)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * 1024
    assert "table of contents" in walk.finish()


@given(
    place=st.integers(0, len(Archive().content()) - 1),
    byte=st.integers(0, 255),
    chunk=st.integers(1, 6000),
)
def test_a_changed_byte_never_breaks_the_walk(place: int, byte: int, chunk: int) -> None:
    content = bytearray(Archive().content())
    content[place] = byte
    assert _finding(bytes(content), chunk=chunk) == _finding(bytes(content))


@given(st.binary(max_size=400), st.sampled_from(VERSIONS))
def test_garbage_after_a_header_never_breaks_the_walk(
    garbage: bytes, version: tuple[int, int]
) -> None:
    assert isinstance(_finding(Archive(version).header() + garbage), str)
    assert isinstance(_finding(b"PGDMP" + garbage), str)
