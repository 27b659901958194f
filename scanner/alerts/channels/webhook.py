"""A signed message for a program: docs/webhook.md tells how it is verified."""

import hashlib
import hmac
import json
from urllib.parse import urlsplit

from django.utils import timezone
from django.utils.translation import gettext as _

from scanner import conf
from scanner.alerts.channels import outbound
from scanner.alerts.message import Message
from scanner.errors import ChannelError

SHORTEST_SECRET = 16


def send(address: str, secret: str, message: Message, *, seconds: float) -> None:
    """Post a message. Raise ChannelError when the answer is not 2xx, or does not come in time."""
    if not secret:
        raise ChannelError(_("The webhook has no secret to sign its messages with."))
    # In ASCII: an agent's text may hold what UTF-8 cannot.
    body = json.dumps({**message.data, "subject": message.subject, "text": message.text})
    # Of the sending, not of the message: an old request must not pass for a new one.
    stamp = str(int(timezone.now().timestamp()))
    order = {
        "kind": "webhook",
        "method": "POST",
        "url": address.strip(),
        "headers": {
            "Content-Type": "application/json",
            "X-Backupmonitor-Id": str(message.data.get("id", "")),
            "X-Backupmonitor-Timestamp": stamp,
            "X-Backupmonitor-Signature": f"sha256={signature(secret, stamp, body.encode())}",
        },
        "body": body,
    }
    outbound.call(order, hidden=(address, secret), seconds=seconds)


def signature(secret: str, stamp: str, body: bytes) -> str:
    """Give the HMAC-SHA256, in hexadecimal, of the time stamp, a full stop and the body."""
    signed = stamp.encode() + b"." + body
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def problems_of(address: str, secret: str) -> dict[str, str]:
    """Give what is wrong with an address and a secret, by field."""
    problems: dict[str, str] = {}
    schemes = ("https", "http") if conf.alerts_may_be_private() else ("https",)
    if not _is_address(address.strip(), schemes):
        problems["address"] = _("Give an address that begins with https://.")
    if len(secret) < SHORTEST_SECRET:
        problems["secret"] = _(
            "Give a secret of at least %(count)d characters: messages are signed with it."
        ) % {"count": SHORTEST_SECRET}
    return problems


def _is_address(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a host or a port that is none
        return False
