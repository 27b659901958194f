"""Everything that Apprise speaks, in a process of its own: see `guarded`."""

from scanner.alerts.channels import outbound
from scanner.alerts.message import Message
from scanner.errors import ChannelError


def send(url: str, message: Message, *, seconds: float) -> None:
    """Tell the service of an Apprise URL. Raise ChannelError when it did not take the message."""
    order = {
        "kind": "apprise",
        "url": url.strip(),
        "title": message.subject,
        "text": message.text,
        "is_problem": message.is_problem,
    }
    outbound.call(order, hidden=(url,), seconds=seconds)


def problems_of(url: str, *, seconds: float) -> dict[str, str]:
    """Give what is wrong with an Apprise URL, by field; nothing is sent."""
    # Not in this process: what an address names is read and done when it is looked at, too.
    try:
        outbound.call({"kind": "apprise", "url": url.strip()}, hidden=(url,), seconds=seconds)
    except ChannelError as error:
        return {"address": str(error)}
    return {}
