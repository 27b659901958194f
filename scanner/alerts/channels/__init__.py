"""The ways out: each takes a message for one recipient, or raises ChannelError."""

from scanner.alerts.channels.handing_over import hand_over, masked_address, problems_of
from scanner.alerts.message import Message

__all__ = ["Message", "hand_over", "masked_address", "problems_of"]
