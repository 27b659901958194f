"""Everything that Apprise speaks, in a process of its own: see `guarded`."""

from django.utils.translation import gettext as _

from scanner.alerts.channels import outbound
from scanner.alerts.message import Message

LOCAL = frozenset({"dbus", "kde", "glib", "qt", "gnome", "macosx", "windows", "syslog", "file"})
"""Schemas that act on this machine instead of telling somebody."""


def send(url: str, message: Message, *, seconds: float) -> None:
    """Tell the service of an Apprise URL. Raise ChannelError when it did not take the message."""
    outbound.call(
        {
            "kind": "apprise",
            "url": url.strip(),
            "title": message.subject,
            "text": message.text,
            "is_problem": message.is_problem,
        },
        hidden=(url,),
        seconds=seconds,
    )


def problems_of(url: str) -> dict[str, str]:
    """Give what is wrong with an Apprise URL, by field."""
    import apprise

    url = url.strip()
    if url.partition(":")[0].lower() in LOCAL:
        return {"address": _("This service acts on the server itself, and tells nobody.")}
    if "://" not in url or apprise.Apprise.instantiate(url, suppress_exceptions=True) is None:
        return {"address": _("Apprise does not understand this URL: see its list of services.")}
    return {}
