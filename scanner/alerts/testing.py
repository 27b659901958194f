"""Sends a test through a channel, and keeps what came of it."""

from dataclasses import dataclass
from datetime import datetime

from scanner.alerts import audience, channels, wording
from scanner.alerts.audience import Concern
from scanner.errors import ChannelError
from scanner.models import Channel


@dataclass(frozen=True, slots=True)
class Tested:
    """What came of a test to one recipient; `error` is empty when it was taken."""

    recipient: str
    error: str


def send_test(channel: Channel, *, now: datetime) -> list[Tested]:
    """Send a test to each recipient of a channel, and store what came of it.

    The one that is built in sends to ADMIN_EMAIL_RECIPIENTS; nothing is sent when it names none.
    """
    results = []
    for recipient in audience.recipients(channel, Concern()):
        message = wording.test_message(channel, recipient, now=now)
        try:
            channels.hand_over(channel, recipient, message)
        except ChannelError as error:
            results.append(Tested(recipient, str(error)))
        except Exception as error:  # noqa: BLE001 - its words may hold a secret of the channel
            results.append(Tested(recipient, type(error).__name__))
        else:
            results.append(Tested(recipient, ""))
    errors = [f"{one.recipient}: {one.error}".lstrip(": ") for one in results if one.error]
    channel.tested_at, channel.test_error = now, "\n".join(errors)
    Channel.objects.filter(pk=channel.pk).update(
        tested_at=channel.tested_at, test_error=channel.test_error
    )
    return results
