"""What the first bytes of a dump look like when nothing is packed around it."""

import codecs
import re

# What each dump program writes first: mysqldump and pg_dump begin with a comment and may go on with
# bytes of any kind (binary columns), so that the comment has to be enough.
_BEGINNINGS = (
    b"-- ",
    b"--\n",
    b"--\r\n",
    b"/*!",
    b"/*M!",
    b"PGDMP",  # pg_dump -Fc
    b"SQLite format 3\0",
    b"TAPE",  # SQL Server's BACKUP DATABASE, in Microsoft Tape Format
    b"MSSQLBAK",  # the same WITH COMPRESSION
    (0x8199E26D).to_bytes(4, "little"),  # mongodump --archive
)
_TAR = (257, b"ustar")

# What could pass for text and is no dump: packed or encrypted, some of it armoured as text.
_WRAPPINGS = (
    b"-----BEGIN PGP MESSAGE-----",
    b"-----BEGIN AGE ENCRYPTED FILE-----",
    b"age-encryption.org/",
    b"Salted__",  # openssl enc
    b"U2FsdGVkX1",  # openssl enc -base64
    b"$ANSIBLE_VAULT;",
    (0x184C2102).to_bytes(4, "little"),  # lz4's legacy frame, which has neither length nor checksum
)

# Bytes that no text in a Western single-byte character set holds: control characters, and what
# Windows-1252 (which has letters where ISO 8859-1 has more control characters) leaves undefined.
_NOT_WESTERN_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f\x81\x8d\x8f\x90\x9d]")


def begins_as_dump(head: bytes) -> bool:
    """Tell whether a file that begins with `head` is a dump in the open: text, or a known format.

    `head` may end anywhere, also inside a character.
    """
    if head.startswith(_WRAPPINGS):
        return False
    offset, magic = _TAR
    if head.startswith(_BEGINNINGS) or head.startswith(magic, offset):
        return True
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _is_text(head, "utf-16")
    return _is_text(head, "utf-8") or not _NOT_WESTERN_TEXT.search(head)


def _is_text(head: bytes, encoding: str) -> bool:
    try:
        # An incremental decoder keeps a character that is cut off instead of refusing it.
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return False
    return "\0" not in text
