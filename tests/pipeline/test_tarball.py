import io
import tarfile
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.pipeline.tarball import TarWalk

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
NAMES = ("toc.dat", "3045.dat", "blobs.toc", "restore.sql")


def _tar(
    form: int = tarfile.USTAR_FORMAT, names: Iterable[str] = NAMES, sizes: Iterable[int] = ()
) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as tar:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        for name, size in zip(names, sizes or (700, 0, 512, 5000), strict=True):
            member = tarfile.TarInfo(name)
            member.size = size
            tar.addfile(member, io.BytesIO(b"x" * size))
        tar.addfile(folder)
    return file.getvalue()


def _without_filling(content: bytes) -> bytes:
    return content.rstrip(b"\0") + bytes(-len(content.rstrip(b"\0")) % 512) + bytes(1024)


def _finding(content: bytes, *, of_pg_dump: bool = False, chunk: int = 1 << 20) -> str:
    walk = TarWalk(of_pg_dump=of_pg_dump)
    view = memoryview(content)
    for start in range(0, len(content), chunk):
        walk.take(view[start : start + chunk])
    return walk.finish()


def _header(size: bytes = b"00000000144\0", kind: bytes = b"0", **at: bytes) -> bytes:
    block = bytearray(512)
    block[:4] = b"name"
    block[124:136] = size
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[257:263] = b"ustar\0"
    for place, data in at.items():
        offset = int(place.removeprefix("at_"))
        block[offset : offset + len(data)] = data
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


END = bytes(1024)


@pytest.mark.parametrize("of_pg_dump", [True, False])
@pytest.mark.parametrize("chunk", [1, 511, 1 << 20])
@pytest.mark.parametrize("form", FORMATS)
def test_a_whole_tar_file_of_each_format_has_no_defect(
    form: int, chunk: int, of_pg_dump: bool
) -> None:
    content = _tar(form, ("a" * 90 + "/" + "b" * 90, *NAMES[1:]))
    assert _finding(content, of_pg_dump=of_pg_dump, chunk=chunk) == ""


def test_a_tar_file_of_pg_dump_that_is_cut_anywhere_is_not_whole() -> None:
    content = _without_filling(_tar())
    assert _finding(content, of_pg_dump=True) == ""
    passed = [n for n in range(len(content)) if not _finding(content[:n], of_pg_dump=True)]
    assert passed == []


def test_another_tar_file_is_not_whole_when_it_ends_inside_a_member_or_a_header() -> None:
    content = _without_filling(_tar())
    passed = [n for n in range(len(content)) if not _finding(content[:n])]
    # What begins with nothing, or ends where the next member could stand: after each of five
    # members, and between the two blocks of zeros.
    assert passed == [0, 1536, 2048, 3072, 8704, 9216, 9728]


@pytest.mark.parametrize(
    "content",
    [
        _header(b"\x80" + bytes(10) + b"\x64") + bytes(512),  # base 256
        _header(b"        144 ") + bytes(512),
        _header(kind=b"2"),  # a link has no bytes, whatever its size says
        _header(kind=b"5"),
        _header(kind=b"S", at_482=b"\1") + bytes(504) + b"\1" + bytes(7) + bytes(512) + bytes(512),
        _header(b"00000000014\0", b"x")
        + b"12 size=512\n"
        + bytes(500)
        + _header(b"0" * 11 + b"\0")
        + bytes(512),
    ],
    ids=["base-256", "blanks", "link", "folder", "sparse", "pax-size"],
)
def test_the_size_of_a_member_is_read_in_each_way_it_is_written(content: bytes) -> None:
    assert _finding(content + END, of_pg_dump=True) == ""
    assert _finding(content + END, of_pg_dump=True, chunk=1) == ""
    assert "cut" in _finding(content[:-1])


def test_a_checksum_over_signed_bytes_is_right_too() -> None:
    block = bytearray(_header(at_0=b"\xe9"))
    signed = sum(byte - 256 * (byte > 127) for byte in block) - sum(block[148:156]) + 8 * 32
    block[148:156] = b"%06o\0 " % signed
    assert _finding(bytes(block) + bytes(512) + END, of_pg_dump=True) == ""


@pytest.mark.parametrize(
    "broken",
    [b"x" * 512, _header()[:-1] + b"!", _header(b"0000000014x\0"), _header(b"99999999999\0")],
)
def test_a_header_that_cannot_be_read_is_a_defect_of_pg_dumps_alone(broken: bytes) -> None:
    content = _header() + bytes(512) + broken + END
    assert "after 1 members" in _finding(content, of_pg_dump=True)
    assert _finding(content) == ""


def test_a_pax_header_of_any_size_is_not_kept() -> None:
    content = _header(b"%011o\0" % (1 << 20), b"x") + bytes(1 << 20)
    assert _finding(content[:-1], of_pg_dump=True) == ""


@given(st.binary(max_size=1200), st.booleans(), st.integers(1, 600))
def test_garbage_never_breaks_the_walk(garbage: bytes, of_pg_dump: bool, chunk: int) -> None:
    content = _header() + bytes(512) + garbage
    found = _finding(content, of_pg_dump=of_pg_dump)
    assert found == _finding(content, of_pg_dump=of_pg_dump, chunk=chunk)
