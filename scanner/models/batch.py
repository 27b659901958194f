"""How many rows go through one statement."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from django.db.models import Model

BATCH = 500
T = TypeVar("T")
M = TypeVar("M", bound=Model)


def batches(items: Sequence[T], size: int = BATCH) -> Iterator[Sequence[T]]:
    """Cut a sequence into pieces that fit one statement."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def write(rows: Iterable[M], names: Sequence[str]) -> None:
    """Write those fields of rows that are there and locked by the caller.

    It is an upsert: Django's bulk_update, with a CASE for each row and field, takes twenty times as
    long for a thousand rows. Naming a key that does not differ would lock out what refers to the
    row.
    """
    some = list(rows)
    if some:
        manager = type(some[0])._default_manager  # noqa: SLF001 - public, whatever its name
        manager.bulk_create(
            some,
            batch_size=BATCH,
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=names,
        )


def write_differing(pairs: Sequence[tuple[M, M]], names: Sequence[str]) -> None:
    """Write those of the fields in which any row is not what it was like before.

    The rows, each given with what it was like, are there and locked by the caller.
    """
    differing = [
        name
        for name in names
        if any(getattr(row, name) != getattr(before, name) for row, before in pairs)
    ]
    if differing:
        write([row for row, _ in pairs], differing)
