"""Which way a channel's messages go, and what is wrong with its address."""

import re
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from scanner.alerts.channels import apprise, email, webhook
from scanner.alerts.message import Message
from scanner.models import Channel

Kind = Channel.Kind
LIMIT_SECONDS = 10.0
"""How long handing over one message may take in all."""

LONGEST_MAIL_ADDRESS = 254


def hand_over(
    channel: Channel, recipient: str, message: Message, *, seconds: float = LIMIT_SECONDS
) -> None:
    """Hand a message over, in `seconds` at most. Raise ChannelError when it was not taken.

    The database is not used.
    """
    match channel.kind:
        case Kind.EMAIL.value:
            email.send(recipient, message, seconds=seconds)
        case Kind.APPRISE.value:
            apprise.send(channel.address, message, seconds=seconds)
        case _:
            webhook.send(channel.address, channel.secret, message, seconds=seconds)


def problems_of(channel: Channel, *, seconds: float = LIMIT_SECONDS) -> dict[str, str]:
    """Give what is wrong with a channel's address and secret, in words, by field.

    Nothing is sent. An address of Apprise is looked at by a process of its own, which may take
    `seconds` at most.
    """
    match channel.kind:
        case Kind.EMAIL.value:
            return {} if channel.is_builtin else _mail_problems(channel.address)
        case Kind.APPRISE.value:
            return apprise.problems_of(channel.address, seconds=seconds)
        case _:
            return webhook.problems_of(channel.address, channel.secret)


def masked_address(channel: Channel) -> str:
    """Give a channel's address as people may see it: without what opens it.

    Mail addresses are shown; of a webhook its scheme and host, of Apprise only its scheme, as
    tokens stand where the host does.
    """
    address = channel.address.strip()
    if channel.kind == Kind.EMAIL.value:
        return address
    scheme = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]*)://", address)
    if scheme is None:
        return "…" if address else ""
    if channel.kind == Kind.WEBHOOK.value:
        try:
            host = urlsplit(address).hostname
        except ValueError:
            host = None
        if host:
            return f"{scheme[1]}://{host}/…"
    return f"{scheme[1]}://…"


def _mail_problems(text: str) -> dict[str, str]:
    found = [word for word in re.split(r"[,;\s]+", text) if word]
    if not found:
        return {"address": _("Give at least one e-mail address.")}
    for word in found:
        try:
            validate_email(word)
        except ValidationError:
            return {"address": _("“%(word)s” is not an e-mail address.") % {"word": word[:100]}}
        if len(word) > LONGEST_MAIL_ADDRESS:
            return {"address": _("“%(word)s” is too long.") % {"word": word[:100]}}
    return {}
