from django.db import models
from django.utils.translation import gettext_lazy as _

from scanner.models.job import ExpectedBackupJob


class JobChange(models.Model):
    """What somebody changed of a job, and when; written by the roster alone.

    `changes` holds the old and the new value of each field that differs. `changed_by` is a user's
    name, or empty where the program did it by itself.
    """

    class Action(models.TextChoices):
        ADDED = "added", _("added")
        REGISTERED = "registered", _("registered")
        CHANGED = "changed", _("changed")
        PAUSED = "paused", _("paused")
        RESUMED = "resumed", _("resumed")
        ADOPTED = "adopted", _("adopted")
        RETIRED = "retired", _("retired")

    job = models.ForeignKey(
        ExpectedBackupJob,
        verbose_name=_("expected backup"),
        on_delete=models.CASCADE,
        related_name="changes",
    )
    action = models.CharField(_("what was done"), max_length=20, choices=Action.choices)
    changed_at = models.DateTimeField(_("when"))
    changed_by = models.CharField(_("who"), max_length=150, blank=True, default="")
    changes = models.JSONField(_("changes"), default=dict, blank=True)
    note = models.CharField(_("note"), max_length=500, blank=True, default="")

    class Meta:
        verbose_name = _("change of a job")
        verbose_name_plural = _("changes of jobs")
        ordering = ("-id",)
        indexes = (models.Index(fields=("job", "-id"), name="job_change_by_job"),)

    def __str__(self) -> str:
        return f"{self.changed_at:%Y-%m-%d %H:%M} {self.action} {self.changed_by}".strip()
