"""Each file of the vault is seen, and read as it stands there; nothing leads out of it."""

import errno
import hashlib
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import Any, Self

import pytest

from scanner.errors import VaultError
from scanner.pipeline import openat, patrol
from scanner.pipeline.patrol import (
    Absent,
    Found,
    NotRegular,
    StoredFile,
    Strange,
    Unreadable,
    examine,
    open_copy,
    walk,
)

PATH = PurePosixPath("ACME/DOUALA/NEWBELL/DB/DB_20260302_125606.sql.gz")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Give where a copy stands; the vault is `tmp_path`."""
    file = tmp_path / PATH
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x" * 1000)
    return file


# --- One copy -------------------------------------------------------------------------------------


def test_a_copy_is_read_to_its_end(tmp_path: Path, copy: Path) -> None:
    content = os.urandom(2 * patrol.BLOCK + 1)
    copy.write_bytes(content)
    found = Found(len(content), hashlib.sha256(content).hexdigest())
    assert examine(tmp_path, PATH) == examine(tmp_path, str(PATH)) == found


@pytest.mark.parametrize("gone", [PATH, PATH.parent, PurePosixPath("ACME")])
def test_a_copy_whose_file_or_folder_is_gone_is_absent(
    tmp_path: Path, copy: Path, gone: PurePosixPath
) -> None:
    (tmp_path / gone).rename(tmp_path / "elsewhere")
    assert examine(tmp_path, PATH) == Absent()


def make_link(file: Path) -> None:
    file.with_name("other").write_bytes(b"x")
    file.symlink_to("other")


def make_dangling_link(file: Path) -> None:
    file.symlink_to("nowhere")


def make_socket(file: Path) -> None:
    there = Path.cwd()
    os.chdir(file.parent)  # a socket's path is short
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(file.name)
    finally:
        os.chdir(there)


@pytest.mark.parametrize(
    "make", [make_link, make_dangling_link, Path.mkdir, os.mkfifo, make_socket]
)
def test_what_is_no_regular_file_is_told_apart(tmp_path: Path, copy: Path, make: Any) -> None:
    copy.unlink()
    make(copy)
    found = examine(tmp_path, PATH)
    assert isinstance(found, NotRegular)
    assert copy.name in found.words


def test_a_copy_behind_a_folder_that_is_a_link_is_not_read(tmp_path: Path, copy: Path) -> None:
    (tmp_path / "ACME").rename(tmp_path / "elsewhere")
    (tmp_path / "ACME").symlink_to("elsewhere")
    assert isinstance(examine(tmp_path, PATH), NotRegular)


def test_a_copy_that_the_disk_cannot_give_is_unreadable(
    tmp_path: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Rotten(BufferedReader):
        def readinto(self, buffer: Any, /) -> int:
            if self.tell() >= patrol.BLOCK:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return super().readinto(buffer)

    copy.write_bytes(b"x" * 2 * patrol.BLOCK)
    real = openat.open_regular

    def open_rotten(directory: int, name: str) -> BufferedReader:
        return Rotten(real(directory, name).detach())

    monkeypatch.setattr(patrol, "open_regular", open_rotten)
    assert examine(tmp_path, PATH) == Unreadable("Input/output error, after 1,048,576 bytes")


def test_a_copy_that_this_server_may_not_open_is_unreadable(
    tmp_path: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refuse(name: Any, *arguments: Any, **options: Any) -> int:
        if name == PATH.name:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(name, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    found = examine(tmp_path, PATH)
    assert (found, type(found)) == (Unreadable("Permission denied"), Unreadable)


def test_without_the_vault_nothing_is_known_of_a_copy(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="cannot be read: No such file"):
        examine(tmp_path / "not mounted", PATH)


class Enough(Exception):
    """Raised by a callback to stop."""


@pytest.mark.parametrize("stop", [Enough, InterruptedError])
def test_a_reading_can_be_stopped_between_blocks(
    tmp_path: Path, copy: Path, stop: type[Exception]
) -> None:
    copy.write_bytes(b"x" * 3 * patrol.BLOCK)
    read: list[int] = []

    def on_block(count: int) -> None:
        read.append(count)
        if len(read) == 2:
            raise stop

    with pytest.raises(stop):
        examine(tmp_path, PATH, on_block=on_block)
    assert read == [patrol.BLOCK] * 2


def test_a_callback_is_told_of_each_byte_once(tmp_path: Path, copy: Path) -> None:
    copy.write_bytes(b"x" * (patrol.BLOCK + 5))
    read: list[int] = []
    examine(tmp_path, PATH, on_block=read.append)
    assert read == [patrol.BLOCK, 5]


def test_what_was_read_is_not_kept_in_memory(
    tmp_path: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy.write_bytes(b"x" * (patrol.BLOCK + 5))
    advice: list[tuple[int, int, int]] = []
    monkeypatch.setattr(
        os, "posix_fadvise", lambda _, offset, count, what: advice.append((offset, count, what))
    )
    examine(tmp_path, PATH)
    forget = os.POSIX_FADV_DONTNEED
    assert advice == [(0, 0, forget), (0, patrol.BLOCK, forget), (patrol.BLOCK, 5, forget)]


def test_a_copy_is_opened_for_reading(tmp_path: Path, copy: Path) -> None:
    with open_copy(tmp_path, PATH) as stream:
        assert stream.read() == b"x" * 1000
    copy.unlink()
    with pytest.raises(VaultError, match=r"cannot be read: .* is not there"):
        open_copy(tmp_path, PATH)


# --- All of them ----------------------------------------------------------------------------------


def walked(root: Path) -> dict[str, StoredFile | Strange]:
    return {str(seen.relative): seen for seen in walk(root)}


def test_a_walk_tells_each_file_with_its_size_and_last_change(tmp_path: Path, copy: Path) -> None:
    (tmp_path / "stray").write_bytes(b"x")
    changed = datetime.fromtimestamp(copy.stat().st_ctime, UTC)
    seen = walked(tmp_path)
    assert set(seen) == {str(PATH), "stray"}
    assert seen[str(PATH)] == StoredFile(PATH, 1000, changed)


def test_a_walk_leaves_out_what_is_being_written_and_what_the_file_system_keeps(
    tmp_path: Path,
) -> None:
    for folder in (".incoming", "lost+found", "ACME/.incoming"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "file").touch()
    assert set(walked(tmp_path)) == {"ACME/.incoming/file"}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (make_link, "is a link, not a regular file"),
        (make_dangling_link, "is a link, not a regular file"),
        (os.mkfifo, "is a device, a FIFO or a socket, not a regular file"),
        (make_socket, "is a device, a FIFO or a socket, not a regular file"),
    ],
)
def test_strange_things_are_told_as_such(tmp_path: Path, copy: Path, make: Any, words: str) -> None:
    copy.unlink()
    make(copy)
    assert walked(tmp_path)[str(PATH)] == Strange(PATH, words)


def test_a_walk_follows_no_link_to_a_folder(tmp_path: Path, copy: Path) -> None:
    (tmp_path / "again").symlink_to("ACME")
    (copy.parent / "circle").symlink_to(tmp_path)
    seen = walked(tmp_path)
    assert set(seen) == {str(PATH), "again", str(PATH.parent / "circle")}
    assert isinstance(seen["again"], Strange)


def test_a_name_that_is_no_text_is_told_as_the_file_system_has_it(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff\xfe")).touch()
    assert [os.fsencode(seen.relative) for seen in walk(tmp_path)] == [b"\xff\xfe"]


def test_a_folder_that_cannot_be_opened_does_not_end_the_walk(
    tmp_path: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "BAD").mkdir()
    real = os.open

    def refuse(name: Any, *arguments: Any, **options: Any) -> int:
        if name == "BAD":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(name, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    seen = walked(tmp_path)
    assert set(seen) == {str(PATH), "BAD"}
    words = "the folder cannot be opened: Permission denied"
    assert seen["BAD"] == Strange(PurePosixPath("BAD"), words)


def test_a_folder_that_cannot_be_read_to_its_end_does_not_end_the_walk(
    tmp_path: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / "BAD" / name).mkdir(parents=True)
        (tmp_path / "BAD" / name / "file").touch()
    (tmp_path / "ACME/file").touch()
    real = os.scandir

    class Torn:
        """A listing that breaks off after its first entry."""

        def __init__(self, folder: int) -> None:
            self._entries = real(folder)
            self._given = False

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self._entries.close()

        def __iter__(self) -> Iterator[os.DirEntry[str]]:
            return self

        def __next__(self) -> os.DirEntry[str]:
            if self._given:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            self._given = True
            return next(self._entries)

    bad = (tmp_path / "BAD").stat().st_ino
    monkeypatch.setattr(
        os, "scandir", lambda fd: Torn(fd) if os.fstat(fd).st_ino == bad else real(fd)
    )
    seen = walked(tmp_path)
    assert len(seen) == 4
    assert set(seen) > {str(PATH), "ACME/file", "BAD"}
    words = "the folder cannot be read to its end: Input/output error"
    assert seen["BAD"] == Strange(PurePosixPath("BAD"), words)


def test_what_goes_during_a_walk_is_not_told(
    tmp_path: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = openat.open_directory

    def remove_first(parent: int, name: str) -> int:
        if name == PATH.parent.name:
            copy.unlink()
            copy.parent.rmdir()
        return real(parent, name)

    monkeypatch.setattr(patrol, "open_directory", remove_first)
    assert walked(tmp_path) == {}


def test_a_walk_goes_only_so_deep(tmp_path: Path) -> None:
    deep = PurePosixPath(*("d" * (patrol.DEEPEST + 3)))
    (tmp_path / deep).mkdir(parents=True)
    (tmp_path / deep / "file").touch()
    (strange,) = walk(tmp_path)
    assert isinstance(strange, Strange)
    assert len(strange.relative.parts) == patrol.DEEPEST + 1
    assert "not walked into" in strange.words


def test_a_walk_that_is_given_up_leaves_nothing_open(tmp_path: Path, copy: Path) -> None:
    def opened() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = opened()
    steps = walk(tmp_path)
    next(steps)
    assert opened() > before
    steps.close()
    assert opened() == before


def test_a_vault_that_cannot_be_listed_is_not_empty(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="cannot be read: No such file"):
        next(walk(tmp_path / "not mounted"))
