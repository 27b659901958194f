"""How many rows go through one statement."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

BATCH = 500
T = TypeVar("T")


def batches(items: Sequence[T], size: int = BATCH) -> Iterator[Sequence[T]]:
    """Cut a sequence into pieces that fit one statement."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
