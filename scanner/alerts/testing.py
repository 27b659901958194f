"""Sends a test through a channel, and keeps what came of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from scanner.alerts import audience, channels, wording
from scanner.alerts.audience import Concern
from scanner.errors import ChannelError
from scanner.models import Channel

NOBODY = gettext_lazy("There is nobody to send a test to: ADMIN_EMAIL_RECIPIENTS is not set.")


@dataclass(frozen=True, slots=True)
class Tested:
    """What came of a test to one recipient; `error` is empty when it was taken."""

    recipient: str
    error: str


def send_test(channel: Channel, *, now: datetime) -> list[Tested]:
    """Send a test to each recipient of a channel, and store what came of it.

    The one that is built in sends to ADMIN_EMAIL_RECIPIENTS; nothing is sent when it names none.
    Once a channel cannot be reached, the rest of its recipients are not tried: they would only
    take as long each.
    """
    results = list(_tried(channel, now))
    errors = [f"{one.recipient}: {one.error}".lstrip(": ") for one in results if one.error]
    channel.tested_at, channel.test_error = now, "\n".join(errors) if results else str(NOBODY)
    Channel.objects.filter(pk=channel.pk).update(
        tested_at=channel.tested_at, test_error=channel.test_error
    )
    return results


def _tried(channel: Channel, now: datetime) -> Iterator[Tested]:
    is_down = False
    for recipient in audience.recipients(channel, Concern()):
        if is_down:
            yield Tested(recipient, _("It was not tried, as the channel cannot be reached."))
            continue
        message = wording.test_message(channel, recipient, now=now)
        try:
            channels.hand_over(channel, recipient, message)
        except ChannelError as error:
            is_down = error.is_down
            yield Tested(recipient, str(error))
        except Exception as error:  # noqa: BLE001 - its words may hold a secret of the channel
            yield Tested(recipient, type(error).__name__)
        else:
            yield Tested(recipient, "")
