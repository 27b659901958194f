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
from base64 import b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from django.utils.translation import gettext as _

from scanner import conf
from scanner.errors import ChannelError
from scanner.pipeline.text import clean

LONGEST_DETAIL = 300
SHORTEST_SECRET = 4

_PROGRAM = Path(__file__).with_name("guarded.py")
_ENVIRONMENT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
)
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def call(
    order: Mapping[str, Any],
    *,
    hidden: Iterable[str],
    seconds: float,
    may_be_private: bool | None = None,
) -> None:
    """Do what the order says (see `guarded`), within `seconds`; raise ChannelError if it failed.

    `hidden` are addresses and secrets whose parts are left out of the error's words.
    `may_be_private`: whether private addresses may be reached; as the settings say if it is None.
    """
    if may_be_private is None:
        may_be_private = conf.alerts_may_be_private()
    given = {**order, "may_be_private": may_be_private, "seconds": seconds}
    answer = _answer_to(json.dumps(given).encode(), seconds, proxies=may_be_private)
    try:
        found = json.loads(answer)
        outcome, status = str(found["outcome"]), int(found["status"])
        detail, is_down = str(found["detail"]), bool(found["down"])
    except (ValueError, KeyError, TypeError):
        raise ChannelError(_("The process that sends ended without an answer.")) from None
    if outcome == "redirected":
        detail = _without_path(detail)
    if outcome != "taken":
        words = _words(outcome, status, shown(detail, hidden))
        raise ChannelError(words, is_down=is_down)


def shown(words: str, hidden: Iterable[str]) -> str:
    """Give a stranger's words as they may be stored and shown: short, on one line, no secret."""
    # Cut at the end: half a secret would no longer be found.
    return clean(" ".join(without(words, hidden).split()), LONGEST_DETAIL)


def without(words: str, hidden: Iterable[str]) -> str:
    """Give words without any part of the hidden texts that could open something.

    Parts are found as they are, as an address writes them, and as HTTP's basic authentication does.
    """
    parts = {form for text in hidden for part in _parts(text) for form in _forms(part)}
    if not parts:
        return words
    longest_first = sorted(parts, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest_first)), "…", words, flags=re.IGNORECASE)


def _parts(text: str) -> set[str]:
    """Give a text, and what it is made of; no secret is a scheme, nor a host of the web."""
    text = text.strip()
    scheme, _colon, rest = text.rpartition("://")
    user = rest.rpartition("@")[0]
    parts = {text, rest, user, *re.split(r"[\s/:@?&=,#]+", rest)}
    if scheme.lower() in ("http", "https"):
        parts.discard(re.split(r"[/:?#]", rest[len(user) :].lstrip("@"))[0])
    return {part for part in parts if len(part) >= SHORTEST_SECRET}


def _forms(part: str) -> set[str]:
    plain = unquote(part)
    basic = b64encode(plain.encode(errors="replace")).decode().rstrip("=")
    return {part, plain, quote(plain, safe="", errors="replace"), basic}


def _without_path(location: str) -> str:
    """Give the scheme and host of an address that a server named, for its path may be a secret."""
    try:
        parts = urlsplit(location)
        return f"{parts.scheme}://{parts.hostname}/…" if parts.hostname else "…"
    except ValueError:
        return "…"


def _words(outcome: str, status: int, detail: str) -> str:
    """Give an outcome of `guarded` in words for people."""
    match outcome:
        case "answered":
            words = _("The server answered %(status)d: %(detail)s")
        case "redirected":
            words = _(
                "The server answered %(status)d and leads to %(detail)s. Redirects are not "
                "followed: give the address that it leads to."
            )
        case "unreachable":
            words = _("The server cannot be reached: %(detail)s")
        case "not_public":
            words = _(
                "The address is not a public one. ALERT_ALLOW_PRIVATE lets channels reach private "
                "addresses."
            )
        case "not_https":
            words = _("The address does not begin with https://.")
        case "forbidden":
            words = _("This address would act on the server itself, which no channel may do.")
        case "local":
            words = _("This service acts on the server itself, and tells nobody.")
        case "not_understood":
            words = _("Apprise does not understand this URL: see its list of services. %(detail)s")
        case "not_taken":
            words = _("The service did not take the message. %(detail)s")
        case _:
            words = _("The process that sends failed: %(detail)s")
    return (words % {"status": status, "detail": detail}).strip()


def _answer_to(order: bytes, seconds: float, *, proxies: bool) -> bytes:
    """Run the program with the order; give what it printed. Raise ChannelError when time is up."""
    try:
        process = subprocess.Popen(  # noqa: S603 - our own program, with this Python
            [sys.executable, "-I", "-B", str(_PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # What a library prints may hold secrets; what went wrong is in the answer.
            stderr=subprocess.DEVNULL,
            env=_environment(proxies=proxies),
            start_new_session=True,
        )
    except OSError as error:
        words = _("The process that sends could not be started: %(detail)s")
        raise ChannelError(words % {"detail": error.strerror}, is_down=True) from None
    with process:
        try:
            return process.communicate(order, timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            words = _("There was no answer within %(seconds)s seconds.")
            raise ChannelError(words % {"seconds": f"{seconds:g}"}, is_down=True) from None
        finally:
            if process.returncode is None:  # so its number, and that of its group, is still its own
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def _environment(*, proxies: bool) -> dict[str, str]:
    """Give what the process may know; a proxy stands in a private network as a rule."""
    names = [*_ENVIRONMENT]
    if proxies:
        names += [*_PROXIES, *(name.lower() for name in _PROXIES)]
    known = {name: os.environ[name] for name in names if name in os.environ}
    # Else requests would send the passwords of this account's ~/.netrc.
    return {**known, "NETRC": os.devnull}
