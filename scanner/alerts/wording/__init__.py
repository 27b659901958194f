"""The words: what a message says, in the language and zone of whoever gets it."""

from scanner.alerts.wording.composing import compose, test_message
from scanner.alerts.wording.digest import compose_digest

__all__ = ["compose", "compose_digest", "test_message"]
