"""What is wrong with a schedule, a zone or a grace, in the language that is active."""

from collections.abc import Callable

from django.utils.translation import gettext

from scanner.errors import ScheduleError


def in_words(error: ScheduleError) -> str:
    """Give what an error says to people."""
    return gettext(error.words) % error.facts


def error_of(read: Callable[..., object], *words: str) -> str:
    """Give what is wrong with words that `read` reads; empty where nothing is."""
    try:
        read(*words)
    except ScheduleError as error:
        return in_words(error)
    return ""
