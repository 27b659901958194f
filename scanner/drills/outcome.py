"""What comes of one restore, and how long it may take."""

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Restored:
    """What stood in the scratch database in the end."""

    tables: int
    rows: int


class CannotRestore(Exception):
    """The copy does not restore; the message says why. A finding, not an error of ours."""


class CannotTry(Exception):
    """Nothing was learnt of the copy: the message says what a drill of it lacks, and what to do."""


class Deadline:
    """When one restore is given up."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """Give the seconds that are left. Raise CannotRestore when there are none."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise CannotRestore(
                f"the restore did not end within {self._seconds / 60:g} minutes and was given up "
                "(RESTORE_DRILL_TIMEOUT_MINUTES)"
            )
        return left
