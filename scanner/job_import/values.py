"""A row's text -> the values of a job's fields, column by column.

What a value may be is said by the model's `clean` alone; here it is only told what cannot be one.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from scanner.errors import ScheduleError
from scanner.job_changes import COLUMNS
from scanner.job_export import text_of
from scanner.job_import.rows import REQUIRED
from scanner.models import ExpectedBackupJob
from scanner.models.schedule_words import in_words
from scanner.pipeline.deposit import agent_identity
from scanner.pipeline.text import clean_name, quote

TRUE: Final = frozenset({"true", "yes", "1", "vrai", "oui"})
FALSE: Final = frozenset({"false", "no", "0", "faux", "non"})
MOST_DIGITS: Final = 9

Fault = tuple[str, str]
"""A column, and what is wrong with its value."""

_NOT_STATED = {field.name for field in ExpectedBackupJob._meta.fields} - set(COLUMNS)


def read_values(cells: Mapping[str, str]) -> tuple[dict[str, Any], list[Fault]]:
    """Give the values of the columns that a row has, and what is wrong with the others.

    An empty cell is the field's default: a blank schedule, the server's zone and grace, active.
    """
    values: dict[str, Any] = {}
    faults = [
        (column, _("%(column)s is missing") % {"column": column})
        for column in REQUIRED
        if not cells.get(column)
    ]
    for column, text in cells.items():
        if column in REQUIRED and not text:
            continue
        try:
            values[column] = _READERS.get(column, _line)(text)
        except ValueError as error:
            faults.append((column, str(error)))
    return values, faults


def faults_of(job: ExpectedBackupJob, unread: Collection[str] = ()) -> list[Fault]:
    """Give what is wrong with a job as a whole; uniqueness is left to the caller.

    Nothing is told of the columns `unread`: what could not be read there has been told.
    """
    try:
        job.full_clean(exclude=_NOT_STATED, validate_unique=False, validate_constraints=False)
        job.calendar  # noqa: B018 - it refuses a grace out of range
    except ValidationError as error:
        return [
            (column, " ".join(words))
            for column, words in sorted(error.message_dict.items())
            if column not in unread
        ]
    except ScheduleError as error:
        return [("grace_minutes", in_words(error))]
    return []


def read_back(column: str, stored: object) -> Any:
    """Give the value that a stored one is when it is written to a file and read again."""
    try:
        return _READERS.get(column, _line)(text_of(stored))
    except ValueError:
        return stored


def _line(text: str) -> str:
    if clean_name(text, len(text) + 10) != text:
        words = _("found %(found)s, expected one line without control characters")
        raise ValueError(words % {"found": quote(text)})
    return text


def _agent(text: str) -> str:
    return agent_identity(_line(text))


def _year(text: str) -> int | None:
    return _whole(text, _("found %(found)s, expected a year in digits"))


def _minutes(text: str) -> int | None:
    return _whole(text, _("found %(found)s, expected a whole number of minutes, 0 or more"))


def _whole(text: str, refusal: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        raise ValueError(refusal % {"found": quote(text)})
    return int(text)


def _truth(text: str) -> bool:
    word = text.lower()
    if word and word not in TRUE and word not in FALSE:
        words = _("found %(found)s, expected yes or no (oui, non, true, false, 1, 0)")
        raise ValueError(words % {"found": quote(text)})
    return word not in FALSE


def _recipients(text: str) -> str:
    addresses = text.replace(",", " ").replace(";", " ").split()
    return ", ".join(dict.fromkeys(addresses))


_READERS: Final[dict[str, Callable[[str], Any]]] = {
    "agent_id": _agent,
    "year": _year,
    "grace_minutes": _minutes,
    "is_active": _truth,
    "notification_recipients": _recipients,
}
