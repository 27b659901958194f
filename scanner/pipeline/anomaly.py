"""Whether a backup's size or duration is out of the ordinary for its job.

A value is unusual when all of this holds:

1. There are at least 7 past values; of more than 30 only the last 30 count.
2. Fewer than 3 of them lie as far out or further: what happened three times within the last 30
   backups is known to happen. So a weekly full backup among daily small ones is told three times
   and then no more, and so is a lasting change.
3. It is more than 5 scaled MADs away from the median, in either direction. MAD is the median of the
   absolute deviations from the median; times 1.4826 it estimates the standard deviation of normally
   distributed values, while a few wild values among the past ones move neither it nor the median.
   The method is that of C. Leys et al., "Detecting outliers: Do not use standard deviation around
   the mean, use absolute deviation around the median", Journal of Experimental Social Psychology
   49 (2013) 764-766, doi:10.1016/j.jesp.2013.03.013. They call 3 very conservative for an
   experiment that is analysed once; here one value is judged each night for years, hence 5.
4. It differs from the median by a minimal amount (a tiny database does not flap), and by a minimal
   share of the median (a history that never varied has a MAD of 0, and anything would be unusual).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

HISTORY: Final = 30
LEAST_HISTORY: Final = 7
KNOWN_TO_HAPPEN: Final = 3
THRESHOLD_MADS: Final = 5
# Turns a MAD into a standard deviation: 1 / the third quartile of the normal distribution.
MAD_SCALE: Final = 1.4826

SIZE_FLOOR_BYTES: Final = 64 * 1024
SIZE_SHARE: Final = 0.25
DURATION_FLOOR_SECONDS: Final = 60
DURATION_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Unusual:
    """A value out of the ordinary; `usual` is the median of the last `count` ones before it."""

    value: float
    usual: float
    count: int


def unusual(value: float, past: Sequence[float], floor: float, share: float) -> Unusual | None:
    """Return what is usual if the value is not, else None; the module says when that is.

    `past` are the job's earlier good values, finite and of the value's unit, oldest first. `floor`
    is the least difference from their median that matters, in that unit; `share` the same as a part
    of the median (0.25: a quarter).
    """
    recent = past[-HISTORY:]
    if len(recent) < LEAST_HISTORY:
        return None
    usual = median(recent)
    as_far = sum(one <= value if value < usual else one >= value for one in recent)
    if as_far >= KNOWN_TO_HAPPEN:
        return None
    mad = median([abs(one - usual) for one in recent])
    difference = abs(value - usual)
    if difference < max(floor, share * usual) or difference <= THRESHOLD_MADS * MAD_SCALE * mad:
        return None
    return Unusual(value, usual, len(recent))


def unusual_size(size: int, past: Sequence[int]) -> Unusual | None:
    """Judge a backup's size by the earlier ones, oldest first; all in bytes."""
    return unusual(size, past, SIZE_FLOOR_BYTES, SIZE_SHARE)


def unusual_duration(seconds: float, past: Sequence[float]) -> Unusual | None:
    """Judge how long a backup took by the earlier ones, oldest first; all in seconds."""
    return unusual(seconds, past, DURATION_FLOOR_SECONDS, DURATION_SHARE)


def size_words(found: Unusual) -> str:
    """Say an unusual size (bytes) to people, with what is usual."""
    return (
        f"the backup is {found.value:,.0f} bytes, usually {found.usual:,.0f}"
        f" (median of the last {found.count})"
    )


def duration_words(found: Unusual) -> str:
    """Say an unusual duration (seconds) to people, with what is usual."""
    return (
        f"the backup took {_span(found.value)}, usually {_span(found.usual)}"
        f" (median of the last {found.count})"
    )


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
