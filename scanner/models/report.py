from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from scanner.models.run import ScanRun


class AgentReport(models.Model):
    """One JSON file from an agent about one operation over several databases.

    An accepted report is known by its agent, the SHA-256 of its bytes and its operation's end. It
    is complete when each of its claims has its entry; until then the file stays where it is.
    """

    class State(models.TextChoices):
        ACCEPTED = "accepted", _("accepted")
        REJECTED = "rejected", _("rejected")

    agent_id = models.CharField(_("agent"), max_length=255)
    file_name = models.CharField(_("file"), max_length=255)
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    size = models.PositiveBigIntegerField(_("size"))
    arrived_at = models.DateTimeField(_("arrived"))
    operation_end = models.DateTimeField(_("operation ended"), null=True, blank=True)
    overall = models.CharField(_("overall status"), max_length=20, blank=True, default="")
    state = models.CharField(_("state"), max_length=20, choices=State.choices)
    reason = models.TextField(_("reason of the rejection"), blank=True, default="")
    is_complete = models.BooleanField(pgettext_lazy("report", "complete"), default=True)
    attempt = models.PositiveIntegerField(
        _("attempt"), default=1, help_text=_("Grows each time the report is judged again.")
    )
    recorded_at = models.DateTimeField(_("recorded"))
    run = models.ForeignKey(
        ScanRun, verbose_name=_("scan run"), on_delete=models.PROTECT, related_name="reports"
    )

    class Meta:
        verbose_name = _("report")
        verbose_name_plural = _("reports")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("agent_id", "sha256", "operation_end"),
                condition=Q(state="accepted"),
                name="report_is_accepted_once",
            ),
            models.UniqueConstraint(
                fields=("agent_id", "sha256"),
                condition=Q(state="rejected"),
                name="report_is_rejected_once",
            ),
        )
        indexes = (models.Index(fields=("agent_id", "-arrived_at"), name="report_by_agent"),)

    def __str__(self) -> str:
        return self.file_name
