"""Which way a channel's messages go, and what is wrong with its address."""

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


def problems_of(channel: Channel) -> dict[str, str]:
    """Give what is wrong with a channel's address and secret, in words, by field."""
    match channel.kind:
        case Kind.EMAIL.value:
            return {} if channel.is_builtin else _mail_problems(channel.address)
        case Kind.APPRISE.value:
            return apprise.problems_of(channel.address)
        case _:
            return webhook.problems_of(channel.address, channel.secret)


def masked_address(channel: Channel) -> str:
    """Give a channel's address as people may see it: without what opens it."""
    if channel.kind == Kind.EMAIL.value:
        return channel.address
    try:
        parts = urlsplit(channel.address.strip())
        if channel.kind == Kind.WEBHOOK.value and parts.hostname:
            return f"{parts.scheme}://{parts.hostname}/…"
    except ValueError:
        return "…"
    return f"{parts.scheme}://…" if parts.scheme else "…"


def _mail_problems(text: str) -> dict[str, str]:
    words = text.replace(";", ",").replace("\n", ",").split(",")
    found = [word.strip() for word in words if word.strip()]
    if not found:
        return {"address": _("Give at least one e-mail address.")}
    for word in found:
        try:
            validate_email(word)
        except ValidationError:
            return {"address": _("“%(word)s” is not an e-mail address.") % {"word": word[:100]}}
    return {}
