"""Tells people what a command has found, for installations without a scheduler too."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.utils import timezone

from scanner.alerts.tell import tell

logger = logging.getLogger(__name__)


@contextmanager
def told_afterwards() -> Iterator[None]:
    """Run the block, then tell people what came of it, also when it failed; not after Ctrl-C.

    What goes wrong with telling is logged, and changes nothing for the command: the outbox is
    tried again by whatever tells next.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException:
        _tell()
        raise
    _tell()


def _tell() -> None:
    try:
        tell(now=timezone.now())
    except Exception:
        logger.exception("what was found is not told yet")
