"""What becomes of the copies in the vault after the verdicts that made them."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from scanner.models.entry import BackupEntry
from scanner.models.job import ExpectedBackupJob
from scanner.models.naming import named


class VaultRun(models.Model):
    """One piece of work on the vault: an audit, a prune, or a round of restore drills."""

    class Kind(models.TextChoices):
        AUDIT = "audit", _("audit")
        PRUNE = "prune", _("prune")
        DRILL = "drill", _("restore drills")

    class Outcome(models.TextChoices):
        RUNNING = "running", _("running")
        OK = "ok", _("ok")
        FINDINGS = "findings", _("with findings")
        REFUSED = "refused", _("refused")
        FAILED = "failed", _("failed")
        INTERRUPTED = "interrupted", _("interrupted")

    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    outcome = models.CharField(
        _("outcome"), max_length=20, choices=Outcome.choices, default=Outcome.RUNNING.value
    )
    started_at = models.DateTimeField(_("started"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    copies = models.PositiveIntegerField(_("copies"), default=0)
    bytes = models.BigIntegerField(_("bytes"), default=0)
    findings = models.PositiveIntegerField(_("findings"), default=0)
    covered_since = models.DateTimeField(
        _("all re-read since"),
        null=True,
        blank=True,
        help_text=_("After an audit: each copy was read since then."),
    )
    message = models.TextField(_("message"), blank=True, default="")

    class Meta:
        verbose_name = _("vault run")
        verbose_name_plural = _("vault runs")
        ordering = ("-id",)
        indexes = (models.Index(fields=("kind", "-id"), name="vault_run_by_kind"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.started_at:%Y-%m-%d %H:%M}"


class VaultCopy(models.Model):
    """One verified copy: a file of the vault, and what is known of it since it was written."""

    class State(models.TextChoices):
        WHOLE = "whole", _("whole")
        DAMAGED = "damaged", _("damaged")
        ABSENT = "absent", _("absent")
        DELETING = "deleting", _("being deleted")
        DELETED = "deleted", _("deleted")

    job = models.ForeignKey(
        ExpectedBackupJob,
        verbose_name=_("expected backup"),
        on_delete=models.PROTECT,
        related_name="copies",
    )
    entry = models.ForeignKey(
        BackupEntry,
        verbose_name=_("entry"),
        on_delete=models.PROTECT,
        related_name="+",
        help_text=_("The verdict with which it came into the vault."),
    )
    path = models.CharField(_("path in the vault"), max_length=1000)
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    size = models.BigIntegerField(_("size"))
    made_at = models.DateTimeField(_("backup of"))
    stored_at = models.DateTimeField(_("stored"), db_index=True)
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.WHOLE.value
    )
    audited_at = models.DateTimeField(
        _("last read whole"), help_text=_("By an audit, or when it was written.")
    )
    drilled_at = models.DateTimeField(_("last restore tried"), null=True, blank=True)
    proven_at = models.DateTimeField(_("last restored"), null=True, blank=True)
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True)
    deleted_because = models.CharField(
        _("why it was deleted"), max_length=200, blank=True, default=""
    )

    class Meta:
        verbose_name = _("vault copy")
        verbose_name_plural = _("vault copies")
        ordering = ("-made_at", "-id")
        permissions = (("download_backup", _("Can download backups")),)
        constraints = (models.UniqueConstraint(fields=("job", "path"), name="copy_is_known_once"),)
        indexes = (
            models.Index(fields=("path",), name="copy_by_path"),
            models.Index(
                fields=("audited_at", "id"),
                condition=Q(state__in=("whole", "damaged", "absent")),
                name="copy_by_audit",
            ),
            models.Index(fields=("job", "-made_at"), name="copy_by_job"),
            models.Index(fields=("state", "-id"), name="copy_by_state"),
            models.Index(
                fields=("deleted_at",), condition=~Q(deleted_at=None), name="copy_by_deletion"
            ),
        )

    def __str__(self) -> str:
        return self.path


ALIVE = (VaultCopy.State.WHOLE.value, VaultCopy.State.DAMAGED.value, VaultCopy.State.ABSENT.value)
"""The states of copies that should be there: those that an audit looks at."""


class VaultFinding(models.Model):
    """Something wrong with a file of the vault, until it ends; alerts are a reader of these rows.

    `job` is empty when nobody can tell whose the file is.
    """

    class Kind(models.TextChoices):
        DAMAGED = "damaged", _("damaged copy")
        ABSENT = "absent", _("absent copy")
        UNREADABLE = "unreadable", _("unreadable copy")
        EXTRA = "extra", _("file of nobody")
        NOT_RESTORABLE = "not_restorable", _("a restore failed")

    class End(models.TextChoices):
        REPAIRED = "repaired", _("repaired from the staged file")
        WHOLE = "whole", _("found whole again")
        GONE = "gone", _("not there any more")
        DELETED = "deleted", _("the copy was deleted")
        RESTORED = "restored", _("restored since")

    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    job = models.ForeignKey(
        ExpectedBackupJob,
        verbose_name=_("expected backup"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="vault_findings",
    )
    copy = models.ForeignKey(
        VaultCopy,
        verbose_name=_("vault copy"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="findings",
    )
    path = models.CharField(_("path in the vault"), max_length=1000)
    message = models.TextField(_("message"))
    found_at = models.DateTimeField(_("found"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    end = models.CharField(_("how it ended"), max_length=20, choices=End.choices, blank=True)

    class Meta:
        verbose_name = _("vault finding")
        verbose_name_plural = _("vault findings")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("path", "kind"),
                condition=Q(ended_at=None),
                name="finding_is_open_once",
            ),
        )
        indexes = (
            models.Index(fields=("job",), condition=Q(ended_at=None), name="finding_open_by_job"),
        )

    def __str__(self) -> str:
        return named(self.get_kind_display(), self.path)


class RestoreDrill(models.Model):
    """One attempt to restore a copy into a scratch database, with what it took and gave."""

    class Outcome(models.TextChoices):
        RUNNING = "running", _("running")
        RESTORED = "restored", _("restored")
        FAILED = "failed", _("failed")
        NOT_TRIED = "not_tried", _("not tried")
        INTERRUPTED = "interrupted", _("interrupted")

    run = models.ForeignKey(
        VaultRun, verbose_name=_("vault run"), on_delete=models.PROTECT, related_name="drills"
    )
    job = models.ForeignKey(
        ExpectedBackupJob,
        verbose_name=_("expected backup"),
        on_delete=models.PROTECT,
        related_name="drills",
    )
    copy = models.ForeignKey(
        VaultCopy, verbose_name=_("vault copy"), on_delete=models.PROTECT, related_name="drills"
    )
    started_at = models.DateTimeField(_("started"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    seconds = models.FloatField(
        _("restored in (s)"), null=True, blank=True, help_text=_("The measured recovery time.")
    )
    outcome = models.CharField(
        _("outcome"), max_length=20, choices=Outcome.choices, default=Outcome.RUNNING.value
    )
    target = models.CharField(_("restored into"), max_length=200, blank=True, default="")
    tables = models.PositiveIntegerField(_("tables"), null=True, blank=True)
    rows = models.BigIntegerField(_("rows"), null=True, blank=True)
    message = models.TextField(_("message"), blank=True, default="")

    class Meta:
        verbose_name = _("restore drill")
        verbose_name_plural = _("restore drills")
        ordering = ("-id",)
        indexes = (models.Index(fields=("job", "-id"), name="drill_by_job"),)

    def __str__(self) -> str:
        return f"{self.outcome} {self.started_at:%Y-%m-%d %H:%M}"
