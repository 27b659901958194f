"""The process that calls strangers' servers: it is run as a program, and imports nothing of ours.

It reads one order as JSON from its standard input and prints one answer as JSON: what came of it is
one of `OUTCOMES`, and the words for people are made by who asked. An audit hook looks at each
connection when it is made, after names were resolved, so that no name, redirect or library leads to
an address that is not public. Nothing is started, nothing is written, and no file is read but those
of Python and its packages: an address of Apprise may name a file as its template.
"""

import ipaddress
import json
import logging
import mimetypes
import os
import re
import resource
import signal
import site
import socket
import sys
import sysconfig
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TextIO
from urllib.parse import urlsplit

OUTCOMES = (
    "taken",
    "answered",  # by the server, and not with 2xx: `status`, and its words in `detail`
    "redirected",  # `status`, and where to in `detail`
    "unreachable",  # why in `detail`
    "not_public",
    "not_https",
    "forbidden",  # it wanted to touch this machine
    "local",
    "not_understood",  # Apprise's words in `detail`, which may be empty
    "not_taken",  # likewise
    "broken",  # the kind of the exception in `detail`
)

# Schemes of Apprise that act on this machine instead of telling somebody.
LOCAL_SCHEMES = frozenset(
    {"blink1", "dbus", "gio", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows"}
)

# Much more than is shown: who asked strikes secrets out of it before it is cut.
LONGEST_DETAIL = 4000
MOST_MEMORY = 2**30
# Who asked kills this process first, if it still lives.
GRACE_SECONDS = 2.0

Order = dict[str, Any]
Answer = dict[str, Any]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_CONNECTIONS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_ACTIONS = frozenset(
    {
        *("subprocess.Popen", "pty.spawn", "os.system", "os.exec", "os.fork", "os.forkpty"),
        *("os.spawn", "os.posix_spawn", "os.kill", "os.killpg", "ctypes.dlopen", "syslog.syslog"),
        *("os.remove", "os.rename", "os.link", "os.symlink", "os.mkdir", "os.rmdir", "os.truncate"),
        *("os.chmod", "os.chown", "socket.bind"),
    }
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_DOCUMENTATION = ipaddress.IPv6Network("3fff::/20")

_FAILURES = ("unreachable", "not_understood", "not_taken", "broken")

# What the hook refused: libraries turn its error into words of their own.
refused: list[str] = []


def is_public(host: str) -> bool:
    """Tell whether an address, written as a number, is one host's on the public Internet.

    An address of version 6 that stands for one of version 4 is as public as that one.
    """
    try:
        address: Address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is None:
            # What lies outside is not in use, or not public: older Pythons know only a part of it.
            known = address in _GLOBAL_UNICAST and address not in _DOCUMENTATION
            return known and address.is_global
        address = inner
    return address.is_global and not address.is_multicast and not address.is_reserved


def guard(*, may_be_private: bool) -> None:
    """Let this process from now on reach public addresses only, and leave its machine alone."""
    readable = _readable()

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _CONNECTIONS:
            _look_at_connection(*arguments[:2], may_be_private=may_be_private)
        elif event == "open":
            _look_at_file(arguments[0], arguments[2], readable)
        elif event in _ACTIONS:
            _refuse("forbidden")

    sys.addaudithook(look)


def _look_at_connection(by: socket.socket, to: Any, *, may_be_private: bool) -> None:
    if to is None:  # of a message over a socket that was connected before, and looked at then
        return
    if by.family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(to, tuple):
        _refuse("forbidden")
    # A name instead of a number would be resolved after this look.
    if not may_be_private and not is_public(str(to[0])):
        _refuse("not_public")


def _look_at_file(path: Any, flags: Any, readable: tuple[Path, ...]) -> None:
    if isinstance(path, int):
        return
    real = Path(os.path.realpath(os.fsdecode(path)))
    if real == Path(os.devnull):
        return
    is_written = isinstance(flags, int) and flags & _WRITING
    if is_written or not any(real.is_relative_to(tree) for tree in readable):
        _refuse("forbidden")


def _refuse(outcome: str) -> NoReturn:
    refused.append(outcome)
    # Libraries expect an error of the operating system here, and try the next address.
    raise PermissionError(outcome)


def _readable() -> tuple[Path, ...]:
    """Give the trees of Python, its packages and what they read; not those of .pth files."""
    paths = sysconfig.get_paths()
    trees = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    trees += [*site.getsitepackages(), *zoneinfo.TZPATH, "/dev/urandom"]
    return tuple(Path(os.path.realpath(tree)) for tree in trees)


def webhook(order: Order) -> Answer:
    """Send one request; 2xx is taken, and a redirect is not followed."""
    import requests

    if not order["may_be_private"] and urlsplit(order["url"]).scheme != "https":
        return _answer("not_https")
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE")
    with requests.Session() as session:
        # Else a proxy of the environment would look up names where the guard does not see it.
        session.trust_env = bool(order["may_be_private"])
        session.headers.update({"User-Agent": "backupmonitor", "Accept-Encoding": "identity"})
        try:
            answer = session.request(
                order["method"],
                order["url"],
                data=order["body"].encode() or None,
                headers=order["headers"],
                timeout=float(order["seconds"]),
                allow_redirects=False,
                stream=True,
                verify=bundle or True,
            )
        except (requests.RequestException, OSError, ValueError) as error:
            return _answer("unreachable", detail=_innermost(error), down=True)
        return _told(answer)


def _told(answer: Any) -> Answer:
    if 200 <= answer.status_code < 300:  # noqa: PLR2004 - 2xx
        return _answer("taken")
    if 300 <= answer.status_code < 400:  # noqa: PLR2004 - 3xx
        to = answer.headers.get("Location", "")
        return _answer("redirected", status=answer.status_code, detail=to[:LONGEST_DETAIL])
    try:
        words = answer.raw.read(LONGEST_DETAIL).decode(errors="replace")
    except Exception:  # noqa: BLE001 - the status says enough, whatever breaks the rest
        words = ""
    return _answer("answered", status=answer.status_code, detail=words.strip() or answer.reason)


def _innermost(error: BaseException) -> str:
    """Give what lies at the bottom of an error: those above it tell the whole address."""
    chain = [error]
    while chain[-1] not in chain[:-1]:
        above = chain[-1]
        inner = [getattr(above, "reason", None), *above.args, above.__cause__, above.__context__]
        chain.append(next((one for one in inner if isinstance(one, BaseException)), above))
    words = getattr(error := chain[-1], "verify_message", "") or getattr(error, "strerror", "")
    return str(words or type(error).__name__)


class _Words(logging.Handler):
    """Keeps what Apprise says of a failure, and whether a connection was what failed."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.told: list[str] = []
        self.is_down = False

    def emit(self, record: logging.LogRecord) -> None:
        words = record.getMessage()
        if record.levelno >= logging.WARNING:
            # Apprise leaves the first and the last letter of each secret in an address.
            self.told.append(re.sub(r"://\S+", "://…", words))
        self.is_down = self.is_down or words.startswith("Socket Exception")

    def answer(self, outcome: str) -> Answer:
        detail = " ".join(dict.fromkeys(self.told))
        return _answer(outcome, detail=detail[:LONGEST_DETAIL], down=self.is_down)


def apprise(order: Order) -> Answer:
    """Tell the service of an Apprise URL; without a text, only look whether it is understood."""
    import apprise

    if order["url"].partition(":")[0].strip().lower() in LOCAL_SCHEMES:
        return _answer("local")
    words = _Words()
    apprise.logger.setLevel(logging.DEBUG)
    apprise.logger.addHandler(words)
    # A text message of one page is better than none, or than twelve; ?overflow=split is heeded.
    apprise.NotifyBase.overflow_mode = apprise.OverflowMode.TRUNCATE
    asset = apprise.AppriseAsset(
        app_id="backupmonitor", app_desc="backupmonitor", async_mode=False, storage_mode="memory"
    )
    # Not `add` of the text, which takes several addresses.
    service = apprise.Apprise.instantiate(order["url"], asset=asset)
    if service is None:
        return words.answer("not_understood")
    if "text" not in order:
        return _answer("taken")
    kind = apprise.NotifyType.FAILURE if order["is_problem"] else apprise.NotifyType.INFO
    taken = apprise.Apprise(service, asset=asset).notify(
        title=order["title"],
        body=order["text"],
        notify_type=kind,
        body_format=apprise.NotifyFormat.TEXT,
    )
    return _answer("taken") if taken else words.answer("not_taken")


def _answer(outcome: str, *, status: int = 0, detail: str = "", down: bool = False) -> Answer:
    """Give an answer; what the guard refused says more than how a library failed."""
    if outcome in _FAILURES and refused:
        outcome, status, detail, down = refused[0], 0, "", True
    return {"outcome": outcome, "status": status, "detail": detail, "down": down}


def _load(kind: str) -> Callable[[Order], Answer]:
    """Load what the order needs, while files may still be read."""
    mimetypes.init()
    if kind == "apprise":
        import apprise as library

        library.Apprise().details()  # loads each plugin
        return apprise
    import requests  # noqa: F401

    return webhook


def _bound(seconds: float) -> None:
    """End by itself, should nobody be left to end this process; and never fill memory or disk."""
    signal.setitimer(signal.ITIMER_REAL, seconds + GRACE_SECONDS)
    for what, most in (
        (resource.RLIMIT_AS, MOST_MEMORY),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (most if hard < 0 else min(most, hard), hard))


def main(source: TextIO, target: TextIO) -> None:
    """Follow one order."""
    order: Order = json.load(source)
    _bound(float(order["seconds"]))
    follow = _load(order["kind"])
    guard(may_be_private=bool(order["may_be_private"]))
    try:
        answer = follow(order)
    except Exception as error:  # noqa: BLE001 - whatever a plugin does, it is told in words
        answer = _answer("broken", detail=type(error).__name__)
    json.dump(answer, target)
    target.flush()


if __name__ == "__main__":
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries may print
    main(sys.stdin, answers)
    os._exit(0)  # threads of libraries are not waited for
