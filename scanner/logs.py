"""How a log record is written: one line of words, or one line of JSON.

Agents' strings end up in messages, so no record may look like two: control characters are
escaped in text, and JSON escapes them by itself. A traceback keeps its lines.
"""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

_OWN_ATTRIBUTES = frozenset(logging.makeLogRecord({}).__dict__) | {
    "asctime",
    "color_message",
    "message",
    "taskName",
}
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is at that moment, not what it was when logging was set up."""

    def __init__(self) -> None:
        """Take no stream of its own."""
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        """The present `sys.stderr`."""
        return sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None:
        raise AttributeError(f"a StderrHandler writes to sys.stderr, never to {value}")


class TextFormatter(logging.Formatter):
    """`2025-06-12T12:56:06.123Z INFO scanner.scan: the message`, then the traceback if any."""

    def __init__(self) -> None:
        """Fix the layout."""
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatTime(  # noqa: N802
        self,
        record: logging.LogRecord,
        datefmt: str | None = None,  # noqa: ARG002
    ) -> str:
        """Give the record's time in UTC, as ISO 8601 with milliseconds."""
        return _timestamp(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Give the line with its control characters escaped."""
        return _CONTROL.sub(_escaped, super().formatMessage(record))


class JsonFormatter(logging.Formatter):
    """One JSON object a record: `ts`, `level`, `logger`, `message`, the extras, `exc_info`.

    Each name given in the call's `extra` is a key of the object, unless it is one of these; a
    value that JSON does not know is written as its text. `exc_info` is the traceback.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Give the record as one line of ASCII."""
        line: dict[str, Any] = {
            "ts": _timestamp(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in record.__dict__.items():
            if name not in _OWN_ATTRIBUTES:
                line.setdefault(name, value)
        if record.exc_info:
            line["exc_info"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack_info"] = record.stack_info
        return json.dumps(line, default=str)


def _timestamp(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
