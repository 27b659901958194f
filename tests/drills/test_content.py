"""What comes out of a copy, and what is said when it is not what it should be."""

import gzip
import io
import os
from typing import BinaryIO

import pytest

from scanner.drills.content import ENDS, Content
from scanner.drills.outcome import CannotRestore, CannotTry
from scanner.pipeline.dump_kind import DumpKind
from tests.agent import PACK, dump_of, sha256
from tests.drills.contents import MOST, content_of

DUMP = dump_of("x", rows=100_000)


def opened(packed: bytes, codec: str = "gzip", digest: str = "", *, most: int = MOST) -> Content:
    return Content(io.BytesIO(packed), codec=codec, sha256=digest or sha256(packed), most=most)


@pytest.mark.parametrize("extension", sorted(PACK))
@pytest.mark.parametrize("dump", [DUMP, b"-- MySQL dump \n", b""], ids=["large", "small", "empty"])
def test_the_dump_comes_out_whole_whether_its_kind_was_asked_for_or_not(
    dump: bytes, extension: str
) -> None:
    content = content_of(dump, extension)
    kind = content.begin("")
    assert kind is (DumpKind.MYSQL if dump else DumpKind.UNKNOWN)
    assert content.head == dump[:ENDS]
    assert b"".join(content) == dump
    assert content.tail == dump[-ENDS:]
    assert content.size == len(dump)
    assert content.packed == len(PACK[extension](dump))
    assert not content.is_damaged()
    assert b"".join(content_of(dump, extension)) == dump


def test_the_kind_on_record_is_believed() -> None:
    assert content_of(DUMP).begin("sqlite") is DumpKind.SQLITE


@pytest.mark.parametrize("codec", ["", "unheard of"])
def test_a_codec_that_is_not_on_record_is_told_by_the_bytes(codec: str) -> None:
    assert b"".join(opened(gzip.compress(DUMP), codec)) == DUMP


def test_a_copy_with_other_bytes_than_on_record_is_damaged() -> None:
    content = opened(gzip.compress(DUMP), digest="0" * 64)
    with pytest.raises(CannotRestore, match="its SHA-256 is not the one on record"):
        b"".join(content)
    assert content.is_damaged()


@pytest.mark.parametrize("place", [1000, -10])
def test_a_copy_that_cannot_be_decompressed_is_told(place: int) -> None:
    whole = gzip.compress(DUMP)
    packed = bytearray(whole)
    packed[place] ^= 1
    content = opened(bytes(packed), digest=sha256(whole))
    with pytest.raises(CannotRestore, match="cannot be decompressed"):
        b"".join(content)
    assert content.is_damaged()


def test_whether_it_is_damaged_is_known_without_restoring_it_all() -> None:
    packed = os.urandom(3 * 2**20)
    content = opened(packed, "none")
    next(iter(content))
    assert not content.is_damaged()
    changed = opened(packed[:-1] + b"x", "none", sha256(packed))
    next(iter(changed))
    assert changed.is_damaged()


def test_no_more_than_was_allowed_comes_out() -> None:
    content = content_of(bytes(2**26), ".gz", most=2**20)
    with pytest.raises(CannotTry, match="larger than 1,048,576 bytes"):
        b"".join(content)
    assert content.size < 2**22


def test_what_nobody_can_read_is_not_tried() -> None:
    with pytest.raises(CannotTry, match="encrypted"):
        opened(os.urandom(1000), "opaque").begin("")


class _Failing(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell():
            raise OSError(5, "Input/output error")
        return super().read(size)


def test_a_disk_that_fails_is_told() -> None:
    file: BinaryIO = _Failing(os.urandom(3 * 2**20))
    content = Content(file, codec="none", sha256="0" * 64, most=MOST)
    with pytest.raises(CannotRestore, match="the copy cannot be read: Input/output error"):
        b"".join(content)
    assert content.is_damaged()


def test_the_end_of_a_dump_is_looked_at() -> None:
    for dump, defect in ((DUMP, ""), (DUMP[:-10], "the end of the mysqldump output is missing")):
        content = content_of(dump)
        b"".join(content)
        assert content.ending_defect(DumpKind.MYSQL).startswith(defect)
        assert bool(content.ending_defect(DumpKind.MYSQL)) == bool(defect)
