"""Removes old history (being written)."""

from datetime import datetime


def prune(*, now: datetime) -> None:
    """Remove what is older than the settings say."""
