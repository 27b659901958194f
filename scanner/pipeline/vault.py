"""Room 6: the tree of verified copies.

A copy is written under a temporary name, hashed on its way, flushed to the disk and renamed; its
folder is flushed too. So a file under a final name is whole, whenever the power went. Copies are
never overwritten. Doing it again gives the same path and copies nothing.
"""

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from uuid import uuid4

from scanner.errors import FileChanged, VaultError
from scanner.pipeline.archive import EXTENSION, Codec
from scanner.pipeline.deposit import Place

BLOCK = 2**20
LONGEST_NAME = 100
INCOMING = ".incoming"
"""The folder of the vault in which copies are written before they get their final name."""
_CODEC_EXTENSION = re.compile(r"\.(gz|zst|xz|bz2|lz4|gzip|zstd|bzip2)$", re.IGNORECASE)
_KIND_EXTENSION = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,7}$")
_TIME = re.compile(r"(_\d{8}_\d{6})([^_]*)$")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def safe_name(name: str) -> str:
    """Give a name that is one harmless path component, different for each different `name`.

    What is not plain ASCII is replaced, and whatever was changed gets "~" and eight digits of the
    original's SHA-256, a mark that no unchanged name can have. Names are told apart by their exact
    characters: "é" typed as one character or as two gives two names.
    """
    folded = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    safe = _UNSAFE.sub("_", folded)[:LONGEST_NAME].strip(".")
    if safe and safe == name:
        return safe
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{safe}~{digest}"


def extension_of(staged_name: str, codec: Codec) -> str:
    """Give a copy's extension: the dump's kind by its staged name, the codec by its bytes."""
    stem = _CODEC_EXTENSION.sub("", staged_name)
    kind = _KIND_EXTENSION.search(stem[1:])
    return (kind.group().lower() if kind else "") + EXTENSION[codec]


def copy_path(place: Place, database: str, ended_at: datetime, extension: str) -> PurePosixPath:
    """Give the path, below the vault, of the copy of an operation that ended at `ended_at`."""
    name = safe_name(database)
    return _folder(place, name) / f"{_stem(name, ended_at)}{extension}"


def find_copy(
    vault: Path, place: Place, database: str, ended_at: datetime, sha256: str
) -> PurePosixPath | None:
    """Look for a copy of this very operation with this digest, whatever its extension.

    It finds what was promoted just before a kill, and so is in the vault but in no entry.
    """
    name = safe_name(database)
    folder = _folder(place, name)
    with suppress(OSError):
        for file in sorted((vault / folder).iterdir()):
            if file.name.startswith(_stem(name, ended_at)) and _digest(file) == sha256:
                return folder / file.name
    return None


def is_there(vault: Path, relative: str) -> bool:
    """Tell whether a copy stands in the vault; the empty path is none.

    A vault that cannot be read has none: what is written to it then tells why.
    """
    try:
        return relative != "" and (vault / relative).is_file()
    except OSError:
        return False


def promote(source: BinaryIO, vault: Path, relative: PurePosixPath, sha256: str) -> PurePosixPath:
    """Copy an open staged file into the vault and give the path it has there.

    A copy with these bytes that stands there already is taken as it is; other bytes under the same
    name make the new copy take "~" and a part of its digest into its name.
    Raise VaultError when the copy cannot be written, FileChanged when the bytes are not those of
    `sha256` any more, OSError when the staged file cannot be read.
    """
    try:
        for candidate in (relative, _told_apart(relative, sha256)):
            if not _stands(vault / candidate):
                _write(source, vault, candidate, sha256)
                return candidate
            if _digest(vault / candidate) == sha256:
                return candidate
    except _WriteError as error:
        raise VaultError(f"{relative} cannot be written to the vault {vault}: {error}") from error
    raise VaultError(f"{candidate} stands in the vault with bytes that are not those of its name")


def sweep(vault: Path) -> None:
    """Remove what killed scans left half written. Only the one scan that runs may call this."""
    with suppress(OSError):
        for leftover in (vault / INCOMING).iterdir():
            leftover.unlink()


class _WriteError(Exception):
    """The vault's side of a copy failed."""


def _stands(file: Path) -> bool:
    try:
        return file.exists()
    except OSError as error:
        raise _WriteError(error.strerror) from error


def _write(source: BinaryIO, vault: Path, relative: PurePosixPath, sha256: str) -> None:
    target = vault / relative
    partial = vault / INCOMING / uuid4().hex
    try:
        _make_folders(vault, relative.parent)
        _make_folders(vault, PurePosixPath(INCOMING))
        descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise _WriteError(error.strerror) from error
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as copy:
            digest = hashlib.sha256()
            for block in _blocks(source):
                digest.update(block)
                try:
                    _write_whole(copy.fileno(), block)
                except OSError as error:
                    raise _WriteError(error.strerror) from error
            if digest.hexdigest() != sha256:
                raise FileChanged("the staged file changed between reading and copying it")
            try:
                os.fsync(copy.fileno())
            except OSError as error:
                raise _WriteError(error.strerror) from error
        try:
            partial.rename(target)
            _flush_folder(target.parent)
        except OSError as error:
            raise _WriteError(error.strerror) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _blocks(source: BinaryIO) -> Iterator[bytes]:
    source.seek(0)
    while block := source.read(BLOCK):
        yield block


def _write_whole(descriptor: int, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _make_folders(vault: Path, relative: PurePosixPath) -> None:
    """Make the folders, and have each new one's name on the disk before a copy is put below it."""
    missing = [vault / relative, *(vault / parent for parent in relative.parents)]
    for folder in reversed([folder for folder in missing if not folder.exists()]):
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        _flush_folder(folder.parent)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(file: Path) -> str | None:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None


def _told_apart(relative: PurePosixPath, sha256: str) -> PurePosixPath:
    return relative.with_name(_TIME.sub(rf"\1~{sha256[:8]}\2", relative.name))


def _folder(place: Place, safe_database: str) -> PurePosixPath:
    parts = (place.company, place.city, place.neighborhood)
    return PurePosixPath(*(safe_name(part) for part in parts), safe_database)


def _stem(safe_database: str, ended_at: datetime) -> str:
    return f"{safe_database}_{ended_at.astimezone(UTC):%Y%m%d_%H%M%S}"
