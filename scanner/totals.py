"""How many jobs are in trouble, and how many are not: each job is counted as one thing.

What a job is counted as, the first that applies:

1. retired: nobody expects its backups any more; it is in no total.
2. a problem: it is active, and its last backup failed, is corrupt or is missing.
3. to adopt: reports mention it, and nobody has said yet when its backups are due.
4. paused: it gets no verdicts for now.
5. unknown: it is active, and was never judged.
6. a warning: its last backup is good, with warnings.
7. good.
"""

from dataclasses import dataclass

from django.db.models import Count, Q, TextChoices
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from scanner import access
from scanner.access import Companies
from scanner.models import ExpectedBackupJob
from scanner.models.choices import Status
from scanner.models.job import PROBLEM_STATUSES


class CountedAs(TextChoices):
    """What a job is counted as, the worst first."""

    PROBLEM = "problem", _("Problems")
    WARNING = "warning", _("Warnings")
    UNKNOWN = "unknown", pgettext_lazy("jobs", "Unknown")
    GOOD = "good", _("Good")
    PAUSED = "paused", _("Paused")
    TO_ADOPT = "to_adopt", _("To adopt")
    RETIRED = "retired", _("Retired")


TOTALLED = tuple(kind for kind in CountedAs if kind is not CountedAs.RETIRED)
EXPECTED = Q(retired_at=None)
"""The jobs that are in a total, a list or on a board unless others are asked for."""

_BAD = EXPECTED & Q(is_active=True, status__in=PROBLEM_STATUSES)
_JUDGED = EXPECTED & Q(is_active=True, awaits_adoption=False) & ~Q(status__in=PROBLEM_STATUSES)
_NEVER = Q(status=Status.UNKNOWN.value)
_CLEAN = Q(warnings=[])
_RULES = {
    CountedAs.RETIRED: ~EXPECTED,
    CountedAs.PROBLEM: _BAD,
    CountedAs.TO_ADOPT: EXPECTED
    & Q(awaits_adoption=True)
    & (Q(is_active=False) | ~Q(status__in=PROBLEM_STATUSES)),
    CountedAs.PAUSED: EXPECTED & Q(is_active=False, awaits_adoption=False),
    CountedAs.UNKNOWN: _JUDGED & _NEVER,
    CountedAs.WARNING: _JUDGED & ~_NEVER & ~_CLEAN,
    CountedAs.GOOD: _JUDGED & ~_NEVER & _CLEAN,
}


@dataclass(frozen=True, slots=True)
class Total:
    """How many jobs are counted as something."""

    kind: CountedAs
    count: int


def counted_as(kind: CountedAs) -> Q:
    """Give the condition of the jobs that are counted as this; every job is as exactly one."""
    return _RULES[kind]


def totals(companies: Companies) -> list[Total]:
    """Count the jobs of these companies in one statement, the worst first, zeros too."""
    jobs = access.visible(ExpectedBackupJob.objects.order_by(), companies)
    counts = jobs.aggregate(
        **{kind.value: Count("pk", filter=counted_as(kind)) for kind in TOTALLED}
    )
    return [Total(kind, counts[kind.value]) for kind in TOTALLED]
