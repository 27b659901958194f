"""How a copy's bytes get there: by the kernel or by hand, with room to spare, never half."""

import errno
import fcntl
import hashlib
import os
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import pytest

from scanner.errors import FileChanged, VaultError
from scanner.pipeline import vault, vault_writing

PATH = PurePosixPath("ACME/DOUALA/NEWBELL/DB/DB_20260302_125606.sql.gz")
CONTENT = os.urandom(10_000)
KernelCopy = Callable[..., int]


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "vault"


@pytest.fixture(name="source")
def source_fixture(tmp_path: Path) -> Iterator[BinaryIO]:
    """Give an open staged file, that was read before."""
    staged = tmp_path / "staged"
    staged.write_bytes(CONTENT)
    with staged.open("rb") as source:
        source.read(100)
        yield source


def files(root: Path) -> list[str]:
    return sorted(str(file.relative_to(root)) for file in root.rglob("*") if file.is_file())


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


# --- The kernel's copy, and what to do without ----------------------------------------------------


def refuse(number: int) -> KernelCopy:
    def copy_file_range(*arguments: int) -> int:
        raise OSError(number, os.strerror(number))

    return copy_file_range


def after_some(then: KernelCopy) -> KernelCopy:
    """Copy some bytes the first time, and then do otherwise."""
    real = os.copy_file_range
    calls: list[int] = []

    def copy_file_range(staged: int, copy: int, count: int, offset: int) -> int:
        calls.append(count)
        if len(calls) == 1:
            return real(staged, copy, 1234, offset)
        return then(staged, copy, count, offset)

    return copy_file_range


SILENT = ("EXDEV", "EINVAL", "ENOSYS", "EOPNOTSUPP", "ETXTBSY", "EBADF", "EPERM", "EIO")


@pytest.mark.parametrize(
    "kernel",
    [
        pytest.param(os.copy_file_range, id="whole"),
        pytest.param(after_some(os.copy_file_range), id="in pieces"),
        pytest.param(lambda *_: 0, id="nothing"),
        pytest.param(after_some(lambda *_: 0), id="not to the end"),
        *(pytest.param(refuse(getattr(errno, name)), id=name) for name in SILENT),
        pytest.param(after_some(refuse(errno.EINVAL)), id="EINVAL later"),
    ],
)
def test_whatever_the_kernel_can_the_copy_has_the_bytes(
    root: Path, source: BinaryIO, monkeypatch: pytest.MonkeyPatch, kernel: KernelCopy
) -> None:
    monkeypatch.setattr(os, "copy_file_range", kernel)
    assert vault.promote(source, root, PATH, digest(CONTENT)) == PATH
    assert (root / PATH).read_bytes() == CONTENT
    assert files(root) == [str(PATH)]


@pytest.mark.parametrize("kernel", [os.copy_file_range, refuse(errno.EXDEV)])
def test_an_empty_file_can_be_copied(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: KernelCopy
) -> None:
    monkeypatch.setattr(os, "copy_file_range", kernel)
    (tmp_path / "empty").touch()
    with (tmp_path / "empty").open("rb") as source:
        vault.promote(source, root, PATH, digest(b""))
    assert (root / PATH).read_bytes() == b""


