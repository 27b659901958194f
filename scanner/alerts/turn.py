"""One at a time: who changes incidents or plans deliveries holds the row of the built-in channel.

A database lets go of a lock when the process that holds it dies, at whatever instant.
"""

from django.utils import timezone

from scanner.models import Channel

BUILTIN = "E-mail to those responsible"
"""The name of the channel that is built in."""


def take_turn() -> None:
    """Wait until nobody else changes incidents or plans deliveries, and keep them from it.

    It holds until the end of the transaction: also when its process is killed.
    """
    if Channel.objects.select_for_update().filter(is_builtin=True).first() is None:
        # A migration made it, and no page deletes it: whoever did so has it back.
        Channel.objects.create(
            is_builtin=True,
            name=BUILTIN,
            kind=Channel.Kind.EMAIL.value,
            created_at=timezone.now(),
        )
