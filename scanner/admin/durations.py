"""A small chart: how long each of a task's last runs took, oldest first."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.template.loader import render_to_string
from django.utils.html import strip_tags
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from scanner.admin import shown
from scanner.models import TaskRun
from scanner.outcomes import FAILURES

_STEP = 16
_BAR = 11
_HEIGHT = 80
_LEAST = 3


@dataclass(frozen=True, slots=True)
class Bar:
    """A run in the chart, in units of the drawing; `words` tell it to who points at it."""

    x: int
    y: float
    height: float
    outcome: str
    words: str


def chart(runs: Sequence[TaskRun], most: int) -> SafeString:
    """Give the drawing of runs, newest first, with room for `most`; nothing without any."""
    if not runs:
        return SafeString()
    longest = max((run.seconds or 0.0 for run in runs), default=0.0)
    start = _STEP * (most - len(runs))
    bars = [_bar(run, start + _STEP * place, longest) for place, run in enumerate(reversed(runs))]
    context = {
        "bars": bars,
        "bar_width": _BAR,
        "width": _STEP * most,
        "height": _HEIGHT,
        "longest": strip_tags(shown.duration(longest)),
        "count": len(bars),
        "failures": sum(run.outcome in FAILURES for run in runs),
    }
    return render_to_string("scanner/admin/durations.html", context)


def _bar(run: TaskRun, x: int, longest: float) -> Bar:
    seconds = run.seconds
    height = max(_LEAST, _HEIGHT * seconds / longest) if seconds and longest else _LEAST
    at = shown.to_the_second(run.started_at or run.scheduled_for)
    took = strip_tags(shown.duration(seconds)) if seconds is not None else gettext("not timed")
    about = {"at": at, "outcome": run.get_outcome_display(), "took": took}
    words = gettext("%(at)s: %(outcome)s, %(took)s") % about
    return Bar(x, round(_HEIGHT - height, 1), round(height, 1), run.outcome, words)
