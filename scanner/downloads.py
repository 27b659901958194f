"""Somebody takes a backup out of the vault: on record before the first byte, and at the end.

What was sent counts once the web server asks for more: it has handed over what it was given.
"""

import logging
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from io import BufferedReader

from django.db import DatabaseError, InterfaceError, connection

from scanner import conf
from scanner.errors import VaultError
from scanner.models import Download, VaultCopy
from scanner.pipeline import patrol
from scanner.pipeline.text import clean

logger = logging.getLogger(__name__)

BLOCK = 2**18
"""Bytes that are read and sent at once."""
_LONGEST_ERROR = 500
_LONGEST_NAME = 150
_LONGEST_ADDRESS = 64


def open_file(copy: VaultCopy) -> tuple[BufferedReader, int]:
    """Open the file of a copy; give it with its size as it is now, in bytes.

    No link is followed below the vault's root. Raise VaultError, because of FileAbsent where no
    file has the name, and of UnsafeFile where something else has.
    """
    file = patrol.open_copy(conf.vault_root(), copy.path)
    return file, os.fstat(file.fileno()).st_size


def begin(
    copy: VaultCopy, *, by: str, address: str, first: int, count: int, now: datetime
) -> Download:
    """Record that somebody is about to be sent `count` bytes of a copy, from byte `first` on."""
    download = Download.objects.create(
        copy=copy,
        downloaded_by=by[:_LONGEST_NAME],
        address=address[:_LONGEST_ADDRESS],
        started_at=now,
        first_byte=first,
        bytes_asked=count,
    )
    logger.info(
        "download %s by %s from %s: %d bytes of %s, from byte %d on",
        download.pk,
        by,
        address or "an unknown address",
        count,
        copy.path,
        first,
    )
    return download


class Sending(Iterator[bytes]):
    """The bytes of a download on their way; the file is closed, and the end recorded, by `close`.

    The web server calls that whether or not the reader stayed. `clock` tells the time of the end.
    """

    def __init__(
        self, download: Download, file: BufferedReader, clock: Callable[[], datetime]
    ) -> None:
        self._download = download
        self._file = file
        self._clock = clock
        self._left = download.bytes_asked
        self._on_its_way = 0
        self._sent = 0
        self._error = ""
        self._is_whole = False
        self._has_begun = False

    def __next__(self) -> bytes:
        """Give the next bytes. Raise VaultError where the file cannot be read on."""
        self._sent += self._on_its_way
        self._on_its_way = 0
        if not self._has_begun:
            self._begin()
        if not self._left:
            self._is_whole = True
            raise StopIteration
        block = self._read()
        self._left -= len(block)
        self._on_its_way = len(block)
        return block

    def close(self) -> None:
        """Close the file, and record what was sent; a second time changes nothing."""
        if self._file.closed:
            return
        self._file.close()
        ended = {
            "bytes_sent": self._sent,
            "error": clean(self._error, _LONGEST_ERROR),
            "finished_at": self._clock() if self._is_whole else None,
        }
        told = "sent whole" if self._is_whole else self._error or "the reader went away"
        logger.log(
            logging.INFO if self._is_whole else logging.WARNING,
            "download %s ends after %d of %d bytes: %s",
            self._download.pk,
            self._sent,
            self._download.bytes_asked,
            told,
        )
        try:
            Download.objects.filter(pk=self._download.pk).update(**ended)
        except (DatabaseError, InterfaceError):
            logger.exception("the end of download %s could not be recorded", self._download.pk)

    def _begin(self) -> None:
        """Give the connection to the database back: it may take hours, and needs none meanwhile."""
        self._has_begun = True
        if not connection.in_atomic_block:
            connection.close()
        self._file.seek(self._download.first_byte)

    def _read(self) -> bytes:
        """Read on. The reader was told how much there is: less of it must not look like all."""
        try:
            block = self._file.read(min(BLOCK, self._left))
        except OSError as error:
            self._error = f"the copy cannot be read: {error.strerror or error}"
            raise VaultError(self._error) from error
        if not block:
            self._error = f"the copy ends {self._left} bytes too early"
            raise VaultError(self._error)
        return block
