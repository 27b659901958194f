"""How the vault's tree is walked and changed: relative to open folders, following no link.

Nobody but this server should write there, but a link in it must not lead a copy, or its removal, to
anywhere else. Only the vault's root may be a link.
"""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePosixPath

from scanner.errors import FileAbsent, UnsafeFile, VaultError
from scanner.pipeline.openat import open_directory

INCOMING = ".incoming"
"""The folder of the vault in which copies are written before they get their final name."""
FOLDER_MODE = 0o750
TRIES = 100
"""How often a folder that vanishes is made again; each time, a removal had to come in between."""
_NO_MODES = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS})


def steps_to(relative: PurePosixPath | str) -> tuple[str, ...]:
    """Split a copy's path below the vault. Raise VaultError when it may lead anywhere else."""
    path = PurePosixPath(relative)
    steps = path.parts
    if not steps or path.is_absolute() or ".." in steps or steps[0] == INCOMING:
        raise VaultError(f"{str(relative)!r:.300} is not the path of a copy below the vault")
    try:
        encoded = os.fsencode(path)
    except ValueError:  # a lone surrogate
        encoded = b"\0"
    if b"\0" in encoded:
        raise VaultError(f"{str(relative)!r:.300} is not a path that a file can have")
    return steps


@contextmanager
def vault_side(what: str) -> Iterator[None]:
    """Raise what fails in the block as VaultError: `what` could not be done, and why."""
    try:
        yield
    except (FileAbsent, UnsafeFile) as error:
        raise VaultError(f"{what}: {error}") from error
    except OSError as error:
        raise VaultError(f"{what}: {error.strerror or error}") from error


@contextmanager
def open_root(vault: Path) -> Iterator[int]:
    """Give a descriptor of the vault's root, which may be a link. Raise VaultError without one."""
    with vault_side(f"the vault {vault} cannot be read"):
        root = os.open(vault, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield root
    finally:
        os.close(root)


@contextmanager
def open_folder(vault: Path, steps: Sequence[str]) -> Iterator[int]:
    """Give a descriptor of a folder below the vault.

    Raise FileAbsent when it is not there, UnsafeFile when a step is no folder, OSError when it
    cannot be opened, VaultError when the vault itself cannot be.
    """
    with open_root(vault) as root, ExitStack() as opened:
        folder = root
        for step in steps:
            folder = open_directory(folder, step)
            opened.callback(os.close, folder)
        yield folder


@contextmanager
def made_folder(vault: Path, steps: Sequence[str]) -> Iterator[int]:
    """Give a descriptor of a folder below the vault; it and the vault are made if need be.

    Raise as `open_folder` does.
    """
    if not vault.is_dir():
        vault.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        vault.chmod(FOLDER_MODE)
        _flush_above(vault)
    for _ in range(TRIES):
        with open_root(vault) as root, ExitStack() as opened:
            folder = root
            try:
                for step in steps:
                    folder = _made_directory(folder, step)
                    opened.callback(os.close, folder)
            except (FileAbsent, FileNotFoundError):
                continue  # a removal took one of them, empty as it still was
            yield folder
            return
    raise FileAbsent(f"the folder {'/'.join(steps)!r:.200} vanishes whenever it is made")


def make_folder(vault: Path, steps: Sequence[str]) -> None:
    """Have a folder below the vault. Raise as `open_folder` does."""
    with made_folder(vault, steps):
        pass


def flush_folder(vault: Path, steps: Sequence[str]) -> None:
    """Have the names in a folder on the disk. Raise as `open_folder` does."""
    with open_folder(vault, steps) as folder:
        os.fsync(folder)


def set_mode(descriptor: int, mode: int) -> None:
    """Set a mode that no umask changes, unless the file system has no such modes."""
    try:
        os.fchmod(descriptor, mode)
    except OSError as error:
        if error.errno not in _NO_MODES:
            raise


def remove(vault: Path, relative: PurePosixPath | str) -> None:
    """Remove a copy, and the folders above it that became empty, but never the vault's root.

    A copy that is not there is as good as removed; a link in its place is removed, not followed.
    Raise VaultError when it may still stand there.
    """
    steps = steps_to(relative)
    with (
        vault_side(f"{relative} cannot be removed from the vault {vault}"),
        open_root(vault) as root,
        ExitStack() as opened,
    ):
        folders = [root]
        with suppress(FileAbsent):
            for step in steps[:-1]:
                folders.append(open_directory(folders[-1], step))
                opened.callback(os.close, folders[-1])
        if len(folders) == len(steps):
            with suppress(FileNotFoundError):
                os.unlink(steps[-1], dir_fd=folders[-1])
            os.fsync(folders[-1])
        _remove_empty(folders, steps)


def _made_directory(parent: int, name: str) -> int:
    """Open a folder, made if need be; its name is on the disk before anything is put below it."""
    with suppress(FileAbsent):
        return open_directory(parent, name)
    try:
        os.mkdir(name, FOLDER_MODE, dir_fd=parent)
    except FileExistsError:
        return open_directory(parent, name)
    folder = open_directory(parent, name)
    try:
        set_mode(folder, FOLDER_MODE)
        os.fsync(parent)
    except OSError:
        os.close(folder)
        raise
    return folder


def _flush_above(folder: Path) -> None:
    descriptor = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_empty(folders: Sequence[int], steps: Sequence[str]) -> None:
    """Remove the open folders but the first, the deepest first, up to one that is not empty."""
    for depth in range(len(folders) - 1, 0, -1):
        try:
            os.rmdir(steps[depth - 1], dir_fd=folders[depth - 1])
        except FileNotFoundError:
            continue  # another removal was faster
        except OSError:
            return  # not empty; or, as a mount point, to stay
        os.fsync(folders[depth - 1])
