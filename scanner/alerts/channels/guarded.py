"""The process that calls strangers' servers: it is run as a program, and imports nothing of ours.

It reads one order as JSON from its standard input and prints one answer. An audit hook looks at
each connection when it is made, after names were resolved, so that no name, redirect or library
leads to an address that is not public. Nothing is started and nothing is written.
"""

import ipaddress
import json
import logging
import os
import sys
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_CONNECTIONS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_PROCESSES = frozenset(
    {
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "os.system",
        "subprocess.Popen",
    }
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LONGEST_EXCERPT = 300
# Where the hook leaves what it refused: libraries turn its error into words of their own.
refused: list[str] = []


def is_public(host: str) -> bool:
    """Tell whether an address, as a number, is one of the public Internet."""
    try:
        address: Address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    address = _inner(address)
    return address.is_global and not address.is_multicast


def _inner(address: Address) -> Address:
    """Give the address that one of version 6 leads to, where it only wraps one of version 4."""
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = address.ipv4_mapped or address.sixtofour
        if wrapped is None and address.teredo is not None:
            wrapped = address.teredo[1]
        if wrapped is None and address in _NAT64:
            wrapped = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if wrapped is not None:
            return wrapped
    return address


def guard(*, may_be_private: bool) -> None:
    """Let this process from now on reach public addresses only, start nothing and write nothing."""

    def refuse(words: str) -> None:
        refused.append(words)
        raise PermissionError(words)

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _CONNECTIONS:
            to = arguments[1]
            if may_be_private and isinstance(to, tuple):
                return
            if not isinstance(to, tuple) or not is_public(str(to[0])):
                refuse("the address is not a public one, and ALERT_ALLOW_PRIVATE is not set")
        elif event in _PROCESSES:
            refuse(f"{event} is not allowed here")
        elif event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING:
            refuse("writing files is not allowed here")

    sys.addaudithook(look)


def webhook(order: dict[str, Any]) -> dict[str, Any]:
    """Post the body; 2xx is taken, and a redirect is not followed."""
    import requests

    with requests.Session() as session:
        session.trust_env = bool(order["may_be_private"])
        session.headers["User-Agent"] = "backupmonitor"
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE")
        try:
            answer = session.request(
                order.get("method", "POST"),
                order["url"],
                data=order.get("body", "").encode() or None,
                headers=order.get("headers"),
                timeout=float(order["seconds"]),
                allow_redirects=False,
                stream=True,
                verify=bundle or True,
            )
            excerpt = answer.raw.read(_LONGEST_EXCERPT, decode_content=True)
        except (requests.RequestException, OSError, ValueError) as error:
            return failure(type(error).__name__, down=True)
    if answer.ok and not answer.is_redirect and 200 <= answer.status_code < 300:  # noqa: PLR2004
        return {"taken": True, "error": "", "down": False}
    words = f"{answer.status_code} {answer.reason}"
    if 300 <= answer.status_code < 400:  # noqa: PLR2004
        return failure(f"{words}: redirects are not followed, give the final address")
    return failure(f"{words}: {excerpt.decode(errors='replace')}")


def apprise(order: dict[str, Any]) -> dict[str, Any]:
    """Tell the service of an Apprise URL."""
    import apprise

    words: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            words.append(record.getMessage())

    apprise.logger.addHandler(Keep(logging.WARNING))
    service = apprise.Apprise()
    if not service.add(order["url"]):
        return failure("Apprise does not understand this URL")
    kind = apprise.NotifyType.FAILURE if order["is_problem"] else apprise.NotifyType.INFO
    if service.notify(
        title=order["title"],
        body=order["text"],
        notify_type=kind,
        body_format=apprise.NotifyFormat.TEXT,
    ):
        return {"taken": True, "error": "", "down": False}
    return failure("; ".join(words) or "the service did not take it")


def failure(words: str, *, down: bool = False) -> dict[str, Any]:
    """Give the answer of an order that failed; what the guard refused says more than a library."""
    if refused:
        return {"taken": False, "error": refused[0], "down": True}
    return {"taken": False, "error": words, "down": down}


def main() -> None:
    """Follow one order."""
    order = json.load(sys.stdin)
    # What is loaded later may neither be compiled to a file nor be refused.
    import requests  # noqa: F401

    follow = webhook
    if order["kind"] == "apprise":
        import apprise as _  # noqa: F401

        follow = apprise
    guard(may_be_private=bool(order["may_be_private"]))
    try:
        answer = follow(order)
    except Exception as error:  # noqa: BLE001 - whatever a plugin does, it is told in words
        answer = failure(type(error).__name__)
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
