"""In which pieces a content comes does not matter; none costs memory, none breaks the watch."""

import hashlib
import os
import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scanner.pipeline.dump_kind import DumpKind
from scanner.pipeline.volatile import without_volatile
from scanner.pipeline.wholeness import WINDOW, ContentWatch, Dump

BLOCK = 1 << 20


def _watched(content: bytes, *, chunk: int = BLOCK) -> Dump:
    watch = ContentWatch()
    for start in range(0, len(content), chunk):
        watch.take(content[start : start + chunk])
    return watch.finish()


_KEY = b"dAGZxp8vek3pWhQiLwvh3HfSWYzgAbluNdea0z5WJF4cazjyn7lihAi9IjFUPBp"
_PG_END = b"\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict " + _KEY + b"\n\n"
STARTS = {
    "pg_dump": b"--\n-- PostgreSQL database dump\n--\n\n\\restrict " + _KEY + b"\n\nSET;\n",
    "pg_dump, old": b"--\n-- PostgreSQL database dump\n--\n\nSET;\n",
    "custom": b"PGDMP\x01\x0f\x00\x04\x08\x01\x01" + b"\0\1\2\3\4" * 7 + b"\1\1\0\0\0" * 3,
    "mysqldump": b"-- MySQL dump 10.13  Distrib 8.0.36\n",
    "sqlite": b"SQLite format 3\0\x02\0",
    "shell": b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n",
    "mssql": b"TAPE",
    "bak": b"MSSQLBAK",
    "mongo": b"\x6d\xe2\x99\x81",
    "pg_dump, tar": b"toc.dat\0" + bytes(249) + b"ustar\0",
    "tar": b"dump.sql" + bytes(249) + b"ustar\0",
    "unknown": b"hello",
}
ENDS = [b"", _PG_END, b";\n-- Dump completed on 2024-05-05 12:00:00\n", b"COMMIT;\n", bytes(1024)]
SIZES = [0, 100, WINDOW - 60, WINDOW, 2 * WINDOW - 200, 2 * WINDOW, 2 * WINDOW + 1, 6 * WINDOW]


def _stable_by_definition(kind: DumpKind, content: bytes) -> str:
    parts = [content]
    if len(content) > 2 * WINDOW:
        parts = [content[:WINDOW], content[WINDOW:-WINDOW], content[-WINDOW:]]
    parts[0] = without_volatile(kind, parts[0], is_start=True, is_end=len(parts) == 1)
    if len(parts) > 1:
        parts[-1] = without_volatile(kind, parts[-1], is_start=False, is_end=True)
    return hashlib.sha256(b"".join(parts)).hexdigest()


@settings(max_examples=150, deadline=None)
@given(
    start=st.sampled_from(sorted(STARTS)),
    filling=st.sampled_from([b"a row\tof text\n", bytes(16), b"\x01\0\0\0\0"]),
    size=st.sampled_from(SIZES) | st.integers(0, 3 * WINDOW),
    end=st.sampled_from(ENDS),
    chunks=st.lists(st.integers(0, 100_000) | st.integers(0, 9), min_size=1, max_size=8),
)
@example(start="pg_dump", filling=b"x\n", size=3 * WINDOW, end=_PG_END, chunks=[0, BLOCK])
def test_it_does_not_matter_in_which_pieces_a_content_comes(
    start: str, filling: bytes, size: int, end: bytes, chunks: list[int]
) -> None:
    content = STARTS[start] + (filling * (size // len(filling) + 1))[:size] + end
    whole = _watched(content)
    assert whole.size == len(content)
    assert whole.raw_sha256 == hashlib.sha256(content).hexdigest()
    assert whole.stable_sha256 == _stable_by_definition(whole.kind, content)

    watch = ContentWatch()
    buffer = memoryview(bytearray(max(chunks)))
    at = 0
    while at < len(content) and any(chunks):
        for count in chunks:
            piece = content[at : at + count]
            buffer[: len(piece)] = piece
            watch.take(buffer[: len(piece)])
            buffer[:] = bytes(len(buffer))  # a chunk is only good during the call
            at += len(piece)
    watch.take(content[at:])
    assert watch.finish() == whole


@pytest.mark.parametrize("start", STARTS)
def test_bytes_may_come_one_by_one(start: str) -> None:
    content = STARTS[start] + b"x\n" * (WINDOW + 100) + _PG_END
    assert _watched(content, chunk=1) == _watched(content)


@given(st.sampled_from(sorted(STARTS)), st.binary(max_size=3000))
def test_garbage_after_a_signature_never_breaks_the_watch(start: str, garbage: bytes) -> None:
    assert _watched(STARTS[start] + garbage).kind is _watched(STARTS[start]).kind


@pytest.mark.parametrize("start", STARTS)
def test_memory_does_not_grow_with_the_content(start: str) -> None:
    block = b"a row of text\n" * (BLOCK // 14)
    watch = ContentWatch()
    watch.take(STARTS[start])
    tracemalloc.start()
    try:
        for _ in range(32):
            watch.take(block)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    watch.finish()
    assert peak < BLOCK


MONGO = b"\x6d\xe2\x99\x81" + (20).to_bytes(4, "little") + bytes(16)


@pytest.mark.parametrize(
    ("content", "kind", "least"),
    [
        (b"TAPE" + bytes(1020), DumpKind.MSSQL, 512),
        (b"MSSQLBAK" + bytes(1016), DumpKind.MSSQL, 512),
        (MONGO + bytes(100), DumpKind.MONGO, 24),
    ],
)
def test_of_some_formats_at_least_the_header_must_be_there(
    content: bytes, kind: DumpKind, least: int
) -> None:
    assert _watched(content) == _watched(content, chunk=1)
    assert (_watched(content).kind, _watched(content).defect) == (kind, "")
    assert _watched(content[:least]).defect == ""
    assert [n for n in range(1, least) if "is cut" not in _watched(content[:n]).defect] == []


@pytest.mark.parametrize("content", [b"", b"x", b"INSERT INTO t VALUES (1)", os.urandom(300_000)])
def test_of_what_nobody_knows_nothing_is_said(content: bytes) -> None:
    dump = _watched(content)
    digest = hashlib.sha256(content).hexdigest()
    assert dump == Dump(DumpKind.UNKNOWN, "", len(content), digest, digest)
