from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from scanner.models.choices import Level, Reason, Status
from scanner.models.job import ExpectedBackupJob
from scanner.models.naming import named
from scanner.models.report import AgentReport
from scanner.models.run import ScanRun


class BackupEntry(models.Model):
    """One verdict, recorded for ever against a job and a cycle.

    `cycle_due` is empty for a job without a schedule. What the agent claimed stands beside what was
    measured.
    """

    job = models.ForeignKey(
        ExpectedBackupJob,
        verbose_name=_("expected backup"),
        on_delete=models.PROTECT,
        related_name="entries",
    )
    run = models.ForeignKey(
        ScanRun, verbose_name=_("scan run"), on_delete=models.PROTECT, related_name="entries"
    )
    report = models.ForeignKey(
        AgentReport,
        verbose_name=_("report"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="entries",
    )
    attempt = models.PositiveIntegerField(_("attempt"), default=1)
    agent_id = models.CharField(_("agent"), max_length=255)
    cycle_due = models.DateTimeField(_("cycle due"), null=True, blank=True)
    cycle_deadline = models.DateTimeField(_("deadline"), null=True, blank=True)
    operation_end = models.DateTimeField(_("operation ended"), null=True, blank=True)
    arrived_at = models.DateTimeField(_("arrived"), null=True, blank=True)
    recorded_at = models.DateTimeField(_("recorded"), db_index=True)

    status = models.CharField(_("status"), max_length=20, choices=Status.choices)
    reason = models.CharField(
        _("reason"), max_length=30, choices=Reason.choices, blank=True, default=""
    )
    warnings = models.JSONField(_("warnings"), default=list, blank=True)
    level = models.CharField(
        _("verified to"), max_length=20, choices=Level.choices, blank=True, default=""
    )
    message = models.TextField(_("message"), blank=True, default="")

    staged_name = models.CharField(_("staged file"), max_length=255, blank=True, default="")
    claimed_size = models.BigIntegerField(_("claimed size"), null=True, blank=True)
    claimed_sha256 = models.CharField(_("claimed SHA-256"), max_length=64, blank=True, default="")
    claimed_content_size = models.BigIntegerField(_("claimed dump size"), null=True, blank=True)
    claimed_content_sha256 = models.CharField(
        _("claimed dump SHA-256"), max_length=64, blank=True, default=""
    )
    size = models.BigIntegerField(_("size"), null=True, blank=True)
    sha256 = models.CharField(_("SHA-256"), max_length=64, blank=True, default="")
    codec = models.CharField(_("compression"), max_length=10, blank=True, default="")
    content_size = models.BigIntegerField(_("dump size"), null=True, blank=True)
    content_sha256 = models.CharField(_("dump SHA-256"), max_length=64, blank=True, default="")
    stable_sha256 = models.CharField(
        _("stable SHA-256"),
        max_length=64,
        blank=True,
        default="",
        help_text=_("Of the dump without the lines that differ each time it is made."),
    )
    dump_kind = models.CharField(_("kind of dump"), max_length=20, blank=True, default="")
    verify_seconds = models.FloatField(_("verified in (s)"), null=True, blank=True)
    dump_seconds = models.FloatField(_("dumped in (s)"), null=True, blank=True)

    vault_path = models.CharField(_("vault copy"), max_length=1000, blank=True, default="")
    vault_pending = models.BooleanField(_("still to be copied"), default=False, editable=False)
    copy_deleted_at = models.DateTimeField(_("copy deleted"), null=True, blank=True)
    copy_deleted_because = models.CharField(
        _("why the copy was deleted"), max_length=200, blank=True, default=""
    )

    class Meta:
        verbose_name = _("backup entry")
        verbose_name_plural = _("backup entries")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("report", "job", "attempt"), name="entry_is_recorded_once"
            ),
            models.UniqueConstraint(
                fields=("job", "cycle_due"),
                condition=Q(status="MISSING", reason="no_report"),
                name="entry_is_missing_once",
            ),
        )
        indexes = (
            models.Index(fields=("job", "cycle_due"), name="entry_by_cycle"),
            models.Index(fields=("job", "-id"), name="entry_by_job"),
            models.Index(fields=("job", "sha256"), name="entry_by_digest"),
            models.Index(fields=("status", "-id"), name="entry_by_status"),
            models.Index(
                fields=("stable_sha256",),
                condition=~Q(stable_sha256=""),
                name="entry_by_stable_digest",
            ),
            models.Index(
                fields=("id",), condition=Q(vault_pending=True), name="entry_vault_pending"
            ),
            models.Index(
                fields=("agent_id", "staged_name", "operation_end"), name="entry_by_staged_name"
            ),
        )

    def __str__(self) -> str:
        words = str(self.get_status_display())
        return named(words, self.get_reason_display()) if self.reason else words


class StatusChange(models.Model):
    """A job went from one status (or problem) to another; alerts are a reader of these rows."""

    job = models.ForeignKey(
        ExpectedBackupJob,
        verbose_name=_("expected backup"),
        on_delete=models.PROTECT,
        related_name="status_changes",
    )
    entry = models.ForeignKey(
        BackupEntry, verbose_name=_("entry"), on_delete=models.PROTECT, related_name="+"
    )
    old_status = models.CharField(_("old status"), max_length=20, choices=Status.choices)
    old_reason = models.CharField(_("old reason"), max_length=30, blank=True, default="")
    new_status = models.CharField(_("new status"), max_length=20, choices=Status.choices)
    new_reason = models.CharField(_("new reason"), max_length=30, blank=True, default="")
    changed_at = models.DateTimeField(_("changed"))

    class Meta:
        verbose_name = _("status change")
        verbose_name_plural = _("status changes")
        ordering = ("-id",)
        indexes = (models.Index(fields=("job", "-id"), name="change_by_job"),)

    def __str__(self) -> str:
        return f"{self.get_old_status_display()} → {self.get_new_status_display()}"
