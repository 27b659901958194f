"""Strings that a stranger wrote, made fit to be stored, logged and shown.

Nothing here escapes for HTML, shells or terminals: whoever shows a string does that.
"""

import hashlib
import re

ELLIPSIS = "…"
QUOTE_LIMIT = 80

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_BUT_NEWLINE_AND_TAB = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Python joins the halves of a valid pair while it decodes, so those still found are alone.
_UNSHOWN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


def clean(text: str, limit: int) -> str:
    """Return a message of at most `limit` characters that can be encoded as UTF-8.

    Control characters other than newline and tab are dropped (NUL among them), lone surrogates
    become U+FFFD, space around the text goes, and a text that is too long ends in an ellipsis.
    """
    kept = _LONE_SURROGATE.sub("\ufffd", _CONTROL_BUT_NEWLINE_AND_TAB.sub("", text)).strip()
    return _clip(kept, limit)


def clean_name(text: str, limit: int) -> str:
    """Return a name of one line and at most `limit` characters (10 or more), encodable as UTF-8.

    As `clean`, but every control character is dropped, and a name that is too long ends in "~"
    and 8 hex digits of the SHA-256 of the whole, so that different long names stay different.
    """
    kept = _LONE_SURROGATE.sub("\ufffd", _CONTROL.sub("", text)).strip()
    if len(kept) <= limit:
        return kept
    mark = "~" + hashlib.sha256(kept.encode()).hexdigest()[:8]
    return kept[: limit - len(mark)] + mark


def escaped(text: str) -> str:
    """Return a text with what no terminal and no database should get written as an escape.

    Newlines stay. It is for names of files and folders, which must be told as they are.
    """
    return _UNSHOWN.sub(lambda match: ascii(match[0])[1:-1], text)


def is_absent(value: object) -> bool:
    """Whether a JSON value says nothing: null, an empty string or the word "null"."""
    return value is None or (isinstance(value, str) and value.strip().lower() in ("", "null"))


def quote(value: object, limit: int = QUOTE_LIMIT) -> str:
    """Return the `repr` of a value in at most `limit` characters; it is printable, on one line."""
    return _clip(repr(value), limit)


def _clip(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - len(ELLIPSIS)] + ELLIPSIS
