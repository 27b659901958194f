"""Calls strangers' servers from a process of its own, which sees neither database nor settings.

The process checks each address that it connects to, and is killed with all that it started when its
time is over. Secrets reach it by its standard input, so that no list of processes shows them.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from scanner import conf
from scanner.errors import ChannelError
from scanner.pipeline.text import clean

_PROGRAM = Path(__file__).with_name("guarded.py")
_ENVIRONMENT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
)
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
LONGEST_ANSWER = 500
SHORTEST_SECRET = 4


def call(
    order: Mapping[str, Any],
    *,
    hidden: Iterable[str],
    seconds: float,
    may_be_private: bool | None = None,
) -> None:
    """Do what the order says (see `guarded`), within `seconds`; raise ChannelError if it failed.

    `hidden` are texts whose parts are left out of the error's words. `may_be_private`: whether
    private addresses may be reached; as the settings say if it is None.
    """
    if may_be_private is None:
        may_be_private = conf.alerts_may_be_private()
    given = {**order, "may_be_private": may_be_private, "seconds": seconds}
    process = subprocess.Popen(  # noqa: S603 - our own program, with this Python
        [sys.executable, "-I", "-B", str(_PROGRAM)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(proxies=may_be_private),
        start_new_session=True,
    )
    try:
        answer, _ = process.communicate(json.dumps(given).encode(), timeout=seconds)
    except subprocess.TimeoutExpired:
        raise ChannelError(f"no answer within {seconds:g} s", is_down=True) from None
    finally:
        _end(process)
    try:
        found = json.loads(answer)
        is_taken, words, is_down = bool(found["taken"]), str(found["error"]), bool(found["down"])
    except (ValueError, KeyError, TypeError):
        raise ChannelError(f"its process ended with {process.returncode}") from None
    if not is_taken:
        raise ChannelError(without(clean(words, LONGEST_ANSWER), hidden), is_down=is_down)


def without(words: str, hidden: Iterable[str]) -> str:
    """Give words without any part of the hidden texts that could open something."""
    parts = {
        part
        for text in hidden
        for form in (text, unquote(text))
        for part in re.split(r"[\s/:@?&=,#]+", form)
        if len(part) >= SHORTEST_SECRET
    }
    for part in sorted(parts, key=len, reverse=True):
        words = words.replace(part, "…")
    return words


def _environment(*, proxies: bool) -> dict[str, str]:
    """Give what the process may know; a proxy stands in a private network as a rule."""
    names = [*_ENVIRONMENT]
    if proxies:
        names += [*_PROXIES, *(name.lower() for name in _PROXIES)]
    return {name: os.environ[name] for name in names if name in os.environ}


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()
