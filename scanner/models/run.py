from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class ScanRun(models.Model):
    """One scan: when, started by what, what it counted, how it ended."""

    class Trigger(models.TextChoices):
        SCHEDULE = "schedule", _("schedule")
        COMMAND = "command", _("command")
        REPROCESS = "reprocess", _("reprocess")
        DEMO = "demo", _("demo")

    class Outcome(models.TextChoices):
        RUNNING = "running", _("running")
        COMPLETE = "complete", _("complete")
        INCOMPLETE = "incomplete", _("incomplete")
        FAILED = "failed", _("failed")
        INTERRUPTED = "interrupted", _("interrupted")

    trigger = models.CharField(_("started by"), max_length=20, choices=Trigger.choices)
    outcome = models.CharField(
        _("outcome"), max_length=20, choices=Outcome.choices, default=Outcome.RUNNING.value
    )
    agents = models.JSONField(
        _("agents"), default=list, blank=True, help_text=_("Empty means all agents.")
    )
    started_at = models.DateTimeField(_("started"), db_index=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    reports_accepted = models.PositiveIntegerField(pgettext_lazy("reports", "accepted"), default=0)
    reports_rejected = models.PositiveIntegerField(pgettext_lazy("reports", "rejected"), default=0)
    reports_known = models.PositiveIntegerField(_("known"), default=0)
    reports_deferred = models.PositiveIntegerField(_("deferred"), default=0)
    jobs_registered = models.PositiveIntegerField(_("jobs registered"), default=0)
    databases_unexpected = models.PositiveIntegerField(_("unexpected databases"), default=0)
    claims_total = models.PositiveIntegerField(_("backups to judge"), default=0)
    claims_done = models.PositiveIntegerField(_("backups judged"), default=0)
    verified_bytes = models.BigIntegerField(_("verified bytes"), default=0)
    counts = models.JSONField(_("verdicts"), default=dict, blank=True)
    problems = models.PositiveIntegerField(
        _("problems"),
        null=True,
        blank=True,
        help_text=_("Active jobs in a problem status after the scan."),
    )
    findings = models.JSONField(
        _("findings"),
        default=list,
        blank=True,
        help_text=_("What could not be looked at, or could not be done."),
    )
    strangers = models.JSONField(
        _("ignored folders"),
        default=list,
        blank=True,
        help_text=_("Folders of the deposit tree that are no agent's."),
    )
    error = models.TextField(_("error"), blank=True, default="")
    vault_free_bytes = models.BigIntegerField(_("free in the vault"), null=True, blank=True)
    vault_days_left = models.FloatField(
        _("days until the vault is full"),
        null=True,
        blank=True,
        help_text=_("At the pace of the last 14 days; empty when it does not grow."),
    )

    class Meta:
        verbose_name = _("scan run")
        verbose_name_plural = _("scan runs")
        ordering = ("-id",)
        permissions = (("request_scan", _("Can ask for a scan")),)

    def __str__(self) -> str:
        return f"#{self.pk} {self.started_at:%Y-%m-%d %H:%M}"

    @property
    def seconds(self) -> float | None:
        """How long the scan took, or None while it runs or when it was killed."""
        if self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()
