"""How a copy gets into the vault's tree, in an order that leaves none half under a final name.

1. The copy's folder is made, so that what is in its way is known before any bytes are copied.
2. The bytes go into a new file in INCOMING, which stays locked meanwhile. The kernel copies them,
   and they are read back to be hashed; or, where it cannot, they are hashed on their way.
3. The file with the right digest gets its mode and is flushed to the disk.
4. It is renamed into its folder, and the folder is flushed. A removal may have taken the empty
   folder meanwhile: then it is made again.
"""

import errno
import fcntl
import hashlib
import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from uuid import uuid4

from scanner.errors import FileAbsent, FileChanged, UnsafeFile, VaultError
from scanner.pipeline.vault_tree import (
    INCOMING,
    TRIES,
    made_folder,
    make_folder,
    open_folder,
    set_mode,
    steps_to,
    vault_side,
)

FILE_MODE = 0o440
BLOCK = 2**20
"""Bytes that are read and written at once."""
KERNEL_BLOCK = 64 * 2**20
"""Bytes that the kernel is asked to copy at once; in between, the room is looked at again."""
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})


def free_bytes(vault: Path) -> int | None:
    """Give how many bytes may still be written to the vault, or to where it is going to be made.

    None when its file system does not say, as some across a network. Raise VaultError when it
    cannot be asked.
    """
    with vault_side(f"the room in the vault {vault} cannot be told"):
        for folder in (vault, *vault.parents):
            with suppress(FileNotFoundError):
                return _free(os.statvfs(folder))
    return None


def put(
    source: BinaryIO, vault: Path, relative: PurePosixPath | str, sha256: str, *, reserve: int
) -> None:
    """Put the bytes of an open file under a name in the vault, whatever stood there before.

    At every instant the name has either what it had, or all the new bytes. `reserve` is how many
    bytes must stay free. Raise VaultError when the vault cannot take them, FileChanged when the
    bytes are not those of `sha256`, OSError when `source` cannot be read. Safe in threads.
    """
    steps = steps_to(relative)
    what = f"{relative} cannot be written to the vault {vault}"
    with ExitStack() as opened:
        with vault_side(what):
            make_folder(vault, steps[:-1])
            incoming = opened.enter_context(made_folder(vault, (INCOMING,)))
        name = uuid4().hex
        opened.callback(_discard, incoming, name)
        _write(source, incoming, name, sha256=sha256, reserve=reserve, what=what)
        with vault_side(what):
            _rename(incoming, name, vault, steps)


def sweep(vault: Path) -> None:
    """Remove what killed processes left half written; what a living one writes is locked."""
    with (
        suppress(OSError, FileAbsent, UnsafeFile, VaultError),
        open_folder(vault, (INCOMING,)) as incoming,
        os.scandir(incoming) as entries,
    ):
        for entry in entries:
            if not _is_locked(incoming, entry.name):
                _discard(incoming, entry.name)


def _free(status: os.statvfs_result) -> int | None:
    return status.f_bavail * status.f_frsize if status.f_blocks else None


def _require_room(descriptor: int, needed: int, reserve: int) -> None:
    free = _free(os.fstatvfs(descriptor))
    if free is not None and free - needed < reserve:
        raise OSError(
            errno.ENOSPC,
            f"no room: {free:,} bytes are free, the copy needs {needed:,} and a reserve of "
            f"{reserve:,} has to stay free",
        )


def _write(
    source: BinaryIO, incoming: int, name: str, *, sha256: str, reserve: int, what: str
) -> None:
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
    with vault_side(what):
        copy = os.open(name, flags, 0o600, dir_fd=incoming)
    try:
        with suppress(OSError):  # not every file system has locks
            fcntl.flock(copy, fcntl.LOCK_EX | fcntl.LOCK_NB)
        digest = _copied_by_kernel(source, copy, reserve, what)
        if digest is None:
            digest = _copied_here(source, copy, reserve, what)
        if digest != sha256:
            raise FileChanged("the staged file changed between reading and copying it")
        with vault_side(what):
            set_mode(copy, FILE_MODE)
            os.fsync(copy)
    finally:
        with suppress(OSError):  # whatever a close could tell, fsync has told
            os.close(copy)


def _copied_by_kernel(source: BinaryIO, copy: int, reserve: int, what: str) -> str | None:
    """Let the kernel copy, and the two files share their blocks if the file system can do that.

    Give the digest of what stands in the copy then; or None where this is not to be had. What
    fails for another reason than the vault's fullness is left for reading and writing to find out:
    those tell whose fault it is.
    """
    if not hasattr(os, "copy_file_range"):
        return None
    try:
        staged = source.fileno()
    except OSError:  # not a file
        return None
    size = source.seek(0, os.SEEK_END)
    done = 0
    while done < size:
        with vault_side(what):
            _require_room(copy, size - done, reserve)
            try:
                count = os.copy_file_range(staged, copy, min(KERNEL_BLOCK, size - done), done)
            except OSError as error:
                if error.errno in _NO_ROOM:
                    raise
                return None
        if count == 0:
            return None
        done += count
    if source.seek(0, os.SEEK_END) != size:  # more came meanwhile
        return None
    with vault_side(what):
        os.lseek(copy, 0, os.SEEK_SET)
        with os.fdopen(copy, "rb", buffering=0, closefd=False) as written:
            return hashlib.file_digest(written, "sha256").hexdigest()


def _copied_here(source: BinaryIO, copy: int, reserve: int, what: str) -> str:
    size = source.seek(0, os.SEEK_END)
    source.seek(0)
    digest = hashlib.sha256()
    done = 0
    with vault_side(what):
        os.ftruncate(copy, 0)
        os.lseek(copy, 0, os.SEEK_SET)
    while block := source.read(BLOCK):
        digest.update(block)
        with vault_side(what):
            _require_room(copy, max(size - done, len(block)), reserve)
            _write_whole(copy, block)
        done += len(block)
    return digest.hexdigest()


def _write_whole(descriptor: int, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _rename(incoming: int, name: str, vault: Path, steps: Sequence[str]) -> None:
    for _ in range(TRIES):
        with made_folder(vault, steps[:-1]) as folder:
            try:
                os.rename(name, steps[-1], src_dir_fd=incoming, dst_dir_fd=folder)
            except FileNotFoundError:
                os.stat(name, dir_fd=incoming, follow_symlinks=False)  # if it is not this one:
                continue  # a removal took the folder, empty as it still was
            os.fsync(folder)
            return
    raise FileAbsent(f"the folder of {'/'.join(steps)!r:.200} vanishes whenever it is made")


def _discard(incoming: int, name: str) -> None:
    with suppress(OSError):
        os.unlink(name, dir_fd=incoming)


def _is_locked(incoming: int, name: str) -> bool:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=incoming)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False
