"""What a file of jobs would change, in words for people; and what each of its columns takes."""

from typing import Any, Final

from django.utils.translation import gettext, ngettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from scanner.admin.unfolded import Words
from scanner.job_changes import COLUMNS
from scanner.job_import import REQUIRED, Change, Kind, Plan
from scanner.job_import.rows import MOST_PROBLEMS

MOST_ROWS_SHOWN: Final = 500
MOST_PROBLEMS_SHOWN: Final = 200
# In the order in which they are shown, with the kind of their label and its icon.
KINDS: Final[dict[Kind, tuple[Words, str]]] = {
    Kind.CREATED: (pgettext_lazy("job", "created"), "success"),
    Kind.UPDATED: (_("updated"), "info"),
    Kind.UNCHANGED: (_("unchanged"), ""),
}
TAKES: Final[dict[str, Words]] = {
    "company_name": _("Whose database it is; at most 100 characters."),
    "city": _("At most 100 characters."),
    "neighborhood": _("At most 100 characters."),
    "database_name": _("As it stands in the agent's reports, in the same letter case."),
    "year": _("A year from 1900 to 2099, or nothing."),
    "agent_id": _("The agent's folder in the deposit tree: COMPANY_CITY_NEIGHBORHOOD."),
    "schedule": _("A cron expression like 30 2 * * *, or @daily. Nothing: it is never missing."),
    "time_zone": _("Like Africa/Douala. Nothing: the server's setting AGENT_TIME_ZONE."),
    "grace_minutes": _("A whole number of minutes. Nothing: the server's default."),
    "notification_recipients": _("E-mail addresses, separated by spaces or commas."),
    "is_active": _("yes or no (oui, non, true, false, 1, 0). Nothing: yes."),
}


def columns() -> list[dict[str, Any]]:
    """Give each column of a file of jobs, whether there must be one, and what it takes."""
    return [
        {"name": name, "is_required": name in REQUIRED, "takes": TAKES[name]} for name in COLUMNS
    ]


def preview(planned: Plan) -> dict[str, Any]:
    """Give what the template `job_import_preview` shows of a plan.

    What changes comes before what does not; of thousands of rows, the first ones are shown.
    """
    changing = [one for one in planned.changes if one.kind is not Kind.UNCHANGED]
    unchanged = [one for one in planned.changes if one.kind is Kind.UNCHANGED]
    shown = (changing + unchanged)[:MOST_ROWS_SHOWN]
    return {
        "notes": planned.notes,
        "problems": planned.problems[:MOST_PROBLEMS_SHOWN],
        "problem_count": _problem_count(planned),
        "more_problems": max(0, len(planned.problems) - MOST_PROBLEMS_SHOWN),
        "counts": [
            {"words": words, "kind": look, "count": planned.count(kind)}
            for kind, (words, look) in KINDS.items()
        ],
        "changes_something": bool(changing),
        "rows": [_row(change) for change in shown],
        "more_rows": len(planned.changes) - len(shown),
    }


def _problem_count(planned: Plan) -> str:
    count = len(planned.problems)
    if count > MOST_PROBLEMS:
        return gettext("Many errors. Nothing can be applied until they are gone.")
    words = ngettext(
        "%(count)d error. Nothing can be applied until it is gone.",
        "%(count)d errors. Nothing can be applied until they are gone.",
        count,
    )
    return words % {"count": count}


def _row(change: Change) -> dict[str, Any]:
    words, look = KINDS[change.kind]
    job = change.job
    if change.kind is Kind.CREATED:
        values = {name: getattr(job, name) for name in COLUMNS}
        differences = [
            {"column": name, "old": None, "new": _value(new)}
            for name, new in values.items()
            if new not in ("", None)
        ]
    else:
        differences = [
            {"column": name, "old": _value(old), "new": _value(new)}
            for name, (old, new) in change.differences.items()
        ]
    return {
        "line": change.line,
        "words": words,
        "kind": look,
        "database": job.database_name,
        "agent": job.agent_id,
        "differences": differences,
    }


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    return gettext("nothing") if value in (None, "") else str(value)
