"""Room 6: the tree of verified copies.

A file under a final name is whole, whenever the power went: `vault_writing` tells how. Copies are
never overwritten, but a damaged one by what it should have been. Doing it again gives the same path
and copies nothing.
"""

import hashlib
import re
import stat
import unicodedata
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from scanner.errors import UnsafeFile, VaultError
from scanner.pipeline.archive import EXTENSION, Codec
from scanner.pipeline.deposit import Place
from scanner.pipeline.patrol import (
    Absent,
    Found,
    NotRegular,
    StoredFile,
    Strange,
    Unreadable,
    examine,
    names_in,
    open_copy,
    status_of,
    walk,
)
from scanner.pipeline.vault_tree import (
    INCOMING,
    flush_folder,
    make_folder,
    remove,
    steps_to,
    vault_side,
)
from scanner.pipeline.vault_writing import free_bytes, put, sweep

__all__ = [
    "INCOMING",
    "Absent",
    "Found",
    "NotRegular",
    "StoredFile",
    "Strange",
    "Unreadable",
    "copy_path",
    "examine",
    "extension_of",
    "find_copy",
    "free_bytes",
    "is_there",
    "open_copy",
    "promote",
    "remove",
    "replace",
    "safe_name",
    "sweep",
    "walk",
]

LONGEST_NAME = 100
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
    for file in names_in(vault, folder):
        if file.startswith(_stem(name, ended_at)) and _has(vault, folder / file, sha256):
            return folder / file
    return None


def is_there(vault: Path, relative: str) -> bool:
    """Tell whether a copy stands in the vault; the empty path is none.

    A vault that cannot be read has none: what is written to it then tells why.
    """
    try:
        status = status_of(vault, relative) if relative else None
    except (OSError, UnsafeFile, VaultError):
        return False
    return status is not None and stat.S_ISREG(status.st_mode)


def promote(
    source: BinaryIO, vault: Path, relative: PurePosixPath, sha256: str, *, reserve: int = 0
) -> PurePosixPath:
    """Copy an open staged file into the vault and give the path it has there.

    A copy with these bytes that stands there already is taken as it is; other bytes under the same
    name make the new copy take "~" and a part of its digest into its name. `reserve` is how many
    bytes must stay free on the vault's file system.
    Raise VaultError when the copy cannot be written, FileChanged when the bytes are not those of
    `sha256` any more, OSError when the staged file cannot be read.
    """
    with vault_side(f"{relative} cannot be written to the vault {vault}"):
        make_folder(vault, steps_to(relative)[:-1])
    for candidate in (relative, _told_apart(relative, sha256)):
        with vault_side(f"{candidate} cannot be looked at in the vault {vault}"):
            stands = status_of(vault, candidate) is not None
        if not stands:
            put(source, vault, candidate, sha256, reserve=reserve)
            return candidate
        found = examine(vault, candidate)
        if isinstance(found, Found) and found.sha256 == sha256:
            # It may be there by a process that was killed before it could flush the folder.
            with vault_side(f"{candidate} cannot be kept in the vault {vault}"):
                flush_folder(vault, candidate.parts[:-1])
            return candidate
    why = f" ({found.words})" if isinstance(found, Unreadable) else ""
    raise VaultError(f"{candidate} has not the bytes of its name in the vault {vault}{why}")


def replace(
    source: BinaryIO, vault: Path, relative: PurePosixPath, sha256: str, *, reserve: int = 0
) -> None:
    """Put the right bytes in the place of a damaged or absent copy, from a file that is whole.

    The damaged one stands until the whole one takes its name, and is not kept. Raise as `promote`
    does; then what stood there still stands.
    """
    put(source, vault, relative, sha256, reserve=reserve)


def _has(vault: Path, relative: PurePosixPath, sha256: str) -> bool:
    try:
        found = examine(vault, relative)
    except VaultError:
        return False
    return isinstance(found, Found) and found.sha256 == sha256


def _told_apart(relative: PurePosixPath, sha256: str) -> PurePosixPath:
    return relative.with_name(_TIME.sub(rf"\1~{sha256[:8]}\2", relative.name))


def _folder(place: Place, safe_database: str) -> PurePosixPath:
    parts = (place.company, place.city, place.neighborhood)
    return PurePosixPath(*(safe_name(part) for part in parts), safe_database)


def _stem(safe_database: str, ended_at: datetime) -> str:
    return f"{safe_database}_{ended_at.astimezone(UTC):%Y%m%d_%H%M%S}"
