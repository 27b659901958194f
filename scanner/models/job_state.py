from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from scanner.models.choices import Status

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as Words


def _found(model: str, label: "Words") -> "models.ForeignKey[Any, Any]":
    return models.ForeignKey(
        model,
        verbose_name=label,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
    )


class JobState(models.Model):
    """How a job stands: what scans and restore drills found of it, and what it awaits next.

    `days` are the worst verdicts of its last days, as `scanner.days` keeps them.
    """

    created_at = models.DateTimeField(_("created"), editable=False)
    past_timetables = models.JSONField(default=list, blank=True, editable=False)
    zone_in_force = models.CharField(max_length=64, editable=False, default="UTC")
    due_at = models.DateTimeField(_("next due"), null=True, blank=True, editable=False)
    deadline_at = models.DateTimeField(_("next deadline"), null=True, blank=True, editable=False)

    status = models.CharField(
        _("status"),
        max_length=20,
        choices=Status.choices,
        default=Status.UNKNOWN.value,
        editable=False,
    )
    reason = models.CharField(_("reason"), max_length=30, blank=True, default="", editable=False)
    warnings = models.JSONField(_("warnings"), default=list, blank=True, editable=False)
    problem_cycles = models.PositiveIntegerField(_("problems in a row"), default=0, editable=False)
    alert_check_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text=_("When the alerts look at it next; blank: nothing changed since they did."),
    )
    status_since = models.DateTimeField(_("status since"), null=True, blank=True, editable=False)
    state_cycle = models.DateTimeField(null=True, blank=True, editable=False)
    state_operation_end = models.DateTimeField(null=True, blank=True, editable=False)
    last_entry = _found("scanner.BackupEntry", _("last entry"))
    last_good_entry = _found("scanner.BackupEntry", _("last good entry"))
    last_good_at = models.DateTimeField(_("last success"), null=True, blank=True, editable=False)
    last_size = models.BigIntegerField(_("last size"), null=True, blank=True, editable=False)
    unchanged_cycles = models.PositiveIntegerField(_("unchanged cycles"), default=0, editable=False)
    days = models.JSONField(default=list, blank=True, editable=False)
    recent_good = models.JSONField(default=list, blank=True, editable=False)
    last_restore = _found("scanner.RestoreDrill", _("last proven restorable"))

    STATE_FIELDS: ClassVar[tuple[str, ...]] = (
        "due_at",
        "deadline_at",
        "status",
        "reason",
        "warnings",
        "problem_cycles",
        "alert_check_at",
        "status_since",
        "state_cycle",
        "state_operation_end",
        "last_entry",
        "last_good_entry",
        "last_good_at",
        "last_size",
        "unchanged_cycles",
        "days",
        "recent_good",
    )

    class Meta:
        abstract = True
