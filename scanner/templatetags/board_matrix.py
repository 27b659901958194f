"""What the matrix of the board needs beside its data: the addresses, and the words."""

from typing import Any

from django import template
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from scanner.matrix import PAUSED, SPANS, TO_ADOPT

register = template.Library()

_KEY = "KEY"
LEGEND = (
    ("S", gettext_lazy("good")),
    ("U", gettext_lazy("good, content unchanged")),
    ("W", gettext_lazy("good, with warnings")),
    ("M", gettext_lazy("missing")),
    ("F", gettext_lazy("failed")),
    ("C", gettext_lazy("corrupt")),
    ("?", gettext_lazy("unknown")),
    (".", gettext_lazy("nothing on this day")),
)
"""What each letter of the matrix means, as its cells and its legend say it."""


@register.simple_tag
def board_legend() -> list[dict[str, Any]]:
    """Give the marks of the matrix, each with what it means."""
    marks = [*LEGEND, (PAUSED, _("paused")), (TO_ADOPT, _("to adopt"))]
    return [{"mark": _MARKS.get(letter, letter), "words": words} for letter, words in marks]


@register.simple_tag
def board_config(may_open: object) -> dict[str, Any]:
    """Give what the script of the matrix is told; it links to pages only where they open."""
    opened = {
        "job": reverse("admin:scanner_expectedbackupjob_change", args=[_KEY]),
        "entry": reverse("admin:scanner_backupentry_change", args=[_KEY]),
    }
    return {
        "data": reverse("board:matrix"),
        "open": opened if may_open else None,
        "spans": SPANS,
        "letters": {letter: str(words) for letter, words in LEGEND},
        "words": _words(),
    }


_MARKS = {".": "nothing", "?": "unknown"}


def _words() -> dict[str, str]:
    """Give the words of the script; what stands in braces is filled in there."""
    return {
        PAUSED: _("paused"),
        TO_ADOPT: _("to adopt"),
        "now": pgettext("column of the matrix", "Now"),
        "database": _("Database"),
        "today": _("today"),
        "deadline": _("next deadline {moment}"),
        "problems": _("problems: {count}"),
        "jobs": _("jobs: {count}"),
        "shown": _("{shown} of {count} jobs"),
        "none": _("No job matches."),
        "empty": _("No backup is expected yet."),
        "no_problems": _("No job has a problem now."),
        "updated": _("As of {moment}"),
        "away": _("The server does not answer. This is the state of {moment}."),
        "away_yet": _("The server does not answer; it is asked again every minute."),
        "gone": _("You are logged out, or may not see this any more. Load the page again."),
    }