def test_the_kernel_is_asked_before_bytes_are_written_by_hand(
    root: Path, source: BinaryIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy_by_kernel(staged: int, copy: int, count: int, offset: int) -> int:
        return os.pwrite(copy, os.pread(staged, count, offset), offset)

    monkeypatch.setattr(os, "copy_file_range", copy_by_kernel)
    monkeypatch.setattr(os, "write", refuse(errno.EIO))
    vault.promote(source, root, PATH, digest(CONTENT))
    assert (root / PATH).read_bytes() == CONTENT


def test_what_the_kernel_copied_is_proven_by_reading_the_copy(
    root: Path, source: BinaryIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy_badly(staged: int, copy: int, count: int, offset: int) -> int:
        return os.write(copy, b"\0" * count)

    monkeypatch.setattr(os, "copy_file_range", copy_badly)
    with pytest.raises(FileChanged):
        vault.promote(source, root, PATH, digest(CONTENT))
    assert files(root) == []


@pytest.mark.parametrize("kernel", [os.copy_file_range, refuse(errno.EXDEV)])
def test_a_staged_file_with_other_bytes_by_now_is_not_kept(
    root: Path, source: BinaryIO, monkeypatch: pytest.MonkeyPatch, kernel: KernelCopy
) -> None:
    monkeypatch.setattr(os, "copy_file_range", kernel)
    with pytest.raises(FileChanged):
        vault.promote(source, root, PATH, digest(b"other"))
    assert files(root) == []


def test_a_staged_file_that_grows_while_the_kernel_copies_is_not_kept(
    root: Path, source: BinaryIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.copy_file_range

    def copy_while_it_grows(staged: int, copy: int, count: int, offset: int) -> int:
        with (tmp_path / "staged").open("ab") as agent:
            agent.write(b"more")
        return real(staged, copy, count, offset)

    monkeypatch.setattr(os, "copy_file_range", copy_while_it_grows)
    with pytest.raises(FileChanged):
        vault.promote(source, root, PATH, digest(CONTENT))
    assert files(root) == []


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EFBIG", "EROFS"])
def test_a_full_disk_is_not_filled_a_second_time(
    root: Path, source: BinaryIO, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    written: list[int] = []
    monkeypatch.setattr(os, "copy_file_range", refuse(getattr(errno, name)))
    monkeypatch.setattr(os, "write", lambda *_: written.append(1))
    with pytest.raises(VaultError, match=os.strerror(getattr(errno, name))):
        vault.promote(source, root, PATH, digest(CONTENT))
    assert (files(root), written) == ([], [])


@pytest.mark.parametrize("kernel", [os.copy_file_range, refuse(errno.EXDEV)])
def test_memory_does_not_grow_with_the_file(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: KernelCopy
) -> None:
    monkeypatch.setattr(os, "copy_file_range", kernel)
    size = 24 * 2**20
    sha256 = digest(bytes(size))
    with (tmp_path / "large").open("w+b") as source:
        source.truncate(size)
        tracemalloc.start()
        try:
            vault.promote(source, root, PATH, sha256)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 4 * 2**20


# --- Room -----------------------------------------------------------------------------------------


def with_free(status: os.statvfs_result, **changes: int) -> os.statvfs_result:
    names = (
        *("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail"),
        *("f_files", "f_ffree", "f_favail", "f_flag", "f_namemax"),
    )
    return os.statvfs_result([changes.get(name, getattr(status, name)) for name in names])


def test_the_free_bytes_of_a_vault_that_is_not_made_yet_are_told(tmp_path: Path) -> None:
    free = vault.free_bytes(tmp_path / "not" / "yet")
    assert free is not None
    assert free > 0


def test_a_vault_whose_room_cannot_be_told_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VaultError, match=r"room .* cannot be told: Not a directory"):
        vault.free_bytes(tmp_path / "file" / "vault")


def test_a_copy_that_would_touch_the_reserve_is_refused_in_numbers(
    root: Path, source: BinaryIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fstatvfs

    def nearly_full(descriptor: int) -> os.statvfs_result:
        return with_free(real(descriptor), f_frsize=1000, f_bavail=14)

    monkeypatch.setattr(os, "fstatvfs", nearly_full)
    words = "14,000 bytes are free, the copy needs 10,000 and a reserve of 4,001 has to stay free"
    with pytest.raises(VaultError, match=words):
        vault.promote(source, root, PATH, digest(CONTENT), reserve=4001)
    assert files(root) == []
    vault.promote(source, root, PATH, digest(CONTENT), reserve=4000)
    assert files(root) == [str(PATH)]


def test_a_reserve_larger_than_the_disk_lets_nothing_in(root: Path, source: BinaryIO) -> None:
    with pytest.raises(VaultError, match="has to stay free"):
        vault.promote(source, root, PATH, digest(CONTENT), reserve=2**70)
    with pytest.raises(VaultError, match="has to stay free"):
        vault.replace(source, root, PATH, digest(CONTENT), reserve=2**70)
    assert files(root) == []


@pytest.mark.parametrize("kernel", [os.copy_file_range, refuse(errno.EXDEV)])
def test_room_that_others_take_meanwhile_is_noticed(
    root: Path, source: BinaryIO, monkeypatch: pytest.MonkeyPatch, kernel: KernelCopy
) -> None:
    real = os.fstatvfs
    looks: list[int] = []

    def taken_by_others(descriptor: int) -> os.statvfs_result:
        looks.append(descriptor)
        return with_free(real(descriptor), f_frsize=1000, f_bavail=14 if len(looks) < 3 else 4)

    monkeypatch.setattr(vault_writing, "BLOCK", 1000)
    monkeypatch.setattr(vault_writing, "KERNEL_BLOCK", 1000)
    monkeypatch.setattr(os, "copy_file_range", kernel)
    monkeypatch.setattr(os, "fstatvfs", taken_by_others)
    with pytest.raises(VaultError, match=r"4,000 bytes are free, the copy needs [89],000"):
        vault.promote(source, root, PATH, digest(CONTENT))
    assert files(root) == []


def test_a_file_system_that_does_not_tell_its_room_is_written_to(
    root: Path, source: BinaryIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, real_path = os.fstatvfs, os.statvfs
    nothing = {"f_blocks": 0, "f_bavail": 0}
    monkeypatch.setattr(os, "fstatvfs", lambda fd: with_free(real(fd), **nothing))
    monkeypatch.setattr(os, "statvfs", lambda path: with_free(real_path(path), **nothing))
    assert vault.free_bytes(root) is None
    assert vault.promote(source, root, PATH, digest(CONTENT), reserve=2**40) == PATH


# --- Modes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o277])
def test_files_are_0440_and_folders_0750_whatever_the_umask(
    root: Path, source: BinaryIO, mask: int
) -> None:
    if mask == 0o277 and os.geteuid() != 0:
        mask = 0o077  # without any power, a folder that its owner cannot enter is of no use
    with umask(mask):
        vault.promote(source, root, PATH, digest(CONTENT))
    assert (root / PATH).stat().st_mode & 0o7777 == 0o440
    made = [root, root / vault.INCOMING, *((root / folder) for folder in PATH.parents)]
    assert {folder.stat().st_mode & 0o7777 for folder in made} == {0o750}


def test_folders_that_were_there_keep_their_modes(root: Path, source: BinaryIO) -> None:
    for folder, mode in ((root, 0o700), (root / "ACME", 0o755)):
        folder.mkdir()
        folder.chmod(mode)
    vault.promote(source, root, PATH, digest(CONTENT))
    modes = [folder.stat().st_mode & 0o7777 for folder in (root, root / "ACME")]
    assert modes == [0o700, 0o755]


def test_a_file_system_without_modes_takes_copies(
    root: Path, source: BinaryIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fchmod", refuse(errno.EPERM))
    vault.promote(source, root, PATH, digest(CONTENT))
    assert (root / PATH).read_bytes() == CONTENT


# --- What is being written ------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", [os.copy_file_range, refuse(errno.EXDEV)])
def test_a_copy_that_is_being_written_is_not_swept_away(
    root: Path, source: BinaryIO, monkeypatch: pytest.MonkeyPatch, kernel: KernelCopy
) -> None:
    real = os.fsync
    seen: list[list[str]] = []

    def sweep_first(descriptor: int) -> None:
        vault.sweep(root)
        seen.append(files(root))
        real(descriptor)

    (root / vault.INCOMING).mkdir(parents=True)
    (root / vault.INCOMING / "left").touch()
    monkeypatch.setattr(os, "copy_file_range", kernel)
    monkeypatch.setattr(os, "fsync", sweep_first)
    vault.promote(source, root, PATH, digest(CONTENT))
    assert [len(some) for some in seen] == [*(0 for _ in PATH.parents[1:]), 1, 1]
    assert files(root) == [str(PATH)]


def test_without_locks_a_copy_that_was_swept_away_is_not_taken_for_written(
    root: Path, source: BinaryIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.rename

    def sweep_first(*arguments: Any, **folders: Any) -> None:
        vault.sweep(root)
        real(*arguments, **folders)

    monkeypatch.setattr(fcntl, "flock", refuse(errno.ENOLCK))
    monkeypatch.setattr(os, "rename", sweep_first)
    with pytest.raises(VaultError, match="No such file"):
        vault.promote(source, root, PATH, digest(CONTENT))
    assert files(root) == []


def test_sweeping_takes_links_and_leaves_what_they_lead_to(root: Path, tmp_path: Path) -> None:
    incoming = root / vault.INCOMING
    incoming.mkdir(parents=True)
    outside = tmp_path / "outside"
    outside.touch()
    (incoming / "link").symlink_to(outside)
    os.mkfifo(incoming / "fifo")
    vault.sweep(root)
    assert list(incoming.iterdir()) == []
    assert outside.exists()


def test_sweeping_does_not_follow_an_incoming_that_is_a_link(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine").touch()
    root.mkdir()
    (root / vault.INCOMING).symlink_to(outside)
    vault.sweep(root)
    assert (outside / "mine").exists()


# --- What is on the disk when ---------------------------------------------------------------------


@pytest.fixture(name="events")
def events_fixture(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give what is flushed and renamed from now on, in order; paths are below the vault."""
    events: list[str] = []
    fsync, rename = os.fsync, os.rename

    def record_flush(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(root)
        events.append("the new file" if path.parent.name == vault.INCOMING else str(path))
        fsync(descriptor)

    def record_rename(*arguments: Any, **folders: Any) -> None:
        events.append("rename")
        rename(*arguments, **folders)

    root.mkdir()
    monkeypatch.setattr(os, "fsync", record_flush)
    monkeypatch.setattr(os, "rename", record_rename)
    return events


@pytest.mark.parametrize("kernel", [os.copy_file_range, refuse(errno.EXDEV)])
def test_folders_are_flushed_then_the_bytes_then_the_name(
    root: Path,
    source: BinaryIO,
    events: list[str],
    monkeypatch: pytest.MonkeyPatch,
    kernel: KernelCopy,
) -> None:
    monkeypatch.setattr(os, "copy_file_range", kernel)
    vault.promote(source, root, PATH, digest(CONTENT))
    above = [str(folder) for folder in reversed(PATH.parent.parents)]
    assert events == [*above, ".", "the new file", "rename", str(PATH.parent)]


def test_the_name_of_a_copy_that_is_found_is_flushed_before_it_counts(
    root: Path, source: BinaryIO, events: list[str]
) -> None:
    (root / PATH).parent.mkdir(parents=True)
    (root / PATH).write_bytes(CONTENT)
    vault.promote(source, root, PATH, digest(CONTENT))
    assert events == [str(PATH.parent)]


def test_a_removal_is_on_the_disk_when_it_is_told(
    root: Path, source: BinaryIO, events: list[str]
) -> None:
    vault.promote(source, root, PATH, digest(CONTENT))
    events.clear()
    vault.remove(root, PATH)
    assert events == [str(folder) for folder in PATH.parents]
