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

SHORTEST_SECRET = 16


def send(address: str, secret: str, message: Message, *, seconds: float) -> None:
    """Post a message. Raise ChannelError when the answer is not 2xx, or does not come in time."""
    words = {"subject": message.subject, "text": message.text}
    body = json.dumps({**message.data, **words}, ensure_ascii=False).encode()
    stamp = str(int(timezone.now().timestamp()))
    outbound.call(
        {
            "kind": "webhook",
            "url": address.strip(),
            "headers": {
                "Content-Type": "application/json",
                "X-Backupmonitor-Id": str(message.data.get("id", "")),
                "X-Backupmonitor-Timestamp": stamp,
                "X-Backupmonitor-Signature": f"sha256={signature(secret, stamp, body)}",
            },
            "body": body.decode(),
        },
        hidden=(address, secret),
        seconds=seconds,
    )


def signature(secret: str, stamp: str, body: bytes) -> str:
    """Give the HMAC-SHA256, in hexadecimal, of the time stamp, a full stop and the body."""
    signed = stamp.encode() + b"." + body
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def problems_of(address: str, secret: str) -> dict[str, str]:
    """Give what is wrong with an address and a secret, by field."""
    problems: dict[str, str] = {}
    schemes = ("https", "http") if conf.alerts_may_be_private() else ("https",)
    try:
        parts = urlsplit(address.strip())
        is_address = parts.scheme in schemes and bool(parts.hostname)
    except ValueError:
        is_address = False
    if not is_address:
        problems["address"] = _("Give an address that begins with https://.")
    if len(secret) < SHORTEST_SECRET:
        problems["secret"] = _(
            "Give a secret of at least %(count)d characters: messages are signed with it."
        ) % {"count": SHORTEST_SECRET}
    return problems
